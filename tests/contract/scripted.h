/* A broker and a channel that do as a test says, in the place of the real ones: linked before the library,
 * their engine_broker() and settings_open_channel() are the ones that the engine finds. The broker keeps
 * SQS's meaning in memory; both fail and stall on request. Any thread may script them. */
#ifndef CONTRACT_SCRIPTED_H
#define CONTRACT_SCRIPTED_H

#include "broker/broker.h"
#include "model/reply.h"

#include <stdbool.h>

enum scripted_op { OP_PUBLISH, OP_SEND, OP_RECEIVE, OP_DELETE, OP_HIDE, OP_COUNT };

void scripted_reset(void);

/* -- Broker ---------------------------------------------------------------------------------- */
void scripted_fail(enum scripted_op op, int times); /* whole calls answered USHER_EUNAVAILABLE */
void scripted_refuse_entry(int nth); /* the nth published entry from now is refused alone; 0 = none */
void scripted_limit(int bytes);      /* a send longer than this, attributes included, is refused; 0 = none */
void scripted_put(const char *body); /* a message in the source queue */
void scripted_reappear(void);        /* what is hidden is visible: its time-out is over */
int scripted_calls(enum scripted_op op);
int scripted_waiting(void);  /* receives that are not answered yet */
int scripted_in_queue(void); /* messages, hidden or not */
int scripted_visible(void);
int scripted_in_dlq(void);
bool scripted_dlq_holds(const char *body);
int scripted_published(void);
const char *scripted_published_body(int i);
int scripted_batch_max_seen(void);

/* -- Channel --------------------------------------------------------------------------------- */
struct scripted_reply {
	enum reply_fault fault;
	int code;
	bool silent; /* never answers */
	int delay_ms;
	const char *enhanced; /* NULL: none */
	int retry_after_ms;
};
void scripted_answer(struct scripted_reply reply); /* every send from now on */
/* What a probe finds; until it is scripted there are none. */
void scripted_probe(struct scripted_reply reply);
int scripted_probes(void);
int scripted_sends(void);
int scripted_sends_of(const char *event_id);
int scripted_sending(void); /* without an answer yet */

#endif
