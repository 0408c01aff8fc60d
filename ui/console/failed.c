/* Screen 3: every failed notification, filtered and searched by the daemon, as rows or counted by cause. */
#include "list.h"

#include "base/json.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define SEARCH_MAX (DIALOG_TEXT_MAX * 4 + 1)
#define WORD_MAX 64

static const char *const statuses[] = { "any", "dead", "queued", "delivered", "cancelled" };

struct failed {
	struct list rows, groups;
	bool grouped;
	int status; /* of statuses */
	bool oldest_first;
	char search[SEARCH_MAX];
	char channel[WORD_MAX], class[WORD_MAX]; /* of the group that was opened */
};

static enum scope failed_scope(const void *state)
{
	const struct failed *f = state;
	return f->grouped ? SCOPE_GROUPS : SCOPE_FAILED;
}

static void add_filters(const struct failed *f, struct buf *out)
{
	path_query(out, "status", f->status ? statuses[f->status] : NULL);
	path_query(out, "channel", f->channel);
	path_query(out, "class", f->class);
	path_query(out, "q", f->search);
}

static void rows_path(void *state, struct buf *out)
{
	const struct failed *f = state;
	buf_puts(out, "/v1/failed");
	add_filters(f, out);
	path_query(out, "sort", f->oldest_first ? "oldest" : NULL);
}

static void groups_path(void *state, struct buf *out)
{
	buf_puts(out, "/v1/failed/groups");
	add_filters(state, out);
}

static void failed_fetch(void *state, struct console *c)
{
	struct failed *f = state;
	(void)c;
	list_fetch(f->grouped ? &f->groups : &f->rows);
}

static void draw_filters(const struct failed *f, struct rect area)
{
	struct buf left = BUF(8192), right = BUF(4096);
	buf_printf(&left, "status: %s", statuses[f->status]);
	if (f->channel[0])
		buf_printf(&left, "  channel: %s", f->channel);
	if (f->class[0])
		buf_printf(&left, "  class: %s", f->class);
	if (f->search[0])
		buf_printf(&left, "  search: \"%s\"", f->search);
	if (f->oldest_first && !f->grouped)
		buf_puts(&left, "  oldest first");
	list_summary(f->grouped ? &f->groups : &f->rows, &right);
	int used = paint(area.y, area.x + 1, area.width - 1, ROLE_TITLE, TEXT_CLIP, buf_str(&left));
	int x = area.x + 1 + used + 2;
	paint(area.y, x, area.x + area.width - x, ROLE_FAINT, TEXT_RIGHT, buf_str(&right));
	buf_free(&left);
	buf_free(&right);
}

static void failed_draw(void *state, const struct console *c, struct rect area)
{
	struct failed *f = state;
	(void)c;
	draw_filters(f, area);
	list_draw(f->grouped ? &f->groups : &f->rows,
	        (struct rect){ area.y + 1, area.x, area.height - 1, area.width });
}

static void filters_changed(struct failed *f)
{
	list_restart(&f->rows);
	list_restart(&f->groups);
	f->rows.mark_count = 0; /* marks are acted on together: they stay within what is seen */
}

static void clear_filters(struct failed *f)
{
	f->status = 0;
	f->search[0] = f->channel[0] = f->class[0] = 0;
	filters_changed(f);
}

static void search_done(struct console *c, void *arg, const char *text)
{
	struct failed *f = arg;
	(void)c;
	snprintf(f->search, sizeof f->search, "%s", text);
	filters_changed(f);
}

static void ask_search(struct failed *f, struct console *c)
{
	struct lines body = { .width = 70 };
	lines_add(&body, ROLE_FAINT, NULL,
	        "Event id, user id or recipient, or how one begins. Empty shows all.");
	dialog_input(&c->dialog, "Search", &body, f->search, false, search_done, f, NULL);
}

/* From a group to its rows. */
static void open_group(struct failed *f)
{
	const cJSON *group = list_selected(&f->groups);
	const char *status = json_string(group, "status"), *channel = json_string(group, "channel"),
	           *class = json_string(group, "class");
	if (!group)
		return;
	for (unsigned i = 0; i < ARRAY_LEN(statuses); i++)
		if (status && !strcmp(statuses[i], status))
			f->status = (int)i;
	snprintf(f->channel, sizeof f->channel, "%s", channel ? channel : "");
	snprintf(f->class, sizeof f->class, "%s", class ? class : "");
	f->grouped = false;
	filters_changed(f);
}

static bool failed_key(void *state, struct console *c, enum action action)
{
	struct failed *f = state;
	if (list_key(f->grouped ? &f->groups : &f->rows, action))
		return true;
	switch (action) {
	case ACTION_SEARCH:
		ask_search(f, c);
		return true;
	case ACTION_FILTER:
		f->status = (f->status + 1) % (int)ARRAY_LEN(statuses);
		filters_changed(f);
		return true;
	case ACTION_CLEAR:
		clear_filters(f);
		return true;
	case ACTION_GROUPS:
		f->grouped = !f->grouped;
		(f->grouped ? &f->groups : &f->rows)->due = true;
		return true;
	case ACTION_SORT:
		f->oldest_first = !f->oldest_first;
		list_restart(&f->rows);
		return true;
	case ACTION_OPEN:
		if (f->grouped) {
			open_group(f);
			return true;
		}
		return list_act(&f->rows, action);
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
	list_close(&f->rows);
	list_close(&f->groups);
	free(f);
}

void failed_open(struct screen *s, struct console *c)
{
	struct failed *f = mem_alloc(sizeof *f);
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
	list_open(&f->rows);
	list_open(&f->groups);
	*s = (struct screen){ .number = 3,
		.name = "Failed",
		.brief = "Fail",
		.title = "Failed notifications",
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
