/* What a redrive job selects: looking before, and freezing it. A filter is frozen by its time; a list, and
 * what a search finds, by its rows. Nothing here costs more than FAILED_COUNT_CAP or REDRIVE_IDS_MAX rows. On
 * the db's thread. */
#include "store/redrive_job_parts.h"

#include "base/error.h"
#include "base/mem.h"
#include "store/audit.h"
#include "store/ledger_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct making {
	const struct redrive_order *order;
	wall_time frozen_at;
	bool listed;
	int64_t total;
	bool total_capped;
	int64_t id;
};

static bool is_listed(const struct redrive_selection *s)
{
	return s->ids != NULL || s->of_job > 0 || (s->text != NULL && s->text[0] != '\0');
}

/* A time in the future freezes nothing. */
static int freeze(struct db *db, const struct redrive_selection *s, wall_time *ret, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows = NULL;
	int code;

	sql_add(&sql, "SELECT UTC_TIMESTAMP(3)");
	code = db_query(db, &sql, &rows, err);
	if (code != 0)
		return code;
	rows_next(rows);
	*ret = row_time(rows, 0);
	rows_free(rows);
	if (s->seen_until.ms != 0 && s->seen_until.ms < ret->ms)
		*ret = s->seen_until;
	return 0;
}

struct failed_filter redrive_filter(const struct redrive_selection *s, wall_time frozen_at)
{
	int64_t end = frozen_at.ms + 1;

	return (struct failed_filter){ .status = FAILED_DEAD,
		.channel = s->channel,
		.class = s->class,
		.text = s->text,
		.since = s->since,
		.until = { s->until.ms != 0 && s->until.ms < end ? s->until.ms : end },
		.oldest_first = true,
		.auto_max = s->auto_max > 0 ? s->auto_max : 0 };
}

static void add_selected(struct sql *sql, const struct redrive_selection *s, wall_time frozen_at)
{
	struct failed_filter filter = redrive_filter(s, frozen_at);

	if (s->of_job > 0) {
		sql_add(sql,
		        "FROM redrive_job_row r JOIN failed_notification f ON f.id = r.failed_id WHERE "
		        "r.job_id "
		        "= ?i AND f.status = 'cancelled' AND f.version = r.acted AND f.updated_at <= ?t ",
		        s->of_job, frozen_at);
		return;
	}
	if (s->ids == NULL) {
		redrive_add_selected(sql, &filter);
		return;
	}
	sql_add(sql, "FROM failed_notification f WHERE f.id IN ");
	sql_add_ids(sql, s->ids, s->id_count);
	sql_add(sql, " AND f.status = 'dead' AND f.dead_at < ?t ", filter.until);
}

static int count_selected(struct db *db, const struct redrive_selection *s, wall_time frozen_at,
        int64_t *ret_n, bool *ret_capped, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows = NULL;
	int code;

	sql_add(&sql, "SELECT COUNT(*) FROM (SELECT 1 ");
	add_selected(&sql, s, frozen_at);
	sql_add(&sql, "LIMIT ?i) AS counted", (int64_t)FAILED_COUNT_CAP + 1);
	code = db_query(db, &sql, &rows, err);
	if (code != 0)
		return code;
	rows_next(rows);
	*ret_capped = row_int(rows, 0) > FAILED_COUNT_CAP;
	*ret_n = *ret_capped ? FAILED_COUNT_CAP : row_int(rows, 0);
	rows_free(rows);
	return 0;
}

int redrive_job_wanted(
        struct db *db, const struct redrive_selection *selection, bool *ret, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows = NULL;
	int code;

	sql_add(&sql, "SELECT 1 ");
	add_selected(&sql, selection, selection->seen_until);
	sql_add(&sql, "LIMIT 1");
	code = db_query(db, &sql, &rows, err);
	if (code != 0)
		return code;
	*ret = rows_next(rows);
	rows_free(rows);
	return 0;
}

