/* The watcher's inside: what watcher.c shares with the jobs it runs (fleet.c, control.c, state_dir.c,
 * mirror.c, redrive.c, redrive_job.c, auto_redrive.c, retention.c, alarm.c). All of it lives on the watcher's
 * thread. A job has at most one run under way; watch_job_ended is called when it ends. */
#ifndef ENGINE_WATCH_H
#define ENGINE_WATCH_H

#include "broker/broker.h"
#include "engine/engine.h"
#include "store/control.h"
#include "store/fleet.h"

/* What the watcher depends on: is it there, since when, and when is it asked again? Says in the log once that
 * it is gone and once that it is back. */
struct peer {
	const char *name;
	bool up, down; /* neither: not asked yet */
	wall_time since;
	char error[200];
	int64_t backoff_ms;
	mono_time retry_at;
};
#define PEER_BACKOFF_FIRST_MS 250
#define PEER_BACKOFF_MAX_MS 5000
bool peer_ready(const struct peer *peer);
void peer_answered(struct peer *peer);
void peer_failed(struct peer *peer, const struct usher_error *err);

/* A trouble that is said once, however often it is met, until it has passed. */
struct complaint {
	char text[200];
};
void complaint_say(struct complaint *complaint, const char *what, const struct usher_error *err);
void complaint_end(struct complaint *complaint);

struct watch {
	struct engine *engine;
	const struct config *config; /* in force here */
	struct loop *loop;
	struct db *db;
	struct broker *broker;
	struct peer database, broker_peer;
	struct fleet *fleet;
	struct controls *controls;
	struct state_dir *state_dir;
	struct mirror *mirror;
	struct redrive *redrive;
	struct runner *runner;
	struct auto_redrive *auto_redrive;
	struct retention *retention;
	struct alarms *alarms;
	bool stopping;
};

/* A job's call failed: database or broker is away and noted as such, or (false) it is the job's own trouble.
 */
bool watch_database_away(struct watch *w, const struct usher_error *err);
bool watch_broker_away(struct watch *w, const struct usher_error *err);
void watch_job_ended(struct watch *w);

/* -- The fleet ----------------------------------------------------------------------------------- */
#define FLEET_BEAT_MS 2000               /* between two signs of life */
#define FLEET_LEASE_MS 6000              /* a leader that is silent for this long is followed */
#define FLEET_FORGET_MS (60 * 60 * 1000) /* a daemon that went without a word is shown this long */
struct fleet *fleet_new(struct watch *w);
void fleet_free(struct fleet *fleet);
int fleet_turn(struct fleet *fleet, struct usher_error *err); /* a sign of life, when it is time */
void fleet_end(struct fleet *fleet);                          /* leaves it */
bool fleet_leads(const struct fleet *fleet);
/* As last read; valid until the next turn. */
size_t fleet_members(const struct fleet *fleet, const struct fleet_member **ret_members);

/* -- What operators say of channels -------------------------------------------------------------- */
struct controls *controls_new(struct watch *w);
void controls_free(struct controls *controls);
int controls_turn(struct controls *controls, struct usher_error *err); /* reads it and tells the pipelines */
const struct control *controls_of(const struct controls *controls, enum channel_id channel); /* last read */

/* -- What is kept in state_dir ------------------------------------------------------------------- */
#define STATE_DIR_SILENT_MS 10000 /* a disk that has not answered for this long counts as not there */
struct state_dir *state_dir_new(struct watch *w);
void state_dir_free(struct state_dir *s);
void state_dir_begin(struct state_dir *s, struct history *history); /* goes on with what was kept; blocks */
/* Fills what `status` says of the disk, as it last answered, and asks it anew; keeps the history when a
 * minute is over. */
void state_dir_turn(struct state_dir *s, struct status *status);
bool state_dir_busy(const struct state_dir *s); /* the disk has a question of ours */
/* Keeps the history a last time; blocks. Not while it is busy. */
void state_dir_end(struct state_dir *s, const struct history *history);

/* -- DLQ mirror ---------------------------------------------------------------------------------- */
struct mirror *mirror_new(struct watch *w);
void mirror_free(struct mirror *mirror);
/* What stands in the channel's DLQ now; a change makes the mirror go through it. */
void mirror_depth(struct mirror *mirror, enum channel_id channel, const struct queue_depths *depths);
/* How many deliveries of the channel are settled as an operator or a redrive settles them; a change may have
 * made copies surplus, whichever daemon it was told to. */
void mirror_ledger(struct mirror *mirror, enum channel_id channel, int64_t settled);
/* An act may have made copies surplus: go through all DLQs soon. */
void mirror_want(struct mirror *mirror);
/* Why the channel's DLQ cannot be looked into, where this daemon does it; "" while it can. */
const char *mirror_refusal(const struct mirror *mirror, enum channel_id channel);
void mirror_turn(struct mirror *mirror); /* starts what is due, unless a run is under way */
bool mirror_busy(const struct mirror *mirror);

/* -- Redrive intents ----------------------------------------------------------------------------- */
struct redrive *redrive_new(struct watch *w);
void redrive_free(struct redrive *redrive);
void redrive_turn(struct redrive *redrive); /* sends what is due, unless a run is under way */
bool redrive_busy(const struct redrive *redrive);
/* Why the last copies could not be sent to their queue; "" when they could. */
const char *redrive_refusal(const struct redrive *redrive);

/* -- Redrive jobs -------------------------------------------------------------------------------- */
struct runner *runner_new(struct watch *w); /* has a timer of its own */
void runner_free(struct runner *runner);
void runner_turn(struct runner *runner); /* a job may have been made or moved: look at once */

/* -- Automatic redrive --------------------------------------------------------------------------- */
struct auto_redrive *auto_redrive_new(struct watch *w);
void auto_redrive_free(struct auto_redrive *a);
void auto_redrive_turn(struct auto_redrive *a); /* makes a job of what may go, when it is time; leader only */

/* -- Retention ----------------------------------------------------------------------------------- */
struct retention *retention_new(struct watch *w);
void retention_free(struct retention *retention);
void retention_turn(struct retention *retention); /* one small batch, when it is time */

/* -- Alarms ------------------------------------------------------------------------------------------ */
struct alarms *alarms_new(struct watch *w);
void alarms_free(struct alarms *alarms); /* notices under way are dropped */
/* Looks at every rule once; `status` is as it is published. */
void alarms_turn(struct alarms *alarms, const struct status *status);
/* w->config has changed: other rules, and other ways of telling. What stands stays as it is. */
void alarms_configure(struct alarms *alarms, const struct config *old);
bool alarms_busy(const struct alarms *alarms);
void alarms_board(const struct alarms *alarms, struct alarm_board *board);

#endif
