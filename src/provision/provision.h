/* `usherd provision`: makes in AWS what a configuration needs, or tells what is missing. Above config and
 * net; a sibling of admin. One thread, until it is done. */
#ifndef PROVISION_PROVISION_H
#define PROVISION_PROVISION_H

#include "config/config.h"

#include <stdbool.h>
#include <stdio.h>
#include <usher/error.h>

/* Tells on `out` what differs, or, with `apply`, what it does about it. *ret_differs: there was something to
 * do. USHER_ECONFIG: the configuration does not say broker.driver = aws, or contradicts itself. */
int provision_run(
        const struct config *config, bool apply, FILE *out, bool *ret_differs, struct usher_error *err);

#endif
