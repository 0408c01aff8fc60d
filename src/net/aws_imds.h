/* The metadata service of an EC2 instance (IMDS), version 2: every question carries a token that was asked
 * for before. Version 1, which answers any forged request, is not spoken. Off EC2 nobody answers, and in a
 * container the token's answer may not come through (hop limit 1), so that patience is short. On the loop's
 * thread of `http`. https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html */
#ifndef NET_AWS_IMDS_H
#define NET_AWS_IMDS_H

#include "net/http.h"

#include <stdbool.h>
#include <usher/error.h>

#define IMDS_TIMEOUT_MS 1000
#define IMDS_TOKEN_MAX 1024 /* bytes */
#define IMDS_PATH_MAX 256   /* bytes */

struct imds { /* read before a call returns */
	struct http *http;
	const char *const *environment; /* "NAME=value", NULL-terminated */
	const char *ca_bundle;
};

bool imds_disabled(const struct imds *imds); /* AWS_EC2_METADATA_DISABLED */

/* As http_start. */
struct http_call *imds_ask_token(const struct imds *imds, int ttl_s, http_done *done, void *arg);
struct http_call *imds_ask(
        const struct imds *imds, const char *token, const char *path, http_done *done, void *arg);

/* 0 for a 200; else the code, and in words why there is no `what`. */
int imds_check(const struct http_answer *answer, const char *what, struct usher_error *err);
/* The token in the answer to imds_ask_token: the caller ends it with aws_string_free. */
int imds_token(const struct http_answer *answer, char **ret_token, struct usher_error *err);

#endif
