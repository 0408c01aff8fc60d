/* What operators do with a delivery that waits for its next attempt. One db per thread. */
#ifndef STORE_LEDGER_ACT_H
#define STORE_LEDGER_ACT_H

#include "store/failed.h"

/* The furthest that an attempt may be put off: as long as the retry schedule itself may wait. */
#define POSTPONE_MAX_MS (12LL * 60 * 60 * 1000)

/* One transaction each over the delivery, its message, its failed row and the audit (target "retrying/ID"; a
 * refusal is audited too). `version`: of the delivery as the operator saw it, or -1 for whatever it is.
 * USHER_ENOTFOUND; USHER_ECONFLICT says where the delivery stands and who brought it there; USHER_EINVAL.
 *
 * now: due at once. Nobody can take a hidden message out of a broker before its time, so a copy is sent to
 * the queue by an intent (kick the watcher); whichever comes first is delivered, and the ledger answers for
 * the other one. USHER_ECONFLICT when it is due already. postpone: due later than now planned; a message that
 * comes before is hidden again. cancel: given up, with a failed row (cancelled), so that it can be restored;
 * needs a reason. dead: no more attempts, with a failed row (dead). For both the copy in the queue is dealt
 * with when it comes. */
int retrying_now(struct db *db, int64_t id, int version, const struct act *act, struct usher_error *err);
int retrying_postpone(struct db *db, int64_t id, int version, wall_time until, const struct act *act,
        struct usher_error *err);
int retrying_cancel(struct db *db, int64_t id, int version, const struct act *act, struct usher_error *err);
int retrying_dead(struct db *db, int64_t id, int version, const struct act *act, struct usher_error *err);

#endif
