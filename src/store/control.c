/* See control.h. Blocks; on its db's thread. */
#include "store/control.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/age.h"
#include "store/audit.h"
#include "store/ledger_parts.h"

#include <stdio.h>
#include <string.h>

static const char *const breaker_names[] = {
	[CONTROL_AUTO] = "auto", [CONTROL_OPEN] = "open", [CONTROL_CLOSED] = "closed"
};

const char *control_breaker_name(enum control_breaker breaker)
{
	return breaker_names[breaker];
}

bool control_breaker_by_name(const char *name, enum control_breaker *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(breaker_names); i++)
		if (strcmp(breaker_names[i], name) == 0) {
			*ret = (enum control_breaker)i;
			return true;
		}
	return false;
}

/* -- Reading -------------------------------------------------------------------------------------- */

#define WORD_COLUMNS 3

static void word_read(const struct rows *rows, unsigned column, struct control_word *w)
{
	const char *by = row_text(rows, column), *reason = row_text(rows, column + 1);

	snprintf(w->by, sizeof w->by, "%s", by ? by : "");
	snprintf(w->reason, sizeof w->reason, "%s", reason ? reason : "");
	w->at = row_time(rows, column + 2);
}

static void control_of(const struct rows *rows, struct control *c)
{
	*c = (struct control){ .paused = row_int(rows, 1) != 0, .mirrored_at = row_time(rows, 3) };
	control_breaker_by_name(row_text(rows, 2), &c->breaker);
	word_read(rows, 4, &c->pause);
	word_read(rows, 4 + WORD_COLUMNS, &c->force);
}

int control_read(struct db *db, struct control controls[CHANNEL_COUNT], struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows;
	enum channel_id id;
	int rc;

	sql_add(&sql, "SELECT channel, paused, breaker, mirrored_at, pause_by, pause_reason, pause_at, "
	              "breaker_by, breaker_reason, breaker_at FROM channel_control");
	rc = db_query(db, &sql, &rows, err);
	if (rc)
		return rc;
	for (id = 0; id < CHANNEL_COUNT; id++)
		controls[id] = (struct control){ 0 };
	while (rows_next(rows))
		if (channel_by_name(row_text(rows, 0), &id))
			control_of(rows, &controls[id]);
	rows_free(rows);
	return 0;
}

/* -- Acting ---------------------------------------------------------------------------------------- */

/* What an act brings about: paused or not, or a state of the breaker. */
struct wish {
	const char *name; /* in the audit */
	enum channel_id channel;
	bool about_breaker, reason_required;
	int value; /* paused, or enum control_breaker */
	const struct act *act;
	char target[WIDTH_TARGET];
	/* as found */
	int found;
	int64_t age_s;
	char by[WIDTH_OPERATOR * 4 + 1];
};

static const char *state_name(const struct wish *w, int value)
{
	if (w->about_breaker)
		return control_breaker_name((enum control_breaker)value);
	return value ? "paused" : "running";
}

static int audit(
        struct db *db, const struct wish *w, const char *outcome, const char *detail, struct usher_error *err)
{
	return audit_act(db, w->act, w->name, w->target, outcome, detail, err);
}

/* The row is made first, so that there is one to lock. */
static int find(struct db *db, struct wish *w, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows;
	const char *column = w->about_breaker ? "breaker" : "pause";
	enum control_breaker breaker = CONTROL_AUTO;
	int rc;

	sql_add(&sql, "INSERT IGNORE INTO channel_control (channel) VALUES (?s)", channel_name(w->channel));
	rc = db_exec(db, &sql, NULL, err);
	if (rc)
		return rc;
	sql = sql_new(db);
	sql_add(&sql, "SELECT paused, breaker, ");
	sql_add(&sql, column);
	sql_add(&sql, "_by, TIMESTAMPDIFF(SECOND, ");
	sql_add(&sql, column);
	sql_add(&sql, "_at, UTC_TIMESTAMP(3)) FROM channel_control WHERE channel = ?s FOR UPDATE",
	        channel_name(w->channel));
	rc = db_query(db, &sql, &rows, err);
	if (rc)
		return rc;
	if (rows_next(rows)) {
		control_breaker_by_name(row_text(rows, 1), &breaker);
		w->found = w->about_breaker ? (int)breaker : row_int(rows, 0) != 0;
		snprintf(w->by, sizeof w->by, "%s", row_text(rows, 2) ? row_text(rows, 2) : "");
		w->age_s = row_int(rows, 3);
	}
	rows_free(rows);
	return 0;
}

