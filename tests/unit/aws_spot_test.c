/* The notice of a spot interruption, from a stand-in of the metadata service: who asks, how often, what is
 * taken for a notice, and what is not. */
#include "../support/provider.h"

#include "net/aws_spot.h"

#define NOTICE "GET /latest/meta-data/spot/instance-action "
#define TOKEN "PUT /latest/api/token "
#define RARELY_MS 300

struct heard {
	struct party *party;
	struct aws_spot *spot;
	int times;
	char action[32], at[64];
	struct loop_timer *look;
	struct route *route; /* until it was asked as often as this */
	int requests;
};

static void on_notice(void *arg, const char *action, const char *at)
{
	struct heard *heard = arg;

	heard->times++;
	snprintf(heard->action, sizeof heard->action, "%s", action);
	snprintf(heard->at, sizeof heard->at, "%s", at);
	loop_stop(heard->party->loop);
}

static struct heard listen_to(struct party *p)
{
	party_set(p, "AWS_EC2_METADATA_SERVICE_ENDPOINT=%s", p->address);
	return (struct heard){ .party = p };
}

static void begin(struct heard *heard)
{
	heard->spot = aws_spot_new(heard->party->loop, heard->party->http,
	        &(struct aws_spot_settings){
	                .environment = heard->party->environment, .ask_ms = 1, .rarely_ms = RARELY_MS },
	        on_notice, heard);
}

static void look(void *arg)
{
	struct heard *heard = arg;

	if (heard->route->requests >= heard->requests)
		loop_stop(heard->party->loop);
	else
		loop_timer_start(heard->look, 1);
}

/* Runs until the route was asked that often. */
static void until_asked(struct heard *heard, struct route *route, int requests)
{
	heard->route = route;
	heard->requests = requests;
	heard->look = loop_timer_new(heard->party->loop, look, heard);
	loop_timer_start(heard->look, 0);
	loop_timer_start(heard->party->patience, 20000);
	loop_run(heard->party->loop);
	loop_timer_stop(heard->party->patience);
	loop_timer_free(heard->look);
}

static void until_heard(struct heard *heard)
{
	loop_timer_start(heard->party->patience, 20000);
	loop_run(heard->party->loop);
	loop_timer_stop(heard->party->patience);
	assert_int_equal(heard->times, 1);
}

static void it_asks_with_one_token_until_there_is_a_notice(void **state)
{
	struct party *p = *state;
	struct route *token = party_answer(p, TOKEN, 200, "S3CR3Timds==");
	struct route *notice = party_answer(p, NOTICE, 404, "");
	struct heard heard = listen_to(p);
	begin(&heard);
	until_asked(&heard, notice, 5);
	assert_int_equal(token->requests, 1);
	assert_non_null(strstr(token->seen, "\nX-aws-ec2-metadata-token-ttl-seconds: 21600\n"));
	assert_non_null(strstr(notice->seen, "\nX-aws-ec2-metadata-token: S3CR3Timds==\n"));
	assert_int_equal(heard.times, 0);
	party_answer(p, NOTICE, 200, "{\"action\":\"terminate\",\"time\":\"2026-09-18T08:22:00Z\"}");
	until_heard(&heard);
	assert_string_equal(heard.action, "terminate");
	assert_string_equal(heard.at, "2026-09-18T08:22:00Z");
	aws_spot_free(heard.spot);
}

static void a_token_that_ended_is_asked_for_anew_at_once(void **state)
{
	struct party *p = *state;
	struct route *token = party_answer(p, TOKEN, 200, "S3CR3T1");
	struct route *notice = party_answer(p, NOTICE, 404, "");
	struct heard heard = listen_to(p);
	begin(&heard);
	until_asked(&heard, notice, 2);
	party_answer(p, TOKEN, 200, "S3CR3T2");
	pthread_mutex_lock(&p->server.mutex);
	notice->needs = "S3CR3T2";
	notice->refusal_status = 401;
	notice->refusal = "";
	pthread_mutex_unlock(&p->server.mutex);
	until_asked(&heard, token, 2);
	party_answer(p, NOTICE, 200, "{\"action\":\"stop\"}");
	until_heard(&heard);
	assert_string_equal(heard.action, "stop");
	assert_string_equal(heard.at, "");
	assert_int_equal(token->requests, 2);
	aws_spot_free(heard.spot);
}

/* A service that never takes its own tokens must not be asked in a busy loop. */
static void who_does_not_answer_is_asked_rarely(void **state)
{
	struct party *p = *state;
	struct route *token = party_answer(p, TOKEN, 200, "S3CR3T");
	struct route *notice = party_answer(p, NOTICE, 401, "");
	struct heard heard = listen_to(p);
	begin(&heard);
	until_asked(&heard, notice, AWS_SPOT_MISSES);
	mono_time third = mono_now();
	until_asked(&heard, token, AWS_SPOT_MISSES + 1);
	assert_true(mono_since_ms(third, mono_now()) >= RARELY_MS / 2);
	party_answer(p, NOTICE, 404, "");
	until_asked(&heard, notice, AWS_SPOT_MISSES + 3); /* it answers: often again */
	party_answer(p, NOTICE, 200, "{\"action\":\"terminate\",\"time\":\"x\\ny\"}");
	until_heard(&heard);
	assert_string_equal(heard.at, "x y");
	aws_spot_free(heard.spot);
}

static void what_is_no_notice_stops_nobody(void **state)
{
	static const char *const bodies[] = { "", "<html>captive portal</html>", "[]", "{\"action\":\"\"}",
		"{\"action\":7}", "{\"action\":\"hibernate\",\"time\":\"2026-09-18T08:22:00Z\"}" };
	struct party *p = *state;
	struct heard heard = listen_to(p);
	party_answer(p, TOKEN, 200, "S3CR3T");
	struct route *notice = party_answer(p, NOTICE, 404, "");
	begin(&heard);
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		party_answer(p, NOTICE, 200, "%s", bodies[i]);
		until_asked(&heard, notice, notice->requests + 2);
		assert_int_equal(heard.times, 0);
	}
	aws_spot_free(heard.spot);
}

static void stop(void *arg)
{
	loop_stop(arg);
}

static void where_metadata_are_disabled_nobody_is_asked(void **state)
{
	struct party *p = *state;
	struct heard heard = listen_to(p);
	struct route *token = party_answer(p, TOKEN, 200, "S3CR3T");
	party_set(p, "AWS_EC2_METADATA_DISABLED=true");
	begin(&heard);
	loop_defer(p->loop, stop, p->loop);
	loop_run(p->loop);
	aws_spot_free(heard.spot);
	assert_int_equal(token->requests, 0);
}

static void it_may_end_while_it_asks(void **state)
{
	struct party *p = *state;
	struct route *token = party_answer(p, TOKEN, 200, "");
	struct heard heard = listen_to(p);
	token->hang = true;
	begin(&heard);
	until_asked(&heard, token, 1);
	aws_spot_free(heard.spot);
	assert_int_equal(heard.times, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PARTY_CASE(it_asks_with_one_token_until_there_is_a_notice),
		PARTY_CASE(a_token_that_ended_is_asked_for_anew_at_once),
		PARTY_CASE(who_does_not_answer_is_asked_rarely),
		PARTY_CASE(what_is_no_notice_stops_nobody),
		PARTY_CASE(where_metadata_are_disabled_nobody_is_asked),
		PARTY_CASE(it_may_end_while_it_asks),
	};

	curl_global_init(CURL_GLOBAL_DEFAULT);
	return cmocka_run_group_tests_name("aws spot", tests, NULL, NULL);
}
