/* Redrive jobs on a real database: what a selection freezes, how a job goes on, what it counts, who may move
 * it. */
#include "redrive_rows.h"

/* -- What is selected --------------------------------------------------------------------------------- */

static void a_filter_selects_and_the_rest_stays(void **state)
{
	struct redrive_order order = order_of(CHANNEL_COUPON, FAILURE_SERVICE_DOWN);

	(void)state;
	dead_rows(1, 20, "coupon", "service_down", 100);
	dead_rows(101, 10, "email", "service_down", 100);
	dead_rows(201, 10, "coupon", "rejected", 100);
	int64_t id = create(&order);

	assert_int_equal(run(id), 20);
	assert_int_equal(rows("status = 'queued' AND channel = 'coupon' AND class = 'service_down'"), 20);
	assert_int_equal(rows("status = 'queued'"), 20);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM redrive_intent"), 20);
	assert_int_equal(
	        fixture_int(db, "SELECT COUNT(*) FROM delivery WHERE state = 'queued' AND attempts = 0 "
	                        "AND redrives = 1 AND version = 3"),
	        20);
	assert_text("SELECT CONCAT_WS('|', settled_by, settled_reason, job_id, redrives, auto_redrives) FROM "
	            "failed_notification WHERE id = 7",
	        "kim|the service is back|1|1|0");
	assert_text("SELECT GROUP_CONCAT(CONCAT_WS('|', operator, role, act, target, outcome, reason, "
	            "detail)) FROM "
	            "audit",
	        "kim|operator|redrive_start|redrives/1|done|the service is back|20 dead rows, channel "
	        "coupon, class "
	        "service_down, 10/s, canary 1, stop on 5");
}

