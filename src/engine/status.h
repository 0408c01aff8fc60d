/* What the daemon knows of itself right now: counters that threads bump, and an immutable snapshot
 * that the watcher makes every watch.depth_interval and everybody else reads. Counters: any thread. */
#ifndef ENGINE_STATUS_H
#define ENGINE_STATUS_H

#include "base/clock.h"
#include "broker/aws_counters.h"
#include "model/delivery.h"
#include "model/message.h"
#include "policy/breaker.h"
#include "config/config.h"
#include "store/alarm.h"
#include "store/fleet.h"

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
	atomic_llong last_delivered_ms;                     /* wall clock */
};
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
	counter redriven; /* copies sent by the watcher */
	counter mirror_adopted, mirror_deleted, expired, pruned;
};

#define STATUS_HISTORY 60 /* points a series, one a depth interval, oldest first */

struct channel_status {
	bool enabled;
	const char *queue, *dlq; /* owned by the configuration */
	struct queue_depths depth, dlq_depth;
	int64_t claimed, retrying, dead, queued, cancelled; /* ledger rows */
	int64_t next_due_ms;                                /* until the next retry; -1 none */
	double in_per_s, out_per_s, fail_per_s;             /* over the last 10 s */
	uint32_t out_history[STATUS_HISTORY];               /* deliveries in each interval */
	uint32_t depth_history[STATUS_HISTORY]; /* visible, in flight and delayed, at the end of each interval
	                                         */
	wall_time depth_at;                     /* when the figures were taken; STALE once they are old */
	char depth_error[200];                  /* why they could not be taken, "" when they could */
	wall_time mirrored_at;                  /* when the watcher last went through the DLQ; 0: not yet */
};

#define ALARMS_SHOWN 8

/* What is raised now, whichever daemon raised it, and what could not be told. */
struct alarm_board {
	int raised, critical, unsent, shown, troubles;
	struct alarm_row list[ALARMS_SHOWN]; /* the worst first; ack_reason is not set */
	struct notice_trouble {
		char notify[ALARM_NAME_MAX + 1];
		const char *kind; /* owned by the configuration; "" of a section that is no more */
		int count, given_up;
		wall_time since;
		char error[200];
	} trouble[NOTIFY_MAX];
};

struct status {
	atomic_int refs;
	wall_time at, started_at;
	bool database_up, broker_up;
	char database_error[200], broker_error[200];
	wall_time database_since, broker_since; /* of the present state */
	struct channel_status channel[CHANNEL_COUNT];
	int64_t outbox_waiting, outbox_oldest_ms;
	double published_per_s;
	int history_len;
	struct fleet_member fleet[FLEET_MAX]; /* as the database knows them, this daemon among them */
	size_t fleet_len;
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
