/* Filling a struct usher_error, and the names of its codes. May call nothing but libc and base; any thread.
 */
#include "base/error.h"

#include "base/language.h"
#include "base/sentence.h"

#include <stdarg.h>
#include <stdbool.h>
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

/* Keeps a sentence at place `at`, before those that are there or behind them; none at all any more where
 * there is no room. */
static void keep(struct usher_error *err, unsigned at, const char *fmt, va_list ap)
{
	char arguments[USHER_ERROR_ARGUMENTS_MAX];
	int len = sentence_arguments(arguments, sizeof arguments, fmt, ap);
	bool full = err->formats[USHER_ERROR_SENTENCES_MAX - 1] != NULL;

	if (len < 0 || full || (size_t)len + err->arguments_len > sizeof arguments) {
		err->formats[0] = NULL;
		return;
	}
	size_t place = at ? err->arguments_len : 0;
	if (!at)
		memmove(err->formats + 1, err->formats, sizeof err->formats - sizeof *err->formats);
	err->formats[at] = fmt;
	memmove(err->arguments + place + len, err->arguments + place, err->arguments_len - place);
	memcpy(err->arguments + place, arguments, (size_t)len);
	err->arguments_len += (unsigned)len;
}

static unsigned count_sentences(const struct usher_error *err)
{
	unsigned n = 0;
	while (n < USHER_ERROR_SENTENCES_MAX && err->formats[n])
		n++;
	return n;
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
	keep(&new, 0, fmt, ap);
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
	if (err->formats[0]) {
		keep(err, 0, fmt, ap);
		err->prefixes = err->prefixes << 1 | 1;
	}
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

int error_add(struct usher_error *err, int code, const char *fmt, ...)
{
	if (!err)
		return code;
	char text[USHER_ERROR_MESSAGE_MAX];
	va_list ap;
	va_start(ap, fmt);
	fill(text, fmt, ap);
	va_end(ap);
	va_start(ap, fmt);
	if (err->formats[0])
		keep(err, count_sentences(err), fmt, ap);
	va_end(ap);
	size_t len = strlen(err->message);
	snprintf(err->message + len, sizeof err->message - len, "%s", text);
	drop_torn_character(err->message);
	return err->code;
}

int error_copy(struct usher_error *err, const struct usher_error *from)
{
	if (err)
		*err = *from;
	return from->code;
}

static void say(const struct usher_error *err, struct buf *out, bool translated)
{
	const char *arguments = err->arguments;
	for (size_t i = 0; i < USHER_ERROR_SENTENCES_MAX && err->formats[i]; i++) {
		const char *format = err->formats[i];
		buf_puts(out, i && (err->prefixes >> (i - 1) & 1) ? ": " : "");
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
