/* Questions to the metadata service of an EC2 instance: see aws_imds.h. May call http and what the parts of
 * aws_credentials share. Runs on the loop's thread. */
#include "net/aws_imds.h"

#include "base/error.h"
#include "base/mem.h"
#include "net/aws_credentials_parts.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define IMDS_ADDRESS "http://169.254.169.254"
#define IMDS_ADDRESS_V6 "http://[fd00:ec2::254]"
#define IMDS_TOKEN_PATH "/latest/api/token"

static const char *env(const struct imds *imds, const char *name)
{
	struct aws_provider_settings settings = { .environment = imds->environment };

	return aws_env_of(&settings, name);
}

bool imds_disabled(const struct imds *imds)
{
	const char *disabled = env(imds, "AWS_EC2_METADATA_DISABLED");

	return disabled && strcasecmp(disabled, "true") == 0;
}

static void address(const struct imds *imds, char out[AWS_URL_MAX])
{
	const char *endpoint = env(imds, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
	const char *mode = env(imds, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");

	if (!endpoint)
		endpoint = mode && strcasecmp(mode, "IPv6") == 0 ? IMDS_ADDRESS_V6 : IMDS_ADDRESS;
	snprintf(out, AWS_URL_MAX, "%s", endpoint);
	size_t len = strlen(out);
	if (len > 0 && out[len - 1] == '/')
		out[len - 1] = '\0';
}

static struct http_call *ask(const struct imds *imds, const char *method, const char *path,
        const char *header, http_done *done, void *arg)
{
	char base[AWS_URL_MAX], url[AWS_URL_MAX + IMDS_PATH_MAX];
	const char *const headers[] = { header, NULL };
	struct http_request request = { .method = method,
		.url = url,
		.headers = headers,
		.timeout_ms = IMDS_TIMEOUT_MS,
		.connect_timeout_ms = IMDS_TIMEOUT_MS,
		.ca_file = imds->ca_bundle,
		.secret = true };

	address(imds, base);
	snprintf(url, sizeof url, "%s%s", base, path);
	return http_start(imds->http, &request, done, arg);
}

struct http_call *imds_ask_token(const struct imds *imds, int ttl_s, http_done *done, void *arg)
{
	char header[64];

	snprintf(header, sizeof header, "X-aws-ec2-metadata-token-ttl-seconds: %d", ttl_s);
	return ask(imds, "PUT", IMDS_TOKEN_PATH, header, done, arg);
}

struct http_call *imds_ask(
        const struct imds *imds, const char *token, const char *path, http_done *done, void *arg)
{
	char header[IMDS_TOKEN_MAX + 32];

	snprintf(header, sizeof header, "X-aws-ec2-metadata-token: %s", token);
	struct http_call *call = ask(imds, "GET", path, header, done, arg);
	mem_wipe(header, sizeof header);
	return call;
}

int imds_check(const struct http_answer *answer, const char *what, struct usher_error *err)
{
	char words[AWS_WORDS_MAX];

	if (answer->fault != HTTP_OK) {
		int code = aws_silence(answer, words);
		return error_set(err, code, "no %s: %s", what, words);
	}
	if (answer->status != 200)
		return error_set(err, aws_status_code(answer->status), "no %s: it answered %d: %s", what,
		        answer->status, aws_words(answer->body, answer->body_len, words));
	return 0;
}

int imds_token(const struct http_answer *answer, char **ret_token, struct usher_error *err)
{
	int code = imds_check(answer, "token", err);

	if (answer->fault == HTTP_TIMEOUT)
		return error_set(err, code,
		        "%s (on EC2 in a container, the instance's metadata hop limit must be 2)",
		        err->message);
	if (code)
		return code;
	if (answer->body_len == 0 || answer->body_len > IMDS_TOKEN_MAX ||
	        strcspn(answer->body, " \r\n") != answer->body_len)
		return error_set(err, USHER_EPROTOCOL, "what it sent is not a token");
	*ret_token = mem_stringn(answer->body, answer->body_len);
	return 0;
}
