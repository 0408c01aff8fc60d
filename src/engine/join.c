/* Joins the broker drivers with what they stand on: the embedded one with store/queue.h (siblings do not
 * include each other), either with the configuration. Whoever opens a broker here uses it on its own loop's
 * thread. */
#include "engine/join.h"

#include "base/mem.h"
#include "broker/aws.h"
#include "broker/embedded.h"
#include "engine/engine.h"
#include "engine/settings.h"
#include "store/queue.h"

#include <string.h>

struct joint {
	struct db *db;
	struct queues *queues;
};

static int join_subscribers(
        void *ctx, const char *topic, const char *const **ret_queues, size_t *ret_n, struct usher_error *err)
{
	return queue_subscribers(((struct joint *)ctx)->queues, topic, ret_queues, ret_n, err);
}

static int join_put(void *ctx, const char *const *queues, size_t queue_count,
        const struct broker_outgoing *batch, size_t n, struct usher_error *err)
{
	struct queue_put puts[MESSAGE_BATCH_MAX];
	for (size_t i = 0; i < n; i++)
		puts[i] = (struct queue_put){ batch[i].body, batch[i].body_len, batch[i].attributes,
			batch[i].delay_ms };
	return queue_put(((struct joint *)ctx)->queues, queues, queue_count, puts, n, err);
}

static int join_take(void *ctx, const char *queue, int max, int64_t visibility_ms, struct message **messages,
        size_t *ret_n, int64_t *ret_next_ms, struct usher_error *err)
{
	return queue_take(
	        ((struct joint *)ctx)->queues, queue, max, visibility_ms, messages, ret_n, ret_next_ms, err);
}

static int join_remove(void *ctx, const char *queue, const char *const *receipts, size_t n, int *codes,
        struct usher_error *err)
{
	return queue_remove(((struct joint *)ctx)->queues, queue, receipts, n, codes, err);
}

static int join_hide(void *ctx, const char *queue, const struct broker_visibility *batch, size_t n,
        int *codes, struct usher_error *err)
{
	struct queue_hide hides[MESSAGE_BATCH_MAX];
	for (size_t i = 0; i < n; i++)
		hides[i] = (struct queue_hide){ batch[i].receipt, batch[i].visibility_ms };
	return queue_hide(((struct joint *)ctx)->queues, queue, hides, n, codes, err);
}

static int join_list(void *ctx, const char *queue, size_t max, struct message **messages, size_t *ret_n,
        bool *ret_exact, struct usher_error *err)
{
	return queue_list(((struct joint *)ctx)->queues, queue, max, messages, ret_n, ret_exact, err);
}

static int join_count(void *ctx, const char *queue, struct queue_depths *ret_depths, struct usher_error *err)
{
	return queue_count(((struct joint *)ctx)->queues, queue, ret_depths, err);
}

static int join_ensure(void *ctx, const char *topic, const struct broker_queue_settings *queues, size_t n,
        struct usher_error *err)
{
	struct queue_definition *definitions = mem_array(n + 1, sizeof *definitions);
	for (size_t i = 0; i < n; i++)
		definitions[i] = (struct queue_definition){
			.name = queues[i].name,
			.dlq = queues[i].dlq,
			.visibility_ms = queues[i].visibility_ms,
			.retention_ms = queues[i].retention_ms,
			.max_receive_count = queues[i].max_receive_count,
		};
	int rc = queue_ensure(((struct joint *)ctx)->queues, topic, definitions, n, err);
	free(definitions);
	return rc;
}

static void join_free(void *ctx)
{
	struct joint *joint = ctx;
	queues_free(joint->queues);
	db_free(joint->db);
	free(joint);
}

struct embedded_storage engine_storage(const struct db_settings *settings)
{
	struct joint *joint = mem_alloc(sizeof *joint);
	joint->db = db_new(settings);
	joint->queues = queues_new(joint->db);
	return (struct embedded_storage){
		.ctx = joint,
		.subscribers = join_subscribers,
		.put = join_put,
		.take = join_take,
		.remove = join_remove,
		.hide = join_hide,
		.list = join_list,
		.count = join_count,
		.ensure = join_ensure,
		.free = join_free,
	};
}

static struct broker *open_embedded(
        struct engine *engine, const struct broker_queue_settings *queues, size_t n, struct loop *loop)
{
	struct db_settings db_settings = engine_db_settings(engine->started_with);

	db_settings.statements = &engine->counters.statements;
	return embedded_open(
	        &(struct embedded_settings){
	                .topic = EMBEDDED_TOPIC,
	                .queues = queues,
	                .queue_count = n,
	                .storage = engine_storage(&db_settings),
	                .hub = engine->hub,
	        },
	        loop);
}

static struct broker *open_aws(
        struct engine *engine, const struct broker_queue_settings *queues, size_t n, struct loop *loop)
{
	const struct config *config = engine->started_with;

	return aws_open(
	        &(struct aws_broker_settings){
	                .region = config->aws.region,
	                .endpoint_url = config->aws.endpoint_url,
	                .profile = config->aws.profile,
	                .topic = config->aws.topic,
	                .ca_bundle = config->aws.ca_bundle,
	                .queues = queues,
	                .queue_count = n,
	                .counters = &engine->counters.aws,
	                .ending = &engine->stopping,
	        },
	        loop);
}

struct broker *engine_broker(struct engine *engine, struct loop *loop)
{
	struct broker_queue_settings queues[CHANNEL_COUNT];
	size_t n = settings_queues(engine->started_with, queues);

	return strcmp(engine->started_with->broker.driver, "aws") == 0
	               ? open_aws(engine, queues, n, loop)
	               : open_embedded(engine, queues, n, loop);
}
