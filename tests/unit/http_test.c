/* Pooled HTTP against servers in threads: what is sent, warm connections, every kind of fault and
 * whether the request had gone out when it came, limits, cancelling. */
#include "net/http.h"

#include "base/clock.h"
#include "../support/certificate.h"
#include "../support/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#define HEAD_MAX 8192
#define BODY_MAX 65536

/* What the server saw last, and what it shall say. */
struct script {
	const char *answer;     /* the whole of it, headers included */
	const char *first_only; /* the answer to a connection's first request; then the connection ends */
	atomic_bool hang;       /* reads the request and never answers */
	atomic_bool cut;        /* reads the request and closes */
	long endless_body;      /* bytes of body behind `answer` */
	SSL_CTX *tls;
	char head[HEAD_MAX], body[BODY_MAX];
	size_t body_len;
	atomic_int requests;
};

struct state {
	struct loop *loop;
	struct curl_loop *cl;
	struct http *http;
	struct server server;
	struct script script;
	struct authority authority;
	char url[128];
	int waiting, answers; /* callbacks awaited; callbacks seen */
	enum http_fault fault;
	bool sent;
	int status;
	char *body;
	size_t body_len;
	int64_t retry_after_ms, latency_ms;
	char detail[256];
	struct loop_timer *timer;
};

static bool read_request(struct peer *peer, struct script *script)
{
	char line[HEAD_MAX];
	size_t at = 0, len = 0;

	while (peer_line(peer, line, sizeof line)) {
		if (!*line) {
			script->body_len = len;
			script->body[len] = '\0';
			return peer_read(peer, script->body, len);
		}
		if (strncasecmp(line, "Content-Length:", 15) == 0)
			len = strtoul(line + 15, NULL, 10);
		at += (size_t)snprintf(script->head + at, sizeof script->head - at, "%s\n", line);
	}
	return false;
}

static void send_endless(struct peer *peer, long bytes)
{
	char block[4096];

	memset(block, 'x', sizeof block);
	for (; bytes > 0 && peer_send(peer, block, sizeof block); bytes -= (long)sizeof block)
		;
}

static void serve(struct server *server, struct peer *peer)
{
	struct script *script = server->script;

	if (script->tls && !peer_start_tls(peer, script->tls))
		return;
	for (;;) {
		struct script *seen = calloc(1, sizeof *seen);
		bool more = read_request(peer, seen);
		if (more) {
			pthread_mutex_lock(&server->mutex);
			memcpy(script->head, seen->head, sizeof seen->head);
			memcpy(script->body, seen->body, seen->body_len + 1);
			script->body_len = seen->body_len;
			pthread_mutex_unlock(&server->mutex);
			script->requests++;
		}
		free(seen);
		if (!more || script->cut)
			return;
		if (script->hang) {
			peer_drain(peer);
			return;
		}
		peer_say(peer, script->first_only ? script->first_only : script->answer);
		send_endless(peer, script->endless_body);
		if (script->first_only)
			return;
	}
}

static int setup(void **state)
{
	struct state *s = calloc(1, sizeof *s);
	s->loop = loop_new();
	s->cl = curl_loop_new(s->loop, 16);
	s->http = http_new(s->cl);
	s->script.answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
	server_start(&s->server, serve, &s->script);
	snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d/x", s->server.port);
	authority_make(&s->authority);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;
	loop_timer_free(s->timer);
	http_free(s->http);
	curl_loop_free(s->cl);
	loop_free(s->loop);
	server_stop(&s->server);
	authority_end(&s->authority);
	SSL_CTX_free(s->script.tls);
	free(s->body);
	free(s);
	return 0;
}

static void done(void *arg, const struct http_answer *answer)
{
	struct state *s = arg;
	s->answers++;
	s->fault = answer->fault;
	s->sent = answer->sent;
	s->status = answer->status;
	s->retry_after_ms = answer->retry_after_ms;
	s->latency_ms = answer->latency_ms;
	snprintf(s->detail, sizeof s->detail, "%s", answer->detail ? answer->detail : "");
	free(s->body);
	s->body = answer->body ? strndup(answer->body, answer->body_len) : NULL;
	s->body_len = answer->body_len;
	if (--s->waiting == 0)
		loop_stop(s->loop);
}

static struct http_request request_for(struct state *s, const char *method, const char *body)
{
	return (struct http_request){ .method = method,
		.url = s->url,
		.body = body,
		.body_len = body ? strlen(body) : 0,
		.timeout_ms = 10000,
		.connect_timeout_ms = 5000,
		.ca_file = s->script.tls ? s->authority.file : NULL };
}

static void ask(struct state *s, const struct http_request *request)
{
	s->waiting++;
	http_start(s->http, request, done, s);
	assert_int_equal(s->waiting, 1); /* never from inside http_start */
	loop_run(s->loop);
}

