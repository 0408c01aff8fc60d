/* Failed rows counted by status and cause. Where the filter has but words, causes and moments of death, every
 * group is found and counted on one index, exactly as far as is quick and estimated beyond; otherwise the
 * newest rows are counted one by one. See failed_plan.h; blocks; on its db's thread. */
#include "store/failed_plan.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define CAUSES_MAX 100      /* with more the newest rows are counted */
#define COUNT_ALL 300000    /* index entries counted in all groups together, */
#define COUNT_EACH_MIN 1000 /* and in one of them */
#define COUNT_EACH_MAX 200000
#define EXPLAIN_ROWS 8   /* the column "rows" of EXPLAIN */
#define SLICES 8         /* of a group's time, each estimated: half of the table is the most it estimates */
#define ESTIMATE_TWICE 2 /* InnoDB doubles what it estimates for a range it did not read through */

/* -- Every group --------------------------------------------------------------------------------- */

struct cause {
	int64_t cause;
	enum channel_id channel;
	enum failure_class class;
	char *text;
};

struct grouping {
	struct db *db;
	const struct find_plan *plan;
	struct cause causes[CAUSES_MAX];
	size_t cause_count;
	struct failed_group *groups;
	size_t n;
};

static bool is_wanted(const struct find_plan *plan, const struct cause *c)
{
	return (plan->words[SET_CHANNEL] & 1U << c->channel) &&
	       (plan->words[SET_CLASS] & 1U << (c->class - 1));
}

/* The cause at `from` or the next one there is; by an example of it. *ret_found: there is one. */
static int next_cause(struct db *db, const int64_t *from, bool at, struct cause *ret, bool *ret_found,
        struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows;
	int rc;

	sql_add(&sql, "SELECT CAST(cause AS SIGNED), channel, class, cause_text, recipient, name, user_id "
	              "FROM failed_notification "
	              "FORCE INDEX (by_cause)");
	if (from) {
		sql_add(&sql, at ? " WHERE cause = " : " WHERE cause > ");
		term_add_cause(&sql, *from);
	}
	sql_add(&sql, " ORDER BY cause LIMIT 1");
	rc = db_query(db, &sql, &rows, err);
	if (rc < 0)
		return rc;
	*ret_found = rows_next(rows);
	if (*ret_found) {
		*ret = (struct cause){ .cause = row_int(rows, 0),
			.class = failure_by_name(row_text(rows, 2)) };
		channel_by_name(row_text(rows, 1), &ret->channel);
		ret->text = row_words(rows, 3, 4);
	}
	rows_free(rows);
	return 0;
}

static void keep_cause(struct grouping *g, struct cause *c)
{
	if (is_wanted(g->plan, c))
		g->causes[g->cause_count++] = *c;
	else
		free(c->text);
}

/* *ret_all: false when there are more than CAUSES_MAX, wanted or not. */
static int find_causes(struct grouping *g, bool *ret_all, struct usher_error *err)
{
	const struct filter_term *term = g->plan->cause;
	const struct filter *f = g->plan->filter->filter;
	struct cause c = { 0 };
	bool found = true;
	int rc = 0;

	*ret_all = true;
	for (size_t i = 0; term && i < term->count && rc == 0; i++) {
		rc = next_cause(g->db, &f->values[term->first + i].number, true, &c, &found, err);
		if (rc == 0 && found)
			keep_cause(g, &c);
	}
	for (size_t i = 0; !term && rc == 0 && found; i++) {
		if (i == CAUSES_MAX) {
			*ret_all = false;
			break;
		}
		rc = next_cause(g->db, i ? &c.cause : NULL, false, &c, &found, err);
		if (rc == 0 && found)
			keep_cause(g, &c);
	}
	return rc;
}

static void add_group_where(
        struct sql *sql, const struct failed_group *group, wall_time since, wall_time until)
{
	sql_add(sql, " FROM failed_notification FORCE INDEX (by_cause) WHERE cause = ");
	term_add_cause(sql, group->cause);
	sql_add(sql, " AND status = ?s", failed_status_name(group->status));
	if (since.ms)
		sql_add(sql, " AND dead_at >= ?t", since);
	if (until.ms)
		sql_add(sql, " AND dead_at < ?t", until);
}

