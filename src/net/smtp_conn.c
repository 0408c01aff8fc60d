/* One SMTP connection. libcurl opens it (TCP, TLS, EHLO, AUTH; CURLOPT_CONNECT_ONLY) and carries the
 * bytes; the mail transactions are ours:
 *
 *   offered PIPELINING:  MAIL RCPT DATA in one write, three answers, content and dot, an answer
 *   otherwise:           MAIL, answer, RCPT, answer, DATA, answer, content and dot, answer
 *
 * After a refusal comes RSET. A connection that answers nonsense or nothing is closed; a closed one
 * keeps its memory until the pool frees it, so that no caller up the stack is left with a dangling
 * pointer. Writing never closes: what a failed write means is found when reading. May call libcurl,
 * loop and base. Runs on the loop's thread. */
#include "base/mem.h"
#include "net/smtp_conn.h"

#include <stdio.h>
#include <string.h>

#define COMMANDS_MAX 4096 /* bytes of one transaction's commands */
#define READ_SIZE 4096
#define QUIT_PATIENCE_MS 2000 /* how long the answer to QUIT is waited for */

void smtp_conn_close(struct connection *c)
{
	if (c->seen.state == CONN_CLOSED)
		return;
	c->seen.state = CONN_CLOSED;
	c->fd = CURL_SOCKET_BAD;
	loop_fd_free(c->watch);
	c->watch = NULL;
	loop_timer_stop(c->timer);
	curl_loop_remove(c->cl, c->easy); /* closes the descriptor */
}

/* -- Writing ---------------------------------------------------------------------------------- */

static void write_on(struct connection *c)
{
	size_t n;

	while (c->out_at < c->out_len) {
		CURLcode result = curl_easy_send(c->easy, c->out + c->out_at, c->out_len - c->out_at, &n);
		if (result == CURLE_AGAIN) {
			loop_fd_want(c->watch, LOOP_READ | LOOP_WRITE);
			return;
		}
		/* The server's last words, and the end behind them, are read next. */
		if (result != CURLE_OK) {
			c->write_failed = true;
			break;
		}
		c->out_at += n;
	}
	loop_fd_want(c->watch, LOOP_READ);
}

static void write_bytes(struct connection *c, const char *bytes, size_t len, bool is_content)
{
	c->out = bytes;
	c->out_len = len;
	c->out_at = 0;
	c->out_is_content = is_content;
	c->write_failed = false;
	if (c->fd == CURL_SOCKET_BAD) {
		loop_timer_start(c->timer, 0); /* curl has closed it: on_timer gives up */
		return;
	}
	loop_timer_start(c->timer, c->target->timeout_ms);
	write_on(c);
}

static bool dot_begun(const struct connection *c)
{
	return c->out_is_content && c->out_at > c->out_len - SMTP_FINAL_DOT_LEN;
}

static void add_mail_command(struct connection *c)
{
	const struct smtp_item *item = c->item;

	buf_puts(&c->commands, "MAIL FROM:<");
	buf_puts(&c->commands, item->from);
	buf_putc(&c->commands, '>');
	if (c->caps.size)
		buf_printf(&c->commands, " SIZE=%zu", item->content_len - SMTP_FINAL_DOT_LEN);
	if (c->caps.eightbitmime && item->eight_bit)
		buf_puts(&c->commands, " BODY=8BITMIME");
	if (item->needs_utf8)
		buf_puts(&c->commands, " SMTPUTF8");
	buf_puts(&c->commands, "\r\n");
}

static void add_command(struct connection *c, enum smtp_stage stage)
{
	if (stage == SMTP_MAIL) {
		add_mail_command(c);
	} else if (stage == SMTP_RCPT) {
		buf_puts(&c->commands, "RCPT TO:<");
		buf_puts(&c->commands, c->item->to);
		buf_puts(&c->commands, ">\r\n");
	} else {
		buf_puts(&c->commands, "DATA\r\n");
	}
}

