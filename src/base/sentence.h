/* A formatted sentence taken apart, so that it can be said again in another language: the printf format, and
 * each of its arguments as the text it was printed as. Pure; any thread. */
#ifndef BASE_SENTENCE_H
#define BASE_SENTENCE_H

#include "base/buf.h"

#include <stdarg.h>

/* Writes what each conversion of `format` prints, each with its NUL, into out[0..size). The bytes written, or
 * -1 when they do not fit or the format has a conversion that error messages do not need (%n, %p, long
 * double). */
int sentence_arguments(char *out, size_t size, const char *format, va_list ap);

/* Prints `format`, or its translation, whose conversions may be numbered (%2$s): what a conversion looks like
 * does not matter, its argument is text already. Returns what follows the sentence's own arguments in
 * `arguments`. */
const char *sentence_print(
        struct buf *out, const char *format, const char *translation, const char *arguments);

#endif
