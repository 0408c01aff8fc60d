/* The text of note.h: a version around words that are atomic each. One thread writes, any reads. */
#include "base/note.h"

#include "base/text.h"

#include <string.h>

#define WORDS (NOTE_SIZE / sizeof(unsigned long long))

void note_write(struct note *note, const char *text)
{
	char shown[NOTE_SIZE] = "";
	unsigned long long word;

	utf8_copy(shown, sizeof shown, text, strlen(text));
	atomic_fetch_add(&note->version, 1);
	for (size_t i = 0; i < WORDS; i++) {
		memcpy(&word, shown + i * sizeof word, sizeof word);
		atomic_store(&note->words[i], word);
	}
	atomic_fetch_add(&note->version, 1);
}

void note_read(struct note *note, char text[NOTE_SIZE])
{
	unsigned long long word;
	unsigned before;

	do {
		before = atomic_load(&note->version);
		for (size_t i = 0; i < WORDS; i++) {
			word = atomic_load(&note->words[i]);
			memcpy(text + i * sizeof word, &word, sizeof word);
		}
	} while (before % 2 != 0 || before != atomic_load(&note->version));
	text[NOTE_SIZE - 1] = '\0';
}
