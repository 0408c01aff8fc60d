/* The verbs and their options: the tables that parsing, help, completion and the manual are made from; see
 * verbs.h. */
#include "verbs.h"

#include "base/mem.h"

#include <string.h>

#define BIT(id) (1ull << OPT_##id)
#define COMMON (BIT(JSON) | BIT(QUIET) | BIT(SOCKET) | BIT(READ_ONLY) | BIT(HELP))
#define LEADING (COMMON | BIT(THEME) | BIT(MOUSE) | BIT(VERSION))
#define LIST (BIT(LIMIT) | BIT(CSV) | BIT(WATCH))
#define FILTERS (BIT(STATUS) | BIT(CHANNEL) | BIT(CLASS) | BIT(SEARCH) | BIT(SINCE))
#define SELECTION (BIT(CHANNEL) | BIT(CLASS) | BIT(SEARCH) | BIT(SINCE) | BIT(UNTIL))
#define JOB (BIT(RATE) | BIT(CANARY) | BIT(STOP_ON) | BIT(DRY_RUN) | BIT(WATCH))
#define ARGS_ANY 10000

const struct verb verbs[] = {
	{ "status", "", N_("what is going on, and whether anything is wrong"), 0, 0, BIT(CHECK) | BIT(WATCH),
	        verb_status, GROUP_LOOK, "status --watch=5\nstatus --check", NULL, false },
	{ "failed", N_("[ID | FILTER]"), N_("failed notifications, or one with its attempts"), 0, ARGS_ANY,
	        FILTERS | LIST | BIT(SORT) | BIT(GROUPS) | BIT(KEYS) | BIT(REVEAL) | BIT(REASON), verb_failed,
	        GROUP_FIND,
	        "failed 'status:dead class:timeout age>1h' --sort recipient\nfailed --since 1h --groups",
	        "/v1/failed", false },
	{ "dlq", N_("[CHANNEL] [FILTER]"), N_("what stands in the dead-letter queues"), 0, ARGS_ANY,
	        LIST | BIT(SORT), verb_dlq, GROUP_FIND,
	        "dlq\ndlq email 'class:timeout age>1d' --sort recipient", NULL, false },
	{ "retrying", N_("[ID]"), N_("deliveries that wait for their next attempt"), 0, 1,
	        BIT(CHANNEL) | LIST, verb_retrying, GROUP_FIND, "retrying --channel email --watch",
	        "/v1/retrying", false },
	{ "retry", N_("ID now|postpone|cancel|dead"), N_("settle a delivery that waits for its next attempt"),
	        2, 2, BIT(UNTIL) | BIT(REASON), verb_retry, GROUP_SETTLE,
	        "retry 7 now\nretry 7 postpone --until 30m", "/v1/retrying", false },
	{ "edit", N_("ID"), N_("correct what a dead notification sends, in $EDITOR or by --set"), 1, 1,
	        BIT(SET) | BIT(REDRIVE) | BIT(REASON), verb_edit, GROUP_SETTLE,
	        "edit 42 --set email=kim@shop.example --redrive --reason 'as told by phone'",
	        "/v1/failed?status=dead", false },
	{ "redrive", N_("[ID... | FILTER]"),
	        N_("send dead notifications again: these, or what a filter finds as a job"), 0, ARGS_ANY,
	        BIT(REASON) | SELECTION | JOB, verb_redrive, GROUP_SETTLE,
	        "redrive 42 43\nredrive --class service_down --channel coupon --reason 'they are back' "
	        "--watch",
	        "/v1/failed?status=dead", false },
	{ "redrives", N_("[show|pause|resume|stop|restore ID]"),
	        N_("jobs over many rows; show or move one, or restore what it cancelled"), 0, 2,
	        BIT(REASON) | BIT(DRY_RUN) | LIST, verb_redrives, GROUP_SETTLE,
	        "redrives show 7 --watch\nredrives stop 7 --reason 'wrong class'", "/v1/redrives", false },
	{ "cancel", N_("[ID... | FILTER]"),
	        N_("give dead notifications up: these, or what a filter finds as a job"), 0, ARGS_ANY,
	        BIT(REASON) | SELECTION | BIT(DRY_RUN) | BIT(WATCH), verb_cancel, GROUP_SETTLE,
	        "cancel 44 --reason 'left the company'\ncancel --class out_of_stock --reason 'the campaign "
	        "is over'",
	        "/v1/failed?status=dead", false },
	{ "restore", N_("ID..."), N_("undo a cancel"), 1, ARGS_ANY, BIT(REASON), verb_restore, GROUP_SETTLE,
	        "restore 44", "/v1/failed?status=cancelled", false },
	{ "pause", N_("CHANNEL"), N_("receive nothing on a channel, in all daemons, until it is resumed"), 1,
	        1, BIT(REASON), verb_pause, GROUP_STEER,
	        "pause email --reason 'mail server is moved until 04:00'", NULL, false },
	{ "resume", N_("CHANNEL"), N_("end a pause"), 1, 1, BIT(REASON), verb_resume, GROUP_STEER,
	        "resume email", NULL, false },
	{ "breaker", N_("CHANNEL open|closed|auto"),
	        N_("force a channel's breaker, or leave it to itself again"), 2, 2, BIT(REASON), verb_breaker,
	        GROUP_STEER, "breaker coupon open --reason 'they ask us to wait'\nbreaker coupon auto", NULL,
	        false },
	{ "outbox", "", N_("sign-up events, published or still waiting"), 0, 0,
	        BIT(WAITING) | BIT(PUBLISHED) | LIST, verb_outbox, GROUP_FEED, "outbox --waiting", NULL,
	        false },
	{ "signup", "", N_("register a sign-up, as the application would"), 0, 0,
	        BIT(EMAIL) | BIT(NAME) | BIT(USER_ID) | BIT(LOCALE), verb_signup, GROUP_FEED,
	        "signup --email kim@shop.example --name 홍길동 --locale ko-KR", NULL, false },
	{ "alarms", N_("[ack ID...]"), N_("what is raised and what was, or acknowledge it"), 0, ARGS_ANY,
	        LIST | BIT(REASON), verb_alarms, GROUP_LOOK, "alarms ack 12 --reason 'on it'", "/v1/alarms",
	        false },
	{ "config", N_("[show|history|reload|diff A B]"),
	        N_("what is in force, what it was, and reading it again"), 0, 3, BIT(SEARCH) | LIST,
	        verb_config, GROUP_LOOK, "config show --search rate\nconfig reload", NULL, false },
	{ "audit", "", N_("who did what"), 0, 0, BIT(TARGET) | LIST, verb_audit, GROUP_LOOK,
	        "audit --target failed/42", NULL, false },
	{ "completion", "bash|zsh|fish", N_("what makes a shell complete verbs, options, filters and ids"), 1,
	        ARGS_ANY, 0, verb_completion, GROUP_OWN, "completion bash > ~/.bash_completion", NULL, true },
	{ "help", N_("[VERB]"), N_("help, of usher or of a verb"), 0, 1, BIT(MANUAL), verb_help_run,
	        GROUP_OWN, "help redrive", NULL, true },
};
const size_t verb_count = ARRAY_LEN(verbs);

#define OPTION_ROW(id, name, letter, arg, help) { name, letter, arg, help },
const struct option_row option_rows[OPT_COUNT] = { OPTION_TABLE(OPTION_ROW) };
#undef OPTION_ROW

const struct verb *verb_find(const char *name)
{
	for (size_t i = 0; i < verb_count; i++)
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

uint64_t verb_takes(const struct verb *verb)
{
	if (!verb)
		return LEADING;
	return verb->options | (verb->local ? BIT(HELP) : COMMON);
}

/* The empty text is the catalogue's own header. */
const char *verb_args(const struct verb *verb)
{
	return *verb->args ? _(verb->args) : "";
}

const char *option_arg(const struct option_row *row)
{
	return row->arg ? language_word(row->name, row->arg) : "";
}

bool option_arg_is_optional(const struct option_row *row)
{
	return row->arg && *row->arg == '[';
}