static void write_noop(struct connection *c)
{
	c->stage = SMTP_CONNECT;
	write_bytes(c, "NOOP\r\n", 6, false);
}

static void write_commands(struct connection *c, enum smtp_stage first, enum smtp_stage last)
{
	buf_clear(&c->commands);
	for (enum smtp_stage stage = first; stage <= last; stage++)
		add_command(c, stage);
	c->stage = first;
	write_bytes(c, buf_str(&c->commands), c->commands.len, false);
}

/* -- The end of a transaction -------------------------------------------------------------------- */

/* Only after the connection's state is settled: whoever hears of it may send the next at once. */
static void finish(struct connection *c, struct smtp_item *item)
{
	c->reply.latency_ms = mono_since_ms(c->started, mono_now());
	smtp_pool_done(c->pool, item, &c->reply);
}

static struct smtp_item *release_item(struct connection *c)
{
	struct smtp_item *item = c->item;

	c->item = NULL;
	c->used_before = true;
	return item;
}

static void next_or_wait(struct connection *c)
{
	if (!smtp_pool_next(c->pool, &c->seen)) {
		c->used_before = true;
		loop_timer_start(c->timer, c->target->idle_ms);
	}
}

static void finish_and_go_on(struct connection *c)
{
	c->seen.state = CONN_IDLE;
	loop_timer_stop(c->timer);
	finish(c, release_item(c));
	next_or_wait(c);
}

static void finish_and_reset(struct connection *c)
{
	struct smtp_item *item = release_item(c);

	c->seen.state = CONN_RESETTING;
	write_bytes(c, "RSET\r\n", 6, false);
	finish(c, item);
}

static void finish_and_close(struct connection *c)
{
	struct smtp_item *item = release_item(c);

	smtp_conn_close(c);
	smtp_pool_lost(c->pool);
	finish(c, item);
}

static void quit(struct connection *c)
{
	c->seen.state = CONN_QUITTING;
	write_bytes(c, "QUIT\r\n", 6, false);
	loop_timer_start(c->timer, QUIT_PATIENCE_MS);
}

static void finish_and_quit(struct connection *c)
{
	struct smtp_item *item = release_item(c);

	quit(c);
	finish(c, item);
}

static void note_fault(struct connection *c, enum reply_fault fault, const char *words)
{
	if (c->refused)
		return; /* the server's own verdict on this mail counts for more */
	c->reply.fault = fault;
	c->reply.stage = c->stage == SMTP_DOT && !dot_begun(c) ? SMTP_DATA : c->stage;
	c->reply.effect_possible = dot_begun(c);
	snprintf(c->reply.text, sizeof c->reply.text, "%s", words);
}

/* The connection is of no more use. A mail on it ends here, unless an old connection turned out to
 * be dead before the server knew of the mail. */
static void give_up(struct connection *c, enum reply_fault fault, const char *words)
{
	struct smtp_item *item = c->item;

	if (item && fault == FAULT_CONNECT && c->retriable && !c->answered) {
		c->item = NULL;
		smtp_conn_close(c);
		smtp_pool_again(c->pool, item);
	} else if (item) {
		note_fault(c, fault, words);
		finish_and_close(c);
	} else {
		smtp_conn_close(c);
		smtp_pool_lost(c->pool);
	}
}

static void cut(struct connection *c)
{
	give_up(c, FAULT_CONNECT, "the server closed the connection");
}

/* -- The server's answers -------------------------------------------------------------------------- */

static void note_answer(struct connection *c, const struct smtp_answer *answer)
{
	c->reply.stage = c->stage;
	c->reply.code = answer->code;
	memcpy(c->reply.enhanced, answer->enhanced, sizeof answer->enhanced);
	memcpy(c->reply.text, answer->text, sizeof answer->text);
}

/* Where PIPELINING let DATA go out before RCPT was refused, the server may want content all the same:
 * a lone dot is what RFC 2920 has for it. Not where a recipient stands: he would get an empty mail. */
