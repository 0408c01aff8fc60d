/* Looking behind the mask, and editing what is sent: one failed row at a time, both audited. A new payload
 * must be an event of the same id that could be delivered; what it was is kept. Admin thread. */
#include "admin/route.h"

#include "admin/body.h"
#include "admin/view.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "model/event.h"
#include "net/smtp.h"

#include <stdio.h>
#include <string.h>

#define SUMMARY_MAX 1000

static struct act act_of(const struct call *call, const char *reason)
{
	return (struct act){ .operator= call->operator, .role = role_name(call->role), .reason = reason };
}

static const char *text_of(const char *text)
{
	return text ? text : "";
}

/* The event's own text in the row's payload; false when it is none. */
static bool row_event_text(const struct failed_row *row, struct buf *out)
{
	struct message_attributes attributes = { 0 };
	if (row->attributes)
		message_attributes_parse(row->attributes, &attributes);
	struct event_source source = { .body = text_of(row->payload),
		.body_len = row->payload_len,
		.content_encoding = message_attribute_get(&attributes, ATTRIBUTE_ENCODING),
		.message_id = row->event_id };
	int rc = event_text(&source, out, NULL);
	message_attributes_free(&attributes);
	return rc == 0;
}

/* -- Reveal ------------------------------------------------------------------------------------------ */

static void unmask(cJSON *json, const char *key, const char *value)
{
	cJSON_DeleteItemFromObjectCaseSensitive(json, key);
	json_add_string(json, key, value);
}

static int reveal_answer(struct call *call, const struct failed_row *row, struct usher_error *err)
{
	struct buf event = BUF(EVENT_BODY_MAX);
	OWNED char *original = NULL;
	size_t original_len = 0;
	int rc = edits_original(call->ctx->db, row->id, &original, &original_len, err);
	if (rc < 0)
		return rc;
	call->json = view_failed(row);
	unmask(call->json, "recipient", row->recipient);
	unmask(call->json, "name", row->name);
	unmask(call->json, "user_id", row->user_id);
	unmask(call->json, "reason", row->reason);
	json_add_bytes(call->json, "payload", text_of(row->payload), row->payload_len);
	json_add_int(call->json, "payload_bytes", (int64_t)row->payload_len);
	json_add_string(call->json, "event", row_event_text(row, &event) ? buf_str(&event) : NULL);
	if (original)
		json_add_bytes(call->json, "original_payload", original, original_len);
	else
		json_add_string(call->json, "original_payload", NULL);
	buf_free(&event);
	return 0;
}

static int reveal_audit(struct call *call, const char *reason, const char *outcome, struct usher_error *err)
{
	char target[AUDIT_TARGET_SIZE];
	struct audit_entry entry = { .operator= call->operator,
		.role = role_name(call->role),
		.act = call->route->act,
		.target = target,
		.outcome = outcome,
		.reason = reason };
	snprintf(target, sizeof target, "failed/%lld", (long long)call->id);
	return audit_add(call->ctx->db, &entry, err);
}

/* Nothing is shown that is not in the audit. */
int reveal_post(struct call *call, struct usher_error *err)
{
	struct failed_row *row = NULL;
	const char *reason = NULL;
	if (read_reason(call->body, true, &reason, err) < 0)
		return USHER_EINVAL;
	int rc = failed_get(call->ctx->db, call->id, &row, err);
	if (rc == USHER_ENOTFOUND)
		reveal_audit(call, reason, "refused", NULL);
	if (rc < 0)
		return rc;
	rc = reveal_audit(call, reason, "done", err);
	if (rc == 0) {
		counter_add(&call->ctx->engine->counters.acts, 1);
		log_info("admin", "reveal of failed/%lld by %s", (long long)call->id, call->operator);
		rc = reveal_answer(call, row, err);
	}
	failed_rows_free(row, 1);
	return rc;
}

/* -- The new payload ----------------------------------------------------------------------------------- */

static const char *const settable[] = { "email", "name", "userId", "locale", "signedUpAt", "type" };

static int check_settable(const cJSON *member, struct usher_error *err)
{
	if (strcmp(member->string, "eventId") == 0)
		return error_set(err, USHER_EINVAL, "set: eventId must stay as it is");
	for (size_t i = 0; i < ARRAY_LEN(settable); i++)
		if (strcmp(member->string, settable[i]) == 0)
			return cJSON_IsString(member) ? 0
			                              : error_set(err, USHER_EINVAL,
			                                        "set: %s must be a string", settable[i]);
	return error_set(err, USHER_EINVAL,
	        "set: \"%.40s\" is no field of an event; email, name, userId, locale, signedUpAt and type "
	        "are",
	        member->string);
}

