/* Paged lists: fetching, selection, marks; see list.h. Drawing is in list_draw.c,
 * marks are in list_marks.c. */
#include "list.h"

#include "filter_words.h"

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

static void forget_request(struct list *l)
{
	if (l->request)
		client_cancel(l->console->client, l->request);
	l->request = 0;
	l->searching = false;
	l->going = LIST_STAY;
}

void list_refilter(struct list *l)
{
	forget_request(l);
	drop_behind(l);
	l->error[0] = 0;
	l->selected = l->top = 0;
	l->selected_key[0] = 0;
	l->other = l->loaded;
	l->due = true;
}

void list_restart(struct list *l)
{
	list_refilter(l);
	drop_rows(l);
	l->loaded = l->other = false;
	l->searched = 0;
}

void list_park(struct list *l, struct list *ret_parked)
{
	forget_request(l);
	drop_rows(l);
	l->loaded = l->other = false;
	*ret_parked = *l;
	l->behind = NULL;
	l->cursor = NULL;
	l->behind_count = 0;
	l->marks = NULL;
	l->mark_count = 0;
	list_restart(l);
}

void list_unpark(struct list *l, struct list *parked)
{
	list_close(l);
	*l = *parked;
	l->due = true;
}

bool list_stop(struct list *l)
{
	if (!l->searching)
		return false;
	forget_request(l);
	return true;
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
	if (!l->searching) /* it may come with the next part */
		select_row(l, l->selected);
	else if (l->selected >= l->count)
		l->selected = l->count ? l->count - 1 : 0;
}

static void index_rows(struct list *l)
{
	const cJSON *items = json_get(l->json, "items"), *item;
	int n = 0;
	free(l->rows);
	l->count = cJSON_GetArraySize(items);
	l->rows = mem_array((size_t)l->count + 1, sizeof *l->rows);
	cJSON_ArrayForEach(item, items)
	{
		l->rows[n++] = item;
	}
}

static void take_page(struct list *l, cJSON *json)
{
	drop_rows(l);
	l->json = json;
	l->searched = 0;
	index_rows(l);
}

/* The next part of the page: its rows go behind those that are there. */
static void append_part(struct list *l, const cJSON *part)
{
	cJSON *to = cJSON_GetObjectItemCaseSensitive(l->json, "items");
	cJSON *from = cJSON_GetObjectItemCaseSensitive(part, "items");
	cJSON *next = cJSON_DetachItemFromObjectCaseSensitive((cJSON *)part, "next");
	while (cJSON_GetArraySize(from) > 0)
		cJSON_AddItemToArray(to, cJSON_DetachItemFromArray(from, 0));
	if (next)
		cJSON_ReplaceItemInObjectCaseSensitive(l->json, "next", next);
	index_rows(l);
}

