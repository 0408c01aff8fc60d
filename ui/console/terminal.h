/* The terminal's modes and the process's signals: entered, left on every way out, suspended and resumed.
 * Signals only write to a pipe that the main loop polls. Main thread. */
#ifndef UI_CONSOLE_TERMINAL_H
#define UI_CONSOLE_TERMINAL_H

#include <stdbool.h>

int terminal_open(void); /* 0, or -1 with a message on standard error */
void terminal_close(void);
int terminal_signals(void); /* the pipe's reading end */

struct terminal_news {
	bool interrupt; /* ^C */
	int end;        /* the signal that asks to end, or 0 */
};
/* Empties the pipe; suspends here on ^Z, and takes a new window size. */
void terminal_take_signals(struct terminal_news *ret);
/* Fits curses to the window; true when the size changed. */
bool terminal_fit(void);

/* Gives the terminal to another program, and takes it back. */
void terminal_lend(void);
void terminal_take_back(void);

/* The next key, as keys.h numbers them; 0 when none is waiting. */
int terminal_key(void);
void terminal_drop_keys(void);     /* what was typed ahead, such as the rest of a paste */
bool terminal_gone(short revents); /* of standard input */
void terminal_redraw(void);        /* the next refresh draws everything anew */

#endif
