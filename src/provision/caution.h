/* What is no difference that provisioning does away with, and yet keeps sign-ups from their queues: told
 * beside the plan, in the language in force. Pure, printing aside. */
#ifndef PROVISION_CAUTION_H
#define PROVISION_CAUTION_H

#include "provision/differ.h"

#include <stdio.h>

/* The i-th attribute that is looked at for its own sake, of things of that kind; NULL: there are no more. */
const char *caution_attribute(enum thing_kind kind, size_t i);

/* USHER_ECONFIG: nothing at all would come through, and what to do about it. */
int caution_check(const struct state *desired, const struct state *actual, struct usher_error *err);

void cautions_print(
        const struct state *desired, const struct state *actual, const struct plan *plan, FILE *out);

#endif
