/* Requests to SNS and SQS, counted by action, because each is billed. Bumped by every aws broker of the
 * process; any thread may read. */
#ifndef BROKER_AWS_COUNTERS_H
#define BROKER_AWS_COUNTERS_H

#include <stdatomic.h>

/* X(enum, name as the service has it) */
#define AWS_ACTIONS(X)                                                                                       \
	X(AWS_RECEIVE, "ReceiveMessage")                                                                     \
	X(AWS_DELETE, "DeleteMessageBatch")                                                                  \
	X(AWS_HIDE, "ChangeMessageVisibilityBatch")                                                          \
	X(AWS_SEND, "SendMessageBatch")                                                                      \
	X(AWS_ATTRIBUTES, "GetQueueAttributes")                                                              \
	X(AWS_QUEUE_URL, "GetQueueUrl")                                                                      \
	X(AWS_PUBLISH, "PublishBatch")

#define AWS_ACTION_ENUM(name, text) name,
enum aws_action { AWS_ACTIONS(AWS_ACTION_ENUM) AWS_ACTION_COUNT };
#undef AWS_ACTION_ENUM

/* Tries after the first are requests too; `retried` says how many of all there were. */
struct aws_counters {
	atomic_uint_least64_t requests[AWS_ACTION_COUNT];
	atomic_uint_least64_t retried;
	atomic_uint_least64_t empty_receives; /* answered without a message: what an idle queue costs */
};

const char *aws_action_name(enum aws_action action);

#endif
