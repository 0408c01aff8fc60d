/* The log of log.h. May call libc, clock.h, mask.h and text.h; any thread. A line is one write(2) of at most
 * PIPE_BUF bytes, which the kernel keeps whole on a pipe. */
#include "base/log.h"

#include "base/clock.h"
#include "base/mask.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOG_LINE_MAX 4096            /* PIPE_BUF: longer writes may interleave */
#define LOG_MESSAGE_MAX LOG_LINE_MAX /* as formatted; a cut one never fits the line, so the cut is marked */
#define CUT_MARK "…"
#define LOG_END_ROOM 8 /* for the cut mark, the closing of the JSON object and the newline */

static atomic_int least_level = LOG_INFO_LEVEL;
static atomic_int line_format = LOG_TEXT;
static atomic_bool unmasked;
static const char *const level_names[] = { "debug", "info", "warn", "error" };

void log_setup(enum log_level level, enum log_format format)
{
	atomic_store(&least_level, (int)level);
	atomic_store(&line_format, (int)format);
}

void log_mask(bool mask)
{
	atomic_store(&unmasked, !mask);
}

int log_enabled(enum log_level level)
{
	return (int)level >= atomic_load_explicit(&least_level, memory_order_relaxed);
}

/* One character of the message as it stands in the line; its bytes, at most 8. */
static size_t escape_character(char out[8], uint32_t c, unsigned char byte, bool valid, bool json)
{
	if (!valid)
		return json ? utf8_encode(0xFFFD, out) : (size_t)sprintf(out, "\\x%02x", byte);
	if (json && (c == '"' || c == '\\'))
		return (size_t)sprintf(out, "\\%c", (char)c);
	if (c == '\n')
		return (size_t)sprintf(out, "\\n");
	if (c == '\r')
		return (size_t)sprintf(out, "\\r");
	if (c == '\t')
		return (size_t)sprintf(out, "\\t");
	/* U+2028 and U+2029 break lines in some readers; C1 controls move a terminal. */
	if (c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029)
		return (size_t)sprintf(out, "\\u%04x", (unsigned)c);
	return utf8_encode(c, out);
}

/* Escapes into the line; what does not fit is cut at a character and marked. */
static void add_escaped(struct buf *line, const char *text, bool json)
{
	size_t len = strlen(text);
	for (size_t at = 0; at < len;) {
		char out[8];
		uint32_t c = 0;
		size_t n = utf8_next(text + at, len - at, &c);
		size_t bytes = escape_character(out, c, (unsigned char)text[at], n > 0, json);
		if (line->len + bytes > line->max - LOG_END_ROOM) {
			buf_puts(line, CUT_MARK);
			return;
		}
		buf_add(line, out, bytes);
		at += n ? n : 1;
	}
}

static void write_line(const struct buf *line)
{
	ssize_t n;
	do
		n = write(STDERR_FILENO, line->data, line->len);
	while (n < 0 && errno == EINTR);
	/* A log that cannot be written has nowhere to say so. */
}

void log_line(enum log_level level, const char *area, const char *fmt, ...)
{
	if (!log_enabled(level))
		return;
	int saved_errno = errno;
	char formatted[LOG_MESSAGE_MAX], masked[LOG_MESSAGE_MAX * MASK_WORDS_GROWTH],
	        time_text[WALL_TEXT_SIZE], memory[LOG_LINE_MAX];
	/* On the stack, so that a line can be written when memory is gone. */
	struct buf line = { .data = memory, .cap = sizeof memory, .max = sizeof memory - 1 };
	struct buf words = { .data = masked, .cap = sizeof masked, .max = sizeof masked - 1 };
	const char *message = formatted;
	bool json = atomic_load_explicit(&line_format, memory_order_relaxed) == LOG_JSON;
	va_list ap;
	va_start(ap, fmt);
	int len = vsnprintf(formatted, sizeof formatted, fmt, ap);
	if (len < 0)
		snprintf(formatted, sizeof formatted, "%s", fmt);
	va_end(ap);
	if (!atomic_load_explicit(&unmasked, memory_order_relaxed)) {
		mask_words(formatted, strlen(formatted), NULL, &words);
		if (len >= LOG_MESSAGE_MAX)
			buf_puts(&words, CUT_MARK); /* masked it may be so short that it fits */
		message = buf_str(&words);
	}
	wall_format(wall_now(), time_text);
	if (json) {
		buf_printf(&line, "{\"time\":\"%s\",\"level\":\"%s\",\"area\":\"", time_text,
		        level_names[level]);
		add_escaped(&line, area, true);
		buf_puts(&line, "\",\"message\":\"");
		add_escaped(&line, message, true);
		buf_puts(&line, "\"}\n");
	} else {
		buf_printf(&line, "%s %-5s ", time_text, level_names[level]);
		add_escaped(&line, area, false);
		buf_puts(&line, ": ");
		add_escaped(&line, message, false);
		buf_putc(&line, '\n');
	}
	write_line(&line);
	errno = saved_errno;
}
