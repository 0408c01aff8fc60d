/* The coupon channel: what is asked, and how each answer and each silence is told. */
#include "channel/channel.h"

#include "../support/certificate.h"
#include "../support/server.h"
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define TEXT_MAX 8192

struct state {
	struct loop *loop;
	struct curl_loop *cl;
	struct channel *channel;
	struct server server;
	struct coupon_settings settings;
	struct event event;
	struct authority authority;
	SSL_CTX *tls;
	struct loop_timer *timer;
	char url[64], answer[TEXT_MAX];
	atomic_bool hang, cut;
	atomic_int requests;
	char head[TEXT_MAX], body[TEXT_MAX]; /* the last request */
	int answers;
	struct reply reply;
	enum channel_stock stock;
};

/* -- The coupon service ------------------------------------------------------------------------ */

static bool take_request(struct server *server, struct peer *peer)
{
	struct state *s = server->script;
	char line[TEXT_MAX], head[TEXT_MAX] = "", body[TEXT_MAX] = "";
	size_t at = 0, len = 0;

	for (;;) {
		if (!peer_line(peer, line, sizeof line))
			return false;
		if (!*line)
			break;
		if (strncasecmp(line, "Content-Length:", 15) == 0)
			len = strtoul(line + 15, NULL, 10);
		at += (size_t)snprintf(head + at, sizeof head - at, "%s\n", line);
	}
	if (len >= sizeof body || !peer_read(peer, body, len))
		return false;
	pthread_mutex_lock(&server->mutex);
	memcpy(s->head, head, sizeof head);
	memcpy(s->body, body, sizeof body);
	pthread_mutex_unlock(&server->mutex);
	return true;
}

static void serve(struct server *server, struct peer *peer)
{
	struct state *s = server->script;

	if (s->tls && !peer_start_tls(peer, s->tls))
		return;
	while (take_request(server, peer)) {
		s->requests++;
		if (s->cut)
			return;
		if (s->hang) {
			peer_drain(peer);
			return;
		}
		char answer[TEXT_MAX];
		pthread_mutex_lock(&server->mutex);
		memcpy(answer, s->answer, sizeof answer);
		pthread_mutex_unlock(&server->mutex);
		peer_say(peer, answer);
	}
}

/* -- The test's side ----------------------------------------------------------------------------- */

static void answer_raw(struct state *s, const char *text)
{
	pthread_mutex_lock(&s->server.mutex);
	snprintf(s->answer, sizeof s->answer, "%s", text);
	pthread_mutex_unlock(&s->server.mutex);
}

static void answer_with(struct state *s, const char *status, const char *body)
{
	char text[TEXT_MAX];
	snprintf(text, sizeof text, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", status, strlen(body),
	        body);
	answer_raw(s, text);
}

static int setup(void **state)
{
	struct state *s = calloc(1, sizeof *s);
	s->loop = loop_new();
	s->cl = curl_loop_new(s->loop, 8);
	server_start(&s->server, serve, s);
	snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d/grants", s->server.port);
	s->settings = (struct coupon_settings){
		.url = s->url, .token = "s3cret", .campaign = "welcome-2026", .timeout_ms = 10000
	};
	s->event = (struct event){ .event_id = "e-1",
		.type = "user-signup",
		.user_id = "u-1",
		.email = "minsu@example.com",
		.name = "민수",
		.locale = "ko-KR" };
	answer_with(s, "201 Created", "{\"couponId\":\"C-77\"}");
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;
	if (s->channel)
		s->channel->ops->close(s->channel);
	loop_timer_free(s->timer);
	curl_loop_free(s->cl);
	loop_free(s->loop);
	server_stop(&s->server);
	SSL_CTX_free(s->tls);
	if (s->authority.key)
		authority_end(&s->authority);
	free(s);
	return 0;
}

static void done(void *arg, const struct reply *reply)
{
	struct state *s = arg;
	s->reply = *reply;
	s->answers++;
	loop_stop(s->loop);
}

