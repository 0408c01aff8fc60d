/* Signed calls (net/aws.h) against a server that plays AWS: what is tried again, what is told, what never
 * shows. */
#include "../support/server.h"

#include "net/aws.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define ANSWERS_MAX 8
#define SECRET "s3cr3t-0f-n0b0dy"
#define SLOW_MS 300

struct planned { /* one request's answer */
	const char *status, *headers, *body;
	bool cut;    /* the connection ends in the middle of the answer */
	bool silent; /* nothing comes */
};

static struct fixture {
	struct server server;
	struct planned plan[ANSWERS_MAX];
	char requests[ANSWERS_MAX][4096]; /* headers and body, as they came */
	atomic_int seen;
	struct loop *loop;
	struct curl_loop *curl;
	struct http *http;
	struct aws_provider *provider;
	struct aws_client *client;
	atomic_uint_least64_t counted, retried;
	atomic_bool ending;
	char endpoint[64];
	struct aws_answer answer; /* body is not kept */
	char body[256];
	int answers;
} f;

static const char *const environment[] = { "AWS_ACCESS_KEY_ID=AKIDNOBODY", "AWS_SECRET_ACCESS_KEY=" SECRET,
	"AWS_SESSION_TOKEN=t0ken", "AWS_EC2_METADATA_DISABLED=true", NULL };

/* -- The server ------------------------------------------------------------------------------- */

/* One request; false when the peer has gone. */
static bool read_request(struct peer *peer, char *text, size_t size)
{
	char line[2048];
	size_t len = 0, body = 0;

	text[0] = '\0';
	while (peer_line(peer, line, sizeof line) && *line) {
		sscanf(line, "Content-Length: %zu", &body);
		len += (size_t)snprintf(text + len, size - len, "%s\n", line);
	}
	if (len == 0 || len + body >= size || !peer_read(peer, text + len, body))
		return false;
	text[len + body] = '\0';
	return true;
}

static void serve(struct server *server, struct peer *peer)
{
	char request[4096], head[512];

	while (read_request(peer, request, sizeof request)) {
		int i = atomic_load(&f.seen);
		pthread_mutex_lock(&server->mutex);
		struct planned plan = f.plan[i < ANSWERS_MAX ? i : ANSWERS_MAX - 1];
		if (i < ANSWERS_MAX)
			memcpy(f.requests[i], request, sizeof request);
		pthread_mutex_unlock(&server->mutex);
		atomic_fetch_add(&f.seen, 1);
		if (plan.silent) {
			peer_drain(peer);
			return;
		}
		snprintf(head, sizeof head,
		        "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%sx-amzn-RequestId: req-7\r\n\r\n",
		        plan.status, strlen(plan.body), plan.headers ? plan.headers : "");
		peer_say(peer, head);
		peer_send(peer, plan.body, strlen(plan.body) / (plan.cut ? 2 : 1));
		if (plan.cut)
			return;
	}
}

static int setup(void **state)
{
	(void)state;
	memset(&f, 0, sizeof f);
	server_start(&f.server, serve, NULL);
	f.loop = loop_new();
	f.curl = curl_loop_new(f.loop, 8);
	f.http = http_new(f.curl);
	f.provider = aws_provider_new(f.loop, f.http,
	        &(struct aws_provider_settings){ .region = "eu-west-1", .environment = environment });
	snprintf(f.endpoint, sizeof f.endpoint, "http://127.0.0.1:%d", f.server.port);
	f.client = aws_client_new(&(struct aws_client_settings){ .loop = f.loop,
	        .http = f.http,
	        .provider = f.provider,
	        .region = "eu-west-1",
	        .service = "sqs",
	        .endpoint = f.endpoint,
	        .retried = &f.retried,
	        .ending = &f.ending });
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	aws_provider_free(f.provider);
	aws_client_free(f.client);
	http_free(f.http);
	curl_loop_free(f.curl);
	loop_free(f.loop);
	server_stop(&f.server);
	return 0;
}

/* -- Calling ---------------------------------------------------------------------------------- */

static void on_answer(void *arg, const struct aws_answer *answer)
{
	(void)arg;
	f.answer = *answer;
	snprintf(f.body, sizeof f.body, "%s", answer->body ? answer->body : "");
	f.answers++;
	loop_stop(f.loop);
}

