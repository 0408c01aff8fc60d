/* Queues in memory for sqs_sink: standard queues with real visibility timeouts, delays, receive counts and
 * receipts that go stale. A message's part of an answer (body, MD5s, attributes) is made once, when it is
 * sent. No limits but memory, no redrive policy, no retention. */
#ifndef BENCH_SQS_QUEUE_H
#define BENCH_SQS_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define QUEUES_MAX 16
#define NAME_MAX_LEN 80

enum message_state { GONE, VISIBLE, HIDDEN, DELAYED };

struct stored {
	char *json; /* "Body":...,"MD5OfBody":...[,"MessageAttributes":...] */
	uint64_t id, sent_ms, visible_ms;
	uint32_t receives; /* a receipt names one of them */
	enum message_state state;
	struct stored *next; /* of the visible */
};

struct hidden {
	uint64_t at_ms;
	struct stored *message;
};

struct queue {
	char name[NAME_MAX_LEN + 1];
	bool subscribed;
	struct stored **all;
	size_t n, room;
	struct stored *first, *last; /* visible */
	struct hidden *heap; /* the next to become visible on top; may name what is no longer hidden */
	size_t heap_n, heap_room, counts[4];
};

static struct queue queues[QUEUES_MAX];
static size_t queue_count;

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void *grown(void *list, size_t n, size_t *room, size_t size)
{
	if (n < *room)
		return list;
	*room = *room ? *room * 2 : 1024;
	list = realloc(list, *room * size);
	if (!list)
		abort();
	return list;
}

/* By name; a name not met before is a new queue. NULL: too many. */
static struct queue *queue_find(const char *name)
{
	for (size_t i = 0; i < queue_count; i++)
		if (!strcmp(queues[i].name, name))
			return &queues[i];
	if (queue_count == QUEUES_MAX || strlen(name) > NAME_MAX_LEN)
		return NULL;
	struct queue *queue = &queues[queue_count++];
	snprintf(queue->name, sizeof(queue->name), "%s", name);
	return queue;
}

static void set_state(struct queue *queue, struct stored *m, enum message_state state)
{
	queue->counts[m->state]--;
	m->state = state;
	queue->counts[state]++;
}

static void make_visible(struct queue *queue, struct stored *m)
{
	set_state(queue, m, VISIBLE);
	m->next = NULL;
	if (queue->first)
		queue->last->next = m;
	else
		queue->first = m;
	queue->last = m;
}

static void heap_push(struct queue *queue, struct hidden entry)
{
	queue->heap = grown(queue->heap, queue->heap_n, &queue->heap_room, sizeof(*queue->heap));
	size_t i = queue->heap_n++;
	for (; i > 0 && queue->heap[(i - 1) / 2].at_ms > entry.at_ms; i = (i - 1) / 2)
		queue->heap[i] = queue->heap[(i - 1) / 2];
	queue->heap[i] = entry;
}

static struct hidden heap_pop(struct queue *queue)
{
	struct hidden top = queue->heap[0], last = queue->heap[--queue->heap_n];
	size_t i = 0;

	for (;;) {
		size_t child = 2 * i + 1;
		if (child + 1 < queue->heap_n && queue->heap[child + 1].at_ms < queue->heap[child].at_ms)
			child++;
		if (child >= queue->heap_n || queue->heap[child].at_ms >= last.at_ms)
			break;
		queue->heap[i] = queue->heap[child];
		i = child;
	}
	queue->heap[i] = last;
	return top;
}

static void hide(struct queue *queue, struct stored *m, enum message_state state, uint64_t until_ms)
{
	set_state(queue, m, state);
	m->visible_ms = until_ms;
	heap_push(queue, (struct hidden){ until_ms, m });
}

/* What is due becomes visible; returns when the next is, or UINT64_MAX. */
static uint64_t queue_turn(struct queue *queue, uint64_t now)
{
	while (queue->heap_n && queue->heap[0].at_ms <= now) {
		struct hidden due = heap_pop(queue);
		bool hidden = due.message->state == HIDDEN || due.message->state == DELAYED;
		if (hidden && due.message->visible_ms == due.at_ms)
			make_visible(queue, due.message);
	}
	return queue->heap_n ? queue->heap[0].at_ms : UINT64_MAX;
}

/* Owns json. */
static struct stored *queue_put(struct queue *queue, char *json, uint64_t now, uint64_t delay_ms)
{
	struct stored *m = calloc(1, sizeof(*m));

	if (!m)
		abort();
	queue->all = grown(queue->all, queue->n, &queue->room, sizeof(struct stored *));
	*m = (struct stored){ .json = json, .id = queue->n, .sent_ms = now };
	queue->all[queue->n++] = m;
	queue->counts[GONE]++;
	if (delay_ms)
		hide(queue, m, DELAYED, now + delay_ms);
	else
		make_visible(queue, m);
	return m;
}

static struct stored *queue_take(struct queue *queue, uint64_t until_ms)
{
	struct stored *m = queue->first;

	if (!m)
		return NULL;
	queue->first = m->next;
	m->receives++;
	hide(queue, m, HIDDEN, until_ms);
	return m;
}

/* The message a receipt stands for; NULL when it is none, or *ret_stale. */
static struct stored *receipt_find(const struct queue *queue, const char *receipt, bool *ret_stale)
{
	unsigned long long id;
	unsigned receives;

	*ret_stale = false;
	if (!receipt || sscanf(receipt, "r-%llu-%u", &id, &receives) != 2 || id >= queue->n)
		return NULL;
	*ret_stale = queue->all[id]->receives != receives;
	return *ret_stale ? NULL : queue->all[id];
}

static void message_delete(struct queue *queue, struct stored *m)
{
	if (m->state == GONE)
		return;
	if (m->state == VISIBLE) { /* its timeout ended, nobody took it yet */
		struct stored **at = &queue->first, *before = NULL;
		for (; *at != m; at = &(*at)->next)
			before = *at;
		*at = m->next;
		if (queue->last == m)
			queue->last = before;
	}
	set_state(queue, m, GONE);
	free(m->json);
	m->json = NULL;
}

#endif
