/* What goes into the history of the configuration: what the daemon was started with, if that is not what it
 * last ran with, and every attempt to change it. While the database is away it waits. On the thread of
 * reload.c. */
#include "engine/reload.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HOST_SIZE 65

struct record {
	struct record *next;
	struct config_version version;
	const struct config *config; /* NULL: refused */
};

struct records {
	struct db *db;
	char host[HOST_SIZE];
	struct record *first, **end;
	size_t n;
	bool begun;     /* it is known what the daemon last ran with */
	char *settings; /* of the version in force, as the database has it; NULL: it has none */
	int64_t version;
	bool away; /* said in the log */
};

static void record_free(struct record *record)
{
	config_version_clear(&record->version);
	config_free(record->config);
	free(record);
}

static void drop_first(struct records *rs)
{
	struct record *first = rs->first;

	rs->first = first->next;
	if (!rs->first)
		rs->end = &rs->first;
	rs->n--;
	record_free(first);
}

/* The newest are the ones that matter; what the start was is known from the first that is left. */
static struct record *append(struct records *rs, const struct config *config)
{
	struct record *record = mem_alloc(sizeof *record);

	if (rs->n == RECORDS_MAX) {
		log_warn("config",
		        "the database has been away for long: an attempt to change the configuration "
		        "will not be in the history");
		drop_first(rs);
	}
	record->config = config ? config_hold(config) : NULL;
	*rs->end = record;
	rs->end = &record->next;
	rs->n++;
	return record;
}

struct records *records_new(struct db *db, const struct config *config)
{
	struct records *rs = mem_alloc(sizeof *rs);

	rs->db = db;
	rs->end = &rs->first;
	if (gethostname(rs->host, sizeof rs->host - 1) < 0)
		snprintf(rs->host, sizeof rs->host, "localhost");
	struct config_version *v = &append(rs, config)->version;
	v->at = wall_now();
	v->who = mem_string("");
	v->source = mem_string("start");
	return rs;
}

void records_free(struct records *rs)
{
	if (!rs)
		return;
	while (rs->first)
		drop_first(rs);
	free(rs->settings);
	free(rs);
}

void records_add(struct records *rs, const struct reload_outcome *outcome, const struct config *config)
{
	struct config_version *v = &append(rs, config)->version;
	struct buf reasons = BUF(1024 * 1024);

	v->at = outcome->at;
	v->who = mem_string(outcome->who);
	v->source = mem_string(outcome->source);
	v->refused = !config;
	for (size_t i = 0; i < outcome->error_count; i++)
		buf_printf(&reasons, "%s%s", i ? "\n" : "", outcome->errors[i]);
	v->reasons = buf_take(&reasons);
	for (size_t i = 0; i < outcome->changes.count; i++)
		setting_changes_add(&v->changes, &outcome->changes.items[i]);
}

int64_t records_version(const struct records *rs)
{
	return rs->version;
}

/* -- Writing --------------------------------------------------------------------------------------------- */

static const char *socket_of(const struct config *config)
{
	return config->daemon.socket ? config->daemon.socket : "";
}

/* What the daemon last ran with; a first start has nothing to compare with. */
static int begin(struct records *rs, const struct config *config, struct usher_error *err)
{
	struct config_version last = { 0 };
	int rc = config_history_last(rs->db, rs->host, socket_of(config), &last, err);

	if (rc && rc != USHER_ENOTFOUND)
		return rc;
	rs->begun = true;
	rs->settings = mem_string(last.settings);
	rs->version = last.id;
	config_version_clear(&last);
	return 0;
}

static bool is_start(const struct record *record)
{
	return record->config && strcmp(record->version.source, "start") == 0;
}

/* A start with what was in force already is no new version. */
static bool says_something(struct records *rs, struct record *record)
{
	struct usher_error err;

	if (!is_start(record) || !rs->settings)
		return true;
	setting_changes_free(&record->version.changes);
	return config_values_diff(rs->settings, record->version.settings, &record->version.changes, &err) <
	               0 ||
	       record->version.changes.count > 0;
}

static int write_first(struct records *rs, bool *ret_moved, struct usher_error *err)
{
	struct record *record = rs->first;
	struct config_version *v = &record->version;
	int rc = 0;

	if (!rs->begun && record->config)
		rc = begin(rs, record->config, err);
	if (rc)
		return rc;
	free(v->settings);
	v->settings = record->config ? config_values(record->config, rs->settings) : NULL;
	free(v->host);
	v->host = mem_string(rs->host);
	if (!v->socket)
		v->socket = mem_string(record->config ? socket_of(record->config) : "");
	if (says_something(rs, record))
		rc = config_history_add(rs->db, v, err);
	else
		v->id = rs->version;
	if (rc || !record->config)
		return rc;
	free(rs->settings);
	rs->settings = v->settings;
	v->settings = NULL;
	*ret_moved = *ret_moved || rs->version != v->id;
	rs->version = v->id;
	return 0;
}

bool records_write(struct records *rs)
{
	struct usher_error err = { 0 };
	bool moved = false;

	while (rs->first) {
		int64_t before = rs->version;

		if (write_first(rs, &moved, &err)) {
			if (!rs->away)
				log_warn("config",
				        "the history of the configuration waits for the database: %s",
				        err.message);
			rs->away = true;
			return moved;
		}
		moved = moved || before != rs->version;
		drop_first(rs);
	}
	rs->away = false;
	return moved;
}
