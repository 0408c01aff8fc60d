/* Redrive jobs as rows: reading them, moving their state, their history. What they select is in
 * redrive_job_make.c, how they go on in redrive_job_run.c. On the db's thread. */
#include "store/redrive_job.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/audit.h"
#include "store/ledger_parts.h"
#include "store/redrive_job_parts.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LIST_JOBS 'j'
#define HISTORY_JOBS 50 /* the latest automatic jobs of a channel that are looked at */

static const char *const state_names[REDRIVE_STATE_COUNT] = {
	[REDRIVE_RUNNING] = "running",
	[REDRIVE_PAUSED] = "paused",
	[REDRIVE_STOPPED] = "stopped",
	[REDRIVE_DONE] = "done",
};

#define TO(state) (1u << REDRIVE_##state)
static const unsigned legal_moves[REDRIVE_STATE_COUNT] = {
	[REDRIVE_RUNNING] = TO(PAUSED) | TO(STOPPED) | TO(DONE),
	[REDRIVE_PAUSED] = TO(RUNNING) | TO(STOPPED),
};

const char *redrive_job_state_name(enum redrive_job_state state)
{
	return (unsigned)state < REDRIVE_STATE_COUNT ? state_names[state] : "unknown";
}

static enum redrive_job_state state_of(const char *name)
{
	for (int i = 0; i < REDRIVE_STATE_COUNT; i++)
		if (strcmp(state_names[i], name) == 0)
			return (enum redrive_job_state)i;
	return REDRIVE_STOPPED; /* of a newer usher: not ours to run */
}

static enum failed_move move_of(const char *name)
{
	enum failed_move move = FAILED_REDRIVE;
	while (move < FAILED_MOVE_COUNT - 1 && strcmp(failed_move_name(move), name) != 0)
		move++;
	return move;
}

/* -- Reading ------------------------------------------------------------------------------------- */

static void job_read(const struct rows *rows, struct redrive_job *job)
{
	enum channel_id channel;

	*job = (struct redrive_job){
		.id = row_int(rows, 0),
		.automatic = strcmp(row_text(rows, 1), "auto") == 0,
		.state = state_of(row_text(rows, 2)),
		.version = (int)row_int(rows, 3),
		.created_by = mem_string(row_text(rows, 4)),
		.role = mem_string(row_text(rows, 5)),
		.reason = mem_string(row_text(rows, 6)),
		.channel = -1,
		.class = row_text(rows, 8) ? (int)failure_by_name(row_text(rows, 8)) : -1,
		.text = mem_string(row_text(rows, 9)),
		.since = row_time(rows, 10),
		.until = row_time(rows, 11),
		.listed = row_int(rows, 12) != 0,
		.auto_max = row_text(rows, 13) ? (int)row_int(rows, 13) : -1,
		.frozen_at = row_time(rows, 14),
		.total = row_int(rows, 15),
		.total_capped = row_int(rows, 16) != 0,
		.rate = strtod(row_text(rows, 17), NULL),
		.canary = row_int(rows, 18),
		.stop_on = row_int(rows, 19),
		.sent = row_int(rows, 20),
		.skipped = row_int(rows, 21),
		.on_the_way = row_int(rows, 22),
		.failed = row_int(rows, 23),
		.settled = row_int(rows, 24) != 0,
		.waits = mem_string(row_text(rows, 25)),
		.why = mem_string(row_text(rows, 26)),
		.created_at = row_time(rows, 27),
		.started_at = row_time(rows, 28),
		.ended_at = row_time(rows, 29),
		.moved_by = mem_string(row_text(rows, 30)),
		.move = move_of(row_text(rows, 31)),
		.of_job = row_text(rows, 32) ? row_int(rows, 32) : 0,
	};
	if (row_text(rows, 7) && channel_by_name(row_text(rows, 7), &channel))
		job->channel = (int)channel;
}

int redrive_jobs_query(
        struct db *db, struct sql *sql, struct redrive_job **ret_jobs, size_t *ret_n, struct usher_error *err)
{
	struct rows *rows = NULL;
	struct redrive_job *jobs;
	size_t n = 0;
	int code = db_query(db, sql, &rows, err);

	if (code != 0)
		return code;
	jobs = mem_array(rows_count(rows) + 1, sizeof *jobs);
	while (rows_next(rows))
		job_read(rows, &jobs[n++]);
	rows_free(rows);
	*ret_jobs = jobs;
	*ret_n = n;
	return 0;
}

