/* How an SMTP connection is opened: libcurl does TCP, TLS or STARTTLS, EHLO and AUTH, and leaves the
 * rest to us (CURLOPT_CONNECT_ONLY). What the server offers is read from its answers as they pass. May
 * call libcurl, loop and base. Runs on the loop's thread. */
#include "base/mem.h"
#include "net/smtp_conn.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define READ_SIZE                                                                                            \
	2048L /* bytes read at once; a line of a reply has 512 at most (RFC 5321). libcurl would keep 16 KiB \
	         a connection */
#define CONN_AGE_MAX_S 31536000L /* never: a busy connection looks old and idle to curl */

/* Everything the server says until the connection is open comes here, a line at a time. */
static size_t on_opening_line(char *line, size_t size, size_t count, void *arg)
{
	struct connection *c = arg;
	const char *bytes = line;
	size_t len = size * count;

	if (c->seen.state != CONN_OPENING)
		return size * count;
	smtp_caps_line(&c->caps, line, len);
	if (smtp_reader_eat(&c->reader, &bytes, &len) == SMTP_READ_NONSENSE)
		c->reader = (struct smtp_reader){ 0 };
	return size * count;
}

/* curl closes on its own account what it takes for dead. The number of the descriptor may come back
 * at once, so the watch on it must go with it. */
static int on_closing(void *arg, curl_socket_t fd)
{
	struct connection *c = arg;

	if (fd == c->fd) {
		c->fd = CURL_SOCKET_BAD;
		loop_fd_free(c->watch);
		c->watch = NULL;
		loop_timer_start(c->timer, 0);
	}
	return close(fd);
}

static enum reply_fault opening_fault(CURLcode result, int code)
{
	if (result == CURLE_LOGIN_DENIED && code / 100 != 4)
		return FAULT_LOGIN;
	if (result == CURLE_USE_SSL_FAILED)
		return FAULT_TLS;
	switch (curl_fault(result)) {
	case HTTP_TLS:
		return FAULT_TLS;
	case HTTP_TIMEOUT:
		return FAULT_TIMEOUT;
	case HTTP_PROTOCOL:
		return code >= 400 ? FAULT_CONNECT : FAULT_PROTOCOL;
	default:
		return FAULT_CONNECT;
	}
}

static void opening_failed(struct connection *c, enum reply_fault fault, const char *words)
{
	struct reply reply = { .protocol = REPLY_SMTP, .fault = fault, .stage = SMTP_CONNECT };
	const struct smtp_answer *answer = &c->reader.answer;

	if (answer->code >= 400) {
		reply.code = answer->code;
		memcpy(reply.enhanced, answer->enhanced, sizeof reply.enhanced);
		words = answer->text;
	}
	snprintf(reply.text, sizeof reply.text, "%s", words);
	smtp_conn_close(c);
	smtp_pool_failed(c->pool, &c->seen, &reply);
}

static void on_opened(void *arg, CURL *easy, CURLcode result)
{
	struct connection *c = arg;
	curl_socket_t fd = CURL_SOCKET_BAD;

	if (result != CURLE_OK) {
		opening_failed(c, opening_fault(result, c->reader.answer.code),
		        c->curl_words[0] ? c->curl_words : curl_easy_strerror(result));
		return;
	}
	if (c->target->user && !c->caps.auth) { /* curl goes on without the login then */
		opening_failed(c, FAULT_LOGIN, "the server offers no login (AUTH)");
		return;
	}
	curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &fd);
	if (fd == CURL_SOCKET_BAD) {
		opening_failed(c, FAULT_CONNECT, "the server closed the connection");
		return;
	}
	smtp_conn_opened(c, fd);
}

static void set_up_easy(struct connection *c)
{
	const struct smtp_target *target = c->target;
	CURL *easy = c->easy;

	curl_easy_setopt(easy, CURLOPT_URL, target->url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, CONN_AGE_MAX_S);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, READ_SIZE);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	/* To the end of the login. */
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)target->timeout_ms);
	curl_easy_setopt(easy, CURLOPT_USE_SSL,
	        (long)(target->tls == SMTP_TLS_STARTTLS ? CURLUSESSL_ALL : CURLUSESSL_NONE));
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	if (target->ca_file)
		curl_easy_setopt(easy, CURLOPT_CAINFO, target->ca_file);
	if (target->user) {
		curl_easy_setopt(easy, CURLOPT_SASL_IR, 1L); /* RFC 4954 always allows it */
		curl_easy_setopt(easy, CURLOPT_USERNAME, target->user);
		curl_easy_setopt(easy, CURLOPT_PASSWORD, target->password ? target->password : "");
	}
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, c->curl_words);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_opening_line);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, c);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_closing);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, c);
}

void smtp_open_start(struct connection *c)
{
	c->easy = curl_easy_init();
	if (!c->easy)
		abort(); /* out of memory: see base/mem.h */
	set_up_easy(c);
	curl_loop_add(c->cl, c->easy, on_opened, c);
}
