/* Screen 2: what stands in each channel's dead-letter queue, from the daemon's mirror: looking changes
 * nothing in the queue. */
#include "bulk.h"
#include "finder.h"

#include "../format.h"

#include "base/json.h"
#include "base/language.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define CHANNEL_NAME_MAX 64

struct dlq {
	struct list list;
	struct finder finder;
	char channel[CHANNEL_NAME_MAX]; /* "" until the status names the channels */
};

static enum scope dlq_scope(const void *state)
{
	(void)state;
	return SCOPE_DLQ;
}

static void dlq_path(void *state, struct buf *out)
{
	const struct dlq *d = state;
	buf_puts(out, "/v1/dlq");
	path_segment(out, d->channel);
	finder_add_query(&d->finder, out);
}

static void filter_changed(void *state)
{
	struct dlq *d = state;
	list_refilter(&d->list);
	list_unmark_all(&d->list); /* marks are acted on together: they stay within what is seen */
}

static void set_channel(struct dlq *d, const char *name)
{
	snprintf(d->channel, sizeof d->channel, "%s", name ? name : "");
	list_restart(&d->list);
	list_unmark_all(&d->list);
}

void dlq_show(struct console *c, const char *channel)
{
	set_channel(console_numbered(c, 2)->state, channel);
	console_show_number(c, 2);
}

/* Goes `by` channels on among those of the status; picks the first while none is picked. */
static void pick_channel(struct dlq *d, const struct console *c, int by)
{
	const cJSON *channels = json_get(c->status, "channels"), *ch;
	int count = cJSON_GetArraySize(channels), at = -1, i = 0;
	if (count == 0)
		return;
	cJSON_ArrayForEach(ch, channels)
	{
		const char *name = json_string(ch, "name");
		if (name && !strcmp(name, d->channel))
			at = i;
		i++;
	}
	at = at < 0 ? 0 : (at + by + count) % count;
	set_channel(d, json_string(cJSON_GetArrayItem(channels, at), "name"));
}

static void dlq_fetch(void *state, struct console *c)
{
	struct dlq *d = state;
	if (!d->channel[0])
		pick_channel(d, c, 0);
	finder_fetch(&d->finder);
	if (d->channel[0])
		list_fetch(&d->list);
}

static void draw_channels(const struct dlq *d, const struct console *c, struct rect area)
{
	const cJSON *ch;
	int x = area.x + 1, end = area.x + area.width;
	cJSON_ArrayForEach(ch, json_get(c->status, "channels"))
	{
		const char *name = json_string(ch, "name");
		bool on = name && !strcmp(name, d->channel);
		struct buf b = BUF(1024);
		buf_printf(&b, on ? "[%s " : " %s ", name ? name : "?");
		format_figure(&b, figure_now(c, ch, "dlq_depth"), figure_age(ch, "dlq_depth", c->now), 14);
		buf_puts(&b, on ? "]" : " ");
		x += paint(area.y, x, end - x, on ? ROLE_TITLE : ROLE_FAINT, TEXT_CLIP, buf_str(&b)) + 1;
		buf_free(&b);
	}
	struct buf b = BUF(8192);
	wall_time mirrored = time_get(d->list.json, "mirrored_at");
	list_summary(&d->list, &b);
	if (mirrored.ms) {
		struct buf span = BUF(64);
		format_span_short(&span, seconds_between(mirrored, c->now));
		buf_puts(&b, "  ");
		buf_printf(&b, _("queue looked at %s ago"), buf_str(&span));
		buf_free(&span);
	} else if (d->list.loaded) {
		buf_printf(&b, "  %s", _("queue not looked at yet"));
	}
	struct buf left = BUF(8192);
	finder_describe(&d->finder, &left);
	finder_draw_line(&left, &b, (struct rect){ area.y, x, 1, end - x });
	buf_free(&left);
	buf_free(&b);
}

static void dlq_draw(void *state, const struct console *c, struct rect area)
{
	struct dlq *d = state;
	draw_channels(d, c, area);
	finder_mark_sort(&d->finder, &d->list);
	d->list.narrowed = d->finder.filter[0] != '\0';
	list_draw(&d->list, (struct rect){ area.y + 1, area.x, area.height - 1, area.width });
}

/* All that match of what stands in this queue. */
static void act_on_all(struct dlq *d, enum bulk_act act)
{
	struct buf filter = BUF(FILTER_BYTES_MAX + 256);
	if (!d->list.loaded || d->list.other)
		return;
	buf_puts(&filter, "dlq:yes");
	buf_printf(&filter, " channel:%s", d->channel);
	if (d->finder.filter[0])
		buf_printf(&filter, " %s", d->finder.filter);
	bulk_ask_filter(d->list.console, act, buf_str(&filter), d->list.seen);
	buf_free(&filter);
}

static void to_failed(struct dlq *d)
{
	const char *id = json_string(list_selected(&d->list), "id");
	char filter[ROW_ID_MAX + 8];
	if (!id)
		return;
	snprintf(filter, sizeof filter, "id:%s", id);
	failed_show_filter(d->list.console, filter, id);
}

static bool dlq_key(void *state, struct console *c, enum action action)
{
	struct dlq *d = state;
	if (list_key(&d->list, action) || finder_key(&d->finder, action))
		return true;
	switch (action) {
	case ACTION_CHANNEL_NEXT:
	case ACTION_CHANNEL_BACK:
		pick_channel(d, c, action == ACTION_CHANNEL_NEXT ? 1 : -1);
		return true;
	case ACTION_CLEAR:
		finder_set(&d->finder, "");
		filter_changed(d);
		return true;
	case ACTION_REDRIVE_ALL:
		act_on_all(d, BULK_REDRIVE);
		return true;
	case ACTION_CANCEL_ALL:
		act_on_all(d, BULK_CANCEL);
		return true;
	case ACTION_ROW:
		to_failed(d);
		return true;
	default:
		return list_act(&d->list, action);
	}
}

static void dlq_renew(void *state)
{
	struct dlq *d = state;
	d->list.due = true;
}

static void dlq_unmark(void *state, const char *id)
{
	struct dlq *d = state;
	list_unmark(&d->list, id);
}

static void dlq_close(void *state)
{
	struct dlq *d = state;
	finder_close(&d->finder);
	list_close(&d->list);
	free(d);
}

void dlq_open(struct screen *s, struct console *c)
{
	struct dlq *d = mem_alloc(sizeof *d);
	d->list = (struct list){ .console = c,
		.columns = dlq_columns,
		.column_count = dlq_column_count,
		.paged = true,
		.markable = true,
		.path = dlq_path,
		.key = row_key,
		.arg = d };
	d->finder = (struct finder){ .console = c, .list = &d->list, .changed = filter_changed, .arg = d };
	list_open(&d->list);
	*s = (struct screen){ .number = 2,
		.name = N_("DLQ"),
		.brief = N_("DLQ"),
		.title = N_("Dead-letter queues"),
		.state = d,
		.scope = dlq_scope,
		.fetch = dlq_fetch,
		.draw = dlq_draw,
		.key = dlq_key,
		.renew = dlq_renew,
		.base = "/v1/failed",
		.unmark = dlq_unmark,
		.close = dlq_close };
}
