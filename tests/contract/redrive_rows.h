/* Dead rows, and jobs over them. For the tests of redrive jobs. */
#ifndef CONTRACT_REDRIVE_ROWS_H
#define CONTRACT_REDRIVE_ROWS_H

#include "fixture.h"

#include "base/mem.h"
#include "store/redrive_job.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static struct db *db;
static struct usher_error err;

static inline int set_up(void **state)
{
	(void)state;
	fixture_clear();
	db = fixture_db();
	fixture_exec(db, "ALTER TABLE redrive_job AUTO_INCREMENT = 1");
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	db_free(db);
	return 0;
}

/* -- Rows and jobs --------------------------------------------------------------------------------- */

/* n dead rows, ids from `first`, that died a second after each other, the last of them age_s ago. */
static inline void dead_rows(int first, int n, const char *channel, const char *class, int age_s)
{
	char sql[1200];

	snprintf(sql, sizeof sql,
	        "INSERT INTO delivery (id, event_id, channel, state, version, attempts, user_id) SELECT seq, "
	        "CONCAT('e-', seq), '%s', 'dead', 2, 3, CONCAT('u-', seq) FROM seq_%d_to_%d",
	        channel, first, first + n - 1);
	fixture_exec(db, sql);
	snprintf(sql, sizeof sql,
	        "INSERT INTO failed_notification (id, delivery_id, event_id, channel, status, class, reason, "
	        "attempts, user_id, payload, attributes, source_queue, message_id, first_at, dead_at, "
	        "updated_at) "
	        "SELECT seq, seq, CONCAT('e-', seq), '%s', 'dead', '%s', 'no answer', 3, CONCAT('u-', seq), "
	        "'{}', "
	        "'{}', 'q', 'm', at, at, at FROM (SELECT seq, UTC_TIMESTAMP(3) - INTERVAL %d SECOND + "
	        "INTERVAL seq SECOND "
	        "at FROM seq_%d_to_%d) s",
	        channel, class, age_s + first + n - 1, first, first + n - 1);
	fixture_exec(db, sql);
}

static const struct act kim = { .operator= "kim", .role = "operator", .reason = "the service is back" };

static inline struct redrive_order order_of(int channel, int class)
{
	return (struct redrive_order){ .selection = { .channel = channel, .class = class, .auto_max = -1 },
		.rate = 10,
		.canary = 1,
		.stop_on = 5,
		.act = kim };
}

static inline int64_t create(const struct redrive_order *order)
{
	int64_t id = 0;

	assert_done(redrive_job_create(db, order, &id, &err), &err);
	return id;
}

static inline struct redrive_step step(int64_t id, int64_t max)
{
	struct redrive_step s = { 0 };

	assert_done(redrive_job_step(db, id, max, &s, &err), &err);
	return s;
}

/* All that is left; returns the rows sent. */
static inline int64_t run(int64_t id)
{
	int64_t sent = 0;

	for (;;) {
		struct redrive_step s = step(id, REDRIVE_BATCH_MAX);

		sent += s.sent;
		if (s.exhausted)
			return sent;
	}
}

static inline int64_t rows(const char *where)
{
	char sql[300];

	snprintf(sql, sizeof sql, "SELECT COUNT(*) FROM failed_notification WHERE %s", where);
	return fixture_int(db, sql);
}

static inline void assert_text(const char *sql, const char *want)
{
	OWNED char *text = fixture_text(db, sql);

	assert_string_equal(text, want);
}

/* What usher does with a queued row, without the way there. */
static inline void outcome(const char *which, bool delivered)
{
	char sql[400];

	snprintf(sql, sizeof sql,
	        "UPDATE failed_notification f JOIN delivery d ON d.id = f.delivery_id SET f.status = '%s', "
	        "d.state = "
	        "'%s', f.version = f.version + 1, f.dead_at = UTC_TIMESTAMP(3) + INTERVAL 1 SECOND, "
	        "f.updated_at = "
	        "f.dead_at WHERE f.status = 'queued' AND %s",
	        delivered ? "delivered" : "dead", delivered ? "delivered" : "dead", which);
	fixture_exec(db, sql);
}

static inline struct redrive_job *get(int64_t id)
{
	struct redrive_job *job = NULL;

	assert_done(redrive_job_get(db, id, &job, &err), &err);
	assert_done(redrive_job_count(db, job, &err), &err);
	return job;
}

static inline void assert_counts(int64_t id, const char *want)
{
	struct redrive_job *job = get(id);
	char text[200];

	snprintf(text, sizeof text, "%lld sent %lld skipped %lld delivered %lld failed %lld on the way",
	        (long long)job->sent, (long long)job->skipped, (long long)redrive_job_delivered(job),
	        (long long)job->failed, (long long)job->on_the_way);
	redrive_jobs_free(job, 1);
	assert_string_equal(text, want);
}

static inline uint64_t rows_read(void)
{
	OWNED char *n =
	        fixture_text(db, "SELECT SUM(VARIABLE_VALUE) FROM information_schema.SESSION_STATUS WHERE "
	                         "VARIABLE_NAME LIKE 'HANDLER_READ%'");

	return strtoull(n, NULL, 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
