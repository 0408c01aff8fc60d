/* Screen 6: what is raised, and what was; `a` says that you are on it. */
#include "list.h"

#include "../format.h"

#include "base/json.h"
#include "base/language.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

struct alarms {
	struct list list;
	struct console *console;
	char asked[ROW_ID_MAX]; /* the alarm of the open question */
	unsigned request;       /* the acknowledgement under way */
};

/* -- Columns ------------------------------------------------------------------------------------------ */

static void add_text(const cJSON *row, const char *key, struct buf *out)
{
	const char *text = json_string(row, key);
	buf_puts(out, text ? text : "-");
}

#define TEXT_CELL(name, key)                                                                                 \
	static void name(const cJSON *row, wall_time now, struct buf *out)                                   \
	{                                                                                                    \
		(void)now;                                                                                   \
		add_text(row, key, out);                                                                     \
	}
TEXT_CELL(cell_id, "id")
TEXT_CELL(cell_severity, "severity")
TEXT_CELL(cell_state, "state")
TEXT_CELL(cell_name, "name")
TEXT_CELL(cell_channel, "channel")
TEXT_CELL(cell_acked, "acked_by")
TEXT_CELL(cell_words, "text")

static void cell_since(const cJSON *row, wall_time now, struct buf *out)
{
	wall_time at = time_get(row, "raised_at");
	format_span_short(out, at.ms ? seconds_between(at, now) : -1);
}

static void cell_lasted(const cJSON *row, wall_time now, struct buf *out)
{
	wall_time from = time_get(row, "raised_at"), to = time_get(row, "cleared_at");
	format_span_short(out, from.ms ? seconds_between(from, to.ms ? to : now) : -1);
}

/* "2 of 3": who has been told by now. */
static void cell_told(const cJSON *row, wall_time now, struct buf *out)
{
	const cJSON *notice;
	int all = 0, sent = 0;
	(void)now;
	cJSON_ArrayForEach(notice, json_get(row, "notices"))
	{
		const char *state = json_string(notice, "state");
		all++;
		sent += state && !strcmp(state, "sent");
	}
	if (sent == all)
		buf_puts(out, all ? C_("told", "all") : "-");
	else /* TRANSLATORS: so many of so many were told; it has 7 columns */
		buf_printf(out, C_("told", "%d of %d"), sent, all);
}

static enum role state_role(const cJSON *row)
{
	const char *state = json_string(row, "state"), *severity = json_string(row, "severity");
	if (!state || strcmp(state, "raised") != 0)
		return ROLE_FAINT;
	return json_string(row, "acked_by")                ? ROLE_NORMAL
	       : severity && !strcmp(severity, "critical") ? ROLE_BAD
	                                                   : ROLE_WARN;
}

static const struct list_column columns[] = {
	{ N_("ID"), 6, 0, 0, 0, TEXT_RIGHT, cell_id, NULL },
	{ N_("STATE"), 7, 0, 0, 0, TEXT_LEFT, cell_state, state_role },
	{ N_("SEVERITY"), 8, 0, 0, 0, TEXT_LEFT, cell_severity, state_role },
	{ N_("ALARM"), 12, 1, 32, 0, TEXT_LEFT, cell_name, NULL },
	{ N_("CHANNEL"), 7, 0, 0, 0, TEXT_LEFT, cell_channel, NULL },
	{ N_("SINCE"), 5, 0, 0, 0, TEXT_RIGHT, cell_since, NULL },
	{ N_("LASTED"), 6, 0, 0, 100, TEXT_RIGHT, cell_lasted, NULL },
	{ N_("TOLD"), 7, 0, 0, 100, TEXT_LEFT, cell_told, NULL },
	{ N_("BY"), 8, 1, 20, 0, TEXT_LEFT, cell_acked, NULL },
	{ N_("WHAT"), 14, 6, 0, 0, TEXT_LEFT, cell_words, NULL },
};

static void alarms_path(void *state, struct buf *out)
{
	(void)state;
	buf_puts(out, "/v1/alarms");
}

/* -- Acknowledging -------------------------------------------------------------------------------------- */

static void on_acked(void *arg, struct reply *reply)
{
	struct alarms *a = arg;
	a->request = 0;
	console_heard(a->console, reply);
	if (reply->code == 0)
		note_add(a->console, ROLE_GOOD, _("alarm %s: acknowledged"), a->asked);
	else
		note_add(a->console, ROLE_BAD,
		        reply->unsure ? _("alarm %s is not known to be acknowledged: %s")
		                      : _("alarm %s is not acknowledged: %s"),
		        a->asked, reply->message);
	console_refresh(a->console);
}

