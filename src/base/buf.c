/* The growing buffer of buf.h. May call nothing but libc and mem.h; any thread. */
#include "base/buf.h"

#include "base/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define FIRST_CAP 64

/* Makes room for `len` more bytes and the NUL; false, and the buffer failed, when over the limit. */
static bool reserve(struct buf *b, size_t len)
{
	if (b->failed)
		return false;
	if (b->len > b->max || len > b->max - b->len || b->len + len == SIZE_MAX) {
		b->failed = true;
		return false;
	}
	size_t need = b->len + len + 1;
	if (need <= b->cap)
		return true;
	size_t cap = b->cap > SIZE_MAX / 2 ? need : b->cap * 2;
	if (cap < FIRST_CAP)
		cap = FIRST_CAP;
	if (cap < need)
		cap = need;
	if (b->max < SIZE_MAX && cap > b->max + 1)
		cap = b->max + 1;
	b->data = mem_resize(b->data, cap, 1);
	b->cap = cap;
	return true;
}

void buf_add(struct buf *b, const void *bytes, size_t len)
{
	if (!reserve(b, len))
		return;
	if (len > 0)
		memcpy(b->data + b->len, bytes, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void buf_puts(struct buf *b, const char *text)
{
	buf_add(b, text, strlen(text));
}

void buf_putc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	if (b->failed)
		return;
	va_list again;
	va_copy(again, ap);
	/* Mostly the free space is enough, and one pass does. */
	size_t space = b->cap - b->len;
	int len = vsnprintf(b->data ? b->data + b->len : NULL, b->data ? space : 0, fmt, ap);
	if (len < 0 || !reserve(b, (size_t)len)) {
		b->failed = true;
		if (b->data)
			b->data[b->len] = '\0';
	} else {
		if (!space || (size_t)len >= space)
			vsnprintf(b->data + b->len, (size_t)len + 1, fmt, again);
		b->len += (size_t)len;
	}
	va_end(again);
}

void buf_cut(struct buf *b, size_t from, size_t count)
{
	if (from >= b->len)
		return;
	if (count > b->len - from)
		count = b->len - from;
	memmove(b->data + from, b->data + from + count, b->len - from - count + 1);
	b->len -= count;
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->data)
		b->data[0] = '\0';
}

void buf_free(struct buf *b)
{
	free(b->data);
	b->data = NULL;
	b->len = b->cap = 0;
	b->failed = false;
}

const char *buf_str(const struct buf *b)
{
	return b->data ? b->data : "";
}

char *buf_take(struct buf *b)
{
	char *text = b->data ? b->data : mem_stringn("", 0);
	b->data = NULL;
	b->len = b->cap = 0;
	return text;
}
