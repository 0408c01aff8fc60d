/* What personal data is called and how it looks inside a text; see mask.h. When in doubt it hides. May call
 * base/ only; any thread. */
#include "base/mask.h"

#include "base/mem.h"
#include "base/text.h"

#include <ctype.h>
#include <stdatomic.h>
#include <string.h>
#include <strings.h>

#define STARS "***"

/* -- Which names, and which kinds are hidden ------------------------------------------------------ */

/* As normalize() leaves them. `ends`: whatever stands before it, "contactPhone". */
static const struct {
	const char *name;
	enum mask_kind kind;
	bool ends;
} personal_names[] = {
	{ "email", MASK_EMAIL, true },
	{ "mail", MASK_EMAIL, true },
	{ "mailaddress", MASK_EMAIL, true },
	{ "recipient", MASK_EMAIL, true },
	{ "메일", MASK_EMAIL, true },
	{ "메일주소", MASK_EMAIL, true },
	{ "수신자", MASK_EMAIL, false },
	{ "name", MASK_NAME, false },
	{ "fullname", MASK_NAME, true },
	{ "firstname", MASK_NAME, true },
	{ "middlename", MASK_NAME, true },
	{ "lastname", MASK_NAME, true },
	{ "givenname", MASK_NAME, true },
	{ "familyname", MASK_NAME, true },
	{ "surname", MASK_NAME, true },
	{ "realname", MASK_NAME, true },
	{ "nickname", MASK_NAME, true },
	{ "displayname", MASK_NAME, true },
	{ "username", MASK_NAME, true },
	{ "membername", MASK_NAME, false },
	{ "customername", MASK_NAME, false },
	{ "recipientname", MASK_NAME, false },
	{ "이름", MASK_NAME, true },
	{ "성명", MASK_NAME, true },
	{ "성함", MASK_NAME, false },
	{ "회원명", MASK_NAME, false },
	{ "고객명", MASK_NAME, false },
	{ "별명", MASK_NAME, false },
	{ "닉네임", MASK_NAME, false },
	{ "姓名", MASK_NAME, false },
	{ "氏名", MASK_NAME, false },
	{ "名前", MASK_NAME, false },
	{ "userid", MASK_USER_ID, true },
	{ "memberid", MASK_USER_ID, true },
	{ "customerid", MASK_USER_ID, true },
	{ "loginid", MASK_USER_ID, true },
	{ "uid", MASK_USER_ID, false },
	{ "아이디", MASK_USER_ID, true },
	{ "회원번호", MASK_USER_ID, false },
	{ "고객번호", MASK_USER_ID, false },
	{ "phone", MASK_PHONE, true },
	{ "phonenumber", MASK_PHONE, true },
	{ "phoneno", MASK_PHONE, true },
	{ "mobile", MASK_PHONE, true },
	{ "mobilenumber", MASK_PHONE, true },
	{ "tel", MASK_PHONE, false },
	{ "telno", MASK_PHONE, false },
	{ "cell", MASK_PHONE, false },
	{ "fax", MASK_PHONE, false },
	{ "전화", MASK_PHONE, true },
	{ "전화번호", MASK_PHONE, true },
	{ "휴대폰", MASK_PHONE, true },
	{ "휴대폰번호", MASK_PHONE, true },
	{ "핸드폰", MASK_PHONE, true },
	{ "연락처", MASK_PHONE, true },
};

/* The operator's names, as normalize() leaves them. A set is never changed and never freed: a reader may be
 * at it. Few bytes a change of the configuration. */
struct fields {
	struct fields *before; /* the set that this one replaced */
	size_t count;
	char name[MASK_FIELDS_MAX][MASK_FIELD_NAME_MAX + 1];
};

static _Atomic(struct fields *) own_fields;
static atomic_uint shown_kinds; /* a bit for each that is not hidden */

static bool is_shown(enum mask_kind kind)
{
	return kind == MASK_NOTHING || atomic_load_explicit(&shown_kinds, memory_order_relaxed) & 1u << kind;
}

/* Lower case, without what joins words, and without the number behind: "E_Mail-2" is "email". Of a long name
 * the end, which says what it is. Returns the length. */
static size_t normalize(const char *name, size_t len, char out[MASK_FIELD_NAME_MAX + 1])
{
	size_t used = 0;

	for (size_t i = len > MASK_FIELD_NAME_MAX ? len - MASK_FIELD_NAME_MAX : 0; i < len; i++)
		if (!strchr("-_. \t", name[i]))
			out[used++] = (char)tolower((unsigned char)name[i]);
	while (used > 1 && isdigit((unsigned char)out[used - 1]))
		used--;
	out[used] = '\0';
	return used;
}

