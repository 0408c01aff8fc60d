/* The provider: one fetch for many, answers from memory, fetching ahead of the end and behind the caller's
 * back, failures with and without something at hand, refreshes a service asks for. Wall time is the
 * test's. */
#include "../support/provider.h"

#include "net/aws.h"

#define END "GET /keys "
#define HOUR_MS (3600 * 1000)

static int64_t now_ms;

static wall_time test_now(void)
{
	return (wall_time){ now_ms };
}

static int setup(void **state)
{
	party_setup(state);
	struct party *p = *state;
	now_ms = INT64_C(1800000000000);
	p->settings.now = test_now;
	party_set(p, "AWS_CONTAINER_CREDENTIALS_FULL_URI=%s/keys", p->address);
	return 0;
}

static struct route *answer_keys(struct party *p, const char *access_key, int64_t lives_ms)
{
	char until[WALL_TEXT_SIZE];
	return party_answer(p, END, 200,
	        "{\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"S3CR3T\",\"Token\":\"S3CR3T\",\"Expiration\":"
	        "\"%s\"}",
	        access_key, wall_format((wall_time){ now_ms + lives_ms }, until));
}

static void many_waiters_share_one_fetch(void **state)
{
	struct party *p = *state;
	struct route *end = answer_keys(p, "A1", HOUR_MS);
	party_get(p, 50);
	assert_string_equal(p->access_key, "A1");
	assert_int_equal(end->requests, 1);
	party_get(p, 50);
	assert_int_equal(end->requests, 1); /* from memory */
}

static void many_waiters_share_one_failure(void **state)
{
	struct party *p = *state;
	struct route *end = party_answer(p, END, 500, "oh");
	party_get(p, 50);
	assert_false(p->good);
	assert_int_equal(p->err.code, USHER_EUNAVAILABLE);
	assert_int_equal(end->requests, 1);
	party_fails(p, USHER_EUNAVAILABLE, "answered 500: oh");
	assert_int_equal(end->requests, 1); /* it backs off */
	answer_keys(p, "A1", HOUR_MS);
	party_until(p, "A1");
	assert_int_equal(end->requests, 2);
}

static void new_ones_are_fetched_behind_the_callers_back(void **state)
{
	struct party *p = *state;
	struct route *end = answer_keys(p, "A1", HOUR_MS);
	party_get(p, 1);
	now_ms += HOUR_MS - AWS_REFRESH_AHEAD_MS - 1;
	party_get(p, 1);
	assert_int_equal(end->requests, 1);
	now_ms += 1;
	answer_keys(p, "A2", HOUR_MS);
	party_get(p, 1);
	assert_string_equal(p->access_key, "A1"); /* at once, from memory */
	party_until(p, "A2");
	assert_int_equal(end->requests, 2);
}

static void nobody_waits_for_a_slow_refresh(void **state)
{
	struct party *p = *state;
	struct route *end = answer_keys(p, "A1", HOUR_MS);
	party_get(p, 1);
	now_ms += HOUR_MS - AWS_REFRESH_AHEAD_MS;
	end->hang = true;
	mono_time start = mono_now();
	for (int i = 0; i < 20; i++)
		party_get(p, 1);
	assert_string_equal(p->access_key, "A1");
	assert_true(mono_since_ms(start, mono_now()) < AWS_LOCAL_TIMEOUT_MS);
}

static void a_failed_refresh_keeps_the_old_ones_until_they_expire(void **state)
{
	struct party *p = *state;
	struct route *end = answer_keys(p, "A1", HOUR_MS);
	party_get(p, 1);
	party_answer(p, END, 503, "");
	now_ms += HOUR_MS - AWS_REFRESH_AHEAD_MS;
	while (end->requests < 2) {
		party_get(p, 1);
		assert_string_equal(p->access_key, "A1");
	}
	now_ms += AWS_REFRESH_AHEAD_MS - AWS_EXPIRY_MARGIN_MS - 1;
	party_get(p, 1);
	assert_string_equal(p->access_key, "A1");
	now_ms += 1;
	party_fails(p, USHER_EUNAVAILABLE, "answered 503");
	answer_keys(p, "A2", HOUR_MS);
	party_until(p, "A2");
}

