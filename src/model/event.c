/* Digging the sign-up event out of a message: see event.h. May call base; no I/O; any thread.
 *
 * Bytes -> (base64, gzip) -> JSON -> (envelope -> base64, gzip -> JSON) -> fields. Every refusal names the
 * field or the layer, for the operator who looks at the dead message. */
#include "model/event.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/message.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define EVENT_TYPE "user-signup"
#define LOCALE_DEFAULT "ko-KR"
#define SHOWN_MAX 41 /* bytes of somebody's value in a message, with the NUL */

/* -- Rules of the fields ------------------------------------------------------------------------ */

/* C0, DEL and C1: none has business in an address, a name or an id, and some break lines or terminals. */
static int refuse_control(const char *field, const char *value, struct usher_error *err)
{
	size_t len = strlen(value), number = 1;
	for (size_t at = 0; at < len; number++) {
		uint32_t c;
		size_t n = utf8_next(value + at, len - at, &c);
		if (n == 0)
			return error_set(
			        err, USHER_EINVAL, "%s is not UTF-8 at character %zu", field, number);
		if (c < 0x20 || (c >= 0x7F && c <= 0x9F))
			return error_set(err, USHER_EINVAL,
			        "%s holds the control character U+%04X at character %zu", field, (unsigned)c,
			        number);
		at += n;
	}
	return 0;
}

static int check_length(const char *field, const char *value, size_t bytes_max, struct usher_error *err)
{
	size_t len = strlen(value);
	if (len == 0)
		return error_set(err, USHER_EINVAL, "%s is empty", field);
	if (len > bytes_max)
		return error_set(err, USHER_EINVAL, "%s has %zu bytes; at most %zu are allowed", field, len,
		        bytes_max);
	return refuse_control(field, value, err);
}

/* The database compares ids without their trailing blanks: "7" and "7 " would be one. */
static int check_id(const char *field, const char *value, struct usher_error *err)
{
	int rc = check_length(field, value, EVENT_ID_MAX, err);
	if (rc == 0 && (value[0] == ' ' || value[strlen(value) - 1] == ' '))
		rc = error_set(err, USHER_EINVAL, "%s begins or ends with a blank", field);
	return rc;
}

static int check_name(const char *value, struct usher_error *err)
{
	int rc = check_length("name", value, EVENT_NAME_MAX * 4, err);
	if (rc < 0)
		return rc;
	if (value[strspn(value, " ")] == '\0')
		return error_set(err, USHER_EINVAL, "name is blank");
	size_t len = utf8_length(value);
	if (len > EVENT_NAME_MAX)
		return error_set(err, USHER_EINVAL, "name has %zu characters; at most %d are allowed", len,
		        EVENT_NAME_MAX);
	return 0;
}

static int check_locale(const char *value, struct usher_error *err)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-";
	int rc = check_length("locale", value, EVENT_LOCALE_MAX, err);
	if (rc == 0 && value[strspn(value, allowed)] != '\0')
		rc = error_set(
		        err, USHER_EINVAL, "locale may hold letters, digits and \"-\" only, as in \"ko-KR\"");
	return rc;
}

static int check_signed_up_at(const char *value, struct usher_error *err)
{
	wall_time at;
	int rc = check_length("signedUpAt", value, EVENT_TIME_MAX, err);
	if (rc == 0 && wall_parse(value, &at) < 0)
		rc = error_set(
		        err, USHER_EINVAL, "signedUpAt is not an RFC 3339 time, as in 2026-11-22T21:23:11Z");
	return rc;
}

static int check_fields(
        const char *user_id, const char *email, const char *name, const char *locale, struct usher_error *err)
{
	int rc = 0;
	if (!email)
		return error_set(err, USHER_EINVAL, "email is missing");
	if (!name)
		return error_set(err, USHER_EINVAL, "name is missing");
	if (user_id)
		rc = check_id("userId", user_id, err);
	if (rc == 0)
		rc = check_length("email", email, EVENT_EMAIL_MAX, err);
	if (rc == 0)
		rc = check_name(name, err);
	if (rc == 0 && locale)
		rc = check_locale(locale, err);
	return rc;
}

