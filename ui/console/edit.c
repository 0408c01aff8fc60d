/* Editing what one dead row sends: its mail address alone in a dialog, or the whole event in the operator's
 * editor. The event is shown there unmasked, which the daemon audits. Nothing is sent that was not shown and
 * agreed to, and what the daemon refuses can be edited again. See screen.h. Main thread. */
#include "screen.h"
#include "terminal.h"

#include "../editor.h"
#include "../format.h"

#include "base/error.h"
#include "base/json.h"
#include "base/language.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define DIFF_LINES_MAX 40
#define DIALOG_LINES_WIDTH 68
#define IDLE_MS 200

struct edit {
	struct console *console;
	struct row_ref row;
	bool address;       /* only this, in a dialog */
	struct buf former;  /* the event as it was, to be read */
	struct buf text;    /* as the operator left it */
	bool asking;        /* a dialog is open; if it is left, so is the edit */
	bool editor_wanted; /* at the next turn of the main loop: it blocks */
};

void edit_free(struct edit *e)
{
	if (!e)
		return;
	buf_free(&e->former);
	buf_free(&e->text);
	free(e);
}

static void end(struct console *c)
{
	edit_free(c->edit);
	c->edit = NULL;
}

static void drop(void *arg)
{
	struct console *c = arg;
	if (c->edit && c->edit->asking)
		end(c);
}

static bool may_edit(struct console *c, const struct row_ref *row)
{
	if (!acts_may(c))
		return false;
	if (c->edit) {
		note_add(c, ROLE_WARN, _("The edit before is still being sent: wait for it"));
		return false;
	}
	if (strcmp(row->status, "dead") != 0) {
		note_add(c, ROLE_WARN,
		        !strcmp(row->status, "cancelled")
		                ? _("Only dead rows can be edited: %s is %s; restore it first (u)")
		                : _("Only dead rows can be edited: %s is %s"),
		        row->id, row->status);
		return false;
	}
	return true;
}

static void begin(struct console *c, const struct row_ref *row, bool address)
{
	c->edit = mem_alloc(sizeof *c->edit);
	*c->edit = (struct edit){ .console = c,
		.row = *row,
		.address = address,
		.former = BUF(EDITOR_TEXT_MAX),
		.text = BUF(EDITOR_TEXT_MAX) };
}

static void post(struct edit *e, const char *act, const cJSON *body, reply_fn *done)
{
	struct buf path = BUF(4096);
	buf_puts(&path, "/v1/failed");
	path_segment(&path, e->row.id);
	path_segment(&path, act);
	client_start(e->console->client, buf_str(&path), body, CLIENT_ACT_MS, done, e->console);
	buf_free(&path);
}

/* -- Sending ------------------------------------------------------------------------------------- */

static void address_dialog(struct console *c, const char *why);
static void refused_dialog(struct console *c, const char *why);

static void on_edited(void *arg, struct reply *reply)
{
	struct console *c = arg;
	struct edit *e = c->edit;
	const char *recipient = json_string(reply->json, "recipient");
	console_heard(c, reply);
	if (reply->code == USHER_EINVAL && c->dialog.kind == DIALOG_NONE) {
		(e->address ? address_dialog : refused_dialog)(c, reply->message);
		return;
	}
	if (reply->code == 0)
		note_add(c, ROLE_GOOD, _("%s %s: edited and queued again, to %s"), e->row.channel, e->row.id,
		        recipient ? recipient : "?");
	else
		note_add(c, ROLE_BAD,
		        reply->unsure ? _("%s %s is not known to be edited: %s")
		                      : _("%s %s not edited and redriven: %s"),
		        e->row.channel, e->row.id, reply->message);
	end(c);
	console_refresh(c);
}

