/* What is known of a delivery beyond its failed row: how it stands while it waits, what its attempts brought
 * about outside, and how operators changed it. See lines.h. Calls base, format and text only. */
#include "lines.h"

#include "base/json.h"
#include "base/language.h"
#include "format.h"

#include <string.h>

#define TEXT_MAX (64 << 20)

static const char *or_dash(const char *text)
{
	return text && *text ? text : "-";
}

static const char *some(const cJSON *object, const char *key)
{
	const char *text = json_string(object, key);
	return text && *text ? text : NULL;
}

/* -- A delivery that waits, or did ---------------------------------------------------------------- */

static void add_next(struct lines *l, const cJSON *item, wall_time now)
{
	wall_time due = time_get(item, "due_at");
	long long number = (long long)json_int(item, "attempts", 0) + 1,
	          most = (long long)json_int(item, "max_attempts", 0);
	if (due.ms == 0)
		return;
	if (due.ms <= now.ms)
		lines_addf(l, ROLE_ACCENT, _("Next"),
		        _("attempt %lld of %lld is due: sent as soon as its channel may"), number, most);
	else
		lines_addf(l, ROLE_ACCENT, _("Next"), _("attempt %lld of %lld in %s, at %s"), number, most,
		        part_span(seconds_between(now, due)).text, part_when(due, WHEN_DAY, now).text);
}

void facts_delivery(struct lines *l, const cJSON *item, wall_time now)
{
	const char *state = json_string(item, "state"), *class = some(item, "last_class");
	lines_addf(l, role_of_status(state), _("State"), "%s", or_dash(state));
	add_next(l, item, now);
	facts_fresh_copy(l, item, now);
	if (class)
		lines_addf(l, ROLE_NORMAL, _("Why"), "%s: %s", class, or_dash(some(item, "last_reply")));
	if (class && some(item, "class_help"))
		lines_add(l, ROLE_FAINT, "", some(item, "class_help"));
	if (some(item, "failed_id"))
		lines_addf(l, ROLE_NORMAL, _("Failed row"), "%s", some(item, "failed_id"));
	if (some(item, "owner"))
		lines_addf(l, ROLE_NORMAL, _("Held by"), "%s", some(item, "owner"));
	const char *name = some(item, "name");
	lines_addf(l, ROLE_NORMAL, _("To"), "%s  %s", or_dash(some(item, "recipient")), name ? name : "");
	lines_addf(l, ROLE_NORMAL, _("User"), "%s", or_dash(some(item, "user_id")));
	lines_addf(l, ROLE_NORMAL, _("Event"), "%s", or_dash(some(item, "event_id")));
	int64_t redrives = json_int(item, "redrives", 0);
	lines_addf(l, ROLE_NORMAL, _("Attempts"),
	        ngettext("%lld of %lld, redriven %lld time", "%lld of %lld, redriven %lld times",
	                (unsigned long)redrives),
	        (long long)json_int(item, "attempts", 0), (long long)json_int(item, "max_attempts", 0),
	        (long long)redrives);
	facts_time(l, _("Begun"), time_get(item, "created_at"), now);
	facts_time(l, _("Changed"), time_get(item, "updated_at"), now);
	facts_time(l, _("Delivered"), time_get(item, "delivered_at"), now);
}

/* -- What its attempts brought about ---------------------------------------------------------------- */

/* An attempt that has an effect did it, or may have: its class says which. */
static void add_effect(struct lines *l, const cJSON *attempt, bool mail, wall_time now)
{
	static const char *const words[2][2] = { /* of a mail or not, maybe or not */
		{ N_("the coupon is granted since %s: coupon and key %s"),
		        N_("a coupon may be granted since %s: coupon and key %s") },
		{ N_("the mail is out since %s: Message-ID %s"),
		        N_("a mail may be out since %s: Message-ID %s") }
	};
	bool maybe = some(attempt, "class") != NULL;
	lines_addf(l, maybe ? ROLE_WARN : ROLE_GOOD, NULL, _(words[mail][maybe]),
	        part_when(time_get(attempt, "at"), WHEN_DAY, now).text, some(attempt, "effect"));
}

void facts_effects(struct lines *l, const cJSON *item, wall_time now)
{
	const char *channel = json_string(item, "channel");
	bool mail = channel && !strcmp(channel, "email"), any = false;
	const cJSON *a;
	lines_head(l, _("SIDE EFFECT"));
	cJSON_ArrayForEach(a, json_get(item, "attempt_list"))
	{
		if (!some(a, "effect"))
			continue;
		add_effect(l, a, mail, now);
		any = true;
	}
	if (!any)
		lines_add(l, ROLE_FAINT, NULL, _("none: no attempt got so far"));
}

/* -- Edits ------------------------------------------------------------------------------------------ */

void facts_edits(struct lines *l, const cJSON *item, wall_time now)
{
	const cJSON *edits = json_get(item, "edits"), *e;
	if (cJSON_GetArraySize(edits) == 0)
		return;
	lines_head(l, _("EDITS, the original is kept"));
	cJSON_ArrayForEach(e, edits)
	{
		struct buf b = BUF(TEXT_MAX);
		format_when(&b, time_get(e, "at"), WHEN_DAY, now);
		buf_printf(&b, "  %s  %s", or_dash(some(e, "operator")), or_dash(some(e, "summary")));
		if (some(e, "reason"))
			buf_printf(&b, "  \"%s\"", some(e, "reason"));
		lines_add(l, ROLE_NORMAL, NULL, buf_str(&b));
		buf_free(&b);
	}
}
