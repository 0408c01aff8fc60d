/* The history between two runs: one file of one size, made beside its place and moved there, so that it is
 * whole or not there. It is a convenience: whatever is wrong with it, usher starts with an empty one. */
#include "engine/history.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAGIC "usherhis"
#define FILE_VERSION 1
#define FILE_MODE 0600

struct history_file {
	char magic[8];
	uint32_t version, size; /* in this machine's byte order: another machine's file does not fit */
	struct history history;
	char checksum[65]; /* SHA-256 of all before it */
};

static void checksum(const struct history_file *file, char text[65])
{
	sha256_hex(file, offsetof(struct history_file, checksum), text);
}

static int path_make(char path[PATH_MAX], const char *directory, const char *name, struct usher_error *err)
{
	if (snprintf(path, PATH_MAX, "%s/%s", directory, name) >= PATH_MAX)
		return error_set(err, USHER_EINVAL, "the path of %s is too long", name);
	return 0;
}

static int write_whole(int fd, const void *bytes, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = write(fd, (const char *)bytes + done, len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		done += (size_t)n;
	}
	return 0;
}

struct history_file *history_pack(const struct history *h)
{
	struct history_file *file = mem_alloc(sizeof *file);

	memcpy(file->magic, FILE_MAGIC, sizeof file->magic);
	file->version = FILE_VERSION;
	file->size = sizeof *file;
	file->history = *h;
	checksum(file, file->checksum);
	return file;
}

int history_save(const char *directory, const struct history_file *file, struct usher_error *err)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	int fd = -1, rc = path_make(path, directory, "history", err);

	if (rc == 0)
		rc = path_make(fresh, directory, "history.new", err);
	if (rc < 0)
		return rc;
	unlink(fresh); /* of a daemon that died; never through a link */
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
	if (fd < 0)
		rc = error_set(err, USHER_EIO, "cannot make %s: %s", fresh, strerror(errno));
	else if (write_whole(fd, file, sizeof *file) < 0)
		rc = error_set(err, USHER_EIO, "cannot write %s: %s", fresh, strerror(errno));
	else if (rename(fresh, path) < 0)
		rc = error_set(err, USHER_EIO, "cannot rename %s: %s", fresh, strerror(errno));
	if (fd >= 0)
		close(fd);
	if (rc < 0)
		unlink(fresh);
	return rc;
}

static bool file_valid(const struct history_file *file)
{
	char sum[65];

	if (memcmp(file->magic, FILE_MAGIC, sizeof file->magic) != 0 || file->version != FILE_VERSION ||
	        file->size != sizeof *file)
		return false;
	checksum(file, sum);
	return memcmp(sum, file->checksum, sizeof sum) == 0;
}

/* A regular file of exactly this size; a fifo or a device would be waited for. */
static bool read_whole(int fd, struct history_file *file)
{
	struct stat st;
	size_t done = 0;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size != sizeof *file)
		return false;
	while (done < sizeof *file) {
		ssize_t n = read(fd, (char *)file + done, sizeof *file - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

int history_load(const char *directory, struct history *ret_history, struct usher_error *err)
{
	char path[PATH_MAX];
	int rc = path_make(path, directory, "history", err);

	if (rc < 0)
		return rc;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return error_set(err, errno == ENOENT ? USHER_ENOTFOUND : USHER_EIO, "cannot open %s: %s",
		        path, strerror(errno));
	struct history_file *file = mem_alloc(sizeof *file);
	if (!read_whole(fd, file) || !file_valid(file))
		rc = error_set(err, USHER_EPROTOCOL, "%s is no history of this version, or damaged", path);
	else
		*ret_history = file->history;
	close(fd);
	free(file);
	return rc;
}
