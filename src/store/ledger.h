/* The ledger: tables delivery, delivery_attempt and, for what dies, failed_notification, moved
 * together. Every move is a compare-and-set. All functions block; batch them. One db per thread. */
#ifndef STORE_LEDGER_H
#define STORE_LEDGER_H

#include "model/delivery.h"
#include "model/failure.h"
#include "model/message.h"
#include "model/reply.h"
#include "store/cursor.h"
#include "store/db.h"

#define LEDGER_BATCH_MAX 1000 /* entries of one call; more: USHER_ETOOBIG */

enum claim_verdict {
	CLAIM_SEND,      /* ours under a lease: send it */
	CLAIM_DELIVERED, /* done before: delete the message */
	CLAIM_CANCELLED, /* given up: delete the message */
	CLAIM_DEAD,      /* dead already, but a copy stands in the source queue: finish its move to the DLQ */
	CLAIM_LEASED,    /* another worker holds it: hide for wait_ms */
	CLAIM_NOT_DUE,   /* its next attempt comes later: hide for wait_ms */
	CLAIM_OUTDATED   /* from before an edit, another copy has it: delete the message */
};

struct ledger_claim {
	/* in, borrowed */
	const char *event_id, *user_id, *recipient; /* the last two may be NULL */
	int edits;                                  /* that the message has */
	/* out */
	enum claim_verdict verdict;
	int64_t delivery_id;
	int version, attempts, throttled, redrives; /* as they stand; version after the claim */
	int64_t wait_ms;
	enum failure_class last_class;
	char last_reply[REPLY_TEXT_MAX]; /* CLAIM_DEAD: why */
};

/* Claims a batch in as few round trips as possible: bulk INSERT IGNORE ... RETURNING for the new,
 * one SELECT and one UPDATE for the known. The same event twice in one batch: the first is claimed, the
 * second is CLAIM_LEASED. */
int ledger_claim(struct db *db, enum channel_id channel, const char *owner, int64_t lease_ms,
        struct ledger_claim *claims, size_t n, struct usher_error *err);

/* Extends leases that are still ours. held[i]: still ours. */
int ledger_renew(struct db *db, const char *owner, int64_t lease_ms, const int64_t *delivery_ids, bool *held,
        size_t n, struct usher_error *err);
/* Gives claims back unsent: their lease ends now. */
int ledger_release(
        struct db *db, const char *owner, const int64_t *delivery_ids, size_t n, struct usher_error *err);

struct ledger_dead { /* what is kept of a delivery that dies or waits for its next attempt; borrowed */
	const char *name;
	const struct message *message;
	const char *source_queue;
};

struct ledger_settle {
	/* in */
	int64_t delivery_id;
	int version;            /* as claimed */
	enum delivery_state to; /* DELIVERED, RETRYING or DEAD */
	enum failure_class class;
	const struct reply *reply;         /* NULL: no attempt was made (malformed): no attempt row */
	wall_time at;                      /* when the attempt began */
	int attempts, throttled, redrives; /* to be stored */
	int64_t delay_ms;                  /* RETRYING */
	const char *reason;                /* DEAD: one line for the operator; else NULL */
	const char *event_id, *user_id, *recipient;
	struct ledger_dead dead; /* DEAD, RETRYING */
	/* out */
	bool lost; /* the lease had passed to another: nothing was stored for this one */
};

/* Settles a batch in one transaction: moves, attempts, failed rows (also the row's status back to delivered
 * after a redrive, and intents that are no longer needed). Safe to run again after an unknown outcome (an
 * entry that stands as asked, moved by us, counts as done, and its attempt is not stored twice). */
int ledger_settle(struct db *db, enum channel_id channel, const char *owner, struct ledger_settle *settles,
        size_t n, struct usher_error *err);

/* A message that came to a DLQ with no failed row (the queue's own policy): makes delivery and row, class
 * worker_lost (or as the usher.* attributes say), state dead. Does nothing when a row is there. */
int ledger_adopt(struct db *db, enum channel_id channel, const char *event_id, const char *user_id,
        const char *recipient, const struct ledger_dead *dead, enum failure_class class, const char *reason,
        struct usher_error *err);

/* Deletes at most `max` delivered rows (attempts and failed rows with them) older than keep_ms; *ret_n: how
 * many. */
int ledger_prune(struct db *db, int64_t keep_ms, int max, int *ret_n, struct usher_error *err);

/* Counts for the status page; exact. */
struct ledger_counts {
	int64_t claimed, retrying, dead, queued, cancelled;
	int64_t next_due_ms; /* -1 none */
};
int ledger_count(struct db *db, enum channel_id channel, struct ledger_counts *ret, struct usher_error *err);

/* When a delivery last succeeded on each channel, whichever daemon did it; 0: not among the latest
 * LEDGER_LATEST. */
#define LEDGER_LATEST 500
int ledger_last_delivered(struct db *db, wall_time ret_at[CHANNEL_COUNT], struct usher_error *err);

/* -- The Retrying list: soonest first ------------------------------------------------------- */
struct retrying_row {
	int64_t id;
	char *event_id, *user_id, *recipient;
	enum channel_id channel;
	int version, attempts;
	wall_time due_at, updated_at;
	enum failure_class last_class;
	char *last_reply;
};
/* `cursor`: "" for the first page; ret_next: "" when there is no more. USHER_EINVAL: a bad cursor. */
int retrying_list(struct db *db, const char *cursor, int limit, int channel /* -1: all */,
        struct retrying_row **ret_rows, size_t *ret_n, char ret_next[CURSOR_SIZE], struct usher_error *err);
void retrying_rows_free(struct retrying_row *rows, size_t n);

#endif