static const struct reply *grant(struct state *s)
{
	struct usher_error err = { 0 };
	int before = s->answers;
	memset(s->head, 0, sizeof s->head);
	if (!s->channel && coupon_open(&s->settings, s->loop, s->cl, &s->channel, &err) < 0)
		fail_msg("%s", err.message);
	if (!s->channel)
		abort(); /* the analyser does not know that fail_msg never returns */
	s->channel->ops->send(s->channel, &s->event, done, s);
	assert_int_equal(s->answers, before);
	loop_run(s->loop);
	assert_int_equal(s->answers, before + 1);
	assert_int_equal(s->reply.protocol, REPLY_HTTP);
	return &s->reply;
}

static void assert_fault(const struct reply *reply, enum reply_fault fault, bool effect)
{
	assert_string_equal(reply_fault_name(reply->fault), reply_fault_name(fault));
	assert_int_equal(reply->effect_possible, effect);
	assert_true(reply->text[0]);
}

/* -- The request ------------------------------------------------------------------------------------ */

static void the_request_is_as_documented(void **state)
{
	struct state *s = *state;
	cJSON *body = NULL;
	const struct reply *reply = grant(s);
	assert_int_equal(reply->fault, FAULT_NONE);
	assert_int_equal(reply->code, 201);
	assert_string_equal(reply->effect, "coupon=C-77 key=e-1:coupon");
	assert_ptr_equal(strstr(s->head, "POST /grants HTTP/1.1\n"), s->head);
	assert_non_null(strstr(s->head, "\nAuthorization: Bearer s3cret\n"));
	assert_non_null(strstr(s->head, "\nIdempotency-Key: e-1:coupon\n"));
	assert_non_null(strstr(s->head, "\nContent-Type: application/json\n"));
	assert_non_null(strstr(s->head, "\nAccept: application/json\n"));
	assert_int_equal(json_parse(s->body, strlen(s->body), &body, NULL), 0);
	assert_string_equal(json_string(body, "eventId"), "e-1");
	assert_string_equal(json_string(body, "userId"), "u-1");
	assert_string_equal(json_string(body, "email"), "minsu@example.com");
	assert_string_equal(json_string(body, "campaign"), "welcome-2026");
	assert_int_equal(cJSON_GetArraySize(body), 4);
	cJSON_Delete(body);
}

static void the_key_is_the_same_at_each_try(void **state)
{
	struct state *s = *state;
	answer_with(s, "503 Down", "");
	grant(s);
	assert_non_null(strstr(s->head, "\nIdempotency-Key: e-1:coupon\n"));
	grant(s);
	assert_non_null(strstr(s->head, "\nIdempotency-Key: e-1:coupon\n"));
}

static void the_key_is_safe_in_a_header_whatever_the_id(void **state)
{
	struct state *s = *state;
	char id[EVENT_ID_MAX + 1];
	s->event.event_id = "a b%c\r\nX: y\xED\x95\x9C";
	grant(s);
	assert_non_null(strstr(s->head, "\nIdempotency-Key: a%20b%25c%0D%0AX:%20y%ED%95%9C:coupon\n"));
	memset(id, ' ', EVENT_ID_MAX);
	id[EVENT_ID_MAX] = '\0';
	s->event.event_id = id;
	grant(s);
	const char *key = strstr(s->head, "Idempotency-Key: ");
	assert_non_null(key);
	assert_int_equal(strcspn(key, "\n"), 17 + EVENT_ID_MAX * 3 + 7);
}

static void without_a_token_no_authorization_goes_out(void **state)
{
	struct state *s = *state;
	s->settings.token = "";
	assert_int_equal(grant(s)->fault, FAULT_NONE);
	assert_null(strstr(s->head, "Authorization"));
}

/* -- Answers -------------------------------------------------------------------------------------------- */

