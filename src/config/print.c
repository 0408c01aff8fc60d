/* The configuration and its keys for people: the effective values with their origins, the KEYS
 * section of usher.ini(5) in mdoc, and conf/usher.ini. Calls base only; any thread. */
#include "config/config.h"

#include "base/buf.h"
#include "base/mem.h"
#include "config/keys.h"
#include "config/load.h"
#include "config/value.h"

#include <string.h>

#define SHOWN_MAX 16384 /* bytes of one value with its origin */
#define UNUSED_HELP "This version does not use it."
#define RESTART_HELP "Takes effect at a restart."
#define SAMPLE_COLUMNS 100 /* where a comment is broken */

/* Of the keys in a table. */
static bool section_begins(const struct config_key *keys, size_t i)
{
	return i == 0 || strcmp(keys[i].section, keys[i - 1].section) != 0;
}

static void answer_print(const struct config_answer *a, FILE *out)
{
	char at[WALL_TEXT_SIZE];

	if (a && a->kept_at.ms)
		fprintf(out, "config server: as kept %s", wall_format(a->kept_at, at));
	else if (a)
		fprintf(out, "config server: %s", a->url);
	if (a)
		fprintf(out, ", label %s, version %s\n\n", a->label ? a->label : "-",
		        a->version ? a->version : "-");
}

void config_print(const struct config *config, FILE *out)
{
	answer_print(config->answer, out);
	for (size_t i = 0; i < config->note_count; i++)
		fprintf(out, "note: %s\n%s", config->notes[i], i + 1 == config->note_count ? "\n" : "");
	for (size_t i = 0; i < config->key_count; i++) {
		const struct config_key *key = &config->keys[i];
		struct buf value = BUF(SHOWN_MAX);
		if (key_is_pattern(key))
			continue;
		value_format(&value, config, key);
		if (section_begins(config->keys, i))
			fprintf(out, "%s[%s]\n", i ? "\n" : "", key->section);
		fprintf(out, "  %-18s %-36s  %s\n", key->name, buf_str(&value), config->origins[i]);
		buf_free(&value);
	}
}

/* [alarm.*] is written [alarm.NAME]. */
static void section_print(FILE *out, const char *section)
{
	size_t len = strcspn(section, "*");
	fprintf(out, "[%.*s%s]", (int)len, section, section[len] ? "NAME" : "");
}

/* -- usher.ini(5) ------------------------------------------------------------------------------- */

/* Text whose dashes stay dashes and which roff does not take for a request. Each sentence begins a
 * line, from which roff knows where sentences end. */
static void roff_print(FILE *out, const char *text)
{
	const char *start = text;

	if (*text == '.' || *text == '\'')
		fputs("\\&", out);
	for (; *text; text++) {
		if (*text == '\\')
			fputs("\\e", out);
		else if (*text == '-')
			fputs("\\-", out);
		else if (*text == ' ' && text > start && text[1] >= 'A' && text[1] <= 'Z' && text[-1] == '.')
			fputc('\n', out);
		else
			fputc(*text, out);
	}
}

static void roff_sentence(FILE *out, const char *before, const char *text)
{
	roff_print(out, before);
	roff_print(out, text);
	fputs(strcmp(text + strlen(text) - 1, ".") == 0 ? "\n" : ".\n", out);
}

static void manual_key(FILE *out, const struct config_key *key)
{
	struct buf allowed = BUF(SHOWN_MAX);

	fprintf(out, ".It Cm %s\n", key->name);
	roff_sentence(out, "", key->help);
	if (key->flags & UNUSED)
		fputs(UNUSED_HELP "\n", out);
	if (!(key->flags & RELOAD))
		fputs(RESTART_HELP "\n", out);
	value_allowed(&allowed, key);
	if (allowed.len)
		roff_sentence(out, "Allowed: ", buf_str(&allowed));
	if (key->value) { /* without a full stop, which would look like a part of it */
		roff_print(out, "Default: ");
		roff_print(out, key->value);
		fputc('\n', out);
	}
	if (key->flags & SECRET) {
		fprintf(out, "A secret: may also be given as\n.Cm %s_file ,\n", key->name);
		fputs("a file whose first line it is.\n", out);
	}
	buf_free(&allowed);
}

/* What can be watched, and the alarms that hold without a word. */
static void manual_alarms(FILE *out)
{
	fputs(".Ss Metrics of alarms\n.Bl -tag -width Ds\n", out);
	for (int i = 0; i < ALARM_METRIC_COUNT; i++) {
		const struct alarm_metric_info *m = alarm_metric_info((enum alarm_metric)i);
		fprintf(out, ".It Cm %s\n", m->name);
		roff_sentence(out, "", m->help);
		roff_sentence(out, "A threshold is ", alarm_value_form(m->unit));
		fputs(m->scope == SCOPE_FLEET ? "Known for all daemons.\n"
		                              : "What the leading daemon sees itself.\n",
		        out);
	}
	fputs(".El\n.Ss Alarms that hold without a word\n.Bl -tag -width Ds\n", out);
	for (size_t i = 0; i < alarm_default_count; i++) {
		const struct alarm_default *d = &alarm_defaults[i];
		fprintf(out, ".It Bq %s\n", d->section);
		roff_sentence(out, "", d->help);
		for (size_t k = 0; k < ARRAY_LEN(d->values); k++)
			fprintf(out, "%s%s = %s", k ? ", " : "", d->values[k].key, d->values[k].text);
		fputc('\n', out);
	}
	fputs(".El\n", out);
}

