/* Screen 5: redrive jobs, of operators and of usher itself: how far each is, what came of it, and why it
 * waits or stopped. Keys pause, resume and stop the selected one, and take back what it cancelled. */
#include "bulk.h"
#include "list.h"

#include "../format.h"

#include "base/json.h"
#include "base/language.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define BAR_WIDTH 12
#define PANE_LINES 7 /* of the selected job, with the rule above */
#define LIST_LINES_LEAST 6

struct redrives {
	struct list list;
	struct console *console;
	/* the act that is asked about, or under way */
	char id[ROW_ID_MAX];
	const char *act; /* "pause", "resume", "stop" */
	int64_t version;
	bool running;
};

/* -- Columns ---------------------------------------------------------------------------------------- */

static const char *text_of(const cJSON *row, const char *key)
{
	const char *text = json_string(row, key);
	return text ? text : "-";
}

static bool is(const cJSON *row, const char *state)
{
	return !strcmp(text_of(row, "state"), state);
}

static bool is_of(const cJSON *row, const char *act)
{
	return !strcmp(text_of(row, "act"), act);
}

/* A daemon that knows no other act does not say it. */
static bool sends(const cJSON *row)
{
	return !is_of(row, "cancel") && !is_of(row, "restore");
}

#define TEXT_CELL(name, key)                                                                                 \
	static void name(const cJSON *row, wall_time now, struct buf *out)                                   \
	{                                                                                                    \
		(void)now;                                                                                   \
		buf_puts(out, text_of(row, key));                                                            \
	}
TEXT_CELL(cell_id, "id")
TEXT_CELL(cell_channel, "channel")
TEXT_CELL(cell_class, "class")
TEXT_CELL(cell_by, "created_by")

#define COUNT_CELL(name, key)                                                                                \
	static void name(const cJSON *row, wall_time now, struct buf *out)                                   \
	{                                                                                                    \
		(void)now;                                                                                   \
		format_count(out, json_int(row, key, 0));                                                    \
	}
COUNT_CELL(cell_sent, "sent")

/* Of what a redrive sends; the others send nothing. */
#define OUTCOME_CELL(name, key)                                                                              \
	static void name(const cJSON *row, wall_time now, struct buf *out)                                   \
	{                                                                                                    \
		(void)now;                                                                                   \
		if (sends(row))                                                                              \
			format_count(out, json_int(row, key, 0));                                            \
		else                                                                                         \
			buf_putc(out, '-');                                                                  \
	}
OUTCOME_CELL(cell_delivered, "delivered")
OUTCOME_CELL(cell_failed, "failed_again")

static void cell_state(const cJSON *row, wall_time now, struct buf *out)
{
	(void)now;
	buf_puts(out, is(row, "running") && json_string(row, "waits") ? "waiting" : text_of(row, "state"));
}

/* In plain characters, so that it reads the same on every terminal. */
static void cell_bar(const cJSON *row, wall_time now, struct buf *out)
{
	int64_t total = json_int(row, "total", 0),
	        gone = json_int(row, "sent", 0) + json_int(row, "skipped", 0);
	bool capped = json_bool(row, "total_capped", false);
	int64_t full = is(row, "done") ? BAR_WIDTH : total > 0 && !capped ? gone * BAR_WIDTH / total : 0;
	(void)now;
	if (capped && !is(row, "done")) {
		struct buf most = BUF(32);
		format_count(&most, total);
		buf_printf(out, _("of %s+"), buf_str(&most));
		buf_free(&most);
		return;
	}
	for (int64_t i = 0; i < BAR_WIDTH; i++)
		buf_putc(out, i < full ? '#' : '.');
}

static void cell_age(const cJSON *row, wall_time now, struct buf *out)
{
	format_span_short(out, seconds_between(time_get(row, "created_at"), now));
}

static void cell_why(const cJSON *row, wall_time now, struct buf *out)
{
	const char *act = is_of(row, "cancel")    ? C_("what a job does", "cancel")
	                  : is_of(row, "restore") ? C_("what a job does", "restore")
	                                          : NULL;
	const char *why = json_string(row, "why") ? json_string(row, "why") : json_string(row, "reason");
	(void)now;
	if (act)
		buf_printf(out, why || json_string(row, "waits") ? "%s: " : "%s", act);
	if (json_string(row, "waits"))
		buf_printf(out, _("waits: %s"), text_of(row, "waits"));
	else
		buf_puts(out, why ? why : act ? "" : "-");
}

