/* From replies to failure classes: the tables that the manual shows. */
#include "policy/classify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void expect(const struct reply *reply, const char *name)
{
	char text[300];
	const char *got = failure_info(classify_reply(reply))->name;
	if (strcmp(got, name) != 0)
		fail_msg("%s: \"%s\", expected \"%s\"", reply_describe(reply, text, sizeof text), got, name);
}

static void test_smtp_answers(void **state)
{
	(void)state;
	static const struct {
		enum smtp_stage stage;
		int code;
		const char *enhanced, *text, *name;
	} cases[] = {
		{ SMTP_DOT, 250, "2.0.0", "queued as 1", "" },
		{ SMTP_RCPT, 251, "", "user not local; will forward", "" },
		/* Temporary. */
		{ SMTP_CONNECT, 421, "", "closing", "service_down" },
		{ SMTP_RCPT, 421, "4.7.0", "too many connections", "service_down" },
		{ SMTP_RCPT, 450, "4.2.0", "greylisted", "service_down" },
		{ SMTP_RCPT, 450, "4.7.1", "try later", "rate_limited" },
		{ SMTP_MAIL, 451, "4.7.0", "", "rate_limited" },
		{ SMTP_DOT, 452, "4.7.28", "", "rate_limited" },
		{ SMTP_RCPT, 454, "4.7.0", "TLS not available", "service_down" },
		{ SMTP_RCPT, 450, "4.71.1", "", "service_down" },
		{ SMTP_DOT, 451, "4.3.0", "local error", "service_down" },
		{ SMTP_DOT, 452, "4.3.1", "insufficient system storage", "service_down" },
		{ SMTP_DOT, 452, "", "Sending limit exceeded", "rate_limited" },
		{ SMTP_MAIL, 450, "", "Rate limit exceeded", "rate_limited" },
		{ SMTP_RCPT, 452, "4.5.3", "Too many recipients", "rate_limited" },
		{ SMTP_RCPT, 452, "4.2.2", "mailbox full: too many messages", "service_down" },
		{ SMTP_DOT, 454, "", "Throttling failure: Maximum sending rate exceeded.", "rate_limited" },
		{ SMTP_DOT, 454, "", "Throttling failure: Daily message quota exceeded.", "rate_limited" },
		{ SMTP_DOT, 499, "", "", "service_down" },
		/* The address. */
		{ SMTP_RCPT, 550, "5.1.1", "no such user", "invalid_address" },
		{ SMTP_RCPT, 551, "5.1.6", "moved", "invalid_address" },
		{ SMTP_RCPT, 553, "5.1.3", "bad syntax", "invalid_address" },
		{ SMTP_RCPT, 501, "5.1.3", "bad syntax", "invalid_address" },
		{ SMTP_RCPT, 556, "5.1.10", "domain takes no mail", "invalid_address" },
		{ SMTP_DOT, 550, "5.1.1", "no such user", "invalid_address" },
		{ SMTP_RCPT, 550, "", "user unknown", "invalid_address" },
		{ SMTP_RCPT, 551, "", "user not local", "invalid_address" },
		{ SMTP_RCPT, 553, "", "mailbox name not allowed", "invalid_address" },
		/* Our own address, or the message. */
		{ SMTP_MAIL, 550, "5.1.8", "sender's domain", "rejected" },
		{ SMTP_MAIL, 553, "5.1.7", "sender", "rejected" },
		{ SMTP_RCPT, 550, "5.1.8", "sender's domain", "rejected" },
		{ SMTP_RCPT, 553, "5.1.7", "sender", "rejected" },
		{ SMTP_MAIL, 550, "", "", "rejected" },
		{ SMTP_DATA, 550, "", "", "rejected" },
		{ SMTP_DOT, 550, "", "looks like spam", "rejected" },
		{ SMTP_RCPT, 550, "5.7.1", "relaying denied", "rejected" },
		{ SMTP_RCPT, 550, "5.2.1", "mailbox disabled", "rejected" },
		{ SMTP_RCPT, 550, "5.10.1", "", "rejected" },
		{ SMTP_RCPT, 552, "", "over quota", "rejected" },
		{ SMTP_DOT, 552, "5.3.4", "too big", "rejected" },
		{ SMTP_DOT, 554, "5.7.1", "spam", "rejected" },
		{ SMTP_RCPT, 501, "", "", "rejected" },
		{ SMTP_MAIL, 500, "", "", "rejected" },
		/* Our login. */
		{ SMTP_MAIL, 530, "5.7.0", "authentication required", "misconfigured" },
		{ SMTP_CONNECT, 534, "", "", "misconfigured" },
		{ SMTP_CONNECT, 535, "5.7.8", "bad credentials", "misconfigured" },
		{ SMTP_CONNECT, 538, "", "", "misconfigured" },
		{ SMTP_RCPT, 530, "5.1.1", "", "misconfigured" },
		/* Nonsense. */
		{ SMTP_DOT, 0, "", "", "service_down" },
		{ SMTP_DOT, 354, "", "", "service_down" },
		{ SMTP_DOT, 600, "", "", "service_down" },
		{ SMTP_DOT, -1, "", "", "service_down" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct reply r = { .protocol = REPLY_SMTP, .stage = cases[i].stage, .code = cases[i].code };
		snprintf(r.enhanced, sizeof r.enhanced, "%s", cases[i].enhanced);
		snprintf(r.text, sizeof r.text, "%s", cases[i].text);
		expect(&r, cases[i].name);
	}
}

static void test_http_answers(void **state)
{
	(void)state;
	static const struct {
		int code;
		const char *reason, *name;
	} cases[] = {
		{ 200, "", "" },
		{ 201, "", "" },
		{ 204, "", "" },
		{ 299, "", "" },
		{ 409, "", "" },
		{ 409, "duplicate", "" },
		{ 422, "already_granted", "" },
		{ 400, "DUPLICATE", "" },
		{ 409, "out_of_stock", "out_of_stock" },
		{ 410, "out_of_stock", "out_of_stock" },
		{ 422, "Out_Of_Stock", "out_of_stock" },
		{ 429, "out_of_stock", "out_of_stock" },
		{ 403, "out_of_stock", "out_of_stock" },
		{ 429, "", "rate_limited" },
		{ 401, "", "misconfigured" },
		{ 403, "", "misconfigured" },
		{ 408, "", "timeout" },
		{ 400, "", "rejected" },
		{ 404, "", "rejected" },
		{ 410, "", "rejected" },
		{ 422, "no_such_member", "rejected" },
		{ 499, "", "rejected" },
		{ 500, "", "service_down" },
		{ 502, "", "service_down" },
		{ 503, "", "service_down" },
		{ 599, "", "service_down" },
		{ 503, "out_of_stock", "service_down" },
		{ 500, "duplicate", "service_down" },
		{ 301, "", "misconfigured" },
		{ 302, "", "misconfigured" },
		{ 304, "", "misconfigured" },
		{ 0, "", "service_down" },
		{ 100, "", "service_down" },
		{ 600, "", "service_down" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct reply r = { .protocol = REPLY_HTTP, .code = cases[i].code };
		snprintf(r.reason, sizeof r.reason, "%s", cases[i].reason);
		expect(&r, cases[i].name);
	}
	struct reply asked = { .protocol = REPLY_HTTP, .code = 503, .retry_after_ms = 30000 };
	expect(&asked, "service_down");
}

static void test_faults(void **state)
{
	(void)state;
	static const struct {
		enum reply_fault fault;
		int code;
		const char *before, *after; /* the effect could have happened */
	} cases[] = {
		{ FAULT_CONNECT, 0, "service_down", "ambiguous" },
		{ FAULT_TLS, 0, "service_down", "ambiguous" },
		{ FAULT_TIMEOUT, 0, "timeout", "ambiguous" },
		{ FAULT_PROTOCOL, 0, "service_down", "ambiguous" },
		{ FAULT_LOGIN, 0, "misconfigured", "misconfigured" },
		{ FAULT_LOGIN, 535, "misconfigured", "misconfigured" },
		{ FAULT_LOGIN, 454, "service_down",
		        "service_down" }, /* the login service is away: not our fault */
		{ FAULT_LOGIN, 421, "service_down", "service_down" },
		{ FAULT_BAD_ADDRESS, 0, "invalid_address", "invalid_address" },
		{ FAULT_BAD_TEMPLATE, 0, "misconfigured", "misconfigured" },
	};
	for (int protocol = REPLY_SMTP; protocol <= REPLY_LOCAL; protocol++) {
		for (size_t i = 0; i < COUNT(cases); i++) {
			struct reply r = { .protocol = (enum reply_protocol)protocol,
				.fault = cases[i].fault,
				.code = cases[i].code };
			expect(&r, cases[i].before);
			r.effect_possible = true;
			expect(&r, cases[i].after);
		}
	}
	/* A fault wins over a code that is left from an earlier stage. */
	struct reply cut = { .protocol = REPLY_SMTP,
		.fault = FAULT_CONNECT,
		.code = 250,
		.stage = SMTP_DOT,
		.effect_possible = true };
	expect(&cut, "ambiguous");
	/* An answer without sense after the effect may have happened. */
	struct reply odd = { .protocol = REPLY_HTTP, .code = 0, .effect_possible = true };
	expect(&odd, "ambiguous");
	/* Nothing was sent and nothing was wrong: nothing was delivered either. */
	struct reply local = { .protocol = REPLY_LOCAL };
	expect(&local, "service_down");
}

static void test_reply_lines(void **state)
{
	(void)state;
	static const struct {
		const char *line;
		int code;
		const char *enhanced, *text;
	} cases[] = {
		{ "550 5.1.1 No such user", 550, "5.1.1", "No such user" },
		{ "550-5.1.1 The account", 550, "5.1.1", "The account" },
		{ "250 OK", 250, "", "OK" },
		{ "250", 250, "", "" },
		{ "250 ", 250, "", "" },
		{ "250-", 250, "", "" },
		{ "250\r\n", 250, "", "\r\n" },
		{ "354 End data with <CR><LF>.<CR><LF>", 354, "", "End data with <CR><LF>.<CR><LF>" },
		{ "451 4.7.28", 451, "4.7.28", "" },
		{ "451 4.7.28\r\n", 451, "4.7.28", "\r\n" },
		{ "556 5.1.10 no mail", 556, "5.1.10", "no mail" },
		{ "550 5.123.456  two blanks", 550, "5.123.456", "two blanks" },
		{ "220 mx.example.com ESMTP", 220, "", "mx.example.com ESMTP" },
		{ "550 192.0.2.1 is listed", 550, "", "192.0.2.1 is listed" },
		{ "550 5.1.1.1 odd", 550, "", "5.1.1.1 odd" },
		{ "550 5.1.1234 odd", 550, "", "5.1.1234 odd" },
		{ "550 5..1 odd", 550, "", "5..1 odd" },
		{ "550 5.1. odd", 550, "", "5.1. odd" },
		{ "550 5.1 odd", 550, "", "5.1 odd" },
		{ "550 3.1.1 odd", 550, "", "3.1.1 odd" },
		{ "550 5.1.1: colon", 550, "", "5.1.1: colon" },
		{ "550 5", 550, "", "5" },
		{ "550 5.", 550, "", "5." },
		{ "550 5.1.", 550, "", "5.1." },
		{ "550 사용자 없음", 550, "", "사용자 없음" },
		/* No reply at all. */
		{ "", 0, "", "" },
		{ "5", 0, "", "5" },
		{ "55", 0, "", "55" },
		{ "55x 5.1.1 hm", 0, "", "55x 5.1.1 hm" },
		{ "5500 hm", 0, "", "5500 hm" },
		{ "550.hm", 0, "", "550.hm" },
		{ " 550 hm", 0, "", " 550 hm" },
		{ "199 hm", 0, "", "199 hm" },
		{ "600 hm", 0, "", "600 hm" },
		{ "HTTP/1.1 400 Bad Request", 0, "", "HTTP/1.1 400 Bad Request" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		char enhanced[16] = "unset";
		const char *text = NULL;
		assert_int_equal(smtp_reply_parse(cases[i].line, enhanced, &text), cases[i].code);
		assert_string_equal(enhanced, cases[i].enhanced);
		assert_string_equal(text, cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_smtp_answers),
		cmocka_unit_test(test_http_answers),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_reply_lines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
