/* The verbs about a single delivery: retry, edit, and `failed ID --reveal`; see verbs.h. */
#include "verbs.h"

#include "../editor.h"
#include "../format.h"
#include "../lines.h"

#include "base/json.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PATH_MAX_BYTES 4096

static int post(struct verb_call *call, const char *base, const char *id, const char *act, const cJSON *body,
        struct reply *reply)
{
	struct buf path = BUF(PATH_MAX_BYTES);
	buf_puts(&path, base);
	path_segment(&path, id);
	path_segment(&path, act);
	client_call(call->client, buf_str(&path), body, CLIENT_ACT_MS, reply);
	buf_free(&path);
	return exit_of(reply);
}

static const char *or_dash(const char *text)
{
	return text && *text ? text : "-";
}

static void add_reason(const struct verb_call *call, cJSON *body)
{
	if (!reason_missing(call))
		json_add_string(body, "reason", call->option[OPT_REASON]);
}

/* -- retry -------------------------------------------------------------------------------------- */

static const struct retry_act {
	const char *name, *done;
	bool reason, until; /* is required */
} retry_acts[] = {
	{ "now", N_("sent as soon as its channel may"), false, false },
	{ "postpone", N_("postponed"), false, true },
	{ "cancel", N_("cancelled, can be restored"), true, false },
	{ "dead", N_("dead, stands among the failed ones"), false, false },
};

static const struct retry_act *retry_act_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(retry_acts); i++)
		if (!strcmp(retry_acts[i].name, name))
			return &retry_acts[i];
	return NULL;
}

/* RFC 3339, or how long from now ("30m"). */
static int add_until(struct verb_call *call, cJSON *body)
{
	const char *text = call->option[OPT_UNTIL];
	char until[WALL_TEXT_SIZE];
	wall_time at = { 0 };
	int64_t ahead_ms;
	if (!text)
		return usage_error(call, _("postpone needs --until TIME: 30m, or 2026-11-22T21:00:00+09:00"));
	if (duration_parse(text, &ahead_ms) == 0)
		at.ms = call->now.ms + ahead_ms;
	else if (wall_parse(text, &at) != 0)
		return usage_error(call,
		        _("--until takes a time like 2026-11-22T21:00:00+09:00 or a span like 30m, not "
		          "\"%s\""),
		        text);
	json_add_string(body, "until", wall_format(at, until));
	return 0;
}

static int retry_one(struct verb_call *call, const struct retry_act *act, const cJSON *body)
{
	struct reply reply = { 0 };
	const char *id = call->args[0];
	int status = post(call, "/v1/retrying", id, act->name, body, &reply);
	if (call->option[OPT_JSON] && reply.json)
		print_json(buf_str(&reply.body), reply.body.len);
	else if (reply.code != 0)
		reply_report(&reply, id);
	else
		print_row_done(call, id, reply.json, _(act->done));
	reply_free(&reply);
	return status;
}

int verb_retry(struct verb_call *call)
{
	static const char *const names[] = { "now", "postpone", "cancel", "dead", NULL };
	const struct retry_act *act = retry_act_find(call->args[1]);
	if (!act)
		return usage_none_of(call, call->args[1], names);
	if (act->reason && reason_missing(call))
		return usage_error(
		        call, _("%s needs --reason TEXT: it is kept for who comes after you"), act->name);
	if (!act->until && call->option[OPT_UNTIL])
		return usage_error(call, _("--until goes with postpone only"));
	int status = verb_may_act(call);
	if (status != 0)
		return status;
	cJSON *body = cJSON_CreateObject();
	add_reason(call, body);
	if (act->until)
		status = add_until(call, body);
	if (status == 0)
		status = retry_one(call, act, body);
	cJSON_Delete(body);
	return status;
}

int delivery_one(struct verb_call *call)
{
	const char *id = call->args[0];
	struct buf path = BUF(PATH_MAX_BYTES);
	struct reply reply = { 0 };
	buf_puts(&path, "/v1/deliveries");
	path_segment(&path, id);
	client_call(call->client, buf_str(&path), NULL, CLIENT_READ_MS, &reply);
	buf_free(&path);
	int status = exit_of(&reply);
	if (reply.code != 0) {
		reply_report(&reply, id);
	} else if (call->option[OPT_JSON]) {
		print_json(buf_str(&reply.body), reply.body.len);
	} else {
		struct lines l = { .width = print_width() };
		lines_addf(&l, ROLE_TITLE, NULL, "%s %s", or_dash(json_string(reply.json, "channel")), id);
		facts_delivery(&l, reply.json, call->now);
		facts_attempts(&l, reply.json, call->now);
		facts_effects(&l, reply.json, call->now);
		if (json_get(reply.json, "payload"))
			facts_payload(&l, reply.json);
		facts_audit(&l, json_get(reply.json, "audit"), call->now);
		lines_print(&l, stdout);
		lines_clear(&l);
	}
	reply_free(&reply);
	return status;
}

/* -- reveal ------------------------------------------------------------------------------------- */

static int reveal(struct verb_call *call, const char *id, const char *reason, struct reply *reply)
{
	cJSON *body = cJSON_CreateObject();
	json_add_string(body, "reason", reason);
	int status = post(call, "/v1/failed", id, "reveal", body, reply);
	cJSON_Delete(body);
	return status;
}

