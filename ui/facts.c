/* The daemon's JSON told to a person: one failed row, and whether anything is wrong; see lines.h.
 * Calls base, format and text only. */
#include "lines.h"

#include "base/json.h"
#include "base/language.h"
#include "format.h"

#include <string.h>

#define PAYLOAD_SHOWN_MAX (256 << 10)
#define TEXT_MAX (64 << 20) /* lines_add shows a part of what is long */
#define WAITING_TOO_LONG_S 300
#define OUTBOX_TOO_LONG_S 60
#define FAILING_SHARE 0.1

enum role role_of_status(const char *status)
{
	if (!status)
		return ROLE_NORMAL;
	if (!strcmp(status, "dead"))
		return ROLE_BAD;
	if (!strcmp(status, "queued"))
		return ROLE_ACCENT;
	if (!strcmp(status, "delivered"))
		return ROLE_GOOD;
	return ROLE_FAINT;
}

static const char *or_dash(const char *text)
{
	return text && *text ? text : "-";
}

void facts_time(struct lines *l, const char *label, wall_time t, wall_time now)
{
	if (t.ms != 0)
		lines_addf(l, ROLE_NORMAL, label, _("%s  (%s ago)"), part_when(t, WHEN_FULL, now).text,
		        part_span(seconds_between(t, now)).text);
}

/* `in`: with %s for how long that is. */
static void add_until(struct buf *b, const char *at_once, const char *in, wall_time t, wall_time now)
{
	if (t.ms == 0)
		return;
	buf_puts(b, ", ");
	if (t.ms <= now.ms)
		buf_puts(b, at_once);
	else
		buf_printf(b, in, part_span(seconds_between(now, t)).text);
}

static void add_queue_copy(struct lines *l, const cJSON *item, wall_time now)
{
	const cJSON *dlq = json_get(item, "dlq");
	const char *id = json_string(dlq, "message_id");
	if (!id) {
		lines_add(l, ROLE_FAINT, _("DLQ copy"), _("none known"));
		return;
	}
	struct buf b = BUF(TEXT_MAX);
	buf_printf(&b, _("message %s"), id);
	wall_time seen = time_get(dlq, "seen_at"), expires = time_get(dlq, "expires_at");
	if (seen.ms)
		buf_printf(&b, _(", seen %s ago"), part_span(seconds_between(seen, now)).text);
	if (expires.ms > now.ms)
		buf_printf(&b, _(", expires in %s"), part_span(seconds_between(now, expires)).text);
	else if (expires.ms)
		buf_printf(&b, _(", expired %s ago"), part_span(seconds_between(expires, now)).text);
	lines_add(l, ROLE_NORMAL, _("DLQ copy"), buf_str(&b));
	buf_free(&b);
}

void facts_fresh_copy(struct lines *l, const cJSON *item, wall_time now)
{
	const cJSON *copy = json_get(item, "fresh_copy");
	const char *error = json_string(copy, "last_error");
	int64_t failures = json_int(copy, "failures", 0);
	if (!cJSON_IsObject(copy))
		return;
	if (!error) {
		lines_add(l, ROLE_NORMAL, _("Fresh copy"), _("is being sent to its queue"));
		return;
	}
	struct buf b = BUF(TEXT_MAX);
	buf_printf(&b,
	        ngettext("not sent, tried %lld time", "not sent, tried %lld times", (unsigned long)failures),
	        (long long)failures);
	add_until(&b, _("tried again now"), _("tried again in %s"), time_get(copy, "next_at"), now);
	buf_printf(&b, ": %s", error);
	lines_add(l, ROLE_WARN, _("Fresh copy"), buf_str(&b));
	buf_free(&b);
}

/* What is done about it next, and what was done. */
static void add_handling(struct lines *l, const cJSON *item)
{
	const char *status = json_string(item, "status"), *disposition = json_string(item, "disposition"),
	           *by = json_string(item, "settled_by"), *why = json_string(item, "settled_reason");
	const cJSON *job = json_get(item, "redrive_job");
	if (status && !strcmp(status, "dead"))
		lines_add(l, ROLE_NORMAL, _("Next"),
		        disposition && !strcmp(disposition, "auto")
		                ? _("usher redrives it by itself once the cause is gone")
		                : _("waits for you: redrive it, or cancel it with a reason"));
	if (by && why)
		lines_addf(l, ROLE_NORMAL, _("Settled"), _("by %s: %s"), by, why);
	else if (by)
		lines_addf(l, ROLE_NORMAL, _("Settled"), _("by %s"), by);
	if (json_string(job, "id"))
		lines_addf(l, ROLE_NORMAL, _("Job"), _("%s, by %s: usher redrives show %s"),
		        json_string(job, "id"), or_dash(json_string(job, "created_by")),
		        json_string(job, "id"));
}

