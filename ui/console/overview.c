/* Screen 1: is anything wrong, since when, is it getting worse, is usher already on it? Drawn from the
 * status that the console fetches for everybody. */
#include "screen.h"

#include "../format.h"

#include "base/json.h"
#include "base/language.h"
#include "base/mem.h"

#include <string.h>

#define VERDICT_LINES_MAX 5
#define FIGURES 5
#define NAME_WIDTH 10
#define OLDEST_WIDTH 8
#define SPARK_MAX 60
#define CHANNEL_LINES 4
#define FOOT_LINES 4
#define FOOT_NAME_WIDTH 10
#define FLEET_WHOLE_WIDTH 120 /* columns from which each daemon is told of */

struct overview {
	int selected; /* of the channels: the one that keys act on */
};

struct at { /* where the next line goes */
	int y, end, x, width;
};

static const char *word(const cJSON *object, const char *key)
{
	const char *text = json_string(object, key);
	return text && *text ? text : "-";
}

static double number(const cJSON *object, const char *key)
{
	const cJSON *n = json_get(object, key);
	return cJSON_IsNumber(n) ? n->valuedouble : -1;
}

static void draw_verdict(const struct console *c, struct at *at)
{
	struct lines v = { .width = at->width - 2 };
	struct buf age = BUF(256);
	v.label_width = VERDICT_LABEL;
	if (age_text(&age, c->status_at, c->now)) /* "nothing is wrong" would be a guess */
		lines_addf(&v, ROLE_BAD, "!!", _("not known now; this is %s:"), buf_str(&age));
	buf_free(&age);
	facts_verdict(&v, c->status, c->now);
	int most = at->end - at->y > 19 + VERDICT_LINES_MAX ? at->end - at->y - 19 : VERDICT_LINES_MAX;
	int shown = v.count > most ? most - 1 : v.count;
	paint_lines(&v, 0, (struct rect){ at->y, at->x + 1, shown, at->width - 2 });
	at->y += shown;
	if (shown < v.count)
		paintf(at->y++, at->x + 4, at->width - 4, ROLE_WARN, _("and %d more: usher status"),
		        v.count - shown);
	at->y++;
	lines_clear(&v);
}

static int figure_width(int width)
{
	int w = (width - NAME_WIDTH - OLDEST_WIDTH - 2) / FIGURES;
	return w > 18 ? 18 : w;
}

static void draw_titles(const struct at *at)
{
	static const char *const titles[FIGURES] = { N_("VISIBLE"), N_("IN FLIGHT"), N_("RETRYING"),
		N_("DLQ"), N_("DEAD") };
	int w = figure_width(at->width), x = at->x + NAME_WIDTH;
	paint(at->y, at->x + 1, NAME_WIDTH, ROLE_HEAD, TEXT_LEFT, _("CHANNEL"));
	for (int i = 0; i < FIGURES; i++, x += w)
		paint(at->y, x, w, ROLE_HEAD, TEXT_RIGHT, _(titles[i]));
	paint(at->y, x, OLDEST_WIDTH, ROLE_HEAD, TEXT_RIGHT, C_("the longest wait in a queue", "OLDEST"));
}

static void draw_figures(const struct console *c, const cJSON *ch, const struct at *at)
{
	static const char *const keys[FIGURES] = { "visible", "in_flight", "retrying", "dlq_depth", "dead" };
	int w = figure_width(at->width), x = at->x + NAME_WIDTH;
	bool whole = seconds_between(c->status_at, c->now) > OLD_AFTER_S;
	struct buf b = BUF(256);
	paint(at->y, at->x + 1, NAME_WIDTH - 1, ROLE_TITLE, TEXT_LEFT, word(ch, "name"));
	for (int i = 0; i < FIGURES; i++, x += w) {
		struct figure f = figure_now(c, ch, keys[i]);
		buf_clear(&b);
		/* when all are old, all read alike */
		format_figure(&b, f, figure_age(ch, keys[i], c->now), whole ? w - 2 : w - 1);
		enum role role = f.kind == FIGURE_STALE || f.kind == FIGURE_NONE ? ROLE_FAINT : ROLE_NORMAL;
		if (role == ROLE_NORMAL && i >= 3 && f.value > 0)
			role = ROLE_WARN;
		paint(at->y, x, w, role, TEXT_RIGHT, buf_str(&b));
	}
	buf_clear(&b);
	format_span_short(&b, json_int(ch, "oldest_age_s", -1));
	paint(at->y, x, OLDEST_WIDTH, ROLE_NORMAL, TEXT_RIGHT, buf_str(&b));
	buf_free(&b);
}