static void ask_plainly(struct state *s)
{
	struct http_request request = request_for(s, "GET", NULL);
	ask(s, &request);
}

static void a_get_and_a_post_arrive_as_they_were_made(void **state)
{
	struct state *s = *state;
	const char *headers[] = { "Content-Type: application/json", "Idempotency-Key: e-1:coupon", NULL };
	struct http_request request = request_for(s, "POST", "{\"a\":1}");
	request.headers = headers;
	ask(s, &request);
	assert_int_equal(s->fault, HTTP_OK);
	assert_int_equal(s->status, 200);
	assert_string_equal(s->body, "hello");
	assert_ptr_equal(strstr(s->script.head, "POST /x HTTP/1.1\n"), s->script.head);
	assert_non_null(strstr(s->script.head, "\nIdempotency-Key: e-1:coupon\n"));
	assert_non_null(strstr(s->script.head, "\nContent-Type: application/json\n"));
	assert_non_null(strstr(s->script.head, "\nContent-Length: 7\n"));
	assert_string_equal(s->script.body, "{\"a\":1}");

	ask_plainly(s); /* on the same easy handle: nothing of the POST may be left */
	assert_ptr_equal(strstr(s->script.head, "GET /x HTTP/1.1\n"), s->script.head);
	assert_null(strstr(s->script.head, "Idempotency-Key"));
	assert_null(strstr(s->script.head, "Content-Length"));
	assert_string_equal(s->script.body, "");
	assert_string_equal(s->body, "hello");
}

static void an_empty_post_and_other_methods_work(void **state)
{
	struct state *s = *state;
	struct http_request request = request_for(s, "POST", NULL);
	ask(s, &request);
	assert_int_equal(s->fault, HTTP_OK);
	assert_ptr_equal(strstr(s->script.head, "POST /x"), s->script.head);
	assert_non_null(strstr(s->script.head, "\nContent-Length: 0\n"));
	request = request_for(s, "PUT", "token");
	ask(s, &request);
	assert_ptr_equal(strstr(s->script.head, "PUT /x"), s->script.head);
	assert_string_equal(s->script.body, "token");
	request = request_for(s, "DELETE", NULL);
	ask(s, &request);
	assert_ptr_equal(strstr(s->script.head, "DELETE /x"), s->script.head);
	ask_plainly(s);
	assert_ptr_equal(strstr(s->script.head, "GET /x"), s->script.head);
}

static void one_connection_serves_many_requests(void **state)
{
	struct state *s = *state;
	for (int i = 0; i < 20; i++)
		ask_plainly(s);
	assert_int_equal(s->answers, 20);
	assert_int_equal(s->server.connections, 1);
}

static void many_at_once_stay_within_the_connections_allowed(void **state)
{
	struct state *s = *state;
	struct http_request request = request_for(s, "POST", "{}");
	s->waiting = 200;
	for (int i = 0; i < 200; i++)
		http_start(s->http, &request, done, s);
	loop_run(s->loop);
	assert_int_equal(s->answers, 200);
	assert_int_equal(s->fault, HTTP_OK);
	assert_int_equal(s->script.requests, 200);
	assert_in_range(s->server.connections, 2, 16);
}

static void redirects_are_not_followed(void **state)
{
	struct state *s = *state;
	s->script.answer = "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n";
	ask_plainly(s);
	assert_int_equal(s->fault, HTTP_OK);
	assert_int_equal(s->status, 302);
	assert_int_equal(s->script.requests, 1);
}

static void a_proxy_of_the_environment_is_not_used(void **state)
{
	struct state *s = *state;
	char proxy[64];
	snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", server_dead_port());
	setenv("http_proxy", proxy, 1);
	ask_plainly(s);
	unsetenv("http_proxy");
	assert_int_equal(s->fault, HTTP_OK);
}

static void only_http_is_spoken(void **state)
{
	struct state *s = *state;
	struct http_request request = request_for(s, "GET", NULL);
	request.url = "file:///etc/passwd";
	ask(s, &request);
	assert_int_equal(s->fault, HTTP_PROTOCOL);
	assert_false(s->sent);
	assert_null(s->body);
}

static void a_refused_connection_is_a_connect_fault_unsent(void **state)
{
	struct state *s = *state;
	snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d/", server_dead_port());
	ask_plainly(s);
	assert_int_equal(s->fault, HTTP_CONNECT);
	assert_false(s->sent);
	assert_true(s->detail[0]);
}

static void a_cut_connection_is_a_connect_fault_sent(void **state)
{
	struct state *s = *state;
	struct http_request request = request_for(s, "POST", "{}");
	s->script.cut = true;
	ask(s, &request);
	assert_int_equal(s->fault, HTTP_CONNECT);
	assert_true(s->sent);
}