void facts_row(struct lines *l, const cJSON *item, wall_time now)
{
	const char *status = json_string(item, "status"), *help = json_string(item, "class_help");
	lines_addf(l, role_of_status(status), _("Status"), "%s", or_dash(status));
	lines_addf(l, ROLE_NORMAL, _("Why"), "%s: %s", or_dash(json_string(item, "class")),
	        or_dash(json_string(item, "reason")));
	if (help && *help)
		lines_add(l, ROLE_FAINT, "", help);
	add_handling(l, item);
	facts_fresh_copy(l, item, now);
	const char *name = json_string(item, "name");
	lines_addf(
	        l, ROLE_NORMAL, _("To"), "%s  %s", or_dash(json_string(item, "recipient")), name ? name : "");
	lines_addf(l, ROLE_NORMAL, _("User"), "%s", or_dash(json_string(item, "user_id")));
	lines_addf(l, ROLE_NORMAL, _("Event"), "%s", or_dash(json_string(item, "event_id")));
	int64_t redrives = json_int(item, "redrives", 0);
	lines_addf(l, ROLE_NORMAL, _("Attempts"),
	        ngettext("%lld, redriven %lld time", "%lld, redriven %lld times", (unsigned long)redrives),
	        (long long)json_int(item, "attempts", 0), (long long)redrives);
	facts_time(l, _("First died"), time_get(item, "first_at"), now);
	facts_time(l, _("Dead since"), time_get(item, "dead_at"), now);
	facts_time(l, _("Changed"), time_get(item, "updated_at"), now);
	lines_addf(l, ROLE_NORMAL, _("Came from"), "%s", or_dash(json_string(item, "source_queue")));
	add_queue_copy(l, item, now);
}

/* `before`: when the attempt before was made; 0: none. */
static void add_attempt(struct lines *l, const cJSON *a, wall_time before, wall_time now)
{
	struct buf b = BUF(TEXT_MAX);
	const char *class = json_string(a, "class"), *effect = json_string(a, "effect");
	if (class && !*class)
		class = NULL;
	format_when(&b, time_get(a, "at"), WHEN_DAY, now);
	if (before.ms)
		buf_printf(&b, _(" (%s later)"), part_span(seconds_between(before, time_get(a, "at"))).text);
	buf_printf(&b, "  %s", class ? class : "delivered");
	if (json_int(a, "code", 0))
		buf_printf(&b, "  %lld", (long long)json_int(a, "code", 0));
	buf_puts(&b, "  ");
	format_latency(&b, json_int(a, "latency_ms", -1));
	if (effect && *effect)
		buf_printf(&b, _("  effect: %s"), effect);
	char label[24];
	snprintf(label, sizeof label, "  %lld", (long long)json_int(a, "number", 0));
	lines_add(l, class ? ROLE_NORMAL : ROLE_GOOD, label, buf_str(&b));
	const char *reply = json_string(a, "reply");
	if (reply && *reply)
		lines_add(l, ROLE_FAINT, "", reply);
	buf_free(&b);
}

void facts_attempts(struct lines *l, const cJSON *item, wall_time now)
{
	const cJSON *list = json_get(item, "attempt_list"), *a;
	lines_head(l, _("ATTEMPTS"));
	if (cJSON_GetArraySize(list) == 0)
		lines_add(l, ROLE_FAINT, NULL, _("none recorded"));
	int64_t round = 0;
	wall_time before = { 0 };
	cJSON_ArrayForEach(a, list)
	{
		int64_t redrive = json_int(a, "redrive", 0);
		if (redrive != round)
			lines_addf(l, ROLE_ACCENT, NULL, _("after redrive %lld"), (long long)redrive);
		round = redrive;
		add_attempt(l, a, before, now);
		before = time_get(a, "at");
	}
}

