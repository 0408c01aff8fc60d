/* The files that a configuration was made of: which they are, and whether they have changed since. Looks at
 * files, reads the templates for their fingerprint; one thread a list. */
#include "config/load.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define LOOK_MAX (1024 * 1024) /* bytes that describe a directory */
#define PATH_BYTES 4096
/* Bytes of all templates; what is more is not in the fingerprint. */
#define TEMPLATES_MAX (64 * 1024 * 1024)

/* -- What a file looks like -------------------------------------------------------------------------------
 */

static void describe(struct buf *out, const char *path, bool *ret_directory)
{
	struct stat st;

	*ret_directory = false;
	if (stat(path, &st) < 0) {
		buf_puts(out, "none\n");
		return;
	}
	*ret_directory = S_ISDIR(st.st_mode);
	buf_printf(out, "%llu %llu %lld %lld.%09ld\n", (unsigned long long)st.st_dev,
	        (unsigned long long)st.st_ino, (long long)(*ret_directory ? 0 : st.st_size),
	        (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

typedef void entry_fn(struct buf *out, const char *path);

/* In the order of their names, which readdir's is not. */
static void entries_each(struct buf *out, const char *directory, entry_fn *fn)
{
	struct dirent **list = NULL;
	int n = scandir(directory, &list, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		char path[PATH_BYTES];

		if (list[i]->d_name[0] != '.') {
			snprintf(path, sizeof path, "%s/%s", directory, list[i]->d_name);
			buf_printf(out, "%s\n", list[i]->d_name);
			fn(out, path);
		}
		free(list[i]);
	}
	free(list);
}

static void describe_entry(struct buf *out, const char *path)
{
	bool directory;

	describe(out, path, &directory);
}

static void look(const char *path, char mark[65])
{
	struct buf text = BUF(LOOK_MAX);
	bool directory;

	describe(&text, path, &directory);
	if (directory)
		entries_each(&text, path, describe_entry);
	sha256_hex(buf_str(&text), text.len, mark);
	buf_free(&text);
}

/* -- The list ---------------------------------------------------------------------------------------------
 */

void files_add(struct config_files *files, const char *path)
{
	if (!files)
		return;
	files->items = mem_resize(files->items, files->count + 1, sizeof *files->items);
	struct config_file *file = &files->items[files->count++];
	*file = (struct config_file){ .path = mem_string(path) };
	look(path, file->read);
	memcpy(file->seen, file->read, sizeof file->seen);
}

const char *config_files_changed(struct config_files *files)
{
	const char *changed = NULL;

	for (size_t i = 0; i < files->count; i++) {
		struct config_file *file = &files->items[i];
		char now[65];

		look(file->path, now);
		if (!changed && strcmp(now, file->read) != 0 && strcmp(now, file->seen) == 0)
			changed = file->path;
		memcpy(file->seen, now, sizeof now);
	}
	return changed;
}

void config_files_free(struct config_files *files)
{
	for (size_t i = 0; i < files->count; i++)
		free(files->items[i].path);
	free(files->items);
	*files = (struct config_files){ 0 };
}

/* -- Templates --------------------------------------------------------------------------------------------
 */

static void read_entry(struct buf *out, const char *path)
{
	FILE *file = fopen(path, "re");
	char block[4096];
	size_t n;

	while (file && (n = fread(block, 1, sizeof block, file)) > 0)
		buf_add(out, block, n);
	if (file)
		fclose(file);
}

/* By what is in them, so that a new copy of the same is no change. */
void files_templates(const char *directory, char mark[65])
{
	struct buf text = BUF(TEMPLATES_MAX);

	entries_each(&text, directory, read_entry);
	*mark = '\0';
	if (text.len)
		sha256_hex(buf_str(&text), text.len, mark);
	buf_free(&text);
}
