/* The tables redrive_job and redrive_job_row: frozen selections of dead rows that are sent again at a bounded
 * rate, or are cancelled; and of what such a job cancelled, to restore it. Which rows: those that were dead
 * at frozen_at and have not changed since; oldest first. A job's place is in its row and moves with the rows
 * it sends, in one transaction, so that a job goes on after a crash exactly where it was.
 *
 * How it counts: every row sent names the job until somebody else redrives it, which only a row that failed
 * again allows; so failed = its rows that are dead or cancelled + those taken over, on the way = its rows
 * that are queued, and delivered is the rest of what was sent. One db per thread. */
#ifndef STORE_REDRIVE_JOB_H
#define STORE_REDRIVE_JOB_H

#include "store/failed.h"

#define REDRIVE_IDS_MAX 10000 /* rows of a list */
#define REDRIVE_OPEN_MAX 50   /* jobs that run or are paused at a time */
#define REDRIVE_BATCH_MAX 250 /* rows of one step */
#define REDRIVE_RATE_MAX 1000 /* rows a second */
#define REDRIVE_CANARY_MAX 1000
#define REDRIVE_STOP_MAX 1000000
#define REDRIVE_TEXT_MAX 320   /* bytes, as a search takes it */
#define REDRIVE_WAITS_SIZE 200 /* characters */

enum redrive_job_state {
	REDRIVE_RUNNING,
	REDRIVE_PAUSED,
	REDRIVE_STOPPED,
	REDRIVE_DONE,
	REDRIVE_STATE_COUNT
};
const char *redrive_job_state_name(enum redrive_job_state state);

/* What is to be redriven: rows of a filter (status is always dead), or a list. */
struct redrive_selection {
	int channel, class;     /* -1: any */
	const char *text;       /* as failed_filter.text */
	wall_time since, until; /* dead_at; 0: any */
	const int64_t *ids;     /* not NULL: these, whatever the rest says */
	size_t id_count;        /* at most REDRIVE_IDS_MAX */
	wall_time seen_until;   /* the rows as they were then; 0: now */
	int64_t of_job;         /* > 0: what this job cancelled, whatever the rest says; for a restore */
	int auto_max;           /* >= 0: by usher itself, rows that it has redriven less often than this */
};

/* What an operator's filter finds among the dead rows, as they were at seen_until (0: now): channel, class
 * and moments of death where they say all, else a list; *ret_ids then holds it and is the caller's.
 * USHER_ENOTFOUND: nothing. USHER_EINVAL: more than a list may hold, or more than can be looked at row by row
 * in a moment. */
int redrive_selection_find(struct db *db, const struct filter *terms, struct redrive_selection *selection,
        int64_t **ret_ids, struct usher_error *err);

struct redrive_order {
	enum failed_move move;
	struct redrive_selection selection;
	double rate; /* this and the next two: of a redrive; the others go as fast as they can */
	int64_t canary, stop_on;
	struct act act; /* a cancel has a reason */
};

struct redrive_job {        /* strings owned, NULL where the table has NULL */
	int64_t id, of_job; /* of_job 0: none */
	enum failed_move move;
	bool automatic, listed, total_capped, settled;
	enum redrive_job_state state;
	int version, channel, class, auto_max; /* channel, class, auto_max: -1 none */
	char *created_by, *role, *reason, *text, *waits, *why, *moved_by;
	wall_time since, until, frozen_at, created_at, started_at, ended_at;
	double rate;
	int64_t canary, stop_on, total, sent, skipped, on_the_way, failed;
};
#define REDRIVE_USHER "usher" /* who acts when it is the daemon itself */
extern const struct act redrive_usher;
void redrive_jobs_free(struct redrive_job *jobs, size_t n);
int64_t redrive_job_delivered(const struct redrive_job *job);
/* What a job that has come to its end did not move: it had changed, or left the selection before its turn. */
int64_t redrive_job_left_alone(const struct redrive_job *job);

/* Freezes the selection. USHER_EINVAL: nothing is selected, or a text that selects more than a list may
 * hold. USHER_ECONFLICT: REDRIVE_OPEN_MAX. *ret_id: the job, running. Audited. */
int redrive_job_create(
        struct db *db, const struct redrive_order *order, int64_t *ret_id, struct usher_error *err);

