/* Brings a database to the schema this program knows. schema_version holds a row a file, written before its
 * first statement and completed after its last: MariaDB cannot roll back DDL, so a file that was cut short
 * must at least be known as such. Uses db.h; the calling thread's own connection. */
#include "store/migrate.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/schema.h"

#include <stdio.h>
#include <string.h>

#define LOCK_WAIT_S 60 /* another usherd may be migrating */
#define NAME_SIZE 128
#define LINE_SIZE 256

struct migration {
	struct db *db;
	const char *database;
	migrate_report *report;
	void *arg;
};

struct applied { /* a row of schema_version */
	int64_t number, statements_done;
	char name[NAME_SIZE], checksum[65], started_at[32];
	bool finished;
};

static void report(const struct migration *m, const char *verb, const char *name)
{
	char line[LINE_SIZE];

	if (m->report == NULL)
		return;
	snprintf(line, sizeof line, "%s %s", verb, name);
	m->report(m->arg, line);
}

static int exec(struct db *db, const char *text, struct usher_error *err)
{
	struct sql sql = sql_new(db);

	buf_puts(&sql.text, text);
	return db_exec(db, &sql, NULL, err);
}

/* The first column of the first row; -1 without rows or for NULL. */
static int query_int(struct db *db, struct sql *sql, int64_t *ret, struct usher_error *err)
{
	struct rows *rows = NULL;
	int code = db_query(db, sql, &rows, err);

	if (code != 0)
		return code;
	*ret = rows_next(rows) && row_text(rows, 0) != NULL ? row_int(rows, 0) : -1;
	rows_free(rows);
	return 0;
}

/* -- What stands in the database -------------------------------------------------------------- */

static int versions_exist(struct db *db, bool *ret, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	int64_t n = 0;
	int code;

	sql_add(&sql, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND "
	              "table_name = 'schema_version'");
	code = query_int(db, &sql, &n, err);
	if (code == 0)
		*ret = n == 1;
	return code;
}

/* At most `max` rows; *ret_n may say that there are more. */
static int versions_read(
        struct db *db, struct applied *list, size_t max, size_t *ret_n, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows = NULL;
	size_t n = 0;
	int code;

	sql_add(&sql, "SELECT number, name, checksum, statements_done, finished_at IS NOT NULL, started_at "
	              "FROM schema_version ORDER BY number");
	code = db_query(db, &sql, &rows, err);
	if (code != 0)
		return code;
	for (; rows_next(rows); n++) {
		if (n >= max)
			continue;
		list[n].number = row_int(rows, 0);
		snprintf(list[n].name, sizeof list[n].name, "%s", row_text(rows, 1));
		snprintf(list[n].checksum, sizeof list[n].checksum, "%s", row_text(rows, 2));
		list[n].statements_done = row_int(rows, 3);
		list[n].finished = row_int(rows, 4) != 0;
		snprintf(list[n].started_at, sizeof list[n].started_at, "%s", row_text(rows, 5));
	}
	rows_free(rows);
	*ret_n = n;
	return 0;
}

static void checksum_of(const struct schema_file *file, char text[65])
{
	sha256_hex(file->sql, strlen(file->sql), text);
}

static int half_applied(const struct applied *a, struct usher_error *err)
{
	return error_set(err, USHER_ECONFIG,
	        "schema file %s was begun at %s UTC and not finished: its first %lld statements are in the "
	        "database, statement "
	        "%lld may or may not be. Either restore the backup from before (for a new database: drop it) "
	        "and run `usherd "
	        "migrate` again; or apply the rest of %s.sql by hand, run UPDATE schema_version SET "
	        "finished_at = UTC_TIMESTAMP(3) "
	        "WHERE number = %lld, and then `usherd migrate`",
	        a->name, a->started_at, (long long)a->statements_done, (long long)a->statements_done + 1,
	        a->name, (long long)a->number);
}