static void short_lived_ones_are_fetched_anew_at_half_time(void **state)
{
	struct party *p = *state;
	struct route *end = answer_keys(p, "A1", 60000);
	party_get(p, 10);
	now_ms += 29999;
	party_get(p, 10);
	assert_int_equal(end->requests, 1);
	now_ms += 1;
	answer_keys(p, "A2", 60000);
	party_until(p, "A2");
}

static void expired_ones_are_refused_and_not_asked_for_in_a_hurry(void **state)
{
	struct party *p = *state;
	struct route *end = answer_keys(p, "A1", -1000);
	party_fails(
	        p, USHER_EFORBIDDEN, "AWS credentials from container expired at 2027-01-15T07:59:59.000Z");
	party_get(p, 10);
	assert_int_equal(end->requests, 1);
}

static void a_service_that_refuses_them_makes_the_next_get_wait(void **state)
{
	struct party *p = *state;
	struct route *end = answer_keys(p, "A1", HOUR_MS);
	party_get(p, 1);
	answer_keys(p, "A2", HOUR_MS);
	aws_provider_refresh(p->provider);
	party_get(p, 3);
	assert_string_equal(p->access_key, "A2");
	for (int i = 0; i < 5; i++) { /* calls signed before it come back refused */
		aws_provider_refresh(p->provider);
		party_get(p, 1);
	}
	assert_int_equal(end->requests, 2);
}

static void refused_ones_are_not_given_out_when_no_new_ones_come(void **state)
{
	struct party *p = *state;
	answer_keys(p, "A1", HOUR_MS);
	party_get(p, 1);
	party_answer(p, END, 500, "");
	aws_provider_refresh(p->provider);
	party_fails(p, USHER_EUNAVAILABLE, "answered 500");
	party_fails(p, USHER_EUNAVAILABLE, "answered 500");
}

static void get_again(void *arg, const struct aws_credentials *credentials, const struct usher_error *err)
{
	struct party *p = arg;
	assert_non_null(credentials);
	assert_null(err);
	aws_provider_get(p->provider, party_done, p);
	assert_string_equal(credentials->access_key, "A1"); /* still ours */
}

static void a_callback_may_get_again(void **state)
{
	struct party *p = *state;
	answer_keys(p, "A1", HOUR_MS);
	p->provider = aws_provider_new(p->loop, p->http, &p->settings);
	p->waiting = 2;
	aws_provider_get(p->provider, get_again, p);
	aws_provider_get(p->provider, get_again, p);
	loop_timer_start(p->patience, 20000);
	loop_run(p->loop);
	assert_int_equal(p->answers, 2);
}

static void stop_loop(void *arg)
{
	struct party *p = arg;
	struct route *end = party_answer(p, END, 200, "{}");
	if (end->requests > 0)
		loop_stop(p->loop);
	else
		loop_post(p->loop, stop_loop, p);
}

static void freeing_while_a_fetch_is_under_way_is_silent(void **state)
{
	struct party *p = *state;
	answer_keys(p, "A1", HOUR_MS)->hang = true;
	p->provider = aws_provider_new(p->loop, p->http, &p->settings);
	aws_provider_get(p->provider, party_done, p);
	aws_provider_get(p->provider, party_done, p);
	loop_post(p->loop, stop_loop, p);
	loop_run(p->loop);
	aws_provider_free(p->provider);
	p->provider = aws_provider_new(p->loop, p->http, &p->settings);
	aws_provider_get(p->provider, party_done, p); /* and one that has not begun */
	aws_provider_free(p->provider);
	p->provider = NULL;
	assert_int_equal(p->answers, 0);
}

/* -- With calls that are signed with them --------------------------------------------------------- */

struct calls {
	struct party *party;
	int left, good, code;
	char words[AWS_ERROR_WORDS_MAX];
};

static void called(void *arg, const struct aws_answer *answer)
{
	struct calls *calls = arg;
	calls->good += answer->code == 0;
	calls->code = answer->code;
	snprintf(calls->words, sizeof calls->words, "%s", answer->error_message);
	assert_null(strstr(calls->words, "S3CR3T"));
	if (--calls->left == 0)
		loop_stop(calls->party->loop);
}

