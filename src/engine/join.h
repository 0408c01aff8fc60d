/* What the broker's queues are made with, and the embedded broker's storage for whoever opens one without an
 * engine (the contract tests). */
#ifndef ENGINE_JOIN_H
#define ENGINE_JOIN_H

#include "broker/embedded.h"
#include "store/db.h"

#define EMBEDDED_TOPIC "user-signup"

/* Owns a db of its own; the settings' strings are copied. */
struct embedded_storage engine_storage(const struct db_settings *settings);

#endif
