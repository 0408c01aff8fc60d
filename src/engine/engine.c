/* The engine's life: which threads there are, in which order they start and end. Runs on the thread that
 * starts the worker. */
#include "engine/engine.h"

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "broker/embedded.h"

#include <stdio.h>
#include <unistd.h>

struct db_settings engine_db_settings(const struct config *config)
{
	return (struct db_settings){
		.host = config->database.host,
		.socket = config->database.socket,
		.user = config->database.user,
		.password = config->database.password,
		.name = config->database.name,
		.tls_ca = config->database.tls_ca,
		.port = config->database.port,
		.connect_timeout_ms = config->database.connect_timeout_ms,
		.read_timeout_ms = config->database.read_timeout_ms,
	};
}

struct db *engine_db(struct engine *engine)
{
	struct db_settings settings = engine_db_settings(engine->started_with);

	settings.statements = &engine->counters.statements;
	return db_new(&settings);
}

/* Distinguishes this daemon from its predecessor of the same pid: a lease is nobody else's. */
static void name_owner(char *owner, size_t size)
{
	char host[40] = "";
	char id[UUID_TEXT_SIZE];

	if (gethostname(host, sizeof host - 1) < 0)
		snprintf(host, sizeof host, "localhost");
	uuid_new(id);
	snprintf(owner, size, "%.30s:%d:%.12s", host, (int)getpid(), id + 24);
}

struct engine *engine_new(const struct config *config)
{
	struct engine *engine = mem_alloc(sizeof *engine);

	engine->started_with = config_hold(config);
	engine->settings = settings_board_new(config);
	engine->board = status_board_new();
	engine->hub = embedded_hub_new();
	pthread_mutex_init(&engine->kick_lock, NULL);
	name_owner(engine->owner, sizeof engine->owner);
	return engine;
}

/* -- Kicks from outside ------------------------------------------------------------------------ */

/* loop_post takes the loop's lock while kick_lock is held: the only place where two are, and always in this
 * order. */

static void relay_set(struct engine *engine, struct relay *relay)
{
	pthread_mutex_lock(&engine->kick_lock);
	engine->relay = relay;
	pthread_mutex_unlock(&engine->kick_lock);
}

static void pipeline_set(struct engine *engine, enum channel_id id, struct pipeline *pipeline)
{
	pthread_mutex_lock(&engine->kick_lock);
	engine->pipeline[id] = pipeline;
	pthread_mutex_unlock(&engine->kick_lock);
}

static void watcher_set(struct engine *engine, struct watcher *watcher)
{
	pthread_mutex_lock(&engine->kick_lock);
	engine->watcher = watcher;
	pthread_mutex_unlock(&engine->kick_lock);
}

void engine_kick_relay(struct engine *engine)
{
	pthread_mutex_lock(&engine->kick_lock);
	if (engine->relay)
		relay_kick(engine->relay);
	pthread_mutex_unlock(&engine->kick_lock);
}

void engine_kick_watcher(struct engine *engine)
{
	pthread_mutex_lock(&engine->kick_lock);
	if (engine->watcher)
		watcher_kick(engine->watcher);
	pthread_mutex_unlock(&engine->kick_lock);
}

void engine_expect(struct engine *engine, unsigned messages)
{
	pthread_mutex_lock(&engine->kick_lock);
	for (enum channel_id id = 0; id < CHANNEL_COUNT; id++)
		if (engine->pipeline[id])
			pipeline_expect(engine->pipeline[id], messages);
	pthread_mutex_unlock(&engine->kick_lock);
}

void engine_control(struct engine *engine, enum channel_id channel, const struct control *control)
{
	pthread_mutex_lock(&engine->kick_lock);
	if (engine->pipeline[channel])
		pipeline_control(engine->pipeline[channel], control);
	pthread_mutex_unlock(&engine->kick_lock);
}

