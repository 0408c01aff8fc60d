/* Alarms told to a person: the lines of the verdict about what is raised and what could not be sent; see
 * lines.h. Calls base, format and text only. */
#include "lines.h"

#include "base/json.h"
#include "base/language.h"
#include "format.h"

#include <string.h>

#define TEXT_MAX 8192

static const char *word(const cJSON *object, const char *key)
{
	const char *text = json_string(object, key);
	return text && *text ? text : "?";
}

static struct part part_since(const cJSON *object, const char *key, wall_time now)
{
	return part_span(seconds_between(time_get(object, key), now));
}

/* What somebody has taken on is no news to the others. */
static void add_alarm(struct lines *l, const cJSON *alarm, wall_time now)
{
	const char *channel = json_string(alarm, "channel"), *by = json_string(alarm, "acked_by");
	bool critical = !strcmp(word(alarm, "severity"), "critical");
	struct buf b = BUF(TEXT_MAX);

	if (channel)
		buf_printf(&b, _("alarm %s (%s) for %s"), word(alarm, "name"), channel,
		        part_since(alarm, "raised_at", now).text);
	else
		buf_printf(&b, _("alarm %s for %s"), word(alarm, "name"),
		        part_since(alarm, "raised_at", now).text);
	if (by)
		buf_printf(&b, _(", acknowledged by %s"), by);
	buf_printf(&b, ": %s", word(alarm, "text"));
	lines_add(l, by ? ROLE_NORMAL : critical ? ROLE_BAD : ROLE_WARN, critical ? "!!" : "!", buf_str(&b));
	buf_free(&b);
}

static void add_trouble(struct lines *l, const cJSON *trouble, wall_time now)
{
	int64_t count = json_int(trouble, "count", 1), given_up = json_int(trouble, "given_up", 0);
	struct buf b = BUF(TEXT_MAX);

	buf_printf(&b, _("%s %s: not sent for %s"), word(trouble, "kind"), word(trouble, "notify"),
	        part_since(trouble, "since", now).text);
	if (count > 1)
		buf_printf(&b, ngettext(", %lld notice", ", %lld notices", (unsigned long)count),
		        (long long)count);
	if (given_up)
		buf_printf(&b, _(", %lld given up"), (long long)given_up);
	buf_printf(&b, ": %s", word(trouble, "error"));
	lines_add(l, ROLE_WARN, "!", buf_str(&b));
	buf_free(&b);
}

void facts_alarms(struct lines *l, const cJSON *status, wall_time now)
{
	const cJSON *alarms = json_get(status, "alarms"), *list = json_get(alarms, "list"), *item;
	int64_t more = json_int(alarms, "raised", 0) - cJSON_GetArraySize(list);

	cJSON_ArrayForEach(item, list)
	{
		add_alarm(l, item, now);
	}
	if (more > 0)
		lines_addf(l, ROLE_WARN, "!",
		        ngettext("%lld more alarm: usher alarms", "%lld more alarms: usher alarms",
		                (unsigned long)more),
		        (long long)more);
	cJSON_ArrayForEach(item, json_get(alarms, "notices"))
	{
		add_trouble(l, item, now);
	}
}
