/* Reads the configuration again while usherd runs: when somebody asks, when one of its files has changed,
 * when the config server says something else. It is read and checked as a whole, channels and templates too;
 * what is wrong changes nothing. What is right is handed to all threads as one snapshot, and each goes over
 * to it at its next turn. A thread of its own, because files and a server may keep it waiting. */
#include "engine/reload.h"

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/settings.h"
#include "net/http.h"
#include "net/loop.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define SOURCE_SERVER "config server"
#define LOOK_EVERY_MS 1000 /* at the files; one that has changed is taken at the look after */

/* Who wants it. Owned by the mailbox, then by the thread. */
struct ask {
	uint64_t ticket; /* 0: nobody waits for the answer */
	char who[RELOAD_WHO_SIZE], source[RELOAD_SOURCE_SIZE];
};

struct reload {
	struct engine *engine;
	pthread_t thread;
	struct loop *loop;
	struct loop_timer *timer;
	struct curl_loop *curl; /* for channels that are tried */
	struct db *db;
	struct records *records;
	struct config_files files;
	const struct config *in_force;
	char *values; /* of in_force */
	wall_time since;
	struct setting_changes pending;
	struct reload_outcome *latest, *asked;
	mono_time server_due;
	bool server_silent; /* said in the log */
	bool queues_due;    /* the embedded broker's do not follow yet */
	_Atomic(struct ask *) mail;
	atomic_uint_least64_t tickets;
};

/* -- What everybody sees ------------------------------------------------------------------------------------
 */

static struct reload_outcome *outcome_hold(struct reload_outcome *outcome)
{
	if (outcome)
		atomic_fetch_add(&outcome->holders, 1);
	return outcome;
}

static void changes_copy(struct setting_changes *to, const struct setting_changes *from)
{
	for (size_t i = 0; i < from->count; i++)
		setting_changes_add(to, &from->items[i]);
}

static void publish(struct reload *r)
{
	struct settings *s = mem_alloc(sizeof *s);

	s->config = config_hold(r->in_force);
	s->since = r->since;
	s->version = records_version(r->records);
	changes_copy(&s->pending, &r->pending);
	s->latest = outcome_hold(r->latest);
	s->asked = outcome_hold(r->asked);
	settings_board_put(r->engine->settings, s);
}

/* -- Reading and checking -----------------------------------------------------------------------------------
 */

static void add_error(struct reload_outcome *o, const char *where, const char *message)
{
	char *line;

	if (asprintf(&line, "%s%s%s", where, *where ? ": " : "", message) < 0)
		abort();
	o->errors = mem_resize(o->errors, o->error_count + 1, sizeof *o->errors);
	o->errors[o->error_count++] = line;
}

static void add_errors(struct reload_outcome *o, const struct config_errors *errors)
{
	char more[40];

	for (size_t i = 0; i < errors->count; i++)
		add_error(o, errors->items[i].where, errors->items[i].message);
	snprintf(more, sizeof more, "%d more errors", errors->more);
	if (errors->more)
		add_error(o, "", more);
	for (size_t i = 0; i < errors->note_count; i++)
		add_error(o, "note", errors->notes[i]);
}

/* A channel is opened as its pipeline will open it, and closed: its templates and addresses are right. */
static int try_channels(struct reload *r, const struct config *fresh, struct usher_error *err)
{
	for (enum channel_id id = 0; id < CHANNEL_COUNT; id++) {
		struct channel *channel = NULL;

		if (!fresh->channel[id].enabled)
			continue;
		int rc = settings_open_channel(fresh, id, r->loop, r->curl, &channel, err);
		if (rc)
			return rc;
		channel->ops->close(channel);
	}
	return 0;
}

/* NULL: refused, and the reasons are in the outcome. */
static struct config *read_and_check(
        struct reload *r, struct reload_outcome *o, struct setting_changes *ret_pending)
{
	struct config_errors errors = { 0 };
	struct config_files files = { 0 };
	struct config_request request = *r->engine->source;
	struct config *fresh = NULL;
	struct usher_error err = { 0 };

	request.errors = &errors;
	request.files = &files;
	int rc = config_load_as(&request, &fresh, NULL);
	config_files_free(&r->files);
	r->files = files;
	if (rc)
		add_errors(o, &errors);
	else if (fresh->unanswered && r->in_force->answer)
		rc = error_set(&err, USHER_EUNAVAILABLE, "%s: what it gave would be gone", fresh->notes[0]);
	else
		rc = config_settle(fresh, r->in_force, ret_pending, &err);
	if (!rc)
		rc = try_channels(r, fresh, &err);
	config_errors_free(&errors);
	if (!rc)
		return fresh;
	if (o->error_count == 0)
		add_error(o, "", err.message);
	setting_changes_free(ret_pending);
	config_free(fresh);
	return NULL;
}

