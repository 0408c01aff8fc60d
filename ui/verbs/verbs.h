/* The command line: one table of verbs and one of options make parsing, help and dispatch. A verb asks
 * the daemon through the client, prints for people or as JSON, and returns the exit status. Main thread. */
#ifndef UI_VERBS_VERBS_H
#define UI_VERBS_VERBS_H

#include "../client.h"

#include "base/clock.h"
#include "base/language.h"

#include <stdio.h>

enum exit_status {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NOT_FOUND = 3,
	EXIT_CONFLICT = 4,
	EXIT_FORBIDDEN = 5,
	EXIT_UNREACHABLE = 6
};

/* OPTION(id, "name", letter or 0, "ARG" or NULL, "help"): the rows of --help, getopt, completion and manual.
 * ARG, in the context of its name, and help are marked for translation (Makefile, MESSAGES): option_arg and _
 * show them.
 * An ARG in brackets may be left out ("--watch=5", "--watch"); what it is called says what completes it. */
#define OPTION_TABLE(OPTION)                                                                                 \
	OPTION(STATUS, "status", 0, "STATUS", "dead, queued, delivered, cancelled or any")                   \
	OPTION(CHANNEL, "channel", 0, "CHANNEL", "only this channel: email or coupon")                       \
	OPTION(CLASS, "class", 0, "CLASS", "only this failure class, such as service_down")                  \
	OPTION(SEARCH, "search", 0, "TEXT", "event id, user id or recipient, or how one begins")             \
	OPTION(SINCE, "since", 0, "TIME", "dead since: RFC 3339, or an age such as 90s, 1h or 2d")           \
	OPTION(UNTIL, "until", 0, "TIME",                                                                    \
	        "dead before: RFC 3339, or an age; of a retry: when, or a span such as 30m")                 \
	OPTION(SORT, "sort", 0, "COLUMN",                                                                    \
	        "newest (the default), oldest, or a column: class, attempts:asc ...")                        \
	OPTION(LIMIT, "limit", 0, "N", "how many rows at most (default 50)")                                 \
	OPTION(GROUPS, "groups", 0, NULL, "count by status and cause")                                       \
	OPTION(KEYS, "keys", 0, NULL, "what a filter may have")                                              \
	OPTION(RATE, "rate", 0, "N", "rows a second at most (default 10)")                                   \
	OPTION(CANARY, "canary", 0, "N", "rows sent first, whose outcome is awaited (default 1)")            \
	OPTION(STOP_ON, "stop-on", 0, "N", "stop when so many failed again (default 5; 0: never)")           \
	OPTION(DRY_RUN, "dry-run", 0, NULL, "say what would happen, and do nothing")                         \
	OPTION(WATCH, "watch", 0, "[SECONDS]", "go on looking, every 2 seconds or so many")                  \
	OPTION(CHECK, "check", 0, NULL,                                                                      \
	        "one line for a monitor, and its exit status: 0 ok, 1 warning, 2 critical, 3 unknown")       \
	OPTION(MANUAL, "manual", 0, NULL, "the synopsis of usher(1)")                                        \
	OPTION(REASON, "reason", 0, "TEXT", "why, for the audit and for who comes after you")                \
	OPTION(REVEAL, "reveal", 0, NULL, "unmasked, with a reason: it is kept in the audit")                \
	OPTION(SET, "set", 0, "FIELD=VALUE",                                                                 \
	        "the field's new value, such as email=kim@shop.example; repeatable")                         \
	OPTION(REDRIVE, "redrive", 0, NULL, "send it again after the edit")                                  \
	OPTION(EMAIL, "email", 0, "ADDRESS", "where the welcome mail goes")                                  \
	OPTION(NAME, "name", 0, "NAME", "the new member's name")                                             \
	OPTION(USER_ID, "user-id", 0, "ID", "the member's id (default: a new one)")                          \
	OPTION(LOCALE, "locale", 0, "TAG", "language of the mail, such as ko-KR")                            \
	OPTION(TARGET, "target", 0, "WHAT", "only acts on this, such as failed/42")                          \
	OPTION(WAITING, "waiting", 0, NULL, "only what is not published yet")                                \
	OPTION(PUBLISHED, "published", 0, NULL, "only what has been published")                              \
	OPTION(JSON, "json", 0, NULL, "print the daemon's JSON")                                             \
	OPTION(CSV, "csv", 0, NULL, "print comma-separated values, every column")                            \
	OPTION(QUIET, "quiet", 'q', NULL, "say nothing but what was asked for, and what went wrong")         \
	OPTION(SOCKET, "socket", 0, "PATH", "the daemon's socket (USHER_SOCKET; /run/usher/usher.sock)")     \
	OPTION(READ_ONLY, "read-only", 'R', NULL, "look only: the read-only socket (usher-ro.sock)")         \
	OPTION(THEME, "theme", 0, "NAME", "even, dark, light, high-contrast or mono (USHER_THEME)")          \
	OPTION(MOUSE, "mouse", 0, NULL, "the mouse selects, opens and scrolls in the console")               \
	OPTION(HELP, "help", 'h', NULL, "this help")                                                         \
	OPTION(VERSION, "version", 0, NULL, "usher's version")

#define OPTION_ID(id, ...) OPT_##id,
enum option_id { OPTION_TABLE(OPTION_ID) OPT_COUNT };
#undef OPTION_ID
_Static_assert(OPT_COUNT <= 64, "an option is a bit");

#define SET_MAX 16