static int paint_rate(int y, int x, int width, enum role role, const char *name, double rate)
{
	struct buf b = BUF(128);
	buf_printf(&b, "%s ", name);
	format_rate(&b, rate);
	int used = paint(y, x, width, role, TEXT_CLIP, buf_str(&b));
	buf_free(&b);
	return used;
}

static void draw_rates(const cJSON *ch, const struct at *at, int spark)
{
	const cJSON *rates = json_get(ch, "rates");
	double fail = number(rates, "fail_per_s");
	int x = at->x + 3, end = at->x + at->width;
	struct buf b = BUF(1024);
	paint_rate(at->y, x, 14, ROLE_NORMAL, C_("rate", "out"), number(rates, "out_per_s"));
	format_spark(&b, json_get(json_get(ch, "history"), "out"), spark);
	paint(at->y, x + 15, spark, ROLE_GOOD, TEXT_LEFT, buf_str(&b));
	x += 15 + spark + 2;
	paint_rate(at->y, x, 14, ROLE_NORMAL, C_("rate", "in"), number(rates, "in_per_s"));
	paint_rate(at->y, x + 14, end - x - 14, fail > 0 ? ROLE_BAD : ROLE_NORMAL, C_("rate", "fail"), fail);
	buf_free(&b);
}

static void draw_depth(const cJSON *ch, const struct at *at, int spark)
{
	static const char *const words[] = { [TREND_NONE] = N_("depth"),
		[TREND_DOWN] = N_("depth, falling"),
		[TREND_LEVEL] = N_("depth, level"),
		[TREND_UP] = N_("depth, rising") };
	const cJSON *depth = json_get(json_get(ch, "history"), "depth");
	enum trend trend = trend_of(depth);
	int x = at->x + 3;
	struct buf b = BUF(1024);
	format_spark(&b, depth, spark);
	paint(at->y, x, 15, ROLE_NORMAL, TEXT_CLIP, _(words[trend]));
	paint(at->y, x + 15, spark, trend == TREND_UP ? ROLE_WARN : ROLE_ACCENT, TEXT_LEFT, buf_str(&b));
	x += 15 + spark + 2;
	paintf(at->y, x, at->x + at->width - x, ROLE_NORMAL,
	        _("sending %lld, holding %lld, connections %lld"), (long long)json_int(ch, "sending", 0),
	        (long long)json_int(ch, "holding", 0), (long long)json_int(ch, "connections", 0));
	buf_free(&b);
}

static void draw_service(const struct console *c, const cJSON *ch, const struct at *at)
{
	enum role role = ROLE_NORMAL;
	struct buf b = BUF(4096), limit = BUF(4096);
	int64_t due = json_int(ch, "next_due_s", -1);
	facts_paused(&b, ch, c->now);
	if (b.len > 0) {
		role = ROLE_BAD;
		buf_puts(&b, "; ");
	}
	if (!json_bool(ch, "enabled", true))
		buf_puts(&b, _("switched off in the configuration"));
	else if (facts_breaker(&b, ch, c->now))
		role = ROLE_BAD;
	if (due >= 0 && role == ROLE_NORMAL) {
		struct buf span = BUF(64);
		format_span(&span, due);
		buf_puts(&b, ", ");
		buf_printf(&b, _("next retry in %s"), buf_str(&span));
		buf_free(&span);
	}
	if (facts_limit(&limit, ch) && role == ROLE_NORMAL)
		role = ROLE_WARN;
	if (limit.len > 0)
		buf_printf(&b, ", %s", buf_str(&limit));
	paint(at->y, at->x + 3, at->width - 3, role, TEXT_CLIP, buf_str(&b));
	buf_free(&b);
	buf_free(&limit);
}

