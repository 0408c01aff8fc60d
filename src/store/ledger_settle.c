/* Settling: what became of claimed deliveries, with their attempts and, of the dead, their failed rows, in
 * one transaction a batch. The usual case costs one UPDATE a kind of outcome and counts the rows it matched.
 * Only when the count is short is it done again carefully: with the rows locked and each judged. On the db's
 * thread. */
#include "store/ledger_parts.h"
#include "store/retry_message.h"

#include "base/error.h"
#include "base/mem.h"

#include <assert.h>
#include <string.h>

struct settling {
	enum channel_id channel;
	const char *owner;
	struct ledger_settle *settles;
	size_t n;
	bool careful, mismatch;
	bool *moving; /* to be stored now: neither lost nor done before */
};

/* -- Which may move: the careful way ------------------------------------------------------------ */

/* As asked, moved by us: a settle whose COMMIT was not answered did reach the database. */
static bool is_done(const struct settling *s, const struct ledger_settle *e, const struct rows *rows)
{
	const char *owner = row_text(rows, 3);

	return owner != NULL && strcmp(owner, s->owner) == 0 && row_int(rows, 1) == e->version + 1 &&
	       strcmp(row_text(rows, 2), delivery_state_name(e->to)) == 0;
}

static bool is_ours(const struct settling *s, const struct ledger_settle *e, const struct rows *rows)
{
	const char *owner = row_text(rows, 3);

	return owner != NULL && strcmp(owner, s->owner) == 0 && row_int(rows, 1) == e->version &&
	       strcmp(row_text(rows, 2), delivery_state_name(DELIVERY_CLAIMED)) == 0;
}

static int judge_all(struct db *db, struct settling *s, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows = NULL;
	int code;

	sql_add(&sql, "SELECT id, version, state, owner FROM delivery WHERE id IN (");
	for (size_t i = 0; i < s->n; i++) {
		s->settles[i].lost = true;
		s->moving[i] = false;
		sql_add(&sql, i == 0 ? "?i" : ",?i", s->settles[i].delivery_id);
	}
	sql_add(&sql, ") ORDER BY id FOR UPDATE");
	code = db_query(db, &sql, &rows, err);
	if (code != 0)
		return code;
	while (rows_next(rows))
		for (size_t i = 0; i < s->n; i++) {
			struct ledger_settle *e = &s->settles[i];

			if (e->delivery_id != row_int(rows, 0))
				continue;
			s->moving[i] = is_ours(s, e, rows);
			e->lost = !s->moving[i] && !is_done(s, e, rows);
			break; /* the same delivery twice in a batch: the second is lost */
		}
	rows_free(rows);
	return 0;
}

/* -- Moving -------------------------------------------------------------------------------------- */

struct columns { /* of the entries that move the same way */
	size_t n;
	int64_t *id, *version, *attempts, *throttled, *delay_us;
	const char **class, **reply;
	char (*described)[REPLY_TEXT_MAX];
};

static struct columns columns_new(size_t n)
{
	return (struct columns){ .id = mem_array(n, sizeof(int64_t)),
		.version = mem_array(n, sizeof(int64_t)),
		.attempts = mem_array(n, sizeof(int64_t)),
		.throttled = mem_array(n, sizeof(int64_t)),
		.delay_us = mem_array(n, sizeof(int64_t)),
		.class = mem_array(n, sizeof(char *)),
		.reply = mem_array(n, sizeof(char *)) };
}

static void columns_free(struct columns *c)
{
	free(c->id);
	free(c->version);
	free(c->attempts);
	free(c->throttled);
	free(c->delay_us);
	free(c->class);
	free(c->reply);
	free(c->described);
}

static void columns_fill(struct columns *c, const struct settling *s, enum delivery_state to)
{
	c->n = 0;
	for (size_t i = 0; i < s->n; i++) {
		const struct ledger_settle *e = &s->settles[i];

		if (!s->moving[i] || e->to != to)
			continue;
		c->id[c->n] = e->delivery_id;
		c->version[c->n] = e->version;
		c->attempts[c->n] = e->attempts;
		c->throttled[c->n] = e->throttled;
		c->delay_us[c->n] = e->delay_ms * 1000;
		c->class[c->n] = failure_info(e->class)->name;
		c->reply[c->n] = e->reason;
		if (e->reason == NULL && e->reply != NULL && to != DELIVERY_DELIVERED) {
			if (c->described == NULL)
				c->described = mem_array(s->n, REPLY_TEXT_MAX);
			c->reply[c->n] = reply_describe(e->reply, c->described[c->n], REPLY_TEXT_MAX);
		}
		c->n++;
	}
}

