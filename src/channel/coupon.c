/* The coupon channel: asks the coupon service to grant the welcome coupon.
 *
 *   POST url
 *   Authorization: Bearer TOKEN
 *   Idempotency-Key: EVENTID:coupon
 *   {"eventId":"...","userId":"...","email":"...","campaign":"..."}
 *
 * A grant is answered with 2xx and {"couponId":"..."}; a refusal with another status and
 * {"code":"...","message":"..."} or an RFC 9457 problem ("type", "title", "detail"). The key is the same
 * at each try of an event, so that a second try grants nothing twice.
 *
 * A probe is GET health_url: 2xx is well, and {"inStock":false} says that there are no coupons left. May call
 * net, model and base. Runs on the channel's loop. */
#include "channel/channel.h"

#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define COUPON_CONNECT_TIMEOUT_MS 5000
#define KEY_MAX (EVENT_ID_MAX * 3 + 16) /* every byte percent-encoded, ":coupon" and a NUL */
#define HEADER_MAX 4096
#define COUPON_ID_MAX 200 /* bytes */
#define HEALTH_ANSWER_MAX (64 * 1024)

struct coupon;

struct coupon_send {
	struct coupon *coupon;
	struct http_call *call;
	struct coupon_send *next, *previous;
	channel_done *done;
	void *arg;
	char key[KEY_MAX];
};

struct coupon {
	struct channel channel; /* first */
	struct http *http;
	char *url, *health_url, *campaign, *ca_file, *authorization;
	int64_t timeout_ms;
	struct coupon_send *sends;
	int under_way;
	channel_probed *probed; /* of the probe under way */
	void *probed_arg;
};

/* -- The answer ------------------------------------------------------------------------------ */

