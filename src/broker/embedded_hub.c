/* The embedded broker's hub. Called from every thread that has a broker; its lock covers the list of bells
 * and their flags, never a system call: rings happen after it was released, on bells that are kept alive by a
 * reference. */
#include "broker/embedded_hub.h"

#include "base/mem.h"

#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Bells rung in one round; more of them take more rounds. */
#define RING_MAX 16

struct bell {
	struct bell *next;
	struct embedded_hub *hub;
	char *queue;
	int fd;
	int refs;
	bool wanted;
};

struct embedded_hub {
	pthread_mutex_t lock;
	struct bell *bells;
};

struct embedded_hub *embedded_hub_new(void)
{
	struct embedded_hub *hub = mem_alloc(sizeof *hub);
	pthread_mutex_init(&hub->lock, NULL);
	return hub;
}

void embedded_hub_free(struct embedded_hub *hub)
{
	if (!hub)
		return;
	pthread_mutex_destroy(&hub->lock);
	free(hub);
}

struct bell *bell_new(struct embedded_hub *hub, const char *queue)
{
	struct bell *bell = mem_alloc(sizeof *bell);
	bell->hub = hub;
	bell->queue = mem_string(queue);
	bell->refs = 1;
	/* Without a descriptor (the process is out of them) the queue is still polled. */
	bell->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	pthread_mutex_lock(&hub->lock);
	bell->next = hub->bells;
	hub->bells = bell;
	pthread_mutex_unlock(&hub->lock);
	return bell;
}

int bell_fd(const struct bell *bell)
{
	return bell->fd;
}

static void bell_set(struct bell *bell, bool wanted)
{
	pthread_mutex_lock(&bell->hub->lock);
	bell->wanted = wanted;
	pthread_mutex_unlock(&bell->hub->lock);
}

void bell_want(struct bell *bell)
{
	bell_set(bell, true);
}

void bell_unwant(struct bell *bell)
{
	bell_set(bell, false);
}

void bell_hush(struct bell *bell)
{
	eventfd_t rings;
	if (bell->fd >= 0)
		eventfd_read(bell->fd, &rings); /* nothing to read is as good */
}

/* The last reference closes it. */
static void bell_drop(struct bell *bell)
{
	pthread_mutex_lock(&bell->hub->lock);
	bool last = --bell->refs == 0;
	pthread_mutex_unlock(&bell->hub->lock);
	if (!last)
		return;
	if (bell->fd >= 0)
		close(bell->fd);
	free(bell->queue);
	free(bell);
}

void bell_free(struct bell *bell)
{
	if (!bell)
		return;
	pthread_mutex_lock(&bell->hub->lock);
	struct bell **at = &bell->hub->bells;
	while (*at != bell)
		at = &(*at)->next;
	*at = bell->next;
	pthread_mutex_unlock(&bell->hub->lock);
	bell_drop(bell);
}

static size_t take_wanted(struct embedded_hub *hub, const char *queue, struct bell *wanted[RING_MAX])
{
	size_t n = 0;
	pthread_mutex_lock(&hub->lock);
	for (struct bell *bell = hub->bells; bell && n < RING_MAX; bell = bell->next) {
		if (!bell->wanted || strcmp(bell->queue, queue) != 0)
			continue;
		bell->wanted = false;
		bell->refs++;
		wanted[n++] = bell;
	}
	pthread_mutex_unlock(&hub->lock);
	return n;
}

void hub_ring(struct embedded_hub *hub, const char *queue)
{
	struct bell *wanted[RING_MAX];
	size_t n;
	do {
		n = take_wanted(hub, queue, wanted);
		for (size_t i = 0; i < n; i++) {
			if (wanted[i]->fd >= 0)
				eventfd_write(wanted[i]->fd, 1); /* full: not heard yet, as good */
			bell_drop(wanted[i]);
		}
	} while (n == RING_MAX);
}