/* The owner stays in the row: it tells a redo after a lost COMMIT from a lost lease. */
static int move(struct db *db, const struct settling *s, const struct columns *c, enum delivery_state to,
        uint64_t *ret_moved, struct usher_error *err)
{
	struct sql sql = sql_new(db);

	sql_add(&sql,
	        "UPDATE delivery SET state = ?s, version = version + 1, lease_until = NULL, updated_at = "
	        "UTC_TIMESTAMP(3), "
	        "attempts = ",
	        delivery_state_name(to));
	sql_add_case(&sql, c->id, c->attempts, c->n);
	sql_add(&sql, ", throttled = ");
	sql_add_case(&sql, c->id, c->throttled, c->n);
	if (to == DELIVERY_DELIVERED) {
		sql_add(&sql, ", delivered_at = UTC_TIMESTAMP(3), last_class = NULL, last_reply = NULL");
	} else {
		sql_add(&sql, ", last_class = ");
		sql_add_case_text(&sql, c->id, c->class, c->n, WIDTH_REASON);
		sql_add(&sql, ", last_reply = ");
		sql_add_case_text(&sql, c->id, c->reply, c->n, WIDTH_REASON);
	}
	if (to == DELIVERY_RETRYING) {
		sql_add(&sql, ", due_at = UTC_TIMESTAMP(3) + INTERVAL (");
		sql_add_case(&sql, c->id, c->delay_us, c->n);
		sql_add(&sql, ") MICROSECOND");
	}
	sql_add(&sql, " WHERE id IN ");
	sql_add_ids(&sql, c->id, c->n);
	sql_add(&sql, " AND version = ");
	sql_add_case(&sql, c->id, c->version, c->n);
	sql_add(&sql, " AND state = 'claimed' AND owner = ?s", s->owner);
	return db_exec(db, &sql, ret_moved, err);
}

static int move_all(struct db *db, struct settling *s, struct usher_error *err)
{
	static const enum delivery_state kinds[] = { DELIVERY_DELIVERED, DELIVERY_RETRYING, DELIVERY_DEAD };
	struct columns columns = columns_new(s->n);
	int code = 0;

	for (size_t k = 0; k < ARRAY_LEN(kinds) && code == 0; k++) {
		uint64_t moved = 0;

		columns_fill(&columns, s, kinds[k]);
		if (columns.n == 0)
			continue;
		code = move(db, s, &columns, kinds[k], &moved, err);
		s->mismatch = code == 0 && moved != columns.n;
		if (s->mismatch)
			code = error_set(err, USHER_ESTALE,
			        "a lease on delivery %lld or of its batch has passed to another worker",
			        (long long)columns.id[0]);
	}
	columns_free(&columns);
	return code;
}

/* -- What goes with a move ------------------------------------------------------------------------ */

static int64_t within(int64_t value, int64_t max)
{
	return value < 0 ? 0 : value > max ? max : value;
}

static void add_attempt(struct sql *sql, const struct ledger_settle *e, bool first)
{
	const struct reply *r = e->reply;

	sql_add(sql, first ? "(?i,?i,?i," : ",(?i,?i,?i,", e->delivery_id, (int64_t)e->attempts,
	        (int64_t)e->redrives);
	if (e->at.ms != 0)
		sql_add(sql, "?t", e->at);
	else
		sql_add(sql, "UTC_TIMESTAMP(3)");
	sql_add(sql, ",?i,?s,?i,", within(r->latency_ms, UINT32_MAX), failure_info(e->class)->name,
	        within(r->code, UINT16_MAX));
	sql_add_clipped(sql, r->text, WIDTH_REASON);
	sql_add(sql, ",");
	sql_add_clipped(sql, r->effect, WIDTH_EFFECT);
	sql_add(sql, ")");
}

static int store_attempts(struct db *db, const struct settling *s, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	size_t added = 0;

	sql_add(&sql, "INSERT INTO delivery_attempt (delivery_id, number, redrive, at, latency_ms, class, "
	              "code, reply, effect) VALUES ");
	for (size_t i = 0; i < s->n; i++)
		if (s->moving[i] && s->settles[i].reply != NULL)
			add_attempt(&sql, &s->settles[i], added++ == 0);
	if (added > 0)
		return db_exec(db, &sql, NULL, err);
	sql_free(&sql);
	return 0;
}

