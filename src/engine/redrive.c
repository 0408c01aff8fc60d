/* Redrive intents: a row that was redriven, or a delivery whose next attempt an operator wants now, has an
 * intent until the broker took a fresh copy of its message, or will never take it. Taken under a lease, sent
 * queue by queue, then deleted; what dies in between is sent twice, and the ledger answers the second copy.
 * Watcher's thread. */
#include "engine/watch.h"

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/failed.h"

#include <stdio.h>
#include <string.h>

#define REDRIVE_BATCH MESSAGE_BATCH_MAX
#define REDRIVE_LEASE_MS 30000
#define REDRIVE_RETRY_FIRST_MS 1000
#define REDRIVE_RETRY_MAX_MS (5 * 60 * 1000)
#define OWN_ATTRIBUTES "usher." /* what usher wrote on the dead copy */

struct redrive {
	struct watch *watch;
	bool busy, again;
	struct intent *intents; /* of the run under way */
	size_t n;
	bool asked[REDRIVE_BATCH]; /* sent, or being sent */
	/* the send under way: entries of `intents`, all for one queue */
	size_t sending[REDRIVE_BATCH], sending_n;
	struct broker_outgoing outgoing[REDRIVE_BATCH];
	struct message_attributes attributes[REDRIVE_BATCH];
	/* sent, and not known to the database yet: noted before anything more is sent */
	int64_t sent[REDRIVE_BATCH];
	size_t sent_n;
	bool refused;              /* something of this run */
	char forbidden[NOTE_SIZE]; /* why a queue took none of the last copies; "": it took them */
	struct complaint unread, refusal;
};

static void send_next(struct redrive *r);

struct redrive *redrive_new(struct watch *w)
{
	struct redrive *r = mem_alloc(sizeof *r);
	r->watch = w;
	return r;
}

void redrive_free(struct redrive *r)
{
	free(r);
}

bool redrive_busy(const struct redrive *r)
{
	return r->busy;
}

const char *redrive_refusal(const struct redrive *r)
{
	return r->forbidden;
}

static int64_t retry_ms(int attempts)
{
	int64_t ms = REDRIVE_RETRY_FIRST_MS;
	while (attempts-- > 0 && ms < REDRIVE_RETRY_MAX_MS)
		ms *= 2;
	return ms < REDRIVE_RETRY_MAX_MS ? ms : REDRIVE_RETRY_MAX_MS;
}

/* -- Noting what became of the copies -------------------------------------------------------- */

static int note_sent(struct redrive *r)
{
	struct usher_error err = { 0 };
	if (r->sent_n == 0)
		return 0;
	int rc = intents_done(r->watch->db, r->sent, r->sent_n, &err);
	if (rc) {
		if (!watch_database_away(r->watch, &err))
			complaint_say(&r->unread, "redriven copies were sent but cannot be noted", &err);
		return rc;
	}
	counter_add(&r->watch->engine->counters.redriven, r->sent_n);
	r->sent_n = 0;
	complaint_end(&r->unread);
	return 0;
}

/* They stay, and are taken again after a while that grows with their attempts. */
static void note_failed(struct redrive *r, const int64_t *ids, size_t n, int attempts, const char *why)
{
	struct usher_error err = { 0 };
	if (n == 0)
		return;
	r->refused = true;
	/* Not noted: their lease runs out, and they are taken again then. */
	if (intents_failed(r->watch->db, ids, n, retry_ms(attempts), why, &err))
		watch_database_away(r->watch, &err);
	error_set(&err, USHER_EUNAVAILABLE, "%s", why);
	complaint_say(&r->refusal, "redriven copies could not be sent, they are sent again later", &err);
}

/* The send under way was refused as a whole. */
static void note_send_failed(struct redrive *r, const char *why)
{
	int64_t ids[REDRIVE_BATCH];
	int attempts = 0;

	for (size_t k = 0; k < r->sending_n; k++) {
		const struct intent *intent = &r->intents[r->sending[k]];

		ids[k] = intent->id;
		attempts = intent->attempts > attempts ? intent->attempts : attempts;
	}
	note_failed(r, ids, r->sending_n, attempts, why);
}

/* -- Sending --------------------------------------------------------------------------------- */

/* The id of its row and the edits in it, which must not be lost, and as much as fits of the message's own
 * attributes, without what usher wrote on it. */
static void copy_attributes(struct message_attributes *to, const struct intent *intent)
{
	struct message_attributes from = { 0 };
	char edits[16];
	message_attribute_set(to, ATTRIBUTE_EVENT_ID, intent->event_id);
	snprintf(edits, sizeof edits, "%d", intent->edits);
	if (intent->edits)
		message_attribute_set(to, ATTRIBUTE_EDITS, edits);
	if (!intent->attributes || message_attributes_parse(intent->attributes, &from) != 0)
		return;
	for (size_t i = 0; i < from.count; i++)
		if (strncmp(from.list[i].name, OWN_ATTRIBUTES, strlen(OWN_ATTRIBUTES)) != 0)
			message_attribute_set(to, from.list[i].name, from.list[i].value);
	message_attributes_free(&from);
}

