/* Acting on rows: ask, send (a few at a time), and say what came of each; see screen.h. An act names the
 * version of the row that the operator saw, so that somebody else's act in between is a conflict and not
 * a surprise. */
#include "bulk.h"

#include "base/json.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define ACTS_AT_ONCE 4
#define REFUSALS_SHOWN_MAX 20

struct act_kind {
	const char *path, *title, *from, *done, *undone, *none;
};
static const struct act_kind kinds[] = {
	[ACT_REDRIVE] = { "redrive", "Redrive", "dead", "queued again", "not redriven",
	        "Only dead rows can be redriven" },
	[ACT_CANCEL] = { "cancel", "Cancel", "dead", "cancelled", "not cancelled",
	        "Only dead rows can be cancelled" },
	[ACT_RESTORE] = { "restore", "Restore", "cancelled", "dead again, can be redriven", "not restored",
	        "Only cancelled rows can be restored" },
};

struct acts {
	struct console *console;
	enum act kind;
	struct row_ref *rows;
	int count, next, running, ended;
	int done, refused;
	bool away;    /* the daemon went: the rest is not tried */
	bool stopped; /* by the operator: likewise */
	char *reason;
};

struct one { /* one request under way */
	struct acts *acts;
	int row;
};

bool act_of(enum action action, enum act *ret)
{
	switch (action) {
	case ACTION_REDRIVE:
		*ret = ACT_REDRIVE;
		return true;
	case ACTION_CANCEL:
		*ret = ACT_CANCEL;
		return true;
	case ACTION_RESTORE:
		*ret = ACT_RESTORE;
		return true;
	default:
		return false;
	}
}

bool acts_running(const struct console *c, int *ret_done, int *ret_all)
{
	*ret_done = c->acts ? c->acts->ended : 0;
	*ret_all = (c->acts ? c->acts->count : 0) + c->pause.running;
	return c->acts || c->pause.running;
}

bool acts_stop(struct console *c)
{
	if (!c->acts || c->acts->next == c->acts->count || c->acts->stopped)
		return false;
	c->acts->stopped = true;
	return true;
}

void acts_free(struct acts *a)
{
	if (!a)
		return;
	free(a->rows);
	free(a->reason);
	free(a);
}

static void drop_acts(void *arg)
{
	acts_free(arg);
}

static void finish(struct acts *a)
{
	struct console *c = a->console;
	const struct act_kind *k = &kinds[a->kind];
	if (a->done == 1 && a->count == 1)
		note_add(c, ROLE_GOOD, "%s %s: %s", a->rows[0].channel, a->rows[0].id, k->done);
	else if (a->done)
		note_add(c, ROLE_GOOD, "%d row%s %s", a->done, a->done == 1 ? "" : "s", k->done);
	if (a->refused > REFUSALS_SHOWN_MAX)
		note_add(c, ROLE_BAD, "%d more rows %s: M lists them", a->refused - REFUSALS_SHOWN_MAX,
		        k->undone);
	if (a->next < a->count)
		note_add(c, ROLE_BAD, "%d row%s not tried: %s. Marks are kept.", a->count - a->next,
		        a->count - a->next == 1 ? "" : "s",
		        a->stopped ? "you stopped it" : "the daemon went away");
	c->acts = NULL;
	acts_free(a);
	console_refresh(c);
}

static void send_next(struct acts *a);

static void on_done(void *arg, struct reply *reply)
{
	struct one *one = arg;
	struct acts *a = one->acts;
	const struct row_ref *row = &a->rows[one->row];
	free(one);
	a->running--;
	a->ended++;
	console_heard(a->console, reply);
	if (reply->code == 0) {
		a->done++;
		console_unmark(a->console, row->id);
		if (a->count > 1) /* one alone is said by finish */
			journal_add(a->console, ROLE_GOOD, "%s %s: %s", row->channel, row->id,
			        kinds[a->kind].done);
	} else {
		a->away = a->away || reply_unreachable(reply);
		(++a->refused <= REFUSALS_SHOWN_MAX ? note_add : journal_add)(a->console, ROLE_BAD,
		        "%s %s %s: %s", row->channel, row->id,
		        reply->unsure ? "is not known to be done" : kinds[a->kind].undone, reply->message);
	}
	send_next(a);
}

static void send_next(struct acts *a)
{
	while (a->next < a->count && a->running < ACTS_AT_ONCE && !a->away && !a->stopped) {
		const struct row_ref *row = &a->rows[a->next];
		struct one *one = mem_alloc(sizeof *one);
		struct buf path = BUF(4096);
		cJSON *body = cJSON_CreateObject();
		*one = (struct one){ a, a->next++ };
		buf_puts(&path, "/v1/failed");
		path_segment(&path, row->id);
		path_segment(&path, kinds[a->kind].path);
		if (row->version >= 0)
			json_add_int(body, "version", row->version);
		if (a->reason)
			json_add_string(body, "reason", a->reason);
		a->running++;
		client_start(a->console->client, buf_str(&path), body, CLIENT_ACT_MS, on_done, one);
		cJSON_Delete(body);
		buf_free(&path);
	}
	if (a->running == 0)
		finish(a);
}

