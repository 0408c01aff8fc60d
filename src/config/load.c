/* Makes a configuration: built-in values, usher.ini, usher-PROFILE.ini, the config server, the environment,
 * in this order; notes every error and goes on, so that an operator sees all of them at once. Reads files,
 * and has server.c ask; one thread a call, the result may be read by any. */
#include "config/load.h"

#include "base/error.h"
#include "base/language.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/value.h"

#include <errno.h>
#include <string.h>

/* -- Values ------------------------------------------------------------------------------------- */

/* `file`: where a secret's text was read, NULL for a value that stands in the source itself. */
static void refuse(struct load *load, const struct config_key *key, const char *where, const char *file,
        const struct usher_error *err)
{
	OWNED char *words = load_words(err);

	load->refused[key - load->config->keys] = true;
	if (file)
		load_error(load, where, "[%s] %s_file: %s: %s", key->section, key->name, file, words);
	else
		load_error(load, where, "[%s] %s: %s", key->section, key->name, words);
}

static void take(struct load *load, const struct config_key *key, const char *text, const char *where,
        const char *file)
{
	char **origin = &load->config->origins[key - load->config->keys];
	struct usher_error err;
	struct buf from = BUF(CONFIG_VALUE_MAX * 2);

	if (value_store(load->config, key, text, &err)) {
		refuse(load, key, where, file, &err);
		return;
	}
	buf_puts(&from, where);
	if (file)
		buf_printf(&from, _(", file %s"), file);
	free(*origin);
	*origin = buf_take(&from);
}

/* A key may come once from each source. */
static bool first_time(struct load *load, const struct config_key *key, const char *where)
{
	char **seen = &load->seen[key - load->config->keys];

	if (*seen) {
		load_error(load, where, "[%s] %s is given twice; it is at %s already", key->section,
		        key->name, *seen);
		return false;
	}
	*seen = mem_string(where);
	return true;
}

void load_value(struct load *load, const struct config_key *key, const char *text, const char *where)
{
	if (load->in_profile && key_is(key, "daemon", "profile"))
		load_error(load, where,
		        "a profile cannot choose a profile; set it in usher.ini or the environment");
	else if (first_time(load, key, where))
		take(load, key, text, where, NULL);
}

/* A whole file in one block, which the caller wipes and frees, so that no copy of a secret is left
 * behind by a growing buffer. */
static char *file_read(const char *path, size_t max, size_t *ret_len, struct usher_error *err)
{
	FILE *file = fopen(path, "re");

	if (!file) {
		error_set(err, USHER_EIO, "cannot be opened: %s", strerror(errno));
		return NULL;
	}
	char *text = mem_alloc(max + 2);
	setvbuf(file, NULL, _IONBF, 0);
	errno = 0;
	size_t len = fread(text, 1, max + 1, file);
	int reason = ferror(file) ? errno : 0;
	fclose(file);
	if (!reason && len <= max) {
		*ret_len = len;
		return text;
	}
	mem_wipe(text, len);
	free(text);
	if (reason)
		error_set(err, USHER_EIO, "cannot be read: %s", strerror(reason));
	else
		error_set(err, USHER_ETOOBIG, "has more than %zu bytes; is it the right file?", max);
	return NULL;
}

/* Its first line, without the end of the line. */
static int secret_read(const char *path, char **ret_text, size_t *ret_len, struct usher_error *err)
{
	size_t len;
	char *text = file_read(path, CONFIG_VALUE_MAX, &len, err);

	if (!text)
		return err->code;
	*ret_text = text;
	*ret_len = len;
	if (strlen(text) != len)
		return error_set(err, USHER_EINVAL, "holds a NUL byte; a secret is one line of text");
	text[strcspn(text, "\r\n")] = '\0';
	if (!*text)
		return error_set(err, USHER_EINVAL, "its first line is empty; the secret belongs there");
	return 0;
}

/* Where a secret's file is: a service manager puts those it hands over in a directory of their own. The
 * caller frees. */
