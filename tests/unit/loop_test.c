/* The loop: posts from other threads, deferred calls, timers and descriptors, and that nothing of a
 * freed one is left. */
#include "net/loop.h"

#include "base/clock.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define NOTES_MAX 64

struct state {
	struct loop *loop;
	char notes[NOTES_MAX]; /* what ran, in order, a letter each */
	struct loop_timer *timer, *other;
	struct loop_fd *watch;
	int fds[2], rounds, last_events;
};

static void note(struct state *s, char c)
{
	size_t len = strlen(s->notes);
	assert_true(len + 1 < NOTES_MAX);
	s->notes[len] = c;
}

static void note_a(void *arg)
{
	note(arg, 'a');
}
static void note_b(void *arg)
{
	note(arg, 'b');
}
static void note_c(void *arg)
{
	note(arg, 'c');
}
static void stop(void *arg)
{
	struct state *s = arg;
	loop_stop(s->loop);
}

static int setup(void **state)
{
	struct state *s = calloc(1, sizeof *s);
	s->loop = loop_new();
	*state = s;
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, s->fds);
}

static int teardown(void **state)
{
	struct state *s = *state;
	loop_timer_free(s->timer);
	loop_timer_free(s->other);
	loop_fd_free(s->watch);
	loop_free(s->loop);
	close(s->fds[0]);
	close(s->fds[1]);
	free(s);
	return 0;
}

static void posts_run_in_order(void **state)
{
	struct state *s = *state;
	loop_post(s->loop, note_a, s);
	loop_post(s->loop, note_b, s);
	loop_post(s->loop, note_c, s);
	loop_post(s->loop, stop, s);
	loop_run(s->loop);
	assert_string_equal(s->notes, "abc");
}

static void a_stop_before_the_run_ends_it_and_a_second_run_works(void **state)
{
	struct state *s = *state;
	loop_stop(s->loop);
	loop_run(s->loop);
	loop_post(s->loop, note_a, s);
	loop_post(s->loop, stop, s);
	loop_run(s->loop);
	assert_string_equal(s->notes, "a");
}

static void posts_left_over_are_dropped(void **state)
{
	struct state *s = *state;
	loop_post(s->loop, note_a, s);
	assert_string_equal(s->notes, "");
}

/* -- Work for other threads ----------------------------------------------------------------------- */

struct worker {
	struct state *s;
	pthread_t worked, done;
	int fd;
};

/* Blocks until the loop, which it must not hold up, lets it go. */
static void work(void *arg)
{
	struct worker *w = arg;
	struct pollfd readable = { .fd = w->fd, .events = POLLIN };

	w->worked = pthread_self();
	poll(&readable, 1, 5000);
}

static void work_done(void *arg)
{
	struct worker *w = arg;

	w->done = pthread_self();
	note(w->s, 'd');
	loop_stop(w->s->loop);
}

static void let_go(void *arg)
{
	struct state *s = arg;

	note(s, 't');
	assert_int_equal(write(s->fds[0], "x", 1), 1);
}

static void work_does_not_hold_up_the_loop(void **state)
{
	struct state *s = *state;
	struct worker w = { .s = s, .fd = s->fds[1] };

	s->timer = loop_timer_new(s->loop, let_go, s);
	loop_timer_start(s->timer, 5);
	loop_work(s->loop, work, work_done, &w);
	loop_run(s->loop);
	assert_string_equal(s->notes, "td");
	assert_false(pthread_equal(w.worked, pthread_self()));
	assert_true(pthread_equal(w.done, pthread_self()));
}

/* -- Posts of many threads ------------------------------------------------------------------------- */

#define POSTERS 4
#define POSTS_EACH 20000

struct poster {
	struct loop *loop;
	pthread_t thread;
	long ran, out_of_order, *total;
	struct post {
		struct poster *poster;
		long number;
	} posts[POSTS_EACH];
};

static void count_post(void *arg)
{
	struct post *post = arg;
	if (post->number != post->poster->ran++)
		post->poster->out_of_order++;
	if (++*post->poster->total == (long)POSTERS * POSTS_EACH)
		loop_stop(post->poster->loop);
}

static void *post_many(void *arg)
{
	struct poster *poster = arg;
	for (long i = 0; i < POSTS_EACH; i++) {
		poster->posts[i] = (struct post){ poster, i };
		loop_post(poster->loop, count_post, &poster->posts[i]);
	}
	return NULL;
}