/* Is the page to be gone on with? */
static void look_further(struct list *l, const cJSON *part)
{
	bool complete = json_bool(part, "complete", true);
	l->searched += json_int(part, "searched", 0);
	l->searching = l->paged && !complete && l->count < LIST_PAGE && json_string(l->json, "next");
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

static void on_error(struct list *l, const struct reply *reply)
{
	bool lost_place = reply->code == USHER_EINVAL && l->cursor;
	snprintf(l->error, sizeof l->error, "%s", reply->message);
	l->going = LIST_STAY;
	l->searching = false;
	if (lost_place)
		list_restart(l);
}

static void on_part(struct list *l, const struct reply *reply)
{
	append_part(l, reply->json);
	look_further(l, reply->json);
	find_selection(l);
	list_renew_marks(l);
}

static void on_page(void *arg, struct reply *reply)
{
	struct list *l = arg;
	l->request = 0;
	console_heard(l->console, reply);
	if (reply->code != 0) {
		on_error(l, reply);
		return;
	}
	l->error[0] = 0;
	if (l->searching) {
		on_part(l, reply);
		return;
	}
	enum list_going going = l->going;
	char *cursor = NULL;
	int left = l->count;
	if (going == LIST_NEXT)
		cursor = mem_string(json_string(l->json, "next"));
	else if (going == LIST_BACK)
		cursor = l->behind[l->behind_count - 1];
	take_page(l, reply->json);
	reply->json = NULL;
	look_further(l, l->json);
	l->loaded = true;
	l->other = false;
	l->at = l->console->now;
	l->seen = l->asked_at;
	if (going == LIST_STAY) {
		find_selection(l);
	} else {
		step(l, cursor, left);
		l->going = LIST_STAY;
		l->top = 0;
		select_row(l, going == LIST_NEXT ? 0 : l->count - 1);
	}
	list_renew_marks(l);
}

static void ask(struct list *l)
{
	struct buf path = BUF(64 << 10);
	char number[16];
	l->path(l->arg, &path);
	snprintf(number, sizeof number, "%d", LIST_PAGE);
	path_query(&path, "limit", l->whole ? NULL : number);
	if (l->searching || l->going == LIST_NEXT)
		path_query(&path, "cursor", json_string(l->json, "next"));
	else if (l->going == LIST_BACK)
		path_query(&path, "cursor", l->behind[l->behind_count - 1]);
	else
		path_query(&path, "cursor", l->cursor);
	l->due = false;
	l->asked = l->console->mono;
	l->asked_at = l->console->now;
	l->request = client_start(l->console->client, buf_str(&path), NULL, CLIENT_READ_MS, on_page, l);
	buf_free(&path);
}

void list_fetch(struct list *l)
{
	if (l->request)
		return;
	bool old = l->asked.ns == 0 || mono_since_ms(l->asked, l->console->mono) >= LIST_EVERY_MS;
	bool costly = l->searched > 0; /* it is not looked for again unasked */
	if (l->due)
		l->searching = false;
	if (l->searching || l->due || l->going != LIST_STAY || (old && !costly && !l->console->down))
		ask(l);
}

static void go(struct list *l, enum list_going where)
{
	if (where == LIST_NEXT && (!l->paged || l->searching || l->other || !json_string(l->json, "next")))
		return;
	if (where == LIST_BACK && l->behind_count == 0)
		return;
	forget_request(l);
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
	case ACTION_READ:
		return list_stop(l);
	default:
		return list_mark_key(l, action);
	}
}

static bool has_word(const cJSON *row, const char *word)
{
	const cJSON *member;
	cJSON_ArrayForEach(member, row)
	{
		if (cJSON_IsString(member) && strcasestr(member->valuestring, word))
			return true;
	}
	return false;
}

bool list_select_match(struct list *l, const char *word, int step)
{
	for (int n = 1; n <= l->count; n++) {
		int at = (l->selected + (step * n) % l->count + l->count) % l->count;
		if (has_word(l->rows[at], word)) {
			select_row(l, at);
			return true;
		}
	}
	return false;
}

const cJSON *list_selected(const struct list *l)
{
	return l->selected < l->count ? l->rows[l->selected] : NULL;
}

/* The rows of the same member, or of the same event on other channels. */
static void go_to_relatives(struct list *l, enum action action)
{
	const cJSON *row = list_selected(l);
	const char *id = json_string(row, "id"), *event = json_string(row, "event_id");
	struct buf filter = BUF(FILTER_BYTES_MAX);
	if (id && action == ACTION_MEMBER)
		buf_printf(&filter, "member:%s", id);
	else if (id && event)
		filter_add(&filter, "event", event);
	if (filter.len) {
		char chosen[ROW_ID_MAX];
		snprintf(chosen, sizeof chosen, "%s", id); /* showing them drops the row */
		failed_show_filter(l->console, buf_str(&filter), chosen);
	}
	buf_free(&filter);
}

/* One row at a time, whatever is marked: each has its own mistake. */
static void edit_selected(struct list *l, enum action action)
{
	const cJSON *row = list_selected(l);
	struct row_ref ref;
	if (!row)
		return;
	row_ref_of(row, &ref);
	(action == ACTION_EDIT ? edit_ask : edit_address_ask)(l->console, &ref);
}

bool list_act(struct list *l, enum action action)
{
	enum act act;
	if (action == ACTION_OPEN) {
		const char *id = json_string(list_selected(l), "id");
		if (id)
			(l->open ? l->open : console_open_detail)(l->console, id);
		return true;
	}
	if (action == ACTION_EDIT || action == ACTION_ADDRESS) {
		edit_selected(l, action);
		return true;
	}
	if (action == ACTION_MEMBER || action == ACTION_EVENT) {
		go_to_relatives(l, action);
		return true;
	}
	if (!act_of(action, &act))
		return false;
	if (act == ACT_RESTORE && !l->mark_count && undo_ask(l->console))
		return true;
	struct row_ref *rows;
	int count = list_targets(l, &rows);
	acts_ask(l->console, act, rows, count);
	free(rows);
	return true;
}
