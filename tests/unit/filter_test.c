/* The filter language: what is taken, what it means, and what an operator is told when it is wrong. */
#include "model/filter.h"

#include "base/mem.h"
#include "base/text.h"
#include "model/failed_status.h"
#include "model/failure.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define NOW ((wall_time){ 1767225600000 }) /* 2026-01-01T00:00:00Z */
#define HOUR_MS 3600000

static struct filter parse(const char *text)
{
	struct filter f;
	struct usher_error err = { 0 };

	if (filter_parse(text, NOW, &f, &err) < 0)
		fail_msg("%s: %s", text, err.message);
	return f;
}

/* "key op value|value" of every term, as a table can say it. */
static void describe(const struct filter *f, char *out, size_t size)
{
	static const char *const ops[] = { ":", ">", "<", ">=", "<=" };
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < f->term_count; i++) {
		const struct filter_term *t = &f->terms[i];
		const char *name = t->key == FILTER_FREE ? "" : filter_info(t->key)->name;

		len += (size_t)snprintf(out + len, size - len, "%s%s%s%s", i ? " " : "",
		        t->negated ? "-" : "", name, ops[t->op]);
		if (t->words)
			len += (size_t)snprintf(out + len, size - len, "#%x", t->words);
		for (size_t v = 0; v < t->count; v++) {
			const struct filter_value *value = &f->values[t->first + v];

			len += (size_t)snprintf(out + len, size - len, "%s[%s]%s", v ? "|" : "",
			        filter_value_text(f, value), value->wild ? "*" : "");
		}
	}
}

static void what_is_taken(void **state)
{
	static const struct {
		const char *text, *means;
	} table[] = {
		{ "", "" },
		{ "  \t ", "" },
		{ "status:dead", "status:#1" },
		{ "STATUS:Dead,queued", "status:#3" },
		{ "status=dead", "status:#1" },
		{ "-status:dead", "-status:#1" },
		{ "channel:coupon class:service_down,timeout", "channel:#2 class:#3" },
		{ "class:timeout -class:timeout,service_down channel:email", NULL },
		{ "dlq:yes", "dlq:#2" },
		{ "age>1h age<2d", "age>[1h] age<[2d]" },
		{ "age>=90s", "age>=[90s]" },
		{ "attempts>=2 redrives:0", "attempts>=[2] redrives:[0]" },
		{ "id:42,43", "id:[42]|[43]" },
		{ "user:123", "user:[123]" },
		{ "member:42", "member:[42]" },
		{ "user:12*", "user:[12*]*" },
		{ "user:\"12*\"", "user:[12*]" },
		{ "to:kim@example.com,lee@example.com", "to:[kim@example.com]|[lee@example.com]" },
		{ "to:\"a,b\"@x", NULL },
		{ "reason:\"No such\" by:kim", "reason:[No such] by:[kim]" },
		{ "reason:\"a \\\"quoted\\\" \\\\ word\"", "reason:[a \"quoted\" \\ word]" },
		{ "minji@", ":[minji@]" },
		{ "-minji@ lee", "-:[minji@] :[lee]" },
		{ "\"status:dead\"", ":[status:dead]" },
		{ "\"two words\"", ":[two words]" },
		{ "a,b", ":[a,b]" },
		{ "0198c3-77:1", ":[0198c3-77:1]" }, /* no key begins with a digit */
		{ "<m@x.y>", ":[<m@x.y>]" },
		{ "-", ":[-]" },
		{ "김민지", ":[김민지]" },
		{ "cause:09f3d2a477c01be5", "cause:[09f3d2a477c01be5]" },
	};
	char got[600];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct filter f;
		struct usher_error err;
		int rc = filter_parse(table[i].text, NOW, &f, &err);

		if ((rc == 0) != (table[i].means != NULL))
			fail_msg("%s: %s", table[i].text, rc == 0 ? "was taken" : err.message);
		if (rc < 0)
			continue;
		describe(&f, got, sizeof got);
		assert_string_equal(got, table[i].means);
	}
}

