/* What the daemon knows of itself right now: counters that threads bump, and an immutable snapshot
 * that the watcher makes every watch.depth_interval and everybody else reads. Counters: any thread. */
#ifndef ENGINE_STATUS_H
#define ENGINE_STATUS_H

#include "base/clock.h"
#include "base/note.h"
#include "broker/aws_counters.h"
#include "engine/histogram.h"
#include "engine/history.h"
#include "model/delivery.h"
#include "model/message.h"
#include "policy/breaker.h"
#include "store/control.h"
#include "config/config.h"
#include "store/alarm.h"
#include "store/fleet.h"
#include "policy/rate.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef atomic_uint_least64_t counter;
static inline void counter_add(counter *c, uint64_t n)
{
	atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}
static inline uint64_t counter_get(counter *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

/* What becomes of a message that the ledger has settled. */
enum dismissal_kind { DISMISS_DELETE, DISMISS_HIDE, DISMISS_DLQ };
#define DISMISSAL_KINDS (DISMISS_DLQ + 1)

/* Bumped by the pipeline of the channel. */
struct channel_counters {
	counter received;            /* messages */
	counter delivered;           /* deliveries */
	counter retried, dead;       /* attempts that ended so */
	counter failed;              /* attempts that failed, whatever came of it */
	counter repeated;            /* messages the ledger answered without a send */
	counter handed_back;         /* received, not started, given back */
	counter lost;                /* settles whose lease had passed to another */
	atomic_int sending, holding; /* now: at the service; received and not settled */
	atomic_int connections;      /* now: to the service */
	atomic_int breaker;          /* enum breaker_state */
	atomic_llong breaker_since_ms, breaker_trial_at_ms; /* wall clock; 0 = none */
	struct note breaker_cause; /* why it last opened: class name, a colon, the service's own words */
	counter probes, probes_failed;
	atomic_int probe;                        /* enum probe_state */
	atomic_int stock;                        /* enum channel_stock, as the last probe heard it */
	atomic_llong probe_at_ms, probe_next_ms; /* wall clock; 0 = none */
	struct note probe_error;                 /* as breaker_cause; "" while well */
	atomic_int rate_by;                      /* enum rate_by */
	atomic_llong rate_limit_milli;           /* sends in a thousand seconds; 0 = unlimited */
	atomic_llong rate_since_ms;              /* since rate_by is what it is; wall clock */
	struct note rate_words;                  /* the service's, when it last said "too much" */
	struct note ledger_error;  /* why the pipeline cannot write the ledger; "" while it can */
	struct note receive_error; /* why the broker gives it no messages; "" while it does */
	struct note
	        dismissal_error[DISMISSAL_KINDS]; /* why the broker does not take that; "" while it does */
	atomic_llong last_delivered_ms;           /* wall clock */
	struct histogram attempt;                 /* the outside service's time for one attempt */
	struct histogram delivery; /* from a message's coming into the queue to its end, delivered or dead */
	struct histogram age;      /* from the sign-up to its delivery */
};

/* Is the outside service well, as a probe or a send has last shown it? */
enum probe_state { PROBE_UNKNOWN, PROBE_WELL, PROBE_UNWELL };

struct relay_counters {
	counter published, refused;
	atomic_int failing;
	atomic_llong retry_at_ms;
};

struct counters {
	struct channel_counters channel[CHANNEL_COUNT];
	struct relay_counters relay;
	struct aws_counters aws; /* requests to SNS and SQS, all threads; 0 with another driver */
	counter statements;      /* database, all threads */
	counter signups, acts, refused_acts, api_requests;
	atomic_llong looked_at_ms; /* wall clock: when an operator last asked for the status */
	counter redriven;          /* copies sent by the watcher */
	counter mirror_adopted, mirror_deleted, expired, pruned;
};

struct channel_status {
	bool enabled;
	const char *queue, *dlq; /* of the engine's life */
	struct queue_depths depth, dlq_depth;
	int64_t claimed, retrying, dead, queued, cancelled; /* ledger rows */
	int64_t next_due_ms;                                /* until the next retry; -1 none */
	double in_per_s, out_per_s, fail_per_s;             /* over the last 10 s */
	wall_time depth_at;     /* when the figures were taken; STALE once they are old */
	char depth_error[200];  /* why they could not be taken, "" when they could */
	struct control control; /* of the whole fleet, as last read */
};

#define ALARMS_SHOWN 8
#define NOTICE_KIND_SIZE 16

/* What is raised now, whichever daemon raised it, and what could not be told. */
struct alarm_board {
	int raised, critical, unsent, shown, troubles;
	struct alarm_row list[ALARMS_SHOWN]; /* the worst first; ack_reason is not set */
	struct notice_trouble {
		char notify[ALARM_NAME_MAX + 1];
		char kind[NOTICE_KIND_SIZE]; /* "" of a section that is no more */
		int count, given_up;
		wall_time since;
		char error[200];
	} trouble[NOTIFY_MAX];
};

/* What usher cannot work without, as whoever uses it here last found it. */
struct peer_status {
	bool up;
	char error[NOTE_SIZE]; /* "" while it is up, and at first */
	wall_time since;       /* of the present state */
};

struct status {
	atomic_int refs;
	wall_time at, started_at;
	int64_t depths_every_ms; /* how often the depths are taken just now */
	struct peer_status database, broker;
	wall_time counted_at; /* when the ledger's and the outbox's figures were taken */
	struct channel_status channel[CHANNEL_COUNT];
	int64_t outbox_waiting, outbox_oldest_ms;
	double published_per_s;
#define FLEET_LOST_MS 10000                   /* a daemon that is silent for longer is missed */
	struct fleet_member fleet[FLEET_MAX]; /* as the database knows them, this daemon among them */
	size_t fleet_len;
	int64_t disk_total, disk_free; /* bytes, where state_dir is; -1: not known */
	bool disk_exists;
	struct history history;
	struct alarm_board alarms;
};

/* The board holds the newest snapshot; its lock covers one pointer. */
struct status_board;
struct status_board *status_board_new(void);
void status_board_put(struct status_board *board, struct status *status); /* takes it over */
struct status *status_board_get(struct status_board *board); /* release it; NULL before the first */
void status_release(struct status *status);
void status_board_free(struct status_board *board);

#endif
