/* usher config: what is in force, its history, what two versions differ in, and reading it again; see
 * verbs.h. */
#include "listing.h"

#include "../format.h"
#include "../lines.h"

#include "base/json.h"
#include "base/mem.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#define ASK_EVERY_MS 200
#define WAIT_MS (5 * 60 * 1000) /* several config servers, each with its time-out */

static const char *word(const cJSON *object, const char *key)
{
	const char *text = json_string(object, key);
	return text ? text : "-";
}

static bool is_refused(const cJSON *attempt)
{
	return !strcmp(word(attempt, "outcome"), "refused");
}

/* -- What is in force ------------------------------------------------------------------------------------ */

static const char *value_of(const cJSON *item)
{
	const char *value = json_string(item, "value");
	if (json_bool(item, "secret", false))
		return json_bool(item, "set", false) ? _("(set)") : _("(not set)");
	return value ? value : _("(not set)");
}

static void add_pending(struct table *t, const cJSON *item)
{
	const cJSON *pending = json_get(item, "pending");
	const char *value = json_string(pending, "value");

	if (cJSON_IsObject(pending))
		table_add(t, value ? value : _("(not set)"));
	else
		table_add(t, json_bool(item, "reload", false) ? "" : C_("value at a restart", "restart"));
}

static void print_values(const cJSON *config)
{
	static const struct table_column columns[] = { { N_("KEY"), TEXT_LEFT, 40 },
		{ N_("VALUE"), TEXT_LEFT, 40 }, { N_("AT A RESTART"), TEXT_LEFT, 30 },
		{ N_("FROM"), TEXT_LEFT, 0 } };
	struct table t = { .columns = columns, .column_count = ARRAY_LEN(columns) };
	const cJSON *item;

	cJSON_ArrayForEach(item, json_get(config, "items"))
	{
		table_add(&t, word(item, "id"));
		table_add(&t, value_of(item));
		add_pending(&t, item);
		table_add(&t, word(item, "origin"));
	}
	table_print(&t, stdout);
	table_free(&t);
}

static void print_head(const cJSON *config)
{
	const cJSON *latest = json_get(config, "latest"), *note;
	int64_t pending = json_int(config, "pending", 0);

	fflush(stdout);
	print_clean(stderr, _("version %lld on %s"), (long long)json_int(config, "version", 0),
	        word(config, "host"));
	cJSON_ArrayForEach(note, json_get(config, "notes"))
	        print_clean(stderr, _("note: %s"), note->valuestring);
	if (pending)
		print_clean(stderr,
		        ngettext("%lld key: another value after a restart of usherd",
		                "%lld keys: another value after a restart of usherd", (unsigned long)pending),
		        (long long)pending);
	if (is_refused(latest))
		print_clean(stderr, _("the configuration was refused at %s: usher config reload says why"),
		        word(latest, "at"));
}

static int show(struct verb_call *call)
{
	struct reply reply = { 0 };
	struct buf path = BUF(4096);

	buf_puts(&path, "/v1/config");
	path_query(&path, "q", call->option[OPT_SEARCH]);
	client_call(call->client, buf_str(&path), NULL, CLIENT_READ_MS, &reply);
	buf_free(&path);
	int status = reply.code ? reply_report(&reply, NULL) : EXIT_DONE;
	if (status == EXIT_DONE && call->option[OPT_JSON]) {
		print_json(buf_str(&reply.body), reply.body.len);
	} else if (status == EXIT_DONE) {
		print_values(reply.json);
		print_head(reply.json);
	}
	reply_free(&reply);
	return status;
}

/* -- Changes -----------------------------------------------------------------------------------------------
 */

static void add_value(struct table *t, const cJSON *change, const char *key)
{
	const char *value = json_string(change, key);
	table_add(t, value ? value : _("(not set)"));
}

static void add_change(struct table *t, const cJSON *change)
{
	const char *effect = word(change, "effect");

	table_add(t, word(change, "key"));
	add_value(t, change, "old");
	add_value(t, change, "new");
	table_add(t, strcmp(effect, "applied") != 0 ? effect : "");
}

#define CHANGE_COLUMNS                                                                                       \
	{ N_("KEY"), TEXT_LEFT, 40 }, { N_("OLD"), TEXT_LEFT, 36 }, { N_("NEW"), TEXT_LEFT, 36 },            \
	{                                                                                                    \
		"", TEXT_LEFT, 0                                                                             \
	}

static void print_changes(const cJSON *changes)
{
	static const struct table_column columns[] = { CHANGE_COLUMNS };
	struct table t = { .columns = columns, .column_count = ARRAY_LEN(columns) };
	const cJSON *change;

	cJSON_ArrayForEach(change, changes) add_change(&t, change);
	table_print(&t, stdout);
	table_free(&t);
}

static void print_version(struct table *t, const cJSON *version, wall_time now)
{
	const cJSON *list = json_get(version, is_refused(version) ? "reasons" : "changes"), *one;
	struct buf at = BUF(64);
	bool first = true;

	cJSON_ArrayForEach(one, list)
	{
		format_when(&at, time_get(version, "at"), WHEN_FULL, now);
		table_add(t, first ? word(version, "id") : "");
		table_add(t, first ? buf_str(&at) : "");
		table_add(t, first ? word(version, "host") : "");
		table_add(t,
		        first ? (json_string(version, "who") ? word(version, "who") : word(version, "source"))
		              : "");
		buf_clear(&at);
		first = false;
		if (!is_refused(version)) {
			add_change(t, one);
			continue;
		}
		table_add(t, _("refused"));
		table_add(t, "");
		table_add(t, "");
		table_add(t, one->valuestring);
	}
	if (!first)
		return;
	format_when(&at, time_get(version, "at"), WHEN_FULL, now);
	table_add(t, word(version, "id"));
	table_take(t, &at);
	table_add(t, word(version, "host"));
	table_add(t, word(version, "source"));
	for (int i = 0; i < 4; i++)
		table_add(t, "");
	buf_free(&at);
}

