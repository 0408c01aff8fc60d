/* Statements under construction: the one place where values are quoted and escaped. Needs no live
 * connection: the session is always utf8mb4 and never NO_BACKSLASH_ESCAPES (db.c sets and owns both), and in
 * UTF-8 no byte of a longer character looks like a quote or a backslash. Any thread. */
#include "store/db.h"

#include "base/mem.h"
#include "base/text.h"

#include <string.h>
#include <time.h>

#define TIME_MAX_MS 253402300799999 /* 9999-12-31T23:59:59.999Z: the last DATETIME */

struct sql sql_new(struct db *db)
{
	struct sql sql = { .text = BUF(SQL_MAX), .db = db };

	buf_puts(&sql.text, SQL_BEGIN);
	return sql;
}

void sql_free(struct sql *sql)
{
	buf_free(&sql->text);
}

static const char *escape_of(unsigned char c)
{
	switch (c) {
	case '\0':
		return "\\0";
	case '\n':
		return "\\n";
	case '\r':
		return "\\r";
	case '\x1a':
		return "\\Z";
	case '\'':
		return "\\'";
	case '"':
		return "\\\"";
	case '\\':
		return "\\\\";
	default:
		return NULL;
	}
}

static void add_quoted(struct buf *b, const char *bytes, size_t len)
{
	size_t from = 0;

	buf_putc(b, '\'');
	for (size_t i = 0; i < len; i++) {
		const char *escape = escape_of((unsigned char)bytes[i]);

		if (escape == NULL)
			continue;
		buf_add(b, bytes + from, i - from);
		buf_add(b, escape, 2);
		from = i + 1;
	}
	buf_add(b, bytes + from, len - from);
	buf_putc(b, '\'');
}

static void add_text(struct buf *b, const char *text)
{
	if (text == NULL)
		buf_puts(b, "NULL");
	else
		add_quoted(b, text, strlen(text));
}

static void add_bytes(struct buf *b, const void *bytes, size_t len)
{
	if (bytes == NULL) {
		buf_puts(b, len == 0 ? "''" : "NULL");
		return;
	}
	buf_puts(b, "_binary");
	add_quoted(b, bytes, len);
}

static void add_name(struct buf *b, const char *name)
{
	buf_putc(b, '`');
	for (; *name != '\0'; name++) {
		if (*name == '`')
			buf_putc(b, '`');
		buf_putc(b, *name);
	}
	buf_putc(b, '`');
}

static void add_time(struct buf *b, wall_time t)
{
	struct tm tm;
	time_t seconds;

	if (t.ms == 0) {
		buf_puts(b, "NULL");
		return;
	}
	if (t.ms < 0 || t.ms > TIME_MAX_MS) /* from a forged cursor or a broken clock */
		t.ms = TIME_MAX_MS;
	seconds = (time_t)(t.ms / 1000);
	gmtime_r(&seconds, &tm);
	buf_printf(b, "'%04d-%02d-%02d %02d:%02d:%02d.%03d'", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
	        tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(t.ms % 1000));
}

static void add_int(struct buf *b, int64_t value)
{
	char text[24], *at = text + sizeof text;
	uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

	do {
		*--at = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (value < 0)
		*--at = '-';
	buf_add(b, at, (size_t)(text + sizeof text - at));
}

void sql_add(struct sql *sql, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	while (*fmt != '\0') {
		size_t plain = strcspn(fmt, "?");
		const void *bytes;

		buf_add(&sql->text, fmt, plain);
		fmt += plain;
		if (*fmt == '\0')
			break;
		switch (fmt[1]) {
		case 's':
			add_text(&sql->text, va_arg(ap, const char *));
			break;
		case 'b':
			bytes = va_arg(ap, const void *);
			add_bytes(&sql->text, bytes, va_arg(ap, size_t));
			break;
		case 'i':
			add_int(&sql->text, va_arg(ap, int64_t));
			break;
		case 't':
			add_time(&sql->text, va_arg(ap, wall_time));
			break;
		case 'n':
			add_name(&sql->text, va_arg(ap, const char *));
			break;
		default:
			buf_putc(&sql->text, '?');
			fmt++;
			continue;
		}
		fmt += 2;
	}
	va_end(ap);
}

void sql_add_ids(struct sql *sql, const int64_t *ids, size_t n)
{
	buf_putc(&sql->text, '(');
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_putc(&sql->text, ',');
		add_int(&sql->text, ids[i]);
	}
	buf_putc(&sql->text, ')');
}

void sql_add_clipped(struct sql *sql, const char *text, size_t width)
{
	size_t len = text != NULL ? strnlen(text, width * 4) : 0, at = 0;
	char *copy;

	if (text == NULL) {
		sql_add(sql, "NULL");
		return;
	}
	copy = mem_alloc(len + 1);
	utf8_copy(copy, len + 1, text, len);
	for (size_t chars = 0; copy[at] != '\0' && chars < width; chars++)
		at += utf8_next(copy + at, strlen(copy + at), &(uint32_t){ 0 });
	copy[at] = '\0';
	sql_add(sql, "?s", copy);
	free(copy);
}