static void add_group_count(
        struct sql *sql, const struct find_plan *plan, const struct failed_group *group, int64_t each)
{
	sql_add(sql, "SELECT (SELECT COUNT(*) FROM (SELECT 1");
	add_group_where(sql, group, plan->since, plan->until);
	sql_add(sql, " LIMIT ?i) AS counted), (SELECT MIN(dead_at)", each + 1);
	add_group_where(sql, group, plan->since, plan->until);
	sql_add(sql, "), (SELECT MAX(dead_at)");
	add_group_where(sql, group, plan->since, plan->until);
	sql_add(sql, ")");
}

/* Counts every possible group; those without rows have 0. `each`: where counting stops; the group is
 * approximate then. */
static int count_groups(struct grouping *g, int64_t each, struct usher_error *err)
{
	struct sql sql = sql_new(g->db);
	struct rows *rows;
	int rc;

	find_begin(&sql);
	for (size_t i = 0; i < g->n; i++) {
		sql_add(&sql, i ? " UNION ALL " : "");
		add_group_count(&sql, g->plan, &g->groups[i], each);
	}
	rc = db_query(g->db, &sql, &rows, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < g->n && rows_next(rows); i++) {
		g->groups[i].count = row_int(rows, 0);
		g->groups[i].approximate = g->groups[i].count > each;
		g->groups[i].oldest = row_time(rows, 1);
		g->groups[i].newest = row_time(rows, 2);
	}
	rows_free(rows);
	return 0;
}

/* One slice of a group's time, from its oldest row to its newest. */
static void add_slice(struct sql *sql, const struct failed_group *group, int slice)
{
	int64_t from = group->oldest.ms, length = (group->newest.ms + 1 - from) / SLICES + 1;

	sql_add(sql, "SELECT COUNT(*)");
	add_group_where(
	        sql, group, (wall_time){ from + slice * length }, (wall_time){ from + (slice + 1) * length });
}

/* What the server's optimizer thinks of those that were too many to count. */
static int estimate_groups(struct grouping *g, struct usher_error *err)
{
	struct sql sql = sql_new(g->db);
	struct rows *rows;
	const char *joint = "EXPLAIN ";
	int rc;

	for (size_t i = 0; i < g->n * SLICES; i++) {
		if (!g->groups[i / SLICES].approximate)
			continue;
		sql_add(&sql, joint);
		add_slice(&sql, &g->groups[i / SLICES], (int)(i % SLICES));
		joint = " UNION ALL ";
	}
	if (*joint == 'E') { /* none */
		sql_free(&sql);
		return 0;
	}
	rc = db_query(g->db, &sql, &rows, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < g->n; i++) {
		int64_t estimate = 0;

		for (int slice = 0; g->groups[i].approximate && slice < SLICES && rows_next(rows); slice++)
			estimate += row_int(rows, EXPLAIN_ROWS) / ESTIMATE_TWICE;
		if (estimate > g->groups[i].count)
			g->groups[i].count = estimate;
	}
	rows_free(rows);
	return 0;
}

static int by_size(const void *a, const void *b)
{
	const struct failed_group *x = a, *y = b;
	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	int words = strcmp(x->reason ? x->reason : "", y->reason ? y->reason : "");
	return words ? words : (int)x->status - (int)y->status;
}

/* Largest first, without the empty ones, at most `limit`. */
static void sort_groups(struct grouping *g, size_t limit)
{
	size_t n = 0;

	qsort(g->groups, g->n, sizeof *g->groups, by_size);
	while (n < g->n && n < limit && g->groups[n].count > 0)
		n++;
	for (size_t i = n; i < g->n; i++)
		free(g->groups[i].reason);
	g->n = n;
}

static int every_group(struct grouping *g, size_t limit, struct usher_error *err)
{
	int64_t each;
	int rc;

	g->groups = mem_array(g->cause_count * FAILED_STATUS_COUNT + 1, sizeof *g->groups);
	for (size_t i = 0; i < g->cause_count; i++)
		for (int status = 0; status < FAILED_STATUS_COUNT; status++)
			if (g->plan->words[SET_STATUS] & 1U << status)
				g->groups[g->n++] = (struct failed_group){ .channel = g->causes[i].channel,
					.status = (enum failed_status)status,
					.class = g->causes[i].class,
					.cause = g->causes[i].cause,
					.reason = mem_string(g->causes[i].text) };
	if (g->n == 0)
		return 0;
	each = COUNT_ALL / (int64_t)g->n;
	each = each < COUNT_EACH_MIN ? COUNT_EACH_MIN : each > COUNT_EACH_MAX ? COUNT_EACH_MAX : each;
	rc = count_groups(g, each, err);
	if (rc == 0)
		rc = estimate_groups(g, err);
	sort_groups(g, limit);
	return rc;
}

