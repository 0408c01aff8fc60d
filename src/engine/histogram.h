/* A histogram of durations: how many fell into each of a fixed row of buckets, and their sum. One thread
 * observes, at the cost of two relaxed additions; any thread reads. */
#ifndef ENGINE_HISTOGRAM_H
#define ENGINE_HISTOGRAM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Upper bounds in ms, inclusive: from one SMTP reply on a local network to a day in the queue. What is above
 * the last goes into one bucket more. */
static const int64_t histogram_bounds_ms[] = { 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000,
	60000, 300000, 900000, 3600000, 21600000, 86400000 };
#define HISTOGRAM_BOUNDS (sizeof histogram_bounds_ms / sizeof *histogram_bounds_ms)

struct histogram {
	atomic_uint_least64_t bucket[HISTOGRAM_BOUNDS + 1]; /* not cumulative */
	atomic_uint_least64_t sum_ms;
};

/* Below zero is a clock that was set back, and counts as zero. */
static inline void histogram_observe(struct histogram *h, int64_t ms)
{
	size_t i = 0;
	while (i < HISTOGRAM_BOUNDS && ms > histogram_bounds_ms[i])
		i++;
	atomic_fetch_add_explicit(&h->bucket[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->sum_ms, ms > 0 ? (uint64_t)ms : 0, memory_order_relaxed);
}

#endif
