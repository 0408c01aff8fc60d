/* Every metric is a row of one table: name, type, help, labels, and where its number comes from. Rows
 * of one name stand together, as Prometheus wants them. No personal data, nothing unbounded in a
 * label. May call base/ and the names of model/; any thread. */
#include "admin/metrics.h"

#include "admin/cost.h"
#include "admin/route.h"
#include "admin/view.h"
#include "channel/channel.h"
#include "base/mem.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <usher/usher.h>

#define UNKNOWN ((double)NAN)

enum scope { ONCE, EACH_CHANNEL };

struct metric {
	const char *name, *help;
	enum scope scope;
	const char *labels; /* besides channel; NULL: none */
	/* a counter or histogram: where it stands in struct counters or struct channel_counters */
	size_t offset;
	bool histogram;
	/* a number that is made */
	double (*read)(const struct metrics_source *m, int channel);
	bool grows; /* it is a counter all the same */
};

/* -- Numbers that are made ------------------------------------------------------------------------- */

/* Each is an expression of m (the source), c (the channel's counters), s (its status, NULL when there is
 * none that can be believed). */
#define GAUGE(id, expression)                                                                                \
	static double id(const struct metrics_source *m, int channel)                                        \
	{                                                                                                    \
		struct channel_counters *c = &m->counters->channel[channel];                                 \
		const struct channel_status *s = channel_known(m, channel);                                  \
		(void)c, (void)s;                                                                            \
		return (expression);                                                                         \
	}

static bool status_known(const struct metrics_source *m)
{
	return m->status && !view_is_stale(m->config, m->status->at, m->now);
}

static bool ledger_known(const struct metrics_source *m)
{
	return status_known(m) && m->status->database.up;
}

static const struct channel_status *channel_known(const struct metrics_source *m, int channel)
{
	return status_known(m) ? &m->status->channel[channel] : NULL;
}

static double depth(const struct metrics_source *m, int channel, struct figure figure)
{
	const struct channel_status *s = channel_known(m, channel);
	bool known = s && figure.value >= 0 && figure.exactness != STALE &&
	             !view_depths_are_stale(m->config, m->status, channel, m->now);
	return known ? (double)figure.value : UNKNOWN;
}

static double rows(const struct metrics_source *m, int64_t count)
{
	return ledger_known(m) && count >= 0 ? (double)count : UNKNOWN;
}

static double seconds(int64_t ms)
{
	return ms < 0 ? UNKNOWN : (double)ms / 1000;
}

static bool uses_aws(const struct metrics_source *m)
{
	return m->config->broker.driver && strcmp(m->config->broker.driver, "aws") == 0;
}

/* The wall clock's, 0 for none. */
static double timestamp(int64_t ms)
{
	return ms > 0 ? (double)ms / 1000 : UNKNOWN;
}

static double known(double value)
{
	return value < 0 ? UNKNOWN : value;
}

static const struct figure no_figure = { .value = -1, .exactness = STALE };

GAUGE(read_one, 1)
GAUGE(read_started, seconds(m->started_at.ms))
GAUGE(read_age, m->status ? seconds(m->now.ms - m->status->at.ms) : UNKNOWN)
GAUGE(read_database, status_known(m) && m->status->database.up)
GAUGE(read_broker, status_known(m) && m->status->broker.up)
GAUGE(read_database_since, m->status ? timestamp(m->status->database.since.ms) : UNKNOWN)
GAUGE(read_broker_since, m->status ? timestamp(m->status->broker.since.ms) : UNKNOWN)
GAUGE(read_disk_free, status_known(m) ? known((double)m->status->disk_free) : UNKNOWN)
GAUGE(read_disk_total, status_known(m) ? known((double)m->status->disk_total) : UNKNOWN)
GAUGE(read_publish_retry, timestamp(atomic_load(&m->counters->relay.retry_at_ms)))
GAUGE(read_failing, atomic_load(&m->counters->relay.failing))
GAUGE(read_waiting, m->status ? rows(m, m->status->outbox_waiting) : UNKNOWN)
GAUGE(read_waiting_age, ledger_known(m) ? seconds(m->status->outbox_oldest_ms) : UNKNOWN)
GAUGE(read_enabled, m->config->channel[channel].enabled)
GAUGE(read_sending, atomic_load(&c->sending))
GAUGE(read_holding, atomic_load(&c->holding))
GAUGE(read_connections, atomic_load(&c->connections))
GAUGE(read_breaker, atomic_load(&c->breaker))
GAUGE(read_breaker_since, timestamp(atomic_load(&c->breaker_since_ms)))
GAUGE(read_paused, s ? s->control.paused : UNKNOWN)
GAUGE(read_probe, atomic_load(&c->probe) == PROBE_UNKNOWN ? UNKNOWN : atomic_load(&c->probe) == PROBE_WELL)
GAUGE(read_stock, atomic_load(&c->stock) == STOCK_UNKNOWN ? UNKNOWN : atomic_load(&c->stock) == STOCK_IN)
GAUGE(read_limit,
        atomic_load(&c->rate_by) == RATE_BY_NONE ? UNKNOWN : (double)atomic_load(&c->rate_limit_milli) / 1000)
