/* What should be in AWS for a configuration, as plain data: topic, dead-letter queues, queues, subscriptions
 * and alarms, each with its attributes under the names and in the form that the services use. The same
 * structs hold what is there (actual.h), so that differ.h can lay one on the other. Pure; no thread's in
 * particular. */
#ifndef PROVISION_DESIRED_H
#define PROVISION_DESIRED_H

#include "model/delivery.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <usher/error.h>

#define PROVISION_WAIT_S 20 /* of a long poll: the longest that SQS offers, and the cheapest */
#define PROVISION_KMS_REUSE_S                                                                                \
	300 /* how long SQS uses a data key: SQS's default; each new one is a KMS call */
#define PROVISION_MANAGED_KEYS "alias/aws/" /* AWS's own: their policies do not let SNS in */
#define PROVISION_BACKLOG_MESSAGES 1000     /* more waiting than this is a backlog */
#define PROVISION_OLDEST_SPARE_S                                                                             \
	(15 * 60) /* a message older than all its retries take and this is forgotten */
#define PROVISION_ALARM_PERIOD_S 60
#define PROVISION_ALARM_PERIODS                                                                              \
	5 /* so long a backlog lasts before it is an alarm. A dead letter is one at once, and over when none \
	     was seen for as long: the mirror hides what stands there while it looks */

#define THINGS_MAX 16
#define ALARM_LISTS 3       /* of actions: for OK, for ALARM, for too little data */
#define ALARM_ACTIONS_MAX 5 /* in each; CloudWatch takes no more */
/* An alarm has most: what is wanted of it and what its owner may have set, and the owner's actions. */
#define ATTRIBUTES_MAX (16 + ALARM_LISTS * ALARM_ACTIONS_MAX)

enum thing_kind { THING_TOPIC, THING_QUEUE, THING_SUBSCRIPTION, THING_ALARM };
enum attribute_form { FORM_TEXT, FORM_NUMBER, FORM_JSON };

struct attribute {
	char *name, *value;
	enum attribute_form form;
	bool at_birth;  /* given when the thing is made; afterwards it cannot be changed, or is its owner's */
	bool dimension; /* of an alarm: whose metric it watches */
	const char
	        *moot_with; /* not wanted where the thing has this attribute; NULL: always wanted. Static */
};

struct thing {
	enum thing_kind kind;
	char *name;
	char *arn;     /* topic, queue: its own; subscription: the queue's; alarm: NULL */
	bool exists;   /* of what is there */
	char *address; /* of what is there: the queue's URL, the subscription's ARN; else NULL */
	struct attribute attributes[ATTRIBUTES_MAX];
	size_t attribute_count;
};

/* In the order in which they can be made; the first is the topic. */
struct state {
	struct thing things[THINGS_MAX];
	size_t n;
};

struct provision_channel {
	const char *queue, *dlq;
	int64_t visibility_ms, retention_ms;
	int max_receives;
	int64_t oldest_s; /* a message older than this raises an alarm */
};

struct provision_settings { /* borrowed */
	const char *region;
	const char *topic;      /* name, or ARN */
	const char *kms_key_id; /* NULL: the key that SQS manages */
	struct provision_channel channels[CHANNEL_COUNT];
	size_t channel_count;
};

/* Who asks, as STS answers: ARNs are made of it. */
struct provision_identity {
	char partition[32], account[16], principal[512];
};

/* USHER_ECONFIG: names that cannot go together, or a key that SNS may not use. `ret` is freed by the caller.
 */
int desired_make(const struct provision_settings *settings, const struct provision_identity *who,
        struct state *ret, struct usher_error *err);
void state_free(struct state *state);

/* "topic", "queue", ...; to be looked up in the language in force. */
const char *thing_kind_word(enum thing_kind kind);
struct thing *state_add(struct state *state, enum thing_kind kind, const char *name, const char *arn);
/* A later one of the same name takes the earlier's place. NULL: there are ATTRIBUTES_MAX already. */
struct attribute *thing_put(
        struct thing *thing, const char *name, enum attribute_form form, const char *value);
const struct attribute *thing_get(const struct thing *thing, const char *name); /* NULL: not set */
/* Of an alarm: its owner's, and CloudWatch would forget it, because a put replaces all but tags. Elements of
 * lists are named as in a put: OKActions.member.1. */
bool alarm_keeps(const char *name);

#endif
