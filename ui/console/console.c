/* The console's main loop: sleeps on the keyboard, the signals, the requests under way and a timer, and
 * never on the daemon. Every wake-up drains the keys, runs the answers, starts what is due and draws. */
#include "console.h"

#include "bulk.h"
#include "journal.h"
#include "list.h"
#include "screen.h"
#include "terminal.h"
#include "theme.h"

#include "../format.h"

#include "base/json.h"
#include "base/language.h"
#include "base/mem.h"

#include <curses.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TICK_MS 1000
#define RETRY_EVERY_MS 1000

struct screen *console_screen(struct console *c)
{
	return c->in_detail ? &c->detail : &c->screens[c->current];
}

void console_close_detail(struct console *c)
{
	if (!c->in_detail)
		return;
	c->in_detail = false;
	c->detail.close(c->detail.state);
}

struct screen *console_numbered(struct console *c, int number)
{
	for (int i = 0; i < SCREEN_COUNT; i++)
		if (c->screens[i].number == number)
			return &c->screens[i];
	return NULL;
}

void console_show_number(struct console *c, int number)
{
	struct screen *s = console_numbered(c, number);
	if (s)
		console_show(c, (int)(s - c->screens));
}

void console_wake(struct console *c, int ms)
{
	if (ms < c->wake_ms)
		c->wake_ms = ms;
}

void console_show(struct console *c, int screen)
{
	console_close_detail(c);
	c->current = (screen + SCREEN_COUNT) % SCREEN_COUNT;
}

void console_open_detail(struct console *c, const char *id)
{
	console_close_detail(c);
	detail_open(&c->detail, c, id);
	c->in_detail = true;
}

void console_open_delivery(struct console *c, const char *id)
{
	console_close_detail(c);
	delivery_open(&c->detail, c, id);
	c->in_detail = true;
}

void console_refresh(struct console *c)
{
	c->status_asked = (mono_time){ 0 };
	for (int i = 0; i < SCREEN_COUNT; i++)
		c->screens[i].renew(c->screens[i].state);
	if (c->in_detail)
		c->detail.renew(c->detail.state);
}

void console_unmark(struct console *c, const char *base, const char *id)
{
	for (int i = 0; i < SCREEN_COUNT; i++)
		if (c->screens[i].unmark && !strcmp(c->screens[i].base, base))
			c->screens[i].unmark(c->screens[i].state, id);
}

/* The acting socket may have become closed to this user, or the read-only one open. */
static void choose_again(struct console *c)
{
	struct socket_choice choice;
	if (!socket_choose(c->given, c->asked_read_only, &choice))
		return;
	client_use(c->client, choice.path);
	c->read_only = choice.read_only;
}

void console_heard(struct console *c, const struct reply *reply)
{
	if (reply_unreachable(reply)) {
		if (!c->down) {
			c->down_since = c->last_heard.ms ? c->last_heard : c->now;
			journal_add(c, ROLE_BAD, "%s", reply->message);
		}
		c->down = true;
		snprintf(c->down_why, sizeof c->down_why, "%s", reply->message);
		if (reply->os_error == EACCES)
			choose_again(c);
		return;
	}
	c->last_heard = c->now;
	if (c->down) {
		c->down = false;
		journal_add(c, ROLE_GOOD, _("the daemon answers again, after %s"),
		        part_span(seconds_between(c->down_since, c->now)).text);
		console_refresh(c);
	}
}

static void on_status(void *arg, struct reply *reply)
{
	struct console *c = arg;
	c->status_request = 0;
	console_heard(c, reply);
	snprintf(c->status_error, sizeof c->status_error, "%s", reply->code ? reply->message : "");
	if (reply->code != 0)
		return;
	cJSON_Delete(c->status);
	c->status = reply->json;
	reply->json = NULL;
	c->status_at = c->now;
	if (!c->asked_read_only)
		c->read_only = json_bool(c->status, "read_only", c->read_only);
}

