/* The words for where a failed row stands. No I/O; any thread. */
#include "model/failed_status.h"

#include <string.h>

static const char *const status_names[FAILED_STATUS_COUNT] = {
	[FAILED_DEAD] = "dead",
	[FAILED_QUEUED] = "queued",
	[FAILED_DELIVERED] = "delivered",
	[FAILED_CANCELLED] = "cancelled",
};

const char *failed_status_name(enum failed_status status)
{
	return (unsigned)status < FAILED_STATUS_COUNT ? status_names[status] : "unknown";
}

bool failed_status_by_name(const char *name, enum failed_status *ret)
{
	for (int i = 0; i < FAILED_STATUS_COUNT; i++) {
		if (strcmp(status_names[i], name) == 0) {
			*ret = (enum failed_status)i;
			return true;
		}
	}
	return false;
}
