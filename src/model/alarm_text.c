/* What an alarm says: "12 in the DLQ, above 10 within 5m". It is kept in English with the alarm, and said in
 * the reader's language by taking it apart again. Pure; any thread. */
#include "model/alarm.h"

#include "base/clock.h"
#include "base/language.h"
#include "base/mem.h"

#include <string.h>

#define PART_SIZE 160 /* of a text: a figure in words, a limit, a window */

static const char above[] = ", above ", below[] = ", below ", within[] = " within ";

/* words with the figure in place of its %s */
static void words_print(struct buf *out, const char *words, const char *figure)
{
	const char *place = strstr(words, "%s");
	size_t before = place ? (size_t)(place - words) : strlen(words);
	buf_add(out, words, before);
	if (!place)
		return;
	buf_puts(out, figure);
	buf_puts(out, place + 2);
}

void alarm_text_print(struct buf *out, const struct alarm_limit *limit, double value)
{
	const struct alarm_metric_info *info = alarm_metric_info(limit->metric);
	struct buf figure = BUF(PART_SIZE);
	char window[DURATION_TEXT_SIZE];

	alarm_value_print(&figure, info->unit, value);
	words_print(out, info->words, buf_str(&figure));
	buf_puts(out, limit->is_below ? below : above);
	alarm_value_print(out, info->unit, limit->raise_at);
	if (info->windowed)
		buf_printf(out, "%s%s", within, duration_format(limit->window_ms, window));
	buf_free(&figure);
}

/* -- The same in the language in force ---------------------------------------------------------------- */

/* The metric whose words make text[0..len), with the figure that stands in them; NULL when none do. */
static const char *words_of(const char *text, size_t len, char figure[PART_SIZE])
{
	for (int i = 0; i < ALARM_METRIC_COUNT; i++) {
		const char *words = alarm_metric_info((enum alarm_metric)i)->words,
		           *place = strstr(words, "%s");
		size_t before = (size_t)(place - words), after = strlen(place + 2);
		if (len < before + after || len - before - after >= PART_SIZE ||
		        strncmp(text, words, before) != 0 ||
		        memcmp(text + len - after, place + 2, after) != 0)
			continue;
		memcpy(figure, text + before, len - before - after);
		figure[len - before - after] = '\0';
		return words;
	}
	return NULL;
}

static void say(struct buf *out, const char *what, const char *limit, const char *window, bool is_below)
{
	if (window)
		buf_printf(out, is_below ? _("%s, below %s within %s") : _("%s, above %s within %s"), what,
		        limit, window);
	else
		buf_printf(out, is_below ? _("%s, below %s") : _("%s, above %s"), what, limit);
}

void alarm_text_say(struct buf *out, const char *text)
{
	const char *at = strstr(text, above), *at_below = strstr(text, below);
	bool is_below = !at;
	char figure[PART_SIZE], limit[PART_SIZE];
	const char *words = NULL;

	at = at ? at : at_below;
	if (at)
		words = words_of(text, (size_t)(at - text), figure);
	const char *rest = at ? at + sizeof above - 1 : text, *window = strstr(rest, within);
	size_t limit_len = window ? (size_t)(window - rest) : strlen(rest);
	if (!words || limit_len >= sizeof limit) { /* of another version: as it is */
		buf_puts(out, text);
		return;
	}
	memcpy(limit, rest, limit_len);
	limit[limit_len] = '\0';
	struct buf what = BUF(2 * PART_SIZE);
	words_print(&what, _(words), figure);
	say(out, buf_str(&what), limit, window ? window + sizeof within - 1 : NULL, is_below);
	buf_free(&what);
}
