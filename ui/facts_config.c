/* The configuration told to a person: the lines of the verdict about what was refused and what waits for a
 * restart; see lines.h. Calls base, format and text only. */
#include "lines.h"

#include "base/json.h"
#include "base/language.h"
#include "format.h"

#define TEXT_MAX 8192

static void add_refused(struct lines *l, const cJSON *config, wall_time now)
{
	const char *why = json_string(config, "refused");

	if (!why)
		return;
	lines_addf(l, ROLE_WARN, "!",
	        _("the configuration as it is written is refused for %s, the one before is in force: %s"),
	        part_span(seconds_between(time_get(config, "refused_at"), now)).text, why);
}

static void add_pending(struct lines *l, const cJSON *config)
{
	const cJSON *pending = json_get(config, "pending"), *key;
	struct buf keys = BUF(TEXT_MAX);

	if (cJSON_GetArraySize(pending) == 0)
		return;
	cJSON_ArrayForEach(key, pending)
	        buf_printf(&keys, "%s%s", key == pending->child ? "" : ", ", key->valuestring);
	lines_addf(l, ROLE_WARN, "!", _("takes effect at a restart of usherd: %s"), buf_str(&keys));
	buf_free(&keys);
}

void facts_config(struct lines *l, const cJSON *status, wall_time now)
{
	const cJSON *config = json_get(status, "config");

	add_refused(l, config, now);
	add_pending(l, config);
}
