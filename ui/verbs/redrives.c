/* Jobs over many rows: `usher redrive` and `usher cancel` with a filter or a job's options start one, `usher
 * redrives` lists, shows, watches and moves them, and takes back what one cancelled; see verbs.h. */
#include "listing.h"

#include "../format.h"
#include "../lines.h"

#include "base/json.h"
#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BAR_WIDTH 24

static const struct {
	enum option_id option;
	const char *key;
} filters[] = { { OPT_CHANNEL, "channel" }, { OPT_CLASS, "class" }, { OPT_SEARCH, "q" },
	{ OPT_SINCE, "since" }, { OPT_UNTIL, "until" } },
  numbers[] = { { OPT_RATE, "rate" }, { OPT_CANARY, "canary" }, { OPT_STOP_ON, "stop_on_failures" } };

static const char *word(const cJSON *object, const char *key)
{
	const char *text = json_string(object, key);
	return text ? text : "-";
}

static long long number(const cJSON *object, const char *key)
{
	return (long long)json_int(object, key, 0);
}

/* -- One job -------------------------------------------------------------------------------------- */

static bool is_over(const cJSON *job)
{
	const char *state = word(job, "state");
	return !strcmp(state, "done") || !strcmp(state, "stopped");
}

static void print_job(const struct verb_call *call, const cJSON *job)
{
	struct lines l = { .width = print_width() };
	const char *act = word(job, "act");
	lines_addf(&l, ROLE_TITLE, NULL,
	        !strcmp(act, "cancel")    ? _("cancel job %s")
	        : !strcmp(act, "restore") ? _("restore job %s")
	                                  : _("redrive job %s"),
	        word(job, "id"));
	facts_redrive(&l, job, call->now);
	lines_print(&l, stdout);
	lines_clear(&l);
}

static int get_job(struct verb_call *call, const char *id, struct reply *reply)
{
	struct buf path = BUF(4096);
	buf_puts(&path, "/v1/redrives");
	path_segment(&path, id);
	client_call(call->client, buf_str(&path), NULL, CLIENT_READ_MS, reply);
	buf_free(&path);
	return reply->code == 0 ? 0 : reply_report(reply, id);
}

/* A job that stopped, or in which something failed again, is no success. */
static int watch_exit(const cJSON *job)
{
	return !strcmp(word(job, "state"), "done") && number(job, "failed_again") == 0 ? EXIT_DONE
	                                                                               : EXIT_FAILED;
}

/* "[############------------] 50% " */
static void add_bar(struct buf *b, const cJSON *job)
{
	long long total = number(job, "total"), sent = number(job, "sent") + number(job, "skipped");
	if (total <= 0)
		return;
	int full = sent >= total ? BAR_WIDTH : (int)(sent * BAR_WIDTH / total);
	buf_putc(b, '[');
	for (int i = 0; i < BAR_WIDTH; i++)
		buf_putc(b, i < full ? '#' : '-');
	buf_printf(b, "] %d%% ", sent >= total ? 100 : (int)(sent * 100 / total));
}

/* On a terminal one line that moves, elsewhere a line each time something has changed. */
static void tell(struct verb_call *call, const char *id, const struct reply *reply, struct buf *before)
{
	struct buf now = BUF(8192), line = BUF(8192);
	bool json = call->option[OPT_JSON] != NULL, moving = !json && isatty(STDOUT_FILENO);
	facts_redrive_progress(&now, reply->json);
	buf_puts(&now, "; ");
	facts_redrive_state(&now, reply->json);
	if (moving) {
		struct buf whole = BUF(16384);
		buf_printf(&whole, "%s: ", id);
		add_bar(&whole, reply->json);
		buf_puts(&whole, buf_str(&now));
		text_fit(&line, buf_str(&whole), whole.len, print_width() - 1, TEXT_CLIP);
		printf("\r%s\033[K", buf_str(&line));
		buf_free(&whole);
	} else if (strcmp(buf_str(&now), buf_str(before)) != 0) {
		if (json)
			print_json(buf_str(&reply->body), reply->body.len);
		else
			print_clean(stdout, "%s: %s", id, buf_str(&now));
	}
	fflush(stdout);
	buf_free(&line);
	buf_free(before);
	*before = now;
}