/* Somebody else's words as one line. */
static void clean(char *out, size_t size, const char *text, size_t len)
{
	utf8_copy(out, size, text, len);
	for (char *p = out; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
}

static void clean_string(char *out, size_t size, const char *text)
{
	if (text)
		clean(out, size, text, strlen(text));
}

/* A problem's "type" is a URI whose last part names it: ".../problems/out_of_stock". */
static const char *last_part(const char *uri)
{
	const char *end = uri ? strrchr(uri, '/') : NULL;

	end = end ? end + 1 : uri;
	const char *fragment = end ? strrchr(end, '#') : NULL;
	const char *colon = end && !fragment ? strrchr(end, ':') : NULL; /* "urn:coupon:out_of_stock" */
	return fragment ? fragment + 1 : colon ? colon + 1 : end;
}

static const char *reason_in(const cJSON *body)
{
	const cJSON *nested = json_get(body, "error");
	const char *reason = json_string(body, "code");

	if (!reason && cJSON_IsObject(nested))
		reason = json_string(nested, "code");
	if (!reason && !cJSON_IsObject(nested))
		reason = json_string(body, "error");
	return reason ? reason : last_part(json_string(body, "type"));
}

static const char *words_in(const cJSON *body)
{
	static const char *const keys[] = { "message", "detail", "title" };
	const cJSON *nested = json_get(body, "error");
	const char *words = NULL;

	for (size_t i = 0; i < ARRAY_LEN(keys) && !words; i++)
		words = json_string(body, keys[i]);
	return words || !cJSON_IsObject(nested) ? words : json_string(nested, "message");
}

static void effect_set(struct reply *reply, const struct coupon_send *send, const cJSON *body)
{
	const char *id = body ? json_string(body, "couponId") : NULL;
	char shown[COUPON_ID_MAX + 1] = "";

	clean_string(shown, sizeof shown, id);
	if (*shown)
		snprintf(reply->effect, sizeof reply->effect, "coupon=%s key=%.*s", shown,
		        (int)(sizeof reply->effect - strlen(shown) - 13), send->key);
	else
		snprintf(reply->effect, sizeof reply->effect, "key=%.*s", (int)sizeof reply->effect - 5,
		        send->key);
}

/* A success must say what was granted: a proxy's or a wrong service's "200 OK" is none. */
static void grant_check(struct reply *reply, const cJSON *body)
{
	const char *id = body ? json_string(body, "couponId") : NULL;

	if (id && *id)
		return;
	reply->fault = FAULT_PROTOCOL;
	reply->effect_possible = true;
	snprintf(reply->text, sizeof reply->text,
	        "HTTP %d, but the answer is no JSON object with a \"couponId\"", reply->code);
}

static void read_answer(struct reply *reply, const struct coupon_send *send, const struct http_answer *answer)
{
	cJSON *body = NULL;

	reply->code = answer->status;
	reply->retry_after_ms = answer->retry_after_ms;
	if (json_parse(answer->body, answer->body_len, &body, NULL) == 0 && cJSON_IsObject(body)) {
		clean_string(reply->reason, sizeof reply->reason, reason_in(body));
		clean_string(reply->text, sizeof reply->text, words_in(body));
	}
	if (!reply->text[0] && answer->status / 100 != 2)
		clean(reply->text, sizeof reply->text, answer->body, answer->body_len);
	if (answer->status / 100 == 2)
		grant_check(reply, body);
	effect_set(reply, send, body);
	cJSON_Delete(body);
}

static enum reply_fault fault_of(enum http_fault fault)
{
	switch (fault) {
	case HTTP_OK:
		return FAULT_NONE;
	case HTTP_TLS:
		return FAULT_TLS;
	case HTTP_TIMEOUT:
		return FAULT_TIMEOUT;
	case HTTP_PROTOCOL:
		return FAULT_PROTOCOL;
	case HTTP_CONNECT:
		break;
	}
	return FAULT_CONNECT;
}

/* -- Sending -------------------------------------------------------------------------------------- */

static void send_free(struct coupon_send *send)
{
	if (send->previous)
		send->previous->next = send->next;
	else
		send->coupon->sends = send->next;
	if (send->next)
		send->next->previous = send->previous;
	send->coupon->under_way--;
	free(send);
}

static void on_answered(void *arg, const struct http_answer *answer)
{
	struct coupon_send *send = arg;
	struct reply reply = {
		.protocol = REPLY_HTTP, .fault = fault_of(answer->fault), .latency_ms = answer->latency_ms
	};

	if (answer->fault == HTTP_OK) {
		read_answer(&reply, send, answer);
	} else {
		reply.effect_possible = answer->sent;
		clean_string(reply.text, sizeof reply.text, answer->detail);
		effect_set(&reply, send, NULL);
	}
	send->done(send->arg, &reply);
	send_free(send);
}

/* "EVENTID:coupon" in visible ASCII: an event id may hold anything, a header may not. */
static void key_make(char key[KEY_MAX], const char *event_id)
{
	static const char hex[] = "0123456789ABCDEF";
	char *out = key;

	for (const unsigned char *p = (const unsigned char *)event_id; *p && out - key < EVENT_ID_MAX * 3;
	        p++) {
		if (*p > ' ' && *p <= '~' && *p != '%') {
			*out++ = (char)*p;
		} else {
			*out++ = '%';
			*out++ = hex[*p >> 4];
			*out++ = hex[*p & 15];
		}
	}
	strcpy(out, ":coupon");
}

static char *body_make(const struct coupon *coupon, const struct event *event)
{
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "eventId", event->event_id);
	json_add_string(body, "userId", event->user_id);
	json_add_string(body, "email", event->email);
	json_add_string(body, "campaign", coupon->campaign);
	char *text = json_print(body);
	cJSON_Delete(body);
	return text;
}

static struct coupon_send *send_new(struct coupon *coupon, channel_done *done, void *arg)
{
	struct coupon_send *send = mem_alloc(sizeof *send);

	send->coupon = coupon;
	send->done = done;
	send->arg = arg;
	send->next = coupon->sends;
	if (coupon->sends)
		coupon->sends->previous = send;
	coupon->sends = send;
	coupon->under_way++;
	return send;
}

static void coupon_send(struct channel *channel, const struct event *event, channel_done *done, void *arg)
{
	struct coupon *coupon = (struct coupon *)channel;
	struct coupon_send *send = send_new(coupon, done, arg);
	char key_header[KEY_MAX + 32];
	OWNED char *body = body_make(coupon, event);
	const char *headers[] = { "Content-Type: application/json", "Accept: application/json", key_header,
		coupon->authorization, NULL };

	key_make(send->key, event->event_id);
	snprintf(key_header, sizeof key_header, "Idempotency-Key: %s", send->key);
	const struct http_request request = {
		.method = "POST",
		.url = coupon->url,
		.headers = headers,
		.body = body,
		.body_len = strlen(body),
		.timeout_ms = coupon->timeout_ms,
		.connect_timeout_ms = COUPON_CONNECT_TIMEOUT_MS,
		.ca_file = coupon->ca_file,
	};
	send->call = http_start(coupon->http, &request, on_answered, send);
}

/* -- Probe ---------------------------------------------------------------------------------------- */

static enum channel_stock stock_in(const struct http_answer *answer)
{
	enum channel_stock stock = STOCK_UNKNOWN;
	const cJSON *said;
	cJSON *body = NULL;

