/* What the verbs say: answers, errors, help that is needed now, and how far it is; see verbs.h. */
#include "verbs.h"

#include "../text.h"

#include "base/json.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_IN_PIPE 100
#define SAID_MAX (1 << 20)

int exit_of(const struct reply *r)
{
	switch (r->code) {
	case 0:
		return EXIT_DONE;
	case USHER_EINVAL:
	case USHER_ETOOBIG:
		return EXIT_USAGE;
	case USHER_ENOTFOUND:
		return EXIT_NOT_FOUND;
	case USHER_ECONFLICT:
		return EXIT_CONFLICT;
	case USHER_EFORBIDDEN:
		return EXIT_FORBIDDEN;
	default:
		return reply_unreachable(r) ? EXIT_UNREACHABLE : EXIT_FAILED;
	}
}

void print_clean(FILE *to, const char *fmt, ...)
{
	struct buf text = BUF(CLIENT_BODY_MAX), clean = BUF(8 * (size_t)CLIENT_BODY_MAX);
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	text_clean(&clean, buf_str(&text), text.len);
	fprintf(to, "%s\n", buf_str(&clean));
	buf_free(&clean);
	buf_free(&text);
}

void print_done(const struct verb_call *call, const char *fmt, ...)
{
	struct buf b = BUF(SAID_MAX);
	va_list ap;
	if (call->option[OPT_QUIET])
		return;
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	print_clean(stdout, "%s", buf_str(&b));
	buf_free(&b);
}

void print_row_done(const struct verb_call *call, const char *id, const cJSON *row, const char *done)
{
	const char *channel = json_string(row, "channel"), *recipient = json_string(row, "recipient");
	if (!channel)
		channel = "?";
	if (recipient)
		print_done(call, _("%s: %s (%s to %s)"), id, done, channel, recipient);
	else
		print_done(call, "%s: %s (%s)", id, done, channel);
}

int reply_report(const struct reply *r, const char *what)
{
	print_clean(stderr, "usher: %s%s%s", what ? what : "", what ? ": " : "", r->message);
	return exit_of(r);
}

void print_json(const char *json, size_t len)
{
	struct buf b = BUF(CLIENT_BODY_MAX);
	text_json(&b, json, len);
	printf("%s\n", buf_str(&b));
	buf_free(&b);
}

int print_width(void)
{
	struct winsize size;
	if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40)
		return size.ws_col;
	return WIDTH_IN_PIPE;
}

void progress_clear(struct verb_call *call)
{
	if (call->progress)
		fputs("\r\033[K", stderr);
	call->progress = false;
}

void progress_show(struct verb_call *call, const char *fmt, ...)
{
	struct buf text = BUF(SAID_MAX), line = BUF(SAID_MAX);
	va_list ap;
	if (call->option[OPT_QUIET] || !isatty(STDERR_FILENO))
		return;
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	text_fit(&line, buf_str(&text), text.len, print_width() - 1, TEXT_CLIP);
	fprintf(stderr, "\r%s\033[K", buf_str(&line));
	call->progress = true;
	buf_free(&line);
	buf_free(&text);
}
