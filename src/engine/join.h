/* What the broker's queues are made with, and the embedded broker's storage for whoever opens one without an
 * engine (the contract tests). */
#ifndef ENGINE_JOIN_H
#define ENGINE_JOIN_H

#include "broker/embedded.h"
#include "store/db.h"

#define EMBEDDED_TOPIC "user-signup"
/* Receives beyond those that the ledger asks for (attempts, and answers of "too much for now"): the net under
 * a worker that keeps dying on a message. */
#define QUEUE_SPARE_RECEIVES 10
#define QUEUE_RETENTION_MS (14LL * 24 * 60 * 60 * 1000) /* the longest that SQS offers */

/* Owns a db of its own; the settings' strings are copied. */
struct embedded_storage engine_storage(const struct db_settings *settings);

#endif