/* Nobody is told that he did what somebody else had done. */
static int check(const struct wish *w, struct usher_error *err)
{
	const char *channel = channel_name(w->channel);

	if (w->found != w->value)
		return 0;
	if (!w->by[0])
		return w->about_breaker
		               ? error_set(err, USHER_ECONFLICT, "the breaker of %s is not forced", channel)
		               : error_set(err, USHER_ECONFLICT, "%s is not paused", channel);
	if (w->about_breaker && w->value == CONTROL_AUTO)
		error_set(err, USHER_ECONFLICT, "the breaker of %s is not forced: let go by %.100s ", channel,
		        w->by);
	else if (w->about_breaker)
		error_set(err, USHER_ECONFLICT, "the breaker of %s is already forced %s: by %.100s ", channel,
		        state_name(w, w->value), w->by);
	else if (w->value)
		error_set(err, USHER_ECONFLICT, "%s is already paused: by %.100s ", channel, w->by);
	else
		error_set(err, USHER_ECONFLICT, "%s is not paused: resumed by %.100s ", channel, w->by);
	return age_add(err, USHER_ECONFLICT, w->age_s);
}

static int move(struct db *db, const struct wish *w, struct usher_error *err)
{
	struct sql sql = sql_new(db);

	if (w->about_breaker)
		sql_add(&sql,
		        "UPDATE channel_control SET breaker = ?s, breaker_at = UTC_TIMESTAMP(3), "
		        "breaker_reason = ?s, breaker_by = ",
		        state_name(w, w->value), w->act->reason);
	else
		sql_add(&sql,
		        "UPDATE channel_control SET paused = ?i, pause_at = UTC_TIMESTAMP(3), "
		        "pause_reason = ?s, pause_by = ",
		        (int64_t)w->value, w->act->reason);
	sql_add_clipped(&sql, w->act->operator, WIDTH_OPERATOR);
	sql_add(&sql, " WHERE channel = ?s", channel_name(w->channel));
	return db_exec(db, &sql, NULL, err);
}

static int wish_work(struct db *db, void *arg, struct usher_error *err)
{
	struct wish *w = arg;
	char detail[64];
	int rc = find(db, w, err);

	if (!rc)
		rc = check(w, err);
	if (!rc)
		rc = move(db, w, err);
	if (rc)
		return rc;
	snprintf(detail, sizeof detail, "%s to %s", state_name(w, w->found), state_name(w, w->value));
	return audit(db, w, "done", detail, err);
}

static int perform(struct db *db, struct wish *w, struct usher_error *err)
{
	struct usher_error why = { 0 };
	int rc;

	snprintf(w->target, sizeof w->target, "channels/%s", channel_name(w->channel));
	rc = act_check_reason(w->act, w->reason_required ? w->name : NULL, &why);
	if (!rc)
		rc = db_transaction(db, wish_work, w, &why);
	if (!rc)
		return 0;
	if (rc == USHER_ECONFLICT || rc == USHER_EINVAL)
		audit(db, w, rc == USHER_ECONFLICT ? "conflict" : "refused", why.message, NULL);
	return error_copy(err, &why);
}

int control_pause(struct db *db, enum channel_id channel, const struct act *act, struct usher_error *err)
{
	struct wish w = {
		.name = "pause", .channel = channel, .value = true, .reason_required = true, .act = act
	};

	return perform(db, &w, err);
}

int control_resume(struct db *db, enum channel_id channel, const struct act *act, struct usher_error *err)
{
	struct wish w = { .name = "resume", .channel = channel, .value = false, .act = act };

	return perform(db, &w, err);
}

int control_force(struct db *db, enum channel_id channel, enum control_breaker breaker, const struct act *act,
        struct usher_error *err)
{
	struct wish w = { .name = "breaker",
		.channel = channel,
		.about_breaker = true,
		.value = (int)breaker,
		.reason_required = breaker != CONTROL_AUTO,
		.act = act };

	return perform(db, &w, err);
}

int control_mirrored(struct db *db, enum channel_id channel, struct usher_error *err)
{
	struct sql sql = sql_new(db);

	sql_add(&sql,
	        "INSERT INTO channel_control (channel, mirrored_at) VALUES (?s, UTC_TIMESTAMP(3)) "
	        "ON DUPLICATE KEY UPDATE mirrored_at = VALUES(mirrored_at)",
	        channel_name(channel));
	return db_exec(db, &sql, NULL, err);
}
