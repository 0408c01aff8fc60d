/* Mail transactions against scripted servers: what goes over the wire and in how many pieces, each refusal at
 * each stage, cut and silent connections before and after the final dot, and addresses that must not go out.
 */
#include "smtp_script.h"

/* -- Delivery ------------------------------------------------------------------------------------ */

static void a_mail_arrives(void **state)
{
	struct state *s = *state;
	struct reply *reply = mail_one(s);
	assert_delivered(reply);
	assert_string_equal(reply->enhanced, "2.0.0");
	assert_string_equal(reply->text, "Ok: queued as 4711");
	assert_true(logged(s, "EHLO worker.example\n"
	                      "MAIL FROM:<welcome@usher.example> SIZE=28\n"
	                      "RCPT TO:<minsu@member.example>\nDATA\n"
	                      "Subject: Hello\n\nWelcome.\n.\n"));
}

static void without_pipelining_each_answer_is_awaited(void **state)
{
	struct state *s = *state;
	s->script.offers = "";
	assert_delivered(mail_one(s));
	assert_delivered(mail_one(s));
	assert_true(logged(s, "MAIL FROM:<welcome@usher.example>\nRCPT TO:<minsu@member.example>\nDATA\n"));
	assert_int_equal(s->script.mails, 2);
	assert_int_equal(s->server.connections, 1);
}

static void many_mails_take_one_connection(void **state)
{
	struct state *s = *state;
	for (int i = 0; i < 50; i++)
		mail_to(s, "minsu@member.example");
	run(s);
	for (int i = 0; i < 50; i++)
		assert_delivered(&s->replies[i]);
	assert_int_equal(s->server.connections, 1);
	assert_int_equal(smtp_pool_stats(s->pool).opened_total, 1);
	assert_int_equal(smtp_pool_stats(s->pool).open, 1);
	assert_int_equal(smtp_pool_stats(s->pool).busy, 0);
}

static void the_pool_grows_with_the_queue_up_to_its_limit(void **state)
{
	struct state *s = *state;
	s->settings.connections = 5;
	mail_one(s);
	assert_int_equal(s->server.connections, 1);
	for (int i = 0; i < 3; i++)
		mail_to(s, "minsu@member.example");
	run(s);
	assert_in_range(s->server.connections, 1, 3);
	for (int i = 0; i < 100; i++)
		mail_to(s, "minsu@member.example");
	run(s);
	assert_in_range(s->server.connections, 3, 5);
	assert_int_equal(s->script.mails, 104);
}

static void dots_are_stuffed(void **state)
{
	struct state *s = *state;
	mail_data(s, "a@b.example", "c@d.example", ".first\r\n..two\r\nx.y\r\n.\r\nend without a line's end");
	assert_delivered(run(s));
	assert_true(logged(s, "DATA\n..first\n...two\nx.y\n..\nend without a line's end\n.\n"));
	assert_int_equal(s->script.mails, 1);
	mail_data(s, "a@b.example", "c@d.example", "");
	assert_delivered(run(s));
}

static void eight_bit_content_is_announced(void **state)
{
	struct state *s = *state;
	mail_data(s, "a@b.example", "c@d.example", "안녕하세요\r\n");
	assert_delivered(run(s));
	assert_true(logged(s, "MAIL FROM:<a@b.example> SIZE=17 BODY=8BITMIME\n"));
}