static void add_attributes(struct lines *l, const cJSON *attributes)
{
	const cJSON *a;
	if (!cJSON_IsObject(attributes) || !attributes->child)
		return;
	lines_head(l, _("MESSAGE ATTRIBUTES"));
	cJSON_ArrayForEach(a, attributes)
	{
		const char *value = cJSON_IsString(a) ? a->valuestring : json_string(a, "value");
		lines_addf(l, ROLE_NORMAL, NULL, "%s = %s", a->string, or_dash(value));
	}
}

void facts_payload(struct lines *l, const cJSON *item)
{
	const char *payload = json_string(item, "payload");
	if (!payload)
		payload = "";
	size_t len = strlen(payload), shown;
	struct buf title = BUF(128), pretty = BUF(8 << 20);
	buf_printf(&title, _("PAYLOAD, %s bytes"),
	        part_count(json_int(item, "payload_bytes", (int64_t)len)).text);
	cJSON *parsed = NULL;
	if (json_parse(payload, len, &parsed, NULL) == 0)
		format_json(&pretty, payload, len);
	else
		buf_puts(&title, _(", not JSON"));
	if (!parsed || pretty.failed) {
		buf_clear(&pretty);
		buf_add(&pretty, payload, len);
	}
	cJSON_Delete(parsed);
	lines_head(l, buf_str(&title));
	if (pretty.len > PAYLOAD_SHOWN_MAX)
		shown = PAYLOAD_SHOWN_MAX;
	else
		shown = pretty.len;
	lines_addn(l, ROLE_NORMAL, NULL, buf_str(&pretty), shown);
	if (shown < pretty.len)
		lines_addf(l, ROLE_WARN, NULL, _("… %zu bytes more: usher failed %s --json"),
		        pretty.len - shown, or_dash(json_string(item, "id")));
	add_attributes(l, json_get(item, "attributes"));
	buf_free(&title);
	buf_free(&pretty);
}

void facts_audit(struct lines *l, const cJSON *items, wall_time now)
{
	const cJSON *a;
	lines_head(l, _("AUDIT"));
	if (cJSON_GetArraySize(items) == 0)
		lines_add(l, ROLE_FAINT, NULL, _("nobody has acted on it"));
	cJSON_ArrayForEach(a, items)
	{
		struct buf b = BUF(TEXT_MAX);
		const char *outcome = json_string(a, "outcome"), *reason = json_string(a, "reason"),
		           *detail = json_string(a, "detail");
		format_when(&b, time_get(a, "at"), WHEN_DAY, now);
		buf_printf(&b, "  %s  %s: %s", or_dash(json_string(a, "operator")),
		        or_dash(json_string(a, "act")), or_dash(outcome));
		if (reason && *reason)
			buf_printf(&b, "  \"%s\"", reason);
		if (detail && *detail)
			buf_printf(&b, "  %s", detail);
		lines_add(l, ROLE_NORMAL, NULL, buf_str(&b));
		buf_free(&b);
	}
}

/* -- Is anything wrong? ------------------------------------------------------------------------ */

static void add_waiting(struct buf *b, const cJSON *object, const char *key)
{
	buf_printf(b, _("%s waiting"), part_figure(figure_get(object, key)).text);
}

static void take_line(struct lines *l, enum role role, struct buf *b)
{
	lines_add(l, role, role == ROLE_BAD ? "!!" : "!", buf_str(b));
	buf_clear(b);
}

static void verdict_fleet(struct lines *l, const cJSON *status, wall_time now, struct buf *b)
{
	if (!json_bool(json_get(status, "database"), "up", true))
		return; /* who is silent is not known either */
	struct buf fleet = BUF(TEXT_MAX);
	if (!facts_fleet(&fleet, status, now, false)) {
		buf_printf(b, _("fleet: %s"), buf_str(&fleet));
		take_line(l, ROLE_WARN, b);
	}
	buf_free(&fleet);
}

static void verdict_control(struct lines *l, const cJSON *ch, wall_time now, struct buf *b)
{
	const char *name = or_dash(json_string(ch, "name"));
	if (cJSON_IsObject(json_get(ch, "paused"))) {
		buf_printf(b, "%s: ", name);
		facts_paused(b, ch, now);
		buf_puts(b, ", ");
		add_waiting(b, ch, "visible");
		take_line(l, ROLE_BAD, b);
	}
	if (cJSON_IsObject(json_get(ch, "forced"))) {
		struct buf forced = BUF(TEXT_MAX);
		facts_forced(&forced, ch, now);
		buf_printf(b, _("%s: breaker %s"), name, buf_str(&forced));
		buf_free(&forced);
		buf_puts(b, ", ");
		add_waiting(b, ch, "visible");
		take_line(l, ROLE_WARN, b);
	}
}

