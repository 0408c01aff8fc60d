/* Terminal modes and signals; see terminal.h. */
#include "terminal.h"

#include "keys.h"
#include "paint.h"

#include "base/language.h"
#include "base/mem.h"

#include <curses.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

#define ESCAPE_MS 25
#define MOUSE_EVENTS (BUTTON1_PRESSED | BUTTON4_PRESSED | BUTTON5_PRESSED)
#define DOUBLE_CLICK_MS 400

static int pipe_fds[2] = { -1, -1 }; /* for the handler, which takes no argument */
static SCREEN *screen;               /* while the terminal is ours */

/* What a crash needs to leave the terminal usable: made beforehand, since nothing may be made then. */
static struct {
	struct termios modes;
	bool known;
	char bytes[256];
	size_t len;
	const char *words;    /* "crashed", in the user's language */
	char stack[16 << 10]; /* the crash may be the end of the other one */
} before;

static void on_signal(int number)
{
	int saved = errno;
	char byte = (char)number;
	if (write(pipe_fds[1], &byte, 1) < 0) {
		/* full: as many signals are waiting to be read already */
	}
	errno = saved;
}

/* Only what is safe in a handler. The signal then takes its own course: SA_RESETHAND. */
static void on_crash(int number)
{
	if (screen && (write(STDOUT_FILENO, before.bytes, before.len) < 0 ||
	                      write(STDERR_FILENO, before.words, strlen(before.words)) < 0 ||
	                      write(STDERR_FILENO, "\r\n", 2) < 0)) {
		/* nothing more can be done for it */
	}
	if (screen && before.known)
		tcsetattr(STDIN_FILENO, TCSANOW, &before.modes);
	raise(number);
}

static void handle(int number, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };
	sigaction(number, &action, NULL);
}

static const int ending[] = { SIGTERM, SIGHUP, SIGQUIT };
static const int noted[] = { SIGINT, SIGTSTP, SIGCONT, SIGWINCH };
static const int crashes[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };

static void handle_all(void)
{
	stack_t stack = { .ss_sp = before.stack, .ss_size = sizeof before.stack };
	struct sigaction crash = { .sa_handler = on_crash,
		.sa_flags = SA_RESETHAND | SA_ONSTACK | SA_NODEFER };
	before.words = _("usher: crashed; the terminal is as it was");
	sigaltstack(&stack, NULL);
	for (size_t i = 0; i < ARRAY_LEN(ending); i++)
		handle(ending[i], on_signal);
	for (size_t i = 0; i < ARRAY_LEN(noted); i++)
		handle(noted[i], on_signal);
	for (size_t i = 0; i < ARRAY_LEN(crashes); i++)
		sigaction(crashes[i], &crash, NULL);
}

static int collect(int byte)
{
	if (before.len < sizeof before.bytes)
		before.bytes[before.len++] = (char)byte;
	return byte;
}

/* The way back out of curses, as bytes; after newterm. */
static void remember_way_out(bool mouse)
{
	static const char no_mouse[] = "\033[?1000l\033[?1006l";
	const char *strings[] = { exit_attribute_mode, orig_pair, keypad_local, cursor_normal, exit_ca_mode };
	before.len = 0;
	for (size_t i = 0; i < ARRAY_LEN(strings); i++)
		if (strings[i] && strings[i] != (const char *)-1)
			tputs(strings[i], 1, collect);
	for (const char *c = mouse ? no_mouse : ""; *c; c++)
		collect(*c);
}

/* Says why not. */
static bool terminal_can(void)
{
	int error;
	const char *term = getenv("TERM");
	if (setupterm(NULL, STDOUT_FILENO, &error) != OK) {
		fprintf(stderr,
		        _("usher: the terminal type \"%s\" is not known here: try TERM=xterm usher, or "
		          "\"usher "
		          "status\" and the other verbs, which work on any\n"),
		        term ? term : "");
		return false;
	}
	if (!cursor_address) {
		fprintf(stderr,
		        _("usher: this terminal cannot move its cursor; \"usher status\" and the other "
		          "verbs work\n"));
		return false;
	}
	del_curterm(cur_term);
	return true;
}

