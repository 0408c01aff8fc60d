/* Where a row of failed_notification stands. Plain data; any thread. */
#ifndef MODEL_FAILED_STATUS_H
#define MODEL_FAILED_STATUS_H

#include <stdbool.h>

enum failed_status { FAILED_DEAD, FAILED_QUEUED, FAILED_DELIVERED, FAILED_CANCELLED, FAILED_STATUS_COUNT };
const char *failed_status_name(enum failed_status status); /* as in the API and the database */
bool failed_status_by_name(const char *name, enum failed_status *ret);

#endif
