/* The connection, the statement builder and transactions, on a real MariaDB. */
#include "fixture.h"

#include "base/error.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <pthread.h>
#include <string.h>

static struct db *db;

static int set_up(void **state)
{
	(void)state;
	db = fixture_db();
	fixture_exec(db, "CREATE TABLE thing (id INT PRIMARY KEY, b MEDIUMBLOB, s VARCHAR(100) COLLATE "
	                 "utf8mb4_nopad_bin UNIQUE, "
	                 "t DATETIME(3), n BIGINT) ENGINE=InnoDB");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fixture_exec(db, "DROP TABLE thing");
	db_free(db);
	return 0;
}

/* -- Values ------------------------------------------------------------------------------------- */

static void every_byte_comes_back(void **state)
{
	char bytes[256];
	struct sql sql = sql_new(db);
	struct usher_error err;
	struct rows *rows = NULL;
	size_t len = 0;

	(void)state;
	for (int i = 0; i < 256; i++)
		bytes[i] = (char)i;
	sql_add(&sql, "INSERT INTO thing (id, b) VALUES (1, ?b), (2, ?b)", bytes, sizeof bytes, "",
	        (size_t)0);
	assert_done(db_exec(db, &sql, NULL, &err), &err);
	sql = sql_new(db);
	sql_add(&sql, "SELECT b FROM thing ORDER BY id");
	assert_done(db_query(db, &sql, &rows, &err), &err);
	assert_int_equal(rows_count(rows), 2);
	assert_true(rows_next(rows));
	assert_memory_equal(row_bytes(rows, 0, &len), bytes, sizeof bytes);
	assert_int_equal(len, 256);
	assert_true(rows_next(rows));
	assert_non_null(row_bytes(rows, 0, &len));
	assert_int_equal(len, 0);
	assert_false(rows_next(rows));
	rows_free(rows);
}

static void hostile_text_stays_text(void **state)
{
	static const char *const texts[] = { "'; DROP TABLE thing; -- ", "\\", "\\'", "\"", "a\nb\rc\x1a",
		"%s%n ?s ?i", "김민수 🎉", "'", "\\\\''", "x' OR '1'='1", "/*!50000 x */", "e1", "e1 ", "E1" };
	struct usher_error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct sql sql = sql_new(db);
		struct rows *rows = NULL;

		sql_add(&sql, "INSERT INTO thing (id, s) VALUES (?i, ?s)", (int64_t)i, texts[i]);
		assert_done(db_exec(db, &sql, NULL, &err), &err);
		sql = sql_new(db);
		sql_add(&sql, "SELECT s, id FROM thing WHERE s = ?s", texts[i]);
		assert_done(db_query(db, &sql, &rows, &err), &err);
		assert_int_equal(rows_count(rows), 1);
		assert_true(rows_next(rows));
		assert_string_equal(row_text(rows, 0), texts[i]);
		assert_int_equal(row_int(rows, 1), i);
		rows_free(rows);
	}
}

static void numbers_times_and_null(void **state)
{
	struct sql sql = sql_new(db);
	struct usher_error err;
	struct rows *rows = NULL;
	/* 2024-02-29T23:59:59.999Z, the epoch's first day, 2100-03-01 (2100 is no leap year) */
	const int64_t times[] = { 1709251199999, 1, 4107542400000 };

	(void)state;
	sql_add(&sql,
	        "INSERT INTO thing (id, s, t, n) VALUES (1, ?s, ?t, ?i), (2, 'b', ?t, ?i), (3, 'c', ?t, 0), "
	        "(4, 'd', ?t, 0)",
	        NULL, (wall_time){ 0 }, INT64_MIN, (wall_time){ times[0] }, INT64_MAX,
	        (wall_time){ times[1] }, (wall_time){ times[2] });
	assert_done(db_exec(db, &sql, NULL, &err), &err);
	sql = sql_new(db);
	sql_add(&sql, "SELECT s, t, n, DATE_FORMAT(t, '%Y-%m-%dT%H:%i:%s') FROM thing ORDER BY id");
	assert_done(db_query(db, &sql, &rows, &err), &err);
	assert_true(rows_next(rows));
	assert_null(row_text(rows, 0));
	assert_int_equal(row_time(rows, 1).ms, 0);
	assert_true(row_int(rows, 2) == INT64_MIN);
	assert_true(rows_next(rows));
	assert_true(row_time(rows, 1).ms == times[0]);
	assert_true(row_int(rows, 2) == INT64_MAX);
	assert_string_equal(row_text(rows, 3), "2024-02-29T23:59:59");
	assert_true(rows_next(rows));
	assert_true(row_time(rows, 1).ms == times[1]);
	assert_true(rows_next(rows));
	assert_true(row_time(rows, 1).ms == times[2]);
	assert_string_equal(row_text(rows, 3), "2100-03-01T00:00:00");
	rows_free(rows);
}

