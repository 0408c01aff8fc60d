/* How figures, times, tables and the verdict read. */
#include "../../ui/format.h"
#include "../../ui/lines.h"

#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define EXPECT(call, out)                                                                                    \
	do {                                                                                                 \
		struct buf b = BUF(1 << 16);                                                                 \
		call;                                                                                        \
		assert_string_equal(buf_str(&b), out);                                                       \
		buf_free(&b);                                                                                \
	} while (0)

static cJSON *json_of(const char *text)
{
	cJSON *json = NULL;
	struct usher_error err;
	assert_int_equal(json_parse(text, strlen(text), &json, &err), 0);
	return json;
}

static void tells_exact_approximate_stale_and_unknown(void **state)
{
	(void)state;
	cJSON *j = json_of("{\"e\":{\"value\":12,\"exactness\":\"exact\"},\"a\":{\"value\":12,\"exactness\":"
	                   "\"approximate\"},"
	                   "\"s\":{\"value\":12,\"exactness\":\"stale\"},\"n\":{\"value\":null,\"exactness\":"
	                   "\"stale\"}}");
	EXPECT(format_figure(&b, figure_get(j, "e"), 8, 20), "12");
	EXPECT(format_figure(&b, figure_get(j, "a"), 8, 20), "~12");
	EXPECT(format_figure(&b, figure_get(j, "s"), 8, 20), "12 (8s old)");
	EXPECT(format_figure(&b, figure_get(j, "s"), FORMAT_NO_AGE, 20), "12 (old)");
	EXPECT(format_figure(&b, figure_get(j, "n"), 8, 20), "?");
	EXPECT(format_figure(&b, figure_get(j, "absent"), 8, 20), "?");
	assert_true(figure_over(figure_get(j, "e"), 12));
	assert_false(figure_over(figure_get(j, "e"), 13));
	assert_false(figure_over(figure_get(j, "n"), 0));
	cJSON_Delete(j);
}

static void shortens_figures_before_cutting_them(void **state)
{
	(void)state;
	struct figure exact = { FIGURE_EXACT, 2000000, false }, stale = { FIGURE_STALE, 2000000, false },
	              about = { FIGURE_APPROXIMATE, 12345, true };
	EXPECT(format_figure(&b, exact, 0, 9), "2,000,000");
	EXPECT(format_figure(&b, exact, 0, 8), "2.0M");
	EXPECT(format_figure(&b, stale, 8, 18), "2,000,000 (8s old)");
	EXPECT(format_figure(&b, stale, 8, 17), "2,000,000 (8s)");
	EXPECT(format_figure(&b, stale, 8, 13), "2.0M (8s)");
	EXPECT(format_figure(&b, stale, 8, 5), "2.0M!");
	EXPECT(format_figure(&b, about, 0, 6), "~12k");
	about.kind = FIGURE_STALE;
	EXPECT(format_figure(&b, about, 8, 20), "~12,345 (8s old)");
}

static void counts_spans_and_rates(void **state)
{
	(void)state;
	EXPECT(format_count(&b, 0), "0");
	EXPECT(format_count(&b, 999), "999");
	EXPECT(format_count(&b, 1000), "1,000");
	EXPECT(format_count(&b, -1234567), "-1,234,567");
	EXPECT(format_compact(&b, 999), "999");
	EXPECT(format_compact(&b, 1000), "1.0k");
	EXPECT(format_compact(&b, 999499), "999k");
	EXPECT(format_compact(&b, 999500), "1.0M");
	EXPECT(format_span(&b, -5), "0s");
	EXPECT(format_span(&b, 59), "59s");
	EXPECT(format_span(&b, 72), "1m 12s");
	EXPECT(format_span(&b, 11040), "3h 04m");
	EXPECT(format_span(&b, 190800), "2d 5h");
	EXPECT(format_span_short(&b, -1), "-");
	EXPECT(format_span_short(&b, 119), "119s");
	EXPECT(format_span_short(&b, 7199), "119m");
	EXPECT(format_span_short(&b, 172799), "47h");
	EXPECT(format_span_short(&b, 172800), "2d");
	EXPECT(format_rate(&b, 0), "0/s");
	EXPECT(format_rate(&b, 0.01), "<0.1/s");
	EXPECT(format_rate(&b, 9.94), "9.9/s");
	EXPECT(format_rate(&b, 1234.4), "1,234/s");
	EXPECT(format_rate(&b, -1), "?");
	EXPECT(format_latency(&b, 999), "999 ms");
	EXPECT(format_latency(&b, 3100), "3.1 s");
}

