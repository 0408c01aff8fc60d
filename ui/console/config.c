/* Screen 7: the configuration in force with the origin of each value, what waits for a restart, and its
 * versions; Enter shows all of a row, `L` has the daemon read it again. */
#include "list.h"

#include "../format.h"

#include "base/json.h"
#include "base/language.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define SEARCH_MAX 200
#define ASK_EVERY_MS 500

struct config {
	struct list values, versions;
	struct console *console;
	bool history;      /* versions are on show */
	char *search;      /* NULL: none */
	struct lines open; /* of the row that is shown whole; no lines: none is */
	int top, width;
	unsigned request; /* the reload, or the question for its answer */
	int64_t ticket;   /* not answered yet; 0: none */
	mono_time asked;
};

/* -- Values ---------------------------------------------------------------------------------------------- */

static const char *shown(const cJSON *row)
{
	const char *value = json_string(row, "value");
	if (json_bool(row, "secret", false))
		return json_bool(row, "set", false) ? _("(set)") : _("(not set)");
	return value ? value : _("(not set)");
}

static void cell_value(const cJSON *row, wall_time now, struct buf *out)
{
	(void)now;
	buf_puts(out, shown(row));
}

static void cell_pending(const cJSON *row, wall_time now, struct buf *out)
{
	const cJSON *pending = json_get(row, "pending");
	const char *value = json_string(pending, "value");
	(void)now;
	if (cJSON_IsObject(pending))
		buf_printf(out, "-> %s", value ? value : _("(not set)"));
	else if (!json_bool(row, "reload", false))
		buf_puts(out, C_("change needs it", "restart"));
}

static enum role value_role(const cJSON *row)
{
	const char *origin = json_string(row, "origin");
	if (cJSON_IsObject(json_get(row, "pending")))
		return ROLE_WARN;
	return origin && !strcmp(origin, "built-in") ? ROLE_FAINT : ROLE_NORMAL;
}

#define TEXT_CELL(name, key)                                                                                 \
	static void name(const cJSON *row, wall_time now, struct buf *out)                                   \
	{                                                                                                    \
		const char *text = json_string(row, key);                                                    \
		(void)now;                                                                                   \
		buf_puts(out, text ? text : "-");                                                            \
	}
TEXT_CELL(cell_id, "id")
TEXT_CELL(cell_origin, "origin")
TEXT_CELL(cell_host, "host")
TEXT_CELL(cell_outcome, "outcome")

static const struct list_column value_columns[] = {
	{ N_("KEY"), 30, 1, 40, 0, TEXT_LEFT, cell_id, value_role },
	{ N_("VALUE"), 16, 3, 60, 0, TEXT_LEFT, cell_value, value_role },
	{ N_("RESTART"), 10, 1, 30, 0, TEXT_LEFT, cell_pending, value_role },
	{ N_("FROM"), 14, 4, 0, 0, TEXT_LEFT, cell_origin, NULL },
};

static void values_path(void *state, struct buf *out)
{
	const struct config *v = state;
	buf_puts(out, "/v1/config");
	path_query(out, "q", v->search);
}

/* -- Versions -------------------------------------------------------------------------------------------- */

static void cell_at(const cJSON *row, wall_time now, struct buf *out)
{
	format_when(out, time_get(row, "at"), WHEN_DAY, now);
}

static void cell_by(const cJSON *row, wall_time now, struct buf *out)
{
	const char *who = json_string(row, "who"), *source = json_string(row, "source");
	(void)now;
	buf_puts(out, who ? who : source ? source : "-");
}

/* "relay.batch 10 -> 3, 2 more"; why, where it was refused. */
static void cell_what(const cJSON *row, wall_time now, struct buf *out)
{
	const cJSON *changes = json_get(row, "changes"), *first = cJSON_GetArrayItem(changes, 0),
	            *reason = cJSON_GetArrayItem(json_get(row, "reasons"), 0);
	const char *key = json_string(first, "key"), *old = json_string(first, "old"),
	           *new = json_string(first, "new");
	(void)now;
	if (cJSON_IsString(reason))
		buf_puts(out, reason->valuestring);
	else if (key)
		buf_printf(out, "%s %s -> %s", key, old ? old : _("(not set)"), new ? new : _("(not set)"));
	if (cJSON_GetArraySize(changes) > 1)
		buf_printf(out, C_("changes of a version", ", %d more"), cJSON_GetArraySize(changes) - 1);
}

