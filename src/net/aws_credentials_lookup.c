/* One search through the sources, in order, and the smallest source, the environment. May call the
 * sources, http and base. Runs on the loop's thread. */
#include "base/error.h"
#include "base/mem.h"
#include "net/aws_credentials_parts.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct aws_source *const sources[] = {
	&aws_source_environment,
	&aws_source_web_identity,
	&aws_source_files,
	&aws_source_container,
	&aws_source_instance,
};

/* -- The walk ----------------------------------------------------------------------------------- */

static void forget_source(struct aws_lookup *lookup)
{
	aws_string_free(lookup->token);
	free(lookup->role);
	lookup->token = lookup->role = NULL;
}

void aws_lookup_end(struct aws_lookup *lookup)
{
	if (lookup->call)
		http_cancel(lookup->call);
	forget_source(lookup);
	buf_free(&lookup->said);
}

static void give_up(struct aws_lookup *lookup, int code, const char *before, const char *after)
{
	aws_lookup_done *done = lookup->done;
	void *arg = lookup->arg;
	struct usher_error err;

	error_set(&err, code, "%s%s%s", before, buf_str(&lookup->said), after);
	aws_lookup_end(lookup);
	done(arg, NULL, &err);
}

static void start_source(struct aws_lookup *lookup)
{
	if (lookup->at < ARRAY_LEN(sources))
		sources[lookup->at]->start(lookup);
	else
		give_up(lookup, lookup->code,
		        "no AWS credentials anywhere: ", ". Set one of them up: see usher-aws(7)");
}

void aws_lookup_start(struct aws_lookup *lookup)
{
	lookup->said = BUF(USHER_ERROR_MESSAGE_MAX);
	lookup->code = USHER_ECONFIG;
	lookup->at = 0;
	start_source(lookup);
}

/* Keys go into headers: a line end in one would write another header. */
static bool is_plain(const char *text)
{
	if (!text)
		return true;
	for (; *text; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

void aws_lookup_found(struct aws_lookup *lookup, struct aws_credentials *credentials)
{
	aws_lookup_done *done = lookup->done;
	void *arg = lookup->arg;

	if (!is_plain(credentials->access_key) || !is_plain(credentials->secret_key) ||
	        !is_plain(credentials->session_token)) {
		aws_credentials_free(credentials);
		aws_lookup_failed(lookup, USHER_ECONFIG,
		        "a key or token there holds a blank, a line end or another character that none has");
		return;
	}
	aws_lookup_end(lookup);
	done(arg, credentials, NULL);
}

static void say(struct aws_lookup *lookup, const char *fmt, va_list ap)
{
	buf_printf(&lookup->said, "%s%s: ", lookup->said.len ? "; " : "", sources[lookup->at]->name);
	buf_vprintf(&lookup->said, fmt, ap);
}

static void next_source(struct aws_lookup *lookup)
{
	forget_source(lookup);
	lookup->at++;
	start_source(lookup);
}

void aws_lookup_absent(struct aws_lookup *lookup, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(lookup, fmt, ap);
	va_end(ap);
	next_source(lookup);
}

void aws_lookup_unreached(struct aws_lookup *lookup, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(lookup, fmt, ap);
	va_end(ap);
	lookup->code = code;
	next_source(lookup);
}

void aws_lookup_failed(struct aws_lookup *lookup, int code, const char *fmt, ...)
{
	va_list ap;

	buf_clear(&lookup->said); /* that the others are not set up is no news: this one is meant */
	va_start(ap, fmt);
	say(lookup, fmt, ap);
	va_end(ap);
	give_up(lookup, code, "AWS credentials are set up and do not work: ", "");
}

/* -- The environment ---------------------------------------------------------------------------- */

const char *aws_env_of(const struct aws_provider_settings *settings, const char *name)
{
	size_t len = strlen(name);

	for (const char *const *at = settings->environment; *at; at++)
		if (strncmp(*at, name, len) == 0 && (*at)[len] == '=')
			return (*at)[len + 1] ? *at + len + 1 : NULL;
	return NULL;
}

const char *aws_env(const struct aws_lookup *lookup, const char *name)
{
	return aws_env_of(lookup->settings, name);
}

static void environment_start(struct aws_lookup *lookup)
{
	const char *access_key = aws_env(lookup, "AWS_ACCESS_KEY_ID");
	const char *secret_key = aws_env(lookup, "AWS_SECRET_ACCESS_KEY");

	if (lookup->settings->profile)
		aws_lookup_absent(lookup, "not asked, because [aws] profile is set");
	else if (!access_key && !secret_key)
		aws_lookup_absent(lookup, "AWS_ACCESS_KEY_ID is not set");
	else if (!access_key || !secret_key)
		aws_lookup_failed(lookup, USHER_ECONFIG, "%s is set and %s is not: set both or none",
		        access_key ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
		        access_key ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
	else
		aws_lookup_found(lookup,
		        aws_credentials_new(access_key, secret_key, aws_env(lookup, "AWS_SESSION_TOKEN"),
		                (wall_time){ 0 }, "environment"));
}

const struct aws_source aws_source_environment = { .name = "environment", .start = environment_start };
