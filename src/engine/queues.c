/* The embedded broker's queues as a configuration that came later wants them: how often a message may be
 * received follows max_attempts. SQS is told by usherd provision. Blocks on the database; on its db's thread.
 */
#include "engine/engine.h"

#include "engine/join.h"
#include "engine/settings.h"
#include "store/queue.h"

#include <string.h>

int engine_adapt_queues(struct db *db, const struct config *config, struct usher_error *err)
{
	struct broker_queue_settings wanted[CHANNEL_COUNT];
	struct queue_definition queues[CHANNEL_COUNT];
	size_t n = settings_queues(config, wanted);

	if (strcmp(config->broker.driver, "embedded") != 0 || n == 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		queues[i] = (struct queue_definition){ .name = wanted[i].name,
			.dlq = wanted[i].dlq,
			.visibility_ms = wanted[i].visibility_ms,
			.retention_ms = wanted[i].retention_ms,
			.max_receive_count = wanted[i].max_receive_count };
	struct queues *store = queues_new(db);
	int rc = queue_ensure(store, EMBEDDED_TOPIC, queues, n, err);
	queues_free(store);
	return rc;
}
