/* The languages usher speaks: sentences are written in English in the code and looked up in a gettext
 * catalogue (po/ beside the code that speaks, LANG/LC_MESSAGES/usher.mo when built). A program with one user
 * takes that user's language once, at start (language_of_user); a daemon speaks English, and another language
 * only within language_begin and language_end, for the one who asked. No locale need be installed for either:
 * where the machine lacks it, C.UTF-8 stands in. Calls libc only. */
#ifndef BASE_LANGUAGE_H
#define BASE_LANGUAGE_H

#include <libintl.h>
#include <stdbool.h>

#define _(text) gettext(text) /* in the language of the user, or of the call */
#define N_(text) (text)       /* marks a text of a table, which is looked up where it is shown */
#define C_(context, text)                                                                                    \
	language_in_context(context "\004" text, text) /* a word that means several things */
#define NC_(context, text) (text)                      /* marks one of a table; see language_word */

const char *language_in_context(const char *key, const char *text) __attribute__((format_arg(2)));
/* The same for a word out of a table. */
const char *language_word(const char *context, const char *text);

/* The catalogues are those beside the program: locale/ in its own folder (a build), or ../share/locale. To be
 * called once, before threads start. */

/* The language that the environment asks for (LANGUAGE, LC_ALL, LC_MESSAGES, LANG); sets LC_MESSAGES.
 * `speaks`: what is shown can hold any character; without, the language is English. */
void language_of_user(bool speaks);
/* English, until language_begin. */
void language_of_daemon(void);

enum language { LANGUAGE_ENGLISH, LANGUAGE_KOREAN, LANGUAGE_COUNT };
const char *language_tag(enum language language); /* "en", "ko" */
/* The language in force, for the header Accept-Language of what is asked on the user's behalf. */
enum language language_now(void);
/* The first language of an Accept-Language header or a locale ("ko-KR,ko;q=0.9", "ko_KR.UTF-8") that is
 * spoken here; English for none and for NULL. */
enum language language_wanted(const char *tags);
/* This thread speaks so until language_end. Does not nest. After language_of_daemon only. */
void language_begin(enum language language);
void language_end(void);

#endif
