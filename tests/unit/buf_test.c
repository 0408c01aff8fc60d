/* The bounded buffer and memory helpers. */
#include "base/buf.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void test_empty_buffer_reads_as_empty_string(void **state)
{
	(void)state;
	struct buf b = BUF(10);
	assert_string_equal(buf_str(&b), "");
	buf_cut(&b, 0, 5);
	buf_clear(&b);
	assert_null(b.data);
	buf_add(&b, NULL, 0);
	assert_string_equal(b.data, "");
	buf_free(&b);
	buf_free(&b); /* twice is allowed */
}

static void test_grows_and_stays_terminated(void **state)
{
	(void)state;
	struct buf b = BUF(100000);
	for (int i = 0; i < 1000; i++) {
		buf_printf(&b, "%03d,", i);
		assert_int_equal(strlen(b.data), b.len);
	}
	assert_int_equal(b.len, 4000);
	assert_memory_equal(b.data, "000,001,", 8);
	assert_string_equal(b.data + 3992, "998,999,");
	assert_false(b.failed);
	buf_free(&b);
}

static void test_limit_is_exact(void **state)
{
	(void)state;
	struct buf b = BUF(5);
	buf_puts(&b, "12345");
	assert_false(b.failed);
	assert_true(b.cap <= 6);
	buf_putc(&b, '6');
	assert_true(b.failed);
	assert_string_equal(buf_str(&b), "12345");
	buf_free(&b);
}

static void test_failed_append_changes_nothing_and_later_ones_do_nothing(void **state)
{
	(void)state;
	struct buf b = BUF(8);
	buf_puts(&b, "abc");
	buf_printf(&b, "%s", "too much for it");
	assert_true(b.failed);
	assert_string_equal(buf_str(&b), "abc");
	buf_puts(&b, "d");
	assert_string_equal(buf_str(&b), "abc");
	buf_clear(&b);
	assert_false(b.failed);
	buf_puts(&b, "d");
	assert_string_equal(buf_str(&b), "d");
	buf_free(&b);
}

static void test_printf_fills_to_the_limit(void **state)
{
	(void)state;
	struct buf b = BUF(200);
	buf_printf(&b, "%200s", "x");
	assert_false(b.failed);
	assert_int_equal(b.len, 200);
	buf_printf(&b, "%s", "");
	assert_false(b.failed);
	buf_printf(&b, "y");
	assert_true(b.failed);
	assert_int_equal(strlen(b.data), 200);
	buf_free(&b);
}

static void test_printf_crossing_the_capacity(void **state)
{
	(void)state;
	for (int before = 55; before <= 66; before++) {
		struct buf b = BUF(1000);
		for (int i = 0; i < before; i++)
			buf_putc(&b, 'a');
		buf_printf(&b, "%d-%s", 12345, "end");
		assert_int_equal(b.len, before + 9);
		assert_string_equal(b.data + before, "12345-end");
		buf_free(&b);
	}
}

static void test_zero_limit_takes_nothing(void **state)
{
	(void)state;
	struct buf b = BUF(0);
	buf_putc(&b, 'a');
	assert_true(b.failed);
	buf_printf(&b, "%d", 1);
	assert_string_equal(buf_str(&b), "");
	buf_free(&b);
}

static void test_huge_length_does_not_wrap(void **state)
{
	(void)state;
	struct buf b = BUF(SIZE_MAX);
	buf_puts(&b, "abc");
	buf_add(&b, "x", SIZE_MAX - 2);
	assert_true(b.failed);
	assert_string_equal(buf_str(&b), "abc");
	buf_free(&b);
}

static void test_keeps_nul_bytes(void **state)
{
	(void)state;
	struct buf b = BUF(10);
	buf_add(&b, "a\0b", 3);
	assert_int_equal(b.len, 3);
	assert_memory_equal(b.data, "a\0b\0", 4);
	buf_free(&b);
}

static void test_cut(void **state)
{
	(void)state;
	struct buf b = BUF(100);
	buf_puts(&b, "hello world");
	buf_cut(&b, 0, 6);
	assert_string_equal(b.data, "world");
	buf_cut(&b, 1, 2);
	assert_string_equal(b.data, "wld");
	buf_cut(&b, 1, SIZE_MAX);
	assert_string_equal(b.data, "w");
	buf_cut(&b, 7, 1);
	assert_string_equal(b.data, "w");
	assert_int_equal(b.len, 1);
	buf_free(&b);
}

static void test_take_hands_over(void **state)
{
	(void)state;
	struct buf b = BUF(100);
	buf_puts(&b, "mine");
	OWNED char *text = buf_take(&b);
	assert_string_equal(text, "mine");
	assert_string_equal(buf_str(&b), "");
	OWNED char *nothing = buf_take(&b);
	assert_string_equal(nothing, "");
	buf_puts(&b, "again");
	assert_string_equal(buf_str(&b), "again");
	buf_free(&b);
}

static void test_memory_is_zeroed_and_strings_are_copied(void **state)
{
	(void)state;
	OWNED char *block = mem_array(16, 4), *none = mem_alloc(0);
	for (int i = 0; i < 64; i++)
		assert_int_equal(block[i], 0);
	assert_non_null(none);
	assert_null(mem_string(NULL));
	OWNED char *part = mem_stringn("abcdef", 3), *empty = mem_stringn(NULL, 0);
	assert_string_equal(part, "abc");
	assert_string_equal(empty, "");
	part = mem_resize(part, 100, 10);
	assert_memory_equal(part, "abc", 4);
	mem_wipe(part, 3);
	assert_memory_equal(part, "\0\0\0", 4);
	mem_wipe(NULL, 3);
	mem_freep(&part);
	assert_null(part);
}

static void test_exhaustion_ends_the_process_with_a_line(void **state)
{
	(void)state;
	int ends[2], status;
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	if (child == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		dup2(ends[1], STDERR_FILENO);
		signal(SIGABRT, SIG_DFL);
		mem_stringn("", SIZE_MAX);
		_exit(0);
	}
	close(ends[1]);
	char line[200] = "";
	ssize_t len = read(ends[0], line, sizeof line - 1);
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_true(len > 0);
	assert_string_equal(line, "usher: out of memory, 18446744073709551615 bytes wanted: stopping\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_buffer_reads_as_empty_string),
		cmocka_unit_test(test_grows_and_stays_terminated),
		cmocka_unit_test(test_limit_is_exact),
		cmocka_unit_test(test_failed_append_changes_nothing_and_later_ones_do_nothing),
		cmocka_unit_test(test_printf_fills_to_the_limit),
		cmocka_unit_test(test_printf_crossing_the_capacity),
		cmocka_unit_test(test_zero_limit_takes_nothing),
		cmocka_unit_test(test_huge_length_does_not_wrap),
		cmocka_unit_test(test_keeps_nul_bytes),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_take_hands_over),
		cmocka_unit_test(test_memory_is_zeroed_and_strings_are_copied),
		cmocka_unit_test(test_exhaustion_ends_the_process_with_a_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