/* Until it is over. Whoever stops looking does not stop the job. */
static int watch(struct verb_call *call, const char *id)
{
	struct buf before = BUF(8192);
	int every_ms, status = watch_every(call, &every_ms);
	bool moving = !call->option[OPT_JSON] && isatty(STDOUT_FILENO);
	for (bool over = false; !over && status == 0;) {
		struct reply reply = { 0 };
		status = get_job(call, id, &reply);
		if (status == 0) {
			over = is_over(reply.json) && number(reply.json, "on_the_way") == 0;
			tell(call, id, &reply, &before);
			if (over)
				status = watch_exit(reply.json);
		}
		reply_free(&reply);
		if (!over && status == 0)
			poll(NULL, 0, every_ms);
	}
	if (moving && before.len)
		putchar('\n');
	buf_free(&before);
	return status;
}

static int show(struct verb_call *call, const char *id)
{
	if (call->option[OPT_WATCH])
		return watch(call, id);
	struct reply reply = { 0 };
	int status = get_job(call, id, &reply);
	if (status == 0 && call->option[OPT_JSON])
		print_json(buf_str(&reply.body), reply.body.len);
	else if (status == 0)
		print_job(call, reply.json);
	reply_free(&reply);
	return status;
}

/* -- The list ---------------------------------------------------------------------------------------- */

static void print_jobs(const struct listing *l, wall_time now)
{
	static const struct table_column columns[] = { { N_("ID"), TEXT_RIGHT, 0 },
		{ N_("ACT"), TEXT_LEFT, 0 }, { N_("STATE"), TEXT_LEFT, 0 }, { N_("DONE"), TEXT_RIGHT, 0 },
		{ N_("OF"), TEXT_RIGHT, 0 }, { N_("DELIVERED"), TEXT_RIGHT, 0 },
		{ N_("FAILED"), TEXT_RIGHT, 0 }, { N_("ON WAY"), TEXT_RIGHT, 0 },
		{ N_("CHANNEL"), TEXT_LEFT, 16 }, { N_("CLASS"), TEXT_LEFT, 0 }, { N_("AGE"), TEXT_RIGHT, 0 },
		{ N_("BY"), TEXT_LEFT, 20 }, { N_("WHY"), TEXT_LEFT, 0 } };
	struct table t = { .columns = columns, .column_count = ARRAY_LEN(columns) };
	struct buf b = BUF(256);
	const cJSON *job;
	cJSON_ArrayForEach(job, l->items)
	{
		static const char *const counts[] = { "delivered", "failed_again", "on_the_way" };
		table_add(&t, word(job, "id"));
		table_add(&t, word(job, "act"));
		table_add(&t, word(job, "state"));
		format_count(&b, number(job, "sent"));
		table_take(&t, &b);
		format_count(&b, number(job, "total"));
		if (json_bool(job, "total_capped", false))
			buf_putc(&b, '+');
		table_take(&t, &b);
		for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
			format_count(&b, number(job, counts[i]));
			table_take(&t, &b);
		}
		table_add(&t, word(job, "channel"));
		table_add(&t, word(job, "class"));
		format_span_short(&b, seconds_between(time_get(job, "created_at"), now));
		table_take(&t, &b);
		table_add(&t, word(job, "created_by"));
		table_add(&t, json_string(job, "waits") ? word(job, "waits")
		              : json_string(job, "why") ? word(job, "why")
		                                        : word(job, "reason"));
	}
	listing_table(l, &t);
	buf_free(&b);
}

static int list(struct verb_call *call)
{
	return listing_print(call, "/v1/redrives", _("no redrive jobs"), print_jobs);
}

/* -- Acts -------------------------------------------------------------------------------------------- */

static int move(struct verb_call *call, const char *act, const char *id)
{
	struct buf path = BUF(4096), b = BUF(8192);
	struct reply reply = { 0 };
	int status = verb_may_act(call);
	if (status != 0)
		return status;
	cJSON *body = cJSON_CreateObject();
	if (call->option[OPT_REASON] && *call->option[OPT_REASON])
		json_add_string(body, "reason", call->option[OPT_REASON]);
	buf_puts(&path, "/v1/redrives");
	path_segment(&path, id);
	path_segment(&path, act);
	client_call(call->client, buf_str(&path), body, CLIENT_ACT_MS, &reply);
	cJSON_Delete(body);
	if (reply.code != 0) {
		status = reply_report(&reply, id);
	} else if (call->option[OPT_JSON]) {
		print_json(buf_str(&reply.body), reply.body.len);
	} else {
		facts_redrive_progress(&b, reply.json);
		print_done(call, "%s: %s, %s", id, word(reply.json, "state"), buf_str(&b));
	}
	buf_free(&b);
	buf_free(&path);
	reply_free(&reply);
	return status;
}

/* -- Starting one --------------------------------------------------------------------------------------- */

