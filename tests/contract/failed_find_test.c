/* Finding failed rows: every key of the filter language and every sort, against what the table itself says;
 * page by page nothing is lost and nothing comes twice, while rows change as well. */
#include "fixture.h"

#include "base/mem.h"
#include "store/failed.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define ROWS 700
#define NOW ((wall_time){ 1767225600000 }) /* 2026-01-01T00:00:00Z */

static struct db *db;

static int set_up(void **state)
{
	(void)state;
	db = fixture_db();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	db_free(db);
	return 0;
}

/* n rows that differ in everything, with ties in everything; the newest died a second before NOW. */
static void fill(int n)
{
	char sql[2000];

	fixture_clear();
	snprintf(sql, sizeof sql,
	        "INSERT INTO failed_notification (id, delivery_id, event_id, channel, status, class, reason, "
	        "attempts, redrives, user_id, recipient, payload, attributes, source_queue, message_id, "
	        "dlq_message_id, settled_by, first_at, dead_at, updated_at) SELECT seq, seq, CONCAT('e-', "
	        "seq), "
	        "IF(seq %% 3, 'email', 'coupon'), ELT(1 + seq * 7 %% 4, 'dead', 'queued', 'delivered', "
	        "'cancelled'), ELT(1 + seq * 5 %% 6, 'rejected', 'timeout', 'invalid_address', 'malformed', "
	        "'service_down', 'ambiguous'), CONCAT('SMTP 550 at DOT: No such ', ELT(1 + seq %% 5, 'user', "
	        "'box', '100%%', 'a_b', '사람'), ' ', seq), seq * 3 %% 5, seq %% 4, IF(seq %% 11, "
	        "CONCAT('u-', seq DIV "
	        "2), NULL), IF(seq %% 13, CONCAT('m', seq %% 50, '@example.com'), NULL), 'body', '{}', 'q', "
	        "'m', "
	        "IF(seq %% 6, NULL, 'copy'), ELT(1 + seq %% 3, 'kim', 'lee', NULL), '2025-12-01', "
	        "'2026-01-01' - INTERVAL 1 + seq * 37 %% 101 SECOND, '2026-01-01' FROM seq_1_to_%d",
	        n);
	fixture_exec(db, sql);
}

static struct failed_filter any(void)
{
	return (struct failed_filter){ .status = -1, .channel = -1, .class = -1 };
}

/* The ids of all pages, as "1,2,3". Free it. */
static char *listed(const struct failed_filter *filter, int limit)
{
	struct buf ids = BUF(1 << 20);
	char cursor[CURSOR_SIZE] = "";
	struct usher_error err;

	do {
		struct failed_page page;

		assert_done(failed_list(db, filter, cursor, limit, &page, &err), &err);
		assert_true(page.complete ? page.n <= (size_t)limit : page.next[0] != '\0');
		for (size_t i = 0; i < page.n; i++)
			buf_printf(&ids, "%s%lld", ids.len ? "," : "", (long long)page.rows[i].id);
		failed_rows_free(page.rows, page.n);
		memcpy(cursor, page.next, sizeof cursor);
	} while (cursor[0] != '\0');
	return buf_take(&ids);
}

static char *selected(const char *where, const char *order)
{
	struct buf text = BUF(4096), ids = BUF(1 << 20);
	struct usher_error err;
	struct sql sql = sql_new(db);
	struct rows *rows;

	buf_printf(&text, "SELECT id FROM failed_notification IGNORE INDEX (PRIMARY) WHERE %s ORDER BY %s",
	        where, order);
	buf_puts(&sql.text, buf_str(&text));
	assert_done(db_query(db, &sql, &rows, &err), &err);
	while (rows_next(rows))
		buf_printf(&ids, "%s%s", ids.len ? "," : "", row_text(rows, 0));
	rows_free(rows);
	buf_free(&text);
	return buf_take(&ids);
}

static void assert_lists(
        struct failed_filter *filter, const char *text, const char *where, const char *order, int limit)
{
	struct filter terms;
	struct usher_error err = { 0 };

	assert_done(filter_parse(text, NOW, &terms, &err), &err);
	filter->filter = &terms;
	OWNED char *got = listed(filter, limit), *want = selected(where, order);
	if (strcmp(got, want) != 0)
		fail_msg("%s, sorted by %s:\n%s\nwanted:\n%s", text, order, got, want);
	filter->filter = NULL;
}

#define NEWEST "dead_at DESC, id DESC"

