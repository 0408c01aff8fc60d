/* What an operator sees of a dead message: never a member's address, name or id. */
#include "admin/mask.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static struct buf masked;

static const char *payload_of(const void *bytes, size_t len)
{
	buf_free(&masked);
	masked = BUF(MASK_TEXT_MAX);
	mask_payload(bytes, len, &masked);
	return buf_str(&masked);
}

static const char *payload(const char *text)
{
	return payload_of(text, strlen(text));
}

static const char *words(const char *text)
{
	buf_free(&masked);
	masked = BUF(MASK_TEXT_MAX);
	mask_addresses(text, strlen(text), &masked);
	return buf_str(&masked);
}

static int forget(void **state)
{
	(void)state;
	buf_free(&masked);
	return 0;
}

static void addresses_in_words(void **state)
{
	(void)state;
	assert_string_equal(words("550 5.1.1 <minji@example.com>: no such user"),
	        "550 5.1.1 <mi***@example.com>: no such user");
	assert_string_equal(words("minji@example.com"), "mi***@example.com");
	assert_string_equal(words("to:minji+x@a.kr,suho@b.kr;"), "to:mi***@a.kr,su***@b.kr;");
	assert_null(strstr(words("수신자 김민지@예시.한국 없음"), "민지"));
	assert_string_equal(words("no address @ all, a @b, @"), "no address @ all, a @b, @");
	assert_string_equal(words(""), "");
	assert_null(strstr(words("minji@x@example.com"), "minji"));
}

static void an_event(void **state)
{
	(void)state;
	assert_string_equal(
	        payload("{\"eventId\":\"e-1\",\"userId\":\"u-12345\",\"email\":\"minji@example.com\","
	                "\"name\":\"김민지\",\"plan\":\"free\"}"),
	        "{\"eventId\":\"e-1\",\"userId\":\"u-1***\",\"email\":\"mi***@example.com\",\"name\":\"김*"
	        "지\","
	        "\"plan\":\"free\"}");
}

static void any_depth_case_and_type(void **state)
{
	(void)state;
	const char *out =
	        payload("{\"a\":[{\"Email\":\"minji@example.com\",\"name\":{\"first\":\"Minji\",\"last\":["
	                "\"Kimson\"]},"
	                "\"userId\":1234567,\"user_id\":true}],\"note\":\"ask minji@example.com\",\"n\":5}");
	assert_null(strstr(out, "minji"));
	assert_null(strstr(out, "Minji"));
	assert_null(strstr(out, "Kimson"));
	assert_null(strstr(out, "1234567"));
	assert_non_null(strstr(out, "\"note\":\"ask mi***@example.com\""));
	assert_non_null(strstr(out, "\"n\":5"));
}

static void an_sns_envelope(void **state)
{
	(void)state;
	const char *out = payload("{\"Type\":\"Notification\",\"MessageId\":\"m-1\",\"Message\":"
	                          "\"{\\\"userId\\\":\\\"u-12345\\\",\\\"email\\\":\\\"minji@example.com\\\","
	                          "\\\"name\\\":\\\"Minji\\\"}\"}");
	assert_null(strstr(out, "minji@"));
	assert_null(strstr(out, "Minji"));
	assert_null(strstr(out, "u-12345"));
	assert_non_null(strstr(out, "m-1"));
	assert_non_null(strstr(out, "mi***@example.com"));
}

