/* Redrive, cancel, restore: what operators do with a row, and how usher takes a redrive back. One transaction
 * each over the ledger, the row, its intent and the audit, so that no half of an act is ever seen; a refusal
 * is audited by itself. A job moves a batch of rows by the same statements. On the db's thread. */
#include "store/failed.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/age.h"
#include "store/audit.h"
#include "store/ledger_parts.h"
#include "store/redrive_job.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PHRASE_SIZE 160

struct act_kind {
	const char *name;
	enum failed_status from, to;
	enum delivery_state ledger_from, ledger_to;
	bool reason_required;
	const char *ledger_set, *failed_set; /* besides state or status, and version */
};

static const struct act_kind redrive = {
	.name = "redrive",
	.from = FAILED_DEAD,
	.to = FAILED_QUEUED,
	.ledger_from = DELIVERY_DEAD,
	.ledger_to = DELIVERY_QUEUED,
	.ledger_set = ", attempts = 0, throttled = 0, redrives = redrives + 1, owner = NULL",
	.failed_set = ", redrives = redrives + 1",
};
static const struct act_kind cancel = {
	.name = "cancel",
	.from = FAILED_DEAD,
	.to = FAILED_CANCELLED,
	.ledger_from = DELIVERY_DEAD,
	.ledger_to = DELIVERY_CANCELLED,
	.reason_required = true,
	.ledger_set = "",
	.failed_set = "",
};
static const struct act_kind restore = {
	.name = "restore",
	.from = FAILED_CANCELLED,
	.to = FAILED_DEAD,
	.ledger_from = DELIVERY_CANCELLED,
	.ledger_to = DELIVERY_DEAD,
	.ledger_set = "",
	.failed_set = "",
};
static const struct act_kind withdraw = {
	.name = "withdraw",
	.from = FAILED_QUEUED,
	.to = FAILED_DEAD,
	.ledger_from = DELIVERY_QUEUED,
	.ledger_to = DELIVERY_DEAD,
	.reason_required = true,
	.ledger_set = "",
	.failed_set = "",
};

static const struct act_kind *const kinds[FAILED_MOVE_COUNT] = {
	[FAILED_REDRIVE] = &redrive,
	[FAILED_CANCEL] = &cancel,
	[FAILED_RESTORE] = &restore,
};

const char *failed_move_name(enum failed_move move)
{
	return kinds[move]->name;
}

enum failed_status failed_move_from(enum failed_move move)
{
	return kinds[move]->from;
}

/* Rows that make the same move at once, found fit for it and locked by the caller's transaction. */
struct moving {
	const struct act_kind *kind;
	const struct act *act;
	const int64_t *ids, *delivery_ids;
	size_t n;
	int64_t job_id; /* redrive: of the job that does it; 0: an operator, one row at a time */
	bool automatic; /* by usher itself */
};

struct acting {
	const struct act_kind *kind;
	const struct act *act;
	int64_t id;
	int version; /* -1: whatever it is */
	char target[WIDTH_TARGET];
	/* as found */
	enum failed_status status;
	enum delivery_state state;
	int64_t delivery_id, job_id, age_s;
	int found_version;
	char settled_by[WIDTH_OPERATOR * 4 + 1];
};

/* -- Refusing ------------------------------------------------------------------------------------- */

/* Who brought the row to where it stands: ": redriven by kim 3 s ago". A redriven row that arrived keeps the
 * name. */
static int add_settler(const struct acting *a, struct usher_error *err)
{
	const char *by = a->settled_by[0] != '\0' ? a->settled_by : "somebody";

	if (a->status == FAILED_DELIVERED) {
		error_add(err, USHER_ECONFLICT, ", ");
		age_add(err, USHER_ECONFLICT, a->age_s);
		return a->settled_by[0] ? error_add(err, USHER_ECONFLICT, ", redriven by %.100s", by)
		                        : USHER_ECONFLICT;
	}
	if (a->status != FAILED_QUEUED && a->status != FAILED_CANCELLED)
		return USHER_ECONFLICT;
	if (a->status == FAILED_QUEUED)
		error_add(err, USHER_ECONFLICT, ": redriven by %.100s ", by);
	else
		error_add(err, USHER_ECONFLICT, ": cancelled by %.100s ", by);
	return age_add(err, USHER_ECONFLICT, a->age_s);
}

