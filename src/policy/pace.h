/* How often is something looked at when each look has a price? Quickly while it moves or somebody watches,
 * and more and more slowly while neither is so. Pure: time is passed in. */
#ifndef POLICY_PACE_H
#define POLICY_PACE_H

#include "base/clock.h"

#include <stdbool.h>

struct pace {
	int64_t interval_ms; /* 0: quick */
	mono_time looked_at; /* {0}: not yet */
};

bool pace_due(const struct pace *p, int64_t quick_ms, bool watched, mono_time now);
/* A look was taken. moved: it, or what leads to it, was found changed. The next comes after quick_ms, or,
 * while nothing moves, after twice the pause before, up to slow_ms. */
void pace_looked(struct pace *p, int64_t quick_ms, int64_t slow_ms, bool moved, mono_time now);

#endif
