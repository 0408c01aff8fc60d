/* Keyset cursors. Pure. */
#include "store/cursor.h"

#include "base/error.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cursor_print(char out[CURSOR_SIZE], char list, int64_t a, int64_t b)
{
	snprintf(out, CURSOR_SIZE, "%c%" PRIx64 ".%" PRIx64, list, (uint64_t)a, (uint64_t)b);
}

/* Only what cursor_print makes is taken: printed again it must be the same. */
int cursor_parse(const char *cursor, char list, int64_t *ret_a, int64_t *ret_b, struct usher_error *err)
{
	char again[CURSOR_SIZE], *end;
	uint64_t a, b;

	if (cursor == NULL || *cursor == '\0')
		return 0;
	if (cursor[0] == list) {
		a = strtoull(cursor + 1, &end, 16);
		b = *end == '.' ? strtoull(end + 1, NULL, 16) : 0;
		cursor_print(again, list, (int64_t)a, (int64_t)b);
		if (strcmp(again, cursor) == 0) {
			*ret_a = (int64_t)a;
			*ret_b = (int64_t)b;
			return 1;
		}
	}
	return error_set(err, USHER_EINVAL,
	        "the cursor is not one of this list: begin without a cursor, and take the next one "
	        "from each answer");
}
