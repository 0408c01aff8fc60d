/* The embedded broker's tables: making queues, putting messages in, looking at them, throwing old ones
 * away. Receiving and settling is in queue_take.c. Uses store/db.h; runs on its db's thread. */
#include "store/queue.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/queue_known.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ENSURE_WAIT_S "5" /* for others that make queues, in seconds */

/* One INSERT is ended once it is this long; what follows goes into the next, in the same transaction. */
#define PUT_STATEMENT_BYTES (1024 * 1024)

/* -- What is remembered ---------------------------------------------------------------------- */

struct queues *queues_new(struct db *db)
{
	struct queues *queues = mem_alloc(sizeof *queues);
	queues->db = db;
	return queues;
}

static void forget_subscribers(struct queues *queues)
{
	for (size_t i = 0; i < queues->subscribed.n; i++)
		free(queues->subscribed.names[i]);
	free(queues->subscribed.names);
	free(queues->subscribed.topic);
	memset(&queues->subscribed, 0, sizeof queues->subscribed);
}

static void forget(struct queues *queues)
{
	while (queues->known) {
		struct known_queue *q = queues->known;
		queues->known = q->next;
		free(q->name);
		free(q);
	}
	forget_subscribers(queues);
}

void queues_free(struct queues *queues)
{
	if (!queues)
		return;
	forget(queues);
	free(queues);
}

static bool fresh(mono_time at)
{
	return mono_since_ms(at, mono_now()) < QUEUE_REMEMBERED_MS;
}

int queue_find(struct queues *queues, const char *name, struct known_queue **ret, struct usher_error *err)
{
	struct known_queue *q = queues->known;
	while (q && strcmp(q->name, name) != 0)
		q = q->next;
	if (q && fresh(q->at)) {
		*ret = q;
		return 0;
	}

	struct sql sql = sql_new(queues->db);
	sql_add(&sql,
	        "SELECT q.id, d.id, q.max_receive_count FROM broker_queue q "
	        "LEFT JOIN broker_queue d ON d.name = q.dlq WHERE q.name = ?s",
	        name);
	struct rows *rows = NULL;
	int rc = db_query(queues->db, &sql, &rows, err);
	if (rc)
		return rc;
	if (!rows_next(rows)) {
		rows_free(rows);
		error_set(err, USHER_ENOTFOUND,
		        "the embedded broker has no queue %s: is its channel enabled in the configuration?",
		        name);
		return USHER_ENOTFOUND;
	}
	if (!q) {
		q = mem_alloc(sizeof *q);
		q->name = mem_string(name);
		q->next = queues->known;
		queues->known = q;
	}
	q->id = row_int(rows, 0);
	q->dlq_id = row_int(rows, 1);
	q->max_receive_count = row_int(rows, 2);
	q->at = mono_now();
	rows_free(rows);
	*ret = q;
	return 0;
}

int queue_subscribers(struct queues *queues, const char *topic, const char *const **ret_names, size_t *ret_n,
        struct usher_error *err)
{
	if (!queues->subscribed.topic || strcmp(queues->subscribed.topic, topic) != 0 ||
	        !fresh(queues->subscribed.at)) {
		struct sql sql = sql_new(queues->db);
		sql_add(&sql, "SELECT queue FROM broker_subscription WHERE topic = ?s ORDER BY queue", topic);
		struct rows *rows = NULL;
		int rc = db_query(queues->db, &sql, &rows, err);
		if (rc)
			return rc;
		forget_subscribers(queues);
		queues->subscribed.topic = mem_string(topic);
		queues->subscribed.names = mem_array(rows_count(rows) + 1, sizeof(char *));
		while (rows_next(rows))
			queues->subscribed.names[queues->subscribed.n++] = mem_string(row_text(rows, 0));
		queues->subscribed.at = mono_now();
		rows_free(rows);
	}
	*ret_names = (const char *const *)queues->subscribed.names;
	*ret_n = queues->subscribed.n;
	return 0;
}

/* -- Making queues --------------------------------------------------------------------------- */

