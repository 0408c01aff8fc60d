/* Paged lists: fetching, selection, marks; see list.h. Drawing is in list_draw.c. */
#include "list.h"

#include "base/json.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

void list_open(struct list *l)
{
	l->due = true;
}

static void drop_behind(struct list *l)
{
	for (int i = 0; i < l->behind_count; i++)
		free(l->behind[i]);
	free(l->behind);
	l->behind = NULL;
	l->behind_count = 0;
	l->before = 0;
	mem_freep(&l->cursor);
}

static void drop_rows(struct list *l)
{
	cJSON_Delete(l->json);
	free(l->rows);
	l->json = NULL;
	l->rows = NULL;
	l->count = 0;
}

void list_close(struct list *l)
{
	if (l->request)
		client_cancel(l->console->client, l->request);
	drop_rows(l);
	drop_behind(l);
	free(l->marks);
	l->marks = NULL;
	l->mark_count = 0;
}

void list_restart(struct list *l)
{
	if (l->request)
		client_cancel(l->console->client, l->request);
	l->request = 0;
	drop_rows(l);
	drop_behind(l);
	l->loaded = false;
	l->error[0] = 0;
	l->selected = l->top = 0;
	l->selected_key[0] = 0;
	l->going = LIST_STAY;
	l->due = true;
}

static void remember_selection(struct list *l)
{
	if (l->selected < l->count)
		l->key(l->rows[l->selected], l->selected_key);
}

static void select_row(struct list *l, int row)
{
	l->selected = row >= l->count ? l->count - 1 : row;
	if (l->selected < 0)
		l->selected = 0;
	remember_selection(l);
}

/* The row that was selected, wherever it is now; its place on the screen stays. */
static void find_selection(struct list *l)
{
	char key[LIST_KEY_MAX];
	for (int i = 0; l->selected_key[0] && i < l->count; i++) {
		l->key(l->rows[i], key);
		if (!strcmp(key, l->selected_key)) {
			l->top += i - l->selected;
			l->selected = i;
			return;
		}
	}
	select_row(l, l->selected);
}

static int mark_find(const struct list *l, const char *id)
{
	for (int i = 0; i < l->mark_count; i++)
		if (!strcmp(l->marks[i].id, id))
			return i;
	return -1;
}

/* Marked rows are acted on as they are seen now. */
static void renew_marks(struct list *l)
{
	struct row_ref now;
	for (int i = 0; l->markable && l->mark_count && i < l->count; i++) {
		row_ref_of(l->rows[i], &now);
		int at = mark_find(l, now.id);
		if (at >= 0)
			l->marks[at] = now;
	}
}

static void take_page(struct list *l, cJSON *json)
{
	const cJSON *items = json_get(json, "items"), *item;
	int n = 0;
	drop_rows(l);
	l->json = json;
	l->count = cJSON_GetArraySize(items);
	l->rows = mem_array((size_t)l->count + 1, sizeof *l->rows);
	cJSON_ArrayForEach(item, items)
	{
		l->rows[n++] = item;
	}
}

/* The page on show becomes the one before. `left`: rows on the page that is left. */
static void step(struct list *l, char *cursor, int left)
{
	if (l->going == LIST_NEXT) {
		l->behind = mem_resize(l->behind, (size_t)l->behind_count + 1, sizeof *l->behind);
		l->behind[l->behind_count++] = l->cursor;
		l->before += left;
	} else {
		free(l->cursor);
		l->behind_count--;
		l->before = l->behind_count == 0 ? 0 : l->before > LIST_PAGE ? l->before - LIST_PAGE : 0;
	}
	l->cursor = cursor;
}

static void on_page(void *arg, struct reply *reply)
{
	struct list *l = arg;
	l->request = 0;
	console_heard(l->console, reply);
	if (reply->code != 0) {
		bool lost_place = reply->code == USHER_EINVAL && l->cursor;
		snprintf(l->error, sizeof l->error, "%s", reply->message);
		l->going = LIST_STAY;
		if (lost_place)
			list_restart(l);
		return;
	}
	l->error[0] = 0;
	enum list_going going = l->going;
	l->going = LIST_STAY;
	char *cursor = NULL;
	int left = l->count;
	if (going == LIST_NEXT)
		cursor = mem_string(json_string(l->json, "next"));
	else if (going == LIST_BACK)
		cursor = l->behind[l->behind_count - 1];
	take_page(l, reply->json);
	reply->json = NULL;
	l->loaded = true;
	l->at = l->console->now;
	if (going == LIST_STAY) {
		find_selection(l);
	} else {
		l->going = going;
		step(l, cursor, left);
		l->going = LIST_STAY;
		l->top = 0;
		select_row(l, going == LIST_NEXT ? 0 : l->count - 1);
	}
	renew_marks(l);
}

