/* One profile out of the text of a shared credentials or config file. The format is AWS's own kind of ini:
 * [NAME] in credentials, [default] and [profile NAME] in config; "key = value"; a line that begins with
 * # or ; is a comment, and so is what follows " #" or " ;" behind a value; lines that are indented deeper
 * than the key above them belong to it (nested settings, of which none matters here). Sections of one name
 * add up, the later value wins. May call base. Any thread; pure. */
#include "base/error.h"
#include "base/mem.h"
#include "net/aws_credentials_parts.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *key;
	size_t field;
} profile_fields[] = {
	{ "aws_access_key_id", offsetof(struct aws_profile, access_key) },
	{ "aws_secret_access_key", offsetof(struct aws_profile, secret_key) },
	{ "aws_session_token", offsetof(struct aws_profile, session_token) },
	{ "role_arn", offsetof(struct aws_profile, role) },
	{ "role_session_name", offsetof(struct aws_profile, session) },
	{ "web_identity_token_file", offsetof(struct aws_profile, token_file) },
	{ "source_profile", offsetof(struct aws_profile, source_profile) },
};

/* Keys that say where credentials come from, in ways usher does not go. */
static const char *const unsupported_keys[] = { "sso_session", "sso_start_url", "sso_account_id",
	"credential_process", "credential_source", "login_session" };

struct reader {
	const char *name;
	bool in_config;
	struct aws_profile *profile;
	bool inside;     /* the section is the profile's */
	bool in_section; /* there was a section line */
	int key_indent;  /* of the last key; -1: none in this section yet */
	int line;
};

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void trim(const char **text, size_t *len)
{
	while (*len > 0 && blank(**text))
		(*text)++, (*len)--;
	while (*len > 0 && blank((*text)[*len - 1]))
		(*len)--;
}

static bool text_is(const char *text, size_t len, const char *word)
{
	return strlen(word) == len && memcmp(text, word, len) == 0;
}

/* -- Sections ----------------------------------------------------------------------------------- */

/* "profile NAME" -> NAME, quotes off; false if it does not begin so. */
static bool cut_profile_word(const char **text, size_t *len)
{
	if (*len < 8 || memcmp(*text, "profile", 7) != 0 || !blank((*text)[7]))
		return false;
	*text += 7;
	*len -= 7;
	trim(text, len);
	if (*len >= 2 && strchr("\"'", **text) && (*text)[*len - 1] == **text)
		(*text)++, *len -= 2;
	return true;
}

static int section_line(struct reader *r, const char *text, size_t len, struct usher_error *err)
{
	const char *end = memchr(text, ']', len);

	if (!end)
		return error_set(err, USHER_ECONFIG, "line %d: the section has no ]", r->line);
	text++;
	len = (size_t)(end - text);
	trim(&text, &len);
	bool named = cut_profile_word(&text, &len);
	bool wanted = text_is(text, len, r->name);
	r->inside = r->in_config ? wanted && (named || strcmp(r->name, "default") == 0) : wanted && !named;
	r->in_section = true;
	r->key_indent = -1;
	r->profile->exists |= r->inside;
	return 0;
}

/* -- Keys --------------------------------------------------------------------------------------- */

static size_t without_comment(const char *value, size_t len)
{
	for (size_t i = 1; i < len; i++)
		if ((value[i] == '#' || value[i] == ';') && blank(value[i - 1]))
			return i - 1;
	return len;
}

static void set_key(
        struct aws_profile *profile, const char *key, size_t key_len, const char *value, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(profile_fields); i++) {
		const char *name = profile_fields[i].key;
		char **field = (char **)((char *)profile + profile_fields[i].field);
		if (strlen(name) != key_len || strncasecmp(name, key, key_len) != 0)
			continue;
		aws_string_free(*field);
		*field = len > 0 ? mem_stringn(value, len) : NULL;
	}
	for (size_t i = 0; i < ARRAY_LEN(unsupported_keys); i++)
		if (strlen(unsupported_keys[i]) == key_len &&
		        strncasecmp(unsupported_keys[i], key, key_len) == 0)
			profile->unsupported = unsupported_keys[i];
}

static int key_line(struct reader *r, const char *text, size_t len, struct usher_error *err)
{
	const char *equals = memchr(text, '=', len);

	if (!r->in_section)
		return error_set(
		        err, USHER_ECONFIG, "line %d: a key stands before the first section", r->line);
	if (!equals) /* the line's text is not shown: it may be half of a key */
		return error_set(err, USHER_ECONFIG, "line %d: neither a section nor KEY = VALUE", r->line);
	if (!r->inside)
		return 0;
	const char *key = text, *value = equals + 1;
	size_t key_len = (size_t)(equals - text), value_len = len - key_len - 1;
	trim(&key, &key_len);
	value_len = without_comment(value, value_len);
	trim(&value, &value_len);
	set_key(r->profile, key, key_len, value, value_len);
	return 0;
}

static int take_line(struct reader *r, const char *text, size_t len, struct usher_error *err)
{
	size_t indent = 0;

	while (indent < len && blank(text[indent]))
		indent++;
	trim(&text, &len);
	if (len == 0 || *text == '#' || *text == ';')
		return 0;
	if (r->key_indent >= 0 && (int)indent > r->key_indent)
		return 0;
	if (*text == '[')
		return section_line(r, text, len, err);
	r->key_indent = (int)indent;
	return key_line(r, text, len, err);
}

/* -- The contract of aws_credentials_parts.h ------------------------------------------------------ */

int aws_profile_parse(const char *text, size_t len, const char *name, bool in_config, struct aws_profile *ret,
        struct usher_error *err)
{
	struct aws_profile profile = { 0 };
	struct reader r = { .name = name, .in_config = in_config, .profile = &profile, .key_indent = -1 };
	const char *end = text + len;
	int rc = 0;

	if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
		text += 3;
	while (text < end && rc == 0) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));
		if (!stop)
			stop = end;
		r.line++;
		rc = take_line(&r, text, (size_t)(stop - text), err);
		text = stop + 1;
	}
	if (rc < 0)
		aws_profile_free(&profile);
	else
		*ret = profile;
	return rc;
}

void aws_profile_free(struct aws_profile *profile)
{
	for (size_t i = 0; i < ARRAY_LEN(profile_fields); i++)
		aws_string_free(*(char **)((char *)profile + profile_fields[i].field));
	*profile = (struct aws_profile){ 0 };
}
