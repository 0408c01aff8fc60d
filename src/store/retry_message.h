/* The table retry_message: the messages of deliveries that wait for their next attempt. The broker hides a
 * message until it is due, and nobody can take it out before; what is kept here lets an operator have a copy
 * sent at once, or give the delivery up with its message in the failed row. One db per thread. */
#ifndef STORE_RETRY_MESSAGE_H
#define STORE_RETRY_MESSAGE_H

#include "store/ledger.h"

struct retry_message { /* all owned */
	char *name, *source_queue;
	struct message *message; /* without a receipt */
};

/* Keeps the messages of those entries that move to retrying (moving[i]); inside the caller's transaction. */
int retry_messages_keep(struct db *db, const struct ledger_settle *settles, const bool *moving, size_t n,
        struct usher_error *err);
/* The deliveries are settled: neither message nor intent is needed any more. */
int retry_messages_forget(struct db *db, const int64_t *delivery_ids, size_t n, struct usher_error *err);
/* *ret is NULL when none is kept. */
int retry_message_get(
        struct db *db, int64_t delivery_id, struct retry_message **ret, struct usher_error *err);
void retry_message_free(struct retry_message *kept); /* NULL is allowed */

#endif