static char *secret_path(const struct load *load, const char *name)
{
	const char *directory = environment_get(load->environment, "CREDENTIALS_DIRECTORY");
	char *path;

	if (*name == '/' || !directory || !*directory)
		return mem_string(name);
	if (asprintf(&path, "%s/%s", directory, name) < 0)
		abort();
	return path;
}

void load_value_file(struct load *load, const struct config_key *key, const char *name, const char *where)
{
	struct usher_error err;
	OWNED char *path = secret_path(load, name);
	char *text = NULL;
	size_t len = 0;

	if (!first_time(load, key, where))
		return;
	if (load->database_only && strcmp(key->section, "database") != 0 &&
	        strcmp(key->section, "config_server") != 0)
		return;
	files_add(load->files, path);
	if (secret_read(path, &text, &len, &err))
		refuse(load, key, where, path, &err);
	else
		take(load, key, text, where, path);
	if (text)
		mem_wipe(text, len);
	free(text);
}

/* -- Sources in their order ----------------------------------------------------------------------- */

static void set_built_in(struct load *load, const struct config_key *key)
{
	if (key->value)
		take(load, key, key->value, ORIGIN_BUILT_IN, NULL);
	else
		load->config->origins[key - load->config->keys] = mem_string(ORIGIN_BUILT_IN);
}

bool load_section(struct load *load, const char *section, const char *at)
{
	struct config_key *first;
	struct usher_error err;
	size_t n;

	if (section_add(load->config, section, at, &first, &n, &err)) {
		OWNED char *words = load_words(&err);
		load_error(load, at, "%s", words);
		return false;
	}
	for (size_t i = 0; i < n; i++)
		set_built_in(load, first + i);
	return true;
}

void load_begin(struct load *load, bool database_only, FILE *report)
{
	size_t most = config_key_capacity();

	*load = (struct load){ .database_only = database_only,
		.report = report,
		.summary = BUF(LOAD_SUMMARY_MAX),
		.config = mem_alloc(sizeof *load->config),
		.seen = mem_array(most, sizeof *load->seen),
		.refused = mem_array(most, sizeof *load->refused) };
	struct config *config = load->config;
	config->keys = mem_array(most, sizeof *config->keys);
	config->origins = mem_array(most, sizeof *config->origins);
	config->key_count = config_key_count;
	memcpy(config->keys, config_keys, config_key_count * sizeof *config_keys);
	for (size_t i = 0; i < config_key_count; i++)
		if (!key_is_pattern(&config->keys[i]))
			set_built_in(load, &config->keys[i]);
	alarms_begin(load);
}

void load_next_source(struct load *load)
{
	for (size_t i = 0; i < load->config->key_count; i++)
		mem_freep(&load->seen[i]);
}

static void load_file(struct load *load, const char *path)
{
	struct usher_error err;
	size_t len;

	files_add(load->files, path);
	char *text = file_read(path, CONFIG_FILE_MAX, &len, &err);

	if (!text) {
		OWNED char *words = load_words(&err);
		load_error(load, path, "%s", words);
		return;
	}
	load_ini(load, path, text, len);
	mem_wipe(text, len);
	free(text);
}

/* The environment's word on the profile counts before the rest of the environment is read. The
 * caller frees; NULL: none, or not a possible name, which load_environment will say. */
static char *profile_choose(const struct load *load, const char *const *environment)
{
	const struct config_key *key = key_find("daemon", "profile");
	char env_name[CONFIG_ENV_NAME_MAX];
	const char *text = environment_get(environment, key_env_name(key, env_name));
	struct config scratch = { 0 };

	if (!text)
		return mem_string(load->config->daemon.profile);
	return value_store(&scratch, key, text, NULL) ? NULL : scratch.daemon.profile;
}

