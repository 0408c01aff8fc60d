/* Mail transactions against scripted servers in threads: what goes over the wire and in how many
 * pieces, each refusal at each stage, cut and silent connections before and after the final dot,
 * warm connections, pools that grow and shrink, TLS, login, and addresses that must not go out. */
#include "net/smtp.h"

#include "base/clock.h"
#include "../support/certificate.h"
#include "../support/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define LOG_MAX 65536
#define REPLIES_MAX 256

typedef const char *_Atomic scripted; /* the test changes it while the server runs */

/* How the server behaves. An answer that is NULL is the friendly one; "" is silence; one that begins
 * with '!' closes the connection after the rest of it has been said. */
struct script {
	scripted greeting, offers; /* offers: EHLO lines behind the first, "250-PIPELINING\r\n..." */
	scripted mail, rcpt, data, dot, rset, noop;
	scripted mail_later;   /* the answer to MAIL from a connection's second transaction on */
	scripted good_only_to; /* RCPT: others get `rcpt` */
	scripted login;        /* the answer to AUTH */
	SSL_CTX *tls;
	bool implicit_tls;
	bool careless;           /* takes RCPT without MAIL */
	int transactions_max;    /* then the connection closes after the answer; 0 = never */
	int refused_connections; /* so many first ones are greeted with 421 */
	atomic_bool slow_reader; /* waits with reading content until it is cleared */
	atomic_int mails, rsets, quits;
	char log[LOG_MAX]; /* commands as they came, a line each; content in between */
	size_t log_len;
};

struct state {
	struct loop *loop;
	struct smtp_pool *pool;
	struct server server;
	struct script script;
	struct smtp_settings settings;
	struct authority authority, stranger;
	char url[128];
	int waiting, answers;
	struct reply replies[REPLIES_MAX]; /* by mail */
	bool answered[REPLIES_MAX];
	struct loop_timer *timer;
	int number;
};

/* -- The server ---------------------------------------------------------------------------- */

static void record(struct server *server, const char *bytes, size_t len)
{
	struct script *script = server->script;
	pthread_mutex_lock(&server->mutex);
	if (script->log_len + len + 2 < LOG_MAX) {
		memcpy(script->log + script->log_len, bytes, len);
		script->log_len += len;
		script->log[script->log_len++] = '\n';
		script->log[script->log_len] = '\0';
	}
	pthread_mutex_unlock(&server->mutex);
}

/* False when the connection shall end. */
static bool answer(struct peer *peer, const char *said, const char *friendly)
{
	if (said && !*said) {
		peer_drain(peer);
		return false;
	}
	if (said && *said == '!') {
		peer_say(peer, said + 1);
		return false;
	}
	return peer_say(peer, said ? said : friendly);
}

static bool take_content(struct server *server, struct peer *peer)
{
	struct script *script = server->script;
	char line[4096];

	while (script->slow_reader)
		usleep(1000);
	for (;;) {
		if (!peer_line(peer, line, sizeof line))
			return false;
		record(server, line, strlen(line));
		if (strcmp(line, ".") == 0)
			return true;
	}
}

struct session {
	bool mail, rcpt;
	int transactions;
};

static bool on_rcpt(struct script *script, struct peer *peer, struct session *session, const char *line)
{
	if (!session->mail && !script->careless)
		return answer(peer, NULL, "503 5.5.1 MAIL first\r\n");
	const char *good_only_to = script->good_only_to, *scripted_answer = script->rcpt;
	bool good = good_only_to ? strstr(line, good_only_to) != NULL : !scripted_answer;
	session->rcpt = good;
	return answer(peer, good ? NULL : scripted_answer, "250 2.1.5 Ok\r\n");
}

static bool on_data(struct server *server, struct peer *peer, struct session *session)
{
	struct script *script = server->script;
	const char *data = script->data;

	if (!data && !session->rcpt)
		return answer(peer, NULL, "503 5.5.1 No valid recipients\r\n");
	if (!answer(peer, data, "354 Go ahead\r\n"))
		return false;
	if (data && strncmp(data, "354", 3) != 0)
		return true;
	if (!take_content(server, peer))
		return false;
	if (!session->rcpt)
		return answer(peer, NULL, "554 5.5.1 No valid recipients\r\n");
	script->mails++;
	session->mail = session->rcpt = false;
	bool go_on = answer(peer, script->dot, "250 2.0.0 Ok: queued as 4711\r\n");
	return go_on && (!script->transactions_max || ++session->transactions < script->transactions_max);
}

static bool on_ehlo(struct script *script, struct peer *peer)
{
	const char *offers = script->offers;
	char text[1024];
	snprintf(text, sizeof text, "250-test.example at your service\r\n%s250 HELP\r\n",
	        offers ? offers : "250-PIPELINING\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n");
	return peer_say(peer, text);
}

static bool on_mail(struct script *script, struct peer *peer, struct session *session)
{
	const char *later = session->transactions ? script->mail_later : NULL;
	const char *said = later ? later : script->mail;

	session->mail = !said;
	session->rcpt = false;
	return answer(peer, said, "250 2.1.0 Ok\r\n");
}

