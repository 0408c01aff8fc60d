/* The tables daemon and lease: which daemons there are, and which of them does what one does for all. Times
 * are the database's, so that clocks that disagree elect nobody twice. One db per thread. */
#ifndef STORE_FLEET_H
#define STORE_FLEET_H

#include "model/delivery.h"
#include "store/db.h"

#define FLEET_MAX 32 /* daemons told of; the longest silent are left out */
#define FLEET_OWNER_SIZE 65
#define FLEET_HOST_SIZE 65
#define FLEET_VERSION_SIZE 33
#define FLEET_SOCKET_SIZE 109

struct fleet_member {
	char owner[FLEET_OWNER_SIZE], host[FLEET_HOST_SIZE], version[FLEET_VERSION_SIZE];
	char socket[FLEET_SOCKET_SIZE]; /* for fleet_join; not read back */
	int pid;
	wall_time started_at, seen_at;
	int64_t silent_ms; /* since it was seen, by the database's clock */
	bool leads;
};

/* At its start: a daemon of the same host and socket is its predecessor, which left without a word. */
int fleet_join(struct db *db, const struct fleet_member *me, struct usher_error *err);
/* Says that `me` is there (owner, host, version, pid and started_at are read), forgets those that have been
 * silent for forget_ms, and takes or prolongs the leader's lease if it can be had. *ret_leads: it was. */
int fleet_beat(struct db *db, const struct fleet_member *me, int64_t lease_ms, int64_t forget_ms,
        bool *ret_leads, struct usher_error *err);
/* Leaves no trace: the lease is anybody's at once. */
int fleet_leave(struct db *db, const char *owner, struct usher_error *err);
/* Oldest start first. *ret_n <= FLEET_MAX. */
int fleet_list(struct db *db, struct fleet_member members[FLEET_MAX], size_t *ret_n, struct usher_error *err);

#endif
