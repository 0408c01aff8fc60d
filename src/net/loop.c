/* The event loop of one thread, over libuv.
 *
 * libuv frees nothing by itself: a handle's memory may go only from its close callback, so timers
 * and descriptors here are closed by their _free and freed one round later; loop_free turns the
 * loop until the last of them is gone. Calls from other threads wait in a list behind a mutex and
 * wake the loop through a uv_async; calls from the loop's own thread wait in a plain list that runs
 * before the loop next waits. libuv runs timers before it looks at the descriptors; here a timer that
 * is due only notes so, and runs once the descriptors have been heard: a thread that was held up must
 * not take an answer that lies in the socket for one that never came. May call libuv and base. Runs on the
 * thread that calls loop_run, except loop_post and loop_stop, which any thread may call. */
#include "net/loop.h"

#include "base/log.h"
#include "base/mem.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#define CALLS_FIRST_CAP 64

struct call {
	loop_fn *fn;
	void *arg;
};

struct call_list {
	struct call *items;
	size_t len, cap;
};

struct loop {
	uv_loop_t uv;
	uv_async_t wake;      /* posts or a stop have come */
	uv_prepare_t prepare; /* runs the deferred calls just before each wait */
	uv_check_t check;     /* runs the timers that are due just after each wait */
	uv_idle_t idle;       /* active while deferred calls or due timers remain: no wait then */
	atomic_bool stopping;
	pthread_mutex_t mutex; /* guards `posted` */
	struct call_list posted;
	struct call_list posted_run; /* the list being run: swapped with `posted`, memory kept */
	struct call_list deferred;
	struct call_list deferred_run;
	struct loop_timer *due, *due_last; /* in the order of their times */
};

struct loop_timer {
	uv_timer_t uv;
	bool is_due; /* in the loop's list */
	struct loop_timer *next, *previous;
	loop_fn *fn;
	void *arg;
};

struct loop_fd {
	uv_poll_t uv;
	loop_fd_fn *fn;
	void *arg;
	int wanted;
};

/* -- Lists of calls ----------------------------------------------------------------------- */

static void call_list_add(struct call_list *list, loop_fn *fn, void *arg)
{
	if (list->len == list->cap) {
		list->cap = list->cap ? list->cap * 2 : CALLS_FIRST_CAP;
		list->items = mem_resize(list->items, list->cap, sizeof *list->items);
	}
	list->items[list->len++] = (struct call){ fn, arg };
}

static void call_list_swap(struct call_list *a, struct call_list *b)
{
	struct call_list other = *a;
	*a = *b;
	*b = other;
}

static void call_list_run(struct call_list *list)
{
	for (size_t i = 0; i < list->len; i++)
		list->items[i].fn(list->items[i].arg);
	list->len = 0;
}

/* -- The loop ----------------------------------------------------------------------------- */

static void on_idle(uv_idle_t *idle)
{
	(void)idle; /* its being active is all it is for */
}

static void on_wake(uv_async_t *wake)
{
	struct loop *loop = wake->data;

	pthread_mutex_lock(&loop->mutex);
	call_list_swap(&loop->posted, &loop->posted_run);
	pthread_mutex_unlock(&loop->mutex);
	call_list_run(&loop->posted_run);
	if (atomic_exchange(&loop->stopping, false))
		uv_stop(&loop->uv);
}

/* One generation a round: a call that defers itself again must not starve the descriptors. */
static void on_prepare(uv_prepare_t *prepare)
{
	struct loop *loop = prepare->data;

	call_list_swap(&loop->deferred, &loop->deferred_run);
	call_list_run(&loop->deferred_run);
	if (loop->deferred.len > 0 || loop->due)
		uv_idle_start(&loop->idle, on_idle);
	else
		uv_idle_stop(&loop->idle);
}

static void on_check(uv_check_t *check);

/* libuv refuses only what a broken process asks for (no epoll, no descriptors at start): there is
 * no loop to report it on, so the process ends here, as it does for memory. */
static void must(int result)
{
	if (result < 0) {
		log_error("loop", "the operating system refused an event loop: %s", uv_strerror(result));
		abort();
	}
}

struct loop *loop_new(void)
{
	struct loop *loop = mem_alloc(sizeof *loop);

	must(uv_loop_init(&loop->uv));
	loop->uv.data = loop;
	must(uv_async_init(&loop->uv, &loop->wake, on_wake));
	must(uv_prepare_init(&loop->uv, &loop->prepare));
	must(uv_check_init(&loop->uv, &loop->check));
	must(uv_idle_init(&loop->uv, &loop->idle));
	loop->wake.data = loop;
	loop->prepare.data = loop;
	loop->check.data = loop;
	must(uv_prepare_start(&loop->prepare, on_prepare));
	must(uv_check_start(&loop->check, on_check));
	pthread_mutex_init(&loop->mutex, NULL);
	atomic_init(&loop->stopping, false);
	return loop;
}

void loop_run(struct loop *loop)
{
	uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *loop)
{
	atomic_store(&loop->stopping, true);
	uv_async_send(&loop->wake);
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	uv_close((uv_handle_t *)&loop->wake, NULL);
	uv_close((uv_handle_t *)&loop->prepare, NULL);
	uv_close((uv_handle_t *)&loop->check, NULL);
	uv_close((uv_handle_t *)&loop->idle, NULL);
	uv_run(&loop->uv, UV_RUN_NOWAIT); /* close callbacks of everything freed lately */
	int busy = uv_loop_close(&loop->uv);
	assert(busy == 0 && "a timer or a descriptor of this loop was not freed");
	(void)busy;
	pthread_mutex_destroy(&loop->mutex);
	free(loop->posted.items);
	free(loop->posted_run.items);
	free(loop->deferred.items);
	free(loop->deferred_run.items);
	free(loop);
}

