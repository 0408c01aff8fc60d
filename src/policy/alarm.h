/* When an alarm is raised and when it is over: quiet -> pending -> raised -> clearing -> quiet. Also the
 * rings that shares and growths over a window are reckoned from. Pure: figures and time are passed in. */
#ifndef POLICY_ALARM_H
#define POLICY_ALARM_H

#include "base/clock.h"

#include <stdbool.h>
#include <stdint.h>

struct alarm_rule {
	bool is_below;        /* bad below `raise`, not above it */
	double raise, clear;  /* it is bad beyond raise, and well again at clear or on its good side */
	int64_t for_ms;       /* bad this long, it is raised */
	int64_t clear_for_ms; /* well this long, it is over */
};

enum alarm_phase { ALARM_QUIET, ALARM_PENDING, ALARM_RAISED, ALARM_CLEARING };
struct alarm_state {
	enum alarm_phase phase;
	mono_time since; /* pending: bad since; clearing: well since */
};

struct alarm_value {
	bool known; /* false: stale or not to be had; it raises nothing and clears nothing */
	double value;
};

enum alarm_change { ALARM_SAME, ALARM_RAISE, ALARM_CLEAR };
/* Moves the state on. ALARM_RAISE and ALARM_CLEAR come once each. What lies between clear and raise changes
 * nothing: an alarm that goes to and fro there stays one. An unknown figure begins a hold anew: nobody knows
 * that it would have lasted. */
enum alarm_change alarm_turn(
        struct alarm_state *state, const struct alarm_rule *rule, struct alarm_value value, mono_time now);
/* What alarm_turn said could not be done (there is no database): it will say so again. */
void alarm_undo_clear(struct alarm_state *state);

/* -- Two counters, or one level, over a window ------------------------------------------------------- */
#define ALARM_SAMPLES 32 /* kept a ring; the window is known to about a thirtieth of it */

struct alarm_ring {
	struct alarm_sample {
		mono_time at;
		double a, b;
	} samples[ALARM_SAMPLES];
	unsigned count, next;
};

/* Keeps the sample unless the last one is younger than a thirtieth of the window. */
void alarm_ring_add(struct alarm_ring *ring, int64_t window_ms, double a, double b, mono_time now);
/* a's share of a + b within the window; unknown below `least` of both together, unless a is none. */
struct alarm_value alarm_ring_share(
        const struct alarm_ring *ring, int64_t window_ms, int least, double a, double b, mono_time now);
/* How fast a grew within the window, a second; unknown until the ring covers it. */
struct alarm_value alarm_ring_growth(
        const struct alarm_ring *ring, int64_t window_ms, double a, mono_time now);

#endif
