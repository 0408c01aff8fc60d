/* The sign-up event: all the ways it may be wrapped, and all the ways it may be wrong, each with the sentence
 * that the operator reads. */
#include "base/buf.h"
#include "base/mem.h"
#include "base/json.h"
#include "base/text.h"
#include "model/event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define BROKER_ID "broker-1"

/* The members of a good event, for building bad ones. */
#define TYPE "\"type\":\"user-signup\""
#define USER "\"userId\":\"u-7\""
#define MAIL "\"email\":\"minsu@example.com\""
#define NAME "\"name\":\"김민수\""
#define GOOD "{\"eventId\":\"e-7\"," TYPE "," USER "," MAIL "," NAME "}"

static int decode(const void *body, size_t len, const char *encoding, struct event **ret_event, char *id,
        struct usher_error *err)
{
	struct event_source source = { body, len, encoding, BROKER_ID };
	/* An allocation of exactly that size: a sanitizer sees the first byte too many. */
	char *exact = mem_array(len, 1);
	if (len > 0)
		memcpy(exact, body, len);
	source.body = exact;
	int rc = event_decode(&source, ret_event, id, err);
	free(exact);
	return rc;
}

static struct event *good(const char *body, size_t len, const char *encoding)
{
	struct event *event = NULL;
	struct usher_error err = { 0 };
	char id[EVENT_ID_MAX + 1];
	if (decode(body, len, encoding, &event, id, &err) != 0)
		fail_msg("refused: %s", err.message);
	assert_string_equal(id, event->event_id);
	return event;
}

/* The body is refused with this message, and the id that could still be read is this. */
static void bad(const char *body, size_t len, const char *encoding, const char *message, const char *id)
{
	struct event *event = NULL;
	struct usher_error err = { 0 };
	char got_id[EVENT_ID_MAX + 1] = "unset";
	if (decode(body, len, encoding, &event, got_id, &err) != USHER_EINVAL)
		fail_msg("taken: %.200s", body);
	assert_null(event);
	assert_int_equal(err.code, USHER_EINVAL);
	assert_string_equal(err.message, message);
	assert_string_equal(got_id, id);
	assert_int_equal(decode(body, len, encoding, &event, NULL, NULL), USHER_EINVAL);
}

static void bad_text(const char *body, const char *message, const char *id)
{
	bad(body, strlen(body), NULL, message, id);
}

static struct buf gzipped(const char *text, size_t len)
{
	struct buf packed = BUF(1 << 20), coded = BUF(1 << 20);
	assert_int_equal(gzip_encode(&packed, text, len), 0);
	base64_encode(&coded, packed.data, packed.len);
	buf_free(&packed);
	return coded;
}

/* `message` as SNS sends it; `attribute` NULL: without attributes. */
static char *enveloped(const char *message, const char *attribute, const char *value)
{
	cJSON *json = cJSON_CreateObject();
	json_add_string(json, "Type", "Notification");
	json_add_string(json, "MessageId", "sns-9");
	json_add_string(json, "TopicArn", "arn:aws:sns:ap-northeast-2:123456789012:user-signup");
	json_add_string(json, "Message", message);
	json_add_string(json, "Timestamp", "2026-11-22T21:23:11.042Z");
	if (attribute) {
		cJSON *item = json_add_object(json_add_object(json, "MessageAttributes"), attribute);
		json_add_string(item, "Type", "String");
		json_add_string(item, "Value", value);
	}
	char *text = json_print(json);
	cJSON_Delete(json);
	return text;
}

/* -- What is an event --------------------------------------------------------------------------- */

static void test_plain_event(void **state)
{
	(void)state;
	static const char body[] =
	        " {\"eventId\":\"e-7\",\"type\":\"user-signup\",\"userId\":\"u-7\","
	        "\"email\":\"minsu@example.com\",\"name\":\"김\\ubbfc수\",\"locale\":\"en-US\","
	        "\"signedUpAt\":\"2026-11-22T21:23:11.042+09:00\",\"plan\":{\"x\":[1]}}\n";
	struct event *e = good(body, strlen(body), NULL);
	assert_string_equal(e->event_id, "e-7");
	assert_string_equal(e->type, "user-signup");
	assert_string_equal(e->user_id, "u-7");
	assert_string_equal(e->email, "minsu@example.com");
	assert_string_equal(e->name, "김민수");
	assert_string_equal(e->locale, "en-US");
	assert_string_equal(e->signed_up_at, "2026-11-22T21:23:11.042+09:00");
	event_free(e);
	event_free(NULL);
}

