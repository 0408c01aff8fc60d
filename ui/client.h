/* The daemon's API over its unix socket. One client carries any number of requests at once on a curl
 * multi handle and never blocks but in client_wait and client_call; callbacks run inside client_turn.
 * Main thread only. */
#ifndef UI_CLIENT_H
#define UI_CLIENT_H

#include "base/buf.h"

#include "base/json.h"
#include "base/language.h"

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <usher/error.h>

#define CLIENT_BODY_MAX (64u << 20) /* the largest answer taken */
#define CLIENT_READ_MS 5000
#define CLIENT_ACT_MS 15000

struct reply {
	int code;     /* 0, or a USHER_* code */
	long status;  /* the HTTP status; 0 when the daemon gave no answer */
	int os_error; /* errno of a failed connect, else 0 */
	bool unsure;  /* an act that was sent and not answered: it may have been done */
	cJSON *json;  /* the answer, problems included; NULL without one. A callback may take it (set NULL) */
	struct buf body;
	char message[USHER_ERROR_MESSAGE_MAX]; /* for the operator, when code is not 0 */
};
void reply_free(struct reply *r);
/* The answer never came: the daemon is away or silent, as against an answer that says no. */
bool reply_unreachable(const struct reply *r);

typedef void reply_fn(void *arg, struct reply *reply);

struct client;
struct client *client_new(const char *socket_path);          /* asks in the user's language */
void client_speak(struct client *c, enum language language); /* in another; while no request is under way */
void client_free(struct client *c);                          /* open requests end without their callbacks */
const char *client_socket(const struct client *c);
void client_use(struct client *c, const char *socket_path); /* for requests started from now on */

/* Starts a request; `path` begins with "/v1". Returns its number (never 0). A body makes it a POST; it
 * is borrowed for the call only. POSTs use a connection of their own, because curl silently repeats a
 * request whose reused connection died, and an act must not be repeated unseen. */
unsigned client_start(
        struct client *c, const char *path, const cJSON *body, int timeout_ms, reply_fn *done, void *arg);
void client_cancel(struct client *c, unsigned request); /* no callback; fine when it has ended */

/* Sleeps until a request moves, one of fds is ready (revents are set) or the time is over. */
void client_wait(struct client *c, struct pollfd *fds, unsigned count, int timeout_ms);
void client_turn(struct client *c);

/* One request from start to end, for the command line. */
void client_call(struct client *c, const char *path, const cJSON *body, int timeout_ms, struct reply *ret);

/* Adds "?key=value" or "&key=value", percent-encoded; nothing for a NULL or empty value. */
void path_query(struct buf *path, const char *key, const char *value);
void path_segment(struct buf *path, const char *segment); /* "/segment", percent-encoded */

#endif
