/* Mail messages: headers that fold and encode, bodies that survive, and that no value adds a header. */
#include "net/mime.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OUT_MAX (1024 * 1024)

/* -- Reading back what was written, the way a mail program does ------------------------------- */

/* Undoes folding and encoded words of one header's value. Lines must be short and words legal. */
static char *header_read(const char *header)
{
	struct buf out = BUF(OUT_MAX);
	bool after_word = false;
	size_t word_end = 0;

	for (const char *p = header; *p;) {
		if (strncmp(p, "\r\n ", 3) == 0) {
			p += 2;
			continue;
		}
		if (strncmp(p, "\r\n", 2) == 0)
			break;
		if (strncmp(p, "=?UTF-8?B?", 10) == 0) {
			const char *end = strstr(p + 10, "?=");
			struct buf word = BUF(OUT_MAX);
			assert_non_null(end);
			assert_in_range(end + 2 - p, 1, 75);
			assert_int_equal(base64_decode(&word, p + 10, (size_t)(end - p - 10)), 0);
			assert_true(utf8_valid(buf_str(&word), word.len)); /* no character cut in two */
			if (after_word) /* blanks between two words do not count */
				buf_cut(&out, word_end, out.len);
			buf_add(&out, word.data, word.len);
			word_end = out.len;
			buf_free(&word);
			p = end + 2;
			after_word = true;
			continue;
		}
		after_word &= *p == ' ';
		buf_putc(&out, *p++);
	}
	return buf_take(&out);
}

static char *unquote_printable(const char *text)
{
	struct buf out = BUF(OUT_MAX);

	for (const char *p = text; *p;) {
		if (strncmp(p, "=\r\n", 3) == 0) {
			p += 3;
		} else if (*p == '=') {
			char hex[3] = { p[1], p[2], '\0' };
			buf_putc(&out, (char)strtol(hex, NULL, 16));
			p += 3;
		} else {
			buf_putc(&out, *p++);
		}
	}
	return buf_take(&out);
}

static void assert_lines(const char *text, size_t longest)
{
	for (const char *p = text; *p;) {
		size_t len = strcspn(p, "\r\n");
		assert_in_range(len, 0, longest);
		for (size_t i = 0; i < len; i++)
			assert_true((unsigned char)p[i] < 0x7f && (p[i] >= ' ' || p[i] == '\t'));
		p += len;
		assert_memory_equal(p, "\r\n", 2);
		p += 2;
	}
}

/* -- Headers ----------------------------------------------------------------------------------- */

static void subject_is(const char *subject, const char *expected)
{
	struct buf out = BUF(OUT_MAX);

	mime_header_text(&out, "Subject", subject);
	assert_lines(buf_str(&out), MIME_LINE_MAX);
	assert_memory_equal(out.data, "Subject: ", 9);
	char *read = header_read(out.data + 9);
	assert_string_equal(read, subject);
	if (expected)
		assert_string_equal(out.data, expected);
	free(read);
	buf_free(&out);
}

static void subjects_come_back_as_they_went(void **state)
{
	(void)state;
	subject_is("Welcome, Ada", "Subject: Welcome, Ada\r\n");
	subject_is("", "Subject: \r\n");
	subject_is("가입을 환영합니다", "Subject: =?UTF-8?B?6rCA7J6F7J2EIO2ZmOyYge2VqeuLiOuLpA==?=\r\n");
	subject_is("=?UTF-8?B?ZXZpbA==?= is not taken for an encoded word", NULL);
	subject_is(
	        "Welcome to a subject that is longer than one line of a header may ever be, with many words",
	        NULL);
	subject_is(
	        "OneVeryLongWordWithoutAnyBlankInItThatCannotBeFoldedAnywhereAndGoesOnAndOnAndOnAndOnAndOn",
	        NULL);
	subject_is("김민수님, 회원이 되신 것을 진심으로 환영합니다. 이 제목은 한 줄에 들어가지 않을 만큼 "
	           "길어서 여러 줄로 "
	           "접혀야 합니다. 😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀",
	        NULL);
}

static void every_length_of_subject_folds_right(void **state)
{
	char subject[600] = "";

	(void)state;
	for (int i = 0; i < 150; i++) {
		strcat(subject, i % 7 == 3 ? "é" : i % 5 == 0 ? "한" : i % 11 == 0 ? " " : "x");
		subject_is(subject, NULL);
	}
}

static void no_value_adds_a_header(void **state)
{
	struct buf out = BUF(OUT_MAX);
	const struct mime_address sly = { "Ada\r\nBcc: evil@example.com",
		"a@b.example\r\nBcc: evil@example.com" };

	(void)state;
	subject_is("Hello\r\nBcc: evil@example.com", NULL);
	mime_header_address(&out, "To", &sly);
	assert_null(strstr(out.data, "\r\nBcc"));
	assert_null(strstr(out.data, "\nBcc"));
	buf_free(&out);
}