static void posts_of_many_threads_all_run_each_threads_in_order(void **state)
{
	struct state *s = *state;
	struct poster *posters = calloc(POSTERS, sizeof *posters);
	long total = 0;
	for (int i = 0; i < POSTERS; i++) {
		posters[i].loop = s->loop;
		posters[i].total = &total;
		pthread_create(&posters[i].thread, NULL, post_many, &posters[i]);
	}
	loop_run(s->loop);
	for (int i = 0; i < POSTERS; i++) {
		pthread_join(posters[i].thread, NULL);
		assert_int_equal(posters[i].ran, POSTS_EACH);
		assert_int_equal(posters[i].out_of_order, 0);
	}
	free(posters);
}

static void defer_again(void *arg)
{
	struct state *s = arg;
	if (++s->rounds < 1000)
		loop_defer(s->loop, defer_again, s);
}

static void read_and_stop(void *arg, int events)
{
	struct state *s = arg;
	s->last_events = events;
	loop_stop(s->loop);
}

static void a_call_that_defers_itself_starves_nobody(void **state)
{
	struct state *s = *state;
	s->watch = loop_fd_new(s->loop, s->fds[0], read_and_stop, s);
	loop_fd_want(s->watch, LOOP_READ);
	assert_int_equal(write(s->fds[1], "x", 1), 1);
	loop_defer(s->loop, defer_again, s);
	loop_run(s->loop);
	assert_int_equal(s->last_events, LOOP_READ);
	assert_in_range(s->rounds, 1, 10);
}

static void a_deferred_call_runs_without_waiting(void **state)
{
	struct state *s = *state;
	mono_time start = mono_now();
	s->timer = loop_timer_new(s->loop, note_a, s);
	loop_timer_start(s->timer, 60000);
	loop_defer(s->loop, note_b, s);
	loop_defer(s->loop, stop, s);
	loop_run(s->loop);
	assert_string_equal(s->notes, "b");
	assert_true(mono_since_ms(start, mono_now()) < 10000);
}

static void timers_run_in_order_of_their_times(void **state)
{
	struct state *s = *state;
	struct loop_timer *last = loop_timer_new(s->loop, stop, s);
	mono_time start = mono_now();
	s->timer = loop_timer_new(s->loop, note_a, s);
	s->other = loop_timer_new(s->loop, note_b, s);
	loop_timer_start(s->timer, 20);
	loop_timer_start(s->other, 10);
	loop_timer_start(last, 30);
	loop_run(s->loop);
	loop_timer_free(last);
	assert_string_equal(s->notes, "ba");
	assert_true(mono_since_ms(start, mono_now()) >= 29);
}

static void a_started_timer_moves_and_a_stopped_one_is_silent(void **state)
{
	struct state *s = *state;
	struct loop_timer *last = loop_timer_new(s->loop, stop, s);
	s->timer = loop_timer_new(s->loop, note_a, s);
	s->other = loop_timer_new(s->loop, note_b, s);
	loop_timer_start(s->timer, 1);
	loop_timer_start(s->timer, 60000);
	loop_timer_start(s->other, 1);
	loop_timer_stop(s->other);
	loop_timer_start(last, 20);
	loop_run(s->loop);
	loop_timer_free(last);
	assert_string_equal(s->notes, "");
}

static void free_both(void *arg)
{
	struct state *s = arg;
	note(s, 'f');
	loop_timer_free(s->timer);
	loop_timer_free(s->other); /* due in the same round: must not run any more */
	s->timer = s->other = NULL;
	loop_stop(s->loop);
}

static void a_timer_may_free_itself_and_another_that_is_due(void **state)
{
	struct state *s = *state;
	s->timer = loop_timer_new(s->loop, free_both, s);
	s->other = loop_timer_new(s->loop, note_b, s);
	loop_timer_start(s->timer, 0);
	loop_timer_start(s->other, 0);
	loop_run(s->loop);
	assert_string_equal(s->notes, "f");
}

static void restart_at_once(void *arg)
{
	struct state *s = arg;
	s->rounds++;
	loop_timer_start(s->timer, 0);
}

static void a_timer_that_restarts_at_once_starves_nobody(void **state)
{
	struct state *s = *state;
	s->watch = loop_fd_new(s->loop, s->fds[0], read_and_stop, s);
	loop_fd_want(s->watch, LOOP_READ);
	s->timer = loop_timer_new(s->loop, restart_at_once, s);
	loop_timer_start(s->timer, 0);
	assert_int_equal(write(s->fds[1], "x", 1), 1);
	loop_run(s->loop);
	assert_int_equal(s->last_events, LOOP_READ);
}

