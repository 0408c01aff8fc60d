/* Terminal modes and signals; see terminal.h. */
#include "terminal.h"

#include "keys.h"
#include "paint.h"

#include <curses.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <term.h>
#include <unistd.h>

#define ESCAPE_MS 25

static int pipe_fds[2] = { -1, -1 }; /* for the handler, which takes no argument */
static SCREEN *screen;               /* while the terminal is ours */

static void on_signal(int number)
{
	int saved = errno;
	char byte = (char)number;
	if (write(pipe_fds[1], &byte, 1) < 0) {
		/* full: as many signals are waiting to be read already */
	}
	errno = saved;
}

static void handle(int number, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };
	sigaction(number, &action, NULL);
}

static const int ending[] = { SIGTERM, SIGHUP, SIGQUIT };

int terminal_open(void)
{
	int error;
	if (setupterm(NULL, STDOUT_FILENO, &error) != OK) {
		const char *term = getenv("TERM");
		fprintf(stderr, "usher: the terminal type \"%s\" is not known here: try TERM=xterm usher\n",
		        term ? term : "");
		return -1;
	}
	if (!cursor_address) {
		fprintf(stderr, "usher: this terminal cannot move its cursor; \"usher status\" and the other "
		                "verbs work\n");
		return -1;
	}
	if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) != 0) {
		perror("usher: pipe");
		return -1;
	}
	for (unsigned i = 0; i < sizeof ending / sizeof *ending; i++)
		handle(ending[i], on_signal);
	handle(SIGINT, on_signal);
	handle(SIGTSTP, on_signal);
	handle(SIGCONT, on_signal);
	handle(SIGWINCH, on_signal);
	del_curterm(cur_term);
	screen = newterm(NULL, stdout, stdin);
	if (!screen)
		return -1;
	atexit(terminal_close);
	set_escdelay(ESCAPE_MS);
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	leaveok(stdscr, FALSE);
	curs_set(0);
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

void terminal_drop_keys(void)
{
	flushinp();
}

bool terminal_gone(short revents)
{
	int waiting = 0;
	if (revents & (POLLERR | POLLNVAL | POLLHUP))
		return true;
	/* readable and nothing to read: the end of the input */
	return (revents & POLLIN) && ioctl(STDIN_FILENO, FIONREAD, &waiting) == 0 && waiting == 0;
}

void terminal_redraw(void)
{
	clearok(stdscr, TRUE);
}
