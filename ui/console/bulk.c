/* Jobs over many rows, from the console; see bulk.h. */
#include "bulk.h"

#include "../format.h"

#include "base/json.h"
#include "base/language.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LATE_UNKNOWN (-1)

struct bulk {
	struct console *console;
	enum bulk_act act;
	char *filter; /* NULL: rows, or a job */
	char job[ROW_ID_MAX];
	struct row_ref *rows;
	int count, left_out;
	wall_time seen;
	const struct screen *screen;     /* where it was asked */
	unsigned look, late_look, start; /* requests under way */
	cJSON *verdict;
	int64_t late;
	bool late_capped;
};

/* What is said of each. */
static const struct {
	const char *name; /* as the API has it */
	const char *looking, *title, *nothing, *refused, *went_on, *started;
} words[] = {
	[BULK_REDRIVE] = { "redrive", N_("looking what would be redriven ...   Esc: leave it"),
	        N_("Redrive all that match"), N_("No dead row matches: there is nothing to redrive"),
	        N_("Nothing is redriven: %s"),
	        N_("What would be redriven is known by now, but you went on: ask again"),
	        N_("job %s redrives %s; 5 shows how far it is") },
	[BULK_CANCEL] = { "cancel", N_("looking what would be cancelled ...   Esc: leave it"),
	        N_("Cancel all that match"), N_("No dead row matches: there is nothing to cancel"),
	        N_("Nothing is cancelled: %s"),
	        N_("What would be cancelled is known by now, but you went on: ask again"),
	        N_("job %s cancels %s; 5 shows how far it is, and u there restores them") },
	[BULK_RESTORE] = { "restore", N_("looking what would be restored ...   Esc: leave it"),
	        N_("Restore what the job cancelled"), N_("There is nothing to restore"),
	        N_("Nothing is restored: %s"),
	        N_("What would be restored is known by now, but you went on: ask again"),
	        N_("job %s restores %s; 5 shows how far it is") },
};

/* The forms' fields, in their order. */
enum redrive_field { REASON, RATE, CANARY, STOP_ON, REDRIVE_COUNT, REDRIVE_FIELDS };
enum settle_field { SETTLE_REASON, SETTLE_COUNT, SETTLE_FIELDS };

static void clear(struct bulk *b)
{
	struct client *client = b->console->client;
	if (b->look)
		client_cancel(client, b->look);
	if (b->late_look)
		client_cancel(client, b->late_look);
	b->look = b->late_look = 0;
	free(b->filter);
	free(b->rows);
	cJSON_Delete(b->verdict);
	b->filter = NULL;
	b->rows = NULL;
	b->verdict = NULL;
}

void bulk_free(struct bulk *b)
{
	if (!b)
		return;
	clear(b);
	if (b->start)
		client_cancel(b->console->client, b->start);
	free(b);
}

static void end(struct bulk *b)
{
	b->console->bulk = NULL;
	bulk_free(b);
}

static void drop(void *arg)
{
	struct bulk *b = arg;
	if (!b->start) /* it was not agreed to */
		end(b);
}

const char *bulk_running(const struct console *c)
{
	return !c->bulk                              ? NULL
	       : c->bulk->start                      ? _("starting the job ...")
	       : c->bulk->look || c->bulk->late_look ? _(words[c->bulk->act].looking)
	                                             : NULL;
}

bool bulk_stop(struct console *c)
{
	if (!c->bulk || c->bulk->start || (!c->bulk->look && !c->bulk->late_look))
		return false;
	end(c->bulk);
	return true;
}

static cJSON *order(const struct bulk *b)
{
	cJSON *body = cJSON_CreateObject();
	char seen[WALL_TEXT_SIZE];
	if (b->act != BULK_REDRIVE) /* which is what a daemon that knows no other does */
		json_add_string(body, "act", words[b->act].name);
	if (b->act == BULK_RESTORE) {
		json_add_string(body, "of_job", b->job);
	} else if (b->filter) {
		json_add_string(body, "filter", b->filter);
	} else {
		cJSON *ids = json_add_array(body, "ids");
		for (int i = 0; i < b->count; i++)
			cJSON_AddItemToArray(ids, cJSON_CreateString(b->rows[i].id));
	}
	if (b->seen.ms)
		json_add_string(body, "seen_until", wall_format(b->seen, seen));
	return body;
}

/* -- Starting ----------------------------------------------------------------------------------------- */