int event_check_fields(
        const char *user_id, const char *email, const char *name, const char *locale, struct usher_error *err)
{
	int rc = check_fields(user_id, email, name, locale, err);
	if (rc == 0 && strlen(email) < EVENT_EMAIL_MIN)
		rc = error_set(err, USHER_EINVAL, "email has %zu bytes; at least %d are needed",
		        strlen(email), EVENT_EMAIL_MIN);
	return rc;
}

/* -- Layers around the event -------------------------------------------------------------------- */

/* One layer of text on its way in: borrowed from the message or the envelope, or unpacked into `own`. None is
 * larger than EVENT_BODY_MAX: the body was measured, an envelope is larger than its Message, and unpacking
 * stops there. */
struct layer {
	const char *text;
	size_t len;
	struct buf own;
};

/* Undoes content-encoding; `what` names the layer in messages. */
static int layer_unpack(struct layer *layer, const char *encoding, const char *what, struct usher_error *err)
{
	if (!encoding || !*encoding || strcasecmp(encoding, "identity") == 0)
		return 0;
	if (strcasecmp(encoding, "gzip") != 0) {
		char shown[SHOWN_MAX];
		utf8_copy(shown, sizeof shown, encoding, strlen(encoding));
		return error_set(err, USHER_EINVAL,
		        "%s has the content-encoding \"%s\"; only gzip is understood", what, shown);
	}
	struct buf packed = BUF(EVENT_BODY_MAX);
	layer->own = BUF(EVENT_BODY_MAX);
	int rc = base64_decode(&packed, layer->text, layer->len);
	if (rc < 0) {
		error_set(err, USHER_EINVAL, "%s is marked gzip but is not base64 text", what);
	} else {
		rc = gzip_decode(&layer->own, packed.data, packed.len);
		if (rc == USHER_ETOOBIG)
			error_set(
			        err, USHER_EINVAL, "%s unpacks to more than %d bytes", what, EVENT_BODY_MAX);
		else if (rc < 0)
			error_set(err, USHER_EINVAL, "%s is marked gzip but is damaged, cut short or no gzip",
			        what);
	}
	buf_free(&packed);
	layer->text = buf_str(&layer->own);
	layer->len = layer->own.len;
	return rc < 0 ? USHER_EINVAL : 0;
}

/* The offset of the first byte that is not UTF-8, or len. */
static size_t first_invalid(const char *text, size_t len)
{
	size_t at = 0, n = 1;
	uint32_t c;
	while (at < len && (n = utf8_next(text + at, len - at, &c)) > 0)
		at += n;
	return at;
}

static int layer_parse(const struct layer *layer, const char *what, cJSON **ret_json, struct usher_error *err)
{
	cJSON *json;
	if (layer->len == 0)
		return error_set(err, USHER_EINVAL, "%s is empty", what);
	size_t invalid = first_invalid(layer->text, layer->len);
	if (invalid < layer->len)
		return error_set(err, USHER_EINVAL, "%s is not UTF-8 at byte %zu", what, invalid + 1);
	int rc = json_parse(layer->text, layer->len, &json, err);
	if (rc < 0)
		return error_prefix(err, rc, "%s", what);
	if (!cJSON_IsObject(json)) {
		cJSON_Delete(json);
		return error_set(err, USHER_EINVAL, "%s is not a JSON object", what);
	}
	*ret_json = json;
	return 0;
}

static bool is_envelope(const cJSON *json)
{
	const char *type = json_string(json, "Type");
	return type && strcmp(type, "Notification") == 0 && json_string(json, "Message") &&
	       json_string(json, "MessageId");
}

/* Where delivery is not raw, what the publisher set stands in the envelope. */
static const char *envelope_attribute(const cJSON *envelope, const char *name)
{
	return json_string(json_get(json_get(envelope, "MessageAttributes"), name), "Value");
}

/* -- Fields of the event ------------------------------------------------------------------------ */

