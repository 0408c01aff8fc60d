/* Lists and counts of failed_notification, whatever its size: a page walks the plan's index from where the
 * last one ended. Where rows must be looked at one by one it goes window by window, and stops when its time
 * is up. See failed_plan.h; blocks; on its db's thread. */
#include "store/failed_plan.h"

#include "base/error.h"
#include "base/mem.h"
#include "store/failed_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WINDOW_MIN 2000 /* rows looked at one by one in a statement: at first, and at most */
#define WINDOW_MAX 16000
#define WINDOW_GROWTH 4
#define COUNT_WINDOW 16000
#define PLACE_TEXT_MAX 320 /* bytes of a recipient or user id */

/* -- Places ------------------------------------------------------------------------------------- */

struct place {        /* of a row in the list: what comes behind it is the next page */
	bool further; /* false: the segment's beginning */
	int segment;
	int64_t number;
	char text[PLACE_TEXT_MAX + 1];
	int64_t id;
};

/* "n0.19b2e3a1c00.2a": sort and direction, segment, value, id. */
static char place_letter(const struct failed_filter *filter)
{
	return (char)((filter->oldest_first ? 'a' : 'A') + (int)filter->sort);
}

static void place_print(char out[CURSOR_SIZE], const struct failed_filter *filter, const struct place *place)
{
	struct buf b = BUF(CURSOR_SIZE - 1);

	buf_printf(&b, "%c%x", place_letter(filter), (unsigned)place->segment);
	if (place->further) {
		buf_printf(&b, ".%" PRIx64 ".%" PRIx64, (uint64_t)place->number, (uint64_t)place->id);
		if (place->text[0])
			buf_putc(&b, '.');
		for (const char *c = place->text; *c; c++)
			buf_printf(&b, "%02x", (unsigned char)*c);
	}
	snprintf(out, CURSOR_SIZE, "%s", buf_str(&b));
	buf_free(&b);
}

static void place_text_parse(struct place *place, const char *hex)
{
	for (size_t n = 0; n < PLACE_TEXT_MAX && hex[0] && hex[1]; n++, hex += 2) {
		const char digits[] = { hex[0], hex[1], '\0' };
		place->text[n] = (char)strtoul(digits, NULL, 16);
	}
}

/* Only what place_print makes is taken: printed again it must be the same. */
static int place_parse(const struct failed_filter *filter, const char *cursor, int segments,
        struct place *ret, struct usher_error *err)
{
	struct place place = { 0 };
	char again[CURSOR_SIZE], *end;

	if (cursor == NULL || *cursor == '\0')
		return 0;
	place.segment = (int)strtoul(cursor + 1, &end, 16);
	place.further = *end == '.';
	if (place.further)
		place.number = (int64_t)strtoull(end + 1, &end, 16);
	if (place.further && *end == '.')
		place.id = (int64_t)strtoull(end + 1, &end, 16);
	if (place.further && *end == '.')
		place_text_parse(&place, end + 1);
	place_print(again, filter, &place);
	if (strcmp(again, cursor) != 0 || place.segment < 0 || place.segment >= segments)
		return error_set(err, USHER_EINVAL,
		        "the cursor is not one of this list: begin without a cursor, and take the next one "
		        "from each answer");
	*ret = place;
	return 0;
}

static struct place place_of(const struct find_plan *plan, const struct failed_row *row, int segment)
{
	struct place place = { .further = true, .segment = segment, .id = row->id };
	const char *text = plan->sort == FAILED_BY_RECIPIENT ? row->recipient : row->user_id;

	if (find_column_is_time(plan))
		place.number = row->dead_at.ms;
	else if (plan->sort == FAILED_BY_ATTEMPTS)
		place.number = row->attempts;
	else if (plan->sort == FAILED_BY_REDRIVES)
		place.number = row->redrives;
	else if (find_column_is_text(plan) && text)
		snprintf(place.text, sizeof place.text, "%s", text);
	return place;
}

static void add_place_value(struct sql *sql, const struct find_plan *plan, const struct place *place)
{
	if (find_column_is_time(plan))
		sql_add(sql, "?t", (wall_time){ place->number });
	else if (find_column_is_text(plan))
		sql_add(sql, "?s", place->text);
	else
		sql_add(sql, "?i", place->number);
}

/* AND what lies on one side of a place, or with `with` at it: as ranges of the index. */
static void add_side(
        struct sql *sql, const struct find_plan *plan, const struct place *place, bool above, bool with)
{
	const char *column = find_column(plan);
	const char *beyond = above ? " > " : " < ";

	if (!place->further)
		return;
	if (!column) {
		sql_add(sql, " AND f.id");
	} else {
		sql_add(sql, " AND (");
		sql_add(sql, column);
		sql_add(sql, beyond);
		add_place_value(sql, plan, place);
		sql_add(sql, " OR ");
		sql_add(sql, column);
		sql_add(sql, " = ");
		add_place_value(sql, plan, place);
		sql_add(sql, " AND f.id");
	}
	sql_add(sql, above ? with ? " >= ?i" : " > ?i" : with ? " <= ?i" : " < ?i", place->id);
	if (column)
		sql_add(sql, ")");
}

