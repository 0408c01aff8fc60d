/* What an alarm is made of, as configuration, engine, store and notices know it: the metrics of
 * alarm_metric.def, severities, and how a figure is written. Plain data and pure functions; any thread. */
#ifndef MODEL_ALARM_H
#define MODEL_ALARM_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

enum alarm_metric {
#define METRIC(id, ...) METRIC_##id,
#include "model/alarm_metric.def"
#undef METRIC
	ALARM_METRIC_COUNT
};

enum alarm_unit { UNIT_COUNT, UNIT_SHARE, UNIT_RATE, UNIT_SECONDS };
enum alarm_scope { SCOPE_FLEET, SCOPE_OWN };
enum alarm_severity { SEVERITY_WARNING, SEVERITY_CRITICAL }; /* in the order of [alarm.NAME] severity */

struct alarm_metric_info {
	const char *name, *words, *help;
	enum alarm_unit unit;
	enum alarm_scope scope;
	bool of_channel, windowed;
};

#define ALARM_NAME_MAX 32 /* bytes of an alarm's or a notice's name */

const struct alarm_metric_info *alarm_metric_info(enum alarm_metric metric);
bool alarm_metric_by_name(const char *name, enum alarm_metric *ret);
const char *alarm_severity_name(enum alarm_severity severity);

/* "12", "8.5%", "0.25/s", "1m 30s". */
void alarm_value_print(struct buf *out, enum alarm_unit unit, double value);
/* "12", "5%" or "0.05", "0.25", "90s": a threshold as the unit wants it, in the unit's own measure (seconds
 * are seconds). False when it is none. */
bool alarm_value_parse(const char *text, enum alarm_unit unit, double *ret);
/* alarm_text.c: what an alarm says, in English: "12 in the DLQ, above 10 within 5m". */
struct alarm_limit {
	enum alarm_metric metric;
	bool is_below;
	double raise_at;
	int64_t window_ms;
};
void alarm_text_print(struct buf *out, const struct alarm_limit *limit, double value);
/* A text that alarm_text_print made, in the language in force; any other as it is. */
void alarm_text_say(struct buf *out, const char *text);
const char *alarm_value_form(enum alarm_unit unit); /* what is allowed: "a duration, as 90s" */

#endif
