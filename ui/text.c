/* Terminal-safe text; see text.h. The main thread of the usher program only. */
#include "text.h"

#include "base/language.h"
#include "base/mem.h"
#include "base/text.h"

#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

static enum text_mode mode = TEXT_ASCII;

void text_set_mode(enum text_mode m)
{
	mode = m;
}

enum text_mode text_get_mode(void)
{
	return mode;
}

static bool locale_is_utf8(void)
{
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/* Terminals whose fonts have no block elements; "vt" is vt52 … vt525. */
static bool term_is_plain(const char *term)
{
	return !term || !strncmp(term, "vt", 2) || !strcmp(term, "linux") || !strcmp(term, "dumb") ||
	       !strcmp(term, "ansi") || !strcmp(term, "sun") || !strcmp(term, "cons25");
}

/* What the user asked for, by POSIX's order of precedence; NULL: nothing. */
static const char *locale_asked(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *value = getenv(names[i]);
		if (value && *value)
			return value;
	}
	return NULL;
}

enum text_mode text_setup(const char *term, bool to_terminal)
{
	const char *asked = locale_asked();
	bool here = setlocale(LC_ALL, "") != NULL; /* no: as it was, "C" */
	bool says_utf8 = asked && ((here && locale_is_utf8()) || strcasestr(asked, "utf-8") ||
	                                  strcasestr(asked, "utf8"));
	bool can = locale_is_utf8() || (setlocale(LC_CTYPE, "C.UTF-8") && locale_is_utf8());
	if (!can || (asked && !says_utf8 && to_terminal))
		mode = TEXT_ASCII;
	else
		mode = says_utf8 && !term_is_plain(term) ? TEXT_UNICODE : TEXT_PLAIN;
	setlocale(LC_NUMERIC, "C");
	bool kernel_console = to_terminal && term && !strcmp(term, "linux");
	language_of_user(mode != TEXT_ASCII && !kernel_console);
	return mode;
}

struct range {
	uint32_t from, to;
};

/* Characters that act on the direction or order of text, or that take part in a line without being
 * seen: never sent to a terminal. Sorted. */
static const struct range unseen[] = {
	{ 0x00ad, 0x00ad },   /* soft hyphen */
	{ 0x034f, 0x034f },   /* grapheme joiner */
	{ 0x061c, 0x061c },   /* Arabic letter mark */
	{ 0x115f, 0x1160 },   /* Hangul fillers */
	{ 0x17b4, 0x17b5 },   /* Khmer inherent vowels */
	{ 0x180b, 0x180f },   /* Mongolian selectors */
	{ 0x200b, 0x200f },   /* zero width, direction marks */
	{ 0x2028, 0x202e },   /* line and paragraph separators, direction overrides */
	{ 0x2060, 0x206f },   /* word joiner, isolates, deprecated format characters */
	{ 0x3164, 0x3164 },   /* Hangul filler */
	{ 0xfe00, 0xfe0f },   /* variation selectors (see is_presentation) */
	{ 0xfeff, 0xfeff },   /* byte order mark */
	{ 0xffa0, 0xffa0 },   /* half-width Hangul filler */
	{ 0xfff0, 0xfffb },   /* specials, interlinear annotation */
	{ 0x13430, 0x1345f }, /* hieroglyph format controls */
	{ 0x1bca0, 0x1bca3 }, /* shorthand format controls */
	{ 0x1d173, 0x1d17a }, /* musical format controls */
	{ 0xe0000, 0xe0fff }, /* tags and selectors: text can be smuggled in them */
};

static bool is_unseen(uint32_t c)
{
	for (size_t i = 0; i < ARRAY_LEN(unseen) && c >= unseen[i].from; i++)
		if (c <= unseen[i].to)
			return true;
	return false;
}

static bool is_emoji(uint32_t c)
{
	return (c >= 0x2600 && c <= 0x27bf) || (c >= 0x1f000 && c <= 0x1faff);
}

/* Emoji or text style, and skin tone: terminals disagree about their width, and they carry no text. */
static bool is_presentation(uint32_t c)
{
	return c == 0xfe0e || c == 0xfe0f || (c >= 0x1f3fb && c <= 0x1f3ff);
}

static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

static void cell_set(struct text_cell *cell, const char *bytes, size_t len, int width)
{
	memcpy(cell->bytes, bytes, len);
	cell->bytes[len] = 0;
	cell->len = (int)len;
	cell->width = width;
}

static void cell_name(struct text_cell *cell, uint32_t c)
{
	char name[TEXT_CELL_MAX];
	int n;
	if (c == '\n')
		n = snprintf(name, sizeof name, "\\n");
	else if (c == '\t')
		n = snprintf(name, sizeof name, "\\t");
	else if (c == '\r')
		n = snprintf(name, sizeof name, "\\r");
	else if (c < 0x20 || c == 0x7f)
		n = snprintf(name, sizeof name, "^%c", (char)(c ^ 0x40));
	else
		n = snprintf(name, sizeof name, "<U+%04X>", (unsigned)c);
	cell_set(cell, name, (size_t)n, n);
}

/* A zero width joiner between two emoji: they are shown side by side, since terminals disagree about the
 * width of one picture for both. Anywhere else it hides something. */
static bool joins_emoji(uint32_t base, uint32_t c, const char *text, size_t len)
{
	uint32_t next;
	return c == 0x200d && is_emoji(base) && utf8_next(text, len, &next) > 0 && is_emoji(next);
}

