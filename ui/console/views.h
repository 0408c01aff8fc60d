/* Views that an operator has named: a filter with status, sort and whether it is counted by cause. They are
 * kept in a file of the operator's own, $XDG_STATE_HOME/usher/views or ~/.local/state/usher/views, mode 0600:
 * a filter may hold a member's id or address. One line each: name, status, sort, rows or groups, filter;
 * parted by tabs. Files are small and read when they are asked for. Main thread. */
#ifndef UI_CONSOLE_VIEWS_H
#define UI_CONSOLE_VIEWS_H

#include "filter_words.h"

#include <stdbool.h>
#include <usher/error.h>

#define VIEW_NAME_MAX 40 /* bytes */
#define VIEWS_MAX 64
#define VIEW_SORT_MAX 24

struct view {
	char name[VIEW_NAME_MAX + 1];
	char status[16];          /* "any" */
	char sort[VIEW_SORT_MAX]; /* as the API takes it; "": newest */
	bool grouped;
	char filter[FILTER_BYTES_MAX + 1];
};

struct views {
	struct view items[VIEWS_MAX];
	int count;
};

/* Without a file there are none. USHER_EINVAL: a line that is none of ours, which saving would lose. */
int views_read(struct views *ret, struct usher_error *err);
const struct view *views_find(const struct views *views, const char *name);
/* Reads, changes and writes again: another console may have written meanwhile. */
int views_save(const struct view *view, struct usher_error *err);
int views_delete(const char *name, struct usher_error *err);

#endif
