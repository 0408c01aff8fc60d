/* The aws broker: SQS over its JSON protocol, SNS over its Query protocol. A queue is known by its name, and
 * its address is asked for once. Queues, topic and subscriptions must exist; this driver makes none.
 *
 * What the services make different from the contract's best: see the flags in broker_ops. Visibility, delays
 * and waits are whole seconds, rounded up. Bodies are UTF-8 text without control characters but tab, LF and
 * CR; in attributes what cannot be sent becomes U+FFFD, and an empty one is left out. On queues and topics
 * whose names end in .fifo every message is a group of its own, and an event that is published twice is told
 * by its ATTRIBUTE_EVENT_ID. */
#ifndef BROKER_AWS_H
#define BROKER_AWS_H

#include "broker/aws_counters.h"
#include "broker/broker.h"

#define AWS_BATCH_MAX 10
#define AWS_RECEIVES_MAX 64 /* at once, and nothing else waits for them: as configured at most */
#define AWS_SNS_BODY_MAX BROKER_PUBLISH_MAX /* bytes of a message, attributes in, and of a batch */
#define AWS_SQS_BODY_MAX BROKER_SEND_MAX    /* the same; 256 KiB until August 2025 */
#define AWS_ANSWER_MAX (24 * 1024 * 1024)   /* bytes of a receive's answer: ten messages of 1 MiB, quoted */
#define AWS_WAIT_MAX_S 20                   /* of one ReceiveMessage; a longer wait is several */
#define AWS_POLL_MIN_MS 500                 /* an empty long poll shorter than this was none */
#define AWS_DELAY_MAX_MS (15 * 60 * 1000)
#define AWS_VISIBILITY_MAX_MS (12LL * 60 * 60 * 1000)
#define AWS_CALL_TIMEOUT_MS 10000 /* of each try of a call, beside what a long poll waits */
/* When all long polls are ended, one that began less than this ago may still answer: a queue that has work
 * answers within it, and messages that come to nobody would stay hidden until their visibility timeout. */
#define AWS_WAKE_GRACE_MS 200
#define AWS_BROWSE_VISIBILITY_S 60 /* what a look received is hidden for, should it not be handed back */
#define AWS_BROWSE_GRACE_MS 1000   /* after a look, or a delete out of it, the rest is handed back */
#define AWS_BROWSE_LOANS_MAX 1000  /* what was looked at and is handed back; more come back by themselves */

struct aws_broker_settings { /* copied; counters, environment, ending are borrowed */
	const char *region;
	const char *endpoint_url; /* for both services; NULL: as in net/aws.h */
	const char *profile;      /* NULL: AWS_PROFILE, else the default one */
	const char *topic;        /* name, or ARN. Of a name, the account is that of the first queue */
	const char *ca_bundle;    /* NULL: the system's */
	const struct broker_queue_settings *queues;
	size_t queue_count;
	struct aws_counters *counters;
	const char *const *environment; /* NULL: the process's own */
	const atomic_bool *ending;      /* as in net/aws.h */
};

/* Does no I/O. */
struct broker *aws_open(const struct aws_broker_settings *settings, struct loop *loop);

#endif
