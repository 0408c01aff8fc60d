/* Acting on rows: ask, send (a few at a time), and say what came of each; see screen.h. An act names the
 * version of the row that the operator saw, so that somebody else's act in between is a conflict and not
 * a surprise. */
#include "bulk.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/language.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define ACTS_AT_ONCE 4
#define REFUSALS_SHOWN_MAX 20

struct act_kind {
	const char *base; /* what it is done with: failed rows or deliveries */
	const char *path, *from;
	const char *title;         /* of the dialog, for so many */
	const char *done, *undone; /* what came of it */
	const char *none;          /* said where it fits no row */
	const char *input;         /* the member that the operator types; NULL: a yes will do */
	const char *explain;       /* said in the dialog; NULL: nothing */
};
#define FAILED_ROWS "/v1/failed"
#define DELIVERIES "/v1/retrying"
#define WHY_CANCEL N_("Nothing more is sent for it. Say why, for who comes after you:")

static const struct act_kind kinds[] = {
	/* TRANSLATORS: %s of these titles is "1 row", "3 rows", "1 delivery", "3 deliveries". What came of it
	 * stands behind that, or behind "email 42": see the context "what, result". */
	[ACT_REDRIVE] = { FAILED_ROWS, "redrive", "dead", N_("Redrive %s?"), N_("queued again"),
	        N_("not redriven"), N_("Only dead rows can be redriven"), NULL, NULL },
	[ACT_CANCEL] = { FAILED_ROWS, "cancel", "dead", N_("Cancel %s"), N_("cancelled"), N_("not cancelled"),
	        N_("Only dead rows can be cancelled"), "reason", WHY_CANCEL },
	[ACT_RESTORE] = { FAILED_ROWS, "restore", "cancelled", N_("Restore %s?"),
	        N_("dead again, can be redriven"), N_("not restored"),
	        N_("Only cancelled rows can be restored"), NULL, NULL },
	[ACT_NOW] = { DELIVERIES, "now", "retrying", N_("Send now: %s?"),
	        N_("sent as soon as its channel may"), N_("not sent now"),
	        N_("Only deliveries that wait for a retry can be sent now"), NULL, NULL },
	[ACT_POSTPONE] = { DELIVERIES, "postpone", "retrying", N_("Postpone %s"), N_("postponed"),
	        N_("not postponed"), N_("Only deliveries that wait for a retry can be postponed"), "until",
	        N_("Until when? A span from now such as 30m or 2h, or a time such as "
	           "2026-11-22T21:00:00+09:00; at most 12 hours.") },
	[ACT_GIVE_UP] = { DELIVERIES, "dead", "retrying", N_("Give up: %s?"),
	        N_("dead, stands among the failed ones"), N_("not given up"),
	        N_("Only deliveries that wait for a retry can be given up"), NULL,
	        N_("No more attempts are made. Its message goes to the DLQ; it can be redriven.") },
	[ACT_RETRY_CANCEL] = { DELIVERIES, "cancel", "retrying", N_("Cancel %s"), N_("cancelled"),
	        N_("not cancelled"), N_("Only deliveries that wait for a retry can be cancelled here"),
	        "reason", WHY_CANCEL },
};

struct acts {
	struct console *console;
	enum act kind;
	struct row_ref *rows;
	int count, next, running, ended;
	int done, refused;
	bool away;    /* the daemon went: the rest is not tried */
	bool stopped; /* by the operator: likewise */
	char *input;
	struct undo undo; /* what of it can be taken back */
};

struct one { /* one request under way */
	struct acts *acts;
	int row;
};

bool act_of(enum action action, enum act *ret)
{
	static const struct {
		enum action action;
		enum act act;
	} acts[] = { { ACTION_REDRIVE, ACT_REDRIVE }, { ACTION_CANCEL, ACT_CANCEL },
		{ ACTION_RESTORE, ACT_RESTORE }, { ACTION_RETRY_NOW, ACT_NOW },
		{ ACTION_DELIVERY_NOW, ACT_NOW }, { ACTION_POSTPONE, ACT_POSTPONE },
		{ ACTION_GIVE_UP, ACT_GIVE_UP }, { ACTION_RETRY_CANCEL, ACT_RETRY_CANCEL } };
	for (size_t i = 0; i < ARRAY_LEN(acts); i++)
		if (acts[i].action == action) {
			*ret = acts[i].act;
			return true;
		}
	return false;
}

/* -- Undo -------------------------------------------------------------------------------------- */

void undo_add(struct undo *undo, const struct row_ref *row)
{
	undo->rows = mem_resize(undo->rows, (size_t)undo->count + 1, sizeof *undo->rows);
	undo->rows[undo->count++] = *row;
}

void undo_clear(struct undo *undo)
{
	free(undo->rows);
	*undo = (struct undo){ 0 };
}

bool undo_ask(struct console *c)
{
	if (c->undo.count == 0)
		return false;
	acts_ask(c, ACT_RESTORE, c->undo.rows, c->undo.count);
	return true;
}