static struct aws_call *begin(int64_t timeout_ms)
{
	return aws_call(f.client,
	        &(struct aws_request){ .action = "ReceiveMessage",
	                .target = "AmazonSQS.ReceiveMessage",
	                .body = "{}",
	                .body_len = 2,
	                .timeout_ms = timeout_ms,
	                .counter = &f.counted },
	        on_answer, NULL);
}

/* The answers in turn; the last one again and again. */
static int call(const struct planned *plan, int n)
{
	pthread_mutex_lock(&f.server.mutex);
	for (int i = 0; i < ANSWERS_MAX; i++)
		f.plan[i] = plan[i < n ? i : n - 1];
	pthread_mutex_unlock(&f.server.mutex);
	begin(plan[0].silent ? SLOW_MS : 20000);
	loop_run(f.loop);
	assert_int_equal(f.answers, 1);
	assert_null(strstr(f.answer.error_message, SECRET));
	assert_int_equal(f.counted, (uint64_t)atomic_load(&f.seen));
	return f.answer.code;
}

#define CALL(...)                                                                                            \
	call((const struct planned[]){ __VA_ARGS__ }, ARRAY_LEN(((const struct planned[]){ __VA_ARGS__ })))
#define GOOD                                                                                                 \
	{                                                                                                    \
		.status = "200 OK", .body = "{\"a\":1}"                                                      \
	}
#define BAD(status_text, type, words)                                                                        \
	{                                                                                                    \
		.status = status_text, .body = "{\"__type\":\"" type "\",\"message\":\"" words "\"}"         \
	}

static void a_call_is_signed(void **state)
{
	(void)state;
	assert_int_equal(CALL(GOOD), 0);
	assert_string_equal(f.body, "{\"a\":1}");
	const char *request = f.requests[0];
	assert_non_null(strstr(request, "POST / HTTP/1.1\n"));
	assert_non_null(strstr(request, "X-Amz-Target: AmazonSQS.ReceiveMessage\n"));
	assert_non_null(strstr(request, "Content-Type: application/x-amz-json-1.0\n"));
	assert_non_null(strstr(request, "X-Amz-Security-Token: t0ken\n"));
	assert_non_null(strstr(request, "Authorization: AWS4-HMAC-SHA256 Credential=AKIDNOBODY/"));
	assert_non_null(strstr(request, "/eu-west-1/sqs/aws4_request"));
	assert_null(strstr(request, SECRET));
}

static void what_passes_is_tried_again(void **state)
{
	(void)state;
	assert_int_equal(CALL(BAD("500 Internal Server Error", "InternalFailure", ""),
	                         { .status = "503 Busy", .body = "" },
	                         BAD("400 Bad Request", "com.amazonaws.sqs#RequestThrottled", "slow"), GOOD),
	        0);
	assert_int_equal(f.seen, 4);
	assert_int_equal(f.retried, 3);
}

static void tries_have_a_bound(void **state)
{
	(void)state;
	assert_int_equal(CALL({ .status = "500 Oops", .body = "<html>proxy</html>" }), USHER_EUNAVAILABLE);
	assert_int_equal(f.seen, AWS_TRIES_MAX);
	assert_int_equal(f.answer.status, 500);
	assert_non_null(strstr(f.answer.error_message, "sqs ReceiveMessage failed: HTTP status 500"));
	assert_string_equal(f.answer.request_id, "req-7");
}

static void a_cut_answer_is_asked_for_again(void **state)
{
	(void)state;
	assert_int_equal(CALL({ .status = "200 OK", .body = "{\"half\":1}", .cut = true }, GOOD), 0);
	assert_string_equal(f.body, "{\"a\":1}");
	assert_int_equal(f.seen, 2);
}

static void a_slow_endpoint_is_told(void **state)
{
	(void)state;
	assert_int_equal(CALL({ .silent = true }), USHER_EUNAVAILABLE);
	assert_int_equal(f.seen, AWS_TRIES_MAX);
	assert_non_null(strstr(f.answer.error_message, "does not answer"));
}

static void who_ends_does_not_try_again(void **state)
{
	(void)state;
	atomic_store(&f.ending, true);
	assert_int_equal(CALL({ .status = "500 Oops", .body = "" }, GOOD), USHER_EUNAVAILABLE);
	assert_int_equal(f.seen, 1);
}

