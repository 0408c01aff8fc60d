/* Replies in the words an operator reads. */
#include "base/text.h"
#include "model/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_descriptions(void **state)
{
	(void)state;
	static const struct {
		struct reply reply;
		const char *text;
	} cases[] = {
		{ { .protocol = REPLY_SMTP,
		          .stage = SMTP_RCPT,
		          .code = 550,
		          .enhanced = "5.1.1",
		          .text = "no such user" },
		        "SMTP 550 5.1.1 at RCPT: no such user" },
		{ { .protocol = REPLY_SMTP, .stage = SMTP_DOT, .code = 250, .text = "queued as 77" },
		        "SMTP 250 at final dot: queued as 77" },
		{ { .protocol = REPLY_SMTP, .stage = SMTP_MAIL, .code = 421 }, "SMTP 421 at MAIL" },
		{ { .protocol = REPLY_SMTP,
		          .fault = FAULT_TIMEOUT,
		          .stage = SMTP_DOT,
		          .effect_possible = true },
		        "SMTP no answer in time at final dot (a copy may have gone out)" },
		{ { .protocol = REPLY_SMTP, .fault = FAULT_CONNECT, .text = "Connection refused" },
		        "SMTP no connection at connect: Connection refused" },
		{ { .protocol = REPLY_SMTP,
		          .fault = FAULT_LOGIN,
		          .code = 535,
		          .enhanced = "5.7.8",
		          .text = "bad password" },
		        "SMTP login refused 535 5.7.8 at connect: bad password" },
		{ { .protocol = REPLY_HTTP,
		          .code = 410,
		          .reason = "out_of_stock",
		          .text = "campaign is empty" },
		        "HTTP 410 out_of_stock: campaign is empty" },
		{ { .protocol = REPLY_HTTP, .code = 201 }, "HTTP 201" },
		{ { .protocol = REPLY_HTTP, .fault = FAULT_TIMEOUT, .effect_possible = true },
		        "HTTP no answer in time (it may have been done)" },
		{ { .protocol = REPLY_HTTP, .fault = FAULT_TLS, .text = "certificate has expired" },
		        "HTTP no secure connection: certificate has expired" },
		{ { .protocol = REPLY_LOCAL, .fault = FAULT_BAD_ADDRESS, .text = "no @" },
		        "not sent: the address cannot be sent to: no @" },
		{ { .protocol = REPLY_LOCAL, .fault = FAULT_BAD_TEMPLATE, .text = "welcome.ko.txt:3" },
		        "not sent: the message cannot be made from its template: welcome.ko.txt:3" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char text[600];
		assert_string_equal(reply_describe(&cases[i].reply, text, sizeof text), cases[i].text);
	}
}

static void test_description_is_cut_at_a_character(void **state)
{
	(void)state;
	struct reply reply = {
		.protocol = REPLY_SMTP, .stage = SMTP_RCPT, .code = 550, .enhanced = "5.123.123"
	};
	for (size_t at = 0; at + 4 < sizeof reply.text; at += 3)
		memcpy(reply.text + at, "김", 4);
	memset(reply.reason, 'r', sizeof reply.reason - 1);
	reply.effect_possible = true;
	for (unsigned size = 1; size <= 700; size++) {
		char text[700];
		reply_describe(&reply, text, size);
		assert_true(strlen(text) < size);
		assert_true(utf8_valid(text, strlen(text)));
		assert_null(strchr(text, '?'));
	}
	/* With room nothing is lost, at the limits of all parts. */
	char whole[1024];
	reply_describe(&reply, whole, sizeof whole);
	assert_non_null(strstr(whole, reply.text));
	assert_non_null(strstr(whole, "(a copy may have gone out)"));
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(reply_fault_name(FAULT_NONE), "");
	for (int i = FAULT_NONE; i <= FAULT_PROTOCOL; i++)
		for (int j = FAULT_NONE; j < i; j++)
			assert_string_not_equal(
			        reply_fault_name((enum reply_fault)i), reply_fault_name((enum reply_fault)j));
	assert_string_equal(smtp_stage_name(SMTP_RCPT), "RCPT");
	for (int i = SMTP_CONNECT; i <= SMTP_DOT; i++)
		for (int j = SMTP_CONNECT; j < i; j++)
			assert_string_not_equal(
			        smtp_stage_name((enum smtp_stage)i), smtp_stage_name((enum smtp_stage)j));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_descriptions),
		cmocka_unit_test(test_description_is_cut_at_a_character),
		cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
