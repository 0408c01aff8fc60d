/* Claiming: who may send a delivery now. New ones cost one statement a batch; known ones are read, judged,
 * and taken by compare-and-set. On the db's thread. */
#include "store/ledger_parts.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

#define DUE_SLACK_MS 50      /* a message that comes this early for its retry is let through: clocks differ */
#define TAKE_ROUNDS 3        /* looks at a row that moves under our hands */
#define UNCLEAR_WAIT_MS 1000 /* for a row that is still moving after them */

struct entry { /* a claim that is not decided yet */
	struct ledger_claim *claim;
	int64_t id; /* of its row, once seen */
	int taken;  /* the version that our own take gave the row, if it succeeded; 0: nothing was tried */
	bool decided;
};

struct batch {
	struct db *db;
	enum channel_id channel;
	const char *owner;
	int64_t lease_ms;
	struct entry *entries; /* by event id */
	size_t n;
};

static int by_event(const void *a, const void *b)
{
	const struct ledger_claim *x = ((const struct entry *)a)->claim,
	                          *y = ((const struct entry *)b)->claim;
	int order = strcmp(x->event_id, y->event_id);

	return order != 0 ? order : (x > y) - (x < y); /* the first of two in the caller's order */
}

static int event_against(const void *key, const void *element)
{
	return strcmp(key, ((const struct entry *)element)->claim->event_id);
}

static struct entry *find(const struct batch *b, const char *event_id)
{
	return bsearch(event_id, b->entries, b->n, sizeof *b->entries, event_against);
}

static void drop_decided(struct batch *b)
{
	size_t kept = 0;

	for (size_t i = 0; i < b->n; i++)
		if (!b->entries[i].decided)
			b->entries[kept++] = b->entries[i];
	b->n = kept;
}

static void decide(struct entry *e, enum claim_verdict verdict, int64_t id, int version)
{
	e->claim->verdict = verdict;
	e->claim->delivery_id = id;
	e->claim->version = version;
	e->decided = true;
}

static void decide_wait(struct entry *e, enum claim_verdict verdict, int64_t id, int version, int64_t wait_ms)
{
	decide(e, verdict, id, version);
	e->claim->wait_ms = wait_ms > 0 ? wait_ms : 1;
}

static void clear(struct ledger_claim *c)
{
	*c = (struct ledger_claim){
		.event_id = c->event_id, .user_id = c->user_id, .recipient = c->recipient, .edits = c->edits
	};
}

/* Sorted, so that daemons that claim the same rows lock them in the same order; doubles are set aside. */
static void batch_sort(struct batch *b, struct ledger_claim *claims, size_t n)
{
	b->entries = mem_array(n, sizeof *b->entries);
	b->n = n;
	for (size_t i = 0; i < n; i++) {
		clear(&claims[i]);
		b->entries[i].claim = &claims[i];
	}
	qsort(b->entries, n, sizeof *b->entries, by_event);
	for (size_t i = 1; i < n; i++)
		if (strcmp(b->entries[i].claim->event_id, b->entries[i - 1].claim->event_id) == 0)
			decide_wait(&b->entries[i], CLAIM_LEASED, 0, 0, b->lease_ms);
	drop_decided(b);
}

/* -- New deliveries ---------------------------------------------------------------------------- */