static void spin_ms(int64_t ms)
{
	mono_time start = mono_now();
	while (mono_since_ms(start, mono_now()) < ms)
		;
}

static void hold_the_thread_up(void *arg)
{
	struct state *s = arg;
	assert_int_equal(write(s->fds[1], "x", 1), 1);
	spin_ms(50);
}

static void note_read(void *arg, int events)
{
	struct state *s = arg;
	note(s, 'r');
	assert_int_equal(events, LOOP_READ);
	loop_fd_want(s->watch, 0);
}

static void note_timeout(void *arg)
{
	note(arg, 't');
	stop(arg);
}

static void an_answer_is_heard_before_its_timeout(void **state)
{
	struct state *s = *state;
	s->watch = loop_fd_new(s->loop, s->fds[0], note_read, s);
	loop_fd_want(s->watch, LOOP_READ);
	s->timer = loop_timer_new(s->loop, note_timeout, s);
	loop_timer_start(s->timer, 10);
	loop_defer(s->loop, hold_the_thread_up, s); /* past the timer's time, with the answer there */
	loop_run(s->loop);
	assert_string_equal(s->notes, "rt");
}

static void start_late(void *arg)
{
	struct state *s = arg;
	spin_ms(60);
	s->rounds = 1;
	loop_timer_start(s->timer, 50);
}

static void a_timer_counts_from_its_start_not_from_the_rounds(void **state)
{
	struct state *s = *state;
	mono_time start = mono_now();
	s->timer = loop_timer_new(s->loop, stop, s);
	loop_defer(s->loop, start_late, s);
	loop_run(s->loop);
	assert_true(mono_since_ms(start, mono_now()) >= 109);
}

static void descriptors_tell_what_is_wanted_only(void **state)
{
	struct state *s = *state;
	s->watch = loop_fd_new(s->loop, s->fds[0], read_and_stop, s);
	loop_fd_want(s->watch, LOOP_WRITE);
	assert_int_equal(write(s->fds[1], "x", 1), 1);
	loop_run(s->loop);
	assert_int_equal(s->last_events, LOOP_WRITE);
	loop_fd_want(s->watch, LOOP_READ | LOOP_WRITE);
	loop_run(s->loop);
	assert_int_equal(s->last_events, LOOP_READ | LOOP_WRITE);
	loop_fd_want(s->watch, 0);
	s->last_events = 0;
	s->timer = loop_timer_new(s->loop, stop, s);
	loop_timer_start(s->timer, 10);
	loop_run(s->loop);
	assert_int_equal(s->last_events, 0);
}

static void the_peers_end_shows_as_readable(void **state)
{
	struct state *s = *state;
	s->watch = loop_fd_new(s->loop, s->fds[0], read_and_stop, s);
	loop_fd_want(s->watch, LOOP_READ);
	close(s->fds[1]);
	s->fds[1] = -1;
	loop_run(s->loop);
	assert_true(s->last_events & LOOP_READ);
}

static void a_freed_descriptor_can_be_watched_anew(void **state)
{
	struct state *s = *state;
	for (int i = 0; i < 3; i++) {
		s->watch = loop_fd_new(s->loop, s->fds[0], read_and_stop, s);
		loop_fd_want(s->watch, LOOP_WRITE);
		s->last_events = 0;
		loop_run(s->loop);
		assert_int_equal(s->last_events, LOOP_WRITE);
		loop_fd_free(s->watch);
	}
	s->watch = NULL;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(posts_run_in_order),
		CASE(a_stop_before_the_run_ends_it_and_a_second_run_works),
		CASE(posts_left_over_are_dropped),
		CASE(work_does_not_hold_up_the_loop),
		CASE(posts_of_many_threads_all_run_each_threads_in_order),
		CASE(a_call_that_defers_itself_starves_nobody),
		CASE(a_deferred_call_runs_without_waiting),
		CASE(timers_run_in_order_of_their_times),
		CASE(a_started_timer_moves_and_a_stopped_one_is_silent),
		CASE(a_timer_may_free_itself_and_another_that_is_due),
		CASE(a_timer_that_restarts_at_once_starves_nobody),
		CASE(an_answer_is_heard_before_its_timeout),
		CASE(a_timer_counts_from_its_start_not_from_the_rounds),
		CASE(descriptors_tell_what_is_wanted_only),
		CASE(the_peers_end_shows_as_readable),
		CASE(a_freed_descriptor_can_be_watched_anew),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
