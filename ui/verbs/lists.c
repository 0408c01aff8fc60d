/* Lists, page by page, and the verbs that print nothing but one: dlq, retrying, outbox, alarms, audit; see
 * listing.h.
 */
#include "listing.h"

#include "../format.h"

#include "base/json.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LIMIT_DEFAULT 50
#define LIMIT_MAX 100000
#define FILTER_MAX 4096 /* bytes; the daemon takes less, and says so */

int limit_of(struct verb_call *call, int *ret)
{
	const char *text = call->option[OPT_LIMIT];
	int rows = watch_screen_rows(call->watch);
	*ret = rows ? rows : LIMIT_DEFAULT;
	if (!text)
		return 0;
	char *end;
	errno = 0;
	long n = strtol(text, &end, 10);
	if (errno || *end || end == text || n < 1 || n > LIMIT_MAX)
		return usage_error(
		        call, _("--limit takes a number from 1 to %d, not \"%s\""), LIMIT_MAX, text);
	*ret = (int)n;
	return 0;
}

int filter_of(struct verb_call *call, int first, struct buf *ret)
{
	*ret = BUF(FILTER_MAX);
	for (int i = first; i < call->arg_count; i++)
		buf_printf(ret, "%s%s", i > first ? " " : "", call->args[i]);
	if (!ret->failed)
		return 0;
	usage_error(call, _("the filter is longer than %d bytes"), FILTER_MAX);
	return EXIT_USAGE;
}

/* Moves the new page's items behind the others and takes over its `next`. */
static void join_page(cJSON *all, cJSON *page)
{
	cJSON *to = cJSON_GetObjectItemCaseSensitive(all, "items"),
	      *from = cJSON_GetObjectItemCaseSensitive(page, "items"), *item;
	while ((item = cJSON_DetachItemFromArray(from, 0)))
		cJSON_AddItemToArray(to, item);
	static const char *const of_the_last[] = { "next", "complete", "searched" };
	for (size_t i = 0; i < ARRAY_LEN(of_the_last); i++) {
		cJSON *member = cJSON_DetachItemFromObjectCaseSensitive(page, of_the_last[i]);
		cJSON_DeleteItemFromObjectCaseSensitive(all, of_the_last[i]);
		if (member)
			cJSON_AddItemToObject(all, of_the_last[i], member);
	}
}

int listing_get(struct verb_call *call, const char *path, int limit, struct listing *ret)
{
	*ret = (struct listing){ 0 };
	int left = limit;
	do {
		struct buf url = BUF(64 << 10);
		struct reply reply = { 0 };
		char number[16];
		snprintf(number, sizeof number, "%d", left < LISTING_PAGE_MAX ? left : LISTING_PAGE_MAX);
		buf_puts(&url, path);
		path_query(&url, "limit", limit ? number : NULL); /* none: a list of its own length */
		path_query(&url, "cursor", ret->json ? json_string(ret->json, "next") : NULL);
		client_call(call->client, buf_str(&url), NULL, CLIENT_READ_MS, &reply);
		buf_free(&url);
		if (reply.code != 0) {
			int status = reply_report(&reply, NULL);
			reply_free(&reply);
			cJSON_Delete(ret->json);
			ret->json = NULL;
			return status;
		}
		int got = cJSON_GetArraySize(json_get(reply.json, "items"));
		if (ret->json) {
			join_page(ret->json, reply.json);
		} else {
			ret->json = reply.json;
			reply.json = NULL;
		}
		reply_free(&reply);
		left -= got;
		progress_show(call, _("usher %s: %d of %d rows"), call->verb->name, limit - left, limit);
		if (!json_string(ret->json, "next") || (got == 0 && json_bool(ret->json, "complete", true)))
			break;
	} while (left > 0);
	ret->items = json_get(ret->json, "items");
	ret->more = json_string(ret->json, "next") != NULL;
	return 0;
}

/* What the table does not say goes to standard error, so that a pipe gets rows only. */
static void say_more(const struct listing *l, const char *none)
{
	int shown = cJSON_GetArraySize(l->items);
	fflush(stdout);
	if (shown == 0) {
		print_clean(stderr, "%s", none);
		return;
	}
	if (!l->more)
		return;
	struct buf count = BUF(128);
	format_count(&count, json_int(l->json, "count", 0));
	if (!cJSON_IsNumber(json_get(l->json, "count")))
		print_clean(stderr, _("%d shown; there is more: --limit N"), shown);
	else if (json_bool(l->json, "count_capped", false))
		print_clean(stderr, _("%d of more than %s shown; there is more: --limit N"), shown,
		        buf_str(&count));
	else
		print_clean(stderr, _("%d of %s shown; there is more: --limit N"), shown, buf_str(&count));
	buf_free(&count);
}

