/* Text that is safe to put on a terminal. Everything usher shows may hold what a stranger typed into a
 * sign-up form: control characters, escape sequences, direction overrides, zero-width characters,
 * broken UTF-8. The functions here are the only way such bytes reach a terminal or a table: what could
 * act on the terminal or hide is shown by name ("^[", "<U+202E>", "<FF>"), and widths are counted in
 * columns. Calls libc, base/text and base/language only; pure but for the mode, which text_setup sets once at
 * start. */
#ifndef UI_TEXT_H
#define UI_TEXT_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum text_mode {
	TEXT_ASCII,  /* no UTF-8 here: other characters become '?', a wide one two of them */
	TEXT_PLAIN,  /* UTF-8 text, ASCII ornaments: the terminal may lack block and line characters */
	TEXT_UNICODE /* all of it */
};

/* setlocale, the language and the mode, which is remembered and returned. A UTF-8 locale gets it all, and
 * does so where this machine lacks the locale itself (C.UTF-8 stands in); none at all, as over many an ssh,
 * gets TEXT_PLAIN. Another one that was asked for (C, EUC-KR) is TEXT_ASCII on a terminal; into a file or a
 * pipe goes what the daemon said. `term` is $TERM or NULL: terminals known to lack block characters get
 * TEXT_PLAIN. The language is the user's where its letters can be shown (not on the kernel's own console,
 * whose fonts have some 500 characters), English otherwise. Numbers have a point everywhere. */
enum text_mode text_setup(const char *term, bool to_terminal);
void text_set_mode(enum text_mode mode);
enum text_mode text_get_mode(void);

/* Base character and its combining marks, or an escape that names a harmful character. */
#define TEXT_CELL_MAX 24
#define TEXT_MARKS_MAX 3 /* combining marks kept on one base; more are shown by name */
struct text_cell {
	char bytes[TEXT_CELL_MAX + 1];
	int len;
	int width; /* columns, at least 1 unless len is 0 */
};

/* Takes one cell off text[0..len); returns the bytes used, 0 only when len is 0. */
size_t text_next(const char *text, size_t len, struct text_cell *ret);

/* Columns of the cleaned text; counting stops above `limit` (limit + 1 comes back or a little more). */
int text_width(const char *text, size_t len, int limit);

/* Appends the cleaned text, however long. */
void text_clean(struct buf *out, const char *text, size_t len);

enum text_align { TEXT_LEFT, TEXT_RIGHT, TEXT_CLIP /* no padding */ };
/* Appends the cleaned text in exactly `width` columns (TEXT_CLIP: at most): cut with an ellipsis where
 * it is longer. Reads no more of a long text than it shows. Returns the columns used. */
int text_fit(struct buf *out, const char *text, size_t len, int width, enum text_align align);

/* For wrapping: the bytes of text[0..len) that make the next line of at most `width` columns. A line
 * ends at a newline, at the last space that fits, or in mid-word. *ret_next is where the line after it
 * starts (== len at the end). A width under 1 counts as 1. */
size_t text_line(const char *text, size_t len, int width, size_t *ret_next);

/* JSON text with the characters that could act on a terminal as \uXXXX: the same value to a program. */
void text_json(struct buf *out, const char *json, size_t len);

#endif
