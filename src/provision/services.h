/* The four services that provisioning speaks to, one call at a time: a signed call is started, the loop runs
 * until it is answered. For a program that does nothing else meanwhile; one thread. */
#ifndef PROVISION_SERVICES_H
#define PROVISION_SERVICES_H

#include "base/buf.h"
#include "net/aws.h"
#include "provision/desired.h"

#include <usher/error.h>

#define CALL_TIMEOUT_MS 20000
#define CALL_BODY_MAX (256 * 1024)

enum service { SERVICE_STS, SERVICE_SNS, SERVICE_SQS, SERVICE_CLOUDWATCH, SERVICE_COUNT };

struct services_settings { /* copied */
	const char *region;
	const char *endpoint_url, *profile, *ca_bundle; /* NULL as in net/aws.h */
};

struct services;
struct services *services_new(const struct services_settings *settings);
void services_free(struct services *services); /* NULL is allowed */

/* Who asks; also what a refusal is told about. */
int services_identity(struct services *services, struct provision_identity *ret_who, struct usher_error *err);

/* A Query call's body begins with query_begin; SQS's is JSON. ret_answer may be NULL; it is cleared first. A
 * refusal (USHER_EFORBIDDEN) says who was refused which action and what allows it. */
int services_call(struct services *services, enum service service, const char *action, const struct buf *body,
        struct buf *ret_answer, struct usher_error *err);
/* The last failure was that an endpoint of one's own, an emulator that is not whole, knows no such action. */
bool services_unknown_action(const struct services *services);

void query_begin(struct buf *body, enum service service, const char *action);
void query_add(struct buf *body, const char *value, const char *name_fmt, ...)
        __attribute__((format(printf, 3, 4)));

#endif