struct ensure {
	const char *topic;
	const struct queue_definition *definitions;
	size_t n;
};

/* The dlq's own row: no policy of its own, kept as long as its queue's messages. */
static int ensure_dlq(struct db *db, const struct queue_definition *d, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	sql_add(&sql,
	        "INSERT IGNORE INTO broker_queue (name, dlq, max_receive_count, visibility_ms, retention_ms) "
	        "VALUES (?s, NULL, 0, ?i, ?i)",
	        d->dlq, d->visibility_ms, d->retention_ms);
	return db_exec(db, &sql, NULL, err);
}

static int ensure_queue(struct db *db, const struct queue_definition *d, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	sql_add(&sql,
	        "INSERT INTO broker_queue (name, dlq, max_receive_count, visibility_ms, retention_ms) "
	        "VALUES (?s, ?s, ?i, ?i, ?i) ON DUPLICATE KEY UPDATE dlq = VALUES(dlq), "
	        "max_receive_count = VALUES(max_receive_count), visibility_ms = VALUES(visibility_ms), "
	        "retention_ms = VALUES(retention_ms)",
	        d->name, d->dlq, (int64_t)d->max_receive_count, d->visibility_ms, d->retention_ms);
	return db_exec(db, &sql, NULL, err);
}

static int ensure_work(struct db *db, void *arg, struct usher_error *err)
{
	const struct ensure *e = arg;
	for (size_t i = 0; i < e->n; i++) {
		const struct queue_definition *d = &e->definitions[i];
		int rc = d->dlq ? ensure_dlq(db, d, err) : 0;
		if (!rc)
			rc = ensure_queue(db, d, err);
		if (rc)
			return rc;
		struct sql sql = sql_new(db);
		sql_add(&sql, "INSERT IGNORE INTO broker_subscription (topic, queue) VALUES (?s, ?s)",
		        e->topic, d->name);
		rc = db_exec(db, &sql, NULL, err);
		if (rc)
			return rc;
	}
	return 0;
}

/* One at a time, over all threads and daemons: all begin with this, on the same empty gaps of an index, and
 * MariaDB would call their inserts deadlocks. The lock goes with the connection, however it ends. */
static int ensure_lock(struct db *db, const char *function, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows = NULL;
	bool got;
	int rc;

	buf_printf(&sql.text, "SELECT %s", function);
	rc = db_query(db, &sql, &rows, err);
	if (rc)
		return rc;
	got = rows_next(rows) && row_int(rows, 0) == 1;
	rows_free(rows);
	return got ? 0
	           : error_set(err, USHER_EUNAVAILABLE,
	                     "another usherd is making the embedded broker's queues: try again");
}

int queue_ensure(struct queues *queues, const char *topic, const struct queue_definition *definitions,
        size_t n, struct usher_error *err)
{
	struct ensure e = { topic, definitions, n };
	struct usher_error unlock_err;
	int rc;

	forget(queues);
	if (n == 0)
		return 0;
	rc = ensure_lock(
	        queues->db, "GET_LOCK(CONCAT(DATABASE(), '.ensure_queues'), " ENSURE_WAIT_S ")", err);
	if (rc)
		return rc;
	rc = db_transaction(queues->db, ensure_work, &e, err);
	ensure_lock(queues->db, "RELEASE_LOCK(CONCAT(DATABASE(), '.ensure_queues'))", &unlock_err);
	return rc;
}

/* -- Putting --------------------------------------------------------------------------------- */

struct put {
	const int64_t *queue_ids;
	size_t queue_count;
	const struct queue_put *batch;
	size_t n;
	char (*message_ids)[UUID_TEXT_SIZE];
};

static void put_row(
        struct sql *sql, bool first, const struct put *p, size_t i, const char *attributes, int64_t queue_id)
{
	const struct queue_put *m = &p->batch[i];
	if (first)
		sql_add(sql, "INSERT INTO broker_message (queue_id, message_id, body, attributes, sent_at, "
		             "visible_at) VALUES ");
	else
		sql_add(sql, ",");
	sql_add(sql, "(?i,?s,?b,?s,UTC_TIMESTAMP(3),", queue_id, p->message_ids[i], m->body, m->body_len,
	        attributes);
	if (m->delay_ms > 0)
		sql_add(sql, "UTC_TIMESTAMP(3) + INTERVAL ?i MICROSECOND)", m->delay_ms * 1000);
	else
		sql_add(sql, "UTC_TIMESTAMP(3))");
}

