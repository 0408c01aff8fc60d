/* The embedded broker's tables: receiving, deleting and hiding. One batch is one short transaction or one
 * statement, whatever its size. Uses store/db.h; runs on its db's thread. */
#include "store/queue.h"

#include "base/error.h"
#include "base/mem.h"
#include "store/queue_known.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void sql_list(struct sql *sql, size_t position, int64_t number)
{
	sql_add(sql, position ? ",?i" : "(?i", number);
}

/* -- Receiving ------------------------------------------------------------------------------- */

struct take {
	const struct known_queue *queue;
	int max;
	int64_t visibility_ms;
	struct message **messages;
	size_t n, moved;
	wall_time floor, last_visible_at;
};

#define FLOOR_MS 1000 /* how long a take may begin behind the oldest */

static int take_select(struct db *db, const struct take *t, struct rows **ret_rows, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	/* In the order of the index, so that the first rows are the answer, however deep the queue is. */
	sql_add(&sql,
	        "SELECT " QUEUE_COLUMNS " FROM broker_message FORCE INDEX (to_receive) "
	        "WHERE queue_id = ?i AND visible_at <= UTC_TIMESTAMP(3)",
	        t->queue->id);
	if (t->floor.ms)
		sql_add(&sql, " AND visible_at >= ?t", t->floor);
	sql_add(&sql, " ORDER BY visible_at, id LIMIT ?i FOR UPDATE SKIP LOCKED", (int64_t)t->max);
	return db_query(db, &sql, ret_rows, err);
}

/* Takes what may still be received, moves the rest: as on SQS, the message keeps its id and the time it was
 * sent, and its receives start again. */
static int take_work(struct db *db, void *arg, struct usher_error *err)
{
	struct take *t = arg;
	queue_messages_free(t->messages, t->n);
	t->n = t->moved = 0;
	struct rows *rows = NULL;
	int rc = take_select(db, t, &rows, err);
	if (rc)
		return rc;

	struct sql taken = sql_new(db), moved = sql_new(db);
	sql_add(&taken,
	        "UPDATE broker_message SET visible_at = UTC_TIMESTAMP(3) + INTERVAL ?i MICROSECOND, "
	        "receive_count = receive_count + 1 WHERE id IN ",
	        t->visibility_ms * 1000);
	sql_add(&moved,
	        "UPDATE broker_message SET queue_id = ?i, receive_count = 0, visible_at = UTC_TIMESTAMP(3) "
	        "WHERE id IN ",
	        t->queue->dlq_id);
	size_t left = rows_count(rows);
	while (rows_next(rows)) {
		if (--left == 0)
			t->last_visible_at = row_time(rows, QUEUE_VISIBLE_AT);
		if (t->queue->dlq_id && row_int(rows, 1) >= t->queue->max_receive_count) {
			sql_list(&moved, t->moved++, row_int(rows, 0));
			continue;
		}
		sql_list(&taken, t->n, row_int(rows, 0));
		t->messages[t->n++] = queue_message(rows, 1);
	}
	rows_free(rows);

	if (t->n) {
		sql_add(&taken, ")");
		rc = db_exec(db, &taken, NULL, err);
	} else {
		sql_free(&taken);
	}
	if (t->moved && !rc) {
		sql_add(&moved, ")");
		rc = db_exec(db, &moved, NULL, err);
	} else {
		sql_free(&moved);
	}
	return rc;
}

/* One statement that locks nothing: until the first message is due, 0 when one is, -1 for none. */
static int take_peek(
        struct queues *queues, const struct known_queue *q, int64_t *ret_ms, struct usher_error *err)
{
	struct sql sql = sql_new(queues->db);
	sql_add(&sql,
	        "SELECT CEIL(TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(3), visible_at) / 1000) "
	        "FROM broker_message FORCE INDEX (to_receive) WHERE queue_id = ?i ORDER BY visible_at, id "
	        "LIMIT 1",
	        q->id);
	struct rows *rows = NULL;
	int rc = db_query(queues->db, &sql, &rows, err);
	if (rc)
		return rc;
	int64_t ms = -1;
	if (rows_next(rows)) {
		ms = row_int(rows, 0);
		if (ms < 0)
			ms = 0;
	}
	rows_free(rows);
	*ret_ms = ms;
	return 0;
}

