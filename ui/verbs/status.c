/* usher status: the Overview for a script and a pager; see verbs.h. */
#include "listing.h"
#include "check.h"

#include "../format.h"
#include "../lines.h"

#include "base/json.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

static double rate_get(const cJSON *object, const char *key)
{
	const cJSON *n = json_get(object, key);
	return cJSON_IsNumber(n) ? n->valuedouble : -1;
}

static void add_figure(struct table *t, const cJSON *ch, const char *key, wall_time now)
{
	struct buf b = BUF(128);
	format_figure(&b, figure_get(ch, key), figure_age(ch, key, now), 24);
	table_take(t, &b);
	buf_free(&b);
}

/* What keeps it from receiving, if anything does. */
static const char *state_of(const cJSON *ch)
{
	if (!json_bool(ch, "enabled", true))
		return C_("channel", "off");
	if (cJSON_IsObject(json_get(ch, "paused")))
		return _("PAUSED");
	return json_string(json_get(ch, "breaker"), "state");
}

static void print_channels(const cJSON *status, wall_time now)
{
	/* Not static: one title is looked up here, as it means another thing elsewhere. */
	const struct table_column columns[] = { { N_("CHANNEL"), TEXT_LEFT, 16 },
		{ N_("BREAKER"), TEXT_LEFT, 0 }, { N_("VISIBLE"), TEXT_RIGHT, 0 },
		{ N_("IN FLIGHT"), TEXT_RIGHT, 0 }, { N_("RETRYING"), TEXT_RIGHT, 0 },
		{ N_("DLQ"), TEXT_RIGHT, 0 }, { N_("DEAD"), TEXT_RIGHT, 0 },
		{ C_("the longest wait in a queue", "OLDEST"), TEXT_RIGHT, 0 }, { N_("IN"), TEXT_RIGHT, 0 },
		{ N_("OUT"), TEXT_RIGHT, 0 }, { N_("FAIL"), TEXT_RIGHT, 0 } };
	static const char *const figures[] = { "visible", "in_flight", "retrying", "dlq_depth", "dead" };
	static const char *const rates[] = { "in_per_s", "out_per_s", "fail_per_s" };
	struct table t = { .columns = columns, .column_count = ARRAY_LEN(columns) };
	struct buf b = BUF(128);
	const cJSON *ch;
	cJSON_ArrayForEach(ch, json_get(status, "channels"))
	{
		table_add(&t, json_string(ch, "name"));
		table_add(&t, state_of(ch));
		for (size_t i = 0; i < ARRAY_LEN(figures); i++)
			add_figure(&t, ch, figures[i], now);
		format_span_short(&b, json_int(ch, "oldest_age_s", -1));
		table_take(&t, &b);
		for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
			format_rate(&b, rate_get(json_get(ch, "rates"), rates[i]));
			table_take(&t, &b);
		}
	}
	table_print(&t, stdout);
	table_free(&t);
	buf_free(&b);
}

static const char *word(const cJSON *object, const char *key)
{
	const char *text = json_string(object, key);
	return text ? text : "?";
}

static void print_daemon(const cJSON *status, wall_time now)
{
	const cJSON *outbox = json_get(status, "outbox");
	bool up = json_bool(json_get(status, "database"), "up", false);
	struct buf waiting = BUF(64), rate = BUF(64), fleet = BUF(8192), uptime = BUF(64);
	format_figure(&waiting, figure_get(outbox, "waiting"), figure_age(outbox, "waiting", now), 24);
	format_rate(&rate, rate_get(outbox, "published_per_s"));
	print_clean(stdout, _("outbox: %s waiting, %s published"), buf_str(&waiting), buf_str(&rate));
	facts_fleet(&fleet, status, now, true);
	print_clean(stdout, _("fleet: %s"), buf_str(&fleet));
	format_span(&uptime, json_int(status, "uptime_s", 0));
	print_clean(stdout,
	        json_bool(status, "read_only", false)
	                ? _("usherd %s, pid %lld, up %s, broker %s, database %s, you are %s (read-only)")
	                : _("usherd %s, pid %lld, up %s, broker %s, database %s, you are %s"),
	        word(status, "version"), (long long)json_int(status, "pid", 0), buf_str(&uptime),
	        word(status, "driver"), up ? C_("database", "up") : C_("database", "down"),
	        word(status, "operator"));
	buf_free(&waiting);
	buf_free(&rate);
	buf_free(&fleet);
	buf_free(&uptime);
}

static void print_whole(const cJSON *json, wall_time now)
{
	struct lines verdict = { .width = print_width() };
	struct buf first = BUF(1024);
	enum check_level level = check_headline(&first, json, now);
	print_clean(stdout, "%s", buf_str(&first));
	if (level != CHECK_OK) {
		putchar('\n');
		facts_verdict(&verdict, json, now);
		lines_print(&verdict, stdout);
		lines_clear(&verdict);
	}
	putchar('\n');
	print_channels(json, now);
	putchar('\n');
	print_daemon(json, now);
	buf_free(&first);
}

/* In a pipe that is watched: its first line, when it says something new. */
static void print_news(struct verb_call *call, const cJSON *json)
{
	struct buf first = BUF(1024), at = BUF(64);
	check_headline(&first, json, call->now);
	format_when(&at, call->now, WHEN_FULL, call->now);
	if (!watch_says_the_same(call->watch, buf_str(&first)))
		print_clean(stdout, "%s %s", buf_str(&at), buf_str(&first));
	buf_free(&at);
	buf_free(&first);
}

static int status_once(struct verb_call *call)
{
	struct reply reply = { 0 };
	int status = 0;
	client_call(call->client, "/v1/status", NULL, CLIENT_READ_MS, &reply);
	if (reply.code != 0)
		status = reply_report(&reply, NULL);
	else if (call->option[OPT_JSON])
		print_json(buf_str(&reply.body), reply.body.len);
	else if (call->watch && !call->watch->screen)
		print_news(call, reply.json);
	else
		print_whole(reply.json, call->now);
	reply_free(&reply);
	return status;
}

int verb_status(struct verb_call *call)
{
	if (!call->option[OPT_CHECK])
		return verb_watch(call, status_once);
	if (call->option[OPT_WATCH] || call->option[OPT_JSON])
		return usage_error(call, _("--check is one line for a monitor: without --watch and --json"));
	return check_run(call);
}