static void says_the_day_when_it_is_not_today(void **state)
{
	(void)state;
	wall_time now, t;
	setenv("TZ", "UTC", 1);
	assert_int_equal(wall_parse("2026-11-22T21:23:11Z", &now), 0);
	assert_int_equal(wall_parse("2026-11-20T03:04:05+09:00", &t), 0);
	EXPECT(format_when(&b, now, WHEN_CLOCK, now), "21:23:11");
	EXPECT(format_when(&b, t, WHEN_CLOCK, now), "11-19 18:04");
	EXPECT(format_when(&b, t, WHEN_DAY, now), "2026-11-19 18:04");
	EXPECT(format_when(&b, t, WHEN_FULL, now), "2026-11-19 18:04:05");
	EXPECT(format_when(&b, (wall_time){ 0 }, WHEN_FULL, now), "-");
	assert_int_equal(seconds_between(now, t), 0);
}

static void draws_histories(void **state)
{
	(void)state;
	cJSON *j =
	        json_of("{\"h\":[0,1,4,8],\"zero\":[0,0],\"odd\":[1,null,\"x\",-3],\"up\":[0,0,0,0,1,1,9,9],"
	                "\"down\":[9,9,9,9,9,9,1,1],\"level\":[5,5,5,5,5,5,5,5],"
	                "\"back\":[5,5,null,5,5,5,null,5],\"away\":[5,5,5,5,5,5,null,null]}");
	text_set_mode(TEXT_UNICODE);
	EXPECT(format_spark(&b, json_get(j, "h"), 10), "·▁▄█");
	EXPECT(format_spark(&b, json_get(j, "h"), 2), "▄█");
	EXPECT(format_spark(&b, json_get(j, "zero"), 10), "··");
	EXPECT(format_spark(&b, json_get(j, "odd"), 10), "█ ··"); /* null: a gap */
	EXPECT(format_spark(&b, NULL, 10), "");
	text_set_mode(TEXT_PLAIN);
	EXPECT(format_spark(&b, json_get(j, "h"), 10), "._-#");
	text_set_mode(TEXT_UNICODE);
	assert_int_equal(trend_of(json_get(j, "up")), TREND_UP);
	assert_int_equal(trend_of(json_get(j, "down")), TREND_DOWN);
	assert_int_equal(trend_of(json_get(j, "level")), TREND_LEVEL);
	assert_int_equal(trend_of(json_get(j, "back")), TREND_LEVEL);
	assert_int_equal(trend_of(json_get(j, "away")), TREND_NONE);
	assert_int_equal(trend_of(json_get(j, "h")), TREND_NONE);
	cJSON_Delete(j);
}

static void prints_json_for_reading_and_changes_no_value(void **state)
{
	(void)state;
	const char *in = "{\"id\":12345678901234567890,\"s\":\"a,{}:\\\"b\",\"e\":{},\"l\":[1, 2],\"n\":[ ]}";
	EXPECT(format_json(&b, in, strlen(in)),
	        "{\n  \"id\": 12345678901234567890,\n  \"s\": \"a,{}:\\\"b\",\n"
	        "  \"e\": {},\n  \"l\": [\n    1,\n    2\n  ],\n  \"n\": []\n}");
}

static void aligns_tables_by_columns(void **state)
{
	(void)state;
	static const struct table_column columns[] = { { "N", TEXT_RIGHT, 0 }, { "NAME", TEXT_LEFT, 6 },
		{ "WHY", TEXT_LEFT, 0 } };
	struct table t = { .columns = columns, .column_count = 3 };
	const char *cells[] = { "1", "김*수", "x", "100", "abcdefgh", "\033[31mred" };
	for (int i = 0; i < 6; i++)
		table_add(&t, cells[i]);
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);
	table_print(&t, to);
	fclose(to);
	assert_string_equal(text, "  N  NAME    WHY\n  1  김*수   x\n100  abcde…  ^[[31mred\n");
	free(text);
	table_free(&t);
}

