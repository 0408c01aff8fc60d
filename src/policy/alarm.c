/* The life of an alarm, and figures over a window. Pure. */
#include "policy/alarm.h"

static bool is_bad(const struct alarm_rule *rule, double value)
{
	return rule->is_below ? value < rule->raise : value > rule->raise;
}

static bool is_well(const struct alarm_rule *rule, double value)
{
	return rule->is_below ? value >= rule->clear : value <= rule->clear;
}

static enum alarm_change hold(struct alarm_state *state, enum alarm_phase phase, int64_t hold_ms,
        enum alarm_change change, mono_time now)
{
	if (state->phase != phase) {
		state->phase = phase;
		state->since = now;
	}
	if (mono_since_ms(state->since, now) < hold_ms)
		return ALARM_SAME;
	state->phase = change == ALARM_RAISE ? ALARM_RAISED : ALARM_QUIET;
	return change;
}

enum alarm_change alarm_turn(
        struct alarm_state *state, const struct alarm_rule *rule, struct alarm_value value, mono_time now)
{
	bool raised = state->phase == ALARM_RAISED || state->phase == ALARM_CLEARING;

	if (!value.known) {
		state->since = now;
		return ALARM_SAME;
	}
	if (!raised && is_bad(rule, value.value))
		return hold(state, ALARM_PENDING, rule->for_ms, ALARM_RAISE, now);
	if (raised && is_well(rule, value.value))
		return hold(state, ALARM_CLEARING, rule->clear_for_ms, ALARM_CLEAR, now);
	state->phase = raised ? ALARM_RAISED : ALARM_QUIET;
	return ALARM_SAME;
}

void alarm_undo_clear(struct alarm_state *state)
{
	state->phase = ALARM_CLEARING; /* since: as it was, so that the next turn clears */
}

/* -- Windows ----------------------------------------------------------------------------------------- */

/* i samples back; 0 is the newest. */
static const struct alarm_sample *back(const struct alarm_ring *ring, unsigned i)
{
	return &ring->samples[(ring->next + ALARM_SAMPLES - 1 - i) % ALARM_SAMPLES];
}

void alarm_ring_add(struct alarm_ring *ring, int64_t window_ms, double a, double b, mono_time now)
{
	if (ring->count && mono_since_ms(back(ring, 0)->at, now) < window_ms / (ALARM_SAMPLES - 2))
		return;
	ring->samples[ring->next] = (struct alarm_sample){ now, a, b };
	ring->next = (ring->next + 1) % ALARM_SAMPLES;
	if (ring->count < ALARM_SAMPLES)
		ring->count++;
}

/* The newest sample that is at least a window old; the oldest when there is none; NULL without any. */
static const struct alarm_sample *base_of(const struct alarm_ring *ring, int64_t window_ms, mono_time now)
{
	for (unsigned i = 0; i < ring->count; i++)
		if (mono_since_ms(back(ring, i)->at, now) >= window_ms)
			return back(ring, i);
	return ring->count ? back(ring, ring->count - 1) : NULL;
}

struct alarm_value alarm_ring_share(
        const struct alarm_ring *ring, int64_t window_ms, int least, double a, double b, mono_time now)
{
	const struct alarm_sample *base = base_of(ring, window_ms, now);
	double some = base ? a - base->a : 0, rest = base ? b - base->b : 0;

	if (some <= 0) /* no failure at all is none, however few there were */
		return (struct alarm_value){ .known = base != NULL };
	if (some + rest < least)
		return (struct alarm_value){ 0 };
	return (struct alarm_value){ true, some / (some + rest) };
}

struct alarm_value alarm_ring_growth(
        const struct alarm_ring *ring, int64_t window_ms, double a, mono_time now)
{
	const struct alarm_sample *base = base_of(ring, window_ms, now);
	int64_t ms = base ? mono_since_ms(base->at, now) : 0;

	if (ms < window_ms || ms == 0)
		return (struct alarm_value){ 0 };
	return (struct alarm_value){ true, (a - base->a) * 1000 / (double)ms };
}
