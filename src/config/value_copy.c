/* Values from key to key and from configuration to configuration. Pure; any thread. */
#include "config/value.h"

#include "base/mem.h"

#include <string.h>

static void *field(const struct config *config, const struct config_key *key)
{
	return (char *)config + key->offset;
}

static size_t size_of(const struct config_key *key)
{
	switch (key->kind) {
	case KIND_BOOL:
		return sizeof(bool);
	case KIND_INT:
	case KIND_WORD:
		return sizeof(int);
	case KIND_REAL:
		return sizeof(double);
	default:
		return sizeof(int64_t);
	}
}

void value_copy(struct config *config, const struct config_key *to, const struct config_key *from)
{
	memcpy(field(config, to), field(config, from), size_of(from));
}

bool value_same(const struct config *a, const struct config_key *a_key, const struct config *b,
        const struct config_key *b_key)
{
	const char *mine, *other;

	if (!key_is_text(a_key))
		return memcmp(field(a, a_key), field(b, b_key), size_of(a_key)) == 0;
	mine = *value_text(a, a_key);
	other = *value_text(b, b_key);
	return mine && other ? strcmp(mine, other) == 0 : mine == other;
}

void value_take(struct config *to, const struct config *from, const struct config_key *key)
{
	if (!key_is_text(key)) {
		memcpy(field(to, key), field(from, key), size_of(key));
		return;
	}
	value_free(to, key);
	*value_text(to, key) = mem_string(*value_text(from, key));
}
