/* The configuration and its keys for people, in the language in force: the effective values with their
 * origins, the KEYS section of usher.ini(5) in mdoc, and conf/usher.ini. Calls base only; any thread. */
#include "config/config.h"

#include "base/buf.h"
#include "base/language.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/keys.h"
#include "config/load.h"
#include "config/value.h"

#include <string.h>

#define SHOWN_MAX 16384 /* bytes of one value with its origin */
#define UNUSED_HELP _("This version does not use it.")
#define RESTART_HELP _("Takes effect at a restart.")
#define SAMPLE_COLUMNS 100 /* where a comment is broken */

/* Of the keys in a table. */
static bool section_begins(const struct config_key *keys, size_t i)
{
	return i == 0 || strcmp(keys[i].section, keys[i - 1].section) != 0;
}

#define WIDE_FROM 0x1100 /* what takes two columns begins here; little that follows takes one */

/* Columns of the character at `text`; *ret_len: its bytes. */
static int character_width(const char *text, size_t *ret_len)
{
	uint32_t codepoint = 0;
	size_t len = utf8_next(text, strlen(text), &codepoint);

	*ret_len = len ? len : 1;
	return codepoint >= WIDE_FROM ? 2 : 1;
}

static void column_print(FILE *out, const char *text, int columns)
{
	size_t len;

	for (const char *c = text; *c; c += len)
		columns -= character_width(c, &len);
	fprintf(out, "%s%*s", text, columns > 0 ? columns : 0, "");
}

static void answer_print(const struct config_answer *a, FILE *out)
{
	const char *label = a && a->label ? a->label : "-", *version = a && a->version ? a->version : "-";
	char at[WALL_TEXT_SIZE];

	if (a && a->kept_at.ms)
		fprintf(out, _("config server: as kept %s, label %s, version %s\n\n"),
		        wall_format(a->kept_at, at), label, version);
	else if (a)
		fprintf(out, _("config server: %s, label %s, version %s\n\n"), a->url, label, version);
}

static void value_print(FILE *out, const struct config *config, size_t i)
{
	const struct config_key *key = &config->keys[i];
	struct buf value = BUF(SHOWN_MAX);

	if (key_is_text(key) && !*value_text(config, key))
		buf_puts(&value, _("(not set)"));
	else if (key->flags & SECRET)
		buf_puts(&value, _("(set)"));
	else
		value_format(&value, config, key);
	fprintf(out, "  %-18s ", key->name);
	column_print(out, buf_str(&value), 36);
	fprintf(out, "  %s\n", gettext(config->origins[i])); /* a place, or one of a few words */
	buf_free(&value);
}

void config_print_notes(const struct config *config, FILE *out)
{
	for (size_t i = 0; i < config->note_count; i++)
		fprintf(out, _("note: %s\n"), config->notes[i]);
}

void config_print(const struct config *config, FILE *out)
{
	answer_print(config->answer, out);
	config_print_notes(config, out);
	if (config->note_count)
		fputc('\n', out);
	for (size_t i = 0; i < config->key_count; i++) {
		const struct config_key *key = &config->keys[i];
		if (key_is_pattern(key))
			continue;
		if (section_begins(config->keys, i))
			fprintf(out, "%s[%s]\n", i ? "\n" : "", key->section);
		value_print(out, config, i);
	}
}

/* [alarm.*] is written [alarm.NAME]. */
static void section_print(FILE *out, const char *section)
{
	size_t len = strcspn(section, "*");
	fprintf(out, "[%.*s%s]", (int)len, section, section[len] ? "NAME" : "");
}

/* -- usher.ini(5) ------------------------------------------------------------------------------- */

/* Is this blank between two sentences? What follows tells in English, what is before it in Korean. */
static bool sentence_ends(const char *start, const char *blank)
{
	char next = blank[1];

	if (*blank != ' ' || blank == start || blank[-1] != '.')
		return false;
	return (next >= 'A' && next <= 'Z') || (unsigned char)next >= 0x80 ||
	       (blank - start > 1 && (unsigned char)blank[-2] >= 0x80);
}

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
		else if (sentence_ends(start, text))
			fputc('\n', out);
		else
			fputc(*text, out);
	}
}

static void roff_line(FILE *out, const char *text)
{
	roff_print(out, text);
	fputc('\n', out);
}

/* `fmt`, which has one %s, with `text` in it. */
static void roff_line_of(FILE *out, const char *fmt, const char *text)
{
	struct buf line = BUF(SHOWN_MAX);

	buf_printf(&line, fmt, text);
	roff_line(out, buf_str(&line));
	buf_free(&line);
}

