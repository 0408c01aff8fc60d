/* Credentials of the role attached to an EC2 instance, over IMDSv2: a token, the role's name, the role's
 * credentials. Version 1, which hands them to any forged request, is not spoken. Off EC2 nobody answers,
 * and in a container the token's answer may not come through (hop limit 1), so that patience is short.
 * May call http and the shared parts. Runs on the loop's thread. */
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/aws_credentials_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define IMDS_ADDRESS "http://169.254.169.254"
#define IMDS_ADDRESS_V6 "http://[fd00:ec2::254]"
#define IMDS_TIMEOUT_MS 1000
#define IMDS_TOKEN_TTL "X-aws-ec2-metadata-token-ttl-seconds: 300" /* used at once */
#define IMDS_TOKEN_MAX 1024
#define IMDS_ROLE_MAX 128
#define ROLES_PATH "/latest/meta-data/iam/security-credentials/"
/* IMDS gives out expired credentials while it cannot renew them, and the services then take them. */
#define IMDS_STALE_MS (5 * 60 * 1000)

static void address(const struct aws_lookup *lookup, char out[AWS_URL_MAX])
{
	const char *endpoint = aws_env(lookup, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
	const char *mode = aws_env(lookup, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");

	if (!endpoint)
		endpoint = mode && strcasecmp(mode, "IPv6") == 0 ? IMDS_ADDRESS_V6 : IMDS_ADDRESS;
	snprintf(out, AWS_URL_MAX, "%s", endpoint);
	size_t len = strlen(out);
	if (len > 0 && out[len - 1] == '/')
		out[len - 1] = '\0';
}

/* path and rest follow the address; header may be NULL. */
static void ask(struct aws_lookup *lookup, const char *method, const char *path, const char *rest,
        const char *header, http_done *done)
{
	char base[AWS_URL_MAX], url[AWS_URL_MAX + sizeof ROLES_PATH + IMDS_ROLE_MAX];
	const char *const headers[] = { header, NULL };
	struct http_request request = { .method = method,
		.url = url,
		.headers = headers,
		.timeout_ms = IMDS_TIMEOUT_MS,
		.connect_timeout_ms = IMDS_TIMEOUT_MS,
		.ca_file = lookup->settings->ca_bundle,
		.secret = true };

	address(lookup, base);
	snprintf(url, sizeof url, "%s%s%s", base, path, rest);
	lookup->call = http_start(lookup->http, &request, done, lookup);
}

static void ask_with_token(struct aws_lookup *lookup, const char *rest, http_done *done)
{
	char header[IMDS_TOKEN_MAX + 32];

	snprintf(header, sizeof header, "X-aws-ec2-metadata-token: %s", lookup->token);
	ask(lookup, "GET", ROLES_PATH, rest, header, done);
	mem_wipe(header, sizeof header);
}

/* Ends the source and returns false unless the answer is a 200. */
static bool is_good(struct aws_lookup *lookup, const struct http_answer *answer, const char *what)
{
	char words[AWS_WORDS_MAX];

	if (answer->fault != HTTP_OK) {
		int code = aws_silence(answer, words);
		aws_lookup_unreached(lookup, code, "no %s: %s", what, words);
		return false;
	}
	if (answer->status != 200) {
		aws_lookup_unreached(lookup, aws_status_code(answer->status), "no %s: it answered %d: %s",
		        what, answer->status, aws_words(answer->body, answer->body_len, words));
		return false;
	}
	return true;
}

/* -- The three requests, last to first ------------------------------------------------------------ */

static void on_credentials(void *arg, const struct http_answer *answer)
{
	struct aws_lookup *lookup = arg;
	struct aws_credentials *credentials;
	struct usher_error err;
	char source[IMDS_ROLE_MAX + 32];
	wall_time now = lookup->settings->now();

	lookup->call = NULL;
	if (!is_good(lookup, answer, "credentials"))
		return;
	snprintf(source, sizeof source, "instance role %s", lookup->role);
	int rc = aws_document_parse(answer->body, answer->body_len, source, &credentials, &err);
	if (rc < 0) {
		aws_lookup_failed(lookup, rc, "role %s: %s", lookup->role, err.message);
		return;
	}
	if (credentials->expires_at.ms != 0 && credentials->expires_at.ms < now.ms + IMDS_STALE_MS) {
		log_warn(
		        "aws", "the instance's credentials are not being renewed; they are used as they are");
		credentials->expires_at.ms = now.ms + IMDS_STALE_MS;
	}
	aws_lookup_found(lookup, credentials);
}

/* A name as IAM allows it, so that it can stand in a path. */
static bool take_role(struct aws_lookup *lookup, const char *text)
{
	size_t len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+=,.@_-");

	if (len == 0 || len >= IMDS_ROLE_MAX || (text[len] && !strchr("\r\n", text[len])))
		return false;
	lookup->role = mem_stringn(text, len);
	return true;
}

static void on_role(void *arg, const struct http_answer *answer)
{
	struct aws_lookup *lookup = arg;

	lookup->call = NULL;
	if (answer->fault == HTTP_OK && answer->status == 404)
		aws_lookup_absent(lookup, "no role is attached to this instance");
	else if (is_good(lookup, answer, "role")) {
		if (take_role(lookup, answer->body))
			ask_with_token(lookup, lookup->role, on_credentials);
		else
			aws_lookup_unreached(
			        lookup, USHER_EPROTOCOL, "what it names is not the name of a role");
	}
}

static void on_token(void *arg, const struct http_answer *answer)
{
	struct aws_lookup *lookup = arg;
	char words[AWS_WORDS_MAX];

	lookup->call = NULL;
	if (answer->fault == HTTP_TIMEOUT) {
		int code = aws_silence(answer, words);
		aws_lookup_unreached(lookup, code,
		        "no token: %s (on EC2 in a container, the instance's metadata hop limit must be 2)",
		        words);
	} else if (is_good(lookup, answer, "token")) {
		size_t len = answer->body_len;
		if (len == 0 || len > IMDS_TOKEN_MAX || strcspn(answer->body, " \r\n") != len) {
			aws_lookup_unreached(lookup, USHER_EPROTOCOL, "what it sent is not a token");
			return;
		}
		lookup->token = mem_stringn(answer->body, len);
		ask_with_token(lookup, "", on_role);
	}
}

static void instance_start(struct aws_lookup *lookup)
{
	const char *disabled = aws_env(lookup, "AWS_EC2_METADATA_DISABLED");

	if (disabled && strcasecmp(disabled, "true") == 0)
		aws_lookup_absent(lookup, "AWS_EC2_METADATA_DISABLED is true");
	else
		ask(lookup, "PUT", "/latest/api/token", "", IMDS_TOKEN_TTL, on_token);
}

const struct aws_source aws_source_instance = { .name = "instance", .start = instance_start };