/* The row's event with some fields changed, the rest byte for byte. */
static int apply_set(const cJSON *set, const struct failed_row *row, struct buf *out, struct usher_error *err)
{
	const cJSON *member;
	if (!cJSON_IsObject(set) || !set->child)
		return error_set(err, USHER_EINVAL,
		        "set: must be an object of the fields to change, such as {\"email\": \"...\"}");
	if (!row_event_text(row, out))
		return error_set(err, USHER_EINVAL,
		        "set: the payload is no JSON object whose fields could be set: send a whole payload");
	cJSON_ArrayForEach(member, set)
	{
		struct buf next = BUF(EVENT_BODY_MAX);
		if (check_settable(member, err) < 0)
			return USHER_EINVAL;
		json_text_set(buf_str(out), out->len, member->string, member->valuestring, &next);
		if (next.failed) {
			buf_free(&next);
			return error_set(
			        err, USHER_EINVAL, "set: %s makes the payload too long", member->string);
		}
		buf_free(out);
		*out = next;
	}
	return 0;
}

static int take_payload(
        const cJSON *payload, const struct failed_row *row, struct buf *out, struct usher_error *err)
{
	if (!cJSON_IsString(payload))
		return error_set(err, USHER_EINVAL,
		        "payload: must be the event's JSON as a text: so all its digits stay");
	struct event_source source = { .body = payload->valuestring,
		.body_len = strlen(payload->valuestring),
		.message_id = row->event_id };
	int rc = event_text(&source, out, err);
	return rc < 0 ? error_prefix(err, rc, "payload") : 0;
}

static int new_payload(
        const cJSON *body, const struct failed_row *row, struct buf *out, struct usher_error *err)
{
	const cJSON *payload = json_get(body, "payload"), *set = json_get(body, "set");
	if (!payload == !set)
		return error_set(err, USHER_EINVAL,
		        "payload or set: one of them is required: the whole event as a text, or the fields "
		        "to "
		        "change");
	return set ? apply_set(set, row, out, err) : take_payload(payload, row, out, err);
}

/* -- Checking ------------------------------------------------------------------------------------------ */

/* What an operator sees is masked; sent back it would become the member's data. */
static int refuse_mask(const char *field, const char *value, const char *former, enum mask_kind kind,
        struct usher_error *err)
{
	char masked[MASK_VALUE_SIZE];
	if (!former || strcmp(former, value) == 0)
		return 0;
	mask_value(kind, former, masked, sizeof masked);
	if (strcmp(masked, value) != 0)
		return 0;
	return error_set(err, USHER_EINVAL,
	        "%s: \"%.100s\" is the masked value that is shown: give the true one (reveal shows it)",
	        field, value);
}

static int check_event(const struct event *event, const struct failed_row *row, struct usher_error *err)
{
	bool needs_utf8;
	if (strcmp(event->event_id, row->event_id) != 0)
		return error_set(err, USHER_EINVAL, "eventId: must stay \"%s\": by it the delivery is known",
		        row->event_id);
	if (event_check_fields(event->user_id, event->email, event->name, event->locale, err) < 0)
		return USHER_EINVAL;
	const char *fault = smtp_address_fault(event->email, &needs_utf8);
	if (fault)
		return error_set(err, USHER_EINVAL, "email: %s", fault);
	if (refuse_mask("email", event->email, row->recipient, MASK_EMAIL, err) < 0 ||
	        refuse_mask("name", event->name, row->name, MASK_NAME, err) < 0 ||
	        refuse_mask("userId", event->user_id, row->user_id, MASK_USER_ID, err) < 0)
		return USHER_EINVAL;
	return 0;
}

static int decode(const struct buf *text, const struct failed_row *row, struct event **ret_event,
        struct usher_error *err)
{
	struct event_source source = {
		.body = buf_str(text), .body_len = text->len, .message_id = row->event_id
	};
	return event_decode(&source, ret_event, NULL, err);
}

/* -- What is changed, in words --------------------------------------------------------------------------- */

static void say_change(
        struct buf *out, const char *field, const char *former, const char *value, enum mask_kind kind)
{
	char from[MASK_VALUE_SIZE] = "none", to[MASK_VALUE_SIZE] = "none";
	if (strcmp(text_of(former), text_of(value)) == 0)
		return;
	if (former)
		mask_value(kind, former, from, sizeof from);
	if (value)
		mask_value(kind, value, to, sizeof to);
	buf_printf(out, "%s%s: %s -> %s%s", out->len ? "; " : "", field, from, to,
	        strcmp(from, to) == 0 ? " (alike but for what is masked)" : "");
}