static void address_is(const char *name, const char *address, const char *expected)
{
	struct buf out = BUF(OUT_MAX);

	mime_header_address(&out, "To", &(struct mime_address){ name, address });
	assert_string_equal(buf_str(&out), expected);
	buf_free(&out);
}

static void display_names_are_quoted_or_encoded(void **state)
{
	(void)state;
	address_is(NULL, "a@b.example", "To: <a@b.example>\r\n");
	address_is("", "a@b.example", "To: <a@b.example>\r\n");
	address_is("Ada Byron", "a@b.example", "To: Ada Byron <a@b.example>\r\n");
	address_is("Byron, Ada", "a@b.example", "To: \"Byron, Ada\" <a@b.example>\r\n");
	address_is("Ada \"the\" \\ <x@y>", "a@b.example",
	        "To: \"Ada \\\"the\\\" \\\\ <x@y>\" <a@b.example>\r\n");
	address_is("김민수", "a@b.example", "To: =?UTF-8?B?6rmA66+87IiY?= <a@b.example>\r\n");
}

static void long_names_and_addresses_fold(void **state)
{
	struct buf out = BUF(OUT_MAX);
	char name[601] = "";

	(void)state;
	for (int i = 0; i < 200; i++)
		strcat(name, "김");
	mime_header_address(
	        &out, "To", &(struct mime_address){ name, "somebody.with.a.long.local.part@example.com" });
	assert_lines(buf_str(&out), MIME_LINE_MAX);
	char *read = header_read(out.data + 4);
	assert_memory_equal(read, name, 600);
	assert_string_equal(read + 600, " <somebody.with.a.long.local.part@example.com>");
	free(read);
	buf_free(&out);
}

