/* A notice as a message to an SNS topic: Publish of the Query protocol, signed with the credentials that the
 * AWS SDKs would take (usher-aws(7)). */
#include "notice/notice.h"

#include "base/error.h"
#include "base/mem.h"
#include "net/aws.h"

#include <stdio.h>
#include <string.h>

#define SUBJECT_MAX 100 /* characters of a subject; ASCII only. SNS API, Publish */
#define FORM_MAX (8 * NOTICE_TEXT_MAX)
#define REGION_SIZE 64

struct sns {
	struct notifier notifier; /* first */
	struct aws_provider *provider;
	struct aws_client *client;
	struct aws_call *call;
	struct buf form;
	char *topic_arn;
	int64_t timeout_ms;
	notifier_done *done;
	void *arg;
};

static void add(struct sns *s, const char *name, const char *text)
{
	aws_form_add(&s->form, name, text, strlen(text));
}

static bool is_fifo(const struct sns *s)
{
	size_t len = strlen(s->topic_arn);
	return len > 5 && strcmp(s->topic_arn + len - 5, ".fifo") == 0;
}

static void add_subject(struct sns *s, const struct notice *notice)
{
	struct buf title = BUF(NOTICE_TEXT_MAX);
	char subject[SUBJECT_MAX];

	notice_subject(notice, &title);
	snprintf(subject, sizeof subject, "%s", buf_str(&title));
	for (char *c = subject; *c; c++)
		*c = *c >= ' ' && *c <= '~' ? *c : '?';
	add(s, "Subject", subject);
	buf_free(&title);
}

static void form_write(struct sns *s, const struct notice *notice)
{
	struct buf body = BUF(NOTICE_TEXT_MAX);
	char once[128];

	buf_clear(&s->form);
	add(s, "Action", "Publish");
	add(s, "Version", "2010-03-31");
	add(s, "TopicArn", s->topic_arn);
	add_subject(s, notice);
	notice_body(notice, &body);
	add(s, "Message", buf_str(&body));
	if (is_fifo(s)) {
		snprintf(once, sizeof once, "%.32s-%.16s-%.8s-%lld", notice->name, notice->channel,
		        notice->state, (long long)notice->at.ms);
		add(s, "MessageGroupId", "usher-alarms");
		add(s, "MessageDeduplicationId", once);
	}
	buf_free(&body);
}

static void on_answer(void *arg, const struct aws_answer *answer)
{
	struct sns *s = arg;
	struct usher_error err = { 0 };

	s->call = NULL;
	if (answer->code)
		error_set(&err, answer->code, "%s", answer->error_message);
	s->done(s->arg, &err);
}

static void sns_send(struct notifier *n, const struct notice *notice, notifier_done *done, void *arg)
{
	struct sns *s = (struct sns *)n;

	form_write(s, notice);
	s->done = done;
	s->arg = arg;
	s->call = aws_call(s->client,
	        &(struct aws_request){ .action = "Publish",
	                .body = buf_str(&s->form),
	                .body_len = s->form.len,
	                .timeout_ms = s->timeout_ms },
	        on_answer, s);
}

static void sns_close(struct notifier *n)
{
	struct sns *s = (struct sns *)n;

	if (s->call)
		aws_cancel(s->call);
	aws_provider_free(s->provider);
	aws_client_free(s->client);
	buf_free(&s->form);
	free(s->topic_arn);
	free(s);
}

static const struct notifier_ops sns_ops = { .kind = "sns", .send = sns_send, .close = sns_close };

struct notifier *notifier_sns_open(
        struct loop *loop, struct http *http, const struct notice_sns_settings *settings)
{
	struct sns *s = mem_alloc(sizeof *s);
	char region[REGION_SIZE] = "";

	sscanf(settings->topic_arn, "arn:%*[^:]:sns:%63[^:]:", region);
	s->notifier.ops = &sns_ops;
	s->form = BUF(FORM_MAX);
	s->topic_arn = mem_string(settings->topic_arn);
	s->timeout_ms = settings->timeout_ms;
	s->provider = aws_provider_new(loop, http,
	        &(struct aws_provider_settings){
	                .profile = settings->profile, .region = region, .ca_bundle = settings->ca_bundle });
	s->client = aws_client_new(&(struct aws_client_settings){ .loop = loop,
	        .http = http,
	        .provider = s->provider,
	        .region = region,
	        .service = "sns",
	        .endpoint = settings->endpoint_url,
	        .ca_bundle = settings->ca_bundle });
	return &s->notifier;
}
