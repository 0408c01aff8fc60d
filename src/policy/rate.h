/* How fast may sends go? A token bucket as configured, and below it a limit that the service imposes: when
 * it says "too much", the rate falls to half of what it took, and rises again little by little. Pure: time
 * is passed in. */
#ifndef POLICY_RATE_H
#define POLICY_RATE_H

#include "base/clock.h"

#include <stdbool.h>

enum rate_by { RATE_BY_NONE, RATE_BY_CONFIGURATION, RATE_BY_SERVICE };

#define RATE_BUCKETS 8
#define RATE_BUCKET_MS 500   /* together 4 s: what the service took and refused is counted over these */
#define RATE_LIMIT_MIN 0.2   /* a second: however much it refuses */
#define RATE_LIMIT_FIRST 1.0 /* no lower at the first drop: it may not have answered what it took yet */
#define RATE_PAUSE_MAX_MS 60000
#define RATE_FORGET_MS 60000 /* without a refusal: a limit that limits nothing is forgotten */

struct rate {
	double per_s;  /* as configured; 0 = unlimited */
	double tokens; /* at most a second's worth, and at least one; under the service's limit a tenth */
	mono_time at;
	/* by the service */
	double limit;   /* 0 = none */
	double ceiling; /* what it took a second when it last said "too much" */
	double best;    /* the most that it has taken lately, less with each time that it says "too much" */
	mono_time dropped_at, refused_at, grown_at;
	bool settling;          /* a drop was just now: answers to what went out before still come */
	mono_time paused_until; /* it asked for that */
	struct {
		int taken, refused;
	} bucket[RATE_BUCKETS];
	int64_t newest;           /* which bucket is filled now: its time / RATE_BUCKET_MS */
	mono_time counting_since; /* the buckets know nothing of before */
};

void rate_init(struct rate *r, double per_s, mono_time now);
/* Another rate is configured; what the service imposes stays. */
void rate_configure(struct rate *r, double per_s, mono_time now);
/* How many sends may start now (INT_MAX when unlimited), and taking n of them. */
int rate_available(struct rate *r, mono_time now);
void rate_take(struct rate *r, int n);
int64_t rate_wait_ms(const struct rate *r, mono_time now); /* until one is available; 0 = now */

void rate_accepted(struct rate *r, mono_time now); /* the service took one */
/* The service said "too much". A single message that it puts off says little (greylisting); when it puts off
 * many, the rate falls, once a second at most. retry_after_ms: nothing is sent for so long; 0 = not said. */
void rate_refused(struct rate *r, int64_t retry_after_ms, mono_time now);

bool rate_paused(const struct rate *r, mono_time now); /* the service asked for silence */
double rate_effective(const struct rate *r);           /* a second; 0 = unlimited */
enum rate_by rate_limited_by(struct rate *r, mono_time now);
const char *rate_by_name(enum rate_by by);

#endif
