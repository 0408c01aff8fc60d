/* users + signup_outbox: sign-ups, and what the relay publishes. One db per thread. */
#ifndef STORE_OUTBOX_H
#define STORE_OUTBOX_H

#include "model/event.h"
#include "store/db.h"
#include "store/ledger.h"

/* The user and the event in one transaction. USHER_ECONFLICT: user id or address signed up already. With the
 * same user id, address and name again (a repeated call after an unknown outcome): 0 and the first event id.
 */
int outbox_signup(struct db *db, const struct event *event, char ret_event_id[EVENT_ID_MAX + 1],
        struct usher_error *err);

struct outbox_row {
	int64_t id;
	char *event_id, *payload;
	size_t payload_len;
	int attempts;
	wall_time created_at;
	wall_time published_at, next_at;
	char *last_error;
};
void outbox_rows_free(struct outbox_row *rows, size_t n);

/* Takes at most max unpublished rows that are due, oldest first, under a lease (SKIP LOCKED). */
int outbox_take(struct db *db, int max, int64_t lease_ms, struct outbox_row **ret_rows, size_t *ret_n,
        struct usher_error *err);
int outbox_published(struct db *db, const int64_t *ids, size_t n, struct usher_error *err);
/* To be tried again after delay_ms (0: at once, attempts not counted). */
int outbox_failed(struct db *db, const int64_t *ids, size_t n, int64_t delay_ms, const char *why,
        struct usher_error *err);
struct outbox_counts {
	int64_t waiting;
	int64_t oldest_age_ms; /* -1 none */
};
int outbox_count(struct db *db, struct outbox_counts *ret, struct usher_error *err);
int outbox_prune(struct db *db, int64_t keep_ms, int max, int *ret_n, struct usher_error *err);
/* For operators: waiting first by age, newest published after. */
int outbox_list(struct db *db, bool waiting_only, const char *cursor, int limit, struct outbox_row **ret_rows,
        size_t *ret_n, char ret_next[CURSOR_SIZE], struct usher_error *err);

#endif
