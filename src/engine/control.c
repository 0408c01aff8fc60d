/* What operators say of channels, for the whole fleet: read from the table at every pulse of the watcher, and
 * told to the pipelines of this daemon. While the database is away the last word holds. A pipeline reads it
 * by itself before it receives for the first time. Watcher's thread. */
#include "engine/watch.h"

#include "base/log.h"
#include "base/mem.h"

#include <string.h>

struct controls {
	struct watch *watch;
	struct control channel[CHANNEL_COUNT];
};

struct controls *controls_new(struct watch *w)
{
	struct controls *c = mem_alloc(sizeof *c);

	c->watch = w;
	return c;
}

void controls_free(struct controls *c)
{
	free(c);
}

const struct control *controls_of(const struct controls *c, enum channel_id channel)
{
	return &c->channel[channel];
}

static const char *reason_of(const struct control_word *word)
{
	return word->reason[0] ? word->reason : "no reason given";
}

static void say_change(enum channel_id id, const struct control *was, const struct control *is)
{
	const char *name = channel_name(id);

	if (was->paused != is->paused)
		log_info("control", "%s %s by %s: %s", name, is->paused ? "paused" : "resumed", is->pause.by,
		        reason_of(&is->pause));
	if (was->breaker != is->breaker)
		log_info("control", "the breaker of %s is set to %s by %s: %s", name,
		        control_breaker_name(is->breaker), is->force.by, reason_of(&is->force));
}

int controls_turn(struct controls *c, struct usher_error *err)
{
	struct control now[CHANNEL_COUNT];
	int rc = control_read(c->watch->db, now, err);

	if (rc)
		return rc;
	for (enum channel_id id = 0; id < CHANNEL_COUNT; id++) {
		say_change(id, &c->channel[id], &now[id]);
		engine_control(c->watch->engine, id, &now[id]);
	}
	memcpy(c->channel, now, sizeof now);
	return 0;
}
