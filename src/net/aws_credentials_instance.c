/* Credentials of the role attached to an EC2 instance: a token, the role's name, the role's credentials, by
 * the metadata service. May call aws_imds and the shared parts. Runs on the loop's thread. */
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/aws_credentials_parts.h"
#include "net/aws_imds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN_TTL_S 300 /* used at once */
#define ROLE_MAX 128    /* bytes */
#define ROLES_PATH "/latest/meta-data/iam/security-credentials/"
/* IMDS gives out expired credentials while it cannot renew them, and the services then take them. */
#define IMDS_STALE_MS (5 * 60 * 1000)

static struct imds imds_of(const struct aws_lookup *lookup)
{
	return (struct imds){ lookup->http, lookup->settings->environment, lookup->settings->ca_bundle };
}

static void ask(struct aws_lookup *lookup, const char *role, http_done *done)
{
	struct imds imds = imds_of(lookup);
	char path[IMDS_PATH_MAX];

	snprintf(path, sizeof path, ROLES_PATH "%s", role);
	lookup->call = imds_ask(&imds, lookup->token, path, done, lookup);
}

/* Ends the source and returns false unless the answer is a 200. */
static bool is_good(struct aws_lookup *lookup, const struct http_answer *answer, const char *what)
{
	struct usher_error err;
	int code = imds_check(answer, what, &err);

	if (code)
		aws_lookup_unreached(lookup, code, "%s", err.message);
	return code == 0;
}

/* -- The three requests, last to first ------------------------------------------------------------ */

static void on_credentials(void *arg, const struct http_answer *answer)
{
	struct aws_lookup *lookup = arg;
	struct aws_credentials *credentials;
	struct usher_error err;
	char source[ROLE_MAX + 32];
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

	if (len == 0 || len >= ROLE_MAX || (text[len] && !strchr("\r\n", text[len])))
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
			ask(lookup, lookup->role, on_credentials);
		else
			aws_lookup_unreached(
			        lookup, USHER_EPROTOCOL, "what it names is not the name of a role");
	}
}

static void on_token(void *arg, const struct http_answer *answer)
{
	struct aws_lookup *lookup = arg;
	struct usher_error err;

	lookup->call = NULL;
	int code = imds_token(answer, &lookup->token, &err);
	if (code)
		aws_lookup_unreached(lookup, code, "%s", err.message);
	else
		ask(lookup, "", on_role);
}

static void instance_start(struct aws_lookup *lookup)
{
	struct imds imds = imds_of(lookup);

	if (imds_disabled(&imds))
		aws_lookup_absent(lookup, "AWS_EC2_METADATA_DISABLED is true");
	else
		lookup->call = imds_ask_token(&imds, TOKEN_TTL_S, on_token, lookup);
}

const struct aws_source aws_source_instance = { .name = "instance", .start = instance_start };