/* A service that asks for a long pause is not held on to: the caller has a pause of its own. */
static void retry_after_is_honoured(void **state)
{
	(void)state;
	mono_time began = mono_now();
	assert_int_equal(
	        CALL({ .status = "503 Busy", .headers = "Retry-After: 1\r\n", .body = "" }, GOOD), 0);
	assert_true(mono_since_ms(began, mono_now()) >= 990);
	f.answers = 0;
	atomic_store(&f.seen, 0);
	f.counted = 0;
	assert_int_equal(CALL({ .status = "503 Busy", .headers = "Retry-After: 60\r\n", .body = "" }, GOOD),
	        USHER_EUNAVAILABLE);
	assert_int_equal(f.seen, 1);
	assert_int_equal(f.answer.retry_after_ms, 60000);
}

static void what_is_refused_names_principal_and_action(void **state)
{
	(void)state;
	assert_int_equal(
	        CALL(BAD("403 Forbidden", "AccessDeniedException",
	                "User: arn:aws:iam::1:user/u is not authorized to perform: sqs:receivemessage")),
	        USHER_EFORBIDDEN);
	assert_int_equal(f.seen, 1);
	assert_string_equal(f.answer.error_type, "AccessDeniedException");
	assert_non_null(strstr(f.answer.error_message,
	        "arn:aws:iam::1:user/u is not authorized to perform: sqs:receivemessage"));
	assert_non_null(strstr(f.answer.error_message, "credentials: environment"));
}

static void expired_credentials_are_renewed_once(void **state)
{
	(void)state;
	assert_int_equal(CALL(BAD("403 Forbidden", "ExpiredTokenException", "expired"), GOOD), 0);
	assert_int_equal(f.seen, 2);
}

static void credentials_that_stay_expired_are_told(void **state)
{
	(void)state;
	assert_int_equal(CALL(BAD("403 Forbidden", "ExpiredToken", "The security token is expired")),
	        USHER_EFORBIDDEN);
	assert_int_equal(f.seen, 2);
	assert_non_null(strstr(f.answer.error_message, "renew them"));
}

static void a_wrong_clock_is_named(void **state)
{
	(void)state;
	assert_int_equal(CALL(BAD("403 Forbidden", "InvalidSignatureException",
	                         "Signature expired: 20260101T000000Z is now earlier than 20261122T000000Z")),
	        USHER_EFORBIDDEN);
	assert_non_null(strstr(f.answer.error_message, "this machine's clock"));
	assert_int_equal(f.seen, 1);
}

static void a_cancelled_call_is_silent(void **state)
{
	(void)state;
	for (int i = 0; i < ANSWERS_MAX; i++)
		f.plan[i] = (struct planned){ .silent = true };
	aws_cancel(begin(20000)); /* while it waits for credentials */
	struct aws_call *second = begin(20000);
	struct loop_timer *timer = loop_timer_new(f.loop, (loop_fn *)loop_stop, f.loop);
	while (atomic_load(&f.seen) == 0) {
		loop_timer_start(timer, 10);
		loop_run(f.loop);
	}
	aws_cancel(second); /* while it waits for the answer */
	begin(20000);       /* freed under way */
	loop_timer_start(timer, 10);
	loop_run(f.loop);
	loop_timer_free(timer);
	assert_int_equal(f.answers, 0);
}

static void missing_credentials_are_the_operators_matter(void **state)
{
	(void)state;
	static const char *const none[] = { "AWS_EC2_METADATA_DISABLED=true", "HOME=/nonexistent", NULL };
	aws_provider_free(f.provider);
	aws_client_free(f.client);
	f.provider = aws_provider_new(f.loop, f.http, &(struct aws_provider_settings){ .environment = none });
	f.client = aws_client_new(&(struct aws_client_settings){ .loop = f.loop,
	        .http = f.http,
	        .provider = f.provider,
	        .region = "eu-west-1",
	        .service = "sqs",
	        .endpoint = f.endpoint });
	assert_int_equal(CALL(GOOD), USHER_EFORBIDDEN);
	assert_int_equal(f.seen, 0);
	assert_true(strlen(f.answer.error_message) > 0);
}

/* -- Errors ----------------------------------------------------------------------------------- */

