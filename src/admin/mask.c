/* Masks personal data in what is shown to operators. The body of a dead message may be anything, so
 * there are two ways through it: a tree walk for JSON, and a scan for everything else. When in doubt
 * it hides. Pure: may call base/ only; any thread. */
#include "admin/mask.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

#include <ctype.h>
#include <string.h>

#define MASKED_SIZE 512
#define STARS "***"

/* -- Addresses in a text -------------------------------------------------------------------------- */

/* Bytes of a word around '@'. All beyond ASCII counts: addresses are international, and hiding a
 * letter too many does no harm. */
static bool is_address_byte(char c)
{
	return (unsigned char)c >= 0x80 || isalnum((unsigned char)c) ||
	       (c && strchr("!#$%&'*+-/=?^_`{|}~.", c));
}

void mask_addresses(const char *text, size_t len, struct buf *out)
{
	size_t done = 0;
	for (size_t at = 0; at < len; at++) {
		if (text[at] != '@')
			continue;
		size_t from = at, to = at + 1;
		while (from > done && is_address_byte(text[from - 1]))
			from--;
		while (to < len && is_address_byte(text[to]))
			to++;
		if (from == at || to == at + 1)
			continue;
		char address[MASKED_SIZE], masked[MASKED_SIZE];
		utf8_copy(address, sizeof address, text + from, to - from);
		mask_email(address, masked, sizeof masked);
		buf_add(out, text + done, from - done);
		buf_puts(out, masked);
		done = to;
		at = to - 1;
	}
	buf_add(out, text + done, len - done);
}

/* -- JSON ------------------------------------------------------------------------------------------ */

enum personal { NOT_PERSONAL, PERSONAL_EMAIL, PERSONAL_NAME, PERSONAL_ID };

static const struct {
	const char *key;
	enum personal kind;
} personal_keys[] = {
	{ "email", PERSONAL_EMAIL },
	{ "recipient", PERSONAL_EMAIL },
	{ "name", PERSONAL_NAME },
	{ "userId", PERSONAL_ID },
	{ "user_id", PERSONAL_ID },
};

static enum personal personal_kind(const char *key, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(personal_keys); i++)
		if (strlen(personal_keys[i].key) == len && strncasecmp(personal_keys[i].key, key, len) == 0)
			return personal_keys[i].kind;
	return NOT_PERSONAL;
}

static void mask_value(enum personal kind, const char *value, char out[MASKED_SIZE])
{
	if (kind == PERSONAL_EMAIL)
		mask_email(value, out, MASKED_SIZE);
	else if (kind == PERSONAL_NAME)
		mask_name(value, out, MASKED_SIZE);
	else
		mask_id(value, out, MASKED_SIZE);
}

/* One body on its way: a few bytes can unpack to many, again and again. */
struct walk {
	int depth;     /* texts inside texts */
	size_t unpack; /* bytes that may still come out of packed ones */
};
static void mask_text(struct walk *walk, const char *text, size_t len, struct buf *out);

static void mask_string(struct walk *walk, cJSON *item, enum personal kind)
{
	size_t len = strlen(item->valuestring);
	if (kind != NOT_PERSONAL) {
		char masked[MASKED_SIZE];
		mask_value(kind, item->valuestring, masked);
		cJSON_SetValuestring(item, masked);
		return;
	}
	struct buf text = BUF(MASK_TEXT_MAX);
	walk->depth++;
	mask_text(walk, item->valuestring, len, &text);
	walk->depth--;
	cJSON_SetValuestring(item, text.failed ? STARS : buf_str(&text));
	buf_free(&text);
}

/* `kind`: what the name above says; it holds for everything below it. json_parse bounds the depth. */
static void mask_tree(struct walk *walk, cJSON *item, enum personal kind)
{
	for (cJSON *child = item->child, *next; child; child = next) {
		next = child->next;
		enum personal of = kind;
		if (child->string && kind == NOT_PERSONAL)
			of = personal_kind(child->string, strlen(child->string));
		if (cJSON_IsString(child)) {
			mask_string(walk, child, of);
		} else if (cJSON_IsObject(child) || cJSON_IsArray(child)) {
			mask_tree(walk, child, of);
		} else if (of != NOT_PERSONAL && cJSON_IsNumber(child)) {
			cJSON *stars = cJSON_CreateString(STARS);
			if (child->string)
				cJSON_ReplaceItemInObjectCaseSensitive(item, child->string, stars);
			else
				cJSON_ReplaceItemViaPointer(item, child, stars);
		}
	}
}

/* false: it is no JSON object or array, and out is as it was. */
static bool mask_json(struct walk *walk, const char *text, size_t len, struct buf *out)
{
	cJSON *json = NULL;
	if (json_parse(text, len, &json, NULL) < 0)
		return false;
	bool whole = cJSON_IsObject(json) || cJSON_IsArray(json);
	if (whole) {
		mask_tree(walk, json, NOT_PERSONAL);
		char *printed = json_print(json);
		buf_puts(out, printed);
		free(printed);
	}
	cJSON_Delete(json);
	return whole;
}