static int check_row(const struct acting *a, struct usher_error *err)
{
	if (a->status != a->kind->from) {
		const char *status = failed_status_name(a->status);
		if (a->status == a->kind->to)
			error_set(err, USHER_ECONFLICT, "row %" PRId64 " is already %s", a->id, status);
		else
			error_set(err, USHER_ECONFLICT, "row %" PRId64 " is %s", a->id, status);
		return add_settler(a, err);
	}
	if (a->version >= 0 && a->version != a->found_version)
		return error_set(err, USHER_ECONFLICT,
		        "row %" PRId64
		        " has changed since you looked at it (version %d then, %d now): look at it again",
		        a->id, a->version, a->found_version);
	if (a->state != a->kind->ledger_from)
		return error_set(err, USHER_ECONFLICT,
		        "row %" PRId64 " is %s, but its delivery is %s in the ledger: a worker is at it, "
		        "look again in a moment",
		        a->id, failed_status_name(a->status), delivery_state_name(a->state));
	return 0;
}

/* -- Acting ---------------------------------------------------------------------------------------- */

static int audit(struct db *db, const struct acting *a, const char *outcome, const char *detail,
        struct usher_error *err)
{
	return audit_act(db, a->act, a->kind->name, a->target, outcome, detail, err);
}

static int find(struct db *db, struct acting *a, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows = NULL;
	bool found;
	int code;

	sql_add(&sql,
	        "SELECT f.status, f.version, f.delivery_id, d.state, f.settled_by, "
	        "TIMESTAMPDIFF(SECOND, f.updated_at, UTC_TIMESTAMP(3)), f.job_id FROM failed_notification f "
	        "JOIN "
	        "delivery d "
	        "ON d.id = f.delivery_id WHERE f.id = ?i FOR UPDATE",
	        a->id);
	code = db_query(db, &sql, &rows, err);
	if (code != 0)
		return code;
	found = rows_next(rows) && failed_status_by_name(row_text(rows, 0), &a->status) &&
	        delivery_state_by_name(row_text(rows, 3), &a->state);
	if (found) {
		a->found_version = (int)row_int(rows, 1);
		a->delivery_id = row_int(rows, 2);
		a->age_s = row_int(rows, 5);
		a->job_id = row_int(rows, 6);
		snprintf(a->settled_by, sizeof a->settled_by, "%s",
		        row_text(rows, 4) != NULL ? row_text(rows, 4) : "");
	}
	rows_free(rows);
	return found ? 0 : error_set(err, USHER_ENOTFOUND, "there is no failed row %" PRId64, a->id);
}

static int move_ledger(struct db *db, const struct moving *m, struct usher_error *err)
{
	struct sql sql = sql_new(db);

	assert(delivery_move_legal(m->kind->ledger_from, m->kind->ledger_to));
	sql_add(&sql, "UPDATE delivery SET state = ?s, version = version + 1, updated_at = UTC_TIMESTAMP(3)",
	        delivery_state_name(m->kind->ledger_to));
	sql_add(&sql, m->kind->ledger_set);
	sql_add(&sql, " WHERE id IN ");
	sql_add_ids(&sql, m->delivery_ids, m->n);
	return db_exec(db, &sql, NULL, err);
}

