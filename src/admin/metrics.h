/* GET /metrics: the counters and the newest snapshot as Prometheus text 0.0.4. Pure but for reading
 * the counters; any thread. */
#ifndef ADMIN_METRICS_H
#define ADMIN_METRICS_H

#include "base/buf.h"
#include "base/process.h"
#include "config/config.h"
#include "engine/status.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_MAX (256 * 1024) /* bytes of the answer */

struct metrics_source {
	const struct config *config;
	struct counters *counters;
	const struct status *status; /* NULL: none yet */
	wall_time started_at, now;
	struct process_figures process;
};

/* What is not known, or too old to be true, is left out: a gap tells more than a wrong number. */
void metrics_print(const struct metrics_source *source, struct buf *out);

/* The names, in the table's order, some of them repeated; NULL behind the last. For the manual's test. */
const char *metrics_name(size_t i);

#endif
