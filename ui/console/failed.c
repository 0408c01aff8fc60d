/* Screen 3: every failed notification, filtered and sorted by the daemon, as rows or counted by cause. Going
 * into a group, to a member's rows or to a view leaves a place behind, which Esc brings back. */
#include "bulk.h"
#include "finder.h"
#include "views.h"

#include "base/json.h"
#include "base/language.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define PLACES_MAX 16 /* the oldest go */

static const char *const statuses[] = { "any", "dead", "queued", "delivered", "cancelled" };

struct place { /* where one was */
	struct view view;
	struct list rows, groups;
	int screen; /* the number of the screen that it was left from */
};

struct failed {
	struct console *console;
	struct list rows, groups;
	struct finder finder;
	bool grouped;
	int status; /* of statuses */
	struct place *places[PLACES_MAX];
	int place_count;
};

static struct list *shown(struct failed *f)
{
	return f->grouped ? &f->groups : &f->rows;
}

static enum scope failed_scope(const void *state)
{
	const struct failed *f = state;
	return f->grouped ? SCOPE_GROUPS : SCOPE_FAILED;
}

static void rows_path(void *state, struct buf *out)
{
	const struct failed *f = state;
	buf_puts(out, "/v1/failed");
	path_query(out, "status", f->status ? statuses[f->status] : NULL);
	finder_add_query(&f->finder, out);
}

static void groups_path(void *state, struct buf *out)
{
	const struct failed *f = state;
	buf_puts(out, "/v1/failed/groups");
	path_query(out, "status", f->status ? statuses[f->status] : NULL);
	path_query(out, "filter", f->finder.filter);
}

static void failed_fetch(void *state, struct console *c)
{
	struct failed *f = state;
	(void)c;
	finder_fetch(&f->finder);
	list_fetch(shown(f));
}

static void failed_draw(void *state, const struct console *c, struct rect area)
{
	struct failed *f = state;
	struct buf left = BUF(8192), right = BUF(4096);
	(void)c;
	buf_printf(&left, _("status: %s"), f->status ? statuses[f->status] : C_("status", "any"));
	finder_describe(&f->finder, &left);
	if (f->place_count)
		buf_printf(&left, "  %s", _("Esc: back"));
	list_summary(shown(f), &right);
	if (f->grouped && !json_bool(f->groups.json, "complete", true))
		buf_printf(&right, "  %s", _("of the newest rows only"));
	finder_draw_line(&left, &right, area);
	finder_mark_sort(&f->finder, &f->rows);
	shown(f)->narrowed = f->status || f->finder.filter[0];
	list_draw(shown(f), (struct rect){ area.y + 1, area.x, area.height - 1, area.width });
	buf_free(&left);
	buf_free(&right);
}

static void filters_changed(void *state)
{
	struct failed *f = state;
	f->finder.list = shown(f);
	list_refilter(&f->rows);
	list_refilter(&f->groups);
	list_unmark_all(&f->rows); /* marks are acted on together: they stay within what is seen */
}

/* -- Places ------------------------------------------------------------------------------------------ */

static void view_of(const struct failed *f, struct view *ret)
{
	*ret = (struct view){ .grouped = f->grouped };
	char sort[32];
	snprintf(ret->status, sizeof ret->status, "%s", statuses[f->status]);
	snprintf(ret->sort, sizeof ret->sort, "%s", finder_sort(&f->finder, sort));
	snprintf(ret->filter, sizeof ret->filter, "%s", f->finder.filter);
}

static void set_view(struct failed *f, const struct view *view)
{
	f->status = 0;
	for (unsigned i = 0; i < ARRAY_LEN(statuses); i++)
		if (!strcmp(statuses[i], view->status))
			f->status = (int)i;
	f->grouped = view->grouped;
	finder_set(&f->finder, view->filter);
	finder_set_sort(&f->finder, view->sort);
	f->finder.list = shown(f);
}

static void drop_place(struct place *p)
{
	list_close(&p->rows);
	list_close(&p->groups);
	free(p);
}

static void leave_place(struct failed *f, int screen)
{
	struct place *p = mem_alloc(sizeof *p);
	if (f->place_count == PLACES_MAX) {
		drop_place(f->places[0]);
		memmove(f->places, f->places + 1, (size_t)(--f->place_count) * sizeof *f->places);
	}
	view_of(f, &p->view);
	list_park(&f->rows, &p->rows);
	list_park(&f->groups, &p->groups);
	p->screen = screen;
	f->places[f->place_count++] = p;
}

static bool go_back(struct failed *f)
{
	if (f->place_count == 0)
		return false;
	struct place *p = f->places[--f->place_count];
	set_view(f, &p->view);
	list_unpark(&f->rows, &p->rows);
	list_unpark(&f->groups, &p->groups);
	console_show_number(f->console, p->screen);
	free(p);
	return true;
}