/* `room`: there is a line to spare for a gap. */
static void draw_channel(const struct console *c, const cJSON *ch, struct at *at, bool room, bool selected)
{
	int spark = at->width - 62;
	spark = spark > SPARK_MAX ? SPARK_MAX : spark < 10 ? 10 : spark;
	draw_figures(c, ch, at);
	if (selected)
		paint(at->y, at->x, 1, ROLE_ACCENT, TEXT_CLIP, ">");
	at->y++;
	draw_rates(ch, at, spark);
	at->y++;
	draw_depth(ch, at, spark);
	at->y++;
	draw_service(c, ch, at);
	at->y += room ? 2 : 1;
}

static void draw_foot(const struct at *at, enum role role, const char *name, const char *text)
{
	paint(at->y, at->x + 1, FOOT_NAME_WIDTH, ROLE_HEAD, TEXT_LEFT, name);
	paint(at->y, at->x + 1 + FOOT_NAME_WIDTH, at->width - 1 - FOOT_NAME_WIDTH, role, TEXT_CLIP, text);
}

static void draw_outbox(const struct console *c, const struct at *at)
{
	const cJSON *outbox = json_get(c->status, "outbox");
	int64_t oldest = json_int(outbox, "oldest_age_s", -1);
	bool failing = json_bool(outbox, "failing", false);
	struct buf b = BUF(1024), part = BUF(128);
	format_figure(&part, figure_now(c, outbox, "waiting"), figure_age(outbox, "waiting", c->now), 20);
	buf_printf(&b, _("%s waiting"), buf_str(&part));
	if (oldest >= 0) {
		buf_clear(&part);
		format_span(&part, oldest);
		buf_puts(&b, ", ");
		buf_printf(&b, _("oldest %s"), buf_str(&part));
	}
	buf_clear(&part);
	format_rate(&part, number(outbox, "published_per_s"));
	buf_puts(&b, ", ");
	buf_printf(&b, _("published %s"), buf_str(&part));
	if (failing)
		buf_printf(&b, ", %s", _("publishing FAILS"));
	draw_foot(at, failing ? ROLE_BAD : ROLE_NORMAL, _("OUTBOX"), buf_str(&b));
	buf_free(&b);
	buf_free(&part);
}

static void draw_peers(const struct console *c, const struct at *at)
{
	const cJSON *database = json_get(c->status, "database"), *broker = json_get(c->status, "broker");
	bool base = json_bool(database, "up", false), carrier = json_bool(broker, "up", false);
	struct buf b = BUF(1024);
	buf_puts(&b, base ? _("database up") : _("database DOWN"));
	facts_since(&b, database, "since", c->now);
	buf_puts(&b, ", ");
	buf_printf(&b, carrier ? _("broker (%s) up") : _("broker (%s) DOWN"), word(c->status, "driver"));
	draw_foot(at, base && carrier ? ROLE_NORMAL : ROLE_BAD, _("PEERS"), buf_str(&b));
	buf_free(&b);
}

static void draw_fleet(const struct console *c, const struct at *at)
{
	struct buf b = BUF(16384);
	bool well = facts_fleet(&b, c->status, c->now, at->width >= FLEET_WHOLE_WIDTH);
	draw_foot(at, well ? ROLE_NORMAL : ROLE_WARN, _("FLEET"), buf_str(&b));
	buf_free(&b);
}

