/* The daemon's JSON told to a person: one failed row, and whether anything is wrong; see lines.h.
 * Calls base, format and text only. */
#include "lines.h"

#include "base/json.h"
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

static void add_when(struct lines *l, const char *label, wall_time t, wall_time now)
{
	if (t.ms == 0)
		return;
	struct buf b = BUF(TEXT_MAX);
	format_when(&b, t, WHEN_FULL, now);
	buf_puts(&b, "  (");
	format_span(&b, seconds_between(t, now));
	buf_puts(&b, " ago)");
	lines_add(l, ROLE_NORMAL, label, buf_str(&b));
	buf_free(&b);
}

static void add_queue_copy(struct lines *l, const cJSON *item, wall_time now)
{
	const cJSON *dlq = json_get(item, "dlq");
	const char *id = json_string(dlq, "message_id");
	if (!id) {
		lines_add(l, ROLE_FAINT, "DLQ copy", "none known");
		return;
	}
	struct buf b = BUF(TEXT_MAX);
	buf_printf(&b, "message %s", id);
	wall_time seen = time_get(dlq, "seen_at"), expires = time_get(dlq, "expires_at");
	if (seen.ms) {
		buf_puts(&b, ", seen ");
		format_span(&b, seconds_between(seen, now));
		buf_puts(&b, " ago");
	}
	if (expires.ms) {
		buf_puts(&b, expires.ms > now.ms ? ", expires in " : ", expired ");
		format_span(&b,
		        expires.ms > now.ms ? seconds_between(now, expires) : seconds_between(expires, now));
		if (expires.ms <= now.ms)
			buf_puts(&b, " ago");
	}
	lines_add(l, ROLE_NORMAL, "DLQ copy", buf_str(&b));
	buf_free(&b);
}

