/* Pausing a channel and resuming it, from the Overview: ask, send, say what came of it; see screen.h. What is
 * asked is what is sent, whatever the status has become meanwhile: the daemon refuses what is so already, and
 * says who did it. */
#include "screen.h"

#include "base/json.h"
#include "base/language.h"

#include <stdio.h>

static void on_done(void *arg, struct reply *reply)
{
	struct console *c = arg;
	struct pause *p = &c->pause;
	p->running = false;
	console_heard(c, reply);
	if (reply->code == 0)
		note_add(c, ROLE_GOOD, p->resume ? _("%s: resumed") : _("%s: paused in all daemons"),
		        p->channel);
	else
		note_add(c, ROLE_BAD,
		        reply->unsure ? _("%s may have been changed or not: %s")
		        : p->resume   ? _("%s not resumed: %s")
		                      : _("%s not paused: %s"),
		        p->channel, reply->message);
	console_refresh(c);
}

static void send(struct console *c, const char *text)
{
	struct pause *p = &c->pause;
	struct buf path = BUF(4096);
	cJSON *body = cJSON_CreateObject();
	buf_puts(&path, "/v1/channels");
	path_segment(&path, p->channel);
	path_segment(&path, p->resume ? "resume" : "pause");
	if (text && *text)
		json_add_string(body, "reason", text);
	p->running = true;
	client_start(c->client, buf_str(&path), body, CLIENT_ACT_MS, on_done, c);
	cJSON_Delete(body);
	buf_free(&path);
}

static void answered(struct console *c, void *arg, const char *text)
{
	(void)arg;
	send(c, text);
}

void pause_send(struct console *c, const char *channel, bool resume, const char *reason)
{
	if (!acts_may(c))
		return;
	snprintf(c->pause.channel, sizeof c->pause.channel, "%s", channel);
	c->pause.resume = resume;
	send(c, reason);
}

void pause_ask(struct console *c, const cJSON *channel)
{
	struct pause *p = &c->pause;
	const char *name = json_string(channel, "name");
	struct lines body = { .width = 68 };
	struct buf fact = BUF(8192);
	char title[64];
	if (!name || !acts_may(c))
		return;
	snprintf(p->channel, sizeof p->channel, "%s", name);
	p->resume = cJSON_IsObject(json_get(channel, "paused"));
	snprintf(title, sizeof title, p->resume ? _("Resume %s?") : _("Pause %s"), p->channel);
	if (p->resume) {
		facts_paused(&fact, channel, c->now);
		lines_add(&body, ROLE_NORMAL, NULL, buf_str(&fact));
		dialog_confirm(&c->dialog, title, &body, answered, NULL, NULL);
	} else {
		lines_add(&body, ROLE_FAINT, NULL,
		        _("No daemon receives anything on it until somebody resumes it. What is being sent "
		          "is finished; nothing is lost. Say why, for everybody to see:"));
		dialog_input(&c->dialog, title, &body, NULL, true, answered, NULL, NULL);
	}
	buf_free(&fact);
}
