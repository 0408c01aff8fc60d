/* A notice as a POST of JSON that Slack, Mattermost and services like them show: "text" is what they print.
 * The figures stand in an object of their own, because a "channel" beside the text would tell Mattermost
 * where to post. The url is a secret and is in no message. */
#include "notice/notice.h"

#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/alarm.h"

#include <string.h>

#define ANSWER_MAX (64 * 1024)
#define ANSWER_SHOWN 120 /* bytes of a refusal that are told */

struct webhook {
	struct notifier notifier; /* first */
	struct http *http;
	struct http_call *call;
	char *url, *ca_file;
	int64_t timeout_ms;
	notifier_done *done;
	void *arg;
};

static char *body_of(const struct notice *n)
{
	struct buf text = BUF(NOTICE_TEXT_MAX), said = BUF(NOTICE_TEXT_MAX);
	char at[WALL_TEXT_SIZE];
	cJSON *json = cJSON_CreateObject();

	notice_title(n, &text);
	json_add_string(json, "text", buf_str(&text));
	cJSON *alarm = json_add_object(json, "alarm");
	json_add_string(alarm, "name", n->name);
	json_add_string(alarm, "channel", *n->channel ? n->channel : NULL);
	json_add_string(alarm, "severity", n->severity);
	json_add_string(alarm, "state", n->state);
	cJSON_AddNumberToObject(alarm, "value", n->value);
	alarm_text_say(&said, n->text);
	json_add_string(alarm, "text", buf_str(&said));
	json_add_string(alarm, "since", wall_format(n->raised_at, at));
	json_add_string(alarm, "at", wall_format(n->at, at));
	json_add_string(alarm, "host", n->host);
	char *body = json_print(json);
	cJSON_Delete(json);
	buf_free(&text);
	buf_free(&said);
	return body;
}

static void on_answer(void *arg, const struct http_answer *answer)
{
	struct webhook *w = arg;
	struct usher_error err = { 0 };
	char words[ANSWER_SHOWN];

	w->call = NULL;
	if (answer->fault != HTTP_OK) {
		error_set(&err, answer->fault == HTTP_TIMEOUT ? USHER_ETIMEOUT : USHER_EUNAVAILABLE, "%s",
		        answer->detail);
	} else if (answer->status < 200 || answer->status > 299) {
		utf8_copy(words, sizeof words, answer->body, answer->body_len);
		error_set(&err, USHER_EUNAVAILABLE, "HTTP %d%s%s", answer->status, *words ? ": " : "", words);
	}
	w->done(w->arg, &err);
}

static void webhook_send(struct notifier *n, const struct notice *notice, notifier_done *done, void *arg)
{
	static const char *const headers[] = { "Content-Type: application/json", NULL };
	struct webhook *w = (struct webhook *)n;
	OWNED char *body = body_of(notice);

	w->done = done;
	w->arg = arg;
	w->call = http_start(w->http,
	        &(struct http_request){
	                .method = "POST",
	                .url = w->url,
	                .headers = headers,
	                .body = body,
	                .body_len = strlen(body),
	                .timeout_ms = w->timeout_ms,
	                .connect_timeout_ms = w->timeout_ms,
	                .ca_file = w->ca_file,
	                .answer_max = ANSWER_MAX,
	        },
	        on_answer, w);
}

static void webhook_close(struct notifier *n)
{
	struct webhook *w = (struct webhook *)n;

	if (w->call)
		http_cancel(w->call);
	mem_wipe(w->url, strlen(w->url));
	free(w->url);
	free(w->ca_file);
	free(w);
}

static const struct notifier_ops webhook_ops = {
	.kind = "webhook", .send = webhook_send, .close = webhook_close
};

struct notifier *notifier_webhook_open(struct http *http, const struct webhook_settings *settings)
{
	struct webhook *w = mem_alloc(sizeof *w);

	w->notifier.ops = &webhook_ops;
	w->http = http;
	w->url = mem_string(settings->url);
	w->ca_file = mem_string(settings->ca_file);
	w->timeout_ms = settings->timeout_ms;
	return &w->notifier;
}
