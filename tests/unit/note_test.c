/* The note: what is read was written, whole, however it is read meanwhile. */
#include "base/note.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_empty_from_the_start(void **state)
{
	struct note note = { 0 };
	char text[NOTE_SIZE] = "x";

	(void)state;
	note_read(&note, text);
	assert_string_equal(text, "");
}

static void test_written_and_cut_between_characters(void **state)
{
	struct note note = { 0 };
	char text[NOTE_SIZE], longer[3 * NOTE_SIZE + 1] = "";

	(void)state;
	note_write(&note, "421 4.3.2 점검 중");
	note_read(&note, text);
	assert_string_equal(text, "421 4.3.2 점검 중");
	for (int i = 0; i < NOTE_SIZE; i++)
		strcat(longer, "중");
	note_write(&note, longer);
	note_read(&note, text);
	assert_int_equal(strlen(text), (NOTE_SIZE - 1) / 3 * 3);
	note_write(&note, "");
	note_read(&note, text);
	assert_string_equal(text, "");
}

static struct note shared;

static void *write_many(void *arg)
{
	char text[NOTE_SIZE];

	(void)arg;
	for (int i = 0; i < 50000; i++) {
		memset(text, 'a' + i % 26, NOTE_SIZE - 1);
		text[NOTE_SIZE - 1 - i % 200] = '\0';
		note_write(&shared, text);
	}
	note_write(&shared, "end");
	return NULL;
}

static void test_a_reader_never_sees_half_of_one(void **state)
{
	pthread_t writer;
	char text[NOTE_SIZE] = "";

	(void)state;
	assert_int_equal(pthread_create(&writer, NULL, write_many, NULL), 0);
	while (strcmp(text, "end") != 0) {
		note_read(&shared, text);
		if (*text && strcmp(text, "end") != 0)
			assert_int_equal(strspn(text, (char[]){ text[0], '\0' }), strlen(text));
	}
	pthread_join(writer, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_from_the_start),
		cmocka_unit_test(test_written_and_cut_between_characters),
		cmocka_unit_test(test_a_reader_never_sees_half_of_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