static void run_end(struct redrive *r)
{
	bool again = r->again;
	if (!r->refused)
		complaint_end(&r->refusal);
	intents_free(r->intents, r->n);
	r->intents = NULL;
	r->n = 0;
	r->busy = r->again = false;
	if (again && !r->watch->stopping)
		redrive_turn(r);
	if (!r->busy)
		watch_job_ended(r->watch);
}

/* However often it is sent, the broker does not take it: nothing is to be waited for. The row is dead again;
 * a delivery that was to be tried at once is tried when its own message comes. */
static void note_refused(struct redrive *r, const struct intent *intent, const char *why)
{
	struct usher_error err = { 0 };
	struct db *db = r->watch->db;
	int rc = intent->failed_id ? failed_withdraw(db, intent->failed_id, why, &err) : USHER_ENOTFOUND;

	if (rc == USHER_ENOTFOUND || rc == USHER_ECONFLICT)
		rc = intents_done(db, &intent->id, 1, &err);
	/* Not noted: its lease runs out, and it is refused once more then. */
	if (rc && !watch_database_away(r->watch, &err))
		complaint_say(&r->unread, "a copy was refused, which cannot be noted", &err);
	log_warn("watcher", "queue %s does not take the copy of %s, which is not sent again: %s",
	        intent->source_queue, intent->event_id, why);
}

static bool for_good(int code)
{
	return code == USHER_EINVAL || code == USHER_ETOOBIG;
}

static void entry_done(
        struct redrive *r, const struct intent *intent, const struct broker_entry_result *result)
{
	if (for_good(result->code))
		note_refused(r, intent, result->message);
	else if (result->code)
		note_failed(r, &intent->id, 1, intent->attempts, result->message);
	else
		r->sent[r->sent_n++] = intent->id;
}

/* A queue that refuses does not keep the others from theirs; while the broker or the database is away, what
 * was taken and not sent is taken again when its lease runs out. */
static void on_sent(
        void *arg, const struct broker_entry_result *results, size_t n, const struct usher_error *err)
{
	struct redrive *r = arg;
	bool away = err->code && watch_broker_away(r->watch, err);

	if (err->code)
		note_send_failed(r, err->message);
	utf8_copy(r->forbidden, sizeof r->forbidden, err->message, away ? 0 : strlen(err->message));
	for (size_t k = 0; k < r->sending_n; k++) {
		message_attributes_free(&r->attributes[k]);
		if (k < n)
			entry_done(r, &r->intents[r->sending[k]], &results[k]);
	}
	if (r->sent_n) {
		mirror_want(r->watch->mirror);
		r->again = true;
	}
	if (note_sent(r) == 0 && !away) {
		send_next(r);
		return;
	}
	r->again = false;
	run_end(r);
}

/* One send takes all that go to the same queue. */
static void send_next(struct redrive *r)
{
	struct broker *b = r->watch->broker;
	const char *queue = NULL;
	r->sending_n = 0;
	for (size_t i = 0; i < r->n && r->sending_n < b->ops->batch_max; i++) {
		const struct intent *intent = &r->intents[i];
		if (r->asked[i] || (queue && strcmp(queue, intent->source_queue) != 0))
			continue;
		queue = intent->source_queue;
		r->asked[i] = true;
		size_t k = r->sending_n++;
		r->sending[k] = i;
		r->attributes[k] = (struct message_attributes){ 0 };
		copy_attributes(&r->attributes[k], intent);
		r->outgoing[k] = (struct broker_outgoing){ .body = intent->payload,
			.body_len = intent->payload_len,
			.attributes = &r->attributes[k] };
	}
	if (queue)
		b->ops->send(b, queue, r->outgoing, r->sending_n, on_sent, r);
	else
		run_end(r);
}

void redrive_turn(struct redrive *r)
{
	struct watch *w = r->watch;
	struct usher_error err = { 0 };

	if (r->busy) {
		r->again = true;
		return;
	}
	if (w->stopping || !peer_ready(&w->database) || !peer_ready(&w->broker_peer) || note_sent(r))
		return;
	r->refused = false;
	memset(r->asked, 0, sizeof r->asked);
	if (intents_take(w->db, REDRIVE_BATCH, REDRIVE_LEASE_MS, &r->intents, &r->n, &err)) {
		if (!watch_database_away(w, &err))
			complaint_say(&r->unread, "redrives cannot be read", &err);
		return;
	}
	if (r->n == 0) {
		intents_free(r->intents, 0);
		r->intents = NULL;
		return;
	}
	r->busy = true;
	send_next(r);
}
