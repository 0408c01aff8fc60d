/* Lists of failed rows as operators read them: they cost the same whatever the table's size, show every row
 * once, and find what is searched. */
#include "fixture.h"

#include "base/mem.h"
#include "store/failed.h"

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

/* -- Rows to work on -------------------------------------------------------------------------------- */

/* n dead rows, numbered from 1; every moment of death is shared by several, channels, classes and statuses
 * mix. */
static void fill(int n)
{
	char sql[900];

	snprintf(sql, sizeof sql,
	        "INSERT INTO delivery (id, event_id, channel, state) SELECT seq, CONCAT('e-', seq), IF(seq "
	        "%% 2, 'email', 'coupon'), "
	        "ELT(1 + seq %% 4, 'dead', 'queued', 'delivered', 'cancelled') FROM seq_1_to_%d",
	        n);
	fixture_exec(db, sql);
	snprintf(sql, sizeof sql,
	        "INSERT INTO failed_notification (id, delivery_id, event_id, channel, status, class, reason, "
	        "attempts, user_id, recipient, "
	        "payload, attributes, source_queue, message_id, first_at, dead_at, updated_at) SELECT seq, "
	        "seq, CONCAT('e-', seq), "
	        "IF(seq %% 2, 'email', 'coupon'), ELT(1 + seq %% 4, 'dead', 'queued', 'delivered', "
	        "'cancelled'), "
	        "ELT(1 + seq %% 3, 'rejected', 'timeout', 'invalid_address'), CONCAT('reason ', seq %% 5), "
	        "3, CONCAT('u-', seq), "
	        "CONCAT('m', seq, '@example.com'), 'body', '{}', 'q', 'm', "
	        "'2026-01-01', '2026-01-01' + INTERVAL seq DIV 7 SECOND, '2026-01-01' FROM seq_1_to_%d",
	        n);
	fixture_exec(db, sql);
	fixture_exec(db, "ANALYZE TABLE failed_notification, delivery");
}

/* One dead row with its ledger row; returns its id. */
static int64_t dead(const char *event_id)
{
	char sql[700];

	snprintf(sql, sizeof sql,
	        "INSERT INTO delivery (event_id, channel, state, version, attempts) VALUES ('%s', 'email', "
	        "'dead', 2, 3)",
	        event_id);
	fixture_exec(db, sql);
	snprintf(sql, sizeof sql,
	        "INSERT INTO failed_notification (delivery_id, event_id, channel, status, class, reason, "
	        "attempts, payload, attributes, "
	        "source_queue, message_id, first_at, dead_at, updated_at) SELECT id, event_id, channel, "
	        "'dead', 'service_down', 'no answer', "
	        "3, CONCAT('body of ', event_id), '{\"origin\":\"x\"}', 'welcome-email', 'm-1', "
	        "UTC_TIMESTAMP(3), UTC_TIMESTAMP(3), "
	        "UTC_TIMESTAMP(3) FROM delivery WHERE event_id = '%s'",
	        event_id);
	fixture_exec(db, sql);
	snprintf(sql, sizeof sql, "SELECT id FROM failed_notification WHERE event_id = '%s'", event_id);
	return fixture_int(db, sql);
}

static struct failed_filter any(void)
{
	return (struct failed_filter){ .status = -1, .channel = -1, .class = -1 };
}

static size_t list(const struct failed_filter *filter, const char *cursor, int limit,
        struct failed_row **ret_rows, char next[CURSOR_SIZE])
{
	struct usher_error err;
	struct failed_page page;

	assert_done(failed_list(db, filter, cursor, limit, &page, &err), &err);
	assert_true(page.complete);
	*ret_rows = page.rows;
	memcpy(next, page.next, CURSOR_SIZE);
	return page.n;
}

/* Walks all pages; every row once, in order. Returns how many. */
static int64_t walk(const struct failed_filter *filter, int limit)
{
	char cursor[CURSOR_SIZE] = "", next[CURSOR_SIZE];
	int64_t seen = 0, last_ms = 0, last_id = 0;

	do {
		struct failed_row *rows = NULL;
		size_t n = list(filter, cursor, limit, &rows, next);

		for (size_t i = 0; i < n; i++, seen++) {
			bool after = rows[i].dead_at.ms > last_ms ||
			             (rows[i].dead_at.ms == last_ms && rows[i].id > last_id);

			assert_true(seen == 0 || after == filter->oldest_first);
			last_ms = rows[i].dead_at.ms;
			last_id = rows[i].id;
		}
		failed_rows_free(rows, n);
		memcpy(cursor, next, sizeof cursor);
	} while (cursor[0] != '\0');
	return seen;
}