static void verdict_peers(struct lines *l, const cJSON *status, wall_time now, struct buf *b)
{
	const cJSON *database = json_get(status, "database"), *broker = json_get(status, "broker");
	if (!json_bool(database, "up", true)) {
		buf_puts(b, _("database down"));
		facts_since(b, database, "since", now);
		buf_printf(b, ": %s %s", _("nothing is received until it is back, nothing is lost."),
		        or_dash(json_string(database, "error")));
		take_line(l, ROLE_BAD, b);
	}
	if (!json_bool(broker, "up", true)) {
		buf_printf(b, _("broker down: %s"), or_dash(json_string(broker, "error")));
		take_line(l, ROLE_BAD, b);
	}
}

static void verdict_outbox(struct lines *l, const cJSON *status, wall_time now, struct buf *b)
{
	const cJSON *outbox = json_get(status, "outbox");
	int64_t oldest = json_int(outbox, "oldest_age_s", 0);
	bool failing = json_bool(outbox, "failing", false);
	if (!failing && oldest < OUTBOX_TOO_LONG_S)
		return;
	buf_printf(b, "%s, ", failing ? _("outbox: publishing fails") : _("outbox: slow"));
	add_waiting(b, outbox, "waiting");
	if (oldest > 0)
		buf_printf(b, _(", the oldest %s"), part_span(oldest).text);
	if (failing)
		add_until(b, _("tried again now"), _("tried again in %s"), time_get(outbox, "retry_at"), now);
	take_line(l, failing ? ROLE_BAD : ROLE_WARN, b);
}

static const char *some(const cJSON *object, const char *key)
{
	const char *text = json_string(object, key);
	return text && *text ? text : NULL;
}

static bool says(const cJSON *object, const char *key, const char *word)
{
	const char *text = json_string(object, key);
	return text && !strcmp(text, word);
}

/* A trial or a probe, whichever comes first. */
static void add_next(struct buf *b, const cJSON *ch, wall_time now)
{
	wall_time trial = time_get(json_get(ch, "breaker"), "trial_at"),
	          probe = time_get(json_get(ch, "probe"), "next_at");
	if (probe.ms && (trial.ms == 0 || probe.ms < trial.ms))
		add_until(b, _("next probe now"), _("next probe in %s"), probe, now);
	else
		add_until(b, _("next trial now"), _("next trial in %s"), trial, now);
}

bool facts_breaker(struct buf *b, const cJSON *ch, wall_time now)
{
	const cJSON *breaker = json_get(ch, "breaker");
	const char *state = json_string(breaker, "state");
	bool closed = !state || !strcmp(state, "closed"), forced = cJSON_IsObject(json_get(ch, "forced"));
	buf_printf(b, _("breaker %s"), or_dash(state));
	if (forced) {
		buf_puts(b, ", ");
		facts_forced(b, ch, now);
	}
	if (closed)
		return forced;
	if (!forced)
		facts_since(b, breaker, "since", now);
	buf_puts(b, ", ");
	add_waiting(b, ch, "visible");
	if (forced)
		return true;
	if (!strcmp(state, "open"))
		add_next(b, ch, now);
	else
		buf_puts(b, _(", being tried now"));
	if (some(breaker, "cause"))
		buf_printf(b, ": %s", some(breaker, "cause"));
	return true;
}

bool facts_limit(struct buf *b, const cJSON *ch)
{
	const cJSON *limit = json_get(ch, "limit"), *per_s = json_get(limit, "per_s");
	bool service = says(limit, "by", "service");
	if (!service && !says(limit, "by", "configuration"))
		return false;
	if (cJSON_IsNumber(per_s))
		buf_printf(b,
		        service ? _("limited to %s by the service") : _("limited to %s by the configuration"),
		        part_rate(per_s->valuedouble).text);
	else
		buf_puts(b, service ? _("held up by the service") : _("held up by the configuration"));
	if (some(limit, "words"))
		buf_printf(b, " (%s)", some(limit, "words"));
	return service;
}