static const struct {
	const char *filter, *where;
} filters[] = {
	{ "", "TRUE" },
	{ "status:dead", "status = 'dead'" },
	{ "status:dead,queued", "status IN ('dead', 'queued')" },
	{ "-status:delivered", "status <> 'delivered'" },
	{ "channel:coupon", "channel = 'coupon'" },
	{ "channel:coupon status:dead", "channel = 'coupon' AND status = 'dead'" },
	{ "class:timeout,ambiguous", "class IN ('timeout', 'ambiguous')" },
	{ "-class:malformed", "class <> 'malformed'" },
	{ "status:dead channel:email class:timeout",
	        "status = 'dead' AND channel = 'email' AND class = 'timeout'" },
	{ "class:out_of_stock", "FALSE" },
	{ "dlq:yes", "dlq_message_id IS NOT NULL" },
	{ "-dlq:yes status:dead", "dlq_message_id IS NULL AND status = 'dead'" },
	{ "dlq:yes class:timeout", "dlq_message_id IS NOT NULL AND class = 'timeout'" },
	{ "age>30s", "dead_at < '2026-01-01' - INTERVAL 30 SECOND" },
	{ "age>=30s", "dead_at <= '2026-01-01' - INTERVAL 30 SECOND" },
	{ "age<30s", "dead_at > '2026-01-01' - INTERVAL 30 SECOND" },
	{ "age<=30s age>10s class:rejected", "dead_at >= '2026-01-01' - INTERVAL 30 SECOND AND dead_at < "
	                                     "'2026-01-01' - INTERVAL 10 SECOND "
	                                     "AND class = 'rejected'" },
	{ "-age>30s", "dead_at >= '2026-01-01' - INTERVAL 30 SECOND" },
	{ "-age<30s", "dead_at <= '2026-01-01' - INTERVAL 30 SECOND" },
	{ "age<1s", "FALSE" },
	{ "age>50s age<20s", "FALSE" },
	{ "attempts:2,3", "attempts IN (2, 3)" },
	{ "attempts>=3", "attempts >= 3" },
	{ "attempts>1 attempts<3", "attempts = 2" },
	{ "-attempts<=2 redrives:0", "attempts > 2 AND redrives = 0" },
	{ "user:u-7", "user_id = 'u-7'" },
	{ "user:u-7*", "user_id LIKE 'u-7%'" },
	{ "user:\"u-7*\"", "FALSE" },
	{ "-user:u-7*", "user_id IS NULL OR user_id NOT LIKE 'u-7%'" },
	{ "user:*7", "user_id LIKE '%7'" },
	{ "event:e-1,e-22,e-333", "event_id IN ('e-1', 'e-22', 'e-333')" },
	{ "to:m7@example.com status:dead", "recipient = 'm7@example.com' AND status = 'dead'" },
	{ "to:*@example.com", "recipient IS NOT NULL" },
	{ "-to:*@example.com", "recipient IS NULL" },
	{ "to:M7@example.com", "FALSE" },
	{ "id:5,6,7000", "id IN (5, 6)" },
	{ "id>690", "id > 690" },
	{ "reason:\"no such BOX\"", "reason LIKE '%No such box%'" },
	{ "reason:100%", "reason LIKE '%100\\%%'" },
	{ "reason:a_b", "reason LIKE '%a\\_b%'" },
	{ "reason:사람 status:queued", "reason LIKE '%사람%' AND status = 'queued'" },
	{ "by:kim,lee", "settled_by IN ('kim', 'lee')" },
	{ "-by:kim", "settled_by IS NULL OR settled_by <> 'kim'" },
	{ "by:k*", "settled_by LIKE 'k%'" },
	{ "m7@ -status:dead", "recipient LIKE 'm7@%' AND status <> 'dead'" },
	{ "-m7@", "NOT COALESCE(recipient LIKE 'm7@%', FALSE)" },
	{ "e-7*1", "event_id LIKE 'e-7%1%'" },
	{ "m2 e-2 age<90s", "recipient LIKE 'm2%' AND event_id LIKE 'e-2%' AND dead_at > '2026-01-01' - "
	                    "INTERVAL 90 SECOND" },
	{ "\"' OR 1=1 -- \"", "FALSE" },
	{ "by:\"'; DROP TABLE users\"", "FALSE" },
};

static void every_key_finds_what_it_says(void **state)
{
	struct failed_filter filter = any();

	(void)state;
	fill(ROWS);
	for (size_t i = 0; i < ARRAY_LEN(filters); i++)
		assert_lists(&filter, filters[i].filter, filters[i].where, NEWEST, 37);
}