GAUGE(read_limited, atomic_load(&c->rate_by) == RATE_BY_SERVICE)
GAUGE(read_breaker_trial, timestamp(atomic_load(&c->breaker_trial_at_ms)))
GAUGE(read_last, timestamp(atomic_load(&c->last_delivered_ms)))
GAUGE(read_next_due, s &&ledger_known(m) ? seconds(s->next_due_ms) : UNKNOWN)
GAUGE(read_depth_at, s ? timestamp(s->depth_at.ms) : UNKNOWN)
GAUGE(read_visible, depth(m, channel, s ? s->depth.visible : no_figure))
GAUGE(read_in_flight, depth(m, channel, s ? s->depth.in_flight : no_figure))
GAUGE(read_delayed, depth(m, channel, s ? s->depth.delayed : no_figure))
GAUGE(read_oldest, s && !view_depths_are_stale(m->config, m->status, channel, m->now)
                           ? seconds(s->depth.oldest_age_ms)
                           : UNKNOWN)
GAUGE(read_dlq, depth(m, channel, s ? queue_standing(&s->dlq_depth) : no_figure))
GAUGE(read_claimed, s ? rows(m, s->claimed) : UNKNOWN)
GAUGE(read_retrying, s ? rows(m, s->retrying) : UNKNOWN)
GAUGE(read_dead, s ? rows(m, s->dead) : UNKNOWN)
GAUGE(read_queued, s ? rows(m, s->queued) : UNKNOWN)
GAUGE(read_cancelled, s ? rows(m, s->cancelled) : UNKNOWN)

GAUGE(read_requests_per_delivery, uses_aws(m) ? cost_requests_per_delivery(m->counters) : UNKNOWN)
GAUGE(read_cost, uses_aws(m) ? cost_usd_per_million(m->counters) : UNKNOWN)

GAUGE(read_cpu, known(m->process.cpu_s))
GAUGE(read_process_start, known(m->process.start_s))
GAUGE(read_memory, known(m->process.memory))
GAUGE(read_virtual_memory, known(m->process.virtual_memory))
GAUGE(read_descriptors, known(m->process.descriptors))
GAUGE(read_descriptors_max, known(m->process.descriptors_max))
GAUGE(read_threads, known(m->process.threads))

/* -- The table -------------------------------------------------------------------------------------- */

#define COUNTER(n, member, h)                                                                                \
	{                                                                                                    \
		.name = n, .help = h, .scope = ONCE, .offset = offsetof(struct counters, member)             \
	}
#define CHANNEL_COUNTER(n, member, h)                                                                        \
	{                                                                                                    \
		.name = n, .help = h, .scope = EACH_CHANNEL,                                                 \
		.offset = offsetof(struct channel_counters, member)                                          \
	}
#define VALUE(n, fn, h)                                                                                      \
	{                                                                                                    \
		.name = n, .help = h, .scope = ONCE, .read = fn                                              \
	}
#define CHANNEL_VALUE(n, l, fn, h)                                                                           \
	{                                                                                                    \
		.name = n, .help = h, .scope = EACH_CHANNEL, .labels = l, .read = fn                         \
	}
#define CHANNEL_HISTOGRAM(n, member, h)                                                                      \
	{                                                                                                    \
		.name = n, .help = h, .scope = EACH_CHANNEL, .histogram = true,                              \
		.offset = offsetof(struct channel_counters, member)                                          \
	}

#define AWS_REQUESTS(action, text)                                                                           \
	{ .name = "usher_aws_requests_total",                                                                \
		.help = "Requests to SNS and SQS, each of them billed.",                                     \
		.scope = ONCE,                                                                               \
		.labels = "action=\"" text "\"",                                                             \
		.offset = offsetof(struct counters, aws.requests[action]) },

