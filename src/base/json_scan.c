/* A recursive-descent check of JSON text: see json_scan.h. The recursion is as deep as depth_max. */
#include "base/json_scan.h"

#include "base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_MAX 63 /* bytes; cJSON reads no more */

struct scan {
	const char *text;
	size_t len, at;
	int depth_left;
	const char *fault;
};

static bool scan_value(struct scan *s);

static bool fail(struct scan *s, const char *what)
{
	if (!s->fault)
		s->fault = what;
	return false;
}

/* The next byte, -1 at the end. */
static int peek(const struct scan *s)
{
	return s->at < s->len ? (unsigned char)s->text[s->at] : -1;
}

static bool take(struct scan *s, char c)
{
	if (peek(s) != (unsigned char)c)
		return false;
	s->at++;
	return true;
}

static void skip_space(struct scan *s)
{
	while (peek(s) == ' ' || peek(s) == '\t' || peek(s) == '\n' || peek(s) == '\r')
		s->at++;
}

static bool take_digits(struct scan *s)
{
	size_t from = s->at;
	while (peek(s) >= '0' && peek(s) <= '9')
		s->at++;
	return s->at > from;
}

/* Four hex digits; -1 if they are not there. */
static int take_hex4(struct scan *s)
{
	int value = 0;
	for (int i = 0; i < 4; i++, s->at++) {
		int c = peek(s), digit;
		if (c >= '0' && c <= '9')
			digit = c - '0';
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			digit = (c | 0x20) - 'a' + 10;
		else
			return -1;
		value = value * 16 + digit;
	}
	return value;
}

/* Behind "\u". */
static bool scan_unicode_escape(struct scan *s)
{
	size_t from = s->at;
	int unit = take_hex4(s);
	if (unit < 0)
		return fail(s, "\\u needs four hexadecimal digits");
	if (unit == 0) {
		s->at = from;
		return fail(s, "the character \\u0000 is not allowed");
	}
	if (unit < 0xD800 || unit > 0xDFFF)
		return true;
	if (unit < 0xDC00 && take(s, '\\') && take(s, 'u')) {
		unit = take_hex4(s);
		if (unit >= 0xDC00 && unit <= 0xDFFF)
			return true;
	}
	s->at = from;
	return fail(s, "half a surrogate pair");
}

/* Behind the opening quote. */
static bool scan_string(struct scan *s)
{
	for (;;) {
		int c = peek(s);
		uint32_t codepoint;
		size_t n;
		if (c < 0)
			return fail(s, "the text ends inside a string");
		if (c < 0x20)
			return fail(s, "a control character inside a string");
		if (c == '"') {
			s->at++;
			return true;
		}
		if (c == '\\') {
			s->at++;
			c = peek(s);
			if (c < 0)
				return fail(s, "the text ends inside a string");
			if (c == 0 || !strchr("\"\\/bfnrtu", c))
				return fail(s, "an unknown escape");
			s->at++;
			if (c == 'u' && !scan_unicode_escape(s))
				return false;
			continue;
		}
		n = utf8_next(s->text + s->at, s->len - s->at, &codepoint);
		if (n == 0)
			return fail(s, "invalid UTF-8");
		s->at += n;
	}
}

static bool scan_number(struct scan *s)
{
	char copy[NUMBER_MAX + 1];
	size_t from = s->at;
	take(s, '-');
	if (!take(s, '0') && !take_digits(s))
		return fail(s, "a number needs a digit");
	if (take(s, '.') && !take_digits(s))
		return fail(s, "a number needs a digit behind its point");
	if (take(s, 'e') || take(s, 'E')) {
		if (!take(s, '+'))
			take(s, '-');
		if (!take_digits(s))
			return fail(s, "a number needs a digit in its exponent");
	}
	size_t len = s->at - from;
	s->at = from; /* where a fault is */
	if (len > NUMBER_MAX)
		return fail(s, "a number out of range");
	memcpy(copy, s->text + from, len);
	copy[len] = '\0';
	if (!isfinite(strtod(copy, NULL)))
		return fail(s, "a number out of range");
	s->at = from + len;
	return true;
}

static bool scan_word(struct scan *s)
{
	static const char *const words[] = { "true", "false", "null" };
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		size_t len = strlen(words[i]);
		if (s->len - s->at >= len && memcmp(s->text + s->at, words[i], len) == 0) {
			s->at += len;
			return true;
		}
	}
	return fail(s, "a value is expected");
}

/* Behind the opening bracket of an array or an object. */
static bool scan_members(struct scan *s, bool object)
{
	char close = object ? '}' : ']';
	if (s->depth_left-- == 0) {
		s->at--;
		return fail(s, "nested too deep");
	}
	skip_space(s);
	bool more = !take(s, close);
	while (more) {
		skip_space(s);
		if (object) {
			if (!take(s, '"'))
				return fail(s, "a member's name in double quotes is expected");
			if (!scan_string(s))
				return false;
			skip_space(s);
			if (!take(s, ':'))
				return fail(s, "a colon is expected");
		}
		if (!scan_value(s))
			return false;
		skip_space(s);
		more = !take(s, close);
		if (more && !take(s, ','))
			return fail(s, object ? "a comma or a closing brace is expected"
			                      : "a comma or a closing bracket is expected");
	}
	s->depth_left++;
	return true;
}

static bool scan_value(struct scan *s)
{
	skip_space(s);
	int c = peek(s);
	if (c < 0)
		return fail(s, "the text ends where a value is expected");
	if (c == '-' || (c >= '0' && c <= '9'))
		return scan_number(s);
	if (take(s, '"'))
		return scan_string(s);
	if (take(s, '{'))
		return scan_members(s, true);
	if (take(s, '['))
		return scan_members(s, false);
	return scan_word(s);
}

bool json_scan(const char *text, size_t len, int depth_max, struct json_fault *ret_fault)
{
	struct scan s = { .text = text, .len = len, .depth_left = depth_max };
	bool good = scan_value(&s);
	if (good) {
		skip_space(&s);
		if (s.at < s.len)
			good = fail(&s, "something stands behind the value");
	}
	if (!good)
		*ret_fault = (struct json_fault){ s.fault, s.at };
	return good;
}
