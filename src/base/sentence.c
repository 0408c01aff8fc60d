/* Takes printf formats apart; see sentence.h. Calls base/buf and libc only. */
#include "base/sentence.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPEC_SIZE 32 /* of one conversion, such as "%-08.3lld" */

/* One conversion of a format, from its '%' to its letter. */
struct spec {
	size_t len;
	int number;     /* n of "%n$", 0 for none */
	int stars;      /* widths and precisions that are arguments */
	char length[3]; /* "", "l", "ll", "z", "j", "hh" ... */
	char letter;    /* '\0': the format ends in the middle of it */
};

static struct spec spec_read(const char *at)
{
	struct spec s = { 0 };
	const char *p = at + 1;
	size_t digits = strspn(p, "0123456789");

	if (digits && p[digits] == '$') {
		s.number = (int)strtol(p, NULL, 10);
		p += digits + 1;
	}
	for (; *p && strchr("-+ #0'.*123456789", *p); p++)
		s.stars += *p == '*';
	size_t n = strspn(p, "hljzt");
	memcpy(s.length, p, n < sizeof s.length ? n : 0);
	p += n;
	s.letter = *p;
	s.len = (size_t)(p - at) + (*p != '\0');
	return s;
}

/* -- Arguments ---------------------------------------------------------------------------------------- */

/* va_list by a struct: an array type cannot be handed on by its address everywhere. */
struct values {
	va_list ap;
};

static intmax_t take_signed(struct values *v, const char *length)
{
	if (!strcmp(length, "ll"))
		return va_arg(v->ap, long long);
	if (!strcmp(length, "l"))
		return va_arg(v->ap, long);
	if (!strcmp(length, "j"))
		return va_arg(v->ap, intmax_t);
	if (*length == 'z' || *length == 't')
		return va_arg(v->ap, ptrdiff_t);
	return va_arg(v->ap, int);
}

static uintmax_t take_unsigned(struct values *v, const char *length)
{
	if (!strcmp(length, "ll"))
		return va_arg(v->ap, unsigned long long);
	if (!strcmp(length, "l"))
		return va_arg(v->ap, unsigned long);
	if (!strcmp(length, "j"))
		return va_arg(v->ap, uintmax_t);
	if (*length == 'z' || *length == 't')
		return va_arg(v->ap, size_t);
	return va_arg(v->ap, unsigned);
}

/* The conversion with its stars filled in and its length as wide as can be: "%*lld" and 7 -> "%7jd". */
static bool spec_plain(
        const char *at, const struct spec *s, struct values *v, const char *length, char out[SPEC_SIZE])
{
	size_t n = 0, end = s->len - 1 - strlen(s->length);

	for (size_t i = 0; i < end; i++) {
		int len = at[i] == '*' ? snprintf(out + n, SPEC_SIZE - n, "%d", va_arg(v->ap, int))
		                       : snprintf(out + n, SPEC_SIZE - n, "%c", at[i]);
		if (len < 0 || n + (size_t)len >= SPEC_SIZE)
			return false;
		n += (size_t)len;
	}
	return snprintf(out + n, SPEC_SIZE - n, "%s%c", length, s->letter) < (int)(SPEC_SIZE - n);
}

/* What this conversion prints; its length, or -1. */
static int print_one(char *out, size_t size, const char *at, const struct spec *s, struct values *v)
{
	char plain[SPEC_SIZE];
	bool whole = strchr("di", s->letter), natural = strchr("uxXo", s->letter),
	     real = strchr("feg", s->letter);

	if (!s->letter || s->number || !spec_plain(at, s, v, whole || natural ? "j" : "", plain))
		return -1;
	if (whole)
		return snprintf(out, size, plain, take_signed(v, s->length));
	if (natural)
		return snprintf(out, size, plain, take_unsigned(v, s->length));
	if (real)
		return snprintf(out, size, plain, va_arg(v->ap, double));
	if (s->letter == 'c')
		return snprintf(out, size, plain, va_arg(v->ap, int));
	return s->letter == 's' ? snprintf(out, size, plain, va_arg(v->ap, const char *)) : -1;
}

int sentence_arguments(char *out, size_t size, const char *format, va_list ap)
{
	struct values v;
	size_t used = 0;
	bool fits = true;

	va_copy(v.ap, ap);
	for (const char *at = strchr(format, '%'); at && fits; at = strchr(at, '%')) {
		struct spec s = spec_read(at);
		if (s.letter != '%') {
			int len = print_one(out + used, size - used, at, &s, &v);
			fits = len >= 0 && used + (size_t)len < size;
			used += (size_t)len + 1;
		}
		at += s.len;
	}
	va_end(v.ap);
	return fits ? (int)used : -1;
}

/* -- Saying it again ---------------------------------------------------------------------------------- */

static int count_arguments(const char *format)
{
	int n = 0;
	for (const char *at = strchr(format, '%'); at; at = strchr(at, '%')) {
		struct spec s = spec_read(at);
		n += s.letter != '%';
		at += s.len;
	}
	return n;
}

static const char *argument(const char *arguments, int n)
{
	while (n-- > 0)
		arguments += strlen(arguments) + 1;
	return arguments;
}

const char *sentence_print(
        struct buf *out, const char *format, const char *translation, const char *arguments)
{
	int count = count_arguments(format), next = 0;

	for (const char *at = translation; *at;) {
		size_t plain = strcspn(at, "%");
		buf_add(out, at, plain);
		at += plain;
		if (!*at)
			break;
		struct spec s = spec_read(at);
		int n = s.number ? s.number - 1 : next++;
		if (s.letter == '%') {
			buf_putc(out, '%');
			next--;
		} else if (n < count) {
			buf_puts(out, argument(arguments, n));
		}
		at += s.len;
	}
	return argument(arguments, count);
}
