/* The frame of both sinks: a server on loopback that costs as little as it can, so that a measurement
 * measures usher. One thread, one epoll. The program gives `greet` (what a new connection is told, or NULL)
 * and `consume`, and calls sink_run(); the port is printed on standard output, the counters stand in the file
 * named on the command line, as the 64-bit numbers of struct counters, while it runs. Ends with
 * SIGTERM. */
#ifndef BENCH_SINK_H
#define BENCH_SINK_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define IN_MAX (512 * 1024) /* bytes of what has not been consumed; a client that sends more is cut off */
#define OUT_MAX (64 * 1024) /* bytes of answers made in one go */
#define EVENTS_MAX 256

struct counters {
	uint64_t effects;     /* mails taken, coupons granted */
	uint64_t connections; /* accepted, ever */
	uint64_t bytes;       /* received */
	uint64_t requests[8]; /* by kind, of a sink that tells them apart */
};

struct connection {
	int fd, state;    /* state: as the program likes; 0 at first */
	char *in;         /* what came and was not consumed */
	size_t len, seen; /* seen: as the program likes; how far it has looked */
	char out[OUT_MAX];
	size_t out_len;
	bool held;  /* what is in out waits for the program: see release() */
	void *mine; /* the program's; NULL at first */
};

struct sink {
	const char *greeting;
	/* Looks at in[0..len), adds answers, returns how many bytes it is done with; -1 hangs up. */
	ssize_t (*consume)(struct connection *c, struct counters *counters);
	int (*tick)(void); /* NULL, or what is due is done; how many ms it can wait, -1: long */
	void (*gone)(struct connection *c); /* NULL, or frees c->mine */
};

static inline void answer(struct connection *c, const char *text, size_t len)
{
	if (c->out_len + len <= OUT_MAX) {
		memcpy(c->out + c->out_len, text, len);
		c->out_len += len;
	}
}
#define ANSWER(c, text) answer(c, text, sizeof(text) - 1)

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int flush(struct connection *c)
{
	size_t done = 0;

	if (c->held)
		return 0;
	while (done < c->out_len) {
		ssize_t n = send(c->fd, c->out + done, c->out_len - done, MSG_NOSIGNAL);
		if (n < 0)
			return -1; /* answers are small: a client that does not read them is not ours */
		done += (size_t)n;
	}
	c->out_len = 0;
	return 0;
}

/* What follows from what is in `in`; -1: the connection is over. */
static int proceed(struct connection *c, const struct sink *sink, struct counters *counters)
{
	ssize_t used = sink->consume(c, counters);
	int flushed = flush(c);

	if (used < 0 || flushed < 0)
		return -1;
	c->len -= (size_t)used;
	memmove(c->in, c->in + used, c->len);
	return c->len == IN_MAX ? -1 : 0;
}

static int turn(struct connection *c, const struct sink *sink, struct counters *counters)
{
	ssize_t n = recv(c->fd, c->in + c->len, IN_MAX - c->len, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return -1;
	counters->bytes += (uint64_t)n;
	c->len += (size_t)n;
	return proceed(c, sink, counters);
}

static void hang_up(struct connection *c, const struct sink *sink)
{
	if (sink->gone)
		sink->gone(c);
	close(c->fd);
	free(c->in);
	free(c);
}

static void accept_all(int listener, int epoll, const struct sink *sink, struct counters *counters)
{
	int fd, yes = 1;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct connection *c = calloc(1, sizeof(*c));
		if (!c || !(c->in = malloc(IN_MAX)))
			die("sink: memory");
		c->fd = fd;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
			die("sink: epoll_ctl");
		counters->connections++;
		if (sink->greeting) {
			answer(c, sink->greeting, strlen(sink->greeting));
			flush(c);
		}
	}
}

static int listen_on_loopback(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) || listen(fd, SOMAXCONN) ||
	        getsockname(fd, (struct sockaddr *)&address, &size))
		die("sink: listen");
	printf("%d\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

static struct counters *map_counters(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, sizeof(struct counters)))
		die(path);
	void *map = mmap(NULL, sizeof(struct counters), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		die(path);
	close(fd);
	return map;
}

static int sink_run(int argc, char **argv, const struct sink *sink)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s COUNTERS-FILE\n", argv[0]);
		return 2;
	}
	struct counters *counters = map_counters(argv[1]);
	int listener = listen_on_loopback(), epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = { .events = EPOLLIN }, ready[EVENTS_MAX];
	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event))
		die("sink: epoll");
	for (;;) {
		int n = epoll_wait(epoll, ready, EVENTS_MAX, sink->tick ? sink->tick() : -1);
		for (int i = 0; i < n; i++) {
			struct connection *c = ready[i].data.ptr;
			if (!c) {
				accept_all(listener, epoll, sink, counters);
			} else if (turn(c, sink, counters)) {
				hang_up(c, sink);
			}
		}
	}
}

#endif
