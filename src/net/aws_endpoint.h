/* Endpoints of AWS that the environment names. An interface endpoint of a VPC without private DNS names has
 * another name for each service, so that one address for all is not enough. Pure but for the environment; any
 * thread. https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html */
#ifndef NET_AWS_ENDPOINT_H
#define NET_AWS_ENDPOINT_H

#include <stddef.h>

/* As the AWS SDKs have it: of AWS_ENDPOINT_URL_SERVICE, else of AWS_ENDPOINT_URL. NULL: neither is set.
 * service: as it stands in a signature; environment: "NAME=value", NULL-terminated, or NULL for the process's
 * own. That it is a URL is for the configuration's checks. */
const char *aws_endpoint_named(const char *const *environment, const char *service);

/* The variables that are read, one by one; NULL behind the last. */
const char *aws_endpoint_variable(size_t i);

#endif
