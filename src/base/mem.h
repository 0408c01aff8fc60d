/* Memory. usher is crash-only: the ledger makes a death at any instruction safe, so running out of
 * small memory ends the process with a clear line instead of a half-done act. Everything whose size
 * comes from outside goes through a `struct buf` or a checked limit first. Any thread. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>
#include <stdlib.h>

void *mem_alloc(size_t size) __attribute__((malloc, alloc_size(1), returns_nonnull));      /* zeroed */
void *mem_array(size_t count, size_t size) __attribute__((malloc, returns_nonnull));       /* zeroed */
void *mem_resize(void *block, size_t count, size_t size) __attribute__((returns_nonnull)); /* not zeroed */
char *mem_string(const char *text) __attribute__((malloc)); /* NULL in, NULL out */
char *mem_stringn(const char *text, size_t len) __attribute__((malloc, returns_nonnull));

/* Says so on standard error and ends the process: for libraries that report exhaustion by NULL. */
void mem_exhausted(size_t wanted) __attribute__((noreturn));

/* Frees *pointer and sets it to NULL; for __attribute__((cleanup)): owned char * variables. */
void mem_freep(void *pointer);
#define OWNED __attribute__((cleanup(mem_freep)))

/* Overwrites a secret before its memory goes back. */
void mem_wipe(void *block, size_t len);

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
