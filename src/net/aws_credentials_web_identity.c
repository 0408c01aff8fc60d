/* Credentials of a role, from STS, for a token that an identity provider has signed (EKS service accounts
 * and the like). The call carries no signature: the token is the proof. May call http, xml and the shared
 * parts. Runs on the loop's thread. */
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "net/aws_credentials_parts.h"
#include "net/aws_endpoint.h"
#include "net/xml.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STS_FORM_MAX (64 * 1024) /* bytes; STS takes tokens of up to 20,000 */
#define STS_VERSION "2011-06-15"
#define SESSION_MAX 65 /* STS's limit for a session's name, with the NUL */
#define FORM_TYPE "Content-Type: application/x-www-form-urlencoded"

/* -- The answer --------------------------------------------------------------------------------- */

struct sts_answer {
	char *access_key, *secret_key, *session_token, *expiration;
	char *code, *message;
};

/* The end of a path decides: the namespace and the result's name around it may differ. */
static const struct {
	const char *path;
	size_t field;
} sts_fields[] = {
	{ "Credentials/AccessKeyId", offsetof(struct sts_answer, access_key) },
	{ "Credentials/SecretAccessKey", offsetof(struct sts_answer, secret_key) },
	{ "Credentials/SessionToken", offsetof(struct sts_answer, session_token) },
	{ "Credentials/Expiration", offsetof(struct sts_answer, expiration) },
	{ "ErrorResponse/Error/Code", offsetof(struct sts_answer, code) },
	{ "ErrorResponse/Error/Message", offsetof(struct sts_answer, message) },
};

static void on_element(void *arg, const char *path, const char *text)
{
	size_t len = strlen(path);

	for (size_t i = 0; i < ARRAY_LEN(sts_fields); i++) {
		size_t end = strlen(sts_fields[i].path);
		if (len < end || strcmp(path + len - end, sts_fields[i].path) != 0)
			continue;
		char **field = (char **)((char *)arg + sts_fields[i].field);
		aws_string_free(*field);
		*field = mem_string(text);
	}
}

static void answer_free(struct sts_answer *answer)
{
	for (size_t i = 0; i < ARRAY_LEN(sts_fields); i++)
		aws_string_free(*(char **)((char *)answer + sts_fields[i].field));
}

/* STS's trouble with the identity provider passes; the rest is for the operator. */
static int refusal(const struct sts_answer *answer, struct usher_error *err)
{
	char code[AWS_WORDS_MAX], words[AWS_WORDS_MAX];
	bool passes = strncmp(answer->code, "IDPCommunicationError", 21) == 0 ||
	              strncmp(answer->code, "Throttling", 10) == 0 ||
	              strcmp(answer->code, "InternalFailure") == 0;
	const char *message = answer->message ? answer->message : "";

	return error_set(err, passes ? USHER_EUNAVAILABLE : USHER_EFORBIDDEN, "%s: %s",
	        aws_words(answer->code, strlen(answer->code), code),
	        aws_words(message, strlen(message), words));
}

static int take_answer(const struct sts_answer *answer, const char *role, struct aws_credentials **ret,
        struct usher_error *err)
{
	wall_time expires_at;

	if (answer->code)
		return refusal(answer, err);
	if (!answer->access_key || !answer->secret_key || !answer->session_token || !answer->expiration)
		return error_set(err, USHER_EPROTOCOL, "its answer holds no whole credentials");
	if (wall_parse(answer->expiration, &expires_at) < 0)
		return error_set(err, USHER_EPROTOCOL, "the Expiration in its answer is not a time");
	*ret = aws_credentials_new(answer->access_key, answer->secret_key, answer->session_token, expires_at,
	        "web identity %s", role);
	return 0;
}

int aws_web_identity_parse(
        const char *xml, size_t len, const char *role, struct aws_credentials **ret, struct usher_error *err)
{
	struct sts_answer answer = { 0 };
	int rc = xml_walk(xml, len, on_element, &answer, err);

	rc = rc < 0 ? error_set(err, USHER_EPROTOCOL, "its answer is not XML")
	            : take_answer(&answer, role, ret, err);
	answer_free(&answer);
	return rc;
}