void facts_row(struct lines *l, const cJSON *item, wall_time now)
{
	const char *status = json_string(item, "status"), *disposition = json_string(item, "disposition");
	lines_addf(l, role_of_status(status), "Status", "%s", or_dash(status));
	lines_addf(l, ROLE_NORMAL, "Why", "%s: %s", or_dash(json_string(item, "class")),
	        or_dash(json_string(item, "reason")));
	const char *help = json_string(item, "class_help");
	if (help && *help)
		lines_add(l, ROLE_FAINT, "", help);
	if (status && !strcmp(status, "dead"))
		lines_add(l, ROLE_NORMAL, "Next",
		        disposition && !strcmp(disposition, "auto")
		                ? "usher redrives it by itself once the cause is gone"
		                : "waits for you: redrive it, or cancel it with a reason");
	if (json_string(item, "settled_by"))
		lines_addf(l, ROLE_NORMAL, "Settled", "by %s%s%s", json_string(item, "settled_by"),
		        json_string(item, "settled_reason") ? ": " : "",
		        json_string(item, "settled_reason") ? json_string(item, "settled_reason") : "");
	if (json_string(json_get(item, "redrive_job"), "id"))
		lines_addf(l, ROLE_NORMAL, "Job", "%s, by %s: usher redrives show %s",
		        json_string(json_get(item, "redrive_job"), "id"),
		        or_dash(json_string(json_get(item, "redrive_job"), "created_by")),
		        json_string(json_get(item, "redrive_job"), "id"));
	const char *name = json_string(item, "name");
	lines_addf(l, ROLE_NORMAL, "To", "%s  %s", or_dash(json_string(item, "recipient")), name ? name : "");
	lines_addf(l, ROLE_NORMAL, "User", "%s", or_dash(json_string(item, "user_id")));
	lines_addf(l, ROLE_NORMAL, "Event", "%s", or_dash(json_string(item, "event_id")));
	int64_t redrives = json_int(item, "redrives", 0);
	lines_addf(l, ROLE_NORMAL, "Attempts", "%lld, redriven %lld time%s",
	        (long long)json_int(item, "attempts", 0), (long long)redrives, redrives == 1 ? "" : "s");
	add_when(l, "First died", time_get(item, "first_at"), now);
	add_when(l, "Dead since", time_get(item, "dead_at"), now);
	add_when(l, "Changed", time_get(item, "updated_at"), now);
	lines_addf(l, ROLE_NORMAL, "Came from", "%s", or_dash(json_string(item, "source_queue")));
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
	if (before.ms) {
		buf_puts(&b, " (");
		format_span(&b, seconds_between(before, time_get(a, "at")));
		buf_puts(&b, " later)");
	}
	buf_printf(&b, "  %s", class ? class : "delivered");
	if (json_int(a, "code", 0))
		buf_printf(&b, "  %lld", (long long)json_int(a, "code", 0));
	buf_puts(&b, "  ");
	format_latency(&b, json_int(a, "latency_ms", -1));
	if (effect && *effect)
		buf_printf(&b, "  effect: %s", effect);
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
	lines_head(l, "ATTEMPTS");
	if (cJSON_GetArraySize(list) == 0)
		lines_add(l, ROLE_FAINT, NULL, "none recorded");
	int64_t round = 0;
	wall_time before = { 0 };
	cJSON_ArrayForEach(a, list)
	{
		int64_t redrive = json_int(a, "redrive", 0);
		if (redrive != round)
			lines_addf(l, ROLE_ACCENT, NULL, "after redrive %lld", (long long)redrive);
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
	lines_head(l, "MESSAGE ATTRIBUTES");
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
	buf_puts(&title, "PAYLOAD, ");
	format_count(&title, json_int(item, "payload_bytes", (int64_t)len));
	buf_puts(&title, " bytes");
	cJSON *parsed = NULL;
	if (json_parse(payload, len, &parsed, NULL) == 0)
		format_json(&pretty, payload, len);
	else
		buf_puts(&title, ", not JSON");
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
		lines_addf(l, ROLE_WARN, NULL, "… %zu bytes more: usher failed %s --json", pretty.len - shown,
		        or_dash(json_string(item, "id")));
	add_attributes(l, json_get(item, "attributes"));
	buf_free(&title);
	buf_free(&pretty);
}

void facts_audit(struct lines *l, const cJSON *items, wall_time now)
{
	const cJSON *a;
	lines_head(l, "AUDIT");
	if (cJSON_GetArraySize(items) == 0)
		lines_add(l, ROLE_FAINT, NULL, "nobody has acted on it");
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

static void add_until(struct buf *b, const char *what, wall_time t, wall_time now)
{
	if (t.ms == 0)
		return;
	buf_printf(b, ", %s ", what);
	if (t.ms <= now.ms) {
		buf_puts(b, "now");
	} else {
		buf_puts(b, "in ");
		format_span(b, seconds_between(now, t));
	}
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
	buf_puts(b, "fleet: ");
	if (facts_fleet(b, status, now, false))
		buf_clear(b);
	else
		take_line(l, ROLE_WARN, b);
}

static void verdict_control(struct lines *l, const cJSON *ch, wall_time now, struct buf *b)
{
	const char *name = or_dash(json_string(ch, "name"));
	if (cJSON_IsObject(json_get(ch, "paused"))) {
		buf_printf(b, "%s: ", name);
		facts_paused(b, ch, now);
		buf_puts(b, ", ");
		format_figure(b, figure_get(ch, "visible"), FORMAT_NO_AGE, 16);
		buf_puts(b, " waiting");
		take_line(l, ROLE_BAD, b);
	}
	if (cJSON_IsObject(json_get(ch, "forced"))) {
		buf_printf(b, "%s: breaker ", name);
		facts_forced(b, ch, now);
		buf_puts(b, ", ");
		format_figure(b, figure_get(ch, "visible"), FORMAT_NO_AGE, 16);
		buf_puts(b, " waiting");
		take_line(l, ROLE_WARN, b);
	}
}

static void verdict_peers(struct lines *l, const cJSON *status, wall_time now, struct buf *b)
{
	const cJSON *database = json_get(status, "database"), *broker = json_get(status, "broker");
	if (!json_bool(database, "up", true)) {
		buf_puts(b, "database down");
		facts_since(b, database, "since", now);
		buf_printf(b, ": nothing is received until it is back, nothing is lost. %s",
		        or_dash(json_string(database, "error")));
		take_line(l, ROLE_BAD, b);
	}
	if (!json_bool(broker, "up", true)) {
		buf_printf(b, "broker down: %s", or_dash(json_string(broker, "error")));
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
	buf_puts(b, failing ? "outbox: publishing fails, " : "outbox: slow, ");
	format_figure(b, figure_get(outbox, "waiting"), FORMAT_NO_AGE, 16);
	buf_puts(b, " waiting");
	if (oldest > 0) {
		buf_puts(b, ", the oldest ");
		format_span(b, oldest);
	}
	if (failing)
		add_until(b, "tried again", time_get(outbox, "retry_at"), now);
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
	bool by_probe = probe.ms && (trial.ms == 0 || probe.ms < trial.ms);
	add_until(b, by_probe ? "next probe" : "next trial", by_probe ? probe : trial, now);
}

bool facts_breaker(struct buf *b, const cJSON *ch, wall_time now)
{
	const cJSON *breaker = json_get(ch, "breaker");
	const char *state = json_string(breaker, "state");
	bool closed = !state || !strcmp(state, "closed"), forced = cJSON_IsObject(json_get(ch, "forced"));
	buf_printf(b, "breaker %s", or_dash(state));
	if (forced) {
		buf_puts(b, ", ");
		facts_forced(b, ch, now);
	}
	if (closed)
		return forced;
	if (!forced)
		facts_since(b, breaker, "since", now);
	buf_puts(b, ", ");
	format_figure(b, figure_get(ch, "visible"), FORMAT_NO_AGE, 16);
	buf_puts(b, " waiting");
	if (forced)
		return true;
	if (!strcmp(state, "open"))
		add_next(b, ch, now);
	else
		buf_puts(b, ", being tried now");
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
	if (cJSON_IsNumber(per_s)) {
		buf_puts(b, "limited to ");
		format_rate(b, per_s->valuedouble);
	} else {
		buf_puts(b, "held up");
	}
	buf_printf(b, " by the %s", service ? "service" : "configuration");
	if (some(limit, "words"))
		buf_printf(b, " (%s)", some(limit, "words"));
	return service;
}

static void verdict_service(struct lines *l, const cJSON *ch, wall_time now, struct buf *b)
{
	const char *name = or_dash(json_string(ch, "name"));
	const cJSON *breaker = json_get(ch, "breaker"), *probe = json_get(ch, "probe");
	buf_printf(b, "%s: service failing, ", name);
	if (cJSON_IsObject(json_get(ch, "forced")))
		buf_clear(b); /* said with what operators said */
	else if (facts_breaker(b, ch, now))
		take_line(l, says(breaker, "state", "open") ? ROLE_BAD : ROLE_WARN, b);
	else if (!json_bool(probe, "ok", true)) {
		buf_clear(b);
		buf_printf(
		        b, "%s: a probe finds the service unwell: %s", name, or_dash(some(probe, "error")));
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
		buf_printf(b, "%s: failing ", name);
		format_rate(b, fail_rate);
		buf_puts(b, " against ");
		format_rate(b, out_rate);
		buf_puts(b, " delivered; retried on schedule");
		take_line(l, ROLE_WARN, b);
	}
	int64_t oldest = json_int(ch, "oldest_age_s", 0);
	if (oldest >= WAITING_TOO_LONG_S) {
		buf_printf(b, "%s: the oldest waits ", name);
		format_span(b, oldest);
		if (trend_of(json_get(json_get(ch, "history"), "depth")) == TREND_UP)
			buf_puts(b, ", and it is getting worse");
		take_line(l, ROLE_WARN, b);
	}
}

static void verdict_channel(struct lines *l, const cJSON *ch, struct buf *b)
{
	const char *name = or_dash(json_string(ch, "name")), *trouble = json_string(ch, "depth_error");
	if (!json_bool(ch, "enabled", true)) {
		buf_printf(b, "%s: switched off in the configuration", name);
		take_line(l, ROLE_WARN, b);
	}
	if (trouble && *trouble) {
		buf_printf(b, "%s: queue depths cannot be read: %s", name, trouble);
		take_line(l, ROLE_WARN, b);
	}
	struct figure dead = figure_get(ch, "dead");
	if (dead.kind == FIGURE_NONE || figure_get(ch, "visible").kind == FIGURE_NONE) {
		buf_printf(b, "%s: its figures are not known now", name);
		take_line(l, ROLE_WARN, b);
	}
	if (figure_over(dead, 1)) {
		buf_printf(b, "%s: ", name);
		format_figure(b, dead, FORMAT_NO_AGE, 16);
		buf_puts(b, " dead, to be redriven or cancelled");
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
		lines_add(l, ROLE_GOOD, "ok", "nothing is wrong");
	buf_free(&b);
}
