/* A coupon service that grants everything: HTTP/1.1 with keep-alive, one coupon number a request. */
#include "sink.h"

/* The value of Content-Length in a head of `len` bytes; 0 without one. */
static size_t content_length(const char *head, size_t len)
{
	static const char name[] = "\r\ncontent-length:";
	const char *end = head + len;

	for (const char *at = head; (at = memchr(at, '\r', (size_t)(end - at))); at++) {
		if ((size_t)(end - at) > sizeof(name) && !strncasecmp(at, name, sizeof(name) - 1))
			return strtoul(at + sizeof(name) - 1, NULL, 10);
	}
	return 0;
}

static ssize_t consume(struct connection *c, struct counters *counters)
{
	size_t at = 0;

	for (;;) {
		const char *head = c->in + at, *end = memmem(head, c->len - at, "\r\n\r\n", 4);
		if (!end)
			return (ssize_t)at;
		size_t request = (size_t)(end - head) + 4 + content_length(head, (size_t)(end - head) + 2);
		if (c->len - at < request)
			return (ssize_t)at;
		char body[64], text[256];
		int size = snprintf(body, sizeof(body), "{\"couponId\":\"C%08llu\"}",
		        (unsigned long long)++counters->effects);
		int n = snprintf(text, sizeof(text),
		        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		        size, body);
		answer(c, text, (size_t)n);
		at += request;
	}
}

int main(int argc, char **argv)
{
	return sink_run(argc, argv, &(struct sink){ .consume = consume });
}
