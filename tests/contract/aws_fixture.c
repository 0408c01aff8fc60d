/* See aws_fixture.h. The server is a child that the kernel kills when the test dies. What it is told goes
 * through net/http.h, unsigned: it looks at no signature. */
#include "aws_fixture.h"

#include "base/buf.h"
#include "base/mem.h"
#include "net/http.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define TIMEOUT_MS 20000
#define ARN(service, name) "arn:aws:" service ":" AWS_FIXTURE_REGION ":000000000000:", name

const char *const aws_fixture_environment[] = { "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test",
	"AWS_EC2_METADATA_DISABLED=true", NULL };

static struct {
	pid_t server;
	int keep; /* write end of its standard input */
	char endpoint[64];
} fixture;

static void give_up(const char *what)
{
	fprintf(stderr, "aws fixture: %s (%s); `make deps-aws` installs what it runs\n", what,
	        strerror(errno));
	abort();
}

/* The folder that `make deps-aws` filled: build/aws, seen from this program under build. */
static void folder_find(char folder[PATH_MAX])
{
	char path[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);

	if (len < 0)
		give_up("no path of this program");
	path[len] = '\0';
	for (char *slash; (slash = strrchr(path, '/')) != NULL && slash > path;) {
		*slash = '\0';
		snprintf(folder, PATH_MAX, "%.4000s/aws", path);
		snprintf(path + strlen(path), 32, "/aws/server.mjs");
		bool there = access(path, R_OK) == 0;
		*slash = '\0';
		if (there)
			return;
	}
	give_up("no server beside the tests");
}

static void run_server(const char *folder, int in, int out)
{
	struct utsname machine;
	char node[PATH_MAX + 64];

	uname(&machine);
	snprintf(node, sizeof node, "%s/node_modules/node-linux-%s/bin/node", folder,
	        strcmp(machine.machine, "aarch64") == 0 ? "arm64" : "x64");
	dup2(in, 0);
	dup2(out, 1);
	if (chdir(folder) == 0)
		execl(node, "node", "--no-warnings", "server.mjs", (char *)NULL);
	_exit(127);
}

void aws_fixture_start(void)
{
	char folder[PATH_MAX], line[64] = "";
	int to[2], from[2], port;
	pid_t parent = getpid();

	folder_find(folder);
	if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC))
		give_up("pipe");
	fixture.server = fork();
	if (fixture.server == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		run_server(folder, to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	fixture.keep = to[1];
	FILE *said = fdopen(from[0], "r");
	if (!said || !fgets(line, sizeof line, said) || sscanf(line, "port %d", &port) != 1)
		give_up("the server does not start");
	fclose(said);
	snprintf(fixture.endpoint, sizeof fixture.endpoint, "http://127.0.0.1:%d", port);
}

void aws_fixture_stop(void)
{
	close(fixture.keep);
	kill(fixture.server, SIGTERM);
	waitpid(fixture.server, NULL, 0);
}

const char *aws_fixture_endpoint(void)
{
	return fixture.endpoint;
}

/* -- Telling it ------------------------------------------------------------------------------- */

static void on_told(void *arg, const struct http_answer *answer)
{
	if (answer->fault != HTTP_OK || answer->status != 200) {
		fprintf(stderr, "aws fixture: status %d: %s\n", answer->status,
		        answer->body ? answer->body : "");
		abort();
	}
	loop_stop(arg);
}

static void tell(const char *const *headers, struct buf *body)
{
	struct loop *loop = loop_new();
	struct curl_loop *curl = curl_loop_new(loop, 1);
	struct http *http = http_new(curl);

	http_start(http,
	        &(struct http_request){ .method = "POST",
	                .url = fixture.endpoint,
	                .headers = headers,
	                .body = buf_str(body),
	                .body_len = body->len,
	                .timeout_ms = TIMEOUT_MS,
	                .connect_timeout_ms = TIMEOUT_MS },
	        on_told, loop);
	loop_run(loop);
	http_free(http);
	curl_loop_free(curl);
	loop_free(loop);
	buf_free(body);
}

static void tell_sqs(const char *action, struct buf *body)
{
	char target[64];
	const char *headers[] = { "Content-Type: application/x-amz-json-1.0", target, NULL };

	snprintf(target, sizeof target, "X-Amz-Target: AmazonSQS.%s", action);
	tell(headers, body);
}

static void tell_sns(struct buf *body)
{
	const char *headers[] = { "Content-Type: application/x-www-form-urlencoded", NULL };

	tell(headers, body);
}

void aws_fixture_topic(const char *name)
{
	struct buf body = BUF(4096);

	buf_printf(&body, "Action=CreateTopic&Version=2010-03-31&Name=%s", name);
	if (strstr(name, ".fifo"))
		buf_puts(&body, "&Attributes.entry.1.key=FifoTopic&Attributes.entry.1.value=true");
	tell_sns(&body);
}

void aws_fixture_queue(const char *name, const char *dlq, int max_receive_count)
{
	struct buf body = BUF(4096);

	buf_printf(&body, "{\"QueueName\":\"%s\",\"Attributes\":{\"VisibilityTimeout\":\"30\"", name);
	if (strstr(name, ".fifo"))
		buf_puts(&body, ",\"FifoQueue\":\"true\"");
	if (dlq)
		buf_printf(&body,
		        ",\"RedrivePolicy\":\"{\\\"deadLetterTargetArn\\\":\\\"%s%s\\\","
		        "\\\"maxReceiveCount\\\":%d}\"",
		        ARN("sqs", dlq), max_receive_count);
	buf_puts(&body, "}}");
	tell_sqs("CreateQueue", &body);
}

void aws_fixture_drop(const char *queue)
{
	struct buf body = BUF(4096);

	buf_printf(&body, "{\"QueueUrl\":\"%s/000000000000/%s\"}", fixture.endpoint, queue);
	tell_sqs("DeleteQueue", &body);
}

void aws_fixture_subscribe(const char *topic, const char *queue)
{
	struct buf body = BUF(4096);

	buf_printf(&body,
	        "Action=Subscribe&Version=2010-03-31&Protocol=sqs&TopicArn=%s%s&Endpoint=%s%s"
	        "&Attributes.entry.1.key=RawMessageDelivery&Attributes.entry.1.value=true",
	        ARN("sns", topic), ARN("sqs", queue));
	tell_sns(&body);
}
