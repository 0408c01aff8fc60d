/* Editing one line; see textline.h. */
#include "textline.h"

#include "keys.h"

#include "base/text.h"

#include <curses.h>
#include <string.h>
#include <wctype.h>

static int most_of(const struct textline *l)
{
	return l->most ? l->most : TEXTLINE_MAX;
}

static void cut(struct textline *l, int from, int to)
{
	wmemmove(l->text + from, l->text + to, (size_t)(l->length - to));
	l->length -= to - from;
	l->cursor = from;
}

static void type(struct textline *l, wchar_t c)
{
	if (l->length == most_of(l) || c < 0x20 || iswcntrl((wint_t)c))
		return;
	wmemmove(l->text + l->cursor + 1, l->text + l->cursor, (size_t)(l->length - l->cursor));
	l->text[l->cursor++] = c;
	l->length++;
}

static void type_text(struct textline *l, const char *text)
{
	size_t len = text ? strlen(text) : 0, n;
	uint32_t c;
	for (size_t at = 0; at < len && (n = utf8_next(text + at, len - at, &c)) > 0; at += n)
		type(l, (wchar_t)c);
}

void textline_set(struct textline *l, const char *text)
{
	l->length = l->cursor = 0;
	type_text(l, text);
}

void textline_replace(struct textline *l, int from, const char *text)
{
	cut(l, from, l->cursor);
	type_text(l, text);
}

static int word_start(const struct textline *l)
{
	int at = l->cursor;
	while (at > 0 && iswspace((wint_t)l->text[at - 1]))
		at--;
	while (at > 0 && !iswspace((wint_t)l->text[at - 1]))
		at--;
	return at;
}

bool textline_key(struct textline *l, int key)
{
	switch (key) {
	case CODE(KEY_BACKSPACE):
	case CONTROL('h'):
	case 127:
		if (l->cursor > 0)
			cut(l, l->cursor - 1, l->cursor);
		return true;
	case CODE(KEY_DC):
		if (l->cursor < l->length)
			cut(l, l->cursor, l->cursor + 1);
		return true;
	case CONTROL('u'):
		cut(l, 0, l->cursor);
		return true;
	case CONTROL('k'):
		l->length = l->cursor;
		return true;
	case CONTROL('w'):
		cut(l, word_start(l), l->cursor);
		return true;
	case CODE(KEY_LEFT):
		l->cursor -= l->cursor > 0;
		return true;
	case CODE(KEY_RIGHT):
		l->cursor += l->cursor < l->length;
		return true;
	case CODE(KEY_HOME):
	case CONTROL('a'):
		l->cursor = 0;
		return true;
	case CODE(KEY_END):
	case CONTROL('e'):
		l->cursor = l->length;
		return true;
	default:
		if (key < 0x20 || key >= CODE(0))
			return false;
		type(l, (wchar_t)key);
		return true;
	}
}

static void encode(struct buf *out, const wchar_t *text, int count)
{
	char bytes[4];
	for (int i = 0; i < count; i++)
		buf_add(out, bytes, utf8_encode((uint32_t)text[i], bytes));
}

void textline_add_to(const struct textline *l, struct buf *out)
{
	encode(out, l->text, l->length);
}

void textline_add_first(const struct textline *l, int n, struct buf *out)
{
	encode(out, l->text, n < l->length ? n : l->length);
}

static int columns(const struct textline *l, int from, int to, int limit)
{
	struct buf b = BUF(TEXTLINE_BYTES + 1);
	encode(&b, l->text + from, to - from);
	int width = text_width(buf_str(&b), b.len, limit);
	buf_free(&b);
	return width;
}

/* The first character that is shown: as many before the cursor as fit. */
static int first_shown(const struct textline *l, int width)
{
	int first = l->cursor;
	while (first > 0 && columns(l, first - 1, l->cursor, width) <= width - 2)
		first--;
	return first;
}

int textline_column(const struct textline *l, int n, int width)
{
	int first = first_shown(l, width);
	if (n <= first)
		return 0;
	int at = columns(l, first, n < l->length ? n : l->length, width);
	return at < width ? at : width - 1;
}

void textline_draw(const struct textline *l, int y, int x, int width, bool has_keys)
{
	struct buf b = BUF(TEXTLINE_BYTES + 1);
	int first = first_shown(l, width);
	encode(&b, l->text + first, l->length - first);
	paint(y, x, width, ROLE_BAR, TEXT_LEFT, buf_str(&b));
	buf_free(&b);
	if (has_keys)
		move(y, x + columns(l, first, l->cursor, width));
}
