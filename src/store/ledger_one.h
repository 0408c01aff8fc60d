/* One delivery with all that the ledger says of it. One db per thread. */
#ifndef STORE_LEDGER_ONE_H
#define STORE_LEDGER_ONE_H

#include "model/delivery.h"
#include "model/failure.h"
#include "store/db.h"

struct delivery_row {          /* strings owned, NULL where the table has NULL */
	int64_t id, failed_id; /* failed_id 0: it never died */
	char *event_id, *user_id, *recipient, *owner, *last_reply;
	enum channel_id channel;
	enum delivery_state state;
	int version, attempts, redrives, edits;
	enum failure_class last_class;
	wall_time due_at, created_at, updated_at, delivered_at;
	/* of the message, while it waits for a retry; payload NULL otherwise */
	char *name, *payload, *attributes;
	size_t payload_len;
};
/* USHER_ENOTFOUND. */
int delivery_get(struct db *db, int64_t id, struct delivery_row **ret_row, struct usher_error *err);
void delivery_free(struct delivery_row *row); /* NULL is allowed */

#endif
