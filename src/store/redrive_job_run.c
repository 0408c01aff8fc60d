/* How redrive jobs go on: step by step, each in one transaction over the job's place and the rows it sends,
 * so that a job killed anywhere goes on where it was; and counting what came of them. A step looks at a
 * bounded number of rows by the index whose order is the job's. On the db's thread. */
#include "store/redrive_job_parts.h"

#include "base/mem.h"
#include "base/text.h"
#include "store/ledger_parts.h"

#include <string.h>

#define LOOK_MAX 1000 /* rows that a step looks at where the index does not tell all that the job asks */

struct stepping {
	int64_t id, max;
	struct redrive_job *job; /* as locked */
	wall_time cursor_at;
	int64_t cursor_id;
	struct failed_pick picks[REDRIVE_BATCH_MAX];
	size_t picked;
	int64_t moved[REDRIVE_BATCH_MAX]; /* ids */
	struct redrive_step step;
};

int redrive_jobs_open(
        struct db *db, size_t max, struct redrive_job **ret_jobs, size_t *ret_n, struct usher_error *err)
{
	struct sql sql = sql_new(db);

	sql_add(&sql,
	        "SELECT " REDRIVE_JOB_COLUMNS
	        " FROM redrive_job FORCE INDEX (unsettled) WHERE settled = FALSE "
	        "ORDER BY id LIMIT ?i",
	        (int64_t)max);
	return redrive_jobs_query(db, &sql, ret_jobs, ret_n, err);
}

/* -- Picking ---------------------------------------------------------------------------------------- */

static int lock_job(struct db *db, struct stepping *s, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows = NULL;
	size_t n = 0;
	int code;

	sql_add(&sql, "SELECT cursor_at, cursor_id FROM redrive_job WHERE id = ?i FOR UPDATE", s->id);
	code = db_query(db, &sql, &rows, err);
	if (code != 0)
		return code;
	if (rows_next(rows)) {
		s->cursor_at = row_time(rows, 0);
		s->cursor_id = row_int(rows, 1);
	}
	rows_free(rows);
	sql = sql_new(db);
	sql_add(&sql, "SELECT " REDRIVE_JOB_COLUMNS " FROM redrive_job WHERE id = ?i AND state = 'running'",
	        s->id);
	redrive_jobs_free(s->job, s->job != NULL); /* of a try that was rolled back */
	s->job = NULL;
	code = redrive_jobs_query(db, &sql, &s->job, &n, err);
	if (code == 0 && n == 0) {
		redrive_jobs_free(s->job, 0);
		s->job = NULL;
	}
	return code;
}

/* id, version, dead_at, fit, channel, auto_redrives of the next rows. */
static void add_listed(struct sql *sql, const struct stepping *s)
{
	bool is_restore = s->job->of_job > 0;

	sql_add(sql,
	        "SELECT r.failed_id, f.version, f.dead_at, COALESCE(f.status = ?s AND f.updated_at <= ?t",
	        failed_status_name(failed_move_from(s->job->move)), s->job->frozen_at);
	sql_add(sql, is_restore ? " AND f.version = r.acted" : "");
	sql_add(sql,
	        ", FALSE), f.channel, f.auto_redrives FROM redrive_job_row r LEFT JOIN failed_notification f "
	        "ON f.id = r.failed_id WHERE r.job_id = ?i AND r.failed_id > ?i",
	        is_restore ? s->job->of_job : s->id, s->cursor_id);
	sql_add(sql, is_restore ? " AND r.acted IS NOT NULL" : "");
	sql_add(sql, " ORDER BY r.failed_id LIMIT ?i", s->max);
}

/* With a class the channel is not asked of the database: the class's index has the order. */
static void add_found(struct sql *sql, const struct stepping *s, int64_t limit)
{
	const struct redrive_job *job = s->job;
	struct redrive_selection all = { .channel = job->class >= 0 ? -1 : job->channel,
		.class = job->class,
		.since = job->since,
		.until = job->until,
		.auto_max = -1 };
	struct failed_filter filter = redrive_filter(&all, job->frozen_at);

	sql_add(sql, "SELECT f.id, f.version, f.dead_at, f.updated_at <= ?t, f.channel, f.auto_redrives ",
	        job->frozen_at);
	redrive_add_selected(sql, &filter);
	if (s->cursor_at.ms != 0)
		sql_add(sql, "AND f.dead_at >= ?t AND (f.dead_at > ?t OR f.id > ?i) ", s->cursor_at,
		        s->cursor_at, s->cursor_id);
	sql_add(sql, "ORDER BY f.dead_at, f.id LIMIT ?i", limit);
}