/* Rows by their numbers, or a filter in words? */
static bool has_ids(const struct verb_call *call)
{
	for (int i = 0; i < call->arg_count; i++)
		if (!call->args[i][strspn(call->args[i], "0123456789")])
			return true;
	return false;
}

static bool has_filter_option(const struct verb_call *call)
{
	for (size_t i = 0; i < ARRAY_LEN(filters); i++)
		if (call->option[filters[i].option])
			return true;
	return false;
}

static bool has_job_option(const struct verb_call *call)
{
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (call->option[numbers[i].option])
			return true;
	return call->option[OPT_DRY_RUN] || call->option[OPT_WATCH];
}

static int add_numbers(struct verb_call *call, cJSON *body)
{
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		const char *text = call->option[numbers[i].option];
		char *end;
		if (!text)
			continue;
		errno = 0;
		double value = strtod(text, &end);
		if (errno || *end || end == text)
			return usage_error(call, _("--%s takes a number, not \"%s\""),
			        option_rows[numbers[i].option].name, text);
		cJSON_AddNumberToObject(body, numbers[i].key, value);
	}
	return 0;
}

static int add_filter(struct verb_call *call, cJSON *body)
{
	cJSON *filter = json_add_object(body, "filter");
	for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
		enum option_id option = filters[i].option;
		const char *text = call->option[option];
		char time[WALL_TEXT_SIZE];
		if (!text)
			continue;
		if (option == OPT_SINCE || option == OPT_UNTIL) {
			if (verb_time(call, option, time) != 0)
				return EXIT_USAGE;
			text = time;
		}
		json_add_string(filter, filters[i].key, text);
	}
	return 0;
}

static int add_words(struct verb_call *call, cJSON *body)
{
	struct buf filter = BUF(0);
	int status = filter_of(call, 0, &filter);
	json_add_string(body, "filter", buf_str(&filter));
	buf_free(&filter);
	return status;
}

static int add_ids(struct verb_call *call, cJSON *body)
{
	cJSON *ids = json_add_array(body, "ids");
	for (int i = 0; i < call->arg_count; i++)
		cJSON_AddItemToArray(ids, cJSON_CreateString(call->args[i]));
	return 0;
}

static int order_of(struct verb_call *call, const char *act, cJSON *body)
{
	const char *reason = call->option[OPT_REASON];
	int status = add_numbers(call, body);
	if (strcmp(act, "redrive") != 0) /* which is what a daemon that knows no other does */
		json_add_string(body, "act", act);
	if (!strcmp(act, "restore")) /* usher redrives restore JOB */
		json_add_string(body, "of_job", call->args[1]);
	else if (status == 0)
		status = has_ids(call)         ? add_ids(call, body)
		         : call->arg_count > 0 ? add_words(call, body)
		                               : add_filter(call, body);
	if (reason && *reason)
		json_add_string(body, "reason", reason);
	if (call->option[OPT_DRY_RUN])
		json_add_bool(body, "dry_run", true);
	return status;
}

static const char *preview_words(const cJSON *p)
{
	const char *act = word(p, "act");
	bool capped = json_bool(p, "total_capped", false);
	if (!strcmp(act, "cancel"))
		return capped ? _("more than %s dead rows would be cancelled, the oldest dead since %s, the "
		                  "newest since "
		                  "%s")
		              : _("%s dead rows would be cancelled, the oldest dead since %s, the newest "
		                  "since %s");
	if (!strcmp(act, "restore"))
		return capped ? _("more than %s rows would be restored, the oldest dead since %s, the newest "
		                  "since %s")
		              : _("%s rows would be restored, the oldest dead since %s, the newest since %s");
	return capped ? _("more than %s dead rows would be redriven, the oldest dead since %s, the newest "
	                  "since %s")
	              : _("%s dead rows would be redriven, the oldest dead since %s, the newest since %s");
}

static void print_preview(const cJSON *p)
{
	struct buf b = BUF(4096);
	const cJSON *group;
	format_count(&b, number(p, "total"));
	print_clean(stdout, preview_words(p), buf_str(&b), word(p, "oldest"), word(p, "newest"));
	cJSON_ArrayForEach(group, json_get(p, "groups"))
	{
		print_clean(stdout, "  %lld %s, %s", number(group, "count"), word(group, "channel"),
		        word(group, "class"));
	}
	if (number(p, "mails_maybe_sent"))
		print_clean(stdout,
		        _("! %lld mails may have gone out already: those members may get a second one"),
		        number(p, "mails_maybe_sent"));
	if (number(p, "coupons_maybe_granted"))
		print_clean(stdout,
		        _("! %lld coupons may have been granted already: the same key is used, none is "
		          "granted twice"),
		        number(p, "coupons_maybe_granted"));
	if (number(p, "members_with_coupon"))
		print_clean(stdout, _("! %lld members have a coupon by another sign-up"),
		        number(p, "members_with_coupon"));
	print_clean(stdout, "%s", _("Nothing was done: leave out --dry-run to do it."));
	buf_free(&b);
}

