/* A circuit breaker: pure transitions on (settings, state, now). Who uses it asks how many calls may start
 * now, takes a ticket for each and gives it back with the outcome; probes and an operator speak too. The
 * same mechanism serves the outside services (with all settings) and database and broker (with few). */
#ifndef POLICY_BREAKER_H
#define POLICY_BREAKER_H

#include "base/clock.h"

#include <stdbool.h>

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };
enum breaker_forced { FORCED_NONE, FORCED_OPEN, FORCED_CLOSED }; /* by an operator */

struct breaker_settings {
	int failures; /* in a row, within window_ms, that open it; 0 = never opens */
	double share; /* or as many failures within window_ms when they are this share of all; 0 = never */
	int64_t window_ms;       /* 0: without end */
	int64_t cooldown_ms;     /* open this long, then half-open; doubled at each failed trial */
	int64_t cooldown_max_ms; /* never longer; 0: the eightfold of cooldown_ms */
	int probes;              /* trials let through while half-open; that many successes close it */
	int ramp_to; /* once closed, calls under way begin at `probes` and grow to this, one a success; 0: no
	                limit */
};

#define BREAKER_BUCKETS 10 /* of the sliding window */

struct breaker {
	enum breaker_state state;
	enum breaker_forced forced;
	unsigned epoch;     /* one more at each change of state: what began earlier proves nothing now */
	int under_way;      /* begun in this epoch */
	int in_a_row;       /* failures; closed */
	int trials;         /* half-open */
	int successes;      /* half-open, or since a probe closed it */
	int ramp;           /* closed: calls under way at most; 0 = no limit */
	int reopened;       /* trials that failed in a row: the exponent of the cooldown */
	int probe_failures; /* in a row */
	bool by_probe;      /* a probe closed it, and no calls have proved it right yet */
	bool distrusted;    /* a probe was wrong: only trials close it */
	struct {
		int calls, failures;
	} bucket[BREAKER_BUCKETS];
	int64_t bucket_ns, newest; /* width, and which one is filled now: its time / width */
	mono_time until;           /* BREAKER_OPEN: when trials may begin */
	wall_time since;           /* of the present state */
};

const char *breaker_state_name(enum breaker_state state);

/* How many calls may start now: INT_MAX when closed, 0 when open, what is left of the trials when half-open,
 * and of the ramp after that. Moves open -> half-open when its time has come. */
int breaker_allows(struct breaker *b, const struct breaker_settings *s, mono_time now, wall_time wall);
/* One call starts. Returns its ticket, which goes with its end; an end from before a change of state changes
 * nothing. */
unsigned breaker_started(struct breaker *b);
void breaker_released(struct breaker *b, unsigned ticket); /* it ended and says nothing of the service */
void breaker_succeeded(
        struct breaker *b, const struct breaker_settings *s, unsigned ticket, mono_time now, wall_time wall);
void breaker_failed(
        struct breaker *b, const struct breaker_settings *s, unsigned ticket, mono_time now, wall_time wall);
/* A failure that says it all, such as a refused login: opens at once. */
void breaker_tripped(
        struct breaker *b, const struct breaker_settings *s, unsigned ticket, mono_time now, wall_time wall);
/* A probe ended. Well: closes it, with a ramp, unless a probe was wrong in this outage. Not well: the second
 * in a row opens it. */
void breaker_probed(
        struct breaker *b, const struct breaker_settings *s, bool well, mono_time now, wall_time wall);
/* An operator holds it open or closed whatever happens; FORCED_NONE leaves it to itself again: from open it
 * goes to its trials. */
void breaker_force(struct breaker *b, enum breaker_forced forced, wall_time wall);
/* The service is another one now, or is asked otherwise: what opened it says nothing any more. Open, it goes
 * to its trials at once, unless an operator holds it open. */
void breaker_hasten(struct breaker *b, mono_time now);
/* Until trials; 0 unless open; -1 when only an operator ends it. */
int64_t breaker_wait_ms(const struct breaker *b, mono_time now);

#endif