static int no_string(const cJSON *item, const char *field, struct usher_error *err)
{
	if (cJSON_IsNumber(item))
		return error_set(err, USHER_EINVAL, "%s is a number; it must be a string", field);
	if (cJSON_IsBool(item))
		return error_set(err, USHER_EINVAL, "%s is a boolean; it must be a string", field);
	if (cJSON_IsArray(item))
		return error_set(err, USHER_EINVAL, "%s is a list; it must be a string", field);
	return error_set(err, USHER_EINVAL, "%s is an object; it must be a string", field);
}

/* A string member; NULL when absent or null. */
static int take_string(const cJSON *json, const char *field, const char **ret_value, struct usher_error *err)
{
	const cJSON *item = json_get(json, field);
	*ret_value = NULL;
	if (!item || cJSON_IsNull(item))
		return 0;
	if (!cJSON_IsString(item))
		return no_string(item, field, err);
	*ret_value = item->valuestring;
	return 0;
}

static int take_required(
        const cJSON *json, const char *field, const char **ret_value, struct usher_error *err)
{
	int rc = take_string(json, field, ret_value, err);
	if (rc < 0 || *ret_value)
		return rc;
	error_set(err, USHER_EINVAL, "%s is missing", field);
	return USHER_EINVAL;
}

static int check_type(const cJSON *json, struct usher_error *err)
{
	const char *type;
	int rc = take_required(json, "type", &type, err);
	if (rc < 0 || strcmp(type, EVENT_TYPE) == 0)
		return rc;
	rc = check_length("type", type, EVENT_ID_MAX, err);
	if (rc < 0)
		return rc;
	char shown[SHOWN_MAX];
	utf8_copy(shown, sizeof shown, type, strlen(type));
	return error_set(err, USHER_EINVAL, "type is \"%s\"; only \"%s\" is understood", shown, EVENT_TYPE);
}

/* `id`: what stands in for an absent eventId. */
static int event_from_json(
        const cJSON *json, const char *id, struct event **ret_event, struct usher_error *err)
{
	const char *event_id, *user_id, *email, *name, *locale, *signed_up_at;
	int rc = check_type(json, err);
	if (rc < 0 || (rc = take_string(json, "eventId", &event_id, err)) < 0 ||
	        (rc = take_required(json, "userId", &user_id, err)) < 0 ||
	        (rc = take_required(json, "email", &email, err)) < 0 ||
	        (rc = take_required(json, "name", &name, err)) < 0 ||
	        (rc = take_string(json, "locale", &locale, err)) < 0 ||
	        (rc = take_string(json, "signedUpAt", &signed_up_at, err)) < 0)
		return rc;
	if (!event_id && !*id)
		return error_set(err, USHER_EINVAL,
		        "eventId is missing, and the message has no id to stand in for it");
	if ((event_id && (rc = check_id("eventId", event_id, err)) < 0) ||
	        (rc = check_fields(user_id, email, name, locale, err)) < 0 ||
	        (signed_up_at && (rc = check_signed_up_at(signed_up_at, err)) < 0))
		return rc;
	struct event *event = mem_alloc(sizeof *event);
	event->event_id = mem_string(event_id ? event_id : id);
	event->type = mem_string(EVENT_TYPE);
	event->user_id = mem_string(user_id);
	event->email = mem_string(email);
	event->name = mem_string(name);
	event->locale = mem_string(locale ? locale : LOCALE_DEFAULT);
	event->signed_up_at = mem_string(signed_up_at);
	*ret_event = event;
	return 0;
}

/* -- The whole way ------------------------------------------------------------------------------ */

/* Puts the id into `id` if it can be one; what stood there stays otherwise. */
static void note_id(char id[EVENT_ID_MAX + 1], const char *candidate)
{
	if (candidate && check_id("", candidate, NULL) == 0)
		memcpy(id, candidate, strlen(candidate) + 1);
}

