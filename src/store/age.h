/* How long ago something was done, for messages to operators. Pure; any thread. */
#ifndef STORE_AGE_H
#define STORE_AGE_H

#include <stdint.h>
#include <usher/error.h>

/* "3 min ago" behind the message; returns as error_add does. */
int age_add(struct usher_error *err, int code, int64_t seconds);

#endif
