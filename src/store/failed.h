/* The failed_notification table: what operators list, inspect and settle. One db per thread. */
#ifndef STORE_FAILED_H
#define STORE_FAILED_H

#include "model/delivery.h"
#include "model/failure.h"
#include "store/db.h"
#include "store/ledger.h"

enum failed_status { FAILED_DEAD, FAILED_QUEUED, FAILED_DELIVERED, FAILED_CANCELLED, FAILED_STATUS_COUNT };
const char *failed_status_name(enum failed_status status);
bool failed_status_by_name(const char *name, enum failed_status *ret);

struct failed_row { /* all strings owned, NULL where the table has NULL */
	int64_t id, delivery_id;
	char *event_id, *reason, *user_id, *recipient, *name, *source_queue, *message_id, *dlq_message_id,
	        *settled_by, *settled_reason;
	enum channel_id channel;
	enum failed_status status;
	enum delivery_state delivery_state;
	enum failure_class class;
	int version, attempts, redrives;
	wall_time first_at, dead_at, updated_at, dlq_seen_at, dlq_expires_at;
	/* only from failed_get: */
	char *payload;
	size_t payload_len;
	char *attributes;
};
void failed_rows_free(struct failed_row *rows, size_t n);

struct failed_filter {              /* -1 / NULL / 0: any */
	int status, channel, class; /* enum values */
	const char *text;           /* prefix of event id, user id or recipient; exact first */
	wall_time since, until;     /* dead_at */
	bool oldest_first;          /* default newest first */
	bool in_dlq; /* only rows whose copy is known to stand in the DLQ (dlq_message_id is set) */
};
#define FAILED_LIMIT_MAX 500
#define ATTEMPTS_SHOWN_MAX 500 /* the latest of a row; more than that is a story of its own */
#define FAILED_GROUPS_ROWS_MAX 50000
#define FAILED_COUNT_CAP 10000 /* counts stop here and are marked */

int failed_list(struct db *db, const struct failed_filter *filter, const char *cursor, int limit,
        struct failed_row **ret_rows, size_t *ret_n, char ret_next[CURSOR_SIZE], struct usher_error *err);
/* At most FAILED_COUNT_CAP; *ret_capped says there are more. */
int failed_count(struct db *db, const struct failed_filter *filter, int64_t *ret_n, bool *ret_capped,
        struct usher_error *err);

struct failed_group {
	enum channel_id channel;
	enum failed_status status;
	enum failure_class class;
	char *reason;
	int64_t count;
	wall_time oldest, newest;
};
/* Groups by channel, status, class and reason: largest first; over the newest FAILED_GROUPS_ROWS_MAX rows. */
int failed_groups(struct db *db, const struct failed_filter *filter, int limit,
        struct failed_group **ret_groups, size_t *ret_n, struct usher_error *err);
void failed_groups_free(struct failed_group *groups, size_t n);

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
struct act {
	const char *operator, * role, *reason;
};
int failed_redrive(struct db *db, int64_t id, int version, const struct act *act,
        struct usher_error *err); /* dead -> queued */
int failed_cancel(struct db *db, int64_t id, int version, const struct act *act,
        struct usher_error *err); /* dead -> cancelled; reason required */
int failed_restore(struct db *db, int64_t id, int version, const struct act *act,
        struct usher_error *err); /* cancelled -> dead */

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