/* What a job would find: counted over the oldest FAILED_COUNT_CAP rows of the selection. */
struct redrive_preview {
	int64_t total;
	bool total_capped;
	wall_time frozen_at, oldest, newest;
	struct redrive_preview_group {
		enum channel_id channel;
		enum failure_class class;
		int64_t count;
		int64_t maybe_done; /* of them: an attempt ended without an answer after the effect could have
		                       happened */
		int64_t member_has; /* of them, coupon: the member has one by another event */
	} groups[CHANNEL_COUNT * FAILURE_COUNT];
	size_t group_count;
};
int redrive_job_preview(struct db *db, enum failed_move move, const struct redrive_selection *selection,
        struct redrive_preview *ret, struct usher_error *err);

/* Newest first. USHER_EINVAL: a bad cursor. */
int redrive_job_list(struct db *db, const char *cursor, int limit, struct redrive_job **ret_jobs,
        size_t *ret_n, char ret_next[CURSOR_SIZE], struct usher_error *err);
/* USHER_ENOTFOUND. */
int redrive_job_get(struct db *db, int64_t id, struct redrive_job **ret_job, struct usher_error *err);
/* Dead rows that the job's filter finds and that died after it was frozen; capped as failed_count. */
int redrive_job_late(struct db *db, const struct redrive_job *job, int64_t *ret_n, bool *ret_capped,
        struct usher_error *err);

/* What operators do: compare-and-set on the state (running <-> paused, either -> stopped), and on the version
 * unless it is -1. USHER_ECONFLICT says how the job stands and who brought it there. Audited, refusals too.
 */
enum redrive_job_act { REDRIVE_PAUSE, REDRIVE_RESUME, REDRIVE_STOP };
int redrive_job_act(struct db *db, int64_t id, enum redrive_job_act kind, int version, const struct act *act,
        struct usher_error *err);

/* -- For the one that runs the jobs ------------------------------------------------------------- */

/* Jobs that are not settled, oldest first, at most `max`. */
int redrive_jobs_open(
        struct db *db, size_t max, struct redrive_job **ret_jobs, size_t *ret_n, struct usher_error *err);

/* Redrives (cancels, restores) the next rows, at most REDRIVE_BATCH_MAX. A step looks at a bounded number of
 * rows, so it may end without a row and without the end. Does nothing to a job that does not run (any more).
 */
struct redrive_step {
	int64_t sent, skipped;
	bool exhausted; /* there are no more */
};
int redrive_job_step(
        struct db *db, int64_t id, int64_t max, struct redrive_step *ret, struct usher_error *err);
/* Counts the outcomes, into the job and its row. */
int redrive_job_count(struct db *db, struct redrive_job *job, struct usher_error *err);
/* The words of one that failed again, without whom they are about; "" when there is none. */
int redrive_job_failure(struct db *db, int64_t id, char *words, size_t size, struct usher_error *err);
/* What a running job waits for; NULL: nothing. */
int redrive_job_wait(struct db *db, int64_t id, const char *what, struct usher_error *err);
/* The end of a running job, by usher: REDRIVE_DONE or REDRIVE_STOPPED; *ret_ended false: it did not run. */
int redrive_job_end(struct db *db, const struct redrive_job *job, enum redrive_job_state state,
        const char *why, bool *ret_ended, struct usher_error *err);
/* It is over and nothing is on its way: the counts are final. */
int redrive_job_settle(struct db *db, int64_t id, struct usher_error *err);
/* Inside a transaction: n rows that the job sent, and that failed again, were redriven by another. */
int redrive_job_taken(struct db *db, int64_t id, int64_t n, struct usher_error *err);
/* Deletes settled jobs that ended longer ago than keep_ms, and before them what they remember: at most `max`
 * of each. *ret_n: rows of both kinds. */
int redrive_job_prune(struct db *db, int64_t keep_ms, int max, int *ret_n, struct usher_error *err);

/* -- For automatic redrive ------------------------------------------------------------------------ */

/* The channel's latest automatic jobs. */
struct redrive_history {
	bool open; /* one is not over */
	struct {
		int stops;            /* jobs of the class in a row that stopped, the latest first */
		int64_t ended_ms_ago; /* of the latest; -1: there is none */
	} class[FAILURE_COUNT];
};
int redrive_job_history(
        struct db *db, enum channel_id channel, struct redrive_history *ret, struct usher_error *err);
/* Is there a row that an automatic job would find? */
int redrive_job_wanted(
        struct db *db, const struct redrive_selection *selection, bool *ret, struct usher_error *err);

#endif