static void refusals_are_told_in_the_services_words(void **state)
{
	static const struct {
		const char *status, *body;
		int code;
		const char *reason, *text;
	} refusals[] = {
		{ "409 Conflict", "{\"code\":\"duplicate\",\"message\":\"granted before\"}", 409, "duplicate",
		        "granted before" },
		{ "422 No", "{\"code\":\"out_of_stock\",\"message\":\"none left\"}", 422, "out_of_stock",
		        "none left" },
		{ "401 No", "{\"message\":\"bad token\"}", 401, "", "bad token" },
		{ "400 No",
		        "{\"type\":\"https://coupon.example/problems/out_of_stock\",\"title\":\"Sold out\"}",
		        400, "out_of_stock", "Sold out" },
		{ "400 No",
		        "{\"type\":\"https://coupon.example/"
		        "problems#sold-out\",\"title\":\"T\",\"detail\":\"D\"}",
		        400, "sold-out", "D" },
		{ "400 No", "{\"type\":\"urn:coupon:out_of_stock\"}", 400, "out_of_stock",
		        "{\"type\":\"urn:coupon:out_of_stock\"}" },
		{ "400 No", "{\"error\":{\"code\":\"expired\",\"message\":\"too late\"}}", 400, "expired",
		        "too late" },
		{ "400 No", "{\"error\":\"expired\"}", 400, "expired", "{\"error\":\"expired\"}" },
		{ "500 Oops", "<html>\r\n<b>Oops</b>\r\n</html>", 500, "", "<html>  <b>Oops</b>  </html>" },
		{ "502 Bad", "", 502, "", "" },
		{ "500 Oops", "{\"code\":42,\"message\":[\"x\"]}", 500, "",
		        "{\"code\":42,\"message\":[\"x\"]}" },
		{ "500 Oops", "{\"code\":\"a\\u0007b\",\"message\":\"line\\nbreak \xED\x95\x9C\"}", 500,
		        "a b", "line break \xED\x95\x9C" },
		{ "500 Oops", "\xff\xfe not UTF-8", 500, "", "?? not UTF-8" },
	};
	struct state *s = *state;
	for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
		answer_with(s, refusals[i].status, refusals[i].body);
		const struct reply *reply = grant(s);
		assert_int_equal(reply->fault, FAULT_NONE);
		assert_int_equal(reply->code, refusals[i].code);
		assert_string_equal(reply->reason, refusals[i].reason);
		assert_string_equal(reply->text, refusals[i].text);
		assert_string_equal(reply->effect, "key=e-1:coupon");
		assert_false(reply->effect_possible);
	}
}

static void a_duplicate_may_name_its_coupon(void **state)
{
	struct state *s = *state;
	answer_with(s, "409 Conflict", "{\"code\":\"duplicate\",\"couponId\":\"C-1\"}");
	assert_string_equal(grant(s)->effect, "coupon=C-1 key=e-1:coupon");
}

static void retry_after_is_told(void **state)
{
	struct state *s = *state;
	answer_raw(s, "HTTP/1.1 429 Slow\r\nRetry-After: 30\r\nContent-Length: 0\r\n\r\n");
	const struct reply *reply = grant(s);
	assert_int_equal(reply->code, 429);
	assert_int_equal(reply->retry_after_ms, 30000);
}

static void a_success_without_a_coupon_is_none(void **state)
{
	static const char *const bodies[] = { "", "OK", "{}", "[]", "{\"couponId\":null}", "{\"couponId\":7}",
		"{\"couponId\":\"\"}", "{\"couponid\":\"C-1\"}", "{\"couponId\":\"C-1\"} trailing",
		"\"C-1\"" };
	struct state *s = *state;
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		answer_with(s, "200 OK", bodies[i]);
		const struct reply *reply = grant(s);
		assert_fault(reply, FAULT_PROTOCOL, true);
		assert_int_equal(reply->code, 200);
		assert_non_null(strstr(reply->text, "couponId"));
	}
}

static void long_answers_are_cut(void **state)
{
	struct state *s = *state;
	char body[4000];
	snprintf(body, sizeof body, "{\"couponId\":\"%03900d\"}", 7);
	answer_with(s, "200 OK", body);
	const struct reply *reply = grant(s);
	assert_int_equal(reply->fault, FAULT_NONE);
	assert_non_null(strstr(reply->effect, " key=e-1:coupon"));
	snprintf(body, sizeof body, "%03900d", 7);
	answer_with(s, "500 Oops", body);
	assert_int_equal(strlen(grant(s)->text), REPLY_TEXT_MAX - 1);
}

/* -- Faults
 * -------------------------------------------------------------------------------------------------- */

static void a_service_that_is_away_had_no_effect(void **state)
{
	struct state *s = *state;
	snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d/", server_dead_port());
	assert_fault(grant(s), FAULT_CONNECT, false);
	assert_string_equal(s->reply.effect, "key=e-1:coupon");
}

