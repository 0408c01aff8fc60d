/* Mail transactions over a pool of warm SMTP connections, on one loop.
 *
 * libcurl opens a connection (TCP, TLS or STARTTLS, EHLO, AUTH) with CURLOPT_CONNECT_ONLY; the
 * transaction is ours: RFC 5321 with PIPELINING (RFC 2920) where offered, exact replies a stage,
 * RSET after a refusal, dot-stuffing, many mails a connection, idle connections closed with QUIT.
 * A timeout before the final dot is FAULT_TIMEOUT with effect_possible false, after it true. Before a
 * timer declares a timeout the socket is read once more: a stalled thread must not invent one.
 * One pool per thread. */
#ifndef NET_SMTP_H
#define NET_SMTP_H

#include "model/reply.h"
#include "net/http.h"
#include "net/loop.h"

#include <stdbool.h>
#include <stddef.h>

enum smtp_tls { SMTP_TLS_NONE, SMTP_TLS_STARTTLS /* required */, SMTP_TLS_IMPLICIT /* smtps */ };

struct smtp_settings {               /* strings borrowed for smtp_pool_new, copied inside */
	const char *url;             /* smtp://host:port or smtps://host:port */
	const char *user, *password; /* NULL: no login */
	enum smtp_tls tls;
	const char *ca_file; /* NULL: the system's */
	const char *helo;    /* NULL: the host's name */
	int connections;     /* at most */
	int64_t timeout_ms;  /* for each answer */
	int64_t idle_ms;     /* a connection idle this long is closed */
};

struct smtp_pool;
struct smtp_pool *smtp_pool_new(struct loop *loop, const struct smtp_settings *settings);
void smtp_pool_free(struct smtp_pool *pool); /* cancels without calling back; not from a callback */

struct smtp_mail {
	const char *from, *to; /* bare addresses; refused with FAULT_BAD_ADDRESS if they hold control
	                          characters, space or <> */
	char *data; /* the message, CRLF lines, not dot-stuffed; owned by the pool from now on (free) */
	size_t len;
};
typedef void smtp_done(void *arg, const struct reply *reply); /* borrowed for the call */
/* Queues the mail until a connection is free. Never calls back from inside itself. */
void smtp_send(struct smtp_pool *pool, struct smtp_mail *mail, smtp_done *done, void *arg);

/* Asks the server whether it is well, on a connection of its own: all that a mail's connection takes, then
 * NOOP and QUIT. One at a time. Code 2xx is well; a fault or another code says why not. Never calls back from
 * inside itself. */
void smtp_probe(struct smtp_pool *pool, smtp_done *done, void *arg);

#define SMTP_LOCAL_MAX 64   /* bytes; RFC 5321, 4.5.3.1.1 */
#define SMTP_DOMAIN_MAX 255 /* bytes; 4.5.3.1.2 */
/* NULL, or why this address cannot be put on the wire. *ret_needs_utf8: it can only with SMTPUTF8. Pure. */
const char *smtp_address_fault(const char *address, bool *ret_needs_utf8);

struct smtp_stats {
	int open, busy;
	long opened_total;
};
struct smtp_stats smtp_pool_stats(const struct smtp_pool *pool);

#endif
