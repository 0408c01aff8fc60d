/* Sign-ups and the outbox: stored together or not at all, taken by one relay at a time, oldest first. */
#include "fixture.h"

#include "base/mem.h"
#include "store/outbox.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define LEASE_MS 60000

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

static int signup(const char *user_id, const char *email, const char *name, struct usher_error *err)
{
	char id[40], event_id[EVENT_ID_MAX + 1] = "";
	struct event event = { .event_id = id,
		.type = (char *)"user-signup",
		.user_id = (char *)user_id,
		.email = (char *)email,
		.name = (char *)name,
		.locale = (char *)"ko-KR" };
	int code;

	snprintf(id, sizeof id, "event-of-%.20s", user_id); /* as engine/signup.c: one event a member */
	code = outbox_signup(db, &event, event_id, err);
	if (code == 0)
		assert_string_equal(event_id, id);
	return code;
}

static void fill(int n)
{
	for (int i = 0; i < n; i++) {
		char text[200];

		snprintf(text, sizeof text,
		        "INSERT INTO signup_outbox (event_id, payload) VALUES ('e%d', "
		        "'{\"eventId\":\"e%d\",\"name\":\"김\"}')",
		        i, i);
		fixture_exec(db, text);
	}
}

static struct outbox_row *take(int max, size_t *ret_n)
{
	struct outbox_row *rows = NULL;
	struct usher_error err;

	assert_done(outbox_take(db, max, LEASE_MS, &rows, ret_n, &err), &err);
	return rows;
}

static void a_sign_up_stores_both_or_none(void **state)
{
	struct usher_error err;

	(void)state;
	assert_done(signup("u1", "kim@example.com", "김민수", &err), &err);
	assert_int_equal(
	        fixture_int(db, "SELECT COUNT(*) FROM users WHERE user_id = 'u1' AND name = '김민수'"), 1);
	assert_int_equal(
	        fixture_int(db, "SELECT COUNT(*) FROM signup_outbox WHERE event_id = 'event-of-u1' AND "
	                        "JSON_VALUE(payload, '$.email') = 'kim@example.com'"),
	        1);
	/* the event is there already, from an application of its own: the user is not stored either */
	fixture_exec(db, "INSERT INTO signup_outbox (event_id, payload) VALUES ('event-of-u2', '{}')");
	assert_code(signup("u2", "lee@example.com", "Lee", &err), USHER_ECONFLICT, &err);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM users"), 1);
}

static void a_repeated_call_finds_the_first(void **state)
{
	struct usher_error err;

	(void)state;
	assert_done(signup("u1", "kim@example.com", "Kim", &err), &err);
	assert_done(signup("u1", "kim@example.com", "Kim", &err), &err);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM signup_outbox"), 1);
	/* but not another person's */
	assert_code(signup("u1", "kim@example.com", "Kim Two", &err), USHER_ECONFLICT, &err);
	assert_code(signup("u1", "other@example.com", "Kim", &err), USHER_ECONFLICT, &err);
	assert_code(signup("u2", "kim@example.com", "Kim", &err), USHER_ECONFLICT, &err);
	assert_non_null(strstr(err.message, "signed up already"));
	assert_null(strstr(err.message, "kim@example.com"));
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM users"), 1);
}

static void the_oldest_are_taken_first_and_once(void **state)
{
	struct outbox_row *first, *second, *none;
	size_t n = 0;

	(void)state;
	fill(5);
	first = take(3, &n);
	assert_int_equal(n, 3);
	assert_string_equal(first[0].event_id, "e0");
	assert_string_equal(first[2].event_id, "e2");
	assert_string_equal(first[0].payload, "{\"eventId\":\"e0\",\"name\":\"김\"}");
	assert_int_equal(first[0].payload_len, strlen(first[0].payload));
	second = take(3, &n);
	assert_int_equal(n, 2);
	assert_string_equal(second[0].event_id, "e3");
	none = take(3, &n);
	assert_int_equal(n, 0);
	outbox_rows_free(first, 3);
	outbox_rows_free(second, 2);
	outbox_rows_free(none, 0);
	/* a relay that died: its lease ends */
	fixture_exec(db, "UPDATE signup_outbox SET next_at = UTC_TIMESTAMP(3) WHERE event_id = 'e1'");
	first = take(3, &n);
	assert_int_equal(n, 1);
	assert_string_equal(first[0].event_id, "e1");
	outbox_rows_free(first, n);
}

static void published_and_failed_rows(void **state)
{
	struct outbox_counts counts;
	struct outbox_row *rows;
	struct usher_error err;
	size_t n = 0;

	(void)state;
	assert_done(outbox_count(db, &counts, &err), &err);
	assert_int_equal(counts.waiting, 0);
	assert_int_equal(counts.oldest_age_ms, -1);
	fill(4);
	fixture_exec(db, "UPDATE signup_outbox SET created_at = UTC_TIMESTAMP(3) - INTERVAL 1 MINUTE WHERE "
	                 "event_id = 'e1'");
	rows = take(4, &n);
	assert_done(outbox_published(db, &rows[0].id, 1, &err), &err);
	assert_done(outbox_failed(db, &rows[1].id, 1, 0, "the broker's words: \xff", &err),
	        &err); /* at once, not counted */
	assert_done(outbox_failed(db, &rows[2].id, 2, 60000, "refused", &err), &err);
	assert_done(outbox_published(db, NULL, 0, &err), &err);
	assert_done(outbox_failed(db, NULL, 0, 0, "nothing", &err), &err);
	outbox_rows_free(rows, n);
	assert_done(outbox_count(db, &counts, &err), &err);
	assert_int_equal(counts.waiting, 3);
	assert_in_range(counts.oldest_age_ms, 60000, 70000);
	rows = take(4, &n);
	assert_int_equal(n, 1);
	assert_string_equal(rows[0].event_id, "e1");
	assert_int_equal(rows[0].attempts, 0);
	assert_string_equal(rows[0].last_error, "the broker's words: ?");
	outbox_rows_free(rows, n);
	assert_int_equal(fixture_int(db, "SELECT attempts FROM signup_outbox WHERE event_id = 'e2'"), 1);
}

