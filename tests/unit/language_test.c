/* Languages: what is asked for, and sentences that are said again in another one. */
#include "base/error.h"
#include "base/language.h"
#include "base/sentence.h"
#include "model/alarm.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_the_first_language_that_is_spoken_here(void **state)
{
	(void)state;
	static const struct {
		const char *asked;
		enum language wanted;
	} rows[] = {
		{ NULL, LANGUAGE_ENGLISH },
		{ "", LANGUAGE_ENGLISH },
		{ "ko", LANGUAGE_KOREAN },
		{ "ko-KR,ko;q=0.9,en;q=0.8", LANGUAGE_KOREAN },
		{ "ko_KR.UTF-8", LANGUAGE_KOREAN },
		{ "KO", LANGUAGE_KOREAN },
		{ "en-GB, ko", LANGUAGE_ENGLISH },
		{ "fr-FR;q=0.9 , ko;q=0.1", LANGUAGE_KOREAN },
		{ "de:ko:en", LANGUAGE_KOREAN },
		{ "kok", LANGUAGE_ENGLISH }, /* Konkani is no Korean */
		{ "C.UTF-8", LANGUAGE_ENGLISH },
		{ ",,;;::", LANGUAGE_ENGLISH },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_int_equal(language_wanted(rows[i].asked), rows[i].wanted);
}

/* -- Sentences ------------------------------------------------------------------------------------- */

static int take(char *out, size_t size, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	int len = sentence_arguments(out, size, format, ap);
	va_end(ap);
	return len;
}

static void assert_said(const char *format, const char *translation, const char *arguments, const char *said)
{
	struct buf out = BUF(1000);
	sentence_print(&out, format, translation, arguments);
	assert_string_equal(buf_str(&out), said);
	buf_free(&out);
}

static void test_every_conversion_is_taken_apart_and_said_again(void **state)
{
	(void)state;
	static const char format[] = "%s|%.2s|%*d|%-4u|%02X|%" PRIu64 "|%lld|%zu|%g|%.1f|%c|%%|%ld";
	char arguments[200], whole[200];
	assert_true(take(arguments, sizeof arguments, format, "김", "abc", 4, 7, 8u, 10, UINT64_MAX, -5LL,
	                    (size_t)9, 1.5, 2.25, 'x', -3L) > 0);
	snprintf(whole, sizeof whole, format, "김", "abc", 4, 7, 8u, 10, UINT64_MAX, -5LL, (size_t)9, 1.5,
	        2.25, 'x', -3L);
	assert_said(format, format, arguments, whole);
}

static void test_a_translation_orders_the_parts_as_it_likes(void **state)
{
	(void)state;
	char arguments[100];
	assert_int_equal(take(arguments, sizeof arguments, "row %d is %s by %s", 42, "queued", "kim"), 14);
	assert_said("row %d is %s by %s", "%3$s 님이 %1$d번을 %2$s(100%%)", arguments,
	        "kim 님이 42번을 queued(100%)");
	assert_said("row %d is %s by %s", "%s, %s", arguments, "42, queued");
	assert_said("row %d is %s by %s", "%9$s!", arguments, "!");
}

static void test_what_cannot_be_taken_apart_says_so(void **state)
{
	(void)state;
	char small[4];
	assert_int_equal(take(small, sizeof small, "%s", "abc"), 4);
	assert_int_equal(take(small, sizeof small, "%s", "abcd"), -1);
	assert_int_equal(take(small, sizeof small, "ends in %"), -1);
	assert_int_equal(take(small, sizeof small, "%p", (void *)small), -1);
	assert_int_equal(take(small, sizeof small, "nothing in it"), 0);
}

/* -- Errors ------------------------------------------------------------------------------------------ */

static void assert_printed(const struct usher_error *err, const char *text)
{
	struct buf out = BUF(8 * USHER_ERROR_MESSAGE_MAX);
	error_print(err, &out);
	assert_string_equal(buf_str(&out), text);
	buf_free(&out);
}

static void test_without_a_catalogue_an_error_is_its_message(void **state)
{
	(void)state;
	struct usher_error err = { 0 };
	error_set(&err, USHER_ECONFLICT, "row %d is %s", 42, "queued");
	assert_printed(&err, "row 42 is queued");
	error_prefix(&err, USHER_ECONFLICT, "after %zu tries", (size_t)3);
	error_prefix(&err, USHER_ECONFLICT, "again");
	error_add(&err, USHER_ECONFLICT, ", since %d", 7);
	assert_string_equal(err.message, "again: after 3 tries: row 42 is queued, since 7");
	assert_printed(&err, err.message);
	assert_string_equal(err.formats[3], ", since %d"); /* all of it is kept */
	for (int i = 0; i < USHER_ERROR_SENTENCES_MAX;
	        i++) { /* more than are kept: it is shown all the same */
		error_prefix(&err, USHER_ECONFLICT, "try %d", i);
		assert_printed(&err, err.message);
	}
	assert_null(err.formats[0]);
	assert_int_equal(error_add(NULL, USHER_EIO, "nobody reads this"), USHER_EIO);
}

static void test_a_copy_says_the_same(void **state)
{
	(void)state;
	struct usher_error err = { 0 }, copy;
	error_set(&err, USHER_ENOTFOUND, "there is no row %d", 3);
	assert_int_equal(error_copy(&copy, &err), USHER_ENOTFOUND);
	assert_printed(&copy, "there is no row 3");
	assert_int_equal(error_copy(NULL, &err), USHER_ENOTFOUND);
}

static void test_a_message_that_was_written_over_is_shown_as_it_is(void **state)
{
	(void)state;
	struct usher_error err = { 0 };
	error_set(&err, USHER_EINVAL, "one thing");
	snprintf(err.message, sizeof err.message, "another");
	assert_printed(&err, "another");
}

static void test_arguments_longer_than_are_kept_lose_nothing(void **state)
{
	(void)state;
	struct usher_error err = { 0 };
	char text[USHER_ERROR_ARGUMENTS_MAX + 100];
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	error_set(&err, USHER_EINVAL, "%s", text);
	assert_printed(&err, text);
}

/* -- Alarms ------------------------------------------------------------------------------------------ */

static void test_every_alarm_is_understood_again(void **state)
{
	(void)state;
	for (int i = 0; i < ALARM_METRIC_COUNT; i++)
		for (int is_below = 0; is_below < 2; is_below++) {
			struct buf made = BUF(1000), said = BUF(1000);
			alarm_text_print(&made,
			        &(struct alarm_limit){ (enum alarm_metric)i, is_below, 0.5, 300000 }, 0.75);
			alarm_text_say(&said, buf_str(&made));
			assert_string_equal(buf_str(&made), buf_str(&said));
			buf_free(&made);
			buf_free(&said);
		}
}

static void test_an_alarm_of_another_version_is_shown_as_it_is(void **state)
{
	(void)state;
	static const char *const texts[] = { "", "3 of the moon, above 2", ", above ", "12 in the DLQ",
		"x, below y within z" };
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct buf said = BUF(1000);
		alarm_text_say(&said, texts[i]);
		assert_string_equal(buf_str(&said), texts[i]);
		buf_free(&said);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_first_language_that_is_spoken_here),
		cmocka_unit_test(test_every_conversion_is_taken_apart_and_said_again),
		cmocka_unit_test(test_a_translation_orders_the_parts_as_it_likes),
		cmocka_unit_test(test_what_cannot_be_taken_apart_says_so),
		cmocka_unit_test(test_without_a_catalogue_an_error_is_its_message),
		cmocka_unit_test(test_a_copy_says_the_same),
		cmocka_unit_test(test_a_message_that_was_written_over_is_shown_as_it_is),
		cmocka_unit_test(test_arguments_longer_than_are_kept_lose_nothing),
		cmocka_unit_test(test_every_alarm_is_understood_again),
		cmocka_unit_test(test_an_alarm_of_another_version_is_shown_as_it_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
