/* Named views, in a file; see views.h. */
#include "views.h"

#include "base/error.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER_MODE 0700
#define LINE_MAX_BYTES (FILTER_BYTES_MAX + 256)

/* -- Where ------------------------------------------------------------------------------------------- */

static int folder_path(struct buf *out, struct usher_error *err)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	if (state && *state == '/')
		buf_printf(out, "%s/usher", state);
	else if (home && *home == '/')
		buf_printf(out, "%s/.local/state/usher", home);
	else
		return error_set(
		        err, USHER_EINVAL, "views have no place: neither HOME nor XDG_STATE_HOME is set");
	return 0;
}

static int views_path(struct buf *out, struct usher_error *err)
{
	int code = folder_path(out, err);
	buf_puts(out, "/views");
	return code;
}

/* All folders of the path, each for its owner only where it was not there. */
static int make_folders(struct usher_error *err)
{
	struct buf path = BUF(4096);
	int code = folder_path(&path, err);
	OWNED char *text = code == 0 ? buf_take(&path) : NULL;
	buf_free(&path);
	if (!text)
		return code;
	for (char *slash = text + 1;; slash++) {
		char was = *slash;
		if (was != '/' && was != '\0')
			continue;
		*slash = '\0';
		if (mkdir(text, FOLDER_MODE) != 0 && errno != EEXIST)
			return error_set(
			        err, USHER_EINVAL, "views are not kept: %s: %s", text, strerror(errno));
		*slash = was;
		if (was == '\0')
			return 0;
	}
}

/* -- Reading ------------------------------------------------------------------------------------------- */

static bool take_field(char **rest, char *out, size_t size)
{
	char *field = strsep(rest, "\t");
	if (!field || strlen(field) >= size)
		return false;
	snprintf(out, size, "%s", field);
	return true;
}

static bool read_line(char *line, struct view *ret)
{
	char kind[8];
	struct view v = { .name = "" };
	line[strcspn(line, "\n")] = '\0';
	if (!take_field(&line, v.name, sizeof v.name) || !take_field(&line, v.status, sizeof v.status) ||
	        !take_field(&line, v.sort, sizeof v.sort) || !take_field(&line, kind, sizeof kind) ||
	        !take_field(&line, v.filter, sizeof v.filter) || line || !v.name[0])
		return false;
	v.grouped = !strcmp(kind, "groups");
	*ret = v;
	return v.grouped || !strcmp(kind, "rows");
}

int views_read(struct views *ret, struct usher_error *err)
{
	struct buf path = BUF(4096);
	char line[LINE_MAX_BYTES];
	int code = views_path(&path, err), number = 0;
	FILE *file = code == 0 ? fopen(buf_str(&path), "re") : NULL;
	ret->count = 0;
	if (code == 0 && !file && errno != ENOENT)
		code = error_set(err, USHER_EINVAL, "%s: %s", buf_str(&path), strerror(errno));
	while (code == 0 && file && fgets(line, sizeof line, file)) {
		number++;
		if (ret->count == VIEWS_MAX || !read_line(line, &ret->items[ret->count]))
			code = error_set(err, USHER_EINVAL,
			        "%s: line %d is no view: mend it, or remove the file", buf_str(&path),
			        number);
		else
			ret->count++;
	}
	if (file)
		fclose(file);
	buf_free(&path);
	return code;
}

const struct view *views_find(const struct views *views, const char *name)
{
	for (int i = 0; i < views->count; i++)
		if (!strcmp(views->items[i].name, name))
			return &views->items[i];
	return NULL;
}

/* -- Writing ------------------------------------------------------------------------------------------- */

static bool write_all(const struct views *views, int fd)
{
	bool good;
	FILE *file = fdopen(fd, "w");
	if (!file) {
		close(fd);
		return false;
	}
	for (int i = 0; i < views->count; i++) {
		const struct view *v = &views->items[i];
		fprintf(file, "%s\t%s\t%s\t%s\t%s\n", v->name, v->status, v->sort,
		        v->grouped ? "groups" : "rows", v->filter);
	}
	good = !ferror(file);
	return fclose(file) == 0 && good;
}

/* A new file takes the old one's place whole: a full disk loses nothing. */
static int views_write(const struct views *views, struct usher_error *err)
{
	struct buf path = BUF(4096), fresh = BUF(4096);
	int code = make_folders(err);
	if (code == 0)
		code = views_path(&path, err);
	if (code == 0) {
		buf_printf(&fresh, "%s.%ld", buf_str(&path), (long)getpid());
		int fd = open(buf_str(&fresh), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0 || !write_all(views, fd) || rename(buf_str(&fresh), buf_str(&path)) != 0) {
			code = error_set(err, USHER_EINVAL, "the view is not kept: %s: %s", buf_str(&path),
			        strerror(errno));
			unlink(buf_str(&fresh));
		}
	}
	buf_free(&path);
	buf_free(&fresh);
	return code;
}

static int change(const char *name, const struct view *to, struct usher_error *err)
{
	OWNED struct views *views = mem_alloc(sizeof *views);
	int code = views_read(views, err), at = 0;
	if (code != 0)
		return code;
	while (at < views->count && strcmp(views->items[at].name, name) != 0)
		at++;
	if (!to && at == views->count)
		return error_set(err, USHER_ENOTFOUND, "there is no view \"%s\"", name);
	if (to && at == VIEWS_MAX)
		return error_set(
		        err, USHER_EINVAL, "%d views are kept, the most there may be: delete one", VIEWS_MAX);
	if (to) {
		views->items[at] = *to;
		views->count += at == views->count;
	} else {
		memmove(views->items + at, views->items + at + 1,
		        (size_t)(--views->count - at) * sizeof *views->items);
	}
	return views_write(views, err);
}

int views_save(const struct view *view, struct usher_error *err)
{
	return change(view->name, view, err);
}

int views_delete(const char *name, struct usher_error *err)
{
	return change(name, NULL, err);
}
