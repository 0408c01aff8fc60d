/* AWS credentials: where they come from and how they are kept fresh. One provider a loop; everything
 * here runs on the loop's thread.
 *
 * The sources are asked in the order of the AWS SDKs: environment, web identity (STS), shared files,
 * container endpoint, instance metadata (IMDSv2). The first that has something wins; one that is set up
 * and does not work ends the search with its words, because going on would sign as somebody else.
 * usher-aws(7) tells the operator about each. */
#ifndef NET_AWS_CREDENTIALS_H
#define NET_AWS_CREDENTIALS_H

#include "base/clock.h"
#include "net/http.h"

#include <usher/error.h>

#define AWS_REFRESH_AHEAD_MS (5 * 60 * 1000)  /* this long before they expire, new ones are fetched */
#define AWS_EXPIRY_MARGIN_MS (5 * 1000)       /* this close to expiry they are as good as expired */
#define AWS_FETCH_BACKOFF_MS 1000             /* after a failed fetch; doubles ... */
#define AWS_FETCH_BACKOFF_MAX_MS (60 * 1000)  /* ... up to this */
#define AWS_FORCED_REFRESH_GAP_MS (10 * 1000) /* aws_provider_refresh more often than this is not heard */
#define AWS_FILES_CHECK_MS 1000               /* how often the shared files' times are looked at */

struct aws_credentials {
	char *access_key, *secret_key;
	char *session_token;  /* NULL: none */
	wall_time expires_at; /* 0: never */
	char *source;         /* "environment", "profile NAME of PATH", "container", "instance role NAME",
	                         "web identity ROLE": for logs and errors; never a secret */
};

struct aws_provider_settings {          /* copied, `environment` aside */
	const char *profile;            /* NULL: AWS_PROFILE, or "default"; a given one passes the
	                                   environment's keys and web identity by, as in the SDKs */
	const char *region;             /* for STS; NULL: AWS_REGION, AWS_DEFAULT_REGION */
	const char *const *environment; /* "NAME=value", NULL-terminated; outlives the provider.
	                                   NULL: the process's own */
	const char *ca_bundle;          /* for https; NULL: the system's */
	wall_time (*now)(void);         /* for tests; NULL: wall_now */
};

struct aws_provider;
struct aws_provider *aws_provider_new(
        struct loop *loop, struct http *http, const struct aws_provider_settings *settings);
/* Cancels what is under way without calling back; before http_free; not from a callback. NULL is allowed. */
void aws_provider_free(struct aws_provider *provider);

/* credentials: borrowed for the call; NULL on failure, and then err says what each source answered:
 * USHER_ECONFIG        nothing is set up, or wrongly: only the operator can help
 * USHER_EFORBIDDEN     STS or an endpoint refused
 * USHER_EUNAVAILABLE, USHER_ETIMEOUT, USHER_EPROTOCOL    a source does not answer, or not sense, now */
typedef void aws_credentials_done(
        void *arg, const struct aws_credentials *credentials, const struct usher_error *err);

/* Never calls back from inside itself. Good credentials are answered from memory; when they come near
 * their end new ones are fetched behind the caller's back, and if that fails the old ones serve until they
 * expire. Many waiters share one fetch. While a failed fetch backs off, its error is the answer. */
void aws_provider_get(struct aws_provider *provider, aws_credentials_done *done, void *arg);

/* A service called the credentials expired or invalid: the next get waits for new ones. */
void aws_provider_refresh(struct aws_provider *provider);

/* Where the services of a region are: SERVICE.REGION.DOMAIN. The regions of China and of the isolated
 * partitions have domains of their own. */
const char *aws_domain(const char *region);

#endif