/* -- Lists ------------------------------------------------------------------------------------------- */

#define ROWS 2100

/* How the server did what this connection asked since the last flush. */
static int64_t server_did(const char *variables)
{
	char sql[300];

	snprintf(sql, sizeof sql,
	        "SELECT SUM(variable_value) FROM information_schema.session_status WHERE variable_name IN "
	        "(%s)",
	        variables);
	return fixture_int(db, sql);
}

#define SORTS "'SORT_SCAN', 'SORT_RANGE', 'SORT_PRIORITY_QUEUE_SORTS'"
#define SCANS "'SELECT_SCAN', 'SELECT_FULL_JOIN', 'HANDLER_READ_RND_NEXT'"
#define READS                                                                                                \
	"'HANDLER_READ_KEY', 'HANDLER_READ_NEXT', 'HANDLER_READ_PREV', 'HANDLER_READ_FIRST', "               \
	"'HANDLER_READ_LAST'"

/* One page from the middle of the list reads a few rows for each it shows: in the index (of each of the
 * ranges that are merged), the row, its delivery. Nothing else of the table is looked at or sorted. */
static void assert_page_is_cheap(const struct failed_filter *filter, int reads_a_row)
{
	char next[CURSOR_SIZE], further[CURSOR_SIZE];
	struct failed_row *rows = NULL;
	const int limit = 20;
	size_t n = list(filter, "", limit, &rows, next);

	failed_rows_free(rows, n);
	assert_true(next[0] != '\0');
	fixture_exec(db, "FLUSH STATUS");
	n = list(filter, next, limit, &rows, further);
	failed_rows_free(rows, n);
	int64_t reads = server_did(READS);

	assert_int_equal(n, limit);
	if (reads > reads_a_row * (limit + 2))
		fail_msg("%lld rows read for a page of %d", (long long)reads, limit);
	fixture_exec(db, "FLUSH STATUS");
}

static void every_filter_has_its_index(void **state)
{
	struct failed_filter filter;

	(void)state;
	fill(ROWS);
	for (int oldest = 0; oldest < 2; oldest++)
		for (int status = -1; status < FAILED_STATUS_COUNT; status += FAILED_STATUS_COUNT - 1)
			for (int channel = -1; channel < CHANNEL_COUNT; channel += 2)
				for (int class = -1; class <= FAILURE_TIMEOUT; class += FAILURE_TIMEOUT + 1) {
					filter = any();
					filter.oldest_first = oldest;
					filter.status = status < 0 ? -1 : FAILED_DEAD;
					filter.channel = channel;
					filter.class = class;
					/* ranges: by class two channels and four statuses, as far as they are
					 * free */
					int ranges =
					        class < 0 ? 1 : (channel < 0 ? 2 : 1) * (status < 0 ? 4 : 1);
					assert_page_is_cheap(&filter, ranges + 2);
				}
}

static void pages_cover_every_row_once(void **state)
{
	struct failed_filter filter = any();

	(void)state;
	fill(400);
	assert_int_equal(walk(&filter, 7), 400);
	filter.oldest_first = true;
	assert_int_equal(walk(&filter, 9), 400);
	filter.status = FAILED_DEAD;
	assert_int_equal(walk(&filter, 3), 100);
	filter.channel = CHANNEL_COUPON;
	assert_int_equal(walk(&filter, 500), 100); /* every fourth is dead, and even */
	filter.class = FAILURE_TIMEOUT;
	filter.oldest_first = false;
	assert_int_equal(walk(&filter, 5),
	        fixture_int(db, "SELECT COUNT(*) FROM failed_notification WHERE status = 'dead' AND "
	                        "channel = 'coupon' AND class = 'timeout'"));
	filter = any();
	filter.since.ms = 1767225600000 + 10000; /* 2026-01-01T00:00:10Z */
	filter.until.ms = filter.since.ms + 10000;
	assert_int_equal(walk(&filter, 8), 70);
	filter = any();
	filter.in_dlq = true;
	fixture_exec(db, "UPDATE failed_notification SET dlq_message_id = 'm' WHERE id <= 30");
	assert_int_equal(walk(&filter, 8), 30);
}