/* -- Applying
 * ------------------------------------------------------------------------------------------------ */

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* What waits for a restart now and did not, and the other way round. */
static void compare_pending(
        const struct reload *r, const struct setting_changes *pending, struct setting_changes *changes)
{
	for (size_t i = 0; i < pending->count; i++) {
		const struct setting_change *is = &pending->items[i],
		                            *was = setting_changes_find(&r->pending, is->key);
		if (!was || !same(was->new_value, is->new_value))
			setting_changes_add(changes, is);
	}
	for (size_t i = 0; i < r->pending.count; i++) {
		struct setting_change was = r->pending.items[i];
		if (setting_changes_find(pending, was.key))
			continue;
		was.effect = SETTING_WITHDRAWN;
		was.new_value = r->pending.items[i].old_value;
		was.old_value = r->pending.items[i].new_value;
		setting_changes_add(changes, &was);
	}
}

static void log_changes(const struct reload_outcome *o)
{
	for (size_t i = 0; i < o->changes.count; i++) {
		const struct setting_change *c = &o->changes.items[i];
		log_info("config", "%s: %s -> %s (%s%s)", c->key, c->old_value ? c->old_value : "(not set)",
		        c->new_value ? c->new_value : "(not set)", c->origin ? c->origin : "no more",
		        c->effect == SETTING_PENDING     ? "; takes effect at a restart"
		        : c->effect == SETTING_WITHDRAWN ? "; no change at a restart any more"
		                                         : "");
	}
}

static void adapt_queues(struct reload *r)
{
	struct usher_error err = { 0 };

	if (r->queues_due && engine_adapt_queues(r->db, r->in_force, &err) == 0)
		r->queues_due = false;
}

static void apply(
        struct reload *r, struct reload_outcome *o, struct config *fresh, struct setting_changes *pending)
{
	char *values = config_values(fresh, r->values);
	struct usher_error err = { 0 };

	config_values_diff(r->values, values, &o->changes, &err);
	compare_pending(r, pending, &o->changes);
	if (fresh->answer && fresh->answer->version && strcmp(o->source, SOURCE_SERVER) == 0)
		snprintf(o->source, sizeof o->source, SOURCE_SERVER ", version %s", fresh->answer->version);
	o->result = o->changes.count ? RELOAD_APPLIED : RELOAD_UNCHANGED;
	setting_changes_free(&r->pending);
	r->pending = *pending;
	free(r->values);
	r->values = values;
	r->queues_due = r->queues_due || config_differs(r->in_force, fresh, "channel.");
	config_free(r->in_force);
	r->in_force = fresh;
	r->since = o->at;
	settings_speak(fresh);
	config_keep(fresh);
	engine_configure(r->engine, fresh);
	adapt_queues(r);
}

/* -- Attempts
 * ------------------------------------------------------------------------------------------------ */

/* Nobody waits for it, and it was said before: the same file, the same server, as wrong as it was. */
static bool is_repeated(const struct reload *r, const struct reload_outcome *o)
{
	const struct reload_outcome *last = r->latest;

	if (o->ticket || o->result != RELOAD_REFUSED || !last || last->result != RELOAD_REFUSED ||
	        last->error_count != o->error_count)
		return false;
	for (size_t i = 0; i < o->error_count; i++)
		if (strcmp(o->errors[i], last->errors[i]) != 0)
			return false;
	return true;
}

static void summarize(const struct reload_outcome *o, char *text, size_t size)
{
	if (o->result == RELOAD_REFUSED)
		snprintf(text, size, "%s%s", o->errors[0], o->error_count > 1 ? ", and more" : "");
	else
		snprintf(text, size, "configuration read at %s: %zu changes", o->source, o->changes.count);
}

static void say(const struct reload *r, const struct reload_outcome *o)
{
	const char *by = *o->who ? ", asked by " : "";

	if (o->result == RELOAD_UNCHANGED)
		log_info("config", "read again (%s%s%s): nothing has changed", o->source, by, o->who);
	else if (o->result == RELOAD_APPLIED)
		log_info("config", "read again (%s%s%s): in force from now on", o->source, by, o->who);
	else
		log_error("config", "refused (%s%s%s): nothing has changed", o->source, by, o->who);
	log_changes(o);
	for (size_t i = 0; i < o->error_count; i++)
		log_error("config", "%s", o->errors[i]);
	for (size_t i = 0; o->result != RELOAD_REFUSED && i < r->in_force->note_count; i++)
		log_warn("config", "%s", r->in_force->notes[i]);
}

static void tell(const struct reload *r, const struct reload_outcome *o)
{
	char text[USHER_ERROR_MESSAGE_MAX];

	summarize(o, text, sizeof text);
	if (r->engine->on_reload)
		r->engine->on_reload(r->engine->on_reload_arg, text, o->result == RELOAD_REFUSED);
}

/* The outcome is on the board, whoever asked for it, and in the history where it says something. */
static void conclude(struct reload *r, struct reload_outcome *o)
{
	reload_outcome_release(r->latest);
	r->latest = o;
	if (o->ticket) {
		reload_outcome_release(r->asked);
		r->asked = outcome_hold(o);
	}
	say(r, o);
	if (o->result != RELOAD_UNCHANGED)
		records_add(r->records, o, o->result == RELOAD_APPLIED ? r->in_force : NULL);
	records_write(r->records);
	publish(r);
}

