/* The pace of pace.h. Pure; one owner. */
#include "policy/pace.h"

bool pace_due(const struct pace *p, int64_t quick_ms, bool watched, mono_time now)
{
	int64_t interval_ms = watched || p->interval_ms < quick_ms ? quick_ms : p->interval_ms;

	return p->looked_at.ns == 0 || mono_since_ms(p->looked_at, now) >= interval_ms;
}

void pace_looked(struct pace *p, int64_t quick_ms, int64_t slow_ms, bool moved, mono_time now)
{
	int64_t longer_ms = p->interval_ms < quick_ms ? 2 * quick_ms : 2 * p->interval_ms;

	p->interval_ms = moved ? 0 : longer_ms < slow_ms ? longer_ms : slow_ms;
	p->looked_at = now;
}