static void a_cursor_of_another_list_is_refused(void **state)
{
	static const char *const cursors[] = { "x", "A", "A0.1", "a0.1.1", "A0.1.1 ", "A0.-1.1",
		"A0.1.1' OR '1'='1", "A0.0x1.1", "A1.1.1", "A0.11111111111111111.1", "%s%n", "B0.1.1",
		"A0.1.1.zz", "A-1.1.1", "A0.1.1.6" };
	struct failed_filter filter = any();
	struct failed_page page;
	struct usher_error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cursors); i++)
		assert_code(failed_list(db, &filter, cursors[i], 10, &page, &err), USHER_EINVAL, &err);
	/* forged within the form: an empty or full page, never an error of the database */
	assert_done(failed_list(db, &filter, "A0.ffffffffffffffff.ffffffffffffffff", 10, &page, &err), &err);
	failed_rows_free(page.rows, page.n);
}

static void search_finds_the_exact_first(void **state)
{
	struct failed_filter filter = any();
	struct failed_row *rows = NULL;
	char next[CURSOR_SIZE], cursor[CURSOR_SIZE] = "", order[200] = "";
	size_t n;

	(void)state;
	dead("user-1");
	dead("user-11");
	dead("user-12");
	dead("user_1");
	dead("50%");
	dead("500");
	fixture_exec(db, "UPDATE failed_notification SET dead_at = UTC_TIMESTAMP(3) - INTERVAL 1 HOUR WHERE "
	                 "event_id = 'user-1'");
	fixture_exec(db, "UPDATE failed_notification SET recipient = 'user-1@example.com', user_id = "
	                 "'user-1' WHERE event_id = '500'");
	filter.text = "user-1";
	do { /* page by page: the exact ones, then the others, each newest first */
		n = list(&filter, cursor, 1, &rows, next);
		assert_int_equal(n, 1);
		strcat(strcat(order, rows[0].event_id), " ");
		failed_rows_free(rows, n);
		memcpy(cursor, next, sizeof cursor);
	} while (cursor[0] != '\0');
	assert_string_equal(order, "500 user-1 user-12 user-11 ");
	filter.text = "50%"; /* a percent sign is no wildcard */
	n = list(&filter, "", 10, &rows, next);
	assert_int_equal(n, 1);
	failed_rows_free(rows, n);
	filter.text = "user_";
	n = list(&filter, "", 10, &rows, next);
	assert_int_equal(n, 1);
	assert_string_equal(rows[0].event_id, "user_1");
	failed_rows_free(rows, n);
	filter.text = "\\";
	assert_int_equal(list(&filter, "", 10, &rows, next), 0);
	failed_rows_free(rows, 0);
	filter.text = "";
	n = list(&filter, "", 10, &rows, next);
	assert_int_equal(n, 6);
	failed_rows_free(rows, n);
}

static void a_search_uses_its_indexes(void **state)
{
	struct failed_filter filter = any();
	struct failed_row *rows = NULL;
	char next[CURSOR_SIZE];
	size_t n;

	(void)state;
	fill(ROWS);
	filter.text = "m77@";
	fixture_exec(db, "FLUSH STATUS");
	n = list(&filter, "", 20, &rows, next);
	assert_int_equal(n, 1);
	assert_int_equal(rows[0].id, 77);
	failed_rows_free(rows, n);
	assert_in_range(server_did("'HANDLER_READ_KEY', 'HANDLER_READ_NEXT', 'HANDLER_READ_RND', "
	                           "'HANDLER_READ_RND_NEXT'"),
	        1, 100);
}

static void counts_stop_at_the_cap(void **state)
{
	struct failed_filter filter = any();
	struct usher_error err;
	bool capped = true;
	int64_t n = 0;

	(void)state;
	fill(FAILED_COUNT_CAP + 50);
	filter.status = FAILED_DEAD;
	assert_done(failed_count(db, &filter, &n, &capped, &err), &err);
	assert_int_equal(n, (FAILED_COUNT_CAP + 50) / 4);
	assert_false(capped);
	filter.status = -1;
	assert_done(failed_count(db, &filter, &n, &capped, &err), &err);
	assert_int_equal(n, FAILED_COUNT_CAP);
	assert_true(capped);
}

static size_t groups(
        const struct failed_filter *filter, int limit, struct failed_group **ret, bool *ret_complete)
{
	struct usher_error err;
	size_t n = 0;

	assert_done(failed_groups(db, filter, limit, ret, &n, ret_complete, &err), &err);
	return n;
}

