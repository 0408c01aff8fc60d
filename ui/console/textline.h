/* One line of text under the cursor: of a dialog's field, a filter, a command. It holds characters, not
 * bytes, and takes the keys that every shell takes. Main thread. */
#ifndef UI_CONSOLE_TEXTLINE_H
#define UI_CONSOLE_TEXTLINE_H

#include "paint.h"

#include "base/buf.h"

#include <wchar.h>

#define TEXTLINE_MAX 1024 /* characters: as many as a filter has bytes */
#define TEXTLINE_BYTES (TEXTLINE_MAX * 4)

struct textline {
	wchar_t text[TEXTLINE_MAX + 1];
	int length, cursor;
	int most; /* characters it takes; 0: TEXTLINE_MAX */
};

/* `text`: NULL is empty; what does not fit is left out. The cursor stands behind it. */
void textline_set(struct textline *l, const char *text);
/* What is typed and moved; false: no key of a line, such as Enter, Esc, Tab, Up. */
bool textline_key(struct textline *l, int key);
/* Appends the text, or what stands before its n-th character. */
void textline_add_to(const struct textline *l, struct buf *out);
void textline_add_first(const struct textline *l, int n, struct buf *out);
/* The characters from `from` to the cursor become `text`. */
void textline_replace(struct textline *l, int from, const char *text);
/* The column, counted from the line's left edge, of its n-th character when it is drawn in `width` columns.
 */
int textline_column(const struct textline *l, int n, int width);
/* Scrolled so that the cursor is in it. Puts the terminal's cursor there when it has the keys. */
void textline_draw(const struct textline *l, int y, int x, int width, bool has_keys);

#endif