/* The row as the cancel left it: of a delivery it is the failed row that was made of it. */
static void remember_cancelled(struct acts *a, const struct row_ref *row, const cJSON *answer)
{
	struct row_ref now = *row;
	const char *failed = json_string(answer, "failed_id");
	if (a->kind != ACT_CANCEL && a->kind != ACT_RETRY_CANCEL)
		return;
	if (a->kind == ACT_RETRY_CANCEL && !failed)
		return;
	if (failed)
		snprintf(now.id, sizeof now.id, "%s", failed);
	now.version = failed ? -1 : json_int(answer, "version", -1);
	snprintf(now.status, sizeof now.status, "cancelled");
	undo_add(&a->undo, &now);
}

/* -- Sending ------------------------------------------------------------------------------------- */

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
	free(a->input);
	undo_clear(&a->undo);
	free(a);
}

static void drop_acts(void *arg)
{
	acts_free(arg);
}

static bool on_deliveries(enum act kind)
{
	return !strcmp(kinds[kind].base, DELIVERIES);
}

/* So many of what the act is done with, as a part of a sentence. */
struct number {
	char text[96];
};

static struct number number(enum act kind, int n)
{
	struct number ret;
	snprintf(ret.text, sizeof ret.text,
	        on_deliveries(kind) ? ngettext("%d delivery", "%d deliveries", (unsigned long)n)
	                            : ngettext("%d row", "%d rows", (unsigned long)n),
	        n);
	return ret;
}

static struct number marked(enum act kind, int n)
{
	struct number ret;
	snprintf(ret.text, sizeof ret.text,
	        on_deliveries(kind) ? ngettext("%d marked delivery", "%d marked deliveries", (unsigned long)n)
	                            : ngettext("%d marked row", "%d marked rows", (unsigned long)n),
	        n);
	return ret;
}

static void say_done(struct acts *a)
{
	struct console *c = a->console;
	struct buf b = BUF(4096);
	if (a->done == 1 && a->count == 1)
		buf_printf(&b, "%s %s: %s", a->rows[0].channel, a->rows[0].id, _(kinds[a->kind].done));
	else
		buf_printf(&b, C_("what, result", "%s %s"), number(a->kind, a->done).text,
		        _(kinds[a->kind].done));
	if (a->undo.count) {
		note_offer_undo(c, buf_str(&b));
		undo_clear(&c->undo);
		c->undo = a->undo;
		a->undo = (struct undo){ 0 };
	} else {
		note_add(c, ROLE_GOOD, "%s", buf_str(&b));
	}
	buf_free(&b);
}

static void say_more_refused(const struct acts *a)
{
	int more = a->refused - REFUSALS_SHOWN_MAX;
	struct buf b = BUF(256);
	buf_printf(&b,
	        on_deliveries(a->kind)
	                ? ngettext("%d more delivery", "%d more deliveries", (unsigned long)more)
	                : ngettext("%d more row", "%d more rows", (unsigned long)more),
	        more);
	note_add(a->console, ROLE_BAD, C_("what, result", "%s %s: M lists them"), buf_str(&b),
	        _(kinds[a->kind].undone));
	buf_free(&b);
}

static void finish(struct acts *a)
{
	struct console *c = a->console;
	if (a->done)
		say_done(a);
	if (a->refused > REFUSALS_SHOWN_MAX)
		say_more_refused(a);
	if (a->next < a->count)
		note_add(c, ROLE_BAD,
		        a->stopped ? _("%s not tried: you stopped it. Marks are kept.")
		                   : _("%s not tried: the daemon went away. Marks are kept."),
		        number(a->kind, a->count - a->next).text);
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
		console_unmark(a->console, kinds[a->kind].base, row->id);
		remember_cancelled(a, row, reply->json);
		if (a->count > 1) /* one alone is said by finish */
			journal_add(a->console, ROLE_GOOD, "%s %s: %s", row->channel, row->id,
			        _(kinds[a->kind].done));
	} else {
		a->away = a->away || reply_unreachable(reply);
		(++a->refused <= REFUSALS_SHOWN_MAX ? note_add : journal_add)(a->console, ROLE_BAD,
		        C_("what, result", "%s %s %s: %s"), row->channel, row->id,
		        reply->unsure ? _("is not known to be done") : _(kinds[a->kind].undone),
		        reply->message);
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
		buf_puts(&path, kinds[a->kind].base);
		path_segment(&path, row->id);
		path_segment(&path, kinds[a->kind].path);
		if (row->version >= 0)
			json_add_int(body, "version", row->version);
		if (a->input)
			json_add_string(body, kinds[a->kind].input, a->input);
		a->running++;
		client_start(a->console->client, buf_str(&path), body, CLIENT_ACT_MS, on_done, one);
		cJSON_Delete(body);
		buf_free(&path);
	}
	if (a->running == 0)
		finish(a);
}

/* A time of the operator's, as the daemon takes it. */
static bool until_read(struct console *c, const char *text, char until[WALL_TEXT_SIZE])
{
	wall_time at = { 0 };
	int64_t ahead_ms;
	if (duration_parse(text, &ahead_ms) == 0)
		at.ms = c->now.ms + ahead_ms;
	else if (wall_parse(text, &at) != 0)
		return false;
	wall_format(at, until);
	return true;
}