static void manual_key(FILE *out, const struct config_key *key)
{
	struct buf allowed = BUF(SHOWN_MAX);

	fprintf(out, ".It Cm %s\n", key->name);
	roff_line(out, _(key->help));
	if (key->flags & UNUSED)
		roff_line(out, UNUSED_HELP);
	if (!(key->flags & RELOAD))
		roff_line(out, RESTART_HELP);
	value_allowed(&allowed, key);
	if (allowed.len)
		roff_line_of(out, _("Allowed: %s."), buf_str(&allowed));
	if (key->value) /* without a full stop, which would look like a part of it */
		roff_line_of(out, _("Default: %s"), key->value);
	if (key->flags & SECRET)
		fprintf(out,
		        /* TRANSLATORS: roff: what begins a line with a dot is a request, alone on its line */
		        _("A secret: may also be given as\n.Cm %s_file ,\na file whose first line it is.\n"),
		        key->name);
	buf_free(&allowed);
}

/* What can be watched, and the alarms that hold without a word. */
static void manual_alarms(FILE *out)
{
	fprintf(out, ".Ss %s\n.Bl -tag -width Ds\n", _("Metrics of alarms"));
	for (int i = 0; i < ALARM_METRIC_COUNT; i++) {
		const struct alarm_metric_info *m = alarm_metric_info((enum alarm_metric)i);
		fprintf(out, ".It Cm %s\n", m->name);
		roff_line(out, _(m->help));
		roff_line_of(out, _("A threshold is %s."), _(alarm_value_form(m->unit)));
		roff_line(out, m->scope == SCOPE_FLEET ? _("Known for all daemons.")
		                                       : _("What the leading daemon sees itself."));
	}
	fprintf(out, ".El\n.Ss %s\n.Bl -tag -width Ds\n", _("Alarms that hold without a word"));
	for (size_t i = 0; i < alarm_default_count; i++) {
		const struct alarm_default *d = &alarm_defaults[i];
		fprintf(out, ".It Bq %s\n", d->section);
		roff_line(out, _(d->help));
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

/* Bytes of the words that one line of a comment holds. */
static size_t comment_line(const char *text)
{
	size_t at = 0, words = 0, len;
	int width = 0;

	for (; text[at]; at += len) {
		if (text[at] == ' ')
			words = at;
		width += character_width(text + at, &len);
		if (width > SAMPLE_COLUMNS - 2 && words)
			return words;
	}
	return at;
}

static void comment_print(FILE *out, const char *text)
{
	while (*text) {
		size_t len = comment_line(text);
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
	buf_puts(&text, _(key->help));
	if (key->flags & UNUSED)
		buf_printf(&text, " %s", UNUSED_HELP);
	if (!(key->flags & RELOAD))
		buf_printf(&text, " %s", RESTART_HELP);
	if (allowed.len) {
		buf_putc(&text, ' ');
		buf_printf(&text, _("Allowed: %s."), buf_str(&allowed));
	}
	if (key->flags & SECRET) {
		buf_putc(&text, ' ');
		buf_printf(&text, _("Or %s_file: a file whose first line it is."), key->name);
	}
	if (key_is_pattern(key) && key->value) {
		buf_putc(&text, ' ');
		buf_printf(&text, _("Default: %s"), key->value);
	}
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
	fputc('\n', out);
	comment_print(out, _("The alarms and the notice that hold when nobody says otherwise."));
	for (size_t i = 0; i < alarm_default_count; i++) {
		const struct alarm_default *d = &alarm_defaults[i];
		fprintf(out, "\n[%s]\n", d->section);
		comment_print(out, _(d->help));
		for (size_t k = 0; k < ARRAY_LEN(d->values); k++)
			fprintf(out, "#%s = %s\n", d->values[k].key, d->values[k].text);
	}
	fputs("\n[" NOTIFY_BUILT_IN "]\n#kind = log\n", out);
}

/* TRANSLATORS: the head of usher.ini. Lines of at most 100 columns, each with its "# ". */
static const char *const sample_head = N_(
        "# usher.ini: the configuration of usherd, see usher.ini(5). Every key stands here with what it is\n"
        "# when nobody says otherwise: remove the # in front of a key to change it. [email] from and\n"
        "# [coupon] url have no default and must be set while their channels are enabled.\n"
        "#\n"
        "# usher-PROFILE.ini beside this file comes on top of it, then what the config server says if there "
        "is\n"
        "# one, and the environment on top of all: USHER_SECTION_KEY, as USHER_CHANNEL_EMAIL_RATE or\n"
        "# USHER_EMAIL_PASSWORD_FILE.\n"
        "#\n"
        "# A value is the rest of its line, taken as it stands: no quotes, and a comment needs a line of\n"
        "# its own. Durations carry their unit: 500ms, 30s, 1m, 6h, 14d. `usherd check-config` tells\n"
        "# every error at once, and what is in force. usherd takes a change of this file by itself within\n"
        "# seconds, and at SIGHUP or `usher config reload` at once; keys that wait for a restart say so.\n");

void config_print_sample(FILE *out)
{
	fprintf(out, "%s\n", _(sample_head));
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
