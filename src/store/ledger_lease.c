/* The lease of a claim afterwards: renewing it, and giving it back. On the db's thread. */
#include "store/ledger_parts.h"

#include "base/mem.h"

static void where_ours(struct sql *sql, const char *owner, const int64_t *ids, size_t n)
{
	sql_add(sql, " WHERE id IN ");
	sql_add_ids(sql, ids, n);
	sql_add(sql, " AND state = 'claimed' AND owner = ?s", owner);
}

/* Some are gone: which? */
static int find_held(
        struct db *db, const char *owner, const int64_t *ids, bool *held, size_t n, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows = NULL;
	int code;

	sql_add(&sql, "SELECT id FROM delivery");
	where_ours(&sql, owner, ids, n);
	code = db_query(db, &sql, &rows, err);
	if (code != 0)
		return code;
	for (size_t i = 0; i < n; i++)
		held[i] = false;
	while (rows_next(rows))
		for (size_t i = 0; i < n; i++)
			held[i] = held[i] || ids[i] == row_int(rows, 0);
	rows_free(rows);
	return 0;
}

int ledger_renew(struct db *db, const char *owner, int64_t lease_ms, const int64_t *ids, bool *held, size_t n,
        struct usher_error *err)
{
	struct sql sql;
	uint64_t renewed = 0;
	int code = ledger_check_batch(owner, n, err);

	if (code != 0 || n == 0)
		return code;
	sql = sql_new(db);
	sql_add(&sql, "UPDATE delivery SET lease_until = UTC_TIMESTAMP(3) + INTERVAL ?i MICROSECOND",
	        lease_ms * 1000);
	where_ours(&sql, owner, ids, n);
	code = db_exec(db, &sql, &renewed, err);
	if (code != 0)
		return code;
	if (renewed < n)
		return find_held(db, owner, ids, held, n, err);
	for (size_t i = 0; i < n; i++)
		held[i] = true;
	return 0;
}

int ledger_release(struct db *db, const char *owner, const int64_t *ids, size_t n, struct usher_error *err)
{
	struct sql sql;
	int code = ledger_check_batch(owner, n, err);

	if (code != 0 || n == 0)
		return code;
	sql = sql_new(db);
	sql_add(&sql, "UPDATE delivery SET lease_until = UTC_TIMESTAMP(3)");
	where_ours(&sql, owner, ids, n);
	return db_exec(db, &sql, NULL, err);
}
