/* Pooled HTTP on one loop: a curl multi handle whose connections stay warm. One per thread. */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include "net/loop.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <usher/error.h>

enum http_fault { HTTP_OK, HTTP_CONNECT, HTTP_TLS, HTTP_TIMEOUT, HTTP_PROTOCOL };

/* -- A curl multi handle driven by a loop; http and smtp both put their easy handles on one --
 * An added handle's CURLOPT_PRIVATE belongs to the curl_loop. `done` is called once, outside every call
 * into curl; the handle stays on the multi handle (a CURLOPT_CONNECT_ONLY connection lives only there)
 * until curl_loop_remove, which is also called before an easy handle is used again or cleaned up. */
struct curl_loop;
typedef void curl_loop_done(void *arg, CURL *easy, CURLcode result);
struct curl_loop *curl_loop_new(struct loop *loop, long max_connections);
void curl_loop_add(struct curl_loop *cl, CURL *easy, curl_loop_done *done, void *arg);
void curl_loop_remove(struct curl_loop *cl, CURL *easy); /* before done was called: cancels */
void curl_loop_free(struct curl_loop *cl);               /* every handle has been removed; NULL is allowed */
struct loop *curl_loop_loop(struct curl_loop *cl);
enum http_fault curl_fault(CURLcode result); /* what kind of fault a transfer's result is */

/* -- HTTP --------------------------------------------------------------------------------- */
struct http;
struct http *http_new(struct curl_loop *cl);
void http_free(struct http *http); /* cancels what is under way, without calling back; not from a callback */

#define HTTP_ANSWER_MAX                                                                                      \
	(1024 * 1024) /* bytes of an answer's body unless the request says; a longer one is HTTP_PROTOCOL */

#define HTTP_REQUEST_MAX (4 * 1024 * 1024)
#define HTTP_HEADERS_MAX 32
#define HTTP_HEADER_BYTES_MAX (32 * 1024) /* a request over one of these is answered with HTTP_PROTOCOL */

/* AWS Signature Version 4, made by curl. What it gets right: a POST to the path "/" without a query whose
 * only headers are Content-Type, X-Amz-Target and X-Amz-Security-Token. */
struct http_signature {
	const char *region, *service;
	const char *access_key, *secret_key; /* a session token is a header of the request */
};

struct http_request {
	const char *method; /* "GET", "POST" */
	const char *url;
	const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
	const void *body;           /* copied; a string of that many bytes, at most HTTP_REQUEST_MAX */
	size_t body_len;
	int64_t timeout_ms; /* whole request */
	int64_t connect_timeout_ms;
	const char *ca_file;                    /* NULL: the system's */
	const struct http_signature *signature; /* NULL: not signed. Copied */
	size_t answer_max;                      /* bytes of the answer's body; 0: HTTP_ANSWER_MAX */
	bool secret; /* headers, body and answer are overwritten when the call has ended */
};

struct http_answer {
	enum http_fault fault; /* HTTP_OK: status and body are valid */
	bool sent;             /* the request had gone out whole or in part when the fault came */
	int status;
	const char *body; /* borrowed for the callback; NUL-terminated */
	size_t body_len;
	int64_t retry_after_ms; /* Retry-After in seconds or as a date; 0 when absent */
	const char *detail;     /* on a fault: curl's words */
	int64_t latency_ms;
	CURL *easy; /* for http_answer_header */
};
/* A header of the answer; NULL when there is none, or no answer. Borrowed for the callback. */
const char *http_answer_header(const struct http_answer *answer, const char *name);
typedef void http_done(void *arg, const struct http_answer *answer);

struct http_call;
/* Never calls back from inside itself. The returned handle is valid until the callback. */
struct http_call *http_start(
        struct http *http, const struct http_request *request, http_done *done, void *arg);
void http_cancel(struct http_call *call); /* the callback is not called */

#endif