void config_print_manual(FILE *out)
{
	for (size_t i = 0; i < config_key_count; i++) {
		if (section_begins(config_keys, i)) {
			fputs(i ? ".El\n.Ss " : ".Ss ", out);
			section_print(out, config_keys[i].section);
			fputs("\n.Bl -tag -width Ds\n", out);
		}
		manual_key(out, &config_keys[i]);
	}
	fputs(".El\n", out);
	manual_alarms(out);
}

/* -- conf/usher.ini ------------------------------------------------------------------------------- */

static void comment_print(FILE *out, const char *text)
{
	while (*text) {
		size_t len = strlen(text);
		if (len > SAMPLE_COLUMNS - 2) {
			len = SAMPLE_COLUMNS - 2;
			while (len && text[len] != ' ')
				len--;
		}
		fprintf(out, "# %.*s\n", (int)len, text);
		text += len + (text[len] == ' ');
	}
}

static void sample_help(FILE *out, const struct config_key *key)
{
	struct buf text = BUF(SHOWN_MAX), allowed = BUF(SHOWN_MAX);

	value_allowed(&allowed, key);
	if (key_is_pattern(key))
		buf_printf(&text, "  %s: ", key->name);
	buf_puts(&text, key->help);
	if (key->flags & UNUSED)
		buf_puts(&text, " " UNUSED_HELP);
	if (!(key->flags & RELOAD))
		buf_puts(&text, " " RESTART_HELP);
	if (allowed.len)
		buf_printf(&text, " Allowed: %s.", buf_str(&allowed));
	if (key->flags & SECRET)
		buf_printf(&text, " Or %s_file: a file whose first line it is.", key->name);
	if (key_is_pattern(key) && key->value)
		buf_printf(&text, " Default: %s", key->value);
	comment_print(out, buf_str(&text));
	buf_free(&text);
	buf_free(&allowed);
}

/* A key of a section that has no name yet is told of and not offered. */
static void sample_key(FILE *out, const struct config_key *key)
{
	sample_help(out, key);
	if (!key_is_pattern(key))
		fprintf(out, "#%s =%s%s\n\n", key->name, key->value ? " " : "", key->value ? key->value : "");
}

static void sample_alarms(FILE *out)
{
	fputs("\n# The alarms and the notice that hold when nobody says otherwise.\n", out);
	for (size_t i = 0; i < alarm_default_count; i++) {
		const struct alarm_default *d = &alarm_defaults[i];
		fprintf(out, "\n[%s]\n", d->section);
		comment_print(out, d->help);
		for (size_t k = 0; k < ARRAY_LEN(d->values); k++)
			fprintf(out, "#%s = %s\n", d->values[k].key, d->values[k].text);
	}
	fputs("\n[" NOTIFY_BUILT_IN "]\n#kind = log\n", out);
}

void config_print_sample(FILE *out)
{
	fputs("# usher.ini: the configuration of usherd, see usher.ini(5). Every key stands here with what "
	      "it is\n"
	      "# when nobody says otherwise: remove the # in front of a key to change it. [email] from and\n"
	      "# [coupon] url have no default and must be set while their channels are enabled.\n"
	      "#\n"
	      "# usher-PROFILE.ini beside this file comes on top of it, then what the config server says if "
	      "there is\n"
	      "# one, and the environment on top of all: USHER_SECTION_KEY, as USHER_CHANNEL_EMAIL_RATE or\n"
	      "# USHER_EMAIL_PASSWORD_FILE.\n"
	      "#\n"
	      "# A value is the rest of its line, taken as it stands: no quotes, and a comment needs a line "
	      "of\n"
	      "# its own. Durations carry their unit: 500ms, 30s, 1m, 6h, 14d. `usherd check-config` tells\n"
	      "# every error at once, and what is in force. usherd takes a change of this file by itself "
	      "within\n"
	      "# seconds, and at SIGHUP or `usher config reload` at once; keys that wait for a restart say "
	      "so.\n\n",
	        out);
	for (size_t i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];
		if (section_begins(config_keys, i)) {
			fputs(key_is_pattern(key) ? "\n# " : "", out);
			section_print(out, key->section);
			fputc('\n', out);
		}
		sample_key(out, key);
	}
	sample_alarms(out);
}