static void ask(struct list *l)
{
	struct buf path = BUF(64 << 10);
	char number[16];
	l->path(l->arg, &path);
	snprintf(number, sizeof number, "%d", LIST_PAGE);
	path_query(&path, "limit", number);
	if (l->going == LIST_NEXT)
		path_query(&path, "cursor", json_string(l->json, "next"));
	else if (l->going == LIST_BACK)
		path_query(&path, "cursor", l->behind[l->behind_count - 1]);
	else
		path_query(&path, "cursor", l->cursor);
	l->due = false;
	l->asked = l->console->mono;
	l->request = client_start(l->console->client, buf_str(&path), NULL, CLIENT_READ_MS, on_page, l);
	buf_free(&path);
}

void list_fetch(struct list *l)
{
	if (l->request)
		return;
	bool old = l->asked.ns == 0 || mono_since_ms(l->asked, l->console->mono) >= LIST_EVERY_MS;
	if (l->due || l->going != LIST_STAY || (old && !l->console->down))
		ask(l);
}

static void go(struct list *l, enum list_going where)
{
	if (where == LIST_NEXT && (!l->paged || !json_string(l->json, "next")))
		return;
	if (where == LIST_BACK && l->behind_count == 0)
		return;
	if (l->request)
		client_cancel(l->console->client, l->request);
	l->request = 0;
	l->going = where;
}

static void move_by(struct list *l, int rows)
{
	int to = l->selected + rows;
	if (to >= l->count && l->selected == l->count - 1)
		go(l, LIST_NEXT);
	else if (to < 0 && l->selected == 0)
		go(l, LIST_BACK);
	else
		select_row(l, to < 0 ? 0 : to);
}

bool list_point(struct list *l, int y)
{
	int row = l->top + y - l->first_y;
	if (y < l->first_y || y >= l->first_y + l->height || row >= l->count)
		return false;
	select_row(l, row);
	return true;
}

static void go_first(struct list *l)
{
	if (l->behind_count)
		list_restart(l);
	else
		select_row(l, 0);
}

static void toggle_mark(struct list *l)
{
	const cJSON *row = list_selected(l);
	if (!row)
		return;
	struct row_ref ref;
	row_ref_of(row, &ref);
	int at = mark_find(l, ref.id);
	if (at >= 0) {
		list_unmark(l, ref.id);
	} else if (l->mark_count == LIST_MARKS_MAX) {
		note_add(l->console, ROLE_WARN,
		        "%d rows are marked: that is the most that can be acted on at once", LIST_MARKS_MAX);
		return;
	} else {
		l->marks = mem_resize(l->marks, (size_t)l->mark_count + 1, sizeof *l->marks);
		l->marks[l->mark_count++] = ref;
	}
	if (l->selected < l->count - 1)
		select_row(l, l->selected + 1);
}

void list_unmark(struct list *l, const char *id)
{
	int at = mark_find(l, id);
	if (at < 0)
		return;
	memmove(l->marks + at, l->marks + at + 1, (size_t)(l->mark_count - at - 1) * sizeof *l->marks);
	l->mark_count--;
}

bool list_key(struct list *l, enum action action)
{
	int page = l->height > 1 ? l->height - 1 : 1;
	switch (action) {
	case ACTION_DOWN:
		move_by(l, 1);
		return true;
	case ACTION_UP:
		move_by(l, -1);
		return true;
	case ACTION_PAGE_DOWN:
		move_by(l, page);
		return true;
	case ACTION_PAGE_UP:
		move_by(l, -page);
		return true;
	case ACTION_TOP:
		go_first(l);
		return true;
	case ACTION_BOTTOM:
		select_row(l, l->count - 1);
		return true;
	case ACTION_MARK:
		if (l->markable)
			toggle_mark(l);
		return true;
	case ACTION_UNMARK:
		l->mark_count = 0;
		return true;
	default:
		return false;
	}
}

const cJSON *list_selected(const struct list *l)
{
	return l->selected < l->count ? l->rows[l->selected] : NULL;
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

bool list_act(struct list *l, enum action action)
{
	enum act act;
	if (action == ACTION_OPEN) {
		const char *id = json_string(list_selected(l), "id");
		if (id)
			console_open_detail(l->console, id);
		return true;
	}
	if (!act_of(action, &act))
		return false;
	struct row_ref *rows;
	int count = list_targets(l, &rows);
	acts_ask(l->console, act, rows, count);
	free(rows);
	return true;
}
