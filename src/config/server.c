/* Gives a configuration in the making what the config server says, or what it last said while it is away, and
 * tells later whether it says something else. Which server to ask stands in the files and the environment.
 * Calls net and base; the calling thread waits for the server. */
#include "config/server.h"

#include "base/error.h"
#include "base/language.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/load.h"
#include "config/value.h"

#include <stdio.h>
#include <string.h>

#define REASONS_MAX 4096

/* -- Properties ----------------------------------------------------------------------------------- */

/* What decides which server is asked for what cannot come from the server: a sentence about the property. */
static const char *property_misplaced(const struct config_key *key, bool file)
{
	if (strcmp(key->section, "config_server") == 0)
		return N_("%s stands in usher.ini or the environment only: it says how the server is asked");
	if (key_is(key, "daemon", "profile"))
		return N_("%s stands in usher.ini or the environment only: it says what the server is asked "
		          "for");
	if (key_is(key, "daemon", "run_dir") || key_is(key, "daemon", "state_dir"))
		return N_("%s stands in usher.ini or the environment only: it says where the answer is kept");
	if (file)
		return N_("%s is not taken from a server, which would then read files of this machine: give "
		          "the "
		          "value itself, or name the file here");
	return NULL;
}

static void property_unknown(struct load *load, const struct server_property *p, const char *where)
{
	struct buf hint = BUF(256);

	property_suggest(&hint, load->config, p->name);
	load_error(load, where, "there is no key %s%s", p->name, buf_str(&hint));
	buf_free(&hint);
}

/* "usher.alarm.backlog.above" makes [alarm.backlog], if it is not there. NULL: no such key. */
static const struct config_key *property_key(
        struct load *load, const struct server_property *p, const char *where, bool *ret_file)
{
	char section[CONFIG_ENV_NAME_MAX];
	const struct config_key *key = key_find_property(load->config, p->name, ret_file);

	if (key || !property_section(p->name, section) || !load_section(load, section, where))
		return key;
	return key_find_property(load->config, p->name, ret_file);
}

static void property_take(struct load *load, const struct server_property *p, const char *where)
{
	bool file = false;
	const struct config_key *key = p->fault ? key_find_property(load->config, p->name, &file)
	                                        : property_key(load, p, where, &file);
	const char *misplaced = key ? property_misplaced(key, file) : NULL;

	if (p->fault) {
		load_error(load, where, "%s: %s", p->name, _(p->fault));
		if (key)
			load->refused[key - load->config->keys] = true;
	} else if (!key)
		property_unknown(load, p, where);
	else if (misplaced)
		load_error(load, where, misplaced, p->name);
	else if (p->list && !key_is_list(key))
		load_error(load, where, "[%s] %s: it takes one value, not a list", key->section, key->name);
	else
		load_value(load, key, p->text, where);
}

/* The first source wins: the last one is read first, and each may give a key once. */
static void properties_take(struct load *load, const struct server_environment *environment)
{
	for (size_t end = environment->count; end > 0;) {
		size_t begin = end;
		while (begin > 0 &&
		        environment->properties[begin - 1].rank == environment->properties[end - 1].rank)
			begin--;
		load_next_source(load);
		for (size_t i = begin; i < end; i++) {
			OWNED char *where = server_where(environment, &environment->properties[i]);
			property_take(load, &environment->properties[i], where);
		}
		end = begin;
	}
}

static bool property_secret(const void *config, const char *name)
{
	bool file;
	const struct config_key *key = key_find_property(config, name, &file);

	return !key || (key->flags & SECRET);
}

static void fingerprint(const struct server_environment *environment, char text[65])
{
	struct buf all = BUF(SERVER_ANSWER_MAX * 4);

	for (size_t i = 0; i < environment->count; i++) {
		const struct server_property *p = &environment->properties[i];
		buf_printf(&all, "%zu\t%s\t%s\n", p->rank, p->name, p->text ? p->text : "");
	}
	sha256_hex(buf_str(&all), all.len, text);
	mem_wipe(all.data, all.cap);
	buf_free(&all);
}

/* -- The answer ------------------------------------------------------------------------------------ */

static struct config_answer *answer_new(const struct config *config, const struct config *settings,
        const struct server_environment *environment, const char *url)
{
	struct config_answer *answer = mem_alloc(sizeof *answer);
	OWNED char *asked = server_asked(settings);

	answer->url = mem_string(url);
	answer->label = mem_string(environment->label);
	answer->version = mem_string(environment->version);
	answer->state = mem_string(environment->state);
	answer->kept_at = environment->kept_at;
	fingerprint(environment, answer->fingerprint);
	if (!environment->kept_at.ms)
		answer->kept = server_kept_text(environment, asked, wall_now(), property_secret, config);
	return answer;
}

void config_answer_free(struct config_answer *answer)
{
	if (!answer)
		return;
	free(answer->url);
	free(answer->label);
	free(answer->version);
	free(answer->state);
	free(answer->kept);
	free(answer);
}

static void environment_take(struct load *load, const struct config *settings,
        struct server_environment *environment, const char *url)
{
	properties_take(load, environment); /* first: what is a secret shows once its section is there */
	load->config->answer = answer_new(load->config, settings, environment, url);
}

/* -- While no server answers ----------------------------------------------------------------------- */

/* "5m", "3h", "2d": as exact as matters. */
static const char *age_format(wall_time then, char text[DURATION_TEXT_SIZE])
{
	int64_t minutes = (wall_now().ms - then.ms) / 60000;

	if (minutes < 2 * 60)
		snprintf(text, DURATION_TEXT_SIZE, "%lldm", (long long)(minutes > 0 ? minutes : 0));
	else if (minutes < 2 * 24 * 60)
		snprintf(text, DURATION_TEXT_SIZE, "%lldh", (long long)(minutes / 60));
	else
		snprintf(text, DURATION_TEXT_SIZE, "%lldd", (long long)(minutes / (24 * 60)));
	return text;
}

