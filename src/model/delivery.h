/* A delivery: one event on one channel. Its states and the legal moves between them. Plain data. */
#ifndef MODEL_DELIVERY_H
#define MODEL_DELIVERY_H

#include <stdbool.h>

enum channel_id { CHANNEL_EMAIL, CHANNEL_COUPON, CHANNEL_COUNT };
const char *channel_name(enum channel_id id); /* "email", "coupon" */
bool channel_by_name(const char *name, enum channel_id *ret_id);

enum delivery_state {
	DELIVERY_CLAIMED,   /* a worker holds it under a lease */
	DELIVERY_DELIVERED, /* done, for good */
	DELIVERY_RETRYING,  /* waits for its next attempt */
	DELIVERY_DEAD,      /* out of attempts, or not worth one */
	DELIVERY_QUEUED,    /* redriven, not claimed yet */
	DELIVERY_CANCELLED, /* given up by an operator */
	DELIVERY_STATE_COUNT
};

const char *delivery_state_name(enum delivery_state state); /* as in the database */
bool delivery_state_by_name(const char *name, enum delivery_state *ret_state);
bool delivery_move_legal(enum delivery_state from, enum delivery_state to);

#endif
