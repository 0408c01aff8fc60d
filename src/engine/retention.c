/* Retention: delivered ledger rows, published outbox rows, redrive jobs that are over, messages past their
 * queue's retention, old alarms and old versions of the configuration are deleted in small batches, one at a
 * turn, so that nothing else waits for it. The fleet's leader does it. Watcher's thread. */
#include "engine/watch.h"

#include "base/mem.h"
#include "store/alarm.h"
#include "store/config_history.h"
#include "store/ledger.h"
#include "store/outbox.h"
#include "store/queue.h"
#include "store/redrive_job.h"

#define RETENTION_BATCH 500                          /* rows of one DELETE */
#define RETENTION_BUSY_MS 200                        /* between batches while there is more */
#define ALARM_KEEP_MS (90LL * 24 * 60 * 60 * 1000)   /* how long alarms that are over stay */
#define CONFIG_KEEP_MS (400LL * 24 * 60 * 60 * 1000) /* versions of the configuration: over a year */
#define RETENTION_INTERVAL_MS 60000                  /* between looks when there is not */

enum retention_step {
	STEP_LEDGER,
	STEP_OUTBOX,
	STEP_JOBS,
	STEP_QUEUES,
	STEP_ALARMS,
	STEP_CONFIG,
	STEP_COUNT
};

struct retention {
	struct watch *watch;
	struct queues *queues;
	enum retention_step step;
	bool more; /* a step of this round filled its batch */
	mono_time due;
	struct complaint complaint;
};

struct retention *retention_new(struct watch *w)
{
	struct retention *r = mem_alloc(sizeof *r);
	r->watch = w;
	r->queues = queues_new(w->db);
	return r;
}

void retention_free(struct retention *r)
{
	if (!r)
		return;
	queues_free(r->queues);
	free(r);
}

static int step(struct retention *r, int *ret_n, struct usher_error *err)
{
	struct watch *w = r->watch;
	int64_t keep_ms = w->config->database.keep_delivered_ms;
	switch (r->step) {
	case STEP_LEDGER:
		return ledger_prune(w->db, keep_ms, RETENTION_BATCH, ret_n, err);
	case STEP_OUTBOX:
		return outbox_prune(w->db, keep_ms, RETENTION_BATCH, ret_n, err);
	case STEP_ALARMS:
		return alarm_prune(w->db, ALARM_KEEP_MS, RETENTION_BATCH, ret_n, err);
	case STEP_CONFIG:
		return config_history_prune(w->db, CONFIG_KEEP_MS, RETENTION_BATCH, ret_n, err);
	case STEP_JOBS:
		return redrive_job_prune(w->db, keep_ms, RETENTION_BATCH, ret_n, err);
	case STEP_QUEUES:
	case STEP_COUNT:
		break;
	}
	return queue_expire(r->queues, RETENTION_BATCH, ret_n, err);
}

static void rest(struct retention *r, int64_t ms)
{
	r->due = mono_add_ms(mono_now(), ms);
}

void retention_turn(struct retention *r)
{
	struct watch *w = r->watch;
	struct usher_error err = { 0 };
	int n = 0;

	if (r->due.ns > mono_now().ns || !fleet_leads(w->fleet) || !peer_ready(&w->database))
		return;
	if (step(r, &n, &err)) {
		if (!watch_database_away(w, &err))
			complaint_say(&r->complaint, "old rows cannot be deleted", &err);
		rest(r, RETENTION_INTERVAL_MS);
		return;
	}
	complaint_end(&r->complaint);
	counter_add(r->step == STEP_QUEUES ? &w->engine->counters.expired : &w->engine->counters.pruned,
	        (uint64_t)n);
	r->more = r->more || n >= RETENTION_BATCH;
	r->step = (r->step + 1) % STEP_COUNT;
	if (r->step != STEP_LEDGER)
		return; /* the next step at the next turn */
	rest(r, r->more ? RETENTION_BUSY_MS : RETENTION_INTERVAL_MS);
	r->more = false;
}
