/* Which socket to speak to: the acting one, or the read-only one. Main thread. */
#ifndef UI_SOCKET_H
#define UI_SOCKET_H

#include <stdbool.h>

#define SOCKET_DEFAULT "/run/usher/usher.sock"
#define SOCKET_PATH_MAX 108 /* of struct sockaddr_un */

struct socket_choice {
	char path[SOCKET_PATH_MAX];
	bool read_only; /* asked for, or all that this user may open */
};

/* `given` is --socket or USHER_SOCKET, or NULL for the default. A path named …/usher.sock has its
 * read-only sister …/usher-ro.sock beside it: that is taken with `read_only`, and also when the acting
 * socket may not be opened but the sister may. False when the path is too long for a socket. */
bool socket_choose(const char *given, bool read_only, struct socket_choice *ret);

#endif
