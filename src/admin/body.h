/* Members of an act's body, checked one by one: USHER_EINVAL names the member and what is allowed. What is
 * absent leaves *ret as it is, but for version and reason. Pure; any thread. */
#ifndef ADMIN_BODY_H
#define ADMIN_BODY_H

#include "base/clock.h"
#include "base/json.h"

#define BODY_REASON_MAX 500 /* characters, as the audit keeps it */
#define BODY_ANY_VERSION (-1)

int member_text(const cJSON *body, const char *name, const char **ret,
        struct usher_error *err); /* no control characters */
int read_reason(const cJSON *body, bool required, const char **ret_reason, struct usher_error *err);
int read_version(const cJSON *body, int *ret_version, struct usher_error *err);
int read_number(
        const cJSON *body, const char *name, double min, double max, double *ret, struct usher_error *err);
int read_count(const cJSON *body, const char *name, int64_t max, int64_t *ret, struct usher_error *err);
int read_time(const cJSON *body, const char *name, wall_time *ret, struct usher_error *err);
int read_bool(const cJSON *body, const char *name, bool *ret, struct usher_error *err);

#endif