static void a_packed_event(void **state)
{
	(void)state;
	static const char event[] =
	        "{\"userId\":\"u-12345\",\"email\":\"minji@example.com\",\"name\":\"Minji\"}";
	struct buf zipped = BUF(4096), packed = BUF(4096), envelope = BUF(8192);
	assert_int_equal(gzip_encode(&zipped, event, strlen(event)), 0);
	base64_encode(&packed, zipped.data, zipped.len);
	assert_string_equal(payload_of(packed.data, packed.len),
	        "{\"userId\":\"u-1***\",\"email\":\"mi***@example.com\",\"name\":\"M****\"}");
	buf_printf(&envelope, "{\"Message\":\"%s\"}", buf_str(&packed));
	const char *out = payload(buf_str(&envelope));
	assert_null(strstr(out, buf_str(&packed)));
	assert_null(strstr(out, "minji@"));
	assert_non_null(strstr(out, "mi***@example.com"));
	buf_clear(&envelope);
	buf_printf(&envelope, "{\"Message\":\"%.20s\"}",
	        buf_str(&packed)); /* half of it can still be read by who tries */
	assert_string_equal(
	        payload(buf_str(&envelope)), "{\"Message\":\"*** (packed, and cannot be unpacked)\"}");
	buf_clear(&zipped);
	buf_clear(&packed);
	assert_int_equal(gzip_encode(&zipped, "from minji@example.com", 22), 0);
	base64_encode(&packed, zipped.data, zipped.len);
	assert_string_equal(payload_of(packed.data, packed.len), "from mi***@example.com");
	buf_free(&zipped);
	buf_free(&packed);
	buf_free(&envelope);
}

static void json_that_is_cut_off(void **state)
{
	(void)state;
	assert_string_equal(payload("{\"userId\" : \"u-12345\", \"name\":\"Minji\", "
	                            "\"email\":\"minji@example.com\", \"loc"),
	        "{\"userId\" : \"u-1***\", \"name\":\"M****\", \"email\":\"mi***@example.com\", \"loc");
	assert_null(strstr(payload("{\"name\":\"Minji Kimson"), "Kimson"));
	assert_null(strstr(payload("{\"userId\":1234567,\"x\":"), "1234567"));
	const char *out =
	        payload("{\"Message\":\"{\\\"name\\\":\\\"Minji\\\",\\\"email\\\":\\\"minji@example.com\\\"");
	assert_null(strstr(out, "Minji"));
	assert_null(strstr(out, "minji@"));
	assert_non_null(strstr(out, "\\\"email\\\":\\\"mi***@example.com\\\""));
	assert_null(strstr(payload("{\"name\":\"Min\\\"Kimson\",\"name\":\"x\"}"), "Kimson"));
}

static void what_is_no_json(void **state)
{
	(void)state;
	assert_string_equal(payload("hello minji@example.com"), "hello mi***@example.com");
	assert_string_equal(payload("\"minji@example.com\""), "\"mi***@example.com\"");
	assert_string_equal(payload(""), "");
	assert_string_equal(payload("\"name\""), "\"name\"");
	assert_string_equal(payload("\"name\":"), "\"name\":");
	assert_string_equal(payload_of("a\0b\xff\xfe", 5), "a\xEF\xBF\xBD"
	                                                   "b\xEF\xBF\xBD\xEF\xBF\xBD");
}

static void endless_nesting_ends(void **state)
{
	(void)state;
	/* A string in a string in a string...: beyond MASK_DEPTH_MAX nobody looks, so nothing is shown. */
	const char *deep =
	        "[\"[\\\"[\\\\\\\"[\\\\\\\\\\\\\\\"[\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\"minji@example.com"
	        "\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\"]\\\\\\\\\\\\\\\"]\\\\\\\"]\\\"]\"]";
	assert_null(strstr(payload(deep), "minji"));
	static char brackets[100000];
	memset(brackets, '[', sizeof brackets - 1);
	assert_int_equal(strlen(payload(brackets)), sizeof brackets - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(addresses_in_words, forget),
		cmocka_unit_test_teardown(an_event, forget),
		cmocka_unit_test_teardown(any_depth_case_and_type, forget),
		cmocka_unit_test_teardown(an_sns_envelope, forget),
		cmocka_unit_test_teardown(a_packed_event, forget),
		cmocka_unit_test_teardown(json_that_is_cut_off, forget),
		cmocka_unit_test_teardown(what_is_no_json, forget),
		cmocka_unit_test_teardown(endless_nesting_ends, forget),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
