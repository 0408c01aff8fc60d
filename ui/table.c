/* Tables on standard output, aligned by display width; see format.h. Calls base and text only. */
#include "format.h"

#include "base/language.h"
#include "base/mem.h"

#include <string.h>

void table_add(struct table *t, const char *cell)
{
	if (t->cell_count == t->cell_cap) {
		t->cell_cap = t->cell_cap ? t->cell_cap * 2 : 64;
		t->cells = mem_resize(t->cells, (size_t)t->cell_cap, sizeof *t->cells);
	}
	t->cells[t->cell_count++] = mem_string(cell ? cell : "-");
}

void table_take(struct table *t, struct buf *cell)
{
	table_add(t, buf_str(cell));
	buf_clear(cell);
}

static const char *title_of(const struct table_column *c)
{
	return *c->title ? _(c->title) : ""; /* gettext("") is the catalogue's header */
}

static int column_width(const struct table *t, int column)
{
	const struct table_column *c = &t->columns[column];
	const char *title = title_of(c);
	int most = c->max ? c->max : 4096, width = text_width(title, strlen(title), 4096);
	for (int i = column; i < t->cell_count; i += t->column_count) {
		int w = text_width(t->cells[i], strlen(t->cells[i]), most);
		if (w > width)
			width = w > most ? most : w;
	}
	return width;
}

static void print_row(const struct table *t, char *const *cells, const int *widths, FILE *to)
{
	struct buf line = BUF(8 << 20);
	for (int i = 0; i < t->column_count; i++) {
		const char *cell = cells ? cells[i] : title_of(&t->columns[i]);
		bool last = i == t->column_count - 1;
		if (last && t->columns[i].align == TEXT_LEFT)
			text_clean(&line, cell, strlen(cell));
		else
			text_fit(&line, cell, strlen(cell), widths[i], t->columns[i].align);
		if (!last)
			buf_puts(&line, "  ");
	}
	if (t->width) {
		struct buf cut = BUF(8 << 20);
		text_fit(&cut, buf_str(&line), line.len, t->width, TEXT_CLIP);
		buf_free(&line);
		line = cut;
	}
	fprintf(to, "%s\n", buf_str(&line));
	buf_free(&line);
}

void table_print(const struct table *t, FILE *to)
{
	int *widths = mem_array((size_t)t->column_count, sizeof *widths);
	for (int i = 0; i < t->column_count; i++)
		widths[i] = column_width(t, i);
	if (!t->headless)
		print_row(t, NULL, widths, to);
	for (int i = 0; i + t->column_count <= t->cell_count; i += t->column_count)
		print_row(t, t->cells + i, widths, to);
	free(widths);
}

void table_free(struct table *t)
{
	for (int i = 0; i < t->cell_count; i++)
		free(t->cells[i]);
	free(t->cells);
	t->cells = NULL;
	t->cell_count = t->cell_cap = 0;
}
