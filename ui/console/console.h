/* The console: screens over the daemon's API for whoever is on call. Main thread; returns the exit
 * status when the operator leaves or the terminal is gone. */
#ifndef UI_CONSOLE_CONSOLE_H
#define UI_CONSOLE_CONSOLE_H

#include "../socket.h"

/* `given`: --socket or USHER_SOCKET or NULL, to choose again when the daemon comes back. */
int console_run(const struct socket_choice *choice, const char *given, bool read_only);

#endif
