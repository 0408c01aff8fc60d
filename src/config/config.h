/* The configuration: an immutable, counted snapshot of typed values, made from built-in defaults,
 * usher.ini, usher-PROFILE.ini, a config server and the environment, in this order. keys.def has one row
 * a key and drives parsing, defaults, limits, check-config, the manual and the shipped examples.
 * Loading reads files, may wait for the config server, and may be done at any time, by any thread; the
 * snapshot may be read from any thread. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "base/clock.h"
#include "base/log.h"
#include "model/alarm.h"
#include "model/delivery.h"

#include "model/setting.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <usher/error.h>

struct config_channel {
	bool enabled;
	char *queue, *dlq;
	int64_t visibility_timeout_ms;
	int64_t receive_linger_ms, delete_linger_ms;
	int receivers, in_flight;
	double rate; /* sends a second; 0 = unlimited */
	bool auto_redrive;
	int auto_redrive_max;
	double auto_redrive_rate; /* rows a second */
	/* any [retry] key, overridden for this channel; else as [retry] */
	int max_attempts;
	int64_t base_ms;
	double factor;
	int64_t max_delay_ms;
	double jitter;
};

/* What the config server said to this configuration. */
struct config_answer {
	char *url;                     /* of the one that answered */
	char *label, *version, *state; /* as it says; NULL: it does not */
	wall_time kept_at;             /* not 0: none answered; this is what was answered then */
	char fingerprint[65];          /* of all that is usher's in the answer, secrets included */
	char *kept;                    /* what config_keep writes: no secret is in it */
};

/* [alarm.NAME] and [notify.NAME]: as many as are named. Thresholds and names are kept as they were written;
 * what they mean stands beside them once everything has been read (alarms.c). */
#define ALARMS_MAX 64
#define NOTIFY_MAX 16 /* bits of notify_mask */

struct config_alarm {
	char name[ALARM_NAME_MAX + 1];
	char *at; /* where the section was first seen */
	char *metric, *channel, *above, *below, *clear, *notify;
	int64_t for_ms, clear_for_ms, window_ms;
	int at_least, severity; /* enum alarm_severity */
	bool enabled;
	/* what follows from them */
	enum alarm_metric watches;
	int of_channel; /* enum channel_id; -1: all */
	bool is_below;
	double raise_at, clear_at;
	uint32_t notify_mask; /* bits: indexes of notify */
};

struct config_notify {
	char name[ALARM_NAME_MAX + 1];
	char *at;
	char *kind, *url, *smtp_url, *user, *password, *from, *to, *tls, *ca_file, *topic, *language;
	int64_t timeout_ms;
};

struct config {
	atomic_int more_holders; /* than the one who made it */
	struct {
		char *profile, *run_dir, *socket, *readonly_socket, *socket_group, *readonly_group,
		        *http_listen, *state_dir;
		int64_t drain_timeout_ms, disk_threshold;
		bool core_dumps;
	} daemon; /* socket: default RUN_DIR/usher.sock, RUN_DIR/usher-ro.sock; state_dir: RUN_DIR */
	struct {
		enum log_level level;
		enum log_format format;
		bool mask;
	} log;
	struct {
		bool email, name, user_id, phone;
		char *fields;
	} mask;
	struct {
		char *host, *socket, *user, *password, *name, *migrate_user, *migrate_password, *tls_ca;
		int port;
		int64_t connect_timeout_ms, read_timeout_ms, keep_delivered_ms;
	} database;
	struct {
		char *driver;
	} broker;
	struct {
		char *region, *endpoint_url, *profile, *topic, *kms_key_id, *ca_bundle;
		bool spot_notice;
	} aws;
	struct {
		int max_attempts;
		int64_t base_ms;
		double factor;
		int64_t max_delay_ms;
		double jitter;
	} retry;
	struct config_channel channel[CHANNEL_COUNT];
	struct {
		char *smtp_url, *user, *password, *from, *subject, *template_dir, *ca_file, *unsubscribe;
		int tls /* enum smtp_tls */, connections;
		int64_t timeout_ms;
	} email;
	struct {
		char *url, *health_url, *token, *campaign, *ca_file;
		int64_t timeout_ms;
	} coupon;
	struct {
		int failures;
		double share;
		int64_t window_ms, cooldown_ms;
		int probes;
	} breaker;
	struct {
		int batch, gzip_above;
		int64_t interval_ms, linger_ms, max_backoff_ms;
	} relay;
	struct {
		int64_t depth_interval_ms, idle_interval_ms, probe_interval_ms, mirror_interval_ms;
	} watch;
	struct {
		char *url, *name, *label, *user, *password, *bearer, *token, *ca_file;
		bool state, required;
		int64_t timeout_ms, interval_ms;
	} config_server;
	struct config_answer *answer; /* NULL: none was asked, or there was none */
	bool unanswered;              /* a server was to be asked; none answered, and nothing is kept */
	char templates[65];           /* fingerprint of the files in template_dir; "" when not read */
	char **notes; /* sentences that an operator should read, as "no config server answers" */
	size_t note_count;
	struct config_alarm alarm[ALARMS_MAX];
	struct config_notify notify[NOTIFY_MAX];
	int alarms, notifies;
	/* The rows of keys.def in their order, and behind them the keys of each [alarm.NAME] and
	 * [notify.NAME]. */
	struct config_key *keys;
	size_t key_count;
	char **origins; /* one a key: where the value comes from */
};