static void published_rows_go_after_a_while(void **state)
{
	struct usher_error err;
	int n = 0;

	(void)state;
	fill(6);
	fixture_exec(db,
	        "UPDATE signup_outbox SET published_at = UTC_TIMESTAMP(3) - INTERVAL 31 DAY WHERE id % 2");
	fixture_exec(db, "UPDATE signup_outbox SET created_at = UTC_TIMESTAMP(3) - INTERVAL 300 DAY");
	assert_done(outbox_prune(db, 30ll * 86400000, 2, &n, &err), &err);
	assert_int_equal(n, 2);
	assert_done(outbox_prune(db, 30ll * 86400000, 2, &n, &err), &err);
	assert_int_equal(n, 1);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM signup_outbox WHERE published_at IS NULL"), 3);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM signup_outbox"), 3);
}

static void the_list_shows_what_waits_then_what_went(void **state)
{
	char cursor[CURSOR_SIZE] = "", next[CURSOR_SIZE], seen[200] = "";
	struct outbox_row *rows = NULL;
	struct usher_error err;
	size_t n = 0;

	(void)state;
	fill(7);
	fixture_exec(db, "UPDATE signup_outbox SET published_at = '2026-01-01' + INTERVAL (id DIV 2) SECOND "
	                 "WHERE event_id IN ('e0', 'e2', 'e3', 'e5')");
	do {
		assert_done(outbox_list(db, false, cursor, 2, &rows, &n, next, &err), &err);
		assert_true(n <= 2);
		for (size_t i = 0; i < n; i++)
			strcat(strcat(seen, rows[i].event_id), " ");
		outbox_rows_free(rows, n);
		memcpy(cursor, next, sizeof cursor);
	} while (cursor[0] != '\0');
	assert_int_equal(strlen(seen), 7 * 3);
	assert_memory_equal(seen, "e1 e4 e6 ", 9);
	assert_memory_equal(seen + 9, "e5 ", 3); /* the newest published */
	assert_memory_equal(seen + 18, "e0 ", 3);
	assert_done(outbox_list(db, true, "", 100, &rows, &n, next, &err), &err);
	assert_int_equal(n, 3);
	assert_string_equal(next, "");
	outbox_rows_free(rows, n);
	assert_code(outbox_list(db, false, "x1.1", 2, &rows, &n, next, &err), USHER_EINVAL, &err);
	assert_code(outbox_list(db, true, "p1.1", 2, &rows, &n, next, &err), USHER_EINVAL, &err);
	assert_code(outbox_list(db, false, "w' OR 1=1", 2, &rows, &n, next, &err), USHER_EINVAL, &err);
	/* a forged one within the form is harmless */
	assert_done(outbox_list(db, false, "p7fffffffffffffff.1", 2, &rows, &n, next, &err), &err);
	outbox_rows_free(rows, n);
}

/* -- Two relays ------------------------------------------------------------------------------------ */

#define EVENTS 200
#define RELAYS 3

struct relay {
	pthread_barrier_t *barrier;
	int taken, code;
	struct usher_error err;
};

static void *relay_thread(void *arg)
{
	struct relay *r = arg;
	struct db *own = fixture_db();
	size_t n = 1;

	db_ping(own, NULL);
	pthread_barrier_wait(r->barrier);
	while (n > 0 && r->code == 0) {
		struct outbox_row *rows = NULL;
		int64_t ids[10];

		r->code = outbox_take(own, 10, LEASE_MS, &rows, &n, &r->err);
		if (r->code != 0)
			break;
		for (size_t i = 0; i < n; i++)
			ids[i] = rows[i].id;
		r->taken += (int)n;
		r->code = outbox_published(own, ids, n, &r->err);
		outbox_rows_free(rows, n);
	}
	db_free(own);
	return NULL;
}

static void relays_take_disjoint_rows(void **state)
{
	struct relay relays[RELAYS] = { 0 };
	pthread_t threads[RELAYS];
	pthread_barrier_t barrier;
	int taken = 0;

	(void)state;
	fill(EVENTS);
	pthread_barrier_init(&barrier, NULL, RELAYS);
	for (int i = 0; i < RELAYS; i++) {
		relays[i].barrier = &barrier;
		pthread_create(&threads[i], NULL, relay_thread, &relays[i]);
	}
	for (int i = 0; i < RELAYS; i++) {
		pthread_join(threads[i], NULL);
		assert_done(relays[i].code, &relays[i].err);
		taken += relays[i].taken;
	}
	pthread_barrier_destroy(&barrier);
	/* one that met only locked rows went home early; no row was taken twice, and none stays behind for
	 * good */
	assert_int_equal(taken, EVENTS);
	assert_int_equal(
	        fixture_int(db,
	                "SELECT COUNT(*) FROM signup_outbox WHERE attempts = 1 AND published_at IS NOT NULL"),
	        EVENTS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_sign_up_stores_both_or_none),
		TEST(a_repeated_call_finds_the_first),
		TEST(the_oldest_are_taken_first_and_once),
		TEST(published_and_failed_rows),
		TEST(published_rows_go_after_a_while),
		TEST(the_list_shows_what_waits_then_what_went),
		TEST(relays_take_disjoint_rows),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
