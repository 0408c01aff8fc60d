/* A column of text with a meaning per line: what the detail pane, the verdict and `usher failed ID` are
 * made of. Built from the daemon's JSON for a given width, then drawn or printed. Main thread. */
#ifndef UI_LINES_H
#define UI_LINES_H

#include "base/buf.h"
#include "base/clock.h"

#include "base/json.h"
#include <stdbool.h>
#include <stdio.h>

/* What a piece of text means; the console's theme gives it a look, never colour alone. */
enum role {
	ROLE_NORMAL,
	ROLE_FAINT,
	ROLE_HEAD,
	ROLE_TITLE,
	ROLE_GOOD,
	ROLE_WARN,
	ROLE_BAD,
	ROLE_ACCENT,
	ROLE_SELECTED,
	ROLE_BAR,
	ROLE_KEY,
	ROLE_BADGE,
	ROLE_BANNER,
	ROLE_BOX,
	ROLE_COUNT
};

#define LINES_LABEL 12 /* columns of the label at the left */
#define LINES_MAX 20000
#define LINES_TEXT_MAX 1000 /* bytes of one text: what is longer is cut, and said so */

struct line {
	enum role role;
	char *label; /* clean; NULL: none, and the text starts at the left edge */
	char *text;  /* clean */
	int indent;  /* columns in front of the text */
};
struct lines {
	struct line *items;
	int count, cap;
	int width;       /* columns text is wrapped to; set before adding */
	int label_width; /* 0: LINES_LABEL */
};

/* Adds text, wrapped to lines->width; newlines in it break lines. */
void lines_add(struct lines *l, enum role role, const char *label, const char *text);
/* However long, such as a payload. */
void lines_addn(struct lines *l, enum role role, const char *label, const char *text, size_t len);
void lines_addf(struct lines *l, enum role role, const char *label, const char *fmt, ...)
        __attribute__((format(printf, 4, 5)));
void lines_gap(struct lines *l);
void lines_head(struct lines *l, const char *title); /* a section's title, with a gap above it */
void lines_clear(struct lines *l);                   /* keeps the width */
void lines_print(const struct lines *l, FILE *to);

/* What is known of one failed row (GET /v1/failed/{id}). */
void facts_row(struct lines *l, const cJSON *item, wall_time now);
void facts_attempts(struct lines *l, const cJSON *item, wall_time now);
void facts_fresh_copy(
        struct lines *l, const cJSON *item, wall_time now); /* nothing where none is to be sent */
void facts_payload(struct lines *l, const cJSON *item);
void facts_audit(struct lines *l, const cJSON *items, wall_time now);
/* A moment and how long ago it was; nothing for none. */
void facts_time(struct lines *l, const char *label, wall_time t, wall_time now);
/* facts_delivery.c: a delivery (GET /v1/deliveries/{id}), and parts of either. */
void facts_delivery(struct lines *l, const cJSON *item, wall_time now);
void facts_effects(struct lines *l, const cJSON *item, wall_time now);
void facts_edits(struct lines *l, const cJSON *item, wall_time now);

#define VERDICT_LABEL 3
/* Is anything wrong? Worst first, labelled "!!" or "!"; one line "ok" when nothing is (GET /v1/status). */
void facts_verdict(struct lines *l, const cJSON *status, wall_time now);
/* Its part about alarms: what is raised, and what could not be sent. */
void facts_alarms(struct lines *l, const cJSON *status, wall_time now);

/* Its part about the configuration: what was refused, and what waits for a restart. */
void facts_config(struct lines *l, const cJSON *status, wall_time now);

/* A channel's breaker in words: "breaker open since 03:12:05 (40s), 312 waiting, next probe in 12s:
 * service_down: SMTP 421 ...". True when there is something to say but that it is closed. */
bool facts_breaker(struct buf *b, const cJSON *channel, wall_time now);
/* How it is limited and by whom: "limited to 5.0/s by the service (rate_limited: SMTP 451 ...)"; nothing when
 * it is not. True when it is by the service. */
bool facts_limit(struct buf *b, const cJSON *channel);
/* " since 03:12:00 (5m)", "" for no time. */
void facts_since(struct buf *out, const cJSON *object, const char *key, wall_time now);
/* "PAUSED by kim since 03:12:00 (5m): reason", or "" when it is not (a channel of the status). */
void facts_paused(struct buf *out, const cJSON *channel, wall_time now);
/* "forced open by kim since ...", or "" when the breaker is left to itself. */
void facts_forced(struct buf *out, const cJSON *channel, wall_time now);
/* "3 daemons, leader usher-2; usher-3 silent for 40s"; with `whole` each daemon with version and uptime. True
 * when all is as it should be. */
bool facts_fleet(struct buf *out, const cJSON *status, wall_time now, bool whole);

/* Colour-free names of things, shared by tables and screens. */
enum role role_of_status(const char *status);

/* facts_redrive.c: a redrive job of /v1/redrives */
struct buf;
void facts_redrive(struct lines *l, const cJSON *job, wall_time now);
/* "12 of 300 sent, 10 delivered, 1 failed again, 1 on the way" */
void facts_redrive_progress(struct buf *b, const cJSON *job);
/* What a job would send (the answer to a dry run): how many of what, how old, and what may have happened
 * already. */
void facts_redrive_preview(struct lines *l, const cJSON *preview, wall_time now);
void facts_redrive_state(struct buf *b, const cJSON *job); /* "paused by kim: lunch" */

#endif
