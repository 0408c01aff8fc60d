/* What a daemon tells the service manager that started it, in systemd's protocol (sd_notify(3)): datagrams to
 * the unix socket that $NOTIFY_SOCKET names. Nothing happens where there is none. Any thread. */
#ifndef BASE_NOTIFY_H
#define BASE_NOTIFY_H

#include <stdint.h>
#include <usher/error.h>

/* "READY=1\nSTATUS=...". 0 also when nobody listens. */
int notify_send(const char *state, struct usher_error *err);

/* The manager wants to hear "WATCHDOG=1" at least this often; 0: it does not. */
int64_t notify_watchdog_ms(void);

#endif
