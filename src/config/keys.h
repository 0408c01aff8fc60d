/* The table of keys.def as data, and looking things up in it. Inside src/config only (and its
 * tests). Constant data; any thread. */
#ifndef CONFIG_KEYS_H
#define CONFIG_KEYS_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <usher/error.h>

#ifndef USHER_DATADIR
#define USHER_DATADIR "/usr/local/share/usher" /* the Makefile gives the installation's */
#endif

enum config_kind {
	KIND_TEXT,     /* char *: any text */
	KIND_NAME,     /* char *: letters, digits, - and _, at most CONFIG_NAME_MAX */
	KIND_QUEUE,    /* char *: a KIND_NAME, also with .fifo behind it */
	KIND_TOPIC,    /* char *: a KIND_QUEUE, or the ARN of an SNS topic */
	KIND_URL,      /* char *: begins with one of `allowed` */
	KIND_URLS,     /* char *: several of them with commas between, at most CONFIG_LIST_MAX */
	KIND_SOCKET,   /* char *: a path short enough for a unix socket */
	KIND_LISTEN,   /* char *: a loopback address and a port */
	KIND_ADDRESS,  /* char *: a mail address, bare or as NAME <ADDRESS> */
	KIND_METRIC,   /* char *: a name of model/alarm_metric.def */
	KIND_NAMES,    /* char *: names of sections, with commas between them */
	KIND_WORDS,    /* char *: any words, with commas between them, as mask.h takes them */
	KIND_CHOICE,   /* char *: one of the words of `allowed` */
	KIND_WORD,     /* int or enum: the position of the word in `allowed` */
	KIND_BOOL,     /* bool */
	KIND_INT,      /* int */
	KIND_REAL,     /* double */
	KIND_DURATION, /* int64_t, in ms */
	KIND_SIZE,     /* int64_t, in bytes */
};

enum { SECRET = 1, RELOAD = 2, NEEDED = 4, UNUSED = 8 }; /* flags; see keys.def */

#define CONFIG_NAME_MAX 80     /* bytes of a KIND_NAME: what SQS allows a queue */
#define CONFIG_SOCKET_MAX 107  /* bytes of a socket's path: sun_path less its NUL */
#define CONFIG_VALUE_MAX 8192  /* bytes of any value, secrets in files included */
#define CONFIG_LIST_MAX 8      /* items of a list: of servers, of labels */
#define CONFIG_ENV_NAME_MAX 96 /* bytes of an environment variable's name, with the NUL */

struct config_key {
	const char *section, *name;
	enum config_kind kind;
	int flags;
	size_t offset; /* in struct config */
	const char *value, *allowed;
	const char *help;
};

extern const struct config_key config_keys[];
extern const size_t config_key_count;

struct config;

bool key_is_text(const struct config_key *key); /* its field is a char * */
bool key_is_list(const struct config_key *key); /* several, with commas between them */
bool key_is(const struct config_key *key, const char *section, const char *name);
bool key_is_pattern(const struct config_key
                *key); /* of "alarm.*": it stands for the keys of sections, and holds no value */
/* A row of keys.def; NULL: none. Its place in config_keys is its place in each config's keys. */
const struct config_key *key_find(const char *section, const char *name);
/* A key of this configuration, those of its [alarm.NAME] and [notify.NAME] included. */
const struct config_key *key_in(const struct config *config, const char *section, const char *name);
/* "password_file" of a secret key: the key; NULL: no such key, or not a secret. */
const struct config_key *key_in_file(const struct config *config, const char *section, const char *name);
/* USHER_CHANNEL_EMAIL_RATE. Returns text. */
const char *key_env_name(const struct config_key *key, char text[CONFIG_ENV_NAME_MAX]);
/* The key of a property as a config server has it, "usher.database.connect-timeout", however its words are
 * joined. *ret_file: it is the KEY_file of that key. NULL: none. */
const struct config_key *key_find_property(const struct config *config, const char *property, bool *ret_file);
/* The repeatable section that a property speaks of; false: of none. */
bool property_section(const char *property, char section[CONFIG_ENV_NAME_MAX]);

bool section_known(const struct config *config, const char *section);

/* -- Sections of which there are as many as are named: sections.c ---------------------------------- */
/* "alarm.backlog" -> "alarm.*"; NULL: no such pattern. */
const char *section_pattern(const char *section);
size_t config_key_capacity(void); /* keys that a configuration can have */
/* Makes a section with its keys, without values; `at`: where it was first seen. *ret_first: the first of its
 * keys, *ret_n: how many. USHER_EINVAL: bad name, or too many. */
int section_add(struct config *config, const char *section, const char *at, struct config_key **ret_first,
        size_t *ret_n, struct usher_error *err);
void sections_free(struct config *config);

/* Appends what may have been meant: ` (did you mean "host"?)`, ` (it belongs in [email])`, or nothing. */
void key_suggest(struct buf *out, const struct config *config, const char *section, const char *name);
void section_suggest(struct buf *out, const struct config *config, const char *section);
void env_suggest(struct buf *out, const struct config *config, const char *env_name);
void property_suggest(struct buf *out, const struct config *config, const char *property);

#endif
