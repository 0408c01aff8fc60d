/* The token bucket of rate.h. Pure; one bucket belongs to one thread. */
#include "policy/rate.h"

#include <limits.h>
#include <math.h>

/* A wait of exactly rate_wait_ms must find its token in spite of rounding. */
#define ROUNDING 1e-6

static double capacity(const struct rate *r)
{
	return r->per_s > 1 ? r->per_s : 1;
}

static double tokens_at(const struct rate *r, mono_time now)
{
	double elapsed_s = now.ns > r->at.ns ? (double)(now.ns - r->at.ns) / 1e9 : 0;
	return fmin(capacity(r), r->tokens + elapsed_s * r->per_s);
}

void rate_init(struct rate *r, double per_s, mono_time now)
{
	r->per_s = per_s > 0 ? per_s : 0;
	r->tokens = capacity(r);
	r->at = now;
}

int rate_available(struct rate *r, mono_time now)
{
	if (r->per_s <= 0)
		return INT_MAX;
	r->tokens = tokens_at(r, now);
	if (now.ns > r->at.ns)
		r->at = now;
	if (r->tokens < 1 - ROUNDING)
		return 0;
	return r->tokens >= INT_MAX ? INT_MAX : (int)(r->tokens + ROUNDING);
}

void rate_take(struct rate *r, int n)
{
	if (r->per_s > 0)
		r->tokens -= n;
}

int64_t rate_wait_ms(const struct rate *r, mono_time now)
{
	if (r->per_s <= 0)
		return 0;
	double missing = 1 - ROUNDING - tokens_at(r, now);
	if (missing <= 0)
		return 0;
	double wait_ms = ceil(missing / r->per_s * 1000);
	return wait_ms < 1 ? 1 : wait_ms > 1e15 ? (int64_t)1e15 : (int64_t)wait_ms;
}
