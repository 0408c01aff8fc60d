/* The operator's login from the socket's peer credentials: the kernel vouches for the uid, so there is
 * nothing to log in to and nothing to forge. Admin thread. */
#include "admin/peer.h"

#include "base/mem.h"
#include "base/text.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define PASSWD_BUFFER_SIZE 16384

void peer_login(int fd, char ret_login[OPERATOR_SIZE])
{
	struct sockaddr_storage address = { 0 };
	socklen_t address_len = sizeof address;
	struct ucred peer;
	socklen_t len = sizeof peer;
	snprintf(ret_login, OPERATOR_SIZE, "unknown");
	if (getsockname(fd, (struct sockaddr *)&address, &address_len) < 0 || address.ss_family != AF_UNIX ||
	        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return;
	struct passwd entry, *found = NULL;
	OWNED char *buffer = mem_alloc(PASSWD_BUFFER_SIZE);
	getpwuid_r(peer.uid, &entry, buffer, PASSWD_BUFFER_SIZE, &found);
	if (found)
		utf8_copy(ret_login, OPERATOR_SIZE, found->pw_name, strlen(found->pw_name));
	else
		snprintf(ret_login, OPERATOR_SIZE, "uid:%u", (unsigned)peer.uid);
}
