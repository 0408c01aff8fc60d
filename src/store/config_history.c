/* The tables config_version and config_change. Uses store/db.h; blocks; on its db's thread. */
#include "store/config_history.h"

#include "base/error.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LIST_CONFIG 'C'
/* characters, as in the schema */
#define HOST_WIDTH 64
#define SOCKET_WIDTH 108
#define WHO_WIDTH 64
#define SOURCE_WIDTH 300
#define REASONS_WIDTH 65535
#define VALUE_WIDTH 16000
#define ORIGIN_WIDTH 600

#define COLUMNS "id, host, socket, at, who, source, outcome, reasons"

void config_version_clear(struct config_version *v)
{
	free(v->host);
	free(v->socket);
	free(v->who);
	free(v->source);
	free(v->reasons);
	free(v->settings);
	setting_changes_free(&v->changes);
	*v = (struct config_version){ 0 };
}

void config_versions_free(struct config_version *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		config_version_clear(&rows[i]);
	free(rows);
}

/* -- Adding ---------------------------------------------------------------------------------------------- */

static int insert_version(struct db *db, struct config_version *v, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows;
	int rc;

	sql_add(&sql, "INSERT INTO config_version (host, socket, at, who, source, outcome, reasons, "
	              "settings) VALUES (");
	sql_add_clipped(&sql, v->host, HOST_WIDTH);
	sql_add(&sql, ",");
	sql_add_clipped(&sql, v->socket, SOCKET_WIDTH);
	sql_add(&sql, ",?t,", v->at);
	sql_add_clipped(&sql, v->who, WHO_WIDTH);
	sql_add(&sql, ",");
	sql_add_clipped(&sql, v->source, SOURCE_WIDTH);
	sql_add(&sql, ",?s,", v->refused ? "refused" : "applied");
	sql_add_clipped(&sql, v->reasons ? v->reasons : "", REASONS_WIDTH);
	sql_add(&sql, ",?s) RETURNING id", v->settings);
	rc = db_query(db, &sql, &rows, err);
	if (rc)
		return rc;
	v->id = rows_next(rows) ? row_int(rows, 0) : 0;
	rows_free(rows);
	return 0;
}

static int insert_changes(struct db *db, const struct config_version *v, struct usher_error *err)
{
	struct sql sql = sql_new(db);

	sql_add(&sql, "INSERT IGNORE INTO config_change (version, name, old_value, new_value, origin, "
	              "effect) VALUES ");
	for (size_t i = 0; i < v->changes.count; i++) {
		const struct setting_change *c = &v->changes.items[i];

		sql_add(&sql, i ? ",(?i,?s," : "(?i,?s,", v->id, c->key);
		sql_add_clipped(&sql, c->old_value, VALUE_WIDTH);
		sql_add(&sql, ",");
		sql_add_clipped(&sql, c->new_value, VALUE_WIDTH);
		sql_add(&sql, ",");
		sql_add_clipped(&sql, c->origin, ORIGIN_WIDTH);
		sql_add(&sql, ",?s)", setting_effect_name(c->effect));
	}
	return db_exec(db, &sql, NULL, err);
}

static int add_work(struct db *db, void *arg, struct usher_error *err)
{
	struct config_version *v = arg;
	int rc = insert_version(db, v, err);

	return rc || v->changes.count == 0 ? rc : insert_changes(db, v, err);
}

int config_history_add(struct db *db, struct config_version *v, struct usher_error *err)
{
	int rc = db_transaction(db, add_work, v, err);

	if (rc)
		v->id = 0;
	return rc;
}

/* -- Reading --------------------------------------------------------------------------------------------- */

static void version_read(const struct rows *rows, struct config_version *v)
{
	*v = (struct config_version){ .id = row_int(rows, 0),
		.host = mem_string(row_text(rows, 1)),
		.socket = mem_string(row_text(rows, 2)),
		.at = row_time(rows, 3),
		.who = mem_string(row_text(rows, 4)),
		.source = mem_string(row_text(rows, 5)),
		.refused = strcmp(row_text(rows, 6), "refused") == 0,
		.reasons = mem_string(row_text(rows, 7)) };
}

static int one(struct db *db, struct sql *sql, struct config_version *ret, struct usher_error *err)
{
	struct rows *rows;
	int rc = db_query(db, sql, &rows, err);

	if (rc)
		return rc;
	if (!rows_next(rows)) {
		rows_free(rows);
		return error_set(err, USHER_ENOTFOUND, "there is no such version of the configuration");
	}
	version_read(rows, ret);
	ret->settings = mem_string(row_text(rows, 8));
	rows_free(rows);
	return 0;
}

int config_history_last(struct db *db, const char *host, const char *socket, struct config_version *ret,
        struct usher_error *err)
{
	struct sql sql = sql_new(db);

	sql_add(&sql,
	        "SELECT " COLUMNS
	        ", settings FROM config_version WHERE host = ?s AND socket = ?s AND outcome = "
	        "'applied' ORDER BY id DESC LIMIT 1",
	        host, socket);
	return one(db, &sql, ret, err);
}