static void fetch_status(struct console *c)
{
	int every = c->down ? RETRY_EVERY_MS : STATUS_EVERY_MS;
	bool due = c->status_asked.ns == 0 || mono_since_ms(c->status_asked, c->mono) >= every;
	if (c->status_request || !due)
		return;
	c->status_asked = c->mono;
	c->status_request = client_start(c->client, "/v1/status", NULL, STATUS_TIMEOUT_MS, on_status, c);
}

static void leave(struct console *c)
{
	int done, all;
	if (acts_running(c, &done, &all))
		note_add(c, ROLE_WARN,
		        ngettext("%d act is not answered yet: wait, or Ctrl-C to leave all the same",
		                "%d acts are not answered yet: wait, or Ctrl-C to leave all the same",
		                (unsigned long)(all - done)),
		        all - done);
	else
		c->quit = true;
}

static void common_key(struct console *c, enum action action)
{
	switch (action) {
	case ACTION_OVERVIEW:
		console_show_number(c, 1);
		break;
	case ACTION_DLQ:
		console_show_number(c, 2);
		break;
	case ACTION_FAILED:
		console_show_number(c, 3);
		break;
	case ACTION_RETRYING:
		console_show_number(c, 4);
		break;
	case ACTION_REDRIVES:
		console_show_number(c, 5);
		break;
	case ACTION_ALARMS:
		console_show_number(c, 6);
		break;
	case ACTION_CONFIG:
		console_show_number(c, 7);
		break;
	case ACTION_NEXT:
		console_show(c, c->current + 1);
		break;
	case ACTION_PREVIOUS:
		console_show(c, c->current - 1);
		break;
	case ACTION_REFRESH:
		console_refresh(c);
		terminal_redraw();
		break;
	case ACTION_UNDO:
		undo_ask(c);
		break;
	case ACTION_HELP:
		c->help = true;
		c->help_top = 0;
		break;
	case ACTION_STOP:
		if (!acts_stop(c))
			note_add(c, ROLE_WARN,
			        _("Nothing is being sent; jobs are stopped on their screen, 5"));
		break;
	case ACTION_LOG:
		c->journal.open = true;
		c->journal.back = 0;
		break;
	case ACTION_PALETTE:
		palette_open(c);
		break;
	case ACTION_QUIT:
		leave(c);
		break;
	default:
		break;
	}
}

void console_act(struct console *c, enum action action)
{
	struct screen *s = console_screen(c);
	if (action == ACTION_READ && (note_read(c) || bulk_stop(c)))
		return;
	if (action_acts(action) && c->read_only)
		note_add(c, ROLE_WARN, "%s",
		        c->asked_read_only
		                ? _("This console is read-only: it looks and does not act (-R)")
		                : _("This console is read-only: it looks and does not act, because "
		                    "only the read-only socket may be opened"));
	else if (action != ACTION_NONE && !s->key(s->state, c, action))
		common_key(c, action);
}

#define WHEEL_ROWS 3

static void take_key(struct console *c, int key);

/* The mouse does what keys do; what is behind a dialog, a prompt, the journal or the help is out of its
 * reach. */
static void take_mouse(struct console *c)
{
	if (!terminal_mouse(c->mono, &c->mouse))
		return;
	const struct mouse *m = &c->mouse;
	bool open = !c->help && !c->journal.open && !c->prompt.ops && c->dialog.kind == DIALOG_NONE;
	int wheel = m->kind == MOUSE_WHEEL_UP     ? CODE(KEY_UP)
	            : m->kind == MOUSE_WHEEL_DOWN ? CODE(KEY_DOWN)
	                                          : 0;
	for (int i = 0; wheel && i < WHEEL_ROWS; i++)
		take_key(c, wheel);
	if (wheel || !open)
		return;
	if (m->y == 0 && frame_screen_at(c, m->x) >= 0)
		console_show(c, frame_screen_at(c, m->x));
	else if (c->list && list_point(c->list, m->y) && m->kind == MOUSE_DOUBLE)
		take_key(c, '\r');
}

