/* The configuration: an immutable snapshot of typed values, made from built-in defaults,
 * usher.ini, usher-PROFILE.ini and the environment, in this order. keys.def has one row a key and
 * drives parsing, defaults, limits, check-config, the manual and the shipped examples.
 * Pure reading; the snapshot may be read from any thread. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "base/log.h"
#include "model/delivery.h"

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

struct config {
	struct {
		char *profile, *run_dir, *socket, *readonly_socket, *socket_group, *readonly_group,
		        *http_listen;
		int64_t drain_timeout_ms;
	} daemon; /* socket: default RUN_DIR/usher.sock, RUN_DIR/usher-ro.sock */
	struct {
		enum log_level level;
		enum log_format format;
		bool mask;
	} log;
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
		int64_t window_ms, cooldown_ms;
		int probes;
	} breaker;
	struct {
		int batch;
		int64_t interval_ms, max_backoff_ms;
	} relay;
	struct {
		int64_t depth_interval_ms, probe_interval_ms, mirror_interval_ms;
	} watch;
	char **origins; /* one a row of keys.def: where the value comes from */
};

/* `path` NULL: no file. Secrets: KEY, or KEY_file naming a file whose first line it is. Environment:
 * USHER_SECTION_KEY (USHER_CHANNEL_EMAIL_RATE, USHER_EMAIL_PASSWORD_FILE). USHER_ECONFIG: err says how many
 * errors, the first of them; all of them, one a line with file:line and what is allowed, are written to
 * `report` when not NULL. */
int config_load(const char *path, const char *const *environment, FILE *report, struct config **ret_config,
        struct usher_error *err);
/* The same for who needs the database only (migrate, sign-ups), or AWS only (provision): secrets and needed
 * values of other sections may be missing, so that an application need not be given them. What is written
 * there must still be right. */
int config_load_database(const char *path, const char *const *environment, FILE *report,
        struct config **ret_config, struct usher_error *err);
void config_free(struct config *config); /* wipes secrets; NULL is allowed */

/* The effective configuration with the origin of each value; secrets as "(set)" or "(not set)". */
void config_print(const struct config *config, FILE *out);
/* The key table for usher.ini(5) (roff) and for the shipped sample: generated, so that they cannot drift. */
void config_print_manual(FILE *out);
void config_print_sample(FILE *out);

#endif