int redrive_job_late(struct db *db, const struct redrive_job *job, int64_t *ret_n, bool *ret_capped,
        struct usher_error *err)
{
	struct failed_filter filter = { .status = FAILED_DEAD,
		.channel = job->channel,
		.class = job->class,
		.text = job->text,
		.since = { job->frozen_at.ms + 1 },
		.until = job->until,
		.auto_max = job->auto_max > 0 ? job->auto_max : 0 };

	return redrive_count_selected(db, &filter, ret_n, ret_capped, err);
}

/* -- Looking before ------------------------------------------------------------------------------- */

/* maybe_done: nobody knows whether the mail went out or the coupon was granted. member_has: by another
 * event, so this one would be a second. */
static void add_preview(struct sql *sql, const struct redrive_selection *s, wall_time frozen_at)
{
	sql_add(sql, "SELECT channel, class, COUNT(*), MIN(dead_at), MAX(dead_at), SUM(maybe_done), "
	             "SUM(member_has) FROM (SELECT f.channel, f.class, f.dead_at, "
	             "EXISTS (SELECT 1 FROM delivery_attempt a WHERE a.delivery_id = f.delivery_id AND "
	             "a.class = 'ambiguous') AS maybe_done, f.channel = 'coupon' AND EXISTS (SELECT 1 FROM "
	             "delivery d WHERE d.user_id = f.user_id AND d.channel = 'coupon' AND d.state = "
	             "'delivered') AS member_has ");
	add_selected(sql, s, frozen_at);
	sql_add(sql,
	        "ORDER BY f.dead_at, f.id LIMIT ?i) AS picked GROUP BY channel, class ORDER BY channel, "
	        "class",
	        (int64_t)FAILED_COUNT_CAP);
}

static void preview_add(const struct rows *rows, struct redrive_preview *p)
{
	struct redrive_preview_group *g = &p->groups[p->group_count];
	wall_time oldest = row_time(rows, 3), newest = row_time(rows, 4);

	if (p->group_count == sizeof p->groups / sizeof *p->groups)
		return;
	p->group_count++;
	channel_by_name(row_text(rows, 0), &g->channel);
	g->class = failure_by_name(row_text(rows, 1));
	g->count = row_int(rows, 2);
	g->maybe_done = row_int(rows, 5);
	g->member_has = row_int(rows, 6);
	if (p->oldest.ms == 0 || oldest.ms < p->oldest.ms)
		p->oldest = oldest;
	if (newest.ms > p->newest.ms)
		p->newest = newest;
}

int redrive_job_preview(struct db *db, enum failed_move move, const struct redrive_selection *selection,
        struct redrive_preview *ret, struct usher_error *err)
{
	struct sql sql;
	struct rows *rows = NULL;
	int code;

	*ret = (struct redrive_preview){ 0 };
	code = freeze(db, selection, &ret->frozen_at, err);
	if (code == 0)
		code = count_selected(db, selection, ret->frozen_at, &ret->total, &ret->total_capped, err);
	if (code != 0)
		return code;
	sql = sql_new(db);
	add_preview(&sql, selection, ret->frozen_at);
	code = db_query(db, &sql, &rows, err);
	if (code != 0)
		return code;
	while (rows_next(rows))
		preview_add(rows, ret);
	rows_free(rows);
	for (size_t i = 0; move != FAILED_REDRIVE && i < ret->group_count; i++)
		ret->groups[i].maybe_done = ret->groups[i].member_has = 0; /* nothing is sent */
	return 0;
}

/* -- Freezing --------------------------------------------------------------------------------------- */

