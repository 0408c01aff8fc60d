/* Jobs that cancel what matches, and jobs that take back what one cancelled, on a real database. */
#include "redrive_rows.h"

/* -- Cancelling, and taking it back ------------------------------------------------------------------ */

static struct redrive_order cancel_of(int channel, int class)
{
	struct redrive_order order = order_of(channel, class);
	order.move = FAILED_CANCEL;
	order.canary = order.stop_on = 0;
	order.act.reason = "the campaign is over";
	return order;
}

static struct redrive_order restore_of(int64_t job)
{
	struct redrive_order order = order_of(-1, -1);
	order.move = FAILED_RESTORE;
	order.selection.of_job = job;
	return order;
}

static void all_that_match_are_cancelled_and_the_rest_stays(void **state)
{
	struct redrive_order order = cancel_of(CHANNEL_COUPON, FAILURE_OUT_OF_STOCK);

	(void)state;
	dead_rows(1, 300, "coupon", "out_of_stock", 100);
	dead_rows(501, 10, "coupon", "rejected", 100);
	int64_t id = create(&order);
	dead_rows(601, 5, "coupon", "out_of_stock", -1000); /* they die later */
	assert_int_equal(run(id), 300);
	assert_int_equal(rows("status = 'cancelled' AND settled_by = 'kim' AND settled_reason = 'the "
	                      "campaign is over' AND "
	                      "job_id IS NULL AND version = 2"),
	        300);
	assert_int_equal(rows("status = 'dead'"), 15);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM delivery WHERE state = 'cancelled'"), 300);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM redrive_intent"), 0);
	assert_counts(id, "300 sent 0 skipped 0 delivered 0 failed 0 on the way");
	assert_text("SELECT CONCAT_WS('|', operator, act, target, outcome, reason, detail) FROM audit",
	        "kim|cancel_start|redrives/1|done|the campaign is over|300 dead rows, channel coupon, class "
	        "out_of_stock");
}

static void what_a_job_cancelled_is_restored_and_nothing_else(void **state)
{
	struct redrive_order order = cancel_of(-1, -1), back;
	const struct act lee = { .operator= "lee", .role = "operator", .reason = "hers alone" };

	(void)state;
	dead_rows(1, 10, "email", "timeout", 100);
	assert_done(failed_cancel(db, 3, -1, &lee, &err), &err);
	int64_t id = create(&order);
	assert_int_equal(run(id), 9);
	assert_done(failed_restore(db, 5, -1, &lee, &err), &err); /* taken back already, and */
	back = restore_of(id);
	int64_t restored = create(&back);
	assert_done(failed_restore(db, 6, -1, &lee, &err), &err); /* this one meanwhile */
	assert_int_equal(run(restored), 7);
	assert_counts(restored, "7 sent 2 skipped 0 delivered 0 failed 0 on the way");
	assert_int_equal(rows("status = 'dead' AND settled_by IS NULL"), 9);
	assert_text("SELECT CONCAT_WS('|', status, settled_by) FROM failed_notification WHERE id = 3",
	        "cancelled|lee");
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM delivery WHERE state = 'dead'"), 9);
	assert_code(redrive_job_create(db, &back, &id, &err), USHER_ENOTFOUND, &err);
	assert_non_null(strstr(err.message, "nothing to restore"));
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM redrive_job_row"),
	        0); /* and nothing is looked for again */
}

/* Rows that were taken back and cancelled again, by hand and by another job, stay with who did it last. */
static void what_was_cancelled_again_by_another_stays(void **state)
{
	struct redrive_order order = cancel_of(-1, -1), back;
	const struct act lee = { .operator= "lee", .role = "operator", .reason = "the member asked" };
	struct redrive_preview seen;

	(void)state;
	dead_rows(1, 5, "email", "timeout", 100);
	int64_t first = create(&order);
	assert_int_equal(run(first), 5);
	assert_done(failed_restore(db, 2, -1, &lee, &err), &err);
	assert_done(failed_cancel(db, 2, -1, &lee, &err), &err);
	assert_done(failed_restore(db, 3, -1, &lee, &err), &err);
	fixture_exec(db, "UPDATE failed_notification SET updated_at = dead_at WHERE id = 3");
	assert_int_equal(run(create(&order)), 1);
	back = restore_of(first);
	assert_done(redrive_job_preview(db, FAILED_RESTORE, &back.selection, &seen, &err), &err);
	assert_int_equal(seen.total, 3);
	assert_int_equal(run(create(&back)), 3);
	assert_int_equal(rows("status = 'cancelled' AND id IN (2, 3)"), 2);
	assert_int_equal(rows("status = 'dead' AND id IN (1, 4, 5)"), 3);
}

/* Two operators: what one cancels the other's job does not send, whichever is first. */
static void a_cancel_and_a_redrive_share_the_rows(void **state)
{
	struct redrive_order cancels = cancel_of(-1, -1), sends = order_of(-1, -1);

	(void)state;
	dead_rows(1, 100, "email", "timeout", 100);
	int64_t cancel = create(&cancels), redrive = create(&sends);
	step(cancel, 30);
	step(redrive, 50);
	assert_int_equal(run(cancel) + run(redrive), 100 - 30 - 50 + 0);
	assert_int_equal(rows("status = 'cancelled'") + rows("status = 'queued'"), 100);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM redrive_intent"), rows("status = 'queued'"));
}

