/* See failed_edit.h. Uses store/db.h; blocks; on its db's thread. */
#include "store/failed_edit.h"

#include "base/error.h"
#include "base/mem.h"
#include "store/age.h"
#include "store/audit.h"
#include "store/ledger_parts.h"

#include <inttypes.h>
#include <stdio.h>

#define WIDTH_SUMMARY 1000

struct editing {
	int64_t id;
	int version;
	const struct failed_change *change;
	const struct act *act;
};

static int not_dead(
        const struct rows *rows, const struct editing *e, enum failed_status status, struct usher_error *err)
{
	error_set(err, USHER_ECONFLICT, "row %" PRId64 " is %s", e->id, row_text(rows, 0));
	if (row_text(rows, 3) != NULL)
		error_add(err, USHER_ECONFLICT, " by %.100s", row_text(rows, 3));
	error_add(err, USHER_ECONFLICT, ", ");
	age_add(err, USHER_ECONFLICT, row_int(rows, 4));
	error_add(err, USHER_ECONFLICT, ": only a dead row can be edited");
	return status == FAILED_CANCELLED ? error_add(err, USHER_ECONFLICT, "; restore it first")
	                                  : USHER_ECONFLICT;
}

static int check_row(const struct rows *rows, const struct editing *e, struct usher_error *err)
{
	enum failed_status status = FAILED_STATUS_COUNT;
	enum delivery_state state = DELIVERY_STATE_COUNT;

	failed_status_by_name(row_text(rows, 0), &status);
	delivery_state_by_name(row_text(rows, 2), &state);
	if (status != FAILED_DEAD || state != DELIVERY_DEAD)
		return not_dead(rows, e, status, err);
	if (e->version >= 0 && e->version != row_int(rows, 1))
		return error_set(err, USHER_ECONFLICT,
		        "row %" PRId64
		        " has changed since you looked at it (version %d then, %d now): look at it again",
		        e->id, e->version, (int)row_int(rows, 1));
	return 0;
}

static int lock_row(struct db *db, const struct editing *e, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows = NULL;
	int code;

	sql_add(&sql,
	        "SELECT f.status, f.version, d.state, f.settled_by, TIMESTAMPDIFF(SECOND, f.updated_at, "
	        "UTC_TIMESTAMP(3)) FROM failed_notification f JOIN delivery d ON d.id = f.delivery_id WHERE "
	        "f.id = ?i FOR UPDATE",
	        e->id);
	code = db_query(db, &sql, &rows, err);
	if (code != 0)
		return code;
	code = rows_next(rows) ? check_row(rows, e, err)
	                       : error_set(err, USHER_ENOTFOUND, "there is no failed row %" PRId64, e->id);
	rows_free(rows);
	return code;
}

static int keep_former(struct db *db, const struct editing *e, struct usher_error *err)
{
	struct sql sql = sql_new(db);

	sql_add(&sql, "INSERT INTO failed_edit (failed_id, operator, reason, summary, payload, attributes, "
	              "recipient) SELECT id, ");
	sql_add_clipped(&sql, e->act->operator, WIDTH_OPERATOR);
	sql_add(&sql, ", ?s, ", e->act->reason);
	sql_add_clipped(&sql, e->change->summary, WIDTH_SUMMARY);
	sql_add(&sql, ", payload, attributes, recipient FROM failed_notification WHERE id = ?i", e->id);
	return db_exec(db, &sql, NULL, err);
}

static int change_row(struct db *db, const struct editing *e, struct usher_error *err)
{
	const struct failed_change *c = e->change;
	struct sql sql = sql_new(db);

	sql_add(&sql,
	        "UPDATE failed_notification f JOIN delivery d ON d.id = f.delivery_id SET f.version = "
	        "f.version + 1, f.updated_at = UTC_TIMESTAMP(3), f.payload = ?b, f.attributes = ?s, "
	        "f.user_id = ?s, f.recipient = ?s, f.name = ",
	        c->payload, c->payload_len, c->attributes, c->user_id, c->recipient);
	sql_add_clipped(&sql, c->name, WIDTH_NAME);
	sql_add(&sql,
	        ", d.version = d.version + 1, d.edits = d.edits + 1, d.user_id = ?s, d.recipient = ?s, "
	        "d.updated_at = UTC_TIMESTAMP(3) WHERE f.id = ?i",
	        c->user_id, c->recipient, e->id);
	return db_exec(db, &sql, NULL, err);
}

static int audit(struct db *db, const struct editing *e, const char *outcome, const char *detail,
        struct usher_error *err)
{
	char target[WIDTH_TARGET];
	snprintf(target, sizeof target, "failed/%" PRId64, e->id);
	return audit_act(db, e->act, "edit", target, outcome, detail, err);
}

static int edit_work(struct db *db, void *arg, struct usher_error *err)
{
	const struct editing *e = arg;
	int code = lock_row(db, e, err);

	if (code == 0)
		code = keep_former(db, e, err);
	if (code == 0)
		code = change_row(db, e, err);
	return code == 0 ? audit(db, e, "done", e->change->summary, err) : code;
}

int failed_edit(struct db *db, int64_t id, int version, const struct failed_change *change,
        const struct act *act, struct usher_error *err)
{
	struct editing e = { .id = id, .version = version, .change = change, .act = act };
	struct usher_error why = { 0 };
	int code = db_transaction(db, edit_work, &e, &why);

	if (code == 0)
		return 0;
	if (code == USHER_ECONFLICT)
		audit(db, &e, "conflict", why.message, NULL);
	else if (code == USHER_ENOTFOUND)
		audit(db, &e, "refused", why.message, NULL);
	return error_copy(err, &why);
}

/* -- Looking ---------------------------------------------------------------------------------------- */

int edits_of(
        struct db *db, int64_t failed_id, struct edit_row **ret_rows, size_t *ret_n, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows = NULL;
	struct edit_row *list;
	size_t n = 0;
	int code;

	sql_add(&sql,
	        "SELECT id, at, operator, reason, summary FROM failed_edit WHERE failed_id = ?i ORDER BY id "
	        "LIMIT ?i",
	        failed_id, (int64_t)EDITS_SHOWN_MAX);
	code = db_query(db, &sql, &rows, err);
	if (code != 0)
		return code;
	list = mem_array(rows_count(rows) + 1, sizeof *list);
	while (rows_next(rows))
		list[n++] = (struct edit_row){ .id = row_int(rows, 0),
			.at = row_time(rows, 1),
			.operator= mem_string(row_text(rows, 2)),
			.reason = mem_string(row_text(rows, 3)),
			.summary = mem_string(row_text(rows, 4)) };
	rows_free(rows);
	*ret_rows = list;
	*ret_n = n;
	return 0;
}

void edits_free(struct edit_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(rows[i].operator);
		free(rows[i].reason);
		free(rows[i].summary);
	}
	free(rows);
}

int edits_original(
        struct db *db, int64_t failed_id, char **ret_payload, size_t *ret_len, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows = NULL;
	int code;

	sql_add(&sql, "SELECT payload FROM failed_edit WHERE failed_id = ?i ORDER BY id LIMIT 1", failed_id);
	code = db_query(db, &sql, &rows, err);
	if (code != 0)
		return code;
	*ret_payload = NULL;
	*ret_len = 0;
	if (rows_next(rows)) {
		const char *payload = row_bytes(rows, 0, ret_len);

		*ret_payload = mem_stringn(payload, *ret_len);
	}
	rows_free(rows);
	return 0;
}
