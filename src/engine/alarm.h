/* The inside of the watcher's alarms: what alarm.c (raising and clearing), alarm_figures.c (what is watched)
 * and notices.c (telling) share. All of it lives on the watcher's thread. */
#ifndef ENGINE_ALARM_H
#define ENGINE_ALARM_H

#include "engine/watch.h"
#include "policy/alarm.h"
#include "store/alarm.h"

/* One rule on one channel, or on none. */
struct alarm {
	const struct config_alarm *rule;
	int channel; /* enum channel_id; -1: of none */
	struct alarm_rule policy;
	struct alarm_state state;
	struct alarm_ring ring; /* of metrics that are reckoned over a window */
	struct alarm_row row;   /* while raised; id 0: not stored yet */
	mono_time renewed_at;   /* its value and text */
};

/* -- What is watched: alarm_figures.c ---------------------------------------------------------------- */
struct alarm_figures {
	struct watch *watch;
	const struct status *status;
	mono_time now;
	struct alarm_channel_figures { /* kept from turn to turn */
		mono_time open_since;  /* the breaker; 0: closed */
		mono_time still_since; /* nothing has moved, while messages wait */
		bool moved;            /* has moved or been empty since this daemon looks */
		mono_time paused_at;   /* when last seen so */
		uint64_t seen[6];      /* moves whenever some daemon works on the channel */
	} channel[CHANNEL_COUNT];
};

/* Takes the newest status in; before alarm_figure. */
void alarm_figures_take(struct alarm_figures *f, const struct status *status, mono_time now);
/* Keeps a sample of what is reckoned over a window; every daemon does, so that a new leader knows it at once.
 */
void alarm_figures_sample(const struct alarm_figures *f, struct alarm *a);
/* Unknown when stale, or when the database that knows it cannot be asked. May ask it. */
struct alarm_value alarm_figure(const struct alarm_figures *f, const struct alarm *a);

/* -- Telling: notices.c -------------------------------------------------------------------------------- */
#define NOTICE_RETRY_FIRST_MS 1000
#define NOTICE_RETRY_MAX_MS (5 * 60 * 1000)
#define NOTICE_GIVE_UP_MS (24LL * 60 * 60 * 1000) /* after that it is not tried any more */
#define NOTICE_SHOWN_MS (24LL * 60 * 60 * 1000)   /* given up this lately, it is shown */

struct notices *notices_new(struct watch *w);
void notices_free(struct notices *notices); /* what is being sent is dropped */
/* Tells of a raised alarm that is not stored yet. It goes out once it is stored, or at once while there is no
 * database. */
void notices_hold(struct notices *notices, const struct alarm_row *alarm, uint32_t notify_mask);
/* Stores the alarm, and what was held for it as it stands by now. USHER_ECONFLICT: it is raised already, and
 * what was held for it is forgotten. */
int notices_store(struct notices *notices, struct alarm_row *alarm, struct usher_error *err);
/* Notes what became of what was sent, learns what is to be sent if this daemon tells (`tells`), and sends
 * what is due. */
void notices_turn(struct notices *notices, bool tells);
/* w->config has changed: what is being sent is finished as it was begun. */
void notices_configure(struct notices *notices, const struct config *old);
bool notices_busy(const struct notices *notices);
void notices_board(const struct notices *notices, struct alarm_board *board); /* what is not sent */

#endif