static enum role state_role(const cJSON *row)
{
	if (is(row, "stopped"))
		return ROLE_BAD;
	if (is(row, "done"))
		return ROLE_GOOD;
	return is(row, "paused") || json_string(row, "waits") ? ROLE_WARN : ROLE_ACCENT;
}

static enum role failed_role(const cJSON *row)
{
	return json_int(row, "failed_again", 0) ? ROLE_BAD : ROLE_NORMAL;
}

static const struct list_column columns[] = {
	{ N_("ID"), 5, 0, 0, 0, TEXT_RIGHT, cell_id, NULL },
	{ N_("STATE"), 7, 0, 0, 0, TEXT_LEFT, cell_state, state_role },
	{ N_("PROGRESS"), BAR_WIDTH, 0, 0, 0, TEXT_LEFT, cell_bar, NULL },
	{ N_("DONE"), 7, 0, 0, 0, TEXT_RIGHT, cell_sent, NULL },
	{ N_("DELIV'D"), 7, 0, 0, 0, TEXT_RIGHT, cell_delivered, NULL },
	{ N_("FAILED"), 6, 0, 0, 0, TEXT_RIGHT, cell_failed, failed_role },
	{ N_("CHANNEL"), 7, 0, 0, 100, TEXT_LEFT, cell_channel, NULL },
	{ N_("CLASS"), 15, 0, 0, 120, TEXT_LEFT, cell_class, NULL },
	{ N_("AGE"), 4, 0, 0, 0, TEXT_RIGHT, cell_age, NULL },
	{ N_("BY"), 6, 1, 16, 0, TEXT_LEFT, cell_by, NULL },
	{ N_("WHY"), 10, 6, 0, 0, TEXT_LEFT, cell_why, NULL },
};

/* -- The screen ---------------------------------------------------------------------------------------- */

static enum scope redrives_scope(const void *state)
{
	(void)state;
	return SCOPE_REDRIVES;
}

static void redrives_path(void *state, struct buf *out)
{
	(void)state;
	buf_puts(out, "/v1/redrives");
}

/* What moves is looked at as often as the status. */
static void redrives_fetch(void *state, struct console *c)
{
	struct redrives *r = state;
	for (int i = 0; i < r->list.count && !c->down; i++)
		if (is(r->list.rows[i], "running") &&
		        mono_since_ms(r->list.asked, c->mono) >= STATUS_EVERY_MS)
			r->list.due = true;
	list_fetch(&r->list);
}

static void draw_pane(const struct redrives *r, struct rect area)
{
	const cJSON *job = list_selected(&r->list);
	struct lines l = { .width = area.width - 2 };
	paint_rule(area.y, area.x, area.width);
	if (job)
		facts_redrive(&l, job, r->console->now);
	paint_lines(&l, 0, (struct rect){ area.y + 1, area.x + 1, area.height - 1, area.width - 2 });
	lines_clear(&l);
}

static void redrives_draw(void *state, const struct console *c, struct rect area)
{
	struct redrives *r = state;
	struct buf right = BUF(4096);
	int pane = area.height - 1 - PANE_LINES >= LIST_LINES_LEAST ? PANE_LINES : 0;
	(void)c;
	list_summary(&r->list, &right);
	int used = paint(area.y, area.x + 1, area.width - 1, ROLE_TITLE, TEXT_CLIP,
	        _("jobs, newest first; in Failed A redrives and C cancels all that match"));
	paint(area.y, area.x + used + 3, area.width - used - 3, ROLE_FAINT, TEXT_RIGHT, buf_str(&right));
	buf_free(&right);
	list_draw(&r->list, (struct rect){ area.y + 1, area.x, area.height - 1 - pane, area.width });
	if (pane)
		draw_pane(r, (struct rect){ area.y + area.height - pane, area.x, pane, area.width });
}

/* -- Acts ------------------------------------------------------------------------------------------------ */

static void on_done(void *arg, struct reply *reply)
{
	struct redrives *r = arg;
	r->running = false;
	console_heard(r->console, reply);
	if (reply->code == 0)
		note_add(r->console, ROLE_GOOD, _("job %s: %s"), r->id, text_of(reply->json, "state"));
	else
		note_add(r->console, ROLE_BAD,
		        reply->unsure ? _("job %s: it is not known whether this was done: %s")
		                      : _("job %s: not done: %s"),
		        r->id, reply->message);
	console_refresh(r->console);
}

