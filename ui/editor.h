/* The operator's own editor on a text: $VISUAL, $EDITOR or vi, in a folder that only this user may look into
 * and that is gone afterwards. The caller has given the terminal back. Blocks; main thread. */
#ifndef UI_EDITOR_H
#define UI_EDITOR_H

#include "base/buf.h"

#include <stddef.h>
#include <usher/error.h>

#define EDITOR_TEXT_MAX (1024 * 1024)

/* Puts the text as the operator left it into out. USHER_EIO: the editor could not be run, or ended with an
 * error: then nothing is taken. `idle`: called again and again meanwhile, and waits a little itself; NULL:
 * nothing else is to be done. */
int editor_run(const char *text, size_t len, void (*idle)(void *arg), void *arg, struct buf *out,
        struct usher_error *err);

#endif
