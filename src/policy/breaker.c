/* The circuit breaker's transitions: see breaker.h. Pure; one breaker belongs to one thread.
 *
 *      failures, or two probes      cooldown over
 *   CLOSED ------------> OPEN ------------------> HALF_OPEN
 *     ^ ^                | ^------- a trial fails ----|  |
 *     | '-- probe well --'------------- probe well ------|
 *     '--------------------------- all trials succeed ---'
 *
 * A probe may be well while every call fails. So what closes on a probe's word is not proved: when calls open
 * it again, the pauses go on growing, and probes have no say until trials have closed it. */
#include "policy/breaker.h"

#include <limits.h>
#include <string.h>

#define COOLDOWN_FACTOR_MAX 8 /* the longest cooldown, in settings' cooldowns */
#define PROBES_TO_OPEN 2

const char *breaker_state_name(enum breaker_state state)
{
	static const char *const names[] = { "closed", "open", "half_open" };
	return names[state];
}

/* -- The sliding window ------------------------------------------------------------------------ */

static void window_clear(struct breaker *b)
{
	memset(b->bucket, 0, sizeof b->bucket);
}

/* Empties what time has left behind. */
static void window_move(struct breaker *b, const struct breaker_settings *s, mono_time now)
{
	int64_t bucket_ns = s->window_ms > INT64_MAX / 1000000 ? 0 : s->window_ms * 1000000 / BREAKER_BUCKETS;
	int64_t newest = bucket_ns > 0 ? now.ns / bucket_ns : 0;

	if (bucket_ns != b->bucket_ns || newest - b->newest >= BREAKER_BUCKETS)
		window_clear(b);
	else
		for (int64_t i = b->newest + 1; i <= newest; i++)
			memset(&b->bucket[i % BREAKER_BUCKETS], 0, sizeof b->bucket[0]);
	b->bucket_ns = bucket_ns;
	b->newest = newest;
}

static void window_count(struct breaker *b, const struct breaker_settings *s, mono_time now, bool failed)
{
	window_move(b, s, now);
	b->bucket[b->newest % BREAKER_BUCKETS].calls++;
	b->bucket[b->newest % BREAKER_BUCKETS].failures += failed;
}

static bool window_says_open(const struct breaker *b, const struct breaker_settings *s)
{
	int64_t calls = 0, failures = 0;

	for (int i = 0; i < BREAKER_BUCKETS; i++) {
		calls += b->bucket[i].calls;
		failures += b->bucket[i].failures;
	}
	if (failures < s->failures)
		return false;
	return b->in_a_row >= s->failures || (s->share > 0 && (double)failures >= s->share * (double)calls);
}

/* -- Transitions -------------------------------------------------------------------------------- */

static void enter(struct breaker *b, enum breaker_state state, wall_time wall)
{
	b->state = state;
	b->since = wall;
	b->epoch++;
	b->under_way = b->in_a_row = b->trials = b->successes = b->ramp = 0;
	window_clear(b);
}

static int probes(const struct breaker_settings *s)
{
	return s->probes > 0 ? s->probes : 1;
}

static int64_t cooldown_ms(const struct breaker *b, const struct breaker_settings *s)
{
	int64_t max = s->cooldown_max_ms, ms = s->cooldown_ms;

	if (max <= 0)
		max = ms > INT64_MAX / COOLDOWN_FACTOR_MAX ? INT64_MAX : ms * COOLDOWN_FACTOR_MAX;
	for (int i = 0; i < b->reopened && ms < max; i++)
		ms = ms > max / 2 ? max : ms * 2;
	return ms < max ? ms : max;
}

static void open_for_cooldown(
        struct breaker *b, const struct breaker_settings *s, mono_time now, wall_time wall)
{
	bool again = b->state == BREAKER_HALF_OPEN || b->by_probe;

	b->distrusted |= b->by_probe;
	b->by_probe = false;
	if (again && b->reopened < INT_MAX)
		b->reopened++;
	enter(b, BREAKER_OPEN, wall);
	b->until = mono_add_ms(now, cooldown_ms(b, s));
}

static void proved(struct breaker *b)
{
	b->reopened = 0;
	b->by_probe = b->distrusted = false;
}

static void close_up(struct breaker *b, const struct breaker_settings *s, wall_time wall)
{
	enter(b, BREAKER_CLOSED, wall);
	b->ramp = s->ramp_to > probes(s) ? probes(s) : 0;
}

