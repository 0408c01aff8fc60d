/* HTTP requests on a curl_loop. Connections stay warm in curl's pool, and the easy handles are kept
 * as well, because making and filling one costs more than a request on it. The whole request's
 * timeout is ours and not curl's: curl looks at its clock before it looks at the socket, and a thread
 * that was held up would then take an answer that had come for one that had not. May call libcurl,
 * loop and base. Runs on the loop's thread. */
#include "net/http.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <usher/usher.h>

#define READ_SIZE                                                                                            \
	8192L /* bytes read at once: a full answer of SQS is about as long; libcurl would keep 16 KiB a      \
	         transfer */
#define HTTP_IDLE_CALLS_MAX 256        /* calls kept for reuse, with their easy handles */
#define HTTP_KEEP_BODY_MAX (64 * 1024) /* a kept call gives larger buffers back */
#define HTTP_SIGNATURE_TEXT_MAX 160    /* bytes of provider, region and service */
#define HTTP_RETRY_AFTER_MAX_S (366 * 24 * 3600)

struct http_call {
	struct http *http;
	CURL *easy;
	http_done *done;
	void *arg;
	struct http_call *next, *previous; /* in http->active, or `next` alone in http->idle */
	struct loop_timer *timer;
	mono_time started;
	int64_t connect_timeout_ms; /* these three: as set on the easy handle */
	char *url, *ca_file;
	struct buf request, answer, header_text;
	struct curl_slist headers[HTTP_HEADERS_MAX];
	bool too_long;   /* the answer */
	bool too_large;  /* the request: it was not started */
	bool was_signed; /* the easy handle holds a signature's settings */
	bool secret;
	char curl_words[CURL_ERROR_SIZE];
};

struct http {
	struct curl_loop *cl;
	struct loop *loop;
	struct http_call *active, *idle;
	int idle_count;
};

/* -- Calls and their easy handles ---------------------------------------------------------- */

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
	struct http_call *call = arg;

	buf_add(&call->answer, bytes, size * count);
	if (call->answer.failed) {
		call->too_long = true;
		return 0;
	}
	return size * count;
}

static void on_timeout(void *arg);

static struct http_call *call_new(struct http *http)
{
	struct http_call *call = mem_alloc(sizeof *call);
	CURL *easy = curl_easy_init();

	if (!easy)
		abort(); /* out of memory: see base/mem.h */
	call->http = http;
	call->easy = easy;
	call->timer = loop_timer_new(http->loop, on_timeout, call);
	call->request = BUF(HTTP_REQUEST_MAX);
	call->answer = BUF(HTTP_ANSWER_MAX);
	call->header_text = BUF(HTTP_HEADER_BYTES_MAX);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, READ_SIZE);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* a name lookup under way never blocks the loop */
	curl_easy_setopt(easy, CURLOPT_PROXY, "");      /* none, whatever the environment says */
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "usher/" USHER_VERSION);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->curl_words);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
	return call;
}

static void call_free(struct http_call *call)
{
	curl_easy_cleanup(call->easy);
	loop_timer_free(call->timer);
	free(call->url);
	free(call->ca_file);
	buf_free(&call->request);
	buf_free(&call->answer);
	buf_free(&call->header_text);
	free(call);
}

static void buf_recycle(struct buf *b)
{
	if (b->cap > HTTP_KEEP_BODY_MAX) {
		size_t max = b->max;
		buf_free(b);
		*b = BUF(max);
	}
	buf_clear(b);
}

static struct http_call *call_take(struct http *http)
{
	struct http_call *call = http->idle;

	if (call) {
		http->idle = call->next;
		http->idle_count--;
	} else {
		call = call_new(http);
	}
	call->previous = NULL;
	call->next = http->active;
	if (http->active)
		http->active->previous = call;
	http->active = call;
	return call;
}

