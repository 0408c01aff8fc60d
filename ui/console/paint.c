/* The one way onto the screen; see paint.h. */
#include "paint.h"

#include "theme.h"

#include "base/buf.h"

#include <stdarg.h>
#include <string.h>
#include <wchar.h>

#define PAINT_MAX (64 << 10) /* bytes of one painted text: a line of any terminal */

int paint(int y, int x, int width, enum role role, enum text_align align, const char *text)
{
	if (y < 0 || y >= LINES || x < 0 || x >= COLS || width <= 0)
		return 0;
	if (width > COLS - x)
		width = COLS - x;
	struct buf b = BUF(PAINT_MAX);
	int used = text_fit(&b, text, strlen(text), width, align);
	attr_t look = theme_attributes(role);
	attrset(look);
	mvaddnstr(y, x, buf_str(&b), (int)b.len);
	attrset(A_NORMAL);
	buf_free(&b);
	return used;
}

int paintf(int y, int x, int width, enum role role, const char *fmt, ...)
{
	struct buf b = BUF(PAINT_MAX);
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	int used = paint(y, x, width, role, TEXT_CLIP, buf_str(&b));
	buf_free(&b);
	return used;
}

void paint_blank(struct rect area, enum role role)
{
	for (int i = 0; i < area.height; i++)
		paint(area.y + i, area.x, area.width, role, TEXT_LEFT, "");
}

static void paint_repeat(int y, int x, int count, enum role role, const char *one)
{
	struct buf b = BUF(PAINT_MAX);
	while (count-- > 0)
		buf_puts(&b, one);
	paint(y, x, COLS, role, TEXT_CLIP, buf_str(&b));
	buf_free(&b);
}

void paint_rule(int y, int x, int width)
{
	paint_repeat(y, x, width, ROLE_FAINT, text_get_mode() == TEXT_UNICODE ? "─" : "-");
}

static int columns_of(int y, int x)
{
	cchar_t cell;
	wchar_t text[CCHARW_MAX + 1] = { 0 };
	attr_t attributes;
	short pair;
	if (mvin_wch(y, x, &cell) == ERR || getcchar(&cell, text, &attributes, &pair, NULL) == ERR)
		return 1;
	return wcwidth(text[0]) == 2 ? 2 : 1;
}

/* Blanks the wide character that has one half on either side of column x. Curses would keep a half of it, and
 * put the rest of the line where a whole one ends. */
static void part_line(int y, int x)
{
	for (int at = 0, next; at < x; at = next) {
		next = at + columns_of(y, at);
		if (next > x)
			mvaddstr(y, at, "  ");
	}
}

void paint_box(struct rect area, const char *title)
{
	bool pretty = text_get_mode() == TEXT_UNICODE;
	const char *flat = pretty ? "─" : "-", *side = pretty ? "│" : "|";
	int right = area.x + area.width - 1, bottom = area.y + area.height - 1;
	for (int y = area.y; y <= bottom; y++) {
		part_line(y, area.x);
		part_line(y, area.x + area.width);
	}
	paint_blank(area, ROLE_BOX);
	paint_repeat(area.y, area.x + 1, area.width - 2, ROLE_BOX, flat);
	paint_repeat(bottom, area.x + 1, area.width - 2, ROLE_BOX, flat);
	paint(area.y, area.x, 1, ROLE_BOX, TEXT_CLIP, pretty ? "╭" : "+");
	paint(area.y, right, 1, ROLE_BOX, TEXT_CLIP, pretty ? "╮" : "+");
	paint(bottom, area.x, 1, ROLE_BOX, TEXT_CLIP, pretty ? "╰" : "+");
	paint(bottom, right, 1, ROLE_BOX, TEXT_CLIP, pretty ? "╯" : "+");
	for (int y = area.y + 1; y < bottom; y++) {
		paint(y, area.x, 1, ROLE_BOX, TEXT_CLIP, side);
		paint(y, right, 1, ROLE_BOX, TEXT_CLIP, side);
	}
	paintf(area.y, area.x + 2, area.width - 4, ROLE_TITLE, " %s ", title);
}

void paint_lines(const struct lines *lines, int first, struct rect area)
{
	for (int i = 0; i < area.height && first + i < lines->count; i++) {
		const struct line *line = &lines->items[first + i];
		int y = area.y + i;
		if (line->label)
			paint(y, area.x, line->indent, ROLE_FAINT, TEXT_CLIP, line->label);
		paint(y, area.x + line->indent, area.width - line->indent, line->role, TEXT_CLIP, line->text);
	}
}
