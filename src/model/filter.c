/* The filter language's parser: text in, terms out. Nothing wrong passes silently: an operator who mistypes a
 * filter must not be shown, or act on, everything. Pure: may call base/ and model/; any thread. */
#include "model/filter.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/delivery.h"
#include "model/failed_status.h"
#include "model/failure.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_LEN 24 /* of a key, with room for what is none */

/* -- Keys --------------------------------------------------------------------------------------- */

static const char *status_word(int i)
{
	return i < FAILED_STATUS_COUNT ? failed_status_name((enum failed_status)i) : NULL;
}

static const char *channel_word(int i)
{
	return i < CHANNEL_COUNT ? channel_name((enum channel_id)i) : NULL;
}

static const char *class_word(int i)
{
	return i + 1 < FAILURE_COUNT ? failure_info((enum failure_class)(i + 1))->name : NULL;
}

static const char *yes_no_word(int i)
{
	static const char *const words[] = { "no", "yes", NULL };
	return words[i];
}

#define OPERATORS_IS ":"
static const struct filter_kind kinds[] = {
	[FILTER_KIND_STATUS] = { "words", OPERATORS_IS, status_word },
	[FILTER_KIND_CHANNEL] = { "words", OPERATORS_IS, channel_word },
	[FILTER_KIND_CLASS] = { "words", OPERATORS_IS, class_word },
	[FILTER_KIND_YES_NO] = { "words", OPERATORS_IS, yes_no_word },
	[FILTER_KIND_CAUSE] = { "cause", OPERATORS_IS, NULL },
	[FILTER_KIND_AGE] = { "age", "> < >= <=", NULL },
	[FILTER_KIND_NUMBER] = { "number", ": > < >= <=", NULL },
	[FILTER_KIND_ROW] = { "number", OPERATORS_IS, NULL },
	[FILTER_KIND_PATTERN] = { "pattern", OPERATORS_IS, NULL },
	[FILTER_KIND_TEXT] = { "text", OPERATORS_IS, NULL },
};

