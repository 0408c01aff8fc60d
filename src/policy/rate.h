/* A token bucket. Pure: time is passed in. */
#ifndef POLICY_RATE_H
#define POLICY_RATE_H

#include "base/clock.h"

struct rate {
	double per_s;  /* 0 = unlimited */
	double tokens; /* at most max(1, per_s) */
	mono_time at;
};

void rate_init(struct rate *r, double per_s, mono_time now);
/* How many sends may start now (INT_MAX when unlimited), and taking n of them. */
int rate_available(struct rate *r, mono_time now);
void rate_take(struct rate *r, int n);
int64_t rate_wait_ms(const struct rate *r, mono_time now); /* until one is available; 0 = now */

#endif
