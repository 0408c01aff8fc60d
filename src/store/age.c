/* See age.h. */
#include "store/age.h"

#include "base/error.h"
#include "base/language.h"
#include "base/mem.h"

int age_add(struct usher_error *err, int code, int64_t seconds)
{
	static const struct {
		int64_t seconds;
		const char *words;
	} units[] = { { 86400, N_("%lld days ago") }, { 3600, N_("%lld h ago") }, { 60, N_("%lld min ago") },
		{ 1, N_("%lld s ago") } };

	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (seconds >= units[i].seconds)
			return error_add(err, code, units[i].words, (long long)(seconds / units[i].seconds));
	return error_add(err, code, "just now");
}
