/* cJSON, made strict: cJSON accepts trailing text, duplicate keys, invalid UTF-8 and \u0000, and
 * loses digits beyond 2^53; these helpers refuse or avoid each. Any thread; trees are not shared. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <usher/error.h>

#define JSON_DEPTH_MAX 64

/* Parses exactly one JSON value of `len` bytes (need not be NUL-terminated): valid UTF-8, no
 * \u0000, nothing but white space behind it, at most JSON_DEPTH_MAX deep. The message of
 * USHER_EINVAL says what is wrong and at which byte. The caller frees with cJSON_Delete. */
int json_parse(const char *text, size_t len, cJSON **ret_json, struct usher_error *err);

/* Frees a document that may hold secrets: every string in it is overwritten first. NULL is allowed. */
void json_wipe(cJSON *json);

/* Case-sensitive members; NULL / fallback when absent or of another type. Borrowed. */
const cJSON *json_get(const cJSON *object, const char *key);
const char *json_string(const cJSON *object, const char *key);            /* NULL unless a string */
int64_t json_int(const cJSON *object, const char *key, int64_t fallback); /* integral and |n| <= 2^53 */
bool json_bool(const cJSON *object, const char *key, bool fallback);

/* Adding; a NULL or zero-time value adds JSON null. */
void json_add_string(cJSON *object, const char *key, const char *value);
void json_add_int(cJSON *object, const char *key, int64_t value);
void json_add_bool(cJSON *object, const char *key, bool value);
cJSON *json_add_object(cJSON *object, const char *key);
cJSON *json_add_array(cJSON *object, const char *key);
/* Bytes of unknown origin as a string: invalid UTF-8 becomes U+FFFD. */
void json_add_bytes(cJSON *object, const char *key, const void *bytes, size_t len);

/* Compact text; the caller frees with free(). */
char *json_print(const cJSON *json);

/* Appends a JSON object's text with one member replaced by a string, or added to it; the rest stays byte for
 * byte, so that numbers keep all their digits. text: an object that json_parse takes. value: valid UTF-8. */
void json_text_set(const char *text, size_t len, const char *key, const char *value, struct buf *out);

#endif
