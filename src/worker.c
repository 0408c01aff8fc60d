/* usher_worker: the configuration, the engine and the admin API as one thing that starts and stops. The
 * caller's thread runs this; everything else runs on the threads it starts. */
#include <usher/usher.h>

#include "admin/admin.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "engine/engine.h"

#include <curl/curl.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))

struct usher_worker {
	struct config *config;
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
	int rc = config_load(config_path, (const char *const *)environ, NULL, &config, err);

	if (rc < 0)
		return rc;
	curl_global_init(CURL_GLOBAL_DEFAULT);
	log_setup(config->log.level, config->log.format);
	worker = mem_alloc(sizeof *worker);
	worker->config = config;
	worker->engine = engine_new(config);
	*ret_worker = worker;
	return 0;
}

PUBLIC void usher_worker_on_notice(
        struct usher_worker *worker, void (*fn)(void *arg, const char *action, const char *time), void *arg)
{
	worker->engine->on_notice = fn;
	worker->engine->on_notice_arg = arg;
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
	free(worker);
}
