/* The provider: keeps credentials, shares one search among those who wait, and decides when to search
 * anew. Nothing is searched for by a clock: the next get after the time has come starts it. May call the
 * parts of aws_credentials, loop and base. Runs on the loop's thread. */
#include "net/aws_credentials.h"

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/aws_credentials_parts.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AREA "aws"

struct waiter {
	aws_credentials_done *done;
	void *arg;
	struct waiter *next;
};

struct aws_provider {
	struct loop *loop;
	struct http *http;
	struct aws_provider_settings settings;
	char *profile, *region, *ca_bundle; /* what the settings point to */
	struct aws_credentials *credentials;
	wall_time renew_at; /* 0: never */
	bool distrusted;    /* a service refused them: not given out again */
	struct aws_lookup lookup;
	bool searching;
	struct waiter *waiters, **waiters_end;
	struct loop_timer *soon;      /* a get is answered from here, so that it never calls back itself */
	struct usher_error error;     /* of the last search, if it failed */
	int failures;                 /* in a row */
	mono_time not_before;         /* no search earlier, after a failure */
	mono_time forced_at;          /* when aws_provider_refresh was last heard; 0: never */
	struct aws_files_stamp stamp; /* of the shared files, when the last search began */
	mono_time stamped_at;
};

/* -- What is at hand ---------------------------------------------------------------------------- */

static bool unexpired(const struct aws_provider *provider, const struct aws_credentials *c)
{
	return c->expires_at.ms == 0 || provider->settings.now().ms < c->expires_at.ms - AWS_EXPIRY_MARGIN_MS;
}

static bool usable(const struct aws_provider *provider)
{
	return provider->credentials && !provider->distrusted && unexpired(provider, provider->credentials);
}

/* At most every AWS_FILES_CHECK_MS: a get costs no system call then. */
static bool files_changed(struct aws_provider *provider)
{
	mono_time now = mono_now();

	if (mono_since_ms(provider->stamped_at, now) < AWS_FILES_CHECK_MS)
		return false;
	provider->stamped_at = now;
	struct aws_files_stamp stamp = aws_files_stamp(&provider->settings);
	return !aws_files_same(&stamp, &provider->stamp);
}

static bool search_is_due(struct aws_provider *provider)
{
	if (provider->searching)
		return false;
	if (files_changed(provider))
		return true;
	if (provider->failures > 0 && mono_since_ms(provider->not_before, mono_now()) < 0)
		return false;
	return !usable(provider) || provider->failures > 0 ||
	       (provider->renew_at.ms != 0 && provider->settings.now().ms >= provider->renew_at.ms);
}

/* AWS_REFRESH_AHEAD_MS before the end, or at half time where they live shorter than twice that: an
 * endpoint that only gives short ones is not asked at each call. */
static wall_time renewal(wall_time now_is, wall_time expires_at)
{
	int64_t now = now_is.ms, left = expires_at.ms - now;

	if (expires_at.ms == 0)
		return expires_at;
	int64_t wait = left - AWS_REFRESH_AHEAD_MS > left / 2 ? left - AWS_REFRESH_AHEAD_MS : left / 2;
	return (wall_time){ now + (wait > 0 ? wait : 0) };
}

/* -- Answering ---------------------------------------------------------------------------------- */

static void answer_all(struct aws_provider *provider)
{
	struct waiter *waiter = provider->waiters;
	bool good = usable(provider);

	provider->waiters = NULL; /* a callback may get again: that one waits for the next round */
	provider->waiters_end = &provider->waiters;
	while (waiter) {
		struct waiter *next = waiter->next;
		waiter->done(
		        waiter->arg, good ? provider->credentials : NULL, good ? NULL : &provider->error);
		free(waiter);
		waiter = next;
	}
}

static void take_over(struct aws_provider *provider, struct aws_credentials *credentials)
{
	struct aws_credentials *old = provider->credentials;
	char until[WALL_TEXT_SIZE];

	wall_format(credentials->expires_at, until);
	if (!old || provider->failures > 0 || strcmp(old->source, credentials->source) != 0)
		log_info(AREA, "credentials from %s%s%s", credentials->source, *until ? ", good until " : "",
		        until);
	aws_credentials_free(old);
	provider->credentials = credentials;
	provider->renew_at = renewal(provider->settings.now(), credentials->expires_at);
	provider->distrusted = false;
	provider->failures = 0;
}

