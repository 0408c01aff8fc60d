/* Changes of the configuration: their list and the names of their effects; see setting.h. Calls base only;
 * any thread. */
#include "model/setting.h"

#include "base/mem.h"

#include <string.h>

static const char *const names[] = { "applied", "pending", "withdrawn" };

const char *setting_effect_name(enum setting_effect effect)
{
	return names[effect];
}

enum setting_effect setting_effect_by_name(const char *name)
{
	for (int i = 0; i < SETTING_EFFECT_COUNT; i++)
		if (strcmp(names[i], name) == 0)
			return (enum setting_effect)i;
	return SETTING_APPLIED;
}

struct setting_change *setting_changes_add(
        struct setting_changes *changes, const struct setting_change *change)
{
	changes->items = mem_resize(changes->items, changes->count + 1, sizeof *changes->items);
	struct setting_change *own = &changes->items[changes->count++];
	*own = (struct setting_change){ .key = mem_string(change->key),
		.old_value = mem_string(change->old_value),
		.new_value = mem_string(change->new_value),
		.origin = mem_string(change->origin),
		.effect = change->effect };
	return own;
}

const struct setting_change *setting_changes_find(const struct setting_changes *changes, const char *key)
{
	for (size_t i = 0; i < changes->count; i++)
		if (strcmp(changes->items[i].key, key) == 0)
			return &changes->items[i];
	return NULL;
}

void setting_changes_free(struct setting_changes *changes)
{
	for (size_t i = 0; i < changes->count; i++) {
		free(changes->items[i].key);
		free(changes->items[i].old_value);
		free(changes->items[i].new_value);
		free(changes->items[i].origin);
	}
	free(changes->items);
	*changes = (struct setting_changes){ 0 };
}
