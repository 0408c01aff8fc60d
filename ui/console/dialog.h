/* Questions over the screen: yes or no, and one line of text. While one is open it has all keys. */
#ifndef UI_CONSOLE_DIALOG_H
#define UI_CONSOLE_DIALOG_H

#include "../lines.h"

#include <stdbool.h>
#include <wchar.h>

#define DIALOG_TEXT_MAX 500 /* characters; the API's limit of a reason */

struct console;
/* `text` is NULL for a yes-or-no. */
typedef void dialog_done(struct console *c, void *arg, const char *text);

struct dialog {
	enum { DIALOG_NONE, DIALOG_CONFIRM, DIALOG_INPUT } kind;
	char *title;
	struct lines body;
	bool required; /* an empty line is not taken */
	bool refused;  /* one was tried */
	wchar_t text[DIALOG_TEXT_MAX + 1];
	int length, cursor;
	dialog_done *done;
	void *arg;
	void (*drop)(void *arg); /* frees arg, after done or without it */
};

/* `body`: lines are taken over. */
void dialog_confirm(struct dialog *d, const char *title, struct lines *body, dialog_done *done, void *arg,
        void (*drop)(void *));
void dialog_input(struct dialog *d, const char *title, struct lines *body, const char *text, bool required,
        dialog_done *done, void *arg, void (*drop)(void *));
void dialog_key(struct console *c, int key);
void dialog_draw(const struct dialog *d);
void dialog_close(struct dialog *d);

#endif
