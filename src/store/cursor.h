/* Keyset cursors: where the next page of a list begins, as an opaque word. Pure; any thread. */
#ifndef STORE_CURSOR_H
#define STORE_CURSOR_H

#include <stdint.h>
#include <usher/error.h>

#define CURSOR_SIZE 704 /* room for a recipient of 320 bytes, in hexadecimal digits */

/* `list` is a letter a list and order, so that a cursor of one is refused by another. a and b: the sort key
 * of the last row shown, for example its time in ms and its id. */
void cursor_print(char out[CURSOR_SIZE], char list, int64_t a, int64_t b);
/* "" (the first page) leaves *ret_a and *ret_b as they are and returns 0; otherwise 1 when it was filled in.
 * USHER_EINVAL: not a cursor of this list. */
int cursor_parse(const char *cursor, char list, int64_t *ret_a, int64_t *ret_b, struct usher_error *err);

#endif
