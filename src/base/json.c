/* cJSON made strict, as json.h says. May call libc, cJSON, buf.h, mem.h and text.h; any thread.
 *
 * json_scan.c has checked the grammar before cJSON sees the text; what is left here is what only the tree can
 * tell (duplicate members), and typed access. */
#include "base/json.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/json_scan.h"
#include "base/mem.h"
#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define JSON_INT_MAX 9007199254740992.0 /* 2^53: every integer up to here is exact in a double */
#define PLAIN_INT_MAX 999999999999999   /* beyond 15 digits cJSON prints an exponent */
#define KEY_SHOWN_MAX 41                /* bytes of a member's name in a message, with the NUL */

/* -- Parsing ------------------------------------------------------------------------------------ */

static int compare_keys(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The name of a member that stands twice in this object, or NULL. Sorted: an object may have as many members
 * as a body has bytes, and comparing each with each would take minutes. */
static const char *duplicate_here(const cJSON *object)
{
	const char *found = NULL;
	const cJSON *item;
	size_t count = 0, i = 0;
	cJSON_ArrayForEach(item, object) count++;
	if (count < 2)
		return NULL;
	const char **keys = mem_array(count, sizeof *keys);
	cJSON_ArrayForEach(item, object) keys[i++] = item->string;
	qsort(keys, count, sizeof *keys, compare_keys);
	for (i = 1; i < count && !found; i++)
		if (strcmp(keys[i - 1], keys[i]) == 0)
			found = keys[i];
	free(keys);
	return found;
}

/* Depth-first; the scan has bounded the depth. */
static const char *find_duplicate(const cJSON *json)
{
	const char *found = cJSON_IsObject(json) ? duplicate_here(json) : NULL;
	const cJSON *item;
	if (found || !(cJSON_IsObject(json) || cJSON_IsArray(json)))
		return found;
	cJSON_ArrayForEach(item, json)
	{
		found = find_duplicate(item);
		if (found)
			return found;
	}
	return NULL;
}

int json_parse(const char *text, size_t len, cJSON **ret_json, struct usher_error *err)
{
	struct json_fault fault;
	if (!json_scan(text, len, JSON_DEPTH_MAX, &fault))
		return error_set(err, USHER_EINVAL, "not JSON: %s at byte %zu", fault.what, fault.at + 1);
	cJSON *json = cJSON_ParseWithLength(text, len);
	if (!json)
		return error_set(err, USHER_EINVAL, "not JSON: the parser refuses it");
	const char *duplicate = find_duplicate(json);
	if (duplicate) {
		char shown[KEY_SHOWN_MAX];
		utf8_copy(shown, sizeof shown, duplicate, strlen(duplicate));
		error_set(err, USHER_EINVAL, "not usable JSON: the member \"%s\" stands twice in one object",
		        shown);
		cJSON_Delete(json);
		return USHER_EINVAL;
	}
	*ret_json = json;
	return 0;
}

static void wipe_strings(cJSON *json)
{
	for (cJSON *item = json; item; item = item->next) {
		if (item->valuestring)
			mem_wipe(item->valuestring, strlen(item->valuestring));
		wipe_strings(item->child);
	}
}

void json_wipe(cJSON *json)
{
	wipe_strings(json);
	cJSON_Delete(json);
}

/* -- Looking ------------------------------------------------------------------------------------ */

const cJSON *json_get(const cJSON *object, const char *key)
{
	return cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, key) : NULL;
}

const char *json_string(const cJSON *object, const char *key)
{
	return cJSON_GetStringValue(json_get(object, key));
}

int64_t json_int(const cJSON *object, const char *key, int64_t fallback)
{
	const cJSON *item = json_get(object, key);
	if (!item || !cJSON_IsNumber(item))
		return fallback;
	double n = item->valuedouble;
	if (!(n >= -JSON_INT_MAX && n <= JSON_INT_MAX) || n != floor(n))
		return fallback;
	return (int64_t)n;
}

bool json_bool(const cJSON *object, const char *key, bool fallback)
{
	const cJSON *item = json_get(object, key);
	return cJSON_IsBool(item) ? cJSON_IsTrue(item) : fallback;
}

/* -- Adding and printing ------------------------------------------------------------------------ */

/* cJSON reports exhausted memory by NULL. */
static cJSON *must(cJSON *item)
{
	if (!item)
		mem_exhausted(sizeof *item);
	return item;
}