/* Both ways of every sort; words in the order of their table, and alike in them the newest first. */
static void every_sort_keeps_its_order(void **state)
{
	static const struct {
		enum failed_sort sort;
		const char *up, *down;
	} sorts[] = {
		{ FAILED_BY_DEAD_AT, "dead_at, id", NEWEST },
		{ FAILED_BY_ID, "id", "id DESC" },
		{ FAILED_BY_STATUS, "status + 0, " NEWEST, "status + 0 DESC, " NEWEST },
		{ FAILED_BY_CHANNEL, "FIELD(channel, 'email', 'coupon'), " NEWEST,
		        "FIELD(channel, 'coupon', 'email'), " NEWEST },
		{ FAILED_BY_CLASS,
		        "FIELD(class, 'service_down', 'timeout', 'ambiguous', 'invalid_address', 'rejected', "
		        "'malformed'), " NEWEST,
		        "FIELD(class, 'service_down', 'timeout', 'ambiguous', 'invalid_address', 'rejected', "
		        "'malformed') DESC, " NEWEST },
		{ FAILED_BY_ATTEMPTS, "attempts, id", "attempts DESC, id DESC" },
		{ FAILED_BY_REDRIVES, "redrives, id", "redrives DESC, id DESC" },
		{ FAILED_BY_RECIPIENT, "recipient IS NULL, recipient, id",
		        "recipient IS NULL, recipient DESC, id DESC" },
		{ FAILED_BY_USER, "user_id IS NULL, user_id, id", "user_id IS NULL, user_id DESC, id DESC" },
	};
	static const size_t some[] = { 0, 1, 6, 7, 8, 10, 16, 22, 28, 37 };

	(void)state;
	assert_int_equal(ARRAY_LEN(sorts), FAILED_SORT_COUNT);
	fill(ROWS);
	for (size_t s = 0; s < ARRAY_LEN(sorts); s++)
		for (size_t i = 0; i < ARRAY_LEN(some); i++) {
			struct failed_filter filter = any();

			filter.sort = sorts[s].sort;
			assert_lists(
			        &filter, filters[some[i]].filter, filters[some[i]].where, sorts[s].down, 23);
			filter.oldest_first = true;
			assert_lists(
			        &filter, filters[some[i]].filter, filters[some[i]].where, sorts[s].up, 23);
		}
}

/* What indexes know needs no look at rows one by one, in any order of words. */
static void words_are_never_searched(void **state)
{
	static const enum failed_sort sorts[] = { FAILED_BY_DEAD_AT, FAILED_BY_STATUS, FAILED_BY_CHANNEL,
		FAILED_BY_CLASS };
	static const char *const written[] = { "", "status:dead", "channel:coupon", "-class:timeout",
		"status:dead,queued channel:email class:timeout,rejected age<30s", "class:out_of_stock" };

	(void)state;
	fill(ROWS);
	for (size_t s = 0; s < ARRAY_LEN(sorts); s++)
		for (size_t i = 0; i < ARRAY_LEN(written); i++) {
			struct failed_filter filter = any();
			struct failed_page page;
			struct filter terms;
			struct usher_error err;

			assert_done(filter_parse(written[i], NOW, &terms, &err), &err);
			filter.filter = &terms;
			filter.sort = sorts[s];
			assert_done(failed_list(db, &filter, "", 10, &page, &err), &err);
			failed_rows_free(page.rows, page.n);
			if (page.searched)
				fail_msg("%s, sort %d: rows are looked at one by one", written[i],
				        (int)sorts[s]);
		}
}

static void a_cause_lists_its_group(void **state)
{
	struct failed_filter filter = any();
	struct failed_group *groups;
	struct usher_error err;
	bool complete;
	size_t n;

	(void)state;
	fill(ROWS);
	filter.status = FAILED_DEAD;
	assert_done(failed_groups(db, &filter, 500, &groups, &n, &complete, &err), &err);
	assert_true(n > 10 && complete);
	for (size_t i = 0; i < n; i++) {
		char text[80], cause[FILTER_CAUSE_SIZE], where[80];
		int64_t count;
		bool capped;

		filter_cause_print(groups[i].cause, cause);
		snprintf(text, sizeof text, "status:dead cause:%s", cause);
		snprintf(where, sizeof where, "status = 'dead' AND cause = 0x%s + 0", cause);
		assert_lists(&filter, text, where, NEWEST, 5);
		struct filter terms;
		assert_done(filter_parse(text, NOW, &terms, &err), &err);
		filter.filter = &terms;
		assert_done(failed_count(db, &filter, &count, &capped, &err), &err);
		filter.filter = NULL;
		assert_int_equal(count, groups[i].count);
	}
	failed_groups_free(groups, n);
}

/* Rows of another filter than words are counted one by one, to the same end. */
static void groups_of_any_filter_add_up(void **state)
{
	(void)state;
	fill(ROWS);
	for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
		struct failed_filter filter = any();
		struct failed_group *groups;
		struct filter terms;
		struct usher_error err;
		int64_t sum = 0, count;
		bool complete, capped;
		size_t n;

		assert_done(filter_parse(filters[i].filter, NOW, &terms, &err), &err);
		filter.filter = &terms;
		assert_done(failed_groups(db, &filter, 500, &groups, &n, &complete, &err), &err);
		assert_done(failed_count(db, &filter, &count, &capped, &err), &err);
		for (size_t g = 0; g < n; g++)
			sum += groups[g].count;
		failed_groups_free(groups, n);
		assert_true(complete && !capped);
		if (sum != count)
			fail_msg("%s: %lld in groups, %lld counted", filters[i].filter, (long long)sum,
			        (long long)count);
	}
}

