/* Filling a struct usher_error, and the names of its codes. May call nothing but libc and base; any thread.
 */
#include "base/error.h"

#include "base/language.h"
#include "base/sentence.h"

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

/* Puts a sentence in front of those that are kept, or keeps none any more where there is no room. */
static void keep(struct usher_error *err, const char *fmt, va_list ap)
{
	char arguments[USHER_ERROR_ARGUMENTS_MAX];
	int len = sentence_arguments(arguments, sizeof arguments, fmt, ap);
	bool full = err->formats[USHER_ERROR_SENTENCES_MAX - 1] != NULL;

	if (len < 0 || full || (size_t)len + err->arguments_len > sizeof arguments) {
		err->formats[0] = NULL;
		return;
	}
	memmove(err->formats + 1, err->formats, sizeof err->formats - sizeof *err->formats);
	err->formats[0] = fmt;
	memmove(err->arguments + len, err->arguments, err->arguments_len);
	memcpy(err->arguments, arguments, (size_t)len);
	err->arguments_len += (unsigned)len;
}

int error_set(struct usher_error *err, int code, const char *fmt, ...)
{
	if (!err)
		return code;
	struct usher_error new = { .code = code }; /* aside: the arguments may point into err->message */
	va_list ap;
	va_start(ap, fmt);
	fill(new.message, fmt, ap);
	va_end(ap);
	va_start(ap, fmt);
	keep(&new, fmt, ap);
	va_end(ap);
	*err = new;
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
	va_start(ap, fmt);
	if (err->formats[0])
		keep(err, fmt, ap);
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

static void say(const struct usher_error *err, struct buf *out, bool translated)
{
	const char *arguments = err->arguments;
	for (size_t i = 0; i < USHER_ERROR_SENTENCES_MAX && err->formats[i]; i++) {
		const char *format = err->formats[i];
		buf_puts(out, i ? ": " : "");
		arguments = sentence_print(
		        out, format, translated && *format ? gettext(format) : format, arguments);
	}
}

void error_print(const struct usher_error *err, struct buf *out)
{
	struct buf english = BUF(2 * USHER_ERROR_MESSAGE_MAX), own = BUF(4 * USHER_ERROR_MESSAGE_MAX);

	say(err, &english, false);
	bool same = err->formats[0] && strcmp(buf_str(&english), err->message) == 0;
	if (same)
		say(err, &own, true);
	buf_puts(out, same ? buf_str(&own) : err->message);
	buf_free(&english);
	buf_free(&own);
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
