/* Rates and histories out of counters. Pure arithmetic on what it is given; one owner, any thread. */
#ifndef ENGINE_FIGURES_H
#define ENGINE_FIGURES_H

#include "engine/status.h"

#define FIGURES_WINDOW_MS 10000
#define FIGURES_SAMPLES 128

struct figures_sample {
	mono_time at;
	struct {
		uint64_t received, delivered, failed;
	} channel[CHANNEL_COUNT];
	uint64_t published;
};

struct figures {
	struct figures_sample ring[FIGURES_SAMPLES];
	unsigned count, next;
};

struct figures_sample figures_read(struct counters *counters, mono_time now);
/* Takes the sample in and fills the rates of `status`: over FIGURES_WINDOW_MS, or since the oldest sample
 * kept when there is no older one. Its history goes on by one point: what the counters did since the sample
 * before, and the depths that `status` holds. */
void figures_add(struct figures *figures, const struct figures_sample *sample, struct status *status);

#endif
