/* The terminal's modes and the process's signals: entered, left on every way out, suspended and resumed.
 * Signals only write to a pipe that the main loop polls; a crash alone puts the terminal back in its handler.
 * Main thread. */
#ifndef UI_CONSOLE_TERMINAL_H
#define UI_CONSOLE_TERMINAL_H

#include "base/clock.h"

#include <stdbool.h>

/* `mouse`: its clicks come to us; without, they select text as the terminal does by itself.
 * 0, or -1 with a message on standard error. */
int terminal_open(bool mouse);
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

struct mouse {
	enum { MOUSE_NONE, MOUSE_CLICK, MOUSE_DOUBLE, MOUSE_WHEEL_UP, MOUSE_WHEEL_DOWN } kind;
	int y, x;
	mono_time at;
};
/* What stands behind a CODE(KEY_MOUSE); false for nothing we know. `m` has what was done before. */
bool terminal_mouse(mono_time now, struct mouse *m);
void terminal_drop_keys(void); /* what was typed ahead, such as the rest of a paste */
bool terminal_gone(
        short revents);     /* of standard input; stands still while another program has the terminal */
void terminal_redraw(void); /* the next refresh draws everything anew */

#endif
