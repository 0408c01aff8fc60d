/* Migration: a database comes to the schema this program knows, or says why not and what to do. */
#include "fixture.h"

#include "base/mem.h"
#include "store/failed.h"
#include "store/ledger.h"
#include "store/migrate.h"
#include "store/outbox.h"
#include "store/schema.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static struct db *root; /* without a database */

static int set_up(void **state)
{
	struct db_settings settings = *fixture_settings();

	(void)state;
	settings.name = NULL;
	root = db_new(&settings);
	fixture_exec(root, "DROP DATABASE IF EXISTS usher");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	db_free(root);
	return 0;
}

struct lines {
	int n;
	char last[256];
};

static void note(void *arg, const char *line)
{
	struct lines *lines = arg;

	lines->n++;
	snprintf(lines->last, sizeof lines->last, "%s", line);
}

static int check(struct usher_error *err)
{
	struct db *db = fixture_db();
	int code = migrate_check(db, err);

	db_free(db);
	return code;
}

static void migrated(void)
{
	struct usher_error err;

	assert_done(migrate_run(fixture_settings(), NULL, NULL, &err), &err);
}

static void a_missing_database_is_made(void **state)
{
	struct lines lines = { 0 };
	struct usher_error err;

	(void)state;
	assert_done(migrate_run(fixture_settings(), note, &lines, &err), &err);
	assert_int_equal(lines.n, schema_file_count);
	assert_done(check(&err), &err);
	assert_int_equal(
	        fixture_int(root,
	                "SELECT COUNT(*) FROM usher.schema_version WHERE finished_at IS NOT NULL AND "
	                "statements_done > 5 AND number = 1 AND name = '0001_initial'"),
	        1);
	lines.n = 0;
	assert_done(migrate_run(fixture_settings(), note, &lines, &err), &err);
	assert_int_equal(lines.n, 1);
	assert_non_null(strstr(lines.last, "up to date"));
}

static void an_odd_name_is_only_a_name(void **state)
{
	struct db_settings settings = *fixture_settings();
	struct usher_error err;

	(void)state;
	settings.name = "us`her; DROP DATABASE usher -- '";
	migrated();
	assert_done(migrate_run(&settings, NULL, NULL, &err), &err);
	assert_int_equal(
	        fixture_int(root, "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name IN "
	                          "('usher', 'us`her; DROP DATABASE usher -- ''')"),
	        2);
	fixture_exec(root, "DROP DATABASE `us``her; DROP DATABASE usher -- '`");
}

static void an_unmigrated_database_says_so(void **state)
{
	struct usher_error err;

	(void)state;
	fixture_exec(root, "CREATE DATABASE usher");
	assert_code(check(&err), USHER_ECONFIG, &err);
	assert_non_null(strstr(err.message, "usherd migrate"));
	migrated();
	fixture_exec(root, "DELETE FROM usher.schema_version");
	assert_code(check(&err), USHER_ECONFIG, &err);
	assert_non_null(strstr(err.message, "0001_initial"));
}

static void a_newer_database_is_refused(void **state)
{
	struct usher_error err;

	(void)state;
	migrated();
	fixture_exec(root, "INSERT INTO usher.schema_version (number, name, checksum, finished_at) VALUES "
	                   "(9999, '9999_later', REPEAT('0', 64), UTC_TIMESTAMP(3))");
	assert_code(migrate_run(fixture_settings(), NULL, NULL, &err), USHER_ECONFIG, &err);
	assert_non_null(strstr(err.message, "newer"));
	assert_code(check(&err), USHER_ECONFIG, &err);
}

static void a_changed_file_is_refused(void **state)
{
	struct usher_error err;

	(void)state;
	migrated();
	fixture_exec(root, "UPDATE usher.schema_version SET checksum = REPEAT('0', 64) WHERE number = 1");
	assert_code(migrate_run(fixture_settings(), NULL, NULL, &err), USHER_ECONFIG, &err);
	assert_non_null(strstr(err.message, "0001_initial"));
	assert_code(check(&err), USHER_ECONFIG, &err);
}

static void a_file_cut_short_is_known_and_explained(void **state)
{
	struct usher_error err;

	(void)state;
	/* a table in the way stops the first file in its middle */
	fixture_exec(root, "CREATE DATABASE usher");
	fixture_exec(root, "CREATE TABLE usher.delivery (x INT)");
	assert_code(migrate_run(fixture_settings(), NULL, NULL, &err), USHER_EDATABASE, &err);
	assert_non_null(strstr(err.message, "0001_initial, statement 3"));
	fixture_exec(root, "DROP TABLE usher.delivery");
	assert_code(migrate_run(fixture_settings(), NULL, NULL, &err), USHER_ECONFIG, &err);
	assert_non_null(strstr(err.message, "first 2 statements"));
	assert_non_null(strstr(err.message, "drop it"));
	assert_non_null(strstr(err.message, "WHERE number = 1"));
	assert_code(check(&err), USHER_ECONFIG, &err);
	/* doing as it says works */
	fixture_exec(root, "DROP DATABASE usher");
	migrated();
	assert_done(check(&err), &err);
}