static int check_room(struct db *db, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows = NULL;
	int64_t open;
	int code;

	sql_add(&sql,
	        "SELECT COUNT(*) FROM redrive_job FORCE INDEX (unsettled) WHERE NOT settled AND state IN "
	        "('running', 'paused')");
	code = db_query(db, &sql, &rows, err);
	if (code != 0)
		return code;
	rows_next(rows);
	open = row_int(rows, 0);
	rows_free(rows);
	if (open < REDRIVE_OPEN_MAX)
		return 0;
	return error_set(err, USHER_ECONFLICT,
	        "%" PRId64 " redrive jobs are open, the most there may be: wait for one to end, or stop one",
	        open);
}

static int check_total(const struct making *m, struct usher_error *err)
{
	const struct redrive_selection *s = &m->order->selection;
	char frozen[WALL_TEXT_SIZE];

	if (m->total == 0 && s->of_job > 0)
		return error_set(err, USHER_ENOTFOUND,
		        "nothing that job %" PRId64
		        " cancelled is cancelled still: there is nothing to restore",
		        s->of_job);
	if (m->total == 0 && s->ids != NULL)
		return error_set(err, USHER_ENOTFOUND, "none of these %zu rows is dead: look at them again",
		        s->id_count);
	if (m->total == 0)
		return error_set(err, USHER_ENOTFOUND,
		        "no dead row matches, as of %s: widen the filter, or there is nothing to do",
		        wall_format(m->frozen_at, frozen));
	if (m->listed && s->of_job == 0 && (m->total > REDRIVE_IDS_MAX || m->total_capped))
		return error_set(err, USHER_EINVAL,
		        "more than %d rows match this text: write more of it, or select by channel, class "
		        "and time",
		        REDRIVE_IDS_MAX);
	return 0;
}

static int insert_job(struct db *db, struct making *m, struct usher_error *err)
{
	const struct redrive_order *o = m->order;
	const struct redrive_selection *s = &o->selection;
	bool automatic = s->auto_max >= 0;
	char rate[32];
	struct sql sql = sql_new(db);
	struct rows *rows = NULL;
	int code;

	snprintf(rate, sizeof rate, "%.17g", o->rate);
	sql_add(&sql,
	        "INSERT INTO redrive_job (kind, act, of_job, created_by, role, reason, channel, class, text, "
	        "since, "
	        "until, listed, auto_max, frozen_at, total, total_capped, rate, canary, stop_on) VALUES "
	        "(?s, ?s, ",
	        automatic ? "auto" : "operator", failed_move_name(o->move));
	if (s->of_job > 0)
		sql_add(&sql, "?i, ", s->of_job);
	else
		sql_add(&sql, "NULL, ");
	sql_add_clipped(&sql, o->act.operator, WIDTH_OPERATOR);
	sql_add(&sql, ", ?s, ", o->act.role);
	sql_add_clipped(&sql, o->act.reason, WIDTH_WORDS);
	sql_add(&sql, ", ?s, ?s, ?s, ?t, ?t, ?i, ",
	        s->channel >= 0 ? channel_name((enum channel_id)s->channel) : NULL,
	        s->class >= 0 ? failure_info((enum failure_class)s->class)->name : NULL,
	        s->text != NULL && s->text[0] != '\0' ? s->text : NULL, s->since, s->until,
	        (int64_t)m->listed);
	if (automatic)
		sql_add(&sql, "?i", (int64_t)s->auto_max);
	else
		sql_add(&sql, "NULL");
	sql_add(&sql, ", ?t, ?i, ?i, ?s, ?i, ?i) RETURNING id", m->frozen_at, m->total,
	        (int64_t)m->total_capped, rate, o->canary, o->stop_on);
	code = db_query(db, &sql, &rows, err);
	if (code != 0)
		return code;
	rows_next(rows);
	m->id = row_int(rows, 0);
	rows_free(rows);
	return 0;
}

