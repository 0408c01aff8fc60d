/* Error messages: what an operator reads stays whole characters within the limit. */
#include "base/error.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_set_fills_and_returns_the_code(void **state)
{
	(void)state;
	struct usher_error err = { 0 };
	assert_int_equal(error_set(&err, USHER_ECONFLICT, "row %d: %s", 7, "changed"), USHER_ECONFLICT);
	assert_int_equal(err.code, USHER_ECONFLICT);
	assert_string_equal(err.message, "row 7: changed");
	assert_int_equal(error_set(NULL, USHER_EIO, "nobody reads this"), USHER_EIO);
}

static void test_prefix_goes_in_front(void **state)
{
	(void)state;
	struct usher_error err = { 0 };
	error_set(&err, USHER_EINVAL, "not a number");
	assert_int_equal(error_prefix(&err, USHER_EIO, "%s:%d", "usher.ini", 3), USHER_EINVAL);
	assert_string_equal(err.message, "usher.ini:3: not a number");
	assert_int_equal(error_prefix(NULL, USHER_EIO, "x"), USHER_EIO);
}

static void test_arguments_may_be_the_message_itself(void **state)
{
	(void)state;
	struct usher_error err = { 0 };
	error_set(&err, USHER_EINVAL, "deep");
	error_set(&err, USHER_EIO, "outer (%s)", err.message);
	assert_string_equal(err.message, "outer (deep)");
	error_prefix(&err, USHER_EIO, "<%s>", err.message);
	assert_string_equal(err.message, "<outer (deep)>: outer (deep)");
}

static void test_long_messages_are_cut_at_a_character(void **state)
{
	(void)state;
	struct usher_error err = { 0 };
	for (int shift = 0; shift < 4; shift++) {
		char text[4096] = "";
		memset(text, 'x', (size_t)shift);
		for (size_t at = (size_t)shift; at + 4 < sizeof text; at += 3)
			memcpy(text + at, "김", 4);
		error_set(&err, USHER_EINVAL, "%s", text);
		assert_true(utf8_valid(err.message, strlen(err.message)));
		assert_true(strlen(err.message) >= USHER_ERROR_MESSAGE_MAX - 4);
		error_prefix(&err, USHER_EINVAL, "파일");
		assert_true(utf8_valid(err.message, strlen(err.message)));
		assert_true(strlen(err.message) >= USHER_ERROR_MESSAGE_MAX - 4);
		assert_memory_equal(err.message, "파일: ", 8);
		error_prefix(&err, USHER_EINVAL, "%s", text);
		assert_true(utf8_valid(err.message, strlen(err.message)));
	}
	/* A whole character that ends exactly at the limit stays. */
	char exact[USHER_ERROR_MESSAGE_MAX] = "";
	memset(exact, 'x', sizeof exact - 1);
	memcpy(exact + sizeof exact - 4, "김", 4);
	error_set(&err, USHER_EINVAL, "%s", exact);
	assert_string_equal(err.message, exact);
}

static void test_every_code_has_its_own_name(void **state)
{
	(void)state;
	for (int a = USHER_EIO; a <= USHER_OK; a++) {
		assert_string_not_equal(usher_code_name(a), "unknown");
		for (int b = USHER_EIO; b < a; b++)
			assert_string_not_equal(usher_code_name(a), usher_code_name(b));
	}
	assert_string_equal(usher_code_name(USHER_ECONFLICT), "conflict");
	assert_string_equal(usher_code_name(1), "unknown");
	assert_string_equal(usher_code_name(USHER_EIO - 1), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_fills_and_returns_the_code),
		cmocka_unit_test(test_prefix_goes_in_front),
		cmocka_unit_test(test_arguments_may_be_the_message_itself),
		cmocka_unit_test(test_long_messages_are_cut_at_a_character),
		cmocka_unit_test(test_every_code_has_its_own_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