/* -- Walking ------------------------------------------------------------------------------------ */

struct listing {
	struct db *db;
	struct find_plan plan;     /* of the segment */
	struct place place, until; /* until: the window's last row; not `further`: no window */
	struct failed_row *rows;
	int *segments; /* of each row */
	size_t n, max;
	int64_t searched;
};

static void add_order(struct sql *sql, const struct find_plan *plan, const char *key, const char *id)
{
	const char *direction = plan->ascending ? "" : " DESC";

	sql_add(sql, " ORDER BY ");
	if (find_column(plan)) {
		sql_add(sql, key);
		sql_add(sql, direction);
		sql_add(sql, ", ");
	}
	sql_add(sql, id);
	sql_add(sql, direction);
}

/* The keys of one range in the list's order, from the place on. */
static void add_keys(struct sql *sql, const struct listing *l, int branch, bool rest)
{
	const struct find_plan *plan = &l->plan;
	const char *column = find_column(plan) ? find_column(plan) : "0";

	sql_add(sql, "SELECT f.id AS id, ");
	sql_add(sql, column);
	sql_add(sql, " AS k");
	find_add_from(sql, plan);
	find_add_branch(sql, plan, branch);
	add_side(sql, plan, &l->place, plan->ascending, false);
	if (rest) {
		add_side(sql, plan, &l->until, !plan->ascending, true);
		find_add_rest(sql, plan);
	}
	add_order(sql, plan, column, "f.id");
}

/* All ranges merged: `skip` keys of each are left out, `limit` in all are taken. Backwards: of those behind
 * the skipped ones the nearest is what is wanted, so the order is the same. */
static void add_merged(struct sql *sql, const struct listing *l, int64_t skip, int64_t limit, bool rest)
{
	int branches = find_branches(&l->plan);

	for (int i = 0; i < branches; i++) {
		sql_add(sql, i ? " UNION ALL (" : branches > 1 ? "(" : "");
		add_keys(sql, l, i, rest);
		sql_add(sql, branches > 1 ? " LIMIT ?i, ?i)" : " LIMIT ?i, ?i", skip, limit);
	}
	if (branches == 1)
		return;
	add_order(sql, &l->plan, "k", "id");
	sql_add(sql, " LIMIT ?i", limit);
}

static int append(struct listing *l, struct sql *sql, struct usher_error *err)
{
	struct rows *rows;
	int rc = db_query(l->db, sql, &rows, err);

	if (rc < 0)
		return rc;
	while (l->n < l->max && rows_next(rows)) {
		l->segments[l->n] = l->place.segment;
		failed_row_read(rows, &l->rows[l->n++]);
	}
	rows_free(rows);
	return 0;
}

/* The rows themselves: only those of the page are fetched whole. */
static int take(struct listing *l, struct usher_error *err)
{
	struct sql sql = sql_new(l->db);

	find_begin(&sql);
	sql_add(&sql, "SELECT " FAILED_ROW_COLUMNS " FROM (");
	add_merged(&sql, l, 0, (int64_t)(l->max - l->n), true);
	sql_add(&sql, ") AS page STRAIGHT_JOIN failed_notification f ON f.id = page.id "
	              "LEFT JOIN delivery d ON d.id = f.delivery_id");
	add_order(&sql, &l->plan, "page.k", "page.id");
	return append(l, &sql, err);
}

/* Sets the end of a window of about `size` rows; not `further` when fewer are left. */
static int look_ahead(struct listing *l, int64_t size, struct usher_error *err)
{
	struct sql sql = sql_new(l->db);
	struct rows *rows;
	int64_t each = size / find_branches(&l->plan);
	int rc;

	find_begin(&sql);
	add_merged(&sql, l, each > 0 ? each - 1 : 0, 1, false);
	rc = db_query(l->db, &sql, &rows, err);
	if (rc < 0)
		return rc;
	l->until = (struct place){ .segment = l->place.segment, .further = rows_next(rows) };
	if (l->until.further) {
		l->until.id = row_int(rows, 0);
		if (find_column_is_time(&l->plan))
			l->until.number = row_time(rows, 1).ms;
		else if (!find_column_is_text(&l->plan))
			l->until.number = row_int(rows, 1);
		else if (find_column(&l->plan))
			snprintf(l->until.text, sizeof l->until.text, "%s", row_text(rows, 1));
	}
	rows_free(rows);
	return 0;
}

/* Looks at rows one by one. *ret_ended: the segment has no more. */
static int search(struct listing *l, mono_time began, bool *ret_ended, struct usher_error *err)
{
	int64_t size = WINDOW_MIN;

	*ret_ended = false;
	while (l->n < l->max && mono_since_ms(began, mono_now()) < FAILED_SCAN_MS) {
		int rc = look_ahead(l, size, err);
		if (rc == 0)
			rc = take(l, err);
		if (rc < 0)
			return rc;
		l->searched += size;
		if (!l->until.further) {
			*ret_ended = true;
			return 0;
		}
		l->place = l->until;
		size = size * WINDOW_GROWTH < WINDOW_MAX ? size * WINDOW_GROWTH : WINDOW_MAX;
	}
	return 0;
}

