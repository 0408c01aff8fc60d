/* How long ago something was done, for messages to operators. Pure; any thread. */
#ifndef STORE_AGE_H
#define STORE_AGE_H

#include <stdint.h>

#define AGE_SIZE 32
const char *age_text(int64_t seconds, char text[AGE_SIZE]); /* "3 min ago"; returns text */

#endif
