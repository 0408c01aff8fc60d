/* Opens listening sockets: unix sockets that a dead daemon's file does not block and a living one's
 * does, and a loopback TCP socket. Called by the thread that starts the worker. May call base/. */
#include "admin/listen.h"

#include "base/error.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_MODE 0660
#define GROUP_BUFFER_SIZE 16384

/* -- Unix sockets ------------------------------------------------------------------------------------ */

/* Two daemons that start at once take turns by locking the directory; a lock file would stay behind. */
static int directory_lock(const char *path, int *ret_fd, struct usher_error *err)
{
	OWNED char *copy = mem_string(path);
	const char *directory = dirname(copy);
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, USHER_EIO,
		        "cannot open the directory %s for the socket: %s: create it, owned by "
		        "the user that runs usherd",
		        directory, strerror(errno));
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR) {
			int why = errno;
			close(fd);
			return error_set(
			        err, USHER_EIO, "cannot lock the directory %s: %s", directory, strerror(why));
		}
	*ret_fd = fd;
	return 0;
}

/* Does a process listen there? Only then is the file alive. */
static int stale_remove(const char *path, const struct sockaddr_un *address, struct usher_error *err)
{
	struct stat st;
	if (lstat(path, &st) < 0)
		return errno == ENOENT
		               ? 0
		               : error_set(err, USHER_EIO, "cannot look at %s: %s", path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return error_set(err, USHER_EIO, "%s exists and is no socket: move it away", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set(err, USHER_EIO, "cannot make a socket: %s", strerror(errno));
	int rc = connect(fd, (const struct sockaddr *)address, sizeof *address), why = errno;
	close(fd);
	if (rc == 0 || why == EAGAIN)
		return error_set(err, USHER_EIO,
		        "another daemon listens on %s: stop it, or give this one a run_dir of its own in "
		        "[daemon]",
		        path);
	if (why != ECONNREFUSED)
		return error_set(err, USHER_EIO,
		        "cannot tell whether a daemon listens on %s: %s: remove it if none does", path,
		        strerror(why));
	if (unlink(path) < 0 && errno != ENOENT)
		return error_set(err, USHER_EIO, "cannot remove the socket %s of a daemon that is gone: %s",
		        path, strerror(errno));
	return 0;
}

static int group_find(const char *group, const char *key, gid_t *ret_gid, struct usher_error *err)
{
	struct group entry, *found = NULL;
	OWNED char *buffer = mem_alloc(GROUP_BUFFER_SIZE);
	int rc = getgrnam_r(group, &entry, buffer, GROUP_BUFFER_SIZE, &found);
	if (!found)
		return error_set(err, USHER_EIO,
		        "[daemon] %s: there is no group \"%s\"%s%s: create it (groupadd --system %s) or "
		        "name another",
		        key, group, rc ? ": " : "", rc ? strerror(rc) : "", group);
	*ret_gid = found->gr_gid;
	return 0;
}

/* Nobody can connect before listen(), so the file's rights are right before the first connection. */
static int socket_bind(int fd, const struct sockaddr_un *address, const char *group, const char *key,
        struct usher_error *err)
{
	const char *path = address->sun_path;
	gid_t gid = (gid_t)-1;
	if (group && *group && group_find(group, key, &gid, err) < 0)
		return USHER_EIO;
	if (bind(fd, (const struct sockaddr *)address, sizeof *address) < 0)
		return error_set(err, USHER_EIO,
		        "cannot make the socket %s: %s: the user that runs usherd must be allowed "
		        "to write its directory",
		        path, strerror(errno));
	int rc = 0;
	if (gid != (gid_t)-1 && chown(path, (uid_t)-1, gid) < 0)
		rc = error_set(err, USHER_EIO,
		        "cannot give %s to the group \"%s\": %s: make the user that runs usherd a member "
		        "of it",
		        path, group, strerror(errno));
	else if (chmod(path, SOCKET_MODE) < 0)
		rc = error_set(err, USHER_EIO, "cannot set the rights of %s: %s", path, strerror(errno));
	else if (listen(fd, LISTEN_BACKLOG) < 0)
		rc = error_set(err, USHER_EIO, "cannot listen on %s: %s", path, strerror(errno));
	if (rc < 0)
		unlink(path);
	return rc;
}

int listen_unix(
        const char *path, const char *group, const char *key, struct listening *ret, struct usher_error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct stat st;
	int lock = -1, fd = -1;
	if (strlen(path) >= sizeof address.sun_path)
		return error_set(err, USHER_EIO,
		        "the path of a unix socket has at most %zu bytes; this one has more: %s",
		        sizeof address.sun_path - 1, path);
	strcpy(address.sun_path, path);
	int rc = directory_lock(path, &lock, err);
	if (rc < 0)
		return rc;
	rc = stale_remove(path, &address, err);
	if (rc < 0)
		goto out;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		rc = error_set(err, USHER_EIO, "cannot make a socket: %s", strerror(errno));
		goto out;
	}
	rc = socket_bind(fd, &address, group, key, err);
	if (rc == 0 && lstat(path, &st) < 0)
		rc = error_set(err, USHER_EIO, "cannot look at %s: %s", path, strerror(errno));
	if (rc == 0) {
		*ret = (struct listening){ .fd = fd, .path = mem_string(path), .made = st };
		fd = -1;
	}
out:
	if (fd >= 0)
		close(fd);
	close(lock);
	return rc;
}

/* -- TCP --------------------------------------------------------------------------------------------- */

static int port_parse(const char *text, in_port_t *ret)
{
	unsigned long port = 0;
	if (!*text || strlen(text) > 5)
		return USHER_EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return USHER_EINVAL;
		port = port * 10 + (unsigned long)(*text - '0');
	}
	if (port > 65535)
		return USHER_EINVAL;
	*ret = htons((in_port_t)port);
	return 0;
}

