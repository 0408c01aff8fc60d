/* libusher: registers sign-ups and runs the worker that welcomes them.
 *
 * A worker owns its threads (one pipeline a channel, relay, watcher, admin); its functions may be
 * called from any one thread at a time. A `struct usher_signups` is a connection for applications
 * that register sign-ups: one per thread. See libusher(3). */
#ifndef USHER_USHER_H
#define USHER_USHER_H

#include <usher/error.h>

#ifdef __cplusplus
extern "C" {
#endif

#define USHER_VERSION "0.1.0"

/* The version of the library that is linked, as in USHER_VERSION. */
const char *usher_version(void);

/* -- Worker ------------------------------------------------------------------------------- */

struct usher_worker;

/* Reads the configuration at `config_path` (NULL: built-in values and the environment only; see
 * usher.ini(5)) and makes a worker that is not running yet. USHER_ECONFIG lists all that is wrong.
 * The caller owns *ret_worker and ends it with usher_worker_free(). */
int usher_worker_new(const char *config_path, struct usher_worker **ret_worker, struct usher_error *err);

/* Who is told that the machine is about to be taken away: with `spot_notice` in the configuration, that EC2
 * will interrupt this spot instance. Otherwise it is only logged. Before usher_worker_start(). fn is called
 * at most once, from a thread of the worker, and not any more once usher_worker_stop() has returned. action
 * is "terminate" or "stop"; time says when, in RFC 3339, and is "" when EC2 does not say; both are borrowed
 * for the call. fn must return soon and call no function of this worker: it has another thread call
 * usher_worker_stop(), as by a signal that this one waits for. */
void usher_worker_on_notice(
        struct usher_worker *worker, void (*fn)(void *arg, const char *action, const char *time), void *arg);

/* Who is told what became of each reading of the configuration while the worker runs: `summary` is a
 * sentence, borrowed for the call; refused: it was not taken, and nothing has changed. Before
 * usher_worker_start(). fn is called from a thread of the worker, must return soon and call no function of
 * this worker. */
void usher_worker_on_reload(
        struct usher_worker *worker, void (*fn)(void *arg, const char *summary, int refused), void *arg);

/* Has a started worker read its configuration again: what is right is taken as a whole, without a pause; what
 * is wrong changes nothing. Returns at once. A worker reads it by itself when its files or its config server
 * say something else. `source` is for the history, as "SIGHUP". Any thread. */
void usher_worker_reload(struct usher_worker *worker, const char *source);

/* Starts all threads; returns when the sockets listen. The database and the broker may be away:
 * the worker then waits for them. Call once. */
int usher_worker_start(struct usher_worker *worker, struct usher_error *err);

/* Asks every thread of a started worker for a sign of life. NULL, or the name of one that has owed it for
 * longer than `within_ms`, and than the database may keep it waiting; call this several times within that
 * time. For watchdogs. */
const char *usher_worker_stuck(struct usher_worker *worker, int within_ms);

/* Stops: nothing more is received, what is being sent is finished within `drain_timeout`, the rest
 * is handed back to the queue. Returns when all threads have ended. Idempotent. */
void usher_worker_stop(struct usher_worker *worker);

/* Stops if need be, and frees. NULL is allowed. */
void usher_worker_free(struct usher_worker *worker);

/* -- Sign-ups ----------------------------------------------------------------------------- */

struct usher_signups;

/* One member who signs up. All strings UTF-8 and borrowed for the call. */
struct usher_signup {
	const char *user_id; /* NULL: a new UUID; otherwise 1..128 bytes */
	const char *email;   /* required, 3..320 bytes; whether it can receive mail is found out later */
	const char *name;    /* required, 1..200 characters */
	const char *locale;  /* BCP 47, NULL: "ko-KR" */
};

#define USHER_ID_SIZE 129 /* an event or user id with its NUL */

struct usher_signup_result {
	char user_id[USHER_ID_SIZE];
	char event_id[USHER_ID_SIZE];
};

/* Opens a connection for sign-ups with the [database] settings of `config_path`. */
int usher_signups_open(const char *config_path, struct usher_signups **ret_signups, struct usher_error *err);

/* Stores the user and the outbox row in one transaction. The broker is not touched: a sign-up
 * succeeds while it is down. USHER_EINVAL: a field is wrong. USHER_ECONFLICT: this user id or
 * e-mail address has signed up already. USHER_EUNAVAILABLE: nothing was stored, or it is unknown
 * whether it was; the call may be repeated with the same user_id. */
int usher_signup(struct usher_signups *signups, const struct usher_signup *signup,
        struct usher_signup_result *ret_result, struct usher_error *err);

void usher_signups_close(struct usher_signups *signups); /* NULL is allowed */

#ifdef __cplusplus
}
#endif
#endif
