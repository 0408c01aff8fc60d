/* How figures and times read; see format.h. Calls base, cJSON and text only; any thread. */
#include "format.h"

#include "base/json.h"
#include "base/language.h"
#include "base/mem.h"

#include <math.h>
#include <string.h>
#include <time.h>

struct figure figure_get(const cJSON *object, const char *key)
{
	const cJSON *f = json_get(object, key);
	const char *exactness = json_string(f, "exactness");
	const cJSON *value = json_get(f, "value");
	struct figure ret = { .kind = FIGURE_NONE };
	if (!cJSON_IsNumber(value) || !exactness)
		return ret;
	ret.value = json_int(f, "value", 0);
	ret.kind = !strcmp(exactness, "exact")   ? FIGURE_EXACT
	           : !strcmp(exactness, "stale") ? FIGURE_STALE
	                                         : FIGURE_APPROXIMATE;
	ret.rough = ret.kind == FIGURE_APPROXIMATE;
	return ret;
}

/* The database's figures and the broker's are taken apart: one of them may be away. */
int64_t figure_age(const cJSON *object, const char *key, wall_time now)
{
	static const char *const counted[] = { "retrying", "dead", "queued", "cancelled", "waiting" };
	const char *when = "depth_at";
	for (size_t i = 0; i < ARRAY_LEN(counted); i++)
		if (!strcmp(key, counted[i]))
			when = "counted_at";
	wall_time taken = time_get(object, when);
	return taken.ms ? seconds_between(taken, now) : FORMAT_NO_AGE;
}

bool figure_over(struct figure f, int64_t least)
{
	return f.kind != FIGURE_NONE && f.value >= least;
}

void format_count(struct buf *out, int64_t n)
{
	char digits[24];
	int len = snprintf(digits, sizeof digits, "%lld", (long long)n);
	for (int i = 0; i < len; i++) {
		buf_putc(out, digits[i]);
		int left = len - 1 - i;
		if (left > 0 && left % 3 == 0 && digits[i] != '-')
			buf_putc(out, ',');
	}
}

void format_compact(struct buf *out, int64_t n)
{
	static const char units[] = "kMGTPE";
	double x = (double)n;
	int unit = -1;
	while (fabs(x) >= 999.5 && unit < 5) {
		x /= 1000;
		unit++;
	}
	if (unit < 0)
		buf_printf(out, "%lld", (long long)n);
	else
		buf_printf(out, fabs(x) < 9.95 ? "%.1f%c" : "%.0f%c", x, units[unit]);
}

static bool fits(const struct buf *b, int width)
{
	return text_width(buf_str(b), b->len, width) <= width;
}

void format_figure(struct buf *out, struct figure f, int64_t age_s, int width)
{
	if (f.kind == FIGURE_NONE) {
		buf_putc(out, '?');
		return;
	}
	const char *mark = f.rough ? "~" : "";
	struct buf b = BUF(128);
	for (int step = 0; step < 4; step++) { /* each step is shorter than the one before */
		buf_clear(&b);
		buf_puts(&b, mark);
		if (step < 2)
			format_count(&b, f.value);
		else
			format_compact(&b, f.value);
		if (f.kind == FIGURE_STALE && step < 3 && age_s >= 0) {
			struct buf age = BUF(64);
			format_span_short(&age, age_s);
			buf_printf(&b, step == 0 ? _(" (%s old)") : " (%s)", buf_str(&age));
			buf_free(&age);
		} else if (f.kind == FIGURE_STALE) {
			buf_puts(&b, step < 3 ? _(" (old)") : "!");
		}
		if (fits(&b, width))
			break;
	}
	buf_puts(out, buf_str(&b));
	buf_free(&b);
}

void format_span(struct buf *out, int64_t s)
{
	if (s < 0)
		s = 0;
	if (s < 60)
		buf_printf(out, _("%llds"), (long long)s);
	else if (s < 3600)
		buf_printf(out, _("%lldm %02llds"), (long long)(s / 60), (long long)(s % 60));
	else if (s < 86400)
		buf_printf(out, _("%lldh %02lldm"), (long long)(s / 3600), (long long)(s / 60 % 60));
	else
		buf_printf(out, _("%lldd %lldh"), (long long)(s / 86400), (long long)(s / 3600 % 24));
}

void format_span_short(struct buf *out, int64_t s)
{
	if (s < 0)
		buf_putc(out, '-');
	else if (s < 120)
		buf_printf(out, "%llds", (long long)s);
	else if (s < 7200)
		buf_printf(out, "%lldm", (long long)(s / 60));
	else if (s < 172800)
		buf_printf(out, "%lldh", (long long)(s / 3600));
	else
		buf_printf(out, "%lldd", (long long)(s / 86400));
}

void format_rate(struct buf *out, double r)
{
	if (!isfinite(r) || r < 0)
		buf_putc(out, '?');
	else if (r == 0)
		buf_puts(out, "0/s");
	else if (r < 0.05)
		buf_puts(out, "<0.1/s");
	else if (r < 9.95)
		buf_printf(out, "%.1f/s", r);
	else {
		format_count(out, (int64_t)llround(r));
		buf_puts(out, "/s");
	}
}

void format_latency(struct buf *out, int64_t ms)
{
	if (ms < 0)
		buf_putc(out, '-');
	else if (ms < 1000)
		buf_printf(out, "%lld ms", (long long)ms);
	else
		buf_printf(out, "%.1f s", (double)ms / 1000);
}

static void local_time(wall_time t, struct tm *tm)
{
	time_t s = (time_t)(t.ms / 1000);
	localtime_r(&s, tm);
}

