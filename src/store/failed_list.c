/* Reading failed_notification: lists, counts, groups, one row with its attempts. Each query names the index
 * that serves it, so that a page costs the same whatever the table's size. Uses store/db.h; blocks; on its
 * db's thread. */
#include "store/failed.h"

#include "base/error.h"
#include "base/mem.h"
#include "store/cursor.h"
#include "store/ledger_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LIST_NEWEST 'n'
#define LIST_OLDEST 'o'
#define LIST_NEWEST_EXACT 'N' /* the last row shown was one that the text matches whole: these come first */
#define LIST_OLDEST_EXACT 'O'
#define SEARCH_TEXT_MAX                                                                                      \
	512 /* bytes; longer than any id or address, so that what is cut finds nothing anyway */

/* -- Words ----------------------------------------------------------------------------------- */

static const char *const status_names[FAILED_STATUS_COUNT] = {
	[FAILED_DEAD] = "dead",
	[FAILED_QUEUED] = "queued",
	[FAILED_DELIVERED] = "delivered",
	[FAILED_CANCELLED] = "cancelled",
};

const char *failed_status_name(enum failed_status status)
{
	return (unsigned)status < FAILED_STATUS_COUNT ? status_names[status] : "unknown";
}

bool failed_status_by_name(const char *name, enum failed_status *ret)
{
	for (int i = 0; i < FAILED_STATUS_COUNT; i++) {
		if (strcmp(status_names[i], name) == 0) {
			*ret = (enum failed_status)i;
			return true;
		}
	}
	return false;
}

/* -- Rows ------------------------------------------------------------------------------------ */

#define ROW_COLUMNS                                                                                          \
	"f.id, f.delivery_id, f.event_id, f.reason, f.user_id, f.recipient, f.name, f.source_queue, "        \
	"f.message_id, f.dlq_message_id, f.settled_by, f.settled_reason, f.channel, f.status, d.state, "     \
	"f.class, "                                                                                          \
	"f.version, f.attempts, f.redrives, f.first_at, f.dead_at, f.updated_at, f.dlq_seen_at, "            \
	"f.dlq_expires_at, f.job_id, f.auto_redrives"
#define ROW_EXACT 26   /* only in lists */
#define ROW_PAYLOAD 26 /* the columns that only failed_get asks for */
#define ROW_ATTRIBUTES 27

static void row_read(const struct rows *rows, struct failed_row *row)
{
	enum delivery_state state = DELIVERY_DEAD;

	row->id = row_int(rows, 0);
	row->delivery_id = row_int(rows, 1);
	row->event_id = mem_string(row_text(rows, 2));
	row->reason = mem_string(row_text(rows, 3));
	row->user_id = mem_string(row_text(rows, 4));
	row->recipient = mem_string(row_text(rows, 5));
	row->name = mem_string(row_text(rows, 6));
	row->source_queue = mem_string(row_text(rows, 7));
	row->message_id = mem_string(row_text(rows, 8));
	row->dlq_message_id = mem_string(row_text(rows, 9));
	row->settled_by = mem_string(row_text(rows, 10));
	row->settled_reason = mem_string(row_text(rows, 11));
	channel_by_name(row_text(rows, 12), &row->channel);
	failed_status_by_name(row_text(rows, 13), &row->status);
	if (row_text(rows, 14))
		delivery_state_by_name(row_text(rows, 14), &state);
	row->delivery_state = state;
	row->class = failure_by_name(row_text(rows, 15));
	row->version = (int)row_int(rows, 16);
	row->attempts = (int)row_int(rows, 17);
	row->redrives = (int)row_int(rows, 18);
	row->first_at = row_time(rows, 19);
	row->dead_at = row_time(rows, 20);
	row->updated_at = row_time(rows, 21);
	row->dlq_seen_at = row_time(rows, 22);
	row->dlq_expires_at = row_time(rows, 23);
	row->job_id = row_int(rows, 24);
	row->auto_redrives = (int)row_int(rows, 25);
}

static void row_free(struct failed_row *row)
{
	free(row->event_id);
	free(row->reason);
	free(row->user_id);
	free(row->recipient);
	free(row->name);
	free(row->source_queue);
	free(row->message_id);
	free(row->dlq_message_id);
	free(row->settled_by);
	free(row->settled_reason);
	free(row->payload);
	free(row->attributes);
}

