/* Telling of alarms: an outbox of notices, each tried until it is sent, one at a time and in order for each
 * [notify.NAME], and never in the way of anything: they run on the watcher's loop with time-outs. What became
 * of each is noted in the database; what cannot be noted now is noted later. Watcher's thread. */
#include "engine/alarm.h"

#include "base/error.h"
#include "base/language.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "engine/settings.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ITEMS_MAX (2 * NOTICES_UNSETTLED_MAX) /* stored ones, and held ones */
#define HOST_SIZE 65

struct item {
	struct notice_row row; /* id 0: held, its alarm is not stored yet */
	int notify;            /* index of the configuration; -1: of no section any more */
	mono_time next_at;
	bool sending, dirty; /* dirty: what became of it is not noted yet */
};

/* A way of telling. One that a reload replaced is retired: it finishes what it sends, and is closed. */
struct teller {
	struct notices *notices;
	struct notifier *notifier;
	struct item *item; /* being sent */
	struct complaint complaint;
	struct teller *next; /* of the retired */
};

struct notices {
	struct watch *watch;
	struct curl_loop *curl;
	struct http *http;
	struct loop_timer *timer;
	struct teller *tellers[NOTIFY_MAX]; /* as the configuration has them; NULL behind the last */
	struct teller *retired;
	struct item *items[ITEMS_MAX]; /* in the order in which they came up */
	size_t n;
	struct notice_row seen[NOTICES_UNSETTLED_MAX]; /* as the database last had them */
	size_t seen_n;
	char host[HOST_SIZE];
	struct complaint complaint;
};

static void send_due(void *arg);

static void tellers_open(struct notices *ns)
{
	const struct config *config = ns->watch->config;

	for (int i = 0; i < config->notifies; i++) {
		ns->tellers[i] = mem_alloc(sizeof *ns->tellers[i]);
		ns->tellers[i]->notices = ns;
		ns->tellers[i]->notifier =
		        settings_open_notifier(config, &config->notify[i], ns->watch->loop, ns->http);
	}
}

static void teller_free(struct teller *t)
{
	t->notifier->ops->close(t->notifier);
	free(t);
}

static void tellers_retire(struct notices *ns)
{
	for (int i = 0; i < NOTIFY_MAX; i++) {
		if (!ns->tellers[i])
			continue;
		ns->tellers[i]->next = ns->retired;
		ns->retired = ns->tellers[i];
		ns->tellers[i] = NULL;
	}
}

/* Not from inside a driver's callback. */
static void tellers_sweep(struct notices *ns, bool all)
{
	for (struct teller **at = &ns->retired; *at;) {
		struct teller *t = *at;

		if (t->item && !all) {
			at = &t->next;
			continue;
		}
		*at = t->next;
		teller_free(t);
	}
}

struct notices *notices_new(struct watch *w)
{
	struct notices *ns = mem_alloc(sizeof *ns);

	ns->watch = w;
	ns->curl = curl_loop_new(w->loop, NOTIFY_MAX);
	ns->http = http_new(ns->curl);
	ns->timer = loop_timer_new(w->loop, send_due, ns);
	if (gethostname(ns->host, sizeof ns->host - 1) < 0)
		snprintf(ns->host, sizeof ns->host, "localhost");
	tellers_open(ns);
	return ns;
}

void notices_free(struct notices *ns)
{
	if (!ns)
		return;
	tellers_retire(ns);
	tellers_sweep(ns, true);
	loop_timer_free(ns->timer);
	http_free(ns->http);
	curl_loop_free(ns->curl);
	for (size_t i = 0; i < ns->n; i++)
		free(ns->items[i]);
	free(ns);
}

bool notices_busy(const struct notices *ns)
{
	for (int i = 0; i < NOTIFY_MAX; i++)
		if (ns->tellers[i] && ns->tellers[i]->item)
			return true;
	for (const struct teller *t = ns->retired; t; t = t->next)
		if (t->item)
			return true;
	return false;
}

/* -- The outbox ---------------------------------------------------------------------------------------- */

