/* usher_worker: the configuration, the engine and the admin API as one thing that starts and stops. The
 * caller's thread runs this; everything else runs on the threads it starts. */
#include <usher/usher.h>

#include "admin/admin.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "engine/engine.h"
#include "engine/settings.h"

#include <curl/curl.h>
#include <sys/prctl.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))

struct usher_worker {
	struct config_request source;
	struct config_files files;
	char *path;
	const struct config *config;
	struct engine *engine;
	struct admin *admin;
};

PUBLIC const char *usher_version(void)
{
	return USHER_VERSION;
}

PUBLIC int usher_worker_new(
        const char *config_path, struct usher_worker **ret_worker, struct usher_error *err)
{
	struct config *config;
	struct usher_worker *worker;
	curl_global_init(CURL_GLOBAL_DEFAULT);
	struct config_files files = { 0 };
	struct config_request request = {
		.path = config_path, .environment = (const char *const *)environ, .files = &files
	};
	int rc = config_load_as(&request, &config, err);

	if (rc < 0) {
		config_files_free(&files);
		return rc;
	}
	if (config->daemon.core_dumps)
		prctl(PR_SET_DUMPABLE, 1);
	settings_speak(config);
	config_log(config);
	config_keep(config);
	worker = mem_alloc(sizeof *worker);
	worker->config = config;
	worker->path = mem_string(config_path);
	worker->files = files;
	worker->source = (struct config_request){
		.path = worker->path, .environment = (const char *const *)environ, .files = &worker->files
	};
	worker->engine = engine_new(config);
	engine_reload_from(worker->engine, &worker->source);
	*ret_worker = worker;
	return 0;
}

PUBLIC void usher_worker_on_notice(
        struct usher_worker *worker, void (*fn)(void *arg, const char *action, const char *time), void *arg)
{
	worker->engine->on_notice = fn;
	worker->engine->on_notice_arg = arg;
}

PUBLIC void usher_worker_on_reload(
        struct usher_worker *worker, void (*fn)(void *arg, const char *summary, int refused), void *arg)
{
	worker->engine->on_reload = fn;
	worker->engine->on_reload_arg = arg;
}

PUBLIC void usher_worker_reload(struct usher_worker *worker, const char *source)
{
	engine_ask_reload(worker->engine, "", source);
}

/* The sockets first: a second daemon is refused before it takes any work. */
PUBLIC int usher_worker_start(struct usher_worker *worker, struct usher_error *err)
{
	int rc = admin_start(worker->engine, &worker->admin, err);

	if (rc < 0)
		return rc;
	rc = engine_start(worker->engine, err);
	if (rc < 0) {
		admin_stop(worker->admin);
		worker->admin = NULL;
		return rc;
	}
	log_info("usher", "%s started as %s", USHER_VERSION, worker->engine->owner);
	return 0;
}

/* A turn of a loop may wait for the database in its own name and in the embedded broker's, and for each of
 * them twice: a statement that lost its connection is repeated on a new one. */
#define DATABASE_WAITS 4

PUBLIC const char *usher_worker_stuck(struct usher_worker *worker, int within_ms)
{
	const struct config *c = worker->config;
	int64_t longest_ms = DATABASE_WAITS * (c->database.connect_timeout_ms + c->database.read_timeout_ms);

	return heartbeats_check(&worker->engine->heartbeats, within_ms > longest_ms ? within_ms : longest_ms);
}

/* The admin API last, so that operators can watch the drain. */
PUBLIC void usher_worker_stop(struct usher_worker *worker)
{
	if (!worker->admin)
		return;
	log_info("usher", "stops: what is being sent is finished, the rest is handed back");
	engine_stop(worker->engine);
	admin_stop(worker->admin);
	worker->admin = NULL;
	log_info("usher", "stopped");
}

PUBLIC void usher_worker_free(struct usher_worker *worker)
{
	if (!worker)
		return;
	usher_worker_stop(worker);
	engine_free(worker->engine);
	config_free(worker->config);
	config_files_free(&worker->files);
	free(worker->path);
	free(worker);
}
