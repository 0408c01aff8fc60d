/* systemd's notification protocol, without its library: one datagram a message. */
#include "base/notify.h"

#include "base/error.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A path, or with '@' in front a name in the abstract namespace, which begins with a NUL and has none behind.
 */
static int address_of(const char *name, struct sockaddr_un *ret, socklen_t *ret_len, struct usher_error *err)
{
	size_t len = strlen(name);

	if ((*name != '/' && *name != '@') || len < 2 || len >= sizeof ret->sun_path)
		return error_set(err, USHER_EINVAL, "NOTIFY_SOCKET is no path of a unix socket: %s", name);
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(ret->sun_path, name, len);
	if (*name == '@')
		ret->sun_path[0] = '\0';
	*ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (*name == '/'));
	return 0;
}

int notify_send(const char *state, struct usher_error *err)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address;
	socklen_t address_len = 0;

	if (!name || !*name)
		return 0;
	int rc = address_of(name, &address, &address_len, err);
	if (rc < 0)
		return rc;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_set(err, USHER_EIO, "cannot make a socket: %s", strerror(errno));
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address, address_len) <
	        0)
		rc = error_set(
		        err, USHER_EIO, "cannot reach the service manager at %s: %s", name, strerror(errno));
	close(fd);
	return rc;
}

static int64_t number_of(const char *variable)
{
	const char *text = getenv(variable);
	char *behind;

	if (!text || *text < '0' || *text > '9')
		return -1;
	errno = 0;
	long long n = strtoll(text, &behind, 10);
	return errno || *behind ? -1 : n;
}

int64_t notify_watchdog_ms(void)
{
	int64_t usec = number_of("WATCHDOG_USEC"), pid = number_of("WATCHDOG_PID");

	if (usec <= 0 || (pid >= 0 && pid != getpid())) /* meant for a parent of ours */
		return 0;
	return usec < 1000 ? 1 : usec / 1000;
}
