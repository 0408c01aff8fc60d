/* Roles to looks; see paint.h. One table says what a role looks like in every theme and on terminals of 256,
 * 16 and 8 colours; without colours the attributes of `plain` do. Meaning is never in the colour alone: the
 * words and signs on the screen say the same. */
#include "theme.h"

#include "paint.h"

#include "base/language.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define PAIR_BASE 1

enum { DEPTH_256, DEPTH_16, DEPTH_8, DEPTHS };
struct tone {
	short of[DEPTHS]; /* -1: the terminal's own */
};
#define TONE(wide, high, low)                                                                                \
	{                                                                                                    \
		{                                                                                            \
			wide, high, low                                                                      \
		}                                                                                            \
	}
#define OWN TONE(-1, -1, -1)
#define HIGH 8 /* the bright half of 16 colours */

struct look {
	struct tone fore, back;
	attr_t attributes;
};

/* Middle tones, which read on dark and on light terminals: it cannot be asked which one this is. */
static const struct look even[ROLE_COUNT] = {
	[ROLE_NORMAL] = { OWN, OWN, 0 },
	[ROLE_FAINT] = { TONE(244, HIGH + COLOR_BLACK, -1), OWN, 0 },
	[ROLE_HEAD] = { TONE(32, COLOR_CYAN, COLOR_CYAN), OWN, A_BOLD },
	[ROLE_TITLE] = { OWN, OWN, A_BOLD },
	[ROLE_GOOD] = { TONE(29, COLOR_GREEN, COLOR_GREEN), OWN, 0 },
	[ROLE_WARN] = { TONE(136, COLOR_YELLOW, COLOR_YELLOW), OWN, 0 },
	[ROLE_BAD] = { TONE(167, COLOR_RED, COLOR_RED), OWN, A_BOLD },
	[ROLE_ACCENT] = { TONE(31, COLOR_CYAN, COLOR_CYAN), OWN, 0 },
	[ROLE_SELECTED] = { TONE(231, HIGH + COLOR_WHITE, COLOR_WHITE), TONE(24, COLOR_BLUE, COLOR_BLUE),
	        A_BOLD },
	[ROLE_BAR] = { TONE(252, COLOR_WHITE, COLOR_WHITE), TONE(236, COLOR_BLUE, COLOR_BLUE), 0 },
	[ROLE_KEY] = { TONE(221, HIGH + COLOR_YELLOW, COLOR_YELLOW), TONE(236, COLOR_BLUE, COLOR_BLUE),
	        A_BOLD },
	[ROLE_BADGE] = { TONE(16, COLOR_BLACK, COLOR_BLACK), TONE(221, COLOR_YELLOW, COLOR_YELLOW), A_BOLD },
	[ROLE_BANNER] = { TONE(231, HIGH + COLOR_WHITE, COLOR_WHITE), TONE(124, COLOR_RED, COLOR_RED),
	        A_BOLD },
	[ROLE_BOX] = { OWN, OWN, 0 },
};

