/* Screen 4: deliveries that failed and wait for their next attempt, soonest first. */
#include "list.h"

#include "base/language.h"
#include "base/mem.h"

struct retrying {
	struct list list;
};

static enum scope retrying_scope(const void *state)
{
	(void)state;
	return SCOPE_RETRYING;
}

static void retrying_path(void *state, struct buf *out)
{
	(void)state;
	buf_puts(out, "/v1/retrying");
}

static void retrying_fetch(void *state, struct console *c)
{
	struct retrying *r = state;
	(void)c;
	list_fetch(&r->list);
}

static void retrying_draw(void *state, const struct console *c, struct rect area)
{
	struct retrying *r = state;
	struct buf b = BUF(4096);
	(void)c;
	int used = paint(area.y, area.x + 1, area.width - 1, ROLE_TITLE, TEXT_CLIP, _("soonest first"));
	int x = area.x + 1 + used + 2;
	list_summary(&r->list, &b);
	paint(area.y, x, area.x + area.width - x, ROLE_FAINT, TEXT_RIGHT, buf_str(&b));
	buf_free(&b);
	list_draw(&r->list, (struct rect){ area.y + 1, area.x, area.height - 1, area.width });
}

static bool retrying_key(void *state, struct console *c, enum action action)
{
	struct retrying *r = state;
	(void)c;
	return list_key(&r->list, action) || list_act(&r->list, action);
}

static void retrying_renew(void *state)
{
	struct retrying *r = state;
	r->list.due = true;
}

static void retrying_unmark(void *state, const char *id)
{
	struct retrying *r = state;
	list_unmark(&r->list, id);
}

static void retrying_close(void *state)
{
	struct retrying *r = state;
	list_close(&r->list);
	free(r);
}

void retrying_open(struct screen *s, struct console *c)
{
	struct retrying *r = mem_alloc(sizeof *r);
	r->list = (struct list){ .console = c,
		.columns = retrying_columns,
		.column_count = retrying_column_count,
		.paged = true,
		.markable = true,
		.path = retrying_path,
		.key = row_key,
		.open = console_open_delivery };
	list_open(&r->list);
	*s = (struct screen){ .number = 4,
		.name = N_("Retrying"),
		.brief = N_("Retry"),
		.title = N_("Deliveries that wait for a retry"),
		.state = r,
		.scope = retrying_scope,
		.fetch = retrying_fetch,
		.draw = retrying_draw,
		.key = retrying_key,
		.renew = retrying_renew,
		.base = "/v1/retrying",
		.unmark = retrying_unmark,
		.close = retrying_close };
}
