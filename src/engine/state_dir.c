/* What the watcher keeps in daemon.state_dir: the history, each minute and at the end; and how much room
 * there is. A disk may take its time, or not answer at all: it is asked on a thread of the loop's pool, one
 * question at a time, and what it has not answered is not known. Watcher's thread, but for ask(). */
#include "engine/watch.h"

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/status.h"
#include "net/loop.h"

#include <sys/statvfs.h>

struct room {
	bool exists;
	int64_t total, free; /* bytes; -1: not known */
};
static const struct room unknown = { .total = -1, .free = -1 };

struct state_dir {
	struct watch *watch;
	const char *path;     /* NULL: there is none, and nothing to ask */
	int64_t saved_minute; /* the history's newest when it was last written */
	struct room room;
	struct complaint silent, unsaved;
	bool asking;
	mono_time asked_at;
	/* the question under way: ask() has these to itself */
	struct history_file *save; /* NULL: it is looked at alone */
	struct room found;
	int rc;
	struct usher_error err;
};

static struct room look(const char *path)
{
	struct statvfs fs;

	if (statvfs(path, &fs) != 0)
		return unknown;
	return (struct room){ .exists = true,
		.total = (int64_t)(fs.f_blocks * fs.f_frsize),
		.free = (int64_t)(fs.f_bavail * fs.f_frsize) };
}

/* In the loop's pool. */
static void ask(void *arg)
{
	struct state_dir *s = arg;

	s->found = look(s->path);
	s->rc = s->save ? history_save(s->path, s->save, &s->err) : 0;
}

static void judge(struct state_dir *s)
{
	if (s->rc < 0)
		complaint_say(&s->unsaved, "the history will not outlive this daemon", &s->err);
	else if (s->save)
		complaint_end(&s->unsaved);
	free(s->save);
	s->save = NULL;
}

static void answered(void *arg)
{
	struct state_dir *s = arg;

	s->asking = false;
	s->room = s->found;
	complaint_end(&s->silent);
	judge(s);
	watch_job_ended(s->watch);
}

static void begin(struct state_dir *s, const struct history *h)
{
	if (h->at.ms != 0 && h->minute != s->saved_minute) {
		s->save = history_pack(h);
		s->saved_minute = h->minute;
	}
	s->asking = true;
	s->asked_at = mono_now();
	loop_work(s->watch->loop, ask, answered, s);
}

static void check_silence(struct state_dir *s)
{
	struct usher_error err = { 0 };

	if (mono_since_ms(s->asked_at, mono_now()) < STATE_DIR_SILENT_MS)
		return;
	s->room = unknown;
	error_set(&err, USHER_ETIMEOUT,
	        "nothing came from %s for %d s; deliveries go on, the history is not kept: look at the "
	        "disk's "
	        "load, or at the server it is mounted from",
	        s->path, STATE_DIR_SILENT_MS / 1000);
	complaint_say(&s->silent, "the disk of state_dir does not answer", &err);
}

void state_dir_turn(struct state_dir *s, struct status *status)
{
	if (s->asking)
		check_silence(s);
	else if (s->path && !s->watch->stopping)
		begin(s, &status->history);
	status->disk_exists = s->room.exists;
	status->disk_total = s->room.total;
	status->disk_free = s->room.free;
}

bool state_dir_busy(const struct state_dir *s)
{
	return s->asking;
}

/* -- Life ------------------------------------------------------------------------------------ */

struct state_dir *state_dir_new(struct watch *w)
{
	struct state_dir *s = mem_alloc(sizeof *s);

	s->watch = w;
	s->path = w->engine->started_with->daemon.state_dir;
	s->room = s->path ? look(s->path) : unknown;
	return s;
}

void state_dir_begin(struct state_dir *s, struct history *h)
{
	int64_t step_ms = s->watch->config->watch.depth_interval_ms;
	struct history *found = mem_alloc(sizeof *found);
	struct usher_error err = { 0 };
	int rc = s->path ? history_load(s->path, found, &err) : USHER_ENOTFOUND;

	h->step_ms = step_ms;
	if (rc == 0 && !history_resume(found, step_ms, wall_now()))
		rc = error_set(&err, USHER_EPROTOCOL,
		        "what is kept in %s cannot be true: was the clock set back?", s->path);
	if (rc == 0)
		*h = *found;
	else if (rc != USHER_ENOTFOUND)
		log_warn("watcher", "the history starts anew: %s", err.message);
	s->saved_minute = h->minute;
	free(found);
}

void state_dir_end(struct state_dir *s, const struct history *h)
{
	if (!s->path || h->at.ms == 0)
		return;
	s->save = history_pack(h);
	ask(s);
	judge(s);
}

void state_dir_free(struct state_dir *s)
{
	free(s);
}