void engine_configure(struct engine *engine, const struct config *config)
{
	pthread_mutex_lock(&engine->kick_lock);
	for (enum channel_id id = 0; id < CHANNEL_COUNT; id++)
		if (engine->pipeline[id])
			pipeline_configure(engine->pipeline[id], config);
	if (engine->relay)
		relay_configure(engine->relay, config);
	if (engine->watcher)
		watcher_configure(engine->watcher, config);
	pthread_mutex_unlock(&engine->kick_lock);
}

static void reload_set(struct engine *engine, struct reload *reload)
{
	pthread_mutex_lock(&engine->kick_lock);
	engine->reload = reload;
	pthread_mutex_unlock(&engine->kick_lock);
}

uint64_t engine_ask_reload(struct engine *engine, const char *who, const char *source)
{
	uint64_t ticket = 0;

	pthread_mutex_lock(&engine->kick_lock);
	if (engine->reload)
		ticket = reload_ask(engine->reload, who, source);
	pthread_mutex_unlock(&engine->kick_lock);
	return ticket;
}

void engine_reload_from(struct engine *engine, const struct config_request *source)
{
	engine->source = source;
	reload_set(engine, reload_new(engine));
}

/* -- Start and stop ------------------------------------------------------------------------------ */

int engine_start(struct engine *engine, struct usher_error *err)
{
	struct watcher *watcher = NULL;
	struct relay *relay = NULL;
	int rc = watcher_start(engine, &watcher, err);

	watcher_set(engine, watcher);
	for (enum channel_id id = 0; rc == 0 && id < CHANNEL_COUNT; id++) {
		struct pipeline *pipeline = NULL;

		if (engine->started_with->channel[id].enabled)
			rc = pipeline_start(engine, id, &pipeline, err);
		pipeline_set(engine, id, pipeline);
	}
	if (rc == 0)
		rc = relay_start(engine, &relay, err);
	relay_set(engine, relay);
	if (rc == 0 && engine->started_with->aws.spot_notice)
		rc = interruption_start(engine, &engine->interruption, err);
	if (rc == 0 && engine->reload) {
		rc = reload_start(engine->reload, err);
		engine->reloads = rc == 0;
	}
	if (rc < 0)
		engine_stop(engine);
	return rc;
}

/* All are asked before the first is waited for, so that they drain side by side. */
void engine_stop(struct engine *engine)
{
	struct relay *relay = engine->relay;
	struct watcher *watcher = engine->watcher;
	struct reload *reload = engine->reload;

	reload_set(engine, NULL);
	if (engine->reloads)
		reload_stop(reload);
	atomic_store(&engine->stopping, true);
	relay_set(engine, NULL);
	if (engine->interruption)
		interruption_stop(engine->interruption);
	if (relay)
		relay_stop(relay);
	for (int id = 0; id < CHANNEL_COUNT; id++)
		if (engine->pipeline[id])
			pipeline_stop(engine->pipeline[id]);
	if (engine->interruption)
		interruption_join(engine->interruption);
	engine->interruption = NULL;
	if (relay)
		relay_join(relay);
	for (enum channel_id id = 0; id < CHANNEL_COUNT; id++) {
		struct pipeline *pipeline = engine->pipeline[id];

		pipeline_set(engine, id, NULL);
		if (pipeline)
			pipeline_join(pipeline);
	}
	watcher_set(engine, NULL);
	if (watcher) {
		watcher_stop(watcher);
		watcher_join(watcher);
	}
	if (engine->reloads)
		reload_join(reload); /* last: it may be waiting for a config server */
	else
		reload_free(reload);
	engine->reloads = false;
}

void engine_free(struct engine *engine)
{
	if (!engine)
		return;
	status_board_free(engine->board);
	reload_free(engine->reload);
	settings_board_free(engine->settings);
	embedded_hub_free(engine->hub);
	config_free(engine->started_with);
	pthread_mutex_destroy(&engine->kick_lock);
	free(engine);
}
