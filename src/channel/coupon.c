/* The coupon channel: one JSON POST a member, many at once on the channel's loop. The idempotency key is the
 * same at every try, so that a second one cannot grant a second coupon. The other side's contract is in
 * usher-api(7). */
#include "channel/channel.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#define COUPON_CONNECT_MS 5000
#define COUPON_BODY_MAX (16 * 1024)
#define COUPON_KEY_MAX (3 * EVENT_ID_MAX + 16) /* every byte percent-encoded, and ":coupon" */
#define COUPON_HEADER_MAX 1024

struct coupon {
	struct channel base;
	struct http *http;
	char *url, *campaign, *ca_file;
	char *authorization; /* the whole header; NULL without a token */
	int64_t timeout_ms;
	struct grant *under_way;
	int under_way_n;
};

struct grant {
	struct grant *next, *previous;
	struct coupon *coupon;
	channel_done *done;
	void *arg;
	char key[COUPON_KEY_MAX];
};

/* -- Request --------------------------------------------------------------------------------- */

/* A header carries visible ASCII only; other bytes of an id are percent-encoded, and so is '%'. */
static void key_make(char *key, size_t size, const char *event_id)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t n = 0;

	for (const unsigned char *c = (const unsigned char *)event_id; *c && n + 3 < size; c++) {
		if (*c > ' ' && *c < 0x7f && *c != '%') {
			key[n++] = (char)*c;
			continue;
		}
		key[n++] = '%';
		key[n++] = hex[*c >> 4];
		key[n++] = hex[*c & 15];
	}
	snprintf(key + n, size - n, ":coupon");
}

static char *body_make(const struct coupon *c, const struct event *event)
{
	cJSON *json = cJSON_CreateObject();
	char *text;

	json_add_string(json, "eventId", event->event_id);
	json_add_string(json, "userId", event->user_id);
	json_add_string(json, "email", event->email);
	json_add_string(json, "campaign", c->campaign);
	text = json_print(json);
	cJSON_Delete(json);
	return text;
}

static struct grant *grant_new(struct coupon *c, const char *event_id)
{
	struct grant *grant = mem_alloc(sizeof *grant);

	grant->coupon = c;
	key_make(grant->key, sizeof grant->key, event_id);
	grant->next = c->under_way;
	if (grant->next)
		grant->next->previous = grant;
	c->under_way = grant;
	c->under_way_n++;
	return grant;
}

static void grant_free(struct grant *grant)
{
	if (grant->previous)
		grant->previous->next = grant->next;
	else
		grant->coupon->under_way = grant->next;
	if (grant->next)
		grant->next->previous = grant->previous;
	grant->coupon->under_way_n--;
	free(grant);
}

/* -- Answer ---------------------------------------------------------------------------------- */

static enum reply_fault fault_of(enum http_fault fault)
{
	switch (fault) {
	case HTTP_OK:
		return FAULT_NONE;
	case HTTP_CONNECT:
		return FAULT_CONNECT;
	case HTTP_TLS:
		return FAULT_TLS;
	case HTTP_TIMEOUT:
		return FAULT_TIMEOUT;
	case HTTP_PROTOCOL:
		break;
	}
	return FAULT_PROTOCOL;
}