/* The applied files must be a prefix of ours, unchanged and whole. *ret_n: how many. */
static int versions_verify(struct db *db, size_t *ret_n, struct usher_error *err)
{
	OWNED struct applied *list = mem_array(schema_file_count, sizeof *list);
	size_t n = 0;
	int code = versions_read(db, list, schema_file_count, &n, err);

	if (code != 0)
		return code;
	if (n > schema_file_count)
		return error_set(err, USHER_ECONFIG,
		        "the database is newer than this usherd: it has %zu schema files, this program knows "
		        "%u. Install the newer "
		        "usherd on this machine too",
		        n, schema_file_count);
	for (size_t i = 0; i < n; i++) {
		char checksum[65];

		checksum_of(&schema_files[i], checksum);
		if (!list[i].finished)
			return half_applied(&list[i], err);
		if (strcmp(list[i].name, schema_files[i].name) != 0 ||
		        strcmp(list[i].checksum, checksum) != 0)
			return error_set(err, USHER_ECONFIG,
			        "schema file %s is not the one that was applied to the database (%s): this "
			        "usherd was built from "
			        "changed sources. Install an unchanged one; a change of the schema needs a "
			        "new file",
			        schema_files[i].name, list[i].name);
	}
	*ret_n = n;
	return 0;
}

int migrate_check(struct db *db, struct usher_error *err)
{
	bool exists = false;
	size_t n = 0;
	int code = versions_exist(db, &exists, err);

	if (code != 0)
		return code;
	if (!exists)
		return error_set(
		        err, USHER_ECONFIG, "the database has no usher schema yet: run `usherd migrate`");
	code = versions_verify(db, &n, err);
	if (code == 0 && n < schema_file_count)
		return error_set(err, USHER_ECONFIG,
		        "the database lacks schema file %s: run `usherd migrate`", schema_files[n].name);
	return code;
}

/* -- Applying ---------------------------------------------------------------------------------- */

/* The end of the statement that begins at `at`: behind the line that ends in a semicolon and is no comment.
 */
static const char *statement_end(const char *at)
{
	while (*at != '\0') {
		const char *line_end = strchrnul(at, '\n'), *last = line_end;
		const char *first = at + strspn(at, " \t");

		while (last > at && (last[-1] == ' ' || last[-1] == '\t' || last[-1] == '\r'))
			last--;
		at = *line_end == '\n' ? line_end + 1 : line_end;
		if (last > first && last[-1] == ';' && strncmp(first, "--", 2) != 0)
			break;
	}
	return at;
}

/* Only comments and white space. */
static bool is_blank(const char *from, const char *to)
{
	while (from < to) {
		from += strspn(from, " \t\r\n");
		if (from >= to)
			break;
		if (strncmp(from, "--", 2) != 0)
			return false;
		from = strchrnul(from, '\n');
	}
	return true;
}

static int apply_statements(
        struct db *db, const struct schema_file *file, size_t number, struct usher_error *err)
{
	const char *at = file->sql;
	int64_t done = 0;

	while (*at != '\0') {
		const char *end = statement_end(at);
		struct sql sql;
		int code;

		if (is_blank(at, end)) {
			at = end;
			continue;
		}
		sql = sql_new(db);
		buf_add(&sql.text, at, (size_t)(end - at));
		code = db_exec(db, &sql, NULL, err);
		if (code != 0)
			return error_prefix(
			        err, code, "schema file %s, statement %lld", file->name, (long long)done + 1);
		sql = sql_new(db);
		sql_add(&sql, "UPDATE schema_version SET statements_done = ?i WHERE number = ?i", ++done,
		        (int64_t)number);
		code = db_exec(db, &sql, NULL, err);
		if (code != 0)
			return code;
		at = end;
	}
	return 0;
}