/* Of a list all that was given, so that what is not dead any more is counted as skipped. */
static int insert_rows(struct db *db, struct making *m, struct usher_error *err)
{
	const struct redrive_selection *s = &m->order->selection;
	struct sql sql = sql_new(db);
	uint64_t n = 0;
	int code;

	if (s->ids != NULL) {
		sql_add(&sql, "INSERT IGNORE INTO redrive_job_row (job_id, failed_id) VALUES ");
		for (size_t i = 0; i < s->id_count; i++)
			sql_add(&sql, i == 0 ? "(?i,?i)" : ",(?i,?i)", m->id, s->ids[i]);
	} else {
		sql_add(&sql, "INSERT INTO redrive_job_row (job_id, failed_id) SELECT ?i, f.id ", m->id);
		add_selected(&sql, s, m->frozen_at);
	}
	code = db_exec(db, &sql, &n, err);
	if (code != 0)
		return code;
	sql = sql_new(db);
	sql_add(&sql, "UPDATE redrive_job SET total = ?i WHERE id = ?i", (int64_t)n, m->id);
	m->total = (int64_t)n;
	return db_exec(db, &sql, NULL, err);
}

static int tell_audit(struct db *db, const struct making *m, struct usher_error *err)
{
	const struct redrive_order *o = m->order;
	const struct redrive_selection *s = &o->selection;
	char target[WIDTH_TARGET], detail[WIDTH_WORDS], act[WIDTH_WORDS];
	struct audit_entry entry = { .operator= o->act.operator,
		.role = o->act.role,
		.act = act,
		.target = target,
		.outcome = "done",
		.reason = o->act.reason,
		.detail = detail };

	snprintf(target, sizeof target, "redrives/%" PRId64, m->id);
	snprintf(act, sizeof act, "%s_start", failed_move_name(o->move));
	if (s->of_job > 0)
		snprintf(detail, sizeof detail, "%s%" PRId64 " rows that job %" PRId64 " cancelled",
		        m->total_capped ? "more than " : "", m->total, s->of_job);
	else if (o->move == FAILED_CANCEL)
		snprintf(detail, sizeof detail, "%s%" PRId64 " dead rows, channel %s, class %s",
		        m->total_capped ? "more than " : "", m->total,
		        s->channel >= 0 ? channel_name((enum channel_id)s->channel) : "any",
		        s->class >= 0 ? failure_info((enum failure_class)s->class)->name : "any");
	else
		snprintf(detail, sizeof detail,
		        "%s%" PRId64 " dead rows, channel %s, class %s, %g/s, canary %" PRId64
		        ", stop on %" PRId64,
		        m->total_capped ? "more than " : "", m->total,
		        s->channel >= 0 ? channel_name((enum channel_id)s->channel) : "any",
		        s->class >= 0 ? failure_info((enum failure_class)s->class)->name : "any", o->rate,
		        o->canary, o->stop_on);
	return audit_add(db, &entry, err);
}

static int make_work(struct db *db, void *arg, struct usher_error *err)
{
	struct making *m = arg;
	const struct redrive_selection *s = &m->order->selection;
	int code = check_room(db, err);

	m->listed = is_listed(s);
	if (code == 0)
		code = freeze(db, s, &m->frozen_at, err);
	if (code == 0)
		code = count_selected(db, s, m->frozen_at, &m->total, &m->total_capped, err);
	if (code == 0)
		code = check_total(m, err);
	if (code == 0)
		code = insert_job(db, m, err);
	if (code == 0 && m->listed && s->of_job == 0)
		code = insert_rows(db, m, err);
	return code == 0 ? tell_audit(db, m, err) : code;
}

int redrive_job_create(
        struct db *db, const struct redrive_order *order, int64_t *ret_id, struct usher_error *err)
{
	struct making m = { .order = order };
	int code;

	if (order->selection.ids != NULL &&
	        (order->selection.id_count == 0 || order->selection.id_count > REDRIVE_IDS_MAX))
		return error_set(err, USHER_EINVAL,
		        "ids: 1 to %d rows can be listed: select more by a filter", REDRIVE_IDS_MAX);
	code = db_transaction(db, make_work, &m, err);
	if (code == 0)
		*ret_id = m.id;
	return code;
}
