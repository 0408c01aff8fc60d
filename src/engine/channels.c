/* Opens the channel that the configuration describes. Runs before the channel's thread is started. */
#include "engine/settings.h"

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
		.health_url = config->coupon.health_url,
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