static void wipe(struct http_call *call)
{
	mem_wipe(call->request.data, call->request.cap);
	mem_wipe(call->answer.data, call->answer.cap);
	mem_wipe(call->header_text.data, call->header_text.cap);
	curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, NULL); /* they were in there */
}

/* Off the multi handle and back among the idle ones. */
static void call_give_back(struct http_call *call)
{
	struct http *http = call->http;

	curl_loop_remove(http->cl, call->easy);
	loop_timer_stop(call->timer);
	if (call->secret)
		wipe(call);
	if (call->previous)
		call->previous->next = call->next;
	else
		http->active = call->next;
	if (call->next)
		call->next->previous = call->previous;
	if (http->idle_count >= HTTP_IDLE_CALLS_MAX) {
		call_free(call);
		return;
	}
	buf_recycle(&call->request);
	buf_recycle(&call->answer);
	call->next = http->idle;
	http->idle = call;
	http->idle_count++;
}

/* -- The answer ------------------------------------------------------------------------------- */

static bool was_sent(CURL *easy)
{
	long request_size = 0;
	curl_off_t uploaded = 0;

	curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &request_size);
	curl_easy_getinfo(easy, CURLINFO_SIZE_UPLOAD_T, &uploaded);
	return request_size > 0 || uploaded > 0;
}

static int64_t retry_after_ms(CURL *easy)
{
	curl_off_t seconds = 0;

	curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &seconds);
	if (seconds <= 0)
		return 0;
	return (seconds < HTTP_RETRY_AFTER_MAX_S ? (int64_t)seconds : HTTP_RETRY_AFTER_MAX_S) * 1000;
}

static const char *words_for(const struct http_call *call, CURLcode result)
{
	if (call->too_long)
		return "the answer is longer than usher reads";
	return call->curl_words[0] ? call->curl_words : curl_easy_strerror(result);
}

static void answer(struct http_call *call, struct http_answer *out)
{
	out->easy = call->easy;
	out->sent = !call->too_large && was_sent(call->easy);
	out->latency_ms = mono_since_ms(call->started, mono_now());
	call->done(call->arg, out);
	call_give_back(call);
}

static void on_ended(void *arg, CURL *easy, CURLcode result)
{
	struct http_call *call = arg;
	struct http_answer out = { .fault = curl_fault(result) };
	long status = 0;

	if (out.fault == HTTP_OK) {
		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
		out.status = (int)status;
		out.body = buf_str(&call->answer);
		out.body_len = call->answer.len;
		out.retry_after_ms = retry_after_ms(easy);
	} else {
		out.detail = words_for(call, result);
	}
	answer(call, &out);
}

static void on_timeout(void *arg)
{
	struct http_call *call = arg;
	struct http_answer out = { .fault = HTTP_TIMEOUT, .detail = "no whole answer in time" };

	if (call->too_large) {
		out.fault = HTTP_PROTOCOL;
		out.detail = "the request is larger than usher sends";
	}
	answer(call, &out);
}

/* -- The request ------------------------------------------------------------------------------ */

/* A curl_slist over one text buffer: two allocations a header less than curl_slist_append. */
static void set_headers(struct http_call *call, const char *const *headers)
{
	size_t count = 0, at = 0;

	buf_clear(&call->header_text);
	for (; headers && headers[count] && count < HTTP_HEADERS_MAX; count++)
		buf_add(&call->header_text, headers[count], strlen(headers[count]) + 1);
	if (call->header_text.failed || (headers && headers[count])) {
		call->too_large = true;
		return;
	}
	for (size_t i = 0; i < count; i++) { /* only now: the text has stopped moving */
		call->headers[i].data = call->header_text.data + at;
		call->headers[i].next = i + 1 < count ? &call->headers[i + 1] : NULL;
		at += strlen(call->headers[i].data) + 1;
	}
	curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, count ? call->headers : NULL);
}

