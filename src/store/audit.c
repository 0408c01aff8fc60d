/* The table audit: who did what, and what was refused. Uses store/db.h; blocks; on its db's thread. */
#include "store/audit.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/cursor.h"

#include <stdlib.h>
#include <string.h>

#define LIST_AUDIT 'a'
/* characters, as in the schema */
#define OPERATOR_WIDTH 64
#define TARGET_WIDTH 160
#define REASON_WIDTH ACT_REASON_MAX
#define DETAIL_WIDTH 1000

int audit_add(struct db *db, const struct audit_entry *e, struct usher_error *err)
{
	struct sql sql = sql_new(db);

	sql_add(&sql, "INSERT INTO audit (operator, role, act, target, outcome, reason, detail) VALUES (");
	sql_add_clipped(&sql, e->operator, OPERATOR_WIDTH);
	sql_add(&sql, ",?s,?s,", e->role, e->act);
	sql_add_clipped(&sql, e->target, TARGET_WIDTH);
	sql_add(&sql, ",?s,", e->outcome);
	sql_add_clipped(&sql, e->reason, REASON_WIDTH);
	sql_add(&sql, ",");
	sql_add_clipped(&sql, e->detail, DETAIL_WIDTH);
	sql_add(&sql, ")");
	return db_exec(db, &sql, NULL, err);
}

int audit_act(struct db *db, const struct act *act, const char *name, const char *target, const char *outcome,
        const char *detail, struct usher_error *err)
{
	const struct audit_entry entry = { .operator= act->operator,
		.role = act->role,
		.act = name,
		.target = target,
		.outcome = outcome,
		.reason = act->reason,
		.detail = detail };

	return audit_add(db, &entry, err);
}

int act_check_reason(const struct act *act, const char *needed_for, struct usher_error *err)
{
	const char *reason = act->reason;

	if (!reason || !*reason)
		return needed_for ? error_set(err, USHER_EINVAL,
		                            "a reason is required to %s: say why in a few words", needed_for)
		                  : 0;
	if (!utf8_valid(reason, strlen(reason)))
		return error_set(err, USHER_EINVAL, "the reason is not valid UTF-8");
	if (utf8_length(reason) > ACT_REASON_MAX)
		return error_set(err, USHER_EINVAL, "the reason has %zu characters; at most %d are allowed",
		        utf8_length(reason), ACT_REASON_MAX);
	return 0;
}

static void row_free(struct audit_row *row)
{
	free(row->operator);
	free(row->role);
	free(row->act);
	free(row->target);
	free(row->outcome);
	free(row->reason);
	free(row->detail);
}

void audit_rows_free(struct audit_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		row_free(&rows[i]);
	free(rows);
}

static void row_read(const struct rows *rows, struct audit_row *row)
{
	*row = (struct audit_row){
		.id = row_int(rows, 0),
		.at = row_time(rows, 1),
		.operator= mem_string(row_text(rows, 2)),
		.role = mem_string(row_text(rows, 3)),
		.act = mem_string(row_text(rows, 4)),
		.target = mem_string(row_text(rows, 5)),
		.outcome = mem_string(row_text(rows, 6)),
		.reason = mem_string(row_text(rows, 7)),
		.detail = mem_string(row_text(rows, 8)),
	};
}

int audit_list(struct db *db, const char *target, const char *cursor, int limit, struct audit_row **ret_rows,
        size_t *ret_n, char ret_next[CURSOR_SIZE], struct usher_error *err)
{
	int64_t before = INT64_MAX, none = 0;
	struct sql sql;
	struct rows *rows;
	struct audit_row *list;
	size_t n = 0;
	int rc = cursor_parse(cursor, LIST_AUDIT, &before, &none, err);

	if (rc < 0)
		return rc;
	sql = sql_new(db);
	sql_add(&sql,
	        "SELECT id, at, operator, role, act, target, outcome, reason, detail FROM audit WHERE id < "
	        "?i ",
	        before);
	if (target != NULL)
		sql_add(&sql, "AND target = ?s ", target);
	sql_add(&sql, "ORDER BY id DESC LIMIT ?i", (int64_t)limit + 1);
	rc = db_query(db, &sql, &rows, err);
	if (rc < 0)
		return rc;
	list = mem_array(rows_count(rows) + 1, sizeof *list);
	while (n < (size_t)limit && rows_next(rows))
		row_read(rows, &list[n++]);
	ret_next[0] = '\0';
	if (rows_count(rows) > (size_t)limit)
		cursor_print(ret_next, LIST_AUDIT, list[n - 1].id, 0);
	rows_free(rows);
	*ret_rows = list;
	*ret_n = n;
	return 0;
}
