/* One row with everything known of it: attempts as a timeline, payload, who did what. Two columns where
 * the terminal is wide. Text is laid out when it arrives or the width changes, not for every frame. */
#include "screen.h"

#include "../format.h"

#include "base/json.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define TWO_COLUMNS_FROM 140

struct detail {
	struct console *console;
	char id[ROW_ID_MAX];
	cJSON *item;
	wall_time at;
	unsigned request;
	mono_time asked;
	bool due, dirty;
	char error[USHER_ERROR_MESSAGE_MAX];
	struct lines left, right;
	int width; /* the lines are laid out for */
	int top, height;
};

static enum scope detail_scope(const void *state)
{
	(void)state;
	return SCOPE_DETAIL;
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
}

static void detail_fetch(void *state, struct console *c)
{
	struct detail *d = state;
	bool old = mono_since_ms(d->asked, c->mono) >= LIST_EVERY_MS;
	if (d->request || !(d->due || (old && !c->down)))
		return;
	struct buf path = BUF(4096);
	buf_puts(&path, "/v1/failed");
	path_segment(&path, d->id);
	d->due = false;
	d->asked = c->mono;
	d->request = client_start(c->client, buf_str(&path), NULL, CLIENT_READ_MS, on_item, d);
	buf_free(&path);
}

static void lay_out(struct detail *d, int width)
{
	bool two = width >= TWO_COLUMNS_FROM;
	wall_time now = d->console->now;
	lines_clear(&d->left);
	lines_clear(&d->right);
	d->left.width = two ? width / 2 - 2 : width;
	d->right.width = width - width / 2 - 1;
	facts_row(&d->left, d->item, now);
	facts_attempts(&d->left, d->item, now);
	facts_audit(&d->left, json_get(d->item, "audit"), now);
	facts_payload(two ? &d->right : &d->left, d->item);
	d->width = width;
	d->dirty = false;
}

static int line_count(const struct detail *d)
{
	return d->left.count > d->right.count ? d->left.count : d->right.count;
}

static void draw_title(const struct detail *d, struct rect area)
{
	struct buf b = BUF(4096), right = BUF(4096);
	const char *channel = json_string(d->item, "channel");
	buf_printf(&b, "%s %s", channel ? channel : "", d->id);
	int used = paint(area.y, area.x + 1, area.width - 1, ROLE_TITLE, TEXT_CLIP, buf_str(&b));
	int rest = line_count(d) - d->top - d->height;
	if (rest > 0)
		buf_printf(&right, "%d more line%s below", rest, rest == 1 ? "" : "s");
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
		        d->error[0] ? "! " : "", d->error[0] ? d->error : "Asking the daemon ...");
		return;
	}
	struct rect left = body, right = body;
	left.width = d->left.width;
	right.x = body.x + width / 2 + 1;
	right.width = d->right.width;
	paint_lines(&d->left, d->top, left);
	paint_lines(&d->right, d->top, right);
}

static bool detail_act(struct detail *d, enum action action)
{
	enum act act;
	if (!act_of(action, &act))
		return false;
	if (d->item) {
		struct row_ref row;
		row_ref_of(d->item, &row);
		acts_ask(d->console, act, &row, 1);
	}
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
	cJSON_Delete(d->item);
	lines_clear(&d->left);
	lines_clear(&d->right);
	free(d);
}

void detail_open(struct screen *s, struct console *c, const char *id)
{
	struct detail *d = mem_alloc(sizeof *d);
	d->console = c;
	snprintf(d->id, sizeof d->id, "%s", id);
	d->due = true;
	*s = (struct screen){ .name = "Detail",
		.title = "Detail",
		.state = d,
		.scope = detail_scope,
		.fetch = detail_fetch,
		.draw = detail_draw,
		.key = detail_key,
		.renew = detail_renew,
		.close = detail_close };
}