/* The dialog's answer: the acts leave the dialog and start. */
static void answered(struct console *c, void *arg, const char *text)
{
	const struct acts *asked = arg;
	char until[WALL_TEXT_SIZE];
	if (asked->kind == ACT_POSTPONE) {
		if (!until_read(c, text, until)) {
			note_add(c, ROLE_WARN,
			        _("\"%s\" is no time: 30m, 2h, or 2026-11-22T21:00:00+09:00. Nothing is "
			          "postponed"),
			        text);
			return;
		}
		text = until;
	}
	struct acts *a = mem_alloc(sizeof *a);
	*a = *asked;
	a->rows = mem_array((size_t)a->count, sizeof *a->rows);
	memcpy(a->rows, asked->rows, (size_t)a->count * sizeof *a->rows);
	a->input = mem_string(text);
	c->acts = a;
	send_next(a);
}

static bool sends(enum act kind)
{
	return kind == ACT_REDRIVE || kind == ACT_NOW;
}

static void form_answered(struct console *c, void *arg, const char *const texts[])
{
	const struct acts *asked = arg;
	answered(c, arg, kinds[asked->kind].input ? texts[1] : NULL);
}

/* Many: their number is typed, and a reason where one is due. */
static void ask_many(struct acts *a, const char *title, struct lines *body)
{
	struct dialog_field fields[] = { { .label = _("How many? Type it"), .count = a->count },
		{ .label = a->kind == ACT_POSTPONE ? _("Until") : _("Reason"), .required = true } };
	dialog_form(&a->console->dialog, title, body, fields, kinds[a->kind].input ? 2 : 1, form_answered, a,
	        drop_acts);
}

static void describe_left_out(struct lines *body, enum act kind, int n)
{
	lines_addf(body, ROLE_WARN, NULL,
	        on_deliveries(kind)
	                ? ngettext("! %d other marked delivery is left out. %s.",
	                          "! %d other marked deliveries are left out. %s.", (unsigned long)n)
	                : ngettext("! %d other marked row is left out. %s.",
	                          "! %d other marked rows are left out. %s.", (unsigned long)n),
	        n, _(kinds[kind].none));
}

static void describe(struct lines *body, const struct acts *a, int left_out)
{
	int doubtful = 0;
	for (int i = 0; i < a->count; i++)
		doubtful += !strcmp(a->rows[i].class, "ambiguous") && !strcmp(a->rows[i].channel, "email");
	if (a->count == 1)
		lines_addf(body, ROLE_NORMAL, NULL, "%s %s, %s, %s", a->rows[0].channel, a->rows[0].id,
		        a->rows[0].status[0] ? a->rows[0].status : kinds[a->kind].from, a->rows[0].class);
	else
		lines_add(body, ROLE_NORMAL, NULL, marked(a->kind, a->count).text);
	if (left_out)
		describe_left_out(body, a->kind, left_out);
	if (sends(a->kind) && doubtful && a->count == 1)
		lines_add(body, ROLE_WARN, NULL,
		        _("! It may have gone out already: the member may get a second mail."));
	else if (sends(a->kind) && doubtful)
		lines_addf(body, ROLE_WARN, NULL,
		        ngettext("! %d of them may have gone out already: that member may get a second mail.",
		                "! %d of them may have gone out already: those members may get a second "
		                "mail.",
		                (unsigned long)doubtful),
		        doubtful);
	if (kinds[a->kind].explain)
		lines_add(body, ROLE_FAINT, NULL, _(kinds[a->kind].explain));
}

bool acts_may(struct console *c)
{
	if (c->read_only)
		note_add(c, ROLE_WARN,
		        _("This console is read-only: it looks and does not act. Ask for the socket's group, "
		          "or leave out -R."));
	else if (c->acts || c->pause.running || bulk_running(c))
		note_add(c, ROLE_WARN, _("The acts before are still being sent: wait for them"));
	else if (c->down)
		note_add(c, ROLE_WARN, _("The daemon is unreachable: nothing can be done through it now"));
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
			note_add(c, ROLE_WARN, _("%s: %s is %s"), _(kinds[kind].none), rows[0].id,
			        rows[0].status);
		else
			note_add(c, ROLE_WARN, _("%s: none of the %s is"), _(kinds[kind].none),
			        marked(kind, count).text);
		acts_free(a);
		return;
	}
	if (kind == ACT_REDRIVE && a->count > DIALOG_TYPE_COUNT) {
		bulk_ask_rows(c, a->rows, a->count, count - a->count);
		acts_free(a);
		return;
	}
	char title[128];
	snprintf(title, sizeof title, _(kinds[kind].title), number(kind, a->count).text);
	struct lines body = { .width = 68 };
	describe(&body, a, count - a->count);
	if (a->count > DIALOG_TYPE_COUNT)
		ask_many(a, title, &body);
	else if (kinds[kind].input)
		dialog_input(&c->dialog, title, &body, NULL, true, answered, a, drop_acts);
	else
		dialog_confirm(&c->dialog, title, &body, answered, a, drop_acts);
}
