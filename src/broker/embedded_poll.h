/* The embedded broker's inside: what embedded.c (operations) and embedded_poll.c (long polls) share. */
#ifndef BROKER_EMBEDDED_POLL_H
#define BROKER_EMBEDDED_POLL_H

#include "broker/embedded.h"
#include "broker/embedded_hub.h"

struct waiter;

/* One queue that is, or was, received from. */
struct line {
	struct line *next;
	struct embedded *broker;
	char *queue;
	struct waiter *first, **last; /* receives under way, oldest first */
	size_t waiting;
	struct bell *bell;
	struct loop_fd *heard;
	bool look;         /* look at the queue at the next turn */
	mono_time look_at; /* and anyway then, while somebody waits */
};

struct embedded {
	struct broker broker;
	struct loop *loop;
	struct embedded_storage storage;
	struct embedded_hub *hub;
	char *topic;
	struct broker_queue_settings *queues;
	size_t queue_count;
	bool ensured;
	size_t under_way; /* operations whose callback has not returned */
	struct line *lines;
	struct loop_timer
	        *timer; /* the next turn: a look, or the end of a wait; NULL before the first receive */
	bool turn_wanted, waking;
};

/* Makes the queues before the first operation of this broker. */
int embedded_ensure(struct embedded *b, struct usher_error *err);

void poll_receive(struct broker *broker, const char *queue, const struct broker_receive_options *options,
        broker_receive_done *done, void *arg);
void poll_wake(struct broker *broker);
void poll_close(struct embedded *b);

#endif
