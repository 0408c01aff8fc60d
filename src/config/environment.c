/* The environment as a source of values: USHER_SECTION_KEY, USHER_SECTION_KEY_FILE. Reads the array
 * it is given, never the process's own; any thread. */
#include "config/load.h"

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
		if (strncmp(name, text, len) == 0)
			return true;
	}
	return false;
}

static void unknown(struct load *load, const char *name, const char *where)
{
	struct buf hint = BUF(256);

	env_suggest(&hint, name);
	load_error(load, where, "there is no such key%s", buf_str(&hint));
	buf_free(&hint);
}

static void take(struct load *load, const char *name, const char *value)
{
	char own[CONFIG_ENV_NAME_MAX], own_file[CONFIG_ENV_NAME_MAX + sizeof FILE_SUFFIX],
	        where[CONFIG_WHERE_MAX];

	snprintf(where, sizeof where, "environment %s", name);
	for (size_t i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];
		snprintf(own_file, sizeof own_file, "%s%s", key_env_name(key, own), FILE_SUFFIX);
		if (strcmp(name, own) == 0) {
			load_value(load, key, value, where);
			return;
		}
		if ((key->flags & SECRET) && strcmp(name, own_file) == 0) {
			load_value_file(load, key, value, where);
			return;
		}
	}
	if (meant_for_us(name))
		unknown(load, name, where);
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
