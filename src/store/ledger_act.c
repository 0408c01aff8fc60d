/* Acts on deliveries that wait for their next attempt: see ledger_act.h. On the db's thread. */
#include "store/ledger_act.h"

#include "base/error.h"
#include "base/language.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/age.h"
#include "store/audit.h"
#include "store/ledger_parts.h"
#include "store/retry_message.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PHRASE_SIZE 160

struct acting;
typedef int move_fn(struct db *db, struct acting *a, struct usher_error *err);

struct act_kind {
	const char *name;
	bool reason_required;
	move_fn *move;
};

struct acting {
	const struct act_kind *kind;
	const struct act *act;
	int64_t id;
	int version; /* -1: whatever it is */
	wall_time until;
	char target[WIDTH_TARGET], detail[PHRASE_SIZE];
	/* as found */
	enum channel_id channel;
	enum delivery_state state;
	int found_version, attempts, redrives;
	char *event_id, *user_id, *recipient, *reply;
	enum failure_class class;
	int64_t due_in_ms, changed_s, failed_id;
	wall_time now;
};

/* -- Refusing ------------------------------------------------------------------------------------- */

struct deed {
	bool is_known; /* false: nobody acted on it */
	char act[WIDTH_WORDS], by[WIDTH_OPERATOR * 4 + 1];
	int64_t age_s;
};

/* What an operator did to it last. */
static int last_act(struct db *db, const struct acting *a, struct deed *ret, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows = NULL;
	char other[WIDTH_TARGET];
	int code;

	snprintf(other, sizeof other, "failed/%" PRId64, a->failed_id);
	sql_add(&sql,
	        "SELECT operator, act, TIMESTAMPDIFF(SECOND, at, UTC_TIMESTAMP(3)) FROM audit WHERE target "
	        "IN (?s, ?s) AND outcome = 'done' ORDER BY id DESC LIMIT 1",
	        a->target, other);
	code = db_query(db, &sql, &rows, err);
	if (code != 0)
		return code;
	*ret = (struct deed){ .is_known = rows_next(rows) };
	if (ret->is_known) {
		snprintf(ret->by, sizeof ret->by, "%s", row_text(rows, 0));
		snprintf(ret->act, sizeof ret->act, "%s", row_text(rows, 1));
		ret->age_s = row_int(rows, 2);
	}
	rows_free(rows);
	return 0;
}

/* ": postponed by kim 3 s ago"; nothing when nobody did anything. */
static int add_deed(struct usher_error *err, const struct deed *deed)
{
	static const struct {
		const char *act, *words;
	} words[] = { { "now", N_(": sent now by %.100s ") }, { "postpone", N_(": postponed by %.100s ") },
		{ "cancel", N_(": cancelled by %.100s ") }, { "dead", N_(": given up by %.100s ") },
		{ "redrive", N_(": redriven by %.100s ") }, { "restore", N_(": restored by %.100s ") } };
	const char *known = NULL;

	if (!deed->is_known)
		return USHER_ECONFLICT;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(words[i].act, deed->act) == 0)
			known = words[i].words;
	if (known != NULL)
		error_add(err, USHER_ECONFLICT, known, deed->by);
	else
		error_add(err, USHER_ECONFLICT, ": %.40s by %.100s ", deed->act, deed->by);
	return age_add(err, USHER_ECONFLICT, deed->age_s);
}