int reveal_one(struct verb_call *call)
{
	const char *id = call->args[0];
	struct reply reply = { 0 };
	if (reason_missing(call))
		return usage_error(call, _("--reveal needs --reason TEXT: it is kept in the audit"));
	int status = verb_may_act(call);
	if (status == 0)
		status = reveal(call, id, call->option[OPT_REASON], &reply);
	if (reply.code != 0) {
		reply_report(&reply, id);
	} else if (status == 0 && call->option[OPT_JSON]) {
		print_json(buf_str(&reply.body), reply.body.len);
	} else if (status == 0) {
		struct lines l = { .width = print_width() };
		lines_addf(&l, ROLE_TITLE, NULL, "%s %s", or_dash(json_string(reply.json, "channel")), id);
		facts_row(&l, reply.json, call->now);
		facts_payload(&l, reply.json);
		lines_print(&l, stdout);
		lines_clear(&l);
	}
	reply_free(&reply);
	return status;
}

/* -- edit --------------------------------------------------------------------------------------- */

/* "email=kim@shop.example", as often as there are fields. */
static int add_set(struct verb_call *call, cJSON *body)
{
	cJSON *set = json_add_object(body, "set");
	for (int i = 0; i < call->set_count; i++) {
		const char *equals = strchr(call->set[i], '=');
		if (!equals || equals == call->set[i])
			return usage_error(call,
			        _("--set takes FIELD=VALUE, such as email=kim@shop.example, not \"%s\""),
			        call->set[i]);
		OWNED char *field = mem_stringn(call->set[i], (size_t)(equals - call->set[i]));
		if (json_get(set, field))
			return usage_error(call, _("--set: %s is there twice"), field);
		json_add_string(set, field, equals + 1);
	}
	return 0;
}

static void report_edit(struct verb_call *call, const struct reply *reply)
{
	const char *id = call->args[0];
	if (call->option[OPT_JSON] && reply->json)
		print_json(buf_str(&reply->body), reply->body.len);
	else if (reply->code != 0)
		reply_report(reply, id);
	else
		print_row_done(call, id, reply->json,
		        call->option[OPT_REDRIVE] ? _("edited and queued again") : _("edited"));
}

static void send_edit(struct verb_call *call, cJSON *body, struct reply *reply)
{
	if (call->option[OPT_REDRIVE])
		json_add_bool(body, "redrive", true);
	add_reason(call, body);
	post(call, "/v1/failed", call->args[0], "edit", body, reply);
}

static int edit_fields(struct verb_call *call)
{
	cJSON *body = cJSON_CreateObject();
	struct reply reply = { 0 };
	int status = add_set(call, body);
	if (status == 0) {
		send_edit(call, body, &reply);
		report_edit(call, &reply);
		status = exit_of(&reply);
	}
	reply_free(&reply);
	cJSON_Delete(body);
	return status;
}

/* What to begin with: the event, or whatever the payload is. */
static void payload_for_editor(const cJSON *row, struct buf *out)
{
	const char *event = json_string(row, "event"), *payload = json_string(row, "payload");
	if (event)
		format_json(out, event, strlen(event));
	else
		buf_puts(out, payload ? payload : "");
}

static bool asked_again(void)
{
	char answer[16];
	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return false;
	fputs(_("Edit it again? [Y/n] "), stderr);
	fflush(stderr);
	return fgets(answer, sizeof answer, stdin) && answer[0] != 'n' && answer[0] != 'N';
}

static void trim_end(struct buf *b)
{
	size_t end = b->len;
	while (end > 0 && strchr(" \t\r\n", b->data[end - 1]))
		end--;
	buf_cut(b, end, b->len - end);
}

/* Until the daemon takes it, the operator gives up, or nothing is changed. */
static int edit_in_editor(struct verb_call *call, int64_t version, struct buf *text)
{
	struct buf former = BUF(EDITOR_TEXT_MAX);
	int status;
	bool again;
	trim_end(text);
	buf_add(&former, text->data, text->len);
	do {
		struct buf edited = BUF(EDITOR_TEXT_MAX);
		struct usher_error err = { 0 };
		struct reply reply = { 0 };
		again = false;
		if (editor_run(buf_str(text), text->len, NULL, NULL, &edited, &err) < 0) {
			print_clean(stderr, "usher: %s", err.message);
			status = EXIT_FAILED;
		} else if (trim_end(&edited), strcmp(buf_str(&edited), buf_str(&former)) == 0) {
			print_clean(
			        stderr, _("usher: %s: nothing is changed, nothing is sent"), call->args[0]);
			status = EXIT_FAILED;
		} else {
			cJSON *body = cJSON_CreateObject();
			json_add_string(body, "payload", buf_str(&edited));
			json_add_int(body, "version", version);
			send_edit(call, body, &reply);
			report_edit(call, &reply);
			status = exit_of(&reply);
			again = reply.code == USHER_EINVAL && asked_again();
			cJSON_Delete(body);
			reply_free(&reply);
		}
		buf_free(text);
		*text = edited;
	} while (again);
	buf_free(&former);
	return status;
}

int verb_edit(struct verb_call *call)
{
	struct reply row = { 0 };
	struct buf text = BUF(EDITOR_TEXT_MAX);
	int status = verb_may_act(call);
	if (status != 0)
		return status;
	if (call->set_count > 0)
		return edit_fields(call);
	status = reveal(call, call->args[0],
	        reason_missing(call) ? _("to edit the payload") : call->option[OPT_REASON], &row);
	if (status == 0 && strcmp(or_dash(json_string(row.json, "status")), "dead") != 0) {
		print_clean(stderr, _("usher: %s: is %s: only a dead notification can be edited"),
		        call->args[0], or_dash(json_string(row.json, "status")));
		status = EXIT_CONFLICT;
	} else if (status == 0) {
		payload_for_editor(row.json, &text);
		status = edit_in_editor(call, json_int(row.json, "version", 0), &text);
	} else {
		reply_report(&row, call->args[0]);
	}
	reply_free(&row);
	buf_free(&text);
	return status;
}
