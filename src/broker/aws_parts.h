/* Between the parts of the aws broker: aws.c (operations and their lives), aws_sqs.c, aws_sns.c,
 * aws_browse.c, aws_codec.c. Nobody else includes this but the tests of the codec. */
#ifndef BROKER_AWS_PARTS_H
#define BROKER_AWS_PARTS_H

#include "base/buf.h"
#include "broker/aws.h"
#include "net/aws.h"

struct aws_broker;
struct op;

/* What was looked at and not handed back yet. */
struct loans {
	char *receipts[AWS_BROWSE_LOANS_MAX];
	size_t n;
};

struct aws_queue {
	struct aws_broker *broker;
	struct aws_queue *next;
	char *name;
	char *url; /* NULL: not known yet */
	bool fifo;
	struct op *waiting;      /* operations that wait for the url, the newest first */
	struct aws_call *asking; /* for the url */
	struct buf question;
	struct loans *loans;     /* NULL: none */
	struct giving *giving;   /* being handed back; NULL: nothing is */
	struct op *after_giving; /* a look that waits until it is */
	bool sweeping;           /* the last look was a page: the next goes on */
	struct loop_timer *give_timer;
};

/* An operation, from its call to its callback. `begin` runs once the queue's url is known; it, or what it
 * starts, ends with op_end. `fail` answers the callback that the whole of it failed. */
struct op {
	struct aws_broker *broker;
	struct op *next, *previous;
	struct aws_queue *queue; /* NULL: of the topic */
	struct op *waiting_next;
	void (*begin)(struct op *op);
	void (*fail)(struct op *op, const struct usher_error *err);
	void (*free)(struct op *op); /* what it owns beside `body` */
	bool is_receive;
	struct aws_call *call;  /* under way */
	struct buf body;        /* of that call */
	struct usher_error err; /* of one that failed before it began */
};

struct aws_broker {
	struct broker broker;
	struct loop *loop;
	struct curl_loop *curl;
	struct http *http;
	struct aws_provider *provider;
	struct aws_client *sqs, *sns;
	struct aws_counters *counters;
	char *topic, *topic_arn;                 /* arn: NULL while it is not known */
	char *account_queue;                     /* whose ARN tells the account; NULL: none */
	struct op *topic_waiting, *topic_asking; /* publishes that wait for it, the oldest first */
	struct aws_queue *queues;
	struct op *ops;
};

/* -- aws.c ---------------------------------------------------------------------------------------- */

/* A zeroed op of `size` bytes (a struct that begins with struct op). queue NULL: of the topic. */
void *op_new(struct aws_broker *b, size_t size, const char *queue);
void op_start(struct op *op);                                 /* begin, now or when the url is known */
void op_refuse(struct op *op, int code, const char *fmt, ...) /* instead of op_start: fail, on the loop */
        __attribute__((format(printf, 3, 4)));
void op_end(struct op *op);    /* frees it; the callback was called */
void op_unwait(struct op *op); /* no longer waits for the url */
/* Calls `action` with op->body; op->call is set meanwhile. */
void op_call(struct op *op, enum aws_action action, int64_t extra_ms, size_t answer_max, aws_done *done);
/* Answers a failed call: fail and end. */
void op_failed(struct op *op, const struct aws_answer *answer);
void aws_error(struct usher_error *err, const struct op *op, const struct aws_answer *answer);
/* Answers a result that makes no sense. */
void op_nonsense(struct op *op, const struct usher_error *err);

/* -- Batches: aws_batch.c ------------------------------------------------------------------------- */

struct batch {
	struct op op;
	enum aws_action action;
	union {
		const struct broker_outgoing *outgoing;
		const char *const *receipts;
		const struct broker_visibility *visibility;
	};
	size_t n, from, to; /* entries; [from, to) are in the call under way */
	size_t size_max;    /* bytes of a message, and of all in one call */
	bool one_by_one;    /* the service takes less in one call than it should: an entry a call */
	bool answered;      /* an earlier call of this batch was */
	struct broker_entry_result results[AWS_BATCH_MAX];
	broker_batch_done *done;
	void *arg;
};
#define ENTRY_WAITS 1 /* code of an entry that was not answered yet */