static void say_started(struct bulk *b, const cJSON *job)
{
	struct console *c = b->console;
	const char *id = json_string(job, "id");
	int64_t total = json_int(job, "total", 0);
	struct buf count = BUF(64), rows = BUF(256);
	format_count(&count, total);
	buf_printf(&rows,
	        json_bool(job, "total_capped", false)
	                ? ngettext("more than %s row", "more than %s rows", (unsigned long)total)
	                : ngettext("%s row", "%s rows", (unsigned long)total),
	        buf_str(&count));
	for (int i = 0; i < b->count; i++)
		console_unmark(c, "/v1/failed", b->rows[i].id);
	note_add(c, ROLE_GOOD, _(words[b->act].started), id ? id : "?", buf_str(&rows));
	buf_free(&count);
	buf_free(&rows);
	jobs_look(c);
}

static void on_started(void *arg, struct reply *reply)
{
	struct bulk *b = arg;
	struct console *c = b->console;
	b->start = 0;
	console_heard(c, reply);
	if (reply->code == 0)
		say_started(b, reply->json);
	else
		note_add(c, ROLE_BAD,
		        reply->unsure ? _("It is not known whether the job was started: %s")
		                      : _("No job was started: %s"),
		        reply->message);
	end(b);
	console_refresh(c);
}

static void add_number(cJSON *body, const char *key, const char *text)
{
	if (*text)
		cJSON_AddNumberToObject(body, key, strtod(text, NULL));
}

static void agreed(struct console *c, void *arg, const char *const texts[])
{
	struct bulk *b = arg;
	cJSON *body = order(b);
	if (*texts[REASON]) /* the first field of each form */
		json_add_string(body, "reason", texts[REASON]);
	if (b->act == BULK_REDRIVE) {
		add_number(body, "rate", texts[RATE]);
		add_number(body, "canary", texts[CANARY]);
		add_number(body, "stop_on_failures", texts[STOP_ON]);
	}
	b->start = client_start(c->client, "/v1/redrives", body, CLIENT_ACT_MS, on_started, b);
	cJSON_Delete(body);
}

/* -- Asking --------------------------------------------------------------------------------------------- */

static void add_late(const struct bulk *b, struct lines *body)
{
	struct buf count = BUF(64), seen = BUF(64);
	if (b->late <= 0)
		return;
	format_count(&count, b->late);
	format_when(&seen, b->seen, WHEN_CLOCK, b->console->now);
	lines_addf(body, ROLE_WARN, NULL,
	        b->late_capped ? _("%s or more died after %s, when this list was fetched: not part of it.")
	                       : _("%s died after %s, when this list was fetched: not part of it."),
	        buf_str(&count), buf_str(&seen));
	buf_free(&count);
	buf_free(&seen);
}

static void ask_redrive(struct bulk *b, struct lines *body, int64_t total)
{
	const struct dialog_field fields[] = {
		[REASON] = { .label = _("Reason"), .required = b->filter != NULL },
		[RATE] = { .label = _("At most, a second"), .text = "10", .kind = FIELD_NUMBER },
		[CANARY] = { .label = _("Sent first, to see"), .text = "1", .kind = FIELD_NUMBER },
		[STOP_ON] = { .label = _("Stop when so many fail"), .text = "5", .kind = FIELD_NUMBER },
		[REDRIVE_COUNT] = { .label = _("How many? Type it"), .count = total },
	};
	dialog_form(&b->console->dialog,
	        b->filter ? _(words[BULK_REDRIVE].title) : _("Redrive the marked rows"), body, fields,
	        total > DIALOG_TYPE_COUNT ? REDRIVE_FIELDS : REDRIVE_COUNT, agreed, b, drop);
}

static void ask_settle(struct bulk *b, struct lines *body, int64_t total)
{
	const struct dialog_field fields[] = {
		[SETTLE_REASON] = { .label = _("Reason"), .required = b->act == BULK_CANCEL },
		[SETTLE_COUNT] = { .label = _("How many? Type it"), .count = total },
	};
	if (b->act == BULK_CANCEL)
		lines_add(body, ROLE_FAINT, NULL,
		        _("They are given up, not deleted: u on screen 5 restores all of them."));
	dialog_form(&b->console->dialog, _(words[b->act].title), body, fields,
	        total > DIALOG_TYPE_COUNT ? SETTLE_FIELDS : SETTLE_COUNT, agreed, b, drop);
}

