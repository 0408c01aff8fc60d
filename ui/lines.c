/* Lines of text with a meaning; see lines.h. Calls base and text only. */
#include "lines.h"

#include "base/language.h"
#include "base/mem.h"
#include "text.h"

#include <stdarg.h>
#include <string.h>

#define FORMATTED_MAX (64 << 20)

static void push(struct lines *l, enum role role, const char *label, char *text, int indent)
{
	if (l->count == LINES_MAX) {
		free(text);
		return;
	}
	if (l->count == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 64;
		l->items = mem_resize(l->items, (size_t)l->cap, sizeof *l->items);
	}
	l->items[l->count++] =
	        (struct line){ .role = role, .label = mem_string(label), .text = text, .indent = indent };
}

void lines_addn(struct lines *l, enum role role, const char *label, const char *text, size_t len)
{
	int indent = !label           ? 0
	             : l->label_width ? l->label_width
	                              : LINES_LABEL,
	    width = l->width > indent + 8 ? l->width - indent : 8;
	size_t at = 0;
	do {
		size_t next, n = text_line(text + at, len - at, width, &next);
		struct buf clean = BUF(1 << 20);
		text_clean(&clean, text + at, n);
		push(l, role, at == 0 ? label : NULL, buf_take(&clean), indent);
		buf_free(&clean);
		at += next;
	} while (at < len && l->count < LINES_MAX);
}

void lines_add(struct lines *l, enum role role, const char *label, const char *text)
{
	size_t len = strlen(text), shown = LINES_TEXT_MAX;
	if (len <= LINES_TEXT_MAX) {
		lines_addn(l, role, label, text, len);
		return;
	}
	while (shown > LINES_TEXT_MAX - 4 && (text[shown] & 0xc0) == 0x80) /* not within a character */
		shown--;
	struct buf b = BUF(LINES_TEXT_MAX + 64);
	buf_add(&b, text, shown);
	buf_printf(&b, _(" (and %zu bytes more)"), len - shown);
	lines_addn(l, role, label, buf_str(&b), b.len);
	buf_free(&b);
}

void lines_addf(struct lines *l, enum role role, const char *label, const char *fmt, ...)
{
	struct buf b = BUF(FORMATTED_MAX);
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	lines_add(l, role, label, buf_str(&b));
	buf_free(&b);
}

void lines_gap(struct lines *l)
{
	push(l, ROLE_NORMAL, NULL, mem_string(""), 0);
}

void lines_head(struct lines *l, const char *title)
{
	if (l->count)
		lines_gap(l);
	lines_add(l, ROLE_HEAD, NULL, title);
}

void lines_clear(struct lines *l)
{
	for (int i = 0; i < l->count; i++) {
		free(l->items[i].label);
		free(l->items[i].text);
	}
	free(l->items);
	*l = (struct lines){ .width = l->width, .label_width = l->label_width };
}

void lines_print(const struct lines *l, FILE *to)
{
	for (int i = 0; i < l->count; i++) {
		const struct line *line = &l->items[i];
		const char *label = line->label ? line->label : "";
		int gap = line->label || *line->text ? line->indent - text_width(label, strlen(label), 4096)
		                                     : 0;
		fprintf(to, "%s%*s%s\n", label, gap > 0 ? gap : 0, "", line->text);
	}
}