void failed_rows_free(struct failed_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		row_free(&rows[i]);
	free(rows);
}

/* -- Filters --------------------------------------------------------------------------------- */

static bool has_text(const struct failed_filter *filter)
{
	return filter->text != NULL && filter->text[0] != '\0';
}

/* The index whose order the list has and whose first columns the filter fixes. */
static const char *index_for(const struct failed_filter *filter)
{
	bool status = filter->status >= 0;

	if (filter->auto_max > 0)
		return "FORCE INDEX (automatic) ";
	if (filter->class >= 0)
		return status ? "FORCE INDEX (list_class_status) " : "FORCE INDEX (list_class) ";
	if (filter->channel >= 0)
		return status ? "FORCE INDEX (list_channel_status) " : "FORCE INDEX (list_channel) ";
	return status ? "FORCE INDEX (list_status) " : "FORCE INDEX (list_newest) ";
}

/* A prefix for LIKE in which nothing of the operator's text is a wildcard. */
static void like_prefix(struct buf *out, const char *text)
{
	for (size_t i = 0; i < SEARCH_TEXT_MAX && *text; i++, text++) {
		if (*text == '%' || *text == '_' || *text == '\\')
			buf_putc(out, '\\');
		buf_putc(out, *text);
	}
	buf_putc(out, '%');
}

/* The table by the filter's index, or joined with what a search finds: a union, for no single index serves an
 * OR over three columns (and MariaDB runs IN (... UNION ...) once for each row of the table). */
static void add_from(struct sql *sql, const struct failed_filter *filter)
{
	struct buf prefix = BUF(2 * SEARCH_TEXT_MAX + 2);

	if (!has_text(filter)) {
		sql_add(sql, "FROM failed_notification f ");
		sql_add(sql, index_for(filter));
		return;
	}
	like_prefix(&prefix, filter->text);
	sql_add(sql,
	        "FROM (SELECT id FROM failed_notification WHERE event_id LIKE ?s UNION "
	        "SELECT id FROM failed_notification WHERE user_id LIKE ?s UNION "
	        "SELECT id FROM failed_notification WHERE recipient LIKE ?s) AS found "
	        "JOIN failed_notification f ON f.id = found.id ",
	        buf_str(&prefix), buf_str(&prefix), buf_str(&prefix));
	buf_free(&prefix);
}

static void add_filter(struct sql *sql, const struct failed_filter *filter)
{
	sql_add(sql, "WHERE 1 = 1 ");
	if (filter->status >= 0)
		sql_add(sql, "AND f.status = ?s ", failed_status_name((enum failed_status)filter->status));
	if (filter->channel >= 0)
		sql_add(sql, "AND f.channel = ?s ", channel_name((enum channel_id)filter->channel));
	if (filter->class >= 0)
		sql_add(sql, "AND f.class = ?s ", failure_info((enum failure_class)filter->class)->name);
	if (filter->since.ms)
		sql_add(sql, "AND f.dead_at >= ?t ", filter->since);
	if (filter->until.ms)
		sql_add(sql, "AND f.dead_at < ?t ", filter->until);
	if (filter->in_dlq)
		sql_add(sql, "AND f.dlq_message_id IS NOT NULL ");
	for (int i = 0; i < filter->auto_max; i++) /* one range of the index each */
		sql_add(sql, i == 0 ? "AND f.auto_redrives IN (?i" : ", ?i", (int64_t)i);
	if (filter->auto_max > 0)
		sql_add(sql, ") ");
}

void failed_add_filtered(struct sql *sql, const struct failed_filter *filter)
{
	add_from(sql, filter);
	add_filter(sql, filter);
}

/* -- Lists ----------------------------------------------------------------------------------- */

struct place { /* where a page begins */
	bool further, exact;
	wall_time at;
	int64_t id;
};

static char list_letter(const struct failed_filter *filter, bool exact)
{
	if (filter->oldest_first)
		return exact ? LIST_OLDEST_EXACT : LIST_OLDEST;
	return exact ? LIST_NEWEST_EXACT : LIST_NEWEST;
}

