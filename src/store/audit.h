/* The audit: who did what, and what was refused. One db per thread. */
#ifndef STORE_AUDIT_H
#define STORE_AUDIT_H

#include "store/db.h"
#include "store/ledger.h"

/* Who acts, in which role, and why. */
struct act {
	const char *operator, * role, *reason;
};
#define ACT_REASON_MAX 500 /* characters */
/* Before anything is asked of the database: USHER_EINVAL unless the reason is one, or there is none and none
 * is needed. `needed_for`: the act that needs one, NULL for none. */
int act_check_reason(const struct act *act, const char *needed_for, struct usher_error *err);

struct audit_entry {
	const char *operator, * role, *act, *target, *outcome, *reason, *detail;
};
int audit_add(struct db *db, const struct audit_entry *entry, struct usher_error *err);
int audit_act(struct db *db, const struct act *act, const char *name, const char *target, const char *outcome,
        const char *detail, struct usher_error *err);
struct audit_row {
	int64_t id;
	wall_time at;
	char *operator, * role, *act, *target, *outcome, *reason, *detail;
};
/* Newest first; target NULL: all. */
int audit_list(struct db *db, const char *target, const char *cursor, int limit, struct audit_row **ret_rows,
        size_t *ret_n, char ret_next[CURSOR_SIZE], struct usher_error *err);
void audit_rows_free(struct audit_row *rows, size_t n);

#endif