static int refuse_state(struct db *db, const struct acting *a, struct usher_error *err)
{
	static const char *const words[DELIVERY_STATE_COUNT] = {
		[DELIVERY_CLAIMED] =
		        N_("delivery %lld does not wait for a retry any more: it is being sent now, look "
		           "again in a moment"),
		[DELIVERY_DELIVERED] =
		        N_("delivery %lld does not wait for a retry any more: it is delivered"),
		[DELIVERY_DEAD] =
		        N_("delivery %lld does not wait for a retry any more: it is dead: find it among the "
		           "failed ones"),
		[DELIVERY_QUEUED] =
		        N_("delivery %lld does not wait for a retry any more: it is queued again and waits "
		           "for a worker"),
		[DELIVERY_CANCELLED] =
		        N_("delivery %lld does not wait for a retry any more: it is cancelled"),
	};
	struct deed deed;
	int code = last_act(db, a, &deed, err);

	if (code != 0)
		return code;
	if (words[a->state] != NULL)
		error_set(err, USHER_ECONFLICT, words[a->state], (long long)a->id);
	else
		error_set(err, USHER_ECONFLICT,
		        "delivery %lld does not wait for a retry any more: it is in a state of a newer usher",
		        (long long)a->id);
	error_add(err, USHER_ECONFLICT, " (since ");
	age_add(err, USHER_ECONFLICT, a->changed_s);
	error_add(err, USHER_ECONFLICT, ")");
	return add_deed(err, &deed);
}

static int check_row(struct db *db, const struct acting *a, struct usher_error *err)
{
	struct deed deed;
	int code;

	if (a->state != DELIVERY_RETRYING)
		return refuse_state(db, a, err);
	if (a->version < 0 || a->version == a->found_version)
		return 0;
	code = last_act(db, a, &deed, err);
	if (code != 0)
		return code;
	error_set(err, USHER_ECONFLICT,
	        "delivery %" PRId64 " has changed since you looked at it (version %d then, %d now)", a->id,
	        a->version, a->found_version);
	add_deed(err, &deed);
	return error_add(err, USHER_ECONFLICT, ". Look at it again");
}

/* -- The four moves --------------------------------------------------------------------------------- */

static int set_due(struct db *db, const struct acting *a, wall_time due, struct usher_error *err)
{
	struct sql sql = sql_new(db);

	sql_add(&sql,
	        "UPDATE delivery SET due_at = ?t, version = version + 1, updated_at = UTC_TIMESTAMP(3) WHERE "
	        "id = ?i",
	        due, a->id);
	return db_exec(db, &sql, NULL, err);
}

static int drop_intent(struct db *db, const struct acting *a, struct usher_error *err)
{
	struct sql sql = sql_new(db);

	sql_add(&sql, "DELETE FROM redrive_intent WHERE delivery_id = ?i", a->id);
	return db_exec(db, &sql, NULL, err);
}

static int message_missing(const struct acting *a, struct usher_error *err)
{
	return error_set(err, USHER_ECONFLICT,
	        "the message of delivery %" PRId64
	        " was not kept: it waits since before usher kept them. Wait "
	        "for its next attempt",
	        a->id);
}

static int move_now(struct db *db, struct acting *a, struct usher_error *err)
{
	struct retry_message *kept = NULL;
	struct sql sql;
	struct deed deed;
	int code;

	if (a->due_in_ms <= 0) {
		code = last_act(db, a, &deed, err);
		if (code != 0)
			return code;
		error_set(err, USHER_ECONFLICT,
		        "delivery %" PRId64 " is due already, and is sent as soon as its channel may", a->id);
		return add_deed(err, &deed);
	}
	code = retry_message_get(db, a->id, &kept, err);
	if (code == 0 && kept == NULL)
		code = message_missing(a, err);
	retry_message_free(kept);
	if (code == 0)
		code = set_due(db, a, a->now, err);
	if (code != 0)
		return code;
	snprintf(a->detail, sizeof a->detail, "due at once instead of in %" PRId64 " s", a->due_in_ms / 1000);
	sql = sql_new(db);
	sql_add(&sql,
	        "INSERT INTO redrive_intent (delivery_id, next_at) VALUES (?i, UTC_TIMESTAMP(3)) ON "
	        "DUPLICATE "
	        "KEY UPDATE next_at = VALUES(next_at), attempts = 0, last_error = NULL",
	        a->id);
	return db_exec(db, &sql, NULL, err);
}

