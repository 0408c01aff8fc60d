/* Connections to scripted mail servers: warm ones, pools that grow and shrink, opening, TLS, login, probes,
 * and the end with mails under way. */
#include "smtp_script.h"

/* -- Warm connections --------------------------------------------------------------------------------------
 */

static void a_warm_connection_found_dead_costs_nothing(void **state)
{
	struct state *s = *state;
	s->script.mail_later = "!"; /* the second MAIL on a connection is met by its end */
	s->script.rcpt = "550 5.1.1 No such user\r\n";
	assert_int_equal(mail_one(s)->code, 550); /* RSET keeps the connection */
	s->script.rcpt = NULL;
	assert_delivered(mail_one(s));
	assert_int_equal(s->server.connections, 2);
	assert_int_equal(s->script.mails, 1);
}

static void a_warm_connection_that_says_good_bye_costs_nothing(void **state)
{
	struct state *s = *state;
	s->script.mail_later = "!421 4.4.2 Idle for too long\r\n";
	s->script.rcpt = "550 5.1.1 No such user\r\n";
	mail_one(s);
	s->script.rcpt = NULL;
	assert_delivered(mail_one(s));
	assert_int_equal(s->server.connections, 2);
}

static void a_server_that_closes_after_each_mail_is_served_all_the_same(void **state)
{
	struct state *s = *state;
	s->script.transactions_max = 1;
	s->settings.connections = 2;
	for (int i = 0; i < 20; i++)
		mail_to(s, "minsu@member.example");
	run(s);
	for (int i = 0; i < 20; i++)
		assert_delivered(&s->replies[i]);
	assert_int_equal(s->script.mails, 20);
}

static void stop_when_gone(void *arg)
{
	struct state *s = arg;
	if (smtp_pool_stats(s->pool).open == 0)
		loop_stop(s->loop);
	else
		loop_timer_start(s->timer, 5);
}

static void an_idle_connection_is_left_politely(void **state)
{
	struct state *s = *state;
	s->settings.idle_ms = 50;
	assert_delivered(mail_one(s));
	assert_int_equal(smtp_pool_stats(s->pool).open, 1);
	s->timer = loop_timer_new(s->loop, stop_when_gone, s);
	loop_timer_start(s->timer, 5);
	loop_run(s->loop);
	assert_int_equal(s->script.quits, 1);
	assert_delivered(mail_one(s));
	assert_int_equal(s->server.connections, 2);
}

static void a_connection_the_server_closes_while_idle_is_noticed(void **state)
{
	struct state *s = *state;
	s->script.transactions_max = 1;
	assert_delivered(mail_one(s));
	s->timer = loop_timer_new(s->loop, stop_when_gone, s);
	loop_timer_start(s->timer, 5);
	loop_run(s->loop);
	assert_delivered(mail_one(s));
}

/* -- Opening
 * ------------------------------------------------------------------------------------------------- */

static void a_refused_connection_fails_the_mails_that_wait(void **state)
{
	struct state *s = *state;
	snprintf(s->url, sizeof s->url, "smtp://127.0.0.1:%d", server_dead_port());
	s->settings.connections = 4;
	for (int i = 0; i < 30; i++)
		mail_to(s, "minsu@member.example");
	run(s);
	for (int i = 0; i < 30; i++)
		assert_fault(&s->replies[i], FAULT_CONNECT, SMTP_CONNECT, false);
	assert_in_range(smtp_pool_stats(s->pool).opened_total, 1, 4);
	assert_int_equal(smtp_pool_stats(s->pool).open, 0);
}

static void a_server_that_comes_back_is_used_at_once(void **state)
{
	struct state *s = *state;
	s->script.refused_connections = 1;
	struct reply *reply = mail_one(s);
	assert_fault(reply, FAULT_CONNECT, SMTP_CONNECT, false);
	assert_int_equal(reply->code, 421);
	assert_string_equal(reply->enhanced, "4.7.0");
	assert_string_equal(reply->text, "Too many connections");
	mono_time start = mono_now();
	assert_delivered(mail_one(s));
	assert_true(mono_since_ms(start, mono_now()) < 900);
}

static void a_server_that_allows_few_connections_gets_all_mails_through_them(void **state)
{
	struct state *s = *state;
	s->script.refused_connections = 3;
	s->settings.connections = 4;
	for (int i = 0; i < 30; i++)
		mail_to(s, "minsu@member.example");
	run(s);
	for (int i = 0; i < 30; i++)
		assert_delivered(&s->replies[i]);
}