static void large_content_goes_in_pieces(void **state)
{
	struct state *s = *state;
	size_t len = 8 * 1024 * 1024;
	char *data = malloc(len + 1);
	for (size_t i = 0; i < len; i++)
		data[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : 'x';
	data[len] = '\0';
	s->script.slow_reader = true; /* until the socket is full for sure */
	s->timer = loop_timer_new(s->loop, let_it_read, s);
	loop_timer_start(s->timer, 100);
	mail_data(s, "a@b.example", "c@d.example", data);
	assert_delivered(run(s));
	assert_int_equal(s->script.mails, 1);
	mail_one(s);
	assert_int_equal(s->server.connections, 1);
	free(data);
}

/* -- Refusals --------------------------------------------------------------------------------------- */

static void both_ways(struct state *s, void (*check)(struct state *s))
{
	for (int pipelined = 1; pipelined >= 0; pipelined--) {
		s->script.offers = pipelined ? NULL : "";
		smtp_pool_free(s->pool);
		s->pool = NULL;
		check(s);
	}
}

static void check_mail_refused(struct state *s)
{
	s->script.mail = "452 4.3.1 Insufficient storage\r\n";
	assert_refused(mail_one(s), SMTP_MAIL, 452, "4.3.1", "Insufficient storage");
	s->script.mail = NULL;
	assert_delivered(mail_one(s));
}

static void a_refused_sender_is_told_and_the_connection_used_on(void **state)
{
	both_ways(*state, check_mail_refused);
	assert_int_equal(((struct state *)*state)->server.connections, 2);
}

static void check_rcpt_refused(struct state *s)
{
	s->script.rcpt = "550 5.1.1 No such user\r\n";
	assert_refused(mail_one(s), SMTP_RCPT, 550, "5.1.1", "No such user");
	s->script.rcpt = NULL;
	assert_delivered(mail_one(s));
}

static void a_refused_recipient_is_told_and_the_connection_used_on(void **state)
{
	struct state *s = *state;
	both_ways(s, check_rcpt_refused);
	assert_int_equal(s->server.connections, 2);
	assert_int_equal(s->script.rsets, 2);
	assert_int_equal(s->script.mails, 2);
}

static void check_rcpt_refused_data_accepted(struct state *s)
{
	s->script.rcpt = "550 5.1.1 No such user\r\n";
	s->script.data = "354 Go ahead all the same\r\n";
	assert_refused(mail_one(s), SMTP_RCPT, 550, "5.1.1", "No such user");
	s->script.rcpt = NULL;
	assert_delivered(mail_one(s));
}

static void a_server_that_wants_data_for_nobody_gets_a_lone_dot(void **state)
{
	struct state *s = *state;
	check_rcpt_refused_data_accepted(s);
	assert_true(logged(s, "DATA\n.\nRSET\nMAIL FROM"));
	assert_int_equal(s->script.mails, 1);
	assert_int_equal(s->server.connections, 1);
}

static void no_empty_mail_goes_to_a_recipient_when_the_sender_was_refused(void **state)
{
	struct state *s = *state;
	s->script.mail = "550 5.7.1 Not you\r\n";
	s->script.careless = true;
	assert_refused(mail_one(s), SMTP_MAIL, 550, "5.7.1", "Not you");
	assert_int_equal(s->script.mails, 0);
	assert_false(logged(s, "DATA\n."));
}

static void check_data_refused(struct state *s)
{
	s->script.data = "554 5.7.1 Not today\r\n";
	assert_refused(mail_one(s), SMTP_DATA, 554, "5.7.1", "Not today");
	s->script.data = NULL;
	assert_delivered(mail_one(s));
}

static void a_refused_data_is_told_and_the_connection_used_on(void **state)
{
	both_ways(*state, check_data_refused);
	assert_int_equal(((struct state *)*state)->server.connections, 2);
}

static void check_dot_refused(struct state *s)
{
	s->script.dot = "554-5.7.1 Message looks\r\n554-5.7.1 like\r\n554 5.7.1 spam\r\n";
	assert_refused(mail_one(s), SMTP_DOT, 554, "5.7.1", "Message looks like spam");
	s->script.dot = NULL;
	assert_delivered(mail_one(s));
}

static void refused_content_is_told_with_all_its_lines(void **state)
{
	both_ways(*state, check_dot_refused);
	assert_int_equal(((struct state *)*state)->server.connections, 2);
}

static void one_bad_address_does_not_touch_its_neighbours(void **state)
{
	struct state *s = *state;
	s->script.good_only_to = "good";
	s->script.rcpt = "550 5.1.1 No such user\r\n";
	for (int i = 0; i < 40; i++)
		mail_to(s, i % 3 ? "good@member.example" : "bad@member.example");
	run(s);
	for (int i = 0; i < 40; i++) {
		if (i % 3)
			assert_delivered(&s->replies[i]);
		else
			assert_int_equal(s->replies[i].code, 550);
	}
	assert_int_equal(s->server.connections, 1);
}

static void a_good_bye_at_each_stage_is_told_with_its_code(void **state)
{
	struct state *s = *state;
	const char *bye = "!421 4.3.2 Shutting down\r\n";
	s->script.mail = bye;
	assert_refused(mail_one(s), SMTP_MAIL, 421, "4.3.2", "Shutting down");
	s->script.mail = NULL;
	s->script.rcpt = bye;
	assert_refused(mail_one(s), SMTP_RCPT, 421, "4.3.2", "Shutting down");
	s->script.rcpt = NULL;
	s->script.data = bye;
	assert_refused(mail_one(s), SMTP_DATA, 421, "4.3.2", "Shutting down");
	s->script.data = NULL;
	s->script.dot = bye;
	assert_refused(mail_one(s), SMTP_DOT, 421, "4.3.2", "Shutting down");
	s->script.dot = NULL;
	assert_delivered(mail_one(s));
	assert_int_equal(s->server.connections, 5);
}

static void an_answer_that_makes_no_sense_is_a_protocol_fault(void **state)
{
	static const char *const nonsense[] = { "hello?\r\n", "250-one\r\n550 two\r\n", "25 short\r\n",
		"999 no\r\n", "354 too early\r\n", "250\x7fjunk\r\n" };
	struct state *s = *state;
	for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
		s->script.mail = nonsense[i];
		assert_fault(mail_one(s), FAULT_PROTOCOL, SMTP_MAIL, false);
	}
	s->script.mail = NULL;
	s->script.data = "250 What would that mean?\r\n";
	assert_fault(mail_one(s), FAULT_PROTOCOL, SMTP_DATA, false);
	s->script.data = NULL;
	s->script.dot = "354 More?\r\n";
	assert_fault(mail_one(s), FAULT_PROTOCOL, SMTP_DOT, true);
}