int listen_address(
        const char *text, struct sockaddr_storage *ret_address, socklen_t *ret_len, struct usher_error *err)
{
	struct sockaddr_storage address = { 0 };
	struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address;
	OWNED char *host = mem_string(text);
	char *port = strrchr(host, ':');
	in_port_t number;
	if (!port || port_parse(port + 1, &number) < 0)
		return error_set(err, USHER_ECONFIG,
		        "[daemon] http_listen: \"%s\" is no ADDRESS:PORT, such as 127.0.0.1:8081", text);
	*port = '\0';
	if (strcmp(host, "[::1]") == 0) {
		*v6 = (struct sockaddr_in6){
			.sin6_family = AF_INET6, .sin6_port = number, .sin6_addr = IN6ADDR_LOOPBACK_INIT
		};
		*ret_len = sizeof *v6;
	} else {
		const char *digits = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
		*v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = number };
		if (inet_pton(AF_INET, digits, &v4->sin_addr) != 1 ||
		        ntohl(v4->sin_addr.s_addr) >> 24 != IN_LOOPBACKNET)
			return error_set(err, USHER_ECONFIG,
			        "[daemon] http_listen: \"%s\" is no loopback address: 127.0.0.1, [::1] or "
			        "localhost is allowed. "
			        "For other machines put a proxy with TLS in front",
			        host);
		*ret_len = sizeof *v4;
	}
	*ret_address = address;
	return 0;
}

int listen_tcp(const char *text, struct listening *ret, struct usher_error *err)
{
	struct sockaddr_storage address = { 0 };
	socklen_t len = 0;
	int on = 1;
	int rc = listen_address(text, &address, &len, err);
	if (rc < 0)
		return rc;
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set(
		        err, USHER_EIO, "[daemon] http_listen: cannot make a socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, LISTEN_BACKLOG) < 0) {
		rc = error_set(err, USHER_EIO,
		        "[daemon] http_listen: cannot listen on %s: %s: choose a free port, or leave the "
		        "key empty",
		        text, strerror(errno));
		close(fd);
		return rc;
	}
	*ret = (struct listening){ .fd = fd };
	return 0;
}

static bool is_ours(const struct listening *listening)
{
	struct stat st;
	return listening->path && lstat(listening->path, &st) == 0 && st.st_dev == listening->made.st_dev &&
	       st.st_ino == listening->made.st_ino;
}

void listen_close(struct listening *listening)
{
	if (is_ours(listening))
		unlink(listening->path);
	mem_freep(&listening->path);
	if (listening->fd >= 0)
		close(listening->fd);
	listening->fd = -1;
}
