/* Clocks, RFC 3339 times and durations as text. May call nothing but libc; any thread. */
#include "base/clock.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define MS_A_SECOND 1000
#define MS_A_MINUTE (60 * MS_A_SECOND)
#define MS_AN_HOUR (60 * MS_A_MINUTE)
#define MS_A_DAY (24 * (int64_t)MS_AN_HOUR)

mono_time mono_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (mono_time){ (int64_t)now.tv_sec * 1000000000 + now.tv_nsec };
}

int64_t mono_since_ms(mono_time then, mono_time now)
{
	return (now.ns - then.ns) / 1000000;
}

/* Saturates: a deadline "never" (INT64_MAX ms) must not wrap into the past. */
mono_time mono_add_ms(mono_time t, int64_t ms)
{
	int64_t ns, sum;
	if (__builtin_mul_overflow(ms, (int64_t)1000000, &ns))
		ns = ms < 0 ? INT64_MIN : INT64_MAX;
	if (__builtin_add_overflow(t.ns, ns, &sum))
		sum = ns < 0 ? INT64_MIN : INT64_MAX;
	return (mono_time){ sum };
}

wall_time wall_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (wall_time){ (int64_t)now.tv_sec * MS_A_SECOND + now.tv_nsec / 1000000 };
}

const char *wall_format(wall_time t, char text[WALL_TEXT_SIZE])
{
	int64_t ms = t.ms % MS_A_SECOND, s = t.ms / MS_A_SECOND;
	if (ms < 0) {
		ms += MS_A_SECOND;
		s--;
	}
	time_t seconds = (time_t)s;
	struct tm tm;
	text[0] = '\0';
	/* RFC 3339 has four digits for the year, and strftime does not pad it. */
	if (t.ms == 0 || !gmtime_r(&seconds, &tm) || tm.tm_year < 1000 - 1900 || tm.tm_year > 9999 - 1900)
		return text;
	size_t len = strftime(text, WALL_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + len, WALL_TEXT_SIZE - len, ".%03uZ", (unsigned)ms % MS_A_SECOND);
	return text;
}

/* Reads exactly `digits` digits at *at and moves behind them; -1 if they are not there. */
static int take_digits(const char **at, int digits)
{
	int value = 0;
	for (int i = 0; i < digits; i++) {
		char c = (*at)[i];
		if (c < '0' || c > '9')
			return -1;
		value = value * 10 + (c - '0');
	}
	*at += digits;
	return value;
}

static bool take_char(const char **at, const char *any_of)
{
	if (**at == '\0' || !strchr(any_of, **at))
		return false;
	(*at)++;
	return true;
}

static int days_in_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	return month == 2 && leap ? 29 : days[month - 1];
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar. The year is counted from March, so that the
 * leap day is its last one. */
static int64_t days_since_epoch(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400, year_of_era = y - era * 400;
	int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
	return era * 146097 + day_of_era - 719468;
}

/* ".123456" or nothing; digits beyond milliseconds are cut. -1 if there is a dot and no digit. */
static int take_fraction_ms(const char **at)
{
	if (!take_char(at, "."))
		return 0;
	int ms = 0, digits = 0;
	for (; **at >= '0' && **at <= '9'; (*at)++, digits++)
		if (digits < 3)
			ms = ms * 10 + (**at - '0');
	if (digits == 0)
		return -1;
	for (; digits < 3; digits++)
		ms *= 10;
	return ms;
}

/* "Z" or "+09:00", to the end of the text. */
static bool take_offset(const char **at, int64_t *ret_ms)
{
	*ret_ms = 0;
	if (take_char(at, "Zz"))
		return **at == '\0';
	int sign = **at == '-' ? -1 : 1;
	if (!take_char(at, "+-"))
		return false;
	int hour = take_digits(at, 2);
	if (hour < 0 || hour > 23 || !take_char(at, ":"))
		return false;
	int minute = take_digits(at, 2);
	if (minute < 0 || minute > 59 || **at != '\0')
		return false;
	*ret_ms = sign * ((int64_t)hour * MS_AN_HOUR + (int64_t)minute * MS_A_MINUTE);
	return true;
}

/* RFC 3339 section 5.6. A leap second (:60) is taken as the second after it, and only where one can be: at
 * 23:59:60 UTC. */
int wall_parse(const char *text, wall_time *ret)
{
	const char *at = text;
	int year, month, day, hour, minute, second, ms;
	int64_t offset;
	if (!text || (year = take_digits(&at, 4)) < 0 || !take_char(&at, "-") ||
	        (month = take_digits(&at, 2)) < 1 || month > 12 || !take_char(&at, "-") ||
	        (day = take_digits(&at, 2)) < 1 || day > days_in_month(year, month) || !take_char(&at, "Tt"))
		return USHER_EINVAL;
	if ((hour = take_digits(&at, 2)) < 0 || hour > 23 || !take_char(&at, ":") ||
	        (minute = take_digits(&at, 2)) < 0 || minute > 59 || !take_char(&at, ":") ||
	        (second = take_digits(&at, 2)) < 0 || second > 60)
		return USHER_EINVAL;
	if ((ms = take_fraction_ms(&at)) < 0 || !take_offset(&at, &offset))
		return USHER_EINVAL;
	int64_t of_day = (int64_t)hour * MS_AN_HOUR + (int64_t)minute * MS_A_MINUTE - offset;
	if (second == 60 && ((of_day % MS_A_DAY) + MS_A_DAY) % MS_A_DAY != MS_A_DAY - MS_A_MINUTE)
		return USHER_EINVAL;
	ret->ms = days_since_epoch(year, month, day) * MS_A_DAY + of_day + (int64_t)second * MS_A_SECOND + ms;
	return 0;
}

static const struct {
	const char *suffix;
	int64_t ms;
} units[] = {
	{ "d", MS_A_DAY },
	{ "h", MS_AN_HOUR },
	{ "m", MS_A_MINUTE },
	{ "s", MS_A_SECOND },
	{ "ms", 1 },
};

int duration_parse(const char *text, int64_t *ret_ms)
{
	int64_t count = 0;
	const char *at = text;
	if (!text || *at < '0' || *at > '9')
		return USHER_EINVAL;
	for (; *at >= '0' && *at <= '9'; at++)
		if (__builtin_mul_overflow(count, (int64_t)10, &count) ||
		        __builtin_add_overflow(count, (int64_t)(*at - '0'), &count))
			return USHER_EINVAL;
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		if (strcmp(at, units[i].suffix) != 0)
			continue;
		if (__builtin_mul_overflow(count, units[i].ms, &count))
			return USHER_EINVAL;
		*ret_ms = count;
		return 0;
	}
	return USHER_EINVAL;
}

const char *duration_format(int64_t ms, char text[DURATION_TEXT_SIZE])
{
	size_t i = 0;
	if (ms == 0)
		return strcpy(text, "0s");
	while (ms % units[i].ms != 0)
		i++;
	snprintf(text, DURATION_TEXT_SIZE, "%lld%s", (long long)(ms / units[i].ms), units[i].suffix);
	return text;
}
