/* Makes calls as the driver makes them, for tests/system/test_signatures.py to look at: credentials from the
 * environment's chain, signed by net/http, one call after the other on the same connection.
 *
 *     sign URL REGION [SERVICE TARGET BODY_FILE]...
 *
 * TARGET "-" is the Query protocol, SERVICE "-" a call without a signature. Prints each answer's status. */
#include "base/buf.h"
#include "base/mem.h"
#include "net/aws_credentials.h"

#include <stdio.h>
#include <string.h>

#define BODY_MAX (2 * 1024 * 1024)
#define HEADER_MAX 8192
#define TIMEOUT_MS 10000

struct run {
	struct loop *loop;
	struct http *http;
	struct aws_provider *provider;
	const char *url, *region;
	char **at, **end; /* the calls that are left */
	int failed;
};

static void next_call(struct run *run);

static bool is_none(const char *text)
{
	return strcmp(text, "-") == 0;
}

static struct buf body_of(const char *path)
{
	struct buf body = BUF(BODY_MAX);
	char block[4096];
	size_t n;
	FILE *file = fopen(path, "rb");

	if (!file) {
		perror(path);
		exit(2);
	}
	while ((n = fread(block, 1, sizeof block, file)) > 0)
		buf_add(&body, block, n);
	fclose(file);
	return body;
}

static void on_answer(void *arg, const struct http_answer *answer)
{
	struct run *run = arg;

	printf("%d %s\n", answer->status, answer->detail ? answer->detail : "");
	run->failed |= answer->fault != HTTP_OK;
	next_call(run);
}

static void on_credentials(
        void *arg, const struct aws_credentials *credentials, const struct usher_error *err)
{
	struct run *run = arg;
	const char *service = run->at[0], *target = run->at[1];
	struct buf body = body_of(run->at[2]);
	char target_header[HEADER_MAX], token_header[HEADER_MAX];
	const char *headers[4] = { "Content-Type: application/x-www-form-urlencoded; charset=utf-8" };
	size_t count = 1;

	if (!credentials) {
		fprintf(stderr, "%s\n", err->message);
		exit(2);
	}
	struct http_signature signature = { run->region, service, credentials->access_key,
		credentials->secret_key };
	if (!is_none(target)) {
		headers[0] = "Content-Type: application/x-amz-json-1.0";
		snprintf(target_header, sizeof target_header, "X-Amz-Target: %s", target);
		headers[count++] = target_header;
	}
	if (credentials->session_token && !is_none(service)) {
		snprintf(token_header, sizeof token_header, "X-Amz-Security-Token: %s",
		        credentials->session_token);
		headers[count++] = token_header;
	}
	run->at += 3;
	http_start(run->http,
	        &(struct http_request){ .method = "POST",
	                .url = run->url,
	                .headers = headers,
	                .body = buf_str(&body),
	                .body_len = body.len,
	                .timeout_ms = TIMEOUT_MS,
	                .connect_timeout_ms = TIMEOUT_MS,
	                .signature = is_none(service) ? NULL : &signature },
	        on_answer, run);
	buf_free(&body);
}

static void next_call(struct run *run)
{
	if (run->end - run->at >= 3)
		aws_provider_get(run->provider, on_credentials, run);
	else
		loop_stop(run->loop);
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: sign URL REGION [SERVICE TARGET BODY_FILE]...\n");
		return 2;
	}
	struct run run = {
		.loop = loop_new(), .url = argv[1], .region = argv[2], .at = argv + 3, .end = argv + argc
	};
	struct curl_loop *cl = curl_loop_new(run.loop, 4);
	run.http = http_new(cl);
	run.provider = aws_provider_new(run.loop, run.http, &(struct aws_provider_settings){ 0 });
	next_call(&run);
	loop_run(run.loop);
	aws_provider_free(run.provider);
	http_free(run.http);
	curl_loop_free(cl);
	loop_free(run.loop);
	return run.failed;
}
