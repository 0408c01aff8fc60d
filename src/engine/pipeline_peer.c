/* What a pipeline depends on beside its service: the ledger, and the broker, which gives messages and takes
 * them settled, in three ways. Each is tried at growing distances while it fails; the log hears once of its
 * going and once of its coming back, the status why it is away. Pipeline's thread. */
#include "engine/pipeline.h"

#include "base/log.h"

/* One failure opens, one answer after the pause closes: who is asked then is the trial. */
static const struct breaker_settings settings = {
	.failures = 1,
	.cooldown_ms = RETRY_PEER_MS,
	.cooldown_max_ms = RETRY_PEER_MAX_MS,
	.probes = 1,
};

bool pipeline_peer_well(const struct pipeline_peer *peer)
{
	return peer->breaker.state == BREAKER_CLOSED;
}

void pipeline_peer_failed(struct pipeline *p, struct pipeline_peer *peer, const struct usher_error *err)
{
	if (pipeline_peer_well(peer))
		log_warn(p->area, "%s: %s", peer->lost, err->message);
	note_write(peer->error, err->message);
	breaker_failed(&peer->breaker, &settings, peer->breaker.epoch, mono_now(), wall_now());
}

void pipeline_peer_answered(struct pipeline *p, struct pipeline_peer *peer)
{
	if (pipeline_peer_well(peer))
		return;
	breaker_succeeded(&peer->breaker, &settings, peer->breaker.epoch, mono_now(), wall_now());
	if (!pipeline_peer_well(peer))
		return;
	log_info(p->area, "%s", peer->back);
	note_write(peer->error, "");
}

bool pipeline_peer_ready(struct pipeline_peer *peer, mono_time now)
{
	return breaker_allows(&peer->breaker, &settings, now, wall_now()) > 0;
}

/* How it is now nobody knows: the status does not go on saying what it was. Its pause ends all the same, so
 * that no turn waits for that. */
void pipeline_peer_unasked(struct pipeline_peer *peer, mono_time now)
{
	if (pipeline_peer_well(peer))
		return;
	note_write(peer->error, "");
	(void)pipeline_peer_ready(peer, now);
}
