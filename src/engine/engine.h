/* The engine: joins broker, channels, policy and store, and runs them: a pipeline thread a channel, one
 * relay, one watcher, one that listens for the machine's end. usher_worker (engine/worker.c) and the admin
 * API see it through this header. */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "config/config.h"
#include "engine/heartbeat.h"
#include "engine/settings_board.h"
#include "engine/status.h"
#include "store/control.h"
#include "store/db.h"

#include <pthread.h>

struct embedded_hub;
struct broker;
struct loop;

/* As usher_worker_on_notice has it. */
typedef void engine_on_notice(void *arg, const char *action, const char *at);

/* As usher_worker_on_reload has it. */
typedef void engine_on_reload(void *arg, const char *summary, int refused);

/* What all threads share: immutable settings, counters, the status board. */
struct engine {
	/* Of use for keys that take effect at a restart only: they are the same in every later configuration.
	 * All else is read from the thread's own, which is exchanged while it runs. */
	const struct config *started_with;
	const struct config_request *source; /* where the configuration is read again; NULL: never */
	struct settings_board *settings;     /* what is in force */
	struct counters counters;
	struct status_board *board;
	struct embedded_hub *hub;
	atomic_bool stopping;                     /* calls to SNS and SQS are not tried again */
	char owner[64];                           /* host:pid:random: who holds a claim */
	struct pipeline *pipeline[CHANNEL_COUNT]; /* NULL when disabled */
	struct relay *relay;
	struct watcher *watcher;
	struct interruption *interruption; /* NULL: not asked for */
	struct reload *reload;             /* NULL: there is no source */
	bool reloads;                      /* its thread runs */
	engine_on_reload *on_reload;       /* NULL: nobody; set before the start */
	void *on_reload_arg;
	engine_on_notice *on_notice; /* NULL: nobody; set before the start */
	void *on_notice_arg;
	struct heartbeats heartbeats; /* of all threads, the admin API's too */
	pthread_mutex_t kick_lock;    /* over pipelines, relay and watcher, for who has no part in their life:
	                                 they come and    go meanwhile */
};

/* A db for the calling thread, with the configuration's settings and the engine's statement counter. */
struct db *engine_db(struct engine *engine);
struct db_settings engine_db_settings(const struct config *config);

struct engine *engine_new(const struct config *config); /* holds it */
/* Before the start: the configuration is read again from there, which is borrowed. */
void engine_reload_from(struct engine *engine, const struct config_request *source);
int engine_start(struct engine *engine, struct usher_error *err);
void engine_stop(struct engine *engine); /* as usher_worker_stop; joins all threads */
void engine_free(struct engine *engine);

/* relay_kick and watcher_kick while the engine may be starting or stopping: nothing happens when there is
 * none. Any thread. */
void engine_kick_relay(struct engine *engine);
void engine_kick_watcher(struct engine *engine);
void engine_expect(struct engine *engine, unsigned messages); /* pipeline_expect of each channel */
/* pipeline_control, likewise. */
void engine_control(struct engine *engine, enum channel_id channel, const struct control *control);

/* Another configuration is in force: every thread is told, and takes it at its next turn. */
void engine_configure(struct engine *engine, const struct config *config);
/* reload_ask, likewise; 0: nobody reads the configuration again. */
uint64_t engine_ask_reload(struct engine *engine, const char *who, const char *source);

/* -- Pipeline: engine/pipeline.c --------------------------------------------------------------- */
int pipeline_start(
        struct engine *engine, enum channel_id channel, struct pipeline **ret, struct usher_error *err);
/* So many messages are in the channel's queue, or will be at once: receives for them begin together, in place
 * of one after another's round trip. Any thread. */
void pipeline_expect(struct pipeline *pipeline, unsigned messages);
/* What operators say of the channel, now; the same again does nothing. Any thread. */
void pipeline_control(struct pipeline *pipeline, const struct control *control);
void pipeline_configure(struct pipeline *pipeline, const struct config *config); /* any thread */
void pipeline_stop(struct pipeline *pipeline);                                   /* asks; returns at once */
void pipeline_join(struct pipeline *pipeline);                                   /* waits and frees */

/* -- Relay: engine/relay.c --------------------------------------------------------------------- */
int relay_start(struct engine *engine, struct relay **ret, struct usher_error *err);
void relay_kick(struct relay *relay); /* a sign-up was stored: look at once. Any thread */
void relay_configure(struct relay *relay, const struct config *config); /* any thread */
void relay_stop(struct relay *relay);
void relay_join(struct relay *relay);

/* -- Watcher: engine/watcher.c: depths, status, DLQ mirror, redrives, retention ---------- */
int watcher_start(struct engine *engine, struct watcher **ret, struct usher_error *err);
void watcher_kick(struct watcher *watcher); /* an act was recorded: send its intents at once. Any thread */
void watcher_configure(struct watcher *watcher, const struct config *config); /* any thread */
void watcher_stop(struct watcher *watcher);
void watcher_join(struct watcher *watcher);

/* -- Interruption: engine/interruption.c: EC2 takes the instance away --------------------------- */
int interruption_start(struct engine *engine, struct interruption **ret, struct usher_error *err);
void interruption_stop(struct interruption *interruption);
void interruption_join(struct interruption *interruption);

/* -- Reload: engine/reload.c: reads the configuration again ------------------------------------- */
struct reload *reload_new(struct engine *engine); /* may be asked from here on */
void reload_free(struct reload *reload);          /* one that was not started; NULL is allowed */
int reload_start(struct reload *reload, struct usher_error *err);
/* Reads it as soon as it can: `who` asks ("" for nobody), by way of `source` ("SIGHUP"). The ticket is in the
 * answer on the board. Any thread. */
uint64_t reload_ask(struct reload *reload, const char *who, const char *source);
void reload_stop(struct reload *reload);
void reload_join(struct reload *reload); /* waits and frees */

/* The embedded broker's queues as a later configuration wants them: engine/queues.c. */
int engine_adapt_queues(struct db *db, const struct config *config, struct usher_error *err);

/* A broker on this loop, as the configuration at the start says: engine/join.c. */
struct broker *engine_broker(struct engine *engine, struct loop *loop);

#endif