/* From the oldest, unless the queue is busy and that was done a moment ago. */
static void take_begin(struct known_queue *q, struct take *t)
{
	mono_time now = mono_now();

	if (q->busy && now.ns < q->floor_until.ns) {
		t->floor = q->floor;
		return;
	}
	t->floor = (wall_time){ 0 };
	q->floor_until = mono_add_ms(now, FLOOR_MS);
}

static int take_once(struct queues *queues, struct known_queue *q, struct take *t, struct usher_error *err)
{
	take_begin(q, t);
	int rc = db_transaction(queues->db, take_work, t, err);
	if (rc) {
		queue_messages_free(t->messages, t->n);
		return rc;
	}
	q->busy = t->n + t->moved == (size_t)t->max;
	q->floor = t->last_visible_at;
	return 0;
}

int queue_take(struct queues *queues, const char *name, int max, int64_t visibility_ms,
        struct message **messages, size_t *ret_n, int64_t *ret_next_ms, struct usher_error *err)
{
	struct known_queue *q = NULL;
	int rc = queue_find(queues, name, &q, err);
	struct take t = { .queue = q, .max = max, .visibility_ms = visibility_ms, .messages = messages };
	int64_t next_ms = 0;

	if (!rc && q->busy)
		rc = take_once(queues, q, &t, err);
	if (!rc && t.n + t.moved == 0) {
		rc = take_peek(queues, q, &next_ms, err);
		if (!rc && next_ms == 0)
			rc = take_once(queues, q, &t, err);
	}
	if (rc)
		return rc;
	/* All went to the dlq: the next may be visible. None could be had: somebody is at them. */
	if (t.n == 0)
		*ret_next_ms = next_ms ? next_ms : t.moved ? 0 : QUEUE_LOCKED_RETRY_MS;
	*ret_n = t.n;
	return 0;
}

/* -- Settling -------------------------------------------------------------------------------- */

struct receipt {
	int64_t id, receive_count;
};

static bool receipt_parse(const char *text, struct receipt *ret)
{
	char *end = NULL;
	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	ret->id = strtoll(text, &end, 10);
	if (errno || *end != '.' || end[1] < '0' || end[1] > '9')
		return false;
	ret->receive_count = strtoll(end + 1, &end, 10);
	return !errno && *end == 0;
}

/* The first part finds the rows by primary key; the second lets only good receipts pass, as texts, because
 * MariaDB looks a text up in a sorted list and goes through a list of pairs from its beginning for every row.
 * The sum keeps it from taking an index on queue_id. */
static void settle_where(struct sql *sql, const struct known_queue *q, const struct receipt *receipts,
        const int *codes, size_t n)
{
	size_t k = 0;
	sql_add(sql, " WHERE id IN ");
	for (size_t i = 0; i < n; i++)
		if (!codes[i])
			sql_list(sql, k++, receipts[i].id);
	k = 0;
	sql_add(sql, ") AND queue_id + 0 = ?i AND CONCAT(id, '.', receive_count) IN (", q->id);
	for (size_t i = 0; i < n; i++)
		if (!codes[i])
			sql_add(sql, k++ ? ",'?i.?i'" : "'?i.?i'", receipts[i].id, receipts[i].receive_count);
	sql_add(sql, ")");
}

/* After fewer rows were changed than asked: which receipts no longer hold? `gone` is the code of a message
 * that is not there any more. */