void json_add_string(cJSON *object, const char *key, const char *value)
{
	must(value ? cJSON_AddStringToObject(object, key, value) : cJSON_AddNullToObject(object, key));
}

void json_add_int(cJSON *object, const char *key, int64_t value)
{
	char digits[24];
	if (value >= -PLAIN_INT_MAX && value <= PLAIN_INT_MAX) {
		must(cJSON_AddNumberToObject(object, key, (double)value));
		return;
	}
	/* As written digits, so that none is lost. */
	snprintf(digits, sizeof digits, "%lld", (long long)value);
	must(cJSON_AddRawToObject(object, key, digits));
}

void json_add_bool(cJSON *object, const char *key, bool value)
{
	must(cJSON_AddBoolToObject(object, key, value));
}

cJSON *json_add_object(cJSON *object, const char *key)
{
	return must(cJSON_AddObjectToObject(object, key));
}

cJSON *json_add_array(cJSON *object, const char *key)
{
	return must(cJSON_AddArrayToObject(object, key));
}

void json_add_bytes(cJSON *object, const char *key, const void *bytes, size_t len)
{
	static const char replacement[] = "\xEF\xBF\xBD"; /* U+FFFD */
	struct buf text = BUF(SIZE_MAX - 1);
	for (size_t at = 0; at < len;) {
		uint32_t c;
		const char *from = (const char *)bytes + at;
		size_t n = utf8_next(from, len - at, &c);
		/* A NUL would end cJSON's string, and our own parser refuses \u0000. */
		if (n > 0 && c != 0)
			buf_add(&text, from, n);
		else
			buf_puts(&text, replacement);
		at += n ? n : 1;
	}
	json_add_string(object, key, buf_str(&text));
	buf_free(&text);
}

char *json_print(const cJSON *json)
{
	char *text = cJSON_PrintUnformatted(json);
	if (!text)
		mem_exhausted(0);
	return text;
}

/* -- Text ---------------------------------------------------------------------------------------- */

static size_t skip_space(const char *text, size_t len, size_t at)
{
	while (at < len && strchr(" \t\r\n", text[at]))
		at++;
	return at;
}

/* The offset behind the string that begins at `at`. */
static size_t skip_string(const char *text, size_t len, size_t at)
{
	for (at++; at < len && text[at] != '"'; at++)
		at += text[at] == '\\';
	return at < len ? at + 1 : len;
}

/* The offset behind the value that begins at `at`. */
static size_t skip_value(const char *text, size_t len, size_t at)
{
	int depth = 0;
	while (at < len) {
		char c = text[at];
		if (depth == 0 && strchr(",}] \t\r\n", c))
			break;
		depth += c == '{' || c == '[';
		depth -= c == '}' || c == ']';
		at = c == '"' ? skip_string(text, len, at) : at + 1;
		if (depth == 0 && strchr("\"}]", c))
			break;
	}
	return at;
}

static bool same_key(const char *token, size_t len, const char *key)
{
	cJSON *name = cJSON_ParseWithLength(token, len);
	bool same = cJSON_IsString(name) && strcmp(name->valuestring, key) == 0;
	cJSON_Delete(name);
	return same;
}

static void add_quoted(struct buf *out, const char *value)
{
	cJSON *string = cJSON_CreateString(value);
	char *text = json_print(string);
	buf_puts(out, text);
	free(text);
	cJSON_Delete(string);
}

void json_text_set(const char *text, size_t len, const char *key, const char *value, struct buf *out)
{
	size_t first = skip_space(text, len, skip_space(text, len, 0) + 1), at = first;
	while (at < len && text[at] != '}') {
		size_t key_end = skip_string(text, len, at);
		size_t from = skip_space(text, len, skip_space(text, len, key_end) + 1);
		size_t to = skip_value(text, len, from);
		if (same_key(text + at, key_end - at, key)) {
			buf_add(out, text, from);
			add_quoted(out, value);
			buf_add(out, text + to, len - to);
			return;
		}
		at = skip_space(text, len, to);
		if (at < len && text[at] == ',')
			at = skip_space(text, len, at + 1);
	}
	buf_add(out, text, at);
	if (at > first)
		buf_putc(out, ',');
	add_quoted(out, key);
	buf_putc(out, ':');
	add_quoted(out, value);
	buf_add(out, text + at, len - at);
}
