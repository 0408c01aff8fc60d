/* The event decoder on arbitrary bodies. The first byte chooses how the body claims to be wrapped. What is
 * taken must keep the promises of event.h and survive being encoded and decoded again. */
#include "base/text.h"
#include "model/event.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void require_clean(const char *text, size_t bytes_max)
{
	size_t len = strlen(text);
	require(len >= 1 && len <= bytes_max);
	for (size_t at = 0; at < len;) {
		uint32_t c;
		size_t n = utf8_next(text + at, len - at, &c);
		require(n > 0 && c >= 0x20 && !(c >= 0x7F && c <= 0x9F));
		at += n;
	}
}

static void require_promises(const struct event *event)
{
	require_clean(event->event_id, EVENT_ID_MAX);
	require_clean(event->user_id, EVENT_ID_MAX);
	require_clean(event->email, EVENT_EMAIL_MAX);
	require_clean(event->name, EVENT_NAME_MAX * 4);
	require(utf8_length(event->name) <= EVENT_NAME_MAX);
	require_clean(event->locale, EVENT_LOCALE_MAX);
	require(strcmp(event->type, "user-signup") == 0);
	if (event->signed_up_at)
		require_clean(event->signed_up_at, EVENT_TIME_MAX);
}

static void require_same_again(const struct event *event)
{
	struct buf out = BUF(EVENT_BODY_MAX);
	struct event *again = NULL;
	event_encode(event, &out);
	struct event_source source = { .body = out.data, .body_len = out.len, .message_id = "other" };
	require(!out.failed && event_decode(&source, &again, NULL, NULL) == 0);
	require(strcmp(again->event_id, event->event_id) == 0 && strcmp(again->name, event->name) == 0 &&
	        strcmp(again->email, event->email) == 0 && strcmp(again->user_id, event->user_id) == 0);
	event_free(again);
	buf_free(&out);
}

static void decode(const void *body, size_t len, const char *encoding)
{
	struct event_source source = { body, len, encoding, "message-1" };
	struct event *event = NULL;
	struct usher_error err = { 0 };
	char id[EVENT_ID_MAX + 1];
	int rc = event_decode(&source, &event, id, &err);
	require_clean(id, EVENT_ID_MAX);
	if (rc < 0) {
		require(!event && rc == USHER_EINVAL && err.message[0] &&
		        utf8_valid(err.message, strlen(err.message)));
		return;
	}
	require(strcmp(id, event->event_id) == 0);
	require_promises(event);
	require_same_again(event);
	event_free(event);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	const uint8_t *body = data + 1;
	size--;
	struct buf packed = BUF(1 << 20), coded = BUF(1 << 21);
	switch (data[0] % 4) {
	case 0:
		decode(body, size, NULL);
		break;
	case 1:
		decode(body, size, "gzip");
		break;
	case 2: /* right base64 around a guessed gzip */
		base64_encode(&coded, body, size);
		decode(buf_str(&coded), coded.len, "gzip");
		break;
	default: /* right gzip around a guessed event */
		if (gzip_encode(&packed, body, size) == 0)
			base64_encode(&coded, packed.data, packed.len);
		decode(buf_str(&coded), coded.len, "gzip");
	}
	buf_free(&packed);
	buf_free(&coded);
	return 0;
}