static void on_data_answer(struct connection *c, bool accepted)
{
	if (!accepted) {
		finish_and_reset(c);
	} else if (!c->refused) {
		c->stage = SMTP_DOT;
		write_bytes(c, c->item->content, c->item->content_len, true);
	} else if (c->rcpt_accepted) {
		finish_and_close(c);
	} else {
		c->stage = SMTP_DOT;
		c->lone_dot = true;
		write_bytes(c, ".\r\n", SMTP_FINAL_DOT_LEN, false);
	}
}

static void on_dot_answer(struct connection *c)
{
	if (c->lone_dot)
		finish_and_reset(c);
	else if (c->out_at < c->out_len)
		finish_and_close(c); /* refused half-way: what it would take for a command now is unknown */
	else
		finish_and_go_on(c);
}

static void on_mail_or_rcpt_answer(struct connection *c, bool accepted)
{
	c->rcpt_accepted |= c->stage == SMTP_RCPT && accepted;
	if (c->caps.pipelining) {
		c->stage++;
		loop_timer_start(c->timer, c->target->timeout_ms);
	} else if (c->refused) {
		finish_and_reset(c);
	} else {
		write_commands(c, c->stage + 1, c->stage + 1);
	}
}

static void on_transaction_answer(struct connection *c, const struct smtp_answer *answer)
{
	bool accepted = answer->code / 100 == (c->stage == SMTP_DATA ? 3 : 2);
	bool early = c->stage == SMTP_DOT && c->out_at < c->out_len;

	if (answer->code == 421 && c->retriable && !c->answered) {
		give_up(c, FAULT_CONNECT, answer->text); /* tired of the connection, not of the mail */
		return;
	}
	if (!c->lone_dot && (accepted ? early : answer->code < 400)) {
		give_up(c, FAULT_PROTOCOL, answer->text);
		return;
	}
	c->answered = true;
	if (!c->refused && (!accepted || c->stage == SMTP_DOT))
		note_answer(c, answer);
	c->refused |= !accepted;
	if (answer->code == 421)
		finish_and_close(c);
	else if (c->stage == SMTP_DOT)
		on_dot_answer(c);
	else if (c->stage == SMTP_DATA)
		on_data_answer(c, accepted);
	else
		on_mail_or_rcpt_answer(c, accepted);
}

static void on_answer(struct connection *c, const struct smtp_answer *answer)
{
	if (c->seen.state == CONN_BUSY && c->item->is_probe) {
		note_answer(c, answer);
		finish_and_quit(c);
	} else if (c->seen.state == CONN_BUSY) {
		on_transaction_answer(c, answer);
	} else if (c->seen.state == CONN_RESETTING && answer->code / 100 == 2) {
		c->seen.state = CONN_IDLE;
		loop_timer_stop(c->timer);
		next_or_wait(c);
	} else { /* it says good-bye, or answers ours, or will not start anew */
		smtp_conn_close(c);
		smtp_pool_lost(c->pool);
	}
}

/* -- Reading, and time ------------------------------------------------------------------------------ */

static void eat(struct connection *c, const char *bytes, size_t len)
{
	while (len > 0 && c->seen.state != CONN_CLOSED) {
		enum smtp_read read = smtp_reader_eat(&c->reader, &bytes, &len);
		if (read == SMTP_READ_ANSWER)
			on_answer(c, &c->reader.answer);
		else if (read == SMTP_READ_NONSENSE)
			give_up(c, FAULT_PROTOCOL, "the answer is no SMTP reply");
	}
}