/* IGNORE passes over rows that are there; whatever else it would pass over was checked before. */
static int insert_new(struct batch *b, struct usher_error *err)
{
	struct sql sql = sql_new(b->db);
	struct rows *rows = NULL;
	int code;

	sql_add(&sql, "INSERT IGNORE INTO delivery (event_id, channel, state, user_id, recipient, owner, "
	              "lease_until) VALUES ");
	for (size_t i = 0; i < b->n; i++) {
		const struct ledger_claim *c = b->entries[i].claim;

		sql_add(&sql,
		        i == 0 ? "(?s,?s,'claimed',?s,?s,?s,UTC_TIMESTAMP(3) + INTERVAL ?i MICROSECOND)"
		               : ",(?s,?s,'claimed',?s,?s,?s,UTC_TIMESTAMP(3) + INTERVAL ?i MICROSECOND)",
		        c->event_id, channel_name(b->channel), c->user_id, c->recipient, b->owner,
		        b->lease_ms * 1000);
	}
	sql_add(&sql, " RETURNING id, event_id");
	code = db_query(b->db, &sql, &rows, err);
	if (code != 0)
		return code;
	while (rows_next(rows)) {
		struct entry *e = find(b, row_text(rows, 1));

		if (e != NULL)
			decide(e, CLAIM_SEND, row_int(rows, 0), 1);
	}
	rows_free(rows);
	drop_decided(b);
	return 0;
}

/* -- Known deliveries -------------------------------------------------------------------------- */

struct known { /* a row as it stands */
	int64_t id;
	enum delivery_state state;
	int version;
	bool ours;
	int64_t lease_ms, due_ms; /* left; <= 0: over */
	int edits;
};

#define KNOWN_COLUMNS                                                                                        \
	"event_id, id, state, version, attempts, throttled, redrives, last_class, last_reply, owner, "       \
	"CEIL(TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(3), lease_until) / 1000), "                           \
	"CEIL(TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(3), due_at) / 1000), edits"

static void read_known(
        const struct batch *b, const struct rows *rows, struct ledger_claim *c, struct known *ret)
{
	const char *class = row_text(rows, 7), *reply = row_text(rows, 8), *owner = row_text(rows, 9);

	ret->id = row_int(rows, 1);
	if (!delivery_state_by_name(row_text(rows, 2), &ret->state))
		ret->state = DELIVERY_STATE_COUNT;
	ret->version = (int)row_int(rows, 3);
	ret->ours = owner != NULL && strcmp(owner, b->owner) == 0;
	ret->lease_ms = row_int(rows, 10);
	ret->due_ms = row_int(rows, 11);
	ret->edits = (int)row_int(rows, 12);
	c->attempts = (int)row_int(rows, 4);
	c->throttled = (int)row_int(rows, 5);
	c->redrives = (int)row_int(rows, 6);
	c->last_class = class != NULL ? failure_by_name(class) : FAILURE_NONE;
	utf8_copy(c->last_reply, sizeof c->last_reply, reply != NULL ? reply : "",
	        reply != NULL ? strlen(reply) : 0);
}

/* Decides by the row's state; an entry that stays undecided may be taken. */
static void judge(struct entry *e, const struct known *row)
{
	e->id = row->id;
	switch (row->state) {
	case DELIVERY_CLAIMED:
		if (row->ours && e->taken == row->version)
			decide(e, CLAIM_SEND, row->id, row->version);
		else if (row->lease_ms > 0)
			decide_wait(e, CLAIM_LEASED, row->id, row->version, row->lease_ms);
		break;
	case DELIVERY_RETRYING:
		if (row->due_ms > DUE_SLACK_MS)
			decide_wait(e, CLAIM_NOT_DUE, row->id, row->version, row->due_ms);
		break;
	case DELIVERY_QUEUED:
		break;
	case DELIVERY_DELIVERED:
		decide(e, CLAIM_DELIVERED, row->id, row->version);
		break;
	case DELIVERY_CANCELLED:
		decide(e, CLAIM_CANCELLED, row->id, row->version);
		break;
	case DELIVERY_DEAD:
		decide(e, CLAIM_DEAD, row->id, row->version);
		break;
	case DELIVERY_STATE_COUNT: /* a state of a newer usher: not ours to touch */
		decide_wait(e, CLAIM_LEASED, row->id, row->version, UNCLEAR_WAIT_MS);
		break;
	}
	if (!e->decided && e->claim->edits < row->edits)
		decide(e, CLAIM_OUTDATED, row->id, row->version);
}

