/* A short text that one thread writes now and then and any thread reads: what a service last said, for the
 * status. No lock and no memory to release: a reader that meets a writer looks again. All zeros is a note
 * with an empty text. */
#ifndef BASE_NOTE_H
#define BASE_NOTE_H

#include <stdatomic.h>

#define NOTE_SIZE 256 /* bytes with the NUL; what is longer is cut between characters */

struct note {
	atomic_uint version; /* odd while it is written */
	atomic_ullong words[NOTE_SIZE / sizeof(unsigned long long)];
};

void note_write(struct note *note, const char *text); /* its one writer */
void note_read(struct note *note, char text[NOTE_SIZE]);

#endif
