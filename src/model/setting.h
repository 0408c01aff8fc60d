/* A change of the configuration, key by key, as it is kept and shown: texts, and no secret among them. Plain
 * data; any thread. */
#ifndef MODEL_SETTING_H
#define MODEL_SETTING_H

#include <stddef.h>

enum setting_effect {
	SETTING_APPLIED,   /* in force from then on */
	SETTING_PENDING,   /* will be in force after a restart */
	SETTING_WITHDRAWN, /* was to be in force after a restart, and will not be */
	SETTING_EFFECT_COUNT
};
const char *setting_effect_name(enum setting_effect effect); /* as in the API and the database */
enum setting_effect setting_effect_by_name(const char *name);

/* What stands for a secret. */
#define SETTING_SECRET_SET "(set)"
#define SETTING_SECRET_CHANGED "(changed)"

struct setting_change {
	char *key;                   /* "channel.email.rate" */
	char *old_value, *new_value; /* NULL: not set, or the key was not or is no more */
	char *origin;                /* where the new value comes from; NULL: it is no more */
	enum setting_effect effect;
};
struct setting_changes {
	struct setting_change *items;
	size_t count;
};

/* Texts are copied; returns it for who adds more. */
struct setting_change *setting_changes_add(
        struct setting_changes *changes, const struct setting_change *change);
const struct setting_change *setting_changes_find(const struct setting_changes *changes, const char *key);
void setting_changes_free(struct setting_changes *changes); /* empty again */

#endif