static void an_answer_cut_short_is_a_connect_fault_sent(void **state)
{
	struct state *s = *state;
	s->script.first_only = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhell";
	ask_plainly(s);
	assert_int_equal(s->fault, HTTP_CONNECT);
	assert_true(s->sent);
}

static void silence_is_a_timeout_sent(void **state)
{
	struct state *s = *state;
	struct http_request request = request_for(s, "POST", "{}");
	request.timeout_ms = 60;
	s->script.hang = true;
	ask(s, &request);
	assert_int_equal(s->fault, HTTP_TIMEOUT);
	assert_true(s->sent);
	assert_in_range(s->latency_ms, 59, 5000);
	s->script.hang = false; /* and the pool works on */
	ask_plainly(s);
	assert_int_equal(s->fault, HTTP_OK);
	assert_int_equal(s->status, 200);
}

static void hold_up(void *arg)
{
	struct state *s = arg;
	mono_time start = mono_now();
	while (mono_since_ms(start, mono_now()) < 400 || s->script.requests == 0)
		;
}

static void a_thread_held_up_invents_no_timeout(void **state)
{
	struct state *s = *state;
	struct http_request request = request_for(s, "POST", "{}");
	ask_plainly(s); /* a warm connection, so that the request goes out at once */
	s->script.requests = 0;
	request.timeout_ms = 200;
	s->timer = loop_timer_new(s->loop, hold_up, s);
	loop_timer_start(s->timer, 10);
	ask(s, &request);
	assert_int_equal(s->fault, HTTP_OK);
}

static void nonsense_is_a_protocol_fault(void **state)
{
	struct state *s = *state;
	s->script.first_only = "220 this is no web server\r\n";
	ask_plainly(s);
	assert_int_equal(s->fault, HTTP_PROTOCOL);
	assert_true(s->sent);
}

static void an_endless_answer_is_a_protocol_fault(void **state)
{
	struct state *s = *state;
	s->script.answer = "HTTP/1.1 200 OK\r\n\r\n";
	s->script.endless_body = HTTP_ANSWER_MAX + 100000;
	ask_plainly(s);
	assert_int_equal(s->fault, HTTP_PROTOCOL);
	assert_non_null(strstr(s->detail, "longer"));
	s->script.answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nagain";
	s->script.endless_body = 0;
	ask_plainly(s);
	assert_string_equal(s->body, "again");
}

static void an_answer_at_the_limit_arrives_whole(void **state)
{
	struct state *s = *state;
	s->script.answer = "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n";
	s->script.endless_body = HTTP_ANSWER_MAX;
	ask_plainly(s);
	assert_int_equal(s->fault, HTTP_OK);
	assert_int_equal(s->body_len, HTTP_ANSWER_MAX);
}

static void too_many_headers_are_refused_unsent(void **state)
{
	struct state *s = *state;
	const char *headers[HTTP_HEADERS_MAX + 2] = { NULL };
	struct http_request request = request_for(s, "GET", NULL);
	for (int i = 0; i <= HTTP_HEADERS_MAX; i++)
		headers[i] = "X: y";
	request.headers = headers;
	ask(s, &request);
	assert_int_equal(s->fault, HTTP_PROTOCOL);
	assert_false(s->sent);
	assert_int_equal(s->script.requests, 0);
	headers[HTTP_HEADERS_MAX] = NULL;
	ask(s, &request);
	assert_int_equal(s->fault, HTTP_OK);
}

static void retry_after_is_read_in_seconds_and_as_a_date(void **state)
{
	struct state *s = *state;
	char answer[256], date[64];
	time_t then = time(NULL) + 90;
	struct tm tm;

	s->script.answer = "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n";
	ask_plainly(s);
	assert_int_equal(s->status, 429);
	assert_int_equal(s->retry_after_ms, 7000);

	strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&then, &tm));
	snprintf(answer, sizeof answer, "HTTP/1.1 503 Later\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n",
	        date);
	s->script.answer = answer;
	ask_plainly(s);
	assert_in_range(s->retry_after_ms, 60000, 90000);

	s->script.answer = "HTTP/1.1 503 Later\r\nRetry-After: Wed, 21 Oct 2015 07:28:00 "
	                   "GMT\r\nContent-Length: 0\r\n\r\n";
	ask_plainly(s);
	assert_int_equal(s->retry_after_ms, 0);

	s->script.answer = "HTTP/1.1 503 Later\r\nRetry-After: 99999999999999\r\nContent-Length: 0\r\n\r\n";
	ask_plainly(s);
	assert_in_range(s->retry_after_ms, 0, INT64_C(366) * 24 * 3600 * 1000);

	s->script.answer = "HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n";
	ask_plainly(s); /* nothing is left of the answers before */
	assert_int_equal(s->retry_after_ms, 0);
}

