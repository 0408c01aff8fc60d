/* Inside the pipeline: what its files share. One pipeline thread a channel owns all of this.
 *
 *   received ─claim─> ready ─send─> sending ─reply─> settling ─ledger─> to delete | to hide | to dlq
 * ─broker─> gone └───────────────┴── handed back (ledger lease ended, visible again at once)
 *
 * A job is one received message; its phase is the list it stands on, and job_move is the only
 * function that moves it. The ledger is written before the broker is told, always. */
#ifndef ENGINE_PIPELINE_H
#define ENGINE_PIPELINE_H

#include "broker/broker.h"
#include "channel/channel.h"
#include "engine/engine.h"
#include "model/event.h"
#include "net/http.h"
#include "net/loop.h"
#include "policy/breaker.h"
#include "policy/rate.h"
#include "policy/retry.h"
#include "store/ledger.h"

#include <pthread.h>

enum job_phase {
	JOB_RECEIVED,  /* not claimed yet */
	JOB_READY,     /* claimed, waits for its turn at the service */
	JOB_SENDING,   /* at the service */
	JOB_SETTLING,  /* outcome known, not in the ledger yet */
	JOB_RELEASING, /* to be handed back: its lease is ended first */
	JOB_TO_DELETE, /* settled: the message goes */
	JOB_TO_HIDE,   /* stays in the queue, visible after hide_ms */
	JOB_TO_DLQ,    /* dead: a copy goes to the DLQ, then the message is deleted */
	JOB_AT_BROKER, /* one of the three is under way */
	JOB_PHASES
};

struct job {
	struct job *prev, *next;
	struct pipeline *pipeline;
	enum job_phase phase;

	struct message *message;
	struct event *event; /* NULL: malformed */
	char event_id[EVENT_ID_MAX + 1];
	char reason[USHER_ERROR_MESSAGE_MAX]; /* why it is dead; malformed: known from the start */

	int64_t delivery_id; /* from the claim on */
	int version, attempts, throttled, redrives;
	mono_time lease_until; /* both the lease and the visibility end about then */

	wall_time sent_at;     /* the attempt */
	struct outlet *outlet; /* by which it is sent */
	unsigned ticket;       /* of the breaker */
	bool attempted;        /* reply holds something */
	struct reply reply;
	enum failure_class class;
	enum delivery_state outcome;
	int64_t hide_ms;
	bool dlq_brief; /* the DLQ does not take it with all attributes: goes with the fewest */
};

struct job_list {
	struct job *head, *tail;
	size_t n;
};

/* The outside service as a configuration has it. One that a reload replaced is retired: it finishes what it
 * holds, and is closed. */
struct outlet {
	struct pipeline *pipeline;
	struct channel *channel;
	size_t sends;
	bool probing;
	struct outlet *next; /* of the retired */
};

/* The database, or the broker in one of its uses: a breaker paces the tries while it is away. */
struct pipeline_peer {
	struct breaker breaker;
	const char *lost, *back; /* for the log, once each */
	struct note *error;      /* for the status, "" while it is well */
};

struct pipeline {
	struct engine *engine;
	enum channel_id channel_id;
	const struct config *settings;       /* in force here */
	const struct config_channel *config; /* of this channel, in settings */
	struct config_post posted;           /* the next */
	const char *queue, *dlq;             /* for as long as the engine lives */
	struct channel_counters *counters;
	char area[32]; /* for the log: "pipeline email" */
	pthread_t thread;

	struct loop *loop;
	struct loop_timer *timer;
	struct curl_loop *curl;
	struct broker *broker;
	struct outlet *outlet; /* the one that sends now; NULL: abandoned */
	struct outlet *retired;
	struct db *db;

	struct retry_policy retry;
	struct breaker breaker;
	struct breaker_settings breaker_settings;
	struct rate rate;
	/* The broker may do one thing and refuse another: one permission each, and the DLQ is another queue.
	 */
	struct pipeline_peer database, broker_in, broker_out[DISMISSAL_KINDS];
	bool probeless;      /* this channel has no probe */
	mono_time probe_at;  /* the next */
	mono_time proved_at; /* the last delivery: shows that the service is well */
	uint64_t random;

	struct job_list phase[JOB_PHASES];
	size_t jobs;         /* on all lists */
	int receives;        /* under way */
	int receives_wanted; /* more while full batches come */
	int broker_calls;    /* under way, receives not counted */
	bool turn_pending;
	mono_time receive_begun; /* the latest */
	mono_time receive_at;    /* not before: a trickle is gathered */
	mono_time delete_by;     /* when the first settled message must be deleted */
	mono_time settle_by;     /* when the first outcome of the batch must be stored */
	mono_time moved_back_at; /* when somebody was last told that messages came from the DLQ past usher */