static int64_t count_of(const bool *set, size_t n)
{
	int64_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += set[i];
	return count;
}

/* Between pages rows die, are redriven and go: what stays is shown, once. */
static void pages_hold_while_rows_change(void **state)
{
	char cursor[CURSOR_SIZE] = "";
	bool seen[ROWS + 1] = { false };
	struct filter terms;
	struct usher_error err;
	int turn = 0;

	(void)state;
	fill(ROWS);
	assert_done(filter_parse("status:dead,queued -class:malformed", NOW, &terms, &err), &err);
	do {
		struct failed_filter filter = any();
		struct failed_page page;
		char sql[400];

		filter.filter = &terms;
		assert_done(failed_list(db, &filter, cursor, 20, &page, &err), &err);
		for (size_t i = 0; i < page.n; i++) {
			assert_true(page.rows[i].id <= ROWS && !seen[page.rows[i].id]);
			seen[page.rows[i].id] = true;
		}
		memcpy(cursor, page.next, sizeof cursor);
		if (page.n) { /* the row the next page begins behind is gone; a new one has died */
			snprintf(sql, sizeof sql, "DELETE FROM failed_notification WHERE id = %lld",
			        (long long)page.rows[page.n - 1].id);
			fixture_exec(db, sql);
			snprintf(sql, sizeof sql,
			        "UPDATE failed_notification SET delivery_id = %d, status = 'dead', dead_at = "
			        "'2026-01-02' WHERE id = %lld",
			        ROWS + ++turn, (long long)page.rows[0].id);
			fixture_exec(db, sql);
		}
		failed_rows_free(page.rows, page.n);
	} while (cursor[0] != '\0');
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM failed_notification WHERE status IN ('dead', "
	                                 "'queued') AND class <> 'malformed'"),
	        count_of(seen, ROWS + 1) - turn);
}

#define MANY 60000

/* More than is looked at in one go: page after page still everything is found. */
static void what_takes_long_goes_on(void **state)
{
	struct failed_filter filter = any();
	struct usher_error err;
	struct filter terms;
	int64_t count;
	bool capped;

	(void)state;
	fill(MANY);
	fixture_exec(db, "UPDATE failed_notification SET settled_by = 'park' WHERE id % 20011 = 5");
	assert_lists(&filter, "by:park", "settled_by = 'park'", NEWEST, 50);
	filter.sort = FAILED_BY_RECIPIENT;
	assert_lists(
	        &filter, "by:park", "settled_by = 'park'", "recipient IS NULL, recipient DESC, id DESC", 2);
	/* a count one by one is a count of what was looked at, and says so */
	assert_done(filter_parse("by:park", NOW, &terms, &err), &err);
	filter.filter = &terms;
	assert_done(failed_count(db, &filter, &count, &capped, &err), &err);
	assert_true(capped && count <= 3);
	/* many rows begin with this, one is it */
	filter = any();
	filter.text = "u-1";
	struct failed_page page;
	assert_done(failed_list(db, &filter, "", 3, &page, &err), &err);
	assert_int_equal(page.n, 3);
	assert_string_equal(page.rows[0].user_id, "u-1");
	assert_string_equal(page.rows[1].user_id, "u-1");
	assert_string_not_equal(page.rows[2].user_id, "u-1");
	failed_rows_free(page.rows, page.n);
}

/* The figure of a group too large to count is marked, and near. */
static void large_groups_are_estimated(void **state)
{
	struct failed_filter filter = any();
	struct failed_group *groups;
	struct usher_error err;
	bool complete;
	size_t n;

	(void)state;
	fill(MANY); /* 4 statuses and 60 causes; one of them grows */
	fixture_exec(db,
	        "UPDATE failed_notification SET reason = 'the same', class = 'timeout', channel = 'email', "
	        "status = 'dead' WHERE id <= 40000");
	fixture_exec(db, "ANALYZE TABLE failed_notification");
	assert_done(failed_groups(db, &filter, 1, &groups, &n, &complete, &err), &err);
	assert_true(complete);
	assert_true(groups[0].approximate);
	assert_string_equal(groups[0].reason, "the same");
	assert_in_range(groups[0].count, 20000, 80000);
	failed_groups_free(groups, n);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_key_finds_what_it_says),
		TEST(every_sort_keeps_its_order),
		TEST(words_are_never_searched),
		TEST(a_cause_lists_its_group),
		TEST(groups_of_any_filter_add_up),
		TEST(pages_hold_while_rows_change),
		TEST(what_takes_long_goes_on),
		TEST(large_groups_are_estimated),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
