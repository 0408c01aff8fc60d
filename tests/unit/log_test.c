/* The log as it arrives on standard error: one line an event, whatever is in it. */
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define LINE_MAX_BYTES 4096

struct capture {
	FILE *file;
	int saved;
};

static struct capture capture_begin(void)
{
	struct capture c = { .file = tmpfile(), .saved = dup(STDERR_FILENO) };
	assert_non_null(c.file);
	dup2(fileno(c.file), STDERR_FILENO);
	return c;
}

static char *capture_end(struct capture *c)
{
	dup2(c->saved, STDERR_FILENO);
	close(c->saved);
	off_t size = lseek(fileno(c->file), 0, SEEK_END);
	char *text = mem_alloc((size_t)size + 1);
	assert_int_equal(pread(fileno(c->file), text, (size_t)size, 0), size);
	fclose(c->file);
	return text;
}

static void test_text_line(void **state)
{
	(void)state;
	log_setup(LOG_INFO_LEVEL, LOG_TEXT);
	struct capture c = capture_begin();
	log_info("relay", "published %d", 10);
	log_error("admin", "no");
	OWNED char *text = capture_end(&c);
	wall_time at;
	text[24] = '\0';
	assert_int_equal(wall_parse(text, &at), 0);
	assert_true(wall_now().ms - at.ms < 60000);
	char *second = strchr(text + 25, '\n') + 1;
	second[-1] = '\0';
	assert_string_equal(text + 25, "info  relay: published 10");
	assert_string_equal(second + 24, " error admin: no\n");
}

static void test_level_filters(void **state)
{
	(void)state;
	log_setup(LOG_WARN_LEVEL, LOG_TEXT);
	assert_false(log_enabled(LOG_DEBUG_LEVEL));
	assert_false(log_enabled(LOG_INFO_LEVEL));
	assert_true(log_enabled(LOG_WARN_LEVEL));
	struct capture c = capture_begin();
	log_debug("a", "no");
	log_info("a", "no");
	log_warn("a", "yes");
	OWNED char *text = capture_end(&c);
	assert_null(strstr(text, "no"));
	assert_string_equal(text + 24, " warn  a: yes\n");
}

static void test_control_characters_are_escaped(void **state)
{
	(void)state;
	log_setup(LOG_INFO_LEVEL, LOG_TEXT);
	struct capture c = capture_begin();
	log_info("x\ny", "%s", "a\r\n2026 error forged\t\x1b[31m\x7f\xc2\x9b\xe2\x80\xa8\xff 김");
	OWNED char *text = capture_end(&c);
	assert_string_equal(text + 24,
	        " info  x\\ny: a\\r\\n2026 error forged\\t\\u001b[31m\\u007f\\u009b\\u2028\\xff 김\n");
}

static void test_json_line(void **state)
{
	(void)state;
	log_setup(LOG_INFO_LEVEL, LOG_JSON);
	struct capture c = capture_begin();
	log_warn("mail \"x\"", "%s", "a\"b\\c\n\x01\xff김");
	OWNED char *text = capture_end(&c);
	cJSON *json;
	assert_int_equal(json_parse(text, strlen(text), &json, NULL), 0);
	wall_time at;
	assert_int_equal(wall_parse(json_string(json, "time"), &at), 0);
	assert_string_equal(json_string(json, "level"), "warn");
	assert_string_equal(json_string(json, "area"), "mail \"x\"");
	assert_string_equal(json_string(json, "message"), "a\"b\\c\n\x01\xEF\xBF\xBD김");
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	cJSON_Delete(json);
}

