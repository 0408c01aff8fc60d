/* Pieces of SQL that the ledger's files share, and the rows of what died. On the db's thread. */
#include "store/ledger_parts.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/event.h"

#include <string.h>

#define DEATHS_STATEMENT_MAX                                                                                 \
	(1024 * 1024) /* bytes, before the last row: far below any max_allowed_packet we accept */

void sql_add_case(struct sql *sql, const int64_t *ids, const int64_t *values, size_t n)
{
	bool open = false;

	for (size_t i = 1; i < n; i++) {
		if (values[i] == values[0])
			continue;
		sql_add(sql, open ? " WHEN ?i THEN ?i" : "CASE id WHEN ?i THEN ?i", ids[i], values[i]);
		open = true;
	}
	sql_add(sql, open ? " ELSE ?i END" : "?i", values[0]);
}

static bool same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

void sql_add_case_text(struct sql *sql, const int64_t *ids, const char *const *values, size_t n, size_t width)
{
	bool open = false;

	for (size_t i = 1; i < n; i++) {
		if (same(values[i], values[0]))
			continue;
		sql_add(sql, open ? " WHEN ?i THEN " : "CASE id WHEN ?i THEN ", ids[i]);
		sql_add_clipped(sql, values[i], width);
		open = true;
	}
	if (open)
		sql_add(sql, " ELSE ");
	sql_add_clipped(sql, values[0], width);
	if (open)
		sql_add(sql, " END");
}

static int check_id(const char *what, const char *text, size_t max, struct usher_error *err)
{
	size_t len = text != NULL ? strlen(text) : 0;

	if (len > max)
		return error_set(
		        err, USHER_EINVAL, "%s is %zu bytes long; at most %zu are allowed", what, len, max);
	if (text != NULL && !utf8_valid(text, len))
		return error_set(err, USHER_EINVAL, "%s is not valid UTF-8", what);
	return 0;
}

int ledger_check_ids(
        const char *event_id, const char *user_id, const char *recipient, struct usher_error *err)
{
	int code = event_id == NULL || event_id[0] == '\0'
	                   ? error_set(err, USHER_EINVAL, "the event id is empty")
	                   : check_id("the event id", event_id, EVENT_ID_MAX, err);

	if (code == 0)
		code = check_id("the user id", user_id, EVENT_ID_MAX, err);
	if (code == 0)
		code = check_id("the address", recipient, EVENT_EMAIL_MAX, err);
	return code;
}

int ledger_check_batch(const char *owner, size_t n, struct usher_error *err)
{
	if (owner[0] == '\0' || strlen(owner) > OWNER_MAX)
		return error_set(
		        err, USHER_EINVAL, "the owner's name must have 1 to %d characters", OWNER_MAX);
	if (n > LEDGER_BATCH_MAX)
		return error_set(err, USHER_ETOOBIG, "%zu deliveries in one batch; at most %d are allowed", n,
		        LEDGER_BATCH_MAX);
	return 0;
}

/* -- Rows of what died ------------------------------------------------------------------------- */

/* Its attributes without what usher says of its death: the columns say it, and a redriven copy must not. */
static char *own_attributes(const struct message_attributes *all)
{
	static const char *const ours[] = { ATTRIBUTE_CLASS, ATTRIBUTE_REASON, ATTRIBUTE_ATTEMPTS,
		ATTRIBUTE_SOURCE_QUEUE };
	struct message_attributes kept = { .count = 0 }; /* borrows the strings */

	for (size_t i = 0; i < all->count; i++) {
		bool our = false;

		for (size_t k = 0; k < ARRAY_LEN(ours); k++)
			our = our || strcmp(all->list[i].name, ours[k]) == 0;
		if (!our)
			kept.list[kept.count++] = all->list[i];
	}
	return message_attributes_print(&kept);
}

static void add_death(struct sql *sql, enum channel_id channel, const struct failed_death *d)
{
	const struct message *m = d->dead.message;
	OWNED char *attributes = own_attributes(&m->attributes);

	sql_add(sql, "(?i,?s,?s,'dead',?s,", d->delivery_id, d->event_id, channel_name(channel),
	        failure_info(d->class)->name);
	sql_add_clipped(sql, d->reason != NULL ? d->reason : "", WIDTH_REASON);
	sql_add(sql, ",?i,?i,?s,?s,", (int64_t)d->attempts, (int64_t)d->redrives, d->user_id, d->recipient);
	sql_add_clipped(sql, d->dead.name, WIDTH_NAME);
	sql_add(sql, ",?b,?s,", m->body_len > 0 ? m->body : "", m->body_len, attributes);
	sql_add_clipped(sql, d->dead.source_queue, WIDTH_QUEUE);
	sql_add(sql, ",");
	sql_add_clipped(sql, m->id, WIDTH_MESSAGE_ID);
	sql_add(sql, ",UTC_TIMESTAMP(3),UTC_TIMESTAMP(3),UTC_TIMESTAMP(3))");
}

/* A second death keeps the row, its number and its first_at; what is known of a copy in the DLQ is of the
 * death before. */
static int write_deaths(struct db *db, struct sql *sql, struct usher_error *err)
{
	sql_add(sql, " ON DUPLICATE KEY UPDATE status = 'dead', version = version + 1, class = "
	             "VALUES(class), reason = VALUES(reason), "
	             "attempts = VALUES(attempts), redrives = VALUES(redrives), user_id = VALUES(user_id), "
	             "recipient = VALUES(recipient), name = VALUES(name), payload = VALUES(payload), "
	             "attributes = VALUES(attributes), "
	             "source_queue = VALUES(source_queue), message_id = VALUES(message_id), dlq_message_id = "
	             "NULL, dlq_seen_at = NULL, "
	             "dlq_expires_at = NULL, dead_at = VALUES(dead_at), updated_at = VALUES(updated_at)");
	return db_exec(db, sql, NULL, err);
}

int failed_deaths(struct db *db, enum channel_id channel, const struct failed_death *deaths, size_t n,
        struct usher_error *err)
{
	for (size_t i = 0; i < n;) {
		struct sql sql = sql_new(db);
		const char *comma = "";
		int code;

		sql_add(&sql, "INSERT INTO failed_notification (delivery_id, event_id, channel, status, "
		              "class, reason, attempts, "
		              "redrives, user_id, recipient, name, payload, attributes, source_queue, "
		              "message_id, first_at, dead_at, "
		              "updated_at) VALUES ");
		for (; i < n && sql.text.len < DEATHS_STATEMENT_MAX; i++) {
			sql_add(&sql, comma);
			add_death(&sql, channel, &deaths[i]);
			comma = ",";
		}
		code = write_deaths(db, &sql, err);
		if (code != 0)
			return code;
	}
	return 0;
}
