/* Signed calls: see aws.h. A call goes round: credentials, request, answer, and perhaps a wait and round
 * again. Most calls go round once; the body stays the caller's, so that going round copies nothing but into
 * curl. May call http, aws_credentials, loop and base. Runs on the loop's thread. */
#include "net/aws.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "net/aws_endpoint.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define OWN_ENDPOINT_MAX 256
#define TOKEN_HEADER "X-Amz-Security-Token: "

struct aws_client {
	struct loop *loop;
	struct http *http;
	struct aws_provider *provider;
	char *region, *service, *endpoint, *ca_bundle;
	bool elsewhere; /* the endpoint was given */
	atomic_uint_least64_t *retried;
	const atomic_bool *ending;
	struct aws_call *calls;
	uint64_t random; /* never 0 */
};

struct aws_call {
	struct aws_client *client;
	struct aws_call *next, *previous;
	struct aws_request request;
	aws_done *done;
	void *arg;
	int tries;
	bool refreshed; /* credentials were called expired once already */
	bool abandoned; /* cancelled while it waited for credentials, which cannot be taken back */
	bool waits;     /* for credentials */
	struct http_call *http_call;
	struct loop_timer *timer; /* until the next try; NULL: there was none yet */
	char target_header[96], source[96];
};

/* -- Clients ---------------------------------------------------------------------------------- */

/* With the path "/", which is all that is signed right. given NULL: the service's own. */
static char *endpoint_text(const struct aws_client_settings *settings, const char *given)
{
	char own[OWN_ENDPOINT_MAX];

	snprintf(own, sizeof own, "https://%s.%s.%s", settings->service, settings->region,
	        aws_domain(settings->region));
	const char *base = given ? given : own;
	size_t len = strlen(base);
	char *text = mem_alloc(len + sizeof "/");
	snprintf(text, len + sizeof "/", "%s%s", base, base[len - 1] == '/' ? "" : "/");
	return text;
}

static const char *endpoint_given(const struct aws_client_settings *settings)
{
	return settings->endpoint && *settings->endpoint
	               ? settings->endpoint
	               : aws_endpoint_named(settings->environment, settings->service);
}

struct aws_client *aws_client_new(const struct aws_client_settings *settings)
{
	struct aws_client *client = mem_alloc(sizeof *client);
	const char *given = endpoint_given(settings);

	client->loop = settings->loop;
	client->http = settings->http;
	client->provider = settings->provider;
	client->region = mem_string(settings->region);
	client->service = mem_string(settings->service);
	client->endpoint = endpoint_text(settings, given);
	client->elsewhere = given != NULL;
	client->ca_bundle = mem_string(settings->ca_bundle);
	client->retried = settings->retried;
	client->ending = settings->ending;
	if (getrandom(&client->random, sizeof client->random, GRND_NONBLOCK) < 0 || client->random == 0)
		client->random = (uint64_t)mono_now().ns | 1; /* chance enough to spread retries */
	return client;
}

const char *aws_client_region(const struct aws_client *client)
{
	return client->region;
}

bool aws_client_is_elsewhere(const struct aws_client *client)
{
	return client->elsewhere;
}

static void call_free(struct aws_call *call)
{
	struct aws_client *client = call->client;

	if (call->previous)
		call->previous->next = call->next;
	else
		client->calls = call->next;
	if (call->next)
		call->next->previous = call->previous;
	loop_timer_free(call->timer);
	free(call);
}

void aws_client_free(struct aws_client *client)
{
	if (!client)
		return;
	for (struct aws_call *call = client->calls, *next; call; call = next) {
		next = call->next;
		if (call->http_call)
			http_cancel(call->http_call);
		call_free(call);
	}
	free(client->region);
	free(client->service);
	free(client->endpoint);
	free(client->ca_bundle);
	free(client);
}

/* -- Going round ------------------------------------------------------------------------------ */

static void finish(struct aws_call *call, const struct aws_answer *answer)
{
	call->done(call->arg, answer);
	call_free(call);
}

static void on_credentials(
        void *arg, const struct aws_credentials *credentials, const struct usher_error *err);

static void go_round(void *arg)
{
	struct aws_call *call = arg;

	call->waits = true;
	aws_provider_get(call->client->provider, on_credentials, call);
}

