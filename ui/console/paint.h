/* Everything that is put on the screen goes through here: cleaned, clipped to its columns, in the look of
 * its role. Coordinates outside the window are harmless. Main thread, between terminal_open and _close. */
#ifndef UI_CONSOLE_PAINT_H
#define UI_CONSOLE_PAINT_H

#include "../lines.h"
#include "../text.h"

#include <stdbool.h>

struct rect {
	int y, x, height, width;
};

void theme_open(void); /* after initscr: colours as terminal and NO_COLOR allow */
/* All roles but the banner, the bar and boxes lose their colour: what is shown is not current. */
void theme_fade(bool faded);

/* Text in exactly (TEXT_CLIP: at most) `width` columns; returns the columns used. */
int paint(int y, int x, int width, enum role role, enum text_align align, const char *text);
int paintf(int y, int x, int width, enum role role, const char *fmt, ...)
        __attribute__((format(printf, 5, 6)));
void paint_blank(struct rect area, enum role role);
/* A frame with a title; the inside is blank. */
void paint_box(struct rect area, const char *title);
void paint_rule(int y, int x, int width);
/* Lines from `first` on, as many as fit. */
void paint_lines(const struct lines *lines, int first, struct rect area);

#endif