static void tls_is_spoken_to_a_certificate_that_is_right(void **state)
{
	struct state *s = *state;
	s->script.tls = authority_context(&s->authority, "IP:127.0.0.1");
	snprintf(s->url, sizeof s->url, "https://127.0.0.1:%d/", s->server.port);
	ask_plainly(s);
	assert_int_equal(s->fault, HTTP_OK);
	assert_string_equal(s->body, "hello");
}

static void an_unknown_authority_is_a_tls_fault_unsent(void **state)
{
	struct state *s = *state;
	s->script.tls = authority_context(&s->authority, "IP:127.0.0.1");
	snprintf(s->url, sizeof s->url, "https://127.0.0.1:%d/", s->server.port);
	struct http_request request = request_for(s, "GET", NULL);
	request.ca_file = NULL;
	ask(s, &request);
	assert_int_equal(s->fault, HTTP_TLS);
	assert_false(s->sent);
	assert_int_equal(s->script.requests, 0);
}

static void a_wrong_name_is_a_tls_fault_unsent(void **state)
{
	struct state *s = *state;
	s->script.tls = authority_context(&s->authority, "DNS:coupon.example");
	snprintf(s->url, sizeof s->url, "https://127.0.0.1:%d/", s->server.port);
	ask_plainly(s);
	assert_int_equal(s->fault, HTTP_TLS);
	assert_false(s->sent);
}

static void start_another(void *arg, const struct http_answer *answer)
{
	struct state *s = arg;
	struct http_request request = request_for(s, "GET", NULL);
	assert_int_equal(answer->fault, HTTP_OK);
	http_start(s->http, &request, done, s);
	assert_string_equal(answer->body, "hello"); /* still ours */
}

static void a_callback_may_start_another(void **state)
{
	struct state *s = *state;
	struct http_request request = request_for(s, "GET", NULL);
	s->waiting = 1;
	http_start(s->http, &request, start_another, s);
	loop_run(s->loop);
	assert_int_equal(s->answers, 1);
	assert_int_equal(s->script.requests, 2);
}

static void stop_loop(void *arg)
{
	loop_stop(((struct state *)arg)->loop);
}

static void a_cancelled_call_is_silent(void **state)
{
	struct state *s = *state;
	struct http_request request = request_for(s, "GET", NULL);
	struct http_call *call = http_start(s->http, &request, done, s);
	s->script.hang = true;
	s->waiting = 1;
	http_cancel(call);
	s->timer = loop_timer_new(s->loop, stop_loop, s);
	loop_timer_start(s->timer, 30);
	loop_run(s->loop);
	assert_int_equal(s->answers, 0);
	s->script.hang = false;
	s->waiting = 0;
	ask_plainly(s);
	assert_int_equal(s->answers, 1);
}

static void freeing_with_calls_under_way_is_silent(void **state)
{
	struct state *s = *state;
	struct http_request request = request_for(s, "POST", "{}");
	s->script.hang = true;
	for (int i = 0; i < 40; i++)
		http_start(s->http, &request, done, s);
	s->timer = loop_timer_new(s->loop, stop_loop, s);
	loop_timer_start(s->timer, 30);
	loop_run(s->loop);
	http_free(s->http);
	s->http = NULL;
	assert_int_equal(s->answers, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_get_and_a_post_arrive_as_they_were_made),
		CASE(an_empty_post_and_other_methods_work),
		CASE(one_connection_serves_many_requests),
		CASE(many_at_once_stay_within_the_connections_allowed),
		CASE(redirects_are_not_followed),
		CASE(a_proxy_of_the_environment_is_not_used),
		CASE(only_http_is_spoken),
		CASE(a_refused_connection_is_a_connect_fault_unsent),
		CASE(a_cut_connection_is_a_connect_fault_sent),
		CASE(an_answer_cut_short_is_a_connect_fault_sent),
		CASE(silence_is_a_timeout_sent),
		CASE(a_thread_held_up_invents_no_timeout),
		CASE(nonsense_is_a_protocol_fault),
		CASE(an_endless_answer_is_a_protocol_fault),
		CASE(an_answer_at_the_limit_arrives_whole),
		CASE(too_many_headers_are_refused_unsent),
		CASE(retry_after_is_read_in_seconds_and_as_a_date),
		CASE(tls_is_spoken_to_a_certificate_that_is_right),
		CASE(an_unknown_authority_is_a_tls_fault_unsent),
		CASE(a_wrong_name_is_a_tls_fault_unsent),
		CASE(a_callback_may_start_another),
		CASE(a_cancelled_call_is_silent),
		CASE(freeing_with_calls_under_way_is_silent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