static int place_parse(
        const struct failed_filter *filter, const char *cursor, struct place *ret, struct usher_error *err)
{
	bool exact = has_text(filter) && cursor != NULL && cursor[0] == list_letter(filter, true);
	int further = cursor_parse(cursor, list_letter(filter, exact), &ret->at.ms, &ret->id, err);

	ret->exact = exact;
	ret->further = further > 0;
	return further < 0 ? further : 0;
}

/* 1 for rows that the text matches whole, else 0; 0 without a text. */
static void add_exact(struct sql *sql, const struct failed_filter *filter)
{
	if (has_text(filter))
		sql_add(sql,
		        "COALESCE(f.event_id = ?s, 0) + COALESCE(f.user_id = ?s, 0) + COALESCE(f.recipient = "
		        "?s, 0) > 0",
		        filter->text, filter->text, filter->text);
	else
		sql_add(sql, "0");
}

/* The rows behind a place, in the list's order; said so that the range on dead_at is the index's. */
static void add_behind(struct sql *sql, const struct failed_filter *filter, const struct place *place)
{
	if (has_text(filter)) {
		sql_add(sql, "AND ((");
		add_exact(sql, filter);
		sql_add(sql, ") < ?i OR (", (int64_t)place->exact);
		add_exact(sql, filter);
		sql_add(sql, ") = ?i ", (int64_t)place->exact);
	}
	sql_add(sql,
	        filter->oldest_first ? "AND f.dead_at >= ?t AND (f.dead_at > ?t OR f.id > ?i) "
	                             : "AND f.dead_at <= ?t AND (f.dead_at < ?t OR f.id < ?i) ",
	        place->at, place->at, place->id);
	if (has_text(filter))
		sql_add(sql, ") ");
}

int failed_list(struct db *db, const struct failed_filter *filter, const char *cursor, int limit,
        struct failed_row **ret_rows, size_t *ret_n, char ret_next[CURSOR_SIZE], struct usher_error *err)
{
	struct place place = { 0 };
	struct sql sql;
	struct rows *rows;
	struct failed_row *page;
	bool exact = false;
	size_t n = 0;
	int rc = place_parse(filter, cursor, &place, err);

	if (rc < 0)
		return rc;
	sql = sql_new(db);
	sql_add(&sql, "SELECT " ROW_COLUMNS ", ");
	add_exact(&sql, filter);
	sql_add(&sql, " AS exact ");
	add_from(&sql, filter);
	sql_add(&sql, "LEFT JOIN delivery d ON d.id = f.delivery_id ");
	add_filter(&sql, filter);
	if (place.further)
		add_behind(&sql, filter, &place);
	sql_add(&sql, has_text(filter) ? "ORDER BY exact DESC, " : "ORDER BY ");
	sql_add(&sql, filter->oldest_first ? "f.dead_at, f.id " : "f.dead_at DESC, f.id DESC ");
	sql_add(&sql, "LIMIT ?i", (int64_t)limit + 1);
	rc = db_query(db, &sql, &rows, err);
	if (rc < 0)
		return rc;
	page = mem_array(rows_count(rows) + 1, sizeof *page);
	while (n < (size_t)limit && rows_next(rows)) {
		exact = row_int(rows, ROW_EXACT) != 0;
		row_read(rows, &page[n++]);
	}
	ret_next[0] = '\0';
	if (rows_count(rows) > (size_t)limit)
		cursor_print(ret_next, list_letter(filter, exact), page[n - 1].dead_at.ms, page[n - 1].id);
	rows_free(rows);
	*ret_rows = page;
	*ret_n = n;
	return 0;
}

int failed_count(struct db *db, const struct failed_filter *filter, int64_t *ret_n, bool *ret_capped,
        struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows;
	int rc;

	sql_add(&sql, "SELECT COUNT(*) FROM (SELECT 1 ");
	add_from(&sql, filter);
	add_filter(&sql, filter);
	sql_add(&sql, "LIMIT ?i) AS counted", (int64_t)FAILED_COUNT_CAP + 1);
	rc = db_query(db, &sql, &rows, err);
	if (rc < 0)
		return rc;
	rows_next(rows);
	*ret_capped = row_int(rows, 0) > FAILED_COUNT_CAP;
	*ret_n = *ret_capped ? FAILED_COUNT_CAP : row_int(rows, 0);
	rows_free(rows);
	return 0;
}

