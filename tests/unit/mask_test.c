/* What an operator sees of a dead message: never a member's address, name or id. */
#include "base/clock.h"
#include "base/mask.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
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
	mask_words(text, strlen(text), NULL, &masked);
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
	assert_string_equal(
	        words("550 <\"min ji\"@example.com> unknown"), "550 <\"m***@example.com> unknown");
	assert_string_equal(words("minji@[192.0.2.7]"), "mi***@[192.0.2.7]");
	assert_string_equal(words("?to=minji%40example.com&x=1"), "?t***%40example.com&x=1");
	assert_null(strstr(words("minji\uff20example.com 과 minji＠example.com"), "minji＠"));
	assert_string_equal(words("a.kr?a=minji@a.kr?x=suho@b.kr"), "a.***@a.kr?x***@b.kr");
	assert_null(strstr(words("minji@[suho@b.kr"), "suho"));
	assert_string_equal(words(""), "");
	assert_null(strstr(words("minji@x@example.com"), "minji"));
}

static void values_in_words(void **state)
{
	(void)state;
	assert_string_equal(words("422 {\"code\":\"unknown\",\"userId\":\"u-12345\",\"name\":\"김민수\"}"),
	        "422 {\"code\":\"unknown\",\"userId\":\"u-1***\",\"name\":\"김*수\"}");
	assert_string_equal(words("{'user_id': 1234567, \\\"tel\\\":\\\"010-1234-5678\\\"}"),
	        "{'user_id': ***, \\\"tel\\\":\\\"***78\\\"}");
	assert_string_equal(words("no member userId=u-12345 here"), "no member userId=*** here");
	assert_string_equal(words("name: is a word, mail = another"), "name: is a word, mail = another");
	assert_string_equal(words("\"name\":{\"first\":\"Min\"},1"), "\"name\":***,1");
	assert_string_equal(words("\"name\":[\"Min"), "\"name\":***");
}

static const char *words_about(const char *text, const struct mask_person *person)
{
	buf_free(&masked);
	masked = BUF(MASK_TEXT_MAX);
	mask_words(text, strlen(text), person, &masked);
	return buf_str(&masked);
}

static void words_about_somebody(void **state)
{
	(void)state;
	static const struct mask_person minsu = { "minsu.k@example.com", "김민수", "member-77" };
	assert_string_equal(words_about("no member MEMBER-77 here; member-778 is", &minsu),
	        "no member MEM*** here; member-778 is");
	assert_string_equal(words_about("김민수님은 없습니다", &minsu), "김*수님은 없습니다");
	assert_string_equal(words_about("550 mailbox minsu.k unavailable <minsu.k@example.com>", &minsu),
	        "550 mailbox mi*** unavailable <mi***@example.com>");
	static const struct mask_person tiny = { "a@b.kr", "Li", "7" }, nobody = { 0 };
	assert_string_equal(words_about("550 5.1.7 Life is a test", &tiny), "550 5.1.7 Life is a test");
	assert_string_equal(words_about("550 no", &nobody), "550 no");
}

static void names_of_values(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum mask_kind kind;
	} cases[] = {
		{ "email", MASK_EMAIL },
		{ "E-Mail", MASK_EMAIL },
		{ "user_email", MASK_EMAIL },
		{ "contactEmail2", MASK_EMAIL },
		{ "emails", MASK_EMAIL },
		{ "mail", MASK_EMAIL },
		{ "emailAddress", MASK_EMAIL },
		{ "recipient", MASK_EMAIL },
		{ "이메일", MASK_EMAIL },
		{ "NAME", MASK_NAME },
		{ "fullName", MASK_NAME },
		{ "first name", MASK_NAME },
		{ "user.name", MASK_NAME },
		{ "이름", MASK_NAME },
		{ "회원 이름", MASK_NAME },
		{ "userId", MASK_USER_ID },
		{ "USER_ID", MASK_USER_ID },
		{ "memberIds", MASK_USER_ID },
		{ "아이디", MASK_USER_ID },
		{ "phone", MASK_PHONE },
		{ "homePhone", MASK_PHONE },
		{ "tel", MASK_PHONE },
		{ "전화", MASK_PHONE },
		{ "휴대폰 번호", MASK_PHONE },
		{ "hotel", MASK_NOTHING },
		{ "hostname", MASK_NOTHING },
		{ "eventId", MASK_NOTHING },
		{ "s", MASK_NOTHING },
		{ "9", MASK_NOTHING },
		{ "", MASK_NOTHING },
		{ "-_-", MASK_NOTHING },
		{ "the_longest_name_that_anybody_ever_gave_to_the_field_of_a_json_object_email", MASK_EMAIL },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (mask_kind_of(cases[i].name, strlen(cases[i].name)) != cases[i].kind)
			fail_msg("%s", cases[i].name);
	assert_int_equal(mask_kind_of("na\0me", 5), MASK_NAME); /* no way round it */
}