static int move_postpone(struct db *db, struct acting *a, struct usher_error *err)
{
	char due[WALL_TEXT_SIZE];
	int code;

	if (a->until.ms > a->now.ms + POSTPONE_MAX_MS)
		return error_set(err, USHER_EINVAL, "until: is more than 12 hours away: that is the most");
	if (a->until.ms <= a->now.ms + a->due_in_ms || a->until.ms <= a->now.ms)
		return error_set(err, USHER_EINVAL,
		        "until: is not after the next attempt, which is planned for %s",
		        wall_format((wall_time){ a->now.ms + a->due_in_ms }, due));
	code = set_due(db, a, a->until, err);
	if (code == 0)
		code = drop_intent(db, a, err);
	snprintf(a->detail, sizeof a->detail, "next attempt at %s", wall_format(a->until, due));
	return code;
}

/* Its message goes into a failed row, as if it had died by itself. */
static int bury(struct db *db, struct acting *a, enum delivery_state to, struct usher_error *err)
{
	struct retry_message *kept = NULL;
	struct failed_death death;
	struct sql sql;
	int code = retry_message_get(db, a->id, &kept, err);

	assert(delivery_move_legal(DELIVERY_RETRYING, to));
	if (code != 0)
		return code;
	if (kept == NULL)
		return message_missing(a, err);
	death = (struct failed_death){ .delivery_id = a->id,
		.event_id = a->event_id,
		.user_id = a->user_id,
		.recipient = a->recipient,
		.reason = a->reply,
		.class = a->class,
		.attempts = a->attempts,
		.redrives = a->redrives,
		.dead = {
		        .name = kept->name, .message = kept->message, .source_queue = kept->source_queue } };
	code = failed_deaths(db, a->channel, &death, 1, err);
	retry_message_free(kept);
	if (code == 0)
		code = retry_messages_forget(db, &a->id, 1, err);
	if (code != 0)
		return code;
	sql = sql_new(db);
	sql_add(&sql,
	        "UPDATE delivery SET state = ?s, version = version + 1, due_at = NULL, updated_at = "
	        "UTC_TIMESTAMP(3) WHERE id = ?i",
	        delivery_state_name(to), a->id);
	snprintf(a->detail, sizeof a->detail, "after %d attempt%s", a->attempts, a->attempts == 1 ? "" : "s");
	return db_exec(db, &sql, NULL, err);
}

static int move_dead(struct db *db, struct acting *a, struct usher_error *err)
{
	return bury(db, a, DELIVERY_DEAD, err);
}

static int move_cancel(struct db *db, struct acting *a, struct usher_error *err)
{
	struct sql sql;
	int code = bury(db, a, DELIVERY_CANCELLED, err);

	if (code != 0)
		return code;
	sql = sql_new(db);
	sql_add(&sql, "UPDATE failed_notification SET status = 'cancelled', settled_by = ");
	sql_add_clipped(&sql, a->act->operator, WIDTH_OPERATOR);
	sql_add(&sql, ", settled_reason = ?s WHERE delivery_id = ?i", a->act->reason, a->id);
	return db_exec(db, &sql, NULL, err);
}

static const struct act_kind now = { .name = "now", .move = move_now };
static const struct act_kind postpone = { .name = "postpone", .move = move_postpone };
static const struct act_kind cancel = { .name = "cancel", .reason_required = true, .move = move_cancel };
static const struct act_kind dead = { .name = "dead", .move = move_dead };

/* -- Acting ---------------------------------------------------------------------------------------- */

static void forget_row(struct acting *a)
{
	mem_freep(&a->event_id);
	mem_freep(&a->user_id);
	mem_freep(&a->recipient);
	mem_freep(&a->reply);
}

