/* See editor.h. Calls base and libc only. */
#include "editor.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define FOLDER_MAX 512

static const char *or_else(const char *name, const char *otherwise)
{
	const char *value = getenv(name);
	return value && *value ? value : otherwise;
}

/* -- The file ------------------------------------------------------------------------------------ */

static int write_file(const char *path, const char *text, size_t len, struct usher_error *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (!file) {
		if (fd >= 0)
			close(fd);
		return error_set(err, USHER_EIO, "cannot make %s: %s", path, strerror(errno));
	}
	bool written = fwrite(text, 1, len, file) == len;
	if (len == 0 || text[len - 1] != '\n')
		written = fputc('\n', file) != EOF && written;
	if (fclose(file) != 0 || !written)
		return error_set(err, USHER_EIO, "cannot write %s: %s", path, strerror(errno));
	return 0;
}

/* By its name: many editors write a new file in the place of the old one. */
static int read_file(const char *path, struct buf *out, struct usher_error *err)
{
	char part[4096];
	size_t n;
	FILE *file = fopen(path, "re");
	if (!file)
		return error_set(err, USHER_EIO, "cannot read %s again: %s", path, strerror(errno));
	while ((n = fread(part, 1, sizeof part, file)) > 0)
		buf_add(out, part, n);
	bool well = !ferror(file) && !out->failed;
	fclose(file);
	return well ? 0 : error_set(err, USHER_EIO, "cannot read %s again, or it is too long", path);
}

/* With whatever the editor left beside it. */
static void remove_folder(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	while (dir && (entry = readdir(dir)))
		unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(folder);
}

/* -- The editor ------------------------------------------------------------------------------------ */

/* The shell takes the operator's words, which may have options in them. */
static void become_editor(const char *editor, char *path)
{
	char command[FOLDER_MAX];
	static const int given_back[] = { SIGINT, SIGQUIT, SIGTSTP, SIGPIPE };
	for (size_t i = 0; i < sizeof given_back / sizeof *given_back; i++)
		signal(given_back[i], SIG_DFL);
	snprintf(command, sizeof command, "%s \"$@\"", editor);
	execl("/bin/sh", "sh", "-c", command, "sh", path, (char *)NULL);
	_exit(127);
}

static bool ended(pid_t pid, bool look_only, int *ret_status)
{
	pid_t done = waitpid(pid, ret_status, look_only ? WNOHANG : 0);
	return done == pid || (done < 0 && errno != EINTR);
}

static int run(const char *editor, char *path, void (*idle)(void *), void *arg, struct usher_error *err)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, interrupt, quit;
	int status = -1;
	sigaction(SIGINT, &ignore, &interrupt);
	sigaction(SIGQUIT, &ignore, &quit);
	pid_t pid = fork();
	if (pid == 0)
		become_editor(editor, path);
	while (pid > 0 && !ended(pid, idle != NULL, &status))
		if (idle)
			idle(arg);
	sigaction(SIGINT, &interrupt, NULL);
	sigaction(SIGQUIT, &quit, NULL);
	if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return error_set(err, USHER_EIO,
	        "the editor (%.100s) did not end well: nothing is changed. VISUAL or EDITOR names another",
	        editor);
}

int editor_run(const char *text, size_t len, void (*idle)(void *arg), void *arg, struct buf *out,
        struct usher_error *err)
{
	const char *editor = or_else("VISUAL", or_else("EDITOR", "vi"));
	char folder[FOLDER_MAX], path[FOLDER_MAX + 16];
	if (strlen(editor) > FOLDER_MAX - 16)
		return error_set(err, USHER_EIO, "VISUAL or EDITOR is too long");
	if (snprintf(folder, sizeof folder, "%s/usher-edit-XXXXXX",
	            or_else("XDG_RUNTIME_DIR", or_else("TMPDIR", "/tmp"))) >= (int)sizeof folder)
		return error_set(err, USHER_EIO, "TMPDIR is too long");
	if (!mkdtemp(folder))
		return error_set(
		        err, USHER_EIO, "cannot make a private folder %s: %s", folder, strerror(errno));
	snprintf(path, sizeof path, "%s/event.json", folder);
	int rc = write_file(path, text, len, err);
	if (rc == 0)
		rc = run(editor, path, idle, arg, err);
	if (rc == 0)
		rc = read_file(path, out, err);
	remove_folder(folder);
	return rc;
}