int terminal_open(bool mouse)
{
	if (!terminal_can())
		return -1;
	if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) != 0) {
		perror("usher: pipe");
		return -1;
	}
	before.known = tcgetattr(STDIN_FILENO, &before.modes) == 0;
	handle_all();
	screen = newterm(NULL, stdout, stdin);
	if (!screen)
		return -1;
	remember_way_out(mouse);
	atexit(terminal_close);
	set_escdelay(ESCAPE_MS);
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	leaveok(stdscr, FALSE);
	curs_set(0);
	if (mouse) {
		mouseinterval(0); /* no waiting for what may be the half of a click */
		mousemask(MOUSE_EVENTS, NULL);
	}
	theme_open();
	return 0;
}

void terminal_close(void)
{
	if (!screen)
		return;
	curs_set(1);
	endwin();
	delscreen(screen);
	screen = NULL;
}

int terminal_signals(void)
{
	return pipe_fds[0];
}

void terminal_lend(void)
{
	endwin();
}

void terminal_take_back(void)
{
	terminal_redraw();
	refresh();
	terminal_drop_keys();
}

static void suspend(void)
{
	endwin();
	handle(SIGTSTP, SIG_DFL);
	raise(SIGTSTP); /* stands still here until SIGCONT */
	handle(SIGTSTP, on_signal);
	terminal_redraw();
	refresh();
}

bool terminal_fit(void)
{
	struct winsize size;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0)
		return false;
	if (size.ws_row == LINES && size.ws_col == COLS)
		return false;
	resizeterm(size.ws_row, size.ws_col);
	terminal_redraw();
	return true;
}

void terminal_take_signals(struct terminal_news *ret)
{
	unsigned char bytes[64]; /* signal numbers */
	ssize_t n;
	*ret = (struct terminal_news){ 0 };
	while ((n = read(pipe_fds[0], bytes, sizeof bytes)) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			switch (bytes[i]) {
			case SIGINT:
				ret->interrupt = true;
				break;
			case SIGTSTP:
				suspend();
				break;
			case SIGCONT:
				terminal_redraw();
				break;
			case SIGWINCH:
				break;
			default:
				ret->end = bytes[i];
			}
		}
	}
	terminal_fit();
}

int terminal_key(void)
{
	wint_t c = 0;
	for (;;) {
		int kind = get_wch(&c);
		if (kind == ERR)
			return 0;
		if (kind != KEY_CODE_YES)
			return (int)c;
		if (c != KEY_RESIZE)
			return CODE((int)c);
		terminal_redraw();
	}
}

bool terminal_mouse(mono_time now, struct mouse *m)
{
	MEVENT event;
	if (getmouse(&event) != OK)
		return false;
	bool again = m->kind == MOUSE_CLICK && m->y == event.y && m->x == event.x &&
	             mono_since_ms(m->at, now) <= DOUBLE_CLICK_MS;
	if (event.bstate & BUTTON4_PRESSED)
		m->kind = MOUSE_WHEEL_UP;
	else if (event.bstate & BUTTON5_PRESSED)
		m->kind = MOUSE_WHEEL_DOWN;
	else if (event.bstate & BUTTON1_PRESSED)
		m->kind = again ? MOUSE_DOUBLE : MOUSE_CLICK;
	else
		return false;
	m->y = event.y;
	m->x = event.x;
	m->at = now;
	return true;
}

void terminal_drop_keys(void)
{
	flushinp();
}

/* Another program has the terminal, such as the shell above ours that was killed. */
static bool in_background(void)
{
	pid_t front = tcgetpgrp(STDIN_FILENO);
	return front >= 0 && front != getpgrp();
}

bool terminal_gone(short revents)
{
	int waiting = 0;
	if (revents & (POLLERR | POLLNVAL | POLLHUP))
		return true;
	if (in_background()) {
		raise(SIGTTIN); /* stands still here until it is brought to the front; without a shell to do
		                   so, it goes on */
		if (in_background())
			return true;
	}
	/* readable and nothing to read: the end of the input */
	return (revents & POLLIN) && ioctl(STDIN_FILENO, FIONREAD, &waiting) == 0 && waiting == 0;
}

void terminal_redraw(void)
{
	clearok(stdscr, TRUE);
}