void add_age(struct table *t, wall_time at, wall_time now)
{
	struct buf b = BUF(64);
	format_span_short(&b, at.ms ? seconds_between(at, now) : -1);
	table_take(t, &b);
	buf_free(&b);
}

void listing_output(struct verb_call *call, struct listing *l, const char *none, print_fn *print)
{
	struct watch *w = call->watch;
	progress_clear(call);
	if (w && w->screen) {
		l->width = print_width();
	} else if (w) {
		l->again = w->round > 0;
		watch_keep_changed(w, cJSON_GetObjectItemCaseSensitive(l->json, "items"));
		if (l->again && cJSON_GetArraySize(l->items) == 0)
			return;
	}
	if (call->option[OPT_CSV]) {
		print_csv(l->items, !l->again);
	} else if (call->option[OPT_JSON]) {
		OWNED char *text = json_print(l->json);
		print_json(text, strlen(text));
	} else {
		print(l, call->now);
		if (!l->again && !call->option[OPT_QUIET])
			say_more(l, none);
	}
}

void listing_table(const struct listing *l, struct table *t)
{
	t->headless = l->again;
	t->width = l->width;
	table_print(t, stdout);
	table_free(t);
}

static void add_time(struct table *t, wall_time at, wall_time now)
{
	struct buf b = BUF(64);
	format_when(&b, at, WHEN_FULL, now);
	table_take(t, &b);
	buf_free(&b);
}

void add_int(struct table *t, const cJSON *item, const char *key)
{
	struct buf b = BUF(64);
	format_count(&b, json_int(item, key, 0));
	table_take(t, &b);
	buf_free(&b);
}

void print_failed(const struct listing *l, wall_time now)
{
	static const struct table_column columns[] = { { N_("ID"), TEXT_RIGHT, 0 },
		{ N_("CHANNEL"), TEXT_LEFT, 16 }, { N_("STATUS"), TEXT_LEFT, 0 },
		{ N_("CLASS"), TEXT_LEFT, 0 }, { N_("TRIES"), TEXT_RIGHT, 0 },
		{ N_("DEAD FOR"), TEXT_RIGHT, 0 }, { N_("RECIPIENT"), TEXT_LEFT, 28 },
		{ N_("NAME"), TEXT_LEFT, 16 }, { N_("REASON"), TEXT_LEFT, 0 } };
	struct table t = { .columns = columns, .column_count = ARRAY_LEN(columns) };
	const cJSON *item;
	cJSON_ArrayForEach(item, l->items)
	{
		table_add(&t, json_string(item, "id"));
		table_add(&t, json_string(item, "channel"));
		table_add(&t, json_string(item, "status"));
		table_add(&t, json_string(item, "class"));
		add_int(&t, item, "attempts");
		add_age(&t, time_get(item, "dead_at"), now);
		table_add(&t, json_string(item, "recipient"));
		table_add(&t, json_string(item, "name"));
		table_add(&t, json_string(item, "reason"));
	}
	listing_table(l, &t);
}

/* "email: ~9 in the queue, looked at 8s ago" */
static void say_depth(const struct verb_call *call, const char *channel, const cJSON *json)
{
	struct buf depth = BUF(128), ago = BUF(128);
	wall_time mirrored = time_get(json, "mirrored_at");
	format_figure(&depth, figure_get(json, "depth"), FORMAT_NO_AGE, 24);
	format_span(&ago, seconds_between(mirrored, call->now));
	if (mirrored.ms)
		print_clean(stderr, _("%s: %s in the queue, looked at %s ago"), channel, buf_str(&depth),
		        buf_str(&ago));
	else
		print_clean(stderr, _("%s: %s in the queue, not looked at yet"), channel, buf_str(&depth));
	buf_free(&depth);
	buf_free(&ago);
}

static int dlq_get(struct verb_call *call, const char *channel, int limit, struct listing *ret)
{
	struct buf path = BUF(64 << 10), filter = BUF(0);
	buf_puts(&path, "/v1/dlq");
	path_segment(&path, channel);
	int status = filter_of(call, 1, &filter);
	path_query(&path, "filter", buf_str(&filter));
	path_query(&path, "sort", call->option[OPT_SORT]);
	if (status == 0)
		status = listing_get(call, buf_str(&path), limit, ret);
	buf_free(&filter);
	buf_free(&path);
	bool tells = !call->option[OPT_JSON] && !call->option[OPT_CSV] && !call->option[OPT_QUIET];
	if (status == 0 && tells && (!call->watch || call->watch->round == 0 || call->watch->screen)) {
		progress_clear(call);
		say_depth(call, channel, ret->json);
	}
	return status;
}

