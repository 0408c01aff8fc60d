/* The rows of a result: typed reading of columns. The whole result is in memory, so that the
 * connection is free for the next statement. Calls nothing but libmariadb; on its db's thread. */
#include "store/rows.h"

#include "base/mask.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct rows {
	MYSQL_RES *result;
	MYSQL_ROW row;
	unsigned long *lengths;
};

struct rows *rows_new(MYSQL_RES *result)
{
	struct rows *rows = mem_alloc(sizeof *rows);

	rows->result = result;
	return rows;
}

bool rows_next(struct rows *rows)
{
	if (rows->result == NULL)
		return false;
	rows->row = mysql_fetch_row(rows->result);
	rows->lengths = rows->row != NULL ? mysql_fetch_lengths(rows->result) : NULL;
	return rows->row != NULL;
}

size_t rows_count(const struct rows *rows)
{
	return rows->result != NULL ? (size_t)mysql_num_rows(rows->result) : 0;
}

const char *row_text(const struct rows *rows, unsigned column)
{
	return rows->row[column];
}

const char *row_bytes(const struct rows *rows, unsigned column, size_t *ret_len)
{
	*ret_len = rows->lengths[column];
	return rows->row[column];
}

char *row_words(const struct rows *rows, unsigned column, unsigned person)
{
	const struct mask_person known = { .email = row_text(rows, person),
		.name = row_text(rows, person + 1),
		.user_id = row_text(rows, person + 2) };
	const char *text = row_text(rows, column) ? row_text(rows, column) : "";
	size_t len = strlen(text);
	struct buf words = BUF(len * MASK_WORDS_GROWTH + 1);

	mask_words(text, len, &known, &words);
	return buf_take(&words);
}

int64_t row_int(const struct rows *rows, unsigned column)
{
	return rows->row[column] != NULL ? strtoll(rows->row[column], NULL, 10) : 0;
}

/* Days since 1970-01-01 of a date of the Gregorian calendar (the usual civil-calendar arithmetic:
 * years begin in March, so that the leap day is the last of its year). */
static int64_t civil_days(int64_t year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = y / 400, of_era = y % 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int digits(const char *text, int count)
{
	int value = 0;

	for (int i = 0; i < count; i++)
		value = value * 10 + (text[i] - '0');
	return value;
}

/* "YYYY-MM-DD HH:MM:SS[.ffffff]", always UTC because the session is. */
wall_time row_time(const struct rows *rows, unsigned column)
{
	const char *text = rows->row[column];
	unsigned long len = rows->lengths[column];
	int64_t seconds;
	int ms = 0;

	if (text == NULL || len < 19)
		return (wall_time){ 0 };
	seconds = civil_days(digits(text, 4), digits(text + 5, 2), digits(text + 8, 2)) * 86400 +
	          digits(text + 11, 2) * 3600 + digits(text + 14, 2) * 60 + digits(text + 17, 2);
	if (len >= 23)
		ms = digits(text + 20, 3);
	return (wall_time){ seconds * 1000 + ms };
}

void rows_free(struct rows *rows)
{
	if (rows == NULL)
		return;
	if (rows->result != NULL)
		mysql_free_result(rows->result);
	free(rows);
}
