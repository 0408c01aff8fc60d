/* A redrive job told to a person; see lines.h. Calls base and format only. */
#include "lines.h"

#include "base/json.h"
#include "format.h"

#include <string.h>

static const char *word(const cJSON *object, const char *key)
{
	const char *text = json_string(object, key);
	return text ? text : "-";
}

static long long number(const cJSON *object, const char *key)
{
	return (long long)json_int(object, key, 0);
}

/* "12 of 300 sent, 10 delivered, 1 failed again, 1 on the way" */
void facts_redrive_progress(struct buf *b, const cJSON *job)
{
	format_count(b, number(job, "sent"));
	buf_puts(b, json_bool(job, "total_capped", false) ? " of more than " : " of ");
	format_count(b, number(job, "total"));
	buf_printf(b, " sent, %lld delivered, %lld failed again, %lld on the way", number(job, "delivered"),
	        number(job, "failed_again"), number(job, "on_the_way"));
	if (number(job, "skipped"))
		buf_printf(b, ", %lld had changed and were left alone", number(job, "skipped"));
}

void facts_redrive_state(struct buf *b, const cJSON *job)
{
	buf_puts(b, word(job, "state"));
	if (json_string(job, "waits"))
		buf_printf(b, ", waits: %s", word(job, "waits"));
	if (json_string(job, "moved_by") && strcmp(word(job, "state"), "running") != 0)
		buf_printf(b, " by %s", word(job, "moved_by"));
	if (json_string(job, "why"))
		buf_printf(b, ": %s", word(job, "why"));
}

static void add_selection(struct buf *b, const cJSON *job)
{
	buf_printf(b, "channel %s, class %s", json_string(job, "channel") ? word(job, "channel") : "any",
	        json_string(job, "class") ? word(job, "class") : "any");
	if (json_string(job, "q"))
		buf_printf(b, ", search \"%s\"", word(job, "q"));
	else if (json_bool(job, "listed", false))
		buf_puts(b, ", a list of rows");
	if (json_string(job, "since"))
		buf_printf(b, ", dead since %s", word(job, "since"));
	if (json_string(job, "until"))
		buf_printf(b, ", dead before %s", word(job, "until"));
}

static void add_line(struct lines *l, const char *label, struct buf *b)
{
	lines_add(l, ROLE_NORMAL, label, buf_str(b));
	buf_clear(b);
}

static void add_how(struct buf *b, const cJSON *job)
{
	const cJSON *rate = json_get(job, "rate");
	buf_printf(b, "%g/s, canary %lld, ", cJSON_IsNumber(rate) ? rate->valuedouble : 0,
	        number(job, "canary"));
	if (number(job, "stop_on_failures"))
		buf_printf(b, "stops when %lld failed again", number(job, "stop_on_failures"));
	else
		buf_puts(b, "never stops by itself");
}

static void add_frozen(struct buf *b, const cJSON *job, wall_time now)
{
	buf_puts(b, "as of ");
	format_when(b, time_get(job, "frozen_at"), WHEN_FULL, now);
	if (number(job, "late"))
		buf_printf(b, "; %lld%s died later and are not part of it", number(job, "late"),
		        json_bool(job, "late_capped", false) ? " or more" : "");
}

static enum role state_role(const cJSON *job)
{
	const char *state = word(job, "state");
	if (!strcmp(state, "stopped"))
		return ROLE_BAD;
	if (!strcmp(state, "done"))
		return number(job, "failed_again") ? ROLE_WARN : ROLE_GOOD;
	return !strcmp(state, "paused") || json_string(job, "waits") ? ROLE_WARN : ROLE_ACCENT;
}

void facts_redrive(struct lines *l, const cJSON *job, wall_time now)
{
	struct buf b = BUF(16384);
	facts_redrive_state(&b, job);
	lines_add(l, state_role(job), "State", buf_str(&b));
	buf_clear(&b);
	facts_redrive_progress(&b, job);
	add_line(l, "Rows", &b);
	add_selection(&b, job);
	add_line(l, "Selected", &b);
	add_frozen(&b, job, now);
	add_line(l, "Frozen", &b);
	add_how(&b, job);
	add_line(l, "How", &b);
	buf_printf(&b, "%s%s%s, ", word(job, "created_by"), json_string(job, "reason") ? ": " : "",
	        json_string(job, "reason") ? word(job, "reason") : "");
	format_when(&b, time_get(job, "created_at"), WHEN_FULL, now);
	add_line(l, "Started by", &b);
	buf_free(&b);
}

static void add_warning(struct lines *l, const cJSON *preview, const char *key, const char *words)
{
	struct buf b = BUF(512);
	if (number(preview, key) == 0)
		return;
	buf_puts(&b, "! ");
	format_count(&b, number(preview, key));
	buf_printf(&b, " %s", words);
	lines_add(l, ROLE_WARN, NULL, buf_str(&b));
	buf_free(&b);
}

void facts_redrive_preview(struct lines *l, const cJSON *preview, wall_time now)
{
	struct buf b = BUF(16384);
	const cJSON *group;
	const char *comma = ": ";
	if (json_bool(preview, "total_capped", false))
		buf_puts(&b, "more than ");
	format_count(&b, number(preview, "total"));
	buf_puts(&b, number(preview, "total") == 1 ? " row" : " rows");
	cJSON_ArrayForEach(group, json_get(preview, "groups"))
	{
		buf_puts(&b, comma);
		format_count(&b, number(group, "count"));
		buf_printf(&b, " %s %s", word(group, "channel"), word(group, "class"));
		comma = ", ";
	}
	buf_puts(&b, "; oldest ");
	format_span(&b, seconds_between(time_get(preview, "oldest"), now));
	buf_puts(&b, ", newest ");
	format_span(&b, seconds_between(time_get(preview, "newest"), now));
	add_line(l, NULL, &b);
	buf_free(&b);
	add_warning(
	        l, preview, "mails_maybe_sent", "mails may have gone out already: a second one may come.");
	add_warning(l, preview, "coupons_maybe_granted",
	        "coupons may have been granted already; none is granted twice.");
	add_warning(l, preview, "members_with_coupon", "members have a coupon by another sign-up.");
}
