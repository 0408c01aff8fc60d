/* Pieces that several answers of the admin API share: ids, times, figures, masked personal data, the
 * rows of failed_notification and of the audit, redrive jobs. May call base/, model/; any thread. */
#include "admin/view.h"

#include "base/language.h"
#include "base/mem.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define VIEW_WORDS_MAX 8192 /* bytes of a reply, a reason or a detail once masked */

void view_add_id(cJSON *object, const char *key, int64_t id)
{
	char text[24];
	snprintf(text, sizeof text, "%" PRId64, id);
	json_add_string(object, key, text);
}

void view_add_time(cJSON *object, const char *key, wall_time time)
{
	char text[WALL_TEXT_SIZE];
	json_add_string(object, key, time.ms ? wall_format(time, text) : NULL);
}

void view_add_rate(cJSON *object, const char *key, double per_s)
{
	cJSON_AddNumberToObject(object, key, isfinite(per_s) ? round(per_s * 100) / 100 : 0);
}

void view_add_seconds(cJSON *object, const char *key, int64_t ms)
{
	if (ms < 0)
		cJSON_AddNullToObject(object, key);
	else
		json_add_int(object, key, (ms + 999) / 1000);
}

void view_add_figure(cJSON *object, const char *key, struct figure figure, bool stale)
{
	static const char *const words[] = {
		[EXACT] = "exact", [APPROXIMATE] = "approximate", [STALE] = "stale"
	};
	cJSON *json = json_add_object(object, key);
	if (figure.value < 0)
		cJSON_AddNullToObject(json, "value");
	else
		json_add_int(json, "value", figure.value);
	json_add_string(json, "exactness", words[stale ? STALE : figure.exactness]);
}

void view_add_next(cJSON *object, const char *cursor)
{
	json_add_string(object, "next", *cursor ? cursor : NULL);
}

static bool is_old(const struct config *config, wall_time at, int64_t pause_ms, wall_time now)
{
	int64_t limit_ms = STALE_INTERVALS * config->watch.depth_interval_ms;
	limit_ms = limit_ms > STALE_MIN_MS ? limit_ms : STALE_MIN_MS;
	return at.ms == 0 || now.ms - at.ms > limit_ms + pause_ms;
}

bool view_is_stale(const struct config *config, wall_time at, wall_time now)
{
	return is_old(config, at, 0, now);
}

bool view_depths_are_stale(
        const struct config *config, const struct status *status, enum channel_id channel, wall_time now)
{
	return !status || is_old(config, status->channel[channel].depth_at, status->depths_every_ms, now);
}

/* -- Masked ----------------------------------------------------------------------------------------- */

void view_add_words_of(cJSON *object, const char *key, const char *text, const struct mask_person *person)
{
	if (!text) {
		cJSON_AddNullToObject(object, key);
		return;
	}
	struct buf masked = BUF(VIEW_WORDS_MAX);
	mask_words(text, strlen(text), person, &masked);
	json_add_bytes(object, key, buf_str(&masked), masked.len);
	buf_free(&masked);
}

void view_add_words(cJSON *object, const char *key, const char *text)
{
	view_add_words_of(object, key, text, NULL);
}

static void add_masked(cJSON *object, const char *key, const char *value, enum mask_kind kind)
{
	char masked[MASK_VALUE_SIZE];
	if (value)
		mask_value(kind, value, masked, sizeof masked);
	json_add_string(object, key, value ? masked : NULL);
}

void view_add_member(cJSON *object, const char *name, const char *value, const struct mask_person *person)
{
	enum mask_kind kind = mask_kind_of(name, strlen(name));
	if (kind == MASK_NOTHING)
		view_add_words_of(object, name, value, person);
	else
		add_masked(object, name, value, kind);
}

void view_add_email(cJSON *object, const char *key, const char *email)
{
	add_masked(object, key, email, MASK_EMAIL);
}

void view_add_name(cJSON *object, const char *key, const char *name)
{
	add_masked(object, key, name, MASK_NAME);
}

void view_add_user_id(cJSON *object, const char *key, const char *user_id)
{
	add_masked(object, key, user_id, MASK_USER_ID);
}

/* -- Rows ------------------------------------------------------------------------------------------- */

void view_add_cause(cJSON *object, int64_t cause)
{
	char text[FILTER_CAUSE_SIZE];
	filter_cause_print(cause, text);
	json_add_string(object, "cause", text);
}

struct mask_person view_person(const struct failed_row *row)
{
	return (struct mask_person){ .email = row->recipient, .name = row->name, .user_id = row->user_id };
}

