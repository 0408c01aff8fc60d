/* The configuration and its keys for people: the effective values with their origins, the KEYS
 * section of usher.ini(5) in mdoc, and conf/usher.ini. Calls base only; any thread. */
#include "config/config.h"

#include "base/buf.h"
#include "base/mem.h"
#include "config/keys.h"
#include "config/value.h"

#include <string.h>

#define SHOWN_MAX 16384 /* bytes of one value with its origin */
#define UNUSED_HELP "This version does not use it."
#define SAMPLE_COLUMNS 100 /* where a comment is broken */

static bool section_begins(size_t i)
{
	return i == 0 || strcmp(config_keys[i].section, config_keys[i - 1].section) != 0;
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
	for (size_t i = 0; i < config_key_count; i++) {
		struct buf value = BUF(SHOWN_MAX);
		value_format(&value, config, &config_keys[i]);
		if (section_begins(i))
			fprintf(out, "%s[%s]\n", i ? "\n" : "", config_keys[i].section);
		fprintf(out, "  %-18s %-36s  %s\n", config_keys[i].name, buf_str(&value), config->origins[i]);
		buf_free(&value);
	}
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

void config_print_manual(FILE *out)
{
	for (size_t i = 0; i < config_key_count; i++) {
		if (section_begins(i))
			fprintf(out, "%s.Ss [%s]\n.Bl -tag -width Ds\n", i ? ".El\n" : "",
			        config_keys[i].section);
		manual_key(out, &config_keys[i]);
	}
	fputs(".El\n", out);
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

static void sample_key(FILE *out, const struct config_key *key)
{
	struct buf text = BUF(SHOWN_MAX), allowed = BUF(SHOWN_MAX);

	value_allowed(&allowed, key);
	buf_puts(&text, key->help);
	if (key->flags & UNUSED)
		buf_puts(&text, " " UNUSED_HELP);
	if (allowed.len)
		buf_printf(&text, " Allowed: %s.", buf_str(&allowed));
	if (key->flags & SECRET)
		buf_printf(&text, " Or %s_file: a file whose first line it is.", key->name);
	comment_print(out, buf_str(&text));
	fprintf(out, "#%s =%s%s\n\n", key->name, key->value ? " " : "", key->value ? key->value : "");
	buf_free(&text);
	buf_free(&allowed);
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
	      "# every error at once, and what is in force.\n\n",
	        out);
	for (size_t i = 0; i < config_key_count; i++) {
		if (section_begins(i))
			fprintf(out, "[%s]\n", config_keys[i].section);
		sample_key(out, &config_keys[i]);
	}
}
