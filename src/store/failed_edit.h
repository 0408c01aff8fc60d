/* Editing what a failed row sends when it is redriven, and the table failed_edit, which keeps what it held
 * before. One db per thread. */
#ifndef STORE_FAILED_EDIT_H
#define STORE_FAILED_EDIT_H

#include "store/failed.h"

struct failed_change { /* borrowed; checked by the caller */
	const char *payload, *attributes, *user_id, *recipient, *name;
	size_t payload_len;
	const char *summary; /* what is changed, personal data masked: for the audit and who comes after */
};
/* One transaction over the row, its delivery (whose older copies are not delivered any more: CLAIM_OUTDATED),
 * failed_edit and the audit. The row must be dead; `version` as in failed_redrive. */
int failed_edit(struct db *db, int64_t id, int version, const struct failed_change *change,
        const struct act *act, struct usher_error *err);

#define EDITS_SHOWN_MAX 100
struct edit_row { /* owned */
	int64_t id;
	wall_time at;
	char *operator, * reason, *summary;
};
/* Of one failed row, oldest first. */
int edits_of(
        struct db *db, int64_t failed_id, struct edit_row **ret_rows, size_t *ret_n, struct usher_error *err);
void edits_free(struct edit_row *rows, size_t n);
/* The payload as received, before all edits; *ret is NULL when there were none. The caller frees it. */
int edits_original(
        struct db *db, int64_t failed_id, char **ret_payload, size_t *ret_len, struct usher_error *err);

#endif
