/* The table of failure classes, made from failure.def. No I/O; any thread. */
#include "model/failure.h"

#include <stddef.h>
#include <string.h>

#define AUTO DISPOSITION_AUTO
#define MANUAL DISPOSITION_MANUAL
static const struct failure_info classes[FAILURE_COUNT] = {
	[FAILURE_NONE] = { "", false, false, true, DISPOSITION_AUTO, "it worked" },
#define CLASS(id, ...) [FAILURE_##id] = { __VA_ARGS__ },
#include "model/failure.def"
#undef CLASS
};
#undef AUTO
#undef MANUAL

const struct failure_info *failure_info(enum failure_class class)
{
	return &classes[class];
}

enum failure_class failure_by_name(const char *name)
{
	for (int i = FAILURE_NONE + 1; name && i < FAILURE_COUNT; i++)
		if (strcmp(classes[i].name, name) == 0)
			return (enum failure_class)i;
	return FAILURE_NONE;
}

enum disposition failure_disposition(enum failure_class class, enum channel_id channel)
{
	if (class == FAILURE_AMBIGUOUS && channel == CHANNEL_COUPON)
		return DISPOSITION_AUTO;
	return classes[class].disposition;
}
