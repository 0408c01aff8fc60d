/* How bad it is, in one line: the first of `usher status`, and what a monitor in the manner of Nagios or
 * Icinga reads of `usher status --check`. Main thread. */
#ifndef UI_VERBS_CHECK_H
#define UI_VERBS_CHECK_H

#include "verbs.h"

#include "base/json.h"

enum check_level { CHECK_OK, CHECK_WARNING, CHECK_CRITICAL, CHECK_UNKNOWN }; /* the exit status of --check */
#define CHECK_LINE 160                                                       /* columns: what a pager shows */

/* "CRITICAL: the worst there is (and 2 more)", in at most CHECK_LINE columns. */
enum check_level check_headline(struct buf *out, const cJSON *status, wall_time now);
/* Asks the daemon, prints the line with its performance data, in English from here on; returns the level. */
int check_run(struct verb_call *call);

#endif
