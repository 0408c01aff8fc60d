/* A mail server that takes everything: PIPELINING, 8BITMIME, SMTPUTF8, nothing stored, nothing checked. */
#include "sink.h"

enum { COMMANDS, CONTENT };

/* The end of a mail's content in in[from..len): behind "\r\n.\r\n", or 0. The content's first line may be the
 * dot. */
static size_t content_end(const struct connection *c, size_t from, size_t seen)
{
	if (c->len - from >= 3 && !memcmp(c->in + from, ".\r\n", 3))
		return from + 3;
	const char *dot = memmem(c->in + seen, c->len - seen, "\r\n.\r\n", 5);
	return dot ? (size_t)(dot - c->in) + 5 : 0;
}

/* Answers one command line; -1 for QUIT. */
static int command(struct connection *c, const char *line)
{
	if (!strncasecmp(line, "MAIL", 4) || !strncasecmp(line, "RCPT", 4) || !strncasecmp(line, "RSET", 4) ||
	        !strncasecmp(line, "NOOP", 4)) {
		ANSWER(c, "250 2.0.0 OK\r\n");
	} else if (!strncasecmp(line, "DATA", 4)) {
		ANSWER(c, "354 go on\r\n");
		c->state = CONTENT;
	} else if (!strncasecmp(line, "EHLO", 4)) {
		ANSWER(c, "250-sink\r\n250-PIPELINING\r\n250-SIZE "
		          "1000000\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n"
		          "250 SMTPUTF8\r\n");
	} else if (!strncasecmp(line, "QUIT", 4)) {
		ANSWER(c, "221 2.0.0 bye\r\n");
		return -1;
	} else {
		ANSWER(c, "500 5.5.1 what?\r\n");
	}
	return 0;
}

static ssize_t consume(struct connection *c, struct counters *counters)
{
	size_t at = 0;

	while (at < c->len) {
		if (c->state == CONTENT) {
			size_t seen = c->seen > at ? c->seen : at, end = content_end(c, at, seen);
			if (!end) {
				c->seen = c->len >= at + 4 ? c->len - 4 - at
				                           : 0; /* as it will stand after the move */
				return (ssize_t)at;
			}
			c->seen = 0;
			c->state = COMMANDS;
			counters->effects++;
			ANSWER(c, "250 2.0.0 taken\r\n");
			at = end;
			continue;
		}
		const char *eol = memchr(c->in + at, '\n', c->len - at);
		if (!eol)
			break;
		if (command(c, c->in + at))
			return -1;
		at = (size_t)(eol - c->in) + 1;
	}
	return (ssize_t)at;
}

int main(int argc, char **argv)
{
	return sink_run(argc, argv, &(struct sink){ .greeting = "220 sink ESMTP\r\n", .consume = consume });
}