static void say_started(const struct verb_call *call, const cJSON *job)
{
	const char *act = word(job, "act");
	bool capped = json_bool(job, "total_capped", false);
	const char *words =
	        capped ? _("redrive job %s: more than %lld dead rows; usher redrives show %s --watch")
	               : _("redrive job %s: %lld dead rows; usher redrives show %s --watch");
	if (!strcmp(act, "cancel"))
		words = capped ? _("cancel job %s: more than %lld dead rows; usher redrives restore %s takes "
		                   "it back")
		               : _("cancel job %s: %lld dead rows; usher redrives restore %s takes it back");
	else if (!strcmp(act, "restore"))
		words = capped ? _("restore job %s: more than %lld rows; usher redrives show %s --watch")
		               : _("restore job %s: %lld rows; usher redrives show %s --watch");
	print_done(call, words, word(job, "id"), number(job, "total"), word(job, "id"));
}

static int start(struct verb_call *call, const char *act)
{
	struct reply reply = { 0 };
	cJSON *body = cJSON_CreateObject();
	int status = order_of(call, act, body);
	if (status == 0) {
		client_call(call->client, "/v1/redrives", body, CLIENT_ACT_MS, &reply);
		if (reply.code != 0)
			status = reply_report(&reply, NULL);
		else if (call->option[OPT_JSON])
			print_json(buf_str(&reply.body), reply.body.len);
		else if (call->option[OPT_DRY_RUN])
			print_preview(reply.json);
		else
			say_started(call, reply.json);
		fflush(stdout);
	}
	cJSON_Delete(body);
	if (status == 0 && call->option[OPT_WATCH] && !call->option[OPT_DRY_RUN])
		status = watch(call, word(reply.json, "id"));
	reply_free(&reply);
	return status;
}

/* Rows by their numbers are acted on one by one; what a filter finds, and what has a job's options, is a job.
 */
static int act_on_many(struct verb_call *call, const char *act, int (*one_by_one)(struct verb_call *))
{
	bool options = has_filter_option(call), words = call->arg_count > 0 && !has_ids(call);
	int status = verb_may_act(call);
	if (status != 0)
		return status;
	if (call->arg_count > 0 && options)
		return usage_error(
		        call, _("ids, a filter in words, or one in options: one of them says which rows"));
	if (call->arg_count == 0 && !options)
		return usage_error(call,
		        _("%s needs ID..., or a filter such as --channel coupon --class service_down"), act);
	bool filter = words || options;
	if (filter && !call->option[OPT_DRY_RUN] && reason_missing(call))
		return usage_error(
		        call, _("a filter needs --reason TEXT: it is kept for who comes after you"));
	return filter || has_job_option(call) ? start(call, act) : one_by_one(call);
}

int verb_redrive(struct verb_call *call)
{
	return act_on_many(call, "redrive", verb_redrive_rows);
}

int verb_cancel(struct verb_call *call)
{
	return act_on_many(call, "cancel", verb_cancel_rows);
}

/* -- The verb of jobs ------------------------------------------------------------------------------------ */

static int restore(struct verb_call *call)
{
	int status = verb_may_act(call);
	return status == 0 ? start(call, "restore") : status;
}

int verb_redrives(struct verb_call *call)
{
	static const char *const acts[] = { "show", "pause", "resume", "stop", "restore", NULL };
	if (call->arg_count == 0)
		return verb_watch(call, list);
	if (call->option[OPT_CSV] || call->option[OPT_LIMIT])
		return usage_error(call, _("--csv and --limit go with the list of jobs"));
	if (call->arg_count == 1)
		return usage_error(call, _("say which job: usher redrives %s ID"), call->args[0]);
	if (!strcmp(call->args[0], acts[0]))
		return show(call, call->args[1]);
	if (!strcmp(call->args[0], "restore"))
		return restore(call);
	for (size_t i = 1; acts[i]; i++)
		if (!strcmp(call->args[0], acts[i]))
			return move(call, acts[i], call->args[1]);
	return usage_none_of(call, call->args[0], acts);
}