static void the_session_is_strict(void **state)
{
	struct usher_error err;
	struct sql sql = sql_new(db);
	char long_text[200];
	OWNED char *level = fixture_text(db, "SELECT @@tx_isolation");
	OWNED char *zone = fixture_text(db, "SELECT @@time_zone");
	OWNED char *charset = fixture_text(db, "SELECT @@character_set_connection");

	(void)state;
	assert_string_equal(level, "READ-COMMITTED");
	assert_string_equal(zone, "+00:00");
	assert_string_equal(charset, "utf8mb4");
	memset(long_text, 'x', sizeof long_text - 1);
	long_text[sizeof long_text - 1] = '\0';
	sql_add(&sql, "INSERT INTO thing (id, s) VALUES (1, ?s)", long_text);
	assert_code(db_exec(db, &sql, NULL, &err), USHER_EDATABASE, &err);
	sql = sql_new(db);
	sql_add(&sql, "INSERT INTO thing (id, t) VALUES (1, '0000-00-00')");
	assert_code(db_exec(db, &sql, NULL, &err), USHER_EDATABASE, &err);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM thing"), 0);
}

static void a_statement_over_the_limit_is_refused(void **state)
{
	struct usher_error err;
	struct sql sql = sql_new(db);
	char *big = mem_alloc(1024 * 1024);

	(void)state;
	for (int i = 0; i < 17; i++)
		sql_add(&sql, "?b", big, (size_t)1024 * 1024);
	free(big);
	assert_code(db_exec(db, &sql, NULL, &err), USHER_ETOOBIG, &err);
	assert_done(db_ping(db, &err), &err);
}

static void a_duplicate_is_a_conflict(void **state)
{
	struct usher_error err;
	struct sql sql = sql_new(db);

	(void)state;
	fixture_exec(db, "INSERT INTO thing (id) VALUES (1)");
	sql_add(&sql, "INSERT INTO thing (id) VALUES (1)");
	assert_code(db_exec(db, &sql, NULL, &err), USHER_ECONFLICT, &err);
}

static void affected_counts_matched_rows(void **state)
{
	struct usher_error err;
	struct sql sql = sql_new(db);
	uint64_t affected = 0;

	(void)state;
	fixture_exec(db, "INSERT INTO thing (id, n) VALUES (1, 7), (2, 8)");
	sql_add(&sql, "UPDATE thing SET n = 7 WHERE id IN ");
	sql_add_ids(&sql, (int64_t[]){ 1, 2, 3 }, 3);
	assert_done(db_exec(db, &sql, &affected, &err), &err);
	assert_int_equal(affected, 2); /* row 1 held 7 already */
}

/* -- Errors an operator reads --------------------------------------------------------------------- */

static void messages_say_what_to_do(void **state)
{
	struct db_settings settings = *fixture_settings();
	struct usher_error err;
	struct db *other;
	struct sql sql;

	(void)state;
	settings.socket = "/nonexistent/db.sock";
	other = db_new(&settings);
	assert_code(db_ping(other, &err), USHER_EUNAVAILABLE, &err);
	assert_non_null(strstr(err.message, "/nonexistent/db.sock"));
	db_free(other);

	settings = *fixture_settings();
	settings.password = "wrong";
	other = db_new(&settings);
	assert_code(db_ping(other, &err), USHER_EDATABASE, &err);
	assert_non_null(strstr(err.message, "check user and password"));
	assert_null(strstr(err.message, "wrong"));
	db_free(other);

	settings = *fixture_settings();
	settings.name = "no_such";
	other = db_new(&settings);
	assert_code(db_ping(other, &err), USHER_EDATABASE, &err);
	assert_non_null(strstr(err.message, "usherd migrate"));
	db_free(other);

	sql = sql_new(db);
	sql_add(&sql, "SELECT 1 FROM no_such_table");
	assert_code(db_exec(db, &sql, NULL, &err), USHER_EDATABASE, &err);
	assert_non_null(strstr(err.message, "usherd migrate"));
}

static void statements_are_counted(void **state)
{
	struct db_settings settings = *fixture_settings();
	atomic_uint_least64_t count = 0;
	struct db *other;

	(void)state;
	settings.statements = &count;
	other = db_new(&settings);
	assert_int_equal(count, 0);
	fixture_exec(other, "INSERT INTO thing (id) VALUES (1)");
	assert_int_equal(count, 1);
	db_free(other);
}

