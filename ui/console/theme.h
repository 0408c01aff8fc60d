/* What a role looks like, for paint.c alone. */
#ifndef UI_CONSOLE_THEME_H
#define UI_CONSOLE_THEME_H

#include "../lines.h"

#include <curses.h>

attr_t theme_attributes(enum role role);

#endif
