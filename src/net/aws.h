/* Signed calls to one AWS service: credentials are fetched, the request is signed and sent, what passes
 * (throttling, 5xx, a broken connection, credentials that have just expired) is tried again, and what an
 * answer means is told as a usher code with the service's own words. JSON and Query protocols.
 * Belongs to one loop and is used on its thread only. */
#ifndef NET_AWS_H
#define NET_AWS_H

#include "base/buf.h"
#include "net/aws_credentials.h"
#include "net/http.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <usher/error.h>

#define AWS_TRIES_MAX 4       /* requests of one call, the first included */
#define AWS_RETRY_BASE_MS 100 /* mean wait before the second; doubles. Five times as long when throttled */
#define AWS_RETRY_MAX_MS                                                                                     \
	5000 /* no wait is longer: a service that asks for more is answered by the caller's own pause */
#define AWS_CONNECT_TIMEOUT_MS 5000
#define AWS_ERROR_TYPE_MAX 96
#define AWS_ERROR_WORDS_MAX 400

struct aws_client_settings {
	struct loop *loop;
	struct http *http;
	struct aws_provider *provider;
	const char *region, *service;   /* as they stand in the signature: "sqs", "sns" */
	const char *endpoint;           /* NULL: that of the environment (net/aws_endpoint.h), else the
	                                   service's own in that region */
	const char *const *environment; /* "NAME=value", NULL-terminated; NULL: the process's own */
	const char *ca_bundle;          /* NULL: the system's */
	atomic_uint_least64_t *retried; /* counts tries after the first; NULL: nobody does */
	const atomic_bool *ending; /* true: what fails is not tried again, somebody waits to end; or NULL */
};
struct aws_client;
struct aws_client *aws_client_new(
        const struct aws_client_settings *settings); /* copies the strings, reads the environment */
/* Cancels what is under way without calling back. After aws_provider_free (which lets go of calls that wait
 * for credentials), before http_free. NULL is allowed. */
void aws_client_free(struct aws_client *client);
const char *aws_client_region(const struct aws_client *client);
bool aws_client_is_elsewhere(const struct aws_client *client); /* not at the service's own endpoint */

struct aws_request {
	const char *action; /* for messages: "ReceiveMessage"; a static text */
	const char *target; /* X-Amz-Target of the JSON protocol; NULL: the Query protocol. Static */
	const char *body;   /* borrowed until the callback or aws_cancel */
	size_t body_len;
	int64_t timeout_ms; /* of each try */
	size_t answer_max;  /* 0: HTTP_ANSWER_MAX */
	atomic_uint_least64_t
	        *counter; /* bumped once a request that goes out, tries included; NULL: nobody does */
};

struct aws_answer {
	int code;         /* 0, or what went wrong after the last try: enum usher_code */
	int status;       /* HTTP; 0: no answer */
	const char *body; /* when code is 0; borrowed for the callback */
	size_t body_len;
	char error_type[AWS_ERROR_TYPE_MAX];     /* "QueueDoesNotExist"; "" when the service named none */
	char error_message[AWS_ERROR_WORDS_MAX]; /* a sentence for the operator, the service's words in it */
	char request_id[64];                     /* on an error, what AWS support asks for; "" when unknown */
	int64_t retry_after_ms;                  /* what the service asked for; 0: nothing */
};
typedef void aws_done(void *arg, const struct aws_answer *answer);

struct aws_call;
/* Never calls back from inside itself. The call is valid until its callback. */
struct aws_call *aws_call(
        struct aws_client *client, const struct aws_request *request, aws_done *done, void *arg);
void aws_cancel(
        struct aws_call *call); /* the callback is not called; the service may have acted all the same */

/* "&name=text", percent-encoded; without the & where the buffer is empty: net/aws_form.c; pure. */
void aws_form_add(struct buf *out, const char *name, const char *text, size_t len);

/* -- What an answer means: net/aws_error.c; pure ------------------------------------------------- */

enum aws_remedy { AWS_GIVE_UP, AWS_TRY_AGAIN, AWS_TRY_LATER /* throttled */, AWS_FRESH_CREDENTIALS };

struct aws_fault {
	int code;
	enum aws_remedy remedy;
};
/* The fault an HTTP status and an error's type stand for; code 0 for a 2xx. */
struct aws_fault aws_fault_of(int status, const char *type);
bool aws_error_is_of_key(const char *type); /* what KMS said of a queue's or topic's key */
/* Type (without a namespace) and words out of an error's body in either protocol; both "" when it has none.
 */
void aws_error_read(
        const char *body, size_t len, char type[AWS_ERROR_TYPE_MAX], char words[AWS_ERROR_WORDS_MAX]);

#endif