/* A restored row is as it was when it died: nobody has settled it. */
static int move_failed(struct db *db, const struct moving *m, struct usher_error *err)
{
	bool settles = m->kind->to != FAILED_DEAD;
	struct sql sql = sql_new(db);

	sql_add(&sql,
	        "UPDATE failed_notification SET status = ?s, version = version + 1, updated_at = "
	        "UTC_TIMESTAMP(3), "
	        "settled_by = ",
	        failed_status_name(m->kind->to));
	sql_add_clipped(&sql, settles ? m->act->operator: NULL, WIDTH_OPERATOR);
	sql_add(&sql, ", settled_reason = ?s", settles ? m->act->reason : NULL);
	sql_add(&sql, m->kind->failed_set);
	if (m->kind->to == FAILED_QUEUED) {
		sql_add(&sql, m->automatic ? ", auto_redrives = auto_redrives + 1" : ", auto_redrives = 0");
		sql_add(&sql, m->job_id ? ", job_id = ?i" : ", job_id = NULL", m->job_id);
	}
	sql_add(&sql, " WHERE id IN ");
	sql_add_ids(&sql, m->ids, m->n);
	return db_exec(db, &sql, NULL, err);
}

static int add_intents(struct db *db, const struct moving *m, struct usher_error *err)
{
	struct sql sql = sql_new(db);

	sql_add(&sql, "INSERT INTO redrive_intent (failed_id, next_at) VALUES ");
	for (size_t i = 0; i < m->n; i++)
		sql_add(&sql, i == 0 ? "(?i, UTC_TIMESTAMP(3))" : ", (?i, UTC_TIMESTAMP(3))", m->ids[i]);
	sql_add(&sql, " ON DUPLICATE KEY UPDATE next_at = VALUES(next_at), attempts = 0, last_error = NULL");
	return db_exec(db, &sql, NULL, err);
}

static int drop_intents(struct db *db, const struct moving *m, struct usher_error *err)
{
	struct sql sql = sql_new(db);

	sql_add(&sql, "DELETE FROM redrive_intent WHERE failed_id IN ");
	sql_add_ids(&sql, m->ids, m->n);
	return db_exec(db, &sql, NULL, err);
}

static int move(struct db *db, const struct moving *m, struct usher_error *err)
{
	int code = move_ledger(db, m, err);

	if (code == 0)
		code = move_failed(db, m, err);
	if (code == 0 && m->kind->to == FAILED_QUEUED)
		code = add_intents(db, m, err);
	if (code == 0 && m->kind->from == FAILED_QUEUED)
		code = drop_intents(db, m, err);
	return code;
}

static int act_work(struct db *db, void *arg, struct usher_error *err)
{
	struct acting *a = arg;
	char detail[64];
	int code = find(db, a, err);

	if (code == 0)
		code = check_row(a, err);
	if (code == 0)
		code = move(db,
		        &(struct moving){ .kind = a->kind,
		                .act = a->act,
		                .ids = &a->id,
		                .delivery_ids = &a->delivery_id,
		                .n = 1 },
		        err);
	if (code == 0 && a->kind->to == FAILED_QUEUED && a->job_id)
		code = redrive_job_taken(db, a->job_id, 1, err);
	if (code != 0)
		return code;
	snprintf(detail, sizeof detail, "%s to %s", failed_status_name(a->kind->from),
	        failed_status_name(a->kind->to));
	return audit(db, a, "done", detail, err);
}

static int perform(struct db *db, const struct act_kind *kind, int64_t id, int version, const struct act *act,
        struct usher_error *err)
{
	struct acting a = { .kind = kind, .act = act, .id = id, .version = version };
	struct usher_error why = { 0 };
	int code;

	snprintf(a.target, sizeof a.target, "failed/%" PRId64, id);
	code = act_check_reason(a.act, a.kind->reason_required ? a.kind->name : NULL, &why);
	if (code == 0)
		code = db_transaction(db, act_work, &a, &why);
	if (code == 0)
		return 0;
	if (code == USHER_ECONFLICT)
		audit(db, &a, "conflict", why.message, NULL);
	else if (code == USHER_EINVAL || code == USHER_ENOTFOUND)
		audit(db, &a, "refused", why.message, NULL);
	return error_copy(err, &why);
}

