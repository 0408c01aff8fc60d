/* Paged lists on the screen; see list.h. */
#include "list.h"

#include "../format.h"

#include "base/json.h"
#include "base/language.h"

#include <string.h>

#define GUTTER 2 /* the selection's arrow, the mark's star */
#define GAP 1

/* Columns that fit, widened to use the whole line. Returns how many are shown. */
static int lay_out(const struct list *l, int width, int widths[LIST_COLUMNS_MAX])
{
	int left = width - GUTTER, grow = 0, shown = 0;
	for (int i = 0; i < l->column_count; i++) {
		const struct list_column *c = &l->columns[i];
		widths[i] = width >= c->from_width ? c->width : 0;
		if (!widths[i])
			continue;
		left -= c->width + (shown++ ? GAP : 0);
		grow += c->grow;
	}
	/* twice: what a limited column leaves goes to the others */
	for (int round = 0; round < 2 && left > 0 && grow > 0; round++) {
		int share = left, growing = grow;
		for (int i = 0; i < l->column_count; i++) {
			const struct list_column *c = &l->columns[i];
			if (!widths[i] || !c->grow || (c->most && widths[i] >= c->most))
				continue;
			int more = share * c->grow / growing;
			if (c->most && widths[i] + more >= c->most) {
				more = c->most - widths[i];
				grow -= c->grow;
			}
			widths[i] += more;
			left -= more;
		}
	}
	return shown;
}

/* Beside the title, at most in the gap to the next one. */
static void draw_sort(const struct list *l, int y, int x)
{
	bool pretty = text_get_mode() == TEXT_UNICODE;
	paint(y, x, 1, ROLE_ACCENT, TEXT_CLIP, l->sort_up ? pretty ? "▲" : "^" : pretty ? "▼" : "v");
}

static void draw_titles(const struct list *l, const int *widths, struct rect area)
{
	int x = area.x + GUTTER;
	for (int i = 0; i < l->column_count; i++) {
		if (!widths[i])
			continue;
		const struct list_column *c = &l->columns[i];
		const char *title = *c->title ? _(c->title) : "";
		int used = text_width(title, strlen(title), widths[i]);
		paint(area.y, x, widths[i], ROLE_HEAD, c->align, title);
		if (l->sort_title && !strcmp(c->title, l->sort_title))
			draw_sort(l, area.y, c->align == TEXT_LEFT ? x + used : x + widths[i] - used - 1);
		x += widths[i] + GAP;
	}
}

static bool is_marked(const struct list *l, const cJSON *row)
{
	const char *id = json_string(row, "id");
	return id && l->markable && list_find_mark(l, id) >= 0;
}

static void draw_row(const struct list *l, int index, const int *widths, int y, struct rect area, bool old)
{
	const cJSON *row = l->rows[index];
	bool selected = index == l->selected;
	enum role base = selected ? ROLE_SELECTED : old ? ROLE_FAINT : ROLE_NORMAL;
	int x = area.x + GUTTER;
	struct buf b = BUF(16 << 20);
	if (selected)
		paint(y, area.x, area.width, base, TEXT_LEFT, "");
	paint(y, area.x, 1, base, TEXT_LEFT, selected ? ">" : "");
	paint(y, area.x + 1, 1, selected ? base : ROLE_WARN, TEXT_LEFT, is_marked(l, row) ? "*" : "");
	for (int i = 0; i < l->column_count; i++) {
		const struct list_column *c = &l->columns[i];
		if (!widths[i])
			continue;
		buf_clear(&b);
		c->cell(row, l->console->now, &b);
		enum role role = base == ROLE_NORMAL && c->role ? c->role(row) : base;
		paint(y, x, widths[i], role, c->align, buf_str(&b));
		x += widths[i] + GAP;
	}
	buf_free(&b);
}

static void keep_in_sight(struct list *l, int height)
{
	l->height = height;
	if (l->top > l->count - height)
		l->top = l->count - height;
	if (l->selected < l->top)
		l->top = l->selected;
	if (l->selected >= l->top + height)
		l->top = l->selected - height + 1;
	if (l->top < 0)
		l->top = 0;
}

static void draw_nothing(const struct list *l, struct rect area)
{
	if (l->error[0]) {
		struct lines why = { .width = area.width - 2 };
		lines_addf(&why, ROLE_BAD, NULL, "! %s", l->error);
		paint_lines(
		        &why, 0, (struct rect){ area.y + 2, area.x + 2, area.height - 2, area.width - 2 });
		lines_clear(&why);
	} else {
		paint(area.y + 2, area.x + 2, area.width - 2, ROLE_FAINT, TEXT_CLIP,
		        l->searching  ? _("Searching ...")
		        : !l->loaded  ? _("Asking the daemon ...")
		        : l->narrowed ? _("Nothing matches. F clears the filter.")
		                      : _("Nothing here."));
	}
}

void list_draw(struct list *l, struct rect area)
{
	int widths[LIST_COLUMNS_MAX] = { 0 };
	struct buf unused = BUF(256);
	if (area.height < 2)
		return;
	lay_out(l, area.width, widths);
	draw_titles(l, widths, area);
	if (l->count)
		keep_in_sight(l, area.height - 1);
	l->first_y = area.y + 1;
	l->console->list = l;
	bool old = l->other || age_text(&unused, l->at, l->console->now);
	buf_free(&unused);
	for (int i = 0; i < l->height && l->top + i < l->count; i++)
		draw_row(l, l->top + i, widths, area.y + 1 + i, area, old);
	if (l->count == 0)
		draw_nothing(l, area);
}

/* "1-200 of 12,345+" */
static void add_place(const struct list *l, struct buf *out)
{
	struct buf from = BUF(32), to = BUF(32), all = BUF(32);
	bool counted = cJSON_IsNumber(json_get(l->json, "count"));
	format_count(&from, l->before + 1);
	format_count(&to, l->before + l->count);
	format_count(&all, counted ? json_int(l->json, "count", 0) : l->before + l->count);
	if (counted ? json_bool(l->json, "count_capped", false) : json_string(l->json, "next") != NULL)
		buf_putc(&all, '+');
	/* TRANSLATORS: the first and the last row shown, and how many there are */
	buf_printf(out, _("%s-%s of %s"), buf_str(&from), buf_str(&to), buf_str(&all));
	buf_free(&from);
	buf_free(&to);
	buf_free(&all);
}

static void add_searched(const struct list *l, struct buf *out)
{
	struct buf count = BUF(32);
	format_count(&count, l->searched);
	buf_puts(out, "  ");
	buf_printf(out,
	        l->searching ? ngettext("searching ... %s row looked at", "searching ... %s rows looked at",
	                               (unsigned long)l->searched)
	                     : ngettext("%s row looked at", "%s rows looked at", (unsigned long)l->searched),
	        buf_str(&count));
	buf_free(&count);
}

void list_summary(const struct list *l, struct buf *out)
{
	if (l->count)
		add_place(l, out);
	else if (l->loaded && !l->searching)
		buf_puts(out, _("no rows"));
	if (l->searched)
		add_searched(l, out);
	if (l->mark_count) {
		buf_puts(out, "  ");
		buf_printf(out, _("%d marked"), l->mark_count);
	}
	if (l->going != LIST_STAY || (l->other && !l->error[0]))
		buf_printf(out, "  %s", _("loading ..."));
	if (l->loaded) {
		struct buf age = BUF(256);
		if (age_text(&age, l->at, l->console->now))
			buf_printf(out, "  %s", buf_str(&age));
		buf_free(&age);
	}
	if (l->error[0] && l->count)
		buf_printf(out, "  ! %s", l->error);
}
