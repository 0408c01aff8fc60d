/* The metrics and their units; see alarm.h. */
#include "model/alarm.h"

#include "base/clock.h"
#include "base/language.h"
#include "base/mem.h"

#include <math.h>
#include <string.h>

#define DIGITS_MAX 15 /* of a number: what a double holds exactly */

static const struct alarm_metric_info metrics[] = {
#define METRIC(id, name_, unit_, channel_, windowed_, scope_, words_, help_)                                 \
	[METRIC_##id] = { name_, words_, help_, UNIT_##unit_, SCOPE_##scope_, channel_, windowed_ },
#include "model/alarm_metric.def"
#undef METRIC
};

const struct alarm_metric_info *alarm_metric_info(enum alarm_metric metric)
{
	return &metrics[metric];
}

bool alarm_metric_by_name(const char *name, enum alarm_metric *ret)
{
	for (int i = 0; i < ALARM_METRIC_COUNT; i++)
		if (strcmp(metrics[i].name, name) == 0) {
			*ret = (enum alarm_metric)i;
			return true;
		}
	return false;
}

const char *alarm_severity_name(enum alarm_severity severity)
{
	return severity == SEVERITY_CRITICAL ? "critical" : "warning";
}

/* -- Figures --------------------------------------------------------------------------------------- */

/* Two places at most, and none that say nothing; the point is a point in every locale. */
static void number_print(struct buf *out, double value)
{
	double whole = round(fabs(value) * 100);
	if (value < 0 && whole > 0)
		buf_putc(out, '-');
	buf_printf(out, "%.0f", floor(whole / 100));
	int rest = (int)fmod(whole, 100);
	if (rest)
		buf_printf(out, rest % 10 ? ".%02d" : ".%d", rest % 10 ? rest : rest / 10);
}

/* The two largest units: "45s", "3m 20s", "5h", "2d 3h". */
static void span_print(struct buf *out, double seconds)
{
	static const struct {
		double s;
		char letter;
	} units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
	double rest = floor(seconds);
	size_t i = 0;

	if (seconds < 10) {
		number_print(out, seconds < 0 ? 0 : floor(seconds * 10) / 10);
		buf_putc(out, 's');
		return;
	}
	while (rest < units[i].s)
		i++;
	buf_printf(out, "%.0f%c", floor(rest / units[i].s), units[i].letter);
	rest = fmod(rest, units[i].s);
	if (i + 1 < ARRAY_LEN(units) && rest >= units[i + 1].s)
		buf_printf(out, " %.0f%c", floor(rest / units[i + 1].s), units[i + 1].letter);
}

void alarm_value_print(struct buf *out, enum alarm_unit unit, double value)
{
	if (unit == UNIT_SECONDS) {
		span_print(out, value);
		return;
	}
	number_print(out, unit == UNIT_SHARE ? value * 100 : value);
	if (unit == UNIT_SHARE)
		buf_putc(out, '%');
	else if (unit == UNIT_RATE)
		buf_puts(out, "/s");
}

/* Digits with at most one point between them; *ret_rest is what follows. Not strtod: its point is the
 * locale's. */
static bool number_parse(const char *text, double *ret, const char **ret_rest)
{
	double value = 0, scale = 1;
	int digits = 0;
	bool point = false;

	for (; (*text >= '0' && *text <= '9') || *text == '.'; text++) {
		if (*text == '.') {
			if (point || !digits)
				return false;
			point = true;
			continue;
		}
		if (++digits > DIGITS_MAX)
			return false;
		value = value * 10 + (*text - '0');
		scale *= point ? 10 : 1;
	}
	*ret = value / scale;
	*ret_rest = text;
	return digits > 0 && text[-1] != '.';
}

bool alarm_value_parse(const char *text, enum alarm_unit unit, double *ret)
{
	const char *rest;
	int64_t ms;

	if (unit == UNIT_SECONDS) {
		if (duration_parse(text, &ms))
			return false;
		*ret = (double)ms / 1000;
		return true;
	}
	if (!number_parse(text, ret, &rest))
		return false;
	if (unit != UNIT_SHARE)
		return *rest == '\0';
	if (strcmp(rest, "%") == 0)
		*ret /= 100;
	else if (*rest)
		return false;
	return *ret <= 1;
}

const char *alarm_value_form(enum alarm_unit unit)
{
	switch (unit) {
	case UNIT_SHARE:
		/* xgettext:no-c-format */
		return N_("a share, as 5% or 0.05");
	case UNIT_SECONDS:
		return N_("a duration, as 90s");
	case UNIT_RATE:
		return N_("a number of messages a second");
	case UNIT_COUNT:
		break;
	}
	return N_("a number");
}