/* Does the job want this row at all? */
static bool wants(const struct redrive_job *job, const struct rows *rows)
{
	enum channel_id channel;

	if (job->listed)
		return true;
	if (job->auto_max >= 0 && row_int(rows, 5) >= job->auto_max)
		return false;
	return job->channel < 0 ||
	       (channel_by_name(row_text(rows, 4), &channel) && (int)channel == job->channel);
}

static void pick_row(struct stepping *s, const struct rows *rows)
{
	s->cursor_id = row_int(rows, 0);
	if (!s->job->listed)
		s->cursor_at = row_time(rows, 2);
	if (!wants(s->job, rows))
		return;
	if (row_int(rows, 3) == 0) {
		s->step.skipped++;
		return;
	}
	s->picks[s->picked++] = (struct failed_pick){ row_int(rows, 0), (int)row_int(rows, 1) };
}

static int pick(struct db *db, struct stepping *s, struct usher_error *err)
{
	const struct redrive_job *job = s->job;
	bool exact = job->listed || (job->auto_max < 0 && (job->class < 0 || job->channel < 0));
	int64_t limit = exact ? s->max : LOOK_MAX;
	struct sql sql = sql_new(db);
	struct rows *rows = NULL;
	bool more;
	int code;

	if (job->listed)
		add_listed(&sql, s);
	else
		add_found(&sql, s, limit);
	code = db_query(db, &sql, &rows, err);
	if (code != 0)
		return code;
	more = (int64_t)rows_count(rows) == limit;
	while (rows_next(rows)) {
		pick_row(s, rows);
		if ((int64_t)s->picked == s->max) {
			more = true;
			break;
		}
	}
	s->step.exhausted = !more;
	rows_free(rows);
	return 0;
}

/* -- A step ----------------------------------------------------------------------------------------- */

static int note_place(struct db *db, const struct stepping *s, struct usher_error *err)
{
	struct sql sql = sql_new(db);

	sql_add(&sql,
	        "UPDATE redrive_job SET cursor_at = ?t, cursor_id = ?i, sent = sent + ?i, skipped = "
	        "skipped + ?i, on_the_way = on_the_way + ?i",
	        s->cursor_at, s->cursor_id, s->step.sent, s->step.skipped,
	        s->job->move == FAILED_REDRIVE ? s->step.sent : 0);
	if (s->step.sent > 0)
		sql_add(&sql, ", started_at = COALESCE(started_at, UTC_TIMESTAMP(3))");
	sql_add(&sql, " WHERE id = ?i", s->id);
	return db_exec(db, &sql, NULL, err);
}

/* What a job cancelled can be restored as one, as long as it stays as it is now. */
static int note_cancelled(struct db *db, const struct stepping *s, size_t n, struct usher_error *err)
{
	struct sql sql = sql_new(db);

	sql_add(&sql,
	        "INSERT INTO redrive_job_row (job_id, failed_id, acted) SELECT ?i, id, version FROM "
	        "failed_notification WHERE id IN ",
	        s->id);
	sql_add_ids(&sql, s->moved, n);
	sql_add(&sql, " ON DUPLICATE KEY UPDATE acted = VALUES(acted)");
	return db_exec(db, &sql, NULL, err);
}

/* What a restore has looked at is restored, or is another's by now: it is not looked at again. */
static int forget_cancelled(
        struct db *db, const struct stepping *s, int64_t looked_from, struct usher_error *err)
{
	struct sql sql = sql_new(db);

	sql_add(&sql, "DELETE FROM redrive_job_row WHERE job_id = ?i AND failed_id > ?i AND failed_id <= ?i",
	        s->job->of_job, looked_from, s->cursor_id);
	return db_exec(db, &sql, NULL, err);
}

