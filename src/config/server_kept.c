/* What the config server last answered, on disk, for a start while it is away. It is an answer in the
 * server's own second form, which the same reader reads, plus when it was given and to what; secrets are left
 * out and named. Reads and writes one file; any thread. */
#include "config/server.h"

#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME "config-server.json"

static char *file_path(const char *directory, const char *suffix)
{
	char *path;

	if (asprintf(&path, "%s/" FILE_NAME "%s", directory, suffix) < 0)
		abort();
	return path;
}

/* -- Text ----------------------------------------------------------------------------------------- */

static cJSON *item_in(cJSON *array)
{
	cJSON *item = cJSON_CreateObject();

	if (!item || !cJSON_AddItemToArray(array, item))
		mem_exhausted(sizeof *item);
	return item;
}

static void name_in(cJSON *array, const char *name)
{
	cJSON *item = cJSON_CreateString(name);

	if (!item || !cJSON_AddItemToArray(array, item))
		mem_exhausted(strlen(name));
}

/* Properties stand in the order of their sources. */
static void properties_in(
        cJSON *json, const struct server_environment *environment, server_secret *secret, const void *arg)
{
	cJSON *sources = json_add_array(json, "propertySources"),
	      *withheld = json_add_array(json, "withheld");
	cJSON *source = NULL;

	for (size_t i = 0; i < environment->count; i++) {
		const struct server_property *p = &environment->properties[i];
		if (i == 0 || p->rank != p[-1].rank) {
			cJSON *item = item_in(sources);
			json_add_string(item, "name", p->source);
			source = json_add_object(item, "source");
		}
		if (secret(arg, p->name)) {
			name_in(withheld, p->name);
			continue;
		}
		cJSON *value = json_add_object(source, p->name);
		json_add_string(value, "value", p->text);
		if (p->origin)
			json_add_string(value, "origin", p->origin);
	}
}

char *server_kept_text(const struct server_environment *environment, const char *asked, wall_time now,
        server_secret *secret, const void *arg)
{
	cJSON *json = cJSON_CreateObject();
	char at[WALL_TEXT_SIZE];

	if (!json)
		mem_exhausted(sizeof *json);
	json_add_string(json, "kept", wall_format(now, at));
	json_add_string(json, "asked", asked);
	json_add_string(json, "name", asked);
	json_add_string(json, "label", environment->label);
	json_add_string(json, "version", environment->version);
	json_add_string(json, "state", environment->state);
	properties_in(json, environment, secret, arg);
	char *text = json_print(json);
	cJSON_Delete(json);
	return text;
}

/* -- File ----------------------------------------------------------------------------------------- */

static int text_read(const char *path, struct buf *text, struct usher_error *err)
{
	FILE *file = fopen(path, "re");
	char block[4096];
	size_t n;

	if (!file)
		return error_set(
		        err, errno == ENOENT ? USHER_ENOTFOUND : USHER_EIO, "%s: %s", path, strerror(errno));
	while ((n = fread(block, 1, sizeof block, file)) > 0)
		buf_add(text, block, n);
	bool failed = ferror(file) || text->failed;
	fclose(file);
	return failed ? error_set(err, USHER_EIO, "%s: cannot be read, or is too long", path) : 0;
}

int server_kept_read(
        const struct config *settings, struct server_environment **ret_environment, struct usher_error *err)
{
	OWNED char *path = file_path(config_state_dir(settings), "");
	OWNED char *asked = server_asked(settings);
	struct server_environment *environment = NULL;
	struct buf text = BUF(SERVER_ANSWER_MAX * 2);
	int rc = text_read(path, &text, err);

	if (rc == 0 && server_parse(buf_str(&text), text.len, &environment, NULL) < 0)
		rc = error_set(err, USHER_EPROTOCOL, "%s: is damaged", path);
	buf_free(&text);
	if (rc < 0 || !environment)
		return rc;
	if (!environment->asked || strcmp(environment->asked, asked) != 0 || !environment->kept_at.ms) {
		rc = environment->asked
		             ? error_set(err, USHER_ENOTFOUND, "%s: is the answer for %s, not for %s", path,
		                       environment->asked, asked)
		             : error_set(err, USHER_ENOTFOUND,
		                       "%s: is the answer for something else, not for %s", path, asked);
		server_environment_free(environment);
		return rc;
	}
	*ret_environment = environment;
	return 0;
}

static int text_write(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		text += n;
		len -= (size_t)n;
	}
	return fsync(fd);
}

/* Whole or not at all. */
int server_kept_write(const char *directory, const char *text, struct usher_error *err)
{
	OWNED char *path = file_path(directory, "");
	OWNED char *fresh = file_path(directory, ".new");
	int fd, code = 0;

	unlink(fresh);
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
	if (fd < 0)
		return error_set(err, USHER_EIO, "%s: %s", fresh, strerror(errno));
	if (text_write(fd, text, strlen(text)) < 0)
		code = error_set(err, USHER_EIO, "%s: %s", fresh, strerror(errno));
	close(fd);
	if (code == 0 && rename(fresh, path) < 0)
		code = error_set(err, USHER_EIO, "%s: %s", path, strerror(errno));
	if (code < 0)
		unlink(fresh);
	return code;
}
