/* What the files of redrive jobs share; for store/redrive_job*.c only. */
#ifndef STORE_REDRIVE_JOB_PARTS_H
#define STORE_REDRIVE_JOB_PARTS_H

#include "store/redrive_job.h"

#define REDRIVE_JOB_COLUMNS                                                                                  \
	"id, kind, state, version, created_by, role, reason, channel, class, text, since, until, listed, "   \
	"auto_max, frozen_at, total, total_capped, rate, canary, stop_on, sent, skipped, on_the_way, "       \
	"failed, "                                                                                           \
	"settled, waits, why, created_at, started_at, ended_at, moved_by, act, of_job"

/* Runs a SELECT of these columns. */
int redrive_jobs_query(struct db *db, struct sql *sql, struct redrive_job **ret_jobs, size_t *ret_n,
        struct usher_error *err);

/* The filter that finds the job's rows, as they were at frozen_at. */
struct failed_filter redrive_filter(const struct redrive_selection *selection, wall_time frozen_at);

/* redrive_select.c: " FROM failed_notification f ... WHERE ... " by the index that serves the filter, which
 * has a status; and how many it finds, at most FAILED_COUNT_CAP. */
void redrive_add_selected(struct sql *sql, const struct failed_filter *filter);
int redrive_count_selected(struct db *db, const struct failed_filter *filter, int64_t *ret_n,
        bool *ret_capped, struct usher_error *err);

#endif