static void take_key(struct console *c, int key)
{
	if (frame_too_small()) { /* what cannot be seen must not be acted on */
		if (key == 'q' || key == KEY_INTERRUPT)
			c->quit = true;
		return;
	}
	if (key == CODE(KEY_MOUSE)) {
		take_mouse(c);
		return;
	}
	if (c->dialog.kind != DIALOG_NONE) {
		dialog_key(c, key);
		return;
	}
	if (c->prompt.ops) {
		prompt_key(c, key);
		return;
	}
	struct screen *s = console_screen(c);
	enum action action = key_action(key, s->scope(s->state));
	if (key == KEY_INTERRUPT)
		c->quit = true;
	else if (c->help)
		help_key(c, action);
	else if (c->journal.open)
		journal_key(c, action);
	else
		console_act(c, action);
}

static void take_keys(struct console *c)
{
	int key;
	while (!c->quit && (key = terminal_key()) != 0)
		take_key(c, key);
}

static void fetch(struct console *c)
{
	fetch_status(c);
	jobs_fetch(c);
	struct screen *s = console_screen(c);
	s->fetch(s->state, c);
}

/* Returns the signal that ended it, or 0. */
static int run(struct console *c)
{
	while (!c->quit) {
		c->now = wall_now();
		c->mono = mono_now();
		c->wake_ms = TICK_MS;
		fetch(c);
		frame_draw(c);
		struct pollfd fds[] = { { STDIN_FILENO, POLLIN, 0 }, { terminal_signals(), POLLIN, 0 } };
		client_wait(c->client, fds, ARRAY_LEN(fds), c->wake_ms);
		c->now = wall_now();
		c->mono = mono_now();
		bool gone = terminal_gone(fds[0].revents);
		if (!gone)
			take_keys(c); /* before a new size: they were typed at what is on the screen */
		struct terminal_news news;
		terminal_take_signals(&news);
		if (news.end)
			return news.end;
		if (gone)
			return SIGHUP;
		if (news.interrupt)
			take_key(c, KEY_INTERRUPT);
		client_turn(c->client);
		edit_turn(c);
	}
	return 0;
}

static void free_console(struct console *c)
{
	dialog_close(&c->dialog);
	console_close_detail(c);
	for (int i = 0; i < SCREEN_COUNT; i++)
		c->screens[i].close(c->screens[i].state);
	while (note_read(c))
		;
	prompt_close(&c->prompt);
	bulk_free(c->bulk);
	client_free(c->client);
	acts_free(c->acts);
	undo_clear(&c->undo);
	edit_free(c->edit);
	jobs_free(c);
	history_free(&c->filter_history);
	history_free(&c->command_history);
	journal_free(&c->journal);
	cJSON_Delete(c->filter_keys);
	cJSON_Delete(c->status);
	free(c);
}

static int theme_refused(const char *name)
{
	struct buf asked = BUF(4096), known = BUF(256);
	text_clean(&asked, name, strlen(name));
	theme_names(&known);
	fputs("usher: ", stderr);
	fprintf(stderr, _("\"%s\" is no theme: %s"), buf_str(&asked), buf_str(&known));
	fputc('\n', stderr);
	buf_free(&asked);
	buf_free(&known);
	return 2;
}

int console_run(const struct socket_choice *choice, const struct console_options *options)
{
	if (!theme_choose(options->theme))
		return theme_refused(options->theme);
	if (terminal_open(options->mouse) != 0)
		return 1;
	struct console *c = mem_alloc(sizeof *c);
	c->client = client_new(choice->path);
	c->given = options->socket;
	c->asked_read_only = options->read_only;
	c->read_only = choice->read_only;
	overview_open(&c->screens[0]);
	dlq_open(&c->screens[1], c);
	failed_open(&c->screens[2], c);
	retrying_open(&c->screens[3], c);
	redrives_open(&c->screens[4], c);
	alarms_open(&c->screens[5], c);
	config_open(&c->screens[6], c);
	int end = run(c);
	terminal_close();
	free_console(c);
	if (end) { /* the signal's own end, now that the terminal is as it was */
		signal(end, SIG_DFL);
		raise(end);
	}
	return 0;
}
