/* The metrics page: what Prometheus reads, and what it must not be told. */
#include "admin/metrics.h"
#include "base/mem.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define MANUAL "man/usher-api.7"
#define NOW_MS 1795382591042

static struct config config;
static struct counters counters;
static struct status status;
static struct buf page;

static int begin(void **state)
{
	(void)state;
	memset(&config, 0, sizeof config);
	memset(&counters, 0, sizeof counters);
	memset(&status, 0, sizeof status);
	config.watch.depth_interval_ms = 1000;
	status.at = (wall_time){ NOW_MS - 500 };
	status.database.up = status.broker.up = true;
	for (int i = 0; i < CHANNEL_COUNT; i++) {
		status.channel[i].depth_at = status.at;
		status.channel[i].depth.oldest_age_ms = -1;
	}
	status.outbox_oldest_ms = -1;
	page = BUF(METRICS_MAX);
	return 0;
}

static int end(void **state)
{
	(void)state;
	buf_free(&page);
	return 0;
}

static const char *print(const struct status *snapshot)
{
	struct metrics_source source = { .config = &config,
		.counters = &counters,
		.status = snapshot,
		.started_at = { NOW_MS - 60000 },
		.now = { NOW_MS } };
	buf_clear(&page);
	metrics_print(&source, &page);
	assert_false(page.failed);
	return buf_str(&page);
}

static void has(const char *text, const char *line)
{
	if (!strstr(text, line))
		fail_msg("the page lacks \"%s\"", line);
}

static void lacks(const char *text, const char *line)
{
	if (strstr(text, line))
		fail_msg("the page has \"%s\"", line);
}

static void counters_are_shown_whole(void **state)
{
	(void)state;
	counter_add(&counters.signups, 12345678901234567);
	counter_add(&counters.channel[CHANNEL_EMAIL].delivered, 7);
	const char *text = print(&status);
	has(text, "\n# TYPE usher_signups_total counter\nusher_signups_total 12345678901234567\n");
	has(text, "\nusher_deliveries_delivered_total{channel=\"email\"} 7\n"
	          "usher_deliveries_delivered_total{channel=\"coupon\"} 0\n");
}

static void gauges_come_from_the_snapshot(void **state)
{
	(void)state;
	status.channel[CHANNEL_COUPON].depth.visible = (struct figure){ 3, APPROXIMATE };
	status.channel[CHANNEL_COUPON].depth.oldest_age_ms = 1500;
	status.channel[CHANNEL_EMAIL].retrying = 9;
	const char *text = print(&status);
	has(text, "\nusher_queue_messages{channel=\"coupon\",state=\"visible\"} 3\n");
	has(text, "\nusher_queue_oldest_age_seconds{channel=\"coupon\"} 1.5\n");
	has(text, "\nusher_ledger_deliveries{channel=\"email\",state=\"retrying\"} 9\n");
	has(text, "\nusher_database_up 1\n");
	has(text, "\nusher_status_age_seconds 0.5\n");
	lacks(text, "\nusher_outbox_oldest_age_seconds "); /* nothing waits: there is no oldest */
}

static void what_is_not_known_is_left_out(void **state)
{
	(void)state;
	const char *text = print(NULL);
	has(text, "\nusher_database_up 0\n");
	lacks(text, "\nusher_queue_messages{");
	lacks(text, "\nusher_ledger_deliveries{");
	has(text, "\nusher_signups_total 0\n");
	status.at.ms = status.channel[0].depth_at.ms = status.channel[1].depth_at.ms = NOW_MS - 5001;
	text = print(&status);
	has(text, "\nusher_database_up 0\n");
	has(text, "\nusher_status_age_seconds 5.001\n");
	lacks(text, "\nusher_queue_messages{");
	lacks(text, "\nusher_outbox_events ");
}

static void ledger_figures_go_with_the_database(void **state)
{
	(void)state;
	status.database.up = false;
	status.channel[CHANNEL_EMAIL].depth.visible = (struct figure){ -1, STALE };
	const char *text = print(&status);
	lacks(text, "\nusher_ledger_deliveries{");
	lacks(text, "\nusher_queue_messages{channel=\"email\",state=\"visible\"}");
	has(text, "\nusher_queue_messages{channel=\"email\",state=\"delayed\"} 0\n");
}

static bool name_valid(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!islower((unsigned char)line[i]) && line[i] != '_')
			return false;
	return len > 8 && (strncmp(line, "usher_", 6) == 0 || strncmp(line, "process_", 8) == 0);
}

/* The sample belongs to the metric: its name, or that of a histogram's part. */
static bool belongs(const char *line, size_t len, const char *metric)
{
	static const char *const parts[] = { "", "_bucket", "_sum", "_count" };
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		char name[100];
		snprintf(name, sizeof name, "%s%s", metric, parts[i]);
		if (strlen(name) == len && memcmp(name, line, len) == 0)
			return true;
	}
	return false;
}

/* HELP and TYPE once, before the samples of the name; each sample a name, labels, a number. */
/* 2 publishes, 6 receives, 4 deletes for 100 deliveries: 0.12 requests each; (2 * 0.50 + 10 * 0.40) / 100 =
 * 0.05. */
