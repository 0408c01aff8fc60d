/* Redrive jobs: how many rows may go now, and when does a job stop by itself? Pure: time is passed in.
 *
 *   canary rows go at once -> all their outcomes are awaited -> the rest goes, at a speed that doubles up to
 *   the job's rate, and never so far ahead of the outcomes that a service which fails again is noticed late
 */
#ifndef POLICY_REDRIVE_H
#define POLICY_REDRIVE_H

#include "base/clock.h"

#include <stdbool.h>
#include <stdint.h>

#define REDRIVE_RAMP_FIRST_PER_S 1.0 /* the speed after the canary */
#define REDRIVE_RAMP_STEP_MS 2000    /* doubled after each of these */
/* Rows on their way at most: as many as have been delivered, so that a job grows only on success; never more
 * than seconds' worth at the present speed; but always some. */
#define REDRIVE_AHEAD_S 10
#define REDRIVE_AHEAD_MIN 10

struct redrive_plan {
	double rate;     /* rows a second at most; > 0 */
	int64_t canary;  /* rows that go first; 0: none */
	int64_t stop_on; /* stops when so many failed again; 0: never */
};

struct redrive_outcome {
	int64_t sent;       /* rows, so far */
	int64_t on_the_way; /* of them: no outcome yet */
	int64_t failed;     /* of them: dead again */
};

/* How fast a job runs: kept by who runs it. {0}: it has not begun, or waited, and begins slowly (again). */
struct redrive_pace {
	mono_time begun, at;
	double credit; /* rows that may go */
};

/* Too many failed again. One is enough while only canary rows have been sent. */
bool redrive_must_stop(const struct redrive_plan *plan, const struct redrive_outcome *outcome);
/* The canary is out, and not all of its outcomes are known. */
bool redrive_awaits_canary(const struct redrive_plan *plan, const struct redrive_outcome *outcome);
/* How many rows may go now. */
int64_t redrive_allows(const struct redrive_plan *plan, const struct redrive_outcome *outcome,
        struct redrive_pace *pace, mono_time now);
void redrive_sent(struct redrive_pace *pace, int64_t n);

/* How long after the latest of `stops` automatic jobs in a row, each of which stopped by itself, the next may
 * begin. */
int64_t redrive_rest_ms(int stops);

#endif
