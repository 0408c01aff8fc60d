/* The embedded broker: queues as tables behind a `struct embedded_storage`, which the engine fills
 * with store/queue.h (siblings do not include each other). Visibility timeouts, receive counts and
 * redrive policy have SQS's meaning. A hub, shared by all brokers of one process, wakes long polls at
 * once when something is published, sent or handed back in this process; work of other processes is
 * seen at the latest after EMBEDDED_POLL_MS. An idle long poll runs no statement but that one. */
#ifndef BROKER_EMBEDDED_H
#define BROKER_EMBEDDED_H

#include "broker/broker.h"

#define EMBEDDED_POLL_MS 2000
#define EMBEDDED_DELAY_MAX_MS (15 * 60 * 1000)
#define EMBEDDED_VISIBILITY_MAX_MS (12 * 60 * 60 * 1000)

/* All functions block; one storage per broker, used on its thread only. They return 0 or a code and
 * fill err, like the operations they serve. */
struct embedded_storage {
	void *ctx;
	/* Queues that are subscribed to a topic; borrowed until the next call. */
	int (*subscribers)(void *ctx, const char *topic, const char *const **ret_queues, size_t *ret_n,
	        struct usher_error *err);
	int (*put)(void *ctx, const char *const *queues, size_t queue_count,
	        const struct broker_outgoing *batch, size_t n, struct usher_error *err);
	/* Moves messages over their max_receive_count to the DLQ instead of returning them. *ret_next_ms:
	 * until the next hidden or delayed message becomes visible, 0: look again now, -1 for none; filled
	 * when *ret_n is 0. */
	int (*take)(void *ctx, const char *queue, int max, int64_t visibility_ms, struct message **messages,
	        size_t *ret_n, int64_t *ret_next_ms, struct usher_error *err);
	/* codes[i]: 0, USHER_ESTALE, or USHER_EINVAL for what is no receipt. */
	int (*remove)(void *ctx, const char *queue, const char *const *receipts, size_t n, int *codes,
	        struct usher_error *err);
	int (*hide)(void *ctx, const char *queue, const struct broker_visibility *batch, size_t n, int *codes,
	        struct usher_error *err);
	int (*list)(void *ctx, const char *queue, size_t max, struct message **messages, size_t *ret_n,
	        bool *ret_exact, struct usher_error *err);
	int (*count)(void *ctx, const char *queue, struct queue_depths *ret_depths, struct usher_error *err);
	/* Makes topic, queues and subscriptions where they are missing, updates their settings. */
	int (*ensure)(void *ctx, const char *topic, const struct broker_queue_settings *queues, size_t n,
	        struct usher_error *err);
	void (*free)(void *ctx);
};

struct embedded_hub;
struct embedded_hub *embedded_hub_new(void);
void embedded_hub_free(struct embedded_hub *hub); /* after all its brokers are closed */

struct embedded_settings {
	const char *topic; /* copied */
	const struct broker_queue_settings
	        *queues; /* copied; each subscribed to the topic (not their dlqs) */
	size_t queue_count;
	struct embedded_storage storage; /* owned from now on, freed at close */
	struct embedded_hub *hub;
};

/* Does no I/O: queues are made at the first operation (so that a start needs no database). */
struct broker *embedded_open(const struct embedded_settings *settings, struct loop *loop);

#endif