static struct item *item_add(struct notices *ns, const struct notice_row *row, int notify)
{
	if (ns->n == ITEMS_MAX)
		return NULL;
	struct item *item = mem_alloc(sizeof *item);
	item->row = *row;
	item->notify = notify;
	item->next_at = mono_add_ms(mono_now(), row->wait_ms);
	return ns->items[ns->n++] = item;
}

static void item_remove(struct notices *ns, size_t i)
{
	free(ns->items[i]);
	memmove(ns->items + i, ns->items + i + 1, (--ns->n - i) * sizeof *ns->items);
}

static bool is_of(const struct item *item, const struct alarm_row *alarm)
{
	return strcmp(item->row.alarm.name, alarm->name) == 0 &&
	       strcmp(item->row.alarm.channel, alarm->channel) == 0;
}

static bool is_settled(const struct item *item)
{
	return item->row.settled_at.ms != 0;
}

void notices_hold(struct notices *ns, const struct alarm_row *alarm, uint32_t notify_mask)
{
	const struct config *config = ns->watch->config;

	for (int i = 0; i < config->notifies; i++) {
		struct notice_row row = {
			.what = NOTICE_RAISED, .created_at = alarm->raised_at, .alarm = *alarm
		};
		if (!(notify_mask & 1u << i))
			continue;
		snprintf(row.notify, sizeof row.notify, "%s", config->notify[i].name);
		item_add(ns, &row, i);
	}
}

/* Held items of the alarm: their rows out, and back with their ids. */
static size_t held_of(struct notices *ns, const struct alarm_row *alarm, struct item *held[NOTIFY_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < ns->n && n < NOTIFY_MAX; i++)
		if (ns->items[i]->row.id == 0 && is_of(ns->items[i], alarm))
			held[n++] = ns->items[i];
	return n;
}

/* Forgets what is settled and needs no note, and nothing that is being sent. */
static void sweep(struct notices *ns)
{
	for (size_t i = ns->n; i-- > 0;)
		if (ns->items[i]->row.id && is_settled(ns->items[i]) && !ns->items[i]->dirty &&
		        !ns->items[i]->sending)
			item_remove(ns, i);
}

int notices_store(struct notices *ns, struct alarm_row *alarm, struct usher_error *err)
{
	struct item *held[NOTIFY_MAX];
	struct notice_row rows[NOTIFY_MAX];
	size_t n = held_of(ns, alarm, held);

	for (size_t i = 0; i < n; i++)
		rows[i] = held[i]->row;
	int rc = alarm_raise(ns->watch->db, alarm, rows, n, err);
	for (size_t i = 0; i < n; i++) {
		if (rc == 0) {
			held[i]->row.id = rows[i].id;
			held[i]->row.alarm.id = held[i]->row.alarm_id = alarm->id;
			held[i]->dirty = false;
		} else if (rc == USHER_ECONFLICT) { /* who raised it tells of it */
			held[i]->row.id = -1;
			held[i]->row.settled_at = wall_now();
		}
	}
	sweep(ns);
	return rc;
}

/* -- Noting what became of them ------------------------------------------------------------------------ */

static void complain(struct notices *ns, const struct usher_error *err)
{
	if (!watch_database_away(ns->watch, err))
		complaint_say(&ns->complaint, "what became of notices cannot be noted", err);
}

static bool note(struct notices *ns, struct item *item)
{
	struct usher_error err = { 0 };

	if (item->row.id <= 0 || !item->dirty || !peer_ready(&ns->watch->database))
		return item->row.id < 0 || !item->dirty;
	if (notice_note(ns->watch->db, &item->row, &err)) {
		complain(ns, &err);
		return false;
	}
	item->dirty = false;
	complaint_end(&ns->complaint);
	return true;
}

static void settle(struct notices *ns, struct item *item, bool sent, const char *why)
{
	item->row.sent = sent;
	item->row.settled_at = wall_now();
	item->row.wait_ms = 0;
	item->dirty = true;
	if (!sent)
		utf8_copy(item->row.last_error, sizeof item->row.last_error, why, strlen(why));
	note(ns, item);
}

/* -- Sending ------------------------------------------------------------------------------------------- */

