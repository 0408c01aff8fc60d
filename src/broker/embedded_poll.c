/* The embedded broker's receives. All receives of one queue stand in one line, and one look serves the line,
 * so that a look that finds nothing is paid once however many wait. The line looks when a receive joins it,
 * when its bell rings (somebody of this process put something there), when the next hidden message comes due,
 * and every EMBEDDED_POLL_MS for the work of other processes. Runs on the broker's loop. */
#include "broker/embedded_poll.h"

#include "base/error.h"
#include "base/mem.h"

#include <string.h>

struct waiter {
	struct waiter *next;
	struct broker_receive_options options;
	broker_receive_done *done;
	void *arg;
	mono_time until;
	bool fresh; /* no look was made for it yet: its wait does not end before, however short */
};

static void turn(void *arg);

/* By the timer and not by loop_defer, because a timer can be taken back when the broker closes. */
static void turn_soon(struct embedded *b)
{
	if (!b->timer)
		b->timer = loop_timer_new(b->loop, turn, b);
	if (!b->turn_wanted)
		loop_timer_start(b->timer, 0);
	b->turn_wanted = true;
}

/* -- Lines ----------------------------------------------------------------------------------- */

static void on_ring(void *arg, int events)
{
	struct line *line = arg;
	(void)events;
	bell_hush(line->bell);
	line->look = true;
	turn_soon(line->broker);
}

static struct line *line_of(struct embedded *b, const char *queue)
{
	for (struct line *line = b->lines; line; line = line->next)
		if (strcmp(line->queue, queue) == 0)
			return line;
	struct line *line = mem_alloc(sizeof *line);
	line->broker = b;
	line->queue = mem_string(queue);
	line->last = &line->first;
	line->bell = bell_new(b->hub, queue);
	if (bell_fd(line->bell) >= 0) {
		line->heard = loop_fd_new(b->loop, bell_fd(line->bell), on_ring, line);
		loop_fd_want(line->heard, LOOP_READ);
	}
	line->next = b->lines;
	b->lines = line;
	return line;
}

static struct waiter *line_leave(struct line *line)
{
	struct waiter *w = line->first;
	line->first = w->next;
	if (!line->first)
		line->last = &line->first;
	line->waiting--;
	return w;
}

static void answer(struct embedded *b, struct waiter *w, struct message **messages, size_t n,
        const struct usher_error *err)
{
	w->done(w->arg, messages, n, err);
	b->under_way--;
	free(w);
}

/* A look was made for the first n, in vain. */
static void line_looked(struct line *line, size_t n)
{
	for (struct waiter *w = line->first; n-- > 0; w = w->next)
		w->fresh = false;
}

/* Serves those who wait now; who joins from inside a callback waits for the next turn, so that a backlog does
 * not keep the loop from its other work. */
static void line_look(struct line *line)
{
	struct embedded *b = line->broker;
	struct message *messages[MESSAGE_BATCH_MAX];
	size_t served = 0, waiting = line->waiting;
	struct usher_error err = { 0 };

	bell_want(line->bell);
	while (served < waiting) {
		const struct broker_receive_options *o = &line->first->options;
		size_t n = 0;
		int64_t next_ms = -1;
		int rc = embedded_ensure(b, &err);
		if (!rc)
			rc = b->storage.take(b->storage.ctx, line->queue, o->max, o->visibility_ms, messages,
			        &n, &next_ms, &err);
		if (rc) {
			for (; served < waiting; served++)
				answer(b, line_leave(line), NULL, 0, &err);
			return;
		}
		if (n == 0) {
			if (next_ms < 0 || next_ms > EMBEDDED_POLL_MS)
				next_ms = EMBEDDED_POLL_MS;
			line->look_at = mono_add_ms(mono_now(), next_ms);
			line_looked(line, waiting - served);
			return;
		}
		served++;
		answer(b, line_leave(line), messages, n, &err);
	}
}

