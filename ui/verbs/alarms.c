/* usher alarms ack ID...; see verbs.h. The list is with the other lists. */
#include "verbs.h"

#include "base/json.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

static void say_done(const struct verb_call *call, const cJSON *alarm, const char *id)
{
	const char *name = json_string(alarm, "name"), *channel = json_string(alarm, "channel");

	print_done(call, _("%s: acknowledged (%s%s%s)"), id, name ? name : "?", channel ? ", " : "",
	        channel ? channel : "");
}

static int ack_one(struct verb_call *call, const char *id, const cJSON *body, bool *ret_away)
{
	struct buf path = BUF(4096);
	struct reply reply = { 0 };

	buf_puts(&path, "/v1/alarms");
	path_segment(&path, id);
	path_segment(&path, "ack");
	client_call(call->client, buf_str(&path), body, CLIENT_ACT_MS, &reply);
	buf_free(&path);
	int status = exit_of(&reply);
	if (call->option[OPT_JSON] && reply.json)
		print_json(buf_str(&reply.body), reply.body.len);
	else if (reply.code == 0)
		say_done(call, reply.json, id);
	else
		reply_report(&reply, id);
	*ret_away = reply_unreachable(&reply);
	reply_free(&reply);
	fflush(stdout);
	return status;
}

/* Each id is answered on its own line; the exit status is the highest of them. */
static int ack_all(struct verb_call *call)
{
	const char *reason = call->option[OPT_REASON];
	cJSON *body = cJSON_CreateObject();
	int worst = 0;
	bool away = false;

	if (reason && *reason)
		json_add_string(body, "reason", reason);
	for (int i = 1; i < call->arg_count && !away; i++) {
		int status = ack_one(call, call->args[i], body, &away);
		worst = status > worst ? status : worst;
	}
	cJSON_Delete(body);
	return worst;
}

int verb_alarms(struct verb_call *call)
{
	if (call->arg_count == 0) {
		if (call->option[OPT_REASON])
			return usage_error(call, _("--reason goes with alarms ack ID"));
		return verb_alarms_list(call);
	}
	if (strcmp(call->args[0], "ack") != 0 || call->arg_count < 2)
		return usage_error(call, _("alarms takes nothing, or ack and the numbers of alarms"));
	if (call->option[OPT_WATCH] || call->option[OPT_CSV] || call->option[OPT_LIMIT])
		return usage_error(call, _("--watch, --csv and --limit go with the list, not with ack"));
	int status = may_act(call, "alarms ack");
	return status ? status : ack_all(call);
}