static int put_work(struct db *db, void *arg, struct usher_error *err)
{
	const struct put *p = arg;
	struct sql sql = sql_new(db);
	bool first = true;
	int rc = 0;
	for (size_t i = 0; i < p->n && !rc; i++) {
		const struct message_attributes *attributes = p->batch[i].attributes;
		OWNED char *text =
		        attributes && attributes->count ? message_attributes_print(attributes) : NULL;
		for (size_t q = 0; q < p->queue_count && !rc; q++) {
			put_row(&sql, first, p, i, text ? text : "{}", p->queue_ids[q]);
			first = false;
			if (sql.text.len >= PUT_STATEMENT_BYTES) {
				rc = db_exec(db, &sql, NULL, err);
				sql = sql_new(db);
				first = true;
			}
		}
	}
	if (!rc && !first)
		return db_exec(db, &sql, NULL, err);
	sql_free(&sql);
	return rc;
}

/* Whether one INSERT will do, so that the usual batch is spared BEGIN and COMMIT. Escaping at most doubles a
 * body. */
static bool put_fits(const struct put *p)
{
	size_t bytes = 0;
	for (size_t i = 0; i < p->n; i++)
		bytes += 2 * p->batch[i].body_len + 1024;
	return bytes * p->queue_count < PUT_STATEMENT_BYTES;
}

int queue_put(struct queues *queues, const char *const *names, size_t name_count,
        const struct queue_put *batch, size_t n, struct usher_error *err)
{
	if (n == 0 || name_count == 0)
		return 0;
	int64_t *ids = mem_array(name_count, sizeof *ids);
	struct put p = { ids, name_count, batch, n, mem_array(n, UUID_TEXT_SIZE) };
	int rc = 0;
	for (size_t i = 0; i < name_count && !rc; i++) {
		struct known_queue *q = NULL;
		rc = queue_find(queues, names[i], &q, err);
		ids[i] = rc ? 0 : q->id;
	}
	for (size_t i = 0; i < n; i++)
		uuid_new(p.message_ids[i]);
	if (!rc)
		rc = put_fits(&p) ? put_work(queues->db, &p, err)
		                  : db_transaction(queues->db, put_work, &p, err);
	free(p.message_ids);
	free(ids);
	return rc;
}

/* -- Looking --------------------------------------------------------------------------------- */

struct message *queue_message(const struct rows *rows, int received)
{
	struct message *m = mem_alloc(sizeof *m);
	char receipt[48];
	m->receive_count = (int)row_int(rows, 1) + received;
	snprintf(receipt, sizeof receipt, "%" PRId64 ".%d", row_int(rows, 0), m->receive_count);
	m->receipt = mem_string(receipt);
	m->id = mem_string(row_text(rows, 2));
	m->sent_at = row_time(rows, 3);
	const char *attributes = row_text(rows, 4);
	/* What does not parse was not put there by usher: the body still stands, without attributes. */
	if (attributes && strcmp(attributes, "{}") != 0 &&
	        message_attributes_parse(attributes, &m->attributes) != 0)
		memset(&m->attributes, 0, sizeof m->attributes);
	const char *body = row_bytes(rows, 5, &m->body_len);
	m->body = mem_stringn(body, m->body_len);
	return m;
}

void queue_messages_free(struct message **messages, size_t n)
{
	for (size_t i = 0; i < n; i++)
		message_free(messages[i]);
}

