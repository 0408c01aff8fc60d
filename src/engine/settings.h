/* From the configuration to the small settings of each part. Pure. */
#ifndef ENGINE_SETTINGS_H
#define ENGINE_SETTINGS_H

#include "broker/broker.h"
#include "channel/channel.h"
#include "config/config.h"
#include "notice/notice.h"
#include "policy/breaker.h"
#include "policy/retry.h"

struct retry_policy settings_retry(const struct config *config, enum channel_id channel);
struct breaker_settings settings_breaker(const struct config *config, enum channel_id channel);
/* The queues of the channels; returns how many. */
size_t settings_queues(const struct config *config, struct broker_queue_settings queues[CHANNEL_COUNT]);
/* How this process logs, and what it hides: at start, and with every later configuration. */
void settings_speak(const struct config *config);
/* Connections to the service at most. */
long settings_connections(const struct config *config, enum channel_id channel);
int settings_open_channel(const struct config *config, enum channel_id channel, struct loop *loop,
        struct curl_loop *curl, struct channel **ret_channel, struct usher_error *err);
/* The way that a [notify.NAME] section describes. */
struct notifier *settings_open_notifier(const struct config *config, const struct config_notify *notify,
        struct loop *loop, struct http *http);

#endif