/* A secret is not kept. One that no other source gives would be missing without a word. */
static void withheld_check(struct load *load, const struct server_environment *environment)
{
	char env_name[CONFIG_ENV_NAME_MAX];
	bool file;

	for (size_t i = 0; i < environment->withheld_count; i++) {
		const struct config_key *key =
		        key_find_property(load->config, environment->withheld[i], &file);
		if (!key || (load->database_only && strcmp(key->section, "database") != 0) ||
		        strcmp(load->config->origins[key - load->config->keys], ORIGIN_BUILT_IN) != 0)
			continue;
		load->refused[key - load->config->keys] = true;
		load_error(load, _("config server"),
		        "[%s] %s comes from the config server, which is away, and is not kept on disk; set "
		        "%s_file "
		        "or %s to start without the server",
		        key->section, key->name, key->name, key_env_name(key, env_name));
	}
}

/* `why`: what became of asking. */
static void kept_take(struct load *load, const struct config *settings, const char *why)
{
	struct server_environment *environment = NULL;
	struct usher_error err;
	char age[DURATION_TEXT_SIZE], at[WALL_TEXT_SIZE];

	if (server_kept_read(settings, &environment, &err) < 0) {
		OWNED char *words = load_words(&err);
		load->config->unanswered = true;
		load_note(load,
		        "%s; nothing of it is kept (%s): usher.ini and the environment are all there is", why,
		        words);
		return;
	}
	environment_take(load, settings, environment, NULL);
	load_note(load, "%s; what it answered %s ago is used, as kept at %s", why,
	        age_format(environment->kept_at, age), wall_format(environment->kept_at, at));
	load->kept = environment;
}

/* -- The source ------------------------------------------------------------------------------------ */

static void ask(struct load *load, const struct config *settings)
{
	struct server_environment *environment = NULL;
	OWNED char *url = NULL, *asked = server_asked(settings);
	struct buf reasons = BUF(REASONS_MAX), why = BUF(REASONS_MAX);
	enum server_verdict verdict = server_ask(settings, NULL, &environment, &url, &reasons);
	bool required = settings->config_server.required;

	if (verdict == SERVER_ANSWERED) {
		environment_take(load, settings, environment, url);
		server_environment_free(environment);
	} else if (verdict == SERVER_REFUSED) {
		load_error(load, _("config server"), "%s", buf_str(&reasons));
	} else if (verdict == SERVER_NOTHING && required) {
		load_error(load, _("config server"),
		        "it knows nothing of %s, and [config_server] required = yes", asked);
	} else if (verdict == SERVER_NOTHING) {
		load_note(load, "the config server knows nothing of %s", asked);
	} else if (required) {
		load_error(load, _("config server"), "none answers, and [config_server] required = yes: %s",
		        buf_str(&reasons));
	} else {
		buf_printf(&why, _("no config server answers (%s)"), buf_str(&reasons));
		kept_take(load, settings, buf_str(&why));
	}
	buf_free(&reasons);
	buf_free(&why);
}

void load_server(struct load *load, const struct config *settings, bool offline)
{
	if (!settings->config_server.url)
		return;
	if (offline)
		kept_take(load, settings, _("the config server was not asked"));
	else
		ask(load, settings);
}

void load_server_end(struct load *load)
{
	if (load->kept)
		withheld_check(load, load->kept);
	server_environment_free(load->kept);
	load->kept = NULL;
}

/* -- Afterwards ------------------------------------------------------------------------------------ */

const char *config_state_dir(const struct config *config)
{
	return config->daemon.state_dir ? config->daemon.state_dir : config->daemon.run_dir;
}

void config_keep(const struct config *config)
{
	struct usher_error err;

	if (config->answer && config->answer->kept &&
	        server_kept_write(config_state_dir(config), config->answer->kept, &err) < 0)
		log_warn("config", "what the config server answers cannot be kept: %s", err.message);
}

void config_log(const struct config *config)
{
	const struct config_answer *a = config->answer;

	if (a && !a->kept_at.ms)
		log_info("config", "config server %s: label %s, version %s", a->url,
		        a->label ? a->label : "-", a->version ? a->version : "-");
	for (size_t i = 0; i < config->note_count; i++)
		log_warn("config", "%s", config->notes[i]);
}

int config_server_changed(const struct config *config, bool *ret_changed, struct usher_error *err)
{
	const struct config_answer *a = config->answer;
	struct server_environment *environment = NULL;
	OWNED char *url = NULL;
	struct buf reasons = BUF(REASONS_MAX);
	char now[65];
	int rc = 0;

	if (!config->config_server.url) {
		*ret_changed = false;
		return 0;
	}
	switch (server_ask(config, a ? a->state : NULL, &environment, &url, &reasons)) {
	case SERVER_ANSWERED:
		fingerprint(environment, now);
		*ret_changed = !a || a->kept_at.ms || strcmp(a->fingerprint, now) != 0;
		break;
	case SERVER_NOTHING:
		*ret_changed = a != NULL;
		break;
	case SERVER_AWAY:
		rc = error_set(err, USHER_EUNAVAILABLE, "no config server answers: %s", buf_str(&reasons));
		break;
	case SERVER_REFUSED:
		rc = error_set(err, USHER_EFORBIDDEN, "config server %s", buf_str(&reasons));
		break;
	}
	server_environment_free(environment);
	buf_free(&reasons);
	return rc;
}
