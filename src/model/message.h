/* A message as any broker carries it, and the attributes usher puts on dead ones. Plain data. */
#ifndef MODEL_MESSAGE_H
#define MODEL_MESSAGE_H

#include "base/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_ATTRIBUTES_MAX 10 /* as on SQS */
#define MESSAGE_BATCH_MAX 100     /* the largest batch any driver takes */

struct message_attribute {
	char *name, *value; /* String attributes; owned by the list */
};

struct message_attributes {
	struct message_attribute list[MESSAGE_ATTRIBUTES_MAX];
	size_t count;
};

/* Copies both strings. false when the list is full. */
bool message_attribute_set(struct message_attributes *attributes, const char *name, const char *value);
const char *message_attribute_get(
        const struct message_attributes *attributes, const char *name); /* or NULL */
void message_attributes_copy(struct message_attributes *to, const struct message_attributes *from);
void message_attributes_free(struct message_attributes *attributes);
/* As a JSON object of strings, the form in which they are stored; the caller frees the text. */
char *message_attributes_print(const struct message_attributes *attributes);
int message_attributes_parse(const char *text, struct message_attributes *ret_attributes);

/* A received (or browsed) message. Owned by whoever holds it; freed with message_free. */
struct message {
	char *id;      /* the broker's message id */
	char *receipt; /* the right to settle this receive */
	char *body;    /* body_len bytes, and a NUL */
	size_t body_len;
	struct message_attributes attributes;
	int receive_count; /* this receive included; see broker_ops.dlq_counts_on */
	wall_time sent_at; /* into this queue */
};

void message_free(struct message *message); /* frees the members and itself; NULL is allowed */

/* Attributes on a message that usher moved to a DLQ. */
#define ATTRIBUTE_CLASS "usher.class"
#define ATTRIBUTE_REASON "usher.reason"
#define ATTRIBUTE_ATTEMPTS "usher.attempts"
#define ATTRIBUTE_EVENT_ID "usher.event_id"
#define ATTRIBUTE_SOURCE_QUEUE "usher.source_queue"
/* On a copy of what operators edited: how many edits it has. Older copies are not delivered any more. */
#define ATTRIBUTE_EDITS "usher.edits"
#define ATTRIBUTE_ENCODING "content-encoding"

/* How exactly a number is known. */
enum exactness { EXACT, APPROXIMATE, STALE };
struct figure {
	int64_t value;
	enum exactness exactness;
};

/* Receives beyond those that the ledger asks for: the net under a worker that keeps dying on a message. */
#define QUEUE_SPARE_RECEIVES 10
/* What a queue's own policy must let a message have: attempts, answers of "too much for now", and the net. */
int queue_receives(int max_attempts);
#define QUEUE_RETENTION_MS (14LL * 24 * 60 * 60 * 1000) /* the longest that SQS offers */

struct queue_depths {
	struct figure visible, in_flight, delayed;
	int64_t oldest_age_ms; /* of the oldest visible message; -1 when unknown or none */
	int64_t retention_ms;  /* how long the queue keeps a message; 0: not told */
	int max_receives; /* after so many its own policy moves a message away; 0: not told, or no policy */
};
/* Of a queue that was never counted: nothing is known, which is not the same as zero. */
#define QUEUE_DEPTHS_UNKNOWN                                                                                 \
	{                                                                                                    \
		{ -1, STALE }, { -1, STALE }, { -1, STALE }, -1, 0, 0                                        \
	}
/* All that stands in the queue, whoever holds it just now, as exactly as the least exact part. That is what a
 * DLQ holds: a look at it may hide its messages for a moment. */
struct figure queue_standing(const struct queue_depths *depths);

#endif
