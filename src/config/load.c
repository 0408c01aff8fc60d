/* Makes a configuration: built-in values, usher.ini, usher-PROFILE.ini, the environment, in this
 * order; notes every error and goes on, so that an operator sees all of them at once. Reads files,
 * calls base only; one thread a call, the result may be read by any. */
#include "config/load.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/value.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#define SUMMARY_MAX (USHER_ERROR_MESSAGE_MAX - 128) /* leaves room for the words around it */

/* -- Errors ------------------------------------------------------------------------------------- */

void load_error(struct load *load, const char *where, const char *fmt, ...)
{
	struct buf line = BUF(CONFIG_VALUE_MAX * 2);
	va_list ap;

	if (++load->errors > CONFIG_ERRORS_MAX)
		return;
	buf_printf(&line, "%s: ", where);
	va_start(ap, fmt);
	buf_vprintf(&line, fmt, ap);
	va_end(ap);
	if (load->report)
		fprintf(load->report, "%s\n", buf_str(&line));
	if (load->errors == 1) { /* the first is always told, cut if it must be */
		char first[SUMMARY_MAX];
		utf8_copy(first, sizeof first, buf_str(&line), line.len);
		buf_puts(&load->summary, first);
	} else {
		buf_printf(&load->summary, "; %s", buf_str(&line));
	}
	buf_free(&line);
}

static int tell(struct load *load, struct usher_error *err)
{
	if (load->errors > CONFIG_ERRORS_MAX && load->report)
		fprintf(load->report, "%d more errors\n", load->errors - CONFIG_ERRORS_MAX);
	return error_set(err, USHER_ECONFIG, "%d error%s in the configuration: %s%s", load->errors,
	        load->errors == 1 ? "" : "s", buf_str(&load->summary),
	        load->summary.failed ? " ... (usherd check-config lists all)" : "");
}

/* -- Values ------------------------------------------------------------------------------------- */

/* `file`: where a secret's text was read, NULL for a value that stands in the source itself. */
static void refuse(struct load *load, const struct config_key *key, const char *where, const char *file,
        const struct usher_error *err)
{
	load->refused[key - load->config->keys] = true;
	if (file)
		load_error(load, where, "[%s] %s_file: %s: %s", key->section, key->name, file, err->message);
	else
		load_error(load, where, "[%s] %s: %s", key->section, key->name, err->message);
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
	buf_printf(&from, "%s%s%s", where, file ? ", file " : "", file ? file : "");
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

void load_value_file(struct load *load, const struct config_key *key, const char *path, const char *where)
{
	struct usher_error err;
	char *text = NULL;
	size_t len = 0;

	if (!first_time(load, key, where))
		return;
	if (load->database_only && strcmp(key->section, "database") != 0)
		return;
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
		load_error(load, at, "%s", err.message);
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
		.summary = BUF(SUMMARY_MAX),
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
	char *text = file_read(path, CONFIG_FILE_MAX, &len, &err);

	if (!text) {
		load_error(load, path, "%s", err.message);
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
		load_error(load, "profile",
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

int load_finish(struct load *load, struct config **ret_config, struct usher_error *err)
{
	int code = 0;

	load_check(load);
	load_next_source(load);
	if (load->errors) {
		code = tell(load, err);
		config_free(load->config);
	} else {
		*ret_config = load->config;
	}
	free(load->seen);
	free(load->refused);
	buf_free(&load->summary);
	return code;
}

static int load_all(const char *path, const char *const *environment, bool database_only, FILE *report,
        struct config **ret_config, struct usher_error *err)
{
	struct load load;
	char *profile;

	load_begin(&load, database_only, report);
	load.path = path;
	load.environment = environment;
	if (path)
		load_file(&load, path);
	profile = profile_choose(&load, environment);
	if (profile)
		load_profile(&load, path, profile);
	load_environment(&load, environment);
	free(profile);
	return load_finish(&load, ret_config, err);
}

int config_load(const char *path, const char *const *environment, FILE *report, struct config **ret_config,
        struct usher_error *err)
{
	return load_all(path, environment, false, report, ret_config, err);
}

int config_load_database(const char *path, const char *const *environment, FILE *report,
        struct config **ret_config, struct usher_error *err)
{
	return load_all(path, environment, true, report, ret_config, err);
}

void config_free(struct config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->key_count; i++) {
		if (key_is_text(&config->keys[i]) && !key_is_pattern(&config->keys[i]))
			value_free(config, &config->keys[i]);
		free(config->origins[i]);
	}
	sections_free(config);
	free(config->keys);
	free(config->origins);
	free(config);
}