static bool read_row(struct rows *rows, struct acting *a)
{
	if (!rows_next(rows) || !channel_by_name(row_text(rows, 0), &a->channel))
		return false;
	if (!delivery_state_by_name(row_text(rows, 1), &a->state))
		a->state = DELIVERY_STATE_COUNT;
	a->found_version = (int)row_int(rows, 2);
	a->attempts = (int)row_int(rows, 3);
	a->redrives = (int)row_int(rows, 4);
	a->event_id = mem_string(row_text(rows, 5));
	a->user_id = mem_string(row_text(rows, 6));
	a->recipient = mem_string(row_text(rows, 7));
	a->class = row_text(rows, 8) != NULL ? failure_by_name(row_text(rows, 8)) : FAILURE_NONE;
	a->reply = mem_string(row_text(rows, 9));
	a->due_in_ms = row_int(rows, 10);
	a->changed_s = row_int(rows, 11);
	a->failed_id = row_int(rows, 12);
	a->now = row_time(rows, 13);
	return true;
}

static int find(struct db *db, struct acting *a, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows = NULL;
	bool found;
	int code;

	forget_row(a); /* of a try that was rolled back */
	sql_add(&sql,
	        "SELECT d.channel, d.state, d.version, d.attempts, d.redrives, d.event_id, d.user_id, "
	        "d.recipient, d.last_class, d.last_reply, "
	        "CEIL(TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(3), d.due_at) / 1000), "
	        "TIMESTAMPDIFF(SECOND, d.updated_at, UTC_TIMESTAMP(3)), f.id, UTC_TIMESTAMP(3) FROM delivery "
	        "d LEFT JOIN failed_notification f ON f.delivery_id = d.id WHERE d.id = ?i FOR UPDATE",
	        a->id);
	code = db_query(db, &sql, &rows, err);
	if (code != 0)
		return code;
	found = read_row(rows, a);
	rows_free(rows);
	return found ? 0 : error_set(err, USHER_ENOTFOUND, "there is no delivery %" PRId64, a->id);
}

static int audit(struct db *db, const struct acting *a, const char *outcome, const char *detail,
        struct usher_error *err)
{
	return audit_act(db, a->act, a->kind->name, a->target, outcome, detail, err);
}

static int act_work(struct db *db, void *arg, struct usher_error *err)
{
	struct acting *a = arg;
	int code = find(db, a, err);

	if (code == 0)
		code = check_row(db, a, err);
	if (code == 0)
		code = a->kind->move(db, a, err);
	return code == 0 ? audit(db, a, "done", a->detail, err) : code;
}

static int perform(struct db *db, struct acting *a, struct usher_error *err)
{
	struct usher_error why = { 0 };
	int code;

	snprintf(a->target, sizeof a->target, "retrying/%" PRId64, a->id);
	code = act_check_reason(a->act, a->kind->reason_required ? a->kind->name : NULL, &why);
	if (code == 0)
		code = db_transaction(db, act_work, a, &why);
	forget_row(a);
	if (code == 0)
		return 0;
	if (code == USHER_ECONFLICT)
		audit(db, a, "conflict", why.message, NULL);
	else if (code == USHER_EINVAL || code == USHER_ENOTFOUND)
		audit(db, a, "refused", why.message, NULL);
	return error_copy(err, &why);
}

int retrying_now(struct db *db, int64_t id, int version, const struct act *act, struct usher_error *err)
{
	return perform(db, &(struct acting){ .kind = &now, .act = act, .id = id, .version = version }, err);
}

int retrying_postpone(struct db *db, int64_t id, int version, wall_time until, const struct act *act,
        struct usher_error *err)
{
	return perform(db,
	        &(struct acting){
	                .kind = &postpone, .act = act, .id = id, .version = version, .until = until },
	        err);
}

int retrying_cancel(struct db *db, int64_t id, int version, const struct act *act, struct usher_error *err)
{
	return perform(
	        db, &(struct acting){ .kind = &cancel, .act = act, .id = id, .version = version }, err);
}

int retrying_dead(struct db *db, int64_t id, int version, const struct act *act, struct usher_error *err)
{
	return perform(db, &(struct acting){ .kind = &dead, .act = act, .id = id, .version = version }, err);
}
