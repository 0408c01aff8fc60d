/* The tables daemon and lease. Uses store/db.h; blocks; on its db's thread. */
#include "store/fleet.h"

#include <stdio.h>
#include <string.h>

#define LEADER "leader"

int fleet_join(struct db *db, const struct fleet_member *me, struct usher_error *err)
{
	struct sql sql = sql_new(db);

	sql_add(&sql, "DELETE FROM daemon WHERE host = ?s AND socket = ?s AND owner <> ?s", me->host,
	        me->socket, me->owner);
	return db_exec(db, &sql, NULL, err);
}

static int beat(struct db *db, const struct fleet_member *me, struct usher_error *err)
{
	struct sql sql = sql_new(db);

	sql_add(&sql,
	        "INSERT INTO daemon (owner, host, socket, pid, version, started_at, seen_at) "
	        "VALUES (?s, ?s, ?s, ?i, ?s, ?t, UTC_TIMESTAMP(3)) ON DUPLICATE KEY UPDATE seen_at = "
	        "UTC_TIMESTAMP(3)",
	        me->owner, me->host, me->socket, (int64_t)me->pid, me->version, me->started_at);
	return db_exec(db, &sql, NULL, err);
}

static int forget(struct db *db, int64_t forget_ms, struct usher_error *err)
{
	struct sql sql = sql_new(db);

	sql_add(&sql, "DELETE FROM daemon WHERE seen_at < UTC_TIMESTAMP(3) - INTERVAL ?i MICROSECOND",
	        forget_ms * 1000);
	return db_exec(db, &sql, NULL, err);
}

/* The assignments run from left to right: the second sees the owner that the first chose. */
static int take_lease(struct db *db, const char *owner, int64_t lease_ms, struct usher_error *err)
{
	struct sql sql = sql_new(db);

	sql_add(&sql,
	        "INSERT INTO lease (name, owner, until) VALUES ('" LEADER "', ?s, "
	        "UTC_TIMESTAMP(3) + INTERVAL ?i MICROSECOND) ON DUPLICATE KEY UPDATE "
	        "owner = IF(until < UTC_TIMESTAMP(3), VALUES(owner), owner), "
	        "until = IF(owner = VALUES(owner), VALUES(until), until)",
	        owner, lease_ms * 1000);
	return db_exec(db, &sql, NULL, err);
}

static int ask_lease(struct db *db, const char *owner, bool *ret_leads, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows;
	int rc;

	sql_add(&sql,
	        "SELECT 1 FROM lease WHERE name = '" LEADER "' AND owner = ?s AND until > UTC_TIMESTAMP(3)",
	        owner);
	rc = db_query(db, &sql, &rows, err);
	if (rc)
		return rc;
	*ret_leads = rows_next(rows);
	rows_free(rows);
	return 0;
}

int fleet_beat(struct db *db, const struct fleet_member *me, int64_t lease_ms, int64_t forget_ms,
        bool *ret_leads, struct usher_error *err)
{
	int rc = beat(db, me, err);

	if (!rc)
		rc = take_lease(db, me->owner, lease_ms, err);
	if (!rc)
		rc = ask_lease(db, me->owner, ret_leads, err);
	return rc || !*ret_leads ? rc : forget(db, forget_ms, err);
}

int fleet_leave(struct db *db, const char *owner, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	int rc;

	sql_add(&sql, "DELETE FROM lease WHERE owner = ?s", owner);
	rc = db_exec(db, &sql, NULL, err);
	if (rc)
		return rc;
	sql = sql_new(db);
	sql_add(&sql, "DELETE FROM daemon WHERE owner = ?s", owner);
	return db_exec(db, &sql, NULL, err);
}

static void member_read(const struct rows *rows, struct fleet_member *m)
{
	*m = (struct fleet_member){ .pid = (int)row_int(rows, 2),
		.started_at = row_time(rows, 4),
		.seen_at = row_time(rows, 5),
		.silent_ms = row_int(rows, 6),
		.leads = row_int(rows, 7) != 0 };
	snprintf(m->owner, sizeof m->owner, "%s", row_text(rows, 0));
	snprintf(m->host, sizeof m->host, "%s", row_text(rows, 1));
	snprintf(m->version, sizeof m->version, "%s", row_text(rows, 3));
}

/* Those seen last, in the order of their start. */
int fleet_list(struct db *db, struct fleet_member members[FLEET_MAX], size_t *ret_n, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows;
	size_t n = 0;
	int rc;

	sql_add(&sql,
	        "SELECT * FROM (SELECT d.owner, d.host, d.pid, d.version, d.started_at, d.seen_at, "
	        "TIMESTAMPDIFF(MICROSECOND, d.seen_at, UTC_TIMESTAMP(3)) DIV 1000 silent_ms, "
	        "COALESCE(l.until > UTC_TIMESTAMP(3), 0) leads FROM daemon d "
	        "LEFT JOIN lease l ON l.name = '" LEADER "' AND l.owner = d.owner "
	        "ORDER BY d.seen_at DESC LIMIT ?i) seen ORDER BY started_at, owner",
	        (int64_t)FLEET_MAX);
	rc = db_query(db, &sql, &rows, err);
	if (rc)
		return rc;
	while (n < FLEET_MAX && rows_next(rows))
		member_read(rows, &members[n++]);
	rows_free(rows);
	*ret_n = n;
	return 0;
}