	if (json_parse(answer->body, answer->body_len, &body, NULL) == 0) {
		said = json_get(body, "inStock");
		if (cJSON_IsBool(said))
			stock = cJSON_IsTrue(said) ? STOCK_IN : STOCK_OUT;
	}
	cJSON_Delete(body);
	return stock;
}

static void on_probed(void *arg, const struct http_answer *answer)
{
	struct coupon *coupon = arg;
	struct reply reply = {
		.protocol = REPLY_HTTP, .fault = fault_of(answer->fault), .latency_ms = answer->latency_ms
	};
	enum channel_stock stock = STOCK_UNKNOWN;

	if (answer->fault != HTTP_OK) {
		clean_string(reply.text, sizeof reply.text, answer->detail);
	} else {
		reply.code = answer->status;
		clean(reply.text, sizeof reply.text, answer->body, answer->body_len);
		stock = answer->status / 100 == 2 ? stock_in(answer) : STOCK_UNKNOWN;
	}
	coupon->probed(coupon->probed_arg, &reply, stock);
}

static bool coupon_probe(struct channel *channel, channel_probed *done, void *arg)
{
	struct coupon *coupon = (struct coupon *)channel;
	static const char *const headers[] = { "Accept: application/json", NULL };
	const struct http_request request = {
		.method = "GET",
		.url = coupon->health_url,
		.headers = headers,
		.timeout_ms = coupon->timeout_ms,
		.connect_timeout_ms = COUPON_CONNECT_TIMEOUT_MS,
		.ca_file = coupon->ca_file,
		.answer_max = HEALTH_ANSWER_MAX,
	};

	if (!coupon->health_url)
		return false;
	coupon->probed = done;
	coupon->probed_arg = arg;
	http_start(coupon->http, &request, on_probed, coupon);
	return true;
}

/* curl does not tell how many stand: those in use are at least open. */
static int coupon_connections(struct channel *channel)
{
	return ((struct coupon *)channel)->under_way;
}

static void coupon_close(struct channel *channel)
{
	struct coupon *coupon = (struct coupon *)channel;

	http_free(coupon->http);
	for (struct coupon_send *send = coupon->sends, *next; send; send = next) {
		next = send->next;
		free(send);
	}
	if (coupon->authorization)
		mem_wipe(coupon->authorization, strlen(coupon->authorization));
	free(coupon->authorization);
	free(coupon->url);
	free(coupon->health_url);
	free(coupon->campaign);
	free(coupon->ca_file);
	free(coupon);
}

static const struct channel_ops coupon_ops = {
	.name = "coupon",
	.idempotent = true,
	.send = coupon_send,
	.probe = coupon_probe,
	.connections = coupon_connections,
	.close = coupon_close,
};

/* -- Opening ---------------------------------------------------------------------------------------- */

static int settings_check(const struct coupon_settings *settings, struct usher_error *err)
{
	const char *url = settings->url ? settings->url : "";

	if (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0)
		return error_set(err, USHER_ECONFIG, "[coupon] url must begin with https:// or http://");
	const char *token = settings->token ? settings->token : "";
	if (strlen(token) > HEADER_MAX)
		return error_set(err, USHER_ECONFIG, "[coupon] token is longer than %d bytes", HEADER_MAX);
	for (const char *p = token; *p; p++)
		if (*p <= ' ' || *p > '~')
			return error_set(err, USHER_ECONFIG,
			        "[coupon] token holds a blank, a control character or a letter outside "
			        "ASCII");
	return 0;
}

int coupon_open(const struct coupon_settings *settings, struct loop *loop, struct curl_loop *cl,
        struct channel **ret_channel, struct usher_error *err)
{
	int rc = settings_check(settings, err);

	(void)loop; /* http runs on cl's */
	if (rc < 0)
		return rc;
	struct coupon *coupon = mem_alloc(sizeof *coupon);
	coupon->channel.ops = &coupon_ops;
	coupon->http = http_new(cl);
	coupon->url = mem_string(settings->url);
	coupon->health_url =
	        settings->health_url && *settings->health_url ? mem_string(settings->health_url) : NULL;
	coupon->campaign = mem_string(settings->campaign);
	coupon->ca_file = settings->ca_file && *settings->ca_file ? mem_string(settings->ca_file) : NULL;
	coupon->timeout_ms = settings->timeout_ms;
	if (settings->token && *settings->token) {
		struct buf header = BUF(HEADER_MAX + 32);
		buf_printf(&header, "Authorization: Bearer %s", settings->token);
		coupon->authorization = buf_take(&header);
	}
	*ret_channel = &coupon->channel;
	return 0;
}
