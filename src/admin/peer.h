/* Who speaks on a unix socket. */
#ifndef ADMIN_PEER_H
#define ADMIN_PEER_H

#include "admin/call.h"

/* The login of the process that connected, "uid:1234" when the uid has none, "unknown" on what is no unix
 * socket. Asks the user database: once per connection. */
void peer_login(int fd, char ret_login[OPERATOR_SIZE]);

#endif
