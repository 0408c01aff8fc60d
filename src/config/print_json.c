/* The configuration for programs: every value with its origin, or everything that is wrong, as JSON. Calls
 * base only; any thread. */
#include "config/config.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "config/keys.h"
#include "config/value.h"

#include <string.h>

#define SHOWN_MAX 16384 /* bytes of one value */

static cJSON *object_in(cJSON *array)
{
	cJSON *object = cJSON_CreateObject();

	if (!object || (array && !cJSON_AddItemToArray(array, object)))
		mem_exhausted(sizeof *object);
	return object;
}

/* A value as it would be written in usher.ini; a secret is null whether it is set or not. */
static void value_in(cJSON *values, const struct config *config, size_t i)
{
	const struct config_key *key = &config->keys[i];
	cJSON *item = object_in(values);
	struct buf text = BUF(SHOWN_MAX);
	bool set = !key_is_text(key) || *value_text(config, key), secret = key->flags & SECRET;

	value_format(&text, config, key);
	json_add_string(item, "section", key->section);
	json_add_string(item, "key", key->name);
	json_add_string(item, "value", set && !secret ? buf_str(&text) : NULL);
	json_add_bool(item, "set", set);
	json_add_bool(item, "secret", secret);
	json_add_bool(item, "reload", key->flags & RELOAD);
	json_add_string(item, "origin", config->origins[i]);
	json_add_string(item, "help", key->help);
	buf_free(&text);
}

static void answer_in(cJSON *json, const struct config_answer *answer)
{
	char at[WALL_TEXT_SIZE];

	if (!answer) {
		json_add_string(json, "config_server", NULL);
		return;
	}
	cJSON *item = json_add_object(json, "config_server");
	json_add_string(item, "url", answer->url);
	json_add_string(item, "label", answer->label);
	json_add_string(item, "version", answer->version);
	json_add_string(item, "state", answer->state);
	json_add_string(item, "kept", answer->kept_at.ms ? wall_format(answer->kept_at, at) : NULL);
}

static void errors_in(cJSON *json, const struct config_errors *errors)
{
	cJSON *list = json_add_array(json, "errors");

	for (size_t i = 0; i < errors->count; i++) {
		cJSON *item = object_in(list);
		json_add_string(item, "where", errors->items[i].where);
		json_add_string(item, "key", errors->items[i].key);
		json_add_string(item, "message", errors->items[i].message);
		json_add_string(item, "allowed", errors->items[i].allowed);
	}
	json_add_int(json, "more_errors", errors->more);
}

static void notes_in(cJSON *json, char *const *notes, size_t count)
{
	cJSON *list = json_add_array(json, "notes");

	for (size_t i = 0; i < count; i++)
		if (!cJSON_AddItemToArray(list, cJSON_CreateString(notes[i])))
			mem_exhausted(strlen(notes[i]));
}

void config_values_json(const struct config *config, cJSON *array)
{
	for (size_t i = 0; i < config->key_count; i++)
		if (!key_is_pattern(&config->keys[i]))
			value_in(array, config, i);
}

void config_print_json(
        const char *path, const struct config *config, const struct config_errors *errors, FILE *out)
{
	cJSON *json = object_in(NULL);

	json_add_bool(json, "valid", config != NULL);
	json_add_string(json, "path", path);
	errors_in(json, errors);
	notes_in(json, config ? config->notes : errors->notes,
	        config ? config->note_count : errors->note_count);
	if (config) {
		json_add_string(json, "profile", config->daemon.profile);
		answer_in(json, config->answer);
		config_values_json(config, json_add_array(json, "values"));
	}
	OWNED char *text = json_print(json);
	fprintf(out, "%s\n", text);
	cJSON_Delete(json);
}