static void send_edit(struct edit *e)
{
	cJSON *body = cJSON_CreateObject();
	if (e->address)
		json_add_string(json_add_object(body, "set"), "email", buf_str(&e->text));
	else
		json_add_string(body, "payload", buf_str(&e->text));
	if (e->row.version >= 0)
		json_add_int(body, "version", e->row.version);
	json_add_bool(body, "redrive", true);
	post(e, "edit", body, on_edited);
	cJSON_Delete(body);
}

/* -- The address alone ----------------------------------------------------------------------------- */

static void address_given(struct console *c, void *arg, const char *text)
{
	struct edit *e = c->edit;
	(void)arg;
	e->asking = false;
	buf_clear(&e->text);
	buf_puts(&e->text, text);
	send_edit(e);
}

static void address_dialog(struct console *c, const char *why)
{
	struct edit *e = c->edit;
	struct lines body = { .width = DIALOG_LINES_WIDTH };
	char title[96];
	snprintf(title, sizeof title, _("Correct the address of %s %s"), e->row.channel, e->row.id);
	if (why)
		lines_addf(&body, ROLE_BAD, NULL, "! %s", why);
	lines_add(&body, ROLE_FAINT, NULL,
	        _("The right mail address. Enter stores it and sends again; what was is kept."));
	e->asking = true;
	dialog_input(&c->dialog, title, &body, why ? buf_str(&e->text) : NULL, true, address_given, c, drop);
}

void edit_address_ask(struct console *c, const struct row_ref *row)
{
	if (!may_edit(c, row))
		return;
	begin(c, row, true);
	address_dialog(c, NULL);
}

/* -- What is changed --------------------------------------------------------------------------------- */

static size_t line_len(const char *text)
{
	return strcspn(text, "\n");
}

static bool same_line(const char *a, const char *b)
{
	return line_len(a) == line_len(b) && memcmp(a, b, line_len(a)) == 0;
}

static const char *next_line(const char *text)
{
	size_t len = line_len(text);
	return text + len + (text[len] == '\n');
}

static bool stands_in(const char *line, const char *text)
{
	for (; *text; text = next_line(text))
		if (same_line(line, text))
			return true;
	return false;
}

/* Lines of one text that the other does not have: an event has few, and none twice. */
static void add_missing(
        struct lines *l, const char *text, const char *other, enum role role, const char *sign)
{
	for (; *text; text = next_line(text)) {
		if (stands_in(text, other))
			continue;
		if (l->count == DIFF_LINES_MAX) {
			lines_add(l, ROLE_FAINT, NULL, _("... and more"));
			return;
		}
		struct buf b = BUF(EDITOR_TEXT_MAX + 8);
		buf_puts(&b, sign);
		buf_add(&b, text, line_len(text));
		lines_add(l, role, NULL, buf_str(&b));
		buf_free(&b);
	}
}

static void agreed(struct console *c, void *arg, const char *text)
{
	(void)arg;
	(void)text;
	c->edit->asking = false;
	send_edit(c->edit);
}

static void show_changes(struct console *c)
{
	struct edit *e = c->edit;
	struct lines body = { .width = DIALOG_LINES_WIDTH };
	char title[96];
	snprintf(title, sizeof title, _("Send %s %s like this?"), e->row.channel, e->row.id);
	add_missing(&body, buf_str(&e->former), buf_str(&e->text), ROLE_BAD, "- ");
	add_missing(&body, buf_str(&e->text), buf_str(&e->former), ROLE_GOOD, "+ ");
	if (body.count == 0)
		lines_add(
		        &body, ROLE_NORMAL, NULL, _("Only the order of lines, or white space, is changed."));
	e->asking = true;
	dialog_confirm(&c->dialog, title, &body, agreed, c, drop);
}

/* -- In the editor ------------------------------------------------------------------------------------- */

static void edit_again(struct console *c, void *arg, const char *text)
{
	(void)arg;
	(void)text;
	c->edit->asking = false;
	c->edit->editor_wanted = true;
}

