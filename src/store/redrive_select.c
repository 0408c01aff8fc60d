/* What a redrive job selects, as SQL: the rows of a status that its filter finds, in the order of an index,
 * so that each of its steps costs what it moves. Operators' lists are found in failed_find.c. On the db's
 * thread. */
#include "store/redrive_job_parts.h"

#include "base/buf.h"
#include "store/failed.h"

#include <string.h>

#define SEARCH_TEXT_MAX                                                                                      \
	512 /* bytes; longer than any id or address, so that what is cut finds nothing anyway */

static bool has_text(const struct failed_filter *filter)
{
	return filter->text != NULL && filter->text[0] != '\0';
}

/* The index whose order the list has and whose first columns the filter fixes. */
static const char *index_for(const struct failed_filter *filter)
{
	if (filter->auto_max > 0)
		return "FORCE INDEX (automatic) ";
	if (filter->class >= 0)
		return "FORCE INDEX (list_class_status) ";
	return filter->channel >= 0 ? "FORCE INDEX (list_channel_status) " : "FORCE INDEX (list_status) ";
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

void redrive_add_selected(struct sql *sql, const struct failed_filter *filter)
{
	add_from(sql, filter);
	add_filter(sql, filter);
}

int redrive_count_selected(struct db *db, const struct failed_filter *filter, int64_t *ret_n,
        bool *ret_capped, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows;
	int rc;

	sql_add(&sql, "SELECT COUNT(*) FROM (SELECT 1 ");
	redrive_add_selected(&sql, filter);
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
