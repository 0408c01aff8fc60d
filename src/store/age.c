/* See age.h. */
#include "store/age.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>

const char *age_text(int64_t seconds, char text[AGE_SIZE])
{
	static const struct {
		int64_t seconds;
		const char *unit;
	} units[] = { { 86400, "days" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } };

	snprintf(text, AGE_SIZE, "just now");
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (seconds >= units[i].seconds) {
			snprintf(text, AGE_SIZE, "%" PRId64 " %s ago", seconds / units[i].seconds,
			        units[i].unit);
			break;
		}
	return text;
}