static const struct filter_info keys[FILTER_KEY_COUNT] = {
#define KEY(id, name, kind, example, help)                                                                   \
	[FILTER_##id] = { name, &kinds[FILTER_KIND_##kind], example, help },
#include "model/filter.def"
#undef KEY
};

const struct filter_info *filter_info(enum filter_key key)
{
	return &keys[key];
}

unsigned filter_words_all(enum filter_key key)
{
	int n = 0;
	while (keys[key].kind->word(n))
		n++;
	return (1u << n) - 1;
}

unsigned filter_words(const struct filter *f, enum filter_key key)
{
	unsigned left = filter_words_all(key);
	for (size_t i = 0; i < f->term_count; i++)
		if (f->terms[i].key == key)
			left &= f->terms[i].negated ? ~f->terms[i].words : f->terms[i].words;
	return left;
}

void filter_cause_print(int64_t cause, char text[FILTER_CAUSE_SIZE])
{
	snprintf(text, FILTER_CAUSE_SIZE, "%016" PRIx64, (uint64_t)cause);
}

/* -- Reading ------------------------------------------------------------------------------------ */

struct parsing {
	const char *text, *at; /* the whole, and what is not read yet */
	wall_time now;
	struct filter *out;
	struct usher_error *err;
};

/* Says of an error, whose code this is, what stands at which place of the text: "filter, character 8: ..." */
static int wrong_at(struct parsing *p, const char *where, int code)
{
	OWNED char *before = mem_stringn(p->text, (size_t)(where - p->text));

	return error_prefix(p->err, code, "filter, character %zu", utf8_length(before) + 1);
}

static void add_words(struct buf *out, const struct filter_info *key)
{
	for (int i = 0; key->kind->word(i); i++)
		buf_printf(out, "%s%s", i ? ", " : "", key->kind->word(i));
}

static int unknown_key(struct parsing *p, const char *where, size_t len)
{
	struct buf known = BUF(USHER_ERROR_MESSAGE_MAX);
	for (size_t i = 0; i < FILTER_KEY_COUNT; i++)
		buf_printf(&known, "%s%s", i ? ", " : "", keys[i].name);
	int rc = error_set(p->err, USHER_EINVAL,
	        "there is no key \"%.*s\"; known: %s. To search for the text itself, put it in quotes",
	        (int)len, where, buf_str(&known));
	buf_free(&known);
	return wrong_at(p, where, rc);
}

static bool is_blank(char c)
{
	return c != '\0' && (unsigned char)c <= ' ';
}

/* One value: quoted, or up to a blank or (in a list) a comma. Copies it to the storage, which is as long as
 * the text and so never too small. */
static int read_value(struct parsing *p, bool list, struct filter_value *ret)
{
	struct filter *f = p->out;
	const char *from = p->at;
	bool quoted = *p->at == '"';
	*ret = (struct filter_value){ .at = (uint16_t)f->stored };
	if (quoted)
		p->at++;
	for (; *p->at; p->at++) {
		if (quoted ? *p->at == '"' : is_blank(*p->at) || (list && *p->at == ','))
			break;
		if (quoted && *p->at == '\\' && (p->at[1] == '"' || p->at[1] == '\\'))
			p->at++;
		else if (!quoted && *p->at == '*')
			ret->wild = true;
		f->storage[f->stored++] = *p->at;
	}
	f->storage[f->stored++] = '\0';
	if (!quoted)
		return 0;
	if (*p->at != '"')
		return wrong_at(p, from, error_set(p->err, USHER_EINVAL, "the quote is not closed"));
	p->at++;
	if (*p->at && !is_blank(*p->at) && !(list && *p->at == ','))
		return wrong_at(p, p->at,
		        list ? error_set(p->err, USHER_EINVAL, "a blank or a comma must follow the quote")
		             : error_set(p->err, USHER_EINVAL, "a blank must follow the quote"));
	return 0;
}

static int read_word(struct parsing *p, const struct filter_info *key, const char *from, const char *text,
        struct filter_term *term)
{
	for (int i = 0; key->kind->word(i); i++)
		if (strcasecmp(key->kind->word(i), text) == 0) {
			term->words |= 1u << i;
			return 0;
		}
	struct buf words = BUF(USHER_ERROR_MESSAGE_MAX);
	add_words(&words, key);
	int rc = error_set(
	        p->err, USHER_EINVAL, "%s:%.40s: one of %s is allowed", key->name, text, buf_str(&words));
	buf_free(&words);
	return wrong_at(p, from, rc);
}

static bool whole_number(const char *text, int64_t *ret)
{
	int64_t n = 0;
	if (!*text)
		return false;
	for (; *text; text++)
		if (!isdigit((unsigned char)*text) || __builtin_mul_overflow(n, (int64_t)10, &n) ||
		        __builtin_add_overflow(n, (int64_t)(*text - '0'), &n))
			return false;
	*ret = n;
	return true;
}

static bool cause_number(const char *text, int64_t *ret)
{
	if (strlen(text) != FILTER_CAUSE_SIZE - 1 ||
	        strspn(text, "0123456789abcdefABCDEF") != FILTER_CAUSE_SIZE - 1)
		return false;
	*ret = (int64_t)strtoull(text, NULL, 16);
	return true;
}

/* The text as the key takes it. */
static int convert(
        struct parsing *p, const struct filter_term *term, const char *from, struct filter_value *v)
{
	const struct filter_info *key = &keys[term->key];
	const char *text = filter_value_text(p->out, v);
	int64_t ago;
	if (key->kind == &kinds[FILTER_KIND_NUMBER] || key->kind == &kinds[FILTER_KIND_ROW]) {
		if (!whole_number(text, &v->number))
			return wrong_at(p, from,
			        error_set(p->err, USHER_EINVAL, "%s takes a whole number, such as %s",
			                key->name, key->example));
	} else if (key->kind == &kinds[FILTER_KIND_CAUSE]) {
		if (!cause_number(text, &v->number))
			return wrong_at(p, from,
			        error_set(p->err, USHER_EINVAL,
			                "%s takes the 16 hexadecimal digits of a group, such as %s",
			                key->name, key->example));
	} else if (key->kind == &kinds[FILTER_KIND_AGE]) {
		if (duration_parse(text, &ago) < 0)
			return wrong_at(p, from,
			        error_set(p->err, USHER_EINVAL, "%s takes an age such as 90s, 1h or 2d: %s",
			                key->name, key->example));
		v->number = ago < p->now.ms ? p->now.ms - ago : 1;
	}
	return 0;
}

static int keep_value(struct parsing *p, struct filter_term *term, const char *from, struct filter_value *v)
{
	struct filter *f = p->out;
	const char *text = filter_value_text(f, v);
	if (!*text)
		return wrong_at(p, from,
		        term->key == FILTER_FREE
		                ? error_set(p->err, USHER_EINVAL, "there is nothing between the quotes")
		                : error_set(p->err, USHER_EINVAL, "%s wants a value, such as %s",
		                          keys[term->key].name, keys[term->key].example));
	if (term->key != FILTER_FREE && keys[term->key].kind->word)
		return read_word(p, &keys[term->key], from, text, term);
	if (f->value_count == FILTER_VALUES_MAX)
		return wrong_at(
		        p, from, error_set(p->err, USHER_EINVAL, "more than %d values", FILTER_VALUES_MAX));
	if (term->key != FILTER_FREE && convert(p, term, from, v) < 0)
		return USHER_EINVAL;
	f->values[f->value_count++] = *v;
	term->count++;
	return 0;
}

static int read_values(struct parsing *p, struct filter_term *term)
{
	bool list = term->key != FILTER_FREE && term->op == FILTER_IS;
	bool more;
	do {
		const char *from = p->at;
		struct filter_value value;
		if (read_value(p, list, &value) < 0 || keep_value(p, term, from, &value) < 0)
			return USHER_EINVAL;
		more = list && *p->at == ',';
		p->at += more;
	} while (more);
	return 0;
}

/* The operator at p->at, behind a key's name; true when there is one. '=' is as ':'. */
static bool take_operator(struct parsing *p, enum filter_op *ret)
{
	static const struct {
		const char *text;
		enum filter_op op;
	} operators[] = { { ">=", FILTER_AT_LEAST }, { "<=", FILTER_AT_MOST }, { ">", FILTER_ABOVE },
		{ "<", FILTER_BELOW }, { ":", FILTER_IS }, { "=", FILTER_IS } };
	for (size_t i = 0; i < ARRAY_LEN(operators); i++) {
		size_t len = strlen(operators[i].text);
		if (strncmp(p->at, operators[i].text, len) != 0)
			continue;
		p->at += len;
		*ret = operators[i].op;
		return true;
	}
	return false;
}

/* KEY and its operator; a term without both is a free word, and p->at is where it was. */
static int read_key(struct parsing *p, struct filter_term *term)
{
	const char *name = p->at;
	size_t len = 0;
	term->key = FILTER_FREE;
	while (isalpha((unsigned char)name[len]) || name[len] == '_')
		len++;
	p->at += len;
	if (len == 0 || !take_operator(p, &term->op)) {
		p->at = name;
		return 0;
	}
	for (int i = 0; i < FILTER_KEY_COUNT; i++)
		if (strlen(keys[i].name) == len && strncasecmp(keys[i].name, name, len) == 0)
			term->key = (enum filter_key)i;
	if (term->key == FILTER_FREE)
		return unknown_key(p, name, len < NAME_MAX_LEN ? len : NAME_MAX_LEN);
	const char *known = keys[term->key].kind->operators;
	bool is = term->op == FILTER_IS;
	if (is ? *known != ':' : strcmp(known, OPERATORS_IS) == 0)
		return wrong_at(p, name + len,
		        error_set(p->err, USHER_EINVAL, "%s takes %s: %s", keys[term->key].name, known,
		                keys[term->key].example));
	return 0;
}

static int read_term(struct parsing *p)
{
	struct filter *f = p->out;
	const char *from = p->at;
	if (f->term_count == FILTER_TERMS_MAX)
		return wrong_at(
		        p, from, error_set(p->err, USHER_EINVAL, "more than %d terms", FILTER_TERMS_MAX));
	struct filter_term *term = &f->terms[f->term_count];
	*term = (struct filter_term){ .first = f->value_count };
	if (*p->at == '-' && p->at[1] && !is_blank(p->at[1])) {
		term->negated = true;
		p->at++;
	}
	if (read_key(p, term) < 0 || read_values(p, term) < 0)
		return USHER_EINVAL;
	f->term_count++;
	if (term->key != FILTER_FREE && keys[term->key].kind->word && filter_words(f, term->key) == 0)
		return wrong_at(p, from,
		        error_set(p->err, USHER_EINVAL,
		                "with this no %s is left: nothing can match. Any of several is %s:A,B",
		                keys[term->key].name, keys[term->key].name));
	return 0;
}

int filter_parse(const char *text, wall_time now, struct filter *ret_filter, struct usher_error *err)
{
	struct filter f = { 0 };
	struct parsing p = { .text = text, .at = text, .now = now, .out = &f, .err = err };
	if (strlen(text) > FILTER_TEXT_MAX)
		return error_set(err, USHER_EINVAL, "filter: longer than %d bytes", FILTER_TEXT_MAX);
	if (!utf8_valid(text, strlen(text)))
		return error_set(err, USHER_EINVAL, "filter: not valid UTF-8");
	for (;;) {
		while (is_blank(*p.at))
			p.at++;
		if (!*p.at)
			break;
		if (read_term(&p) < 0)
			return USHER_EINVAL;
	}
	*ret_filter = f;
	return 0;
}