static void a_cancel_leaves_the_counts_of_a_redrive(void **state)
{
	struct redrive_order sends = order_of(-1, -1), cancels = cancel_of(-1, -1);

	(void)state;
	dead_rows(1, 10, "email", "timeout", 100);
	int64_t redrive = create(&sends);
	run(redrive);
	outcome("f.id <= 4", false);
	outcome("f.id > 4", true);
	assert_counts(redrive, "10 sent 0 skipped 6 delivered 4 failed 0 on the way");
	fixture_exec(db, "UPDATE failed_notification SET dead_at = UTC_TIMESTAMP(3) - INTERVAL 1 SECOND, "
	                 "updated_at = dead_at");
	run(create(&cancels));
	assert_int_equal(rows("status = 'cancelled'"), 4);
	assert_counts(redrive, "10 sent 0 skipped 6 delivered 4 failed 0 on the way");
}

static void what_it_cancelled_is_remembered_as_long_as_the_job(void **state)
{
	struct redrive_order order = cancel_of(-1, -1);
	const int64_t listed[] = { 1, 2, 999 };
	struct redrive_job *job;
	bool ended;
	int pruned;

	(void)state;
	dead_rows(1, 5, "email", "timeout", 100);
	order.selection.ids = listed;
	order.selection.id_count = 3;
	int64_t id = create(&order);
	assert_int_equal(run(id), 2);
	assert_done(redrive_job_get(db, id, &job, &err), &err);
	assert_done(redrive_job_end(db, job, REDRIVE_DONE, NULL, &ended, &err), &err);
	redrive_jobs_free(job, 1);
	assert_true(ended);
	assert_text("SELECT detail FROM audit ORDER BY id DESC LIMIT 1", "2 cancelled, 1 left alone");
	assert_done(redrive_job_settle(db, id, &err), &err);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM redrive_job_row"), 2);
	fixture_exec(db, "UPDATE redrive_job SET ended_at = ended_at - INTERVAL 2 DAY");
	assert_done(redrive_job_prune(db, 86400000, 10, &pruned, &err), &err);
	assert_int_equal(pruned, 3);
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM redrive_job_row"), 0);
}

/* Also of what left the selection before its turn came, and was not even looked at. */
static void its_end_says_what_was_left_alone(void **state)
{
	struct redrive_order order = cancel_of(-1, -1);
	struct redrive_job *job;
	bool ended;

	(void)state;
	dead_rows(1, 5, "email", "timeout", 100);
	int64_t id = create(&order);
	assert_done(failed_cancel(db, 4, -1, &kim, &err), &err);
	assert_int_equal(run(id), 4);
	assert_done(redrive_job_get(db, id, &job, &err), &err);
	assert_done(redrive_job_end(db, job, REDRIVE_DONE, NULL, &ended, &err), &err);
	redrive_jobs_free(job, 1);
	assert_counts(id, "4 sent 1 skipped 0 delivered 0 failed 0 on the way");
	assert_text("SELECT detail FROM audit ORDER BY id DESC LIMIT 1", "4 cancelled, 1 left alone");
}

/* What is remembered of many is forgotten in batches, and looking whether there is something to forget does
 * not read what stays. */
static void what_it_remembered_is_forgotten_in_batches(void **state)
{
	struct redrive_order order = cancel_of(-1, -1);
	uint64_t before;
	int pruned;

	(void)state;
	dead_rows(1, 1200, "email", "timeout", 100);
	int64_t id = create(&order);
	assert_int_equal(run(id), 1200);
	before = rows_read();
	assert_done(redrive_job_prune(db, 86400000, 500, &pruned, &err), &err);
	assert_int_equal(pruned, 0);
	assert_true(rows_read() - before < 100);
	fixture_exec(db,
	        "UPDATE redrive_job SET state = 'done', settled = TRUE, ended_at = UTC_TIMESTAMP(3) - "
	        "INTERVAL 2 DAY");
	for (int left = 1200; left > 0; left -= 500) {
		assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM redrive_job_row"), left);
		assert_done(redrive_job_prune(db, 86400000, 500, &pruned, &err), &err);
		assert_int_equal(pruned, left > 500 ? 500 : 201);
	}
	assert_int_equal(fixture_int(db, "SELECT COUNT(*) FROM redrive_job"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_that_match_are_cancelled_and_the_rest_stays),
		TEST(what_a_job_cancelled_is_restored_and_nothing_else),
		TEST(what_was_cancelled_again_by_another_stays),
		TEST(a_cancel_and_a_redrive_share_the_rows),
		TEST(a_cancel_leaves_the_counts_of_a_redrive),
		TEST(what_it_cancelled_is_remembered_as_long_as_the_job),
		TEST(its_end_says_what_was_left_alone),
		TEST(what_it_remembered_is_forgotten_in_batches),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
