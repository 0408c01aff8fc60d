/* The mail channel: makes the welcome mail of an event and hands it to the SMTP pool. The same event
 * always carries the same Message-ID, so that a second copy can be known for one. May call net, model
 * and base. Runs on the channel's loop. */
#include "channel/channel.h"
#include "channel/email_templates.h"
#include "net/mime.h"
#include "net/smtp.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#define MAIL_MAX (1024 * 1024)   /* bytes of a message; templates and values stay far below */
#define SUBJECT_LEN_MAX 2000     /* bytes when filled in */
#define CONNECTION_IDLE_MS 30000 /* then it is closed */
#define MESSAGE_ID_DIGITS 32

struct email;

struct email_send {
	struct email *email;
	struct email_send *next, *previous;
	channel_done *done;
	void *arg;
	bool unmade;                       /* its message could not be made */
	char message_id[REPLY_EFFECT_MAX]; /* with <> */
};

struct email {
	struct channel channel; /* first */
	struct smtp_pool *pool;
	struct email_templates *templates;
	char *from_name, *from_address, *unsubscribe;
	const char *domain;             /* in from_address */
	struct loop_timer *unmade;      /* tells of the sends whose message could not be made */
	struct buf subject, text, html; /* reused for each mail */
	struct email_send *sends;
	channel_probed *probed; /* of the probe under way */
	void *probed_arg;
};

/* -- Making the message ------------------------------------------------------------------------ */

static void message_id_make(const struct email *email, const struct event *event, char *id, size_t size)
{
	char digest[65];

	sha256_hex(event->event_id, strlen(event->event_id), digest);
	snprintf(id, size, "<%.*s.email@%s>", MESSAGE_ID_DIGITS, digest, email->domain);
}

/* False when the message is longer than it may be; then nothing is to be freed. */
static bool message_make(
        struct email *email, const struct event *event, const char *message_id, struct buf *out)
{
	const struct email_template *t = email_templates_choose(email->templates, event->locale);
	const char *values[EMAIL_VALUE_COUNT] = {
		[EMAIL_NAME] = event->name,
		[EMAIL_EMAIL] = event->email,
		[EMAIL_USER_ID] = event->user_id,
		[EMAIL_SIGNED_UP_AT] = event->signed_up_at,
		[EMAIL_EVENT_ID] = event->event_id,
	};

	buf_clear(&email->subject);
	buf_clear(&email->text);
	buf_clear(&email->html);
	template_render(t->subject, values, &email->subject);
	template_render(t->text, values, &email->text);
	template_render(t->html, values, &email->html);
	const struct mime_message message = {
		.from = { email->from_name, email->from_address },
		.to = { event->name, event->email },
		.subject = buf_str(&email->subject),
		.message_id = message_id,
		.date = wall_now(),
		.unsubscribe = email->unsubscribe,
		.text = buf_str(&email->text),
		.text_len = email->text.len,
		.html = buf_str(&email->html),
		.html_len = email->html.len,
	};
	mime_message_write(&message, out);
	if (!email->subject.failed && !email->text.failed && !email->html.failed && !out->failed)
		return true;
	buf_free(out);
	return false;
}

/* -- Sending -------------------------------------------------------------------------------------- */

static struct email_send *send_new(struct email *email, channel_done *done, void *arg)
{
	struct email_send *send = mem_alloc(sizeof *send);

	send->email = email;
	send->done = done;
	send->arg = arg;
	send->next = email->sends;
	if (email->sends)
		email->sends->previous = send;
	email->sends = send;
	return send;
}

static void send_free(struct email_send *send)
{
	if (send->previous)
		send->previous->next = send->next;
	else
		send->email->sends = send->next;
	if (send->next)
		send->next->previous = send->previous;
	free(send);
}

/* The SMTP answer becomes the channel's: the message's name is what is known of the effect. */
static void on_mailed(void *arg, const struct reply *reply)
{
	struct email_send *send = arg;
	struct reply told = *reply;

	memcpy(told.effect, send->message_id, sizeof told.effect);
	send->done(send->arg, &told);
	send_free(send);
}

static void on_unmade(void *arg)
{
	struct email *email = arg;
	struct reply reply = { .protocol = REPLY_LOCAL, .fault = FAULT_BAD_TEMPLATE };
	struct email_send *next;

	snprintf(reply.text, sizeof reply.text,
	        "filled in, the template makes a longer mail than usher sends");
	for (struct email_send *send = email->sends; send; send = next) {
		next = send->next;
		if (!send->unmade)
			continue;
		send->done(send->arg, &reply);
		send_free(send);
	}
}