static void back_off(struct aws_provider *provider, const struct usher_error *err)
{
	int64_t wait = AWS_FETCH_BACKOFF_MS;

	for (int i = 0; i < provider->failures && wait < AWS_FETCH_BACKOFF_MAX_MS; i++)
		wait *= 2;
	if (wait > AWS_FETCH_BACKOFF_MAX_MS)
		wait = AWS_FETCH_BACKOFF_MAX_MS;
	provider->failures++;
	provider->not_before = mono_add_ms(mono_now(), wait);
	provider->error = *err;
	if (usable(provider))
		log_warn(AREA, "the credentials at hand serve on, new ones could not be had: %s",
		        err->message);
	else
		log_error(AREA, "%s", err->message);
}

static void refuse_expired(struct aws_provider *provider, struct aws_credentials *credentials)
{
	char until[WALL_TEXT_SIZE];
	struct usher_error err;

	error_set(&err, USHER_EFORBIDDEN,
	        "AWS credentials from %s expired at %s: have them renewed there, or set this machine's clock",
	        credentials->source, wall_format(credentials->expires_at, until));
	aws_credentials_free(credentials);
	back_off(provider, &err);
}

static void on_searched(void *arg, struct aws_credentials *credentials, const struct usher_error *err)
{
	struct aws_provider *provider = arg;

	provider->searching = false;
	if (!credentials)
		back_off(provider, err);
	else if (!unexpired(provider, credentials))
		refuse_expired(provider, credentials);
	else
		take_over(provider, credentials);
	answer_all(provider);
}

static void search(struct aws_provider *provider)
{
	provider->searching = true;
	provider->stamp = aws_files_stamp(&provider->settings);
	provider->stamped_at = mono_now();
	provider->lookup = (struct aws_lookup){ .loop = provider->loop,
		.http = provider->http,
		.settings = &provider->settings,
		.done = on_searched,
		.arg = provider };
	aws_lookup_start(&provider->lookup);
}

static void on_soon(void *arg)
{
	struct aws_provider *provider = arg;

	if (search_is_due(provider))
		search(provider);
	if (!provider->searching || usable(provider))
		answer_all(provider);
}

/* -- The contract of aws_credentials.h ---------------------------------------------------------- */

struct aws_provider *aws_provider_new(
        struct loop *loop, struct http *http, const struct aws_provider_settings *settings)
{
	struct aws_provider *provider = mem_alloc(sizeof *provider);

	provider->loop = loop;
	provider->http = http;
	provider->settings = (struct aws_provider_settings){
		.profile = provider->profile = mem_string(settings->profile),
		.region = provider->region = mem_string(settings->region),
		.ca_bundle = provider->ca_bundle = mem_string(settings->ca_bundle),
		.environment = settings->environment ? settings->environment : (const char *const *)environ,
		.now = settings->now ? settings->now : wall_now,
	};
	provider->waiters_end = &provider->waiters;
	provider->soon = loop_timer_new(loop, on_soon, provider);
	return provider;
}

void aws_provider_free(struct aws_provider *provider)
{
	if (!provider)
		return;
	if (provider->searching)
		aws_lookup_end(&provider->lookup);
	loop_timer_free(provider->soon);
	while (provider->waiters) {
		struct waiter *next = provider->waiters->next;
		free(provider->waiters);
		provider->waiters = next;
	}
	aws_credentials_free(provider->credentials);
	free(provider->profile);
	free(provider->region);
	free(provider->ca_bundle);
	free(provider);
}

void aws_provider_get(struct aws_provider *provider, aws_credentials_done *done, void *arg)
{
	struct waiter *waiter = mem_alloc(sizeof *waiter);

	waiter->done = done;
	waiter->arg = arg;
	*provider->waiters_end = waiter;
	provider->waiters_end = &waiter->next;
	loop_timer_start(provider->soon, 0);
}

/* Calls that were signed before a refresh still come back refused after it: those must not throw away
 * what has just been fetched. */
void aws_provider_refresh(struct aws_provider *provider)
{
	mono_time now = mono_now();

	if (provider->forced_at.ns != 0 &&
	        mono_since_ms(provider->forced_at, now) < AWS_FORCED_REFRESH_GAP_MS)
		return;
	provider->forced_at = now;
	provider->distrusted = true;
}