static void an_endless_answer_is_a_protocol_fault(void **state)
{
	static char line[4001],
	        lines[200 * 8 + 1]; /* static: the server's thread may be in them to its end */
	struct state *s = *state;
	snprintf(line, sizeof line, "250 %03990d\r\n", 7);
	s->script.mail = line;
	assert_fault(mail_one(s), FAULT_PROTOCOL, SMTP_MAIL, false);
	for (int i = 0; i < 200; i++)
		strcat(lines, "250-on\r\n");
	s->script.mail = lines;
	assert_fault(mail_one(s), FAULT_PROTOCOL, SMTP_MAIL, false);
}

static void the_servers_words_are_cleaned(void **state)
{
	struct state *s = *state;
	s->script.rcpt = "550 5.1.1 no\tsuch \x1b[31muser\xff\r\n";
	assert_refused(mail_one(s), SMTP_RCPT, 550, "5.1.1", "no such  [31muser?");
	s->script.rcpt = "550 plain words\r\n";
	assert_refused(mail_one(s), SMTP_RCPT, 550, "", "plain words");
	s->script.rcpt = "550\r\n";
	assert_refused(mail_one(s), SMTP_RCPT, 550, "", "");
}

/* -- Cut and silent connections ------------------------------------------------------------------------ */

static void a_cut_before_the_dot_had_no_effect(void **state)
{
	struct state *s = *state;
	s->script.mail = "!";
	assert_fault(mail_one(s), FAULT_CONNECT, SMTP_MAIL, false);
	s->script.mail = NULL;
	s->script.rcpt = "!";
	assert_fault(mail_one(s), FAULT_CONNECT, SMTP_RCPT, false);
	s->script.rcpt = NULL;
	s->script.data = "!";
	assert_fault(mail_one(s), FAULT_CONNECT, SMTP_DATA, false);
	assert_int_equal(s->server.connections, 3);
}