/* Said once more than in the table: a name that is lost there would show somebody. */
static void every_name_alone_and_behind_another_word(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum mask_kind kind;
		bool ends; /* it counts behind any word */
	} names[] = {
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
	};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char behind[80];
		snprintf(behind, sizeof behind, "zz%s", names[i].name);
		if (mask_kind_of(names[i].name, strlen(names[i].name)) != names[i].kind)
			fail_msg("%s", names[i].name);
		if (mask_kind_of(behind, strlen(behind)) != (names[i].ends ? names[i].kind : MASK_NOTHING))
			fail_msg("%s", behind);
	}
}

static void kinds_that_are_shown(void **state)
{
	(void)state;
	static const struct mask_settings all = { true, true, true, true, NULL };
	static const char event[] =
	        "{\"userId\":\"u-12345\",\"email\":\"minji@example.com\",\"name\":\"Minji\","
	        "\"birth_day\":\"1999-01-02\",\"주소\":{\"city\":\"서울\"}}";
	mask_setup(&(struct mask_settings){
	        .email = false, .name = true, .user_id = false, .phone = true, .fields = " birthday, 주소" });
	assert_string_equal(payload(event),
	        "{\"userId\":\"u-12345\",\"email\":\"minji@example.com\",\"name\":\"M****\","
	        "\"birth_day\":\"***\",\"주소\":{\"city\":\"***\"}}");
	assert_string_equal(words("to minji@example.com"), "to minji@example.com");
	mask_setup(&(struct mask_settings){ .email = true, .fields = "name" });
	assert_null(strstr(payload(event), "Minji"));
	assert_non_null(strstr(payload(event), "1999"));
	mask_setup(&all);
	mask_setup(&all);
	assert_null(strstr(payload(event), "u-12345"));
	assert_null(strstr(payload(event), "minji"));
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

static void other_shapes(void **state)
{
	(void)state;
	static const char *const bodies[] = {
		"{\"user\":{\"Full_Name\":\"Minji "
		"Kimson\",\"E-MAIL\":[\"minji@example.com\"],\"전화\":\"010-7777-1234\"}}",
		"{\"minji@example.com\":{\"x\":1}}",
		"{\"data\":\"{\\\"data\\\":\\\"{\\\\\\\"이름\\\\\\\":\\\\\\\"Minji\\\\\\\"}\\\"}\"}",
		"[[[[{\"phone\":{\"home\":[77771234]}}]]]]",
		"email=minji%40example.com&name=Minji+Kimson&userId=77771234",
		"<user><name>Minji Kimson</name><tel>7777 1234</tel><x userId='77771234'/></user>",
		"name: Minji Kimson\nemail: minji@example.com\ntel: 010-7777-1234\n",
		"{name: 'Minji', user_id: 77771234}",
		"name\t=\tMinji\r\n",
		"{\"note\":\"name: Minji Kimson\"}",
		"{\"name\":\"Min\\u006ai\",\"email\":\"minji\\u0040example.com\"",
	};
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		static const char *const personal[] = { "inji", "Kimson", "Min", "7777" };
		const char *out = payload(bodies[i]);
		for (size_t p = 0; p < sizeof personal / sizeof *personal; p++)
			if (strstr(out, personal[p]))
				fail_msg("%s in %s", personal[p], out);
	}
	assert_string_equal(payload("</name>\n</user>"), "</name>\n</user>");
	assert_string_equal(payload("{\"name\":null,\"email\":\"\"}"), "{\"name\":null,\"email\":\"\"}");
}

/* Bodies of a megabyte that are made to cost: they take no longer than a body of a megabyte may. */
static void a_megabyte_of_anything(void **state)
{
	(void)state;
	static const char *const units[] = { "a%40", "@", "a@[", "a@", "\"name\":", "name=", "\"name\":[",
		"\\\"", "\\u0040", "a ", "\xff", "김", "\"a\"@", "name:\t", "{\"name\":{" };
	enum { SIZE = 1 << 20 };
	char *body = malloc(SIZE);
	assert_non_null(body);
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		size_t n = strlen(units[i]);
		for (size_t at = 0; at + n <= SIZE; at += n)
			memcpy(body + at, units[i], n);
		mono_time begun = mono_now();
		const char *out = payload_of(body, SIZE / n * n);
		assert_true(utf8_valid(out, strlen(out)));
		if (mono_since_ms(mono_now(), begun) > 5000)
			fail_msg("%s takes %lld ms", units[i], (long long)mono_since_ms(mono_now(), begun));
	}
	free(body);
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
		cmocka_unit_test_teardown(values_in_words, forget),
		cmocka_unit_test_teardown(words_about_somebody, forget),
		cmocka_unit_test(names_of_values),
		cmocka_unit_test(every_name_alone_and_behind_another_word),
		cmocka_unit_test_teardown(kinds_that_are_shown, forget),
		cmocka_unit_test_teardown(other_shapes, forget),
		cmocka_unit_test_teardown(a_megabyte_of_anything, forget),
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