static void loop_stop_now(void *loop)
{
	loop_stop(loop);
}

static struct calls call(struct party *p, int times)
{
	struct calls calls = { .party = p, .left = times };
	const struct aws_request request = { .action = "ListQueues",
		.target = "AmazonSQS.ListQueues",
		.body = "{}",
		.body_len = 2,
		.timeout_ms = 5000 };
	struct aws_client *client = aws_client_new(&(struct aws_client_settings){ .loop = p->loop,
	        .http = p->http,
	        .provider = p->provider,
	        .region = "us-east-1",
	        .service = "sqs",
	        .endpoint = p->address });
	for (int i = 0; i < times; i++)
		aws_call(client, &request, called, &calls);
	loop_timer_start(p->patience, 20000);
	loop_run(p->loop);
	loop_timer_stop(p->patience);
	loop_defer(p->loop, loop_stop_now, p->loop); /* the last callback has returned when this has */
	loop_run(p->loop);
	aws_client_free(client);
	return calls;
}

static void calls_refused_as_expired_go_again_with_new_ones(void **state)
{
	struct party *p = *state;
	struct route *end = answer_keys(p, "A1", HOUR_MS);
	struct route *sqs = party_answer(p, "POST / ", 200, "{}");
	party_get(p, 1);
	sqs->needs = "Credential=A2/";
	sqs->refusal = "{\"__type\":\"com.amazon.coral.service#ExpiredTokenException\",\"message\":\"old\"}";
	answer_keys(p, "A2", HOUR_MS);
	struct calls calls = call(p, 5);
	assert_int_equal(calls.good, 5);
	assert_int_equal(sqs->requests, 10);
	assert_int_equal(end->requests, 2); /* they share the one fetch */
}

static void calls_refused_for_good_say_who_was_refused(void **state)
{
	struct party *p = *state;
	struct route *end = answer_keys(p, "A1", HOUR_MS);
	struct route *sqs = party_answer(p, "POST / ", 403,
	        "{\"__type\":\"com.amazon.coral.service#AccessDeniedException\",\"message\":\"User: "
	        "arn:aws:iam::1:user/u is not authorized to perform: sqs:listqueues\"}");
	party_get(p, 1);
	struct calls calls = call(p, 1);
	assert_int_equal(calls.code, USHER_EFORBIDDEN);
	assert_non_null(strstr(calls.words, "arn:aws:iam::1:user/u is not authorized"));
	assert_non_null(strstr(calls.words, "container"));
	assert_int_equal(sqs->requests, 1);
	assert_int_equal(end->requests, 1);
}

static void calls_without_credentials_say_why(void **state)
{
	struct party *p = *state;
	struct route *sqs = party_answer(p, "POST / ", 200, "{}");
	party_answer(p, END, 404, "{\"message\":\"no role for this task\"}");
	party_fails(p, USHER_EFORBIDDEN, "no role for this task");
	struct calls calls = call(p, 3);
	assert_int_equal(calls.good, 0);
	assert_int_equal(calls.code, USHER_EFORBIDDEN);
	assert_non_null(strstr(calls.words, "container: the endpoint answered 404"));
	assert_int_equal(sqs->requests, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, party_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(many_waiters_share_one_fetch),
		CASE(many_waiters_share_one_failure),
		CASE(new_ones_are_fetched_behind_the_callers_back),
		CASE(nobody_waits_for_a_slow_refresh),
		CASE(a_failed_refresh_keeps_the_old_ones_until_they_expire),
		CASE(short_lived_ones_are_fetched_anew_at_half_time),
		CASE(expired_ones_are_refused_and_not_asked_for_in_a_hurry),
		CASE(a_service_that_refuses_them_makes_the_next_get_wait),
		CASE(refused_ones_are_not_given_out_when_no_new_ones_come),
		CASE(a_callback_may_get_again),
		CASE(freeing_while_a_fetch_is_under_way_is_silent),
		CASE(calls_refused_as_expired_go_again_with_new_ones),
		CASE(calls_refused_for_good_say_who_was_refused),
		CASE(calls_without_credentials_say_why),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
