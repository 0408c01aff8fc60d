/* Speaks HTTP for one socket: takes requests from libmicrohttpd, hands them to route_dispatch, and
 * sends what comes back. Nothing here knows a route. Admin thread, but for server_start. */
#include "admin/server.h"

#include "admin/peer.h"
#include "admin/route.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"

#include <microhttpd.h>
#include <stdio.h>
#include <string.h>

#define RETRY_AFTER "1" /* seconds: the database is usually back soon, or not for long */
#define LOG_LINE_SIZE 512

struct server {
	const struct admin_context *ctx;
	enum role role;
	struct listening listening;
	struct MHD_Daemon *daemon;
	struct loop_fd *watch;
	struct loop_timer *timer;
	server_idle_fn *idle;
	void *arg;
	int requests; /* begun and not answered yet */
};

/* A connection's context: the login is looked up once, at its first request. */
struct peer {
	char login[OPERATOR_SIZE];
};

/* A request while it is read and answered. */
struct exchange {
	struct server *server;
	char *uri; /* as it stood in the request line */
	struct buf body;
	size_t body_seen;
	bool begun;
};

/* -- Answering --------------------------------------------------------------------------------------- */

static const char *peer_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
	        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct peer *peer = info->socket_context;
	if (!*peer->login) {
		info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
		peer_login(info->connect_fd, peer->login);
	}
	return peer->login;
}

static struct MHD_Response *response_new(struct call *call)
{
	size_t len = call->text.len;
	char *text = call->json ? json_print(call->json) : buf_take(&call->text);
	if (call->json || !text)
		len = text ? strlen(text) : 0;
	return MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
}