static void summarize(struct buf *out, const struct event *former, const struct event *event)
{
	static const struct event nothing;
	const struct event *was = former ? former : &nothing;
	if (!former)
		buf_puts(out, "was no event");
	say_change(out, "email", was->email, event->email, MASK_EMAIL);
	say_change(out, "name", was->name, event->name, MASK_NAME);
	say_change(out, "userId", was->user_id, event->user_id, MASK_USER_ID);
	say_change(out, "locale", was->locale, event->locale, MASK_NOTHING);
	say_change(out, "signedUpAt", was->signed_up_at, event->signed_up_at, MASK_NOTHING);
	if (out->len == 0)
		buf_puts(out, "other fields");
}

/* -- Edit --------------------------------------------------------------------------------------------------
 */

/* The new payload is plain text, whatever packed the former one. */
static char *plain_attributes(const struct failed_row *row)
{
	struct message_attributes all = { 0 }, kept = { 0 };
	if (row->attributes)
		message_attributes_parse(row->attributes, &all);
	for (size_t i = 0; i < all.count; i++)
		if (strcmp(all.list[i].name, ATTRIBUTE_ENCODING) != 0)
			message_attribute_set(&kept, all.list[i].name, all.list[i].value);
	char *text = message_attributes_print(&kept);
	message_attributes_free(&all);
	message_attributes_free(&kept);
	return text;
}

static int edit_store(struct call *call, const struct failed_row *row, int version, const char *reason,
        const struct buf *text, const struct buf *former_text, struct usher_error *err)
{
	struct event *former = NULL, *event = NULL;
	struct buf summary = BUF(SUMMARY_MAX * 4);
	OWNED char *attributes = plain_attributes(row);
	struct act act = act_of(call, reason);
	int rc = decode(text, row, &event, err);
	if (rc == 0)
		rc = check_event(event, row, err);
	if (rc == 0) {
		if (former_text->len == 0 || decode(former_text, row, &former, NULL) < 0)
			former = NULL;
		summarize(&summary, former, event);
		rc = failed_edit(call->ctx->db, row->id, version,
		        &(struct failed_change){ .payload = buf_str(text),
		                .payload_len = text->len,
		                .attributes = attributes,
		                .user_id = event->user_id,
		                .recipient = event->email,
		                .name = event->name,
		                .summary = buf_str(&summary) },
		        &act, err);
	}
	event_free(former);
	event_free(event);
	buf_free(&summary);
	return rc;
}

/* The version that was read, unless the caller names one: what it is applied to must not change in between.
 */
static int edit_row(struct call *call, const struct failed_row *row, int version, const char *reason,
        struct usher_error *err)
{
	struct buf text = BUF(EVENT_BODY_MAX), former = BUF(EVENT_BODY_MAX);
	int rc = new_payload(call->body, row, &text, err);
	row_event_text(row, &former);
	if (rc == 0 && row->status == FAILED_DEAD && text.len == former.len &&
	        memcmp(buf_str(&text), buf_str(&former), text.len) == 0)
		rc = error_set(err, USHER_EINVAL, "nothing is changed: redrive the row as it is");
	if (rc == 0)
		rc = edit_store(call, row, version, reason, &text, &former, err);
	buf_free(&text);
	buf_free(&former);
	return rc;
}

static int redrive_edited(struct call *call, int version, const char *reason, struct usher_error *err)
{
	struct act act = act_of(call, reason);
	int rc = failed_redrive(call->ctx->db, call->id, version, &act, err);
	if (rc == 0 || rc == USHER_EUNAVAILABLE)
		engine_kick_watcher(call->ctx->engine);
	return rc < 0 ? error_prefix(err, rc, "the row is edited, but it is not redriven") : 0;
}

static int edit_answer(struct call *call, struct usher_error *err)
{
	struct failed_row *row = NULL;
	int rc = failed_get(call->ctx->db, call->id, &row, err);
	if (rc < 0)
		return error_prefix(err, rc,
		        "the edit is done, but the row could not be read back: look before you repeat it");
	call->json = view_failed(row);
	failed_rows_free(row, 1);
	return 0;
}

int edit_post(struct call *call, struct usher_error *err)
{
	struct failed_row *row = NULL;
	const char *reason = NULL;
	bool redrive = false;
	int version;
	if (read_reason(call->body, false, &reason, err) < 0 || read_version(call->body, &version, err) < 0 ||
	        read_bool(call->body, "redrive", &redrive, err) < 0)
		return USHER_EINVAL;
	int rc = failed_get(call->ctx->db, call->id, &row, err);
	if (rc < 0)
		return rc;
	version = version == BODY_ANY_VERSION ? row->version : version;
	rc = edit_row(call, row, version, reason, err);
	failed_rows_free(row, 1);
	if (rc < 0)
		return rc;
	counter_add(&call->ctx->engine->counters.acts, 1);
	log_info("admin", "edit of failed/%lld by %s", (long long)call->id, call->operator);
	rc = redrive ? redrive_edited(call, version + 1, reason, err) : 0;
	return rc < 0 ? rc : edit_answer(call, err);
}