/* -- Transactions ---------------------------------------------------------------------------------- */

struct job {
	int calls, result;
	bool query_first;
};

static int add(struct db *on, const char *text, struct usher_error *err)
{
	struct sql sql = sql_new(on);

	buf_puts(&sql.text, text);
	return db_exec(on, &sql, NULL, err);
}

static int add_two(struct db *on, void *arg, struct usher_error *err)
{
	struct job *job = arg;
	struct rows *rows = NULL;
	struct sql sql;
	int code;

	job->calls++;
	if (job->query_first) {
		sql = sql_new(on);
		sql_add(&sql, "SELECT 41 + 1");
		assert_done(db_query(on, &sql, &rows, err), err);
		assert_true(rows_next(rows));
		assert_int_equal(row_int(rows, 0), 42);
		rows_free(rows);
	}
	code = add(on, "INSERT INTO thing (id) VALUES (1)", err);
	if (code == 0)
		code = add(on, "INSERT INTO thing (id) VALUES (2)", err);
	return code != 0 ? code : job->result;
}

static void a_transaction_is_all_or_nothing(void **state)
{
	struct job job = { .result = USHER_ENOTFOUND };
	struct db *other = fixture_db();
	struct usher_error err;

	(void)state;
	assert_code(db_transaction(db, add_two, &job, &err), USHER_ENOTFOUND, NULL);
	assert_int_equal(fixture_int(other, "SELECT COUNT(*) FROM thing"), 0);
	job = (struct job){ .query_first = true };
	assert_done(db_transaction(db, add_two, &job, &err), &err);
	assert_int_equal(fixture_int(other, "SELECT COUNT(*) FROM thing"), 2);
	/* the second insert fails: the first goes too */
	fixture_exec(db, "DELETE FROM thing WHERE id = 1");
	job = (struct job){ 0 };
	assert_code(db_transaction(db, add_two, &job, &err), USHER_ECONFLICT, &err);
	assert_int_equal(fixture_int(other, "SELECT COUNT(*) FROM thing"), 1);
	assert_int_equal(job.calls, 1);
	db_free(other);
}

static int do_nothing(struct db *on, void *arg, struct usher_error *err)
{
	(void)on;
	(void)err;
	return *(int *)arg;
}

static void an_empty_transaction_costs_nothing(void **state)
{
	struct db_settings settings = *fixture_settings();
	atomic_uint_least64_t count = 0;
	struct db *other;
	struct usher_error err;
	int result = 0;

	(void)state;
	settings.statements = &count;
	other = db_new(&settings);
	assert_done(db_transaction(other, do_nothing, &result, &err), &err);
	result = USHER_EINVAL;
	assert_code(db_transaction(other, do_nothing, &result, &err), USHER_EINVAL, NULL);
	assert_int_equal(count, 0);
	db_free(other);
}

/* Two threads update rows 1 and 2 in opposite order, each after the other holds its first: a certain
 * deadlock. */
struct crossing {
	pthread_barrier_t *barrier;
	int first, second, calls, code;
	struct usher_error err;
};

static int cross(struct db *on, void *arg, struct usher_error *err)
{
	struct crossing *c = arg;
	struct sql sql = sql_new(on);
	int code;

	sql_add(&sql, "UPDATE thing SET n = n + 1 WHERE id = ?i", (int64_t)c->first);
	code = db_exec(on, &sql, NULL, err);
	if (c->calls++ == 0)
		pthread_barrier_wait(c->barrier);
	if (code != 0)
		return code;
	sql = sql_new(on);
	sql_add(&sql, "UPDATE thing SET n = n + 1 WHERE id = ?i", (int64_t)c->second);
	return db_exec(on, &sql, NULL, err);
}

static void *cross_thread(void *arg)
{
	struct crossing *c = arg;
	struct db *own = fixture_db();

	c->code = db_transaction(own, cross, c, &c->err);
	db_free(own);
	return NULL;
}

static void a_deadlock_is_done_again(void **state)
{
	pthread_barrier_t barrier;
	struct crossing a = { .barrier = &barrier, .first = 1, .second = 2 },
	                b = { .barrier = &barrier, .first = 2, .second = 1 };
	pthread_t thread;

	(void)state;
	fixture_exec(db, "INSERT INTO thing (id, n) VALUES (1, 0), (2, 0)");
	pthread_barrier_init(&barrier, NULL, 2);
	pthread_create(&thread, NULL, cross_thread, &a);
	cross_thread(&b);
	pthread_join(thread, NULL);
	pthread_barrier_destroy(&barrier);
	assert_done(a.code, &a.err);
	assert_done(b.code, &b.err);
	assert_int_equal(a.calls + b.calls, 3);
	assert_int_equal(fixture_int(db, "SELECT n FROM thing WHERE id = 1"), 2);
	assert_int_equal(fixture_int(db, "SELECT n FROM thing WHERE id = 2"), 2);
}

