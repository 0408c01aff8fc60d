/* One row with everything known of it: attempts as a timeline, side effect, payload, who did what; of a
 * failed row, or of a delivery that waits for a retry. Two columns where the terminal is wide. Text is laid
 * out when it arrives or the width changes, not for every frame. A row that was unmasked is so until it is
 * left. */
#include "screen.h"

#include "../format.h"

#include "base/json.h"
#include "base/language.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define TWO_COLUMNS_FROM 140
#define FIND_MAX (DIALOG_TEXT_MAX * 4 + 1)

struct detail {
	struct console *console;
	char id[ROW_ID_MAX];
	bool delivery; /* of the ledger; else a failed row */
	cJSON *item;
	cJSON *unmasked; /* NULL: it is masked */
	unsigned reveal_request;
	wall_time at;
	unsigned request;
	mono_time asked;
	bool due, dirty;
	char error[USHER_ERROR_MESSAGE_MAX];
	struct lines left, right;
	int width; /* the lines are laid out for */
	int top, height;
	char find[FIND_MAX]; /* "": nothing is sought */
	int found;           /* the line, of the left column and then the right; -1: none */
};

static enum scope detail_scope(const void *state)
{
	const struct detail *d = state;
	return d->delivery ? SCOPE_DELIVERY : SCOPE_DETAIL;
}

/* -- Asking --------------------------------------------------------------------------------------- */

/* What was revealed stays on show, whatever comes masked after it. */
static void unmask(struct detail *d)
{
	static const char *const keys[] = { "recipient", "name", "user_id", "reason", "payload" };
	for (size_t i = 0; d->unmasked && d->item && i < ARRAY_LEN(keys); i++) {
		const cJSON *value = json_get(d->unmasked, keys[i]);
		if (value && json_get(d->item, keys[i]))
			cJSON_ReplaceItemInObjectCaseSensitive(
			        d->item, keys[i], cJSON_Duplicate(value, true));
	}
}

static void on_item(void *arg, struct reply *reply)
{
	struct detail *d = arg;
	d->request = 0;
	console_heard(d->console, reply);
	if (reply->code != 0) {
		snprintf(d->error, sizeof d->error, "%s", reply->message);
		return;
	}
	d->error[0] = 0;
	cJSON_Delete(d->item);
	d->item = reply->json;
	reply->json = NULL;
	d->at = d->console->now;
	d->dirty = true;
	unmask(d);
}

static void detail_fetch(void *state, struct console *c)
{
	struct detail *d = state;
	bool old = mono_since_ms(d->asked, c->mono) >= LIST_EVERY_MS;
	if (d->request || !(d->due || (old && !c->down)))
		return;
	struct buf path = BUF(4096);
	buf_puts(&path, d->delivery ? "/v1/deliveries" : "/v1/failed");
	path_segment(&path, d->id);
	d->due = false;
	d->asked = c->mono;
	d->request = client_start(c->client, buf_str(&path), NULL, CLIENT_READ_MS, on_item, d);
	buf_free(&path);
}

/* -- Revealing ------------------------------------------------------------------------------------ */

static void on_revealed(void *arg, struct reply *reply)
{
	struct detail *d = arg;
	d->reveal_request = 0;
	console_heard(d->console, reply);
	if (reply->code != 0) {
		note_add(d->console, ROLE_BAD, _("%s is not shown unmasked: %s"), d->id, reply->message);
		return;
	}
	cJSON_Delete(d->unmasked);
	d->unmasked = reply->json;
	reply->json = NULL;
	unmask(d);
	d->dirty = d->due = true;
}

static void reveal(struct console *c, void *arg, const char *text)
{
	struct detail *d = arg;
	struct buf path = BUF(4096);
	cJSON *body = cJSON_CreateObject();
	buf_puts(&path, "/v1/failed");
	path_segment(&path, d->id);
	path_segment(&path, "reveal");
	json_add_string(body, "reason", text);
	if (d->reveal_request)
		client_cancel(c->client, d->reveal_request);
	d->reveal_request = client_start(c->client, buf_str(&path), body, CLIENT_ACT_MS, on_revealed, d);
	cJSON_Delete(body);
	buf_free(&path);
}

static void reveal_ask(struct detail *d)
{
	struct lines body = { .width = 68 };
	if (!acts_may(d->console))
		return;
	lines_add(&body, ROLE_FAINT, NULL,
	        _("Shown until you leave this row. Why? It stands in the audit with your name:"));
	dialog_input(&d->console->dialog, _("Show this row unmasked"), &body, NULL, true, reveal, d, NULL);
}

/* -- Finding -------------------------------------------------------------------------------------- */

