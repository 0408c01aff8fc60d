/* Filling a struct usher_error. May call nothing but libc and base; any thread. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "base/buf.h"

#include <usher/error.h>

/* Sets code and message and returns `code`, so that a failing path is one line:
 *     return error_set(err, USHER_EINVAL, "...", ...);
 * `err` may be NULL. */
int error_set(struct usher_error *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " in front of the message that is there; returns err->code (or `code` if err is
 * NULL), for callers that add where it happened. */
int error_prefix(struct usher_error *err, int code, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));

/* Puts one more part behind the message, as it is: what depends on a figure is no half sentence in every
 * language. Returns as error_prefix does. */
int error_add(struct usher_error *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* What another one says, as err; returns its code. */
int error_copy(struct usher_error *err, const struct usher_error *from);

/* The message in the language in force (base/language.h): English where the catalogue has none, or where the
 * message was put together in a way that cannot be said again. */
void error_print(const struct usher_error *err, struct buf *out);

#endif
