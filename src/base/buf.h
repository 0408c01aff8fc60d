/* A growing byte buffer with a limit from birth. Always NUL-terminated once it holds something.
 * The first append that would pass `max` sets `failed` and leaves the content as it was; later
 * appends do nothing, so that a caller checks once, at the end. Any thread; not shared. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *data; /* NULL while empty and never appended to */
	size_t len, cap, max;
	bool failed;
};

#define BUF(limit) ((struct buf){ .max = (limit) })

void buf_add(struct buf *b, const void *bytes, size_t len);
void buf_puts(struct buf *b, const char *text);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
void buf_cut(struct buf *b, size_t from, size_t count); /* removes bytes; for consuming a prefix */
void buf_clear(struct buf *b);                          /* empty and not failed; keeps the memory */
void buf_free(struct buf *b);
const char *buf_str(const struct buf *b); /* "" when empty */
char *buf_take(struct buf *b);            /* hands the string over (never NULL; free it); the
                                             buffer is empty, and failed if it was */

#endif