static void test_what_may_be_absent(void **state)
{
	(void)state;
	static const char *const bodies[] = {
		"{" TYPE "," USER "," MAIL "," NAME "}",
		"{\"eventId\":null," TYPE "," USER "," MAIL "," NAME ",\"locale\":null,\"signedUpAt\":null}",
	};
	for (size_t i = 0; i < COUNT(bodies); i++) {
		struct event *e = good(bodies[i], strlen(bodies[i]), NULL);
		assert_string_equal(e->event_id, BROKER_ID);
		assert_string_equal(e->locale, "ko-KR");
		assert_null(e->signed_up_at);
		event_free(e);
	}
}

static void test_odd_but_allowed(void **state)
{
	(void)state;
	static const char *const bodies[] = {
		/* Whether mail can be sent there is the channel's answer. */
		"{" TYPE "," USER ",\"email\":\"not an address\"," NAME "}",
		"{" TYPE "," USER ",\"email\":\"x\"," NAME "}",
		"{" TYPE "," USER ",\"email\":\"김@한국.kr\"," NAME "}",
		"{" TYPE "," USER "," MAIL ",\"name\":\"O'Brien \\\"%s%n\\\"; DROP TABLE users;--\"}",
		"{" TYPE "," USER "," MAIL ",\"name\":\"\xF0\x9F\x98\x80\"}",
		"{" TYPE "," USER "," MAIL ",\"name\":\"<script>\\u00a0</script>\"}",
		"{" TYPE ",\"userId\":\"9007199254740993\"," MAIL "," NAME "}",
		"{" TYPE "," USER "," MAIL "," NAME ",\"EVENTID\":7,\"Name\":\"other\"}",
		"{" TYPE "," USER "," MAIL "," NAME ",\"Type\":\"Notification\"}",
		"{" TYPE "," USER "," MAIL "," NAME ",\"locale\":\"zh-Hant-TW\"}",
	};
	for (size_t i = 0; i < COUNT(bodies); i++)
		event_free(good(bodies[i], strlen(bodies[i]), NULL));
	struct event *e = good(bodies[6], strlen(bodies[6]), NULL);
	assert_string_equal(e->user_id, "9007199254740993"); /* no digit is lost */
	event_free(e);
}

static void test_envelope(void **state)
{
	(void)state;
	OWNED char *with_id = enveloped(GOOD, NULL, NULL);
	struct event *e = good(with_id, strlen(with_id), NULL);
	assert_string_equal(e->event_id, "e-7");
	assert_string_equal(e->name, "김민수");
	event_free(e);
	/* Without an id of its own the SNS one stands in: it is the same in every queue. */
	OWNED char *without = enveloped("{" TYPE "," USER "," MAIL "," NAME "}", NULL, NULL);
	e = good(without, strlen(without), NULL);
	assert_string_equal(e->event_id, "sns-9");
	event_free(e);
	/* But that is a new one each time it is published; the outbox's own is not. */
	OWNED char *again = enveloped("{" TYPE "," USER "," MAIL "," NAME "}", "usher.event_id", "o-1");
	e = good(again, strlen(again), NULL);
	assert_string_equal(e->event_id, "o-1");
	event_free(e);
	OWNED char *both = enveloped(GOOD, "usher.event_id", "o-1");
	e = good(both, strlen(both), NULL);
	assert_string_equal(e->event_id, "e-7");
	event_free(e);
}

