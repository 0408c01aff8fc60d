/* The line above the footer while redrive jobs run: how far the newest is. It is looked at as often as the
 * status while something moves, seldom otherwise; see screen.h. */
#include "screen.h"

#include "../format.h"

#include "base/json.h"
#include "base/language.h"

#include <curses.h>
#include <string.h>

#define JOBS_SHOWN "20" /* the newest: older ones than these are on the screen of jobs */
#define JOBS_IDLE_MS 10000

static bool is_running(const cJSON *job)
{
	const char *state = json_string(job, "state");
	return state && !strcmp(state, "running");
}

static void on_jobs(void *arg, struct reply *reply)
{
	struct console *c = arg;
	struct jobs *j = &c->jobs;
	const cJSON *job;
	j->request = 0;
	console_heard(c, reply);
	if (reply->code != 0)
		return;
	cJSON_Delete(j->json);
	j->json = reply->json;
	reply->json = NULL;
	j->newest = NULL;
	j->running = 0;
	cJSON_ArrayForEach(job, json_get(j->json, "items"))
	{
		if (!is_running(job))
			continue;
		j->running++;
		j->newest = j->newest ? j->newest : job;
	}
}

void jobs_fetch(struct console *c)
{
	struct jobs *j = &c->jobs;
	int every = j->running ? STATUS_EVERY_MS : JOBS_IDLE_MS;
	if (j->request || c->down || (j->asked.ns && mono_since_ms(j->asked, c->mono) < every))
		return;
	j->asked = c->mono;
	j->request =
	        client_start(c->client, "/v1/redrives?limit=" JOBS_SHOWN, NULL, CLIENT_READ_MS, on_jobs, c);
}

void jobs_look(struct console *c)
{
	c->jobs.asked = (mono_time){ 0 };
}

bool jobs_draw(const struct console *c, int y)
{
	const struct jobs *j = &c->jobs;
	if (!j->newest)
		return false;
	struct buf b = BUF(8192), progress = BUF(4096);
	const char *id = json_string(j->newest, "id"), *waits = json_string(j->newest, "waits");
	facts_redrive_progress(&progress, j->newest);
	buf_printf(&b, _("job %s: %s"), id ? id : "?", buf_str(&progress));
	buf_free(&progress);
	if (waits)
		buf_printf(&b, _(", waits: %s"), waits);
	if (j->running > 1)
		buf_printf(&b, C_("jobs", "; %d more"), j->running - 1);
	int used = paint(y, COLS - 11, 10, ROLE_FAINT, TEXT_RIGHT, _("5: jobs"));
	paint(y, 1, COLS - 3 - used, json_int(j->newest, "failed_again", 0) ? ROLE_WARN : ROLE_ACCENT,
	        TEXT_LEFT, buf_str(&b));
	buf_free(&b);
	return true;
}

void jobs_free(struct console *c)
{
	cJSON_Delete(c->jobs.json);
}
