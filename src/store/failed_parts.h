/* Reading rows of failed_notification; for store/failed*.c only. */
#ifndef STORE_FAILED_PARTS_H
#define STORE_FAILED_PARTS_H

#include "store/failed.h"

/* Of failed_notification f and delivery d, as failed_row_read takes them. */
#define FAILED_ROW_COLUMNS                                                                                   \
	"f.id, f.delivery_id, f.event_id, f.reason, f.user_id, f.recipient, f.name, f.source_queue, "        \
	"f.message_id, f.dlq_message_id, f.settled_by, f.settled_reason, f.channel, f.status, d.state, "     \
	"f.class, "                                                                                          \
	"f.version, f.attempts, f.redrives, f.first_at, f.dead_at, f.updated_at, f.dlq_seen_at, "            \
	"f.dlq_expires_at, CAST(f.cause AS SIGNED), f.job_id, f.auto_redrives"
#define FAILED_ROW_COLUMN_COUNT 27

void failed_row_read(const struct rows *rows, struct failed_row *row);
void failed_row_free(struct failed_row *row);

#endif
