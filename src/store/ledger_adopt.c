/* Deliveries that died outside usher's hands: the queue's own policy moved their message to the DLQ, because
 * a worker kept dying on it or never answered for it. They get what every dead one has: a dead ledger row and
 * a failed row. On the db's thread. */
#include "store/ledger_parts.h"
#include "store/retry_message.h"

#include "base/error.h"

struct adoption {
	enum channel_id channel;
	const char *event_id, *user_id, *recipient, *reason;
	const struct ledger_dead *dead;
	enum failure_class class;
	/* as found */
	bool known;
	int64_t delivery_id, lease_ms;
	enum delivery_state state;
	int attempts, redrives;
	bool has_failed, failed_queued;
	wall_time failed_at;
};

static int find(struct db *db, struct adoption *a, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows = NULL;
	int code;

	sql_add(&sql,
	        "SELECT d.id, d.state, d.attempts, d.redrives, "
	        "CEIL(TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(3), d.lease_until) / 1000), f.id IS NOT NULL, "
	        "f.status = 'queued', f.updated_at FROM delivery d LEFT JOIN failed_notification f "
	        "ON f.delivery_id = d.id WHERE d.event_id = ?s AND d.channel = ?s FOR UPDATE",
	        a->event_id, channel_name(a->channel));
	code = db_query(db, &sql, &rows, err);
	if (code != 0)
		return code;
	a->known = rows_next(rows) && delivery_state_by_name(row_text(rows, 1), &a->state);
	if (a->known) {
		a->delivery_id = row_int(rows, 0);
		a->attempts = (int)row_int(rows, 2);
		a->redrives = (int)row_int(rows, 3);
		a->lease_ms = row_int(rows, 4);
		a->has_failed = row_int(rows, 5) != 0;
		a->failed_queued = row_int(rows, 6) != 0;
		a->failed_at = row_time(rows, 7);
	}
	rows_free(rows);
	return 0;
}

/* What usher itself moved to the DLQ bears the class of that death; a redriven copy does not. */
static bool is_redriven_copy(const struct adoption *a)
{
	return dlq_copy_returned(a->dead->message->sent_at, a->failed_at) &&
	       message_attribute_get(&a->dead->message->attributes, ATTRIBUTE_CLASS) == NULL;
}

/* Is this copy the end of the delivery's present life? Not while a worker may still be at it; not when a
 * row says so already; and of a redriven one only if it is the redriven copy itself. */
static bool is_end(const struct adoption *a)
{
	switch (a->state) {
	case DELIVERY_CLAIMED:
		if (a->lease_ms > 0)
			return false;
		break;
	case DELIVERY_RETRYING:
	case DELIVERY_QUEUED:
		break;
	case DELIVERY_DEAD:
		return !a->has_failed;
	case DELIVERY_DELIVERED:
	case DELIVERY_CANCELLED:
	case DELIVERY_STATE_COUNT:
		return false;
	}
	return !a->has_failed || (a->failed_queued && is_redriven_copy(a));
}

/* dead -> dead only lacks its failed row; claimed -> dead is one move; the others go through claimed: two. */
static int bury_known(struct db *db, const struct adoption *a, struct usher_error *err)
{
	struct sql sql;

	if (a->state == DELIVERY_DEAD)
		return 0;
	sql = sql_new(db);
	sql_add(&sql,
	        "UPDATE delivery SET state = 'dead', version = version + ?i, owner = NULL, lease_until = "
	        "NULL, due_at = NULL, "
	        "updated_at = UTC_TIMESTAMP(3), last_class = ?s, last_reply = ",
	        (int64_t)(a->state == DELIVERY_CLAIMED ? 1 : 2), failure_info(a->class)->name);
	sql_add_clipped(&sql, a->reason, WIDTH_REASON);
	sql_add(&sql, " WHERE id = ?i", a->delivery_id);
	return db_exec(db, &sql, NULL, err);
}

static int bury_new(struct db *db, struct adoption *a, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows = NULL;
	int code;

	sql_add(&sql,
	        "INSERT INTO delivery (event_id, channel, state, user_id, recipient, last_class, last_reply) "
	        "VALUES "
	        "(?s,?s,'dead',?s,?s,?s,",
	        a->event_id, channel_name(a->channel), a->user_id, a->recipient,
	        failure_info(a->class)->name);
	sql_add_clipped(&sql, a->reason, WIDTH_REASON);
	sql_add(&sql, ") RETURNING id");
	code = db_query(db, &sql, &rows, err);
	if (code != 0)
		return code;
	if (rows_next(rows))
		a->delivery_id = row_int(rows, 0);
	rows_free(rows);
	return 0;
}

static int adopt_work(struct db *db, void *arg, struct usher_error *err)
{
	struct adoption *a = arg;
	struct failed_death death;
	int code = find(db, a, err);

	if (code != 0 || (a->known && !is_end(a)))
		return code;
	code = a->known ? bury_known(db, a, err) : bury_new(db, a, err);
	if (code == 0 && a->known)
		code = retry_messages_forget(db, &a->delivery_id, 1, err);
	if (code != 0)
		return code;
	death = (struct failed_death){ .delivery_id = a->delivery_id,
		.event_id = a->event_id,
		.user_id = a->user_id,
		.recipient = a->recipient,
		.reason = a->reason,
		.class = a->class,
		.attempts = a->known ? a->attempts : 0,
		.redrives = a->known ? a->redrives : 0,
		.dead = *a->dead };
	return failed_deaths(db, a->channel, &death, 1, err);
}

int ledger_adopt(struct db *db, enum channel_id channel, const char *event_id, const char *user_id,
        const char *recipient, const struct ledger_dead *dead, enum failure_class class, const char *reason,
        struct usher_error *err)
{
	struct adoption a = { .channel = channel,
		.event_id = event_id,
		.user_id = user_id,
		.recipient = recipient,
		.reason = reason,
		.dead = dead,
		.class = class };
	int code = ledger_check_ids(event_id, user_id, recipient, err);

	if (code == 0)
		code = db_transaction(db, adopt_work, &a, err);
	return code == USHER_ECONFLICT ? 0 : code; /* another daemon's mirror was quicker with a new one */
}