/* Fills the page segment by segment. *ret_complete: nothing before its end was left out. */
static int walk(struct listing *l, const struct find_plan *whole, bool *ret_complete, struct usher_error *err)
{
	mono_time began = mono_now();
	int segments = find_segments(whole), rc = 0;

	*ret_complete = true;
	while (rc == 0 && l->n < l->max && l->place.segment < segments) {
		bool ended = true;

		l->plan = find_segment(whole, l->place.segment);
		l->until = (struct place){ 0 };
		if (!find_is_empty(&l->plan)) {
			if (l->plan.found == FOUND_NOTHING && find_has_rest(&l->plan))
				rc = search(l, began, &ended, err);
			else
				rc = take(l, err);
		}
		if (rc == 0 && !ended && l->n < l->max) {
			*ret_complete = false;
			break;
		}
		if (ended && l->n < l->max)
			l->place = (struct place){ .segment = l->place.segment + 1 };
	}
	return rc;
}

int failed_list(struct db *db, const struct failed_filter *filter, const char *cursor, int limit,
        struct failed_page *ret_page, struct usher_error *err)
{
	size_t max = (size_t)limit + 1; /* one more than is shown tells that there is more */
	struct listing l = { .db = db, .max = max };
	struct failed_page page = { .complete = true };
	struct find_plan plan;
	int rc;

	find_make(&plan, filter);
	rc = place_parse(filter, cursor, find_segments(&plan), &l.place, err);
	if (rc == 0 && !find_is_empty(&plan))
		rc = find_choose(db, &plan, err);
	if (rc < 0)
		return rc;
	l.rows = mem_array(max, sizeof *l.rows);
	l.segments = mem_array(max, sizeof *l.segments);
	if (!find_is_empty(&plan))
		rc = walk(&l, &plan, &page.complete, err);
	if (rc == 0 && l.n == max) {
		struct place last = place_of(&plan, &l.rows[l.n - 2], l.segments[l.n - 2]);
		failed_row_free(&l.rows[--l.n]);
		place_print(page.next, filter, &last);
	} else if (rc == 0 && !page.complete) {
		place_print(page.next, filter, &l.place);
	}
	page.rows = l.rows;
	page.n = l.n;
	page.searched = l.searched;
	free(l.segments);
	if (rc < 0)
		failed_rows_free(l.rows, l.n);
	else
		*ret_page = page;
	return rc;
}

/* -- Counting ----------------------------------------------------------------------------------- */

/* As counted one by one: of the first COUNT_WINDOW rows of the index. */
static void add_counted_rest(struct sql *sql, const struct find_plan *plan)
{
	sql_add(sql,
	        "SELECT LEAST(COALESCE(SUM(hit), 0), ?i), COUNT(*) >= ?i OR SUM(hit) > ?i FROM (SELECT (TRUE",
	        (int64_t)FAILED_COUNT_CAP, (int64_t)COUNT_WINDOW, (int64_t)FAILED_COUNT_CAP);
	find_add_rest(sql, plan);
	sql_add(sql, ") AS hit");
	find_add_from(sql, plan);
	find_add_all_branches(sql, plan);
	sql_add(sql, " LIMIT ?i) AS counted", (int64_t)COUNT_WINDOW);
}

static void add_counted(struct sql *sql, const struct find_plan *plan)
{
	sql_add(sql, "SELECT LEAST(COUNT(*), ?i), COUNT(*) > ?i FROM (SELECT 1", (int64_t)FAILED_COUNT_CAP,
	        (int64_t)FAILED_COUNT_CAP);
	find_add_from(sql, plan);
	find_add_all_branches(sql, plan);
	find_add_rest(sql, plan);
	sql_add(sql, " LIMIT ?i) AS counted", (int64_t)FAILED_COUNT_CAP + 1);
}

int failed_count(struct db *db, const struct failed_filter *filter, int64_t *ret_n, bool *ret_capped,
        struct usher_error *err)
{
	struct sql sql;
	struct rows *rows;
	struct find_plan plan;
	int rc = 0;

	find_make(&plan, filter);
	plan.sort = FAILED_BY_DEAD_AT;
	if (find_is_empty(&plan)) {
		*ret_n = 0;
		*ret_capped = false;
		return 0;
	}
	rc = find_choose(db, &plan, err);
	if (rc < 0)
		return rc;
	sql = sql_new(db);
	find_begin(&sql);
	if (plan.found == FOUND_NOTHING && find_has_rest(&plan))
		add_counted_rest(&sql, &plan);
	else
		add_counted(&sql, &plan);
	rc = db_query(db, &sql, &rows, err);
	if (rc < 0)
		return rc;
	rows_next(rows);
	*ret_n = row_int(rows, 0);
	*ret_capped = row_int(rows, 1) != 0;
	rows_free(rows);
	return 0;
}
