/* Makes calls through net/aws, for tests/system/test_signatures.py to look at: one after the other, all on
 * the same handle and connection.
 *
 *     sign URL REGION [SERVICE TARGET BODY_FILE]...
 *
 * TARGET "-" is the Query protocol, SERVICE "-" a call without a signature. */
#include "base/buf.h"
#include "base/mem.h"
#include "net/aws.h"

#include <stdio.h>
#include <string.h>

#define BODY_MAX (2 * 1024 * 1024)
#define TIMEOUT_MS 10000

struct run {
	struct loop *loop;
	struct http *http;
	struct aws_provider *provider;
	struct aws_client *client; /* of the call under way, when it is a signed one */
	struct buf body;
	const char *url, *region;
	char **at, **end; /* the calls that are left */
	int failed;
};

static void next_call(struct run *run);
static void drop_client(void *arg);

static bool is_none(const char *text)
{
	return strcmp(text, "-") == 0;
}

static void read_body(struct run *run, const char *path)
{
	char block[4096];
	size_t n;
	FILE *file = fopen(path, "rb");

	if (!file) {
		perror(path);
		exit(2);
	}
	buf_clear(&run->body);
	while ((n = fread(block, 1, sizeof block, file)) > 0)
		buf_add(&run->body, block, n);
	fclose(file);
}

static void on_plain_answer(void *arg, const struct http_answer *answer)
{
	struct run *run = arg;

	run->failed |= answer->fault != HTTP_OK;
	next_call(run);
}

static void on_answer(void *arg, const struct aws_answer *answer)
{
	struct run *run = arg;

	if (answer->code)
		fprintf(stderr, "%s\n", answer->error_message);
	run->failed |= answer->code != 0;
	loop_defer(run->loop, drop_client, run);
}

static void call_plainly(struct run *run)
{
	static const char *const headers[] = { "Content-Type: application/x-www-form-urlencoded", NULL };
	const struct http_request request = { .method = "POST",
		.url = run->url,
		.headers = headers,
		.body = buf_str(&run->body),
		.body_len = run->body.len,
		.timeout_ms = TIMEOUT_MS,
		.connect_timeout_ms = TIMEOUT_MS };

	http_start(run->http, &request, on_plain_answer, run);
}

static void call_signed(struct run *run, const char *service, const char *target)
{
	const struct aws_client_settings settings = { .loop = run->loop,
		.http = run->http,
		.provider = run->provider,
		.region = run->region,
		.service = service,
		.endpoint = run->url };
	const struct aws_request request = { .action = "call",
		.target = is_none(target) ? NULL : target,
		.body = buf_str(&run->body),
		.body_len = run->body.len,
		.timeout_ms = TIMEOUT_MS };

	run->client = aws_client_new(&settings);
	aws_call(run->client, &request, on_answer, run);
}

static void next_call(struct run *run)
{
	char **call = run->at;

	if (run->end - run->at < 3) {
		loop_stop(run->loop);
		return;
	}
	run->at += 3;
	read_body(run, call[2]);
	if (is_none(call[0]))
		call_plainly(run);
	else
		call_signed(run, call[0], call[1]);
}

static void drop_client(void *arg) /* outside its own callback */
{
	struct run *run = arg;

	aws_client_free(run->client);
	next_call(run);
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: sign URL REGION [SERVICE TARGET BODY_FILE]...\n");
		return 2;
	}
	struct run run = { .loop = loop_new(),
		.url = argv[1],
		.region = argv[2],
		.body = BUF(BODY_MAX),
		.at = argv + 3,
		.end = argv + argc };
	struct curl_loop *cl = curl_loop_new(run.loop, 4);
	run.http = http_new(cl);
	run.provider = aws_provider_new(run.loop, run.http, &(struct aws_provider_settings){ 0 });
	next_call(&run);
	loop_run(run.loop);
	aws_provider_free(run.provider);
	http_free(run.http);
	buf_free(&run.body);
	curl_loop_free(cl);
	loop_free(run.loop);
	return run.failed;
}