/* Combining marks that follow the base; stops at the limit, and swallows presentation characters. */
static size_t cell_marks(struct text_cell *cell, uint32_t base, const char *text, size_t len)
{
	size_t used = 0;
	int marks = 0;
	uint32_t c;
	size_t n;
	while (used < len && (n = utf8_next(text + used, len - used, &c)) > 0 && c >= 0x300) {
		if (is_presentation(c) || joins_emoji(base, c, text + used + n, len - used - n)) {
			used += n;
			continue;
		}
		if (is_unseen(c) || wcwidth((wchar_t)c) != 0 || marks == TEXT_MARKS_MAX)
			break;
		memcpy(cell->bytes + cell->len, text + used, n);
		cell->len += (int)n;
		cell->bytes[cell->len] = 0;
		used += n;
		marks++;
	}
	return used;
}

size_t text_next(const char *text, size_t len, struct text_cell *ret)
{
	cell_set(ret, "", 0, 0);
	if (len == 0)
		return 0;
	unsigned char first = (unsigned char)*text;
	if (first >= 0x20 && first < 0x7f && (len == 1 || (signed char)text[1] >= 0)) {
		cell_set(ret, text, 1, 1); /* the common case, quickly */
		return 1;
	}
	uint32_t c;
	size_t n = utf8_next(text, len, &c);
	if (n == 0) {
		char name[8];
		int w = snprintf(name, sizeof name, "<%02X>", first);
		cell_set(ret, name, (size_t)w, w);
		return 1;
	}
	if (is_control(c) || is_unseen(c)) {
		cell_name(ret, c);
		return n;
	}
	if (mode == TEXT_ASCII && c >= 0x80) {
		int columns = wcwidth((wchar_t)c) == 2 ? 2 : 1;
		n += cell_marks(ret, c, text + n, len - n); /* they go with it */
		cell_set(ret, "??", (size_t)columns, columns);
		return n;
	}
	int width = wcwidth((wchar_t)c);
	if (width <= 0) { /* a mark with nothing to stand on, or a character nobody has assigned */
		cell_name(ret, c);
		return n;
	}
	cell_set(ret, text, n, width);
	return mode == TEXT_ASCII ? n : n + cell_marks(ret, c, text + n, len - n);
}

int text_width(const char *text, size_t len, int limit)
{
	int width = 0;
	struct text_cell cell;
	for (size_t at = 0; at < len && width <= limit;) {
		at += text_next(text + at, len - at, &cell);
		width += cell.width;
	}
	return width;
}

void text_clean(struct buf *out, const char *text, size_t len)
{
	struct text_cell cell;
	for (size_t at = 0; at < len;) {
		at += text_next(text + at, len - at, &cell);
		buf_add(out, cell.bytes, (size_t)cell.len);
	}
}

static void add_spaces(struct buf *out, int count)
{
	while (count-- > 0)
		buf_putc(out, ' ');
}

int text_fit(struct buf *out, const char *text, size_t len, int width, enum text_align align)
{
	if (width <= 0)
		return 0;
	int full = text_width(text, len, width);
	bool cut = full > width;
	int room = cut ? width - 1 : width, used = 0;
	if (align == TEXT_RIGHT && !cut)
		add_spaces(out, width - full);
	struct text_cell cell;
	for (size_t at = 0; at < len;) {
		at += text_next(text + at, len - at, &cell);
		if (used + cell.width > room)
			break;
		buf_add(out, cell.bytes, (size_t)cell.len);
		used += cell.width;
	}
	if (cut) {
		buf_puts(out, mode == TEXT_UNICODE ? "…" : "~");
		used++;
	}
	if (align == TEXT_CLIP)
		return used;
	if (align == TEXT_LEFT || cut)
		add_spaces(out, width - used);
	return width;
}

size_t text_line(const char *text, size_t len, int width, size_t *ret_next)
{
	int used = 0;
	size_t at = 0, space = 0;
	struct text_cell cell;
	if (width < 1)
		width = 1;
	while (at < len) {
		if (text[at] == '\n') {
			*ret_next = at + 1;
			return at;
		}
		if (text[at] == ' ' && at > 0)
			space = at;
		size_t n = text_next(text + at, len - at, &cell);
		if (used + cell.width > width && at > 0) {
			size_t end = space ? space : at;
			*ret_next = space ? space + 1 : at;
			return end;
		}
		used += cell.width;
		at += n;
	}
	*ret_next = len;
	return len;
}

void text_json(struct buf *out, const char *json, size_t len)
{
	size_t plain = 0; /* where the stretch not yet copied starts */
	for (size_t at = 0; at < len;) {
		uint32_t c;
		size_t n = utf8_next(json + at, len - at, &c);
		bool harmful = n > 1 ? is_control(c) || is_unseen(c) : n == 1 && c == 0x7f;
		if (!harmful) {
			at += n ? n : 1;
			continue;
		}
		buf_add(out, json + plain, at - plain);
		if (c >= 0x10000)
			buf_printf(out, "\\u%04x\\u%04x", (unsigned)(0xd800 + ((c - 0x10000) >> 10)),
			        (unsigned)(0xdc00 + ((c - 0x10000) & 0x3ff)));
		else
			buf_printf(out, "\\u%04x", (unsigned)c);
		at += n;
		plain = at;
	}
	buf_add(out, json + plain, len - plain);
}
