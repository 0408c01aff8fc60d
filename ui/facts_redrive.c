/* A redrive job told to a person; see lines.h. Calls base and format only. */
#include "lines.h"

#include "base/json.h"
#include "base/language.h"
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

/* A job of another act sends nothing: it cancels, or restores. */
static bool is_of(const cJSON *job, const char *act)
{
	return !strcmp(word(job, "act"), act);
}

static const char *progress_words(const cJSON *job)
{
	bool capped = json_bool(job, "total_capped", false);
	if (is_of(job, "cancel"))
		return capped ? _("%s of more than %s cancelled") : _("%s of %s cancelled");
	if (is_of(job, "restore"))
		return capped ? _("%s of more than %s restored") : _("%s of %s restored");
	return capped ? _("%s of more than %s sent") : _("%s of %s sent");
}

/* "12 of 300 sent, 10 delivered, 1 failed again, 1 on the way"; "12 of 300 cancelled" */
void facts_redrive_progress(struct buf *b, const cJSON *job)
{
	long long skipped = number(job, "skipped");
	buf_printf(b, progress_words(job), part_count(number(job, "sent")).text,
	        part_count(number(job, "total")).text);
	if (!is_of(job, "cancel") && !is_of(job, "restore"))
		buf_printf(b, _(", %lld delivered, %lld failed again, %lld on the way"),
		        number(job, "delivered"), number(job, "failed_again"), number(job, "on_the_way"));
	if (skipped)
		buf_printf(b,
		        ngettext(", %lld had changed and was left alone",
		                ", %lld had changed and were left alone", (unsigned long)skipped),
		        skipped);
}

void facts_redrive_state(struct buf *b, const cJSON *job)
{
	const char *state = word(job, "state");
	if (json_string(job, "waits")) /* of a running one only */
		buf_printf(b, _("%s, waits: %s"), state, word(job, "waits"));
	else if (json_string(job, "moved_by") && strcmp(state, "running") != 0)
		buf_printf(b, _("%s by %s"), state, word(job, "moved_by"));
	else
		buf_puts(b, state);
	if (json_string(job, "why"))
		buf_printf(b, ": %s", word(job, "why"));
}

static void add_selection(struct buf *b, const cJSON *job)
{
	if (json_string(job, "of_job")) {
		buf_printf(b, _("what job %s cancelled"), word(job, "of_job"));
		return;
	}
	buf_printf(b, _("channel %s, class %s"),
	        json_string(job, "channel") ? word(job, "channel") : C_("selection", "any"),
	        json_string(job, "class") ? word(job, "class") : C_("selection", "any"));
	if (json_string(job, "q"))
		buf_printf(b, _(", search \"%s\""), word(job, "q"));
	else if (json_bool(job, "listed", false))
		buf_puts(b, _(", a list of rows"));
	if (json_string(job, "since"))
		buf_printf(b, _(", dead since %s"), word(job, "since"));
	if (json_string(job, "until"))
		buf_printf(b, _(", dead before %s"), word(job, "until"));
}

static void add_line(struct lines *l, const char *label, struct buf *b)
{
	lines_add(l, ROLE_NORMAL, label, buf_str(b));
	buf_clear(b);
}

static void add_how(struct buf *b, const cJSON *job)
{
	const cJSON *rate = json_get(job, "rate");
	buf_printf(b, _("%g/s, canary %lld"), cJSON_IsNumber(rate) ? rate->valuedouble : 0,
	        number(job, "canary"));
	if (number(job, "stop_on_failures"))
		buf_printf(b, _(", stops when %lld failed again"), number(job, "stop_on_failures"));
	else
		buf_puts(b, _(", never stops by itself"));
}

static void add_frozen(struct buf *b, const cJSON *job, wall_time now)
{
	long long late = number(job, "late");
	buf_printf(b, _("as of %s"), part_when(time_get(job, "frozen_at"), WHEN_FULL, now).text);
	if (late && json_bool(job, "late_capped", false))
		buf_printf(b, _("; %lld or more died later and are not part of it"), late);
	else if (late)
		buf_printf(b,
		        ngettext("; %lld died later and is not part of it",
		                "; %lld died later and are not part of it", (unsigned long)late),
		        late);
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
	lines_add(l, state_role(job), _("State"), buf_str(&b));
	buf_clear(&b);
	facts_redrive_progress(&b, job);
	add_line(l, _("Rows"), &b);
	add_selection(&b, job);
	add_line(l, _("Selected"), &b);
	add_frozen(&b, job, now);
	add_line(l, _("Frozen"), &b);
	if (!is_of(job, "cancel") && !is_of(job, "restore")) {
		add_how(&b, job);
		add_line(l, _("How"), &b);
	}
	buf_printf(&b, "%s%s%s, ", word(job, "created_by"), json_string(job, "reason") ? ": " : "",
	        json_string(job, "reason") ? word(job, "reason") : "");
	format_when(&b, time_get(job, "created_at"), WHEN_FULL, now);
	add_line(l, _("Started by"), &b);
	buf_free(&b);
}

/* `words`: with %s for how many. */
static void add_warning(struct lines *l, long long count, const char *words)
{
	struct buf b = BUF(512);
	if (count == 0)
		return;
	buf_puts(&b, "! ");
	buf_printf(&b, words, part_count(count).text);
	lines_add(l, ROLE_WARN, NULL, buf_str(&b));
	buf_free(&b);
}

static void add_warnings(struct lines *l, const cJSON *preview)
{
	long long mails = number(preview, "mails_maybe_sent"),
	          coupons = number(preview, "coupons_maybe_granted"),
	          members = number(preview, "members_with_coupon");
	add_warning(l, mails,
	        ngettext("%s mail may have gone out already: a second one may come.",
	                "%s mails may have gone out already: a second one may come.", (unsigned long)mails));
	add_warning(l, coupons,
	        ngettext("%s coupon may have been granted already; none is granted twice.",
	                "%s coupons may have been granted already; none is granted twice.",
	                (unsigned long)coupons));
	add_warning(l, members,
	        ngettext("%s member has a coupon by another sign-up.",
	                "%s members have a coupon by another sign-up.", (unsigned long)members));
}

void facts_redrive_preview(struct lines *l, const cJSON *preview, wall_time now)
{
	struct buf b = BUF(16384);
	const cJSON *group;
	const char *comma = ": ";
	long long total = number(preview, "total");
	if (json_bool(preview, "total_capped", false))
		buf_printf(&b, _("more than %s rows"), part_count(total).text);
	else
		buf_printf(&b, ngettext("%s row", "%s rows", (unsigned long)total), part_count(total).text);
	cJSON_ArrayForEach(group, json_get(preview, "groups"))
	{
		buf_puts(&b, comma);
		format_count(&b, number(group, "count"));
		buf_printf(&b, " %s %s", word(group, "channel"), word(group, "class"));
		comma = ", ";
	}
	buf_printf(&b, _("; oldest %s, newest %s"),
	        part_span(seconds_between(time_get(preview, "oldest"), now)).text,
	        part_span(seconds_between(time_get(preview, "newest"), now)).text);
	add_line(l, NULL, &b);
	buf_free(&b);
	add_warnings(l, preview);
}