static enum role outcome_role(const cJSON *row)
{
	const char *outcome = json_string(row, "outcome");
	return outcome && !strcmp(outcome, "refused") ? ROLE_BAD : ROLE_NORMAL;
}

static const struct list_column version_columns[] = {
	{ N_("VERSION"), 7, 0, 0, 0, TEXT_RIGHT, cell_id, NULL },
	{ N_("AT"), 15, 0, 0, 0, TEXT_LEFT, cell_at, NULL },
	{ N_("OUTCOME"), 7, 0, 0, 0, TEXT_LEFT, cell_outcome, outcome_role },
	{ N_("HOST"), 10, 0, 0, 100, TEXT_LEFT, cell_host, NULL },
	{ N_("BY"), 12, 1, 30, 0, TEXT_LEFT, cell_by, NULL },
	{ N_("WHAT"), 20, 5, 0, 0, TEXT_LEFT, cell_what, NULL },
};

static void versions_path(void *state, struct buf *out)
{
	(void)state;
	buf_puts(out, "/v1/config/history");
}

/* -- One row, whole -------------------------------------------------------------------------------------- */

static void add_fact(struct lines *l, const char *label, const cJSON *row, const char *key)
{
	const char *text = json_string(row, key);
	if (text)
		lines_add(l, ROLE_NORMAL, label, text);
}

static void open_value(struct lines *l, const cJSON *row)
{
	const cJSON *pending = json_get(row, "pending");
	const char *value = json_string(pending, "value");

	lines_head(l, json_string(row, "id"));
	add_fact(l, "", row, "help");
	lines_gap(l);
	lines_add(l, ROLE_NORMAL, C_("value", "in force"), shown(row));
	add_fact(l, C_("value", "from"), row, "origin");
	if (cJSON_IsObject(pending)) {
		lines_add(l, ROLE_WARN, C_("value", "at restart"), value ? value : _("(not set)"));
		add_fact(l, C_("value", "from"), pending, "origin");
	}
	/* TRANSLATORS: a label, and when changes of the value take effect */
	lines_add(l, ROLE_FAINT, C_("value", "changes"),
	        json_bool(row, "reload", false) ? _("while usherd runs") : _("take effect at a restart"));
}

static void open_version(struct lines *l, const cJSON *row, wall_time now)
{
	const cJSON *one;
	struct buf at = BUF(64);

	format_when(&at, time_get(row, "at"), WHEN_FULL, now);
	lines_addf(l, ROLE_TITLE, NULL, _("version %s, %s"), json_string(row, "id"), buf_str(&at));
	buf_free(&at);
	add_fact(l, C_("version", "host"), row, "host");
	add_fact(l, C_("version", "by"), row, "who");
	add_fact(l, C_("version", "source"), row, "source");
	add_fact(l, C_("version", "outcome"), row, "outcome");
	lines_gap(l);
	cJSON_ArrayForEach(one, json_get(row, "reasons")) lines_add(l, ROLE_BAD, NULL, one->valuestring);
	cJSON_ArrayForEach(one, json_get(row, "changes"))
	{
		const char *old = json_string(one, "old"), *new = json_string(one, "new"),
		           *effect = json_string(one, "effect");
		bool applied = effect && !strcmp(effect, "applied");
		lines_addf(l, applied ? ROLE_NORMAL : ROLE_WARN, NULL, "%s: %s -> %s%s%s",
		        json_string(one, "key"), old ? old : _("(not set)"), new ? new : _("(not set)"),
		        applied ? "" : ", ", applied ? "" : effect);
		add_fact(l, C_("version", "  from"), one, "origin");
	}
}

static void open_row(struct config *v)
{
	const cJSON *row = list_selected(v->history ? &v->versions : &v->values);

	if (!row)
		return;
	lines_clear(&v->open);
	v->open.width = v->width;
	v->top = 0;
	if (v->history)
		open_version(&v->open, row, v->console->now);
	else
		open_value(&v->open, row);
}

/* -- Reading it again ------------------------------------------------------------------------------------ */