static void a_silent_server_is_a_timeout(void **state)
{
	struct state *s = *state;
	s->settings.timeout_ms = 200;
	s->script.greeting = "";
	assert_fault(mail_one(s), FAULT_TIMEOUT, SMTP_CONNECT, false);
}

static void login_is_made(void **state)
{
	struct state *s = *state;
	s->settings.user = "usher";
	s->settings.password = "secret";
	s->script.offers = "250-PIPELINING\r\n250-AUTH PLAIN\r\n";
	assert_delivered(mail_one(s));
	assert_true(logged(s, "AUTH PLAIN"));
}

static void a_refused_login_is_told_in_the_servers_words(void **state)
{
	struct state *s = *state;
	s->settings.user = "usher";
	s->settings.password = "wrong";
	s->script.offers = "250-AUTH PLAIN\r\n";
	s->script.login = "535 5.7.8 Authentication credentials invalid\r\n";
	struct reply *reply = mail_one(s);
	assert_fault(reply, FAULT_LOGIN, SMTP_CONNECT, false);
	assert_int_equal(reply->code, 535);
	assert_string_equal(reply->enhanced, "5.7.8");
	assert_string_equal(reply->text, "Authentication credentials invalid");
}

static void a_login_that_cannot_be_checked_now_is_no_wrong_login(void **state)
{
	struct state *s = *state;
	s->settings.user = "usher";
	s->settings.password = "secret";
	s->script.offers = "250-AUTH PLAIN\r\n";
	s->script.login = "454 4.7.0 Temporary authentication failure\r\n";
	struct reply *reply = mail_one(s);
	assert_fault(reply, FAULT_CONNECT, SMTP_CONNECT, false);
	assert_int_equal(reply->code, 454);
}

static void a_server_without_login_is_a_login_fault(void **state)
{
	struct state *s = *state;
	s->settings.user = "usher";
	s->settings.password = "secret";
	assert_fault(mail_one(s), FAULT_LOGIN, SMTP_CONNECT, false);
	assert_int_equal(s->script.mails, 0);
}

/* -- Probe --------------------------------------------------------------------------------------------- */

static struct reply *probe(struct state *s)
{
	struct ticket *ticket = malloc(sizeof *ticket);
	if (!s->pool)
		s->pool = smtp_pool_new(s->loop, &s->settings);
	*ticket = (struct ticket){ s, s->number++ };
	s->waiting++;
	smtp_probe(s->pool, done, ticket);
	assert_false(s->answered[s->number - 1]);
	return run(s);
}

static void a_probe_goes_all_the_way_but_for_a_mail(void **state)
{
	struct state *s = *state;
	s->settings.user = "usher";
	s->settings.password = "secret";
	s->script.offers = "250-AUTH PLAIN\r\n";
	struct reply *reply = probe(s);
	assert_int_equal(reply->fault, FAULT_NONE);
	assert_int_equal(reply->code, 250);
	assert_true(logged(s, "AUTH PLAIN"));
	assert_true(logged(s, "NOOP"));
	assert_false(logged(s, "MAIL"));
	assert_int_equal(smtp_pool_stats(s->pool).open, 0);
	reply = probe(s); /* while the first one's connection may still say good-bye */
	assert_int_equal(reply->code, 250);
	assert_int_equal(s->server.connections, 2);
}

static void a_probe_takes_no_mails_connection(void **state)
{
	struct state *s = *state;
	s->script.dot = "250 2.0.0 Ok\r\n";
	mail_to(s, "minsu@member.example");
	mail_to(s, "minji@member.example");
	probe(s);
	for (int i = 0; i < 2; i++)
		assert_delivered(&s->replies[i]);
	assert_int_equal(s->replies[2].code, 250);
	assert_int_equal(s->server.connections, 2);
	assert_delivered(mail_one(s)); /* on the warm one */
	assert_int_equal(s->server.connections, 2);
}

static void a_probe_that_fails_says_why(void **state)
{
	struct state *s = *state;
	s->settings.timeout_ms = 200;
	s->script.greeting = "!421 4.3.2 Down for maintenance\r\n";
	struct reply *reply = probe(s);
	assert_fault(reply, FAULT_CONNECT, SMTP_CONNECT, false);
	assert_int_equal(reply->code, 421);
	assert_string_equal(reply->text, "Down for maintenance");
	s->script.greeting = NULL;
	s->script.noop = "421 4.3.2 Going down\r\n";
	reply = probe(s);
	assert_int_equal(reply->code, 421);
	assert_string_equal(reply->text, "Going down");
	s->script.noop = "!";
	assert_fault(probe(s), FAULT_CONNECT, SMTP_CONNECT, false);
	s->script.noop = "";
	assert_fault(probe(s), FAULT_TIMEOUT, SMTP_CONNECT, false);
	s->script.noop = "what\r\n";
	assert_fault(probe(s), FAULT_PROTOCOL, SMTP_CONNECT, false);
	s->script.noop = NULL;
	assert_int_equal(probe(s)->code, 250);
}

