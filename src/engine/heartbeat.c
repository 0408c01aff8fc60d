/* Questions and answers; see heartbeat.h. */
#include "engine/heartbeat.h"

#include "net/loop.h"

#include <assert.h>
#include <stddef.h>

void heartbeat_begin(struct heartbeats *h, const char *name, struct loop *loop)
{
	size_t i = 0;

	while (i < HEARTBEATS_MAX - 1 && h->list[i].loop)
		i++;
	assert(!h->list[i].loop);
	h->list[i].name = name;
	h->list[i].loop = loop;
	atomic_store(&h->list[i].asked, false);
}

/* An answer that is still to come goes with the loop. */
void heartbeat_end(struct heartbeats *h, const struct loop *loop)
{
	for (size_t i = 0; i < HEARTBEATS_MAX; i++)
		if (h->list[i].loop == loop)
			h->list[i].loop = NULL;
}

static void answer(void *arg)
{
	struct heartbeat *beat = arg;

	atomic_store(&beat->asked, false);
}

const char *heartbeats_check(struct heartbeats *h, int64_t within_ms)
{
	const char *stuck = NULL;
	mono_time now = mono_now();

	for (size_t i = 0; i < HEARTBEATS_MAX; i++) {
		struct heartbeat *beat = &h->list[i];
		if (!beat->loop)
			continue;
		if (!atomic_exchange(&beat->asked, true)) {
			beat->asked_at = now;
			loop_post(beat->loop, answer, beat);
		} else if (mono_since_ms(beat->asked_at, now) > within_ms) {
			stuck = beat->name;
		}
	}
	return stuck;
}
