/* A notice as a mail of plain text. */
#include "notice/notice.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "net/mime.h"
#include "net/smtp.h"

#include <stdio.h>
#include <string.h>

#define CONNECTION_IDLE_MS 5000 /* notices are rare */

struct mail_notifier {
	struct notifier notifier; /* first */
	struct smtp_pool *pool;
	char *from_name, *from, *to_name, *to;
	notifier_done *done;
	void *arg;
};

static void on_mailed(void *arg, const struct reply *reply)
{
	struct mail_notifier *m = arg;
	struct usher_error err = { 0 };
	char words[REPLY_TEXT_MAX + 64];

	/* What may have gone out after the final dot goes out again: twice is better than never. */
	if (reply->fault != FAULT_NONE || reply->code < 200 || reply->code > 299)
		error_set(&err, reply->fault == FAULT_TIMEOUT ? USHER_ETIMEOUT : USHER_EUNAVAILABLE, "%s",
		        reply_describe(reply, words, sizeof words));
	m->done(m->arg, &err);
}

static void mail_send(struct notifier *n, const struct notice *notice, notifier_done *done, void *arg)
{
	struct mail_notifier *m = (struct mail_notifier *)n;
	struct buf subject = BUF(NOTICE_TEXT_MAX), text = BUF(NOTICE_TEXT_MAX),
	           message = BUF(8 * NOTICE_TEXT_MAX);
	char uuid[UUID_TEXT_SIZE], id[UUID_TEXT_SIZE + 512];
	const char *at = strrchr(m->from, '@');

	uuid_new(uuid);
	snprintf(id, sizeof id, "<%s.alarm@%.400s>", uuid, at ? at + 1 : "usher");
	notice_title(notice, &subject);
	notice_body(notice, &text);
	mime_message_write(
	        &(struct mime_message){
	                .from = { m->from_name, m->from },
	                .to = { m->to_name, m->to },
	                .subject = buf_str(&subject),
	                .message_id = id,
	                .date = wall_now(),
	                .text = buf_str(&text),
	                .text_len = text.len,
	        },
	        &message);
	m->done = done;
	m->arg = arg;
	struct smtp_mail mail = { .from = m->from, .to = m->to, .len = message.len };
	mail.data = buf_take(&message);
	smtp_send(m->pool, &mail, on_mailed, m);
	buf_free(&subject);
	buf_free(&text);
}

static void mail_close(struct notifier *n)
{
	struct mail_notifier *m = (struct mail_notifier *)n;

	smtp_pool_free(m->pool);
	free(m->from_name);
	free(m->from);
	free(m->to_name);
	free(m->to);
	free(m);
}

static const struct notifier_ops mail_ops = { .kind = "mail", .send = mail_send, .close = mail_close };

struct notifier *notifier_mail_open(struct loop *loop, const struct notice_mail_settings *settings)
{
	struct mail_notifier *m = mem_alloc(sizeof *m);

	m->notifier.ops = &mail_ops;
	mime_address_parse(settings->from, &m->from_name, &m->from);
	mime_address_parse(settings->to, &m->to_name, &m->to);
	m->pool = smtp_pool_new(loop, &(struct smtp_settings){
	                                      .url = settings->smtp_url,
	                                      .user = settings->user,
	                                      .password = settings->password,
	                                      .tls = (enum smtp_tls)settings->tls,
	                                      .ca_file = settings->ca_file,
	                                      .connections = 1,
	                                      .timeout_ms = settings->timeout_ms,
	                                      .idle_ms = CONNECTION_IDLE_MS,
	                              });
	return &m->notifier;
}