static const char queue_help[] = "Messages in the channel's queue, by state.";
static const char ledger_help[] = "Deliveries that are not delivered, by state in the ledger.";

static const struct metric metrics[] = {
	{ .name = "usher_build_info",
	        .help = "Always 1; the version is a label.",
	        .scope = ONCE,
	        .labels = "version=\"" USHER_VERSION "\"",
	        .read = read_one },
	VALUE("usher_start_time_seconds", read_started, "When this daemon started, in seconds since 1970."),
	VALUE("usher_status_age_seconds", read_age, "Age of the figures that the watcher takes."),
	VALUE("usher_database_up", read_database, "1 when the database answers and can be written."),
	VALUE("usher_broker_up", read_broker, "1 when the broker answers and does what is asked of it."),
	VALUE("usher_database_since_timestamp_seconds", read_database_since,
	        "Since when the database is as it is, up or down."),
	VALUE("usher_broker_since_timestamp_seconds", read_broker_since,
	        "Since when the broker is as it is, up or down."),
	VALUE("usher_disk_free_bytes", read_disk_free, "Free space where state_dir is."),
	VALUE("usher_disk_size_bytes", read_disk_total, "Size of the file system where state_dir is."),
	VALUE("usher_relay_retry_timestamp_seconds", read_publish_retry,
	        "When publishing is tried again; only while it fails."),
	VALUE("usher_relay_failing", read_failing, "1 while events cannot be published."),
	VALUE("usher_outbox_events", read_waiting, "Events that wait to be published."),
	VALUE("usher_outbox_oldest_age_seconds", read_waiting_age,
	        "Age of the oldest event that waits to be published."),
	COUNTER("usher_signups_total", signups, "Sign-ups registered through this daemon."),
	COUNTER("usher_events_published_total", relay.published, "Events published to the topic."),
	COUNTER("usher_events_refused_total", relay.refused,
	        "Events whose publication failed and is tried again."),
	COUNTER("usher_acts_total", acts, "Acts of operators that were carried out."),
	COUNTER("usher_acts_refused_total", refused_acts, "Acts refused to operators who may only look."),
	COUNTER("usher_api_requests_total", api_requests, "Requests to the admin API."),
	COUNTER("usher_database_statements_total", statements, "Statements sent to the database."),
	COUNTER("usher_redriven_total", redriven, "Copies of dead messages sent back to their queue."),
	COUNTER("usher_dlq_adopted_total", mirror_adopted,
	        "Messages that came to a DLQ by the queue's own policy."),
	COUNTER("usher_dlq_deleted_total", mirror_deleted, "Settled copies deleted from a DLQ."),
	COUNTER("usher_messages_expired_total", expired,
	        "Messages of the embedded broker that outlived their queue's retention."),
	COUNTER("usher_rows_pruned_total", pruned, "Rows deleted after their retention."),
	AWS_ACTIONS(AWS_REQUESTS) COUNTER("usher_aws_requests_retried_total", aws.retried,
	        "Requests to SNS and SQS that were second or later tries."),
	COUNTER("usher_aws_empty_receives_total", aws.empty_receives,
	        "Receives that were answered without a message: what an idle queue costs."),
	VALUE("usher_aws_requests_per_delivery", read_requests_per_delivery,
	        "Requests to SNS and SQS for each delivery since the start."),
	VALUE("usher_aws_usd_per_million_deliveries", read_cost,
	        "Estimated price of these requests for a million deliveries."),
	CHANNEL_COUNTER("usher_messages_received_total", received, "Messages received."),
	CHANNEL_COUNTER("usher_messages_repeated_total", repeated,
	        "Messages that the ledger answered without a send."),
	CHANNEL_COUNTER("usher_messages_handed_back_total", handed_back,
	        "Messages received, not started and given back."),
	CHANNEL_COUNTER("usher_deliveries_delivered_total", delivered, "Deliveries that succeeded."),
	CHANNEL_COUNTER("usher_attempts_failed_total", failed, "Attempts that failed, whatever came of it."),
	CHANNEL_COUNTER("usher_attempts_retried_total", retried, "Failed attempts that will be tried again."),
	CHANNEL_COUNTER("usher_deliveries_dead_total", dead, "Deliveries that died."),
	CHANNEL_COUNTER("usher_leases_lost_total", lost,
	        "Results not stored because another worker held the delivery by then."),
	CHANNEL_VALUE(
	        "usher_channel_enabled", NULL, read_enabled, "1 when the configuration enables the channel."),
	CHANNEL_VALUE(
	        "usher_channel_paused", NULL, read_paused, "1 while an operator has paused the channel."),
	CHANNEL_VALUE(
	        "usher_sends_in_progress", NULL, read_sending, "Deliveries at the outside service now."),
	CHANNEL_VALUE("usher_messages_held", NULL, read_holding, "Messages received and not settled yet."),
	CHANNEL_VALUE(
	        "usher_connections", NULL, read_connections, "Open connections to the outside service."),
	CHANNEL_VALUE("usher_breaker_state", NULL, read_breaker, "0 closed, 1 open, 2 half-open."),
	CHANNEL_VALUE("usher_breaker_since_timestamp_seconds", NULL, read_breaker_since,
	        "Since when the breaker is in its state."),
	CHANNEL_VALUE("usher_breaker_trial_timestamp_seconds", NULL, read_breaker_trial,
	        "When an open breaker lets trials through."),
	CHANNEL_COUNTER("usher_probes_total", probes, "Looks at the outside service that were no send."),
	CHANNEL_COUNTER("usher_probes_failed_total", probes_failed, "Those that found it unwell."),
	CHANNEL_VALUE("usher_service_up", NULL, read_probe,
	        "1 when a probe or a send has last shown the outside service well, 0 when not."),
	CHANNEL_VALUE("usher_service_in_stock", NULL, read_stock,
	        "1 when the service has last said that the campaign has coupons left, 0 when not."),
	CHANNEL_VALUE("usher_rate_limit_per_second", NULL, read_limit,
	        "The most that is sent in a second, as configured or as the service takes it."),
	CHANNEL_VALUE("usher_rate_limited_by_service", NULL, read_limited,
	        "1 while the service's own limit is what holds the channel back."),
	CHANNEL_VALUE("usher_next_retry_seconds", NULL, read_next_due,
	        "Time until the next delivery that waits for an attempt is due."),
	CHANNEL_VALUE("usher_depths_taken_timestamp_seconds", NULL, read_depth_at,
	        "When the queue's figures were taken."),
	CHANNEL_HISTOGRAM("usher_attempt_duration_seconds", attempt,
	        "Time of the outside service for one attempt, whatever it answered."),
	CHANNEL_HISTOGRAM("usher_delivery_duration_seconds", delivery,
	        "From a message's arrival in the queue to its end, delivered or dead."),
	CHANNEL_HISTOGRAM("usher_event_age_at_delivery_seconds", age,
	        "From the sign-up to its delivery; from the message's arrival where the event has no time."),
	CHANNEL_VALUE(
	        "usher_last_delivered_timestamp_seconds", NULL, read_last, "When a delivery last succeeded."),
	CHANNEL_VALUE("usher_queue_messages", "state=\"visible\"", read_visible, queue_help),
	CHANNEL_VALUE("usher_queue_messages", "state=\"in_flight\"", read_in_flight, queue_help),
	CHANNEL_VALUE("usher_queue_messages", "state=\"delayed\"", read_delayed, queue_help),
	CHANNEL_VALUE(
	        "usher_queue_oldest_age_seconds", NULL, read_oldest, "Age of the oldest visible message."),
	CHANNEL_VALUE("usher_dlq_messages", NULL, read_dlq, "Messages in the dead-letter queue."),
	CHANNEL_VALUE("usher_ledger_deliveries", "state=\"claimed\"", read_claimed, ledger_help),
	CHANNEL_VALUE("usher_ledger_deliveries", "state=\"retrying\"", read_retrying, ledger_help),
	CHANNEL_VALUE("usher_ledger_deliveries", "state=\"dead\"", read_dead, ledger_help),
	CHANNEL_VALUE("usher_ledger_deliveries", "state=\"queued\"", read_queued, ledger_help),
	CHANNEL_VALUE("usher_ledger_deliveries", "state=\"cancelled\"", read_cancelled, ledger_help),
	{ .name = "process_cpu_seconds_total",
	        .help = "User and system time of the process.",
	        .read = read_cpu,
	        .grows = true },
	VALUE("process_start_time_seconds", read_process_start,
	        "Start of the process, in seconds since 1970."),
	VALUE("process_resident_memory_bytes", read_memory, "Memory of the process that is resident."),
	VALUE("process_virtual_memory_bytes", read_virtual_memory, "Memory that the process has mapped."),
	VALUE("process_open_fds", read_descriptors, "Open descriptors."),
	VALUE("process_max_fds", read_descriptors_max, "Descriptors that the process may open."),
	VALUE("process_threads", read_threads, "Threads of the process."),
};

