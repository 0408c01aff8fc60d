/* What was said and done in this session, to be read again: every message, and what came of each row that was
 * acted on. The overlay that shows it scrolls. Main thread. */
#ifndef UI_CONSOLE_JOURNAL_H
#define UI_CONSOLE_JOURNAL_H

#include "keys.h"
#include "paint.h"

#include "base/clock.h"

#define JOURNAL_MAX 1000 /* the oldest go */

struct console;

struct journal {
	struct journal_entry {
		enum role role;
		char *text;
		wall_time at;
	} * entries; /* a ring */
	int first, count;
	bool open;
	int back; /* lines scrolled back from the end */
};

void journal_add(struct console *c, enum role role, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));
void journal_draw(struct console *c);
void journal_key(struct console *c, enum action action);
void journal_free(struct journal *j);

#endif
