/* Strict JSON: what is refused and where, typed look-ups, and what is written. */
#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static int parse(const char *text, size_t len, char *message, size_t size)
{
	cJSON *json = NULL;
	struct usher_error err = { 0 };
	int rc = json_parse(text, len, &json, &err);
	if (rc == 0)
		assert_non_null(json);
	else
		assert_null(json);
	cJSON_Delete(json);
	snprintf(message, size, "%s", err.message);
	return rc;
}

static void test_texts_that_parse(void **state)
{
	(void)state;
	static const char *const cases[] = {
		"{}",
		"[]",
		"null",
		"true",
		"false",
		"0",
		"-0",
		"-0.0",
		"1e5",
		"1E+5",
		"1.5e-3",
		"\"\"",
		"\"김철수\"",
		" \t\r\n{ \"a\" : [ 1 , 2 , { \"b\" : null } ] } \n",
		"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"",
		"\"\\ud83d\\ude00\"",
		"\"\\uD83D\\uDE00\"",
		"\"\xF0\x9F\x98\x80\"",
		"\"\x7F\"",
		"9007199254740993",
		"{\"a\":1,\"A\":2}",
		"{\"a\":{\"a\":{\"a\":1}}}",
		"[{\"a\":1},{\"a\":1}]",
		"{\"\":1}",
		"123456789012345678901234567890123456789012345678901234567890123",
		"1e308",
		"1e-400",
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		char message[200];
		if (parse(cases[i], strlen(cases[i]), message, sizeof message) != 0)
			fail_msg("%s was refused: %s", cases[i], message);
	}
}

static void test_texts_that_are_refused_and_why(void **state)
{
	(void)state;
#define BYTES(text) text, sizeof(text) - 1
	static const struct {
		const char *text;
		size_t len;
		const char *message;
	} cases[] = {
		{ BYTES(""), "not JSON: the text ends where a value is expected at byte 1" },
		{ BYTES("   "), "not JSON: the text ends where a value is expected at byte 4" },
		{ BYTES("hello"), "not JSON: a value is expected at byte 1" },
		{ BYTES("\xEF\xBB\xBF{}"), "not JSON: a value is expected at byte 1" },
		{ BYTES("{} x"), "not JSON: something stands behind the value at byte 4" },
		{ BYTES("{}{}"), "not JSON: something stands behind the value at byte 3" },
		{ BYTES("{}\0"), "not JSON: something stands behind the value at byte 3" },
		{ BYTES("\0{}"), "not JSON: a value is expected at byte 1" },
		{ BYTES("{\"a\":1"), "not JSON: a comma or a closing brace is expected at byte 7" },
		{ BYTES("{\"a\":1,}"), "not JSON: a member's name in double quotes is expected at byte 8" },
		{ BYTES("{a:1}"), "not JSON: a member's name in double quotes is expected at byte 2" },
		{ BYTES("{'a':1}"), "not JSON: a member's name in double quotes is expected at byte 2" },
		{ BYTES("{\"a\" 1}"), "not JSON: a colon is expected at byte 6" },
		{ BYTES("{\"a\":}"), "not JSON: a value is expected at byte 6" },
		{ BYTES("[1 2]"), "not JSON: a comma or a closing bracket is expected at byte 4" },
		{ BYTES("[1,]"), "not JSON: a value is expected at byte 4" },
		{ BYTES("[1}"), "not JSON: a comma or a closing bracket is expected at byte 3" },
		{ BYTES("\"abc"), "not JSON: the text ends inside a string at byte 5" },
		{ BYTES("\"abc\\"), "not JSON: the text ends inside a string at byte 6" },
		{ BYTES("\"a\nb\""), "not JSON: a control character inside a string at byte 3" },
		{ BYTES("\"a\0b\""), "not JSON: a control character inside a string at byte 3" },
		{ BYTES("\"\\x41\""), "not JSON: an unknown escape at byte 3" },
		{ BYTES("\"\\\0\""), "not JSON: an unknown escape at byte 3" },
		{ BYTES("\"\\u00\""), "not JSON: \\u needs four hexadecimal digits at byte 6" },
		{ BYTES("\"\\u00g0\""), "not JSON: \\u needs four hexadecimal digits at byte 6" },
		{ BYTES("\"\\u0000\""), "not JSON: the character \\u0000 is not allowed at byte 4" },
		{ BYTES("\"\\ud83d\""), "not JSON: half a surrogate pair at byte 4" },
		{ BYTES("\"\\ud83d\\u0041\""), "not JSON: half a surrogate pair at byte 4" },
		{ BYTES("\"\\ud83dx\""), "not JSON: half a surrogate pair at byte 4" },
		{ BYTES("\"\\ude00\""), "not JSON: half a surrogate pair at byte 4" },
		{ BYTES("\"\xff\""), "not JSON: invalid UTF-8 at byte 2" },
		{ BYTES("\"\xed\xa0\x80\""), "not JSON: invalid UTF-8 at byte 2" },
		{ BYTES("\"\xc0\x80\""), "not JSON: invalid UTF-8 at byte 2" },
		{ BYTES("{\"\xea\xb9\":1}"), "not JSON: invalid UTF-8 at byte 3" },
		{ BYTES("NaN"), "not JSON: a value is expected at byte 1" },
		{ BYTES("Infinity"), "not JSON: a value is expected at byte 1" },
		{ BYTES("-Infinity"), "not JSON: a number needs a digit at byte 2" },
		{ BYTES("+1"), "not JSON: a value is expected at byte 1" },
		{ BYTES(".5"), "not JSON: a value is expected at byte 1" },
		{ BYTES("1."), "not JSON: a number needs a digit behind its point at byte 3" },
		{ BYTES("1e"), "not JSON: a number needs a digit in its exponent at byte 3" },
		{ BYTES("-"), "not JSON: a number needs a digit at byte 2" },
		{ BYTES("01"), "not JSON: something stands behind the value at byte 2" },
		{ BYTES("0x10"), "not JSON: something stands behind the value at byte 2" },
		{ BYTES("1e999"), "not JSON: a number out of range at byte 1" },
		{ BYTES("[-1e999]"), "not JSON: a number out of range at byte 2" },
		{ BYTES("1234567890123456789012345678901234567890123456789012345678901234"),
		        "not JSON: a number out of range at byte 1" },
		{ BYTES("True"), "not JSON: a value is expected at byte 1" },
		{ BYTES("nul"), "not JSON: a value is expected at byte 1" },
		{ BYTES("/* */1"), "not JSON: a value is expected at byte 1" },
		{ BYTES("\x0b{}"), "not JSON: a value is expected at byte 1" },
		{ BYTES("{\"a\":1,\"b\":2,\"a\":3}"),
		        "not usable JSON: the member \"a\" stands twice in one object" },
		{ BYTES("[{\"x\":[{\"\\u0061\":1,\"a\":2}]}]"),
		        "not usable JSON: the member \"a\" stands twice in one object" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		char message[200];
		if (parse(cases[i].text, cases[i].len, message, sizeof message) != USHER_EINVAL)
			fail_msg("%s was taken", cases[i].text);
		assert_string_equal(message, cases[i].message);
	}
}

static void test_text_need_not_be_terminated(void **state)
{
	(void)state;
	/* An allocation of exactly that size: a sanitizer sees the first byte too many. */
	static const char *const cases[] = { "12", "\"a", "{\"a\":tru", "[1,", "-", "1e", "nul", "\"\\u12" };
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t len = strlen(cases[i]);
		char message[200], *exact = mem_resize(NULL, len, 1);
		memcpy(exact, cases[i], len);
		parse(exact, len, message, sizeof message);
		free(exact);
	}
	cJSON *json;
	assert_int_equal(json_parse("12345", 2, &json, NULL), 0);
	assert_int_equal(json->valuedouble, 12);
	cJSON_Delete(json);
}

