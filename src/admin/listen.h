/* Opening the sockets that the admin API listens on. */
#ifndef ADMIN_LISTEN_H
#define ADMIN_LISTEN_H

#include <sys/socket.h>
#include <sys/stat.h>
#include <usher/error.h>

#define LISTEN_BACKLOG 1024 /* connections that wait to be accepted: enough for a rush */

struct listening {
	int fd;           /* owned; -1: none */
	char *path;       /* owned; a unix socket's, NULL for TCP */
	struct stat made; /* of the socket file, so that only our own is removed */
};
#define LISTENING_NONE ((struct listening){ .fd = -1 })

/* A unix socket at path, mode 0660, of this group ("" or NULL: the process's own), listening. A socket file
 * that nobody listens on is replaced. USHER_EIO says what is in the way and what to do. `key` names the
 * configuration's key in messages. */
int listen_unix(
        const char *path, const char *group, const char *key, struct listening *ret, struct usher_error *err);

/* "127.0.0.1:8081", "[::1]:8081", "localhost:8081"; port 0: any. USHER_ECONFIG for what is no loopback
 * address. */
int listen_address(
        const char *text, struct sockaddr_storage *ret_address, socklen_t *ret_len, struct usher_error *err);
int listen_tcp(const char *text, struct listening *ret, struct usher_error *err);

/* Removes the socket file if it is still ours, and closes the descriptor unless it is -1 by then. */
void listen_close(struct listening *listening);

#endif
