/* The line at the foot of the screen: filters ("/") and commands (":"). It is typed in place while the screen
 * above goes on; Tab completes, Up and Down bring back what was taken before, what is wrong with it stands
 * under it, at the character. While it is open it has all keys. Main thread. */
#ifndef UI_CONSOLE_PROMPT_H
#define UI_CONSOLE_PROMPT_H

#include "textline.h"

#include <stdbool.h>
#include <stddef.h>

#define PROMPT_HEIGHT 5 /* a rule, the line, and three lines under it */
#define HISTORY_MAX 50
#define OFFERS_MAX 96

struct console;

/* What was taken before, oldest first. */
struct history {
	char *texts[HISTORY_MAX];
	int count;
};
void history_add(struct history *h, const char *text); /* "" is none; one that is there moves to the end */
void history_free(struct history *h);

/* What may stand where the cursor is. */
struct offers {
	int from; /* the character where what it replaces begins */
	struct offer {
		char *text; /* "status:"; ends with a blank where nothing more belongs to it */
		char *help; /* may be NULL */
	} items[OFFERS_MAX];
	int count;
};
void offer_add(struct offers *o, const char *text, const char *help);
void offers_clear(struct offers *o);
/* Those that do not begin with the word, whatever its case, are left out. */
void offer_if(struct offers *o, const char *word, const char *text, const char *help);

struct prompt_ops {
	const char *mark;  /* in front of the line */
	const char *empty; /* N_(); said under it while nothing is typed */
	/* `before`: the text in front of the cursor. */
	void (*offer)(void *arg, struct console *c, const char *before, struct offers *ret);
	void (*typed)(void *arg, struct console *c, const char *text); /* after a change; NULL */
	void (*taken)(void *arg, struct console *c, const char *text); /* Enter; the prompt is closed */
	void (*left)(void *arg, struct console *c);                    /* Esc, likewise; NULL */
	/* What is wrong with the text, NULL: nothing is known to be; "..., character N: ..." names the place.
	 */
	const char *(*trouble)(void *arg);
};

struct prompt {
	const struct prompt_ops *ops; /* NULL: it is not open */
	void *arg;
	struct textline line;
	struct history *history;
	int past;      /* how far back in it; 0: what is typed now */
	char *present; /* that, while `past` */
	struct offers offers;
	int picked; /* of the offers, by Tab; -1: none */
};

void prompt_open(struct console *c, const struct prompt_ops *ops, void *arg, struct history *history,
        const char *text);
void prompt_close(struct prompt *p);  /* without taking anything, and without left() */
void prompt_renew(struct console *c); /* what is offered has changed */
bool prompt_is(const struct prompt *p, const void *arg);
void prompt_key(struct console *c, int key);
void prompt_draw(const struct prompt *p, int y); /* PROMPT_HEIGHT lines from y on */

#endif