static enum mask_kind built_in(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(personal_names); i++) {
		size_t n = strlen(personal_names[i].name);

		if (n == len || (n < len && personal_names[i].ends))
			if (memcmp(name + len - n, personal_names[i].name, n) == 0)
				return personal_names[i].kind;
	}
	return MASK_NOTHING;
}

static bool is_own(const char *name)
{
	const struct fields *own = atomic_load_explicit(&own_fields, memory_order_acquire);

	for (size_t i = 0; own && i < own->count; i++)
		if (strcmp(own->name[i], name) == 0)
			return true;
	return false;
}

enum mask_kind mask_kind_of(const char *name, size_t len)
{
	char plain[MASK_FIELD_NAME_MAX + 1];
	size_t n = normalize(name, len, plain);

	if (n == 0)
		return MASK_NOTHING;
	if (is_own(plain))
		return MASK_FIELD;
	enum mask_kind kind = built_in(plain, n);
	if (kind == MASK_NOTHING && plain[n - 1] == 's') /* several of them */
		kind = built_in(plain, n - 1);
	return is_shown(kind) ? MASK_NOTHING : kind;
}

static struct fields *fields_new(const char *text)
{
	struct fields *own = mem_alloc(sizeof *own);

	while (text && *text && own->count < MASK_FIELDS_MAX) {
		size_t len = strcspn(text, ",");

		if (normalize(text, len, own->name[own->count]) > 0)
			own->count++;
		text += len + (text[len] == ',');
	}
	return own;
}

static bool fields_same(const struct fields *a, const struct fields *b)
{
	return a && a->count == b->count && memcmp(a->name, b->name, sizeof a->name) == 0;
}

void mask_setup(const struct mask_settings *settings)
{
	struct fields *own = fields_new(settings->fields);
	unsigned shown = 0;

	shown |= settings->email ? 0 : 1u << MASK_EMAIL;
	shown |= settings->name ? 0 : 1u << MASK_NAME;
	shown |= settings->user_id ? 0 : 1u << MASK_USER_ID;
	shown |= settings->phone ? 0 : 1u << MASK_PHONE;
	atomic_store(&shown_kinds, shown);
	own->before = atomic_load(&own_fields);
	if (fields_same(own->before, own))
		free(own);
	else
		atomic_store_explicit(&own_fields, own, memory_order_release);
}

void mask_value(enum mask_kind kind, const char *value, char *out, size_t size)
{
	if (is_shown(kind))
		utf8_copy(out, size, value, strlen(value));
	else if (kind == MASK_EMAIL)
		mask_email(value, out, size);
	else if (kind == MASK_NAME)
		mask_name(value, out, size);
	else if (kind == MASK_USER_ID)
		mask_id(value, out, size);
	else if (kind == MASK_PHONE)
		mask_phone(value, out, size);
	else
		utf8_copy(out, size, STARS, strlen(STARS));
}

/* -- A text on its way ---------------------------------------------------------------------------- */

struct words {
	const char *text;
	size_t len, done; /* what is before `done` has been copied */
	struct buf *out;
	const struct mask_person *person;
	bool loose;
};

static bool begins(const struct words *w, size_t at, const char *with)
{
	size_t n = strlen(with);

	return w->len - at >= n && memcmp(w->text + at, with, n) == 0;
}

static char byte_at(const struct words *w, size_t at)
{
	return at < w->len ? w->text[at] : '\0';
}

static void copy_to(struct words *w, size_t to)
{
	buf_add(w->out, w->text + w->done, to - w->done);
	w->done = to;
}

/* What stands in [from, to) is written masked; the copy goes on behind it. */
static void put_masked(struct words *w, enum mask_kind kind, size_t from, size_t to)
{
	char value[MASK_VALUE_SIZE], masked[MASK_VALUE_SIZE];

	copy_to(w, from);
	utf8_copy(value, sizeof value, w->text + from, to - from);
	mask_value(kind, value, masked, sizeof masked);
	buf_puts(w->out, masked);
	w->done = to;
}

/* -- Addresses ------------------------------------------------------------------------------------ */

