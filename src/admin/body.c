/* Members of an act's body, checked: see body.h. May call base/ only; any thread. */
#include "admin/body.h"

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

#include <limits.h>
#include <string.h>

int member_text(const cJSON *body, const char *name, const char **ret, struct usher_error *err)
{
	const cJSON *member = json_get(body, name);
	if (!member)
		return 0;
	if (!cJSON_IsString(member))
		return error_set(err, USHER_EINVAL, "%s: must be a string", name);
	for (const char *c = member->valuestring; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return error_set(err, USHER_EINVAL,
			        "%s: has a control character (such as a line break): leave it out", name);
	*ret = member->valuestring;
	return 0;
}

int read_reason(const cJSON *body, bool required, const char **ret_reason, struct usher_error *err)
{
	const char *reason = NULL;
	if (member_text(body, "reason", &reason, err) < 0)
		return USHER_EINVAL;
	if (!reason && required)
		return error_set(err, USHER_EINVAL,
		        "reason: required here: say in 1 to %d characters why, for whoever reads the audit",
		        BODY_REASON_MAX);
	if (reason && (!reason[strspn(reason, " ")] || utf8_length(reason) > BODY_REASON_MAX)) {
		error_set(err, USHER_EINVAL, "reason: must have 1 to %d characters, not all of them spaces",
		        BODY_REASON_MAX);
		return required ? USHER_EINVAL
		                : error_add(err, USHER_EINVAL, "; leave it out when there is none");
	}
	*ret_reason = reason;
	return 0;
}

int read_version(const cJSON *body, int *ret_version, struct usher_error *err)
{
	*ret_version = BODY_ANY_VERSION;
	if (!json_get(body, "version"))
		return 0;
	int64_t version = json_int(body, "version", 0);
	if (version < 1 || version > INT_MAX)
		return error_set(err, USHER_EINVAL,
		        "version: must be a whole number from 1, as the row showed it; leave it out to act "
		        "whatever it is");
	*ret_version = (int)version;
	return 0;
}

int read_number(
        const cJSON *body, const char *name, double min, double max, double *ret, struct usher_error *err)
{
	const cJSON *member = json_get(body, name);
	if (!member)
		return 0;
	if (!cJSON_IsNumber(member) || !(member->valuedouble >= min && member->valuedouble <= max))
		return error_set(err, USHER_EINVAL, "%s: must be a number from %g to %g", name, min, max);
	*ret = member->valuedouble;
	return 0;
}

int read_count(const cJSON *body, const char *name, int64_t max, int64_t *ret, struct usher_error *err)
{
	if (!json_get(body, name))
		return 0;
	int64_t n = json_int(body, name, -1);
	if (n < 0 || n > max)
		return error_set(
		        err, USHER_EINVAL, "%s: must be a whole number from 0 to %lld", name, (long long)max);
	*ret = n;
	return 0;
}

int read_time(const cJSON *body, const char *name, wall_time *ret, struct usher_error *err)
{
	const char *text = NULL;
	if (member_text(body, name, &text, err) < 0)
		return USHER_EINVAL;
	if (text && wall_parse(text, ret) < 0)
		return error_set(err, USHER_EINVAL,
		        "%s: a time like 2026-11-22T21:23:11Z is allowed (RFC 3339)", name);
	return 0;
}

int read_bool(const cJSON *body, const char *name, bool *ret, struct usher_error *err)
{
	const cJSON *member = json_get(body, name);
	if (!member)
		return 0;
	if (!cJSON_IsBool(member))
		return error_set(err, USHER_EINVAL, "%s: must be true or false", name);
	*ret = cJSON_IsTrue(member);
	return 0;
}
