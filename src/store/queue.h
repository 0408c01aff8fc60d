/* The embedded broker's tables, behind broker/embedded.h's storage (joined in engine/join.c). The same
 * meaning and types, on model/ only. Receipts are "ID.RECEIVE_COUNT": good until somebody else receives it.
 *
 * `struct queues` is a db and what is remembered of the queues behind it: ids, redrive policies and
 * subscriptions, looked up again every QUEUE_REMEMBERED_MS, so that a batch does not pay for them. One per
 * thread, like its db. All functions block. USHER_ENOTFOUND: no such queue; else as store/db.h says, and safe
 * to run again. */
#ifndef STORE_QUEUE_H
#define STORE_QUEUE_H

#include "model/message.h"
#include "store/db.h"

#define QUEUE_REMEMBERED_MS 60000
#define QUEUE_NAME_MAX 80
/* A message that stood visible was locked by somebody who is taking it: looked for again after this long. */
#define QUEUE_LOCKED_RETRY_MS 20

struct queues;
struct queues *queues_new(struct db *db); /* no I/O; the db is borrowed */
void queues_free(struct queues *queues);  /* NULL is allowed */

struct queue_put {
	const char *body;
	size_t body_len;
	const struct message_attributes *attributes; /* NULL: none */
	int64_t delay_ms;
};
struct queue_hide {
	const char *receipt;
	int64_t visibility_ms;
};
struct queue_definition {
	const char *name, *dlq;
	int64_t visibility_ms, retention_ms;
	int max_receive_count;
};

/* A copy of every entry to every queue, all or nothing. Copies of one entry share their message id. */
int queue_put(struct queues *queues, const char *const *names, size_t name_count,
        const struct queue_put *batch, size_t n, struct usher_error *err);
/* Borrowed until the next call on these queues. *ret_n is 0 for a topic nobody subscribed to. */
int queue_subscribers(struct queues *queues, const char *topic, const char *const **ret_names, size_t *ret_n,
        struct usher_error *err);

/* Takes at most max visible messages, oldest due first, and hides them. What was received more than
 * max_receive_count times moves to the queue's dlq instead. messages: room for max. *ret_next_ms, filled when
 * *ret_n is 0: until something may be visible, -1 when nothing is hidden. An empty queue costs one statement.
 */
int queue_take(struct queues *queues, const char *name, int max, int64_t visibility_ms,
        struct message **messages, size_t *ret_n, int64_t *ret_next_ms, struct usher_error *err);
/* codes[i]: 0, USHER_ESTALE, or USHER_EINVAL for what is no receipt. Gone already: 0. */
int queue_remove(struct queues *queues, const char *name, const char *const *receipts, size_t n, int *codes,
        struct usher_error *err);
/* codes as above, but gone already: USHER_ESTALE. */
int queue_hide(struct queues *queues, const char *name, const struct queue_hide *batch, size_t n, int *codes,
        struct usher_error *err);

/* Looks at up to max messages, oldest first. A queue longer than max is seen in turns: each call goes on
 * where the last one ended, and starts again after the end. *ret_exact: this listing held all of it. */
int queue_list(struct queues *queues, const char *name, size_t max, struct message **messages, size_t *ret_n,
        bool *ret_exact, struct usher_error *err);
int queue_count(
        struct queues *queues, const char *name, struct queue_depths *ret_depths, struct usher_error *err);

/* Makes the queues, their dlqs and their subscriptions to the topic where missing; updates their settings. */
int queue_ensure(struct queues *queues, const char *topic, const struct queue_definition *definitions,
        size_t n, struct usher_error *err);
/* Deletes messages older than their queue's retention; at most max. */
int queue_expire(struct queues *queues, int max, int *ret_n, struct usher_error *err);

#endif