static void test_compressed(void **state)
{
	(void)state;
	struct buf coded = gzipped(GOOD, strlen(GOOD));
	event_free(good(coded.data, coded.len, "gzip"));
	event_free(good(coded.data, coded.len, "GZIP"));
	event_free(good(GOOD, strlen(GOOD), "identity"));
	event_free(good(GOOD, strlen(GOOD), ""));
	OWNED char *inside = enveloped(coded.data, "content-encoding", "gzip");
	struct event *e = good(inside, strlen(inside), NULL);
	assert_string_equal(e->event_id, "e-7");
	event_free(e);
	OWNED char *plain = enveloped(GOOD, NULL, NULL);
	struct buf around = gzipped(plain, strlen(plain));
	event_free(good(around.data, around.len, "gzip"));
	buf_free(&around);
	buf_free(&coded);
}

static void test_limits_are_exact(void **state)
{
	(void)state;
	struct buf body = BUF(EVENT_BODY_MAX + 1);
	/* Each field as long as it may be. */
	buf_printf(&body, "{\"eventId\":\"%0*d\"," TYPE ",\"userId\":\"%0*d\",\"email\":\"%0*d\",\"name\":\"",
	        EVENT_ID_MAX, 0, EVENT_ID_MAX, 0, EVENT_EMAIL_MAX, 0);
	for (int i = 0; i < EVENT_NAME_MAX; i++)
		buf_puts(&body, "\xF0\x9F\x98\x80");
	buf_printf(&body, "\",\"locale\":\"%0*d\",\"signedUpAt\":\"2026-11-22T21:23:11.%0*dZ\"",
	        EVENT_LOCALE_MAX, 0, EVENT_TIME_MAX - 21, 0);
	/* And the body as large as it may be. */
	buf_puts(&body, ",\"more\":\"");
	while (body.len < EVENT_BODY_MAX - 2)
		buf_putc(&body, 'x');
	buf_puts(&body, "\"}");
	assert_int_equal(body.len, EVENT_BODY_MAX);
	struct event *e = good(body.data, body.len, NULL);
	assert_int_equal(strlen(e->event_id), EVENT_ID_MAX);
	assert_int_equal(utf8_length(e->name), EVENT_NAME_MAX);
	event_free(e);
	buf_putc(&body, ' ');
	bad(body.data, body.len, NULL, "the body has 1048577 bytes; at most 1048576 are allowed", BROKER_ID);
	buf_free(&body);
}

/* -- What is none ------------------------------------------------------------------------------- */

static void test_bodies_that_are_no_json_object(void **state)
{
	(void)state;
	bad("", 0, NULL, "the body is empty", BROKER_ID);
	bad("", 0, "gzip", "the body is empty", BROKER_ID);
	bad_text("   ", "the body: not JSON: the text ends where a value is expected at byte 4", BROKER_ID);
	bad_text("hello", "the body: not JSON: a value is expected at byte 1", BROKER_ID);
	bad_text("<xml/>", "the body: not JSON: a value is expected at byte 1", BROKER_ID);
	bad_text("{\"a\":1", "the body: not JSON: a comma or a closing brace is expected at byte 7",
	        BROKER_ID);
	bad_text(GOOD GOOD, "the body: not JSON: something stands behind the value at byte 101", BROKER_ID);
	bad(GOOD, sizeof GOOD, NULL, "the body: not JSON: something stands behind the value at byte 101",
	        BROKER_ID);
	bad_text("null", "the body is not a JSON object", BROKER_ID);
	bad_text("[" GOOD "]", "the body is not a JSON object", BROKER_ID);
	bad_text("\"user-signup\"", "the body is not a JSON object", BROKER_ID);
	bad_text("12345", "the body is not a JSON object", BROKER_ID);
	bad("\0\0\0", 3, NULL, "the body: not JSON: a value is expected at byte 1", BROKER_ID);
	bad_text("{\"name\":\"\xff\"}", "the body is not UTF-8 at byte 10", BROKER_ID);
	bad_text("\xff\xfe{\0", "the body is not UTF-8 at byte 1", BROKER_ID);
	bad_text("{\"name\":\"\xea\xb9", "the body is not UTF-8 at byte 10", BROKER_ID);
	bad_text("{\"name\":\"\\u0000\"}",
	        "the body: not JSON: the character \\u0000 is not allowed at byte 12", BROKER_ID);
	bad_text("{\"name\":\"\\ud800\"}", "the body: not JSON: half a surrogate pair at byte 12", BROKER_ID);
	bad_text("{\"eventId\":\"e-7\"," TYPE "," USER "," USER "," MAIL "," NAME "}",
	        "the body: not usable JSON: the member \"userId\" stands twice in one object", BROKER_ID);
	bad_text("{\"userId\":NaN}", "the body: not JSON: a value is expected at byte 11", BROKER_ID);
	char deep[200];
	memset(deep, '[', sizeof deep);
	bad(deep, sizeof deep, NULL, "the body: not JSON: nested too deep at byte 65", BROKER_ID);
}

