/* Roles to looks: 256 colours, 8, or none; see paint.h. Meaning is never in the colour alone: the words
 * and signs on the screen say the same. */
#include "paint.h"

#include "theme.h"

#include <stdlib.h>

#define PAIR_BASE 1

struct look {
	short wide, narrow; /* foreground of 256 and of 8 colours; -1: the terminal's own */
	short back_wide, back_narrow;
	attr_t attributes; /* with colours */
	attr_t plain;      /* without */
};

/* Middle tones, so that they read on dark and on light terminals. */
static const struct look looks[ROLE_COUNT] = {
	[ROLE_NORMAL] = { -1, -1, -1, -1, 0, 0 },
	[ROLE_FAINT] = { 244, -1, -1, -1, 0, A_DIM },
	[ROLE_HEAD] = { 32, COLOR_CYAN, -1, -1, A_BOLD, A_BOLD },
	[ROLE_TITLE] = { -1, -1, -1, -1, A_BOLD, A_BOLD },
	[ROLE_GOOD] = { 35, COLOR_GREEN, -1, -1, 0, 0 },
	[ROLE_WARN] = { 172, COLOR_YELLOW, -1, -1, 0, 0 },
	[ROLE_BAD] = { 203, COLOR_RED, -1, -1, A_BOLD, A_BOLD },
	[ROLE_ACCENT] = { 37, COLOR_CYAN, -1, -1, 0, A_UNDERLINE },
	[ROLE_SELECTED] = { 231, COLOR_WHITE, 24, COLOR_BLUE, A_BOLD, A_REVERSE },
	[ROLE_BAR] = { 252, COLOR_WHITE, 236, COLOR_BLUE, 0, A_REVERSE },
	[ROLE_KEY] = { 221, COLOR_YELLOW, 236, COLOR_BLUE, A_BOLD, A_REVERSE | A_BOLD },
	[ROLE_BADGE] = { 16, COLOR_BLACK, 221, COLOR_YELLOW, A_BOLD, A_REVERSE | A_BOLD },
	[ROLE_BANNER] = { 231, COLOR_WHITE, 124, COLOR_RED, A_BOLD, A_REVERSE | A_BOLD },
	[ROLE_BOX] = { -1, -1, -1, -1, 0, 0 },
};

static attr_t attributes[ROLE_COUNT];
static bool faded;

static bool colours_wanted(void)
{
	const char *no = getenv("NO_COLOR");
	return !(no && *no) && has_colors();
}

void theme_open(void)
{
	bool colours = colours_wanted();
	if (colours) {
		start_color();
		use_default_colors();
	}
	bool wide = colours && COLORS >= 256;
	for (int i = 0; i < ROLE_COUNT; i++) {
		const struct look *l = &looks[i];
		short fore = wide ? l->wide : l->narrow, back = wide ? l->back_wide : l->back_narrow;
		attributes[i] = l->plain;
		if (!colours)
			continue;
		attributes[i] = l->attributes;
		if ((fore >= 0 || back >= 0) && init_pair((short)(PAIR_BASE + i), fore, back) == OK)
			attributes[i] |= COLOR_PAIR(PAIR_BASE + i);
		else
			attributes[i] = l->plain;
	}
}

void theme_fade(bool on)
{
	faded = on;
}

attr_t theme_attributes(enum role role)
{
	if (!faded || role == ROLE_BANNER || role == ROLE_BADGE || role == ROLE_BOX)
		return attributes[role];
	return role == ROLE_SELECTED ? (attr_t)A_REVERSE : attributes[ROLE_FAINT] | A_DIM;
}
