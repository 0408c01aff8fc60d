/* Whether this EC2 spot instance is to be taken away: asks its metadata service again and again, until it
 * says so once. One a loop; everything here runs on the loop's thread.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html */
#ifndef NET_AWS_SPOT_H
#define NET_AWS_SPOT_H

#include "net/http.h"

#define AWS_SPOT_ASK_MS 5000        /* the notice comes two minutes ahead; AWS advises this interval */
#define AWS_SPOT_MISSES 3           /* answers that did not come, in a row: is this EC2 at all? ... */
#define AWS_SPOT_RARELY_MS 60000    /* ... then it is asked this rarely until one comes */
#define AWS_SPOT_TOKEN_S (6 * 3600) /* how long a token is asked for; it may end sooner */

struct aws_spot_settings {              /* the strings are borrowed */
	const char *const *environment; /* NULL: the process's own */
	const char *ca_bundle;          /* of an endpoint with https; NULL: the system's */
	int64_t ask_ms, rarely_ms;      /* 0: as above */
};

/* action: "terminate" or "stop"; at: when, in RFC 3339, "" when it is not said. Called once; nothing is asked
 * afterwards. A notice of hibernation is only logged: the memory stays, and work goes on when it is over. */
typedef void aws_spot_notice(void *arg, const char *action, const char *at);

struct aws_spot;
struct aws_spot *aws_spot_new(struct loop *loop, struct http *http, const struct aws_spot_settings *settings,
        aws_spot_notice *notice, void *arg);
void aws_spot_free(struct aws_spot *spot); /* before http_free; NULL is allowed */

#endif
