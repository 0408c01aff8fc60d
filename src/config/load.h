/* A configuration being made: where the sources put their values and errors. Inside src/config only
 * (and its tests). One thread. */
#ifndef CONFIG_LOAD_H
#define CONFIG_LOAD_H

#include "base/buf.h"
#include "config/config.h"
#include "config/keys.h"

#include <stdbool.h>
#include <stdio.h>
#include <usher/error.h>

#define CONFIG_FILE_MAX (1024 * 1024) /* bytes of a configuration file */
#define CONFIG_WHERE_MAX 512          /* bytes of an origin, as "/etc/usher/usher.ini:12" */
#define CONFIG_ERRORS_MAX 100         /* errors that are told; the rest are counted */

#define ORIGIN_BUILT_IN "built-in"

struct load {
	struct config *config;
	bool database_only;             /* secrets of other sections are not read, nothing else is needed */
	bool in_profile;                /* usher-PROFILE.ini is being read */
	FILE *report;                   /* may be NULL */
	const char *const *environment; /* may be NULL */
	const char *path;               /* usher.ini's, where a missing value is told; may be NULL */
	int errors;
	struct buf summary; /* as many errors as a struct usher_error holds */
	char **seen;        /* a key: where the source being read gave it; NULL not yet */
	bool *refused;      /* a key: some source gave a value that cannot be */
};

/* With the built-in values. The caller ends it with load_finish. */
void load_begin(struct load *load, bool database_only, FILE *report);
/* A key may come once from each source; this starts the next source. */
void load_next_source(struct load *load);
void load_error(struct load *load, const char *where, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));
/* Gives a key its value, or the value that stands in the file at `path`. Errors are noted. */
void load_value(struct load *load, const struct config_key *key, const char *text, const char *where);
void load_value_file(struct load *load, const struct config_key *key, const char *path, const char *where);
/* Makes a section of a repeatable kind, with the values its keys have when nobody says. False: it cannot be,
 * and the error is noted. */
bool load_section(struct load *load, const char *section, const char *at);
/* Fills what follows from other values, checks the whole, hands over. USHER_ECONFIG if there was any error.
 */
int load_finish(struct load *load, struct config **ret_config, struct usher_error *err);

/* -- Sources: ini.c, environment.c ------------------------------------------------------------- */
/* `name` is the file's, for messages. */
void load_ini(struct load *load, const char *name, const char *text, size_t len);
void load_environment(struct load *load, const char *const *environment);
/* Of one variable; NULL when it is not there. */
const char *environment_get(const char *const *environment, const char *name);

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

#endif
