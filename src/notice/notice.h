/* Ways to tell people of an alarm: the contract of log, webhook, mail and SNS topic.
 *
 * Thread: a notifier belongs to one loop. `send` never calls back from inside itself and calls back exactly
 * once, within its time-out, unless the notifier is closed first; the next send comes after that. It is sent
 * once for each call, and again only by who calls: a notice whose fate is unknown counts as not sent. Nothing
 * of a member is in a notice: it is made of names of the configuration and of figures. */
#ifndef NOTICE_NOTICE_H
#define NOTICE_NOTICE_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/language.h"
#include "net/http.h"
#include "net/loop.h"

#include <usher/error.h>

struct notice {                       /* all borrowed for the call */
	const char *name, *channel;   /* channel "": of none */
	const char *severity, *state; /* "warning", "critical"; "raised", "cleared" */
	const char *text;             /* "12 messages in the DLQ, above 10" */
	double value;                 /* when it was raised, in the metric's unit */
	const char *host;             /* of the daemon that tells */
	wall_time raised_at, at;      /* at: of what is told */
};

struct notifier;
typedef void notifier_done(
        void *arg, const struct usher_error *err); /* code 0: sent. Borrowed for the call */

struct notifier_ops {
	const char *kind; /* as in [notify.NAME] kind */
	void (*send)(struct notifier *n, const struct notice *notice, notifier_done *done, void *arg);
	void (*close)(struct notifier
	                *n); /* what is under way is dropped without calling back; not from a callback */
};
struct notifier {
	const struct notifier_ops *ops;
	enum language
	        language; /* its people read; the sender has it in force (base/language.h) during send */
};

struct notifier *notifier_log_open(struct loop *loop);

struct webhook_settings { /* copied */
	const char *url, *ca_file;
	int64_t timeout_ms;
};
struct notifier *notifier_webhook_open(struct http *http, const struct webhook_settings *settings);

struct notice_mail_settings { /* copied */
	const char *smtp_url, *user, *password, *ca_file, *from, *to;
	int tls; /* enum smtp_tls */
	int64_t timeout_ms;
};
struct notifier *notifier_mail_open(struct loop *loop, const struct notice_mail_settings *settings);

struct notice_sns_settings { /* copied; `profile` and the rest NULL: as the AWS SDKs have it */
	const char *topic_arn;
	const char *endpoint_url, *profile, *ca_bundle;
	int64_t timeout_ms;
};
struct notifier *notifier_sns_open(
        struct loop *loop, struct http *http, const struct notice_sns_settings *settings);

/* -- Words that all of them use: words.c; pure ------------------------------------------------------- */
#define NOTICE_TEXT_MAX 4096 /* bytes of a whole notice */

/* One line: "critical: outbox raised on mail-1: 3m 20s is how long ...", in the language in force. */
void notice_title(const struct notice *notice, struct buf *out);
/* The same in English, for where nothing but ASCII may stand. */
void notice_subject(const struct notice *notice, struct buf *out);
/* The title and what is known, a line each. */
void notice_body(const struct notice *notice, struct buf *out);

#endif