static int line_count(const struct detail *d)
{
	return d->left.count > d->right.count ? d->left.count : d->right.count;
}

/* Of the left column and then the right. */
static const struct line *line_at(const struct detail *d, int i)
{
	return i < d->left.count ? &d->left.items[i] : &d->right.items[i - d->left.count];
}

static bool has_words(const struct detail *d, int i)
{
	const struct line *line = line_at(d, i);
	return strcasestr(line->text, d->find) || (line->label && strcasestr(line->label, d->find));
}

/* From the place found last, or from what is on the screen; round the end. */
static void find_from(struct detail *d, int from, int by)
{
	int n = d->left.count + d->right.count;
	for (int k = 0; d->find[0] && k < n; k++) {
		int i = ((from + k * by) % n + n) % n;
		if (!has_words(d, i))
			continue;
		d->found = i;
		int row = i < d->left.count ? i : i - d->left.count;
		if (row < d->top || row >= d->top + d->height)
			d->top = row - d->height / 3;
		return;
	}
	d->found = -1;
	if (d->find[0])
		note_add(d->console, ROLE_WARN, _("\"%s\" does not stand here"), d->find);
}

static void find_given(struct console *c, void *arg, const char *text)
{
	struct detail *d = arg;
	(void)c;
	snprintf(d->find, sizeof d->find, "%s", text);
	d->found = -1;
	find_from(d, d->top, 1);
}

static void find_ask(struct detail *d)
{
	struct lines body = { .width = 68 };
	lines_add(&body, ROLE_FAINT, NULL, _("Words in what is shown; capitals or not. n and N go on."));
	dialog_input(&d->console->dialog, _("Find"), &body, d->find, false, find_given, d, NULL);
}

static void find_next(struct detail *d, int by)
{
	if (!d->find[0])
		find_ask(d);
	else
		find_from(d, d->found < 0 ? d->top : d->found + by, by);
}

/* The line found, over what is drawn. */
static void draw_found(const struct detail *d, struct rect left, struct rect right)
{
	bool in_left = d->found < d->left.count;
	int row = (in_left ? d->found : d->found - d->left.count) - d->top;
	struct rect area = in_left ? left : right;
	if (d->found < 0 || d->found >= d->left.count + d->right.count || row < 0 || row >= area.height ||
	        !has_words(d, d->found))
		return;
	const struct line *line = line_at(d, d->found);
	paint(area.y + row, area.x, area.width, ROLE_SELECTED, TEXT_LEFT, line->label ? line->label : "");
	paint(area.y + row, area.x + line->indent, area.width - line->indent, ROLE_SELECTED, TEXT_LEFT,
	        line->text);
}

/* -- Drawing -------------------------------------------------------------------------------------- */

static void lay_out(struct detail *d, int width)
{
	bool two = width >= TWO_COLUMNS_FROM;
	wall_time now = d->console->now;
	lines_clear(&d->left);
	lines_clear(&d->right);
	d->left.width = two ? width / 2 - 2 : width;
	d->right.width = width - width / 2 - 1;
	(d->delivery ? facts_delivery : facts_row)(&d->left, d->item, now);
	facts_attempts(&d->left, d->item, now);
	facts_effects(&d->left, d->item, now);
	facts_edits(&d->left, d->item, now);
	facts_audit(&d->left, json_get(d->item, "audit"), now);
	if (json_get(d->item, "payload"))
		facts_payload(two ? &d->right : &d->left, d->item);
	d->width = width;
	d->dirty = false;
}

static void draw_title(const struct detail *d, struct rect area)
{
	struct buf b = BUF(4096), right = BUF(4096);
	const char *channel = json_string(d->item, "channel");
	buf_printf(&b, "%s %s", channel ? channel : "", d->id);
	int used = paint(area.y, area.x + 1, area.width - 1, ROLE_TITLE, TEXT_CLIP, buf_str(&b));
	if (d->unmasked)
		used += 2 + paint(area.y, area.x + 1 + used + 2, area.width - used - 3, ROLE_BADGE, TEXT_CLIP,
		                    _("[UNMASKED]"));
	int rest = line_count(d) - d->top - d->height;
	if (rest > 0)
		buf_printf(&right, ngettext("%d more line below", "%d more lines below", (unsigned long)rest),
		        rest);
	struct buf age = BUF(256);
	if (d->item && age_text(&age, d->at, d->console->now))
		buf_printf(&right, "  %s", buf_str(&age));
	if (d->error[0] && d->item)
		buf_printf(&right, "  ! %s", d->error);
	int x = area.x + 1 + used + 2;
	paint(area.y, x, area.x + area.width - x, ROLE_FAINT, TEXT_RIGHT, buf_str(&right));
	buf_free(&age);
	buf_free(&right);
	buf_free(&b);
}