static int step_work(struct db *db, void *arg, struct usher_error *err)
{
	struct stepping *s = arg;
	struct act act;
	size_t moved = 0;
	int code;

	s->picked = 0;
	s->step = (struct redrive_step){ 0 };
	code = lock_job(db, s, err);
	if (code != 0 || s->job == NULL)
		return code;
	int64_t looked_from = s->cursor_id;
	code = pick(db, s, err);
	if (code != 0)
		return code;
	act = (struct act){ .operator= s->job->created_by, .role = s->job->role, .reason = s->job->reason };
	code = failed_move_batch(db,
	        &(struct failed_batch){ .move = s->job->move,
	                .picks = s->picks,
	                .n = s->picked,
	                .job_id = s->id,
	                .automatic = s->job->automatic,
	                .act = &act },
	        s->moved, &moved, err);
	if (code == 0 && moved > 0 && s->job->move == FAILED_CANCEL)
		code = note_cancelled(db, s, moved, err);
	if (code == 0 && s->job->of_job > 0)
		code = forget_cancelled(db, s, looked_from, err);
	if (code != 0)
		return code;
	s->step.sent = (int64_t)moved;
	s->step.skipped += (int64_t)(s->picked - moved);
	return note_place(db, s, err);
}

int redrive_job_step(
        struct db *db, int64_t id, int64_t max, struct redrive_step *ret, struct usher_error *err)
{
	struct stepping s = { .id = id, .max = max < REDRIVE_BATCH_MAX ? max : REDRIVE_BATCH_MAX };
	int code = db_transaction(db, step_work, &s, err);

	redrive_jobs_free(s.job, s.job != NULL);
	if (code == 0)
		*ret = s.step;
	return code;
}

/* -- Counting --------------------------------------------------------------------------------------- */

/* One statement, so that all figures are of one moment. */
static int count(struct db *db, int64_t id, int64_t *sent, int64_t *on_the_way, int64_t *failed,
        struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows = NULL;
	int code;

	sql_add(&sql,
	        "SELECT sent, (SELECT COUNT(*) FROM failed_notification FORCE INDEX (of_job) WHERE job_id = "
	        "?i "
	        "AND status = 'queued'), taken + (SELECT COUNT(*) FROM failed_notification FORCE INDEX "
	        "(of_job) "
	        "WHERE job_id = ?i AND status IN ('dead', 'cancelled')) FROM redrive_job WHERE id = ?i",
	        id, id, id);
	code = db_query(db, &sql, &rows, err);
	if (code != 0)
		return code;
	if (rows_next(rows)) {
		*sent = row_int(rows, 0);
		*on_the_way = row_int(rows, 1);
		*failed = row_int(rows, 2);
	}
	rows_free(rows);
	return 0;
}

int redrive_job_count(struct db *db, struct redrive_job *job, struct usher_error *err)
{
	int64_t on_the_way = 0, failed = 0;
	struct sql sql;
	int code = count(db, job->id, &job->sent, &on_the_way, &failed, err);

	if (code != 0 || (on_the_way == job->on_the_way && failed == job->failed))
		return code;
	job->on_the_way = on_the_way;
	job->failed = failed;
	sql = sql_new(db);
	sql_add(&sql, "UPDATE redrive_job SET on_the_way = ?i, failed = ?i WHERE id = ?i", on_the_way, failed,
	        job->id);
	return db_exec(db, &sql, NULL, err);
}

int redrive_job_failure(struct db *db, int64_t id, char *words, size_t size, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows = NULL;
	OWNED char *reason = NULL;
	int code;

	sql_add(&sql,
	        "SELECT reason, recipient, name, user_id FROM failed_notification FORCE INDEX (of_job) "
	        "WHERE job_id = ?i AND status = 'dead' LIMIT 1",
	        id);
	code = db_query(db, &sql, &rows, err);
	if (code != 0)
		return code;
	if (rows_next(rows))
		reason = row_words(rows, 0, 1);
	utf8_copy(words, size, reason ? reason : "", reason ? strlen(reason) : 0);
	rows_free(rows);
	return 0;
}