static void verdict_service(struct lines *l, const cJSON *ch, wall_time now, struct buf *b)
{
	const char *name = or_dash(json_string(ch, "name"));
	const cJSON *breaker = json_get(ch, "breaker"), *probe = json_get(ch, "probe");
	buf_printf(b, "%s: %s, ", name, _("service failing"));
	if (cJSON_IsObject(json_get(ch, "forced")))
		buf_clear(b); /* said with what operators said */
	else if (facts_breaker(b, ch, now))
		take_line(l, says(breaker, "state", "open") ? ROLE_BAD : ROLE_WARN, b);
	else if (!json_bool(probe, "ok", true)) {
		buf_clear(b);
		buf_printf(b, _("%s: a probe finds the service unwell: %s"), name,
		        or_dash(some(probe, "error")));
		take_line(l, ROLE_WARN, b);
	}
	buf_clear(b);
	buf_printf(b, "%s: ", name);
	if (facts_limit(b, ch))
		take_line(l, ROLE_WARN, b);
	buf_clear(b);
}

static void verdict_flow(struct lines *l, const cJSON *ch, struct buf *b)
{
	const char *name = or_dash(json_string(ch, "name"));
	const cJSON *rates = json_get(ch, "rates"), *out = json_get(rates, "out_per_s"),
	            *fail = json_get(rates, "fail_per_s");
	double out_rate = cJSON_IsNumber(out) ? out->valuedouble : 0,
	       fail_rate = cJSON_IsNumber(fail) ? fail->valuedouble : 0;
	if (fail_rate > 0 && fail_rate >= FAILING_SHARE * (out_rate + fail_rate)) {
		buf_printf(b, _("%s: failing %s against %s delivered; retried on schedule"), name,
		        part_rate(fail_rate).text, part_rate(out_rate).text);
		take_line(l, ROLE_WARN, b);
	}
	int64_t oldest = json_int(ch, "oldest_age_s", 0);
	if (oldest >= WAITING_TOO_LONG_S) {
		bool worse = trend_of(json_get(json_get(ch, "history"), "depth")) == TREND_UP;
		buf_printf(b,
		        worse ? _("%s: the oldest waits %s, and it is getting worse")
		              : _("%s: the oldest waits %s"),
		        name, part_span(oldest).text);
		take_line(l, ROLE_WARN, b);
	}
}

static void verdict_channel(struct lines *l, const cJSON *ch, struct buf *b)
{
	const char *name = or_dash(json_string(ch, "name")), *trouble = json_string(ch, "depth_error");
	if (!json_bool(ch, "enabled", true)) {
		buf_printf(b, _("%s: switched off in the configuration"), name);
		take_line(l, ROLE_WARN, b);
	}
	if (trouble && *trouble) {
		buf_printf(b, _("%s: queue depths cannot be read: %s"), name, trouble);
		take_line(l, ROLE_WARN, b);
	}
	struct figure dead = figure_get(ch, "dead");
	if (dead.kind == FIGURE_NONE || figure_get(ch, "visible").kind == FIGURE_NONE) {
		buf_printf(b, _("%s: its figures are not known now"), name);
		take_line(l, ROLE_WARN, b);
	}
	if (figure_over(dead, 1)) {
		buf_printf(b, _("%s: %s dead, to be redriven or cancelled"), name, part_figure(dead).text);
		take_line(l, ROLE_WARN, b);
	}
}

void facts_verdict(struct lines *l, const cJSON *status, wall_time now)
{
	struct buf b = BUF(TEXT_MAX);
	const cJSON *channels = json_get(status, "channels"), *ch;
	int from = l->count;
	l->label_width = VERDICT_LABEL;
	facts_alarms(l, status, now);
	verdict_peers(l, status, now, &b);
	cJSON_ArrayForEach(ch, channels)
	{
		verdict_control(l, ch, now, &b);
		verdict_service(l, ch, now, &b);
	}
	verdict_fleet(l, status, now, &b);
	verdict_outbox(l, status, now, &b);
	cJSON_ArrayForEach(ch, channels)
	{
		verdict_flow(l, ch, &b);
	}
	cJSON_ArrayForEach(ch, channels)
	{
		verdict_channel(l, ch, &b);
	}
	facts_config(l, status, now);
	if (l->count == from)
		lines_add(l, ROLE_GOOD, "ok", _("nothing is wrong"));
	buf_free(&b);
}