/* Beside usher.ini: /etc/usher/usher.ini -> /etc/usher/usher-PROFILE.ini. */
static void load_profile(struct load *load, const char *path, const char *profile)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	const char *dot = path ? strrchr(slash ? slash : path, '.') : NULL;
	char *file;

	if (!path) {
		load_error(load, _("profile"),
		        "\"%s\" cannot be read: there is no configuration file to look beside", profile);
		return;
	}
	if (asprintf(&file, "%.*s-%s.ini", (int)(dot ? (size_t)(dot - path) : strlen(path)), path, profile) <
	        0)
		abort();
	load->in_profile = true;
	load_file(load, file);
	load->in_profile = false;
	free(file);
}

/* What a load has beside its configuration, which must still be there. */
static void load_end(struct load *load)
{
	load_next_source(load);
	free(load->seen);
	free(load->refused);
	buf_free(&load->summary);
}

int load_finish(struct load *load, struct config **ret_config, struct usher_error *err)
{
	int code = 0;

	load_check(load);
	if (load->errors)
		code = load_tell(load, err);
	load_end(load);
	if (code)
		config_free(load->config);
	else
		*ret_config = load->config;
	return code;
}

static void load_files(struct load *load, const struct config_request *request)
{
	char *profile;

	load->path = request->path;
	load->environment = request->environment;
	if (request->path)
		load_file(load, request->path);
	profile = profile_choose(load, request->environment);
	if (profile)
		load_profile(load, request->path, profile);
	free(profile);
}

static bool section_refused(const struct load *load, const char *section)
{
	for (size_t i = 0; i < config_key_count; i++)
		if (load->refused[i] && strcmp(config_keys[i].section, section) == 0)
			return true;
	return false;
}

/* What the files and the environment say of the config server, as if there were none: what is wrong there is
 * told when it is read in its place, and a server is then not asked. */
static void load_from_server(struct load *load, const struct config_request *request)
{
	struct load local;

	load_begin(&local, request->database_only, NULL);
	load_files(&local, request);
	load_environment(&local, request->environment);
	if (!section_refused(&local, "config_server") && !section_refused(&local, "daemon") &&
	        server_settings_fit(local.config))
		load_server(load, local.config, request->offline);
	load_end(&local);
	config_free(local.config);
}

static void load_templates(struct load *load)
{
	struct config *config = load->config;

	if (load->database_only || !config->email.template_dir)
		return;
	files_add(load->files, config->email.template_dir);
	files_templates(config->email.template_dir, config->templates);
}

int config_load_as(const struct config_request *request, struct config **ret_config, struct usher_error *err)
{
	struct load load;

	load_begin(&load, request->database_only, request->report);
	load.told = request->errors;
	load.files = request->files;
	load_files(&load, request);
	load_from_server(&load, request);
	load_environment(&load, request->environment);
	load_server_end(&load);
	load_templates(&load);
	return load_finish(&load, ret_config, err);
}

int config_load(const char *path, const char *const *environment, FILE *report, struct config **ret_config,
        struct usher_error *err)
{
	struct config_request request = { .path = path, .environment = environment, .report = report };

	return config_load_as(&request, ret_config, err);
}

int config_load_database(const char *path, const char *const *environment, FILE *report,
        struct config **ret_config, struct usher_error *err)
{
	struct config_request request = {
		.path = path, .environment = environment, .report = report, .database_only = true
	};

	return config_load_as(&request, ret_config, err);
}

const struct config *config_hold(const struct config *config)
{
	atomic_fetch_add(&((struct config *)(uintptr_t)config)->more_holders, 1);
	return config;
}

void config_free(const struct config *held)
{
	struct config *config = (struct config *)(uintptr_t)held;

	if (!config || atomic_fetch_sub(&config->more_holders, 1) > 0)
		return;
	for (size_t i = 0; i < config->key_count; i++) {
		if (key_is_text(&config->keys[i]) && !key_is_pattern(&config->keys[i]))
			value_free(config, &config->keys[i]);
		free(config->origins[i]);
	}
	config_notes_free(config->notes, config->note_count);
	config_answer_free(config->answer);
	sections_free(config);
	free(config->keys);
	free(config->origins);
	free(config);
}
