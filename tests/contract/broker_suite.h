/* The broker contract as tests, for any driver: a driver's test fills this and runs the suite. */
#ifndef CONTRACT_BROKER_SUITE_H
#define CONTRACT_BROKER_SUITE_H

#include "broker/broker.h"

struct broker_suite {
	/* A new broker on this loop. All of them stand before the same queues, whatever their thread. */
	struct broker *(*open)(struct loop *loop);
	void (*reset)(void); /* before each test: all queues are empty; no broker is open */
	/* Two queues subscribed to the topic. The first has a dlq, after max_receive_count receives. */
	const char *queue, *other_queue, *dlq;
	int max_receive_count;
	int64_t unit_ms;    /* the shortest visibility timeout and delay that the driver tells apart */
	int64_t wake_ms;    /* a long poll sees what another thread published after at most this */
	bool binary_bodies; /* carries any bytes; else UTF-8 text */
};

/* Runs all tests as one cmocka group; returns how many failed. */
int broker_suite_run(const char *name, const struct broker_suite *suite);

/* -- For tests: operations that wait for their callback ----------------------------------------- */
struct party {
	struct loop *loop;
	struct broker *broker;
	/* of the last operation */
	struct usher_error err;
	struct broker_entry_result results[MESSAGE_BATCH_MAX];
	size_t result_count;
	struct message *messages[1000]; /* freed by the next operation that brings any */
	size_t n;
	bool exact;
	struct queue_depths depths;
	bool answered;
};

void party_open(struct party *p, const struct broker_suite *suite);
void party_close(struct party *p);
void party_messages_free(struct party *p);
int party_publish(struct party *p, const struct broker_outgoing *batch, size_t n);
int party_send(struct party *p, const char *queue, const struct broker_outgoing *batch, size_t n);
int party_receive(struct party *p, const char *queue, int max, int64_t wait_ms, int64_t visibility_ms);
int party_delete(struct party *p, const char *queue, const char *const *receipts, size_t n);
int party_hide(struct party *p, const char *queue, const struct broker_visibility *batch, size_t n);
int party_browse(struct party *p, const char *queue, size_t max);
int party_depths(struct party *p, const char *queue);

#endif