static void errors_are_read_in_both_protocols(void **state)
{
	(void)state;
	static const struct {
		const char *body, *type, *words;
	} rows[] = {
		{ "{\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\",\"message\":\"gone\"}",
		        "QueueDoesNotExist", "gone" },
		{ "{\"__type\":\"AWS.SimpleQueueService.NonExistentQueue\",\"Message\":\"gone\"}",
		        "NonExistentQueue", "gone" },
		{ "{\"__type\":\"X:http://internal/\"}", "X", "" },
		{ "<?xml version=\"1.0\"?>\n<ErrorResponse "
		  "xmlns=\"http://sns\"><Error><Type>Sender</Type><Code>NotFound</Code>"
		  "<Message>Topic &lt;x&gt;\nis "
		  "gone</Message></Error><RequestId>1</RequestId></ErrorResponse>",
		        "NotFound", "Topic <x> is gone" },
		{ "<!DOCTYPE a [<!ENTITY b "
		  "\"c\">]><ErrorResponse><Error><Code>&b;</Code></Error></ErrorResponse>",
		        "", "" },
		{ "<html><body>502</body></html>", "", "" },
		{ "", "", "" },
		{ "{\"__type\":7}", "", "" },
		{ "{\"__type\":", "", "" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char type[AWS_ERROR_TYPE_MAX], words[AWS_ERROR_WORDS_MAX];
		aws_error_read(rows[i].body, strlen(rows[i].body), type, words);
		assert_string_equal(type, rows[i].type);
		assert_string_equal(words, rows[i].words);
	}
}

static void faults_are_classed(void **state)
{
	(void)state;
	static const struct {
		int status;
		const char *type;
		int code;
		enum aws_remedy remedy;
	} rows[] = {
		{ 200, "", 0, AWS_GIVE_UP },
		{ 400, "QueueDoesNotExist", USHER_ENOTFOUND, AWS_GIVE_UP },
		{ 404, "", USHER_ENOTFOUND, AWS_GIVE_UP },
		{ 400, "ThrottlingException", USHER_EUNAVAILABLE, AWS_TRY_LATER },
		{ 429, "", USHER_EUNAVAILABLE, AWS_TRY_LATER },
		{ 502, "", USHER_EUNAVAILABLE, AWS_TRY_AGAIN },
		{ 403, "SomethingNew", USHER_EFORBIDDEN, AWS_GIVE_UP },
		{ 403, "InvalidClientTokenId", USHER_EFORBIDDEN, AWS_FRESH_CREDENTIALS },
		{ 400, "SomethingNew", USHER_EINVAL, AWS_GIVE_UP },
		{ 400, "KmsThrottled", USHER_EUNAVAILABLE, AWS_TRY_LATER },
		{ 400, "KmsAccessDenied", USHER_EFORBIDDEN, AWS_GIVE_UP },
		{ 400, "KMSInvalidState", USHER_EFORBIDDEN, AWS_GIVE_UP },
		{ 400, "KMS.DisabledException", USHER_EFORBIDDEN, AWS_GIVE_UP },
		{ 500, "KMSInternalException", USHER_EUNAVAILABLE, AWS_TRY_AGAIN },
		{ 301, "", USHER_EPROTOCOL, AWS_GIVE_UP },
		{ 413, "", USHER_ETOOBIG, AWS_GIVE_UP },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct aws_fault fault = aws_fault_of(rows[i].status, rows[i].type);
		assert_int_equal(fault.code, rows[i].code);
		assert_int_equal(fault.remedy, rows[i].remedy);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_call_is_signed),
		T(what_passes_is_tried_again),
		T(tries_have_a_bound),
		T(a_cut_answer_is_asked_for_again),
		T(a_slow_endpoint_is_told),
		T(who_ends_does_not_try_again),
		T(retry_after_is_honoured),
		T(what_is_refused_names_principal_and_action),
		T(expired_credentials_are_renewed_once),
		T(credentials_that_stay_expired_are_told),
		T(a_wrong_clock_is_named),
		T(a_cancelled_call_is_silent),
		T(missing_credentials_are_the_operators_matter),
		cmocka_unit_test(errors_are_read_in_both_protocols),
		cmocka_unit_test(faults_are_classed),
	};
#undef T
	return cmocka_run_group_tests_name("aws calls", tests, NULL, NULL);
}
