/* Allocation that never returns NULL: see mem.h for why. May call nothing but libc; any thread. */
#include "base/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void mem_exhausted(size_t wanted)
{
	char line[96];
	int len = snprintf(line, sizeof line, "usher: out of memory, %zu bytes wanted: stopping\n", wanted);

	/* The line is a help to the operator; the abort happens with or without it. */
	ssize_t written = write(STDERR_FILENO, line, (size_t)len);
	(void)written;
	abort();
}

void *mem_alloc(size_t size)
{
	return mem_array(1, size);
}

void *mem_array(size_t count, size_t size)
{
	/* One byte at least: calloc(0) may give NULL, and that would look like exhaustion. */
	void *block = count == 0 || size == 0 ? calloc(1, 1) : calloc(count, size);
	if (!block)
		mem_exhausted(size != 0 && count > SIZE_MAX / size ? SIZE_MAX : count * size);
	return block;
}

void *mem_resize(void *block, size_t count, size_t size)
{
	void *moved = count == 0 || size == 0 ? realloc(block, 1) : reallocarray(block, count, size);
	if (!moved)
		mem_exhausted(size != 0 && count > SIZE_MAX / size ? SIZE_MAX : count * size);
	return moved;
}

char *mem_string(const char *text)
{
	return text ? mem_stringn(text, strlen(text)) : NULL;
}

char *mem_stringn(const char *text, size_t len)
{
	if (len == SIZE_MAX)
		mem_exhausted(len);
	char *copy = mem_resize(NULL, len + 1, 1);
	if (len > 0)
		memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

void mem_freep(void *pointer)
{
	/* Through memcpy: the caller's variable is a char * or a struct pointer, not a void *. */
	void *block, *none = NULL;
	memcpy(&block, pointer, sizeof block);
	free(block);
	memcpy(pointer, &none, sizeof none);
}

void mem_wipe(void *block, size_t len)
{
	if (block)
		explicit_bzero(block, len);
}