static void send_ack(struct console *c, void *arg, const char *text)
{
	struct alarms *a = arg;
	struct buf path = BUF(4096);
	cJSON *body = cJSON_CreateObject();
	buf_puts(&path, "/v1/alarms");
	path_segment(&path, a->asked);
	path_segment(&path, "ack");
	if (text && text[strspn(text, " ")])
		json_add_string(body, "reason", text);
	a->request = client_start(c->client, buf_str(&path), body, CLIENT_ACT_MS, on_acked, a);
	cJSON_Delete(body);
	buf_free(&path);
}

static void ask(struct alarms *a)
{
	const cJSON *row = list_selected(&a->list);
	const char *id = json_string(row, "id"), *by = json_string(row, "acked_by"),
	           *state = json_string(row, "state"), *name = json_string(row, "name"),
	           *words = json_string(row, "text");
	if (!id)
		return;
	if (!state || strcmp(state, "raised") != 0 || by) {
		if (by)
			note_add(a->console, ROLE_WARN, _("Alarm %s is acknowledged already, by %s"), id, by);
		else
			note_add(a->console, ROLE_WARN, _("Alarm %s is over"), id);
		return;
	}
	if (a->request || a->console->down) {
		note_add(a->console, ROLE_WARN,
		        a->request ? _("The acknowledgement before is still being sent: wait for it")
		                   : _("The daemon is unreachable: nothing can be done through it now"));
		return;
	}
	snprintf(a->asked, sizeof a->asked, "%s", id);
	struct lines body = { .width = 68 };
	lines_addf(&body, ROLE_NORMAL, NULL, "%s: %s", name ? name : "?", words ? words : "");
	lines_add(&body, ROLE_FAINT, NULL, _("Others see your name. A word for them, if you like:"));
	dialog_input(&a->console->dialog, _("Acknowledge the alarm"), &body, NULL, false, send_ack, a, NULL);
}

/* -- The screen -------------------------------------------------------------------------------------------
 */

static enum scope alarms_scope(const void *state)
{
	(void)state;
	return SCOPE_ALARMS;
}

static void alarms_fetch(void *state, struct console *c)
{
	struct alarms *a = state;
	(void)c;
	list_fetch(&a->list);
}

static void alarms_draw(void *state, const struct console *c, struct rect area)
{
	struct alarms *a = state;
	const cJSON *alarms = json_get(c->status, "alarms");
	struct buf right = BUF(4096);
	int64_t unsent = json_int(alarms, "unsent", 0);
	int used = paintf(area.y, area.x + 1, area.width - 1, ROLE_TITLE, _("%lld raised, %lld critical"),
	        (long long)json_int(alarms, "raised", 0), (long long)json_int(alarms, "critical", 0));
	if (unsent)
		used += paintf(area.y, area.x + 1 + used, area.width - 1 - used, ROLE_WARN,
		        _(", notices not sent: %lld"), (long long)unsent);
	list_summary(&a->list, &right);
	int x = area.x + 1 + used + 2;
	paint(area.y, x, area.x + area.width - x, ROLE_FAINT, TEXT_RIGHT, buf_str(&right));
	buf_free(&right);
	list_draw(&a->list, (struct rect){ area.y + 1, area.x, area.height - 1, area.width });
}

static bool alarms_key(void *state, struct console *c, enum action action)
{
	struct alarms *a = state;
	(void)c;
	if (list_key(&a->list, action))
		return true;
	if (action != ACTION_ACK)
		return false;
	ask(a);
	return true;
}

static void alarms_renew(void *state)
{
	struct alarms *a = state;
	a->list.due = true;
}

static void alarms_close(void *state)
{
	struct alarms *a = state;
	if (a->request)
		client_cancel(a->console->client, a->request);
	list_close(&a->list);
	free(a);
}

void alarms_open(struct screen *s, struct console *c)
{
	struct alarms *a = mem_alloc(sizeof *a);
	a->console = c;
	a->list = (struct list){ .console = c,
		.columns = columns,
		.column_count = ARRAY_LEN(columns),
		.paged = true,
		.path = alarms_path,
		.key = row_key,
		.arg = a };
	list_open(&a->list);
	*s = (struct screen){ .number = 6,
		.name = N_("Alarms"),
		.brief = N_("Alarm"),
		.title = N_("Alarms"),
		.state = a,
		.scope = alarms_scope,
		.fetch = alarms_fetch,
		.draw = alarms_draw,
		.key = alarms_key,
		.renew = alarms_renew,
		.close = alarms_close };
}
