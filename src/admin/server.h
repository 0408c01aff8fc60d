/* One listening socket of the admin API: a libmicrohttpd daemon without threads of its own, driven by
 * the admin thread's loop. */
#ifndef ADMIN_SERVER_H
#define ADMIN_SERVER_H

#include "admin/call.h"
#include "admin/listen.h"
#include "net/loop.h"

#define SERVER_CONNECTIONS_MAX 128 /* a socket; more wait in the backlog until one ends */
#define SERVER_IDLE_S 30           /* a connection that says nothing this long is closed */
#define SERVER_BODY_READ_MAX                                                                                 \
	(16 * 1024 * 1024) /* bytes of a too large body that are read to answer it politely                  \
	                    */

struct server;
typedef void server_idle_fn(void *arg);

/* Takes the listening socket over in every case. `ctx` and `loop` must outlive it. `idle` is called whenever
 * the last request under way has been answered. */
int server_start(const struct admin_context *ctx, struct loop *loop, enum role role,
        struct listening listening, server_idle_fn *idle, void *arg, struct server **ret_server,
        struct usher_error *err);
void server_quiesce(struct server *server);    /* takes no more connections; the socket file is gone */
bool server_busy(const struct server *server); /* requests are under way */
void server_stop(struct server *server);       /* drops what is left, and frees; NULL is allowed */

#endif
