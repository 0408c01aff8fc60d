/* The choice of the socket; see socket.h. */
#include "socket.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ACT_NAME "usher.sock"
#define LOOK_NAME "usher-ro.sock"

/* "…/usher.sock" -> "…/usher-ro.sock"; false when the name is another or does not fit. */
static bool sister_path(const char *path, char out[SOCKET_PATH_MAX])
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	if (strcmp(name, ACT_NAME) != 0)
		return false;
	int n = snprintf(out, SOCKET_PATH_MAX, "%.*s" LOOK_NAME, (int)(name - path), path);
	return n > 0 && n < SOCKET_PATH_MAX;
}

static bool may_open(const char *path)
{
	return access(path, R_OK | W_OK) == 0;
}

bool socket_choose(const char *given, bool read_only, struct socket_choice *ret)
{
	const char *path = given && *given ? given : SOCKET_DEFAULT;
	if (strlen(path) >= SOCKET_PATH_MAX)
		return false;
	*ret = (struct socket_choice){ .read_only = read_only };
	strcpy(ret->path, path);
	char sister[SOCKET_PATH_MAX];
	if (!sister_path(path, sister))
		return true;
	if (read_only) {
		if (!given || access(sister, F_OK) == 0)
			strcpy(ret->path, sister);
	} else if (!may_open(path) && may_open(sister)) {
		strcpy(ret->path, sister);
		ret->read_only = true;
	}
	return true;
}