static bool on_command(struct server *server, struct peer *peer, struct session *session, const char *line)
{
	struct script *script = server->script;

	if (strncmp(line, "EHLO", 4) == 0)
		return on_ehlo(script, peer);
	if (strncmp(line, "STARTTLS", 8) == 0)
		return peer_say(peer, "220 Go ahead\r\n") && peer_start_tls(peer, script->tls);
	if (strncmp(line, "AUTH", 4) == 0)
		return answer(peer, script->login, "235 2.7.0 Welcome\r\n");
	if (strncmp(line, "MAIL", 4) == 0)
		return on_mail(script, peer, session);
	if (strncmp(line, "RCPT", 4) == 0)
		return on_rcpt(script, peer, session, line);
	if (strncmp(line, "DATA", 4) == 0)
		return on_data(server, peer, session);
	if (strncmp(line, "RSET", 4) == 0) {
		script->rsets++;
		session->mail = session->rcpt = false;
		session->transactions++;
		return answer(peer, script->rset, "250 2.0.0 Ok\r\n");
	}
	if (strncmp(line, "NOOP", 4) == 0)
		return answer(peer, script->noop, "250 2.0.0 Ok\r\n");
	if (strncmp(line, "QUIT", 4) == 0) {
		script->quits++;
		peer_say(peer, "221 Bye\r\n");
		return false;
	}
	return peer_say(peer, "500 What?\r\n");
}

static void serve(struct server *server, struct peer *peer)
{
	struct script *script = server->script;
	struct session session = { 0 };
	char line[4096];

	if (script->implicit_tls && !peer_start_tls(peer, script->tls))
		return;
	if (peer->number < script->refused_connections) {
		peer_say(peer, "421 4.7.0 Too many connections\r\n");
		return;
	}
	if (!answer(peer, script->greeting, "220 test.example ESMTP\r\n"))
		return;
	while (peer_line(peer, line, sizeof line)) {
		record(server, line, strlen(line));
		if (!on_command(server, peer, &session, line))
			return;
	}
}

/* -- The test's side -------------------------------------------------------------------------- */

static int setup(void **state)
{
	struct state *s = calloc(1, sizeof *s);
	s->loop = loop_new();
	server_start(&s->server, serve, &s->script);
	snprintf(s->url, sizeof s->url, "smtp://127.0.0.1:%d", s->server.port);
	s->settings = (struct smtp_settings){ .url = s->url,
		.helo = "worker.example",
		.connections = 1,
		.timeout_ms = 10000,
		.idle_ms = 60000 };
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;
	s->script.slow_reader = false;
	loop_timer_free(s->timer);
	smtp_pool_free(s->pool);
	loop_free(s->loop);
	server_stop(&s->server);
	if (s->authority.key)
		authority_end(&s->authority);
	if (s->stranger.key)
		authority_end(&s->stranger);
	SSL_CTX_free(s->script.tls);
	free(s);
	return 0;
}

struct ticket {
	struct state *s;
	int number;
};

static void done(void *arg, const struct reply *reply)
{
	struct ticket *ticket = arg;
	struct state *s = ticket->s;
	assert_false(s->answered[ticket->number]);
	s->answered[ticket->number] = true;
	s->replies[ticket->number] = *reply;
	s->answers++;
	free(ticket);
	if (--s->waiting == 0)
		loop_stop(s->loop);
}

#define TEXT "Subject: Hello\r\n\r\nWelcome.\r\n"

static void mail_data(struct state *s, const char *from, const char *to, const char *data)
{
	struct ticket *ticket = malloc(sizeof *ticket);
	struct smtp_mail mail = { .from = from, .to = to, .data = strdup(data), .len = strlen(data) };
	if (!s->pool)
		s->pool = smtp_pool_new(s->loop, &s->settings);
	*ticket = (struct ticket){ s, s->number++ };
	assert_in_range(ticket->number, 0, REPLIES_MAX - 1);
	s->waiting++;
	smtp_send(s->pool, &mail, done, ticket);
	assert_false(s->answered[s->number - 1]); /* never from inside smtp_send */
}

static void mail_to(struct state *s, const char *to)
{
	mail_data(s, "welcome@usher.example", to, TEXT);
}

static struct reply *run(struct state *s)
{
	loop_run(s->loop);
	return &s->replies[s->number - 1];
}

static struct reply *mail_one(struct state *s)
{
	mail_to(s, "minsu@member.example");
	return run(s);
}

static void assert_delivered(const struct reply *reply)
{
	assert_int_equal(reply->protocol, REPLY_SMTP);
	assert_int_equal(reply->fault, FAULT_NONE);
	assert_int_equal(reply->code, 250);
	assert_int_equal(reply->stage, SMTP_DOT);
}

static void assert_refused(
        const struct reply *reply, enum smtp_stage stage, int code, const char *enhanced, const char *text)
{
	assert_int_equal(reply->fault, FAULT_NONE);
	assert_int_equal(reply->stage, stage);
	assert_int_equal(reply->code, code);
	assert_string_equal(reply->enhanced, enhanced);
	assert_string_equal(reply->text, text);
	assert_false(reply->effect_possible);
}

static void assert_fault(
        const struct reply *reply, enum reply_fault fault, enum smtp_stage stage, bool effect)
{
	assert_string_equal(reply_fault_name(reply->fault), reply_fault_name(fault));
	assert_string_equal(smtp_stage_name(reply->stage), smtp_stage_name(stage));
	assert_int_equal(reply->effect_possible, effect);
	assert_true(reply->text[0]);
}

static bool logged(struct state *s, const char *text)
{
	pthread_mutex_lock(&s->server.mutex);
	bool found = strstr(s->script.log, text) != NULL;
	pthread_mutex_unlock(&s->server.mutex);
	return found;
}

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

static void let_it_read(void *arg)
{
	struct state *s = arg;
	s->script.slow_reader = false;
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

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
		CASE(addresses_that_cannot_go_out_do_not),
		CASE(unusual_addresses_go_out_as_they_are),
		CASE(letters_outside_ascii_need_smtputf8),
		CASE(freeing_with_mails_under_way_is_silent),
		CASE(freeing_while_connections_are_opened_is_silent),
		CASE(freeing_with_a_probe_under_way_is_silent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