static void job_clear(struct redrive_job *job)
{
	free(job->created_by);
	free(job->role);
	free(job->reason);
	free(job->text);
	free(job->waits);
	free(job->why);
	free(job->moved_by);
}

void redrive_jobs_free(struct redrive_job *jobs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		job_clear(&jobs[i]);
	free(jobs);
}

int64_t redrive_job_delivered(const struct redrive_job *job)
{
	int64_t n = job->sent - job->on_the_way - job->failed;

	return n > 0 && job->move == FAILED_REDRIVE ? n : 0;
}

int64_t redrive_job_left_alone(const struct redrive_job *job)
{
	bool known = !job->total_capped && job->total >= job->sent + job->skipped;

	return known ? job->total - job->sent : job->skipped;
}

int redrive_job_list(struct db *db, const char *cursor, int limit, struct redrive_job **ret_jobs,
        size_t *ret_n, char ret_next[CURSOR_SIZE], struct usher_error *err)
{
	int64_t before = INT64_MAX, none = 0;
	struct sql sql;
	int code = cursor_parse(cursor, LIST_JOBS, &before, &none, err);

	if (code < 0)
		return code;
	sql = sql_new(db);
	sql_add(&sql,
	        "SELECT " REDRIVE_JOB_COLUMNS " FROM redrive_job WHERE id < ?i ORDER BY id DESC LIMIT ?i",
	        before, (int64_t)limit + 1);
	code = redrive_jobs_query(db, &sql, ret_jobs, ret_n, err);
	if (code != 0)
		return code;
	ret_next[0] = '\0';
	if (*ret_n > (size_t)limit) {
		--*ret_n;
		job_clear(&(*ret_jobs)[*ret_n]);
		cursor_print(ret_next, LIST_JOBS, (*ret_jobs)[limit - 1].id, 0);
	}
	return 0;
}

int redrive_job_get(struct db *db, int64_t id, struct redrive_job **ret_job, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	size_t n = 0;
	int code;

	sql_add(&sql, "SELECT " REDRIVE_JOB_COLUMNS " FROM redrive_job WHERE id = ?i", id);
	code = redrive_jobs_query(db, &sql, ret_job, &n, err);
	if (code != 0 || n == 1)
		return code;
	redrive_jobs_free(*ret_job, n);
	*ret_job = NULL;
	return error_set(err, USHER_ENOTFOUND, "there is no redrive job %" PRId64, id);
}

/* -- Moving --------------------------------------------------------------------------------------- */

struct moving {
	int64_t id;
	enum redrive_job_state to;
	const char *name; /* as the audit calls it */
	const struct act *act;
	int version;     /* -1: whatever it is */
	const char *why; /* for the job; NULL: nothing */
	const char *detail;
	char target[WIDTH_TARGET];
};

static int move_audit(struct db *db, const struct moving *m, const char *outcome, const char *detail,
        struct usher_error *err)
{
	return audit_act(db, m->act, m->name, m->target, outcome, detail, err);
}

/* May the job move? Locks it. */
static int move_check(struct db *db, const struct moving *m, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows = NULL;
	int code;

	sql_add(&sql, "SELECT state, version, moved_by FROM redrive_job WHERE id = ?i FOR UPDATE", m->id);
	code = db_query(db, &sql, &rows, err);
	if (code != 0)
		return code;
	if (!rows_next(rows)) {
		code = error_set(err, USHER_ENOTFOUND, "there is no redrive job %" PRId64, m->id);
	} else if (!(legal_moves[state_of(row_text(rows, 0))] >> m->to & 1)) {
		const char *by = row_text(rows, 2);

		code = state_of(row_text(rows, 0)) == m->to
		               ? error_set(err, USHER_ECONFLICT, "redrive job %" PRId64 " is already %s",
		                         m->id, row_text(rows, 0))
		               : error_set(err, USHER_ECONFLICT, "redrive job %" PRId64 " is %s", m->id,
		                         row_text(rows, 0));
		if (by)
			error_add(err, USHER_ECONFLICT, " by %s", by);
	} else if (m->version >= 0 && m->version != row_int(rows, 1)) {
		code = error_set(err, USHER_ECONFLICT,
		        "redrive job %" PRId64
		        " has changed since you looked at it (version %d then, %d now): look at it again",
		        m->id, m->version, (int)row_int(rows, 1));
	}
	rows_free(rows);
	return code;
}