static void test_depth_has_a_limit(void **state)
{
	(void)state;
	char message[200], text[2 * JSON_DEPTH_MAX + 3];
	memset(text, '[', JSON_DEPTH_MAX);
	memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
	assert_int_equal(parse(text, 2 * JSON_DEPTH_MAX, message, sizeof message), 0);
	memset(text, '[', JSON_DEPTH_MAX + 1);
	memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
	assert_int_equal(parse(text, 2 * JSON_DEPTH_MAX + 2, message, sizeof message), USHER_EINVAL);
	assert_string_equal(message, "not JSON: nested too deep at byte 65");
	/* Depth comes back when a list is closed. */
	struct buf wide = BUF(10000);
	buf_puts(&wide, "[");
	for (int i = 0; i < 1000; i++)
		buf_puts(&wide, i ? ",[]" : "[]");
	buf_puts(&wide, "]");
	assert_int_equal(parse(wide.data, wide.len, message, sizeof message), 0);
	buf_free(&wide);
}

static void test_many_members_are_compared_quickly(void **state)
{
	(void)state;
	struct buf text = BUF(2000000);
	char message[200];
	buf_puts(&text, "{");
	for (int i = 0; i < 40000; i++)
		buf_printf(&text, "\"k%d\":1,", i);
	buf_puts(&text, "\"last\":1}");
	assert_int_equal(parse(text.data, text.len, message, sizeof message), 0);
	buf_cut(&text, text.len - 1, 1);
	buf_puts(&text, ",\"k0\":1}");
	assert_int_equal(parse(text.data, text.len, message, sizeof message), USHER_EINVAL);
	buf_free(&text);
}

