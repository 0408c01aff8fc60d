/* The routes of the admin API: one table that drives dispatch, Allow, roles, the names in the audit,
 * and that the manual is checked against. */
#ifndef ADMIN_ROUTE_H
#define ADMIN_ROUTE_H

#include "admin/call.h"

enum access {
	ACCESS_PROBE, /* everywhere, the TCP listener too */
	ACCESS_LOOK,  /* both sockets */
	ACCESS_ACT    /* the act socket only */
};

struct route {
	const char *method;
	const char *pattern; /* {id}, {channel} and {component} stand for one segment */
	enum access access;
	const char *act;            /* as the audit names it; NULL unless ACCESS_ACT */
	unsigned query;             /* QUERY_... it takes */
	const char *const *members; /* an act's body may have these, NULL-terminated */
	route_fn *run;
};

extern const struct route routes[];
extern const size_t route_count;

/* The route, or NULL: then *ret_allow holds the methods this path knows ("GET, HEAD"), "" when there is no
 * such path. HEAD is GET. Pure. */
#define ALLOW_SIZE 64
const struct route *route_find(const char *method, const struct target *target, char ret_allow[ALLOW_SIZE]);

/* What the audit calls the thing an act was aimed at: "failed/42", "signups". */
#define AUDIT_TARGET_SIZE 161
void route_audit_target(const struct target *target, char ret_target[AUDIT_TARGET_SIZE]);

#define BODY_MAX (256 * 1024) /* bytes of a request's body: REDRIVE_IDS_MAX ids fit */

/* A whole request as the server received it; borrowed. */
struct incoming {
	enum role role;
	const char *operator, * method, *uri, *content_type; /* content_type NULL: none */
	const char *languages;                               /* Accept-Language; NULL: none */
	const char *body;
	size_t body_len;
	bool body_too_large;
};

/* Checks and runs one request. Fills the call's answer in every case: a problem is an answer with call->type
 * "application/problem+json" and call->json. *ret_allow: for the Allow header, "" otherwise. */
void route_dispatch(const struct admin_context *ctx, const struct incoming *in, struct call *ret_call,
        char ret_allow[ALLOW_SIZE]);

/* An object with these members only? USHER_EINVAL names one that is not known. Pure. */
int members_check(const cJSON *object, const char *const *known, struct usher_error *err);

/* -- Handlers, by file ---------------------------------------------------------------------------- */
route_fn status_get;                                                  /* view_status.c */
route_fn failed_list_get, failed_groups_get, failed_one_get, dlq_get; /* view_failed.c */
route_fn filter_keys_get;                                             /* view_failed.c */
route_fn retrying_get, outbox_get, audit_get;                         /* view_lists.c */
route_fn redrives_get, redrives_one_get, redrives_post, redrives_pause_post, redrives_resume_post,
        redrives_stop_post;                                    /* redrives.c */
route_fn redrive_post, cancel_post, restore_post, signup_post; /* act.c */
route_fn retrying_now_post, retrying_postpone_post, retrying_cancel_post,
        retrying_dead_post;                                    /* act_retrying.c */
route_fn edit_post, reveal_post;                               /* act_edit.c */
route_fn delivery_get_one;                                     /* view_delivery.c */
route_fn pause_post, resume_post, breaker_post;                /* act.c */
route_fn alarms_get;                                           /* view_alarms.c */
route_fn alarm_ack_post;                                       /* act.c */
route_fn config_get, config_history_get_list, config_diff_get; /* view_config.c */
route_fn config_reload_get, config_reload_post;                /* view_config.c */
route_fn health_get, health_component_get;                     /* health.c */
route_fn metrics_get;                                          /* metrics.c */

/* The alarm as it stands now, as the call's answer: view_alarms.c. */
int view_alarm(struct call *call, int64_t id, struct usher_error *err);

#endif
