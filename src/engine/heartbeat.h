/* Does every thread still turn its loop? Each is asked by a post to its loop and answers by running it; who
 * has not answered for long is stuck, in a call that does not return or in a circle. An idle thread is woken
 * by nobody but the question. All but the answers on the one thread that starts and stops the others. */
#ifndef ENGINE_HEARTBEAT_H
#define ENGINE_HEARTBEAT_H

#include "base/clock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct loop;

#define HEARTBEATS_MAX 16 /* threads with a loop */

struct heartbeat {
	const char *name;
	struct loop *loop; /* NULL: free */
	mono_time asked_at;
	atomic_bool asked; /* and not answered yet */
};
struct heartbeats {
	struct heartbeat list[HEARTBEATS_MAX];
};

/* From a thread's start to its join; the name is borrowed. */
void heartbeat_begin(struct heartbeats *h, const char *name, struct loop *loop);
void heartbeat_end(struct heartbeats *h, const struct loop *loop);

/* Asks all that are not asked already. NULL, or the name of a thread that was asked longer ago than that. */
const char *heartbeats_check(struct heartbeats *h, int64_t within_ms);

#endif