void format_when(struct buf *out, wall_time t, enum format_when how, wall_time now)
{
	if (t.ms <= 0) {
		buf_putc(out, '-');
		return;
	}
	struct tm tm, today;
	local_time(t, &tm);
	local_time(now, &today);
	bool same_day = tm.tm_year == today.tm_year && tm.tm_yday == today.tm_yday;
	const char *pattern = "%H:%M:%S";
	if (how == WHEN_FULL)
		pattern = "%Y-%m-%d %H:%M:%S";
	else if (!same_day)
		pattern = how == WHEN_DAY ? "%Y-%m-%d %H:%M" : "%m-%d %H:%M";
	char text[48];
	strftime(text, sizeof text, pattern, &tm);
	buf_puts(out, text);
}

static struct part part_of(struct buf *b)
{
	struct part part;
	snprintf(part.text, sizeof part.text, "%s", buf_str(b));
	buf_free(b);
	return part;
}

struct part part_span(int64_t s)
{
	struct buf b = BUF(sizeof(struct part));
	format_span(&b, s);
	return part_of(&b);
}

struct part part_count(int64_t n)
{
	struct buf b = BUF(sizeof(struct part));
	format_count(&b, n);
	return part_of(&b);
}

struct part part_rate(double per_s)
{
	struct buf b = BUF(sizeof(struct part));
	format_rate(&b, per_s);
	return part_of(&b);
}

struct part part_figure(struct figure f)
{
	struct buf b = BUF(sizeof(struct part));
	format_figure(&b, f, FORMAT_NO_AGE, 16);
	return part_of(&b);
}

struct part part_when(wall_time t, enum format_when how, wall_time now)
{
	struct buf b = BUF(sizeof(struct part));
	format_when(&b, t, how, now);
	return part_of(&b);
}

wall_time time_get(const cJSON *object, const char *key)
{
	wall_time t = { 0 };
	const char *text = json_string(object, key);
	if (text && wall_parse(text, &t) != 0)
		t.ms = 0;
	return t;
}

int64_t seconds_between(wall_time from, wall_time to)
{
	return from.ms > 0 && to.ms > from.ms ? (to.ms - from.ms) / 1000 : 0;
}

static double number_at(const cJSON *item)
{
	return cJSON_IsNumber(item) && isfinite(item->valuedouble) && item->valuedouble > 0
	               ? item->valuedouble
	               : 0;
}

void format_spark(struct buf *out, const cJSON *numbers, int width)
{
	static const char *const blocks[] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	static const char *const plain[] = { " ", "_", ".", "-", "-", "=", "=", "#", "#" };
	int count = cJSON_GetArraySize(numbers), from = count > width ? count - width : 0;
	double most = 0;
	int i = 0;
	const cJSON *item;
	cJSON_ArrayForEach(item, numbers)
	{
		if (i++ >= from && number_at(item) > most)
			most = number_at(item);
	}
	i = 0;
	cJSON_ArrayForEach(item, numbers)
	{
		if (i++ < from)
			continue;
		double x = number_at(item);
		if (cJSON_IsNull(item)) { /* not measured: nothing is drawn, which is not a zero */
			buf_putc(out, ' ');
			continue;
		}
		int level = most > 0 ? (int)ceil(x * 8 / most) : 0;
		if (level == 0) /* a zero is a reading too: not an empty place */
			buf_puts(out, text_get_mode() == TEXT_UNICODE ? "·" : ".");
		else
			buf_puts(out, (text_get_mode() == TEXT_UNICODE ? blocks : plain)[level]);
	}
}

enum trend trend_of(const cJSON *numbers)
{
	int count = cJSON_GetArraySize(numbers), part = count / 4;
	if (part < 2)
		return TREND_NONE;
	double before = 0, last = 0;
	int i = 0, befores = 0, lasts = 0; /* of them, measured */
	const cJSON *item;
	cJSON_ArrayForEach(item, numbers)
	{
		bool measured = !cJSON_IsNull(item);
		if (i >= count - part) {
			last += number_at(item);
			lasts += measured;
		} else if (i >= count - 2 * part) {
			before += number_at(item);
			befores += measured;
		}
		i++;
	}
	if (befores == 0 || lasts == 0)
		return TREND_NONE;
	before /= befores;
	last /= lasts;
	if (last > before * 1.1 + 0.5)
		return TREND_UP;
	return last < before * 0.9 - 0.5 ? TREND_DOWN : TREND_LEVEL;
}

static void json_break(struct buf *out, int depth)
{
	buf_putc(out, '\n');
	for (int i = 0; i < depth; i++)
		buf_puts(out, "  ");
}

static size_t json_skip_string(const char *json, size_t len, size_t at)
{
	for (at++; at < len && json[at] != '"'; at++)
		if (json[at] == '\\')
			at++;
	return at < len ? at : len - 1;
}

void format_json(struct buf *out, const char *json, size_t len)
{
	int depth = 0;
	for (size_t at = 0; at < len; at++) {
		char c = json[at];
		if (c == '"') {
			size_t end = json_skip_string(json, len, at);
			buf_add(out, json + at, end - at + 1);
			at = end;
		} else if (c == '{' || c == '[') {
			buf_putc(out, c);
			size_t next = at + 1 + strspn(json + at + 1, " \t\r\n");
			if (next < len && (json[next] == '}' || json[next] == ']')) {
				buf_putc(out, json[next]);
				at = next;
			} else {
				json_break(out, ++depth);
			}
		} else if (c == '}' || c == ']') {
			json_break(out, --depth);
			buf_putc(out, c);
		} else if (c == ',') {
			buf_putc(out, c);
			json_break(out, depth);
		} else if (c == ':') {
			buf_puts(out, ": ");
		} else if (!strchr(" \t\r\n", c)) {
			buf_putc(out, c);
		}
	}
}