int breaker_allows(struct breaker *b, const struct breaker_settings *s, mono_time now, wall_time wall)
{
	if (b->forced != FORCED_NONE)
		return b->forced == FORCED_OPEN ? 0 : INT_MAX;
	if (s->failures <= 0 && b->state != BREAKER_CLOSED) { /* switched off by a reload */
		enter(b, BREAKER_CLOSED, wall);
		proved(b);
	}
	if (b->state == BREAKER_CLOSED && b->ramp == 0)
		return INT_MAX;
	if (b->state == BREAKER_CLOSED)
		return b->under_way < b->ramp ? b->ramp - b->under_way : 0;
	if (b->state == BREAKER_OPEN) {
		if (now.ns < b->until.ns)
			return 0;
		enter(b, BREAKER_HALF_OPEN, wall);
	}
	/* While probes say that it is down, trials go one by one. */
	if (b->probe_failures > 0 && b->under_way > 0)
		return 0;
	if (b->probe_failures > 0 && b->trials < probes(s))
		return 1;
	return b->trials < probes(s) ? probes(s) - b->trials : 0;
}

/* -- Calls -------------------------------------------------------------------------------------- */

unsigned breaker_started(struct breaker *b)
{
	b->under_way++;
	b->trials += b->state == BREAKER_HALF_OPEN;
	return b->epoch;
}

/* False: it began in another epoch, or does not count. */
static bool ended(struct breaker *b, unsigned ticket)
{
	if (ticket != b->epoch)
		return false;
	b->under_way -= b->under_way > 0;
	return b->forced == FORCED_NONE && b->state != BREAKER_OPEN;
}

void breaker_released(struct breaker *b, unsigned ticket)
{
	if (ended(b, ticket) && b->state == BREAKER_HALF_OPEN && b->trials > 0)
		b->trials--;
}

static void ramp_up(struct breaker *b, const struct breaker_settings *s)
{
	if (b->ramp > 0 && ++b->ramp > s->ramp_to)
		b->ramp = 0;
}

void breaker_succeeded(
        struct breaker *b, const struct breaker_settings *s, unsigned ticket, mono_time now, wall_time wall)
{
	if (!ended(b, ticket))
		return;
	b->probe_failures = 0;
	if (b->state == BREAKER_CLOSED) {
		b->in_a_row = 0;
		window_count(b, s, now, false);
		ramp_up(b, s);
		if (b->by_probe && ++b->successes >= probes(s))
			proved(b);
	} else if (++b->successes >= probes(s)) {
		close_up(b, s, wall);
		proved(b);
	}
}

void breaker_failed(
        struct breaker *b, const struct breaker_settings *s, unsigned ticket, mono_time now, wall_time wall)
{
	if (!ended(b, ticket) || s->failures <= 0)
		return;
	if (b->state == BREAKER_CLOSED) {
		b->in_a_row++;
		window_count(b, s, now, true);
		if (!window_says_open(b, s))
			return;
	}
	open_for_cooldown(b, s, now, wall);
}

void breaker_tripped(
        struct breaker *b, const struct breaker_settings *s, unsigned ticket, mono_time now, wall_time wall)
{
	if (ended(b, ticket) && s->failures > 0)
		open_for_cooldown(b, s, now, wall);
}

/* -- Probes and operators ------------------------------------------------------------------------- */

void breaker_probed(
        struct breaker *b, const struct breaker_settings *s, bool well, mono_time now, wall_time wall)
{
	b->probe_failures = well ? 0 : b->probe_failures + (b->probe_failures < INT_MAX);
	if (b->forced != FORCED_NONE || s->failures <= 0)
		return;
	if (well && b->state != BREAKER_CLOSED && !b->distrusted) {
		close_up(b, s, wall);
		b->by_probe = true;
	} else if (!well && b->state == BREAKER_CLOSED && b->probe_failures >= PROBES_TO_OPEN) {
		b->by_probe = false; /* it is no calls that contradict the probe */
		open_for_cooldown(b, s, now, wall);
	} else if (!well && b->state == BREAKER_HALF_OPEN && b->under_way == 0) {
		open_for_cooldown(b, s, now, wall); /* nobody has come to be the trial: this was one */
	}
}

void breaker_force(struct breaker *b, enum breaker_forced forced, wall_time wall)
{
	static const enum breaker_state states[] = { BREAKER_HALF_OPEN, BREAKER_OPEN, BREAKER_CLOSED };

	if (forced == b->forced)
		return;
	/* Out of "closed" it stays so, and is opened by what fails from now on. */
	if (forced != FORCED_NONE || b->forced == FORCED_OPEN)
		enter(b, states[forced], wall);
	b->forced = forced;
	proved(b);
}

void breaker_hasten(struct breaker *b, mono_time now)
{
	if (b->forced != FORCED_NONE)
		return;
	b->reopened = b->probe_failures = 0;
	b->distrusted = false;
	if (b->state == BREAKER_OPEN)
		b->until = now;
}

int64_t breaker_wait_ms(const struct breaker *b, mono_time now)
{
	if (b->forced == FORCED_OPEN)
		return -1;
	if (b->state != BREAKER_OPEN || now.ns >= b->until.ns)
		return 0;
	/* Rounded up: who waits this long finds it half-open. */
	return (b->until.ns - now.ns - 1) / 1000000 + 1;
}
