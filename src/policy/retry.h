/* When is a failed delivery tried again? Arithmetic only: time and chance are passed in. */
#ifndef POLICY_RETRY_H
#define POLICY_RETRY_H

#include "model/failure.h"

#include <stdbool.h>
#include <stdint.h>

struct retry_policy {
	int max_attempts;     /* 1.. ; the attempt that reaches it kills */
	int64_t base_ms;      /* delay after the first failure */
	double factor;        /* each further delay is this times longer */
	int64_t max_delay_ms; /* never longer */
	double jitter;        /* 0..1: the delay is stretched by up to this share, never shortened */
};

/* Delay after the `attempt`th failure (1 = first). `chance` in [0,1). */
int64_t retry_delay_ms(const struct retry_policy *policy, int attempt, double chance);

struct retry_verdict {
	enum { VERDICT_DELIVERED, VERDICT_RETRY, VERDICT_DEAD } kind;
	int attempts;     /* burned so far, this one included if it burned one */
	int throttled;    /* tries so far that burned no attempt */
	int64_t delay_ms; /* VERDICT_RETRY */
};

/* One attempt that ended. */
struct retry_attempt {
	enum failure_class class;
	int attempts, throttled; /* as they stood before it */
	bool known_down; /* the service was known to be down: a failure of its own making says nothing of the
	                    message, burns no attempt up to THROTTLED_MAX times, and is retried */
	bool idempotent; /* a further try cannot double the effect */
	int64_t retry_after_ms; /* what the service asked for, 0 for nothing; a longer request wins over the
	                           schedule, up to max_delay_ms */
};
struct retry_verdict retry_judge(
        const struct retry_policy *policy, const struct retry_attempt *attempt, double chance);

#endif