static double chance(struct aws_client *client) /* [0,1): xorshift64 */
{
	client->random ^= client->random << 13;
	client->random ^= client->random >> 7;
	client->random ^= client->random << 17;
	return (double)(client->random >> 11) / (double)(1ULL << 53);
}

/* Full jitter: clients that were refused together come back apart. */
static int64_t wait_ms(const struct aws_call *call, enum aws_remedy remedy, int64_t retry_after_ms)
{
	int64_t mean = (int64_t)AWS_RETRY_BASE_MS << (call->tries - 1);

	if (remedy == AWS_TRY_LATER)
		mean *= 5;
	if (mean > AWS_RETRY_MAX_MS / 2)
		mean = AWS_RETRY_MAX_MS / 2;
	int64_t wait = (int64_t)(chance(call->client) * 2 * (double)mean);
	return retry_after_ms > wait ? retry_after_ms : wait;
}

static bool try_again(struct aws_call *call, enum aws_remedy remedy, int64_t retry_after_ms)
{
	struct aws_client *client = call->client;
	int64_t wait = 0;

	if (remedy == AWS_GIVE_UP || call->tries >= AWS_TRIES_MAX || retry_after_ms > AWS_RETRY_MAX_MS)
		return false;
	if (remedy == AWS_FRESH_CREDENTIALS) {
		if (call->refreshed)
			return false;
		call->refreshed = true;
		aws_provider_refresh(client->provider);
	} else if (client->ending && atomic_load_explicit(client->ending, memory_order_relaxed)) {
		return false;
	} else {
		wait = wait_ms(call, remedy, retry_after_ms);
	}
	if (client->retried)
		atomic_fetch_add_explicit(client->retried, 1, memory_order_relaxed);
	if (!call->timer)
		call->timer = loop_timer_new(client->loop, go_round, call);
	loop_timer_start(call->timer, wait);
	return true;
}

/* -- What an answer means --------------------------------------------------------------------- */

/* Which kind of trouble it is, for whoever must end it. */
static const char *advice(const struct aws_fault *fault, const char *type)
{
	if (strcmp(type, "RequestExpired") == 0 || strcmp(type, "RequestTimeTooSkewed") == 0)
		return "; set this machine's clock";
	if (strcmp(type, "InvalidSignatureException") == 0 || strcmp(type, "SignatureDoesNotMatch") == 0)
		return "; check this machine's clock and the secret key";
	if (aws_error_is_of_key(type))
		return "; see that the KMS key is enabled and that its policy lets that principal use it";
	if (fault->remedy == AWS_FRESH_CREDENTIALS)
		return "; the credentials have expired or are not valid: renew them";
	if (fault->code == USHER_EFORBIDDEN)
		return "; give that principal this permission";
	return "";
}

static void describe(const struct aws_call *call, const struct http_answer *http,
        const struct aws_fault *fault, struct aws_answer *out)
{
	struct buf text = BUF(2 * AWS_ERROR_WORDS_MAX);
	const char *id = http_answer_header(http, "x-amzn-requestid");
	bool forbidden = fault->code == USHER_EFORBIDDEN;

	buf_printf(&text, "%s %s %s: ", call->client->service, call->request.action,
	        forbidden ? "was refused" : "failed");
	if (*out->error_type)
		buf_puts(&text, out->error_type);
	else
		buf_printf(&text, "HTTP status %d", http->status);
	buf_printf(&text, ": %.240s%s", *out->error_message ? out->error_message : "the answer says no more",
	        advice(fault, out->error_type));
	if (forbidden)
		buf_printf(&text, " (credentials: %s)", call->source);
	utf8_copy(out->error_message, sizeof out->error_message, buf_str(&text), text.len);
	snprintf(out->request_id, sizeof out->request_id, "%s", id ? id : "");
	buf_free(&text);
}

/* The request got no answer. */
static enum aws_remedy unanswered(
        const struct aws_call *call, const struct http_answer *http, struct aws_answer *out)
{
	static const char *const how[] = {
		[HTTP_CONNECT] = "cannot be reached",
		[HTTP_TLS] = "does not prove who it is (TLS)",
		[HTTP_TIMEOUT] = "does not answer",
		[HTTP_PROTOCOL] = "answers what is not understood",
	};

	out->code = http->fault == HTTP_PROTOCOL ? USHER_EPROTOCOL : USHER_EUNAVAILABLE;
	snprintf(out->error_message, sizeof out->error_message, "%s %s: %s %s: %.200s", call->client->service,
	        call->request.action, call->client->endpoint, how[http->fault], http->detail);
	return http->fault == HTTP_CONNECT || http->fault == HTTP_TIMEOUT ? AWS_TRY_AGAIN : AWS_GIVE_UP;
}