int queue_list(struct queues *queues, const char *name, size_t max, struct message **messages, size_t *ret_n,
        bool *ret_exact, struct usher_error *err)
{
	struct known_queue *q = NULL;
	int rc = queue_find(queues, name, &q, err);
	if (rc)
		return rc;
	bool from_start = q->listed_id == 0;
	struct sql sql = sql_new(queues->db);
	sql_add(&sql, "SELECT " QUEUE_COLUMNS " FROM broker_message FORCE INDEX (expiry) WHERE queue_id = ?i",
	        q->id);
	if (!from_start)
		sql_add(&sql, " AND sent_at >= ?t AND (sent_at > ?t OR id > ?i)", q->listed_sent_at,
		        q->listed_sent_at, q->listed_id);
	sql_add(&sql, " ORDER BY sent_at, id LIMIT ?i", (int64_t)max + 1);
	struct rows *rows = NULL;
	rc = db_query(queues->db, &sql, &rows, err);
	if (rc)
		return rc;

	size_t n = 0;
	while (n < max && rows_next(rows)) {
		messages[n++] = queue_message(rows, 0);
		q->listed_sent_at = messages[n - 1]->sent_at;
		q->listed_id = row_int(rows, 0);
	}
	/* A listing that is just full may be the end or not: the next one tells, and may be empty. */
	bool whole = from_start && rows_count(rows) <= max;
	if (whole || n < max)
		q->listed_id = 0;
	rows_free(rows);
	*ret_n = n;
	*ret_exact = whole;
	return 0;
}

int queue_count(
        struct queues *queues, const char *name, struct queue_depths *ret_depths, struct usher_error *err)
{
	struct known_queue *q = NULL;
	int rc = queue_find(queues, name, &q, err);
	if (rc)
		return rc;
	struct sql sql = sql_new(queues->db);
	sql_add(&sql,
	        "SELECT (SELECT COUNT(*) FROM broker_message FORCE INDEX (to_receive) "
	        "  WHERE queue_id = ?i AND visible_at <= UTC_TIMESTAMP(3)),"
	        " SUM(receive_count > 0), SUM(receive_count = 0),"
	        " (SELECT TIMESTAMPDIFF(MICROSECOND, sent_at, UTC_TIMESTAMP(3)) DIV 1000"
	        "  FROM broker_message FORCE INDEX (expiry)"
	        "  WHERE queue_id = ?i AND visible_at <= UTC_TIMESTAMP(3) ORDER BY sent_at LIMIT 1) "
	        "FROM broker_message FORCE INDEX (to_receive) "
	        "WHERE queue_id = ?i AND visible_at > UTC_TIMESTAMP(3)",
	        q->id, q->id, q->id);
	struct rows *rows = NULL;
	rc = db_query(queues->db, &sql, &rows, err);
	if (rc)
		return rc;
	rows_next(rows);
	*ret_depths = (struct queue_depths){
		.visible = { row_int(rows, 0), EXACT },
		.in_flight = { row_int(rows, 1), EXACT },
		.delayed = { row_int(rows, 2), EXACT },
		.oldest_age_ms = row_text(rows, 3) ? row_int(rows, 3) : -1,
	};
	rows_free(rows);
	return 0;
}

/* -- Throwing away --------------------------------------------------------------------------- */

int queue_expire(struct queues *queues, int max, int *ret_n, struct usher_error *err)
{
	struct sql sql = sql_new(queues->db);
	sql_add(&sql, "SELECT id, retention_ms FROM broker_queue");
	struct rows *rows = NULL;
	int rc = db_query(queues->db, &sql, &rows, err);
	if (rc)
		return rc;
	int left = max;
	while (left > 0 && !rc && rows_next(rows)) {
		uint64_t deleted = 0;
		sql = sql_new(queues->db);
		sql_add(&sql,
		        "DELETE FROM broker_message WHERE queue_id = ?i AND "
		        "sent_at < UTC_TIMESTAMP(3) - INTERVAL ?i MICROSECOND ORDER BY sent_at LIMIT ?i",
		        row_int(rows, 0), row_int(rows, 1) * 1000, (int64_t)left);
		rc = db_exec(queues->db, &sql, &deleted, err);
		if (!rc)
			left -= (int)deleted;
	}
	rows_free(rows);
	if (!rc)
		*ret_n = max - left;
	return rc;
}
