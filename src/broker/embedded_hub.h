/* The hub: how one broker of this process tells the others that a queue has new work. Each waiting queue of
 * each broker has a bell, an eventfd that its loop watches. Only for the embedded driver. */
#ifndef BROKER_EMBEDDED_HUB_H
#define BROKER_EMBEDDED_HUB_H

#include "broker/embedded.h"

struct bell;

/* One for a queue of one broker. The descriptor is readable after a ring and belongs to the bell. */
struct bell *bell_new(struct embedded_hub *hub, const char *queue);
int bell_fd(const struct bell *bell);
/* From now on one ring is wanted: set this before looking at the queue, so that nothing that comes after the
 * look is missed. A ring ends it. */
void bell_want(struct bell *bell);
void bell_unwant(struct bell *bell);
void bell_hush(struct bell *bell); /* takes back a ring that has been heard */
void bell_free(struct bell *bell); /* its descriptor is not watched any more */

/* Rings every wanted bell of the queue, once. Any thread. */
void hub_ring(struct embedded_hub *hub, const char *queue);

#endif
