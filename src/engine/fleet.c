/* This daemon's place in the fleet: it tells the others that it is there, sees them, and leads when it holds
 * the lease. What one daemon does for all (the DLQ mirror, automatic redrives, alarms, retention) asks
 * fleet_leads first. A leader that dies or hangs is followed when its lease has run out; one that stops gives
 * it up. Watcher's thread. */
#include "engine/watch.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <usher/usher.h>

struct fleet {
	struct watch *watch;
	struct fleet_member me;
	struct fleet_member members[FLEET_MAX];
	size_t n;
	mono_time due, leads_until; /* leads_until: by our clock, from before the lease was asked for */
	bool joined, led;           /* led: as last said in the log */
};

struct fleet *fleet_new(struct watch *w)
{
	struct fleet *f = mem_alloc(sizeof *f);
	struct fleet_member *me = &f->me;

	f->watch = w;
	me->pid = (int)getpid();
	me->started_at = wall_now();
	snprintf(me->owner, sizeof me->owner, "%s", w->engine->owner);
	snprintf(me->socket, sizeof me->socket, "%s",
	        w->engine->started_with->daemon.socket ? w->engine->started_with->daemon.socket : "");
	snprintf(me->version, sizeof me->version, "%s", USHER_VERSION);
	if (gethostname(me->host, sizeof me->host - 1) < 0)
		snprintf(me->host, sizeof me->host, "localhost");
	return f;
}

void fleet_free(struct fleet *f)
{
	free(f);
}

bool fleet_leads(const struct fleet *f)
{
	return mono_now().ns < f->leads_until.ns;
}

size_t fleet_members(const struct fleet *f, const struct fleet_member **ret_members)
{
	*ret_members = f->members;
	return f->n;
}

static void say_change(struct fleet *f)
{
	if (fleet_leads(f) == f->led)
		return;
	f->led = !f->led;
	log_info("fleet", f->led ? "leads: does the DLQ mirror, automatic redrives and alarms for all daemons"
	                         : "leads no longer: another daemon does");
}

int fleet_turn(struct fleet *f, struct usher_error *err)
{
	struct watch *w = f->watch;
	mono_time now = mono_now();
	bool leads = false;

	if (now.ns < f->due.ns)
		return 0;
	int rc = f->joined ? 0 : fleet_join(w->db, &f->me, err);
	f->joined = f->joined || !rc;
	if (!rc)
		rc = fleet_beat(w->db, &f->me, FLEET_LEASE_MS, FLEET_FORGET_MS, &leads, err);
	if (!rc) {
		f->leads_until = leads ? mono_add_ms(now, FLEET_LEASE_MS) : (mono_time){ 0 };
		rc = fleet_list(w->db, f->members, &f->n, err);
	}
	say_change(f);
	if (!rc)
		f->due = mono_add_ms(now, FLEET_BEAT_MS);
	return rc;
}

void fleet_end(struct fleet *f)
{
	struct usher_error err = { 0 };

	f->leads_until = (mono_time){ 0 };
	if (peer_ready(&f->watch->database) && fleet_leave(f->watch->db, f->me.owner, &err))
		log_warn("fleet", "the others see this daemon for a while yet: %s", err.message);
}