static void attempt(struct reload *r, const struct ask *ask)
{
	struct reload_outcome *o = mem_alloc(sizeof *o);
	struct setting_changes pending = { 0 };
	struct config *fresh;

	atomic_store(&o->holders, 1);
	o->at = wall_now();
	o->ticket = ask->ticket;
	memcpy(o->who, ask->who, sizeof o->who);
	memcpy(o->source, ask->source, sizeof o->source);
	fresh = read_and_check(r, o, &pending);
	o->result = RELOAD_REFUSED;
	if (fresh)
		apply(r, o, fresh, &pending);
	if (is_repeated(r, o)) {
		reload_outcome_release(o);
		return;
	}
	conclude(r, o);
	tell(r, o);
}

/* -- When
 * ---------------------------------------------------------------------------------------------------- */

static void on_mail(void *arg)
{
	struct reload *r = arg;
	struct ask *ask = atomic_exchange(&r->mail, NULL);

	if (ask)
		attempt(r, ask);
	free(ask);
}

uint64_t reload_ask(struct reload *r, const char *who, const char *source)
{
	struct ask *ask = mem_alloc(sizeof *ask);
	uint64_t ticket = atomic_fetch_add(&r->tickets, 1) + 1;

	ask->ticket = ticket;
	snprintf(ask->who, sizeof ask->who, "%s", who);
	snprintf(ask->source, sizeof ask->source, "%s", source);
	free(atomic_exchange(&r->mail, ask)); /* one attempt answers both */
	loop_post(r->loop, on_mail, r);
	return ticket;
}

static void look_at_files(struct reload *r)
{
	const char *path = config_files_changed(&r->files);
	struct ask ask = { 0 };

	if (!path)
		return;
	snprintf(ask.source, sizeof ask.source, "file %s", path);
	attempt(r, &ask);
}

static void look_at_server(struct reload *r)
{
	struct ask ask = { .source = SOURCE_SERVER };
	struct usher_error err = { 0 };
	bool changed = false;
	int rc;

	if (!r->in_force->config_server.url || mono_now().ns < r->server_due.ns)
		return;
	rc = config_server_changed(r->in_force, &changed, &err);
	if (rc && !r->server_silent)
		log_warn("config", "whether the config server has something new is not known: %s",
		        err.message);
	if (!rc && r->server_silent)
		log_info("config", "the config server answers again");
	r->server_silent = rc != 0;
	if (changed)
		attempt(r, &ask);
	r->server_due = mono_add_ms(mono_now(), r->in_force->config_server.interval_ms);
}

static void look(void *arg)
{
	struct reload *r = arg;

	look_at_files(r);
	look_at_server(r);
	adapt_queues(r);
	if (records_write(r->records))
		publish(r);
	loop_timer_start(r->timer, LOOK_EVERY_MS);
}

/* -- The thread
 * ------------------------------------------------------------------------------------------------ */

static void *reload_main(void *arg)
{
	struct reload *r = arg;

	r->db = engine_db(r->engine);
	r->records = records_new(r->db, r->in_force);
	r->values = config_values(r->in_force, NULL);
	loop_timer_start(r->timer, 0);
	loop_run(r->loop);
	records_write(r->records);
	records_free(r->records);
	db_free(r->db);
	return NULL;
}

void reload_free(struct reload *r)
{
	if (!r)
		return;
	loop_timer_free(r->timer);
	curl_loop_free(r->curl);
	loop_free(r->loop);
	config_free(r->in_force);
	config_files_free(&r->files);
	setting_changes_free(&r->pending);
	reload_outcome_release(r->latest);
	reload_outcome_release(r->asked);
	free(atomic_exchange(&r->mail, NULL));
	free(r->values);
	free(r);
}

/* The files that were read at the start become its own. */
struct reload *reload_new(struct engine *engine)
{
	struct reload *r = mem_alloc(sizeof *r);

	r->engine = engine;
	r->in_force = config_hold(engine->started_with);
	r->since = wall_now();
	r->loop = loop_new();
	r->timer = loop_timer_new(r->loop, look, r);
	r->curl = curl_loop_new(r->loop, 1);
	r->server_due = mono_add_ms(mono_now(), r->in_force->config_server.interval_ms);
	if (engine->source->files) {
		r->files = *engine->source->files;
		*engine->source->files = (struct config_files){ 0 };
	}
	return r;
}

int reload_start(struct reload *r, struct usher_error *err)
{
	if (pthread_create(&r->thread, NULL, reload_main, r) == 0) {
		pthread_setname_np(r->thread, "settings");
		return 0;
	}
	return error_set(err, USHER_EIO,
	        "cannot start the thread that reads the configuration again: the limit on processes is "
	        "reached");
}

static void stop_here(void *arg)
{
	loop_stop(((struct reload *)arg)->loop);
}

void reload_stop(struct reload *r)
{
	loop_post(r->loop, stop_here, r);
}

void reload_join(struct reload *r)
{
	pthread_join(r->thread, NULL);
	reload_free(r);
}
