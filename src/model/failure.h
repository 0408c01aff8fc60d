/* Failure classes, from failure.def. Plain data; any thread. */
#ifndef MODEL_FAILURE_H
#define MODEL_FAILURE_H

#include "model/delivery.h"

#include <stdbool.h>

enum failure_class {
	FAILURE_NONE, /* it worked */
#define CLASS(id, ...) FAILURE_##id,
#include "model/failure.def"
#undef CLASS
	FAILURE_COUNT
};

enum disposition { DISPOSITION_AUTO, DISPOSITION_MANUAL };

struct failure_info {
	const char *name; /* as in the API and the database; "" for FAILURE_NONE */
	bool retried, feeds_breaker, burns_attempt;
	enum disposition disposition;
	const char *help;
};

/* Tries of one delivery that may end without burning an attempt: answered "too much for now", or made while
 * the service was known to be down. */
#define THROTTLED_MAX 20

const struct failure_info *failure_info(enum failure_class class);
/* FAILURE_NONE for a name that is none. */
enum failure_class failure_by_name(const char *name);
/* The disposition on a channel: ambiguous is automatic for coupons (the idempotency key makes a
 * second try safe) and manual for mail. */
enum disposition failure_disposition(enum failure_class class, enum channel_id channel);

#endif