/* What one wants to do: the parts of --help. */
#define GROUP_TABLE(GROUP)                                                                                   \
	GROUP(LOOK, "See what is going on")                                                                  \
	GROUP(FIND, "Find what failed")                                                                      \
	GROUP(SETTLE, "Settle it")                                                                           \
	GROUP(STEER, "Hold, and let go on")                                                                  \
	GROUP(FEED, "Sign-ups")                                                                              \
	GROUP(OWN, "usher itself")
#define GROUP_ID(id, ...) GROUP_##id,
enum verb_group { GROUP_TABLE(GROUP_ID) GROUP_COUNT };
#undef GROUP_ID

struct watch;
struct verb_call {
	const struct verb *verb;
	const char
	        *option[OPT_COUNT]; /* NULL: not given; "" for one without an argument; the last one given */
	const char *set[SET_MAX];   /* of --set, each */
	int set_count;
	char **args;
	int arg_count;
	struct client *client;
	wall_time now;
	struct watch *watch; /* of a list that is looked at again and again; NULL: once */
	bool progress;       /* a line of progress stands on the terminal */
};

struct verb {
	const char *name;
	/* As --help shows them, and what completes them: words in small letters as they are, "|" between
	 * alternatives, ID, FILTER, CHANNEL ... from the daemon. For people: verb_args. */
	const char *args;
	const char *summary; /* shown by _() */
	int args_min, args_max;
	uint64_t options; /* bit per option_id, beyond the common ones */
	int (*run)(struct verb_call *call);
	enum verb_group group;
	const char *example; /* lines, each without the "usher " in front */
	const char *ids;     /* the list that an ID is of; NULL: none */
	bool local;          /* asks no daemon */
};

struct option_row {
	const char *name;
	char letter;
	const char *arg, *help;
};

extern const struct verb verbs[];
extern const size_t verb_count;
extern const struct option_row option_rows[OPT_COUNT];
const struct verb *verb_find(const char *name);
uint64_t verb_takes(const struct verb *verb);   /* bits of all its options; NULL: of usher without a verb */
const char *verb_args(const struct verb *verb); /* in the user's language */
const char *option_arg(const struct option_row *row); /* the same; "" for none */
bool option_arg_is_optional(const struct option_row *row);

/* Reads options up to the first word that is none (`leading`), or all of them. EXIT_USAGE and a message
 * on standard error when one is wrong. Returns 0; *ret_rest is the index of the first word left. */
int verb_options(struct verb_call *call, int argc, char **argv, bool leading, int *ret_rest);
/* "usher help": of the whole program, of a verb, or the synopsis of its manual page. */
void verb_help(const struct verb *verb); /* NULL: of the whole program */
int verb_help_run(struct verb_call *call);

/* The word most like a wrong one, NULL where none is: `word(i)` gives them, NULL at the end. */
const char *word_nearest(const char *wrong, const char *(*word)(int i));
int usage_no_verb(const struct verb_call *call, const char *wrong);
/* "X is none of a, b, c"; EXIT_USAGE. `words` ends with NULL. */
int usage_none_of(const struct verb_call *call, const char *wrong, const char *const *words);

/* RFC 3339, or an age ("1h") counted back from now, of --since or --until; "" when it is not given. */
int verb_time(struct verb_call *call, enum option_id option, char text[WALL_TEXT_SIZE]);
/* Acts of a read-only call are refused here already: 0, or the exit status. `act`: "alarms ack"; the verb
 * itself is one in verb_may_act. */
int may_act(const struct verb_call *call, const char *act);
int verb_may_act(const struct verb_call *call);
/* One act a row, by id: redrive without any of a job's options. */
int verb_redrive_rows(struct verb_call *call);
int verb_cancel_rows(struct verb_call *call);

/* -- Saying it (print.c) -- */

int exit_of(const struct reply *reply);
/* "usher: what: message" on standard error; returns exit_of. */
int reply_report(const struct reply *reply, const char *what);
bool reason_missing(const struct verb_call *call);
int usage_error(const struct verb_call *call, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A line with whatever is in it made harmless. */
void print_clean(FILE *to, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same on standard output, of what was done: nothing with --quiet. */
void print_done(const struct verb_call *call, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "42: queued again (email to kim@shop.example)": what became of a row, `done` being a translated text. */
void print_row_done(const struct verb_call *call, const char *id, const cJSON *row, const char *done);
/* Prints JSON, with what could act on a terminal escaped. */
void print_json(const char *json, size_t len);
int print_width(void); /* of the terminal, or 100 */
/* How far it is: a line on a terminal that the next one replaces; nothing elsewhere, nor with --quiet. */
void progress_show(struct verb_call *call, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void progress_clear(struct verb_call *call);

int verb_status(struct verb_call *call);
int verb_failed(struct verb_call *call);
int verb_dlq(struct verb_call *call);
int verb_retrying(struct verb_call *call);
int verb_outbox(struct verb_call *call);
int verb_audit(struct verb_call *call);
int verb_alarms(struct verb_call *call);
int verb_config(struct verb_call *call);
int verb_alarms_list(struct verb_call *call);
int verb_retry(struct verb_call *call);
int verb_edit(struct verb_call *call);
int delivery_one(struct verb_call *call); /* retrying ID */
int reveal_one(struct verb_call *call);   /* failed ID --reveal */
int verb_redrive(struct verb_call *call);
int verb_redrives(struct verb_call *call);
int verb_cancel(struct verb_call *call);
int verb_restore(struct verb_call *call);
int verb_pause(struct verb_call *call);
int verb_resume(struct verb_call *call);
int verb_breaker(struct verb_call *call);
int verb_signup(struct verb_call *call);
int verb_completion(struct verb_call *call);

#endif
