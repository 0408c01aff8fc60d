/* usher.ini's text, read with libinih. One thread a call; libinih keeps no state.
 *
 * libinih forgives silently where an operator must be told: it cuts a value at " ;", joins an
 * indented line to the value above, cuts long lines and section names, skips text behind "]", and
 * names only the first line it did not understand. Its switches for some of that exist on Debian
 * only and are shared by the whole process, so they stay untouched: the reader below gives libinih
 * one line at a time, already checked, with the inline comment marks hidden. */
#include "base/mem.h"
#include "base/text.h"
#include "config/load.h"

#include <ini.h>
#include <stdio.h>
#include <string.h>

#define HIDDEN '\x1f'  /* stands for ';' inside libinih; no line may hold it otherwise */
#define SECTION_MAX 64 /* bytes of a section's name */
#define LINE_END 3     /* what libinih's buffer must hold beyond the text: CR, LF, NUL */

struct ini {
	struct load *load;
	const char *name;
	const char *text;
	size_t len, at;
	int line;
	bool unanswered;   /* the line given out last must reach the handler */
	bool begun, known; /* there was a section line; the last one named one of ours */
	char section[SECTION_MAX];
};

static const char *where(const struct ini *ini, char text[CONFIG_WHERE_MAX])
{
	snprintf(text, CONFIG_WHERE_MAX, "%s:%d", ini->name, ini->line);
	return text;
}

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

/* -- Lines ------------------------------------------------------------------------------------- */

static void section_begin(struct ini *ini, const char *line, size_t len)
{
	char at[CONFIG_WHERE_MAX];
	const char *end = memchr(line, ']', len);
	const char *rest = end ? end + 1 : line + len;
	struct buf hint = BUF(256);

	where(ini, at);
	ini->begun = true;
	ini->known = false;
	while (rest < line + len && blank(*rest))
		rest++;
	if (!end || (rest < line + len && *rest != ';' && *rest != '#')) {
		load_error(ini->load, at, "a section is written [NAME], alone on its line");
		return;
	}
	line++;
	while (blank(*line))
		line++;
	while (end > line && blank(end[-1]))
		end--;
	utf8_copy(ini->section, sizeof ini->section, line, (size_t)(end - line));
	ini->known = section_known(ini->load->config, ini->section);
	if (ini->known)
		return;
	if (section_pattern(ini->section)) {
		ini->known = load_section(ini->load, ini->section, at);
		return;
	}
	section_suggest(&hint, ini->load->config, ini->section);
	load_error(ini->load, at, "there is no section [%s]%s", ini->section, buf_str(&hint));
	buf_free(&hint);
}

/* Whether libinih may see the line. `room`: what its buffer takes. */
static bool line_check(struct ini *ini, const char *line, size_t len, size_t room)
{
	char at[CONFIG_WHERE_MAX];

	where(ini, at);
	for (size_t i = 0; i < len; i++)
		if (((unsigned char)line[i] < 0x20 && line[i] != '\t') || line[i] == 0x7f) {
			load_error(ini->load, at, "the line holds a control character (0x%02x); remove it",
			        line[i]);
			return false;
		}
	if (!utf8_valid(line, len)) {
		load_error(ini->load, at, "the line is not valid UTF-8; save the file as UTF-8");
		return false;
	}
	if (len > room) {
		load_error(ini->load, at,
		        "the line has %zu bytes; at most %zu are allowed: put a long secret in a file "
		        "(KEY_file), "
		        "another long value in the environment",
		        len, room);
		return false;
	}
	return true;
}

static void line_answered(struct ini *ini)
{
	char at[CONFIG_WHERE_MAX];

	if (ini->unanswered)
		load_error(ini->load, where(ini, at),
		        "this is neither [SECTION], nor KEY = VALUE, nor a # comment");
	ini->unanswered = false;
}

/* The next line without its end and the blanks around it. */
static const char *line_next(struct ini *ini, size_t *ret_len)
{
	const char *line = ini->text + ini->at;
	size_t rest = ini->len - ini->at;
	const char *end = memchr(line, '\n', rest);
	size_t len = end ? (size_t)(end - line) : rest;

	ini->at += len + (end ? 1 : 0);
	ini->line++;
	if (ini->line == 1 && len >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0) {
		line += 3;
		len -= 3;
	}
	if (len && line[len - 1] == '\r')
		len--;
	for (; len && blank(*line); len--)
		line++;
	while (len && blank(line[len - 1]))
		len--;
	*ret_len = len;
	return line;
}

/* libinih's fgets. */
static char *read_line(char *out, int size, void *arg)
{
	struct ini *ini = arg;
	size_t len, room = size > LINE_END ? (size_t)(size - LINE_END) : 0;
	const char *line;

	line_answered(ini);
	do {
		if (ini->at >= ini->len)
			return NULL;
		line = line_next(ini, &len);
	} while (!len || *line == '#' || *line == ';' || !line_check(ini, line, len, room));

	if (*line == '[')
		section_begin(ini, line, len);
	else
		ini->unanswered = true;
	for (size_t i = 0; i < len; i++)
		out[i] = line[i] == ';' && i > 0 && blank(line[i - 1]) ? HIDDEN : line[i];
	memcpy(out + len, "\n", 2);
	return out;
}

/* -- Keys -------------------------------------------------------------------------------------- */

static void key_unknown(struct ini *ini, const char *name, const char *at)
{
	struct buf hint = BUF(256);

	key_suggest(&hint, ini->load->config, ini->section, name);
	load_error(ini->load, at, "[%s] has no key \"%s\"%s", ini->section, name, buf_str(&hint));
	buf_free(&hint);
}

static char *unhide(const char *text)
{
	char *copy = mem_string(text);

	for (char *c = copy; *c; c++)
		if (*c == HIDDEN)
			*c = ';';
	return copy;
}

/* libinih's own idea of the section is not used: it is cut at 49 bytes. */
static int handle(void *arg, const char *section, const char *name, const char *value)
{
	struct ini *ini = arg;
	const struct config_key *key;
	char at[CONFIG_WHERE_MAX];
	char *key_name = unhide(name), *text = unhide(value);
	(void)section;

	ini->unanswered = false;
	where(ini, at);
	if (!ini->begun)
		load_error(ini->load, at, "the key \"%s\" stands before the first [SECTION]", key_name);
	else if (!ini->known)
		; /* the section's line has its error */
	else if ((key = key_in(ini->load->config, ini->section, key_name)))
		load_value(ini->load, key, text, at);
	else if ((key = key_in_file(ini->load->config, ini->section, key_name)))
		load_value_file(ini->load, key, text, at);
	else
		key_unknown(ini, key_name, at);
	mem_wipe(text, strlen(text)); /* it may be a secret */
	free(text);
	free(key_name);
	return 1;
}

void load_ini(struct load *load, const char *name, const char *text, size_t len)
{
	struct ini ini = { .load = load, .name = name, .text = text, .len = len };

	load_next_source(load);
	ini_parse_stream(read_line, &ini, handle, &ini);
	line_answered(&ini);
}