/* As it is, as in a URL, wide as Korean keyboards have it, and escaped in JSON. */
static size_t at_sign(const struct words *w, size_t at)
{
	static const char *const signs[] = { "@", "%40", "\xEF\xBC\xA0", "\\u0040" };

	for (size_t i = 0; i < ARRAY_LEN(signs); i++)
		if (begins(w, at, signs[i]))
			return strlen(signs[i]);
	return 0;
}

/* All beyond ASCII counts: addresses are international, and hiding a letter too many does no harm. */
static bool is_local_byte(char c)
{
	return (unsigned char)c >= 0x80 || isalnum((unsigned char)c) ||
	       (c && strchr("!#$%&'*+-/=?^_`{|}~.", c));
}

static bool is_domain_byte(char c)
{
	return (unsigned char)c >= 0x80 || isalnum((unsigned char)c) || c == '-' || c == '.';
}

#define LOCAL_MAX 320 /* bytes in front of an at-sign that are looked at: five times what RFC 5321 allows */

static size_t local_from(const struct words *w, size_t at)
{
	size_t least = at > w->done + LOCAL_MAX ? at - LOCAL_MAX : w->done, from = at;

	if (from > least + 1 && w->text[from - 1] == '"') { /* "min ji"@example.com */
		for (from = at - 1; from > least && w->text[from - 1] != '"';)
			from--;
		return from > least ? from - 1 : at;
	}
	while (from > least && is_local_byte(w->text[from - 1]))
		from--;
	while (from < at && ((unsigned char)w->text[from] & 0xC0) == 0x80) /* no character is cut */
		from++;
	return from;
}

/* A host, or an address literal: [192.0.2.7], [IPv6:2001:db8::7]. */
static size_t domain_to(const struct words *w, size_t at)
{
	bool literal = byte_at(w, at) == '[';
	size_t to = at + literal;

	while (to < w->len && !at_sign(w, to) &&
	        (is_domain_byte(w->text[to]) || (literal && w->text[to] == ':')))
		to++;
	return to == at + literal ? at : to;
}

/* The address around an at-sign; what has several is one, up to the last of them. false: it is none. */
static bool take_address(struct words *w, size_t *at)
{
	size_t sign = at_sign(w, *at), from = sign ? local_from(w, *at) : 0, to;

	if (!sign || from == *at || (to = domain_to(w, *at + sign)) == *at + sign)
		return false;
	for (size_t next; (next = at_sign(w, to)) && domain_to(w, to + next) > to + next;) {
		*at = to;
		to = domain_to(w, to + next);
	}
	char local[MASK_VALUE_SIZE], masked[MASK_VALUE_SIZE];
	copy_to(w, from);
	utf8_copy(local, sizeof local, w->text + from, *at - from);
	local[strcspn(local, "@")] = '\0';
	mask_email(local, masked, sizeof masked);
	buf_puts(w->out, masked);
	w->done = *at;
	copy_to(w, to);
	*at = to;
	return true;
}

/* -- Values behind a name ------------------------------------------------------------------------- */

static bool is_name_byte(char c)
{
	return (unsigned char)c >= 0x80 || isalnum((unsigned char)c) || c == '_' || c == '-';
}

static size_t skip(const struct words *w, size_t at, const char *set)
{
	while (at < w->len && w->text[at] && strchr(set, w->text[at]))
		at++;
	return at;
}

/* Behind the name that ends at `at`: where its value begins; 0: it is no name of a value. */
static size_t value_from(const struct words *w, size_t at, bool closing_tag)
{
	size_t quote = skip(w, at, "\\"), sign;
	bool quoted = byte_at(w, quote) == '"' || byte_at(w, quote) == '\'';

	sign = skip(w, quoted ? quote + 1 : at, " \t\r\n");
	switch (byte_at(w, sign)) {
	case ':':
		return quoted || w->loose ? skip(w, sign + 1, " \t\r\n") : 0;
	case '=':
		return quoted || w->loose || sign == at ? skip(w, sign + 1, " \t") : 0;
	case '>':
		return w->loose && !quoted && !closing_tag ? sign + 1 : 0;
	default:
		return 0;
	}
}

/* A value in quotes, as deep in strings as the quote in front of it says. */
static size_t take_quoted(struct words *w, enum mask_kind kind, size_t at)
{
	size_t from = skip(w, at, "\\"), escapes = from - at, to;
	char quote = w->text[from++];

	for (to = from; to < w->len && w->text[to] != quote; to++)
		if (w->text[to] == '\\' && escapes == 0 && to + 1 < w->len)
			to++;
	size_t next = to;
	while (escapes && to > from && w->text[to - 1] == '\\')
		to--;
	put_masked(w, kind, from, to);
	return next;
}

