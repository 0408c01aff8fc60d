/* The environment as a source of values: USHER_SECTION_KEY, USHER_SECTION_KEY_FILE. Reads the array
 * it is given, never the process's own; any thread. */
#include "config/load.h"

#include "base/language.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define FILE_SUFFIX "_FILE"

const char *environment_get(const char *const *environment, const char *name)
{
	size_t len = strlen(name);

	for (; environment && *environment; environment++)
		if (strncmp(*environment, name, len) == 0 && (*environment)[len] == '=')
			return *environment + len + 1;
	return NULL;
}

/* Variables that begin like ours by chance (USHER_PORT, as Kubernetes sets it for a service named
 * usher) are left alone; one that begins with the name of a section was meant for us. */
static bool meant_for_us(const char *name)
{
	for (size_t i = 0; i < config_key_count; i++) {
		char text[CONFIG_ENV_NAME_MAX];
		size_t len = strlen(key_env_name(&config_keys[i], text)) - strlen(config_keys[i].name);
		if (key_is_pattern(&config_keys[i]))
			len = strcspn(text, "*");
		if (strncmp(name, text, len) == 0)
			return true;
	}
	return false;
}

static void unknown(struct load *load, const char *name, const char *where)
{
	struct buf hint = BUF(256);

	env_suggest(&hint, load->config, name);
	load_error(load, where, "there is no such key%s", buf_str(&hint));
	buf_free(&hint);
}

/* Gives the key that the variable names its value; false: it names none. */
static bool give(struct load *load, const char *name, const char *value, const char *where)
{
	char own[CONFIG_ENV_NAME_MAX], own_file[CONFIG_ENV_NAME_MAX + sizeof FILE_SUFFIX];

	for (size_t i = 0; i < load->config->key_count; i++) {
		const struct config_key *key = &load->config->keys[i];
		snprintf(own_file, sizeof own_file, "%s%s", key_env_name(key, own), FILE_SUFFIX);
		if (strcmp(name, own) == 0)
			load_value(load, key, value, where);
		else if ((key->flags & SECRET) && strcmp(name, own_file) == 0)
			load_value_file(load, key, value, where);
		else
			continue;
		return true;
	}
	return false;
}

/* USHER_NOTIFY_OPS_URL where no file has a [notify.ops]: the section it would be of, with the shortest name
 * that leaves a key behind. */
static bool section_meant(const char *name, char *section, size_t size)
{
	size_t best = 0;

	for (size_t i = 0; i < config_key_count; i++) {
		char text[CONFIG_ENV_NAME_MAX];
		if (!key_is_pattern(&config_keys[i]))
			continue;
		size_t head = strcspn(key_env_name(&config_keys[i], text), "*");
		const char *tail = text + head + 1;
		size_t len = strlen(name), tail_len = strlen(tail), end = strlen(FILE_SUFFIX);
		if (strncmp(name, text, head) != 0)
			continue;
		if ((config_keys[i].flags & SECRET) && len > end &&
		        strcmp(name + len - end, FILE_SUFFIX) == 0)
			len -= end;
		if (len <= head + tail_len || strncmp(name + len - tail_len, tail, tail_len) != 0 ||
		        tail_len <= best)
			continue;
		best = tail_len;
		snprintf(section, size, "%.*s%.*s", (int)(strlen(config_keys[i].section) - 1),
		        config_keys[i].section, (int)(len - tail_len - head), name + head);
	}
	for (char *c = section; best && *c; c++)
		*c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
	return best > 0;
}

static void take(struct load *load, const char *name, const char *value)
{
	char section[CONFIG_ENV_NAME_MAX], where[CONFIG_WHERE_MAX];

	snprintf(where, sizeof where, _("environment %s"), name);
	if (give(load, name, value, where))
		return;
	if (section_meant(name, section, sizeof section) && !section_known(load->config, section)) {
		if (load_section(load, section, where))
			give(load, name, value, where);
	} else if (meant_for_us(name)) {
		unknown(load, name, where);
	}
}

void load_environment(struct load *load, const char *const *environment)
{
	load_next_source(load);
	for (; environment && *environment; environment++) {
		const char *equals = strchr(*environment, '=');
		if (!equals || strncmp(*environment, "USHER_", 6) != 0)
			continue;
		char *name = mem_stringn(*environment, (size_t)(equals - *environment));
		take(load, name, equals + 1);
		free(name);
	}
}
