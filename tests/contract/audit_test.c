/* The audit: every entry comes back as it went in, newest first, page by page. */
#include "fixture.h"

#include "base/mem.h"
#include "store/audit.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static struct db *db;

static int set_up(void **state)
{
	(void)state;
	fixture_clear();
	db = fixture_db();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	db_free(db);
	return 0;
}

static void add(const char *target, const char *reason)
{
	struct audit_entry entry = { .operator= "김",
		.role = "operator",
		.act = "cancel",
		.target = target,
		.outcome = "done",
		.reason = reason };
	struct usher_error err;

	assert_done(audit_add(db, &entry, &err), &err);
}

static void an_entry_comes_back(void **state)
{
	struct audit_row *rows = NULL;
	char next[CURSOR_SIZE];
	struct usher_error err;
	size_t n = 0;

	(void)state;
	add("failed/42", "it's \"done\"; 100% \\ sure");
	assert_done(audit_list(db, NULL, "", 10, &rows, &n, next, &err), &err);
	assert_int_equal(n, 1);
	assert_string_equal(rows[0].operator, "김");
	assert_string_equal(rows[0].role, "operator");
	assert_string_equal(rows[0].act, "cancel");
	assert_string_equal(rows[0].target, "failed/42");
	assert_string_equal(rows[0].outcome, "done");
	assert_string_equal(rows[0].reason, "it's \"done\"; 100% \\ sure");
	assert_null(rows[0].detail);
	assert_in_range(wall_now().ms - rows[0].at.ms + 5000, 0, 15000);
	audit_rows_free(rows, n);
}

static void long_and_odd_words_are_kept_cut(void **state)
{
	char words[3000];
	struct audit_entry entry = { .operator= words,
		.role = "viewer",
		.act = "redrive",
		.target = words,
		.outcome = "refused",
		.reason = words,
		.detail = words };
	struct usher_error err;

	(void)state;
	memset(words, 'w', sizeof words - 1);
	words[sizeof words - 1] = '\0';
	words[0] = '\xff';
	assert_done(audit_add(db, &entry, &err), &err);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM audit WHERE CHAR_LENGTH(operator) = 64 AND "
	                                 "CHAR_LENGTH(target) = 160 "
	                                 "AND CHAR_LENGTH(reason) = 500 AND CHAR_LENGTH(detail) = 1000 AND "
	                                 "operator LIKE '?w%'"),
	        1);
}

static void pages_go_back_in_time(void **state)
{
	char cursor[CURSOR_SIZE] = "", next[CURSOR_SIZE], target[32];
	struct audit_row *rows = NULL;
	int64_t last = INT64_MAX, seen = 0;
	struct usher_error err;
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 11; i++) {
		snprintf(target, sizeof target, "failed/%d", i % 2);
		add(target, NULL);
	}
	do {
		assert_done(audit_list(db, NULL, cursor, 4, &rows, &n, next, &err), &err);
		for (size_t i = 0; i < n; i++, seen++) {
			assert_true(rows[i].id < last);
			last = rows[i].id;
		}
		audit_rows_free(rows, n);
		memcpy(cursor, next, sizeof cursor);
		add("failed/9", NULL); /* what is new does not disturb */
	} while (cursor[0] != '\0');
	assert_int_equal(seen, 11);
	assert_done(audit_list(db, "failed/1", "", 100, &rows, &n, next, &err), &err);
	assert_int_equal(n, 5);
	assert_string_equal(next, "");
	audit_rows_free(rows, n);
	assert_code(audit_list(db, NULL, "zzz", 4, &rows, &n, next, &err), USHER_EINVAL, &err);
	assert_code(audit_list(db, NULL, "a1.0 ", 4, &rows, &n, next, &err), USHER_EINVAL, &err);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_entry_comes_back),
		TEST(long_and_odd_words_are_kept_cut),
		TEST(pages_go_back_in_time),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