static void detail_draw(void *state, const struct console *c, struct rect area)
{
	struct detail *d = state;
	int width = area.width - 2;
	(void)c;
	if (d->item && (d->dirty || width != d->width))
		lay_out(d, width);
	d->height = area.height - 1;
	if (d->top > line_count(d) - d->height)
		d->top = line_count(d) - d->height;
	if (d->top < 0)
		d->top = 0;
	draw_title(d, area);
	struct rect body = { area.y + 1, area.x + 1, area.height - 1, width };
	if (!d->item) {
		paintf(body.y + 1, body.x + 1, width - 1, d->error[0] ? ROLE_BAD : ROLE_FAINT, "%s%s",
		        d->error[0] ? "! " : "", d->error[0] ? d->error : _("Asking the daemon ..."));
		return;
	}
	struct rect left = body, right = body;
	left.width = d->left.width;
	right.x = body.x + width / 2 + 1;
	right.width = d->right.width;
	paint_lines(&d->left, d->top, left);
	paint_lines(&d->right, d->top, right);
	draw_found(d, left, right);
}

/* -- Keys ----------------------------------------------------------------------------------------- */

/* The event on the other channel, if it ever failed there. */
static void open_sibling(struct detail *d)
{
	const cJSON *sibling;
	cJSON_ArrayForEach(sibling, json_get(d->item, "siblings"))
	{
		char id[ROW_ID_MAX];
		if (!json_string(sibling, "id"))
			continue;
		snprintf(id, sizeof id, "%s", json_string(sibling, "id")); /* goes with this detail */
		console_open_detail(d->console, id);
		return;
	}
	note_add(d->console, ROLE_WARN, _("No failed row of this event on another channel is known"));
}

static bool detail_act(struct detail *d, enum action action)
{
	enum act act;
	struct row_ref row;
	bool is_act = act_of(action, &act);
	if (!is_act && action != ACTION_EDIT && action != ACTION_ADDRESS)
		return false;
	if (!d->item)
		return true;
	row_ref_of(d->item, &row);
	if (is_act)
		acts_ask(d->console, act, &row, 1);
	else
		(action == ACTION_EDIT ? edit_ask : edit_address_ask)(d->console, &row);
	return true;
}

static bool detail_key(void *state, struct console *c, enum action action)
{
	struct detail *d = state;
	int page = d->height > 1 ? d->height - 1 : 1;
	switch (action) {
	case ACTION_DOWN:
		d->top++;
		return true;
	case ACTION_UP:
		d->top--;
		return true;
	case ACTION_PAGE_DOWN:
		d->top += page;
		return true;
	case ACTION_PAGE_UP:
		d->top -= page;
		return true;
	case ACTION_TOP:
		d->top = 0;
		return true;
	case ACTION_BOTTOM:
		d->top = line_count(d);
		return true;
	case ACTION_FIND:
		find_ask(d);
		return true;
	case ACTION_FIND_NEXT:
		find_next(d, 1);
		return true;
	case ACTION_FIND_BACK:
		find_next(d, -1);
		return true;
	case ACTION_REVEAL:
		reveal_ask(d);
		return true;
	case ACTION_SIBLING:
		open_sibling(d);
		return true;
	case ACTION_READ:
	case ACTION_QUIT:
		console_close_detail(c);
		return true;
	default:
		return detail_act(d, action);
	}
}

static void detail_renew(void *state)
{
	struct detail *d = state;
	d->due = true;
}

static void detail_close(void *state)
{
	struct detail *d = state;
	if (d->request)
		client_cancel(d->console->client, d->request);
	if (d->reveal_request)
		client_cancel(d->console->client, d->reveal_request);
	cJSON_Delete(d->item);
	cJSON_Delete(d->unmasked);
	lines_clear(&d->left);
	lines_clear(&d->right);
	free(d);
}

static void open_row(struct screen *s, struct console *c, const char *id, bool delivery)
{
	struct detail *d = mem_alloc(sizeof *d);
	d->console = c;
	d->delivery = delivery;
	d->found = -1;
	snprintf(d->id, sizeof d->id, "%s", id);
	d->due = true;
	*s = (struct screen){ .name = N_("Detail"),
		.title = N_("Detail"),
		.state = d,
		.scope = detail_scope,
		.fetch = detail_fetch,
		.draw = detail_draw,
		.key = detail_key,
		.renew = detail_renew,
		.close = detail_close };
}

void detail_open(struct screen *s, struct console *c, const char *id)
{
	open_row(s, c, id, false);
}

void delivery_open(struct screen *s, struct console *c, const char *id)
{
	open_row(s, c, id, true);
}
