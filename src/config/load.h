/* A configuration being made: where the sources put their values and errors. Inside src/config only
 * (and its tests). One thread. */
#ifndef CONFIG_LOAD_H
#define CONFIG_LOAD_H

#include "base/buf.h"
#include "base/language.h"
#include "config/config.h"
#include "config/keys.h"

#include <stdbool.h>
#include <stdio.h>
#include <usher/error.h>

#define CONFIG_FILE_MAX (1024 * 1024) /* bytes of a configuration file */
#define CONFIG_WHERE_MAX 512          /* bytes of an origin, as "/etc/usher/usher.ini:12" */
#define CONFIG_ERRORS_MAX 100         /* errors that are told; the rest are counted */

#define LOAD_SUMMARY_MAX                                                                                     \
	(USHER_ERROR_MESSAGE_MAX - 128) /* bytes of `summary`: room for the words around it */

#define ORIGIN_BUILT_IN N_("built-in")

struct server_environment;

struct load {
	struct config *config;
	bool database_only;             /* secrets of other sections are not read, nothing else is needed */
	bool in_profile;                /* usher-PROFILE.ini is being read */
	FILE *report;                   /* may be NULL */
	const char *const *environment; /* may be NULL */
	const char *path;               /* usher.ini's, where a missing value is told; may be NULL */
	int errors;
	struct buf summary;              /* as many errors as a struct usher_error holds */
	char **seen;                     /* a key: where the source being read gave it; NULL not yet */
	bool *refused;                   /* a key: some source gave a value that cannot be */
	struct config_errors *told;      /* where errors are collected; may be NULL */
	struct config_files *files;      /* what is read; may be NULL */
	struct server_environment *kept; /* the kept answer, when it is used; NULL else */
};

/* With the built-in values. The caller ends it with load_finish. */
void load_begin(struct load *load, bool database_only, FILE *report);
/* A key may come once from each source; this starts the next source. */
void load_next_source(struct load *load);
/* Gives a key its value, or the value that stands in the file `name`: in CREDENTIALS_DIRECTORY, if that is in
 * the environment and the name does not begin at the root. Errors are noted. */
void load_value(struct load *load, const struct config_key *key, const char *text, const char *where);
void load_value_file(struct load *load, const struct config_key *key, const char *name, const char *where);
/* Makes a section of a repeatable kind, with the values its keys have when nobody says. False: it cannot be,
 * and the error is noted. */
bool load_section(struct load *load, const char *section, const char *at);
/* Fills what follows from other values, checks the whole, hands over. USHER_ECONFIG if there was any error.
 */
int load_finish(struct load *load, struct config **ret_config, struct usher_error *err);

/* -- What is wrong: errors.c ------------------------------------------------------------------- */
/* In the language in force (base/language.h), by their formats: a command's user reads them in his own, a
 * daemon has them in English. A message that is about a key begins with "[section] key": programs are told
 * which, and what is allowed. */
void load_error(struct load *load, const char *where, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));
/* A sentence that the operator should read, and no error. */
void load_note(struct load *load, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The error's message, to be a part of theirs. The caller frees. */
char *load_words(const struct usher_error *err);
/* The whole of it, for who asked: USHER_ECONFIG. */
int load_tell(struct load *load, struct usher_error *err);
void config_notes_free(char **notes, size_t count);

/* -- Sources: ini.c, environment.c ------------------------------------------------------------- */
/* `name` is the file's, for messages. */
void load_ini(struct load *load, const char *name, const char *text, size_t len);
void load_environment(struct load *load, const char *const *environment);
/* Of one variable; NULL when it is not there. */
const char *environment_get(const char *const *environment, const char *name);

/* -- The files: files.c -------------------------------------------------------------------------- */
/* Before it is read, so that what changes meanwhile is a change. NULL is allowed. */
void files_add(struct config_files *files, const char *path);
void files_templates(const char *directory, char mark[65]);

/* -- The config server: server.c ----------------------------------------------------------------- */
/* Its values. `settings`: what the files and the environment say. */
void load_server(struct load *load, const struct config *settings, bool offline);
/* Once every other source has been read. */
void load_server_end(struct load *load);
void config_answer_free(struct config_answer *answer); /* NULL is allowed */
/* -- Alarms and notices: alarms.c ---------------------------------------------------------------- */
#define NOTIFY_BUILT_IN "notify.log"
struct alarm_default {
	const char *section, *help;
	struct {
		const char *key, *text;
	} values[6];
};
extern const struct alarm_default alarm_defaults[];
extern const size_t alarm_default_count;
void alarms_begin(struct load *load); /* those that hold without a word */
void alarms_check(struct load *load);

/* -- What must hold between values: check.c ---------------------------------------------------- */
void load_check(struct load *load);
void load_check_needed(struct load *load); /* what must be set because of what is switched on */
/* Whether a config server can be asked with these settings; load_check says why not. */
bool server_settings_fit(const struct config *config);

#endif
