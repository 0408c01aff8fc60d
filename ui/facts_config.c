/* The configuration told to a person: the lines of the verdict about what was refused and what waits for a
 * restart; see lines.h. Calls base, format and text only. */
#include "lines.h"

#include "base/json.h"
#include "format.h"

#define TEXT_MAX 8192

static void add_refused(struct lines *l, const cJSON *config, wall_time now)
{
	const char *why = json_string(config, "refused");
	struct buf b = BUF(TEXT_MAX);

	if (!why)
		return;
	buf_puts(&b, "the configuration as it is written is refused for ");
	format_span(&b, seconds_between(time_get(config, "refused_at"), now));
	buf_printf(&b, ", the one before is in force: %s", why);
	lines_add(l, ROLE_WARN, "!", buf_str(&b));
	buf_free(&b);
}

static void add_pending(struct lines *l, const cJSON *config)
{
	const cJSON *pending = json_get(config, "pending"), *key;
	struct buf b = BUF(TEXT_MAX);

	if (cJSON_GetArraySize(pending) == 0)
		return;
	buf_puts(&b, "takes effect at a restart of usherd:");
	cJSON_ArrayForEach(key, pending)
	        buf_printf(&b, "%s %s", key == pending->child ? "" : ",", key->valuestring);
	lines_add(l, ROLE_WARN, "!", buf_str(&b));
	buf_free(&b);
}

void facts_config(struct lines *l, const cJSON *status, wall_time now)
{
	const cJSON *config = json_get(status, "config");

	add_refused(l, config, now);
	add_pending(l, config);
}