const char *metrics_name(size_t i)
{
	return i < ARRAY_LEN(metrics) ? metrics[i].name : NULL;
}

/* -- Printing --------------------------------------------------------------------------------------- */

static void print_labels(const struct metric *metric, int channel, const char *le, struct buf *out)
{
	const char *before = "{", *close = "";
	if (metric->scope == EACH_CHANNEL) {
		buf_printf(out, "{channel=\"%s\"", channel_name((enum channel_id)channel));
		before = ",", close = "}";
	}
	if (metric->labels) {
		buf_printf(out, "%s%s", before, metric->labels);
		before = ",", close = "}";
	}
	if (le) {
		buf_printf(out, "%sle=\"%s\"", before, le);
		close = "}";
	}
	buf_puts(out, close);
}

static void print_start(
        const struct metric *metric, const char *suffix, int channel, const char *le, struct buf *out)
{
	buf_printf(out, "%s%s", metric->name, suffix);
	print_labels(metric, channel, le, out);
}

/* The count is that of the buckets as they were read, so that the parts fit each other. */
static void print_histogram(
        const struct metric *metric, const struct histogram *h, int channel, struct buf *out)
{
	uint64_t count = 0;
	for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++) {
		char le[24] = "+Inf";
		if (i < HISTOGRAM_BOUNDS)
			snprintf(le, sizeof le, "%.15g", (double)histogram_bounds_ms[i] / 1000);
		count += atomic_load_explicit(&h->bucket[i], memory_order_relaxed);
		print_start(metric, "_bucket", channel, le, out);
		buf_printf(out, " %" PRIu64 "\n", count);
	}
	print_start(metric, "_sum", channel, NULL, out);
	buf_printf(out, " %.15g\n", (double)atomic_load_explicit(&h->sum_ms, memory_order_relaxed) / 1000);
	print_start(metric, "_count", channel, NULL, out);
	buf_printf(out, " %" PRIu64 "\n", count);
}

