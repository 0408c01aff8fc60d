/* The failed_notification table: what operators list, inspect and settle. One db per thread. */
#ifndef STORE_FAILED_H
#define STORE_FAILED_H

#include "model/delivery.h"
#include "model/failed_status.h"
#include "model/failure.h"
#include "model/filter.h"
#include "store/audit.h"
#include "store/db.h"
#include "store/ledger.h"

struct failed_row { /* all strings owned, NULL where the table has NULL */
	int64_t id, delivery_id;
	char *event_id, *reason, *user_id, *recipient, *name, *source_queue, *message_id, *dlq_message_id,
	        *settled_by, *settled_reason;
	enum channel_id channel;
	enum failed_status status;
	enum delivery_state delivery_state;
	enum failure_class class;
	int version, attempts, redrives, auto_redrives;
	int64_t job_id; /* of the redrive job that redrove it last; 0: none */
	int64_t cause;  /* 64 bits: what it died of, see sql/0005 */
	wall_time first_at, dead_at, updated_at, dlq_seen_at, dlq_expires_at;
	/* only from failed_get: */
	char *payload;
	size_t payload_len;
	char *attributes;
};
void failed_rows_free(struct failed_row *rows, size_t n);

enum failed_sort {
	FAILED_BY_DEAD_AT,
	FAILED_BY_ID, /* the order of first deaths, too */
	FAILED_BY_STATUS,
	FAILED_BY_CHANNEL,
	FAILED_BY_CLASS,
	FAILED_BY_ATTEMPTS,
	FAILED_BY_REDRIVES,
	FAILED_BY_RECIPIENT,
	FAILED_BY_USER,
	FAILED_SORT_COUNT
};

struct failed_filter {               /* -1 / NULL / 0: any; all conditions hold together */
	int status, channel, class;  /* enum values */
	const char *text;            /* prefix of event id, user id or recipient; exact first */
	wall_time since, until;      /* dead_at */
	bool oldest_first;           /* of the sort's column: the smallest first; default the largest */
	bool in_dlq;                 /* only rows whose copy is known to stand in the DLQ */
	enum failed_sort sort;       /* rows alike in it: as they died for words, by id otherwise */
	const struct filter *filter; /* what an operator wrote */
	int auto_max; /* redrive jobs only, > 0: rows that usher itself has redriven less often; with status,
	                 channel and class */
};
#define FAILED_LIMIT_MAX 500
#define ATTEMPTS_SHOWN_MAX 500 /* the latest of a row; more than that is a story of its own */
#define FAILED_COUNT_CAP 10000 /* counts stop here and are marked */
#define FAILED_STATEMENT_S 5   /* the server gives a statement up after this: others wait behind it */

/* A search that no index can serve goes through rows in the list's order, FAILED_SCAN_MS long at most. It may
 * end before the page is full; then the page is not complete, and the next one goes on from there. */
#define FAILED_SCAN_MS 100

struct failed_page {
	struct failed_row *rows; /* free with failed_rows_free */
	size_t n;
	char next[CURSOR_SIZE]; /* "": there is no more */
	bool complete;          /* false: more rows before `next` were not looked at for want of time */
	int64_t searched;       /* rows looked at one by one; 0: an index knew them all */
};
int failed_list(struct db *db, const struct failed_filter *filter, const char *cursor, int limit,
        struct failed_page *ret_page, struct usher_error *err);
/* At most FAILED_COUNT_CAP; *ret_capped says there are or may be more: counting one by one stops early, too.
 */
int failed_count(struct db *db, const struct failed_filter *filter, int64_t *ret_n, bool *ret_capped,
        struct usher_error *err);

struct failed_group {
	enum channel_id channel;
	enum failed_status status;
	enum failure_class class;
	int64_t cause;
	char *reason; /* what its rows have in common: see sql/0005 */
	int64_t count;
	bool approximate; /* count is an estimate */
	wall_time oldest, newest;
};
/* Groups by status and cause (which is of one channel and class): largest first. Over all rows when the
 * filter has but words, causes and moments of death; else, and when there are too many causes, over the
 * newest FAILED_GROUPS_ROWS_MAX rows: then *ret_complete is false if there are more. */
#define FAILED_GROUPS_ROWS_MAX 20000
int failed_groups(struct db *db, const struct failed_filter *filter, int limit,
        struct failed_group **ret_groups, size_t *ret_n, bool *ret_complete, struct usher_error *err);
void failed_groups_free(struct failed_group *groups, size_t n);

/* The same event's deliveries on the other channels, and their failed rows if they ever died. */
struct failed_sibling {
	enum channel_id channel;
	enum delivery_state state;
	int64_t id; /* 0: it has no failed row; then no status */
	enum failed_status status;
};
int failed_siblings(struct db *db, const struct failed_row *row,
        struct failed_sibling ret_list[CHANNEL_COUNT], size_t *ret_n, struct usher_error *err);

