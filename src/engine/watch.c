/* The watcher's view of the database and the broker: up or down, since when, asked again when; and troubles
 * that are logged once. Watcher's thread. */
#include "engine/watch.h"

#include "base/log.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

bool peer_ready(const struct peer *peer)
{
	return !peer->down || peer->retry_at.ns <= mono_now().ns;
}

void peer_answered(struct peer *peer)
{
	if (peer->up)
		return;
	if (peer->down)
		log_info("watcher", "the %s is back", peer->name);
	peer->up = true;
	peer->down = false;
	peer->since = wall_now();
	peer->backoff_ms = 0;
	peer->error[0] = 0;
}

void peer_failed(struct peer *peer, const struct usher_error *err)
{
	utf8_copy(peer->error, sizeof peer->error, err->message, strlen(err->message));
	if (!peer->down) {
		log_warn("watcher", "the %s cannot be used, its figures stand still until it can: %s",
		        peer->name, err->message);
		peer->up = false;
		peer->down = true;
		peer->since = wall_now();
	}
	peer->backoff_ms = peer->backoff_ms ? peer->backoff_ms * 2 : PEER_BACKOFF_FIRST_MS;
	if (peer->backoff_ms > PEER_BACKOFF_MAX_MS)
		peer->backoff_ms = PEER_BACKOFF_MAX_MS;
	peer->retry_at = mono_add_ms(mono_now(), peer->backoff_ms);
}

void complaint_say(struct complaint *complaint, const char *what, const struct usher_error *err)
{
	char text[sizeof complaint->text];
	utf8_copy(text, sizeof text, err->message, strlen(err->message));
	if (strcmp(text, complaint->text) == 0)
		return;
	memcpy(complaint->text, text, sizeof text);
	log_warn("watcher", "%s: %s", what, err->message);
}

void complaint_end(struct complaint *complaint)
{
	complaint->text[0] = 0;
}

bool watch_database_away(struct watch *w, const struct usher_error *err)
{
	if (err->code != USHER_EUNAVAILABLE && err->code != USHER_ETIMEOUT)
		return false;
	peer_failed(&w->database, err);
	return true;
}

bool watch_broker_away(struct watch *w, const struct usher_error *err)
{
	if (err->code != USHER_EUNAVAILABLE && err->code != USHER_ETIMEOUT)
		return false;
	peer_failed(&w->broker_peer, err);
	return true;
}
