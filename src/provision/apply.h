/* Carries a plan out, step by step; each step that is done is told. Repeating it does no harm. */
#ifndef PROVISION_APPLY_H
#define PROVISION_APPLY_H

#include "provision/differ.h"
#include "provision/services.h"

/* Stops at the first step that fails; what was done before stays, and the next run goes on from there. */
int apply_plan(struct services *services, const struct plan *plan, const struct state *desired,
        const struct state *actual, FILE *out, struct usher_error *err);

#endif