static bool text_same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static void set_target(struct http_call *call, const struct http_request *request)
{
	if (!text_same(call->url, request->url)) {
		free(call->url);
		call->url = mem_string(request->url);
		curl_easy_setopt(call->easy, CURLOPT_URL, call->url);
	}
	if (!text_same(call->ca_file, request->ca_file)) {
		free(call->ca_file);
		call->ca_file = mem_string(request->ca_file);
		curl_easy_setopt(call->easy, CURLOPT_CAINFO, call->ca_file);
	}
	if (call->connect_timeout_ms != request->connect_timeout_ms) {
		call->connect_timeout_ms = request->connect_timeout_ms;
		curl_easy_setopt(call->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_timeout_ms);
	}
}

static void set_method(struct http_call *call, const struct http_request *request)
{
	bool post = strcmp(request->method, "POST") == 0;

	if (post || request->body_len > 0) {
		buf_add(&call->request, request->body, request->body_len);
		call->too_large |= call->request.failed;
		curl_easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->request.len);
		curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, buf_str(&call->request));
	} else {
		curl_easy_setopt(call->easy, CURLOPT_HTTPGET, 1L);
	}
	bool plain = post || (request->body_len == 0 && strcmp(request->method, "GET") == 0);
	curl_easy_setopt(call->easy, CURLOPT_CUSTOMREQUEST, plain ? NULL : request->method);
}

/* curl keeps copies; they are replaced at every request, because a key may change under the same name. */
static void set_signature(struct http_call *call, const struct http_signature *signature)
{
	char provider[HTTP_SIGNATURE_TEXT_MAX];

	if (!signature && !call->was_signed)
		return;
	if (signature)
		snprintf(provider, sizeof provider, "aws:amz:%s:%s", signature->region, signature->service);
	curl_easy_setopt(call->easy, CURLOPT_AWS_SIGV4, signature ? provider : NULL);
	curl_easy_setopt(call->easy, CURLOPT_USERNAME, signature ? signature->access_key : NULL);
	curl_easy_setopt(call->easy, CURLOPT_PASSWORD, signature ? signature->secret_key : NULL);
	if (!signature) /* asking for a signature chose this way to log in; it stays until another is chosen
	                 */
		curl_easy_setopt(call->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
	call->was_signed = signature != NULL;
}

/* -- The contract of http.h ------------------------------------------------------------------- */

const char *http_answer_header(const struct http_answer *answer, const char *name)
{
	struct curl_header *header = NULL;

	if (answer->fault != HTTP_OK ||
	        curl_easy_header(answer->easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
		return NULL;
	return header->value;
}

struct http *http_new(struct curl_loop *cl)
{
	struct http *http = mem_alloc(sizeof *http);

	http->cl = cl;
	http->loop = curl_loop_loop(cl);
	return http;
}

struct http_call *http_start(
        struct http *http, const struct http_request *request, http_done *done, void *arg)
{
	struct http_call *call = call_take(http);

	call->done = done;
	call->arg = arg;
	call->too_long = call->too_large = false;
	call->secret = request->secret;
	call->curl_words[0] = '\0';
	call->started = mono_now();
	set_target(call, request);
	set_headers(call, request->headers);
	set_method(call, request);
	set_signature(call, request->signature);
	call->answer.max = request->answer_max ? request->answer_max : HTTP_ANSWER_MAX;
	loop_timer_start(call->timer, call->too_large ? 0 : request->timeout_ms);
	if (!call->too_large)
		curl_loop_add(http->cl, call->easy, on_ended, call);
	return call;
}

void http_cancel(struct http_call *call)
{
	call_give_back(call);
}

static void calls_free(struct http_call *call)
{
	while (call) {
		struct http_call *next = call->next;
		call_free(call);
		call = next;
	}
}

void http_free(struct http *http)
{
	if (!http)
		return;
	for (struct http_call *call = http->active; call; call = call->next)
		curl_loop_remove(http->cl, call->easy);
	calls_free(http->active);
	calls_free(http->idle);
	free(http);
}
