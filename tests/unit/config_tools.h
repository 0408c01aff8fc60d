/* A directory with configuration files, and what loading them brings. For the tests of the configuration. */
#ifndef UNIT_CONFIG_TOOLS_H
#define UNIT_CONFIG_TOOLS_H

#include "config/config.h"

#include "base/buf.h"
#include "base/mem.h"
#include "config/keys.h"
#include "net/smtp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define PATH_SIZE 512

/* What every configuration here begins with: the two values that have no default. */
#define NEEDED_INI "[email]\nfrom = welcome@example.com\n[coupon]\nurl = http://127.0.0.1:1/\n"

struct fixture {
	char folder[64], ini[PATH_SIZE];
	char *report; /* of the last load; lines */
	size_t report_len;
	struct config *config;
	struct usher_error err;
};

/* -- Tools -------------------------------------------------------------------------------------- */

static inline int setup(void **state)
{
	struct fixture *f = mem_alloc(sizeof *f);

	strcpy(f->folder, "/tmp/usher-config-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->ini, sizeof f->ini, "%s/usher.ini", f->folder);
	*state = f;
	return 0;
}

static inline void forget(struct fixture *f)
{
	config_free(f->config);
	f->config = NULL;
	free(f->report);
	f->report = NULL;
}

static inline int teardown(void **state)
{
	static const char *const names[] = { "usher.ini", "usher-local.ini", "usher-staging.ini",
		"usher-production.ini", "secret", "other", "database.password", "email.password",
		"coupon.token", "config_server.password" };
	struct fixture *f = *state;
	char path[PATH_SIZE + 64];

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof path, "%s/%s", f->folder, names[i]);
		unlink(path);
	}
	rmdir(f->folder);
	forget(f);
	free(f);
	return 0;
}

static inline void write_bytes(const struct fixture *f, const char *name, const char *text, size_t len)
{
	char path[PATH_SIZE + 64];
	FILE *file;

	snprintf(path, sizeof path, "%s/%s", f->folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static inline void write_text(const struct fixture *f, const char *name, const char *text)
{
	write_bytes(f, name, text, strlen(text));
}

static inline int load_path(
        struct fixture *f, const char *path, const char *const *environment, bool database)
{
	FILE *report;
	int code;

	forget(f);
	report = open_memstream(&f->report, &f->report_len);
	code = config_load_as(&(struct config_request){ .path = path,
	                              .environment = environment,
	                              .database_only = database,
	                              .offline = true,
	                              .report = report },
	        &f->config, &f->err);
	fclose(report);
	assert_true((code == 0) == (f->config != NULL));
	assert_true((code == 0) == (f->report_len == 0));
	return code;
}

static inline int load(struct fixture *f, const char *const *environment)
{
	return load_path(f, f->ini, environment, false);
}

/* The file with this text must be accepted, and no environment. */
static inline const struct config *accept_text(struct fixture *f, const char *text)
{
	write_text(f, "usher.ini", text);
	if (load(f, NULL))
		fail_msg("refused:\n%s\n%s", text, f->report);
	return f->config;
}

static inline void contains(const char *where, const char *what)
{
	if (!strstr(where, what))
		fail_msg("\"%s\" is not in:\n%s", what, where);
}

static inline void lacks(const char *where, const char *what)
{
	if (strstr(where, what))
		fail_msg("\"%s\" must not be in:\n%s", what, where);
}

static inline int lines(const char *text)
{
	int n = 0;
	for (; *text; text++)
		n += *text == '\n';
	return n;
}

/* Exactly one error, on this line of usher.ini, with these words. */
static inline void refuse_text(struct fixture *f, const char *text, int line, const char *words)
{
	char where[PATH_SIZE + 16];

	write_text(f, "usher.ini", text);
	if (load(f, NULL) != USHER_ECONFIG)
		fail_msg("accepted:\n%s", text);
	snprintf(where, sizeof where, "%s:%d: ", f->ini, line);
	contains(f->report, where);
	contains(f->report, words);
	assert_int_equal(lines(f->report), 1);
	contains(f->err.message, words);
	contains(f->err.message, "1 error in the configuration");
}

static inline char *printed(void (*print)(FILE *out))
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	print(out);
	fclose(out);
	return text;
}

static inline char *effective(const struct config *config)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	config_print(config, out);
	fclose(out);
	return text;
}

/* The line of `usherd check-config` for this key, without its section. */
static inline void shows(const struct config *config, const char *section, const char *name,
        const char *value, const char *origin)
{
	OWNED char *text = effective(config);
	char header[64];

	snprintf(header, sizeof header, "[%s]\n", section);
	contains(text, header);
	for (char *line = strstr(text, header); line && line[1] != '\n'; line = strchr(line, '\n') + 1) {
		char key[64], rest[1024];
		if (sscanf(line, "  %63s %1023[^\n]", key, rest) != 2 || strcmp(key, name) != 0)
			continue;
		assert_int_equal(strncmp(rest, value, strlen(value)), 0);
		assert_true(rest[strlen(value)] == ' ');
		assert_string_equal(rest + strlen(rest) - strlen(origin), origin);
		return;
	}
	fail_msg("%s.%s is not shown:\n%s", section, name, text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
