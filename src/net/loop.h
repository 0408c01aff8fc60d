/* The event loop of one thread, over libuv: descriptors, timers, and calls posted from other
 * threads. Only loop_post and loop_stop may be called from another thread than the one that runs it. */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <stdint.h>

struct loop;
struct loop_timer;
struct loop_fd;
typedef void loop_fn(void *arg);

struct loop *loop_new(void);
void loop_run(struct loop *loop);  /* until loop_stop; may be called again afterwards */
void loop_stop(struct loop *loop); /* any thread; the current round is finished */
void loop_free(struct loop *loop); /* all timers and descriptors must have been freed */

/* Runs fn(arg) on the loop's thread, in order of posting. Any thread. Posts still waiting when the
 * loop is freed are dropped. */
void loop_post(struct loop *loop, loop_fn *fn, void *arg);
/* The same, for the loop's own thread and cheaper: before the loop next waits. */
void loop_defer(struct loop *loop, loop_fn *fn, void *arg);

/* Runs work(arg) on a thread of libuv's pool, then done(arg) on the loop's. For what blocks and must not hold
 * up the loop, and only that: the pool is the process's, and small. loop_free comes after done. */
void loop_work(struct loop *loop, loop_fn *work, loop_fn *done, void *arg);

/* One-shot timers; starting a started timer moves it. Freeing inside its own callback is allowed.
 * Whatever is due runs after the descriptors that are ready in the same round, so that a thread that
 * was held up hears an answer before its timeout. */
struct loop_timer *loop_timer_new(struct loop *loop, loop_fn *fn, void *arg);
void loop_timer_start(struct loop_timer *timer, int64_t delay_ms);
void loop_timer_stop(struct loop_timer *timer);
void loop_timer_free(struct loop_timer *timer); /* NULL is allowed */

#define LOOP_READ 1
#define LOOP_WRITE 2
typedef void loop_fd_fn(void *arg, int events); /* LOOP_READ|LOOP_WRITE; an error shows as both */
struct loop_fd *loop_fd_new(struct loop *loop, int fd, loop_fd_fn *fn, void *arg);
void loop_fd_want(struct loop_fd *watch, int events); /* 0: none for now */
void loop_fd_free(struct loop_fd *watch);             /* does not close the descriptor */

#endif