static void on_answer(void *arg, const struct http_answer *http)
{
	struct aws_call *call = arg;
	struct aws_answer out = { .status = http->status, .retry_after_ms = http->retry_after_ms };
	enum aws_remedy remedy;

	call->http_call = NULL;
	if (http->fault != HTTP_OK) {
		remedy = unanswered(call, http, &out);
	} else if (http->status >= 200 && http->status < 300) {
		out.body = http->body;
		out.body_len = http->body_len;
		finish(call, &out);
		return;
	} else {
		aws_error_read(http->body, http->body_len, out.error_type, out.error_message);
		struct aws_fault fault = aws_fault_of(http->status, out.error_type);
		out.code = fault.code;
		remedy = fault.remedy;
		describe(call, http, &fault, &out);
	}
	if (!try_again(call, remedy, http->retry_after_ms))
		finish(call, &out);
}

/* -- A try ------------------------------------------------------------------------------------ */

static void start(struct aws_call *call, const struct aws_credentials *credentials)
{
	struct aws_client *client = call->client;
	const struct http_signature signature = { client->region, client->service, credentials->access_key,
		credentials->secret_key };
	OWNED char *token_header = NULL; /* tokens have no limit that AWS promises */
	const char *headers[4];
	size_t n = 0;

	headers[n++] = call->request.target
	                       ? "Content-Type: application/x-amz-json-1.0"
	                       : "Content-Type: application/x-www-form-urlencoded; charset=utf-8";
	if (call->request.target)
		headers[n++] = call->target_header;
	if (credentials->session_token) {
		size_t size = sizeof TOKEN_HEADER + strlen(credentials->session_token);

		token_header = mem_alloc(size);
		snprintf(token_header, size, TOKEN_HEADER "%s", credentials->session_token);
		headers[n++] = token_header;
	}
	headers[n] = NULL;
	snprintf(call->source, sizeof call->source, "%s", credentials->source);
	call->tries++;
	if (call->request.counter)
		atomic_fetch_add_explicit(call->request.counter, 1, memory_order_relaxed);
	call->http_call = http_start(client->http,
	        &(struct http_request){
	                .method = "POST",
	                .url = client->endpoint,
	                .headers = headers,
	                .body = call->request.body,
	                .body_len = call->request.body_len,
	                .timeout_ms = call->request.timeout_ms,
	                .connect_timeout_ms = AWS_CONNECT_TIMEOUT_MS,
	                .ca_file = client->ca_bundle,
	                .signature = &signature,
	                .answer_max = call->request.answer_max,
	        },
	        on_answer, call);
}

/* Credentials that nobody has set up are a matter of the operator, as refused ones are. */
static void on_credentials(
        void *arg, const struct aws_credentials *credentials, const struct usher_error *err)
{
	struct aws_call *call = arg;
	struct aws_answer out = { 0 };

	call->waits = false;
	if (call->abandoned) {
		call_free(call);
		return;
	}
	if (credentials) {
		start(call, credentials);
		return;
	}
	bool forbidden = err->code == USHER_ECONFIG || err->code == USHER_EFORBIDDEN;
	out.code = forbidden ? USHER_EFORBIDDEN : USHER_EUNAVAILABLE;
	utf8_copy(out.error_message, sizeof out.error_message, err->message, strlen(err->message));
	finish(call, &out);
}

struct aws_call *aws_call(
        struct aws_client *client, const struct aws_request *request, aws_done *done, void *arg)
{
	struct aws_call *call = mem_alloc(sizeof *call);

	call->client = client;
	call->request = *request;
	call->done = done;
	call->arg = arg;
	if (request->target)
		snprintf(
		        call->target_header, sizeof call->target_header, "X-Amz-Target: %s", request->target);
	call->next = client->calls;
	if (client->calls)
		client->calls->previous = call;
	client->calls = call;
	go_round(call);
	return call;
}

void aws_cancel(struct aws_call *call)
{
	if (call->waits) {
		call->abandoned = true;
		return;
	}
	if (call->http_call)
		http_cancel(call->http_call);
	call_free(call);
}
