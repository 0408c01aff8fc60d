/* What the files of the ledger share; for store/ledger*.c and store/failed*.c only. */
#ifndef STORE_LEDGER_PARTS_H
#define STORE_LEDGER_PARTS_H

#include "store/ledger.h"

/* Widths of columns in characters, where the schema is narrower than what may come. */
#define WIDTH_NAME 200
#define WIDTH_REASON 512
#define WIDTH_QUEUE 80
#define WIDTH_MESSAGE_ID 128
#define WIDTH_EFFECT 300
#define WIDTH_OPERATOR 64
#define WIDTH_WORDS 500 /* an operator's reason, last_error */
#define WIDTH_TARGET 160

/* The value for each row of an UPDATE: one constant when all are alike, else CASE id WHEN ... END. n > 0. */
void sql_add_case(struct sql *sql, const int64_t *ids, const int64_t *values, size_t n);
void sql_add_case_text(
        struct sql *sql, const int64_t *ids, const char *const *values, size_t n, size_t width);

/* Makes or renews the failed_notification rows of deliveries that die, inside the caller's transaction. */
struct failed_death {
	int64_t delivery_id;
	const char *event_id, *user_id, *recipient, *reason;
	enum failure_class class;
	int attempts, redrives;
	struct ledger_dead dead;
};
int failed_deaths(struct db *db, enum channel_id channel, const struct failed_death *deaths, size_t n,
        struct usher_error *err);

/* Was a message sent at sent_at by the redrive at redriven_at, or after it? (Else it is an old copy.) */
bool dlq_copy_returned(wall_time sent_at, wall_time redriven_at);

/* The owner as its column takes it, and at most LEDGER_BATCH_MAX entries. */
#define OWNER_MAX 64
int ledger_check_batch(const char *owner, size_t n, struct usher_error *err);
/* Ids, user ids and recipients as the columns take them: valid UTF-8 within the limits. */
int ledger_check_ids(
        const char *event_id, const char *user_id, const char *recipient, struct usher_error *err);

#endif