static void print_history(const struct listing *l, wall_time now)
{
	static const struct table_column columns[] = { { N_("VERSION"), TEXT_RIGHT, 0 },
		{ N_("AT"), TEXT_LEFT, 0 }, { N_("HOST"), TEXT_LEFT, 20 }, { N_("BY"), TEXT_LEFT, 28 },
		CHANGE_COLUMNS };
	struct table t = { .columns = columns, .column_count = ARRAY_LEN(columns) };
	const cJSON *item;

	cJSON_ArrayForEach(item, l->items) print_version(&t, item, now);
	table_print(&t, stdout);
	table_free(&t);
}

static int history(struct verb_call *call)
{
	struct buf path = BUF(4096);
	struct listing l;
	int limit, status = limit_of(call, &limit);

	if (status != 0)
		return status;
	buf_puts(&path, "/v1/config/history");
	path_query(&path, "key", call->arg_count > 1 ? call->args[1] : NULL);
	status = listing_get(call, buf_str(&path), limit, &l);
	buf_free(&path);
	if (status != 0)
		return status;
	listing_output(call, &l, _("no versions of the configuration"), print_history);
	cJSON_Delete(l.json);
	return EXIT_DONE;
}

static int diff(struct verb_call *call)
{
	struct buf path = BUF(4096);
	struct reply reply = { 0 };

	buf_puts(&path, "/v1/config/diff");
	path_query(&path, "from", call->args[1]);
	path_query(&path, "to", call->arg_count > 2 ? call->args[2] : NULL);
	client_call(call->client, buf_str(&path), NULL, CLIENT_READ_MS, &reply);
	buf_free(&path);
	int status = reply.code ? reply_report(&reply, NULL) : EXIT_DONE;
	if (status == EXIT_DONE && call->option[OPT_JSON])
		print_json(buf_str(&reply.body), reply.body.len);
	else if (status == EXIT_DONE && cJSON_GetArraySize(json_get(reply.json, "changes")) == 0)
		print_clean(stderr, "%s", _("no difference"));
	else if (status == EXIT_DONE)
		print_changes(json_get(reply.json, "changes"));
	reply_free(&reply);
	return status;
}

/* -- Reading it again --------------------------------------------------------------------------------------
 */

/* Waits until the daemon has answered the ticket. */
static int await(struct verb_call *call, int64_t ticket, struct reply *ret)
{
	for (int waited = 0; waited < WAIT_MS; waited += ASK_EVERY_MS) {
		*ret = (struct reply){ 0 };
		client_call(call->client, "/v1/config/reload", NULL, CLIENT_READ_MS, ret);
		if (ret->code)
			return reply_report(ret, _("the answer is not known"));
		if (json_int(ret->json, "answered", 0) >= ticket)
			return EXIT_DONE;
		reply_free(ret);
		poll(NULL, 0, ASK_EVERY_MS);
	}
	*ret = (struct reply){ 0 };
	print_clean(
	        stderr, "usher: %s", _("the daemon is still reading it: look at usher config history later"));
	return EXIT_FAILED;
}

static int say_result(struct verb_call *call, const struct reply *reply)
{
	const cJSON *result = json_get(reply->json, "result"), *reason;

	if (call->option[OPT_JSON]) {
		OWNED char *text = json_print(result);
		print_json(text, strlen(text));
	} else if (is_refused(result)) {
		print_clean(stderr, "usher: %s", _("refused, nothing has changed:"));
		cJSON_ArrayForEach(reason, json_get(result, "reasons"))
		        print_clean(stderr, "  %s", reason->valuestring);
	} else if (!strcmp(word(result, "outcome"), "unchanged")) {
		puts(_("nothing has changed"));
	} else {
		print_changes(json_get(result, "changes"));
	}
	return is_refused(result) ? EXIT_FAILED : EXIT_DONE;
}

static int reload(struct verb_call *call)
{
	struct reply reply = { 0 };
	int status = may_act(call, "config reload");

	if (status != 0)
		return status;
	cJSON *body = cJSON_CreateObject();
	client_call(call->client, "/v1/config/reload", body, CLIENT_ACT_MS, &reply);
	cJSON_Delete(body);
	status = reply.code ? reply_report(&reply, NULL) : EXIT_DONE;
	int64_t ticket = json_int(reply.json, "ticket", 0);
	reply_free(&reply);
	if (status != EXIT_DONE)
		return status;
	status = await(call, ticket, &reply);
	if (status == EXIT_DONE)
		status = say_result(call, &reply);
	reply_free(&reply);
	return status;
}

int verb_config(struct verb_call *call)
{
	static const struct {
		const char *name;
		int least, most;
		int (*run)(struct verb_call *call);
	} acts[] = { { "show", 0, 1, show }, { "history", 1, 2, history }, { "diff", 2, 3, diff },
		{ "reload", 1, 1, reload } };
	const char *name = call->arg_count ? call->args[0] : "show";

	for (size_t i = 0; i < ARRAY_LEN(acts); i++)
		if (!strcmp(acts[i].name, name) && call->arg_count >= acts[i].least &&
		        call->arg_count <= acts[i].most)
			return acts[i].run(call);
	return usage_error(call, _("config takes show, history [KEY], diff VERSION [VERSION], or reload"));
}