/* The service's words as one line for people. */
static void words_copy(char *out, size_t size, const char *words)
{
	utf8_copy(out, size, words, strlen(words));
	for (char *c = out; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = ' ';
}

static const char *first_string(const cJSON *json, const char *const *keys)
{
	for (; *keys; keys++) {
		const char *value = json_string(json, *keys);

		if (value && *value)
			return value;
	}
	return NULL;
}

/* {"couponId","code","message"}, or RFC 9457's "type", "title", "detail". A body of another kind is quoted.
 */
static void body_read(const struct grant *grant, const struct http_answer *answer, struct reply *reply)
{
	static const char *const codes[] = { "code", "type", NULL };
	static const char *const messages[] = { "message", "detail", "title", NULL };
	cJSON *json = NULL;
	const char *id = NULL, *code = NULL, *message = NULL;

	if (json_parse(answer->body, answer->body_len, &json, NULL) == 0) {
		id = json_string(json, "couponId");
		code = first_string(json, codes);
		message = first_string(json, messages);
	}
	if (code)
		utf8_copy(reply->reason, sizeof reply->reason, code, strlen(code));
	words_copy(reply->text, sizeof reply->text,
	        message ? message
	        : code  ? code
	        : json  ? ""
	                : answer->body);
	if (id)
		snprintf(reply->effect, sizeof reply->effect, "coupon=%.100s key=%.180s", id, grant->key);
	else
		snprintf(reply->effect, sizeof reply->effect, "key=%.290s", grant->key);
	cJSON_Delete(json);
}

static void on_answer(void *arg, const struct http_answer *answer)
{
	struct grant *grant = arg;
	struct reply reply = {
		.protocol = REPLY_HTTP,
		.fault = fault_of(answer->fault),
		.effect_possible = answer->fault != HTTP_OK && answer->sent,
		.latency_ms = answer->latency_ms,
	};

	if (answer->fault == HTTP_OK) {
		reply.code = answer->status;
		reply.retry_after_ms = answer->retry_after_ms;
		body_read(grant, answer, &reply);
	} else {
		words_copy(reply.text, sizeof reply.text, answer->detail);
		snprintf(reply.effect, sizeof reply.effect, "key=%.290s", grant->key);
	}
	grant->done(grant->arg, &reply);
	grant_free(grant);
}

/* -- The channel ----------------------------------------------------------------------------- */

static void coupon_send(struct channel *channel, const struct event *event, channel_done *done, void *arg)
{
	struct coupon *c = (struct coupon *)channel;
	struct grant *grant = grant_new(c, event->event_id);
	OWNED char *body = body_make(c, event);
	char key_header[COUPON_HEADER_MAX];
	const char *headers[] = { "Content-Type: application/json", "Accept: application/json",
		"Expect:", key_header, c->authorization, NULL };

	grant->done = done;
	grant->arg = arg;
	snprintf(key_header, sizeof key_header, "Idempotency-Key: %s", grant->key);
	http_start(c->http,
	        &(struct http_request){
	                .method = "POST",
	                .url = c->url,
	                .headers = headers,
	                .body = body,
	                .body_len = strlen(body),
	                .timeout_ms = c->timeout_ms,
	                .connect_timeout_ms =
	                        c->timeout_ms < COUPON_CONNECT_MS ? c->timeout_ms : COUPON_CONNECT_MS,
	                .ca_file = c->ca_file,
	        },
	        on_answer, grant);
}

/* curl does not tell; at most one connection a call is busy. */
static int coupon_connections(struct channel *channel)
{
	return ((struct coupon *)channel)->under_way_n;
}

static void coupon_close(struct channel *channel)
{
	struct coupon *c = (struct coupon *)channel;

	http_free(c->http);
	while (c->under_way)
		grant_free(c->under_way);
	if (c->authorization)
		mem_wipe(c->authorization, strlen(c->authorization));
	free(c->authorization);
	free(c->url);
	free(c->campaign);
	free(c->ca_file);
	free(c);
}

static const struct channel_ops coupon_ops = {
	.name = "coupon",
	.idempotent = true,
	.send = coupon_send,
	.connections = coupon_connections,
	.close = coupon_close,
};

int coupon_open(const struct coupon_settings *settings, struct loop *loop, struct curl_loop *cl,
        struct channel **ret_channel, struct usher_error *err)
{
	struct coupon *c = mem_alloc(sizeof *c);

	(void)loop;
	(void)err;
	c->base.ops = &coupon_ops;
	c->http = http_new(cl);
	c->url = mem_string(settings->url);
	c->campaign = mem_string(settings->campaign);
	c->ca_file = mem_string(settings->ca_file);
	c->timeout_ms = settings->timeout_ms;
	if (settings->token && *settings->token) {
		struct buf header = BUF(COUPON_HEADER_MAX * 8);

		buf_printf(&header, "Authorization: Bearer %s", settings->token);
		c->authorization = buf_take(&header);
	}
	*ret_channel = &c->base;
	return 0;
}