static void oldest_go_first_and_every_filter_counts(void **state)
{
	static const struct {
		int channel, class;
		int64_t rows;
	} cases[] = { { -1, -1, 30 }, { CHANNEL_EMAIL, -1, 20 }, { -1, FAILURE_TIMEOUT, 20 },
		{ CHANNEL_EMAIL, FAILURE_TIMEOUT, 10 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct redrive_order order = order_of(cases[i].channel, cases[i].class);

		fixture_clear();
		dead_rows(1, 10, "email", "rejected", 300);
		dead_rows(11, 10, "coupon", "timeout", 200);
		dead_rows(21, 10, "email", "timeout", 100);
		int64_t id = create(&order);
		int64_t sent = 0;

		while (sent < 5)
			sent += step(id, 1).sent;
		assert_int_equal(rows("status = 'queued'"), 5);
		assert_int_equal(
		        fixture_int(db, "SELECT MAX(q.dead_at) < MIN(d.dead_at) FROM failed_notification q, "
		                        "failed_notification d, redrive_job j WHERE q.status = 'queued' AND "
		                        "d.status = 'dead' AND COALESCE(d.channel = j.channel, TRUE) AND "
		                        "COALESCE(d.class = j.class, TRUE)"),
		        1);
		assert_int_equal(5 + run(id), cases[i].rows);
	}
}

static void a_time_range_is_kept(void **state)
{
	struct redrive_order order = order_of(-1, -1);

	(void)state;
	dead_rows(1, 100, "email", "timeout", 1000); /* 1099 to 1000 s ago */
	order.selection.since.ms = wall_now().ms - 1050 * 1000;
	order.selection.until.ms = wall_now().ms - 1020 * 1000;
	int64_t id = create(&order);

	assert_in_range(run(id), 29, 31);
	assert_int_equal(rows("status = 'queued' AND id < 40"), 0);
	assert_int_equal(rows("status = 'queued' AND id > 85"), 0);
}

static void late_arrivals_are_said_and_not_swept_in(void **state)
{
	struct redrive_order order = order_of(CHANNEL_COUPON, -1);
	int64_t late;
	bool capped;

	(void)state;
	dead_rows(1, 3, "coupon", "timeout", 100);
	int64_t id = create(&order);
	assert_int_equal(step(id, 1).sent, 1);
	outcome("f.id = 1", false); /* died again */
	dead_rows(10, 4, "coupon", "timeout", -10);
	dead_rows(20, 4, "email", "timeout", -10);
	assert_int_equal(run(id), 2);
	assert_int_equal(rows("status = 'queued' AND id IN (2, 3)"), 2);
	assert_int_equal(rows("status = 'queued'"), 2);

	struct redrive_job *job = get(id);
	assert_done(redrive_job_late(db, job, &late, &capped, &err), &err);
	assert_int_equal(late, 5);
	redrive_jobs_free(job, 1);
}

static void as_it_was_seen_means_then(void **state)
{
	struct redrive_order order = order_of(-1, -1);

	(void)state;
	dead_rows(1, 10, "email", "timeout", 100); /* 109 to 100 s ago */
	fixture_exec(db, "UPDATE failed_notification SET updated_at = UTC_TIMESTAMP(3) WHERE id = 2");
	order.selection.seen_until.ms = wall_now().ms - 105500; /* four had died */
	int64_t id = create(&order);

	assert_int_equal(run(id), 3); /* one of them was touched since */
	assert_counts(id, "3 sent 1 skipped 0 delivered 0 failed 3 on the way");
	order.selection.seen_until.ms = wall_now().ms + 3600 * 1000;
	struct redrive_job *job = get(create(&order));
	assert_true(job->frozen_at.ms <= wall_now().ms + 1000);
	redrive_jobs_free(job, 1);
}

static void a_list_is_what_was_given(void **state)
{
	static const int64_t ids[] = { 3, 1, 5, 3, 77 };
	struct redrive_order order = order_of(-1, -1);

	(void)state;
	dead_rows(1, 6, "email", "timeout", 100);
	order.selection.ids = ids;
	order.selection.id_count = ARRAY_LEN(ids);
	int64_t id = create(&order);

	assert_done(failed_cancel(db, 5, -1, &kim, &err), &err);
	assert_int_equal(run(id), 2);
	assert_int_equal(rows("status = 'queued' AND id IN (1, 3)"), 2);
	assert_counts(id, "2 sent 2 skipped 0 delivered 0 failed 2 on the way");
	assert_int_equal(fixture_int(db, "SELECT total FROM redrive_job"), 4);
}

static void a_search_is_frozen_by_its_rows(void **state)
{
	struct redrive_order order = order_of(-1, -1);

	(void)state;
	dead_rows(1, 30, "email", "timeout", 100);
	order.selection.text = "u-1"; /* 1, 10 to 19 */
	int64_t id = create(&order);

	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM redrive_job_row"), 11);
	assert_int_equal(run(id), 11);
	assert_int_equal(rows("status = 'queued' AND user_id LIKE 'u-1%'"), 11);
}

static void what_selects_nothing_or_too_much_is_refused(void **state)
{
	static const int64_t ids[] = { 8, 9 };
	struct redrive_order order = order_of(CHANNEL_EMAIL, -1);
	int64_t id;

	(void)state;
	assert_code(redrive_job_create(db, &order, &id, &err), USHER_ENOTFOUND, &err);
	assert_non_null(strstr(err.message, "no dead row matches"));
	order.selection.ids = ids;
	order.selection.id_count = 2;
	assert_code(redrive_job_create(db, &order, &id, &err), USHER_ENOTFOUND, &err);
	order.selection.id_count = REDRIVE_IDS_MAX + 1;
	assert_code(redrive_job_create(db, &order, &id, &err), USHER_EINVAL, &err);
	dead_rows(1, REDRIVE_IDS_MAX + 5, "email", "timeout", 100);
	order = order_of(-1, -1);
	order.selection.text = "u-";
	assert_code(redrive_job_create(db, &order, &id, &err), USHER_EINVAL, &err);
	assert_non_null(strstr(err.message, "more than 10000 rows"));
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM redrive_job"), 0);
	order = order_of(-1, -1);
	for (int i = 0; i < REDRIVE_OPEN_MAX; i++)
		create(&order);
	assert_code(redrive_job_create(db, &order, &id, &err), USHER_ECONFLICT, &err);
	assert_non_null(strstr(err.message, "50 redrive jobs are open"));
}

static void a_look_tells_what_would_happen(void **state)
{
	struct redrive_order order = order_of(-1, -1);
	struct redrive_preview p;

	(void)state;
	dead_rows(1, 4, "email", "ambiguous", 200);
	dead_rows(11, 3, "coupon", "service_down", 100);
	fixture_exec(db,
	        "INSERT INTO delivery_attempt (delivery_id, number, at, latency_ms, class, reply) VALUES "
	        "(1, 1, UTC_TIMESTAMP(3), 1, 'ambiguous', ''), (1, 2, UTC_TIMESTAMP(3), 1, 'ambiguous', ''), "
	        "(2, 1, UTC_TIMESTAMP(3), 1, 'ambiguous', ''), (3, 1, UTC_TIMESTAMP(3), 1, 'timeout', ''), "
	        "(12, 1, UTC_TIMESTAMP(3), 1, 'ambiguous', '')");
	fixture_exec(db, "INSERT INTO delivery (event_id, channel, state, user_id) VALUES ('x', 'coupon', "
	                 "'delivered', "
	                 "'u-13'), ('y', 'email', 'delivered', 'u-11'), ('z', 'coupon', 'dead', 'u-11')");
	assert_done(redrive_job_preview(db, FAILED_REDRIVE, &order.selection, &p, &err), &err);
	assert_int_equal(p.total, 7);
	assert_false(p.total_capped);
	assert_int_equal(p.group_count, 2);
	assert_int_equal(p.groups[0].channel, CHANNEL_COUPON);
	assert_int_equal(p.groups[0].class, FAILURE_SERVICE_DOWN);
	assert_int_equal(p.groups[0].count, 3);
	assert_int_equal(p.groups[0].maybe_done, 1);
	assert_int_equal(p.groups[0].member_has, 1);
	assert_int_equal(p.groups[1].count, 4);
	assert_int_equal(p.groups[1].maybe_done, 2);
	assert_int_equal(p.groups[1].member_has, 0);
	assert_in_range(p.newest.ms - p.oldest.ms, 102000, 104000);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM redrive_job"), 0);
	assert_int_equal(rows("status = 'dead'"), 7);
	order.selection.channel = CHANNEL_EMAIL;
	order.selection.class = FAILURE_MALFORMED;
	assert_done(redrive_job_preview(db, FAILED_REDRIVE, &order.selection, &p, &err), &err);
	assert_int_equal(p.total, 0);
	assert_int_equal(p.group_count, 0);
}

/* -- How it goes on ------------------------------------------------------------------------------------- */

static void a_job_goes_on_where_it_was(void **state)
{
	struct redrive_order order = order_of(-1, -1);

	(void)state;
	dead_rows(1, 40, "email", "timeout", 100);
	fixture_exec(db,
	        "UPDATE failed_notification SET dead_at = '2026-01-01', updated_at = '2026-01-01'"); /* all at
	                                                                                                the
	                                                                                                same
	                                                                                                moment
	                                                                                              */
	int64_t id = create(&order);

	assert_int_equal(step(id, 7).sent, 7);
	fixture_kill();
	struct redrive_step s;
	assert_code(redrive_job_step(db, id, 7, &s, &err), USHER_EUNAVAILABLE, &err);
	fixture_restart();
	db_free(db); /* another daemon */
	db = fixture_db();
	assert_int_equal(rows("status = 'queued' AND id <= 7"), 7);
	assert_int_equal(step(id, 7).sent, 7);
	assert_int_equal(rows("status = 'queued' AND id <= 14"), 14);
	assert_int_equal(run(id), 26);
	assert_int_equal(rows("status = 'queued' AND redrives = 1"), 40);
	assert_int_equal(step(id, 7).sent, 0);
	assert_counts(id, "40 sent 0 skipped 0 delivered 0 failed 40 on the way");
}

static void what_changed_meanwhile_is_left_alone(void **state)
{
	static const int64_t ids[] = { 1, 2, 3, 4, 5, 6 };
	struct redrive_order order = order_of(-1, -1);

	(void)state;
	dead_rows(1, 6, "email", "timeout", 100);
	order.selection.ids = ids;
	order.selection.id_count = 6;
	int64_t id = create(&order);

	assert_done(failed_cancel(db, 1, -1, &kim, &err), &err);
	assert_done(failed_restore(db, 1, -1, &kim, &err), &err); /* dead, and not as it was */
	assert_done(failed_cancel(db, 2, -1, &kim, &err), &err);
	assert_done(failed_redrive(db, 3, -1, &kim, &err), &err);
	fixture_exec(db, "UPDATE delivery SET state = 'claimed' WHERE id = 4"); /* a worker is at it */
	assert_int_equal(run(id), 2);
	assert_int_equal(rows("job_id = 1 AND id IN (5, 6)"), 2);
	assert_counts(id, "2 sent 4 skipped 0 delivered 0 failed 2 on the way");
	assert_text("SELECT GROUP_CONCAT(status ORDER BY id) FROM failed_notification",
	        "dead,cancelled,queued,dead,queued,queued");
}

static void outcomes_are_counted_from_the_rows(void **state)
{
	struct redrive_order order = order_of(-1, -1);

	(void)state;
	dead_rows(1, 10, "email", "timeout", 100);
	int64_t first = create(&order), second;

	assert_int_equal(run(first), 10);
	outcome("f.id <= 3", true);
	outcome("f.id IN (4, 5, 6, 7)", false);
	assert_counts(first, "10 sent 0 skipped 3 delivered 4 failed 3 on the way");
	assert_done(failed_cancel(db, 4, -1, &kim, &err), &err);
	assert_done(failed_redrive(db, 5, -1, &kim, &err), &err); /* taken over by an operator */
	assert_counts(first, "10 sent 0 skipped 3 delivered 4 failed 3 on the way");
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM failed_notification WHERE job_id IS NULL"), 1);
	fixture_exec(db, "UPDATE failed_notification SET dead_at = UTC_TIMESTAMP(3), updated_at = dead_at "
	                 "WHERE status "
	                 "= 'dead'");
	second = create(&order); /* takes over the two others */
	assert_int_equal(run(second), 2);
	outcome("f.id IN (6, 7)", true);
	assert_counts(first, "10 sent 0 skipped 3 delivered 4 failed 3 on the way");
	assert_counts(second, "2 sent 0 skipped 2 delivered 0 failed 0 on the way");
	fixture_exec(db, "DELETE FROM failed_notification WHERE status = 'delivered'"); /* retention */
	assert_counts(first, "10 sent 0 skipped 3 delivered 4 failed 3 on the way");
}

static void two_jobs_send_no_row_twice(void **state)
{
	struct redrive_order order = order_of(-1, -1);

	(void)state;
	dead_rows(1, 100, "email", "timeout", 100);
	int64_t one = create(&order), two = create(&order), sent_one = 0, sent_two = 0;

	for (int i = 0; i < 30; i++) {
		sent_one += step(one, 7).sent;
		sent_two += step(two, 3).sent;
	}
	assert_int_equal(sent_one + sent_two, 100);
	assert_true(sent_one > 0 && sent_two > 0);
	assert_int_equal(rows("status = 'queued' AND redrives = 1"), 100);
}

/* -- Who moves it ------------------------------------------------------------------------------------------
 */

static void a_job_is_paused_resumed_and_stopped(void **state)
{
	static const struct act lee = { .operator= "lee", .role = "operator", .reason = "lunch" };
	struct redrive_order order = order_of(-1, -1);

	(void)state;
	dead_rows(1, 10, "email", "timeout", 100);
	int64_t id = create(&order);

	assert_int_equal(step(id, 2).sent, 2);
	assert_done(redrive_job_act(db, id, REDRIVE_PAUSE, 1, &lee, &err), &err);
	assert_int_equal(step(id, 2).sent, 0);
	assert_code(redrive_job_act(db, id, REDRIVE_PAUSE, -1, &kim, &err), USHER_ECONFLICT, &err);
	assert_string_equal(err.message, "redrive job 1 is already paused by lee");
	assert_code(redrive_job_act(db, id, REDRIVE_RESUME, 1, &kim, &err), USHER_ECONFLICT, &err);
	assert_non_null(strstr(err.message, "version 1 then, 2 now"));
	assert_done(redrive_job_act(db, id, REDRIVE_RESUME, 2, &kim, &err), &err);
	assert_int_equal(step(id, 2).sent, 2);
	assert_done(redrive_job_act(db, id, REDRIVE_STOP, -1, &lee, &err), &err);
	assert_int_equal(step(id, 2).sent, 0);
	assert_code(redrive_job_act(db, id, REDRIVE_RESUME, -1, &kim, &err), USHER_ECONFLICT, &err);
	assert_string_equal(err.message, "redrive job 1 is stopped by lee");
	assert_code(redrive_job_act(db, 99, REDRIVE_STOP, -1, &kim, &err), USHER_ENOTFOUND, &err);
	assert_int_equal(rows("status = 'dead'"), 6);
	assert_text("SELECT GROUP_CONCAT(CONCAT_WS(' ', operator, act, outcome) ORDER BY id) FROM audit",
	        "kim redrive_start done,lee redrive_pause done,kim redrive_pause conflict,kim redrive_resume "
	        "conflict,kim redrive_resume done,lee redrive_stop done,kim redrive_resume conflict,kim "
	        "redrive_stop "
	        "refused");
}

static void usher_ends_it_once(void **state)
{
	struct redrive_order order = order_of(-1, -1);
	struct redrive_job *open;
	size_t n;
	bool ended;

	(void)state;
	dead_rows(1, 4, "email", "timeout", 100);
	int64_t id = create(&order);

	assert_done(failed_cancel(db, 4, -1, &kim, &err), &err);
	assert_int_equal(run(id), 3);
	outcome("TRUE", true);
	struct redrive_job *job = get(id);
	assert_done(redrive_job_end(db, job, REDRIVE_DONE, NULL, &ended, &err), &err);
	assert_true(ended);
	assert_done(redrive_job_end(db, job, REDRIVE_STOPPED, "too late", &ended, &err), &err);
	assert_false(ended);
	redrive_jobs_free(job, 1);
	assert_counts(id, "3 sent 1 skipped 3 delivered 0 failed 0 on the way");
	assert_done(redrive_jobs_open(db, 10, &open, &n, &err), &err);
	assert_int_equal(n, 1);
	redrive_jobs_free(open, n);
	assert_done(redrive_job_settle(db, id, &err), &err);
	assert_done(redrive_jobs_open(db, 10, &open, &n, &err), &err);
	assert_int_equal(n, 0);
	redrive_jobs_free(open, n);
	assert_text("SELECT CONCAT_WS('|', operator, role, act, detail) FROM audit ORDER BY id DESC LIMIT 1",
	        "usher|usher|redrive_done|3 sent, 3 delivered, 0 failed again, 0 on their way");
	fixture_exec(db, "UPDATE redrive_job SET ended_at = ended_at - INTERVAL 2 DAY");
	int pruned;
	assert_done(redrive_job_prune(db, 86400000, 10, &pruned, &err), &err);
	assert_int_equal(pruned, 1);
}

static void the_list_is_newest_first_in_pages(void **state)
{
	struct redrive_order order = order_of(-1, -1);
	struct redrive_job *jobs;
	char next[CURSOR_SIZE];
	size_t n;

	(void)state;
	dead_rows(1, 1, "email", "timeout", 100);
	for (int i = 0; i < 5; i++)
		create(&order);
	assert_done(redrive_job_list(db, "", 3, &jobs, &n, next, &err), &err);
	assert_int_equal(n, 3);
	assert_int_equal(jobs[0].id, 5);
	redrive_jobs_free(jobs, n);
	assert_done(redrive_job_list(db, next, 3, &jobs, &n, next, &err), &err);
	assert_int_equal(n, 2);
	assert_int_equal(jobs[1].id, 1);
	assert_string_equal(next, "");
	redrive_jobs_free(jobs, n);
	assert_code(redrive_job_list(db, "nonsense", 3, &jobs, &n, next, &err), USHER_EINVAL, &err);
}

/* -- By usher itself ------------------------------------------------------------------------------------- */

static void an_automatic_job_takes_a_row_only_so_often(void **state)
{
	struct redrive_order order = order_of(CHANNEL_COUPON, FAILURE_SERVICE_DOWN);
	bool wanted;

	(void)state;
	order.selection.auto_max = 2;
	order.act = redrive_usher;
	dead_rows(1, 6, "coupon", "service_down", 100);
	dead_rows(11, 6, "email", "service_down", 100);
	fixture_exec(db, "UPDATE failed_notification SET auto_redrives = 2 WHERE id IN (1, 2, 3)");
	order.selection.seen_until = wall_now();
	assert_done(redrive_job_wanted(db, &order.selection, &wanted, &err), &err);
	assert_true(wanted);
	int64_t id = create(&order);
	assert_int_equal(fixture_int(db, "SELECT total FROM redrive_job"), 3);
	assert_int_equal(run(id), 3);
	assert_int_equal(rows("auto_redrives = 1 AND status = 'queued' AND id IN (4, 5, 6)"), 3);
	assert_done(redrive_job_wanted(db, &order.selection, &wanted, &err), &err);
	assert_false(wanted);
	assert_done(failed_redrive(db, 1, -1, &kim, &err), &err); /* an operator begins anew */
	assert_int_equal(rows("id = 1 AND auto_redrives = 0 AND job_id IS NULL"), 1);
	assert_text("SELECT settled_by FROM failed_notification WHERE id = 4", "usher");
}

static void history_tells_how_often_it_stopped(void **state)
{
	struct redrive_history h;

	(void)state;
	fixture_exec(db,
	        "INSERT INTO redrive_job (kind, state, created_by, role, channel, class, listed, frozen_at, "
	        "total, total_capped, rate, canary, stop_on, ended_at) SELECT 'auto', state, 'usher', "
	        "'usher', "
	        "channel, class, 0, UTC_TIMESTAMP(3), 1, 0, 1, 1, 1, UTC_TIMESTAMP(3) - INTERVAL age SECOND "
	        "FROM (SELECT 'stopped' state, 'email' channel, 'timeout' class, 900 age UNION ALL SELECT "
	        "'done', 'email', 'timeout', 800 UNION ALL SELECT 'stopped', 'email', 'timeout', 700 UNION "
	        "ALL "
	        "SELECT 'stopped', 'email', 'timeout', 600 UNION ALL SELECT 'stopped', 'email', "
	        "'service_down', "
	        "500 UNION ALL SELECT 'done', 'email', 'service_down', 400) x");
	assert_done(redrive_job_history(db, CHANNEL_EMAIL, &h, &err), &err);
	assert_false(h.open);
	assert_int_equal(h.class[FAILURE_TIMEOUT].stops, 2);
	assert_in_range(h.class[FAILURE_TIMEOUT].ended_ms_ago, 600000, 610000);
	assert_int_equal(h.class[FAILURE_SERVICE_DOWN].stops, 0);
	assert_int_equal(h.class[FAILURE_RATE_LIMITED].ended_ms_ago, -1);
	assert_done(redrive_job_history(db, CHANNEL_COUPON, &h, &err), &err);
	assert_int_equal(h.class[FAILURE_TIMEOUT].ended_ms_ago, -1);
	fixture_exec(db, "UPDATE redrive_job SET state = 'paused' WHERE channel = 'email' LIMIT 1");
	assert_done(redrive_job_history(db, CHANNEL_EMAIL, &h, &err), &err);
	assert_true(h.open);
}

/* -- Large tables
 * --------------------------------------------------------------------------------------------- */

static void a_step_reads_its_rows_and_no_more(void **state)
{
	static const struct {
		int channel, class, auto_max;
	} cases[] = { { -1, -1, -1 }, { CHANNEL_COUPON, -1, -1 }, { -1, FAILURE_SERVICE_DOWN, -1 },
		{ CHANNEL_COUPON, FAILURE_SERVICE_DOWN, -1 }, { CHANNEL_COUPON, FAILURE_SERVICE_DOWN, 3 } };

	(void)state;
	dead_rows(1, 50000, "coupon", "service_down", 100);
	fixture_exec(db, "ANALYZE TABLE failed_notification");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct redrive_order order = order_of(cases[i].channel, cases[i].class);
		uint64_t before;

		order.selection.auto_max = cases[i].auto_max;
		before = rows_read();
		int64_t id = create(&order);
		assert_true(rows_read() - before < 3 * FAILED_COUNT_CAP);
		for (int k = 0; k < 10; k++) {
			before = rows_read();
			assert_int_equal(step(id, 100).sent, 100);
			assert_true(rows_read() - before < 4000);
		}
		assert_done(redrive_job_act(db, id, REDRIVE_STOP, -1, &kim, &err), &err);
	}
	struct redrive_order rest = order_of(-1, -1);
	rest.selection.auto_max = -1;
	assert_int_equal(run(create(&rest)), 45000);
	assert_int_equal(rows("status = 'queued' AND redrives = 1"), 50000);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM redrive_intent"), 50000);
	assert_int_equal(fixture_int(db, "SELECT MAX(total_capped) FROM redrive_job"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_filter_selects_and_the_rest_stays),
		TEST(oldest_go_first_and_every_filter_counts),
		TEST(a_time_range_is_kept),
		TEST(late_arrivals_are_said_and_not_swept_in),
		TEST(as_it_was_seen_means_then),
		TEST(a_list_is_what_was_given),
		TEST(a_search_is_frozen_by_its_rows),
		TEST(what_selects_nothing_or_too_much_is_refused),
		TEST(a_look_tells_what_would_happen),
		TEST(a_job_goes_on_where_it_was),
		TEST(what_changed_meanwhile_is_left_alone),
		TEST(outcomes_are_counted_from_the_rows),
		TEST(two_jobs_send_no_row_twice),
		TEST(a_job_is_paused_resumed_and_stopped),
		TEST(usher_ends_it_once),
		TEST(the_list_is_newest_first_in_pages),
		TEST(an_automatic_job_takes_a_row_only_so_often),
		TEST(history_tells_how_often_it_stopped),
		TEST(a_step_reads_its_rows_and_no_more),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