int config_history_get(struct db *db, int64_t version, struct config_version *ret, struct usher_error *err)
{
	struct sql sql = sql_new(db);

	sql_add(&sql, "SELECT " COLUMNS ", settings FROM config_version WHERE id = ?i", version);
	return one(db, &sql, ret, err);
}

static void change_read(const struct rows *rows, struct config_version *list, size_t n)
{
	int64_t version = row_int(rows, 0);
	struct setting_change change = { .key = (char *)(uintptr_t)row_text(rows, 1),
		.old_value = (char *)(uintptr_t)row_text(rows, 2),
		.new_value = (char *)(uintptr_t)row_text(rows, 3),
		.origin = (char *)(uintptr_t)row_text(rows, 4),
		.effect = setting_effect_by_name(row_text(rows, 5)) };

	for (size_t i = 0; i < n; i++)
		if (list[i].id == version)
			setting_changes_add(&list[i].changes, &change);
}

static int changes_of(struct db *db, struct config_version *list, size_t n, struct usher_error *err)
{
	OWNED int64_t *ids = mem_array(n + 1, sizeof *ids);
	struct sql sql = sql_new(db);
	struct rows *rows;

	for (size_t i = 0; i < n; i++)
		ids[i] = list[i].id;
	sql_add(&sql, "SELECT version, name, old_value, new_value, origin, effect FROM config_change WHERE "
	              "version IN ");
	sql_add_ids(&sql, ids, n);
	sql_add(&sql, " ORDER BY version, name, effect");
	int rc = db_query(db, &sql, &rows, err);
	if (rc)
		return rc;
	while (rows_next(rows))
		change_read(rows, list, n);
	rows_free(rows);
	return 0;
}

int config_history_list(struct db *db, const char *name, const char *cursor, int limit,
        struct config_version **ret_rows, size_t *ret_n, char ret_next[CURSOR_SIZE], struct usher_error *err)
{
	int64_t before = INT64_MAX, none = 0;
	struct config_version *list;
	struct sql sql;
	struct rows *rows;
	size_t n = 0;
	int rc = cursor_parse(cursor, LIST_CONFIG, &before, &none, err);

	if (rc < 0)
		return rc;
	sql = sql_new(db);
	sql_add(&sql, "SELECT " COLUMNS " FROM config_version WHERE id < ?i ", before);
	if (name)
		sql_add(&sql, "AND id IN (SELECT version FROM config_change WHERE name = ?s) ", name);
	sql_add(&sql, "ORDER BY id DESC LIMIT ?i", (int64_t)limit + 1);
	rc = db_query(db, &sql, &rows, err);
	if (rc < 0)
		return rc;
	list = mem_array(rows_count(rows) + 1, sizeof *list);
	while (n < (size_t)limit && rows_next(rows))
		version_read(rows, &list[n++]);
	ret_next[0] = '\0';
	if (rows_count(rows) > (size_t)limit)
		cursor_print(ret_next, LIST_CONFIG, list[n - 1].id, 0);
	rows_free(rows);
	rc = n ? changes_of(db, list, n, err) : 0;
	if (rc < 0) {
		config_versions_free(list, n);
		return rc;
	}
	*ret_rows = list;
	*ret_n = n;
	return 0;
}

/* -- Retention ------------------------------------------------------------------------------------------- */

struct prune {
	int64_t keep_ms;
	int limit, n;
};

static int prune_find(
        struct db *db, const struct prune *p, int64_t **ret_ids, size_t *ret_n, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows;
	size_t n = 0;

	sql_add(&sql,
	        "SELECT id FROM config_version WHERE at < UTC_TIMESTAMP(3) - INTERVAL ?i SECOND AND id NOT "
	        "IN (SELECT "
	        "MAX(id) FROM config_version WHERE outcome = 'applied' GROUP BY host, socket) ORDER BY at "
	        "LIMIT ?i",
	        p->keep_ms / 1000, (int64_t)p->limit);
	int rc = db_query(db, &sql, &rows, err);
	if (rc)
		return rc;
	*ret_ids = mem_array(rows_count(rows) + 1, sizeof **ret_ids);
	while (rows_next(rows))
		(*ret_ids)[n++] = row_int(rows, 0);
	rows_free(rows);
	*ret_n = n;
	return 0;
}

static int prune_work(struct db *db, void *arg, struct usher_error *err)
{
	static const char *const statements[] = { "DELETE FROM config_change WHERE version IN ",
		"DELETE FROM config_version WHERE id IN " };
	struct prune *p = arg;
	OWNED int64_t *ids = NULL;
	size_t n = 0;
	int rc = prune_find(db, p, &ids, &n, err);

	for (size_t i = 0; i < ARRAY_LEN(statements) && n && !rc; i++) {
		struct sql sql = sql_new(db);
		sql_add(&sql, statements[i]);
		sql_add_ids(&sql, ids, n);
		rc = db_exec(db, &sql, NULL, err);
	}
	p->n = (int)n;
	return rc;
}

int config_history_prune(struct db *db, int64_t keep_ms, int limit, int *ret_n, struct usher_error *err)
{
	struct prune p = { .keep_ms = keep_ms, .limit = limit };
	int rc = db_transaction(db, prune_work, &p, err);

	*ret_n = rc ? 0 : p.n;
	return rc;
}