static void refused_dialog(struct console *c, const char *why)
{
	struct lines body = { .width = DIALOG_LINES_WIDTH };
	lines_addf(&body, ROLE_BAD, NULL, "! %s", why);
	lines_add(&body, ROLE_FAINT, NULL, _("Nothing is changed yet. No leaves everything as it is."));
	c->edit->asking = true;
	dialog_confirm(&c->dialog, _("It is refused. Edit it again?"), &body, edit_again, c, drop);
}

static void keep_listening(void *arg)
{
	struct console *c = arg;
	client_wait(c->client, NULL, 0, IDLE_MS);
	client_turn(c->client);
}

static void say_error(struct console *c, const struct usher_error *err)
{
	struct buf words = BUF(2 * USHER_ERROR_MESSAGE_MAX);
	error_print(err, &words);
	note_add(c, ROLE_BAD, "%s", buf_str(&words));
	buf_free(&words);
}

static void trim_end(struct buf *b)
{
	size_t end_at = b->len;
	while (end_at > 0 && strchr(" \t\r\n", b->data[end_at - 1]))
		end_at--;
	buf_cut(b, end_at, b->len - end_at);
}

void edit_turn(struct console *c)
{
	struct edit *e = c->edit;
	if (!e || !e->editor_wanted || c->dialog.kind != DIALOG_NONE)
		return;
	struct buf edited = BUF(EDITOR_TEXT_MAX);
	struct usher_error err = { 0 };
	terminal_lend();
	int rc = editor_run(buf_str(&e->text), e->text.len, keep_listening, c, &edited, &err);
	c->now = wall_now();
	c->mono = mono_now();
	terminal_take_back();
	e->editor_wanted = false;
	trim_end(&edited);
	buf_free(&e->text);
	e->text = edited;
	if (rc < 0)
		say_error(c, &err);
	else if (strcmp(buf_str(&e->text), buf_str(&e->former)) == 0)
		note_add(c, ROLE_GOOD, _("%s %s: nothing is changed, nothing is sent"), e->row.channel,
		        e->row.id);
	else {
		show_changes(c);
		return;
	}
	end(c);
}

static void on_revealed(void *arg, struct reply *reply)
{
	struct console *c = arg;
	struct edit *e = c->edit;
	const char *event = json_string(reply->json, "event"), *payload = json_string(reply->json, "payload");
	console_heard(c, reply);
	if (reply->code != 0) {
		note_add(c, ROLE_BAD, _("%s %s cannot be edited: %s"), e->row.channel, e->row.id,
		        reply->message);
		end(c);
		return;
	}
	if (event)
		format_json(&e->former, event, strlen(event));
	else
		buf_puts(&e->former, payload ? payload : "");
	trim_end(&e->former);
	e->row.version = json_int(reply->json, "version", -1); /* what is edited is what came just now */
	buf_add(&e->text, e->former.data, e->former.len);
	e->editor_wanted = true;
}

static void reveal_agreed(struct console *c, void *arg, const char *text)
{
	cJSON *body = cJSON_CreateObject();
	(void)arg;
	(void)text;
	c->edit->asking = false;
	/* TRANSLATORS: a reason that is kept in the audit */
	json_add_string(body, "reason", _("to edit the payload"));
	post(c->edit, "reveal", body, on_revealed);
	cJSON_Delete(body);
}

void edit_ask(struct console *c, const struct row_ref *row)
{
	struct lines body = { .width = DIALOG_LINES_WIDTH };
	char title[96];
	if (!may_edit(c, row))
		return;
	begin(c, row, false);
	snprintf(title, sizeof title, _("Edit %s %s?"), row->channel, row->id);
	lines_add(&body, ROLE_NORMAL, NULL,
	        _("Your editor shows what it sends, unmasked: that stands in the audit. You see what is "
	          "changed before it is sent."));
	c->edit->asking = true;
	dialog_confirm(&c->dialog, title, &body, reveal_agreed, c, drop);
}
