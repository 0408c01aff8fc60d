/* Redriving many at once, as a job of the daemon: looks first what would be sent, tells it, asks how and why,
 * and for how many is to be typed; then starts the job. What is frozen is what the list on the screen held
 * when it was fetched; what died later is told and left out. Main thread. */
#ifndef UI_CONSOLE_BULK_H
#define UI_CONSOLE_BULK_H

#include "screen.h"

struct bulk;

/* All dead rows that the filter finds, as they were at `seen`. */
void bulk_ask_filter(struct console *c, const char *filter, wall_time seen);
/* These rows; `left_out`: how many the operator marked besides, which are not dead. */
void bulk_ask_rows(struct console *c, const struct row_ref *rows, int count, int left_out);
const char *bulk_running(const struct console *c); /* what is waited for; NULL: nothing */
bool bulk_stop(struct console *c);                 /* ends a look; false when there is none */
void bulk_free(struct bulk *b);

#endif