static const struct look dark[ROLE_COUNT] = {
	[ROLE_NORMAL] = { OWN, OWN, 0 },
	[ROLE_FAINT] = { TONE(247, COLOR_WHITE, -1), OWN, 0 },
	[ROLE_HEAD] = { TONE(81, HIGH + COLOR_CYAN, COLOR_CYAN), OWN, A_BOLD },
	[ROLE_TITLE] = { TONE(231, HIGH + COLOR_WHITE, -1), OWN, A_BOLD },
	[ROLE_GOOD] = { TONE(114, HIGH + COLOR_GREEN, COLOR_GREEN), OWN, 0 },
	[ROLE_WARN] = { TONE(221, HIGH + COLOR_YELLOW, COLOR_YELLOW), OWN, 0 },
	[ROLE_BAD] = { TONE(210, HIGH + COLOR_RED, COLOR_RED), OWN, A_BOLD },
	[ROLE_ACCENT] = { TONE(80, HIGH + COLOR_CYAN, COLOR_CYAN), OWN, 0 },
	[ROLE_SELECTED] = { TONE(231, HIGH + COLOR_WHITE, COLOR_WHITE), TONE(24, COLOR_BLUE, COLOR_BLUE),
	        A_BOLD },
	[ROLE_BAR] = { TONE(252, HIGH + COLOR_WHITE, COLOR_WHITE), TONE(236, COLOR_BLUE, COLOR_BLUE), 0 },
	[ROLE_KEY] = { TONE(221, HIGH + COLOR_YELLOW, COLOR_YELLOW), TONE(236, COLOR_BLUE, COLOR_BLUE),
	        A_BOLD },
	[ROLE_BADGE] = { TONE(16, COLOR_BLACK, COLOR_BLACK), TONE(221, HIGH + COLOR_YELLOW, COLOR_YELLOW),
	        A_BOLD },
	[ROLE_BANNER] = { TONE(231, HIGH + COLOR_WHITE, COLOR_WHITE), TONE(124, COLOR_RED, COLOR_RED),
	        A_BOLD },
	[ROLE_BOX] = { OWN, OWN, 0 },
};

/* Yellow and cyan do not read on white. */
static const struct look light[ROLE_COUNT] = {
	[ROLE_NORMAL] = { OWN, OWN, 0 },
	[ROLE_FAINT] = { TONE(241, HIGH + COLOR_BLACK, -1), OWN, 0 },
	[ROLE_HEAD] = { TONE(25, COLOR_BLUE, COLOR_BLUE), OWN, A_BOLD },
	[ROLE_TITLE] = { TONE(16, COLOR_BLACK, -1), OWN, A_BOLD },
	[ROLE_GOOD] = { TONE(22, COLOR_GREEN, COLOR_GREEN), OWN, 0 },
	[ROLE_WARN] = { TONE(94, COLOR_MAGENTA, COLOR_MAGENTA), OWN, 0 },
	[ROLE_BAD] = { TONE(124, COLOR_RED, COLOR_RED), OWN, A_BOLD },
	[ROLE_ACCENT] = { TONE(24, COLOR_BLUE, COLOR_BLUE), OWN, 0 },
	[ROLE_SELECTED] = { TONE(231, HIGH + COLOR_WHITE, COLOR_WHITE), TONE(25, COLOR_BLUE, COLOR_BLUE),
	        A_BOLD },
	[ROLE_BAR] = { TONE(236, COLOR_BLACK, COLOR_BLACK), TONE(253, COLOR_WHITE, COLOR_WHITE), 0 },
	[ROLE_KEY] = { TONE(25, COLOR_BLUE, COLOR_BLUE), TONE(253, COLOR_WHITE, COLOR_WHITE), A_BOLD },
	[ROLE_BADGE] = { TONE(231, HIGH + COLOR_WHITE, COLOR_WHITE), TONE(94, COLOR_MAGENTA, COLOR_MAGENTA),
	        A_BOLD },
	[ROLE_BANNER] = { TONE(231, HIGH + COLOR_WHITE, COLOR_WHITE), TONE(124, COLOR_RED, COLOR_RED),
	        A_BOLD },
	[ROLE_BOX] = { OWN, OWN, 0 },
};

