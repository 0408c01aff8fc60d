/* The token bucket of rate.h and the limit that the service imposes. Pure; one bucket belongs to one
 * thread.
 *
 * The limit falls by half and rises by steps (as TCP does), so that it swings about what the service
 * takes; what a service took before it refused everything for a while is soon half regained. It falls only
 * when a fair share of the answers are refusals: a service that puts off single messages, as greylisting
 * does, is not asking for less. */
#include "policy/rate.h"

#include <limits.h>
#include <math.h>
#include <string.h>

/* A wait of exactly rate_wait_ms must find its token in spite of rounding. */
#define ROUNDING 1e-6
#define DROP_PAUSE_MS 1000     /* a burst of refusals is one drop */
#define DROP_FACTOR 0.5        /* of what it took */
#define REFUSED_SHARE 0.2      /* of the answers: that is too fast */
#define REFUSED_MIN 5          /* the first drop wants as many refusals */
#define GROWTH_PER_S 0.05      /* of the ceiling, or of the limit once it is over it */
#define GROWTH_BASE 1.0        /* a second: growth is no slower than that of this ceiling */
#define BEST_FACTOR 0.85       /* what each further drop leaves of the best */
#define REGAIN_SHARE 0.5       /* up to this share of the best it grows quickly again, */
#define REGAIN_PER_S 0.5       /* by this share of itself, */
#define REGAIN_AFTER_MS 2000   /* once nothing has been refused for so long */
#define NOT_BINDING_FACTOR 1.2 /* a limit so far above what goes through limits nothing */

const char *rate_by_name(enum rate_by by)
{
	static const char *const names[] = { "none", "configuration", "service" };
	return names[by];
}

/* -- What the service took and refused ------------------------------------------------------------ */

static void count_move(struct rate *r, mono_time now)
{
	int64_t newest = now.ns / 1000000 / RATE_BUCKET_MS;

	if (newest - r->newest >= RATE_BUCKETS)
		memset(r->bucket, 0, sizeof r->bucket);
	else
		for (int64_t i = r->newest + 1; i <= newest; i++)
			memset(&r->bucket[i % RATE_BUCKETS], 0, sizeof r->bucket[0]);
	if (newest > r->newest)
		r->newest = newest;
}

static void count_anew(struct rate *r, mono_time now)
{
	memset(r->bucket, 0, sizeof r->bucket);
	r->newest = now.ns / 1000000 / RATE_BUCKET_MS;
	r->counting_since = now;
}

struct seen {
	int taken, refused;
	double taken_per_s;
};

static struct seen look(const struct rate *r, mono_time now)
{
	int64_t since_ms = mono_since_ms(r->counting_since, now);
	int64_t span_ms = RATE_BUCKETS * RATE_BUCKET_MS;
	struct seen seen = { 0 };

	for (int i = 0; i < RATE_BUCKETS; i++) {
		seen.taken += r->bucket[i].taken;
		seen.refused += r->bucket[i].refused;
	}
	if (since_ms < span_ms)
		span_ms = since_ms > 1000 ? since_ms : 1000;
	seen.taken_per_s = seen.taken * 1000.0 / (double)span_ms;
	return seen;
}

/* -- The service's limit --------------------------------------------------------------------------- */

/* It grows with time, and is forgotten when it has limited nothing for long. */
static void limit_grow(struct rate *r, mono_time now)
{
	double elapsed_s = now.ns > r->grown_at.ns ? (double)(now.ns - r->grown_at.ns) / 1e9 : 0;

	if (r->limit <= 0)
		return;
	r->grown_at = now;
	if (r->limit < REGAIN_SHARE * r->best && mono_since_ms(r->refused_at, now) >= REGAIN_AFTER_MS)
		r->limit = fmin(r->limit * (1 + fmin(elapsed_s, 1) * REGAIN_PER_S), REGAIN_SHARE * r->best);
	else
		r->limit += elapsed_s * GROWTH_PER_S * fmax(fmax(r->ceiling, r->limit), GROWTH_BASE);
	if (r->per_s > 0 && r->limit > r->per_s)
		r->limit = r->per_s;
	if (mono_since_ms(r->refused_at, now) < RATE_FORGET_MS)
		return;
	count_move(r, now);
	if ((r->per_s > 0 && r->limit >= r->per_s) ||
	        r->limit > NOT_BINDING_FACTOR * look(r, now).taken_per_s)
		r->limit = r->best = 0;
}

static void limit_set(struct rate *r, double taken_per_s, double least)
{
	r->ceiling = taken_per_s;
	r->limit = fmax(least, DROP_FACTOR * taken_per_s);
	if (r->per_s > 0 && r->limit > r->per_s)
		r->limit = r->per_s;
}