/* Everything that is wrong, for programs. */
struct config_error {
	char *where;   /* "/etc/usher/usher.ini:12", "environment USHER_RELAY_BATCH" */
	char *key;     /* "database.port"; NULL: it is about no key */
	char *message; /* the sentence that is written to the report */
	char *allowed; /* NULL: any text, or no key */
};
struct config_errors {
	struct config_error *items;
	size_t count;
	int more;     /* that are not told */
	char **notes; /* that go with them */
	size_t note_count;
};
void config_errors_free(struct config_errors *errors);

/* The files that a load read or wanted to read, the templates' directory too, as they were before. */
struct config_file {
	char *path;
	char read[65], seen[65]; /* what it looked like when it was read, and at the last look */
};
struct config_files {
	struct config_file *items;
	size_t count;
};
void config_files_free(struct config_files *files);
/* The path of one that has changed since it was read and stood still since the look before; NULL: none. Such
 * a file is not being written just now. */
const char *config_files_changed(struct config_files *files);

struct config_request {
	const char *path;               /* NULL: no file */
	const char *const *environment; /* NULL: none */
	/* For who needs the database only (migrate, sign-ups), or AWS only (provision): secrets and needed
	 * values of other sections may be missing, so that an application need not be given them. What is
	 * written there must still be right. */
	bool database_only;
	bool offline;                 /* the config server is not asked; what it last said is used */
	FILE *report;                 /* NULL, or where errors are written, a line each */
	struct config_errors *errors; /* NULL, or zeroed; the caller frees */
	struct config_files *files;   /* NULL, or zeroed; filled in either case; the caller frees */
};

/* Secrets: KEY, or KEY_file naming a file whose first line it is. Environment: USHER_SECTION_KEY
 * (USHER_CHANNEL_EMAIL_RATE, USHER_EMAIL_PASSWORD_FILE). USHER_ECONFIG: err says how many errors, and the
 * first of them; all of them, with where and what is allowed, are in report and errors. */
int config_load_as(const struct config_request *request, struct config **ret_config, struct usher_error *err);
int config_load(const char *path, const char *const *environment, FILE *report, struct config **ret_config,
        struct usher_error *err);
int config_load_database(const char *path, const char *const *environment, FILE *report,
        struct config **ret_config, struct usher_error *err);
/* One more who reads it: each lets go by config_free. Any thread. */
const struct config *config_hold(const struct config *config);
/* Lets go; the last one frees it and wipes secrets. NULL is allowed. */
void config_free(const struct config *config);

/* Writes to the log where the configuration comes from, and its notes. */
void config_log(const struct config *config);
/* The notes alone, a line each. */
void config_print_notes(const struct config *config, FILE *out);
/* Directory for what outlives a restart. */
const char *config_state_dir(const struct config *config);
/* Keeps what the config server answered, without its secrets, for a start without it. For the daemon alone;
 * what fails is in the log. */
void config_keep(const struct config *config);
/* Asks the config server again, and waits. True: what it says now is not what this configuration was made of,
 * so that loading it anew is worth it. USHER_EUNAVAILABLE, USHER_EFORBIDDEN: no answer; *ret_changed is
 * untouched. */
int config_server_changed(const struct config *config, bool *ret_changed, struct usher_error *err);

/* -- A change while usherd runs: change.c ------------------------------------------------------------------
 */

/* Makes of a configuration that was just read the one that can be in force now: keys that change at a restart
 * only get back the value and origin that are in force. Those that would change are in *ret_pending, in the
 * order of their keys. USHER_ECONFIG: the two cannot go together. */
int config_settle(struct config *fresh, const struct config *in_force, struct setting_changes *ret_pending,
        struct usher_error *err);
/* Does a key of [section], or of a section that begins so ("notify."), differ? Secrets and templates too. */
bool config_differs(const struct config *a, const struct config *b, const char *section);

/* All values with their origins as one text that can be kept and compared:
 * {"relay.batch":{"value","origin"}}. Of a secret it has a mark from which the secret cannot be had, the same
 * as in `previous` (such a text, or NULL) when the secret is the same. The caller frees. */
char *config_values(const struct config *config, const char *previous);
/* What is different in `after`. NULL as `before` is a text without keys. USHER_EINVAL: no such text. */
int config_values_diff(
        const char *before, const char *after, struct setting_changes *ret, struct usher_error *err);

/* The effective configuration with the origin of each value; secrets as "(set)" or "(not set)". */
void config_print(const struct config *config, FILE *out);
/* The same as JSON, or what is wrong with it (config NULL); usherd(8) has the form. */
void config_print_json(
        const char *path, const struct config *config, const struct config_errors *errors, FILE *out);
/* The index of [notify.NAME]; -1: there is none. */
int config_notify_find(const struct config *config, const char *name, size_t len);

/* Adds each key with its value and origin to a JSON array (cJSON), as config_print_json has them. */
struct cJSON;
void config_values_json(const struct config *config, struct cJSON *array);
/* The key table for usher.ini(5) (roff) and for the shipped sample: generated, so that they cannot drift. */
void config_print_manual(FILE *out);
void config_print_sample(FILE *out);

#endif