/* The dialog's answer: the acts leave the dialog and start. */
static void answered(struct console *c, void *arg, const char *text)
{
	const struct acts *asked = arg;
	struct acts *a = mem_alloc(sizeof *a);
	*a = *asked;
	a->rows = mem_array((size_t)a->count, sizeof *a->rows);
	memcpy(a->rows, asked->rows, (size_t)a->count * sizeof *a->rows);
	a->reason = mem_string(text);
	c->acts = a;
	send_next(a);
}

static void form_answered(struct console *c, void *arg, const char *const texts[])
{
	const struct acts *asked = arg;
	answered(c, arg, asked->kind == ACT_CANCEL ? texts[1] : NULL);
}

/* Many: their number is typed, and a reason where one is due. */
static void ask_many(struct acts *a, const char *title, struct lines *body)
{
	struct dialog_field fields[] = { { .label = "How many? Type it", .count = a->count },
		{ .label = "Reason", .required = true } };
	dialog_form(&a->console->dialog, title, body, fields, a->kind == ACT_CANCEL ? 2 : 1, form_answered, a,
	        drop_acts);
}

static void describe(struct lines *body, const struct acts *a, int left_out)
{
	int doubtful = 0;
	for (int i = 0; i < a->count; i++)
		doubtful += !strcmp(a->rows[i].class, "ambiguous") && !strcmp(a->rows[i].channel, "email");
	if (a->count == 1)
		lines_addf(body, ROLE_NORMAL, NULL, "%s %s, %s, %s", a->rows[0].channel, a->rows[0].id,
		        a->rows[0].status, a->rows[0].class);
	else
		lines_addf(body, ROLE_NORMAL, NULL, "%d marked rows", a->count);
	if (left_out)
		lines_addf(body, ROLE_WARN, NULL, "! %d other marked row%s left out. %s.", left_out,
		        left_out == 1 ? " is" : "s are", kinds[a->kind].none);
	if (a->kind == ACT_REDRIVE && doubtful && a->count == 1)
		lines_add(body, ROLE_WARN, NULL,
		        "! It may have gone out already: the member may get a second mail.");
	else if (a->kind == ACT_REDRIVE && doubtful)
		lines_addf(body, ROLE_WARN, NULL,
		        "! %d of them may have gone out already: those members may get a second mail.",
		        doubtful);
	if (a->kind == ACT_CANCEL)
		lines_add(body, ROLE_FAINT, NULL,
		        "Nothing more is sent for it. Say why, for who comes after you:");
}

bool acts_may(struct console *c)
{
	if (c->read_only)
		note_add(c, ROLE_WARN,
		        "This console is read-only: it looks and does not act. Ask for the socket's group, "
		        "or leave out -R.");
	else if (c->acts || c->pause.running || bulk_running(c))
		note_add(c, ROLE_WARN, "The acts before are still being sent: wait for them");
	else if (c->down)
		note_add(c, ROLE_WARN, "The daemon is unreachable: nothing can be done through it now");
	else
		return true;
	return false;
}

void acts_ask(struct console *c, enum act kind, const struct row_ref *rows, int count)
{
	if (count == 0 || !acts_may(c))
		return;
	struct acts *a = mem_alloc(sizeof *a);
	a->console = c;
	a->kind = kind;
	a->rows = mem_array((size_t)count, sizeof *a->rows);
	for (int i = 0; i < count; i++)
		if (!rows[i].status[0] || !strcmp(rows[i].status, kinds[kind].from))
			a->rows[a->count++] = rows[i];
	if (a->count == 0) {
		if (count == 1)
			note_add(c, ROLE_WARN, "%s: %s is %s", kinds[kind].none, rows[0].id, rows[0].status);
		else
			note_add(c, ROLE_WARN, "%s: none of the %d marked rows is", kinds[kind].none, count);
		acts_free(a);
		return;
	}
	if (kind == ACT_REDRIVE && a->count > DIALOG_TYPE_COUNT) {
		bulk_ask_rows(c, a->rows, a->count, count - a->count);
		acts_free(a);
		return;
	}
	char title[64];
	snprintf(title, sizeof title, "%s %d row%s%s", kinds[kind].title, a->count, a->count == 1 ? "" : "s",
	        kind == ACT_CANCEL ? "" : "?");
	struct lines body = { .width = 68 };
	describe(&body, a, count - a->count);
	if (a->count > DIALOG_TYPE_COUNT)
		ask_many(a, title, &body);
	else if (kind == ACT_CANCEL)
		dialog_input(&c->dialog, title, &body, NULL, true, answered, a, drop_acts);
	else
		dialog_confirm(&c->dialog, title, &body, answered, a, drop_acts);
}
