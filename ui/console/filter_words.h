/* The filter language as far as the console must know it: what may stand at the cursor (from the daemon's own
 * list of keys, /v1/filter/keys), the plain word in a filter, and how to write a value down. The daemon alone
 * says what is right. Pure. */
#ifndef UI_CONSOLE_FILTER_WORDS_H
#define UI_CONSOLE_FILTER_WORDS_H

#include "prompt.h"

#include "base/buf.h"
#include "base/json.h"

#define FILTER_BYTES_MAX 1024 /* as the daemon takes it */

/* `keys`: the answer of /v1/filter/keys, NULL while there is none. `before`: up to the cursor. */
void filter_offers(const cJSON *keys, const char *before, struct offers *ret);
/* The last word without a key; false when there is none. */
bool filter_plain_word(const char *text, char *out, size_t size);
/* Appends KEY:"VALUE", after a blank where something stands before it. */
void filter_add(struct buf *out, const char *key, const char *value);

#endif
