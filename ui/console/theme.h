/* What a role looks like, for paint.c alone; and the choice of a theme. Main thread. */
#ifndef UI_CONSOLE_THEME_H
#define UI_CONSOLE_THEME_H

#include "../lines.h"

#include <curses.h>
#include <stdbool.h>

bool theme_choose(const char *name); /* NULL: the usual one; false: there is none of that name */
void theme_names(struct buf *out);   /* "even, dark ... or mono" */
attr_t theme_attributes(enum role role);

#endif