static void answered(struct console *c, void *arg, const char *text)
{
	struct redrives *r = arg;
	struct buf path = BUF(4096);
	cJSON *body = cJSON_CreateObject();
	buf_puts(&path, "/v1/redrives");
	path_segment(&path, r->id);
	path_segment(&path, r->act);
	if (r->version >= 0)
		json_add_int(body, "version", r->version);
	if (text && *text)
		json_add_string(body, "reason", text);
	r->running = true;
	client_start(c->client, buf_str(&path), body, CLIENT_ACT_MS, on_done, r);
	cJSON_Delete(body);
	buf_free(&path);
}

static void ask(struct redrives *r, const char *act)
{
	const cJSON *job = list_selected(&r->list);
	struct lines body = { .width = 68 };
	struct buf b = BUF(4096), title = BUF(256);
	snprintf(r->id, sizeof r->id, "%s", text_of(job, "id"));
	r->act = act;
	r->version = json_int(job, "version", -1);
	buf_printf(&title,
	        !strcmp(act, "stop")    ? _("Stop job %s")
	        : !strcmp(act, "pause") ? _("Pause job %s?")
	                                : _("Resume job %s?"),
	        r->id);
	facts_redrive_progress(&b, job);
	lines_add(&body, ROLE_NORMAL, NULL, buf_str(&b));
	buf_free(&b);
	if (strcmp(act, "stop") != 0) {
		dialog_confirm(&r->console->dialog, buf_str(&title), &body, answered, r, NULL);
		buf_free(&title);
		return;
	}
	lines_add(&body, ROLE_FAINT, NULL,
	        sends(job) ? _("It does not go on after this; what is not sent stays dead. Say "
	                       "why, for who comes after "
	                       "you:")
	                   : _("It does not go on after this; the rest stays as it is. Say why, "
	                       "for who comes after you:"));
	dialog_input(&r->console->dialog, buf_str(&title), &body, NULL, true, answered, r, NULL);
	buf_free(&title);
}

static void act_on(struct redrives *r, bool stop)
{
	const cJSON *job = list_selected(&r->list);
	struct console *c = r->console;
	if (!job)
		return;
	if (r->running)
		note_add(c, ROLE_WARN, _("The act before is still being sent: wait for it"));
	else if (c->down)
		note_add(c, ROLE_WARN, _("The daemon is unreachable: nothing can be done through it now"));
	else if (!is(job, "running") && !is(job, "paused"))
		note_add(c, ROLE_WARN, _("job %s is %s: it is over"), text_of(job, "id"),
		        text_of(job, "state"));
	else if (stop)
		ask(r, "stop");
	else if (is(job, "paused"))
		ask(r, "resume");
	else
		ask(r, "pause");
}

static void restore(struct redrives *r)
{
	const cJSON *job = list_selected(&r->list);
	if (!job)
		return;
	if (is_of(job, "cancel"))
		bulk_ask_job(r->console, text_of(job, "id"));
	else
		note_add(r->console, ROLE_WARN, _("job %s cancels nothing: there is nothing to restore"),
		        text_of(job, "id"));
}

static bool redrives_key(void *state, struct console *c, enum action action)
{
	struct redrives *r = state;
	(void)c;
	if (list_key(&r->list, action))
		return true;
	if (action == ACTION_JOB_RESTORE)
		restore(r);
	else if (action == ACTION_JOB_PAUSE || action == ACTION_JOB_STOP)
		act_on(r, action == ACTION_JOB_STOP);
	else
		return false;
	return true;
}

static void redrives_renew(void *state)
{
	struct redrives *r = state;
	r->list.due = true;
}

static void redrives_close(void *state)
{
	struct redrives *r = state;
	list_close(&r->list);
	free(r);
}

void redrives_open(struct screen *s, struct console *c)
{
	struct redrives *r = mem_alloc(sizeof *r);
	r->console = c;
	r->list = (struct list){ .console = c,
		.columns = columns,
		.column_count = ARRAY_LEN(columns),
		.paged = true,
		.path = redrives_path,
		.key = row_key,
		.arg = r };
	list_open(&r->list);
	*s = (struct screen){ .number = 5,
		.name = N_("Redrives"),
		.brief = N_("Jobs"),
		.title = N_("Redrive jobs"),
		.state = r,
		.scope = redrives_scope,
		.fetch = redrives_fetch,
		.draw = redrives_draw,
		.key = redrives_key,
		.renew = redrives_renew,
		.close = redrives_close };
}
