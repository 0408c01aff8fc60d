/* Opens the way of telling that a [notify.NAME] section describes. Runs on the watcher's thread. */
#include "engine/settings.h"

#include "net/smtp.h"

#include <string.h>

static int tls_of(const struct config_notify *n)
{
	if (strncmp(n->smtp_url, "smtps:", 6) == 0)
		return SMTP_TLS_IMPLICIT;
	return n->tls && strcmp(n->tls, "none") == 0 ? SMTP_TLS_NONE : SMTP_TLS_STARTTLS;
}

/* Without a server of its own it is sent as the welcome mails are. */
static struct notifier *open_mail(
        const struct config *config, const struct config_notify *n, struct loop *loop)
{
	bool own = n->smtp_url != NULL;
	struct notice_mail_settings settings = {
		.smtp_url = own ? n->smtp_url : config->email.smtp_url,
		.user = own ? n->user : config->email.user,
		.password = own ? n->password : config->email.password,
		.ca_file = n->ca_file || own ? n->ca_file : config->email.ca_file,
		.from = n->from ? n->from : config->email.from,
		.to = n->to,
		.tls = own ? tls_of(n) : config->email.tls,
		.timeout_ms = n->timeout_ms,
	};

	return notifier_mail_open(loop, &settings);
}

static struct notifier *open_kind(
        const struct config *config, const struct config_notify *n, struct loop *loop, struct http *http)
{
	if (strcmp(n->kind, "webhook") == 0)
		return notifier_webhook_open(
		        http, &(struct webhook_settings){ n->url, n->ca_file, n->timeout_ms });
	if (strcmp(n->kind, "mail") == 0)
		return open_mail(config, n, loop);
	if (strcmp(n->kind, "sns") == 0)
		return notifier_sns_open(loop, http,
		        &(struct notice_sns_settings){ .topic_arn = n->topic,
		                .endpoint_url = config->aws.endpoint_url,
		                .profile = config->aws.profile,
		                .ca_bundle = config->aws.ca_bundle,
		                .timeout_ms = n->timeout_ms });
	return notifier_log_open(loop);
}

struct notifier *settings_open_notifier(
        const struct config *config, const struct config_notify *n, struct loop *loop, struct http *http)
{
	struct notifier *notifier = open_kind(config, n, loop, http);
	if (strcmp(n->kind, "log") != 0) /* the log is in English, whoever reads it */
		notifier->language = language_wanted(n->language);
	return notifier;
}