void aws_send(struct broker *b, const char *queue, const struct broker_outgoing *batch, size_t n,
        broker_batch_done *done, void *arg);
void aws_delete(struct broker *b, const char *queue, const char *const *receipts, size_t n,
        broker_batch_done *done, void *arg);
void aws_hide(struct broker *b, const char *queue, const struct broker_visibility *batch, size_t n,
        broker_batch_done *done, void *arg);
void aws_publish(
        struct broker *b, const struct broker_outgoing *batch, size_t n, broker_batch_done *done, void *arg);

/* -- aws_sqs.c -------------------------------------------------------------------------------------- */
void aws_receive(struct broker *b, const char *queue, const struct broker_receive_options *options,
        broker_receive_done *done, void *arg);
void aws_depths(struct broker *b, const char *queue, broker_depths_done *done, void *arg);
void aws_wake(struct broker *b);

/* -- aws_sns.c -------------------------------------------------------------------------------------- */
void topic_start(struct op *op); /* op->begin once the topic's ARN is known */

/* -- aws_browse.c ----------------------------------------------------------------------------------- */
void aws_browse(struct broker *b, const char *queue, size_t max, broker_browse_done *done, void *arg);
void loan_settled(struct aws_queue *queue, const char *const *receipts, size_t n);
void loans_free(struct aws_queue *queue);

/* -- aws_codec.c: pure ------------------------------------------------------------------------------ */

void entry_refuse(struct broker_entry_result *result, int code, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));
int64_t seconds_up(int64_t ms);
/* Bytes as the services count them. */
size_t outgoing_size(const struct broker_outgoing *m);
/* Refuses what the service would refuse together with the entries beside it. */
void outgoing_check(const struct broker_outgoing *m, size_t size_max, bool delay_allowed,
        struct broker_entry_result *result);
/* Scratch for a value of any message: what cannot be sent becomes three bytes. */
#define VALUE_BUF() BUF(3 * (size_t)AWS_SQS_BODY_MAX)

#define ATTRIBUTE_TYPE "String"
/* The value as it is sent; scratch holds it when it is not the attribute's own. */
const char *attribute_value(const struct message_attribute *attribute, struct buf *scratch);
bool md5_matches(
        const char *said, const void *bytes, size_t len); /* said NULL: there is nothing to compare */
bool attributes_match(const char *said, const struct message_attributes *attributes);
#define FIFO_ID_MAX 128
/* Both ids of a message, as every message is a group of its own: none waits for another one to be settled.
 * Within five minutes SNS and SQS swallow what has the id of an earlier message. That is wanted of an event
 * that is published twice, and its id is the event's. A redrive, a second death and an attempt to be made at
 * once must arrive, also while a message of the same event is hidden: what is sent has a new id. The ledger
 * answers the copy that comes of a send that was repeated. */
void fifo_id_published(const struct broker_outgoing *m, char id[FIFO_ID_MAX + 1]);

void json_quote(struct buf *out, const char *text, size_t len); /* valid UTF-8 */

void write_receive(struct buf *out, const char *url, int max, int64_t visibility_s, int64_t wait_s);
void write_attributes_wanted(struct buf *out, const char *url, const char *const *names, size_t n);
void write_entries(struct buf *out, const struct batch *batch); /* of send, delete and hide: [from, to) */
void write_publish(struct buf *out, const struct batch *batch, const char *topic_arn);

/* Messages the caller frees; what does not arrive as it was sent is left out and logged. */
int read_messages(const struct aws_answer *answer, const char *queue, struct message **messages, size_t max,
        size_t *ret_n, struct usher_error *err);
/* Fills the results of [from, to). */
int read_results(const struct aws_answer *answer, struct batch *batch, struct usher_error *err);
int read_publish_results(const struct aws_answer *answer, struct batch *batch, struct usher_error *err);

#endif