static int apply(struct db *db, const struct schema_file *file, size_t number, struct usher_error *err)
{
	char checksum[65];
	struct sql sql = sql_new(db);
	int code;

	checksum_of(file, checksum);
	sql_add(&sql, "INSERT INTO schema_version (number, name, checksum) VALUES (?i, ?s, ?s)",
	        (int64_t)number, file->name, checksum);
	code = db_exec(db, &sql, NULL, err);
	if (code == 0)
		code = apply_statements(db, file, number, err);
	if (code != 0)
		return code;
	sql = sql_new(db);
	sql_add(&sql, "UPDATE schema_version SET finished_at = UTC_TIMESTAMP(3) WHERE number = ?i",
	        (int64_t)number);
	return db_exec(db, &sql, NULL, err);
}

static int migrate_locked(const struct migration *m, struct usher_error *err)
{
	size_t n = 0;
	int code = exec(m->db,
	        "CREATE TABLE IF NOT EXISTS schema_version (number INT UNSIGNED NOT NULL PRIMARY KEY, "
	        "name VARCHAR(100) NOT NULL, checksum CHAR(64) CHARACTER SET ascii NOT NULL, "
	        "started_at DATETIME(3) NOT NULL DEFAULT (UTC_TIMESTAMP(3)), "
	        "statements_done INT UNSIGNED NOT NULL DEFAULT 0, finished_at DATETIME(3) NULL) "
	        "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4",
	        err);

	if (code == 0)
		code = versions_verify(m->db, &n, err);
	if (code != 0)
		return code;
	for (size_t i = n; i < schema_file_count; i++) {
		code = apply(m->db, &schema_files[i], i + 1, err);
		if (code != 0)
			return code;
		report(m, "applied", schema_files[i].name);
	}
	if (n == schema_file_count && n > 0)
		report(m, "up to date at", schema_files[n - 1].name);
	return 0;
}

/* The lock is the connection's: it goes when the connection goes, a crash included. */
static int migrate_with_lock(const struct migration *m, struct usher_error *err)
{
	struct sql sql = sql_new(m->db);
	int64_t got = 0;
	int code;

	sql_add(&sql, "SELECT GET_LOCK(LEFT(CONCAT('usher.migrate.', DATABASE()), 64), ?i)",
	        (int64_t)LOCK_WAIT_S);
	code = query_int(m->db, &sql, &got, err);
	if (code != 0)
		return code;
	if (got != 1)
		return error_set(err, USHER_EUNAVAILABLE,
		        "another `usherd migrate` has been at work on database %s for %d s: wait for it, "
		        "then try again",
		        m->database, LOCK_WAIT_S);
	return migrate_locked(m, err);
}

/* Without a name chosen, since the name may not be there yet. */
static int database_create(const struct db_settings *settings, struct usher_error *err)
{
	struct db_settings nameless = *settings;
	struct db *db;
	struct sql sql;
	int64_t n = 0;
	int code;

	nameless.name = NULL;
	db = db_new(&nameless);
	sql = sql_new(db);
	sql_add(&sql, "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = ?s",
	        settings->name);
	code = query_int(db, &sql, &n, err);
	if (code == 0 && n == 0) {
		sql = sql_new(db);
		sql_add(&sql, "CREATE DATABASE IF NOT EXISTS ?n CHARACTER SET utf8mb4", settings->name);
		code = db_exec(db, &sql, NULL, err);
		if (code != 0)
			code = error_prefix(
			        err, code, "database %s is missing and could not be created", settings->name);
	}
	db_free(db);
	return code;
}

int migrate_run(const struct db_settings *settings, migrate_report *line, void *arg, struct usher_error *err)
{
	struct migration m = { .database = settings->name, .report = line, .arg = arg };
	struct db_settings patient = *settings;
	int code;

	if (settings->name == NULL || settings->name[0] == '\0')
		return error_set(err, USHER_ECONFIG, "no database is named: set name in [database]");
	code = database_create(settings, err);
	if (code != 0)
		return code;
	patient.read_timeout_ms = 0; /* an ALTER of a big table takes what it takes */
	m.db = db_new(&patient);
	code = migrate_with_lock(&m, err);
	db_free(m.db);
	return code;
}