/* -- Everything else -------------------------------------------------------------------------------- */

/* Invalid bytes become U+FFFD, so that all below works on text. */
static void sanitize(const char *bytes, size_t len, struct buf *out)
{
	for (size_t i = 0; i < len;) {
		uint32_t codepoint;
		size_t n = utf8_next(bytes + i, len - i, &codepoint);
		if (n == 0 || codepoint == 0) {
			buf_puts(out, "\xEF\xBF\xBD");
			i++;
		} else {
			buf_add(out, bytes + i, n);
			i += n;
		}
	}
}

static size_t skip(const char *text, const char *set)
{
	return strspn(text, set);
}

/* Bytes of `name":` at text, the quote perhaps escaped, with the white space around the colon; 0 when it is
 * none. */
static size_t scan_key(const char *text, enum personal *ret_kind)
{
	size_t len = strcspn(text, "\"\\");
	*ret_kind = personal_kind(text, len);
	if (*ret_kind == NOT_PERSONAL)
		return 0;
	len += skip(text + len, "\\");
	if (text[len++] != '"')
		return 0;
	len += skip(text + len, " \t\r\n");
	if (text[len++] != ':')
		return 0;
	return len + skip(text + len, " \t\r\n");
}

/* Copies the value at text masked; returns the bytes that it takes. */
static size_t scan_value(const char *text, enum personal kind, struct buf *out)
{
	size_t escapes = skip(text, "\\"), from = escapes + 1, to = from;
	if (text[escapes] != '"') {
		size_t bare = strcspn(text, ",}] \t\r\n{[");
		buf_puts(out, bare ? STARS : "");
		return bare;
	}
	while (text[to] && text[to] != '"')
		to += text[to] == '\\' && text[to + 1] && escapes == 0 ? 2 : 1;
	size_t next = to;
	while (escapes && to > from && text[to - 1] == '\\')
		to--;
	OWNED char *value = mem_stringn(text + from, to - from);
	char masked[MASKED_SIZE];
	mask_value(kind, value, masked);
	buf_add(out, text, from);
	buf_puts(out, masked);
	buf_add(out, text + to, next - to);
	return next;
}

static void scan(const char *text, struct buf *out)
{
	while (*text) {
		enum personal kind;
		size_t plain = strcspn(text, "\"");
		plain += text[plain] == '"';
		buf_add(out, text, plain);
		text += plain;
		size_t key = scan_key(text, &kind);
		buf_add(out, text, key);
		text += key;
		if (key)
			text += scan_value(text, kind, out);
	}
}

static void mask_loose(const char *text, size_t len, struct buf *out)
{
	struct buf clean = BUF(MASK_TEXT_MAX), scanned = BUF(MASK_TEXT_MAX);
	sanitize(text, len, &clean);
	scan(buf_str(&clean), &scanned);
	if (clean.failed || scanned.failed)
		buf_puts(out, STARS);
	else
		mask_addresses(buf_str(&scanned), scanned.len, out);
	buf_free(&clean);
	buf_free(&scanned);
}

/* -- All of it ------------------------------------------------------------------------------------- */

#define PACKED_BEGINNING "H4sI" /* base64 of gzip, as a producer may have packed it */

static bool is_packed(const char *text, size_t len)
{
	return len > strlen(PACKED_BEGINNING) &&
	       memcmp(text, PACKED_BEGINNING, strlen(PACKED_BEGINNING)) == 0;
}

static bool unpack(const char *text, size_t len, struct buf *out)
{
	struct buf packed = BUF(MASK_TEXT_MAX);
	bool ok =
	        base64_decode(&packed, text, len) == 0 && gzip_decode(out, buf_str(&packed), packed.len) == 0;
	buf_free(&packed);
	return ok;
}

static void mask_text(struct walk *walk, const char *text, size_t len, struct buf *out)
{
	struct buf plain = BUF(walk->unpack);
	if (walk->depth > MASK_DEPTH_MAX) {
		buf_puts(out, STARS);
		return;
	}
	if (is_packed(text, len)) {
		if (!unpack(text, len, &plain)) {
			buf_puts(out, STARS " (packed, and cannot be unpacked)");
			goto out;
		}
		walk->unpack -= plain.len;
		text = buf_str(&plain);
		len = plain.len;
	}
	if (!mask_json(walk, text, len, out))
		mask_loose(text, len, out);
out:
	buf_free(&plain);
}

void mask_payload(const void *bytes, size_t len, struct buf *out)
{
	struct walk walk = { .unpack = MASK_UNPACKED_MAX };
	mask_text(&walk, bytes, len, out);
	if (out->failed) {
		buf_clear(out);
		buf_puts(out, STARS " (too large to be shown)");
	}
}