static void test_lookups_are_typed_and_case_sensitive(void **state)
{
	(void)state;
	static const char text[] =
	        "{\"s\":\"x\",\"n\":5,\"neg\":-9007199254740992,\"big\":9007199254740994,"
	        "\"half\":1.5,\"t\":true,\"f\":false,\"z\":null,\"o\":{\"k\":\"v\"},\"l\":[1]}";
	cJSON *json;
	assert_int_equal(json_parse(text, strlen(text), &json, NULL), 0);
	assert_string_equal(json_string(json, "s"), "x");
	assert_null(json_string(json, "S"));
	assert_null(json_string(json, "n"));
	assert_null(json_string(json, "z"));
	assert_int_equal(json_int(json, "n", -1), 5);
	assert_int_equal(json_int(json, "neg", -1), -9007199254740992);
	assert_int_equal(json_int(json, "big", -1), -1);
	assert_int_equal(json_int(json, "half", -1), -1);
	assert_int_equal(json_int(json, "s", -1), -1);
	assert_int_equal(json_int(json, "absent", -1), -1);
	assert_true(json_bool(json, "t", false));
	assert_false(json_bool(json, "f", true));
	assert_true(json_bool(json, "n", true));
	assert_false(json_bool(json, "absent", false));
	assert_string_equal(json_string(json_get(json, "o"), "k"), "v");
	assert_null(json_get(NULL, "a"));
	assert_null(json_get(json_get(json, "l"), "a"));
	assert_null(json_string(json_get(json, "absent"), "a"));
	cJSON_Delete(json);
}

static void test_written_json(void **state)
{
	(void)state;
	cJSON *json = cJSON_CreateObject();
	json_add_string(json, "s", "김\"\\\n\x01");
	json_add_string(json, "none", NULL);
	json_add_int(json, "ms", 1795382591042);
	json_add_int(json, "neg", -5);
	json_add_int(json, "edge", 999999999999999);
	json_add_int(json, "max", INT64_MAX);
	json_add_int(json, "min", INT64_MIN);
	json_add_bool(json, "t", true);
	json_add_int(json_add_object(json, "o"), "i", 0);
	cJSON_AddItemToArray(json_add_array(json, "l"), cJSON_CreateNumber(1));
	json_add_bytes(json, "b", "a\xff\0\xea\xb9\x80\xea", 7);
	json_add_bytes(json, "e", NULL, 0);
	OWNED char *text = json_print(json);
	assert_string_equal(text,
	        "{\"s\":\"김\\\"\\\\\\n\\u0001\",\"none\":null,\"ms\":1795382591042,\"neg\":-5,"
	        "\"edge\":999999999999999,\"max\":9223372036854775807,\"min\":-9223372036854775808,"
	        "\"t\":true,\"o\":{\"i\":0},\"l\":[1],\"b\":\"a\xEF\xBF\xBD\xEF\xBF\xBD\xea\xb9\x80"
	        "\xEF\xBF\xBD\",\"e\":\"\"}");
	cJSON *back;
	assert_int_equal(json_parse(text, strlen(text), &back, NULL), 0);
	cJSON_Delete(back);
	cJSON_Delete(json);
}

static void test_long_member_name_is_cut_in_the_message(void **state)
{
	(void)state;
	struct buf text = BUF(10000);
	char message[USHER_ERROR_MESSAGE_MAX];
	buf_printf(&text, "{\"%02000d\":1,\"%02000d\":1}", 0, 0);
	assert_int_equal(parse(text.data, text.len, message, sizeof message), USHER_EINVAL);
	assert_true(strlen(message) < 120);
	assert_non_null(strstr(message, "stands twice"));
	buf_free(&text);
}

static void test_a_member_is_set_and_the_rest_stays_byte_for_byte(void **state)
{
	(void)state;
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "{\"email\":\"a\"}", "{\"email\":\"김\\\"\"}" },
		{ " { \"n\" : 12345678901234567890 , \"email\" : \"a\" } ",
		        " { \"n\" : 12345678901234567890 , \"email\" : \"김\\\"\" } " },
		{ "{\"em\\u0061il\":[1,{\"x\":\"}]\"}],\"z\":1.50}",
		        "{\"em\\u0061il\":\"김\\\"\",\"z\":1.50}" },
		{ "{\"o\":{\"email\":\"in \\\" side\"},\"email\":null}",
		        "{\"o\":{\"email\":\"in \\\" side\"},\"email\":\"김\\\"\"}" },
		{ "{\"email\":-1e5}", "{\"email\":\"김\\\"\"}" },
		{ "{}", "{\"email\":\"김\\\"\"}" },
		{ "{ }", "{ \"email\":\"김\\\"\"}" },
		{ "{\"a\":true}", "{\"a\":true,\"email\":\"김\\\"\"}" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct buf out = BUF(1000);
		json_text_set(rows[i].text, strlen(rows[i].text), "email", "김\"", &out);
		assert_string_equal(buf_str(&out), rows[i].want);
		buf_free(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts_that_parse),
		cmocka_unit_test(test_texts_that_are_refused_and_why),
		cmocka_unit_test(test_text_need_not_be_terminated),
		cmocka_unit_test(test_depth_has_a_limit),
		cmocka_unit_test(test_many_members_are_compared_quickly),
		cmocka_unit_test(test_lookups_are_typed_and_case_sensitive),
		cmocka_unit_test(test_written_json),
		cmocka_unit_test(test_long_member_name_is_cut_in_the_message),
		cmocka_unit_test(test_a_member_is_set_and_the_rest_stays_byte_for_byte),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