static int store_deaths(struct db *db, const struct settling *s, struct usher_error *err)
{
	struct failed_death *deaths = mem_array(s->n, sizeof *deaths);
	size_t n = 0;
	int code;

	for (size_t i = 0; i < s->n; i++) {
		const struct ledger_settle *e = &s->settles[i];

		if (s->moving[i] && e->to == DELIVERY_DEAD)
			deaths[n++] = (struct failed_death){ .delivery_id = e->delivery_id,
				.event_id = e->event_id,
				.user_id = e->user_id,
				.recipient = e->recipient,
				.reason = e->reason,
				.class = e->class,
				.attempts = e->attempts,
				.redrives = e->redrives,
				.dead = e->dead };
	}
	code = failed_deaths(db, s->channel, deaths, n, err);
	free(deaths);
	return code;
}

/* Redriven rows that are settled: their intents are not needed any more (the message came by another copy),
 * and those delivered say so to operators. */
static int close_redrives(struct db *db, const struct settling *s, struct usher_error *err)
{
	OWNED int64_t *settled = mem_array(s->n, sizeof *settled),
	              *delivered = mem_array(s->n, sizeof *delivered);
	size_t settled_n = 0, delivered_n = 0;
	struct sql sql;
	int code;

	for (size_t i = 0; i < s->n; i++) {
		const struct ledger_settle *e = &s->settles[i];

		if (!s->moving[i] || e->redrives == 0 || e->to == DELIVERY_RETRYING)
			continue;
		settled[settled_n++] = e->delivery_id;
		if (e->to == DELIVERY_DELIVERED)
			delivered[delivered_n++] = e->delivery_id;
	}
	if (settled_n == 0)
		return 0;
	sql = sql_new(db);
	sql_add(&sql, "DELETE i FROM redrive_intent i JOIN failed_notification f ON f.id = i.failed_id WHERE "
	              "f.delivery_id IN ");
	sql_add_ids(&sql, settled, settled_n);
	code = db_exec(db, &sql, NULL, err);
	if (code != 0 || delivered_n == 0)
		return code;
	sql = sql_new(db);
	sql_add(&sql, "UPDATE failed_notification SET status = 'delivered', version = version + 1, "
	              "updated_at = UTC_TIMESTAMP(3) WHERE status = 'queued' AND delivery_id IN ");
	sql_add_ids(&sql, delivered, delivered_n);
	return db_exec(db, &sql, NULL, err);
}

/* What these deliveries had while they waited: for a new one that never did, nothing is asked. */
static int close_retries(struct db *db, const struct settling *s, struct usher_error *err)
{
	OWNED int64_t *settled = mem_array(s->n, sizeof *settled);
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		if (s->moving[i] && s->settles[i].version > 1 && s->settles[i].to != DELIVERY_RETRYING)
			settled[n++] = s->settles[i].delivery_id;
	return retry_messages_forget(db, settled, n, err);
}

/* -- One batch ------------------------------------------------------------------------------------- */

static int settle_work(struct db *db, void *arg, struct usher_error *err)
{
	struct settling *s = arg;
	int code = 0;

	s->mismatch = false;
	for (size_t i = 0; i < s->n; i++) {
		s->settles[i].lost = false;
		s->moving[i] = true;
	}
	if (s->careful)
		code = judge_all(db, s, err);
	if (code == 0)
		code = move_all(db, s, err);
	if (code == 0)
		code = store_attempts(db, s, err);
	if (code == 0)
		code = store_deaths(db, s, err);
	if (code == 0)
		code = retry_messages_keep(db, s->settles, s->moving, s->n, err);
	if (code == 0)
		code = close_retries(db, s, err);
	return code == 0 ? close_redrives(db, s, err) : code;
}

static int check(const struct ledger_settle *e, struct usher_error *err)
{
	assert(delivery_move_legal(DELIVERY_CLAIMED, e->to));
	if (e->to == DELIVERY_DELIVERED)
		return 0;
	assert(e->dead.message != NULL && e->dead.source_queue != NULL);
	return ledger_check_ids(e->event_id, e->user_id, e->recipient, err);
}

int ledger_settle(struct db *db, enum channel_id channel, const char *owner, struct ledger_settle *settles,
        size_t n, struct usher_error *err)
{
	struct settling s = { .channel = channel, .owner = owner, .settles = settles, .n = n };
	int code = ledger_check_batch(owner, n, err);

	for (size_t i = 0; i < n && code == 0; i++)
		code = check(&settles[i], err);
	if (code != 0 || n == 0)
		return code;
	s.moving = mem_array(n, sizeof *s.moving);
	code = db_transaction(db, settle_work, &s, err);
	if (s.mismatch && code == USHER_ESTALE) {
		s.careful = true;
		code = db_transaction(db, settle_work, &s, err);
	}
	free(s.moving);
	return code;
}