static void say_result(struct config *v, const cJSON *result)
{
	const char *outcome = json_string(result, "outcome");
	const cJSON *reason, *reasons = json_get(result, "reasons");
	struct buf b = BUF(8192);

	if (outcome && !strcmp(outcome, "refused")) {
		cJSON_ArrayForEach(reason, reasons)
		        buf_printf(&b, "%s%s", b.len ? "; " : "", reason->valuestring);
		note_add(v->console, ROLE_BAD, _("the configuration is refused, nothing has changed: %s"),
		        buf_str(&b));
	} else if (outcome && !strcmp(outcome, "unchanged")) {
		note_add(v->console, ROLE_GOOD, _("the configuration was read again: nothing has changed"));
	} else {
		int changes = cJSON_GetArraySize(json_get(result, "changes"));
		note_add(v->console, ROLE_GOOD,
		        ngettext("the configuration was read again: %d change",
		                "the configuration was read again: %d changes", (unsigned long)changes),
		        changes);
	}
	buf_free(&b);
	console_refresh(v->console);
}

static void on_answer(void *arg, struct reply *reply)
{
	struct config *v = arg;
	v->request = 0;
	console_heard(v->console, reply);
	if (reply->code || json_int(reply->json, "answered", 0) < v->ticket)
		return;
	v->ticket = 0;
	say_result(v, json_get(reply->json, "result"));
}

static void on_asked(void *arg, struct reply *reply)
{
	struct config *v = arg;
	v->request = 0;
	console_heard(v->console, reply);
	if (reply->code)
		note_add(v->console, ROLE_BAD,
		        reply->unsure ? _("the configuration is not known to be read again: %s")
		                      : _("the configuration is not read again: %s"),
		        reply->message);
	else
		v->ticket = json_int(reply->json, "ticket", 0);
}

static void send_reload(struct console *c, void *arg, const char *text)
{
	struct config *v = arg;
	cJSON *body = cJSON_CreateObject();
	(void)text;
	v->request = client_start(c->client, "/v1/config/reload", body, CLIENT_ACT_MS, on_asked, v);
	cJSON_Delete(body);
}

static void ask_reload(struct config *v)
{
	struct lines body = { .width = 68 };

	if (v->request || v->ticket || v->console->down) {
		note_add(v->console, ROLE_WARN,
		        v->console->down ? _("The daemon is unreachable: nothing can be done through it now")
		                         : _("The configuration is being read already: wait for it"));
		return;
	}
	lines_add(&body, ROLE_NORMAL, NULL,
	        _("The daemon on the bar reads its files and its config server again. What is right is in "
	          "force at once; what is wrong changes nothing, and you see why."));
	dialog_confirm(&v->console->dialog, _("Read the configuration again?"), &body, send_reload, v, NULL);
}

/* -- The screen ------------------------------------------------------------------------------------------ */

static enum scope config_scope(const void *state)
{
	return ((const struct config *)state)->history ? SCOPE_VERSIONS : SCOPE_CONFIG;
}

static void config_fetch(void *state, struct console *c)
{
	struct config *v = state;
	list_fetch(v->history ? &v->versions : &v->values);
	if (!v->ticket || v->request || mono_since_ms(v->asked, c->mono) < ASK_EVERY_MS)
		return;
	v->asked = c->mono;
	v->request = client_start(c->client, "/v1/config/reload", NULL, CLIENT_READ_MS, on_answer, v);
}

static void draw_title(const struct config *v, const struct console *c, struct rect area)
{
	const struct list *l = v->history ? &v->versions : &v->values;
	const cJSON *config = json_get(c->status, "config");
	int pending = cJSON_GetArraySize(json_get(config, "pending"));
	struct buf right = BUF(4096), left = BUF(4096);
	bool bad = json_string(config, "refused") != NULL;

	buf_printf(&left, v->history ? _("History, version %lld") : _("In force, version %lld"),
	        (long long)json_int(config, "version", 0));
	if (pending)
		buf_printf(&left,
		        ngettext(", %d waits for a restart", ", %d wait for a restart",
		                (unsigned long)pending),
		        pending);
	if (bad)
		buf_puts(&left, _(", a newer one is refused (v)"));
	if (v->search && !v->history)
		buf_printf(&left, _(", with \"%s\""), v->search);
	if (v->ticket)
		buf_puts(&left, _(", being read again ..."));
	int used = paint(area.y, area.x + 1, area.width - 1,
	        bad       ? ROLE_BAD
	        : pending ? ROLE_WARN
	                  : ROLE_TITLE,
	        TEXT_CLIP, buf_str(&left));
	list_summary(l, &right);
	int x = area.x + 1 + used + 2;
	paint(area.y, x, area.x + area.width - x, ROLE_FAINT, TEXT_RIGHT, buf_str(&right));
	buf_free(&right);
	buf_free(&left);
}

