/* Redriving, cancelling or restoring many at once, as a job of the daemon: looks first what it would be,
 * tells it, asks how and why, and for how many is to be typed; then starts the job. What is frozen is what
 * the list on the screen held when it was fetched; what died later is told and left out. Main thread. */
#ifndef UI_CONSOLE_BULK_H
#define UI_CONSOLE_BULK_H

#include "screen.h"

struct bulk;

enum bulk_act { BULK_REDRIVE, BULK_CANCEL, BULK_RESTORE };

/* All dead rows that the filter finds, as they were at `seen`: to be redriven or cancelled. */
void bulk_ask_filter(struct console *c, enum bulk_act act, const char *filter, wall_time seen);
/* What this job cancelled: to be restored. */
void bulk_ask_job(struct console *c, const char *id);
/* These rows, to be redriven; `left_out`: how many the operator marked besides, which are not dead. */
void bulk_ask_rows(struct console *c, const struct row_ref *rows, int count, int left_out);
const char *bulk_running(const struct console *c); /* what is waited for; NULL: nothing */
bool bulk_stop(struct console *c);                 /* ends a look; false when there is none */
void bulk_free(struct bulk *b);

#endif