static int64_t pause_ms(int attempts)
{
	int64_t ms = NOTICE_RETRY_FIRST_MS;
	while (--attempts > 0 && ms < NOTICE_RETRY_MAX_MS)
		ms *= 2;
	return ms < NOTICE_RETRY_MAX_MS ? ms : NOTICE_RETRY_MAX_MS;
}

static void note_failed(
        struct notices *ns, struct teller *t, struct item *item, const struct usher_error *err)
{
	char what[ALARM_NAME_MAX + 64];

	snprintf(what, sizeof what, "notice %s (%s) is not sent, it is tried again", item->row.notify,
	        t->notifier->ops->kind);
	complaint_say(&t->complaint, what, err);
	if (wall_now().ms - item->row.created_at.ms >= NOTICE_GIVE_UP_MS) {
		settle(ns, item, false, err->message);
		return;
	}
	utf8_copy(item->row.last_error, sizeof item->row.last_error, err->message, strlen(err->message));
	item->row.wait_ms = pause_ms(item->row.attempts);
	item->next_at = mono_add_ms(mono_now(), item->row.wait_ms);
	item->dirty = true;
	note(ns, item);
}

static void on_told(void *arg, const struct usher_error *err)
{
	struct teller *t = arg;
	struct notices *ns = t->notices;
	struct item *item = t->item;

	t->item = NULL;
	item->sending = false;
	item->row.attempts++;
	if (err->code) {
		note_failed(ns, t, item, err);
	} else {
		if (t->complaint.text[0])
			log_info("watcher", "notice %s (%s) is sent again", item->row.notify,
			        t->notifier->ops->kind);
		complaint_end(&t->complaint);
		settle(ns, item, true, "");
	}
	sweep(ns);
	loop_timer_start(ns->timer, 0); /* the next one, not from inside a driver's callback */
	watch_job_ended(ns->watch);
}

static void tell(struct notices *ns, struct item *item)
{
	struct teller *t = ns->tellers[item->notify];
	const struct alarm_row *alarm = &item->row.alarm;

	t->item = item;
	item->sending = true;
	language_begin(t->notifier->language);
	t->notifier->ops->send(t->notifier,
	        &(struct notice){
	                .name = alarm->name,
	                .channel = alarm->channel,
	                .severity = alarm_severity_name(alarm->severity),
	                .state = notice_what_name(item->row.what),
	                .text = alarm->text,
	                .value = alarm->value,
	                .host = ns->host,
	                .raised_at = alarm->raised_at,
	                .at = item->row.created_at,
	        },
	        on_told, t);
	language_end();
}

/* The end of an alarm is told after its beginning. */
static bool is_behind_another(const struct notices *ns, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (ns->items[k]->notify == ns->items[i]->notify && !is_settled(ns->items[k]) &&
		        is_of(ns->items[k], &ns->items[i]->row.alarm))
			return true;
	return false;
}

/* A held one goes out at once only where there is no database to store it first. */
static bool may_go(const struct notices *ns, size_t i)
{
	const struct item *item = ns->items[i];

	if (is_settled(item) || item->sending || item->notify < 0 || !ns->tellers[item->notify] ||
	        ns->tellers[item->notify]->item || is_behind_another(ns, i))
		return false;
	return item->row.id > 0 || ns->watch->database.down;
}

static void send_due(void *arg)
{
	struct notices *ns = arg;
	mono_time now = mono_now();
	int64_t wait_ms = -1;

	tellers_sweep(ns, false);
	for (size_t i = 0; i < ns->n && !ns->watch->stopping; i++) {
		if (!may_go(ns, i))
			continue;
		int64_t left = mono_since_ms(now, ns->items[i]->next_at);
		if (left <= 0)
			tell(ns, ns->items[i]);
		else if (wait_ms < 0 || left < wait_ms)
			wait_ms = left;
	}
	if (wait_ms >= 0)
		loop_timer_start(ns->timer, wait_ms);
}

/* -- Turns -------------------------------------------------------------------------------------------- */

/* Of a section that is no more: nobody tells it. What is stored is learned again, and given up. */
static void items_follow(struct notices *ns)
{
	for (size_t i = ns->n; i-- > 0;) {
		struct item *item = ns->items[i];

		item->notify =
		        config_notify_find(ns->watch->config, item->row.notify, strlen(item->row.notify));
		if (item->notify < 0 && !item->sending && !item->dirty)
			item_remove(ns, i);
	}
}

