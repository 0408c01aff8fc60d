/* One request to the admin API as its handler sees it: checked input in, an answer out. Nothing here
 * knows libmicrohttpd, so that every handler can be called by a test. Admin thread only. */
#ifndef ADMIN_CALL_H
#define ADMIN_CALL_H

#include "admin/query.h"
#include "base/json.h"
#include "engine/engine.h"
#include <usher/usher.h>

enum role {
	ROLE_OPERATOR, /* the act socket */
	ROLE_VIEWER,   /* the look socket: reads, and never acts */
	ROLE_PROBE     /* the TCP listener: health and metrics, without details */
};
const char *role_name(enum role role); /* as in the audit: "operator", "viewer", "probe" */

#define OPERATOR_SIZE 64 /* as the audit keeps it */
#define HOST_SIZE 65

/* What all calls share. */
struct admin_context {
	struct engine *engine;
	struct db *db; /* of the admin thread */
	wall_time started_at;
	mono_time started;
	char host[HOST_SIZE];
};

struct route;

struct call {
	/* in: borrowed for the call */
	const struct admin_context *ctx;
	const struct route *route;
	const struct settings *settings; /* what is in force during the call */
	enum role role;
	const char *operator;    /* the peer's login */
	int64_t id;              /* {id} of the path */
	enum channel_id channel; /* {channel} of the path */
	const char *component;   /* {component} of the path */
	struct query query;
	const cJSON *body; /* acts: an object with known members only */
	/* out: owned by the call */
	int status;       /* HTTP; 200 unless the handler says otherwise */
	cJSON *json;      /* the answer, or */
	struct buf text;  /* a plain text, when type is set */
	const char *type; /* Content-Type of text; NULL: json */
};

/* 0 with the answer filled, or a code and err: the problem (see problem_status). */
typedef int route_fn(struct call *call, struct usher_error *err);

void call_clear(struct call *call); /* frees the answer */

/* The HTTP status that tells a failure of ours: USHER_ECONFLICT -> 409. */
int problem_status(int code);
const char *problem_title(int status);                          /* "Conflict" */
cJSON *problem_json(int status, const struct usher_error *err); /* in the language in force */

/* A new object as the call's answer. */
cJSON *call_answer(struct call *call);

#endif
