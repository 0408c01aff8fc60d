/* The circuit breaker's transitions: see breaker.h. Pure; one breaker belongs to one thread.
 *
 *      failures in a row            cooldown over
 *   CLOSED ------------> OPEN ------------------> HALF_OPEN
 *     ^                    ^------- a trial fails ----|  |
 *     '------------------------- all trials succeed -----' */
#include "policy/breaker.h"

#include <limits.h>

#define COOLDOWN_FACTOR_MAX 8 /* the longest cooldown, in settings' cooldowns */

const char *breaker_state_name(enum breaker_state state)
{
	static const char *const names[] = { "closed", "open", "half_open" };
	return names[state];
}

static void enter(struct breaker *b, enum breaker_state state, wall_time wall)
{
	b->state = state;
	b->since = wall;
	b->failures = b->trials = b->successes = 0;
}

static void open_for_cooldown(
        struct breaker *b, const struct breaker_settings *s, mono_time now, wall_time wall)
{
	int64_t factor = 1;
	for (int i = 0; i < b->reopened && factor < COOLDOWN_FACTOR_MAX; i++)
		factor *= 2;
	int64_t cooldown_ms = s->cooldown_ms > INT64_MAX / factor ? INT64_MAX : s->cooldown_ms * factor;
	enter(b, BREAKER_OPEN, wall);
	b->until = mono_add_ms(now, cooldown_ms);
}

static void close_for_good(struct breaker *b, wall_time wall)
{
	enter(b, BREAKER_CLOSED, wall);
	b->reopened = 0;
}

static int probes(const struct breaker_settings *s)
{
	return s->probes > 0 ? s->probes : 1;
}

int breaker_allows(struct breaker *b, const struct breaker_settings *s, mono_time now, wall_time wall)
{
	if (s->failures <= 0 && b->state != BREAKER_CLOSED)
		close_for_good(b, wall); /* switched off by a reload */
	if (b->state == BREAKER_CLOSED)
		return INT_MAX;
	if (b->state == BREAKER_OPEN) {
		if (now.ns < b->until.ns)
			return 0;
		enter(b, BREAKER_HALF_OPEN, wall);
	}
	return b->trials < probes(s) ? probes(s) - b->trials : 0;
}

void breaker_started(struct breaker *b)
{
	if (b->state == BREAKER_HALF_OPEN)
		b->trials++;
}

void breaker_released(struct breaker *b)
{
	if (b->state == BREAKER_HALF_OPEN && b->trials > 0)
		b->trials--;
}

void breaker_succeeded(struct breaker *b, const struct breaker_settings *s, wall_time wall)
{
	/* What ends while it is open, or before a trial began, was started before the opening and proves
	 * little. */
	if (b->state == BREAKER_CLOSED)
		b->failures = 0;
	else if (b->state == BREAKER_HALF_OPEN && b->successes < b->trials && ++b->successes >= probes(s))
		close_for_good(b, wall);
}

void breaker_failed(struct breaker *b, const struct breaker_settings *s, mono_time now, wall_time wall)
{
	if (s->failures <= 0 || b->state == BREAKER_OPEN)
		return;
	if (b->state == BREAKER_HALF_OPEN) {
		if (b->successes >= b->trials)
			return; /* a late end of a send from before the opening: no trial is under way */
		if (b->reopened < INT_MAX)
			b->reopened++;
		open_for_cooldown(b, s, now, wall);
	} else if (++b->failures >= s->failures) {
		open_for_cooldown(b, s, now, wall);
	}
}

int64_t breaker_wait_ms(const struct breaker *b, mono_time now)
{
	if (b->state != BREAKER_OPEN || now.ns >= b->until.ns)
		return 0;
	/* Rounded up: who waits this long finds it half-open. */
	return (b->until.ns - now.ns - 1) / 1000000 + 1;
}