static void requests_are_told_a_delivery(void **state)
{
	(void)state;
	config.broker.driver = (char *)"aws";
	counter_add(&counters.aws.requests[AWS_PUBLISH], 2);
	counter_add(&counters.aws.requests[AWS_RECEIVE], 6);
	counter_add(&counters.aws.requests[AWS_DELETE], 4);
	lacks(print(&status), "\nusher_aws_requests_per_delivery "); /* nothing delivered yet */
	counter_add(&counters.channel[CHANNEL_EMAIL].delivered, 60);
	counter_add(&counters.channel[CHANNEL_COUPON].delivered, 40);
	const char *text = print(&status);
	has(text, "usher_aws_requests_total{action=\"ReceiveMessage\"} 6\n");
	has(text, "usher_aws_requests_per_delivery 0.12\n");
	has(text, "usher_aws_usd_per_million_deliveries 0.05\n");
	config.broker.driver = (char *)"embedded";
	lacks(print(&status), "\nusher_aws_requests_per_delivery ");
}

/* Cumulative, each bound in its own bucket, a clock that was set back at zero. */
static void a_histogram_counts_up_to_each_bound(void **state)
{
	(void)state;
	struct histogram *h = &counters.channel[CHANNEL_EMAIL].attempt;
	histogram_observe(h, 5);
	histogram_observe(h, 6);
	histogram_observe(h, 250);
	histogram_observe(h, -7);
	histogram_observe(h, 86400001);
	const char *text = print(&status);
	has(text, "\n# TYPE usher_attempt_duration_seconds histogram\n"
	          "usher_attempt_duration_seconds_bucket{channel=\"email\",le=\"0.005\"} 2\n"
	          "usher_attempt_duration_seconds_bucket{channel=\"email\",le=\"0.01\"} 3\n");
	has(text, "\nusher_attempt_duration_seconds_bucket{channel=\"email\",le=\"0.1\"} 3\n"
	          "usher_attempt_duration_seconds_bucket{channel=\"email\",le=\"0.25\"} 4\n");
	has(text, "{channel=\"email\",le=\"86400\"} 4\n"
	          "usher_attempt_duration_seconds_bucket{channel=\"email\",le=\"+Inf\"} 5\n"
	          "usher_attempt_duration_seconds_sum{channel=\"email\"} 86400.262\n"
	          "usher_attempt_duration_seconds_count{channel=\"email\"} 5\n"
	          "usher_attempt_duration_seconds_bucket{channel=\"coupon\",le=\"0.005\"} 0\n");
}

static void the_process_tells_of_itself(void **state)
{
	(void)state;
	struct process_figures f = process_read();
	assert_true(f.cpu_s >= 0 && f.memory > 100000 && f.virtual_memory >= f.memory && f.threads >= 1);
	assert_true(f.descriptors >= 3 && f.descriptors <= f.descriptors_max);
	assert_true(f.start_s > 1e9 && f.start_s <= (double)wall_now().ms / 1000 + 1);
}

static void the_format_is_that_of_prometheus(void **state)
{
	(void)state;
	char current[100] = "", seen[16384] = "\n";
	OWNED char *copy = mem_string(print(&status));
	char *rest = copy, *line;
	while ((line = strsep(&rest, "\n")) && *line) {
		if (strncmp(line, "# HELP ", 7) == 0) {
			size_t len = strcspn(line + 7, " ");
			char mark[102];
			snprintf(current, sizeof current, "%.*s", (int)len, line + 7);
			snprintf(mark, sizeof mark, "\n%s\n", current);
			assert_null(strstr(seen, mark));
			strcat(seen, mark + 1);
			assert_true(strlen(line + 7 + len) > 5);
			line = strsep(&rest, "\n");
			assert_non_null(line);
			assert_memory_equal(line, "# TYPE ", 7);
			assert_memory_equal(line + 7, current, len);
			bool total = len > 6 && strcmp(current + len - 6, "_total") == 0;
			if (strcmp(line + 7 + len, " histogram") != 0)
				assert_string_equal(line + 7 + len, total ? " counter" : " gauge");
			continue;
		}
		size_t len = strcspn(line, "{ ");
		assert_true(name_valid(line, len));
		assert_true(belongs(line, len, current));
		char *number = strrchr(line, ' ') + 1, *behind;
		strtod(number, &behind);
		assert_true(*number && !*behind);
	}
	assert_null(rest && *rest ? rest : NULL);
}

static void the_manual_has_every_metric(void **state)
{
	(void)state;
	static char manual[128 * 1024];
	FILE *file = fopen(MANUAL, "r");
	assert_non_null(file);
	manual[fread(manual, 1, sizeof manual - 1, file)] = '\0';
	fclose(file);
	for (size_t i = 0; metrics_name(i); i++)
		if (!strstr(manual, metrics_name(i)))
			fail_msg("%s lacks %s", MANUAL, metrics_name(i));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(counters_are_shown_whole, begin, end),
		cmocka_unit_test_setup_teardown(gauges_come_from_the_snapshot, begin, end),
		cmocka_unit_test_setup_teardown(what_is_not_known_is_left_out, begin, end),
		cmocka_unit_test_setup_teardown(ledger_figures_go_with_the_database, begin, end),
		cmocka_unit_test_setup_teardown(requests_are_told_a_delivery, begin, end),
		cmocka_unit_test_setup_teardown(the_format_is_that_of_prometheus, begin, end),
		cmocka_unit_test_setup_teardown(a_histogram_counts_up_to_each_bound, begin, end),
		cmocka_unit_test(the_process_tells_of_itself),
		cmocka_unit_test(the_manual_has_every_metric),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