cJSON *view_failed(const struct failed_row *row)
{
	const struct failure_info *class = failure_info(row->class);
	bool automatic = failure_disposition(row->class, row->channel) == DISPOSITION_AUTO;
	struct mask_person person = view_person(row);
	cJSON *json = cJSON_CreateObject();
	view_add_id(json, "id", row->id);
	view_add_id(json, "delivery_id", row->delivery_id);
	json_add_string(json, "event_id", row->event_id);
	json_add_string(json, "channel", channel_name(row->channel));
	json_add_string(json, "status", failed_status_name(row->status));
	json_add_string(json, "state", delivery_state_name(row->delivery_state));
	json_add_string(json, "class", class->name);
	json_add_string(json, "class_help", _(class->help));
	json_add_string(json, "disposition", automatic ? "auto" : "manual");
	view_add_words_of(json, "reason", row->reason, &person);
	view_add_cause(json, row->cause);
	json_add_int(json, "attempts", row->attempts);
	json_add_int(json, "redrives", row->redrives);
	json_add_int(json, "auto_redrives", row->auto_redrives);
	json_add_int(json, "version", row->version);
	view_add_user_id(json, "user_id", row->user_id);
	view_add_email(json, "recipient", row->recipient);
	view_add_name(json, "name", row->name);
	json_add_string(json, "source_queue", row->source_queue);
	json_add_string(json, "message_id", row->message_id);
	view_add_time(json, "first_at", row->first_at);
	view_add_time(json, "dead_at", row->dead_at);
	view_add_time(json, "updated_at", row->updated_at);
	cJSON *dlq = json_add_object(json, "dlq");
	json_add_string(dlq, "message_id", row->dlq_message_id);
	view_add_time(dlq, "seen_at", row->dlq_seen_at);
	view_add_time(dlq, "expires_at", row->dlq_expires_at);
	json_add_string(json, "settled_by", row->settled_by);
	view_add_words_of(json, "settled_reason", row->settled_reason, &person);
	return json;
}

static cJSON *add_word(cJSON *object, const char *key, bool said, const struct control_word *word)
{
	if (!said) {
		cJSON_AddNullToObject(object, key);
		return NULL;
	}
	cJSON *json = json_add_object(object, key);
	json_add_string(json, "by", word->by);
	view_add_words(json, "reason", word->reason);
	view_add_time(json, "at", word->at);
	return json;
}

void view_add_control(cJSON *object, const struct control *control)
{
	add_word(object, "paused", control->paused, &control->pause);
	cJSON *forced = add_word(object, "forced", control->breaker != CONTROL_AUTO, &control->force);
	if (forced)
		json_add_string(forced, "state", control_breaker_name(control->breaker));
}

cJSON *view_audit(const struct audit_row *row)
{
	cJSON *json = cJSON_CreateObject();
	view_add_id(json, "id", row->id);
	view_add_time(json, "at", row->at);
	json_add_string(json, "operator", row->operator);
	json_add_string(json, "role", row->role);
	json_add_string(json, "act", row->act);
	view_add_words(json, "target", row->target);
	json_add_string(json, "outcome", row->outcome);
	view_add_words(json, "reason", row->reason);
	view_add_words(json, "detail", row->detail);
	return json;
}

cJSON *view_redrive_job(const struct redrive_job *job)
{
	cJSON *json = cJSON_CreateObject();
	view_add_id(json, "id", job->id);
	json_add_string(json, "kind", job->automatic ? "auto" : "operator");
	json_add_string(json, "act", failed_move_name(job->move));
	if (job->of_job)
		view_add_id(json, "of_job", job->of_job);
	else
		cJSON_AddNullToObject(json, "of_job");
	json_add_string(json, "state", redrive_job_state_name(job->state));
	json_add_int(json, "version", job->version);
	json_add_string(json, "waits", job->waits);
	view_add_words(json, "why", job->why);
	json_add_string(json, "created_by", job->created_by);
	view_add_words(json, "reason", job->reason);
	json_add_bool(json, "listed", job->listed);
	json_add_string(
	        json, "channel", job->channel < 0 ? NULL : channel_name((enum channel_id)job->channel));
	json_add_string(
	        json, "class", job->class < 0 ? NULL : failure_info((enum failure_class)job->class)->name);
	view_add_user_id(json, "q", job->text); /* the beginning of an event id, a user id or an address */
	view_add_time(json, "since", job->since);
	view_add_time(json, "until", job->until);
	view_add_time(json, "frozen_at", job->frozen_at);
	view_add_rate(json, "rate", job->rate);
	json_add_int(json, "canary", job->canary);
	json_add_int(json, "stop_on_failures", job->stop_on);
	json_add_int(json, "total", job->total);
	json_add_bool(json, "total_capped", job->total_capped);
	json_add_int(json, "sent", job->sent);
	json_add_int(json, "skipped", job->skipped);
	json_add_int(json, "delivered", redrive_job_delivered(job));
	json_add_int(json, "failed_again", job->failed);
	json_add_int(json, "on_the_way", job->on_the_way);
	view_add_time(json, "created_at", job->created_at);
	view_add_time(json, "started_at", job->started_at);
	view_add_time(json, "ended_at", job->ended_at);
	json_add_string(json, "moved_by", job->moved_by);
	return json;
}
