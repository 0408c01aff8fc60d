/* The console: screens over the daemon's API for whoever is on call. Main thread; returns the exit
 * status when the operator leaves or the terminal is gone. */
#ifndef UI_CONSOLE_CONSOLE_H
#define UI_CONSOLE_CONSOLE_H

#include "../socket.h"

struct console_options {
	const char *socket; /* --socket or USHER_SOCKET or NULL, to choose again when the daemon comes back */
	bool read_only;
	const char *theme; /* NULL: the usual one */
	bool mouse;
};
/* A theme that is not there is a usage error, told on standard error: 2. */
int console_run(const struct socket_choice *choice, const struct console_options *options);

#endif
