/* The DLQ mirror: goes through a DLQ page by page and joins its copies with failed_notification. A copy whose
 * row is no longer dead is surplus and deleted; a copy without a row (the queue's own policy brought it) gets
 * one. Goes when the DLQ's depth changed, when an act may have made copies surplus, and every
 * watch.mirror_interval; but never more than a tenth of the time, so that a DLQ that grows in an outage is
 * not read over and over. The fleet's leader does it, for all. Watcher's thread. */
#include "engine/watch.h"

#include "base/mem.h"
#include "base/text.h"
#include "engine/join.h"
#include "model/event.h"
#include "store/failed.h"

#include <stdio.h>
#include <string.h>

#define MIRROR_PAGE 100          /* messages of one browse */
#define MIRROR_PAGES_MAX 100     /* pages of one run; of a longer DLQ the next sees others, as SQS chooses */
#define MIRROR_REST 9            /* times the length of a run, before the next of that channel */
#define MIRROR_RETRY_MS 5000     /* after a run that met a trouble which lasts, such as a refusal */
#define MIRROR_REST_PAGE_MS 3000 /* and no more for a page that was read: a peer that stalled is no work */

enum run_outcome {
	RUN_COMPLETE,
	RUN_CUT, /* goes on later: too long, a peer is away, another leads */
	RUN_FAILED
};

struct channel_mirror {
	bool wanted;            /* go as soon as the rest is over */
	int64_t depth, settled; /* when last asked for */
	int64_t retention_ms;   /* of the DLQ, from when a message was first sent */
	mono_time not_before, due;
	char refusal[NOTE_SIZE]; /* of the broker, when last looked at; "": none */
};

struct mirror {
	struct watch *watch;
	struct channel_mirror channel[CHANNEL_COUNT];
	bool busy;
	/* the run under way */
	enum channel_id id;
	mono_time began;
	int pages;
	struct message *messages[MIRROR_PAGE];
	struct dlq_copy copies[MIRROR_PAGE];
	char event_ids[MIRROR_PAGE][EVENT_ID_MAX + 1];
	size_t n;
	bool last_page;
	const char *surplus[MIRROR_PAGE]; /* receipts */
	size_t surplus_n, deleted_n, deleting_n;
	struct complaint complaint;
};

static void browse(struct mirror *m);

struct mirror *mirror_new(struct watch *w)
{
	struct mirror *m = mem_alloc(sizeof *m);
	m->watch = w;
	for (int id = 0; id < CHANNEL_COUNT; id++)
		m->channel[id] =
		        (struct channel_mirror){ .wanted = true, .retention_ms = QUEUE_RETENTION_MS };
	return m;
}

static void page_free(struct mirror *m)
{
	for (size_t i = 0; i < m->n; i++)
		message_free(m->messages[i]);
	m->n = m->surplus_n = m->deleted_n = m->deleting_n = 0;
}

void mirror_free(struct mirror *m)
{
	if (!m)
		return;
	page_free(m);
	free(m);
}

bool mirror_busy(const struct mirror *m)
{
	return m->busy;
}

const char *mirror_refusal(const struct mirror *m, enum channel_id channel)
{
	return fleet_leads(m->watch->fleet) ? m->channel[channel].refusal : "";
}

void mirror_depth(struct mirror *m, enum channel_id channel, const struct queue_depths *depths)
{
	struct channel_mirror *c = &m->channel[channel];
	int64_t depth = queue_standing(depths).value;

	if (depths->retention_ms)
		c->retention_ms = depths->retention_ms;
	c->wanted = c->wanted || depth != c->depth;
	c->depth = depth;
}

void mirror_ledger(struct mirror *m, enum channel_id channel, int64_t settled)
{
	struct channel_mirror *c = &m->channel[channel];
	c->wanted = c->wanted || settled != c->settled;
	c->settled = settled;
}

void mirror_want(struct mirror *m)
{
	for (int id = 0; id < CHANNEL_COUNT; id++)
		m->channel[id].wanted = true;
}

/* -- Runs ------------------------------------------------------------------------------------ */

/* For all daemons to show. That it cannot be told costs no more than that. */
static void note_complete(struct mirror *m)
{
	struct usher_error err = { 0 };

	if (control_mirrored(m->watch->db, m->id, &err) && !watch_database_away(m->watch, &err))
		complaint_say(&m->complaint, "the time of the last look into a DLQ cannot be noted", &err);
}

static int64_t rest_ms(const struct mirror *m, mono_time now)
{
	int64_t rest = MIRROR_REST * mono_since_ms(m->began, now),
	        most = MIRROR_REST_PAGE_MS * (int64_t)m->pages;

	return rest < most ? rest : most;
}