#define FIGURE_JSON(n) "{\"value\":" n ",\"exactness\":\"exact\"}"
#define STATUS_JSON(database, breaker, dead)                                                                 \
	"{\"database\":{\"up\":" database ",\"since\":\"2026-11-22T21:00:00Z\",\"error\":\"gone\"},"         \
	"\"broker\":{\"up\":true},\"channels\":[{\"name\":\"email\",\"enabled\":true,"                       \
	"\"visible\":" FIGURE_JSON("312") ",\"dead\":" FIGURE_JSON(                                          \
	        dead) ",\"breaker\":{\"state\":\"" breaker "\",\"since\":"                                   \
	              "\"2026-11-22T21:22:11Z\",\"trial_at\":\"2026-11-22T21:23:31Z\"},\"rates\":{\"out_"    \
	              "per_s\":1,"                                                                           \
	              "\"fail_per_s\":0}}],\"outbox\":{\"failing\":false}}"

static void says_what_is_wrong_worst_first(void **state)
{
	(void)state;
	wall_time now;
	wall_parse("2026-11-22T21:23:11Z", &now);
	struct lines l = { .width = 200 };
	cJSON *bad = json_of(STATUS_JSON("false", "open", "4")),
	      *good = json_of(STATUS_JSON("true", "closed", "0"));
	facts_verdict(&l, bad, now);
	assert_int_equal(l.count, 3);
	assert_string_equal(l.items[0].text,
	        "database down since 21:00:00 (23m 11s): nothing is received until it is "
	        "back, nothing is lost. gone");
	assert_string_equal(l.items[1].text,
	        "email: service failing, breaker open since 21:22:11 (1m 00s), 312 "
	        "waiting, next trial in 20s");
	assert_string_equal(l.items[2].text, "email: 4 dead, to be redriven or cancelled");
	assert_string_equal(l.items[1].label, "!!");
	assert_string_equal(l.items[2].label, "!");
	lines_clear(&l);
	facts_verdict(&l, good, now);
	assert_int_equal(l.count, 1);
	assert_string_equal(l.items[0].text, "nothing is wrong");
	lines_clear(&l);
	cJSON *unknown = json_of("{\"database\":{\"up\":true},\"channels\":[{\"name\":\"email\"}]}");
	facts_verdict(&l, unknown, now);
	assert_string_equal(l.items[0].text, "email: its figures are not known now");
	lines_clear(&l);
	cJSON_Delete(unknown);
	cJSON_Delete(bad);
	cJSON_Delete(good);
}

static void counts_one_as_one(void **state)
{
	(void)state;
	struct lines l = { .width = 200 };
	cJSON *preview = json_of("{\"total\":1,\"mails_maybe_sent\":1,\"coupons_maybe_granted\":1200}"),
	      *status = json_of("{\"alarms\":{\"raised\":1,\"list\":[]}}");
	facts_redrive_preview(&l, preview, (wall_time){ 0 });
	assert_string_equal(l.items[0].text, "1 row; oldest 0s, newest 0s");
	assert_string_equal(l.items[1].text, "! 1 mail may have gone out already: a second one may come.");
	assert_string_equal(
	        l.items[2].text, "! 1,200 coupons may have been granted already; none is granted twice.");
	lines_clear(&l);
	facts_alarms(&l, status, (wall_time){ 0 });
	assert_string_equal(l.items[0].text, "1 more alarm: usher alarms");
	lines_clear(&l);
	cJSON_Delete(preview);
	cJSON_Delete(status);
}

static int setup(void **state)
{
	(void)state;
	setenv("LC_ALL", "C.UTF-8", 1);
	return text_setup("xterm-256color", true) == TEXT_UNICODE ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_exact_approximate_stale_and_unknown),
		cmocka_unit_test(shortens_figures_before_cutting_them),
		cmocka_unit_test(counts_spans_and_rates),
		cmocka_unit_test(says_the_day_when_it_is_not_today),
		cmocka_unit_test(draws_histories),
		cmocka_unit_test(prints_json_for_reading_and_changes_no_value),
		cmocka_unit_test(aligns_tables_by_columns),
		cmocka_unit_test(says_what_is_wrong_worst_first),
		cmocka_unit_test(counts_one_as_one),
	};
	return cmocka_run_group_tests_name("ui format", tests, setup, NULL);
}
