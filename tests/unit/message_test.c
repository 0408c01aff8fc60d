/* Message attributes: ownership, limits, and the form in which they are stored. */
#include "base/mem.h"
#include "model/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_set_get_replace(void **state)
{
	(void)state;
	struct message_attributes a = { .count = 0 };
	char name[] = "usher.class", value[] = "timeout";
	assert_null(message_attribute_get(&a, name));
	assert_true(message_attribute_set(&a, name, value));
	name[0] = value[0] = 'X'; /* both were copied */
	assert_string_equal(message_attribute_get(&a, ATTRIBUTE_CLASS), "timeout");
	assert_true(message_attribute_set(&a, ATTRIBUTE_CLASS, "rejected"));
	assert_int_equal(a.count, 1);
	assert_string_equal(message_attribute_get(&a, ATTRIBUTE_CLASS), "rejected");
	assert_true(message_attribute_set(&a, ATTRIBUTE_CLASS, message_attribute_get(&a, ATTRIBUTE_CLASS)));
	assert_string_equal(message_attribute_get(&a, ATTRIBUTE_CLASS), "rejected");
	assert_null(message_attribute_get(&a, "USHER.CLASS"));
	message_attributes_free(&a);
	message_attributes_free(&a);
}

static void test_the_list_has_a_limit(void **state)
{
	(void)state;
	struct message_attributes a = { .count = 0 };
	char name[16];
	for (int i = 0; i < MESSAGE_ATTRIBUTES_MAX; i++) {
		snprintf(name, sizeof name, "n%d", i);
		assert_true(message_attribute_set(&a, name, "v"));
	}
	assert_false(message_attribute_set(&a, "one more", "v"));
	assert_true(message_attribute_set(&a, "n3", "replaced"));
	assert_string_equal(message_attribute_get(&a, "n3"), "replaced");
	assert_int_equal(a.count, MESSAGE_ATTRIBUTES_MAX);
	message_attributes_free(&a);
}

static void test_copies_are_independent(void **state)
{
	(void)state;
	struct message_attributes a = { .count = 0 }, b;
	message_attribute_set(&a, "x", "1");
	message_attribute_set(&a, "y", "2");
	message_attributes_copy(&b, &a);
	message_attribute_set(&a, "x", "changed");
	message_attributes_free(&a);
	assert_string_equal(message_attribute_get(&b, "x"), "1");
	assert_string_equal(message_attribute_get(&b, "y"), "2");
	message_attributes_free(&b);
}

static void test_print_and_parse_are_inverse(void **state)
{
	(void)state;
	struct message_attributes a = { .count = 0 }, b;
	OWNED char *empty = message_attributes_print(&a);
	assert_string_equal(empty, "{}");
	message_attribute_set(&a, ATTRIBUTE_REASON, "550 \"no\" such\tuser 김\\");
	message_attribute_set(&a, "empty", "");
	OWNED char *text = message_attributes_print(&a);
	assert_string_equal(text, "{\"usher.reason\":\"550 \\\"no\\\" such\\tuser 김\\\\\",\"empty\":\"\"}");
	assert_int_equal(message_attributes_parse(text, &b), 0);
	assert_int_equal(b.count, 2);
	assert_string_equal(message_attribute_get(&b, ATTRIBUTE_REASON), "550 \"no\" such\tuser 김\\");
	assert_string_equal(message_attribute_get(&b, "empty"), "");
	message_attributes_free(&a);
	message_attributes_free(&b);
	/* What came in as rubbish is stored as text that can be read back. */
	message_attribute_set(&a, "x", "\xff");
	OWNED char *mended = message_attributes_print(&a);
	assert_string_equal(mended, "{\"x\":\"\xEF\xBF\xBD\"}");
	message_attributes_free(&a);
}

static void test_parse_refuses_what_is_not_an_object_of_strings(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int rc;
	} cases[] = {
		{ NULL, USHER_EINVAL },
		{ "", USHER_EINVAL },
		{ "[]", USHER_EINVAL },
		{ "null", USHER_EINVAL },
		{ "{\"a\":1}", USHER_EINVAL },
		{ "{\"a\":\"x\",\"b\":null}", USHER_EINVAL },
		{ "{\"a\":\"x\"", USHER_EINVAL },
		{ "{\"a\":\"x\",\"a\":\"y\"}", USHER_EINVAL },
		{ "{\"a\":{\"b\":\"c\"}}", USHER_EINVAL },
		{ "{\"0\":\"\",\"1\":\"\",\"2\":\"\",\"3\":\"\",\"4\":\"\",\"5\":\"\",\"6\":\"\",\"7\":\"\","
		  "\"8\":\"\","
		  "\"9\":\"\",\"10\":\"\"}",
		        USHER_ETOOBIG },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct message_attributes a = { .count = 77 };
		assert_int_equal(message_attributes_parse(cases[i].text, &a), cases[i].rc);
		assert_int_equal(a.count, 77);
	}
}

static void test_free_takes_all(void **state)
{
	(void)state;
	struct message *m = mem_alloc(sizeof *m);
	m->id = mem_string("1");
	m->receipt = mem_string("r");
	m->body = mem_string("b");
	message_attribute_set(&m->attributes, "a", "b");
	message_free(m); /* the leak checker looks on */
	message_free(NULL);
}

static void test_all_that_stands_is_as_exact_as_its_least_exact_part(void **state)
{
	(void)state;
	struct queue_depths d = {
		.visible = { 2, EXACT }, .in_flight = { 9, APPROXIMATE }, .delayed = { 1, EXACT }
	};

	assert_int_equal(queue_standing(&d).value, 12);
	assert_int_equal(queue_standing(&d).exactness, APPROXIMATE);
	d.delayed = (struct figure){ -1, STALE };
	assert_int_equal(queue_standing(&d).value, -1);
	assert_int_equal(queue_standing(&d).exactness, STALE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_get_replace),
		cmocka_unit_test(test_the_list_has_a_limit),
		cmocka_unit_test(test_copies_are_independent),
		cmocka_unit_test(test_print_and_parse_are_inverse),
		cmocka_unit_test(test_parse_refuses_what_is_not_an_object_of_strings),
		cmocka_unit_test(test_free_takes_all),
		cmocka_unit_test(test_all_that_stands_is_as_exact_as_its_least_exact_part),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
