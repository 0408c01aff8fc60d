/* Listens for the notice that this machine is about to be taken away (an EC2 spot interruption) and hands it
 * to whoever runs the worker. A thread of its own, with its loop and one connection, because the others may
 * be busy for longer than the notice gives time. Calls the engine's on_notice, at most once. */
#include "engine/engine.h"

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/aws_spot.h"
#include "net/loop.h"

#include <pthread.h>

struct interruption {
	struct engine *engine;
	pthread_t thread;
	struct loop *loop;
	struct curl_loop *curl;
	struct http *http;
	struct aws_spot *spot;
};

static void noticed(void *arg, const char *action, const char *at)
{
	struct engine *engine = ((struct interruption *)arg)->engine;

	log_warn("engine", "EC2 is going to %s this instance at %s", action,
	        *at ? at : "a time it does not say");
	if (engine->on_notice)
		engine->on_notice(engine->on_notice_arg, action, at);
}

static void *interruption_main(void *arg)
{
	struct interruption *n = arg;

	loop_run(n->loop);
	return NULL;
}

static void interruption_free(struct interruption *n)
{
	aws_spot_free(n->spot);
	http_free(n->http);
	curl_loop_free(n->curl);
	loop_free(n->loop);
	free(n);
}

int interruption_start(struct engine *engine, struct interruption **ret, struct usher_error *err)
{
	struct interruption *n = mem_alloc(sizeof *n);

	n->engine = engine;
	n->loop = loop_new();
	n->curl = curl_loop_new(n->loop, 1);
	n->http = http_new(n->curl);
	n->spot = aws_spot_new(n->loop, n->http,
	        &(struct aws_spot_settings){ .ca_bundle = engine->started_with->aws.ca_bundle }, noticed, n);
	if (pthread_create(&n->thread, NULL, interruption_main, n) == 0) {
		*ret = n;
		return 0;
	}
	interruption_free(n);
	return error_set(err, USHER_EIO,
	        "cannot start the thread that hears of interruptions: the limit on processes is reached");
}

static void stop_here(void *arg)
{
	loop_stop(((struct interruption *)arg)->loop);
}

void interruption_stop(struct interruption *n)
{
	loop_post(n->loop, stop_here, n);
}

void interruption_join(struct interruption *n)
{
	pthread_join(n->thread, NULL);
	interruption_free(n);
}
