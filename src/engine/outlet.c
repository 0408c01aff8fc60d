/* The channels of a pipeline: the one that sends, and those that a reload has replaced and that still wait
 * for answers. Runs on the pipeline's thread, the first opening before it starts. */
#include "engine/pipeline.h"

#include "base/log.h"
#include "base/mem.h"
#include "engine/settings.h"

static struct outlet *outlet_new(struct pipeline *p, struct usher_error *err)
{
	struct outlet *o = mem_alloc(sizeof *o);

	o->pipeline = p;
	if (settings_open_channel(p->settings, p->channel_id, p->loop, p->curl, &o->channel, err) == 0)
		return o;
	free(o);
	return NULL;
}

static void outlet_free(struct outlet *o)
{
	if (!o)
		return;
	o->channel->ops->close(o->channel);
	free(o);
}

int outlet_open(struct pipeline *p, struct usher_error *err)
{
	p->outlet = outlet_new(p, err);
	return p->outlet ? 0 : err->code;
}

/* What opened the breaker was the service as it was. */
static void begin_anew(struct pipeline *p)
{
	mono_time now = mono_now();

	breaker_hasten(&p->breaker, now);
	p->probeless = false;
	p->probe_at = now;
	p->proved_at = (mono_time){ 0 };
}

/* The reload has tried the same settings before it gave them out; only what has changed since can be wrong.
 */
void outlet_renew(struct pipeline *p, const struct config *old)
{
	struct usher_error err = { 0 };
	struct outlet *fresh;

	if (!p->outlet || !config_differs(old, p->settings, channel_name(p->channel_id)))
		return;
	fresh = outlet_new(p, &err);
	if (!fresh) {
		log_error(p->area, "goes on sending as before the reload: %s", err.message);
		return;
	}
	p->outlet->next = p->retired;
	p->retired = p->outlet;
	p->outlet = fresh;
	log_info(p->area, "sends as now configured; %zu sends are finished as before", p->retired->sends);
	begin_anew(p);
}

/* Not from inside an answer of its own. */
void outlet_sweep(struct pipeline *p)
{
	for (struct outlet **at = &p->retired; *at;) {
		struct outlet *o = *at;

		if (o->sends || o->probing) {
			at = &o->next;
			continue;
		}
		*at = o->next;
		outlet_free(o);
	}
}

void outlet_close_all(struct pipeline *p)
{
	while (p->retired) {
		struct outlet *o = p->retired;

		p->retired = o->next;
		outlet_free(o);
	}
	outlet_free(p->outlet);
	p->outlet = NULL;
}

int outlet_connections(const struct pipeline *p)
{
	int n = p->outlet ? p->outlet->channel->ops->connections(p->outlet->channel) : 0;

	for (const struct outlet *o = p->retired; o; o = o->next)
		n += o->channel->ops->connections(o->channel);
	return n;
}