/* USHER_ENOTFOUND. The caller frees with failed_rows_free(row, 1). */
int failed_get(struct db *db, int64_t id, struct failed_row **ret_row, struct usher_error *err);

struct attempt_row {
	int64_t id;
	int number, redrive, code;
	wall_time at;
	int64_t latency_ms;
	enum failure_class class;
	char *reply, *effect;
};
int attempts_of(struct db *db, int64_t delivery_id, struct attempt_row **ret_rows, size_t *ret_n,
        struct usher_error *err);
void attempts_free(struct attempt_row *rows, size_t n);

/* The three acts: one transaction each over delivery, failed_notification, redrive_intent and audit.
 * `version`: the row's version as the operator saw it, or -1 for "whatever it is". USHER_ENOTFOUND;
 * USHER_ECONFLICT names the present status and who settled it. The refusal is audited too (outcome conflict).
 */
int failed_redrive(struct db *db, int64_t id, int version, const struct act *act,
        struct usher_error *err); /* dead -> queued */
int failed_cancel(struct db *db, int64_t id, int version, const struct act *act,
        struct usher_error *err); /* dead -> cancelled; reason required */
int failed_restore(struct db *db, int64_t id, int version, const struct act *act,
        struct usher_error *err); /* cancelled -> dead */
/* usher's own, when the broker refuses the fresh copy of a redriven row for good: the row is dead again and
 * its intent gone, in one transaction with the audit, whose reason is `why`. USHER_ENOTFOUND;
 * USHER_ECONFLICT: it is queued no more. */
int failed_withdraw(struct db *db, int64_t id, const char *why, struct usher_error *err); /* queued -> dead */

/* The three, for a job that does one of them to many rows. */
enum failed_move { FAILED_REDRIVE, FAILED_CANCEL, FAILED_RESTORE, FAILED_MOVE_COUNT };
const char *failed_move_name(enum failed_move move); /* "redrive" */
enum failed_status failed_move_from(enum failed_move move);

/* A job's batch, inside its transaction: moves those picks that are still as they were seen, in row and
 * ledger; the others are left alone. No audit: the job has its own. */
struct failed_pick {
	int64_t id;
	int version;
};
struct failed_batch {
	enum failed_move move;
	const struct failed_pick *picks;
	size_t n;
	int64_t job_id;
	bool automatic; /* by usher itself */
	const struct act *act;
};
/* ret_ids: of those that moved; room for batch->n. */
int failed_move_batch(struct db *db, const struct failed_batch *batch, int64_t *ret_ids, size_t *ret_moved,
        struct usher_error *err);

/* -- Redrive intents: copies still to be sent ------------------------------------------------
 * Of failed rows that are redriven, and of deliveries whose next attempt is to be made now. The copy carries
 * event_id as attribute usher.event_id: a body without an id of its own (or that is no event) must come back
 * to the same ledger row. */
struct intent {
	int64_t id, failed_id; /* failed_id 0: of a delivery that waits for its next attempt */
	enum channel_id channel;
	char *event_id, *source_queue, *payload, *attributes;
	size_t payload_len;
	int attempts, edits; /* of sending this copy; of what is in it */
};
/* Takes what is due, oldest first, under a lease (SKIP LOCKED): another daemon does not take the same. */
int intents_take(struct db *db, int max, int64_t lease_ms, struct intent **ret_intents, size_t *ret_n,
        struct usher_error *err);
int intents_done(struct db *db, const int64_t *ids, size_t n, struct usher_error *err);
int intents_failed(struct db *db, const int64_t *ids, size_t n, int64_t retry_ms, const char *why,
        struct usher_error *err);
void intents_free(struct intent *intents, size_t n);

/* How far the copy is that a row, or a delivery, waits for. */
struct intent_state {
	int attempts; /* that failed */
	wall_time next_at;
	char *last_error; /* owned; NULL before the first failure */
};
/* *ret stays as it is where none is to be sent. failed_id 0: of the delivery alone. */
int intent_state_get(struct db *db, int64_t failed_id, int64_t delivery_id, struct intent_state *ret,
        struct usher_error *err);

/* -- The DLQ mirror --------------------------------------------------------------------------- */
struct dlq_copy { /* in: one message seen in a DLQ */
	const char *event_id, *message_id;
	wall_time sent_at,
	        expires_at; /* sent_at: when the message was first sent; 0: unknown, taken as long ago */
	enum channel_id channel;
	bool marked; /* bears usher.class: usher moved it here when it died, so it is not the copy of a
	                redrive */
	/* out; neither known nor surplus: hand it to ledger_adopt */
	bool known;    /* the ledger answers for it */
	bool surplus;  /* its row is queued, delivered or cancelled, or a newer copy stands for it: delete the
	                  copy */
	bool returned; /* not known because it is the copy of a redrive, sent here by the queue's own policy
	                */
};
/* Joins copies with their rows, notes which copy stands where and until when. */
int dlq_reconcile(struct db *db, struct dlq_copy *copies, size_t n, struct usher_error *err);

#endif
