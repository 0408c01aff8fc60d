/* The admin API: HTTP/1.1 + JSON on two unix sockets (act, look) and an optional loopback listener
 * for health and metrics. One thread, one db. The contract is usher-api(7). */
#ifndef ADMIN_ADMIN_H
#define ADMIN_ADMIN_H

#include "engine/engine.h"

struct admin;
/* Listens when it returns. USHER_EIO names the path and what to do (another daemon runs there, directory
 * missing, group unknown). */
int admin_start(struct engine *engine, struct admin **ret_admin, struct usher_error *err);
void admin_stop(struct admin *admin); /* finishes answers under way, removes the sockets, joins, frees */

#endif
