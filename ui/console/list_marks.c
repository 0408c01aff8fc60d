/* Marks of a list: one by one, a range, a page; they go by id, over pages and refreshes; see list.h. */
#include "list.h"

#include "base/json.h"
#include "base/language.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

int list_find_mark(const struct list *l, const char *id)
{
	for (int i = 0; i < l->mark_count; i++)
		if (!strcmp(l->marks[i].id, id))
			return i;
	return -1;
}

void list_renew_marks(struct list *l)
{
	struct row_ref now;
	for (int i = 0; l->markable && l->mark_count && i < l->count; i++) {
		row_ref_of(l->rows[i], &now);
		int at = list_find_mark(l, now.id);
		now.seen = l->seen;
		if (at >= 0)
			l->marks[at] = now;
	}
}

void list_unmark(struct list *l, const char *id)
{
	int at = list_find_mark(l, id);
	if (at < 0)
		return;
	memmove(l->marks + at, l->marks + at + 1, (size_t)(l->mark_count - at - 1) * sizeof *l->marks);
	l->mark_count--;
}

void list_unmark_all(struct list *l)
{
	l->mark_count = 0;
	l->anchor[0] = 0;
}

/* False when no more can be marked. */
static bool mark(struct list *l, int row)
{
	struct row_ref ref;
	row_ref_of(l->rows[row], &ref);
	ref.seen = l->seen;
	if (list_find_mark(l, ref.id) >= 0)
		return true;
	if (l->mark_count == LIST_MARKS_MAX) {
		note_add(l->console, ROLE_WARN,
		        _("%d rows are marked, the most there may be: A acts on all that match"),
		        LIST_MARKS_MAX);
		return false;
	}
	l->marks = mem_resize(l->marks, (size_t)l->mark_count + 1, sizeof *l->marks);
	l->marks[l->mark_count++] = ref;
	l->key(l->rows[row], l->anchor);
	return true;
}

static void toggle(struct list *l)
{
	const cJSON *row = list_selected(l);
	const char *id = json_string(row, "id");
	if (!id)
		return;
	if (list_find_mark(l, id) >= 0)
		list_unmark(l, id);
	else if (!mark(l, l->selected))
		return;
	list_key(l, l->selected < l->count - 1 ? ACTION_DOWN : ACTION_NONE);
}

/* From the row marked last to the selected one. */
static void mark_range(struct list *l)
{
	char key[LIST_KEY_MAX];
	int from = -1, to = l->selected;
	for (int i = 0; l->anchor[0] && i < l->count; i++) {
		l->key(l->rows[i], key);
		from = !strcmp(key, l->anchor) ? i : from;
	}
	if (from < 0) {
		note_add(l->console, ROLE_WARN,
		        _("A range begins at the row marked last, and none is on this page: Space marks "
		          "one"));
		return;
	}
	for (int step = from <= to ? 1 : -1; mark(l, from) && from != to; from += step)
		;
}

/* All of the page; when all are marked, none of it. */
static void mark_page(struct list *l)
{
	int marked = 0;
	for (int i = 0; i < l->count; i++) {
		const char *id = json_string(l->rows[i], "id");
		marked += id && list_find_mark(l, id) >= 0;
	}
	for (int i = 0; i < l->count; i++) {
		if (marked == l->count)
			list_unmark(l, json_string(l->rows[i], "id"));
		else if (!mark(l, i))
			return;
	}
}

bool list_mark_key(struct list *l, enum action action)
{
	switch (action) {
	case ACTION_MARK:
	case ACTION_MARK_RANGE:
	case ACTION_MARK_PAGE:
		if (l->markable && l->count && !l->other)
			(action == ACTION_MARK                ? toggle
			        : action == ACTION_MARK_RANGE ? mark_range
			                                      : mark_page)(l);
		return true;
	case ACTION_UNMARK:
		list_unmark_all(l);
		return true;
	default:
		return false;
	}
}

int list_targets(const struct list *l, struct row_ref **ret_rows)
{
	const cJSON *row = list_selected(l);
	int n = l->mark_count ? l->mark_count : row ? 1 : 0;
	struct row_ref *rows = mem_array((size_t)n + 1, sizeof *rows);
	if (l->mark_count)
		memcpy(rows, l->marks, (size_t)n * sizeof *rows);
	else if (row)
		row_ref_of(row, rows);
	*ret_rows = rows;
	return n;
}
