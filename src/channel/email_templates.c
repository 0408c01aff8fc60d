/* Loading mail templates and choosing one: see email_templates.h. May call base only; reads files at
 * load. Any thread. */
#include "channel/email_templates.h"

#include "base/error.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define FILE_PREFIX "welcome."
#define TEXT_SUFFIX ".txt"
#define HTML_SUFFIX ".html"
#define SUBJECT_LINE "Subject:"
#define SUBJECT_MAX 500 /* bytes, tags included */

static const char *const value_names[EMAIL_VALUE_COUNT + 1] = {
	[EMAIL_NAME] = "name",
	[EMAIL_EMAIL] = "email",
	[EMAIL_USER_ID] = "user_id",
	[EMAIL_SIGNED_UP_AT] = "signed_up_at",
	[EMAIL_EVENT_ID] = "event_id",
};

struct email_templates {
	struct email_template list[EMAIL_LOCALES_MAX];
	size_t count;
	const struct email_template *fallback;
};

/* -- Files ---------------------------------------------------------------------------------- */

static int read_file(const char *path, struct buf *out, struct usher_error *err)
{
	FILE *file = fopen(path, "re");
	char bytes[4096];
	size_t n;

	if (!file)
		return error_set(err, USHER_ECONFIG, "%s: cannot be read: %s", path, strerror(errno));
	while ((n = fread(bytes, 1, sizeof bytes, file)) > 0)
		buf_add(out, bytes, n);
	int bad = ferror(file);
	fclose(file);
	if (bad)
		return error_set(err, USHER_ECONFIG, "%s: cannot be read", path);
	if (out->failed)
		return error_set(err, USHER_ECONFIG, "%s: longer than %d bytes", path, TEMPLATE_SIZE_MAX);
	return 0;
}

/* Cuts the text's first line off and makes a template of it. Returns the line number of what follows. */
static int subject_take(
        const char *path, struct buf *text, struct template **ret_subject, struct usher_error *err)
{
	const char *start = buf_str(text);
	size_t line = strcspn(start, "\n"), prefix = strlen(SUBJECT_LINE);
	size_t cut = line + (start[line] == '\n');
	int next = 2;

	if (strncasecmp(start, SUBJECT_LINE, prefix) != 0)
		return error_set(err, USHER_ECONFIG, "%s:1: the first line must be \"Subject: ...\"", path);
	while (prefix < line && start[prefix] == ' ')
		prefix++;
	while (line > prefix && (start[line - 1] == ' ' || start[line - 1] == '\r'))
		line--;
	if (line == prefix || line - prefix > SUBJECT_MAX)
		return error_set(err, USHER_ECONFIG, "%s:1: a subject has 1 to %d bytes", path, SUBJECT_MAX);
	const struct template_source source = {
		.text = start + prefix, .len = line - prefix, .where = path, .first_line = 1
	};
	int rc = template_parse(&source, value_names, ret_subject, err);
	if (rc < 0)
		return rc;
	/* One empty line below the subject belongs to it. */
	size_t blank = start[cut] == '\r' ? cut + 1 : cut;
	if (start[blank] == '\n') {
		cut = blank + 1;
		next++;
	}
	buf_cut(text, 0, cut);
	return next;
}

static int text_load(const char *path, struct email_template *t, struct usher_error *err)
{
	struct buf text = BUF(TEMPLATE_SIZE_MAX);
	int rc = read_file(path, &text, err);

	if (rc == 0)
		rc = subject_take(path, &text, &t->subject, err);
	if (rc > 0) {
		const struct template_source source = {
			.text = buf_str(&text), .len = text.len, .where = path, .first_line = rc
		};
		rc = template_parse(&source, value_names, &t->text, err);
	}
	buf_free(&text);
	return rc;
}

static int html_load(const char *path, struct email_template *t, struct usher_error *err)
{
	struct buf html = BUF(TEMPLATE_SIZE_MAX);
	int rc = read_file(path, &html, err);

	if (rc == 0) {
		const struct template_source source = {
			.text = buf_str(&html), .len = html.len, .html = true, .where = path, .first_line = 1
		};
		rc = template_parse(&source, value_names, &t->html, err);
	}
	buf_free(&html);
	return rc;
}