static void a_cut_after_the_dot_may_have_had_its_effect(void **state)
{
	struct state *s = *state;
	s->script.dot = "!";
	assert_fault(mail_one(s), FAULT_CONNECT, SMTP_DOT, true);
	assert_int_equal(s->script.mails, 1);
	assert_int_equal(s->server.connections, 1); /* and nobody sent it again */
}

static void a_refusal_counts_more_than_the_cut_behind_it(void **state)
{
	struct state *s = *state;
	s->script.rcpt = "!550 5.1.1 No such user\r\n";
	assert_refused(mail_one(s), SMTP_RCPT, 550, "5.1.1", "No such user");
}

static void silence_before_the_dot_is_a_timeout(void **state)
{
	struct state *s = *state;
	s->settings.timeout_ms = 150;
	s->script.mail = "";
	assert_fault(mail_one(s), FAULT_TIMEOUT, SMTP_MAIL, false);
	s->script.mail = NULL;
	s->script.data = "";
	assert_fault(mail_one(s), FAULT_TIMEOUT, SMTP_DATA, false);
	assert_in_range(s->replies[1].latency_ms, 140, 5000);
}

static void silence_after_the_dot_may_have_had_its_effect(void **state)
{
	struct state *s = *state;
	s->settings.timeout_ms = 1000; /* long enough for a busy machine to connect in */
	s->script.dot = "";
	assert_fault(mail_one(s), FAULT_TIMEOUT, SMTP_DOT, true);
	assert_int_equal(s->script.mails, 1);
}

static void a_server_that_stops_reading_content_had_no_dot(void **state)
{
	struct state *s = *state;
	size_t len = 16 * 1024 * 1024;
	char *data = malloc(len + 1);
	memset(data, 'x', len);
	data[len] = '\0';
	s->settings.timeout_ms = 300;
	s->script.slow_reader = true;
	mail_data(s, "a@b.example", "c@d.example", data);
	assert_fault(run(s), FAULT_TIMEOUT, SMTP_DATA, false);
	free(data);
}

static void hold_up(void *arg)
{
	struct state *s = arg;
	mono_time start = mono_now();
	while (mono_since_ms(start, mono_now()) < 600 || s->script.mails == 0)
		;
}

static void hold_up_when_slow(void *arg)
{
	let_it_read(arg);
	hold_up(arg);
}

static void a_thread_held_up_invents_no_timeout(void **state)
{
	struct state *s = *state;
	s->settings.timeout_ms = 400;
	s->script.slow_reader = true; /* the answer to the content comes only while the thread is held up */
	s->timer = loop_timer_new(s->loop, hold_up_when_slow, s);
	loop_timer_start(s->timer, 150);
	assert_delivered(mail_one(s));
}

/* -- Addresses
 * --------------------------------------------------------------------------------------------------- */

static void addresses_that_cannot_go_out_do_not(void **state)
{
	static const struct {
		const char *address, *words;
	} bad[] = {
		{ "a@b\r\nRCPT TO:<evil@x>", "control" },
		{ "a\n@b.example", "control" },
		{ "a b@c.example", "space" },
		{ "<a@b.example>", "< or >" },
		{ "a@b.example>", "< or >" },
		{ "nobody", "no @" },
		{ "", "no @" },
		{ "@b.example", "before" },
		{ "a@", "behind" },
		{ "a@b@c.example", "before" },
		{ "a,b@c.example", "before" },
		{ "a@b,c.example", "behind" },
		{ "a@b.example:25", "behind" },
		{ "\"a@b.example", "before" },
		{ "\"a\"b\"@c.example", "before" },
		{ "a\\@b.example", "before" },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@b.example",
		        "longer than 64" },
		{ "a@[1.2.3.4", "behind" },
		{ "a\x7f@b.example", "control" },
		{ "\xff\xfe@b.example", "UTF-8" },
	};
	struct state *s = *state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		mail_to(s, bad[i].address);
		struct reply *reply = run(s);
		assert_fault(reply, FAULT_BAD_ADDRESS, SMTP_RCPT, false);
		if (!strstr(reply->text, bad[i].words))
			fail_msg("%s: %s", bad[i].address, reply->text);
	}
	char domain[300] = "a@";
	memset(domain + 2, 'd', 256);
	mail_to(s, domain);
	assert_fault(run(s), FAULT_BAD_ADDRESS, SMTP_RCPT, false);
	assert_int_equal(s->server.connections, 0);
}

