/* What carries messages: the contract that every driver keeps, tested by one suite
 * (tests/contract/broker_test.c) on each of them.
 *
 * Thread: a broker belongs to one loop and is used on that loop's thread only.
 * Answers: every operation ends in exactly one call of its callback, on the loop, never from inside
 * the call that started it. `err->code` is 0 or says why the whole operation failed; then nothing
 * is known to have happened and the same call may be made again (USHER_EUNAVAILABLE: broker or network;
 * USHER_EFORBIDDEN: credentials or policy; USHER_ENOTFOUND: no such queue; USHER_ETOOBIG).
 * Ownership: inputs are borrowed until the callback returns (receive's options are copied); results are
 * borrowed for the callback unless it says otherwise. Delivery is at least once; order is not promised. A
 * late settle: a receipt is good until its message was received again by somebody. Deleting or hiding with an
 * older receipt fails for that entry with USHER_ESTALE and changes nothing; a message that is gone already
 * counts as deleted. Deleting is idempotent. On drivers that settle silently, some late settles are not told
 * from good ones: they end with 0, and change nothing all the same. */
#ifndef BROKER_BROKER_H
#define BROKER_BROKER_H

#include "model/message.h"
#include "net/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <usher/error.h>

/* Bytes of a body with its attributes; a larger one is refused with USHER_ETOOBIG, alone. They are those of
 * SNS and SQS on every driver, so that what works on one works on the other. A queue may be set to take less.
 */
#define BROKER_PUBLISH_MAX (256 * 1024)
#define BROKER_SEND_MAX (1024 * 1024)

struct broker;

struct broker_outgoing {
	const char *body;
	size_t body_len;
	const struct message_attributes *attributes; /* NULL: none */
	int64_t delay_ms;                            /* not visible before; send only, <= 15 min */
};

/* One entry of a batch that is settled; also of one that is sent. */
struct broker_entry_result {
	int code;          /* 0, or enum usher_code for this entry alone */
	char message[160]; /* why, "" when code is 0 */
};

/* results has as many entries as the batch, in its order; NULL when the whole operation failed. */
typedef void broker_batch_done(
        void *arg, const struct broker_entry_result *results, size_t n, const struct usher_error *err);

/* The callback owns the messages (message_free each); n is 0 when the wait ended without any. */
typedef void broker_receive_done(
        void *arg, struct message **messages, size_t n, const struct usher_error *err);

struct broker_listing {
	struct message **messages; /* owned by the callback */
	size_t n;
	bool exact; /* every message that stood there is in it, as far as the queue's own count says */
};
typedef void broker_browse_done(
        void *arg, const struct broker_listing *listing, const struct usher_error *err);
typedef void broker_depths_done(void *arg, const struct queue_depths *depths, const struct usher_error *err);

struct broker_receive_options {
	int max;               /* 1..ops->receive_max */
	int64_t wait_ms;       /* long poll: answers at once when there is work, else after this long */
	int64_t visibility_ms; /* hidden from others this long */
};

struct broker_visibility {
	const char *receipt;
	int64_t visibility_ms; /* 0: visible at once; <= 12 h */
};

struct broker_ops {
	const char *name;
	size_t batch_max;   /* entries in one publish, send, delete or hide */
	size_t receive_max; /* messages in one receive */
	/* Where drivers differ. What is false is what one would wish. */
	bool settles_silently; /* a late settle, and a receipt that is none, may end with 0, without effect */
	bool looks_count;      /* a look is a receive, and brings a message nearer to its queue's redrive
	                          policy: look only at queues that have none (DLQs) */
	bool counting_costs;   /* each depths() is billed: ask seldom while nothing moves */
	bool dlq_counts_on;    /* a message moved by the redrive policy keeps its receive_count */

	/* To the topic: a copy to every subscribed queue. Bodies up to BROKER_PUBLISH_MAX. */
	void (*publish)(struct broker *b, const struct broker_outgoing *batch, size_t n,
	        broker_batch_done *done, void *arg);
	/* To one queue. Bodies up to BROKER_SEND_MAX. */
	void (*send)(struct broker *b, const char *queue, const struct broker_outgoing *batch, size_t n,
	        broker_batch_done *done, void *arg);
	void (*receive)(struct broker *b, const char *queue, const struct broker_receive_options *options,
	        broker_receive_done *done, void *arg);
	void (*delete_batch)(struct broker *b, const char *queue, const char *const *receipts, size_t n,
	        broker_batch_done *done, void *arg);
	void (*hide_batch)(struct broker *b, const char *queue, const struct broker_visibility *batch,
	        size_t n, broker_batch_done *done, void *arg); /* ChangeMessageVisibilityBatch */
	/* Looking: changes nothing that matters (but see looks_count). A listing that is full (n is max) is a
	 * page: the next browse, begun soon, goes on behind it. The receipts are good for delete_batch for a
	 * short while. */
	void (*browse)(struct broker *b, const char *queue, size_t max, broker_browse_done *done, void *arg);
	void (*depths)(struct broker *b, const char *queue, broker_depths_done *done, void *arg);
	/* Ends all long polls under way: each answers with what it has, or 0 messages. */
	void (*wake)(struct broker *b);
	/* No operation may be under way. */
	void (*close)(struct broker *b);
};

/* Every driver's struct begins with this. */
struct broker {
	const struct broker_ops *ops;
};

struct broker_queue_settings {
	const char *name, *dlq;
	int64_t visibility_ms; /* default of the queue */
	int max_receive_count; /* the queue's own redrive policy */
	int64_t retention_ms;
};

#endif
