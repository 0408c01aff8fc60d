/* What is wrong with a configuration in the making, and what an operator should know of it: for people as
 * lines, for programs as a list, for a struct usher_error in short. Calls base only; one thread a
 * configuration. */
#include "config/load.h"

#include "base/error.h"
#include "base/language.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/value.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The key that a message is about, by its beginning: "[section] key". NULL: none. */
static const struct config_key *key_meant(const struct config *config, const char *message)
{
	char section[64], name[64];

	if (sscanf(message, "[%63[^]]] %63[a-z_]", section, name) != 2)
		return NULL;
	const struct config_key *key = key_in(config, section, name);
	return key ? key : key_in_file(config, section, name);
}

void config_notes_free(char **notes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(notes[i]);
	free(notes);
}

static void error_collect(
        const struct config *config, struct config_errors *told, const char *where, const char *message)
{
	const struct config_key *key = key_meant(config, message);
	struct config_error *error;
	struct buf name = BUF(256), allowed = BUF(512);

	told->items = mem_resize(told->items, told->count + 1, sizeof *told->items);
	error = &told->items[told->count++];
	*error = (struct config_error){ .where = mem_string(where), .message = mem_string(message) };
	if (!key)
		return;
	buf_printf(&name, "%s.%s", key->section, key->name);
	error->key = buf_take(&name);
	value_allowed(&allowed, key);
	if (allowed.len)
		error->allowed = mem_string(buf_str(&allowed));
	buf_free(&allowed);
}

void config_errors_free(struct config_errors *errors)
{
	for (size_t i = 0; i < errors->count; i++) {
		free(errors->items[i].where);
		free(errors->items[i].key);
		free(errors->items[i].message);
		free(errors->items[i].allowed);
	}
	free(errors->items);
	config_notes_free(errors->notes, errors->note_count);
	*errors = (struct config_errors){ 0 };
}

void load_error(struct load *load, const char *where, const char *fmt, ...)
{
	struct buf line = BUF(CONFIG_VALUE_MAX * 2);
	size_t prefix;
	va_list ap;

	if (++load->errors > CONFIG_ERRORS_MAX) {
		if (load->told)
			load->told->more++;
		return;
	}
	buf_printf(&line, "%s: ", where);
	prefix = line.len;
	va_start(ap, fmt);
	buf_vprintf(&line, gettext(fmt), ap);
	va_end(ap);
	if (load->report)
		fprintf(load->report, "%s\n", buf_str(&line));
	if (load->told)
		error_collect(load->config, load->told, where, buf_str(&line) + prefix);
	if (load->errors == 1) { /* the first is always told, cut if it must be */
		char first[LOAD_SUMMARY_MAX];
		utf8_copy(first, sizeof first, buf_str(&line), line.len);
		buf_puts(&load->summary, first);
	} else {
		buf_printf(&load->summary, "; %s", buf_str(&line));
	}
	buf_free(&line);
}

void load_note(struct load *load, const char *fmt, ...)
{
	struct config *config = load->config;
	struct buf text = BUF(CONFIG_VALUE_MAX * 2);
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, gettext(fmt), ap);
	va_end(ap);
	config->notes = mem_resize(config->notes, config->note_count + 1, sizeof *config->notes);
	config->notes[config->note_count++] = buf_take(&text);
}

char *load_words(const struct usher_error *err)
{
	struct buf words = BUF(4 * USHER_ERROR_MESSAGE_MAX);

	error_print(err, &words);
	return buf_take(&words);
}

/* Notes go with the errors: a value may be missing because of what they say. */
static void tell_notes(struct load *load)
{
	struct config *config = load->config;

	if (load->report)
		config_print_notes(config, load->report);
	if (!load->told)
		return;
	load->told->notes = config->notes;
	load->told->note_count = config->note_count;
	config->notes = NULL;
	config->note_count = 0;
}

int load_tell(struct load *load, struct usher_error *err)
{
	int more = load->errors - CONFIG_ERRORS_MAX;
	const char *all = load->summary.failed ? _(" ... (usherd check-config lists all)") : "";

	if (more > 0 && load->report)
		fprintf(load->report, ngettext("%d more error\n", "%d more errors\n", (unsigned long)more),
		        more);
	tell_notes(load);
	if (load->errors == 1)
		return error_set(err, USHER_ECONFIG, "1 error in the configuration: %s%s",
		        buf_str(&load->summary), all);
	return error_set(err, USHER_ECONFIG, "%d errors in the configuration: %s%s", load->errors,
	        buf_str(&load->summary), all);
}