static void run_end(struct mirror *m, enum run_outcome outcome)
{
	struct channel_mirror *c = &m->channel[m->id];
	mono_time now = mono_now();

	page_free(m);
	m->busy = false;
	c->not_before = mono_add_ms(now, rest_ms(m, now));
	c->due = mono_add_ms(now, m->watch->config->watch.mirror_interval_ms);
	if (outcome == RUN_FAILED)
		c->not_before = c->due = mono_add_ms(now, MIRROR_RETRY_MS);
	if (outcome == RUN_COMPLETE)
		note_complete(m);
	mirror_turn(m);
	if (!m->busy)
		watch_job_ended(m->watch);
}

void mirror_turn(struct mirror *m)
{
	struct watch *w = m->watch;
	mono_time now = mono_now();

	if (m->busy || w->stopping || !fleet_leads(w->fleet) || !peer_ready(&w->database) ||
	        !peer_ready(&w->broker_peer))
		return;
	for (int id = 0; id < CHANNEL_COUNT; id++) {
		struct channel_mirror *c = &m->channel[id];
		if (!w->engine->started_with->channel[id].enabled || now.ns < c->not_before.ns ||
		        (!c->wanted && now.ns < c->due.ns))
			continue;
		c->wanted = false;
		m->busy = true;
		m->id = id;
		m->began = now;
		m->pages = 0;
		browse(m);
		return;
	}
}

/* A run that failed because a peer is away is due again: its rest is for the pages it read, and the peer's
 * backoff holds it until the peer is there. */
static void run_fail(struct mirror *m, const char *what, const struct usher_error *err, bool away)
{
	if (away)
		m->channel[m->id].wanted = true;
	else
		complaint_say(&m->complaint, what, err);
	run_end(m, away ? RUN_CUT : RUN_FAILED);
}

static void run_refused(struct mirror *m, const char *what, const struct usher_error *err)
{
	struct channel_mirror *c = &m->channel[m->id];
	bool away = watch_broker_away(m->watch, err);

	if (!away)
		utf8_copy(c->refusal, sizeof c->refusal, err->message, strlen(err->message));
	run_fail(m, what, err, away);
}

static void page_end(struct mirror *m)
{
	bool cut = ++m->pages >= MIRROR_PAGES_MAX;
	page_free(m);
	m->channel[m->id].refusal[0] = 0;
	if (m->last_page) {
		complaint_end(&m->complaint);
		run_end(m, RUN_COMPLETE);
	} else if (cut || m->watch->stopping || !fleet_leads(m->watch->fleet)) {
		m->channel[m->id].wanted = true;
		run_end(m, RUN_CUT);
	} else {
		browse(m);
	}
}

/* -- Deleting what is surplus ---------------------------------------------------------------- */

static void delete_next(struct mirror *m);

static void on_deleted(
        void *arg, const struct broker_entry_result *results, size_t n, const struct usher_error *err)
{
	struct mirror *m = arg;
	uint64_t deleted = 0;

	if (err->code) {
		run_refused(m, "copies in a DLQ that nobody needs cannot be deleted", err);
		return;
	}
	for (size_t i = 0; i < n; i++)
		deleted += results[i].code == 0; /* a stale one is met again by the next run */
	counter_add(&m->watch->engine->counters.mirror_deleted, deleted);
	/* What comes in its place before the next count is a change too. */
	m->channel[m->id].depth -= (int64_t)deleted;
	m->deleted_n += m->deleting_n;
	delete_next(m);
}

static void delete_next(struct mirror *m)
{
	struct broker *b = m->watch->broker;
	size_t left = m->surplus_n - m->deleted_n;
	if (left == 0) {
		page_end(m);
		return;
	}
	m->deleting_n = left < b->ops->batch_max ? left : b->ops->batch_max;
	b->ops->delete_batch(b, m->watch->engine->started_with->channel[m->id].dlq, m->surplus + m->deleted_n,
	        m->deleting_n, on_deleted, m);
}

/* -- Joining copies with rows ---------------------------------------------------------------- */

/* And not by the queue's own policy: it bears the class of its death. */
static bool moved_by_usher(const struct message *message)
{
	return message_attribute_get(&message->attributes, ATTRIBUTE_CLASS) != NULL;
}

/* What the copy says of itself. ret_err->code: it is no event. The id is found as the pipeline finds it. */
static struct event *read_copy(
        const struct message *message, char event_id[EVENT_ID_MAX + 1], struct usher_error *ret_err)
{
	const char *given = message_attribute_get(&message->attributes, ATTRIBUTE_EVENT_ID);
	struct event_source source = {
		.body = message->body,
		.body_len = message->body_len,
		.content_encoding = message_attribute_get(&message->attributes, ATTRIBUTE_ENCODING),
		.message_id = given && *given && strlen(given) <= EVENT_ID_MAX ? given : message->id,
	};
	struct event *event = NULL;
	if (event_decode(&source, &event, NULL, ret_err))
		event = NULL;
	snprintf(event_id, EVENT_ID_MAX + 1, "%s", event ? event->event_id : source.message_id);
	return event;
}