int failed_groups(struct db *db, const struct failed_filter *filter, int limit,
        struct failed_group **ret_groups, size_t *ret_n, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows;
	struct failed_group *groups;
	size_t n = 0;
	int rc;

	sql_add(&sql, "SELECT channel, status, class, reason, COUNT(*), MIN(dead_at), MAX(dead_at) FROM "
	              "(SELECT f.channel, "
	              "f.status, f.class, f.reason, f.dead_at ");
	add_from(&sql, filter);
	add_filter(&sql, filter);
	sql_add(&sql,
	        "ORDER BY f.dead_at DESC, f.id DESC LIMIT ?i) AS newest "
	        "GROUP BY channel, status, class, reason ORDER BY COUNT(*) DESC, reason LIMIT ?i",
	        (int64_t)FAILED_GROUPS_ROWS_MAX, (int64_t)limit);
	rc = db_query(db, &sql, &rows, err);
	if (rc < 0)
		return rc;
	groups = mem_array(rows_count(rows) + 1, sizeof *groups);
	for (; rows_next(rows); n++) {
		channel_by_name(row_text(rows, 0), &groups[n].channel);
		failed_status_by_name(row_text(rows, 1), &groups[n].status);
		groups[n].class = failure_by_name(row_text(rows, 2));
		groups[n].reason = mem_string(row_text(rows, 3));
		groups[n].count = row_int(rows, 4);
		groups[n].oldest = row_time(rows, 5);
		groups[n].newest = row_time(rows, 6);
	}
	rows_free(rows);
	*ret_groups = groups;
	*ret_n = n;
	return 0;
}

void failed_groups_free(struct failed_group *groups, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(groups[i].reason);
	free(groups);
}

/* -- One row --------------------------------------------------------------------------------- */

int failed_get(struct db *db, int64_t id, struct failed_row **ret_row, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows;
	struct failed_row *row;
	const char *payload;
	int rc;

	sql_add(&sql,
	        "SELECT " ROW_COLUMNS ", f.payload, f.attributes FROM failed_notification f "
	        "LEFT JOIN delivery d ON d.id = f.delivery_id WHERE f.id = ?i",
	        id);
	rc = db_query(db, &sql, &rows, err);
	if (rc < 0)
		return rc;
	if (!rows_next(rows)) {
		rows_free(rows);
		return error_set(err, USHER_ENOTFOUND, "there is no failed row %" PRId64, id);
	}
	row = mem_alloc(sizeof *row);
	row_read(rows, row);
	payload = row_bytes(rows, ROW_PAYLOAD, &row->payload_len);
	row->payload = mem_stringn(payload, row->payload_len);
	row->attributes = mem_string(row_text(rows, ROW_ATTRIBUTES));
	rows_free(rows);
	*ret_row = row;
	return 0;
}

int attempts_of(struct db *db, int64_t delivery_id, struct attempt_row **ret_rows, size_t *ret_n,
        struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows;
	struct attempt_row *list;
	size_t n = 0;
	int rc;

	sql_add(&sql,
	        "SELECT id, number, redrive, code, at, latency_ms, class, reply, effect FROM "
	        "delivery_attempt "
	        "WHERE delivery_id = ?i ORDER BY id DESC LIMIT ?i",
	        delivery_id, (int64_t)ATTEMPTS_SHOWN_MAX);
	rc = db_query(db, &sql, &rows, err);
	if (rc < 0)
		return rc;
	list = mem_array(rows_count(rows) + 1, sizeof *list);
	n = rows_count(rows);
	for (size_t i = n; i > 0 && rows_next(rows); i--) { /* oldest first */
		list[i - 1] = (struct attempt_row){
			.id = row_int(rows, 0),
			.number = (int)row_int(rows, 1),
			.redrive = (int)row_int(rows, 2),
			.code = (int)row_int(rows, 3),
			.at = row_time(rows, 4),
			.latency_ms = row_int(rows, 5),
			.class = failure_by_name(row_text(rows, 6)),
			.reply = mem_string(row_text(rows, 7)),
			.effect = mem_string(row_text(rows, 8)),
		};
	}
	rows_free(rows);
	*ret_rows = list;
	*ret_n = n;
	return 0;
}

void attempts_free(struct attempt_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(rows[i].reply);
		free(rows[i].effect);
	}
	free(rows);
}