static void groups_come_largest_first(void **state)
{
	struct failed_filter filter = any();
	struct failed_group *list_of = NULL;
	bool complete = false;
	int64_t sum = 0;
	size_t n;

	(void)state;
	fill(600); /* "reason 0".."reason 4": one cause, for numbers are none */
	fixture_exec(db, "UPDATE failed_notification SET reason = 'other' WHERE status = 'dead' AND class = "
	                 "'timeout' AND id % 16 = 4");
	filter.status = FAILED_DEAD;
	n = groups(&filter, 100, &list_of, &complete);
	assert_true(complete);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(list_of[i].status, FAILED_DEAD);
		assert_false(list_of[i].approximate);
		assert_true(list_of[i].oldest.ms <= list_of[i].newest.ms);
		assert_true(i == 0 || list_of[i].count <= list_of[i - 1].count);
		sum += list_of[i].count;
	}
	assert_int_equal(n, 4); /* three classes, and the other cause of one */
	assert_int_equal(sum, 150);
	assert_int_equal(list_of[0].count, 50);
	assert_string_equal(list_of[0].reason, "reason #");
	assert_string_equal(list_of[3].reason, "other");
	failed_groups_free(list_of, n);
	n = groups(&filter, 1, &list_of, &complete);
	assert_int_equal(n, 1);
	failed_groups_free(list_of, n);
}

static void causes_leave_out_what_differs(void **state)
{
	static const struct {
		const char *reason, *cause;
	} table[] = {
		{ "SMTP 550 5.1.1 at RCPT: <kim@example.com> no such user",
		        "SMTP 550 5.1.1 at RCPT: <@> no such user" },
		{ "SMTP 550 5.1.1 at RCPT: <김민지@예시.kr> no such user",
		        "SMTP 550 5.1.1 at RCPT: <@> no such user" },
		{ "SMTP 451 4.7.1 at DATA: try again in 300 seconds (4f2X-77)",
		        "SMTP 451 4.7.1 at DATA: try again in # seconds (#)" },
		{ "HTTP 503: request 0198c3a2-77aa at 10.0.0.7:8080", "HTTP 503: request # at #.#.#.#:#" },
		{ "no answer in time", "no answer in time" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct failed_filter filter = any();
		struct failed_group *list_of = NULL;
		char sql[400];
		bool complete;

		fixture_clear();
		dead("e1");
		snprintf(sql, sizeof sql, "UPDATE failed_notification SET reason = '%s'", table[i].reason);
		fixture_exec(db, sql);
		assert_int_equal(groups(&filter, 10, &list_of, &complete), 1);
		assert_string_equal(list_of[0].reason, table[i].cause);
		failed_groups_free(list_of, 1);
	}
}

static void one_row_with_its_attempts(void **state)
{
	int64_t id = dead("e1");
	struct failed_row *row = NULL;
	struct attempt_row *attempts = NULL;
	struct usher_error err;
	size_t n = 0;

	(void)state;
	fixture_exec(db, "INSERT INTO delivery_attempt (delivery_id, number, at, latency_ms, class, code, "
	                 "reply) SELECT id, 1, "
	                 "'2026-01-01', 5, 'service_down', 451, 'later' FROM delivery");
	fixture_exec(db, "INSERT INTO delivery_attempt (delivery_id, number, at, latency_ms, class, code, "
	                 "reply) SELECT id, 2, "
	                 "'2026-01-01 00:05', 6, 'timeout', 0, '' FROM delivery");
	assert_done(failed_get(db, id, &row, &err), &err);
	assert_string_equal(row->event_id, "e1");
	assert_int_equal(row->payload_len, strlen("body of e1"));
	assert_string_equal(row->attributes, "{\"origin\":\"x\"}");
	assert_int_equal(row->delivery_state, DELIVERY_DEAD);
	assert_null(row->recipient);
	assert_null(row->settled_by);
	assert_done(attempts_of(db, row->delivery_id, &attempts, &n, &err), &err);
	assert_int_equal(n, 2);
	assert_int_equal(attempts[0].number, 1);
	assert_int_equal(attempts[0].class, FAILURE_SERVICE_DOWN);
	assert_string_equal(attempts[0].reply, "later");
	assert_int_equal(attempts[1].latency_ms, 6);
	attempts_free(attempts, n);
	failed_rows_free(row, 1);
	assert_code(failed_get(db, id + 1, &row, &err), USHER_ENOTFOUND, &err);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_filter_has_its_index),
		TEST(pages_cover_every_row_once),
		TEST(a_cursor_of_another_list_is_refused),
		TEST(search_finds_the_exact_first),
		TEST(a_search_uses_its_indexes),
		TEST(counts_stop_at_the_cap),
		TEST(groups_come_largest_first),
		TEST(causes_leave_out_what_differs),
		TEST(one_row_with_its_attempts),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