static void email_send(struct channel *channel, const struct event *event, channel_done *done, void *arg)
{
	struct email *email = (struct email *)channel;
	struct email_send *send = send_new(email, done, arg);
	struct buf message = BUF(MAIL_MAX);

	message_id_make(email, event, send->message_id, sizeof send->message_id);
	if (!message_make(email, event, send->message_id, &message)) {
		send->unmade = true;
		loop_timer_start(email->unmade, 0);
		return;
	}
	struct smtp_mail mail = { .from = email->from_address, .to = event->email, .len = message.len };
	mail.data = buf_take(&message);
	smtp_send(email->pool, &mail, on_mailed, send);
}

/* -- Probe ---------------------------------------------------------------------------------------- */

static void on_probed(void *arg, const struct reply *reply)
{
	struct email *email = arg;

	email->probed(email->probed_arg, reply, STOCK_UNKNOWN);
}

static bool email_probe(struct channel *channel, channel_probed *done, void *arg)
{
	struct email *email = (struct email *)channel;

	email->probed = done;
	email->probed_arg = arg;
	smtp_probe(email->pool, on_probed, email);
	return true;
}

static int email_connections(struct channel *channel)
{
	return smtp_pool_stats(((struct email *)channel)->pool).open;
}

static void email_close(struct channel *channel)
{
	struct email *email = (struct email *)channel;

	smtp_pool_free(email->pool);
	for (struct email_send *send = email->sends, *next; send; send = next) {
		next = send->next;
		free(send);
	}
	loop_timer_free(email->unmade);
	email_templates_free(email->templates);
	buf_free(&email->subject);
	buf_free(&email->text);
	buf_free(&email->html);
	free(email->from_name);
	free(email->from_address);
	free(email->unsubscribe);
	free(email);
}

static const struct channel_ops email_ops = {
	.name = "email",
	.idempotent = false,
	.send = email_send,
	.probe = email_probe,
	.connections = email_connections,
	.close = email_close,
};

/* -- Opening ---------------------------------------------------------------------------------------- */

static int from_parse(const char *from, struct email *email, struct usher_error *err)
{
	bool needs_utf8;

	mime_address_parse(from, &email->from_name, &email->from_address);
	const char *fault = smtp_address_fault(email->from_address, &needs_utf8);
	if (fault)
		return error_set(
		        err, USHER_ECONFIG, "[email] from: %s; write ADDRESS or NAME <ADDRESS>", fault);
	return 0;
}

static int settings_check(const struct email_settings *settings, struct usher_error *err)
{
	if (!settings->smtp_url || !*settings->smtp_url)
		return error_set(err, USHER_ECONFIG, "[email] smtp_url is not set");
	if (!settings->from || !*settings->from)
		return error_set(err, USHER_ECONFIG, "[email] from is not set");
	if (!settings->template_dir || !*settings->template_dir)
		return error_set(err, USHER_ECONFIG, "[email] template_dir is not set");
	const char *uri = settings->unsubscribe ? settings->unsubscribe : "";
	for (const char *p = uri; *p; p++)
		if (*p <= ' ' || *p > '~' || *p == '<' || *p == '>')
			return error_set(err, USHER_ECONFIG,
			        "[email] unsubscribe: not a URI; write mailto:ADDRESS or https://...");
	return 0;
}

static struct smtp_pool *pool_open(const struct email_settings *settings, struct loop *loop)
{
	const struct smtp_settings pool = {
		.url = settings->smtp_url,
		.user = settings->user && *settings->user ? settings->user : NULL,
		.password = settings->password,
		.tls = (enum smtp_tls)settings->tls,
		.ca_file = settings->ca_file && *settings->ca_file ? settings->ca_file : NULL,
		.connections = settings->connections,
		.timeout_ms = settings->timeout_ms,
		.idle_ms = CONNECTION_IDLE_MS,
	};

	return smtp_pool_new(loop, &pool);
}

int email_open(const struct email_settings *settings, struct loop *loop, struct curl_loop *cl,
        struct channel **ret_channel, struct usher_error *err)
{
	struct email *email;
	int rc = settings_check(settings, err);

	(void)cl; /* SMTP connections do not share HTTP's multi handle: see net/smtp.c */
	if (rc < 0)
		return rc;
	email = mem_alloc(sizeof *email);
	email->channel.ops = &email_ops;
	email->subject = BUF(SUBJECT_LEN_MAX);
	email->text = BUF(MAIL_MAX / 4); /* base64 and quoted-printable lengthen it */
	email->html = BUF(MAIL_MAX / 4);
	email->unsubscribe =
	        settings->unsubscribe && *settings->unsubscribe ? mem_string(settings->unsubscribe) : NULL;
	rc = from_parse(settings->from, email, err);
	if (rc == 0)
		rc = email_templates_load(settings->template_dir, settings->subject, &email->templates, err);
	if (rc < 0) {
		email_close(&email->channel);
		return rc;
	}
	email->domain = strrchr(email->from_address, '@') + 1;
	email->pool = pool_open(settings, loop);
	email->unmade = loop_timer_new(loop, on_unmade, email);
	*ret_channel = &email->channel;
	return 0;
}
