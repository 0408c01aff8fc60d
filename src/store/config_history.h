/* The history of the configuration: what each daemon ran with, and the attempts to change it. Blocks; on its
 * db's thread. */
#ifndef STORE_CONFIG_HISTORY_H
#define STORE_CONFIG_HISTORY_H

#include "model/setting.h"
#include "store/cursor.h"
#include "store/db.h"

struct config_version {
	int64_t id; /* the version; 0: not recorded yet */
	wall_time at;
	char *host, *socket, *who, *source;
	bool refused;
	char *reasons;  /* a line each; "" */
	char *settings; /* NULL: refused, or not read */
	struct setting_changes changes;
};
void config_version_clear(struct config_version *version); /* empty again */
void config_versions_free(struct config_version *rows, size_t n);

/* Sets version->id. */
int config_history_add(struct db *db, struct config_version *version, struct usher_error *err);
/* What the daemon last ran with. USHER_ENOTFOUND: nothing is known of it. */
int config_history_last(struct db *db, const char *host, const char *socket, struct config_version *ret,
        struct usher_error *err);
/* With its settings, without its changes. USHER_ENOTFOUND. */
int config_history_get(struct db *db, int64_t version, struct config_version *ret, struct usher_error *err);
/* Newest first, with their changes, without their settings. `name`: only those with a change of this key;
 * NULL: all.
 */
int config_history_list(struct db *db, const char *name, const char *cursor, int limit,
        struct config_version **ret_rows, size_t *ret_n, char ret_next[CURSOR_SIZE], struct usher_error *err);
/* Forgets what is older, but for what each daemon last ran with. At most `limit` versions; *ret_n: how many.
 */
int config_history_prune(struct db *db, int64_t keep_ms, int limit, int *ret_n, struct usher_error *err);

#endif
