/* usher status --check, and the first line of usher status; see check.h. */
#include "check.h"

#include "../format.h"
#include "../lines.h"
#include "../text.h"

#include "base/json.h"
#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define WHOLE_LINE (1 << 20) /* columns: nothing is wrapped */
#define LINE_BYTES (8 << 10)

static const char *const level_words[] = { "OK", "WARNING", "CRITICAL", "UNKNOWN" };

/* What somebody has taken on is raised still. */
static enum check_level level_of(enum role role)
{
	return role == ROLE_BAD ? CHECK_CRITICAL : role == ROLE_GOOD ? CHECK_OK : CHECK_WARNING;
}

/* The first of the worst, and how many there are beside it. */
static const struct line *worst_of(const struct lines *verdict, int *ret_more)
{
	const struct line *worst = verdict->items; /* one at least: that nothing is wrong */
	*ret_more = -1;
	for (int i = 0; i < verdict->count; i++) {
		const struct line *line = &verdict->items[i];
		if (!line->label) /* goes on with the one above */
			continue;
		++*ret_more;
		if (level_of(line->role) > level_of(worst->role))
			worst = line;
	}
	return worst;
}

static enum check_level headline(struct buf *out, const char *before, const cJSON *status, wall_time now)
{
	struct lines verdict = { .width = WHOLE_LINE };
	struct buf head = BUF(64), tail = BUF(64);
	int more;
	facts_verdict(&verdict, status, now);
	const struct line *worst = worst_of(&verdict, &more);
	enum check_level level = level_of(worst->role);
	buf_printf(&head, before, level_words[level]);
	if (more > 0)
		buf_printf(&tail, _(" (and %d more)"), more);
	buf_puts(out, buf_str(&head));
	text_fit(
	        out, worst->text, strlen(worst->text), CHECK_LINE - (int)head.len - (int)tail.len, TEXT_CLIP);
	buf_puts(out, buf_str(&tail));
	buf_free(&head);
	buf_free(&tail);
	lines_clear(&verdict);
	return level;
}

enum check_level check_headline(struct buf *out, const cJSON *status, wall_time now)
{
	return headline(out, "%s: ", status, now);
}

/* -- Performance data: 'label'=value[unit] -------------------------------------------------------------- */

static void add_figure(struct buf *out, const char *of, const char *what, struct figure f)
{
	if (f.kind == FIGURE_NONE)
		buf_printf(out, " %s_%s=U", of, what);
	else
		buf_printf(out, " %s_%s=%lld", of, what, (long long)f.value);
}

static void add_channel(struct buf *out, const cJSON *ch)
{
	static const char *const figures[] = { "visible", "in_flight", "retrying", "dlq_depth", "dead" };
	static const char *const rates[] = { "in_per_s", "out_per_s", "fail_per_s" };
	const char *name = json_string(ch, "name");
	if (!name)
		return;
	for (size_t i = 0; i < ARRAY_LEN(figures); i++)
		add_figure(out, name, figures[i], figure_get(ch, figures[i]));
	if (json_int(ch, "oldest_age_s", -1) >= 0)
		buf_printf(out, " %s_oldest_age=%llds", name, (long long)json_int(ch, "oldest_age_s", 0));
	for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
		const cJSON *rate = json_get(json_get(ch, "rates"), rates[i]);
		if (cJSON_IsNumber(rate) && isfinite(rate->valuedouble))
			buf_printf(out, " %s_%s=%g", name, rates[i], rate->valuedouble);
	}
}

static void add_performance(struct buf *out, const cJSON *status)
{
	const cJSON *ch;
	buf_puts(out, " |");
	cJSON_ArrayForEach(ch, json_get(status, "channels"))
	{
		add_channel(out, ch);
	}
	add_figure(out, "outbox", "waiting", figure_get(json_get(status, "outbox"), "waiting"));
	buf_printf(out, " alarms_raised=%lld", (long long)json_int(json_get(status, "alarms"), "raised", 0));
}

/* A bar ends the text for the monitor. */
static void keep_bars_out(struct buf *b)
{
	for (size_t i = 0; i < b->len; i++)
		if (b->data[i] == '|')
			b->data[i] = '/';
}

int check_run(struct verb_call *call)
{
	struct reply reply = { 0 };
	struct buf line = BUF(LINE_BYTES);
	enum check_level level;
	/* The monitor matches the line: it is the same in every language, the daemon's part in it as well. */
	language_of_user(false);
	client_speak(call->client, LANGUAGE_ENGLISH);
	client_call(call->client, "/v1/status", NULL, CLIENT_READ_MS, &reply);
	if (reply.code == 0) {
		level = headline(&line, "USHER %s - ", reply.json, call->now);
		keep_bars_out(&line);
		add_performance(&line, reply.json);
	} else { /* a daemon that is away is the worst; one that may not be asked is not known */
		bool away = reply_unreachable(&reply) && reply.code != USHER_EFORBIDDEN;
		level = away ? CHECK_CRITICAL : CHECK_UNKNOWN;
		buf_printf(&line, "USHER %s - %.500s", level_words[level], reply.message);
		keep_bars_out(&line);
	}
	if (!call->option[OPT_QUIET])
		print_clean(stdout, "%s", buf_str(&line));
	buf_free(&line);
	reply_free(&reply);
	return (int)level;
}