void notices_configure(struct notices *ns, const struct config *old)
{
	const struct config *is = ns->watch->config;

	if (!config_differs(old, is, "notify.") && !config_differs(old, is, "email"))
		return;
	tellers_retire(ns);
	tellers_open(ns);
	items_follow(ns);
	loop_timer_start(ns->timer, 0);
}

static bool is_known(const struct notices *ns, int64_t id)
{
	for (size_t i = 0; i < ns->n; i++)
		if (ns->items[i]->row.id == id)
			return true;
	return false;
}

static void give_up_unknown(struct notices *ns, const struct notice_row *row)
{
	struct notice_row gone = *row;
	struct usher_error err = { 0 };

	gone.settled_at = wall_now();
	gone.wait_ms = 0;
	snprintf(gone.last_error, sizeof gone.last_error, "there is no section [notify.%s] any more",
	        row->notify);
	if (notice_note(ns->watch->db, &gone, &err))
		complain(ns, &err);
}

static void learn(struct notices *ns)
{
	for (size_t i = 0; i < ns->seen_n; i++) {
		const struct notice_row *row = &ns->seen[i];
		int notify = config_notify_find(ns->watch->config, row->notify, strlen(row->notify));
		if (row->settled_at.ms || is_known(ns, row->id))
			continue;
		if (notify < 0)
			give_up_unknown(ns, row);
		else
			item_add(ns, row, notify);
	}
}

/* Another daemon tells now: what is stored is its. */
static void let_go(struct notices *ns)
{
	for (size_t i = ns->n; i-- > 0;)
		if (ns->items[i]->row.id && !ns->items[i]->dirty && !ns->items[i]->sending)
			item_remove(ns, i);
}

void notices_turn(struct notices *ns, bool tells)
{
	struct usher_error err = { 0 };
	bool noted = ns->watch->database.up;

	for (size_t i = 0; i < ns->n && noted; i++)
		noted = note(ns, ns->items[i]);
	sweep(ns);
	if (noted && notices_unsettled(ns->watch->db, NOTICE_SHOWN_MS, ns->seen, &ns->seen_n, &err)) {
		complain(ns, &err);
		noted = false;
	}
	if (noted && tells)
		learn(ns);
	else if (noted)
		let_go(ns);
	send_due(ns);
}

/* -- What is shown ------------------------------------------------------------------------------------ */

static void show(const struct notices *ns, struct alarm_board *board, const struct notice_row *row)
{
	const struct config *config = ns->watch->config;
	int notify = config_notify_find(config, row->notify, strlen(row->notify));
	struct notice_trouble *t = NULL;

	if (row->attempts == 0 && row->settled_at.ms == 0)
		return; /* on its way */
	board->unsent++;
	for (int i = 0; i < board->troubles && !t; i++)
		if (strcmp(board->trouble[i].notify, row->notify) == 0)
			t = &board->trouble[i];
	if (!t && board->troubles < NOTIFY_MAX) {
		t = &board->trouble[board->troubles++];
		*t = (struct notice_trouble){ .since = row->created_at };
		snprintf(t->kind, sizeof t->kind, "%s", notify < 0 ? "" : config->notify[notify].kind);
		memcpy(t->notify, row->notify, sizeof t->notify);
	}
	if (!t)
		return;
	t->count++;
	t->given_up += row->settled_at.ms != 0;
	if (row->created_at.ms <= t->since.ms || !t->error[0]) {
		t->since = row->created_at;
		utf8_copy(t->error, sizeof t->error, row->last_error, strlen(row->last_error));
	}
}

void notices_board(const struct notices *ns, struct alarm_board *board)
{
	for (size_t i = 0; i < ns->n; i++)
		if (!ns->items[i]->row.sent && ns->items[i]->row.id >= 0)
			show(ns, board, &ns->items[i]->row);
	for (size_t i = 0; i < ns->seen_n; i++)
		if (!is_known(ns, ns->seen[i].id))
			show(ns, board, &ns->seen[i]);
}
