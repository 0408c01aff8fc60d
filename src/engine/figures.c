/* Rates and histories for the status snapshot. Pure. */
#include "engine/figures.h"

#include <string.h>

struct figures_sample figures_read(struct counters *counters, mono_time now)
{
	struct figures_sample s = { .at = now, .published = counter_get(&counters->relay.published) };
	for (int id = 0; id < CHANNEL_COUNT; id++) {
		struct channel_counters *c = &counters->channel[id];
		s.channel[id].received = counter_get(&c->received);
		s.channel[id].delivered = counter_get(&c->delivered);
		s.channel[id].failed = counter_get(&c->failed);
	}
	return s;
}

/* i samples back; 0 is the newest. */
static const struct figures_sample *back(const struct figures *f, unsigned i)
{
	return &f->ring[(f->next + FIGURES_SAMPLES - 1 - i) % FIGURES_SAMPLES];
}

/* The newest sample that is at least a window old, or the oldest there is. */
static const struct figures_sample *base_of(const struct figures *f, mono_time now)
{
	for (unsigned i = 0; i < f->count; i++)
		if (mono_since_ms(back(f, i)->at, now) >= FIGURES_WINDOW_MS)
			return back(f, i);
	return back(f, f->count - 1);
}

static void push(uint32_t history[STATUS_HISTORY], int len, uint64_t value)
{
	if (len == STATUS_HISTORY)
		memmove(history, history + 1, (STATUS_HISTORY - 1) * sizeof *history);
	history[len == STATUS_HISTORY ? len - 1 : len] = value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

static uint64_t standing(const struct queue_depths *d)
{
	int64_t n = queue_standing(d).value;
	return n > 0 ? (uint64_t)n : 0;
}

void figures_add(struct figures *f, const struct figures_sample *now, struct status *status)
{
	const struct figures_sample *base = f->count ? base_of(f, now->at) : now;
	const struct figures_sample *last = f->count ? back(f, 0) : now;
	double seconds = (double)(now->at.ns - base->at.ns) / 1e9;
	double per_s = seconds > 0 ? 1 / seconds : 0;

	status->published_per_s = (double)(now->published - base->published) * per_s;
	for (int id = 0; id < CHANNEL_COUNT; id++) {
		struct channel_status *c = &status->channel[id];
		uint64_t delivered = now->channel[id].delivered;
		c->in_per_s = (double)(now->channel[id].received - base->channel[id].received) * per_s;
		c->out_per_s = (double)(delivered - base->channel[id].delivered) * per_s;
		c->fail_per_s = (double)(now->channel[id].failed - base->channel[id].failed) * per_s;
		push(c->out_history, status->history_len, delivered - last->channel[id].delivered);
		push(c->depth_history, status->history_len, standing(&c->depth));
	}
	if (status->history_len < STATUS_HISTORY)
		status->history_len++;
	f->ring[f->next] = *now;
	f->next = (f->next + 1) % FIGURES_SAMPLES;
	if (f->count < FIGURES_SAMPLES)
		f->count++;
}