static void read_on(struct connection *c)
{
	char bytes[READ_SIZE];
	size_t n = sizeof bytes;

	/* Without TLS the loop tells of what remains; TLS may hold it where no poll sees it. */
	while (c->seen.state != CONN_CLOSED && (n == sizeof bytes || c->target->tls != SMTP_TLS_NONE)) {
		CURLcode result = curl_easy_recv(c->easy, bytes, sizeof bytes, &n);
		if (result == CURLE_AGAIN)
			return;
		if (result != CURLE_OK || n == 0)
			cut(c);
		else
			eat(c, bytes, n);
	}
}

static void on_ready(void *arg, int events)
{
	struct connection *c = arg;

	if ((events & LOOP_WRITE) && c->out_at < c->out_len && !c->write_failed) {
		loop_timer_start(c->timer, c->target->timeout_ms); /* it moves */
		write_on(c);
	}
	if (events & LOOP_READ)
		read_on(c);
	if (c->watch) { /* an error stops the watch; what comes behind it must still be heard */
		bool writing = c->out_at < c->out_len && !c->write_failed;
		loop_fd_want(c->watch, writing ? LOOP_READ | LOOP_WRITE : LOOP_READ);
	}
}

static void on_timer(void *arg)
{
	struct connection *c = arg;
	const struct smtp_item *item = c->item;
	enum smtp_stage stage = c->stage;

	if (c->fd == CURL_SOCKET_BAD) { /* curl has closed it under us */
		cut(c);
		return;
	}
	if (c->seen.state == CONN_IDLE) {
		quit(c);
		return;
	}
	/* The loop has shown what had come. Once more all the same: TLS may hold it where no poll sees it. */
	read_on(c);
	if (c->seen.state != CONN_CLOSED && c->seen.state != CONN_IDLE && c->item == item &&
	        c->stage == stage)
		give_up(c, FAULT_TIMEOUT, "no answer in time");
}

void smtp_conn_opened(struct connection *c, curl_socket_t fd)
{
	c->fd = fd;
	c->reader = (struct smtp_reader){ 0 };
	c->seen.takes_utf8 = c->caps.smtputf8;
	c->seen.state = CONN_IDLE;
	c->watch = loop_fd_new(c->loop, fd, on_ready, c);
	loop_fd_want(c->watch, LOOP_READ);
	next_or_wait(c);
}

/* -- For the pool --------------------------------------------------------------------------------------- */

struct smtp_conn *smtp_conn_open(struct smtp_pool *pool, struct loop *loop, struct curl_loop *cl,
        const struct smtp_target *target, uint64_t wanted_by)
{
	struct connection *c = mem_alloc(sizeof *c);

	c->seen.state = CONN_OPENING;
	c->seen.wanted_by = wanted_by;
	c->pool = pool;
	c->loop = loop;
	c->cl = cl;
	c->target = target;
	c->fd = CURL_SOCKET_BAD;
	c->commands = BUF(COMMANDS_MAX);
	c->timer = loop_timer_new(loop, on_timer, c);
	smtp_open_start(c);
	return &c->seen;
}

void smtp_conn_send(struct smtp_conn *conn, struct smtp_item *item)
{
	struct connection *c = (struct connection *)conn;

	c->seen.state = CONN_BUSY;
	c->item = item;
	c->answered = c->refused = c->rcpt_accepted = c->lone_dot = false;
	c->retriable = c->used_before;
	c->started = mono_now();
	c->reply = (struct reply){ .protocol = REPLY_SMTP };
	if (item->is_probe)
		write_noop(c);
	else
		write_commands(c, SMTP_MAIL, c->caps.pipelining ? SMTP_DATA : SMTP_MAIL);
}

void smtp_conn_free(struct smtp_conn *conn)
{
	struct connection *c = (struct connection *)conn;
	size_t n;

	if (c->seen.state == CONN_IDLE && c->fd != CURL_SOCKET_BAD)
		curl_easy_send(c->easy, "QUIT\r\n", 6, &n);
	smtp_conn_close(c);
	smtp_item_free(c->item);
	curl_easy_cleanup(c->easy);
	loop_timer_free(c->timer);
	buf_free(&c->commands);
	free(c);
}