static int move_work(struct db *db, void *arg, struct usher_error *err)
{
	const struct moving *m = arg;
	struct sql sql;
	int code = move_check(db, m, err);

	if (code != 0)
		return code;
	sql = sql_new(db);
	sql_add(&sql, "UPDATE redrive_job SET state = ?s, version = version + 1, waits = NULL, why = ",
	        redrive_job_state_name(m->to));
	sql_add_clipped(&sql, m->why, WIDTH_WORDS);
	sql_add(&sql, ", moved_by = ");
	sql_add_clipped(&sql, m->act->operator, WIDTH_OPERATOR);
	if (m->to == REDRIVE_STOPPED || m->to == REDRIVE_DONE)
		sql_add(&sql, ", ended_at = UTC_TIMESTAMP(3)");
	if (m->to == REDRIVE_DONE) /* what left the selection before its turn came */
		sql_add(&sql,
		        ", skipped = IF(total_capped OR total < sent + skipped, skipped, total - sent)");
	sql_add(&sql, " WHERE id = ?i", m->id);
	code = db_exec(db, &sql, NULL, err);
	return code == 0 ? move_audit(db, m, "done", m->detail, err) : code;
}

static int move(struct db *db, struct moving *m, struct usher_error *err)
{
	snprintf(m->target, sizeof m->target, "redrives/%" PRId64, m->id);
	return db_transaction(db, move_work, m, err);
}

int redrive_job_act(struct db *db, int64_t id, enum redrive_job_act kind, int version, const struct act *act,
        struct usher_error *err)
{
	static const struct {
		const char *name;
		enum redrive_job_state to;
	} acts[] = {
		[REDRIVE_PAUSE] = { "redrive_pause", REDRIVE_PAUSED },
		[REDRIVE_RESUME] = { "redrive_resume", REDRIVE_RUNNING },
		[REDRIVE_STOP] = { "redrive_stop", REDRIVE_STOPPED },
	};
	struct moving m = { .id = id,
		.to = acts[kind].to,
		.name = acts[kind].name,
		.act = act,
		.version = version,
		.why = kind == REDRIVE_RESUME ? NULL : act->reason };
	struct usher_error why = { 0 };
	int code = move(db, &m, &why);

	if (code == 0)
		return 0;
	if (code == USHER_ECONFLICT || code == USHER_ENOTFOUND)
		move_audit(db, &m, code == USHER_ECONFLICT ? "conflict" : "refused", why.message, NULL);
	return error_copy(err, &why);
}

int redrive_job_end(struct db *db, const struct redrive_job *job, enum redrive_job_state state,
        const char *why, bool *ret_ended, struct usher_error *err)
{
	char detail[WIDTH_WORDS], name[WIDTH_WORDS];
	struct moving m = { .id = job->id,
		.to = state,
		.name = name,
		.act = &redrive_usher,
		.version = -1,
		.why = why,
		.detail = detail };
	int code;

	assert(state == REDRIVE_DONE || state == REDRIVE_STOPPED);
	snprintf(name, sizeof name, "%s_%s", failed_move_name(job->move),
	        state == REDRIVE_DONE ? "done" : "stop");
	if (job->move == FAILED_REDRIVE)
		snprintf(detail, sizeof detail,
		        "%s%s%" PRId64 " sent, %" PRId64 " delivered, %" PRId64 " failed again, %" PRId64
		        " on their way",
		        why ? why : "", why ? ": " : "", job->sent, redrive_job_delivered(job), job->failed,
		        job->on_the_way);
	else
		snprintf(detail, sizeof detail, "%" PRId64 " %s, %" PRId64 " left alone", job->sent,
		        job->move == FAILED_CANCEL ? "cancelled" : "restored", redrive_job_left_alone(job));
	code = move(db, &m, err);
	*ret_ended = code == 0;
	return code == USHER_ECONFLICT ? 0 : code;
}

const struct act redrive_usher = { .operator= REDRIVE_USHER, .role = "usher" };

/* -- Small changes -------------------------------------------------------------------------------- */

int redrive_job_wait(struct db *db, int64_t id, const char *what, struct usher_error *err)
{
	struct sql sql = sql_new(db);

	sql_add(&sql, "UPDATE redrive_job SET waits = ");
	sql_add_clipped(&sql, what, REDRIVE_WAITS_SIZE);
	sql_add(&sql, " WHERE id = ?i AND state = 'running'", id);
	return db_exec(db, &sql, NULL, err);
}