static void on_answer(void *arg, const struct http_answer *answer)
{
	struct aws_lookup *lookup = arg;
	struct aws_credentials *credentials = NULL;
	struct usher_error err;
	char words[AWS_WORDS_MAX];

	lookup->call = NULL;
	if (answer->fault != HTTP_OK) {
		int code = aws_silence(answer, words);
		aws_lookup_failed(lookup, code, "STS does not answer: %s", words);
		return;
	}
	int rc = aws_web_identity_parse(answer->body, answer->body_len, lookup->role, &credentials, &err);
	if (rc == 0)
		aws_lookup_found(lookup, credentials);
	else if (rc == USHER_EFORBIDDEN && aws_status_code(answer->status) == USHER_EUNAVAILABLE)
		aws_lookup_failed(
		        lookup, USHER_EUNAVAILABLE, "STS, asked for %s: %s", lookup->role, err.message);
	else if (rc == USHER_EPROTOCOL && answer->status != 200)
		aws_lookup_failed(lookup, aws_status_code(answer->status), "STS answered %d: %s",
		        answer->status, aws_words(answer->body, answer->body_len, words));
	else
		aws_lookup_failed(lookup, rc, "STS, asked for %s: %s", lookup->role, err.message);
}

/* -- The request -------------------------------------------------------------------------------- */

static void form_add(struct buf *form, const char *name, const char *value)
{
	buf_printf(form, "&%s=", name);
	for (const unsigned char *at = (const unsigned char *)value; *at; at++)
		if (isalnum(*at) || strchr("-_.~", *at))
			buf_putc(form, (char)*at);
		else
			buf_printf(form, "%%%02X", *at);
}

/* The region's own endpoint, as AWS asks for; that of us-east-1 where no region is known. */
static void endpoint(const struct aws_lookup *lookup, char out[AWS_URL_MAX])
{
	const char *given = aws_endpoint_named(lookup->settings->environment, "sts");
	const char *region = lookup->settings->region;

	if (!region)
		region = aws_env(lookup, "AWS_REGION");
	if (!region)
		region = aws_env(lookup, "AWS_DEFAULT_REGION");
	if (given)
		snprintf(out, AWS_URL_MAX, "%s", given);
	else if (!region)
		snprintf(out, AWS_URL_MAX, "https://sts.amazonaws.com/");
	else
		snprintf(out, AWS_URL_MAX, "https://sts.%s.%s/", region, aws_domain(region));
}

static void ask(struct aws_lookup *lookup, const char *url, const char *session)
{
	struct buf form = BUF(STS_FORM_MAX);
	const char *const headers[] = { FORM_TYPE, NULL };

	buf_puts(&form, "Action=AssumeRoleWithWebIdentity&Version=" STS_VERSION);
	form_add(&form, "RoleArn", lookup->role);
	form_add(&form, "RoleSessionName", session);
	form_add(&form, "WebIdentityToken", lookup->token);
	struct http_request request = { .method = "POST",
		.url = url,
		.headers = headers,
		.body = form.data,
		.body_len = form.len,
		.timeout_ms = AWS_STS_TIMEOUT_MS,
		.connect_timeout_ms = AWS_STS_TIMEOUT_MS,
		.ca_file = lookup->settings->ca_bundle,
		.secret = true };
	if (form.failed)
		aws_lookup_failed(lookup, USHER_ECONFIG, "the token is longer than STS takes");
	else
		lookup->call = http_start(lookup->http, &request, on_answer, lookup);
	mem_wipe(form.data, form.len);
	buf_free(&form);
}

void aws_web_identity_exchange(
        struct aws_lookup *lookup, const char *token_file, const char *role, const char *session)
{
	char url[AWS_URL_MAX], made_up[SESSION_MAX];
	struct usher_error err;

	endpoint(lookup, url);
	if (aws_url_reach(url) != AWS_REACH_SAFE) {
		aws_lookup_failed(lookup, USHER_ECONFIG,
		        "the endpoint of STS, %s, is refused: it must be https, or http to this machine",
		        url);
		return;
	}
	if (aws_token_read(token_file, &lookup->token, &err) < 0) {
		aws_lookup_failed(lookup, USHER_ECONFIG, "%s", err.message);
		return;
	}
	snprintf(made_up, sizeof made_up, "usher-%lld", (long long)lookup->settings->now().ms);
	lookup->role = mem_string(role);
	ask(lookup, url, session ? session : made_up);
}

static void web_identity_start(struct aws_lookup *lookup)
{
	const char *token_file = aws_env(lookup, "AWS_WEB_IDENTITY_TOKEN_FILE");
	const char *role = aws_env(lookup, "AWS_ROLE_ARN");

	if (lookup->settings->profile)
		aws_lookup_absent(lookup, "not asked, because [aws] profile is set");
	else if (!token_file)
		aws_lookup_absent(lookup, "AWS_WEB_IDENTITY_TOKEN_FILE is not set");
	else if (!role)
		aws_lookup_failed(lookup, USHER_ECONFIG,
		        "AWS_WEB_IDENTITY_TOKEN_FILE is set and AWS_ROLE_ARN is not: set both or none");
	else
		aws_web_identity_exchange(lookup, token_file, role, aws_env(lookup, "AWS_ROLE_SESSION_NAME"));
}

const struct aws_source aws_source_web_identity = { .name = "web identity", .start = web_identity_start };