/* What may be taken, with the versions that were seen. */
struct takes {
	int64_t *ids, *versions;
	size_t n;
};

static int look(struct batch *b, struct takes *takes, struct usher_error *err)
{
	struct sql sql = sql_new(b->db);
	struct rows *rows = NULL;
	int code;

	sql_add(&sql, "SELECT " KNOWN_COLUMNS " FROM delivery WHERE channel = ?s AND event_id IN (",
	        channel_name(b->channel));
	for (size_t i = 0; i < b->n; i++)
		sql_add(&sql, i == 0 ? "?s" : ",?s", b->entries[i].claim->event_id);
	sql_add(&sql, ")");
	code = db_query(b->db, &sql, &rows, err);
	if (code != 0)
		return code;
	takes->n = 0;
	while (rows_next(rows)) {
		struct entry *e = find(b, row_text(rows, 0));
		struct known row;

		if (e == NULL)
			continue;
		read_known(b, rows, e->claim, &row);
		judge(e, &row);
		if (e->decided)
			continue;
		e->taken = row.version + 1;
		takes->ids[takes->n] = row.id;
		takes->versions[takes->n++] = row.version;
	}
	rows_free(rows);
	drop_decided(b);
	return 0;
}

static int take(struct batch *b, const struct takes *takes, uint64_t *ret_taken, struct usher_error *err)
{
	struct sql sql = sql_new(b->db);

	sql_add(&sql,
	        "UPDATE delivery SET state = 'claimed', version = version + 1, owner = ?s, due_at = NULL, "
	        "lease_until = UTC_TIMESTAMP(3) + INTERVAL ?i MICROSECOND, updated_at = UTC_TIMESTAMP(3) "
	        "WHERE id IN ",
	        b->owner, b->lease_ms * 1000);
	sql_add_ids(&sql, takes->ids, takes->n);
	sql_add(&sql, " AND version = ");
	sql_add_case(&sql, takes->ids, takes->versions, takes->n);
	return db_exec(b->db, &sql, ret_taken, err);
}

static int claim_known(struct batch *b, struct usher_error *err)
{
	OWNED int64_t *ids = mem_array(b->n, sizeof *ids), *versions = mem_array(b->n, sizeof *versions);
	struct takes takes = { .ids = ids, .versions = versions };

	for (int round = 0; b->n > 0 && round < TAKE_ROUNDS; round++) {
		uint64_t taken = 0;
		int code = look(b, &takes, err);

		if (code == 0 && takes.n > 0)
			code = take(b, &takes, &taken, err);
		if (code != 0)
			return code;
		if (taken < takes.n)
			continue; /* somebody else was quicker with some: the next look tells which */
		for (size_t i = 0; i < b->n; i++)
			if (b->entries[i].taken != 0)
				decide(&b->entries[i], CLAIM_SEND, b->entries[i].id, b->entries[i].taken);
		drop_decided(b);
	}
	/* What is still moving, or was deleted between two statements. */
	for (size_t i = 0; i < b->n; i++)
		decide_wait(&b->entries[i], CLAIM_LEASED, b->entries[i].id, 0, UNCLEAR_WAIT_MS);
	return 0;
}

int ledger_claim(struct db *db, enum channel_id channel, const char *owner, int64_t lease_ms,
        struct ledger_claim *claims, size_t n, struct usher_error *err)
{
	struct batch batch = { .db = db, .channel = channel, .owner = owner, .lease_ms = lease_ms };
	int code = ledger_check_batch(owner, n, err);

	for (size_t i = 0; i < n && code == 0; i++)
		code = ledger_check_ids(claims[i].event_id, claims[i].user_id, claims[i].recipient, err);
	if (code != 0 || n == 0)
		return code;
	batch_sort(&batch, claims, n);
	code = insert_new(&batch, err);
	if (code == 0 && batch.n > 0)
		code = claim_known(&batch, err);
	free(batch.entries);
	return code;
}