/* What is wrong, where, and what is allowed. */
static void what_is_refused(void **state)
{
	static const struct {
		const char *text, *says[4];
	} table[] = {
		{ "stauts:dead",
		        { "character 1:", "no key \"stauts\"", "status, channel, class", "quotes" } },
		{ "status:dead foo>3", { "character 13:", "\"foo\"" } },
		{ "status:deadd", { "character 8:", "status:deadd", "dead, queued, delivered, cancelled" } },
		{ "status:dead,", { "character 13:", "status wants a value", "status:dead" } },
		{ "status:", { "character 8:", "wants a value" } },
		{ "status>dead", { "character 7:", "status takes :" } },
		{ "status:dead -status:dead", { "character 13:", "no status is left", "status:A,B" } },
		{ "status:dead status:queued", { "no status is left" } },
		{ "dlq:maybe", { "no, yes" } },
		{ "channel:fax", { "email, coupon" } },
		{ "class:nope", { "service_down, timeout" } },
		{ "age:1h", { "character 4:", "age takes > < >= <=", "age>1h" } },
		{ "age>1", { "character 5:", "90s, 1h or 2d" } },
		{ "age>-1h", { "90s, 1h or 2d" } },
		{ "age>", { "age wants a value" } },
		{ "attempts:two", { "a whole number", "attempts>=2" } },
		{ "attempts>=99999999999999999999", { "a whole number" } },
		{ "id:1,2,x", { "character 8:", "id takes a whole number" } },
		{ "member:u-1***", { "character 8:", "member takes a whole number", "member:42" } },
		{ "member>1", { "character 7:", "member takes :" } },
		{ "cause:xyz", { "16 hexadecimal digits" } },
		{ "cause:09f3d2a477c01bez", { "16 hexadecimal digits" } },
		{ "reason:\"No such", { "character 8:", "quote is not closed" } },
		{ "\"a\"b", { "character 4:", "a blank must follow the quote" } },
		{ "user:\"a\"b", { "a blank or a comma must follow" } },
		{ "\"\"", { "nothing between the quotes" } },
		{ "김민지 status:x", { "character 12:" } }, /* characters, not bytes */
		{ "user:\"\"", { "user wants a value" } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct filter f;
		struct usher_error err = { 0 };

		if (filter_parse(table[i].text, NOW, &f, &err) != USHER_EINVAL)
			fail_msg("%s was taken", table[i].text);
		for (size_t k = 0; k < 4 && table[i].says[k]; k++)
			if (!strstr(err.message, table[i].says[k]))
				fail_msg("%s: \"%s\" has no \"%s\"", table[i].text, err.message,
				        table[i].says[k]);
	}
}

static void ages_count_back_from_now(void **state)
{
	struct filter f = parse("age>1h age<9999999d");

	(void)state;
	assert_int_equal(f.values[0].number, NOW.ms - HOUR_MS);
	assert_int_equal(f.values[1].number, 1); /* before all time: never 0, which is "none" */
}

static void words_of_several_terms_are_joined(void **state)
{
	struct filter f = parse("status:dead,queued -status:queued");
	unsigned all = filter_words_all(FILTER_CLASS);

	(void)state;
	assert_int_equal(filter_words(&f, FILTER_STATUS), 1u << FAILED_DEAD);
	assert_int_equal(filter_words(&f, FILTER_CLASS), all);
	f = parse("-class:malformed");
	assert_int_equal(filter_words(&f, FILTER_CLASS), all & ~(1u << (FAILURE_MALFORMED - 1)));
	assert_int_equal(all, (1u << (FAILURE_COUNT - 1)) - 1);
}

static void causes_print_as_they_are_read(void **state)
{
	struct filter f = parse("cause:f9f3d2a477c01be5");
	char text[FILTER_CAUSE_SIZE];

	(void)state;
	filter_cause_print(f.values[0].number, text);
	assert_string_equal(text, "f9f3d2a477c01be5");
}

/* n times `piece`. */
static char *repeated(const char *piece, size_t n)
{
	char *text = mem_alloc(n * strlen(piece) + 1), *at = text;

	for (size_t i = 0; i < n; i++)
		at = stpcpy(at, piece);
	return text;
}

static void limits_are_kept(void **state)
{
	static const struct {
		const char *piece;
		size_t n;
		const char *says; /* NULL: taken */
	} table[] = {
		{ "a ", FILTER_TERMS_MAX, NULL },
		{ "a ", FILTER_TERMS_MAX + 1, "more than 24 terms" },
		{ "x", FILTER_TEXT_MAX, NULL },
		{ "x", FILTER_TEXT_MAX + 1, "longer than 1024 bytes" },
		{ "id:1,2,3,4,5,6,7,8 ", FILTER_VALUES_MAX / 8, NULL },
		{ "id:1,2,3,4,5,6,7,8,9 ", FILTER_VALUES_MAX / 8, "more than 64 values" },
		{ "\xff", 1, "not valid UTF-8" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		OWNED char *text = repeated(table[i].piece, table[i].n);
		struct filter f;
		struct usher_error err = { 0 };
		int rc = filter_parse(text, NOW, &f, &err);

		assert_int_equal(rc, table[i].says ? USHER_EINVAL : 0);
		assert_true(!table[i].says || strstr(err.message, table[i].says));
	}
}

static void every_example_of_the_table_is_taken(void **state)
{
	(void)state;
	for (int i = 0; i < FILTER_KEY_COUNT; i++) {
		const struct filter_info *key = filter_info((enum filter_key)i);
		struct filter f = parse(key->example);

		assert_int_equal(f.terms[0].key, i);
		assert_true(key->help[0] != '\0' && key->kind->operators[0] != '\0');
	}
}

#define MANUAL "man/usher.1"

static void the_manual_has_every_key(void **state)
{
	static char manual[128 * 1024];
	FILE *file = fopen(MANUAL, "r");

	(void)state;
	assert_non_null(file);
	manual[fread(manual, 1, sizeof manual - 1, file)] = '\0';
	fclose(file);
	for (int i = 0; i < FILTER_KEY_COUNT; i++) {
		char line[80];

		snprintf(line, sizeof line, "\n.It Cm %s\n", filter_info((enum filter_key)i)->name);
		if (!strstr(manual, line))
			fail_msg("%s lacks %s", MANUAL, line);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_taken),
		cmocka_unit_test(what_is_refused),
		cmocka_unit_test(ages_count_back_from_now),
		cmocka_unit_test(words_of_several_terms_are_joined),
		cmocka_unit_test(causes_print_as_they_are_read),
		cmocka_unit_test(limits_are_kept),
		cmocka_unit_test(every_example_of_the_table_is_taken),
		cmocka_unit_test(the_manual_has_every_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