static void test_long_line_is_cut_marked_and_whole(void **state)
{
	(void)state;
	char huge[20000];
	for (int format = LOG_TEXT; format <= LOG_JSON; format++) {
		for (size_t len = 3900; len < 4200; len++) {
			memset(huge, len % 2 ? '\x01' : 'x', len);
			huge[len] = '\0';
			log_setup(LOG_INFO_LEVEL, (enum log_format)format);
			struct capture c = capture_begin();
			log_info("a", "%s", huge);
			OWNED char *text = capture_end(&c);
			assert_true(strlen(text) < LINE_MAX_BYTES);
			assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
			if (len % 2 || len > 4090)
				assert_non_null(strstr(text, "…"));
			cJSON *json = NULL;
			if (format == LOG_JSON)
				assert_int_equal(json_parse(text, strlen(text), &json, NULL), 0);
			cJSON_Delete(json);
		}
	}
}

static void test_members_are_masked(void **state)
{
	(void)state;
	static const char *const lines[] = { "550 <minji@example.com>: no",
		"{\"userId\":\"u-12345\",\"name\":\"김민지\"}", "no member userId=u-12345" };
	for (int format = LOG_TEXT; format <= LOG_JSON; format++) {
		log_setup(LOG_INFO_LEVEL, (enum log_format)format);
		struct capture c = capture_begin();
		for (size_t i = 0; i < ARRAY_LEN(lines); i++)
			log_info("a", "it says %s", lines[i]);
		OWNED char *text = capture_end(&c);
		assert_non_null(strstr(text, "it says 550 <mi***@example.com>: no"));
		assert_null(strstr(text, "12345"));
		assert_null(strstr(text, "민지"));
	}
	log_mask(false);
	struct capture c = capture_begin();
	log_info("a", "%s", lines[0]);
	log_mask(true);
	OWNED char *text = capture_end(&c);
	assert_non_null(strstr(text, "minji@example.com"));
}

/* One that masks to less than a line is cut all the same, and says so. */
static void test_a_cut_line_is_marked_when_masked(void **state)
{
	(void)state;
	char huge[6000];
	memset(huge, 'x', sizeof huge);
	memcpy(huge, "\"name\":\"", 8);
	huge[sizeof huge - 1] = '\0';
	log_setup(LOG_INFO_LEVEL, LOG_TEXT);
	struct capture c = capture_begin();
	log_info("a", "%s", huge);
	OWNED char *text = capture_end(&c);
	assert_true(strlen(text) < 1000);
	assert_non_null(strstr(text, "…\n"));
}

static void test_errno_survives(void **state)
{
	(void)state;
	log_setup(LOG_INFO_LEVEL, LOG_TEXT);
	struct capture c = capture_begin();
	errno = ENOSPC;
	log_info("a", "b");
	assert_int_equal(errno, ENOSPC);
	OWNED char *text = capture_end(&c);
}

#define WRITERS 4
#define LINES_EACH 200

static void *write_lines(void *arg)
{
	for (int i = 0; i < LINES_EACH; i++)
		log_info("thread", "%0*d", 1000, *(int *)arg);
	return NULL;
}

static void test_threads_do_not_interleave(void **state)
{
	(void)state;
	log_setup(LOG_INFO_LEVEL, LOG_TEXT);
	struct capture c = capture_begin();
	pthread_t thread[WRITERS];
	int number[WRITERS], lines = 0;
	for (int i = 0; i < WRITERS; i++) {
		number[i] = i;
		pthread_create(&thread[i], NULL, write_lines, &number[i]);
	}
	for (int i = 0; i < WRITERS; i++)
		pthread_join(thread[i], NULL);
	OWNED char *text = capture_end(&c);
	for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1, lines++)
		assert_int_equal(end - line, 24 + strlen(" info  thread: ") + 1000);
	assert_int_equal(lines, WRITERS * LINES_EACH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_line),
		cmocka_unit_test(test_level_filters),
		cmocka_unit_test(test_control_characters_are_escaped),
		cmocka_unit_test(test_json_line),
		cmocka_unit_test(test_long_line_is_cut_marked_and_whole),
		cmocka_unit_test(test_members_are_masked),
		cmocka_unit_test(test_a_cut_line_is_marked_when_masked),
		cmocka_unit_test(test_errno_survives),
		cmocka_unit_test(test_threads_do_not_interleave),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