/* A body on its way in. The inner layer is empty when there is no envelope. */
struct unwrapped {
	struct layer outer, inner;
	cJSON *outer_json, *inner_json;
	const cJSON *json; /* the event's own */
	char id[EVENT_ID_MAX +
	        1]; /* the best known so far, so that what is refused can still be told apart */
};

static int unwrap_layers(const struct event_source *source, struct unwrapped *u, struct usher_error *err)
{
	struct layer *outer = &u->outer, *inner = &u->inner;
	int rc = layer_unpack(outer, source->content_encoding, "the body", err);
	if (rc < 0 || (rc = layer_parse(outer, "the body", &u->outer_json, err)) < 0)
		return rc;
	u->json = u->outer_json;
	if (!is_envelope(u->json))
		return 0;
	note_id(u->id, json_string(u->json, "MessageId"));
	note_id(u->id,
	        envelope_attribute(u->json, ATTRIBUTE_EVENT_ID)); /* the same when it is published again */
	inner->text = json_string(u->json, "Message");
	inner->len = strlen(inner->text);
	rc = layer_unpack(
	        inner, envelope_attribute(u->json, ATTRIBUTE_ENCODING), "the notification's Message", err);
	if (rc < 0 || (rc = layer_parse(inner, "the notification's Message", &u->inner_json, err)) < 0)
		return rc;
	u->json = u->inner_json;
	return 0;
}

/* Whatever it returns: free with unwrapped_free. */
static int unwrap(const struct event_source *source, struct unwrapped *u, struct usher_error *err)
{
	*u = (struct unwrapped){ .outer = { .text = source->body, .len = source->body_len } };
	note_id(u->id, source->message_id);
	if (source->body_len > EVENT_BODY_MAX)
		return error_set(err, USHER_EINVAL, "the body has %zu bytes; at most %d are allowed",
		        source->body_len, EVENT_BODY_MAX);
	if (source->body_len == 0)
		return error_set(err, USHER_EINVAL, "the body is empty");
	return unwrap_layers(source, u, err);
}

static void unwrapped_free(struct unwrapped *u)
{
	cJSON_Delete(u->outer_json);
	cJSON_Delete(u->inner_json);
	buf_free(&u->outer.own);
	buf_free(&u->inner.own);
}

int event_text(const struct event_source *source, struct buf *out, struct usher_error *err)
{
	struct unwrapped u;
	int rc = unwrap(source, &u, err);
	const struct layer *layer = u.inner_json ? &u.inner : &u.outer;
	if (rc == 0)
		buf_add(out, layer->text, layer->len);
	unwrapped_free(&u);
	return rc;
}

int event_decode(const struct event_source *source, struct event **ret_event, char *ret_event_id,
        struct usher_error *err)
{
	struct unwrapped u;
	char stand_in[EVENT_ID_MAX + 1];
	int rc = unwrap(source, &u, err);
	if (rc == 0) {
		memcpy(stand_in, u.id, sizeof stand_in);
		note_id(u.id, json_string(u.json, "eventId"));
		rc = event_from_json(u.json, stand_in, ret_event, err);
	}
	if (ret_event_id)
		memcpy(ret_event_id, u.id, strlen(u.id) + 1);
	unwrapped_free(&u);
	return rc;
}

void event_free(struct event *event)
{
	if (!event)
		return;
	free(event->event_id);
	free(event->type);
	free(event->user_id);
	free(event->email);
	free(event->name);
	free(event->locale);
	free(event->signed_up_at);
	free(event);
}

void event_encode(const struct event *event, struct buf *out)
{
	cJSON *json = cJSON_CreateObject();
	json_add_string(json, "eventId", event->event_id);
	json_add_string(json, "type", event->type);
	json_add_string(json, "userId", event->user_id);
	json_add_string(json, "email", event->email);
	json_add_string(json, "name", event->name);
	json_add_string(json, "locale", event->locale);
	if (event->signed_up_at)
		json_add_string(json, "signedUpAt", event->signed_up_at);
	char *text = json_print(json);
	buf_puts(out, text);
	free(text);
	cJSON_Delete(json);
}