static void add_left_out(const struct bulk *b, struct lines *body, int64_t total)
{
	if (b->left_out)
		lines_addf(body, ROLE_WARN, NULL,
		        ngettext("! %d other marked row is left out: only dead rows can be redriven.",
		                "! %d other marked rows are left out: only dead rows can be redriven.",
		                (unsigned long)b->left_out),
		        b->left_out);
	if (total < b->count)
		lines_addf(body, ROLE_WARN, NULL,
		        ngettext("! %d of the marked rows changed meanwhile and is left out.",
		                "! %d of the marked rows changed meanwhile and are left out.",
		                (unsigned long)(b->count - total)),
		        b->count - (int)total);
}

static void ask(struct bulk *b)
{
	int64_t total = json_int(b->verdict, "total", 0);
	struct lines body = { .width = 70 };
	facts_redrive_preview(&body, b->verdict, b->console->now);
	add_late(b, &body);
	add_left_out(b, &body, total);
	if (b->act == BULK_REDRIVE)
		ask_redrive(b, &body, total);
	else
		ask_settle(b, &body, total);
}

static void looked(struct bulk *b)
{
	struct console *c = b->console;
	if (b->look || b->late_look || !b->verdict)
		return;
	if (json_int(b->verdict, "total", 0) == 0) {
		note_add(c, ROLE_WARN, "%s", _(words[b->act].nothing));
		end(b);
	} else if (console_screen(c) != b->screen || c->dialog.kind != DIALOG_NONE || c->prompt.ops ||
	           c->help) {
		note_add(c, ROLE_WARN, "%s", _(words[b->act].went_on));
		end(b);
	} else {
		ask(b);
	}
}

static void on_late(void *arg, struct reply *reply)
{
	struct bulk *b = arg;
	b->late_look = 0;
	console_heard(b->console, reply);
	b->late = reply->code == 0 ? json_int(reply->json, "count", 0) : LATE_UNKNOWN;
	b->late_capped = json_bool(reply->json, "count_capped", false);
	looked(b);
}

static void on_verdict(void *arg, struct reply *reply)
{
	struct bulk *b = arg;
	b->look = 0;
	console_heard(b->console, reply);
	if (reply->code != 0) {
		note_add(b->console, reply->code == USHER_ENOTFOUND ? ROLE_WARN : ROLE_BAD,
		        _(words[b->act].refused), reply->message);
		end(b);
		return;
	}
	b->verdict = reply->json;
	reply->json = NULL;
	looked(b);
}

static void look_for_late(struct bulk *b)
{
	struct buf path = BUF(8192);
	char since[WALL_TEXT_SIZE];
	buf_puts(&path, "/v1/failed");
	path_query(&path, "filter", b->filter);
	path_query(&path, "status", "dead");
	path_query(&path, "since", wall_format((wall_time){ b->seen.ms + 1 }, since));
	path_query(&path, "limit", "1");
	b->late_look = client_start(b->console->client, buf_str(&path), NULL, CLIENT_READ_MS, on_late, b);
	buf_free(&path);
}

static void look(struct bulk *b)
{
	cJSON *body = order(b);
	cJSON_AddBoolToObject(body, "dry_run", true);
	b->look = client_start(b->console->client, "/v1/redrives", body, CLIENT_ACT_MS, on_verdict, b);
	cJSON_Delete(body);
	if (b->filter)
		look_for_late(b);
}

static struct bulk *begin(struct console *c, enum bulk_act act)
{
	struct bulk *b = mem_alloc(sizeof *b);
	b->act = act;
	b->console = c;
	b->screen = console_screen(c);
	c->bulk = b;
	return b;
}

void bulk_ask_filter(struct console *c, enum bulk_act act, const char *filter, wall_time seen)
{
	if (!acts_may(c))
		return;
	struct bulk *b = begin(c, act);
	b->filter = mem_string(filter);
	b->seen = seen;
	look(b);
}

void bulk_ask_job(struct console *c, const char *id)
{
	if (!acts_may(c))
		return;
	struct bulk *b = begin(c, BULK_RESTORE);
	snprintf(b->job, sizeof b->job, "%s", id);
	look(b);
}

void bulk_ask_rows(struct console *c, const struct row_ref *rows, int count, int left_out)
{
	struct bulk *b = begin(c, BULK_REDRIVE);
	b->rows = mem_array((size_t)count, sizeof *b->rows);
	memcpy(b->rows, rows, (size_t)count * sizeof *rows);
	for (int i = 0; i < count; i++) /* as they were seen last */
		b->seen = rows[i].seen.ms > b->seen.ms ? rows[i].seen : b->seen;
	b->count = count;
	b->left_out = left_out;
	look(b);
}