/* -- The set ---------------------------------------------------------------------------------- */

/* The locale in "welcome.LOCALE.txt"; NULL when the name is not like that. */
static char *locale_of(const char *name)
{
	size_t len = strlen(name), prefix = strlen(FILE_PREFIX), suffix = strlen(TEXT_SUFFIX);

	if (len <= prefix + suffix || strncmp(name, FILE_PREFIX, prefix) != 0 ||
	        strcmp(name + len - suffix, TEXT_SUFFIX) != 0)
		return NULL;
	return mem_stringn(name + prefix, len - prefix - suffix);
}

static int subject_replace(const char *subject, struct email_template *t, struct usher_error *err)
{
	const struct template_source source = {
		.text = subject, .len = strlen(subject), .where = "[email] subject", .first_line = 1
	};

	template_free(t->subject);
	t->subject = NULL;
	return template_parse(&source, value_names, &t->subject, err);
}

static int locale_load(
        const char *dir, const char *subject, struct email_template *t, struct usher_error *err)
{
	struct buf path = BUF(8192);
	int rc;

	buf_printf(&path, "%s/" FILE_PREFIX "%s" TEXT_SUFFIX, dir, t->locale);
	rc = text_load(buf_str(&path), t, err);
	buf_clear(&path);
	buf_printf(&path, "%s/" FILE_PREFIX "%s" HTML_SUFFIX, dir, t->locale);
	if (rc == 0)
		rc = html_load(buf_str(&path), t, err);
	buf_free(&path);
	if (rc == 0 && subject && *subject)
		rc = subject_replace(subject, t, err);
	return rc;
}

static int dir_load(struct email_templates *templates, DIR *dir, const char *path, const char *subject,
        struct usher_error *err)
{
	const struct dirent *entry;
	int rc = 0;

	while (rc == 0 && (entry = readdir(dir))) {
		char *locale = locale_of(entry->d_name);
		if (!locale)
			continue;
		if (templates->count == EMAIL_LOCALES_MAX) {
			free(locale);
			return error_set(
			        err, USHER_ECONFIG, "%s: more than %d locales", path, EMAIL_LOCALES_MAX);
		}
		struct email_template *t = &templates->list[templates->count++];
		t->locale = locale;
		rc = locale_load(path, subject, t, err);
		if (strcasecmp(locale, EMAIL_LOCALE_DEFAULT) == 0)
			templates->fallback = t;
	}
	return rc;
}

int email_templates_load(
        const char *dir, const char *subject, struct email_templates **ret_templates, struct usher_error *err)
{
	DIR *open_dir = opendir(dir);

	if (!open_dir)
		return error_set(err, USHER_ECONFIG, "[email] template_dir: %s cannot be read: %s", dir,
		        strerror(errno));
	struct email_templates *templates = mem_alloc(sizeof *templates);
	int rc = dir_load(templates, open_dir, dir, subject, err);
	closedir(open_dir);
	if (rc == 0 && !templates->fallback)
		rc = error_set(err, USHER_ECONFIG,
		        "[email] template_dir: %s holds no " FILE_PREFIX EMAIL_LOCALE_DEFAULT TEXT_SUFFIX
		        ", which stands in for every locale without a template of its own",
		        dir);
	if (rc < 0)
		email_templates_free(templates);
	else
		*ret_templates = templates;
	return rc;
}

static const struct email_template *find(
        const struct email_templates *templates, const char *locale, size_t len)
{
	for (size_t i = 0; i < templates->count; i++) {
		const char *own = templates->list[i].locale;
		if (strlen(own) == len && strncasecmp(own, locale, len) == 0)
			return &templates->list[i];
	}
	return NULL;
}

const struct email_template *email_templates_choose(
        const struct email_templates *templates, const char *locale)
{
	const struct email_template *t = find(templates, locale, strlen(locale));

	if (!t)
		t = find(templates, locale, strcspn(locale, "-_"));
	return t ? t : templates->fallback;
}

void email_templates_free(struct email_templates *templates)
{
	if (!templates)
		return;
	for (size_t i = 0; i < templates->count; i++) {
		free(templates->list[i].locale);
		template_free(templates->list[i].subject);
		template_free(templates->list[i].text);
		template_free(templates->list[i].html);
	}
	free(templates);
}
