/* What may stand at the end of a command line: asked by the shells' completion as `usher completion words --
 * WORD...`, so that they know no verb, option or filter key themselves. Main thread. */
#ifndef UI_VERBS_COMPLETE_H
#define UI_VERBS_COMPLETE_H

#include "verbs.h"

/* A line for each word that goes on from the last of `words` (they stand behind "usher"): the whole word, a
 * tab and what it means. "@files" alone: names of files. Quiet whatever happens. */
void complete_print(struct verb_call *call, char **words, int count);

#endif
