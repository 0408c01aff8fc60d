/* Filling a struct usher_error, and the names of its codes. May call nothing but libc; any thread. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* vsnprintf may have cut the text in the middle of a character: drops the torn one. */
static void drop_torn_character(char *text)
{
	size_t len = strlen(text), tail = 0;
	if (len + 1 < USHER_ERROR_MESSAGE_MAX)
		return;
	while (tail < 3 && tail < len && ((unsigned char)text[len - 1 - tail] & 0xC0) == 0x80)
		tail++;
	if (tail >= len)
		return;
	unsigned char lead = (unsigned char)text[len - 1 - tail];
	size_t want = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
	if (want > tail + 1)
		text[len - 1 - tail] = '\0';
}

/* Formats aside first: the arguments may point into err->message. */
static void fill(char text[USHER_ERROR_MESSAGE_MAX], const char *fmt, va_list ap)
{
	if (vsnprintf(text, USHER_ERROR_MESSAGE_MAX, fmt, ap) < 0)
		snprintf(text, USHER_ERROR_MESSAGE_MAX, "%s", fmt);
	drop_torn_character(text);
}

int error_set(struct usher_error *err, int code, const char *fmt, ...)
{
	if (!err)
		return code;
	char text[USHER_ERROR_MESSAGE_MAX];
	va_list ap;
	va_start(ap, fmt);
	fill(text, fmt, ap);
	va_end(ap);
	err->code = code;
	memcpy(err->message, text, strlen(text) + 1);
	return code;
}

int error_prefix(struct usher_error *err, int code, const char *fmt, ...)
{
	if (!err)
		return code;
	char joined[USHER_ERROR_MESSAGE_MAX];
	va_list ap;
	va_start(ap, fmt);
	fill(joined, fmt, ap);
	va_end(ap);
	size_t len = strlen(joined);
	for (const char *at = ": "; *at && len < sizeof joined - 1; at++)
		joined[len++] = *at;
	for (const char *at = err->message; *at && len < sizeof joined - 1; at++)
		joined[len++] = *at;
	joined[len] = '\0';
	drop_torn_character(joined);
	memcpy(err->message, joined, len + 1);
	return err->code;
}

__attribute__((visibility("default"))) const char *usher_code_name(int code)
{
	switch (code) {
	case USHER_OK:
		return "ok";
	case USHER_EINVAL:
		return "invalid";
	case USHER_ECONFIG:
		return "config";
	case USHER_ENOTFOUND:
		return "not_found";
	case USHER_ECONFLICT:
		return "conflict";
	case USHER_ESTALE:
		return "stale";
	case USHER_ETOOBIG:
		return "too_big";
	case USHER_EFORBIDDEN:
		return "forbidden";
	case USHER_EUNAVAILABLE:
		return "unavailable";
	case USHER_ETIMEOUT:
		return "timeout";
	case USHER_EPROTOCOL:
		return "protocol";
	case USHER_EDATABASE:
		return "database";
	case USHER_ECANCELLED:
		return "cancelled";
	case USHER_EIO:
		return "io";
	default:
		return "unknown";
	}
}