static enum MHD_Result answer(struct MHD_Connection *connection, struct call *call, const char *allow)
{
	struct MHD_Response *response = response_new(call);
	if (!response)
		return MHD_NO;
	MHD_add_response_header(
	        response, MHD_HTTP_HEADER_CONTENT_TYPE, call->type ? call->type : "application/json");
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (*allow)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, allow);
	if (call->status == 503 && call->type)
		MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, RETRY_AFTER);
	enum MHD_Result result = MHD_queue_response(connection, (unsigned)call->status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result respond(
        struct exchange *x, struct MHD_Connection *connection, const char *method, bool too_large)
{
	struct server *server = x->server;
	char allow[ALLOW_SIZE];
	struct call call;
	struct incoming in = { .role = server->role,
		.operator= peer_of(connection),
		.method = method,
		.uri = x->uri,
		.content_type = MHD_lookup_connection_value(
		        connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_TYPE),
		.languages = MHD_lookup_connection_value(
		        connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT_LANGUAGE),
		.body = buf_str(&x->body),
		.body_len = x->body.len,
		.body_too_large = too_large };
	mono_time begun = mono_now();
	counter_add(&server->ctx->engine->counters.api_requests, 1);
	route_dispatch(server->ctx, &in, &call, allow);
	/* The pattern, not the path: a search may hold personal data. */
	log_debug("admin", "%s %s by %s: %d in %lld ms", method, call.route ? call.route->pattern : "?",
	        in.operator, call.status, (long long)mono_since_ms(begun, mono_now()));
	enum MHD_Result result = answer(connection, &call, allow);
	call_clear(&call);
	return result;
}

/* -- libmicrohttpd's callbacks ----------------------------------------------------------------------- */

/* The raw target, before libmicrohttpd decodes it: %00 and %2F must not get lost. */
static void *on_uri(void *arg, const char *uri, struct MHD_Connection *connection)
{
	(void)connection;
	struct exchange *x = mem_alloc(sizeof *x);
	x->server = arg;
	x->uri = mem_string(uri);
	x->body = BUF(BODY_MAX);
	x->server->requests++;
	return x;
}

static bool announces_too_much(struct MHD_Connection *connection)
{
	const char *length =
	        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
	return length && strtoull(length, NULL, 10) > SERVER_BODY_READ_MAX;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
        const char *method, const char *version, const char *data, size_t *size, void **context)
{
	(void)arg, (void)url, (void)version;
	struct exchange *x = *context;
	if (!x->begun) {
		x->begun = true;
		return announces_too_much(connection) ? respond(x, connection, method, true) : MHD_YES;
	}
	if (*size == 0)
		return respond(x, connection, method, x->body.failed);
	x->body_seen += *size;
	buf_add(&x->body, data, *size);
	*size = 0;
	/* Chunked and endless: there is no way to answer before the end but to hang up. */
	return x->body_seen > SERVER_BODY_READ_MAX ? MHD_NO : MHD_YES;
}

static void on_completed(
        void *arg, struct MHD_Connection *connection, void **context, enum MHD_RequestTerminationCode why)
{
	(void)connection, (void)why;
	struct server *server = arg;
	struct exchange *x = *context;
	if (!x)
		return;
	*context = NULL;
	buf_free(&x->body);
	free(x->uri);
	free(x);
	if (--server->requests == 0)
		server->idle(server->arg);
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **context,
        enum MHD_ConnectionNotificationCode what)
{
	(void)arg, (void)connection;
	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		*context = mem_alloc(sizeof(struct peer));
	else
		mem_freep(context);
}

__attribute__((format(printf, 2, 0))) static void on_log(void *arg, const char *fmt, va_list ap)
{
	(void)arg;
	char line[LOG_LINE_SIZE];
	vsnprintf(line, sizeof line, fmt, ap);
	line[strcspn(line, "\n")] = '\0';
	log_debug("admin", "libmicrohttpd: %s", line);
}

/* -- On the loop ------------------------------------------------------------------------------------- */

static unsigned connections(struct server *server)
{
	return MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections;
}

/* While all places are taken, or descriptors have run out, libmicrohttpd does not watch the listening socket,
 * and it watches it again only in the run after one that closed a connection: without that run the next
 * client would wait for an event that never comes. */
static void turn(struct server *server)
{
	MHD_UNSIGNED_LONG_LONG wait_ms;
	unsigned before;
	do {
		before = connections(server);
		MHD_run(server->daemon);
	} while (connections(server) < before);
	if (MHD_get_timeout(server->daemon, &wait_ms) == MHD_YES)
		loop_timer_start(server->timer, (int64_t)wait_ms);
	else
		loop_timer_stop(server->timer);
}

static void on_readable(void *arg, int events)
{
	(void)events;
	turn(arg);
}

static void on_timer(void *arg)
{
	turn(arg);
}

int server_start(const struct admin_context *ctx, struct loop *loop, enum role role,
        struct listening listening, server_idle_fn *idle, void *arg, struct server **ret_server,
        struct usher_error *err)
{
	struct server *server = mem_alloc(sizeof *server);
	*server =
	        (struct server){ .ctx = ctx, .role = role, .listening = listening, .idle = idle, .arg = arg };
	/* SIGPIPE: the admin thread blocks it. */
	server->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request,
	        server, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, listening.fd,
	        MHD_OPTION_URI_LOG_CALLBACK, on_uri, server, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
	        server, MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_CONNECTION_LIMIT,
	        (unsigned)SERVER_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SERVER_IDLE_S,
	        MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
	if (!server->daemon) {
		listen_close(&server->listening);
		free(server);
		return error_set(err, USHER_EIO,
		        "cannot start the HTTP server of the admin API: is the limit of open "
		        "files reached (ulimit -n)?");
	}
	int fd = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
	server->timer = loop_timer_new(loop, on_timer, server);
	server->watch = loop_fd_new(loop, fd, on_readable, server);
	loop_fd_want(server->watch, LOOP_READ);
	*ret_server = server;
	return 0;
}

void server_quiesce(struct server *server)
{
	MHD_quiesce_daemon(server->daemon);
	listen_close(&server->listening);
}

bool server_busy(const struct server *server)
{
	return server->requests > 0;
}

void server_stop(struct server *server)
{
	if (!server)
		return;
	if (server->listening.fd >= 0)
		server_quiesce(server);
	loop_fd_free(server->watch);
	loop_timer_free(server->timer);
	MHD_stop_daemon(server->daemon);
	free(server);
}