/* Ends the waits that are over; all of them when woken. */
static void line_expire(struct line *line, bool all)
{
	const struct usher_error none = { 0 };
	mono_time now = mono_now();
	struct waiter *over = NULL, **end = &over;

	for (struct waiter **at = &line->first; *at;) {
		struct waiter *w = *at;
		if (!all && (w->fresh || w->until.ns > now.ns)) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		w->next = NULL;
		*end = w;
		end = &w->next;
		line->waiting--;
	}
	line->last = &line->first;
	while (*line->last)
		line->last = &(*line->last)->next;
	while (over) {
		struct waiter *w = over;
		over = w->next;
		answer(line->broker, w, NULL, 0, &none);
	}
}

/* -- Turns ----------------------------------------------------------------------------------- */

static void sooner(int64_t *ns, mono_time t)
{
	if (*ns < 0 || t.ns < *ns)
		*ns = t.ns;
}

static void set_timer(struct embedded *b)
{
	if (b->turn_wanted)
		return; /* by a callback of this turn: the timer is set already */
	int64_t ns = -1;
	for (struct line *line = b->lines; line; line = line->next) {
		if (!line->first)
			continue;
		sooner(&ns, line->look_at);
		for (struct waiter *w = line->first; w; w = w->next)
			sooner(&ns, w->until);
	}
	if (ns < 0) {
		loop_timer_stop(b->timer);
		return;
	}
	int64_t left_ns = ns - mono_now().ns;
	loop_timer_start(b->timer, left_ns > 0 ? (left_ns + 999999) / 1000000 : 0);
}

static void turn(void *arg)
{
	struct embedded *b = arg;
	bool waking = b->waking;
	b->turn_wanted = b->waking = false;
	for (struct line *line = b->lines; line; line = line->next) {
		bool look = line->look || line->look_at.ns <= mono_now().ns;
		line->look = false;
		if (line->first && look && !waking)
			line_look(line);
		line_expire(line, waking);
		if (!line->first)
			bell_unwant(line->bell);
	}
	set_timer(b);
}

/* -- The operations -------------------------------------------------------------------------- */

static void refuse(void *arg)
{
	struct waiter *w = arg;
	struct usher_error err = { 0 };
	error_set(&err, USHER_EINVAL, "a receive asks for 1 to %d messages and hides them for 0 to %d hours",
	        MESSAGE_BATCH_MAX, EMBEDDED_VISIBILITY_MAX_MS / 3600000);
	w->done(w->arg, NULL, 0, &err);
	free(w);
}

void poll_receive(struct broker *broker, const char *queue, const struct broker_receive_options *options,
        broker_receive_done *done, void *arg)
{
	struct embedded *b = (struct embedded *)broker;
	struct waiter *w = mem_alloc(sizeof *w);
	w->options = *options;
	w->fresh = true;
	w->done = done;
	w->arg = arg;
	if (options->max < 1 || options->max > MESSAGE_BATCH_MAX || options->visibility_ms < 0 ||
	        options->visibility_ms > EMBEDDED_VISIBILITY_MAX_MS) {
		loop_defer(b->loop, refuse, w);
		return;
	}
	struct line *line = line_of(b, queue);
	w->until = mono_add_ms(mono_now(), options->wait_ms);
	*line->last = w;
	line->last = &w->next;
	line->waiting++;
	line->look = true;
	line->look_at = w->until;
	b->under_way++;
	turn_soon(b);
}

void poll_wake(struct broker *broker)
{
	struct embedded *b = (struct embedded *)broker;
	b->waking = true;
	turn_soon(b);
}

void poll_close(struct embedded *b)
{
	while (b->lines) {
		struct line *line = b->lines;
		b->lines = line->next;
		if (line->heard)
			loop_fd_free(line->heard);
		bell_free(line->bell);
		free(line->queue);
		free(line);
	}
	loop_timer_free(b->timer);
}
