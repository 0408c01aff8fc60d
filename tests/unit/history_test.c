/* What the console's histories look like after a restart: kept, with a gap for the time away, and never a
 * reason not to start. Works in a directory of its own. */
#include "base/mem.h"
#include "engine/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW_MS (1795382591042 / 60000 * 60000) /* a full minute */

static char folder[64], path[80];
static struct history kept, found;
static struct usher_error err;

static int setup(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/usher-history-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/history", folder);
	memset(&kept, 0, sizeof kept);
	memset(&found, 0, sizeof found);
	kept.step_ms = 1000;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder); /* nothing else is left there */
}

static struct history_point point(uint32_t out)
{
	struct history_point p = { 0 };
	p.value[CHANNEL_EMAIL][SERIES_OUT] = out;
	return p;
}

static void measure(struct history *h, int64_t ms, uint32_t out)
{
	struct history_point p = point(out);
	history_add(h, (wall_time){ NOW_MS + ms }, &p);
}

static uint32_t out(const struct history_point *p)
{
	return p->value[CHANNEL_EMAIL][SERIES_OUT];
}

static void write_file(const void *bytes, size_t len)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static size_t read_file(char *bytes, size_t size)
{
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	size_t n = fread(bytes, 1, size, file);
	fclose(file);
	return n;
}

static int save(const char *directory)
{
	struct history_file *file = history_pack(&kept);
	int rc = history_save(directory, file, &err);

	free(file);
	return rc;
}

static void a_restart_shows_as_a_gap(void **state)
{
	(void)state;
	measure(&kept, 0, 3);
	measure(&kept, 1000, 4);
	assert_int_equal(save(folder), 0);
	assert_int_equal(history_load(folder, &found, &err), 0);
	assert_true(history_resume(&found, 1000, (wall_time){ NOW_MS + 21000 }));
	measure(&found, 21000, 5);
	assert_int_equal(found.recent_len, 2 + 19 + 1);
	assert_int_equal(out(&found.recent[0]), 3);
	assert_int_equal(out(&found.recent[1]), 4);
	for (int i = 2; i < 21; i++)
		assert_int_equal(out(&found.recent[i]), HISTORY_GAP);
	assert_int_equal(out(&found.recent[21]), 5);
	assert_int_equal(found.minutes_len, 1);
	assert_int_equal(out(&found.minutes[0]), 12);
}

static void another_interval_keeps_the_minutes_only(void **state)
{
	(void)state;
	measure(&kept, 0, 3);
	assert_true(history_resume(&kept, 5000, (wall_time){ NOW_MS + 1000 }));
	measure(&kept, 120000, 1);
	assert_int_equal(kept.minutes_len, 3);
	assert_int_equal(out(&kept.minutes[0]), 3);
	assert_int_equal(out(&kept.minutes[1]), HISTORY_GAP);
	assert_int_equal(kept.step_ms, 5000);
}

static void what_cannot_be_true_is_not_resumed(void **state)
{
	(void)state;
	wall_time now = { NOW_MS };
	assert_false(history_resume(&kept, 1000, now)); /* nothing was ever measured */
	measure(&kept, 0, 3);
	assert_true(history_resume(&kept, 1000, now));
	now.ms--; /* from the future */
	assert_false(history_resume(&kept, 1000, now));
	now.ms++;
	kept.recent_len = HISTORY_RECENT + 1;
	assert_false(history_resume(&kept, 1000, now));
	kept.recent_len = -1;
	assert_false(history_resume(&kept, 1000, now));
	kept.recent_len = 1;
	kept.minutes_len = HISTORY_MINUTES + 1;
	assert_false(history_resume(&kept, 1000, now));
}

static void the_file_is_for_the_daemon_alone(void **state)
{
	(void)state;
	struct stat st;
	measure(&kept, 0, 1);
	assert_int_equal(save(folder), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	measure(&kept, 1000, 2);
	assert_int_equal(save(folder), 0); /* over the old one */
	assert_int_equal(history_load(folder, &found, &err), 0);
	assert_int_equal(found.recent_len, 2);
}

static void refused(const void *bytes, size_t len)
{
	write_file(bytes, len);
	found.step_ms = 77;
	assert_int_equal(history_load(folder, &found, &err), USHER_EPROTOCOL);
	assert_non_null(strstr(err.message, path));
	assert_int_equal(found.step_ms, 77);
}

static void a_damaged_or_foreign_file_is_refused(void **state)
{
	(void)state;
	OWNED char *bytes = mem_alloc(1 << 20);
	assert_int_equal(history_load(folder, &found, &err), USHER_ENOTFOUND);
	measure(&kept, 0, 1);
	assert_int_equal(save(folder), 0);
	size_t len = read_file(bytes, 1 << 20);
	refused("", 0);
	refused("history", 7);
	refused(bytes, len - 1);
	refused(bytes, len + 1);
	static const size_t places[] = { 0, 8, 12, 16, 100, 70000 }; /* magic, version, size, content */
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		bytes[places[i]] ^= 1;
		refused(bytes, len);
		bytes[places[i]] ^= 1;
	}
	bytes[len - 9] ^= 1; /* the checksum */
	refused(bytes, len);
}

static void what_is_no_file_is_not_waited_for(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(history_load(folder, &found, &err), USHER_EPROTOCOL);
	unlink(path);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(history_load(folder, &found, &err), USHER_EIO);
}

static void a_directory_that_is_gone_is_told(void **state)
{
	(void)state;
	assert_int_equal(save("/nonexistent/usher"), USHER_EIO);
	assert_non_null(strstr(err.message, "/nonexistent/usher"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_restart_shows_as_a_gap),
		T(another_interval_keeps_the_minutes_only),
		T(what_cannot_be_true_is_not_resumed),
		T(the_file_is_for_the_daemon_alone),
		T(a_damaged_or_foreign_file_is_refused),
		T(what_is_no_file_is_not_waited_for),
		T(a_directory_that_is_gone_is_told),
	};
#undef T
	return cmocka_run_group_tests(tests, NULL, NULL);
}