/* -- The newest rows -------------------------------------------------------------------------------- */

/* Does the index's range have more rows than are looked at? */
static int has_more(struct db *db, const struct find_plan *plan, bool *ret_more, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows;
	int rc;

	find_begin(&sql);
	sql_add(&sql, "SELECT COUNT(*) FROM (SELECT 1");
	find_add_from(&sql, plan);
	find_add_branch(&sql, plan, 0);
	sql_add(&sql, " LIMIT ?i) AS counted", (int64_t)FAILED_GROUPS_ROWS_MAX + 1);
	rc = db_query(db, &sql, &rows, err);
	if (rc < 0)
		return rc;
	*ret_more = rows_next(rows) && row_int(rows, 0) > FAILED_GROUPS_ROWS_MAX;
	rows_free(rows);
	return 0;
}

static void group_read(const struct rows *rows, struct failed_group *group)
{
	*group = (struct failed_group){ .class = failure_by_name(row_text(rows, 2)),
		.cause = row_int(rows, 3),
		.reason = row_words(rows, 4, 8),
		.count = row_int(rows, 5),
		.oldest = row_time(rows, 6),
		.newest = row_time(rows, 7) };
	channel_by_name(row_text(rows, 0), &group->channel);
	failed_status_by_name(row_text(rows, 1), &group->status);
}

static int newest_groups(struct grouping *g, int limit, struct usher_error *err)
{
	struct sql sql = sql_new(g->db);
	struct rows *rows;
	int rc;

	find_begin(&sql);
	sql_add(&sql,
	        "SELECT f.channel, f.status, f.class, CAST(f.cause AS SIGNED), f.cause_text, g.n, g.oldest, "
	        "g.newest, f.recipient, f.name, f.user_id FROM (SELECT COUNT(*) AS n, MIN(dead_at) AS "
	        "oldest, MAX(dead_at) AS newest, "
	        "MAX(id) "
	        "AS one FROM (SELECT f.id, f.cause, f.status, f.dead_at, (TRUE");
	find_add_rest(&sql, g->plan);
	sql_add(&sql, ") AS hit");
	find_add_from(&sql, g->plan);
	find_add_branch(&sql, g->plan, 0);
	sql_add(&sql,
	        " ORDER BY f.dead_at DESC, f.id DESC LIMIT ?i) AS newest WHERE hit GROUP BY cause, status "
	        "ORDER BY n DESC LIMIT ?i) AS g STRAIGHT_JOIN failed_notification f ON f.id = g.one",
	        (int64_t)FAILED_GROUPS_ROWS_MAX, (int64_t)limit);
	rc = db_query(g->db, &sql, &rows, err);
	if (rc < 0)
		return rc;
	g->groups = mem_array(rows_count(rows) + 1, sizeof *g->groups);
	for (; rows_next(rows); g->n++)
		group_read(rows, &g->groups[g->n]);
	rows_free(rows);
	sort_groups(g, (size_t)limit);
	return 0;
}

int failed_groups(struct db *db, const struct failed_filter *filter, int limit,
        struct failed_group **ret_groups, size_t *ret_n, bool *ret_complete, struct usher_error *err)
{
	struct find_plan plan;
	struct grouping g = { .db = db, .plan = &plan };
	bool all = false, more = false;
	int rc = 0;

	find_make(&plan, filter);
	plan.sort = FAILED_BY_DEAD_AT;
	if (!find_is_empty(&plan) && find_is_plain(&plan))
		rc = find_causes(&g, &all, err);
	if (rc == 0 && all) {
		rc = every_group(&g, (size_t)limit, err);
	} else if (rc == 0 && !find_is_empty(&plan)) {
		rc = find_choose(db, &plan, err);
		find_narrow(&plan);
		if (rc == 0)
			rc = has_more(db, &plan, &more, err);
		if (rc == 0)
			rc = newest_groups(&g, limit, err);
	}
	for (size_t i = 0; i < g.cause_count; i++)
		free(g.causes[i].text);
	if (rc < 0) {
		failed_groups_free(g.groups, g.n);
		return rc;
	}
	*ret_groups = g.groups;
	*ret_n = g.n;
	*ret_complete = !more;
	return 0;
}

void failed_groups_free(struct failed_group *groups, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(groups[i].reason);
	free(groups);
}