static int settle_judge(struct db *db, const struct known_queue *q, const struct receipt *receipts,
        int *codes, size_t n, int gone, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	size_t k = 0;
	sql_add(&sql, "SELECT id, receive_count, queue_id FROM broker_message WHERE id IN ");
	for (size_t i = 0; i < n; i++)
		if (!codes[i])
			sql_list(&sql, k++, receipts[i].id);
	sql_add(&sql, ")");
	struct rows *rows = NULL;
	int rc = db_query(db, &sql, &rows, err);
	if (rc)
		return rc;
	bool *seen = mem_array(n, sizeof *seen);
	while (rows_next(rows))
		for (size_t i = 0; i < n; i++) {
			if (codes[i] || seen[i] || receipts[i].id != row_int(rows, 0))
				continue;
			seen[i] = true;
			if (receipts[i].receive_count != row_int(rows, 1) || q->id != row_int(rows, 2))
				codes[i] = USHER_ESTALE;
		}
	for (size_t i = 0; i < n; i++)
		if (!codes[i] && !seen[i])
			codes[i] = gone;
	free(seen);
	rows_free(rows);
	return 0;
}

/* Finds the queue and reads the receipts; *ret_good is how many are receipts at all. */
static int settle_begin(struct queues *queues, const char *name, const char *const *texts, size_t n,
        int *codes, struct known_queue **ret_queue, struct receipt **ret_receipts, size_t *ret_good,
        struct usher_error *err)
{
	int rc = queue_find(queues, name, ret_queue, err);
	if (rc)
		return rc;
	struct receipt *receipts = mem_array(n, sizeof *receipts);
	size_t good = 0;
	for (size_t i = 0; i < n; i++) {
		bool fine = receipt_parse(texts[i], &receipts[i]);
		codes[i] = fine ? 0 : USHER_EINVAL;
		good += fine;
	}
	*ret_receipts = receipts;
	*ret_good = good;
	return 0;
}

int queue_remove(struct queues *queues, const char *name, const char *const *texts, size_t n, int *codes,
        struct usher_error *err)
{
	struct known_queue *q = NULL;
	OWNED struct receipt *receipts = NULL;
	size_t good = 0;
	int rc = settle_begin(queues, name, texts, n, codes, &q, &receipts, &good, err);
	if (rc || good == 0)
		return rc;
	struct sql sql = sql_new(queues->db);
	sql_add(&sql, "DELETE FROM broker_message");
	settle_where(&sql, q, receipts, codes, n);
	uint64_t deleted = 0;
	rc = db_exec(queues->db, &sql, &deleted, err);
	if (!rc && deleted < good)
		rc = settle_judge(queues->db, q, receipts, codes, n, 0, err);
	return rc;
}

/* One time for all where it is the same, as for a batch that is handed back. */
static void hide_time(struct sql *sql, const struct queue_hide *batch, const struct receipt *receipts,
        const int *codes, size_t n)
{
	bool same = true;
	int64_t ms = -1;
	for (size_t i = 0; i < n; i++) {
		if (codes[i])
			continue;
		same = same && (ms < 0 || ms == batch[i].visibility_ms);
		ms = batch[i].visibility_ms;
	}
	if (same) {
		sql_add(sql, "?i", ms * 1000);
		return;
	}
	sql_add(sql, "(CASE id");
	for (size_t i = 0; i < n; i++)
		if (!codes[i])
			sql_add(sql, " WHEN ?i THEN ?i", receipts[i].id, batch[i].visibility_ms * 1000);
	sql_add(sql, " END)");
}

int queue_hide(struct queues *queues, const char *name, const struct queue_hide *batch, size_t n, int *codes,
        struct usher_error *err)
{
	struct known_queue *q = NULL;
	OWNED struct receipt *receipts = NULL;
	OWNED const char **texts = mem_array(n, sizeof *texts);
	size_t good = 0;
	for (size_t i = 0; i < n; i++)
		texts[i] = batch[i].receipt;
	int rc = settle_begin(queues, name, texts, n, codes, &q, &receipts, &good, err);
	if (rc || good == 0)
		return rc;
	struct sql sql = sql_new(queues->db);
	sql_add(&sql, "UPDATE broker_message SET visible_at = UTC_TIMESTAMP(3) + INTERVAL ");
	hide_time(&sql, batch, receipts, codes, n);
	sql_add(&sql, " MICROSECOND");
	settle_where(&sql, q, receipts, codes, n);
	uint64_t changed = 0;
	rc = db_exec(queues->db, &sql, &changed, err);
	if (!rc && changed < good)
		rc = settle_judge(queues->db, q, receipts, codes, n, USHER_ESTALE, err);
	return rc;
}