/* The terminal's own two colours, and a ground of its own for what must be seen. */
static const struct look contrast[ROLE_COUNT] = {
	[ROLE_NORMAL] = { OWN, OWN, 0 },
	[ROLE_FAINT] = { OWN, OWN, 0 },
	[ROLE_HEAD] = { OWN, OWN, A_BOLD | A_UNDERLINE },
	[ROLE_TITLE] = { OWN, OWN, A_BOLD },
	[ROLE_GOOD] = { OWN, OWN, 0 },
	[ROLE_WARN] = { TONE(16, COLOR_BLACK, COLOR_BLACK), TONE(226, HIGH + COLOR_YELLOW, COLOR_YELLOW), 0 },
	[ROLE_BAD] = { TONE(231, HIGH + COLOR_WHITE, COLOR_WHITE), TONE(88, COLOR_RED, COLOR_RED), A_BOLD },
	[ROLE_ACCENT] = { OWN, OWN, A_BOLD },
	[ROLE_SELECTED] = { OWN, OWN, A_REVERSE | A_BOLD },
	[ROLE_BAR] = { OWN, OWN, A_REVERSE },
	[ROLE_KEY] = { OWN, OWN, A_REVERSE | A_BOLD | A_UNDERLINE },
	[ROLE_BADGE] = { TONE(16, COLOR_BLACK, COLOR_BLACK), TONE(226, HIGH + COLOR_YELLOW, COLOR_YELLOW),
	        A_BOLD },
	[ROLE_BANNER] = { TONE(231, HIGH + COLOR_WHITE, COLOR_WHITE), TONE(88, COLOR_RED, COLOR_RED),
	        A_BOLD },
	[ROLE_BOX] = { OWN, OWN, 0 },
};

static const attr_t plain[ROLE_COUNT] = {
	[ROLE_FAINT] = A_DIM,
	[ROLE_HEAD] = A_BOLD | A_UNDERLINE,
	[ROLE_TITLE] = A_BOLD,
	[ROLE_WARN] = A_UNDERLINE,
	[ROLE_BAD] = A_BOLD,
	[ROLE_ACCENT] = A_BOLD,
	[ROLE_SELECTED] = A_REVERSE,
	[ROLE_BAR] = A_REVERSE,
	[ROLE_KEY] = A_REVERSE | A_BOLD,
	[ROLE_BADGE] = A_REVERSE | A_BOLD,
	[ROLE_BANNER] = A_REVERSE | A_BOLD,
};

/* The first is taken where none is named. */
static const struct theme {
	const char *name;
	const struct look *looks; /* NULL: no colours */
} themes[] = {
	{ "even", even },
	{ "dark", dark },
	{ "light", light },
	{ "high-contrast", contrast },
	{ "mono", NULL },
};

static const struct theme *chosen = &themes[0];
static attr_t attributes[ROLE_COUNT];
static bool faded;

bool theme_choose(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(themes); i++) {
		if (name && strcmp(name, themes[i].name) != 0)
			continue;
		chosen = &themes[i];
		return true;
	}
	return false;
}

void theme_names(struct buf *out)
{
	for (size_t i = 0; i < ARRAY_LEN(themes); i++)
		buf_printf(out, "%s%s",
		        i == 0                      ? ""
		        : i + 1 < ARRAY_LEN(themes) ? ", "
		                                    : C_("between the last two names of a list", " or "),
		        themes[i].name);
}

static bool colours_wanted(void)
{
	const char *no = getenv("NO_COLOR");
	return chosen->looks && !(no && *no) && has_colors();
}

/* Where there are more than 256, a number is red, green and blue; only the first 8 are still of a palette. */
static int depth(void)
{
	return COLORS == 256 ? DEPTH_256 : COLORS >= 16 && COLORS < 256 ? DEPTH_16 : DEPTH_8;
}

void theme_open(void)
{
	bool colours = colours_wanted();
	if (colours) {
		start_color();
		colours = use_default_colors() == OK && COLORS >= 8;
	}
	for (int i = 0; i < ROLE_COUNT; i++) {
		attributes[i] = plain[i];
		if (!colours)
			continue;
		const struct look *l = &chosen->looks[i];
		short fore = l->fore.of[depth()], back = l->back.of[depth()], pair = (short)(PAIR_BASE + i);
		if (fore < 0 && back < 0)
			attributes[i] = l->attributes;
		else if (init_pair(pair, fore, back) == OK)
			attributes[i] = l->attributes | COLOR_PAIR(pair);
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