/* The items of a queue join those of all; what else is said of the queue becomes one of "queues". */
static void join_queue(struct listing *all, struct listing *one, const char *channel)
{
	cJSON *to = cJSON_GetObjectItemCaseSensitive(all->json, "items"), *item,
	      *from = cJSON_DetachItemFromObjectCaseSensitive(one->json, "items");
	while ((item = cJSON_DetachItemFromArray(from, 0)))
		cJSON_AddItemToArray(to, item);
	cJSON_Delete(from);
	json_add_string(one->json, "channel", channel);
	cJSON_AddItemToArray(cJSON_GetObjectItemCaseSensitive(all->json, "queues"), one->json);
	all->more = all->more || one->more;
}

static int dlq_all(struct verb_call *call, int limit, struct listing *all)
{
	struct reply reply = { 0 };
	int status = 0;
	const cJSON *channel;
	client_call(call->client, "/v1/status", NULL, CLIENT_READ_MS, &reply);
	if (reply.code != 0)
		status = reply_report(&reply, NULL);
	*all = (struct listing){ .json = cJSON_CreateObject() };
	all->items = json_add_array(all->json, "items");
	json_add_array(all->json, "queues");
	int queues = cJSON_GetArraySize(json_get(reply.json, "channels"));
	if (watch_screen_rows(call->watch) && !call->option[OPT_LIMIT] && queues > 0)
		limit = limit / queues > 2 ? limit / queues - 1 : 1; /* one screen holds them all */
	cJSON_ArrayForEach(channel, json_get(reply.json, "channels"))
	{
		struct listing one;
		const char *name = json_string(channel, "name");
		if (status == 0 && name && (status = dlq_get(call, name, limit, &one)) == 0)
			join_queue(all, &one, name);
	}
	reply_free(&reply);
	if (status != 0)
		cJSON_Delete(all->json);
	return status;
}

static int dlq_once(struct verb_call *call)
{
	int limit, status;
	struct listing l;
	if (limit_of(call, &limit) != 0)
		return EXIT_USAGE;
	status = call->arg_count > 0 ? dlq_get(call, call->args[0], limit, &l) : dlq_all(call, limit, &l);
	if (status != 0)
		return status;
	listing_output(call, &l, _("no known copies"), print_failed);
	cJSON_Delete(l.json);
	return 0;
}

int verb_dlq(struct verb_call *call)
{
	return verb_watch(call, dlq_once);
}

static void print_retrying(const struct listing *l, wall_time now)
{
	static const struct table_column columns[] = { { N_("ID"), TEXT_RIGHT, 0 },
		{ N_("CHANNEL"), TEXT_LEFT, 16 }, { N_("ATTEMPT"), TEXT_RIGHT, 0 },
		{ N_("NEXT IN"), TEXT_RIGHT, 0 }, { N_("LAST CLASS"), TEXT_LEFT, 0 },
		{ N_("RECIPIENT"), TEXT_LEFT, 28 }, { N_("LAST REPLY"), TEXT_LEFT, 0 } };
	struct table t = { .columns = columns, .column_count = ARRAY_LEN(columns) };
	struct buf b = BUF(128);
	const cJSON *item;
	cJSON_ArrayForEach(item, l->items)
	{
		table_add(&t, json_string(item, "id"));
		table_add(&t, json_string(item, "channel"));
		buf_printf(&b, _("%lld of %lld"), (long long)json_int(item, "attempts", 0),
		        (long long)json_int(item, "max_attempts", 0));
		table_take(&t, &b);
		wall_time due = time_get(item, "due_at");
		format_span_short(&b, due.ms ? seconds_between(now, due) : -1);
		table_take(&t, &b);
		table_add(&t, json_string(item, "last_class"));
		table_add(&t, json_string(item, "recipient"));
		table_add(&t, json_string(item, "last_reply"));
	}
	listing_table(l, &t);
	buf_free(&b);
}

static void print_outbox(const struct listing *l, wall_time now)
{
	static const struct table_column columns[] = { { N_("ID"), TEXT_RIGHT, 0 },
		{ N_("EVENT"), TEXT_LEFT, 40 }, { N_("TRIES"), TEXT_RIGHT, 0 }, { N_("AGE"), TEXT_RIGHT, 0 },
		{ N_("PUBLISHED"), TEXT_LEFT, 0 }, { N_("LAST ERROR"), TEXT_LEFT, 0 } };
	struct table t = { .columns = columns, .column_count = ARRAY_LEN(columns) };
	const cJSON *item;
	cJSON_ArrayForEach(item, l->items)
	{
		table_add(&t, json_string(item, "id"));
		table_add(&t, json_string(item, "event_id"));
		add_int(&t, item, "attempts");
		add_age(&t, time_get(item, "created_at"), now);
		add_time(&t, time_get(item, "published_at"), now);
		table_add(&t, json_string(item, "last_error"));
	}
	listing_table(l, &t);
}

