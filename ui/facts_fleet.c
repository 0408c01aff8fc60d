/* What holds for the whole fleet, told to a person: who paused what, and which daemons there are; see
 * lines.h. Calls base and format only. */
#include "lines.h"

#include "base/json.h"
#include "base/language.h"
#include "format.h"

#include <string.h>

#define DAEMON_NAME_MAX 4096

static const char *or_dash(const char *text)
{
	return text && *text ? text : "-";
}

void facts_since(struct buf *out, const cJSON *object, const char *key, wall_time now)
{
	wall_time since = time_get(object, key);
	if (since.ms == 0)
		return;
	buf_printf(out, _(" since %s (%s)"), part_when(since, WHEN_DAY, now).text,
	        part_span(seconds_between(since, now)).text);
}

/* -- What operators said ------------------------------------------------------------------------ */

static void add_word(struct buf *b, const cJSON *word, wall_time now)
{
	const char *reason = json_string(word, "reason");
	facts_since(b, word, "at", now);
	if (reason && *reason)
		buf_printf(b, ": \"%s\"", reason);
}

void facts_paused(struct buf *out, const cJSON *channel, wall_time now)
{
	const cJSON *paused = json_get(channel, "paused");
	if (!cJSON_IsObject(paused))
		return;
	buf_printf(out, _("PAUSED by %s"), or_dash(json_string(paused, "by")));
	add_word(out, paused, now);
}

void facts_forced(struct buf *out, const cJSON *channel, wall_time now)
{
	const cJSON *forced = json_get(channel, "forced");
	if (!cJSON_IsObject(forced))
		return;
	buf_printf(out, _("forced %s by %s"), or_dash(json_string(forced, "state")),
	        or_dash(json_string(forced, "by")));
	add_word(out, forced, now);
}

/* -- The fleet ----------------------------------------------------------------------------------- */

/* By its host, and by its pid too where another is on the same host. */
static void add_daemon_name(struct buf *b, const cJSON *fleet, const cJSON *one)
{
	const char *host = or_dash(json_string(one, "host"));
	const cJSON *other;
	buf_puts(b, host);
	cJSON_ArrayForEach(other, fleet)
	{
		if (other == one || strcmp(or_dash(json_string(other, "host")), host) != 0)
			continue;
		buf_printf(b, " (pid %lld)", (long long)json_int(one, "pid", 0));
		break;
	}
}

static const cJSON *leader_of(const cJSON *fleet)
{
	const cJSON *one;
	cJSON_ArrayForEach(one, fleet)
	{
		if (json_bool(one, "leads", false))
			return one;
	}
	return NULL;
}

static bool is_lost(const cJSON *daemon)
{
	return json_bool(daemon, "lost", false);
}

static void add_daemon(struct buf *b, const cJSON *fleet, const cJSON *one, wall_time now)
{
	struct buf name = BUF(DAEMON_NAME_MAX);
	add_daemon_name(&name, fleet, one);
	if (is_lost(one))
		buf_printf(b, _("%s silent for %s"), buf_str(&name),
		        part_span(json_int(one, "silent_s", 0)).text);
	else
		buf_printf(b, json_bool(one, "leads", false) ? _("%s %s up %s leads") : _("%s %s up %s"),
		        buf_str(&name), or_dash(json_string(one, "version")),
		        part_span(seconds_between(time_get(one, "started_at"), now)).text);
	buf_free(&name);
}

static void add_each(struct buf *b, const cJSON *fleet, wall_time now)
{
	const char *gap = ": ";
	const cJSON *one;
	cJSON_ArrayForEach(one, fleet)
	{
		buf_puts(b, gap);
		gap = ", ";
		add_daemon(b, fleet, one, now);
	}
}

static void add_brief(struct buf *b, const cJSON *fleet, wall_time now)
{
	const cJSON *leader = leader_of(fleet), *one;
	struct buf name = BUF(DAEMON_NAME_MAX);
	if (leader)
		add_daemon_name(&name, fleet, leader);
	buf_printf(b, leader ? _(", leader %s") : _(", none leads"), buf_str(&name));
	buf_free(&name);
	cJSON_ArrayForEach(one, fleet)
	{
		if (!is_lost(one))
			continue;
		buf_puts(b, "; ");
		add_daemon(b, fleet, one, now);
	}
}

bool facts_fleet(struct buf *out, const cJSON *status, wall_time now, bool whole)
{
	const cJSON *fleet = json_get(status, "fleet"), *one;
	int n = cJSON_GetArraySize(fleet);
	bool well = leader_of(fleet) != NULL;
	cJSON_ArrayForEach(one, fleet)
	{
		well = well && !is_lost(one);
	}
	if (n == 0) {
		buf_puts(out, _("not known yet"));
		return true;
	}
	buf_printf(out, ngettext("%d daemon", "%d daemons", (unsigned long)n), n);
	if (whole)
		add_each(out, fleet, now);
	else
		add_brief(out, fleet, now);
	return well;
}
