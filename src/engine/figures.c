/* Rates and histories for the status snapshot. Pure. */
#include "engine/figures.h"

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

/* -1: not known just now. */
static int64_t standing(const struct queue_depths *d)
{
	struct figure sum = queue_standing(d);

	return sum.exactness == STALE ? -1 : sum.value;
}

static void point_make(const struct figures_sample *last, const struct figures_sample *now,
        const struct status *status, struct history_point *ret)
{
	for (int id = 0; id < CHANNEL_COUNT; id++) {
		const struct channel_status *c = &status->channel[id];
		int64_t values[] = {
			[SERIES_IN] = (int64_t)(now->channel[id].received - last->channel[id].received),
			[SERIES_OUT] = (int64_t)(now->channel[id].delivered - last->channel[id].delivered),
			[SERIES_FAIL] = (int64_t)(now->channel[id].failed - last->channel[id].failed),
			[SERIES_DEPTH] = standing(&c->depth),
			[SERIES_DLQ] = standing(&c->dlq_depth),
			[SERIES_RETRYING] = status->database.up ? c->retrying : -1,
		};
		for (int i = 0; i < SERIES_COUNT; i++)
			ret->value[id][i] = history_value(values[i]);
	}
}

void figures_add(struct figures *f, const struct figures_sample *now, struct status *status)
{
	const struct figures_sample *base = f->count ? base_of(f, now->at) : now;
	static const struct figures_sample
	        nothing; /* what was done before the first sample is in its point */
	const struct figures_sample *last = f->count ? back(f, 0) : &nothing;
	double seconds = (double)(now->at.ns - base->at.ns) / 1e9;
	double per_s = seconds > 0 ? 1 / seconds : 0;
	struct history_point point;

	status->published_per_s = (double)(now->published - base->published) * per_s;
	for (int id = 0; id < CHANNEL_COUNT; id++) {
		struct channel_status *c = &status->channel[id];
		c->in_per_s = (double)(now->channel[id].received - base->channel[id].received) * per_s;
		c->out_per_s = (double)(now->channel[id].delivered - base->channel[id].delivered) * per_s;
		c->fail_per_s = (double)(now->channel[id].failed - base->channel[id].failed) * per_s;
	}
	point_make(last, now, status, &point);
	history_add(&status->history, status->at, &point);
	f->ring[f->next] = *now;
	f->next = (f->next + 1) % FIGURES_SAMPLES;
	if (f->count < FIGURES_SAMPLES)
		f->count++;
}
