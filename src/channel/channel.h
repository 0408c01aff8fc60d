/* What is done about an event: the contract of the mail and the coupon channel.
 *
 * Thread: a channel belongs to one loop. `send` never calls back from inside itself and calls back
 * exactly once, unless the channel is closed first. The same event sent twice carries the same
 * Message-ID or idempotency key. */
#ifndef CHANNEL_CHANNEL_H
#define CHANNEL_CHANNEL_H

#include "model/event.h"
#include "model/reply.h"
#include "net/http.h"
#include "net/loop.h"

#include <usher/error.h>

struct channel;
typedef void channel_done(void *arg, const struct reply *reply); /* borrowed for the call */

/* Is there something to give? As a probe heard it. */
enum channel_stock { STOCK_UNKNOWN, STOCK_OUT, STOCK_IN };
/* The service is well when reply holds no fault and a code of 2xx; else it says why not. */
typedef void channel_probed(void *arg, const struct reply *reply, enum channel_stock stock);

struct channel_ops {
	const char *name; /* "email", "coupon" */
	bool idempotent;  /* a second try cannot double the effect */
	void (*send)(struct channel *c, const struct event *event, channel_done *done,
	        void *arg); /* event borrowed until done */
	/* Asks the service whether it is well, without spending a message. One probe at a time; `done` as
	 * for send. False: there is nothing to ask, and done is not called. */
	bool (*probe)(struct channel *c, channel_probed *done, void *arg);
	int (*connections)(struct channel *c); /* open now */
	void (*close)(struct channel *c);      /* what is under way is dropped without calling back */
};

struct channel {
	const struct channel_ops *ops;
};

struct email_settings { /* all borrowed for email_open, copied inside */
	const char *smtp_url, *user, *password, *from, *subject, *template_dir, *ca_file;
	int tls; /* enum smtp_tls */
	int connections;
	int64_t timeout_ms;
	const char
	        *unsubscribe; /* mailto: or https: URI for List-Unsubscribe; NULL: the header is left out */
};
/* Reads and checks every template in template_dir: USHER_ECONFIG names file and line.
 * `subject`: NULL or "" means the template's own first line "Subject: ...". */
int email_open(const struct email_settings *settings, struct loop *loop, struct curl_loop *cl,
        struct channel **ret_channel, struct usher_error *err);

struct coupon_settings {
	const char *url, *token, *campaign, *ca_file;
	const char *health_url; /* NULL or "": no probe. Asked by GET, without the token */
	int64_t timeout_ms;
};
int coupon_open(const struct coupon_settings *settings, struct loop *loop, struct curl_loop *cl,
        struct channel **ret_channel, struct usher_error *err);

#endif
