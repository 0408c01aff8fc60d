/* From the configuration to the small settings of each part, so that no driver knows the whole. Pure. */
#include "engine/settings.h"

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

struct breaker_settings settings_breaker(const struct config *config)
{
	return (struct breaker_settings){
		.failures = config->breaker.failures,
		.cooldown_ms = config->breaker.cooldown_ms,
		.probes = config->breaker.probes,
	};
}

long settings_connections(const struct config *config, enum channel_id channel)
{
	return channel == CHANNEL_EMAIL ? config->email.connections : COUPON_CONNECTIONS;
}

static int open_email(const struct config *config, struct loop *loop, struct curl_loop *curl,
        struct channel **ret_channel, struct usher_error *err)
{
	struct email_settings settings = {
		.smtp_url = config->email.smtp_url,
		.user = config->email.user,
		.password = config->email.password,
		.from = config->email.from,
		.subject = config->email.subject,
		.template_dir = config->email.template_dir,
		.ca_file = config->email.ca_file,
		.tls = config->email.tls,
		.connections = config->email.connections,
		.timeout_ms = config->email.timeout_ms,
		.unsubscribe = config->email.unsubscribe,
	};

	return email_open(&settings, loop, curl, ret_channel, err);
}

static int open_coupon(const struct config *config, struct loop *loop, struct curl_loop *curl,
        struct channel **ret_channel, struct usher_error *err)
{
	struct coupon_settings settings = {
		.url = config->coupon.url,
		.token = config->coupon.token,
		.campaign = config->coupon.campaign,
		.ca_file = config->coupon.ca_file,
		.timeout_ms = config->coupon.timeout_ms,
	};

	return coupon_open(&settings, loop, curl, ret_channel, err);
}

int settings_open_channel(const struct config *config, enum channel_id channel, struct loop *loop,
        struct curl_loop *curl, struct channel **ret_channel, struct usher_error *err)
{
	return channel == CHANNEL_EMAIL ? open_email(config, loop, curl, ret_channel, err)
	                                : open_coupon(config, loop, curl, ret_channel, err);
}
