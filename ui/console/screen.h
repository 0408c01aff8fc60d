/* What a screen is, and what all screens share: the newest status, the messages, the open dialog, the
 * acts under way. A screen draws from its last snapshot, its view state and the size it is given;
 * nothing in it ever waits for the daemon. Main thread. */
#ifndef UI_CONSOLE_SCREEN_H
#define UI_CONSOLE_SCREEN_H

#include "../client.h"
#include "../format.h"
#include "../lines.h"
#include "dialog.h"
#include "journal.h"
#include "keys.h"
#include "paint.h"
#include "prompt.h"
#include "terminal.h"

#include "base/clock.h"

#define SCREEN_COUNT 7
#define ROW_ID_MAX 24
#define STATUS_EVERY_MS 2000
#define STATUS_TIMEOUT_MS 3000
#define LIST_EVERY_MS 5000
#define OLD_AFTER_S 8 /* a snapshot older than this is shown with its age */

struct console;

struct screen {
	int number;        /* the key that shows it; fixed, so that fingers learn it */
	const char *name;  /* in the bar: "Failed"; N_(), as the next two: frame.c and help.c look them up */
	const char *brief; /* there where it is narrow: "Fail" */
	const char *title; /* of the help overlay */
	void *state;
	enum scope (*scope)(const void *state);
	void (*fetch)(void *state, struct console *c); /* starts what is due; answers come to callbacks */
	void (*draw)(void *state, const struct console *c, struct rect area);
	bool (*key)(void *state, struct console *c, enum action action); /* false: not one of its own */
	void (*renew)(void *state);                  /* what it shows is out of date: fetch again now */
	const char *base;                            /* of its rows' ids: "/v1/failed" */
	void (*unmark)(void *state, const char *id); /* NULL: it has no marks */
	void (*close)(void *state);
};

void overview_open(struct screen *s);
void dlq_open(struct screen *s, struct console *c);
void failed_open(struct screen *s, struct console *c);
void retrying_open(struct screen *s, struct console *c);
void config_open(struct screen *s, struct console *c);
struct view;
/* Shows Failed by this view; Esc brings back what was there, and the screen that it was asked from. */
void failed_show(struct console *c, const struct view *view);
/* Likewise the rows that a filter finds, with the row `id` chosen. */
void failed_show_filter(struct console *c, const char *filter, const char *id);
/* What Failed shows now, but for the name. */
void failed_view(struct console *c, struct view *ret);
void dlq_show(struct console *c, const char *channel);
void alarms_open(struct screen *s, struct console *c);
void redrives_open(struct screen *s, struct console *c);
void detail_open(struct screen *s, struct console *c, const char *id);   /* of a failed row */
void delivery_open(struct screen *s, struct console *c, const char *id); /* of a delivery that waits */

/* One row as the operator saw it: acts name the version they were decided on. */
struct row_ref {
	char id[ROW_ID_MAX];
	int64_t version;
	char status[16], channel[32], class[32];
	wall_time seen; /* in a list: when that was asked for */
};
void row_ref_of(const cJSON *item, struct row_ref *ret);

/* -- Messages, shown above the footer until they are read ------------------------------------- */
#define NOTES_MAX 32
#define NOTE_LINES_MAX 5
struct note {
	enum role role;
	char *text;
	wall_time at;
	bool offers_undo;
};
struct notes {
	struct note items[NOTES_MAX]; /* oldest first */
	int count;
	int dropped;
};
/* Good news is replaced by the next message; bad news stays until Esc. */
void note_add(struct console *c, enum role role, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
bool note_read(struct console *c); /* false when there is none */
/* Good news that says what u would take back; the offer ends with it. */
void note_offer_undo(struct console *c, const char *text);

/* -- Acts ------------------------------------------------------------------------------------- */
enum act {
	ACT_REDRIVE,
	ACT_CANCEL,
	ACT_RESTORE,
	/* on deliveries that wait for their next attempt */
	ACT_NOW,
	ACT_POSTPONE,
	ACT_GIVE_UP,
	ACT_RETRY_CANCEL
};
bool act_of(enum action action, enum act *ret); /* false: no act */
struct acts;
/* Asks, then acts on the rows; those the act does not fit are left out and said so. `rows` is copied. */
void acts_ask(struct console *c, enum act act, const struct row_ref *rows, int count);
/* May something be done now? Says why not. */
bool acts_may(struct console *c);
bool acts_running(const struct console *c, int *ret_done, int *ret_all);
bool acts_stop(struct console *c); /* what is not sent is not tried; false when nothing is being sent */
void acts_free(struct acts *acts);

/* -- Pausing a channel, and resuming it: pause.c ------------------------------------------------ */
struct pause {
	char channel[32]; /* the one asked about, or acted on */
	bool resume;
	bool running; /* the daemon has not answered yet */
};
void pause_ask(struct console *c, const cJSON *channel); /* as the status has it */
void pause_send(struct console *c, const char *channel, bool resume, const char *reason);
/* What was cancelled last and can be taken back, while the message that says so stands. */
struct undo {
	struct row_ref *rows;
	int count;
};
void undo_add(struct undo *undo, const struct row_ref *row);
void undo_clear(struct undo *undo);
/* Asks to restore them; false when nothing is on offer. */
bool undo_ask(struct console *c);

/* -- Editing one row: edit.c -------------------------------------------------------------------- */
struct edit;
void edit_ask(struct console *c, const struct row_ref *row);         /* in $EDITOR */
void edit_address_ask(struct console *c, const struct row_ref *row); /* the mail address alone */
void edit_turn(struct console *c); /* opens the editor when its text has come */
void edit_free(struct edit *edit);

/* -- Running redrive jobs: jobs.c ------------------------------------------------------------------ */
struct jobs {
	cJSON *json;
	const cJSON *newest; /* of those that run, in json; NULL: none does */
	int running;
	unsigned request;
	mono_time asked;
};
void jobs_fetch(struct console *c);
void jobs_look(struct console *c);              /* now, whenever they were looked at last */
bool jobs_draw(const struct console *c, int y); /* one line; false when there is nothing to say */
void jobs_free(struct console *c);

/* -- Commands: palette.c ------------------------------------------------------------------------------ */
void palette_open(struct console *c);

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
	struct undo undo;
	struct edit *edit; /* under way */
	struct bulk *bulk; /* asked about, or being started */
	struct jobs jobs;
	struct prompt prompt;
	struct history filter_history, command_history;
	struct journal journal;
	cJSON *filter_keys; /* of /v1/filter/keys, once it was asked for */
	unsigned filter_keys_request;
	int wake_ms;   /* the main loop sleeps no longer than this */
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
void console_show_number(struct console *c, int number);
struct screen *console_numbered(struct console *c, int number);
void console_act(struct console *c, enum action action); /* as if its key had been pressed */
void console_wake(struct console *c, int ms);            /* something is due then */
void console_open_detail(struct console *c, const char *id);
void console_open_delivery(struct console *c, const char *id);
void console_close_detail(struct console *c);
void console_refresh(struct console *c); /* every screen fetches again */
/* Acted on; `base` of the id, as screens have it. */
void console_unmark(struct console *c, const char *base, const char *id);
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
