/* What a screen is, and what all screens share: the newest status, the messages, the open dialog, the
 * acts under way. A screen draws from its last snapshot, its view state and the size it is given;
 * nothing in it ever waits for the daemon. Main thread. */
#ifndef UI_CONSOLE_SCREEN_H
#define UI_CONSOLE_SCREEN_H

#include "../client.h"
#include "../format.h"
#include "../lines.h"
#include "dialog.h"
#include "keys.h"
#include "paint.h"
#include "terminal.h"

#include "base/clock.h"

#define SCREEN_COUNT 5
#define ROW_ID_MAX 24
#define STATUS_EVERY_MS 2000
#define STATUS_TIMEOUT_MS 3000
#define LIST_EVERY_MS 5000
#define OLD_AFTER_S 8 /* a snapshot older than this is shown with its age */

struct console;

struct screen {
	int number;        /* the key that shows it; fixed, so that fingers learn it */
	const char *name;  /* in the bar: "Failed" */
	const char *title; /* of the help overlay */
	void *state;
	enum scope (*scope)(const void *state);
	void (*fetch)(void *state, struct console *c); /* starts what is due; answers come to callbacks */
	void (*draw)(void *state, const struct console *c, struct rect area);
	bool (*key)(void *state, struct console *c, enum action action); /* false: not one of its own */
	void (*renew)(void *state);                  /* what it shows is out of date: fetch again now */
	void (*unmark)(void *state, const char *id); /* NULL: it has no marks */
	void (*close)(void *state);
};

void overview_open(struct screen *s);
void dlq_open(struct screen *s, struct console *c);
void failed_open(struct screen *s, struct console *c);
void alarms_open(struct screen *s, struct console *c);
void redrives_open(struct screen *s, struct console *c);
void detail_open(struct screen *s, struct console *c, const char *id);

/* One row as the operator saw it: acts name the version they were decided on. */
struct row_ref {
	char id[ROW_ID_MAX];
	int64_t version;
	char status[16], channel[32], class[32];
};
void row_ref_of(const cJSON *item, struct row_ref *ret);

/* -- Messages, shown above the footer until they are read ------------------------------------- */
#define NOTES_MAX 32
#define NOTE_LINES_MAX 5
struct note {
	enum role role;
	char *text;
	wall_time at;
};
struct notes {
	struct note items[NOTES_MAX]; /* oldest first */
	int count;
	int dropped;
};
/* Good news is replaced by the next message; bad news stays until Esc. */
void note_add(struct console *c, enum role role, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
bool note_read(struct console *c); /* false when there is none */

/* -- Acts ------------------------------------------------------------------------------------- */
enum act { ACT_REDRIVE, ACT_CANCEL, ACT_RESTORE };
bool act_of(enum action action, enum act *ret); /* false: no act */
struct acts;
/* Asks, then acts on the rows; those the act does not fit are left out and said so. `rows` is copied. */
void acts_ask(struct console *c, enum act act, const struct row_ref *rows, int count);
/* May something be done now? Says why not. */
bool acts_may(struct console *c);
bool acts_running(const struct console *c, int *ret_done, int *ret_all);
void acts_free(struct acts *acts);

/* -- Pausing a channel, and resuming it: pause.c ------------------------------------------------ */
struct pause {
	char channel[32]; /* the one asked about, or acted on */
	bool resume;
	bool running; /* the daemon has not answered yet */
};
void pause_ask(struct console *c, const cJSON *channel); /* as the status has it */

/* -- The console ------------------------------------------------------------------------------- */
struct console {
	struct client *client;
	const char *given; /* the socket as the operator named it */
	bool asked_read_only, read_only;
	struct screen screens[SCREEN_COUNT], detail;
	int current;
	bool in_detail;
	bool help;
	int help_top;
	struct list *list; /* the one on the screen, which the mouse points into; NULL: none */
	struct mouse mouse;
	struct dialog dialog;
	struct notes notes;
	struct acts *acts;
	struct pause pause;
	cJSON *status; /* NULL before the first answer */
	wall_time status_at;
	char status_error[USHER_ERROR_MESSAGE_MAX]; /* why it is not renewed; "" when it is */
	unsigned status_request;
	mono_time status_asked;
	bool down;
	wall_time last_heard, down_since; /* down since the last answer, or since the start */
	char down_why[USHER_ERROR_MESSAGE_MAX];
	wall_time now;
	mono_time mono;
	bool quit;
};

struct screen *console_screen(struct console *c); /* the one that has the keys */
void console_show(struct console *c, int screen);
void console_open_detail(struct console *c, const char *id);
void console_close_detail(struct console *c);
void console_refresh(struct console *c);                /* every screen fetches again */
void console_unmark(struct console *c, const char *id); /* acted on */
/* Every answer passes here first: tells whether the daemon is there. */
void console_heard(struct console *c, const struct reply *reply);

/* frame.c: the bar, the banner, messages and footer around a screen, and the help overlay. */
void frame_draw(struct console *c);
bool frame_too_small(void); /* to show a screen in */
/* The screen whose name stands at that column of the bar, or -1. */
int frame_screen_at(const struct console *c, int x);
void help_draw(struct console *c);
bool help_key(struct console *c, enum action action);

/* A figure of the status: what was exact or approximate when it came has grown old with the whole status. */
struct figure figure_now(const struct console *c, const cJSON *object, const char *key);
/* "as of 14:03:07 (12s old)" where a snapshot is old; true when it is. */
bool age_text(struct buf *out, wall_time at, wall_time now);

#endif
