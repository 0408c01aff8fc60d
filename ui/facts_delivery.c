/* What is known of a delivery beyond its failed row: how it stands while it waits, what its attempts brought
 * about outside, and how operators changed it. See lines.h. Calls base, format and text only. */
#include "lines.h"

#include "base/json.h"
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
	struct buf b = BUF(TEXT_MAX);
	if (due.ms == 0)
		return;
	buf_printf(&b, "attempt %lld of %lld ", (long long)json_int(item, "attempts", 0) + 1,
	        (long long)json_int(item, "max_attempts", 0));
	if (due.ms <= now.ms) {
		buf_puts(&b, "is due: sent as soon as its channel may");
	} else {
		buf_puts(&b, "in ");
		format_span(&b, seconds_between(now, due));
		buf_puts(&b, ", at ");
		format_when(&b, due, WHEN_DAY, now);
	}
	lines_add(l, ROLE_ACCENT, "Next", buf_str(&b));
	buf_free(&b);
}

static void add_time(struct lines *l, const char *label, wall_time t, wall_time now)
{
	struct buf b = BUF(TEXT_MAX);
	if (t.ms == 0)
		return;
	format_when(&b, t, WHEN_FULL, now);
	buf_puts(&b, "  (");
	format_span(&b, seconds_between(t, now));
	buf_puts(&b, " ago)");
	lines_add(l, ROLE_NORMAL, label, buf_str(&b));
	buf_free(&b);
}

void facts_delivery(struct lines *l, const cJSON *item, wall_time now)
{
	const char *state = json_string(item, "state"), *class = some(item, "last_class");
	lines_addf(l, role_of_status(state), "State", "%s", or_dash(state));
	add_next(l, item, now);
	if (class)
		lines_addf(l, ROLE_NORMAL, "Why", "%s: %s", class, or_dash(some(item, "last_reply")));
	if (class && some(item, "class_help"))
		lines_add(l, ROLE_FAINT, "", some(item, "class_help"));
	if (some(item, "failed_id"))
		lines_addf(l, ROLE_NORMAL, "Failed row", "%s", some(item, "failed_id"));
	if (some(item, "owner"))
		lines_addf(l, ROLE_NORMAL, "Held by", "%s", some(item, "owner"));
	const char *name = some(item, "name");
	lines_addf(l, ROLE_NORMAL, "To", "%s  %s", or_dash(some(item, "recipient")), name ? name : "");
	lines_addf(l, ROLE_NORMAL, "User", "%s", or_dash(some(item, "user_id")));
	lines_addf(l, ROLE_NORMAL, "Event", "%s", or_dash(some(item, "event_id")));
	lines_addf(l, ROLE_NORMAL, "Attempts", "%lld of %lld, redriven %lld times",
	        (long long)json_int(item, "attempts", 0), (long long)json_int(item, "max_attempts", 0),
	        (long long)json_int(item, "redrives", 0));
	add_time(l, "Begun", time_get(item, "created_at"), now);
	add_time(l, "Changed", time_get(item, "updated_at"), now);
	add_time(l, "Delivered", time_get(item, "delivered_at"), now);
}

/* -- What its attempts brought about ---------------------------------------------------------------- */

/* An attempt that has an effect did it, or may have: its class says which. */
static void add_effect(struct lines *l, const cJSON *attempt, bool mail, wall_time now)
{
	const char *class = some(attempt, "class");
	struct buf b = BUF(TEXT_MAX);
	if (class)
		buf_puts(&b, mail ? "a mail may be out since " : "a coupon may be granted since ");
	else
		buf_puts(&b, mail ? "the mail is out since " : "the coupon is granted since ");
	format_when(&b, time_get(attempt, "at"), WHEN_DAY, now);
	buf_printf(&b, ": %s %s", mail ? "Message-ID" : "coupon and key", some(attempt, "effect"));
	lines_add(l, class ? ROLE_WARN : ROLE_GOOD, NULL, buf_str(&b));
	buf_free(&b);
}

void facts_effects(struct lines *l, const cJSON *item, wall_time now)
{
	const char *channel = json_string(item, "channel");
	bool mail = channel && !strcmp(channel, "email"), any = false;
	const cJSON *a;
	lines_head(l, "SIDE EFFECT");
	cJSON_ArrayForEach(a, json_get(item, "attempt_list"))
	{
		if (!some(a, "effect"))
			continue;
		add_effect(l, a, mail, now);
		any = true;
	}
	if (!any)
		lines_add(l, ROLE_FAINT, NULL, "none: no attempt got so far");
}

/* -- Edits ------------------------------------------------------------------------------------------ */

void facts_edits(struct lines *l, const cJSON *item, wall_time now)
{
	const cJSON *edits = json_get(item, "edits"), *e;
	if (cJSON_GetArraySize(edits) == 0)
		return;
	lines_head(l, "EDITS, the original is kept");
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