/* Brackets and all that is in them; to the end where they are not closed. */
static size_t bracket_to(const struct words *w, size_t at)
{
	for (size_t depth = 0; at < w->len; at++) {
		if (w->text[at] == '{' || w->text[at] == '[')
			depth++;
		else if ((w->text[at] == '}' || w->text[at] == ']') && --depth == 0)
			return at + 1;
	}
	return at;
}

static size_t bare_to(const struct words *w, enum mask_kind kind, size_t at)
{
	const char *ends = kind == MASK_NAME || w->loose ? ",;&<>|}])\"\r\n" : ",;&<>|}])\" \t\r\n";

	while (at < w->len && !(w->text[at] && strchr(ends, w->text[at])))
		at++;
	return at;
}

/* A name that begins at *at, with its value. false: nothing personal; *at is then the end of the word. */
static bool take_named(struct words *w, size_t *at)
{
	size_t from = *at, name_to = from;

	while (name_to < w->len && is_name_byte(w->text[name_to]))
		name_to++;
	*at = name_to;
	size_t value = value_from(w, name_to, from > 0 && w->text[from - 1] == '/');
	enum mask_kind kind =
	        value && value < w->len ? mask_kind_of(w->text + from, name_to - from) : MASK_NOTHING;
	if (kind == MASK_NOTHING)
		return false;
	char first = byte_at(w, skip(w, value, "\\"));
	if (first == '"' || first == '\'') {
		*at = take_quoted(w, kind, value);
		return true;
	}
	size_t to = first == '{' || first == '[' ? bracket_to(w, value) : bare_to(w, kind, value);
	copy_to(w, value);
	buf_puts(w->out, to > value ? STARS : "");
	w->done = *at = to;
	return true;
}

/* -- What is known of somebody -------------------------------------------------------------------- */

static bool same_letters(const struct words *w, size_t at, const char *value, size_t n)
{
	return w->len - at >= n && strncasecmp(w->text + at, value, n) == 0;
}

/* "kim" is not in "kimchi". Korean joins its particles to a name, so that only ASCII has an edge. */
static bool stands_alone(const struct words *w, size_t at, size_t n)
{
	bool before =
	        at > 0 && isalnum((unsigned char)w->text[at - 1]) && isalnum((unsigned char)w->text[at]);
	bool after =
	        isalnum((unsigned char)byte_at(w, at + n)) && isalnum((unsigned char)w->text[at + n - 1]);

	return !before && !after;
}

static bool take_known(struct words *w, size_t *at)
{
	const struct mask_person *p = w->person;
	const struct {
		const char *value;
		size_t len;
		enum mask_kind kind;
	} known[] = {
		{ p->email, p->email ? strlen(p->email) : 0, MASK_EMAIL },
		{ p->user_id, p->user_id ? strlen(p->user_id) : 0, MASK_USER_ID },
		{ p->name, p->name ? strlen(p->name) : 0, MASK_NAME },
		{ p->email, p->email ? strcspn(p->email, "@") : 0, MASK_EMAIL },
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		size_t n = known[i].len;

		/* In front of an at-sign it is part of an address, and masked as one. */
		if (n < MASK_KNOWN_MIN || is_shown(known[i].kind) ||
		        !same_letters(w, *at, known[i].value, n) || !stands_alone(w, *at, n) ||
		        at_sign(w, *at + n))
			continue;
		put_masked(w, known[i].kind, *at, *at + n);
		*at += n;
		return true;
	}
	return false;
}

/* -- All of it ------------------------------------------------------------------------------------ */

static void walk(struct words *w)
{
	bool addresses = !is_shown(MASK_EMAIL);
	size_t word_to = 0; /* the word around `at` has been looked at up to here */

	for (size_t at = 0; at < w->len;) {
		if (w->person && take_known(w, &at))
			continue;
		if (addresses && take_address(w, &at))
			continue;
		if (at >= word_to && is_name_byte(w->text[at])) {
			size_t word = at;

			if (take_named(w, &word)) {
				at = word;
				continue;
			}
			word_to = word;
		}
		at++;
	}
	copy_to(w, w->len);
}

void mask_words(const char *text, size_t len, const struct mask_person *person, struct buf *out)
{
	walk(&(struct words){ .text = text, .len = len, .person = person, .out = out });
}

void mask_loose(const char *text, size_t len, struct buf *out)
{
	walk(&(struct words){ .text = text, .len = len, .loose = true, .out = out });
}