static void test_fields_that_are_missing_or_of_the_wrong_type(void **state)
{
	(void)state;
	static const struct {
		const char *body, *message, *id;
	} cases[] = {
		{ "{}", "type is missing", BROKER_ID },
		{ "{\"eventId\":\"e-7\"}", "type is missing", "e-7" },
		{ "{\"eventId\":\"e-7\",\"type\":\"user-deleted\"}",
		        "type is \"user-deleted\"; only \"user-signup\" is understood", "e-7" },
		{ "{\"eventId\":\"e-7\",\"type\":\"User-Signup\"}",
		        "type is \"User-Signup\"; only \"user-signup\" is understood", "e-7" },
		{ "{\"eventId\":\"e-7\",\"type\":\"a\\nb\"}",
		        "type holds the control character U+000A at character 2", "e-7" },
		{ "{\"eventId\":\"e-7\",\"type\":\"\"}", "type is empty", "e-7" },
		{ "{\"eventId\":\"e-7\",\"type\":5}", "type is a number; it must be a string", "e-7" },
		{ "{\"eventId\":\"e-7\"," TYPE "," MAIL "," NAME "}", "userId is missing", "e-7" },
		{ "{\"eventId\":\"e-7\"," TYPE "," USER "," NAME "}", "email is missing", "e-7" },
		{ "{\"eventId\":\"e-7\"," TYPE "," USER "," MAIL "}", "name is missing", "e-7" },
		{ "{\"eventId\":\"e-7\"," TYPE ",\"userId\":null," MAIL "," NAME "}", "userId is missing",
		        "e-7" },
		{ "{\"eventId\":\"e-7\"," TYPE ",\"userid\":\"u\"," MAIL "," NAME "}", "userId is missing",
		        "e-7" },
		{ "{\"eventId\":7," TYPE "," USER "," MAIL "," NAME "}",
		        "eventId is a number; it must be a string", BROKER_ID },
		{ "{\"eventId\":9007199254740993," TYPE "," USER "," MAIL "," NAME "}",
		        "eventId is a number; it must be a string", BROKER_ID },
		{ "{\"eventId\":\"e-7\"," TYPE ",\"userId\":9007199254740993," MAIL "," NAME "}",
		        "userId is a number; it must be a string", "e-7" },
		{ "{\"eventId\":\"e-7\"," TYPE "," USER ",\"email\":[\"a@b.kr\"]," NAME "}",
		        "email is a list; it must be a string", "e-7" },
		{ "{\"eventId\":\"e-7\"," TYPE "," USER "," MAIL ",\"name\":{\"first\":\"a\"}}",
		        "name is an object; it must be a string", "e-7" },
		{ "{\"eventId\":\"e-7\"," TYPE "," USER "," MAIL ",\"name\":true}",
		        "name is a boolean; it must be a string", "e-7" },
		{ "{\"eventId\":\"e-7\"," TYPE "," USER "," MAIL "," NAME ",\"locale\":1}",
		        "locale is a number; it must be a string", "e-7" },
		{ "{\"eventId\":\"e-7\"," TYPE "," USER "," MAIL "," NAME ",\"signedUpAt\":1795382591}",
		        "signedUpAt is a number; it must be a string", "e-7" },
		{ "{\"eventId\":\"\"," TYPE "," USER "," MAIL "," NAME "}", "eventId is empty", BROKER_ID },
		{ "{\"eventId\":\"e-7\"," TYPE ",\"userId\":\"\"," MAIL "," NAME "}", "userId is empty",
		        "e-7" },
		{ "{\"eventId\":\"e-7\"," TYPE "," USER ",\"email\":\"\"," NAME "}", "email is empty",
		        "e-7" },
		{ "{\"eventId\":\"e-7\"," TYPE "," USER "," MAIL ",\"name\":\"\"}", "name is empty", "e-7" },
		{ "{\"eventId\":\"e-7\"," TYPE "," USER "," MAIL ",\"name\":\"   \"}", "name is blank",
		        "e-7" },
		{ "{\"eventId\":\"e-7\"," TYPE "," USER "," MAIL "," NAME ",\"locale\":\"\"}",
		        "locale is empty", "e-7" },
		{ "{\"eventId\":\"e-7\"," TYPE "," USER "," MAIL "," NAME ",\"signedUpAt\":\"\"}",
		        "signedUpAt is empty", "e-7" },
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		bad_text(cases[i].body, cases[i].message, cases[i].id);
}

static void test_control_characters_in_every_field(void **state)
{
	(void)state;
	static const struct {
		const char *bytes, *codepoint;
	} characters[] = {
		{ "\\r", "U+000D" },
		{ "\\n", "U+000A" },
		{ "\\t", "U+0009" },
		{ "\\u0001", "U+0001" },
		{ "\\u001b", "U+001B" },
		{ "\\u007f", "U+007F" },
		{ "\x7f", "U+007F" },
		{ "\\u0080", "U+0080" },
		{ "\xc2\x9f", "U+009F" },
	};
	static const char *const fields[] = { "userId", "email", "name", "locale", "signedUpAt", "eventId" };
	for (size_t c = 0; c < COUNT(characters); c++) {
		for (size_t f = 0; f < COUNT(fields); f++) {
			struct buf body = BUF(2000);
			char message[200];
			buf_printf(&body, "{" TYPE);
			for (size_t i = 0; i < COUNT(fields); i++)
				buf_printf(&body, ",\"%s\":\"%s%sy\"", fields[i],
				        i == f && i < 4 ? "\xea\xb9\x80"
				        : i < 4         ? "x"
				                        : "e",
				        i == f ? characters[c].bytes : "");
			buf_puts(&body, "}");
			/* The other fields are right, or looked at later. */
			snprintf(message, sizeof message, "%s holds the control character %s at character 2",
			        fields[f], characters[c].codepoint);
			bad_text(body.data, message, f == 5 ? BROKER_ID : "ey");
			buf_free(&body);
		}
	}
}

static void test_fields_that_are_too_long(void **state)
{
	(void)state;
	static const struct {
		const char *field;
		int len;
		const char *message, *id;
	} cases[] = {
		{ "eventId", 129, "eventId has 129 bytes; at most 128 are allowed", BROKER_ID },
		{ "userId", 129, "userId has 129 bytes; at most 128 are allowed", "e-7" },
		{ "email", 321, "email has 321 bytes; at most 320 are allowed", "e-7" },
		{ "name", 201, "name has 201 characters; at most 200 are allowed", "e-7" },
		{ "name", 200000, "name has 200000 bytes; at most 800 are allowed", "e-7" },
		{ "locale", 36, "locale has 36 bytes; at most 35 are allowed", "e-7" },
		{ "signedUpAt", 65, "signedUpAt has 65 bytes; at most 64 are allowed", "e-7" },
		{ "type", 200000, "type has 200000 bytes; at most 128 are allowed", "e-7" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		cJSON *json = cJSON_Parse(GOOD);
		struct buf value = BUF(1 << 20);
		for (int n = 0; n < cases[i].len; n++)
			buf_putc(&value, 'x');
		cJSON_DeleteItemFromObjectCaseSensitive(json, cases[i].field);
		json_add_string(json, cases[i].field, value.data);
		OWNED char *body = json_print(json);
		bad_text(body, cases[i].message, cases[i].id);
		cJSON_Delete(json);
		buf_free(&value);
	}
	/* A field of a megabyte never comes so far. */
	struct buf body = BUF(2 << 20);
	buf_puts(&body, "{\"name\":\"");
	while (body.len < 1 << 20)
		buf_putc(&body, 'x');
	buf_puts(&body, "\"}");
	bad_text(body.data, "the body has 1048578 bytes; at most 1048576 are allowed", BROKER_ID);
	buf_free(&body);
}

static void test_fields_of_the_wrong_form(void **state)
{
	(void)state;
	static const struct {
		const char *member, *message, *id;
	} cases[] = {
		{ "\"locale\":\"ko_KR\"", "locale may hold letters, digits and \"-\" only, as in \"ko-KR\"",
		        BROKER_ID },
		{ "\"locale\":\"../etc/passwd\"",
		        "locale may hold letters, digits and \"-\" only, as in \"ko-KR\"", BROKER_ID },
		{ "\"locale\":\"한국어\"", "locale may hold letters, digits and \"-\" only, as in \"ko-KR\"",
		        BROKER_ID },
		{ "\"signedUpAt\":\"yesterday\"",
		        "signedUpAt is not an RFC 3339 time, as in 2026-11-22T21:23:11Z", BROKER_ID },
		{ "\"signedUpAt\":\"2026-02-29T00:00:00Z\"",
		        "signedUpAt is not an RFC 3339 time, as in 2026-11-22T21:23:11Z", BROKER_ID },
		/* The database takes "7" and "7 " for the same key. */
		{ "\"eventId\":\"e-7 \"", "eventId begins or ends with a blank", BROKER_ID },
		{ "\"eventId\":\" e-7\"", "eventId begins or ends with a blank", BROKER_ID },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		char body[500];
		snprintf(body, sizeof body, "{" TYPE "," USER "," MAIL "," NAME ",%s}", cases[i].member);
		bad_text(body, cases[i].message, cases[i].id);
	}
	bad_text("{" TYPE ",\"userId\":\"u \"," MAIL "," NAME "}", "userId begins or ends with a blank",
	        BROKER_ID);
}

static void test_bad_compression(void **state)
{
	(void)state;
	struct buf coded = gzipped(GOOD, strlen(GOOD));
	bad(coded.data, coded.len, "br", "the body has the content-encoding \"br\"; only gzip is understood",
	        BROKER_ID);
	bad(coded.data, coded.len, NULL, "the body: not JSON: a value is expected at byte 1", BROKER_ID);
	bad(GOOD, strlen(GOOD), "gzip", "the body is marked gzip but is not base64 text", BROKER_ID);
	bad(coded.data, coded.len - 1, "gzip", "the body is marked gzip but is not base64 text", BROKER_ID);
	size_t half = coded.len / 2 / 4 * 4;
	bad(coded.data, half, "gzip", "the body is marked gzip but is damaged, cut short or no gzip",
	        BROKER_ID);
	bad("AAAA", 4, "gzip", "the body is marked gzip but is damaged, cut short or no gzip", BROKER_ID);
	char *cut = mem_stringn(coded.data, half);
	OWNED char *inside = enveloped(cut, "content-encoding", "gzip");
	bad_text(inside, "the notification's Message is marked gzip but is damaged, cut short or no gzip",
	        "sns-9");
	free(cut);
	struct buf nothing = gzipped("", 0), text = gzipped("hello", 5);
	bad(nothing.data, nothing.len, "gzip", "the body is empty", BROKER_ID);
	bad(text.data, text.len, "gzip", "the body: not JSON: a value is expected at byte 1", BROKER_ID);
	buf_free(&nothing);
	buf_free(&text);
	buf_free(&coded);
}

static void test_bomb(void **state)
{
	(void)state;
	struct buf body = BUF(16 << 20);
	buf_puts(&body, "{\"eventId\":\"e-7\",\"x\":\"");
	while (body.len < 8 << 20)
		buf_puts(&body, "                                                                ");
	buf_puts(&body, "\"}");
	struct buf coded = gzipped(body.data, body.len);
	assert_true(coded.len < 20000);
	bad(coded.data, coded.len, "gzip", "the body unpacks to more than 1048576 bytes", BROKER_ID);
	OWNED char *inside = enveloped(coded.data, "content-encoding", "gzip");
	bad_text(inside, "the notification's Message unpacks to more than 1048576 bytes", "sns-9");
	buf_free(&coded);
	buf_free(&body);
}

static void test_bad_envelopes(void **state)
{
	(void)state;
	OWNED char *text = enveloped("hello", NULL, NULL);
	bad_text(text, "the notification's Message: not JSON: a value is expected at byte 1", "sns-9");
	OWNED char *empty = enveloped("", NULL, NULL);
	bad_text(empty, "the notification's Message is empty", "sns-9");
	OWNED char *unknown = enveloped(GOOD, "content-encoding", "zstd");
	bad_text(unknown,
	        "the notification's Message has the content-encoding \"zstd\"; only gzip is understood",
	        "sns-9");
	OWNED char *wrong = enveloped("{\"eventId\":\"e-7\"," TYPE "," USER "," MAIL "}", NULL, NULL);
	bad_text(wrong, "name is missing", "e-7");
	OWNED char *twice = enveloped(text, NULL, NULL);
	bad_text(twice, "type is missing", "sns-9"); /* an envelope in an envelope is no event */
	bad_text("{\"Type\":\"SubscriptionConfirmation\",\"MessageId\":\"m\",\"Token\":\"t\",\"Message\":"
	         "\"You have\"}",
	        "type is missing", BROKER_ID);
	bad_text("{\"Type\":\"Notification\",\"MessageId\":\"m\",\"Message\":{}}", "type is missing",
	        BROKER_ID);
}

static void test_an_unusable_message_id_is_not_taken(void **state)
{
	(void)state;
	static const char body[] = "{" TYPE "," USER "," MAIL "," NAME "}";
	struct usher_error err = { 0 };
	struct event *event = NULL;
	char id[EVENT_ID_MAX + 1] = "unset";
	static const char *const ids[] = { NULL, "", "a\nb" };
	for (size_t i = 0; i < COUNT(ids); i++) {
		struct event_source source = { body, strlen(body), NULL, ids[i] };
		assert_int_equal(event_decode(&source, &event, id, &err), USHER_EINVAL);
		assert_string_equal(
		        err.message, "eventId is missing, and the message has no id to stand in for it");
		assert_string_equal(id, "");
	}
	/* An SNS id that cannot be one leaves the broker's. */
	static const char envelope[] =
	        "{\"Type\":\"Notification\",\"MessageId\":\"a\\nb\",\"Message\":\"{}\"}";
	bad_text(envelope, "type is missing", BROKER_ID);
}

/* -- The other way, and the sign-up's own check ------------------------------------------------- */

static void test_encode_and_decode_are_inverse(void **state)
{
	(void)state;
	struct event event = { .event_id = "e\"7",
		.type = "user-signup",
		.user_id = "u\\7",
		.email = "minsu@example.com",
		.name = "김 \"민수\" \xF0\x9F\x98\x80",
		.locale = "ko-KR",
		.signed_up_at = "2026-11-22T21:23:11.042Z" };
	struct buf out = BUF(EVENT_BODY_MAX);
	event_encode(&event, &out);
	assert_string_equal(out.data, "{\"eventId\":\"e\\\"7\",\"type\":\"user-signup\",\"userId\":"
	                              "\"u\\\\7\",\"email\":\"minsu@example.com\","
	                              "\"name\":\"김 \\\"민수\\\" \xF0\x9F\x98\x80\",\"locale\":\"ko-KR\","
	                              "\"signedUpAt\":\"2026-11-22T21:23:11.042Z\"}");
	struct event *back = good(out.data, out.len, NULL);
	assert_string_equal(back->event_id, event.event_id);
	assert_string_equal(back->user_id, event.user_id);
	assert_string_equal(back->name, event.name);
	assert_string_equal(back->signed_up_at, event.signed_up_at);
	event_free(back);
	buf_clear(&out);
	event.signed_up_at = NULL;
	buf_puts(&out, "x");
	event_encode(&event, &out);
	assert_null(strstr(out.data, "signedUpAt"));
	assert_int_equal(out.data[0], 'x'); /* appended */
	buf_free(&out);
}

static void test_check_fields(void **state)
{
	(void)state;
	static const struct {
		const char *user_id, *email, *name, *locale, *message;
	} cases[] = {
		{ "u", "a@b.kr", "김", "ko", NULL },
		{ NULL, "a@b.kr", "김", NULL, NULL },
		{ "u", "a@b", "김", NULL, NULL },
		{ "u", "a@", "김", NULL, "email has 2 bytes; at least 3 are needed" },
		{ "u", NULL, "김", NULL, "email is missing" },
		{ "u", "a@b.kr", NULL, NULL, "name is missing" },
		{ "", "a@b.kr", "김", NULL, "userId is empty" },
		{ "u", "a@b.kr\r\nBcc: x@y.kr", "김", NULL,
		        "email holds the control character U+000D at character 7" },
		{ "u", "a@b.kr", "김\n", NULL, "name holds the control character U+000A at character 2" },
		{ "u", "a@b.kr", "\xff", NULL, "name is not UTF-8 at character 1" },
		{ "\xc0\x80", "a@b.kr", "x", NULL, "userId is not UTF-8 at character 1" },
		{ "u", "a@b.kr", "김", "ko KR",
		        "locale may hold letters, digits and \"-\" only, as in \"ko-KR\"" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct usher_error err = { 0 };
		int rc = event_check_fields(
		        cases[i].user_id, cases[i].email, cases[i].name, cases[i].locale, &err);
		assert_int_equal(rc, cases[i].message ? USHER_EINVAL : 0);
		assert_string_equal(err.message, cases[i].message ? cases[i].message : "");
	}
}

static void assert_event_text(const char *body, size_t len, const char *encoding, const char *want)
{
	struct event_source source = { body, len, encoding, BROKER_ID };
	struct buf out = BUF(EVENT_BODY_MAX);
	struct usher_error err = { 0 };
	if (event_text(&source, &out, &err) != 0)
		fail_msg("refused: %s", err.message);
	assert_string_equal(buf_str(&out), want);
	buf_free(&out);
}

/* As it was written, whatever is around it and whether it is a good event or not. */
static void test_the_text_of_an_event(void **state)
{
	(void)state;
	struct buf coded = gzipped(GOOD, strlen(GOOD)), out = BUF(100);
	OWNED char *inside = enveloped(GOOD, NULL, NULL),
	           *packed_inside = enveloped(coded.data, "content-encoding", "gzip");
	struct event_source broken = { "{\"eventId\"", 10, NULL, BROKER_ID };
	struct usher_error err = { 0 };
	assert_event_text(GOOD, strlen(GOOD), NULL, GOOD);
	assert_event_text(coded.data, coded.len, "gzip", GOOD);
	assert_event_text(inside, strlen(inside), NULL, GOOD);
	assert_event_text(packed_inside, strlen(packed_inside), NULL, GOOD);
	assert_event_text(" {\"email\": 7} ", 14, NULL, " {\"email\": 7} ");
	assert_int_equal(event_text(&broken, &out, &err), USHER_EINVAL);
	assert_int_equal(out.len, 0);
	buf_free(&coded);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_event),
		cmocka_unit_test(test_what_may_be_absent),
		cmocka_unit_test(test_odd_but_allowed),
		cmocka_unit_test(test_envelope),
		cmocka_unit_test(test_compressed),
		cmocka_unit_test(test_limits_are_exact),
		cmocka_unit_test(test_bodies_that_are_no_json_object),
		cmocka_unit_test(test_fields_that_are_missing_or_of_the_wrong_type),
		cmocka_unit_test(test_control_characters_in_every_field),
		cmocka_unit_test(test_fields_that_are_too_long),
		cmocka_unit_test(test_fields_of_the_wrong_form),
		cmocka_unit_test(test_bad_compression),
		cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_bad_envelopes),
		cmocka_unit_test(test_an_unusable_message_id_is_not_taken),
		cmocka_unit_test(test_encode_and_decode_are_inverse),
		cmocka_unit_test(test_check_fields),
		cmocka_unit_test(test_the_text_of_an_event),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
