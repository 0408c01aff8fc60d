/* The alarms: each turn every rule looks at its figure, and what is raised or over is stored and told. The
 * fleet's leader does it for all. What is raised stands in the database, where a restart and the next leader
 * find it; while there is no database, who led last goes on, keeps what it raises, and stores it when the
 * database is back. Watcher's thread. */
#include "engine/alarm.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#define ALARM_RENEW_MS 2000 /* a raised alarm's figure is stored anew no more often */

struct alarms {
	struct watch *watch;
	struct notices *notices;
	struct alarm_figures figures;
	struct alarm *list;
	size_t n;
	struct alarm_row raised[ALARM_RAISED_MAX]; /* as the database last had them */
	size_t raised_n;
	bool led;    /* when the database was last there; true until it says otherwise */
	bool stored; /* the database was read this turn */
	struct complaint complaint;
};

/* -- The rules on their channels ---------------------------------------------------------------------- */

static void add(struct alarms *as, const struct config_alarm *rule, int channel)
{
	as->list[as->n++] = (struct alarm){ .rule = rule,
		.channel = channel,
		.policy = { .is_below = rule->is_below,
		        .raise = rule->raise_at,
		        .clear = rule->clear_at,
		        .for_ms = rule->for_ms,
		        .clear_for_ms = rule->clear_for_ms } };
}

static void add_all(struct alarms *as, const struct config *config)
{
	as->list = mem_array((size_t)config->alarms * CHANNEL_COUNT + 1, sizeof *as->list);
	for (int i = 0; i < config->alarms; i++) {
		const struct config_alarm *rule = &config->alarm[i];
		if (!rule->enabled)
			continue;
		if (!alarm_metric_info(rule->watches)->of_channel) {
			add(as, rule, -1);
			continue;
		}
		for (int id = 0; id < CHANNEL_COUNT; id++)
			if (config->channel[id].enabled && (rule->of_channel < 0 || rule->of_channel == id))
				add(as, rule, id);
	}
}

struct alarms *alarms_new(struct watch *w)
{
	struct alarms *as = mem_alloc(sizeof *as);

	as->watch = w;
	as->figures.watch = w;
	as->led = true;
	as->notices = notices_new(w);
	add_all(as, w->config);
	return as;
}

/* A rule of the same name on the same channel and metric goes on where it stood; how it is judged is new. */
static void carry_over(struct alarms *as, const struct alarm *was, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < as->n; k++) {
			struct alarm *a = &as->list[k];

			if (a->channel != was[i].channel || strcmp(a->rule->name, was[i].rule->name) != 0 ||
			        a->rule->watches != was[i].rule->watches)
				continue;
			a->state = was[i].state;
			if (a->rule->window_ms == was[i].rule->window_ms)
				a->ring = was[i].ring;
			a->row = was[i].row;
		}
}

void alarms_configure(struct alarms *as, const struct config *old)
{
	struct alarm *was = as->list;
	size_t n = as->n;

	notices_configure(as->notices, old);
	as->n = 0;
	add_all(as, as->watch->config);
	carry_over(as, was, n);
	free(was);
}

void alarms_free(struct alarms *as)
{
	if (!as)
		return;
	notices_free(as->notices);
	free(as->list);
	free(as);
}

bool alarms_busy(const struct alarms *as)
{
	return notices_busy(as->notices);
}

static const char *channel_of(const struct alarm *a)
{
	return a->channel < 0 ? "" : channel_name((enum channel_id)a->channel);
}

static bool is_raised(const struct alarm *a)
{
	return a->state.phase == ALARM_RAISED || a->state.phase == ALARM_CLEARING;
}

static bool is_held(const struct alarm *a)
{
	return is_raised(a) && a->row.id == 0;
}

/* -- What the database says ----------------------------------------------------------------------------- */

static void complain(struct alarms *as, const struct usher_error *err)
{
	as->stored = false;
	if (!watch_database_away(as->watch, err))
		complaint_say(&as->complaint, "alarms cannot be read or stored", err);
}

static const struct alarm_row *row_find(const struct alarms *as, const char *name, const char *channel)
{
	for (size_t i = 0; i < as->raised_n; i++)
		if (strcmp(as->raised[i].name, name) == 0 && strcmp(as->raised[i].channel, channel) == 0)
			return &as->raised[i];
	return NULL;
}

/* Another daemon, or this one before its restart, may have raised or cleared it. */
static void agree(const struct alarms *as, struct alarm *a)
{
	const struct alarm_row *row = row_find(as, a->rule->name, channel_of(a));

	if (row) {
		if (!is_raised(a))
			a->state.phase = ALARM_RAISED;
		a->row = *row;
	} else if (is_raised(a) && a->row.id) {
		a->state = (struct alarm_state){ 0 };
		a->row = (struct alarm_row){ 0 };
	}
}

static void store(struct alarms *as, struct alarm *a)
{
	struct usher_error err = { 0 };
	int rc = notices_store(as->notices, &a->row, &err);

	if (rc && rc != USHER_ECONFLICT) /* a conflict: it is read, with its id, at the next turn */
		complain(as, &err);
}

static void read_database(struct alarms *as)
{
	struct usher_error err = { 0 };

	as->stored = as->watch->database.up;
	for (size_t i = 0; i < as->n && as->stored; i++)
		if (is_held(&as->list[i]))
			store(as, &as->list[i]);
	if (!as->stored)
		return;
	if (alarm_raised(as->watch->db, as->raised, &as->raised_n, &err))
		complain(as, &err);
	else
		complaint_end(&as->complaint);
}

/* -- Raising and clearing -----------------------------------------------------------------------------------
 */

