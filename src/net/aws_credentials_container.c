/* Credentials from the container endpoint: ECS tasks, EKS Pod Identity, and whatever speaks like them.
 * May call http and the shared parts. Runs on the loop's thread. */
#include "base/error.h"
#include "base/mem.h"
#include "net/aws_credentials_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ECS_ADDRESS "http://169.254.170.2"
#define RELATIVE "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
#define FULL "AWS_CONTAINER_CREDENTIALS_FULL_URI"
#define TOKEN "AWS_CONTAINER_AUTHORIZATION_TOKEN"
#define TOKEN_FILE "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
#define HEADER_MAX 8192 /* bytes of the Authorization header; a pod's token has about 1500 */

int aws_container_url(
        const struct aws_provider_settings *settings, char url[AWS_URL_MAX], struct usher_error *err)
{
	const char *relative = aws_env_of(settings, RELATIVE), *full = aws_env_of(settings, FULL);
	const char *name = relative ? RELATIVE : FULL;

	if (!relative && !full)
		return error_set(err, USHER_ENOTFOUND, RELATIVE " is not set");
	/* Without its slash it would become part of the host's name. */
	if (relative && *relative != '/')
		return error_set(err, USHER_ECONFIG, RELATIVE " does not begin with a slash");
	int len = snprintf(url, AWS_URL_MAX, "%s%s", relative ? ECS_ADDRESS : "", relative ? relative : full);
	if (len < 0 || len >= AWS_URL_MAX)
		return error_set(err, USHER_ECONFIG, "%s is longer than %d bytes", name, AWS_URL_MAX - 1);
	switch (aws_url_reach(url)) {
	case AWS_REACH_SAFE:
	case AWS_REACH_LOCAL:
		return 0;
	case AWS_REACH_OPEN:
		return error_set(err, USHER_ECONFIG,
		        "%s is refused: http is for this machine, 169.254.170.2, 169.254.170.23 and "
		        "[fd00:ec2::23] only; use https",
		        name);
	default:
		return error_set(err, USHER_ECONFIG, "%s is not an http or https address", name);
	}
}

/* The token is read anew each time: EKS replaces the file. */
static int authorization(struct aws_lookup *lookup, char header[HEADER_MAX], struct usher_error *err)
{
	const char *file = aws_env(lookup, TOKEN_FILE), *token = aws_env(lookup, TOKEN);

	if (file) {
		int rc = aws_token_read(file, &lookup->token, err);
		if (rc < 0)
			return error_set(err, USHER_ECONFIG, TOKEN_FILE ": %s", err->message);
		token = lookup->token;
	}
	if (!token)
		return 0;
	if (strpbrk(token, "\r\n"))
		return error_set(err, USHER_ECONFIG, TOKEN " holds a line end");
	int len = snprintf(header, HEADER_MAX, "Authorization: %s", token);
	if (len < 0 || len >= HEADER_MAX)
		return error_set(err, USHER_ECONFIG, "the authorization token is longer than %d bytes",
		        HEADER_MAX - 32);
	return 1;
}

static void on_document(void *arg, const struct http_answer *answer)
{
	struct aws_lookup *lookup = arg;
	struct aws_credentials *credentials;
	struct usher_error err;
	char words[AWS_WORDS_MAX];

	lookup->call = NULL;
	if (answer->fault != HTTP_OK) {
		int code = aws_silence(answer, words);
		aws_lookup_failed(lookup, code, "the endpoint does not answer: %s", words);
	} else if (answer->status != 200) {
		int code = aws_status_code(answer->status);
		aws_lookup_failed(lookup, code, "the endpoint answered %d: %s", answer->status,
		        aws_words(answer->body, answer->body_len, words));
	} else {
		int rc = aws_document_parse(answer->body, answer->body_len, "container", &credentials, &err);
		if (rc < 0)
			aws_lookup_failed(lookup, rc, "the endpoint: %s", err.message);
		else
			aws_lookup_found(lookup, credentials);
	}
}

static void ask(struct aws_lookup *lookup, const char *url, const char *header)
{
	const char *const headers[] = { "Accept: application/json", header, NULL };
	struct http_request request = { .method = "GET",
		.url = url,
		.headers = headers,
		.timeout_ms = AWS_LOCAL_TIMEOUT_MS,
		.connect_timeout_ms = AWS_LOCAL_TIMEOUT_MS,
		.ca_file = lookup->settings->ca_bundle,
		.secret = true };

	lookup->call = http_start(lookup->http, &request, on_document, lookup);
}

static void container_start(struct aws_lookup *lookup)
{
	char url[AWS_URL_MAX], header[HEADER_MAX];
	struct usher_error err;
	int rc = aws_container_url(lookup->settings, url, &err);

	if (rc == USHER_ENOTFOUND) {
		aws_lookup_absent(lookup, "%s", err.message);
		return;
	}
	if (rc == 0)
		rc = authorization(lookup, header, &err);
	if (rc < 0)
		aws_lookup_failed(lookup, rc, "%s", err.message);
	else
		ask(lookup, url, rc == 1 ? header : NULL);
	mem_wipe(header, sizeof header);
}

const struct aws_source aws_source_container = { .name = "container", .start = container_start };
