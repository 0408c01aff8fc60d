/* Questions over the screen: yes or no, one of a list, and lines of text. While one is open it has all keys.
 */
#ifndef UI_CONSOLE_DIALOG_H
#define UI_CONSOLE_DIALOG_H

#include "../lines.h"
#include "textline.h"

#include <stdbool.h>
#include <stdint.h>

#define DIALOG_TEXT_MAX 500 /* characters; the API's limit of a reason */
#define DIALOG_FIELDS_MAX 5
#define DIALOG_TYPE_COUNT 20 /* rows; to act on more, their number is typed */

struct console;
/* `text`: what was typed; of a menu the item's word; NULL for a yes-or-no. */
typedef void dialog_done(struct console *c, void *arg, const char *text);
/* One text a field, as they were given; numbers as they were checked. */
typedef void dialog_form_done(struct console *c, void *arg, const char *const texts[]);

struct dialog_field {
	const char *label; /* "": the field has the whole line */
	const char *text;  /* to begin with; NULL: none */
	enum { FIELD_TEXT, FIELD_NUMBER } kind;
	bool required; /* an empty line is not taken */
	int64_t count; /* > 0: nothing but this number is taken */
};

struct dialog_item {
	const char *word, *shown;
};

struct dialog {
	enum { DIALOG_NONE, DIALOG_CONFIRM, DIALOG_FORM, DIALOG_MENU } kind;
	char *title;
	struct lines body;
	struct dialog_field fields[DIALOG_FIELDS_MAX];
	struct textline lines[DIALOG_FIELDS_MAX];
	int field_count, field; /* the one that is typed in */
	const char *refused;    /* what is wrong with that; NULL: nothing */
	const struct dialog_item *items;
	int item_count, item;
	dialog_done *done;
	dialog_form_done *form_done;
	void *arg;
	void (*drop)(void *arg); /* frees arg, after done or without it */
};

/* Titles, labels and what items show come in the user's language.
 * `body`: lines are taken over. Strings of fields are copied or outlive it (label). */
void dialog_confirm(struct dialog *d, const char *title, struct lines *body, dialog_done *done, void *arg,
        void (*drop)(void *));
void dialog_input(struct dialog *d, const char *title, struct lines *body, const char *text, bool required,
        dialog_done *done, void *arg, void (*drop)(void *));
void dialog_form(struct dialog *d, const char *title, struct lines *body, const struct dialog_field *fields,
        int count, dialog_form_done *done, void *arg, void (*drop)(void *));
/* `items` outlive it; `at`: the one that is chosen to begin with. */
void dialog_menu(struct dialog *d, const char *title, struct lines *body, const struct dialog_item *items,
        int count, int at, dialog_done *done, void *arg, void (*drop)(void *));
void dialog_key(struct console *c, int key);
void dialog_draw(const struct dialog *d);
bool dialog_has_cursor(const struct dialog *d);
void dialog_close(struct dialog *d);

#endif
