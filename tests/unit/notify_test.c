/* What the service manager hears, at sockets of a path and of an abstract name. */
#include "base/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static struct usher_error err;

/* `name` as in NOTIFY_SOCKET. */
static int manager(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	strcpy(address.sun_path, name);
	if (*name == '@')
		address.sun_path[0] = '\0';
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) + (*name == '/'));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static void hears(int fd, const char *wanted)
{
	char text[256] = "";
	ssize_t n = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
	assert_int_equal(n, strlen(wanted));
	assert_string_equal(text, wanted);
}

static void a_message_is_one_datagram(void **state)
{
	(void)state;
	char path[64];
	snprintf(path, sizeof path, "/tmp/usher-notify-%d", (int)getpid());
	int fd = manager(path);
	assert_int_equal(notify_send("READY=1\nSTATUS=Delivers", &err), 0);
	assert_int_equal(notify_send("WATCHDOG=1", &err), 0);
	hears(fd, "READY=1\nSTATUS=Delivers");
	hears(fd, "WATCHDOG=1");
	close(fd);
	unlink(path);
	assert_int_equal(notify_send("WATCHDOG=1", &err), USHER_EIO); /* it has gone */
	assert_non_null(strstr(err.message, path));
}

static void an_abstract_name_is_a_socket_too(void **state)
{
	(void)state;
	char name[64];
	snprintf(name, sizeof name, "@usher-notify-%d", (int)getpid());
	int fd = manager(name);
	assert_int_equal(notify_send("STOPPING=1", &err), 0);
	hears(fd, "STOPPING=1");
	close(fd);
}

static void without_a_manager_nothing_happens(void **state)
{
	(void)state;
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(notify_send("READY=1", &err), 0);
	setenv("NOTIFY_SOCKET", "", 1);
	assert_int_equal(notify_send("READY=1", &err), 0);
}

static void a_wrong_address_is_told(void **state)
{
	(void)state;
	static const char *const wrong[] = { "run/notify", "@", "/", "vsock:2:1234",
		"/0123456789012345678901234567890123456789012345678901234567890123456789"
		"0123456789012345678901234567890123456789" };
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		setenv("NOTIFY_SOCKET", wrong[i], 1);
		assert_int_equal(notify_send("READY=1", &err), USHER_EINVAL);
		assert_non_null(strstr(err.message, "NOTIFY_SOCKET"));
	}
}

static void the_watchdog_is_ours_or_nobodys(void **state)
{
	(void)state;
	char own[24];
	snprintf(own, sizeof own, "%d", (int)getpid());
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	assert_int_equal(notify_watchdog_ms(), 0);
	setenv("WATCHDOG_USEC", "120000000", 1);
	assert_int_equal(notify_watchdog_ms(), 120000);
	setenv("WATCHDOG_PID", own, 1);
	assert_int_equal(notify_watchdog_ms(), 120000);
	setenv("WATCHDOG_PID", "1", 1); /* a parent's */
	assert_int_equal(notify_watchdog_ms(), 0);
	unsetenv("WATCHDOG_PID");
	static const char *const nothing[] = { "", "0", "-1", "soon", "12s", "99999999999999999999" };
	for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++) {
		setenv("WATCHDOG_USEC", nothing[i], 1);
		assert_int_equal(notify_watchdog_ms(), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_is_one_datagram),
		cmocka_unit_test(an_abstract_name_is_a_socket_too),
		cmocka_unit_test(without_a_manager_nothing_happens),
		cmocka_unit_test(a_wrong_address_is_told),
		cmocka_unit_test(the_watchdog_is_ours_or_nobodys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
