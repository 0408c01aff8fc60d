/* The verbs that act: redrive, cancel, restore, pause, resume, breaker, signup; see verbs.h. */
#include "verbs.h"

#include "base/json.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int act_one(
        struct verb_call *call, const char *id, const cJSON *body, const char *done, bool *ret_away)
{
	struct buf path = BUF(4096);
	struct reply reply = { 0 };
	buf_puts(&path, "/v1/failed");
	path_segment(&path, id);
	path_segment(&path, call->verb->name);
	client_call(call->client, buf_str(&path), body, CLIENT_ACT_MS, &reply);
	buf_free(&path);
	progress_clear(call);
	int status = exit_of(&reply);
	if (call->option[OPT_JSON] && reply.json)
		print_json(buf_str(&reply.body), reply.body.len);
	else if (reply.code == 0)
		print_row_done(call, id, reply.json, done);
	else
		reply_report(&reply, id);
	*ret_away = reply_unreachable(&reply);
	reply_free(&reply);
	fflush(stdout);
	return status;
}

/* Each id is answered on its own line; the exit status is the highest of them. */
static int act_all(struct verb_call *call, const char *done)
{
	int worst = verb_may_act(call);
	if (worst != 0)
		return worst;
	const char *reason = call->option[OPT_REASON];
	cJSON *body = cJSON_CreateObject();
	bool away = false;
	if (reason && *reason)
		json_add_string(body, "reason", reason);
	for (int i = 0; i < call->arg_count; i++) {
		if (away) {
			print_clean(
			        stderr, _("usher: %s: not tried, the daemon is unreachable"), call->args[i]);
			continue;
		}
		if (!isatty(STDOUT_FILENO) && i > 0)
			progress_show(call, _("usher %s: %d of %d"), call->verb->name, i, call->arg_count);
		int status = act_one(call, call->args[i], body, done, &away);
		if (status > worst)
			worst = status;
	}
	cJSON_Delete(body);
	return worst;
}

int verb_redrive_rows(struct verb_call *call)
{
	return act_all(call, _("queued again"));
}

bool reason_missing(const struct verb_call *call)
{
	const char *reason = call->option[OPT_REASON];
	return !reason || strspn(reason, " \t") == strlen(reason);
}

int verb_cancel_rows(struct verb_call *call)
{
	if (reason_missing(call))
		return usage_error(
		        call, _("%s needs --reason TEXT: it is kept for who comes after you"), "cancel");
	return act_all(call, _("cancelled"));
}

int verb_restore(struct verb_call *call)
{
	return act_all(call, _("dead again, can be redriven"));
}

/* -- Channels ---------------------------------------------------------------------------------- */

static int channel_act(struct verb_call *call, const char *state, const char *done)
{
	int status = verb_may_act(call);
	if (status != 0)
		return status;
	const char *channel = call->args[0];
	struct buf path = BUF(4096);
	struct reply reply = { 0 };
	cJSON *body = cJSON_CreateObject();
	buf_puts(&path, "/v1/channels");
	path_segment(&path, channel);
	path_segment(&path, call->verb->name);
	if (state)
		json_add_string(body, "state", state);
	if (!reason_missing(call))
		json_add_string(body, "reason", call->option[OPT_REASON]);
	client_call(call->client, buf_str(&path), body, CLIENT_ACT_MS, &reply);
	cJSON_Delete(body);
	buf_free(&path);
	status = exit_of(&reply);
	if (call->option[OPT_JSON] && reply.json)
		print_json(buf_str(&reply.body), reply.body.len);
	else if (reply.code == 0)
		print_done(call, "%s: %s", channel, done);
	else
		reply_report(&reply, channel);
	reply_free(&reply);
	return status;
}

int verb_pause(struct verb_call *call)
{
	if (reason_missing(call))
		return usage_error(
		        call, _("pause needs --reason TEXT: everybody sees it until it is resumed"));
	return channel_act(call, NULL, _("paused in all daemons; what was being sent is finished"));
}

int verb_resume(struct verb_call *call)
{
	return channel_act(call, NULL, _("resumed"));
}

int verb_breaker(struct verb_call *call)
{
	static const char *const states[] = { "open", "closed", "auto", NULL };
	const char *state = call->args[1];
	bool automatic = !strcmp(state, "auto");
	if (!automatic && strcmp(state, "open") != 0 && strcmp(state, "closed") != 0)
		return usage_none_of(call, state, states);
	if (!automatic && reason_missing(call))
		return usage_error(call,
		        _("breaker %s needs --reason TEXT: everybody sees it until it is auto again"), state);
	return channel_act(call, state,
	        automatic ? _("breaker left to itself again") : _("breaker forced in all daemons"));
}

int verb_signup(struct verb_call *call)
{
	if (!call->option[OPT_EMAIL] || !call->option[OPT_NAME])
		return usage_error(call, _("signup needs --email ADDRESS and --name NAME"));
	int status = verb_may_act(call);
	if (status != 0)
		return status;
	static const struct {
		enum option_id option;
		const char *key;
	} fields[] = { { OPT_EMAIL, "email" }, { OPT_NAME, "name" }, { OPT_USER_ID, "user_id" },
		{ OPT_LOCALE, "locale" } };
	cJSON *body = cJSON_CreateObject();
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (call->option[fields[i].option])
			json_add_string(body, fields[i].key, call->option[fields[i].option]);
	struct reply reply = { 0 };
	client_call(call->client, "/v1/signups", body, CLIENT_ACT_MS, &reply);
	cJSON_Delete(body);
	if (reply.code != 0) {
		status = reply_report(&reply, NULL);
	} else if (call->option[OPT_JSON]) {
		print_json(buf_str(&reply.body), reply.body.len);
	} else {
		const char *user = json_string(reply.json, "user_id"),
		           *event = json_string(reply.json, "event_id");
		print_done(call, _("%s registered, event %s"), user ? user : "?", event ? event : "?");
	}
	reply_free(&reply);
	return status;
}