static void a_probe_of_a_dead_port_hurts_no_mails(void **state)
{
	struct state *s = *state;
	snprintf(s->url, sizeof s->url, "smtp://127.0.0.1:%d", server_dead_port());
	assert_fault(probe(s), FAULT_CONNECT, SMTP_CONNECT, false);
	assert_fault(mail_one(s), FAULT_CONNECT, SMTP_CONNECT, false);
}

static void a_probe_tells_a_refused_login(void **state)
{
	struct state *s = *state;
	s->settings.user = "usher";
	s->settings.password = "wrong";
	s->script.offers = "250-AUTH PLAIN\r\n";
	s->script.login = "535 5.7.8 Authentication credentials invalid\r\n";
	struct reply *reply = probe(s);
	assert_fault(reply, FAULT_LOGIN, SMTP_CONNECT, false);
	assert_int_equal(reply->code, 535);
}

/* -- TLS
 * ------------------------------------------------------------------------------------------------------- */

static void use_tls(struct state *s, const char *names, enum smtp_tls tls)
{
	authority_make(&s->authority);
	s->script.tls = authority_context(&s->authority, names);
	s->script.offers =
	        tls == SMTP_TLS_STARTTLS ? "250-STARTTLS\r\n250-PIPELINING\r\n" : "250-PIPELINING\r\n";
	s->script.implicit_tls = tls == SMTP_TLS_IMPLICIT;
	s->settings.tls = tls;
	s->settings.ca_file = s->authority.file;
}

static void starttls_carries_mails(void **state)
{
	struct state *s = *state;
	use_tls(s, "IP:127.0.0.1", SMTP_TLS_STARTTLS);
	for (int i = 0; i < 10; i++)
		mail_to(s, "minsu@member.example");
	assert_delivered(run(s));
	assert_true(logged(s, "STARTTLS\nEHLO worker.example\nMAIL FROM"));
	assert_int_equal(s->server.connections, 1);
}

static void implicit_tls_carries_mails(void **state)
{
	struct state *s = *state;
	use_tls(s, "IP:127.0.0.1", SMTP_TLS_IMPLICIT);
	for (int i = 0; i < 10; i++)
		mail_to(s, "minsu@member.example");
	assert_delivered(run(s));
	assert_int_equal(s->script.mails, 10);
}