void loop_post(struct loop *loop, loop_fn *fn, void *arg)
{
	pthread_mutex_lock(&loop->mutex);
	call_list_add(&loop->posted, fn, arg);
	bool first = loop->posted.len == 1;
	pthread_mutex_unlock(&loop->mutex);
	if (first) /* the others ride on the wake-up that is under way */
		uv_async_send(&loop->wake);
}

void loop_defer(struct loop *loop, loop_fn *fn, void *arg)
{
	call_list_add(&loop->deferred, fn, arg);
}

/* -- Work for other threads --------------------------------------------------------------- */

struct work {
	uv_work_t uv;
	loop_fn *work, *done;
	void *arg;
};

static void on_work(uv_work_t *uv)
{
	struct work *w = uv->data;
	w->work(w->arg);
}

static void on_work_done(uv_work_t *uv, int status)
{
	struct work *w = uv->data;

	(void)status; /* nothing here is cancelled */
	w->done(w->arg);
	free(w);
}

void loop_work(struct loop *loop, loop_fn *work, loop_fn *done, void *arg)
{
	struct work *w = mem_alloc(sizeof *w);

	*w = (struct work){ .work = work, .done = done, .arg = arg };
	w->uv.data = w;
	must(uv_queue_work(&loop->uv, &w->uv, on_work, on_work_done));
}

/* -- Timers ------------------------------------------------------------------------------- */

static struct loop *timer_loop(const struct loop_timer *timer)
{
	return timer->uv.loop->data;
}

static void due_remove(struct loop_timer *timer)
{
	struct loop *loop = timer_loop(timer);

	if (!timer->is_due)
		return;
	if (timer->previous)
		timer->previous->next = timer->next;
	else
		loop->due = timer->next;
	if (timer->next)
		timer->next->previous = timer->previous;
	else
		loop->due_last = timer->previous;
	timer->next = timer->previous = NULL;
	timer->is_due = false;
}

static void on_timer(uv_timer_t *uv)
{
	struct loop_timer *timer = uv->data;
	struct loop *loop = timer_loop(timer);

	timer->previous = loop->due_last;
	if (loop->due_last)
		loop->due_last->next = timer;
	else
		loop->due = timer;
	loop->due_last = timer;
	timer->is_due = true;
}

static void on_check(uv_check_t *check)
{
	struct loop *loop = check->data;
	struct loop_timer *timer;

	while ((timer = loop->due)) {
		due_remove(timer);
		timer->fn(timer->arg); /* may free it, or start, stop and free others */
	}
}

static void on_timer_closed(uv_handle_t *uv)
{
	free(uv->data);
}

struct loop_timer *loop_timer_new(struct loop *loop, loop_fn *fn, void *arg)
{
	struct loop_timer *timer = mem_alloc(sizeof *timer);

	uv_timer_init(&loop->uv, &timer->uv);
	timer->uv.data = timer;
	timer->fn = fn;
	timer->arg = arg;
	return timer;
}

void loop_timer_start(struct loop_timer *timer, int64_t delay_ms)
{
	/* libuv counts from the start of the round: after a long callback that lies in the past,
	 * and the timer would fire early. */
	uv_update_time(timer->uv.loop);
	due_remove(timer);
	uv_timer_start(&timer->uv, on_timer, delay_ms > 0 ? (uint64_t)delay_ms : 0, 0);
}

void loop_timer_stop(struct loop_timer *timer)
{
	due_remove(timer);
	uv_timer_stop(&timer->uv);
}

void loop_timer_free(struct loop_timer *timer)
{
	if (!timer)
		return;
	due_remove(timer);
	uv_close((uv_handle_t *)&timer->uv, on_timer_closed);
}

/* -- Descriptors -------------------------------------------------------------------------- */

static void on_poll(uv_poll_t *uv, int status, int events)
{
	struct loop_fd *watch = uv->data;
	int seen = 0;

	if (status < 0) {
		watch->wanted = 0; /* libuv has stopped watching it; a later want starts it again */
		seen = LOOP_READ | LOOP_WRITE;
	} else {
		if (events & (UV_READABLE | UV_DISCONNECT))
			seen |= LOOP_READ;
		if (events & UV_WRITABLE)
			seen |= LOOP_WRITE;
	}
	watch->fn(watch->arg, seen);
}

static void on_poll_closed(uv_handle_t *uv)
{
	free(uv->data);
}

struct loop_fd *loop_fd_new(struct loop *loop, int fd, loop_fd_fn *fn, void *arg)
{
	struct loop_fd *watch = mem_alloc(sizeof *watch);

	must(uv_poll_init(&loop->uv, &watch->uv, fd));
	watch->uv.data = watch;
	watch->fn = fn;
	watch->arg = arg;
	return watch;
}

void loop_fd_want(struct loop_fd *watch, int events)
{
	int uv_events = 0;

	if (watch->wanted == events)
		return;
	watch->wanted = events;
	if (events & LOOP_READ)
		uv_events |= UV_READABLE;
	if (events & LOOP_WRITE)
		uv_events |= UV_WRITABLE;
	if (uv_events)
		must(uv_poll_start(&watch->uv, uv_events, on_poll));
	else
		uv_poll_stop(&watch->uv);
}

void loop_fd_free(struct loop_fd *watch)
{
	if (!watch)
		return;
	uv_poll_stop(&watch->uv);
	uv_close((uv_handle_t *)&watch->uv, on_poll_closed);
}