static void print_made(
        const struct metric *metric, const struct metrics_source *m, int channel, struct buf *out)
{
	double value = metric->read(m, channel);
	if (isnan(value))
		return;
	print_start(metric, "", channel, NULL, out);
	buf_printf(out, " %.15g\n", value);
}

static void print_samples(
        const struct metric *metric, const struct metrics_source *m, int channel, struct buf *out)
{
	char *base = metric->scope == ONCE ? (char *)m->counters : (char *)&m->counters->channel[channel];
	if (metric->read) {
		print_made(metric, m, channel, out);
	} else if (metric->histogram) {
		print_histogram(metric, (const struct histogram *)(base + metric->offset), channel, out);
	} else {
		print_start(metric, "", channel, NULL, out);
		buf_printf(out, " %" PRIu64 "\n", counter_get((counter *)(base + metric->offset)));
	}
}

static const char *type_of(const struct metric *metric)
{
	if (metric->histogram)
		return "histogram";
	return metric->read && !metric->grows ? "gauge" : "counter";
}

void metrics_print(const struct metrics_source *source, struct buf *out)
{
	for (size_t i = 0; i < ARRAY_LEN(metrics); i++) {
		const struct metric *metric = &metrics[i];
		if (i == 0 || strcmp(metric->name, metrics[i - 1].name) != 0)
			buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help,
			        metric->name, type_of(metric));
		for (int channel = 0; channel < (metric->scope == ONCE ? 1 : CHANNEL_COUNT); channel++)
			print_samples(metric, source, channel, out);
	}
}

int metrics_get(struct call *call, struct usher_error *err)
{
	(void)err;
	struct engine *engine = call->ctx->engine;
	struct status *status = status_board_get(engine->board);
	struct metrics_source source = { .config = call->settings->config,
		.counters = &engine->counters,
		.status = status,
		.started_at = call->ctx->started_at,
		.now = wall_now(),
		.process = process_read() };
	call->text = BUF(METRICS_MAX);
	call->type = METRICS_TYPE;
	metrics_print(&source, &call->text);
	if (status)
		status_release(status);
	return 0;
}