static void tls_carries_large_content(void **state)
{
	struct state *s = *state;
	size_t len = 4 * 1024 * 1024;
	char *data = malloc(len + 1);
	for (size_t i = 0; i < len; i++)
		data[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : 'x';
	data[len] = '\0';
	use_tls(s, "IP:127.0.0.1", SMTP_TLS_IMPLICIT);
	s->script.slow_reader = true;
	s->timer = loop_timer_new(s->loop, let_it_read, s);
	loop_timer_start(s->timer, 100);
	mail_data(s, "a@b.example", "c@d.example", data);
	assert_delivered(run(s));
	free(data);
}

static void a_server_without_starttls_gets_no_mail(void **state)
{
	struct state *s = *state;
	s->settings.tls = SMTP_TLS_STARTTLS;
	assert_fault(mail_one(s), FAULT_TLS, SMTP_CONNECT, false);
	assert_false(logged(s, "MAIL"));
}

static void check_wrong_certificates(struct state *s, enum smtp_tls tls)
{
	use_tls(s, "DNS:mail.example", tls); /* another's name */
	assert_fault(mail_one(s), FAULT_TLS, SMTP_CONNECT, false);
	smtp_pool_free(s->pool);
	s->pool = NULL;
	SSL_CTX_free(s->script.tls);
	s->script.tls = authority_context(&s->authority, "IP:127.0.0.1");
	authority_make(&s->stranger);
	s->settings.ca_file = s->stranger.file; /* another's signature */
	assert_fault(mail_one(s), FAULT_TLS, SMTP_CONNECT, false);
	smtp_pool_free(s->pool);
	s->pool = NULL;
	s->settings.ca_file = s->authority.file;
	assert_delivered(mail_one(s)); /* and with both right it works: the faults were the certificate's */
}

static void a_wrong_certificate_is_a_tls_fault(void **state)
{
	check_wrong_certificates(*state, SMTP_TLS_IMPLICIT);
}

static void a_wrong_certificate_behind_starttls_is_a_tls_fault(void **state)
{
	check_wrong_certificates(*state, SMTP_TLS_STARTTLS);
}

/* -- Ending
 * ---------------------------------------------------------------------------------------------------------
 */

static void stop_loop(void *arg)
{
	loop_stop(((struct state *)arg)->loop);
}

static void free_ticket(void *arg, const struct reply *reply)
{
	(void)arg, (void)reply;
	fail_msg("called back after the pool was freed");
}

static void freeing_with_mails_under_way_is_silent(void **state)
{
	struct state *s = *state;
	s->settings.connections = 3;
	s->script.dot = "";
	s->pool = smtp_pool_new(s->loop, &s->settings);
	for (int i = 0; i < 20; i++) {
		struct smtp_mail mail = {
			.from = "a@b.example", .to = "c@d.example", .data = strdup(TEXT), .len = strlen(TEXT)
		};
		smtp_send(s->pool, &mail, free_ticket, s);
	}
	struct smtp_mail bad = {
		.from = "a@b.example", .to = "nobody", .data = strdup(TEXT), .len = strlen(TEXT)
	};
	s->timer = loop_timer_new(s->loop, stop_loop, s);
	loop_timer_start(s->timer, 50);
	loop_run(s->loop);
	smtp_send(s->pool, &bad, free_ticket, s);
	assert_int_equal(smtp_pool_stats(s->pool).busy, 3);
	smtp_pool_free(s->pool);
	s->pool = NULL;
	loop_timer_start(s->timer, 10);
	loop_run(s->loop);
}

static void freeing_while_connections_are_opened_is_silent(void **state)
{
	struct state *s = *state;
	s->script.greeting = "";
	s->pool = smtp_pool_new(s->loop, &s->settings);
	struct smtp_mail mail = {
		.from = "a@b.example", .to = "c@d.example", .data = strdup(TEXT), .len = strlen(TEXT)
	};
	smtp_send(s->pool, &mail, free_ticket, s);
	s->timer = loop_timer_new(s->loop, stop_loop, s);
	loop_timer_start(s->timer, 30);
	loop_run(s->loop);
	mono_time start = mono_now();
	smtp_pool_free(s->pool);
	s->pool = NULL;
	assert_true(mono_since_ms(start, mono_now()) < 1000); /* curl must not wait for a QUIT's answer */
}

static void freeing_with_a_probe_under_way_is_silent(void **state)
{
	struct state *s = *state;
	static const char *const greetings[] = { "", NULL };
	s->script.noop = "";
	s->timer = loop_timer_new(s->loop, stop_loop, s);
	for (size_t i = 0; i < 2; i++) {
		s->script.greeting = greetings[i];
		s->pool = smtp_pool_new(s->loop, &s->settings);
		smtp_probe(s->pool, free_ticket, s);
		loop_timer_start(s->timer, 50);
		loop_run(s->loop);
		smtp_pool_free(s->pool);
		s->pool = NULL;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_warm_connection_found_dead_costs_nothing),
		CASE(a_warm_connection_that_says_good_bye_costs_nothing),
		CASE(a_server_that_closes_after_each_mail_is_served_all_the_same),
		CASE(an_idle_connection_is_left_politely),
		CASE(a_connection_the_server_closes_while_idle_is_noticed),
		CASE(a_refused_connection_fails_the_mails_that_wait),
		CASE(a_server_that_comes_back_is_used_at_once),
		CASE(a_server_that_allows_few_connections_gets_all_mails_through_them),
		CASE(a_silent_server_is_a_timeout),
		CASE(login_is_made),
		CASE(a_refused_login_is_told_in_the_servers_words),
		CASE(a_login_that_cannot_be_checked_now_is_no_wrong_login),
		CASE(a_server_without_login_is_a_login_fault),
		CASE(a_probe_goes_all_the_way_but_for_a_mail),
		CASE(a_probe_takes_no_mails_connection),
		CASE(a_probe_that_fails_says_why),
		CASE(a_probe_of_a_dead_port_hurts_no_mails),
		CASE(a_probe_tells_a_refused_login),
		CASE(starttls_carries_mails),
		CASE(implicit_tls_carries_mails),
		CASE(tls_carries_large_content),
		CASE(a_server_without_starttls_gets_no_mail),
		CASE(a_wrong_certificate_is_a_tls_fault),
		CASE(a_wrong_certificate_behind_starttls_is_a_tls_fault),
		CASE(freeing_with_mails_under_way_is_silent),
		CASE(freeing_while_connections_are_opened_is_silent),
		CASE(freeing_with_a_probe_under_way_is_silent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