static void print_audit(const struct listing *l, wall_time now)
{
	static const struct table_column columns[] = { { N_("ID"), TEXT_RIGHT, 0 },
		{ N_("AT"), TEXT_LEFT, 0 }, { N_("OPERATOR"), TEXT_LEFT, 20 }, { N_("ACT"), TEXT_LEFT, 0 },
		{ N_("TARGET"), TEXT_LEFT, 24 }, { N_("OUTCOME"), TEXT_LEFT, 0 },
		{ N_("REASON"), TEXT_LEFT, 40 }, { N_("DETAIL"), TEXT_LEFT, 0 } };
	struct table t = { .columns = columns, .column_count = ARRAY_LEN(columns) };
	const cJSON *item;
	cJSON_ArrayForEach(item, l->items)
	{
		table_add(&t, json_string(item, "id"));
		add_time(&t, time_get(item, "at"), now);
		table_add(&t, json_string(item, "operator"));
		table_add(&t, json_string(item, "act"));
		table_add(&t, json_string(item, "target"));
		table_add(&t, json_string(item, "outcome"));
		table_add(&t, json_string(item, "reason"));
		table_add(&t, json_string(item, "detail"));
	}
	listing_table(l, &t);
}

static void print_alarms(const struct listing *l, wall_time now)
{
	static const struct table_column columns[] = { { N_("ID"), TEXT_RIGHT, 0 },
		{ N_("SEVERITY"), TEXT_LEFT, 0 }, { N_("STATE"), TEXT_LEFT, 0 },
		{ N_("ALARM"), TEXT_LEFT, 0 }, { N_("CHANNEL"), TEXT_LEFT, 0 },
		{ N_("SINCE"), TEXT_RIGHT, 0 }, { N_("OVER"), TEXT_RIGHT, 0 },
		{ N_("ACKNOWLEDGED"), TEXT_LEFT, 20 }, { N_("WHAT"), TEXT_LEFT, 0 } };
	struct table t = { .columns = columns, .column_count = ARRAY_LEN(columns) };
	const cJSON *item;
	cJSON_ArrayForEach(item, l->items)
	{
		table_add(&t, json_string(item, "id"));
		table_add(&t, json_string(item, "severity"));
		table_add(&t, json_string(item, "state"));
		table_add(&t, json_string(item, "name"));
		table_add(&t, json_string(item, "channel"));
		add_age(&t, time_get(item, "raised_at"), now);
		add_age(&t, time_get(item, "cleared_at"), now);
		table_add(&t, json_string(item, "acked_by"));
		table_add(&t, json_string(item, "text"));
	}
	listing_table(l, &t);
}

int listing_print(struct verb_call *call, const char *path, const char *none, print_fn *print)
{
	int limit;
	struct listing l;
	if (limit_of(call, &limit) != 0)
		return EXIT_USAGE;
	int status = listing_get(call, path, limit, &l);
	if (status != 0)
		return status;
	listing_output(call, &l, none, print);
	cJSON_Delete(l.json);
	return 0;
}

static int retrying_once(struct verb_call *call)
{
	if (call->arg_count == 1)
		return delivery_one(call);
	struct buf path = BUF(4096);
	buf_puts(&path, "/v1/retrying");
	path_query(&path, "channel", call->option[OPT_CHANNEL]);
	int status =
	        listing_print(call, buf_str(&path), _("no deliveries waiting for a retry"), print_retrying);
	buf_free(&path);
	return status;
}

int verb_retrying(struct verb_call *call)
{
	return verb_watch(call, retrying_once);
}

static int outbox_once(struct verb_call *call)
{
	const char *waiting = call->option[OPT_WAITING]     ? "true"
	                      : call->option[OPT_PUBLISHED] ? "false"
	                                                    : NULL;
	struct buf path = BUF(4096);
	buf_puts(&path, "/v1/outbox");
	path_query(&path, "waiting", waiting);
	int status = listing_print(call, buf_str(&path), _("no events in the outbox"), print_outbox);
	buf_free(&path);
	return status;
}

int verb_outbox(struct verb_call *call)
{
	if (call->option[OPT_WAITING] && call->option[OPT_PUBLISHED])
		return usage_error(call, _("--waiting and --published exclude each other"));
	return verb_watch(call, outbox_once);
}

static int audit_once(struct verb_call *call)
{
	struct buf path = BUF(4096);
	buf_puts(&path, "/v1/audit");
	path_query(&path, "target", call->option[OPT_TARGET]);
	int status = listing_print(call, buf_str(&path), _("no acts recorded"), print_audit);
	buf_free(&path);
	return status;
}

int verb_audit(struct verb_call *call)
{
	return verb_watch(call, audit_once);
}

static int alarms_once(struct verb_call *call)
{
	return listing_print(call, "/v1/alarms", _("no alarms"), print_alarms);
}

int verb_alarms_list(struct verb_call *call)
{
	return verb_watch(call, alarms_once);
}