static void a_cut_after_the_request_may_have_had_its_effect(void **state)
{
	struct state *s = *state;
	s->cut = true;
	assert_fault(grant(s), FAULT_CONNECT, true);
}

static void silence_after_the_request_may_have_had_its_effect(void **state)
{
	struct state *s = *state;
	s->hang = true;
	s->settings.timeout_ms = 100;
	assert_fault(grant(s), FAULT_TIMEOUT, true);
	assert_in_range(s->reply.latency_ms, 99, 5000);
}

static void a_wrong_certificate_is_a_tls_fault(void **state)
{
	struct state *s = *state;
	authority_make(&s->authority);
	s->tls = authority_context(&s->authority, "IP:127.0.0.1");
	snprintf(s->url, sizeof s->url, "https://127.0.0.1:%d/", s->server.port);
	assert_fault(grant(s), FAULT_TLS, false);
	s->channel->ops->close(s->channel);
	s->channel = NULL;
	s->settings.ca_file = s->authority.file;
	assert_int_equal(grant(s)->fault, FAULT_NONE);
}

/* -- The channel
 * ------------------------------------------------------------------------------------------------ */

static void no_more(void *arg, const struct reply *reply)
{
	(void)arg, (void)reply;
	fail_msg("called back after the channel was closed");
}

static void stop_loop(void *arg)
{
	loop_stop(((struct state *)arg)->loop);
}

static void closing_drops_what_is_under_way(void **state)
{
	struct state *s = *state;
	s->hang = true;
	assert_int_equal(coupon_open(&s->settings, s->loop, s->cl, &s->channel, NULL), 0);
	for (int i = 0; i < 5; i++)
		s->channel->ops->send(s->channel, &s->event, no_more, s);
	assert_int_equal(s->channel->ops->connections(s->channel), 5);
	s->timer = loop_timer_new(s->loop, stop_loop, s);
	loop_timer_start(s->timer, 30);
	loop_run(s->loop);
	s->channel->ops->close(s->channel);
	s->channel = NULL;
	loop_timer_start(s->timer, 10);
	loop_run(s->loop);
}

static void many_grants_at_once_are_each_answered(void **state)
{
	struct state *s = *state;
	assert_int_equal(coupon_open(&s->settings, s->loop, s->cl, &s->channel, NULL), 0);
	assert_true(s->channel->ops->idempotent);
	for (int i = 0; i < 100; i++)
		s->channel->ops->send(s->channel, &s->event, done, s);
	while (s->answers < 100)
		loop_run(s->loop);
	assert_int_equal(s->requests, 100);
	assert_in_range(s->server.connections, 1, 8);
	assert_int_equal(s->channel->ops->connections(s->channel), 0);
}

static void wrong_settings_are_refused(void **state)
{
	struct state *s = *state;
	struct usher_error err;
	s->settings.url = "coupon.example/grants";
	assert_int_equal(coupon_open(&s->settings, s->loop, s->cl, &s->channel, &err), USHER_ECONFIG);
	assert_non_null(strstr(err.message, "[coupon] url"));
	s->settings.url = s->url;
	s->settings.token = "secret\r\nX-Evil: yes";
	assert_int_equal(coupon_open(&s->settings, s->loop, s->cl, &s->channel, &err), USHER_ECONFIG);
	assert_non_null(strstr(err.message, "[coupon] token"));
	assert_null(strstr(err.message, "secret"));
	assert_null(s->channel);
}

/* -- Probe ------------------------------------------------------------------------------------------ */

static void probed(void *arg, const struct reply *reply, enum channel_stock stock)
{
	struct state *s = arg;
	s->stock = stock;
	done(s, reply);
}

static void open_channel(struct state *s)
{
	struct usher_error err = { 0 };
	if (!s->channel && coupon_open(&s->settings, s->loop, s->cl, &s->channel, &err) < 0)
		fail_msg("%s", err.message);
	if (!s->channel)
		abort(); /* the analyser does not know that fail_msg never returns */
}

