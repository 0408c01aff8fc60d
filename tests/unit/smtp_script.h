/* Scripted mail servers in threads, and the test's side of them. For the tests of SMTP. */
#ifndef UNIT_SMTP_SCRIPT_H
#define UNIT_SMTP_SCRIPT_H

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

struct transcript {
	char text[LOG_MAX]; /* commands as they came, a line each; content in between */
	size_t len;
};

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
	struct transcript log[SERVER_CONNECTIONS_MAX]; /* a connection each: their threads take turns */
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

static inline void record(struct server *server, const struct peer *peer, const char *line)
{
	struct script *script = server->script;
	struct transcript *log = &script->log[peer->number];
	size_t len = strlen(line);

	pthread_mutex_lock(&server->mutex);
	if (log->len + len + 2 < LOG_MAX)
		log->len += (size_t)sprintf(log->text + log->len, "%s\n", line);
	pthread_mutex_unlock(&server->mutex);
}

/* False when the connection shall end. */
static inline bool answer(struct peer *peer, const char *said, const char *friendly)
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

static inline bool take_content(struct server *server, struct peer *peer)
{
	struct script *script = server->script;
	char line[4096];

	while (script->slow_reader)
		usleep(1000);
	for (;;) {
		if (!peer_line(peer, line, sizeof line))
			return false;
		record(server, peer, line);
		if (strcmp(line, ".") == 0)
			return true;
	}
}

struct session {
	bool mail, rcpt;
	int transactions;
};

static inline bool on_rcpt(
        struct script *script, struct peer *peer, struct session *session, const char *line)
{
	if (!session->mail && !script->careless)
		return answer(peer, NULL, "503 5.5.1 MAIL first\r\n");
	const char *good_only_to = script->good_only_to, *scripted_answer = script->rcpt;
	bool good = good_only_to ? strstr(line, good_only_to) != NULL : !scripted_answer;
	session->rcpt = good;
	return answer(peer, good ? NULL : scripted_answer, "250 2.1.5 Ok\r\n");
}

static inline bool on_data(struct server *server, struct peer *peer, struct session *session)
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

static inline bool on_ehlo(struct script *script, struct peer *peer)
{
	const char *offers = script->offers;
	char text[1024];
	snprintf(text, sizeof text, "250-test.example at your service\r\n%s250 HELP\r\n",
	        offers ? offers : "250-PIPELINING\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n");
	return peer_say(peer, text);
}

static inline bool on_mail(struct script *script, struct peer *peer, struct session *session)
{
	const char *later = session->transactions ? script->mail_later : NULL;
	const char *said = later ? later : script->mail;

	session->mail = !said;
	session->rcpt = false;
	return answer(peer, said, "250 2.1.0 Ok\r\n");
}

static inline bool on_command(
        struct server *server, struct peer *peer, struct session *session, const char *line)
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

static inline void serve(struct server *server, struct peer *peer)
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
		record(server, peer, line);
		if (!on_command(server, peer, &session, line))
			return;
	}
}

/* -- The test's side -------------------------------------------------------------------------- */

static inline int setup(void **state)
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

static inline int teardown(void **state)
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

static inline void done(void *arg, const struct reply *reply)
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

static inline void mail_data(struct state *s, const char *from, const char *to, const char *data)
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

static inline void mail_to(struct state *s, const char *to)
{
	mail_data(s, "welcome@usher.example", to, TEXT);
}

static inline struct reply *run(struct state *s)
{
	loop_run(s->loop);
	return &s->replies[s->number - 1];
}

static inline struct reply *mail_one(struct state *s)
{
	mail_to(s, "minsu@member.example");
	return run(s);
}

static inline void assert_delivered(const struct reply *reply)
{
	assert_int_equal(reply->protocol, REPLY_SMTP);
	assert_int_equal(reply->fault, FAULT_NONE);
	assert_int_equal(reply->code, 250);
	assert_int_equal(reply->stage, SMTP_DOT);
}

static inline void assert_refused(
        const struct reply *reply, enum smtp_stage stage, int code, const char *enhanced, const char *text)
{
	assert_int_equal(reply->fault, FAULT_NONE);
	assert_int_equal(reply->stage, stage);
	assert_int_equal(reply->code, code);
	assert_string_equal(reply->enhanced, enhanced);
	assert_string_equal(reply->text, text);
	assert_false(reply->effect_possible);
}

static inline void assert_fault(
        const struct reply *reply, enum reply_fault fault, enum smtp_stage stage, bool effect)
{
	assert_string_equal(reply_fault_name(reply->fault), reply_fault_name(fault));
	assert_string_equal(smtp_stage_name(reply->stage), smtp_stage_name(stage));
	assert_int_equal(reply->effect_possible, effect);
	assert_true(reply->text[0]);
}

/* On one connection, whichever. */
static inline bool logged(struct state *s, const char *text)
{
	bool found = false;

	pthread_mutex_lock(&s->server.mutex);
	for (int i = 0; i < SERVER_CONNECTIONS_MAX && !found; i++)
		found = strstr(s->script.log[i].text, text) != NULL;
	pthread_mutex_unlock(&s->server.mutex);
	return found;
}

static inline void let_it_read(void *arg)
{
	struct state *s = arg;
	s->script.slow_reader = false;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
