/* The embedded broker's tables, behind broker/embedded.h's storage (joined in engine/join.c). The same meaning and
 * types, on model/ only. Receipts are "ID.RECEIVE_COUNT": good until somebody else receives it. */
#ifndef STORE_QUEUE_H
#define STORE_QUEUE_H

#include "model/message.h"
#include "store/db.h"

struct queue_put { const char *body; size_t body_len; const struct message_attributes *attributes; int64_t delay_ms; };
struct queue_hide { const char *receipt; int64_t visibility_ms; };
struct queue_definition { const char *name, *dlq; int64_t visibility_ms, retention_ms; int max_receive_count; };

int queue_put(struct db *db, const char *const *queues, size_t queue_count, const struct queue_put *batch, size_t n, struct usher_error *err);
int queue_subscribers(struct db *db, const char *topic, char ***ret_queues, size_t *ret_n, struct usher_error *err);
int queue_take(struct db *db, const char *queue, int max, int64_t visibility_ms, struct message **messages, size_t *ret_n,
               int64_t *ret_next_ms, struct usher_error *err);
int queue_remove(struct db *db, const char *queue, const char *const *receipts, size_t n, int *codes, struct usher_error *err);
int queue_hide(struct db *db, const char *queue, const struct queue_hide *batch, size_t n, int *codes, struct usher_error *err);
int queue_list(struct db *db, const char *queue, size_t max, struct message **messages, size_t *ret_n, bool *ret_exact, struct usher_error *err);
int queue_count(struct db *db, const char *queue, struct queue_depths *ret, struct usher_error *err);
int queue_ensure(struct db *db, const char *topic, const struct queue_definition *queues, size_t n, struct usher_error *err);
/* Messages older than their queue's retention; at most max. */
int queue_expire(struct db *db, int max, int *ret_n, struct usher_error *err);

#endif
