/* The history of the configuration: versions come back as they went in, newest first, page by page; old ones
 * go, but for what each daemon last ran with. */
#include "fixture.h"

#include "base/mem.h"
#include "store/config_history.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static struct db *db;

static int set_up(void **state)
{
	struct usher_error err;
	struct sql sql;

	(void)state;
	fixture_clear();
	db = fixture_db();
	sql = sql_new(db);
	sql_add(&sql, "DELETE FROM config_version");
	assert_done(db_exec(db, &sql, NULL, &err), &err);
	sql = sql_new(db);
	sql_add(&sql, "DELETE FROM config_change");
	assert_done(db_exec(db, &sql, NULL, &err), &err);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	db_free(db);
	return 0;
}

static int64_t add(const char *host, const char *key, const char *new_value, int64_t days_ago)
{
	struct config_version v = { .at = { wall_now().ms - days_ago * 24 * 60 * 60 * 1000 },
		.host = mem_string(host),
		.socket = mem_string("/run/usher.sock"),
		.who = mem_string("김"),
		.source = mem_string("api"),
		.reasons = mem_string(""),
		.settings = mem_string("{\"relay.batch\":{\"value\":\"10\"}}") };
	struct usher_error err;

	setting_changes_add(&v.changes, &(struct setting_change){ .key = (char *)(uintptr_t)key,
	                                        .new_value = (char *)(uintptr_t)new_value,
	                                        .origin = (char *)"a.ini:1" });
	assert_done(config_history_add(db, &v, &err), &err);
	int64_t id = v.id;
	config_version_clear(&v);
	return id;
}

static void a_version_comes_back(void **state)
{
	struct config_version *rows = NULL, last = { 0 };
	int64_t id = add("one", "relay.batch", "it's \"10\"; 100% \\", 0);
	char next[CURSOR_SIZE];
	struct usher_error err;
	size_t n = 0;

	(void)state;
	add("two", "relay.linger", NULL, 0);
	assert_done(config_history_list(db, NULL, "", 10, &rows, &n, next, &err), &err);
	assert_int_equal(n, 2);
	assert_int_equal(rows[1].id, id);
	assert_string_equal(rows[1].who, "김");
	assert_int_equal(rows[1].changes.count, 1);
	assert_string_equal(rows[1].changes.items[0].new_value, "it's \"10\"; 100% \\");
	assert_null(rows[1].changes.items[0].old_value);
	assert_null(rows[0].changes.items[0].new_value);
	config_versions_free(rows, n);
	assert_done(config_history_list(db, "relay.batch", "", 10, &rows, &n, next, &err), &err);
	assert_int_equal(n, 1);
	config_versions_free(rows, n);
	assert_done(config_history_last(db, "one", "/run/usher.sock", &last, &err), &err);
	assert_int_equal(last.id, id);
	assert_string_equal(last.settings, "{\"relay.batch\":{\"value\":\"10\"}}");
	config_version_clear(&last);
	assert_code(config_history_last(db, "one", "/run/other.sock", &last, &err), USHER_ENOTFOUND, &err);
	assert_code(config_history_get(db, id + 77, &last, &err), USHER_ENOTFOUND, &err);
}

static void a_refusal_is_not_what_was_in_force(void **state)
{
	int64_t id = add("one", "relay.batch", "3", 0);
	struct config_version refused = { .at = wall_now(), .refused = true, .reasons = (char *)"a\nb" },
	                      last = { 0 };
	struct usher_error err;

	(void)state;
	refused.host = (char *)"one";
	refused.socket = (char *)"/run/usher.sock";
	refused.who = (char *)"";
	refused.source = (char *)"SIGHUP";
	assert_done(config_history_add(db, &refused, &err), &err);
	assert_true(refused.id > id);
	assert_done(config_history_last(db, "one", "/run/usher.sock", &last, &err), &err);
	assert_int_equal(last.id, id);
	config_version_clear(&last);
	assert_done(config_history_get(db, refused.id, &last, &err), &err);
	assert_true(last.refused);
	assert_null(last.settings);
	assert_string_equal(last.reasons, "a\nb");
	config_version_clear(&last);
}

static void pages_go_back_in_time(void **state)
{
	struct config_version *rows = NULL;
	char cursor[CURSOR_SIZE] = "", next[CURSOR_SIZE];
	struct usher_error err;
	size_t n = 0, seen = 0;

	(void)state;
	for (int i = 0; i < 5; i++)
		add("one", "relay.batch", "3", 0);
	do {
		assert_done(config_history_list(db, NULL, cursor, 2, &rows, &n, next, &err), &err);
		seen += n;
		config_versions_free(rows, n);
		memcpy(cursor, next, sizeof cursor);
	} while (*cursor);
	assert_int_equal(seen, 5);
	assert_code(config_history_list(db, NULL, "a1.0", 2, &rows, &n, next, &err), USHER_EINVAL, &err);
}

static void old_ones_go_but_for_the_last_of_each_daemon(void **state)
{
	struct config_version *rows = NULL;
	struct usher_error err;
	char next[CURSOR_SIZE];
	size_t count = 0;
	int n = 0;

	(void)state;
	add("one", "relay.batch", "3", 500);
	add("one", "relay.batch", "4", 450);
	add("two", "relay.batch", "5", 600);
	add("one", "relay.batch", "6", 410);
	assert_done(config_history_prune(db, 400LL * 24 * 60 * 60 * 1000, 100, &n, &err), &err);
	assert_int_equal(n, 2);
	assert_done(config_history_list(db, "relay.batch", "", 10, &rows, &count, next, &err), &err);
	assert_int_equal(count, 2);
	assert_string_equal(rows[0].changes.items[0].new_value, "6");
	assert_string_equal(rows[1].changes.items[0].new_value, "5");
	config_versions_free(rows, count);
	assert_done(config_history_prune(db, 400LL * 24 * 60 * 60 * 1000, 100, &n, &err), &err);
	assert_int_equal(n, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_version_comes_back),
		TEST(a_refusal_is_not_what_was_in_force),
		TEST(pages_go_back_in_time),
		TEST(old_ones_go_but_for_the_last_of_each_daemon),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
