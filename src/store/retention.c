/* Retention of the ledger: delivered rows that are old enough go, with all that hangs on them, in batches
 * small enough that nobody waits for them. On the db's thread. */
#include "store/ledger.h"

#include "base/mem.h"

struct prune {
	int64_t keep_ms;
	int max, deleted;
};

static int find_old(
        struct db *db, const struct prune *p, int64_t *ids, size_t *ret_n, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows = NULL;
	int code;

	sql_add(&sql,
	        "SELECT id FROM delivery FORCE INDEX (prune) WHERE state = 'delivered' AND "
	        "delivered_at < UTC_TIMESTAMP(3) - INTERVAL ?i MICROSECOND ORDER BY delivered_at LIMIT ?i "
	        "FOR UPDATE SKIP LOCKED",
	        p->keep_ms * 1000, (int64_t)p->max);
	code = db_query(db, &sql, &rows, err);
	if (code != 0)
		return code;
	for (*ret_n = 0; rows_next(rows); ++*ret_n)
		ids[*ret_n] = row_int(rows, 0);
	rows_free(rows);
	return 0;
}

static int delete_for(
        struct db *db, const char *statement, const int64_t *ids, size_t n, struct usher_error *err)
{
	struct sql sql = sql_new(db);

	sql_add(&sql, statement);
	sql_add_ids(&sql, ids, n);
	return db_exec(db, &sql, NULL, err);
}

static int prune_work(struct db *db, void *arg, struct usher_error *err)
{
	static const char *const statements[] = {
		"DELETE i FROM redrive_intent i JOIN failed_notification f ON f.id = i.failed_id WHERE "
		"f.delivery_id IN ",
		"DELETE e FROM failed_edit e JOIN failed_notification f ON f.id = e.failed_id WHERE "
		"f.delivery_id IN ",
		"DELETE FROM failed_notification WHERE delivery_id IN ",
		"DELETE FROM delivery_attempt WHERE delivery_id IN ",
		"DELETE FROM delivery WHERE id IN ",
	};
	struct prune *p = arg;
	OWNED int64_t *ids = mem_array((size_t)p->max, sizeof *ids);
	size_t n = 0;
	int code = find_old(db, p, ids, &n, err);

	p->deleted = (int)n;
	for (size_t i = 0; i < ARRAY_LEN(statements) && n > 0 && code == 0; i++)
		code = delete_for(db, statements[i], ids, n, err);
	return code;
}

int ledger_prune(struct db *db, int64_t keep_ms, int max, int *ret_n, struct usher_error *err)
{
	struct prune prune = { .keep_ms = keep_ms, .max = max };
	int code = db_transaction(db, prune_work, &prune, err);

	if (code == 0)
		*ret_n = prune.deleted;
	return code;
}
