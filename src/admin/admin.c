/* The admin API's thread: its sockets, its loop and its end. Starts what server.c serves; knows no
 * HTTP. admin_start and admin_stop run on the thread that owns the worker, the rest on the admin
 * thread. */
#include "admin/admin.h"

#include "admin/server.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STOP_MS 2000 /* requests under way get this long to be answered */
#define SERVERS 3

struct admin {
	struct admin_context ctx;
	struct loop *loop;
	struct server *server[SERVERS]; /* act, look, probe; NULL: not configured */
	struct loop_timer *deadline;
	bool stopping;
	pthread_t thread;
};

/* -- Admin thread -------------------------------------------------------------------------------------- */

static bool busy(const struct admin *admin)
{
	for (int i = 0; i < SERVERS; i++)
		if (admin->server[i] && server_busy(admin->server[i]))
			return true;
	return false;
}

static void on_idle(void *arg)
{
	struct admin *admin = arg;
	if (admin->stopping && !busy(admin))
		loop_stop(admin->loop);
}

static void on_deadline(void *arg)
{
	struct admin *admin = arg;
	log_warn("admin", "a client did not finish its request within %d ms: stopping without it", STOP_MS);
	loop_stop(admin->loop);
}

static void on_stop(void *arg)
{
	struct admin *admin = arg;
	admin->stopping = true;
	for (int i = 0; i < SERVERS; i++)
		if (admin->server[i])
			server_quiesce(admin->server[i]);
	loop_timer_start(admin->deadline, STOP_MS);
	on_idle(admin);
}

static void servers_stop(struct admin *admin)
{
	for (int i = 0; i < SERVERS; i++) {
		server_stop(admin->server[i]);
		admin->server[i] = NULL;
	}
}

static void *admin_run(void *arg)
{
	struct admin *admin = arg;
	admin->ctx.db = engine_db(admin->ctx.engine);
	loop_run(admin->loop);
	servers_stop(admin);
	db_free(admin->ctx.db);
	return NULL;
}

/* -- Starting and stopping ------------------------------------------------------------------------------ */

static int socket_serve(struct admin *admin, enum role role, const char *path, const char *group,
        const char *key, struct usher_error *err)
{
	struct listening listening = LISTENING_NONE;
	int rc = listen_unix(path, group, key, &listening, err);
	if (rc == 0)
		rc = server_start(
		        &admin->ctx, admin->loop, role, listening, on_idle, admin, &admin->server[role], err);
	if (rc == 0)
		log_info("admin", "%s socket at %s", role == ROLE_OPERATOR ? "act" : "read-only", path);
	return rc;
}

static int probe_serve(struct admin *admin, const char *address, struct usher_error *err)
{
	struct listening listening = LISTENING_NONE;
	if (!address || !*address)
		return 0;
	int rc = listen_tcp(address, &listening, err);
	if (rc < 0)
		return rc;
	log_info("admin", "health and metrics on http://%s", address);
	return server_start(&admin->ctx, admin->loop, ROLE_PROBE, listening, on_idle, admin,
	        &admin->server[ROLE_PROBE], err);
}

/* Signals are for the thread that waits for them; SIGPIPE is for none. */
static int thread_start(struct admin *admin, struct usher_error *err)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int rc = pthread_create(&admin->thread, NULL, admin_run, admin);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc)
		return error_set(err, USHER_EIO, "cannot start the admin thread: %s", strerror(rc));
	pthread_setname_np(admin->thread, "admin");
	return 0;
}

static void admin_free(struct admin *admin)
{
	servers_stop(admin);
	loop_timer_free(admin->deadline);
	loop_free(admin->loop);
	free(admin);
}

int admin_start(struct engine *engine, struct admin **ret_admin, struct usher_error *err)
{
	const struct config *config = engine->started_with;
	struct admin *admin = mem_alloc(sizeof *admin);
	admin->ctx =
	        (struct admin_context){ .engine = engine, .started_at = wall_now(), .started = mono_now() };
	if (gethostname(admin->ctx.host, HOST_SIZE - 1) < 0)
		snprintf(admin->ctx.host, HOST_SIZE, "localhost");
	admin->loop = loop_new();
	admin->deadline = loop_timer_new(admin->loop, on_deadline, admin);
	int rc = socket_serve(admin, ROLE_OPERATOR, config->daemon.socket, config->daemon.socket_group,
	        "socket_group", err);
	if (rc == 0)
		rc = socket_serve(admin, ROLE_VIEWER, config->daemon.readonly_socket,
		        config->daemon.readonly_group, "readonly_group", err);
	if (rc == 0)
		rc = probe_serve(admin, config->daemon.http_listen, err);
	if (rc == 0)
		rc = thread_start(admin, err);
	if (rc < 0) {
		admin_free(admin);
		return rc;
	}
	heartbeat_begin(&engine->heartbeats, "admin", admin->loop);
	*ret_admin = admin;
	return 0;
}

void admin_stop(struct admin *admin)
{
	loop_post(admin->loop, on_stop, admin);
	pthread_join(admin->thread, NULL);
	heartbeat_end(&admin->ctx.engine->heartbeats, admin->loop);
	admin_free(admin);
}
