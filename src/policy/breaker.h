/* A circuit breaker: pure transitions on (settings, state, now). The pipeline asks before it
 * receives, and tells each outcome. A later issue adds probes and failure shares. */
#ifndef POLICY_BREAKER_H
#define POLICY_BREAKER_H

#include "base/clock.h"

#include <stdbool.h>

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

struct breaker_settings {
	int failures;        /* consecutive service failures that open it; 0 = never opens */
	int64_t cooldown_ms; /* open this long, then half-open; doubled at each failed trial, at most to the
	                        eightfold */
	int probes;          /* trials let through while half-open; that many successes close it */
};

struct breaker {
	enum breaker_state state;
	int failures, trials, successes, reopened;
	mono_time until; /* BREAKER_OPEN: when trials may begin */
	wall_time since; /* of the present state */
};

const char *breaker_state_name(enum breaker_state state);
/* How many sends may start now: INT_MAX when closed, 0 when open, what is left of the trials when
 * half-open. Moves open -> half-open when its time has come. */
int breaker_allows(struct breaker *b, const struct breaker_settings *s, mono_time now, wall_time wall);
void breaker_started(struct breaker *b);  /* one send started */
void breaker_released(struct breaker *b); /* a started send was given back unsent */
void breaker_succeeded(struct breaker *b, const struct breaker_settings *s, wall_time wall);
void breaker_failed(struct breaker *b, const struct breaker_settings *s, mono_time now, wall_time wall);
int64_t breaker_wait_ms(const struct breaker *b, mono_time now); /* until trials; 0 unless open */

#endif