int redrive_job_settle(struct db *db, int64_t id, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	int code;

	sql_add(&sql, "DELETE FROM redrive_job_row WHERE job_id = ?i AND acted IS NULL", id);
	code = db_exec(db, &sql, NULL, err);
	if (code != 0)
		return code;
	sql = sql_new(db);
	sql_add(&sql, "UPDATE redrive_job SET settled = TRUE WHERE id = ?i AND state IN ('stopped', 'done')",
	        id);
	return db_exec(db, &sql, NULL, err);
}

int redrive_job_taken(struct db *db, int64_t id, int64_t n, struct usher_error *err)
{
	struct sql sql = sql_new(db);

	sql_add(&sql, "UPDATE redrive_job SET taken = taken + ?i WHERE id = ?i", n, id);
	return db_exec(db, &sql, NULL, err);
}

/* Settled jobs that ended longer ago than keep_ms, at most `max`. */
static int find_old(
        struct db *db, int64_t keep_ms, int max, int64_t **ret_ids, size_t *ret_n, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows = NULL;
	int code;

	sql_add(&sql,
	        "SELECT id FROM redrive_job WHERE settled = TRUE AND ended_at < UTC_TIMESTAMP(3) - INTERVAL "
	        "?i MICROSECOND ORDER BY id LIMIT ?i",
	        keep_ms * 1000, (int64_t)max);
	code = db_query(db, &sql, &rows, err);
	if (code != 0)
		return code;
	*ret_ids = mem_array(rows_count(rows) + 1, sizeof **ret_ids);
	for (*ret_n = 0; rows_next(rows); ++*ret_n)
		(*ret_ids)[*ret_n] = row_int(rows, 0);
	rows_free(rows);
	return 0;
}

/* The jobs first, so that the rows of the others are not even looked at; a job goes after its rows. */
int redrive_job_prune(struct db *db, int64_t keep_ms, int max, int *ret_n, struct usher_error *err)
{
	OWNED int64_t *ids = NULL;
	struct sql sql;
	size_t n = 0;
	uint64_t rows = 0, jobs = 0;
	int code = find_old(db, keep_ms, max, &ids, &n, err);

	*ret_n = 0;
	if (code != 0 || n == 0)
		return code;
	sql = sql_new(db);
	sql_add(&sql, "DELETE FROM redrive_job_row WHERE job_id IN ");
	sql_add_ids(&sql, ids, n);
	sql_add(&sql, " ORDER BY job_id, failed_id LIMIT ?i", (int64_t)max);
	code = db_exec(db, &sql, &rows, err);
	if (code == 0 && rows < (uint64_t)max) {
		sql = sql_new(db);
		sql_add(&sql, "DELETE FROM redrive_job WHERE id IN ");
		sql_add_ids(&sql, ids, n);
		code = db_exec(db, &sql, &jobs, err);
	}
	*ret_n = (int)(rows + jobs);
	return code;
}

/* -- History of the automatic ones ------------------------------------------------------------------ */

static void history_add(const struct rows *rows, struct redrive_history *h, bool row_over[FAILURE_COUNT])
{
	enum failure_class class = failure_by_name(row_text(rows, 0));
	enum redrive_job_state state = state_of(row_text(rows, 1));

	if (state == REDRIVE_RUNNING || state == REDRIVE_PAUSED) {
		h->open = true;
		return;
	}
	if (h->class[class].ended_ms_ago < 0)
		h->class[class].ended_ms_ago = row_int(rows, 2);
	if (state == REDRIVE_DONE)
		row_over[class] = true;
	else if (!row_over[class])
		h->class[class].stops++;
}

int redrive_job_history(
        struct db *db, enum channel_id channel, struct redrive_history *ret, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows = NULL;
	bool row_over[FAILURE_COUNT] = { false };
	int code;

	sql_add(&sql,
	        "SELECT class, state, TIMESTAMPDIFF(MICROSECOND, ended_at, UTC_TIMESTAMP(3)) DIV 1000 FROM "
	        "redrive_job FORCE INDEX (automatic) WHERE kind = 'auto' AND channel = ?s ORDER BY id DESC "
	        "LIMIT ?i",
	        channel_name(channel), (int64_t)HISTORY_JOBS);
	code = db_query(db, &sql, &rows, err);
	if (code != 0)
		return code;
	*ret = (struct redrive_history){ 0 };
	for (int i = 0; i < FAILURE_COUNT; i++)
		ret->class[i].ended_ms_ago = -1;
	while (rows_next(rows))
		history_add(rows, ret, row_over);
	rows_free(rows);
	return 0;
}
