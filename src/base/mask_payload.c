/* Masks the body of a message. It may be anything, so there are two ways through it: a tree walk for JSON,
 * and the scan of mask.c for everything else. When in doubt it hides. May call base/ only; any thread. */
#include "base/mask.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

#define STARS "***"

/* -- JSON ------------------------------------------------------------------------------------------ */

/* One body on its way: a few bytes can unpack to many, again and again. */
struct walk {
	int depth;     /* texts inside texts */
	size_t unpack; /* bytes that may still come out of packed ones */
};
static void mask_text(struct walk *walk, const char *text, size_t len, struct buf *out);

static void mask_string(struct walk *walk, cJSON *item, enum mask_kind kind)
{
	if (kind != MASK_NOTHING) {
		char masked[MASK_VALUE_SIZE];

		mask_value(kind, item->valuestring, masked, sizeof masked);
		cJSON_SetValuestring(item, masked);
		return;
	}
	struct buf text = BUF(MASK_TEXT_MAX);

	walk->depth++;
	mask_text(walk, item->valuestring, strlen(item->valuestring), &text);
	walk->depth--;
	cJSON_SetValuestring(item, text.failed ? STARS : buf_str(&text));
	buf_free(&text);
}

/* Some key their objects by address: {"minji@example.com": {...}}. */
static void mask_member_name(cJSON *item)
{
	size_t len = strlen(item->string);
	struct buf name = BUF(MASK_TEXT_MAX);

	mask_words(item->string, len, NULL, &name);
	if (name.len != len || memcmp(buf_str(&name), item->string, len) != 0) {
		cJSON_free(item->string);
		item->string = buf_take(&name);
	}
	buf_free(&name);
}

/* A number or a truth value becomes a text of stars, where it stands. */
static void mask_bare(cJSON *item)
{
	item->type = cJSON_String;
	item->valuestring = mem_string(STARS);
}

/* `kind`: what the name above says; it holds for everything below it. json_parse bounds the depth. */
static void mask_tree(struct walk *walk, cJSON *item, enum mask_kind kind)
{
	for (cJSON *child = item->child; child; child = child->next) {
		enum mask_kind of = kind;

		if (child->string && kind == MASK_NOTHING)
			of = mask_kind_of(child->string, strlen(child->string));
		if (child->string)
			mask_member_name(child);
		if (cJSON_IsString(child))
			mask_string(walk, child, of);
		else if (cJSON_IsObject(child) || cJSON_IsArray(child))
			mask_tree(walk, child, of);
		else if (of != MASK_NOTHING && !cJSON_IsNull(child))
			mask_bare(child);
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
		mask_tree(walk, json, MASK_NOTHING);
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

static void mask_other(const char *text, size_t len, struct buf *out)
{
	struct buf clean = BUF(MASK_TEXT_MAX);

	sanitize(text, len, &clean);
	if (clean.failed)
		buf_puts(out, STARS);
	else
		mask_loose(buf_str(&clean), clean.len, out);
	buf_free(&clean);
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
		mask_other(text, len, out);
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
