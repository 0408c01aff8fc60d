/* The audit: who did what, and what was refused. One db per thread. */
#ifndef STORE_AUDIT_H
#define STORE_AUDIT_H

#include "store/db.h"
#include "store/ledger.h"

struct audit_entry {
	const char *operator, * role, *act, *target, *outcome, *reason, *detail;
};
int audit_add(struct db *db, const struct audit_entry *entry, struct usher_error *err);
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