static void unusual_addresses_go_out_as_they_are(void **state)
{
	static const char *const good[] = { "a+tag@b.example", "o'brien@b.example",
		"user..name@docomo.example", "\"quoted,local\"@b.example", "a@[192.0.2.1]",
		"a@[IPv6:2001:db8::1]", "a@xn--bcher-kva.example", "!#$%&'*+-/=?^_`{|}~@b.example" };
	struct state *s = *state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		char command[128];
		mail_to(s, good[i]);
		assert_delivered(run(s));
		snprintf(command, sizeof command, "RCPT TO:<%s>\n", good[i]);
		assert_true(logged(s, command));
	}
}

static void letters_outside_ascii_need_smtputf8(void **state)
{
	struct state *s = *state;
	mail_to(s, "민수@member.example");
	assert_fault(run(s), FAULT_BAD_ADDRESS, SMTP_RCPT, false);
	mail_to(s, "minsu@회원.example");
	assert_fault(run(s), FAULT_BAD_ADDRESS, SMTP_RCPT, false);
	assert_false(logged(s, "RCPT"));
	smtp_pool_free(s->pool);
	s->pool = NULL;
	s->script.offers = "250-PIPELINING\r\n250-SMTPUTF8\r\n";
	mail_to(s, "민수@member.example");
	assert_delivered(run(s));
	assert_true(logged(s, "MAIL FROM:<welcome@usher.example> SMTPUTF8\nRCPT TO:<민수@member.example>\n"));
	assert_delivered(mail_one(s));
	assert_true(logged(s, "MAIL FROM:<welcome@usher.example>\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_mail_arrives),
		CASE(without_pipelining_each_answer_is_awaited),
		CASE(many_mails_take_one_connection),
		CASE(the_pool_grows_with_the_queue_up_to_its_limit),
		CASE(dots_are_stuffed),
		CASE(eight_bit_content_is_announced),
		CASE(large_content_goes_in_pieces),
		CASE(a_refused_sender_is_told_and_the_connection_used_on),
		CASE(a_refused_recipient_is_told_and_the_connection_used_on),
		CASE(a_server_that_wants_data_for_nobody_gets_a_lone_dot),
		CASE(no_empty_mail_goes_to_a_recipient_when_the_sender_was_refused),
		CASE(a_refused_data_is_told_and_the_connection_used_on),
		CASE(refused_content_is_told_with_all_its_lines),
		CASE(one_bad_address_does_not_touch_its_neighbours),
		CASE(a_good_bye_at_each_stage_is_told_with_its_code),
		CASE(an_answer_that_makes_no_sense_is_a_protocol_fault),
		CASE(an_endless_answer_is_a_protocol_fault),
		CASE(the_servers_words_are_cleaned),
		CASE(a_cut_before_the_dot_had_no_effect),
		CASE(a_cut_after_the_dot_may_have_had_its_effect),
		CASE(a_refusal_counts_more_than_the_cut_behind_it),
		CASE(silence_before_the_dot_is_a_timeout),
		CASE(silence_after_the_dot_may_have_had_its_effect),
		CASE(a_server_that_stops_reading_content_had_no_dot),
		CASE(a_thread_held_up_invents_no_timeout),
		CASE(addresses_that_cannot_go_out_do_not),
		CASE(unusual_addresses_go_out_as_they_are),
		CASE(letters_outside_ascii_need_smtputf8),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
