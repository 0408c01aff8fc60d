/* What is there: asks the services about everything in the table of what should be. Only looks. */
#ifndef PROVISION_ACTUAL_H
#define PROVISION_ACTUAL_H

#include "provision/desired.h"
#include "provision/services.h"

/* actual->things[i] is what there is of desired->things[i]. An endpoint of one's own that knows no
 * CloudWatch: the alarms are taken out of `desired`, and *ret_no_alarms says so. `ret` is freed by the
 * caller, also after a failure. */
int actual_read(struct services *services, struct state *desired, struct state *ret, bool *ret_no_alarms,
        struct usher_error *err);

#endif