static void config_draw(void *state, const struct console *c, struct rect area)
{
	struct config *v = state;
	struct rect body = { area.y + 1, area.x, area.height - 1, area.width };

	v->width = area.width - 2;
	draw_title(v, c, area);
	if (!v->open.count) {
		list_draw(v->history ? &v->versions : &v->values, body);
		return;
	}
	if (v->top > v->open.count - body.height)
		v->top = v->open.count - body.height;
	if (v->top < 0)
		v->top = 0;
	if (v->open.width != v->width) { /* another size: made anew */
		int top = v->top;
		open_row(v);
		v->top = top;
	}
	paint_lines(&v->open, v->top, (struct rect){ body.y, body.x + 1, body.height, body.width - 2 });
}

static void set_search(struct console *c, void *arg, const char *text)
{
	struct config *v = arg;
	(void)c;
	free(v->search);
	v->search = text && *text ? mem_string(text) : NULL;
	list_restart(&v->values);
}

static void ask_search(struct config *v)
{
	struct lines body = { .width = 60 };
	lines_add(&body, ROLE_NORMAL, NULL,
	        _("A part of a key, of a value, or of where it comes from; empty for all."));
	dialog_input(&v->console->dialog, _("Search"), &body, v->search, false, set_search, v, NULL);
}

static bool open_key(struct config *v, enum action action)
{
	switch (action) {
	case ACTION_DOWN:
		v->top++;
		return true;
	case ACTION_UP:
		v->top--;
		return true;
	case ACTION_READ:
	case ACTION_QUIT:
	case ACTION_OPEN:
		lines_clear(&v->open);
		return true;
	default:
		return false;
	}
}

static bool config_key(void *state, struct console *c, enum action action)
{
	struct config *v = state;
	(void)c;
	if (v->open.count && open_key(v, action))
		return true;
	if (!v->open.count && list_key(v->history ? &v->versions : &v->values, action))
		return true;
	switch (action) {
	case ACTION_OPEN:
		open_row(v);
		return true;
	case ACTION_VERSIONS:
		lines_clear(&v->open);
		v->history = !v->history;
		return true;
	case ACTION_CONFIG_SEARCH:
		ask_search(v);
		return true;
	case ACTION_RELOAD:
		ask_reload(v);
		return true;
	default:
		return false;
	}
}

static void config_renew(void *state)
{
	struct config *v = state;
	v->values.due = v->versions.due = true;
}

static void config_close(void *state)
{
	struct config *v = state;
	if (v->request)
		client_cancel(v->console->client, v->request);
	list_close(&v->values);
	list_close(&v->versions);
	lines_clear(&v->open);
	free(v->search);
	free(v);
}

void config_open(struct screen *s, struct console *c)
{
	struct config *v = mem_alloc(sizeof *v);
	v->console = c;
	v->values = (struct list){ .console = c,
		.columns = value_columns,
		.column_count = ARRAY_LEN(value_columns),
		.whole = true,
		.path = values_path,
		.key = row_key,
		.arg = v };
	v->versions = (struct list){ .console = c,
		.columns = version_columns,
		.column_count = ARRAY_LEN(version_columns),
		.paged = true,
		.path = versions_path,
		.key = row_key,
		.arg = v };
	list_open(&v->values);
	list_open(&v->versions);
	*s = (struct screen){ .number = 7,
		.name = N_("Config"),
		.brief = N_("Conf"),
		.title = N_("Config"),
		.state = v,
		.scope = config_scope,
		.fetch = config_fetch,
		.draw = config_draw,
		.key = config_key,
		.renew = config_renew,
		.close = config_close };
}