static void limit_drop(struct rate *r, double taken_per_s, mono_time now)
{
	r->best = fmax(taken_per_s, BEST_FACTOR * r->best);
	limit_set(r, taken_per_s, r->limit > 0 ? RATE_LIMIT_MIN : RATE_LIMIT_FIRST);
	r->tokens = 0;
	r->dropped_at = r->grown_at = r->at = now;
	r->settling = true;
}

/* The answers to what went out before the drop have come: from here on the new speed is judged. */
static void settle(struct rate *r, mono_time now)
{
	if (!r->settling || mono_since_ms(r->dropped_at, now) < DROP_PAUSE_MS)
		return;
	r->settling = false;
	count_anew(r, now);
}

void rate_accepted(struct rate *r, mono_time now)
{
	settle(r, now);
	count_move(r, now);
	r->bucket[r->newest % RATE_BUCKETS].taken++;
	if (!r->settling)
		return;
	/* A refusal is often quicker than a "yes": it has taken more than was known at the drop. */
	double taken_per_s = look(r, now).taken_per_s;
	if (taken_per_s > r->ceiling)
		limit_set(r, taken_per_s, r->limit);
	r->best = fmax(r->best, taken_per_s);
}

void rate_refused(struct rate *r, int64_t retry_after_ms, mono_time now)
{
	bool limited = r->limit > 0;
	mono_time until =
	        mono_add_ms(now, retry_after_ms < RATE_PAUSE_MAX_MS ? retry_after_ms : RATE_PAUSE_MAX_MS);

	if (retry_after_ms > 0 && until.ns > r->paused_until.ns)
		r->paused_until = until;
	r->refused_at = now;
	settle(r, now);
	if (r->settling)
		return; /* an answer to the speed from before */
	count_move(r, now);
	r->bucket[r->newest % RATE_BUCKETS].refused++;
	struct seen seen = look(r, now);
	if ((limited || seen.refused >= REFUSED_MIN) &&
	        seen.refused >= REFUSED_SHARE * (seen.taken + seen.refused))
		limit_drop(r, seen.taken_per_s, now);
}

bool rate_paused(const struct rate *r, mono_time now)
{
	return now.ns < r->paused_until.ns;
}

double rate_effective(const struct rate *r)
{
	return r->limit > 0 ? r->limit : r->per_s;
}

enum rate_by rate_limited_by(struct rate *r, mono_time now)
{
	limit_grow(r, now);
	if (r->limit > 0 || rate_paused(r, now))
		return RATE_BY_SERVICE;
	return r->per_s > 0 ? RATE_BY_CONFIGURATION : RATE_BY_NONE;
}

/* -- The bucket -------------------------------------------------------------------------------------- */

static double capacity(const struct rate *r)
{
	return fmax(1, r->limit > 0 ? r->limit / 10 : r->per_s);
}

static double tokens_at(const struct rate *r, mono_time now)
{
	double elapsed_s = now.ns > r->at.ns ? (double)(now.ns - r->at.ns) / 1e9 : 0;
	return fmin(capacity(r), r->tokens + elapsed_s * rate_effective(r));
}

void rate_init(struct rate *r, double per_s, mono_time now)
{
	*r = (struct rate){ .per_s = per_s > 0 ? per_s : 0, .at = now };
	r->tokens = capacity(r);
	count_anew(r, now);
}

void rate_configure(struct rate *r, double per_s, mono_time now)
{
	if (rate_effective(r) > 0)
		r->tokens = tokens_at(r, now);
	r->at = now;
	r->per_s = per_s > 0 ? per_s : 0;
	if (r->per_s > 0 && r->limit > r->per_s)
		r->limit = r->per_s;
	r->tokens = fmin(r->tokens, capacity(r));
}

int rate_available(struct rate *r, mono_time now)
{
	if (rate_paused(r, now))
		return 0;
	if (rate_effective(r) <= 0)
		return INT_MAX;
	r->tokens = tokens_at(r, now);
	if (now.ns > r->at.ns)
		r->at = now;
	limit_grow(r, now);
	if (rate_effective(r) <= 0)
		return INT_MAX;
	if (r->tokens < 1 - ROUNDING)
		return 0;
	return r->tokens >= INT_MAX ? INT_MAX : (int)(r->tokens + ROUNDING);
}

void rate_take(struct rate *r, int n)
{
	if (rate_effective(r) > 0)
		r->tokens -= n;
}

int64_t rate_wait_ms(const struct rate *r, mono_time now)
{
	int64_t pause_ms = rate_paused(r, now) ? (r->paused_until.ns - now.ns - 1) / 1000000 + 1 : 0;

	if (rate_effective(r) <= 0)
		return pause_ms;
	double missing = 1 - ROUNDING - tokens_at(r, now);
	if (missing <= 0)
		return pause_ms;
	double wait_ms = ceil(missing / rate_effective(r) * 1000);
	if (wait_ms < (double)pause_ms)
		return pause_ms;
	return wait_ms < 1 ? 1 : wait_ms > 1e15 ? (int64_t)1e15 : (int64_t)wait_ms;
}
