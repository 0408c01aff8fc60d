/* A column of text with a meaning per line: what the detail pane, the verdict and `usher failed ID` are
 * made of. Built from the daemon's JSON for a given width, then drawn or printed. Main thread. */
#ifndef UI_LINES_H
#define UI_LINES_H

#include "base/clock.h"

#include "base/json.h"
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
void facts_payload(struct lines *l, const cJSON *item);
void facts_audit(struct lines *l, const cJSON *items, wall_time now);

#define VERDICT_LABEL 3
/* Is anything wrong? Worst first, labelled "!!" or "!"; one line "ok" when nothing is (GET /v1/status). */
void facts_verdict(struct lines *l, const cJSON *status, wall_time now);

/* Colour-free names of things, shared by tables and screens. */
enum role role_of_status(const char *status);

/* facts_redrive.c: a redrive job of /v1/redrives */
struct buf;
void facts_redrive(struct lines *l, const cJSON *job, wall_time now);
/* "12 of 300 sent, 10 delivered, 1 failed again, 1 on the way" */
void facts_redrive_progress(struct buf *b, const cJSON *job);
void facts_redrive_state(struct buf *b, const cJSON *job); /* "paused by kim: lunch" */

#endif