/* The id alone. What usher moved here bears it; only what the queue's own policy moved must be decoded. */
static void copy_id(const struct message *message, char event_id[EVENT_ID_MAX + 1])
{
	const char *given = message_attribute_get(&message->attributes, ATTRIBUTE_EVENT_ID);
	struct usher_error err = { 0 };
	if (given && *given && moved_by_usher(message))
		snprintf(event_id, EVENT_ID_MAX + 1, "%s", given);
	else
		event_free(read_copy(message, event_id, &err));
}

static int adopt(
        struct mirror *m, const struct message *message, const char *event_id, struct usher_error *err)
{
	struct watch *w = m->watch;
	char own_id[EVENT_ID_MAX + 1];
	struct usher_error bad = { 0 };
	struct event *event = read_copy(message, own_id, &bad);
	const char *class_name = message_attribute_get(&message->attributes, ATTRIBUTE_CLASS);
	const char *reason = message_attribute_get(&message->attributes, ATTRIBUTE_REASON);
	const char *source = message_attribute_get(&message->attributes, ATTRIBUTE_SOURCE_QUEUE);
	enum failure_class class = class_name ? failure_by_name(class_name) : FAILURE_NONE;
	struct ledger_dead dead = {
		.name = event ? event->name : NULL,
		.message = message,
		.source_queue = source ? source : w->engine->started_with->channel[m->id].queue,
	};

	if (class == FAILURE_NONE)
		class = event ? FAILURE_WORKER_LOST : FAILURE_MALFORMED;
	if (!reason)
		reason =
		        event ? "came to the DLQ by the queue's own policy: received too often without an end"
		              : bad.message;
	int rc = ledger_adopt(w->db, m->id, event_id, event ? event->user_id : NULL,
	        event ? event->email : NULL, &dead, class, reason, err);
	event_free(event);
	return rc;
}

/* Gives every copy without a row one. One that cannot be is left to the next run and does not keep the others
 * from theirs. */
static int adopt_unknown(struct mirror *m, struct usher_error *err)
{
	for (size_t i = 0; i < m->n; i++) {
		if (m->copies[i].known)
			continue;
		int rc = adopt(m, m->messages[i], m->event_ids[i], err);
		if (rc == USHER_EUNAVAILABLE || rc == USHER_ETIMEOUT)
			return rc;
		if (rc)
			complaint_say(&m->complaint,
			        "a message in a DLQ cannot be taken into the failed list", err);
	}
	return 0;
}

static size_t known(const struct mirror *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++)
		n += m->copies[i].known;
	return n;
}

static void join_begin(struct mirror *m)
{
	const wall_time long_ago = { 0 };

	for (size_t i = 0; i < m->n; i++) {
		const struct message *message = m->messages[i];

		copy_id(message, m->event_ids[i]);
		m->copies[i] = (struct dlq_copy){
			.event_id = m->event_ids[i],
			.message_id = message->id,
			/* What usher moved here is older than any redrive that came after it. */
			.sent_at = moved_by_usher(message) ? long_ago : message->sent_at,
			.expires_at = { message->sent_at.ms + m->channel[m->id].retention_ms },
			.channel = m->id,
		};
	}
}

/* The second time to note where the copies of the new rows stand. */
static int join_page(struct mirror *m, struct usher_error *err)
{
	join_begin(m);
	int rc = dlq_reconcile(m->watch->db, m->copies, m->n, err);
	size_t before = known(m);

	if (rc || before == m->n)
		return rc;
	rc = adopt_unknown(m, err);
	if (!rc)
		rc = dlq_reconcile(m->watch->db, m->copies, m->n, err);
	if (!rc && known(m) > before)
		counter_add(&m->watch->engine->counters.mirror_adopted, known(m) - before);
	return rc;
}

static void on_browsed(void *arg, const struct broker_listing *listing, const struct usher_error *browse_err)
{
	struct mirror *m = arg;
	struct usher_error err = { 0 };

	if (browse_err->code) {
		run_refused(m, "a DLQ cannot be read", browse_err);
		return;
	}
	m->n = listing->n;
	for (size_t i = 0; i < listing->n; i++)
		m->messages[i] = listing->messages[i];
	if (!fleet_leads(m->watch->fleet)) { /* this daemon stood still meanwhile: another has begun anew */
		m->channel[m->id].wanted = true;
		run_end(m, RUN_CUT);
		return;
	}
	m->last_page = listing->exact || listing->n < MIRROR_PAGE;
	if (m->n && join_page(m, &err)) {
		run_fail(m, "a DLQ cannot be joined with the failed list", &err,
		        watch_database_away(m->watch, &err));
		return;
	}
	for (size_t i = 0; i < m->n; i++)
		if (m->copies[i].known && m->copies[i].surplus)
			m->surplus[m->surplus_n++] = m->messages[i]->receipt;
	delete_next(m);
}

static void browse(struct mirror *m)
{
	struct broker *b = m->watch->broker;
	b->ops->browse(b, m->watch->engine->started_with->channel[m->id].dlq, MIRROR_PAGE, on_browsed, m);
}