static const struct reply *probe(struct state *s)
{
	char url[sizeof s->url];
	int before = s->answers;
	snprintf(url, sizeof url, "http://127.0.0.1:%d/health", s->server.port);
	s->settings.health_url = url;
	open_channel(s);
	s->stock = STOCK_UNKNOWN;
	assert_true(s->channel->ops->probe(s->channel, probed, s));
	assert_int_equal(s->answers, before);
	loop_run(s->loop);
	assert_int_equal(s->answers, before + 1);
	return &s->reply;
}

static void a_probe_asks_the_health_url(void **state)
{
	struct state *s = *state;
	answer_with(s, "204 No Content", "");
	const struct reply *reply = probe(s);
	assert_int_equal(reply->fault, FAULT_NONE);
	assert_int_equal(reply->code, 204);
	assert_ptr_equal(strstr(s->head, "GET /health HTTP/1.1\n"), s->head);
	assert_null(strstr(s->head, "Authorization"));
	assert_int_equal(s->stock, STOCK_UNKNOWN);
}

static void a_probe_hears_of_the_stock(void **state)
{
	struct state *s = *state;
	static const struct {
		const char *status, *body;
		enum channel_stock stock;
	} cases[] = {
		{ "200 OK", "{\"status\":\"UP\",\"inStock\":true}", STOCK_IN },
		{ "200 OK", "{\"inStock\":false}", STOCK_OUT },
		{ "200 OK", "{\"inStock\":\"no\"}", STOCK_UNKNOWN },
		{ "200 OK", "{\"instock\":false}", STOCK_UNKNOWN },
		{ "200 OK", "well", STOCK_UNKNOWN },
		{ "200 OK", "[]", STOCK_UNKNOWN },
		{ "503 Down", "{\"inStock\":true}", STOCK_UNKNOWN },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		answer_with(s, cases[i].status, cases[i].body);
		probe(s);
		if (s->stock != cases[i].stock)
			fail_msg("case %zu: %d", i, (int)s->stock);
	}
	assert_int_equal(s->reply.code, 503);
	assert_string_equal(s->reply.text, "{\"inStock\":true}");
}

static void a_probe_that_gets_no_answer_says_why(void **state)
{
	struct state *s = *state;
	s->settings.timeout_ms = 1000; /* a busy machine is quicker to cut than that */
	s->hang = true;
	assert_fault(probe(s), FAULT_TIMEOUT, false);
	s->hang = false;
	s->cut = true;
	assert_fault(probe(s), FAULT_CONNECT, false);
	s->cut = false;
	answer_with(s, "200 OK", "{}");
	assert_int_equal(probe(s)->code, 200);
}

static void without_a_health_url_there_is_no_probe(void **state)
{
	struct state *s = *state;
	s->settings.health_url = "";
	open_channel(s);
	assert_false(s->channel->ops->probe(s->channel, probed, s));
	assert_int_equal(s->requests, 0);
}

static void closing_drops_a_probe_under_way(void **state)
{
	struct state *s = *state;
	s->hang = true;
	s->settings.health_url = s->url;
	open_channel(s);
	assert_true(s->channel->ops->probe(s->channel, probed, s));
	s->channel->ops->close(s->channel);
	s->channel = NULL;
	assert_int_equal(s->answers, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_request_is_as_documented),
		CASE(the_key_is_the_same_at_each_try),
		CASE(the_key_is_safe_in_a_header_whatever_the_id),
		CASE(without_a_token_no_authorization_goes_out),
		CASE(refusals_are_told_in_the_services_words),
		CASE(a_duplicate_may_name_its_coupon),
		CASE(retry_after_is_told),
		CASE(a_success_without_a_coupon_is_none),
		CASE(long_answers_are_cut),
		CASE(a_service_that_is_away_had_no_effect),
		CASE(a_cut_after_the_request_may_have_had_its_effect),
		CASE(silence_after_the_request_may_have_had_its_effect),
		CASE(a_wrong_certificate_is_a_tls_fault),
		CASE(closing_drops_what_is_under_way),
		CASE(many_grants_at_once_are_each_answered),
		CASE(wrong_settings_are_refused),
		CASE(a_probe_asks_the_health_url),
		CASE(a_probe_hears_of_the_stock),
		CASE(a_probe_that_gets_no_answer_says_why),
		CASE(without_a_health_url_there_is_no_probe),
		CASE(closing_drops_a_probe_under_way),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
