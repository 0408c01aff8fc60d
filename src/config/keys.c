/* The table of keys and the look-ups in it, with suggestions for names that are not there. Constant
 * data and pure functions; any thread. */
#include "config/keys.h"

#include "base/language.h"
#include "base/mem.h"
#include "config/config.h"
#include "net/smtp.h"

#include <stdio.h>
#include <string.h>

#define PROPERTY_PREFIX "usher."

const struct config_key config_keys[] = {
#define KEY(section_, name_, kind_, field, value_, allowed_, flags_, help_)                                  \
	{ .section = section_,                                                                               \
		.name = name_,                                                                               \
		.kind = kind_,                                                                               \
		.offset = offsetof(struct config, field),                                                    \
		.value = value_,                                                                             \
		.allowed = allowed_,                                                                         \
		.flags = flags_,                                                                             \
		.help = help_ },
#include "config/keys.def"
#undef KEY
};
const size_t config_key_count = ARRAY_LEN(config_keys);

/* A row whose kind does not fit the type of its field would write over its neighbours. */
#define FIELD_TYPE(field)                                                                                    \
	_Generic(((struct config *)0)->field,                                                                \
		char *: 't',                                                                                 \
		bool: 'b',                                                                                   \
		int: 'i',                                                                                    \
		unsigned: 'i',                                                                               \
		double: 'r',                                                                                 \
		int64_t: 'd')
#define KIND_TYPE(kind)                                                                                      \
	((kind) == KIND_BOOL                                ? 'b'                                            \
	        : (kind) == KIND_INT || (kind) == KIND_WORD ? 'i'                                            \
	        : (kind) == KIND_REAL                       ? 'r'                                            \
	        : (kind) == KIND_DURATION                   ? 'd'                                            \
	        : (kind) == KIND_SIZE                       ? 'd'                                            \
	                                                    : 't')
#define KEY(section_, name_, kind_, field, value_, allowed_, flags_, help_)                                  \
	_Static_assert(FIELD_TYPE(field) == KIND_TYPE(kind_), section_ "." name_);
#include "config/keys.def"
#undef KEY

/* Words are stored as their position in the row. */
_Static_assert((int)LOG_DEBUG_LEVEL == 0 && (int)LOG_INFO_LEVEL == 1 && (int)LOG_WARN_LEVEL == 2 &&
                       (int)LOG_ERROR_LEVEL == 3,
        "log.level");
_Static_assert((int)LOG_TEXT == 0 && (int)LOG_JSON == 1, "log.format");
_Static_assert(
        (int)SMTP_TLS_NONE == 0 && (int)SMTP_TLS_STARTTLS == 1 && (int)SMTP_TLS_IMPLICIT == 2, "email.tls");

bool key_is_text(const struct config_key *key)
{
	return KIND_TYPE(key->kind) == 't';
}

bool key_is_list(const struct config_key *key)
{
	return key->kind == KIND_URLS || key->kind == KIND_NAMES || key->kind == KIND_WORDS;
}

bool key_is(const struct config_key *key, const char *section, const char *name)
{
	return strcmp(key->section, section) == 0 && strcmp(key->name, name) == 0;
}

bool key_is_pattern(const struct config_key *key)
{
	return strchr(key->section, '*') != NULL;
}

static const struct config_key *find(
        const struct config_key *keys, size_t count, const char *section, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (key_is(&keys[i], section, name))
			return &keys[i];
	return NULL;
}

const struct config_key *key_find(const char *section, const char *name)
{
	return find(config_keys, config_key_count, section, name);
}

const struct config_key *key_in(const struct config *config, const char *section, const char *name)
{
	return find(config->keys, config->key_count, section, name);
}

const struct config_key *key_in_file(const struct config *config, const char *section, const char *name)
{
	size_t len = strlen(name);
	for (size_t i = 0; i < config->key_count; i++) {
		const struct config_key *key = &config->keys[i];
		size_t own = strlen(key->name);
		if ((key->flags & SECRET) && strcmp(key->section, section) == 0 && len == own + 5 &&
		        memcmp(name, key->name, own) == 0 && strcmp(name + own, "_file") == 0)
			return key;
	}
	return NULL;
}

/* toupper() obeys the locale of the program that links libusher: in Turkish, i becomes another letter. */
static char ascii_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

const char *key_env_name(const struct config_key *key, char text[CONFIG_ENV_NAME_MAX])
{
	snprintf(text, CONFIG_ENV_NAME_MAX, "USHER_%s_%s", key->section, key->name);
	for (char *c = text; *c; c++)
		*c = *c == '.' ? '_' : ascii_upper(*c);
	return text;
}

/* As Spring binds relaxed: case, dashes and underscores make no difference, dots do. */
static void property_form(char out[CONFIG_ENV_NAME_MAX], const char *name)
{
	size_t len = 0;

	for (; *name && len < CONFIG_ENV_NAME_MAX - 1; name++)
		if (*name != '-' && *name != '_')
			out[len++] = ascii_upper(*name);
	out[*name ? 0 : len] = '\0'; /* too long to be any */
}

static void property_name(char out[CONFIG_ENV_NAME_MAX], const struct config_key *key, const char *suffix)
{
	snprintf(out, CONFIG_ENV_NAME_MAX, PROPERTY_PREFIX "%s.%s%s", key->section, key->name, suffix);
	for (char *c = out; *c; c++)
		if (*c == '_')
			*c = '-';
}

static bool property_same(const char *wanted, const struct config_key *key, const char *suffix)
{
	char name[CONFIG_ENV_NAME_MAX], form[CONFIG_ENV_NAME_MAX];

	property_name(name, key, suffix);
	property_form(form, name);
	return strcmp(form, wanted) == 0;
}