static void draw_daemon(const struct console *c, const struct at *at)
{
	struct buf b = BUF(1024), span = BUF(64);
	format_span(&span, json_int(c->status, "uptime_s", 0));
	buf_printf(&b, _("usherd %s on %s, pid %lld, up %s"), word(c->status, "version"),
	        word(c->status, "host"), (long long)json_int(c->status, "pid", 0), buf_str(&span));
	buf_puts(&b, ", ");
	buf_printf(&b, c->read_only ? _("you are %s (read-only)") : _("you are %s (may act)"),
	        word(c->status, "operator"));
	draw_foot(at, ROLE_NORMAL, _("DAEMON"), buf_str(&b));
	buf_free(&b);
	buf_free(&span);
}

static void draw_no_status(const struct console *c, struct rect area)
{
	struct lines l = { .width = area.width - 4 };
	if (c->down)
		lines_addf(&l, ROLE_NORMAL, NULL,
		        _("The daemon has not answered since this console was opened.\n\n%s"), c->down_why);
	else
		lines_add(&l, ROLE_FAINT, NULL, _("Asking the daemon ..."));
	paint_lines(&l, 0, (struct rect){ area.y + 1, area.x + 2, area.height - 1, area.width - 4 });
	lines_clear(&l);
}

static void overview_draw(void *state, const struct console *c, struct rect area)
{
	const struct overview *o = state;
	int drawn = 0;
	struct at at = { area.y, area.y + area.height, area.x, area.width };
	if (!c->status) {
		draw_no_status(c, area);
		return;
	}
	draw_verdict(c, &at);
	draw_titles(&at);
	at.y++;
	const cJSON *channels = json_get(c->status, "channels"), *ch;
	int count = cJSON_GetArraySize(channels);
	bool room = at.end - at.y >= count * (CHANNEL_LINES + 1) + FOOT_LINES;
	cJSON_ArrayForEach(ch, channels)
	{
		if (at.y + CHANNEL_LINES <= at.end)
			draw_channel(c, ch, &at, room, drawn == o->selected);
		drawn++;
	}
	static void (*const foot[FOOT_LINES])(const struct console *, const struct at *) = { draw_outbox,
		draw_peers, draw_fleet, draw_daemon };
	for (int i = 0; i < FOOT_LINES && at.y < at.end; i++, at.y++)
		foot[i](c, &at);
}

static enum scope overview_scope(const void *state)
{
	(void)state;
	return SCOPE_OVERVIEW;
}

static void overview_fetch(void *state, struct console *c)
{
	(void)state;
	(void)c; /* the console fetches the status for all screens */
}

static bool overview_key(void *state, struct console *c, enum action action)
{
	struct overview *o = state;
	const cJSON *channels = json_get(c->status, "channels");
	int last = cJSON_GetArraySize(channels) - 1;
	const char *name = json_string(cJSON_GetArrayItem(channels, o->selected), "name");
	if (action == ACTION_QUEUE && name)
		dlq_show(c, name);
	else if (action == ACTION_PAUSE)
		pause_ask(c, cJSON_GetArrayItem(channels, o->selected));
	else if (action == ACTION_DOWN)
		o->selected = o->selected < last ? o->selected + 1 : o->selected;
	else if (action == ACTION_UP)
		o->selected = o->selected > 0 ? o->selected - 1 : 0;
	else
		return false;
	return true;
}

static void overview_nothing(void *state)
{
	(void)state;
}

static void overview_close(void *state)
{
	free(state);
}

void overview_open(struct screen *s)
{
	*s = (struct screen){ .number = 1,
		.name = N_("Overview"),
		.brief = N_("Over"),
		.title = N_("Overview"),
		.state = mem_alloc(sizeof(struct overview)),
		.scope = overview_scope,
		.fetch = overview_fetch,
		.draw = overview_draw,
		.key = overview_key,
		.renew = overview_nothing,
		.close = overview_close };
}
