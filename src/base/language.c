/* Which language is spoken, and where its catalogue is; see language.h. Calls libc only. */
#include "base/language.h"

#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define DOMAIN "usher"
#define SYSTEM_DOMAIN "libc" /* strerror's, getopt's */
#define STAND_IN "C.UTF-8"   /* every glibc has it, and gettext looks LANGUAGE up in it, unlike in "C" */
#define KEY_SIZE 256         /* of a word in its context */

static const char *const tags[LANGUAGE_COUNT] = { [LANGUAGE_ENGLISH] = "en", [LANGUAGE_KOREAN] = "ko" };

const char *language_tag(enum language language)
{
	return tags[language];
}

const char *language_in_context(const char *key, const char *text)
{
	const char *found = gettext(key);
	return found == key ? text : found;
}

const char *language_word(const char *context, const char *text)
{
	char key[KEY_SIZE];
	if (snprintf(key, sizeof key, "%s\004%s", context, text) >= (int)sizeof key)
		return text;
	return language_in_context(key, text);
}

/* -- Where the catalogues are ---------------------------------------------------------------------- */

static void bind_catalogues(void)
{
	char program[PATH_MAX], path[PATH_MAX + 32];
	ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
	if (len <= 0)
		return; /* English, then */
	program[len] = '\0';
	char *slash = strrchr(program, '/');
	if (!slash)
		return;
	*slash = '\0';
	snprintf(path, sizeof path, "%s/locale/", program); /* not /usr/bin/locale, a program */
	if (access(path, R_OK | X_OK) != 0)
		snprintf(path, sizeof path, "%s/../share/locale", program);
	bindtextdomain(DOMAIN, path);
	bind_textdomain_codeset(DOMAIN, "UTF-8");
	textdomain(DOMAIN);
}

/* -- What was asked for ---------------------------------------------------------------------------- */

static bool is_tag_of(const char *asked, size_t len, enum language language)
{
	size_t n = strlen(tags[language]);
	return len >= n && strncasecmp(asked, tags[language], n) == 0 &&
	       (len == n || strchr("-_.@", asked[n]) != NULL);
}

/* Quality values are not weighed: who sends them lists the best first. */
enum language language_wanted(const char *list)
{
	for (const char *at = list ? list : ""; *at;) {
		at += strspn(at, " \t,:");
		size_t len = strcspn(at, " \t\n,:;"); /* a line's end: language_now's */
		for (enum language l = 0; l < LANGUAGE_COUNT; l++)
			if (is_tag_of(at, len, l))
				return l;
		at += strcspn(at, ",:");
	}
	return LANGUAGE_ENGLISH;
}

static bool is_plain_locale(const char *locale)
{
	return !strcmp(locale, "C") || !strcmp(locale, "POSIX");
}

/* By the order of GNU gettext: LANGUAGE counts unless the locale is C, or none is asked for. */
static enum language language_asked(void)
{
	static const char *const names[] = { "LC_ALL", "LC_MESSAGES", "LANG" };
	const char *locale = NULL, *language = getenv("LANGUAGE");
	for (size_t i = 0; i < sizeof names / sizeof *names && !locale; i++) {
		locale = getenv(names[i]);
		if (locale && !*locale)
			locale = NULL;
	}
	if (!locale || is_plain_locale(locale))
		return LANGUAGE_ENGLISH;
	return language_wanted(language && *language ? language : locale);
}

void language_of_user(bool speaks)
{
	enum language language = speaks ? language_asked() : LANGUAGE_ENGLISH;
	if (language == LANGUAGE_ENGLISH) { /* the system's own words for errors as well */
		setlocale(LC_MESSAGES, "C");
		return;
	}
	bind_catalogues();
	bind_textdomain_codeset(SYSTEM_DOMAIN, "UTF-8"); /* else in LC_CTYPE's, which may be ASCII: "???" */
	setenv("LANGUAGE", tags[language], 1);
	const char *real = setlocale(LC_MESSAGES, "");
	if (!real || is_plain_locale(real))
		setlocale(LC_MESSAGES, STAND_IN);
}

/* The catalogue's own header tells, so that one that is not there is not claimed. */
enum language language_now(void)
{
	static const char field[] = "\nLanguage: ";
	const char *at = strstr(gettext(""), field);
	return at ? language_wanted(at + sizeof field - 1) : LANGUAGE_ENGLISH;
}

/* -- A daemon: by call ------------------------------------------------------------------------------- */

void language_of_daemon(void)
{
	bind_catalogues();
	bindtextdomain(SYSTEM_DOMAIN, "/nonexistent"); /* its words are parts of what the log says too */
	/* looked up only in STAND_IN: elsewhere the locale is "C" */
	setenv("LANGUAGE", tags[LANGUAGE_KOREAN], 1);
}

void language_begin(enum language language)
{
	if (language == LANGUAGE_ENGLISH)
		return;
	locale_t own = newlocale(LC_MESSAGES_MASK, STAND_IN, (locale_t)0);
	if (own)
		uselocale(own);
}

void language_end(void)
{
	locale_t own = uselocale(LC_GLOBAL_LOCALE);
	if (own != LC_GLOBAL_LOCALE)
		freelocale(own);
}
