/* Sections of which there are as many as are named: [alarm.NAME], [notify.NAME]. Each gets keys of its own,
 * made from the rows "alarm.*" of keys.def, so that everything that is done with a key is done with these
 * too. Calls base only; one thread a configuration in the making. */
#include "config/keys.h"

#include "base/error.h"
#include "base/mem.h"
#include "config/config.h"

#include <string.h>

static const struct section_kind {
	const char *prefix, *pattern;
	size_t first, stride; /* of the structs in struct config */
	size_t name, at;      /* in each of them */
	size_t counter;       /* in struct config: an int */
	int max;
} kinds[] = {
	{ "alarm.", "alarm.*", offsetof(struct config, alarm), sizeof(struct config_alarm),
	        offsetof(struct config_alarm, name), offsetof(struct config_alarm, at),
	        offsetof(struct config, alarms), ALARMS_MAX },
	{ "notify.", "notify.*", offsetof(struct config, notify), sizeof(struct config_notify),
	        offsetof(struct config_notify, name), offsetof(struct config_notify, at),
	        offsetof(struct config, notifies), NOTIFY_MAX },
};

static const struct section_kind *kind_of(const char *section)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strncmp(section, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
			return &kinds[i];
	return NULL;
}

const char *section_pattern(const char *section)
{
	const struct section_kind *kind = kind_of(section);
	return kind ? kind->pattern : NULL;
}

static size_t rows_of(const struct section_kind *kind)
{
	size_t n = 0;
	for (size_t i = 0; i < config_key_count; i++)
		n += strcmp(config_keys[i].section, kind->pattern) == 0;
	return n;
}

size_t config_key_capacity(void)
{
	size_t n = config_key_count;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		n += rows_of(&kinds[i]) * (size_t)kinds[i].max;
	return n;
}

/* Lower case, so that a variable of the environment can name it; no dash, for the same reason. */
static bool name_fits(const char *name)
{
	size_t len = strlen(name);
	return len > 0 && len <= ALARM_NAME_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == len;
}

static void keys_add(struct config *config, const struct section_kind *kind, const char *section, int index)
{
	for (size_t i = 0; i < config_key_count; i++) {
		if (strcmp(config_keys[i].section, kind->pattern) != 0)
			continue;
		struct config_key *key = &config->keys[config->key_count++];
		*key = config_keys[i];
		key->section = section;
		key->offset += kind->stride * (size_t)index;
	}
}

int section_add(struct config *config, const char *section, const char *at, struct config_key **ret_first,
        size_t *ret_n, struct usher_error *err)
{
	const struct section_kind *kind = kind_of(section);

	if (!kind)
		return error_set(err, USHER_EINVAL, "[%s] is no section that can be named", section);
	const char *name = section + strlen(kind->prefix);
	int *count = (int *)((char *)config + kind->counter);
	if (!name_fits(name))
		return error_set(err, USHER_EINVAL,
		        "[%s]: the name behind the dot is of small letters, digits and _, at most %d",
		        section, ALARM_NAME_MAX);
	if (*count == kind->max)
		return error_set(err, USHER_EINVAL, "[%s] is one too many: there are at most %d [%sNAME]",
		        section, kind->max, kind->prefix);
	char *place = (char *)config + kind->first + kind->stride * (size_t)*count;
	memcpy(place + kind->name, name, strlen(name) + 1);
	*(char **)(place + kind->at) = mem_string(at);
	*ret_first = config->keys + config->key_count;
	*ret_n = rows_of(kind);
	keys_add(config, kind, mem_string(section), (*count)++);
	return 0;
}

/* The text of a section's name is shared by its keys: freed with the last of them. */
void sections_free(struct config *config)
{
	for (size_t i = config_key_count; i < config->key_count; i++)
		if (i + 1 == config->key_count || config->keys[i + 1].section != config->keys[i].section)
			free((char *)(uintptr_t)config->keys[i].section);
	for (int i = 0; i < config->alarms; i++)
		free(config->alarm[i].at);
	for (int i = 0; i < config->notifies; i++)
		free(config->notify[i].at);
}