/* -- The server goes away ---------------------------------------------------------------------------- */

/* A statement that the server gives up says so, and nothing else is wrong: the connection is the same. */
static void a_statement_that_takes_too_long_is_given_up(void **state)
{
	struct sql sql = sql_new(db);
	struct usher_error err;
	struct rows *rows;
	int64_t connection = fixture_int(db, "SELECT CONNECTION_ID()");

	(void)state;
	sql_add(&sql, "SET STATEMENT max_statement_time = 0.05 FOR SELECT COUNT(*) FROM seq_1_to_1000000000 "
	              "WHERE seq "
	              "* 7 % 11 = 12");
	assert_code(db_query(db, &sql, &rows, &err), USHER_EUNAVAILABLE, &err);
	assert_non_null(strstr(err.message, "took too long"));
	assert_int_equal(fixture_int(db, "SELECT CONNECTION_ID()"), connection);
}

static void a_killed_idle_connection_is_replaced(void **state)
{
	struct usher_error err;
	struct db *other = fixture_db();
	struct sql sql = sql_new(other);
	int64_t id = fixture_int(db, "SELECT CONNECTION_ID()");
	struct sql again;

	(void)state;
	sql_add(&sql, "KILL ?i", id);
	assert_done(db_exec(other, &sql, NULL, &err), &err);
	db_free(other);
	/* unused for less than IDLE_CHECK_MS: the loss shows once, as "try again" */
	again = sql_new(db);
	sql_add(&again, "SELECT 1");
	assert_code(db_exec(db, &again, NULL, &err), USHER_EUNAVAILABLE, &err);
	assert_int_equal(fixture_int(db, "SELECT 1"), 1);
}

static int killed_midway(struct db *on, void *arg, struct usher_error *err)
{
	int code = add(on, "INSERT INTO thing (id) VALUES (1)", err);

	if (code != 0)
		return code;
	if ((*(int *)arg)++ == 0)
		fixture_kill();
	code = add(on, "INSERT INTO thing (id) VALUES (2)", err);
	/* and the transaction is not carried on with a new connection */
	assert_code(add(on, "INSERT INTO thing (id) VALUES (3)", err), code, err);
	return code;
}

static int killed_at_commit(struct db *on, void *arg, struct usher_error *err)
{
	int code = add(on, "INSERT INTO thing (id) VALUES (1)", err);

	(void)arg;
	fixture_kill();
	return code;
}

static void a_killed_server_is_unavailable_then_works(void **state)
{
	struct usher_error err;
	int calls = 0;

	(void)state;
	assert_code(db_transaction(db, killed_midway, &calls, &err), USHER_EUNAVAILABLE, &err);
	assert_int_equal(calls, 1);
	assert_code(db_ping(db, &err), USHER_EUNAVAILABLE, &err);
	fixture_restart();
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM thing"), 0);
	assert_code(db_transaction(db, killed_at_commit, NULL, &err), USHER_EUNAVAILABLE, &err);
	fixture_restart();
	assert_done(db_ping(db, &err), &err);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM thing"), 0);
}

static void a_server_restarted_while_idle_goes_unnoticed(void **state)
{
	(void)state;
	fixture_exec(db, "INSERT INTO thing (id) VALUES (1)");
	fixture_kill();
	fixture_restart(); /* takes part of IDLE_CHECK_MS; the rest passes in this query on another connection
	                    */
	struct db *other = fixture_db();

	fixture_int(other, "SELECT SLEEP(1.1)");
	db_free(other);
	assert_true(fixture_int(db, "SELECT COUNT(*) FROM thing") >= 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_byte_comes_back),
		TEST(hostile_text_stays_text),
		TEST(numbers_times_and_null),
		TEST(the_session_is_strict),
		TEST(a_statement_over_the_limit_is_refused),
		TEST(a_duplicate_is_a_conflict),
		TEST(affected_counts_matched_rows),
		TEST(messages_say_what_to_do),
		TEST(statements_are_counted),
		TEST(a_transaction_is_all_or_nothing),
		TEST(an_empty_transaction_costs_nothing),
		TEST(a_deadlock_is_done_again),
		TEST(a_statement_that_takes_too_long_is_given_up),
		TEST(a_killed_idle_connection_is_replaced),
		TEST(a_killed_server_is_unavailable_then_works),
		TEST(a_server_restarted_while_idle_goes_unnoticed),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
