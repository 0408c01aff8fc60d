/* From the configuration to the small settings of each part, so that no driver knows the whole. Pure, but for
 * settings_speak. */
#include "engine/settings.h"

#include "base/mask.h"
#include "model/failure.h"

#define COUPON_CONNECTIONS 50 /* keep-alive connections to the coupon service at most */

struct retry_policy settings_retry(const struct config *config, enum channel_id channel)
{
	const struct config_channel *c = &config->channel[channel];

	return (struct retry_policy){
		.max_attempts = c->max_attempts,
		.base_ms = c->base_ms,
		.factor = c->factor,
		.max_delay_ms = c->max_delay_ms,
		.jitter = c->jitter,
	};
}

struct breaker_settings settings_breaker(const struct config *config, enum channel_id channel)
{
	return (struct breaker_settings){
		.failures = config->breaker.failures,
		.share = config->breaker.share,
		.window_ms = config->breaker.window_ms,
		.ramp_to = config->channel[channel].in_flight,
		.cooldown_ms = config->breaker.cooldown_ms,
		.probes = config->breaker.probes,
	};
}

void settings_speak(const struct config *config)
{
	log_setup(config->log.level, config->log.format);
	log_mask(config->log.mask);
	mask_setup(&(struct mask_settings){
	        .email = config->mask.email,
	        .name = config->mask.name,
	        .user_id = config->mask.user_id,
	        .phone = config->mask.phone,
	        .fields = config->mask.fields,
	});
}

long settings_connections(const struct config *config, enum channel_id channel)
{
	return channel == CHANNEL_EMAIL ? config->email.connections : COUPON_CONNECTIONS;
}

/* A channel that is not enabled gets no queue from here: nobody might ever empty it. */
size_t settings_queues(const struct config *config, struct broker_queue_settings queues[CHANNEL_COUNT])
{
	size_t n = 0;

	for (int id = 0; id < CHANNEL_COUNT; id++)
		if (config->channel[id].enabled)
			queues[n++] = (struct broker_queue_settings){
				.name = config->channel[id].queue,
				.dlq = config->channel[id].dlq,
				.visibility_ms = config->channel[id].visibility_timeout_ms,
				.max_receive_count = queue_receives(config->channel[id].max_attempts),
				.retention_ms = QUEUE_RETENTION_MS,
			};
	return n;
}
