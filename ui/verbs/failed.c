/* The verb "failed": failed notifications as a filter finds them, counted by cause, or one of them; see
 * verbs.h. */
#include "listing.h"

#include "../format.h"
#include "../lines.h"

#include "base/json.h"
#include "base/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* "12", or "~1,203,000" where it is an estimate. */
static void add_count(struct table *t, const cJSON *item)
{
	struct buf b = BUF(64);
	const char *exactness = json_string(item, "count_exactness");
	if (exactness && !strcmp(exactness, "approximate"))
		buf_putc(&b, '~');
	format_count(&b, json_int(item, "count", 0));
	table_take(t, &b);
	buf_free(&b);
}

static void print_groups(const struct listing *l, wall_time now)
{
	static const struct table_column columns[] = { { N_("COUNT"), TEXT_RIGHT, 0 },
		{ N_("CHANNEL"), TEXT_LEFT, 16 }, { N_("STATUS"), TEXT_LEFT, 0 },
		{ N_("CLASS"), TEXT_LEFT, 0 }, { N_("OLDEST"), TEXT_RIGHT, 0 },
		{ N_("NEWEST"), TEXT_RIGHT, 0 }, { N_("REASON"), TEXT_LEFT, 0 } };
	struct table t = { .columns = columns, .column_count = ARRAY_LEN(columns) };
	const cJSON *item;
	cJSON_ArrayForEach(item, l->items)
	{
		add_count(&t, item);
		table_add(&t, json_string(item, "channel"));
		table_add(&t, json_string(item, "status"));
		table_add(&t, json_string(item, "class"));
		add_age(&t, time_get(item, "oldest"), now);
		add_age(&t, time_get(item, "newest"), now);
		table_add(&t, json_string(item, "reason"));
	}
	listing_table(l, &t);
}

static int show_one(struct verb_call *call, const char *id)
{
	struct buf path = BUF(4096);
	struct reply reply = { 0 };
	buf_puts(&path, "/v1/failed");
	path_segment(&path, id);
	client_call(call->client, buf_str(&path), NULL, CLIENT_READ_MS, &reply);
	buf_free(&path);
	int status = 0;
	if (reply.code != 0) {
		status = reply_report(&reply, id);
	} else if (call->option[OPT_JSON]) {
		print_json(buf_str(&reply.body), reply.body.len);
	} else {
		struct lines l = { .width = print_width() };
		lines_addf(&l, ROLE_TITLE, NULL, "%s %s", json_string(reply.json, "channel"), id);
		facts_row(&l, reply.json, call->now);
		facts_attempts(&l, reply.json, call->now);
		facts_effects(&l, reply.json, call->now);
		facts_edits(&l, reply.json, call->now);
		facts_payload(&l, reply.json);
		facts_audit(&l, json_get(reply.json, "audit"), call->now);
		lines_print(&l, stdout);
		lines_clear(&l);
	}
	reply_free(&reply);
	return status;
}

static void print_keys(const struct listing *l, wall_time now)
{
	static const struct table_column columns[] = { { N_("KEY"), TEXT_LEFT, 0 },
		{ N_("TAKES"), TEXT_LEFT, 0 }, { N_("EXAMPLE"), TEXT_LEFT, 0 },
		{ N_("WHAT"), TEXT_LEFT, 0 } };
	struct table t = { .columns = columns, .column_count = ARRAY_LEN(columns) };
	const cJSON *item, *word;
	(void)now;
	cJSON_ArrayForEach(item, l->items)
	{
		struct buf help = BUF(4096);
		buf_puts(&help, json_string(item, "help"));
		const char *joint = ": ";
		cJSON_ArrayForEach(word, json_get(item, "words"))
		{
			buf_printf(&help, "%s%s", joint, cJSON_GetStringValue(word));
			joint = ", ";
		}
		table_add(&t, json_string(item, "key"));
		table_add(&t, json_string(item, "operators"));
		table_add(&t, json_string(item, "example"));
		table_take(&t, &help);
		buf_free(&help);
	}
	listing_table(l, &t);
}

static bool is_id(const char *text)
{
	while (isdigit((unsigned char)*text))
		text++;
	return !*text;
}

static int list_failed(struct verb_call *call)
{
	int limit;
	char since[WALL_TEXT_SIZE];
	bool keys = call->option[OPT_KEYS] != NULL, groups = call->option[OPT_GROUPS] != NULL;
	if (limit_of(call, &limit) != 0 || verb_time(call, OPT_SINCE, since) != 0)
		return EXIT_USAGE;
	if (groups && call->option[OPT_SORT])
		return usage_error(
		        call, _("--sort does not go with --groups: the largest group comes first"));
	struct buf path = BUF(64 << 10), filter = BUF(0);
	int status = 0;
	buf_puts(&path, keys ? "/v1/filter/keys" : groups ? "/v1/failed/groups" : "/v1/failed");
	if (!keys) {
		path_query(&path, "status", call->option[OPT_STATUS]);
		path_query(&path, "channel", call->option[OPT_CHANNEL]);
		path_query(&path, "class", call->option[OPT_CLASS]);
		path_query(&path, "q", call->option[OPT_SEARCH]);
		path_query(&path, "since", since);
		path_query(&path, "sort", call->option[OPT_SORT]);
		status = filter_of(call, 0, &filter);
		path_query(&path, "filter", buf_str(&filter));
	}
	struct listing l = { 0 };
	if (groups && limit > LISTING_PAGE_MAX)
		limit = LISTING_PAGE_MAX; /* groups are not paged */
	if (status == 0)
		status = listing_get(call, buf_str(&path), keys ? 0 : limit, &l);
	buf_free(&path);
	buf_free(&filter);
	if (status != 0)
		return status;
	if (keys)
		listing_output(call, &l, _("no keys"), print_keys);
	else
		listing_output(call, &l, _("no failed notifications"), groups ? print_groups : print_failed);
	cJSON_Delete(l.json);
	return 0;
}

int verb_failed(struct verb_call *call)
{
	int ids = 0;
	while (ids < call->arg_count && is_id(call->args[ids]))
		ids++;
	if (call->option[OPT_REVEAL] && (ids != 1 || call->arg_count != 1))
		return usage_error(call, _("--reveal wants the ID of one notification"));
	if (ids == 1 && call->arg_count == 1) {
		if (call->option[OPT_CSV])
			return usage_error(
			        call, _("--csv is for lists; one notification is text, or --json"));
		if (call->option[OPT_WATCH])
			return usage_error(call, _("--watch is for lists; every 5 seconds is --watch=5"));
		return call->option[OPT_REVEAL] ? reveal_one(call) : show_one(call, call->args[0]);
	}
	if (ids > 1) /* no member's id, but a row's, twice */
		return usage_error(
		        call, _("failed takes one id, or a filter: id:%s,%s"), call->args[0], call->args[1]);
	return verb_watch(call, list_failed);
}
