/* Channels and delivery states by name, and the table of legal moves. No I/O; any thread. */
#include "model/delivery.h"

#include <stddef.h>
#include <string.h>

static const char *const channel_names[CHANNEL_COUNT] = {
	[CHANNEL_EMAIL] = "email",
	[CHANNEL_COUPON] = "coupon",
};

static const char *const state_names[DELIVERY_STATE_COUNT] = {
	[DELIVERY_CLAIMED] = "claimed",
	[DELIVERY_DELIVERED] = "delivered",
	[DELIVERY_RETRYING] = "retrying",
	[DELIVERY_DEAD] = "dead",
	[DELIVERY_QUEUED] = "queued",
	[DELIVERY_CANCELLED] = "cancelled",
};

#define TO(state) (1u << DELIVERY_##state)
static const unsigned legal_moves[DELIVERY_STATE_COUNT] = {
	[DELIVERY_CLAIMED] = TO(DELIVERED) | TO(RETRYING) | TO(DEAD) | TO(CANCELLED),
	[DELIVERY_DELIVERED] = 0, /* for good: leaving it could double the effect */
	[DELIVERY_RETRYING] = TO(CLAIMED) | TO(DEAD) | TO(CANCELLED),
	[DELIVERY_DEAD] = TO(QUEUED) | TO(CANCELLED),
	[DELIVERY_QUEUED] = TO(CLAIMED) | TO(DEAD),
	[DELIVERY_CANCELLED] = TO(DEAD),
};

/* The index of name in names, -1 if it is none of them. */
static int find_name(const char *const *names, int count, const char *name)
{
	for (int i = 0; name && i < count; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return -1;
}

const char *channel_name(enum channel_id id)
{
	return channel_names[id];
}

bool channel_by_name(const char *name, enum channel_id *ret_id)
{
	int i = find_name(channel_names, CHANNEL_COUNT, name);
	if (i >= 0)
		*ret_id = (enum channel_id)i;
	return i >= 0;
}

const char *delivery_state_name(enum delivery_state state)
{
	return state_names[state];
}

bool delivery_state_by_name(const char *name, enum delivery_state *ret_state)
{
	int i = find_name(state_names, DELIVERY_STATE_COUNT, name);
	if (i >= 0)
		*ret_state = (enum delivery_state)i;
	return i >= 0;
}

bool delivery_move_legal(enum delivery_state from, enum delivery_state to)
{
	return (legal_moves[from] >> to & 1) != 0;
}