const struct config_key *key_find_property(const struct config *config, const char *property, bool *ret_file)
{
	char wanted[CONFIG_ENV_NAME_MAX];

	property_form(wanted, property);
	for (size_t i = 0; i < config->key_count; i++) {
		const struct config_key *key = &config->keys[i];
		bool file = (key->flags & SECRET) && property_same(wanted, key, "-file");

		if (key_is_pattern(key) || (!file && !property_same(wanted, key, "")))
			continue;
		*ret_file = file;
		return key;
	}
	return NULL;
}

/* "usher.alarm.NAME.key" -> "alarm.NAME"; names of sections have no dots. */
bool property_section(const char *property, char section[CONFIG_ENV_NAME_MAX])
{
	size_t prefix = strlen(PROPERTY_PREFIX);
	const char *end = strrchr(property, '.');

	if (strncmp(property, PROPERTY_PREFIX, prefix) != 0 || end < property + prefix ||
	        end - property >= CONFIG_ENV_NAME_MAX)
		return false;
	snprintf(section, CONFIG_ENV_NAME_MAX, "%.*s", (int)(end - property - (ptrdiff_t)prefix),
	        property + prefix);
	return section_pattern(section) != NULL;
}

bool section_known(const struct config *config, const char *section)
{
	for (size_t i = 0; i < config->key_count; i++)
		if (!key_is_pattern(&config->keys[i]) && strcmp(config->keys[i].section, section) == 0)
			return true;
	return false;
}

/* -- Suggestions -------------------------------------------------------------------------------- */

#define NEAR_MAX 3       /* edits; more is another word */
#define NEAR_NAME_MAX 96 /* bytes; a longer name is near to nothing */

/* Levenshtein's distance without regard to case: insertions, deletions, substitutions. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[NEAR_NAME_MAX + 1];
	size_t a_len = strlen(a), b_len = strlen(b);

	if (a_len > NEAR_NAME_MAX || b_len > NEAR_NAME_MAX)
		return NEAR_MAX + 1;
	for (size_t j = 0; j <= b_len; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= a_len; i++) {
		unsigned diagonal = row[0];
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_len; j++) {
			bool same = ascii_upper(a[i - 1]) == ascii_upper(b[j - 1]);
			unsigned best = diagonal + !same;
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = row[j];
			row[j] = best;
		}
	}
	return row[b_len];
}

/* Keeps the nearest candidate seen so far, if it is near at all: at most a third of it may differ. */
struct nearest {
	const char *wanted, *found;
	unsigned distance;
};

static bool nearest_offer(struct nearest *n, const char *candidate)
{
	unsigned d = distance(n->wanted, candidate);
	if (d > NEAR_MAX || d * 3 > strlen(candidate) + 2 || (n->found && d >= n->distance))
		return false;
	n->found = candidate;
	n->distance = d;
	return true;
}

/* "alarm.*" as an operator writes it. */
static const char *section_shown(const struct config_key *key)
{
	return !key_is_pattern(key)                      ? key->section
	       : strncmp(key->section, "alarm.", 6) == 0 ? "alarm.NAME"
	                                                 : "notify.NAME";
}

void key_suggest(struct buf *out, const struct config *config, const char *section, const char *name)
{
	struct nearest n = { .wanted = name };

	for (size_t i = 0; i < config->key_count; i++)
		if (strcmp(config->keys[i].section, section) == 0)
			nearest_offer(&n, config->keys[i].name);
	if (n.found) {
		buf_printf(out, _(" (did you mean \"%s\"?)"), n.found);
		return;
	}
	for (size_t i = 0; i < config_key_count; i++) {
		if (strcmp(config_keys[i].name, name) == 0) {
			buf_printf(out, _(" (it belongs in [%s])"), section_shown(&config_keys[i]));
			return;
		}
	}
}

void section_suggest(struct buf *out, const struct config *config, const char *section)
{
	struct nearest n = { .wanted = section };

	for (size_t i = 0; i < config->key_count; i++)
		if (!key_is_pattern(&config->keys[i]) && strcmp(config->keys[i].section, section) != 0)
			nearest_offer(&n, config->keys[i].section);
	if (n.found)
		buf_printf(out, _(" (did you mean [%s]?)"), n.found);
}

void env_suggest(struct buf *out, const struct config *config, const char *env_name)
{
	char candidate[CONFIG_ENV_NAME_MAX], best[CONFIG_ENV_NAME_MAX];
	struct nearest n = { .wanted = env_name };

	for (size_t i = 0; i < config->key_count; i++)
		if (!key_is_pattern(&config->keys[i]) &&
		        nearest_offer(&n, key_env_name(&config->keys[i], candidate))) {
			memcpy(best, candidate, sizeof best);
			n.found = best;
		}
	if (n.found)
		buf_printf(out, _(" (did you mean %s?)"), n.found);
}

void property_suggest(struct buf *out, const struct config *config, const char *property)
{
	char candidate[CONFIG_ENV_NAME_MAX], best[CONFIG_ENV_NAME_MAX];
	struct nearest n = { .wanted = property };

	for (size_t i = 0; i < config->key_count; i++) {
		if (key_is_pattern(&config->keys[i]))
			continue;
		property_name(candidate, &config->keys[i], "");
		if (nearest_offer(&n, candidate)) {
			memcpy(best, candidate, sizeof best);
			n.found = best;
		}
	}
	if (n.found)
		buf_printf(out, _(" (did you mean %s?)"), n.found);
}
