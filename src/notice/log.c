/* A notice as a line of the log. */
#include "notice/notice.h"

#include "base/log.h"
#include "base/mem.h"

#include <string.h>

struct log_notifier {
	struct notifier notifier; /* first */
	struct loop_timer *timer;
	notifier_done *done;
	void *arg;
};

static void on_timer(void *arg)
{
	struct log_notifier *l = arg;
	struct usher_error ok = { 0 };

	l->done(l->arg, &ok);
}

static void log_send(struct notifier *n, const struct notice *notice, notifier_done *done, void *arg)
{
	struct log_notifier *l = (struct log_notifier *)n;
	struct buf line = BUF(NOTICE_TEXT_MAX);

	notice_title(notice, &line);
	if (strcmp(notice->state, "raised") != 0)
		log_info("alarm", "%s", buf_str(&line));
	else if (strcmp(notice->severity, "critical") == 0)
		log_error("alarm", "%s", buf_str(&line));
	else
		log_warn("alarm", "%s", buf_str(&line));
	buf_free(&line);
	l->done = done;
	l->arg = arg;
	loop_timer_start(l->timer, 0);
}

static void log_close(struct notifier *n)
{
	struct log_notifier *l = (struct log_notifier *)n;

	loop_timer_free(l->timer);
	free(l);
}

static const struct notifier_ops log_ops = { .kind = "log", .send = log_send, .close = log_close };

struct notifier *notifier_log_open(struct loop *loop)
{
	struct log_notifier *l = mem_alloc(sizeof *l);

	l->notifier.ops = &log_ops;
	l->timer = loop_timer_new(loop, on_timer, l);
	return &l->notifier;
}