static void addresses_of_the_configuration_are_taken_apart(void **state)
{
	(void)state;
	static const struct {
		const char *text, *name, *address;
	} cases[] = {
		{ "a@shop.example", NULL, "a@shop.example" },
		{ "Kim <a@shop.example>", "Kim", "a@shop.example" },
		{ "운영 팀   <a@shop.example>", "운영 팀", "a@shop.example" },
		{ "\"Kim, Min\" <a@shop.example>", "Kim, Min", "a@shop.example" },
		{ "<a@shop.example>", "", "a@shop.example" },
		{ "\" <a@shop.example>", "\"", "a@shop.example" },
		{ "a <b> c", NULL, "a <b> c" },
		{ "", NULL, "" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *name, *address;
		mime_address_parse(cases[i].text, &name, &address);
		assert_string_equal(address, cases[i].address);
		if (cases[i].name)
			assert_string_equal(name, cases[i].name);
		else
			assert_null(name);
		free(name);
		free(address);
	}
}

static void dates_are_rfc_5322(void **state)
{
	char text[MIME_DATE_SIZE];

	(void)state;
	assert_string_equal(mime_date((wall_time){ 1795382591042 }, text), "Sun, 22 Nov 2026 21:23:11 +0000");
	assert_string_equal(mime_date((wall_time){ 0 }, text), "Thu, 01 Jan 1970 00:00:00 +0000");
}

/* -- Bodies --------------------------------------------------------------------------------------- */

static void quoted_is(const char *text, const char *expected)
{
	struct buf out = BUF(OUT_MAX);

	mime_quoted_printable(&out, text, strlen(text));
	assert_string_equal(buf_str(&out), expected);
	buf_free(&out);
}

static void quoted_printable_is_as_rfc_2045_has_it(void **state)
{
	(void)state;
	quoted_is("", "");
	quoted_is("Hello\n", "Hello\r\n");
	quoted_is("Hello\r\n\r\nx", "Hello\r\n\r\nx\r\n");
	quoted_is("a = b\n", "a =3D b\r\n");
	quoted_is("blank at the end \nand a tab\t\n", "blank at the end=20\r\nand a tab=09\r\n");
	quoted_is("é\x01\r x", "=C3=A9=01=0D x\r\n");
}

static void both_encodings_bring_every_text_back(void **state)
{
	struct buf text = BUF(OUT_MAX), out = BUF(OUT_MAX), decoded = BUF(OUT_MAX);

	(void)state;
	for (int i = 0; i < 400; i++) {
		buf_puts(&text, i % 9 == 0 ? "\r\n" : i % 5 == 0 ? "한글" : i % 7 == 0 ? " =." : "abc");
		buf_clear(&out);
		mime_quoted_printable(&out, text.data, text.len);
		assert_lines(buf_str(&out), MIME_LINE_MAX);
		char *back = unquote_printable(buf_str(&out));
		assert_memory_equal(
		        back, text.data, text.len); /* but for a last line end, which a part has anyway */
		free(back);
		buf_clear(&out);
		buf_clear(&decoded);
		mime_base64_lines(&out, text.data, text.len);
		assert_lines(buf_str(&out), MIME_LINE_MAX);
		assert_int_equal(base64_decode(&decoded, buf_str(&out), out.len), 0);
		assert_int_equal(decoded.len, text.len);
		assert_memory_equal(decoded.data, text.data, text.len);
	}
	buf_free(&text);
	buf_free(&out);
	buf_free(&decoded);
}

static void base64_makes_line_ends_crlf(void **state)
{
	struct buf out = BUF(OUT_MAX), decoded = BUF(OUT_MAX), text = BUF(OUT_MAX), crlf = BUF(OUT_MAX);

	(void)state;
	for (int i = 0; i < 300; i++) { /* line ends at every place of the encoder's own lines */
		for (int n = 0; n < i % 13; n++) {
			buf_putc(&text, 'x');
			buf_putc(&crlf, 'x');
		}
		buf_puts(&text, "\n");
		buf_puts(&crlf, "\r\n");
	}
	mime_base64_lines(&out, text.data, text.len);
	assert_int_equal(base64_decode(&decoded, buf_str(&out), out.len), 0);
	assert_string_equal(buf_str(&decoded), buf_str(&crlf));
	buf_free(&out);
	buf_free(&decoded);
	buf_free(&text);
	buf_free(&crlf);
}

/* -- The whole -------------------------------------------------------------------------------------- */

static struct mime_message message(const char *text, const char *html)
{
	return (struct mime_message){ .from = { "Usher", "welcome@usher.example" },
		.to = { "Ada", "ada@example.com" },
		.subject = "Welcome",
		.message_id = "<1@usher.example>",
		.date = { 1795382591042 },
		.text = text,
		.text_len = strlen(text),
		.html = html,
		.html_len = strlen(html) };
}

static void a_message_is_whole(void **state)
{
	struct mime_message m = message("Hello\n", "<p>Hello</p>\n");
	struct buf out = BUF(OUT_MAX);

	(void)state;
	m.unsubscribe = "mailto:stop@usher.example";
	mime_message_write(&m, &out);
	assert_string_equal(buf_str(&out),
	        "From: Usher <welcome@usher.example>\r\nTo: Ada <ada@example.com>\r\nSubject: Welcome\r\n"
	        "Date: Sun, 22 Nov 2026 21:23:11 +0000\r\nMessage-ID: <1@usher.example>\r\n"
	        "Auto-Submitted: auto-generated\r\nList-Unsubscribe: "
	        "<mailto:stop@usher.example>\r\nMIME-Version: 1.0\r\n"
	        "Content-Type: multipart/alternative; boundary=\"=_usher_part\"\r\n\r\n"
	        "--=_usher_part\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
	        "quoted-printable\r\n"
	        "\r\nHello\r\n"
	        "--=_usher_part\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: "
	        "quoted-printable\r\n"
	        "\r\n<p>Hello</p>\r\n--=_usher_part--\r\n");
	m.unsubscribe = NULL;
	buf_clear(&out);
	mime_message_write(&m, &out);
	assert_null(strstr(buf_str(&out), "List-Unsubscribe"));
	buf_free(&out);
}

static void korean_goes_as_base64_and_seven_bits_suffice(void **state)
{
	struct mime_message m = message("안녕하세요, 김민수님.\n환영합니다.\n", "<p>안녕하세요</p>\n");
	struct buf out = BUF(OUT_MAX);

	(void)state;
	m.to.name = "김민수";
	mime_message_write(&m, &out);
	assert_non_null(strstr(buf_str(&out), "Content-Transfer-Encoding: base64"));
	assert_lines(buf_str(&out), 998);
	buf_free(&out);
}

static void a_text_cannot_end_its_part(void **state)
{
	struct mime_message m = message("--=_usher_part--\nmore\n", "<p>x</p>");
	struct buf out = BUF(OUT_MAX);

	(void)state;
	mime_message_write(&m, &out);
	assert_non_null(strstr(buf_str(&out), "--=3D_usher_part--\r\nmore"));
	buf_free(&out);
}

static void a_message_too_long_fails(void **state)
{
	struct mime_message m = message("Hello\n", "<p>Hello</p>\n");
	struct buf out = BUF(200);

	(void)state;
	mime_message_write(&m, &out);
	assert_true(out.failed);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(subjects_come_back_as_they_went),
		cmocka_unit_test(every_length_of_subject_folds_right),
		cmocka_unit_test(no_value_adds_a_header),
		cmocka_unit_test(display_names_are_quoted_or_encoded),
		cmocka_unit_test(long_names_and_addresses_fold),
		cmocka_unit_test(addresses_of_the_configuration_are_taken_apart),
		cmocka_unit_test(dates_are_rfc_5322),
		cmocka_unit_test(quoted_printable_is_as_rfc_2045_has_it),
		cmocka_unit_test(both_encodings_bring_every_text_back),
		cmocka_unit_test(base64_makes_line_ends_crlf),
		cmocka_unit_test(a_message_is_whole),
		cmocka_unit_test(korean_goes_as_base64_and_seven_bits_suffice),
		cmocka_unit_test(a_text_cannot_end_its_part),
		cmocka_unit_test(a_message_too_long_fails),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