static struct failed *failed_of(struct console *c)
{
	return console_numbered(c, 3)->state;
}

void failed_view(struct console *c, struct view *ret)
{
	view_of(failed_of(c), ret);
}

void failed_show(struct console *c, const struct view *view)
{
	struct failed *f = failed_of(c);
	int from = c->screens[c->current].number;
	leave_place(f, from);
	set_view(f, view);
	console_show_number(c, 3);
}

void failed_show_filter(struct console *c, const char *filter, const char *id)
{
	struct view view = { .status = "any" };
	snprintf(view.filter, sizeof view.filter, "%s", filter);
	failed_show(c, &view);
	snprintf(failed_of(c)->rows.selected_key, LIST_KEY_MAX, "%s", id ? id : "");
}

/* From a group to its rows. */
static void open_group(struct failed *f)
{
	const char *filter = json_string(list_selected(&f->groups), "filter");
	struct view view = { .status = "any" };
	if (!filter)
		return;
	char *copy = mem_string(filter); /* leaving drops the groups */
	leave_place(f, 3);
	snprintf(view.filter, sizeof view.filter, "%s", copy);
	set_view(f, &view);
	free(copy);
}

/* -- Keys ---------------------------------------------------------------------------------------------- */

/* All that match, or all of the selected group. */
static void act_on_all(struct failed *f, enum bulk_act act)
{
	const char *filter = f->finder.filter;
	const struct list *l = shown(f);
	if (!l->loaded || l->other)
		return;
	if (f->grouped)
		filter = json_string(list_selected(l), "filter");
	else if (f->status > 1) {
		note_add(f->console, ROLE_WARN,
		        _("Only dead rows can be redriven or cancelled, and these are %s: f changes that"),
		        statuses[f->status]);
		return;
	}
	if (filter)
		bulk_ask_filter(f->console, act, filter, l->seen);
}

static bool failed_key(void *state, struct console *c, enum action action)
{
	struct failed *f = state;
	(void)c;
	if (list_key(shown(f), action) || finder_key(&f->finder, action))
		return true;
	switch (action) {
	case ACTION_FILTER:
		f->status = (f->status + 1) % (int)ARRAY_LEN(statuses);
		filters_changed(f);
		return true;
	case ACTION_CLEAR:
		f->status = 0;
		finder_set(&f->finder, "");
		filters_changed(f);
		return true;
	case ACTION_GROUPS:
		f->grouped = !f->grouped;
		f->finder.list = shown(f);
		shown(f)->due = true;
		return true;
	case ACTION_REDRIVE_ALL:
		act_on_all(f, BULK_REDRIVE);
		return true;
	case ACTION_CANCEL_ALL:
		act_on_all(f, BULK_CANCEL);
		return true;
	case ACTION_READ:
	case ACTION_BACK:
		return go_back(f);
	case ACTION_OPEN:
		if (!f->grouped)
			return list_act(&f->rows, action);
		open_group(f);
		return true;
	default:
		return !f->grouped && list_act(&f->rows, action);
	}
}

static void failed_renew(void *state)
{
	struct failed *f = state;
	f->rows.due = f->groups.due = true;
}

static void failed_unmark(void *state, const char *id)
{
	struct failed *f = state;
	list_unmark(&f->rows, id);
}

static void failed_close(void *state)
{
	struct failed *f = state;
	while (f->place_count)
		drop_place(f->places[--f->place_count]);
	finder_close(&f->finder);
	list_close(&f->rows);
	list_close(&f->groups);
	free(f);
}

void failed_open(struct screen *s, struct console *c)
{
	struct failed *f = mem_alloc(sizeof *f);
	f->console = c;
	f->rows = (struct list){ .console = c,
		.columns = failed_columns,
		.column_count = failed_column_count,
		.paged = true,
		.markable = true,
		.path = rows_path,
		.key = row_key,
		.arg = f };
	f->groups = (struct list){ .console = c,
		.columns = group_columns,
		.column_count = group_column_count,
		.path = groups_path,
		.key = group_key,
		.arg = f };
	f->finder = (struct finder){ .console = c, .list = &f->rows, .changed = filters_changed, .arg = f };
	list_open(&f->rows);
	list_open(&f->groups);
	*s = (struct screen){ .number = 3,
		.name = N_("Failed"),
		.brief = N_("Fail"),
		.title = N_("Failed notifications"),
		.state = f,
		.scope = failed_scope,
		.fetch = failed_fetch,
		.draw = failed_draw,
		.key = failed_key,
		.renew = failed_renew,
		.base = "/v1/failed",
		.unmark = failed_unmark,
		.close = failed_close };
}
