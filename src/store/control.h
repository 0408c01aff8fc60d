/* The table channel_control: what operators say of a channel, for all daemons of the fleet: paused, and what
 * its breaker is forced to. Outlives every daemon. One db per thread. */
#ifndef STORE_CONTROL_H
#define STORE_CONTROL_H

#include "model/delivery.h"
#include "store/db.h"
#include "store/failed.h"

enum control_breaker { CONTROL_AUTO, CONTROL_OPEN, CONTROL_CLOSED, CONTROL_BREAKER_COUNT };
const char *control_breaker_name(enum control_breaker breaker); /* "auto", "open", "closed" */
bool control_breaker_by_name(const char *name, enum control_breaker *ret);

#define CONTROL_WORDS_SIZE (500 * 4 + 1)
/* Who said it, why and when; the reason is "" where none was given. */
struct control_word {
	char by[64 * 4 + 1], reason[CONTROL_WORDS_SIZE];
	wall_time at; /* 0: nobody ever */
};

struct control {
	bool paused;
	enum control_breaker breaker;
	struct control_word pause, force; /* of who paused or resumed, forced or let go last */
	wall_time mirrored_at;            /* when the leader last went through the DLQ to its end */
};

/* One statement. A channel that nobody spoke of is {0}. */
int control_read(struct db *db, struct control controls[CHANNEL_COUNT], struct usher_error *err);

/* Acts: in one transaction with the audit ("channels/email"). USHER_ECONFLICT, naming who was first and when,
 * when it is so already; that is audited too. USHER_EINVAL: no reason where one is required. */
int control_pause(struct db *db, enum channel_id channel, const struct act *act,
        struct usher_error *err); /* reason required */
int control_resume(struct db *db, enum channel_id channel, const struct act *act, struct usher_error *err);
int control_force(struct db *db, enum channel_id channel, enum control_breaker breaker, const struct act *act,
        struct usher_error *err); /* reason required, but for CONTROL_AUTO */

/* The leader's: the DLQ has been gone through now. */
int control_mirrored(struct db *db, enum channel_id channel, struct usher_error *err);

#endif