struct runner {
	int code;
	struct usher_error err;
};

static void *run_in_thread(void *arg)
{
	struct runner *r = arg;

	r->code = migrate_run(fixture_settings(), NULL, NULL, &r->err);
	return NULL;
}

static void several_at_once_wait_for_each_other(void **state)
{
	struct runner runners[4] = { 0 };
	pthread_t threads[ARRAY_LEN(runners)];
	struct usher_error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(runners); i++)
		pthread_create(&threads[i], NULL, run_in_thread, &runners[i]);
	for (size_t i = 0; i < ARRAY_LEN(runners); i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < ARRAY_LEN(runners); i++)
		assert_done(runners[i].code, &runners[i].err);
	assert_done(check(&err), &err);
	assert_int_equal(fixture_int(root, "SELECT COUNT(*) FROM usher.schema_version"), schema_file_count);
}

static void one_that_may_not_create_says_what_to_grant(void **state)
{
	struct db_settings settings = fixture_settings_for("poor");
	struct usher_error err;

	(void)state;
	fixture_exec(root, "CREATE OR REPLACE USER poor@localhost");
	assert_code(migrate_run(&settings, NULL, NULL, &err), USHER_EDATABASE, &err);
	assert_non_null(strstr(err.message, "database usher is missing and could not be created"));
	assert_non_null(strstr(err.message, "grant"));
	/* with all privileges on a database that somebody made, it works */
	fixture_exec(root, "CREATE DATABASE usher");
	fixture_exec(root, "GRANT ALL ON usher.* TO poor@localhost");
	assert_done(migrate_run(&settings, NULL, NULL, &err), &err);
	fixture_exec(root, "DROP USER poor@localhost");
}

/* usherd run: SELECT, INSERT, UPDATE, DELETE and nothing else carry a delivery from sign-up to redrive. */
static void the_daily_work_needs_four_privileges(void **state)
{
	struct db_settings settings = fixture_settings_for("worker");
	static const struct reply reply = { .code = 550, .text = "no such user" };
	static struct message message = { .id = (char *)"m", .body = (char *)"{}", .body_len = 2 };
	struct event event = { .event_id = (char *)"e1",
		.type = (char *)"user-signup",
		.user_id = (char *)"u1",
		.email = (char *)"kim@example.com",
		.name = (char *)"Kim",
		.locale = (char *)"ko-KR" };
	struct ledger_claim claim = { .event_id = "e1" };
	struct act act = { .operator= "kim", .role = "operator", .reason = "again" };
	struct outbox_row *outbox = NULL;
	struct intent *intents = NULL;
	struct ledger_settle settle;
	char event_id[EVENT_ID_MAX + 1];
	struct usher_error err;
	struct db *db;
	size_t n = 0;
	int pruned;

	(void)state;
	migrated();
	fixture_exec(root, "CREATE OR REPLACE USER worker@localhost");
	fixture_exec(root, "GRANT SELECT, INSERT, UPDATE, DELETE ON usher.* TO worker@localhost");
	db = db_new(&settings);
	assert_done(migrate_check(db, &err), &err);
	assert_done(outbox_signup(db, &event, event_id, &err), &err);
	assert_done(outbox_take(db, 10, 1000, &outbox, &n, &err), &err);
	assert_done(outbox_published(db, &outbox[0].id, n, &err), &err);
	outbox_rows_free(outbox, n);
	assert_done(ledger_claim(db, CHANNEL_EMAIL, "a", 1000, &claim, 1, &err), &err);
	settle = (struct ledger_settle){ .delivery_id = claim.delivery_id,
		.version = 1,
		.to = DELIVERY_DEAD,
		.class = FAILURE_INVALID_ADDRESS,
		.reply = &reply,
		.attempts = 1,
		.reason = "no such user",
		.event_id = "e1",
		.dead = { .message = &message, .source_queue = "q" } };
	assert_done(ledger_settle(db, CHANNEL_EMAIL, "a", &settle, 1, &err), &err);
	assert_done(failed_redrive(db, fixture_int(db, "SELECT id FROM failed_notification"), -1, &act, &err),
	        &err);
	assert_done(intents_take(db, 10, 1000, &intents, &n, &err), &err);
	assert_int_equal(n, 1);
	assert_done(intents_done(db, &intents[0].id, n, &err), &err);
	intents_free(intents, n);
	assert_done(ledger_prune(db, 1000, 10, &pruned, &err), &err);
	assert_done(outbox_prune(db, 1000, 10, &pruned, &err), &err);
	db_free(db);
	fixture_exec(root, "DROP USER worker@localhost");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_missing_database_is_made),
		TEST(an_odd_name_is_only_a_name),
		TEST(an_unmigrated_database_says_so),
		TEST(a_newer_database_is_refused),
		TEST(a_changed_file_is_refused),
		TEST(a_file_cut_short_is_known_and_explained),
		TEST(several_at_once_wait_for_each_other),
		TEST(one_that_may_not_create_says_what_to_grant),
		TEST(the_daily_work_needs_four_privileges),
	};

	return cmocka_run_group_tests(tests, fixture_start_bare, fixture_stop);
}