static void describe(const struct alarm *a, double value, char *out, size_t size)
{
	const struct config_alarm *rule = a->rule;
	struct buf text = BUF(ALARM_TEXT_SIZE);

	alarm_text_print(&text,
	        &(struct alarm_limit){ rule->watches, rule->is_below, rule->raise_at, rule->window_ms },
	        value);
	snprintf(out, size, "%s", buf_str(&text));
	buf_free(&text);
}

static void raise_alarm(struct alarms *as, struct alarm *a, double value)
{
	a->row = (struct alarm_row){ .severity = (enum alarm_severity)a->rule->severity,
		.raised = true,
		.raised_at = wall_now(),
		.value = value };
	snprintf(a->row.name, sizeof a->row.name, "%s", a->rule->name);
	snprintf(a->row.channel, sizeof a->row.channel, "%s", channel_of(a));
	describe(a, value, a->row.text, sizeof a->row.text);
	notices_hold(as->notices, &a->row, a->rule->notify_mask);
	if (as->stored)
		store(as, a);
	if (a->row.id && as->raised_n < ALARM_RAISED_MAX)
		as->raised[as->raised_n++] = a->row;
}

static void forget_row(struct alarms *as, int64_t id)
{
	for (size_t i = 0; i < as->raised_n; i++)
		if (as->raised[i].id == id) {
			memmove(as->raised + i, as->raised + i + 1,
			        (--as->raised_n - i) * sizeof *as->raised);
			return;
		}
}

/* Only where it is stored: what was told without a database is stored first. */
static void clear_alarm(struct alarms *as, struct alarm *a)
{
	struct usher_error err = { 0 };
	int rc = USHER_EUNAVAILABLE;

	if (as->stored && a->row.id) {
		rc = alarm_clear(as->watch->db, a->row.id, wall_now(), &err);
		if (rc && rc != USHER_ECONFLICT)
			complain(as, &err);
	}
	if (rc && rc != USHER_ECONFLICT) {
		alarm_undo_clear(&a->state);
		return;
	}
	forget_row(as, a->row.id);
	a->row = (struct alarm_row){ 0 };
}

/* What is shown is how it stands, and not how it once stood. */
static void renew(struct alarms *as, struct alarm *a, struct alarm_value value)
{
	struct usher_error err = { 0 };
	char text[ALARM_TEXT_SIZE];

	if (!as->stored || !is_raised(a) || a->row.id == 0 || !value.known ||
	        (a->renewed_at.ns && mono_since_ms(a->renewed_at, as->figures.now) < ALARM_RENEW_MS))
		return;
	describe(a, value.value, text, sizeof text);
	if (strcmp(text, a->row.text) == 0)
		return;
	a->renewed_at = as->figures.now;
	if (alarm_renew(as->watch->db, a->row.id, value.value, text, &err))
		complain(as, &err);
}

static void look(struct alarms *as, struct alarm *a)
{
	struct alarm_value value = alarm_figure(&as->figures, a);

	if (as->stored)
		agree(as, a);
	switch (alarm_turn(&a->state, &a->policy, value, as->figures.now)) {
	case ALARM_RAISE:
		raise_alarm(as, a, value.value);
		break;
	case ALARM_CLEAR:
		clear_alarm(as, a);
		break;
	case ALARM_SAME:
		renew(as, a, value);
		break;
	}
}

/* Of a rule that the configuration does not have any more. */
static void clear_orphans(struct alarms *as)
{
	for (size_t i = 0; i < as->raised_n && as->stored; i++) {
		const struct alarm_row *row = &as->raised[i];
		struct usher_error err = { 0 };
		bool known = false;
		for (size_t k = 0; k < as->n && !known; k++)
			known = strcmp(as->list[k].rule->name, row->name) == 0 &&
			        strcmp(channel_of(&as->list[k]), row->channel) == 0;
		if (!known && alarm_clear(as->watch->db, row->id, wall_now(), &err) &&
		        err.code != USHER_ECONFLICT)
			complain(as, &err);
	}
}

/* A follower keeps nothing but what it still has to store. */
static void follow(struct alarms *as)
{
	for (size_t i = 0; i < as->n; i++)
		if (!is_held(&as->list[i]))
			as->list[i].state = (struct alarm_state){ 0 };
}

void alarms_turn(struct alarms *as, const struct status *status)
{
	struct watch *w = as->watch;

	alarm_figures_take(&as->figures, status, mono_now());
	read_database(as);
	if (as->stored)
		as->led = fleet_leads(w->fleet);
	for (size_t i = 0; i < as->n; i++)
		alarm_figures_sample(&as->figures, &as->list[i]);
	if (as->led) {
		for (size_t i = 0; i < as->n; i++)
			look(as, &as->list[i]);
		clear_orphans(as);
	} else {
		follow(as);
	}
	notices_turn(as->notices, as->led);
}

/* -- What is shown
 * --------------------------------------------------------------------------------------------- */

static void show(struct alarm_board *board, const struct alarm_row *row)
{
	board->raised++;
	board->critical += row->severity == SEVERITY_CRITICAL;
	if (board->shown < ALARMS_SHOWN)
		board->list[board->shown++] = *row;
}

/* The worst first: critical ones before the others, the older before the newer. */
void alarms_board(const struct alarms *as, struct alarm_board *board)
{
	memset(board, 0, sizeof *board);
	for (int severity = SEVERITY_CRITICAL; severity >= SEVERITY_WARNING; severity--) {
		for (size_t i = 0; i < as->n; i++)
			if (is_held(&as->list[i]) && (int)as->list[i].row.severity == severity)
				show(board, &as->list[i].row);
		for (size_t i = 0; i < as->raised_n; i++)
			if ((int)as->raised[i].severity == severity)
				show(board, &as->raised[i]);
	}
	notices_board(as->notices, board);
}