int failed_redrive(struct db *db, int64_t id, int version, const struct act *act, struct usher_error *err)
{
	return perform(db, &redrive, id, version, act, err);
}

int failed_cancel(struct db *db, int64_t id, int version, const struct act *act, struct usher_error *err)
{
	return perform(db, &cancel, id, version, act, err);
}

int failed_restore(struct db *db, int64_t id, int version, const struct act *act, struct usher_error *err)
{
	return perform(db, &restore, id, version, act, err);
}

int failed_withdraw(struct db *db, int64_t id, const char *why, struct usher_error *err)
{
	struct act act = { .operator= redrive_usher.operator, .role = redrive_usher.role, .reason = why };

	return perform(db, &withdraw, id, -1, &act, err);
}

/* -- Batches of a job --------------------------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* The rows were some job's and failed again: they stay counted there as such. */
static int tell_jobs(struct db *db, int64_t *job_ids, size_t n, struct usher_error *err)
{
	int code = 0;

	qsort(job_ids, n, sizeof *job_ids, by_id);
	for (size_t i = 0, k; i < n && code == 0; i = k) {
		for (k = i; k < n && job_ids[k] == job_ids[i]; k++)
			;
		if (job_ids[i])
			code = redrive_job_taken(db, job_ids[i], (int64_t)(k - i), err);
	}
	return code;
}

static bool picked(const struct failed_pick *picks, size_t n, int64_t id, int64_t version)
{
	for (size_t i = 0; i < n; i++)
		if (picks[i].id == id)
			return picks[i].version == version;
	return false;
}

/* Locks what the batch may move: the rows that are still as they were picked. */
static int lock_fit(struct db *db, const struct failed_batch *batch, struct moving *m, int64_t *ids,
        int64_t *delivery_ids, int64_t *job_ids, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows = NULL;
	int code;

	sql_add(&sql,
	        "SELECT f.id, f.version, f.delivery_id, f.job_id FROM failed_notification f "
	        "JOIN delivery d ON d.id = f.delivery_id "
	        "WHERE f.status = ?s AND d.state = ?s AND f.id IN (",
	        failed_status_name(m->kind->from), delivery_state_name(m->kind->ledger_from));
	for (size_t i = 0; i < batch->n; i++)
		sql_add(&sql, i == 0 ? "?i" : ",?i", batch->picks[i].id);
	sql_add(&sql, ") ORDER BY f.id FOR UPDATE");
	code = db_query(db, &sql, &rows, err);
	if (code != 0)
		return code;
	while (rows_next(rows)) {
		if (!picked(batch->picks, batch->n, row_int(rows, 0), row_int(rows, 1)))
			continue;
		ids[m->n] = row_int(rows, 0);
		delivery_ids[m->n] = row_int(rows, 2);
		job_ids[m->n++] = row_int(rows, 3);
	}
	rows_free(rows);
	return 0;
}

int failed_move_batch(struct db *db, const struct failed_batch *batch, int64_t *ret_ids, size_t *ret_moved,
        struct usher_error *err)
{
	OWNED int64_t *delivery_ids = mem_array(batch->n + 1, sizeof *delivery_ids),
	              *job_ids = mem_array(batch->n + 1, sizeof *job_ids);
	struct moving m = { .kind = kinds[batch->move],
		.act = batch->act,
		.ids = ret_ids,
		.delivery_ids = delivery_ids,
		.job_id = batch->job_id,
		.automatic = batch->automatic };
	int code = batch->n > 0 ? lock_fit(db, batch, &m, ret_ids, delivery_ids, job_ids, err) : 0;

	if (code == 0 && m.n > 0)
		code = move(db, &m, err);
	if (code == 0 && m.n > 0 && batch->move == FAILED_REDRIVE)
		code = tell_jobs(db, job_ids, m.n, err);
	*ret_moved = m.n;
	return code;
}