	/* What operators say of the channel. Unknown at first: then nothing is received. */
	bool control_known, paused;
	atomic_uint expected;      /* messages that the relay has sent and no turn has looked for */
	atomic_int control_posted; /* the newest word of the watcher, packed: CONTROL_... below */

	bool stopping;
	mono_time drain_until;
};

/* A word about the channel in one number, so that a posted one owns no memory. */
#define CONTROL_PAUSED 0x100 /* and an enum control_breaker */

#define PIPELINE_BATCH MESSAGE_BATCH_MAX /* jobs in one claim, settle or renewal */
#define SETTLE_LINGER_MS 10              /* outcomes are gathered this long, so that a commit is shared */
#define EMPTY_EARLY_MS 500  /* a long poll that ends without a message within this is no long poll: */
#define EMPTY_PAUSE_MS 1000 /* the next one waits, lest it be a busy loop */
#define RETRY_PEER_MS 200   /* first pause after the database or the broker failed */
#define RETRY_PEER_MAX_MS 5000
#define RECEIVE_WAIT_MS 20000 /* one long poll */
#define RECEIVE_TRIAL_MS 1000 /* and one that finds out whether the broker gives messages again */
#define RECEIVES_STEP_UP 3    /* receives more after a full batch; one fewer after another */
#define MOVED_BACK_MS 60000   /* once a minute is enough to be told that */
#define STOP_GRACE_MS 2000    /* for the last settles, when the drain time or all that it is for is over */

/* -- pipeline.c ------------------------------------------------------------------------------ */
struct job *job_new(struct pipeline *p, struct message *message);
void job_move(struct job *job, enum job_phase phase);
void job_free(struct job *job);
void pipeline_wake(struct pipeline *p); /* a turn before the loop next waits */

/* Nothing is received now, and what is not started goes back: stopped, paused, or the service is down. */
bool pipeline_held(const struct pipeline *p);

/* -- pipeline_peer.c ------------------------------------------------------------------------- */
/* It failed: wait longer each time, say so once. */
void pipeline_peer_failed(struct pipeline *p, struct pipeline_peer *peer, const struct usher_error *err);
void pipeline_peer_answered(struct pipeline *p, struct pipeline_peer *peer);
bool pipeline_peer_ready(struct pipeline_peer *peer, mono_time now);
void pipeline_peer_unasked(struct pipeline_peer *peer, mono_time now); /* it is not asked just now */
bool pipeline_peer_well(const struct pipeline_peer *peer);

/* -- intake.c: receive, decode, claim -------------------------------------------------------- */
void intake_receive(struct pipeline *p, mono_time now);
void intake_expect(struct pipeline *p, unsigned messages); /* that many are in the queue by now */
void intake_claim(struct pipeline *p, mono_time now);

/* -- outlet.c: the channels that send ---------------------------------------------------------- */
int outlet_open(struct pipeline *p, struct usher_error *err); /* the first */
/* After p->settings has changed: another one, if `old` had other settings for it. */
void outlet_renew(struct pipeline *p, const struct config *old);
void outlet_sweep(struct pipeline *p); /* closes the retired that hold nothing any more */
void outlet_close_all(struct pipeline *p);
int outlet_connections(const struct pipeline *p);

/* -- sending.c: the service ------------------------------------------------------------------ */
void sending_start(struct pipeline *p, mono_time now);
void sending_abandon(struct pipeline *p); /* the drain time is over: note that their fate is unknown */

/* -- service.c: the outside service: breaker, probes, rate ------------------------------------ */
int service_allows(struct pipeline *p, mono_time now); /* sends that may start, by the breaker */
/* A send ended: feeds breaker and rate. Returns whether the service was known to be down before. */
bool service_feed(struct pipeline *p, const struct job *job);
void service_probe(struct pipeline *p, mono_time now);               /* when it is time */
mono_time service_deadline(const struct pipeline *p, mono_time now); /* of the next trial, probe or token */
void service_gauges(struct pipeline *p, mono_time now);

/* -- settling.c: the ledger ------------------------------------------------------------------ */
void settling_add(struct job *job);
void settling_flush(struct pipeline *p, mono_time now);
void settling_release(struct pipeline *p, mono_time now); /* JOB_RELEASING */
void settling_renew(struct pipeline *p, mono_time now);   /* leases past half their time */

/* -- dismissal.c: the broker ----------------------------------------------------------------- */
void dismissal_begin(struct pipeline *p); /* once */
void dismissal_flush(struct pipeline *p, mono_time now);
mono_time dismissal_deadline(const struct pipeline *p); /* of the next call; 0: nothing waits */
/* Jobs that only wait for a broker that takes them: they keep no place from others. */
size_t dismissal_leaving(const struct pipeline *p);

#endif
