/* UTF-8 and masking of personal data. May call nothing but libc; any thread. */
#include "base/text.h"

#include <string.h>

size_t utf8_next(const char *text, size_t len, uint32_t *ret_codepoint)
{
	const unsigned char *s = (const unsigned char *)text;
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 }; /* below: an overlong form */
	size_t want;
	uint32_t c;

	if (len == 0)
		return 0;
	if (s[0] < 0x80) {
		*ret_codepoint = s[0];
		return 1;
	}
	if (s[0] >= 0xC2 && s[0] <= 0xDF) {
		want = 2;
		c = s[0] & 0x1F;
	} else if ((s[0] & 0xF0) == 0xE0) {
		want = 3;
		c = s[0] & 0x0F;
	} else if (s[0] >= 0xF0 && s[0] <= 0xF4) {
		want = 4;
		c = s[0] & 0x07;
	} else {
		return 0;
	}
	if (len < want)
		return 0;
	for (size_t i = 1; i < want; i++) {
		if ((s[i] & 0xC0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3F);
	}
	if (c < smallest[want] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
		return 0;
	*ret_codepoint = c;
	return want;
}

bool utf8_valid(const char *text, size_t len)
{
	for (size_t at = 0; at < len;) {
		uint32_t c;
		size_t n = utf8_next(text + at, len - at, &c);
		if (n == 0)
			return false;
		at += n;
	}
	return true;
}

size_t utf8_encode(uint32_t c, char out[4])
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xC0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3F));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xE0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3F));
		out[2] = (char)(0x80 | (c & 0x3F));
		return 3;
	}
	out[0] = (char)(0xF0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3F));
	out[2] = (char)(0x80 | (c >> 6 & 0x3F));
	out[3] = (char)(0x80 | (c & 0x3F));
	return 4;
}

size_t utf8_length(const char *text)
{
	size_t count = 0;
	for (; *text; text++)
		if (((unsigned char)*text & 0xC0) != 0x80)
			count++;
	return count;
}

void utf8_copy(char *out, size_t size, const char *text, size_t len)
{
	size_t used = 0;
	if (size == 0)
		return;
	for (size_t at = 0; at < len;) {
		uint32_t c;
		size_t n = utf8_next(text + at, len - at, &c);
		/* A NUL would end the copy early: it is as foreign to a string as an invalid byte. */
		bool keep = n > 0 && c != 0;
		size_t bytes = keep ? n : 1;
		if (used + bytes > size - 1)
			break;
		if (keep)
			memcpy(out + used, text + at, n);
		else
			out[used] = '?';
		used += bytes;
		at += bytes;
	}
	out[used] = '\0';
}

/* -- Masking ------------------------------------------------------------------------------------ */

struct mask {
	char *out;
	size_t size, used;
};

/* All or nothing, so that no character is ever cut. */
static void mask_put(struct mask *m, const char *text, size_t len)
{
	if (m->size == 0 || len > m->size - 1 - m->used)
		return;
	memcpy(m->out + m->used, text, len);
	m->used += len;
	m->out[m->used] = '\0';
}

static struct mask mask_begin(char *out, size_t size)
{
	if (size > 0)
		out[0] = '\0';
	return (struct mask){ out, size, 0 };
}

/* Bytes of the character at text[0..len): one for an invalid byte, so that any input advances. */
static size_t step(const char *text, size_t len, uint32_t *ret_codepoint)
{
	size_t n = utf8_next(text, len, ret_codepoint);
	if (n == 0)
		*ret_codepoint = '?';
	return n ? n : 1;
}

static void mask_put_character(struct mask *m, const char *text, size_t len)
{
	uint32_t c;
	if (utf8_next(text, len, &c))
		mask_put(m, text, len);
	else
		mask_put(m, "?", 1);
}

/* The first characters up to `show`, never all of them, then three stars whatever the length was. */
static void mask_head(struct mask *m, const char *text, size_t len, size_t show)
{
	size_t count = 0, at = 0;
	uint32_t c;
	for (size_t i = 0; i < len; i += step(text + i, len - i, &c))
		count++;
	if (count > 0 && show > count - 1)
		show = count - 1;
	for (; count > 0 && show > 0; show--) {
		size_t n = step(text + at, len - at, &c);
		mask_put_character(m, text + at, n);
		at += n;
	}
	mask_put(m, "***", 3);
}

void mask_email(const char *email, char *out, size_t size)
{
	struct mask m = mask_begin(out, size);
	if (!email || !*email)
		return;
	const char *at = strrchr(email, '@');
	mask_head(&m, email, at ? (size_t)(at - email) : strlen(email), 2);
	for (size_t len = at ? strlen(at) : 0, n; len > 0; at += n, len -= n) {
		uint32_t c;
		n = step(at, len, &c);
		mask_put_character(&m, at, n);
	}
}

void mask_id(const char *id, char *out, size_t size)
{
	struct mask m = mask_begin(out, size);
	if (id && *id)
		mask_head(&m, id, strlen(id), 3);
}

#define PHONE_SHOWN 2 /* digits that stay, and only of a number long enough to be one */
#define PHONE_MIN 7

void mask_phone(const char *phone, char *out, size_t size)
{
	struct mask m = mask_begin(out, size);
	size_t len = phone ? strlen(phone) : 0;

	if (len == 0)
		return;
	mask_put(&m, "***", 3);
	for (size_t i = len - PHONE_SHOWN; len >= PHONE_MIN && i < len; i++)
		mask_put(&m, phone[i] >= '0' && phone[i] <= '9' ? phone + i : "*", 1);
}

/* Korean, Chinese and Japanese names are short: the first character stays and, from three on, the last, as
 * Korean readers expect (김*수). Alphabetic words keep their initial. A single character is hidden. */
#define FIRST_CJK 0x1100

static void mask_word(struct mask *m, const char *word, size_t len)
{
	uint32_t first, c;
	size_t head = step(word, len, &first), count = 1, last = head;
	for (size_t i = head; i < len; count++) {
		last = i;
		i += step(word + i, len - i, &c);
	}
	if (count == 1) {
		mask_put(m, "*", 1);
		return;
	}
	bool show_last = first >= FIRST_CJK && count >= 3;
	mask_put_character(m, word, head);
	for (size_t hidden = count - (show_last ? 2 : 1); hidden > 0; hidden--)
		mask_put(m, "*", 1);
	if (show_last)
		mask_put_character(m, word + last, len - last);
}

void mask_name(const char *name, char *out, size_t size)
{
	struct mask m = mask_begin(out, size);
	while (name && *name) {
		size_t blank = strspn(name, " \t"), word;
		mask_put(&m, name, blank);
		name += blank;
		word = strcspn(name, " \t");
		if (word > 0)
			mask_word(&m, name, word);
		name += word;
	}
}
