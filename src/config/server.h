/* The config server as a source of values: Spring Cloud Config's HTTP interface, seen from its client.
 * server_fetch.c asks, server_answer.c reads what is answered, server_kept.c keeps it on disk, server.c
 * gives it to the configuration. Inside src/config only (and its tests). One thread a call. */
#ifndef CONFIG_SERVER_H
#define CONFIG_SERVER_H

#include "base/buf.h"
#include "base/clock.h"
#include "config/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <usher/error.h>

#define SERVER_ANSWER_MAX (1024 * 1024) /* bytes of an answer, of a kept one too */
#define SERVER_SOURCES_MAX 256          /* property sources of an answer */

/* One of our properties as it was answered. A list (name[0], name[1]) is one property. */
struct server_property {
	char *name;        /* "usher.channel.email.rate" */
	char *text;        /* NULL: it cannot be used, and `fault` says why */
	const char *fault; /* static text, to be looked up in the language in force */
	char *source;      /* the name of its property source */
	char *origin;      /* where it stands there; NULL: not said */
	size_t rank;       /* of its source: 0 is the first, which wins */
	bool list;
};

struct server_environment {
	char *label, *version, *state; /* NULL: not said */
	struct server_property *properties;
	size_t count;
	/* of a kept one */
	wall_time kept_at;
	char *asked;     /* what it is the answer to: server_asked */
	char **withheld; /* names of properties that are secrets and were not kept */
	size_t withheld_count;
};

/* Reads an answer: in the plain form, values stand as they are; in the second, as {"value", "origin"}. What
 * is not of usher is left out. USHER_EPROTOCOL: it is no such answer; the message quotes none of it. */
int server_parse(
        const char *text, size_t len, struct server_environment **ret_environment, struct usher_error *err);
void server_environment_free(struct server_environment *environment); /* wipes values; NULL is allowed */
/* "config server SOURCE (ORIGIN)": where a property stands, for messages and origins. The caller frees. */
char *server_where(const struct server_environment *environment, const struct server_property *property);

enum server_verdict {
	SERVER_ANSWERED, /* there is an environment */
	SERVER_NOTHING,  /* the servers know nothing by this name, profile and label */
	SERVER_AWAY,     /* none answered, or none that can be understood */
	SERVER_REFUSED,  /* a server does not let us, or answers what only an operator can mend */
};
/* Asks the servers in their order, label for label, waiting for at most a timeout each. `state` may be NULL.
 * `reasons` gets what each said that was of no use. */
enum server_verdict server_ask(const struct config *settings, const char *state,
        struct server_environment **ret_environment, char **ret_url, struct buf *reasons);
/* "usher/production/main": name, profile and labels that are asked for. The caller frees. */
char *server_asked(const struct config *settings);

/* The text of what is kept: an environment in the second form, and what is needed to use it. `secret` says
 * which properties must not be in it. The caller frees. */
typedef bool server_secret(const void *arg, const char *name);
char *server_kept_text(const struct server_environment *environment, const char *asked, wall_time now,
        server_secret *secret, const void *arg);
/* USHER_ENOTFOUND: there is none for what is asked now. */
int server_kept_read(
        const struct config *settings, struct server_environment **ret_environment, struct usher_error *err);
int server_kept_write(const char *directory, const char *text, struct usher_error *err);

#endif
