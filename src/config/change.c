/* A new configuration beside the one in force: what of it can be in force now, what is different, and a text
 * of all values that can be kept to tell it later. Pure; any thread. */
#include "config/config.h"

#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/secret.h"
#include "config/keys.h"
#include "config/load.h"
#include "config/value.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define SHOWN_MAX 16384
#define NAME_MAX_BYTES 160
#define TEMPLATES_KEY "email.templates" /* no key of usher.ini: the files themselves */
#define TEMPLATES_SHOWN 12              /* digits of their fingerprint */

static void key_name(char name[NAME_MAX_BYTES], const struct config_key *key)
{
	snprintf(name, NAME_MAX_BYTES, "%s.%s", key->section, key->name);
}

static bool is_set(const struct config *config, const struct config_key *key)
{
	return !key_is_text(key) || *value_text(config, key);
}

/* As it is shown: NULL when not set. The caller frees. */
static char *shown(const struct config *config, const struct config_key *key)
{
	struct buf text = BUF(SHOWN_MAX);

	if (!is_set(config, key))
		return NULL;
	value_format(&text, config, key);
	return buf_take(&text);
}

/* -- What can be in force now --------------------------------------------------------------------------- */

static bool is_fixed(const struct config_key *key)
{
	return !(key->flags & RELOAD) && !key_is_pattern(key);
}

static void note_pending(
        struct setting_changes *pending, const struct config *in_force, const struct config *fresh, size_t i)
{
	const struct config_key *key = &fresh->keys[i];
	OWNED char *old_value = shown(in_force, key), *new_value = shown(fresh, key);
	char name[NAME_MAX_BYTES];
	bool both = (key->flags & SECRET) && old_value && new_value;

	key_name(name, key);
	setting_changes_add(pending, &(struct setting_change){ .key = name,
	                                     .old_value = old_value,
	                                     .new_value = both ? (char *)SETTING_SECRET_CHANGED : new_value,
	                                     .origin = fresh->origins[i],
	                                     .effect = SETTING_PENDING });
}

int config_settle(struct config *fresh, const struct config *in_force, struct setting_changes *ret_pending,
        struct usher_error *err)
{
	struct load load = { .config = fresh, .summary = BUF(LOAD_SUMMARY_MAX) };
	int rc = 0;

	*ret_pending = (struct setting_changes){ 0 };
	for (size_t i = 0; i < config_key_count; i++) { /* keys of named sections can all change */
		const struct config_key *key = &fresh->keys[i];

		if (!is_fixed(key) || value_same(fresh, key, in_force, key))
			continue;
		note_pending(ret_pending, in_force, fresh, i);
		value_take(fresh, in_force, key);
		free(fresh->origins[i]);
		fresh->origins[i] = mem_string(in_force->origins[i]);
	}
	load.refused = mem_array(config_key_capacity(), sizeof *load.refused);
	load_check_needed(&load);
	if (load.errors)
		rc = error_set(err, USHER_ECONFIG,
		        "%s: what needs it is switched off at a restart only, so restart usherd instead",
		        buf_str(&load.summary));
	if (rc)
		setting_changes_free(ret_pending);
	free(load.refused);
	buf_free(&load.summary);
	return rc;
}

static bool begins(const struct config_key *key, const char *section)
{
	size_t len = strlen(section);

	return strncmp(key->section, section, len) == 0 && (section[len - 1] == '.' || !key->section[len]);
}

static bool has_all_of(const struct config *a, const struct config *b, const char *section)
{
	for (size_t i = 0; i < a->key_count; i++) {
		const struct config_key *key = &a->keys[i], *other;

		if (key_is_pattern(key) || !begins(key, section))
			continue;
		other = key_in(b, key->section, key->name);
		if (!other || !value_same(a, key, b, other))
			return false;
	}
	return true;
}

bool config_differs(const struct config *a, const struct config *b, const char *section)
{
	return !has_all_of(a, b, section) || !has_all_of(b, a, section) ||
	       (strcmp(section, "email") == 0 && strcmp(a->templates, b->templates) != 0);
}

/* -- Values as one text --------------------------------------------------------------------------------- */

static void value_add(cJSON *json, const char *name, const char *value, const char *mark, const char *origin)
{
	cJSON *item = json_add_object(json, name);

	json_add_string(item, "value", value);
	if (mark)
		json_add_string(item, "mark", mark);
	json_add_string(item, "origin", origin);
}

static void key_add(cJSON *json, const struct config *config, size_t i, const cJSON *previous)
{
	const struct config_key *key = &config->keys[i];
	OWNED char *text = shown(config, key);
	char name[NAME_MAX_BYTES], mark[SECRET_MARK_SIZE];
	bool secret = (key->flags & SECRET) && text;

	key_name(name, key);
	if (secret)
		secret_mark(*value_text(config, key), json_string(json_get(previous, name), "mark"), mark);
	value_add(json, name, text, secret ? mark : NULL, config->origins[i]);
}

char *config_values(const struct config *config, const char *previous)
{
	cJSON *json = cJSON_CreateObject(), *before = NULL;
	char templates[TEMPLATES_SHOWN + 1];

	if (previous && json_parse(previous, strlen(previous), &before, NULL) < 0)
		before = NULL;
	for (size_t i = 0; i < config->key_count; i++)
		if (!key_is_pattern(&config->keys[i]))
			key_add(json, config, i, before);
	snprintf(templates, sizeof templates, "%.*s", TEMPLATES_SHOWN, config->templates);
	if (*templates)
		value_add(json, TEMPLATES_KEY, templates, NULL, config->email.template_dir);
	char *text = json_print(json);
	cJSON_Delete(json);
	cJSON_Delete(before);
	return text;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static void differ(struct setting_changes *changes, const cJSON *old, const cJSON *new, const char *name)
{
	const char *old_value = json_string(old, "value"), *new_value = json_string(new, "value");
	const char *old_mark = json_string(old, "mark"), *new_mark = json_string(new, "mark");

	if (same_text(old_value, new_value) && same_text(old_mark, new_mark))
		return;
	if (old_mark && new_mark)
		new_value = SETTING_SECRET_CHANGED;
	setting_changes_add(changes, &(struct setting_change){ .key = (char *)(uintptr_t)name,
	                                     .old_value = (char *)(uintptr_t)old_value,
	                                     .new_value = (char *)(uintptr_t)new_value,
	                                     .origin = (char *)(uintptr_t)json_string(new, "origin") });
}

int config_values_diff(
        const char *before, const char *after, struct setting_changes *ret, struct usher_error *err)
{
	cJSON *old = NULL, *new = NULL;
	const cJSON *item;
	int rc = json_parse(before ? before : "{}", before ? strlen(before) : 2, &old, err);

	*ret = (struct setting_changes){ 0 };
	if (rc == 0)
		rc = json_parse(after, strlen(after), &new, err);
	if (rc == 0) {
		cJSON_ArrayForEach(item, new) differ(ret, json_get(old, item->string), item, item->string);
		cJSON_ArrayForEach(item, old) if (!json_get(new, item->string))
		        differ(ret, item, NULL, item->string);
	}
	cJSON_Delete(old);
	cJSON_Delete(new);
	return rc;
}
