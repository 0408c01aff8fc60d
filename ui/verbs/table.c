/* The verbs, their options and their help; see verbs.h. */
#include "verbs.h"

#include "../text.h"

#include "base/json.h"
#include "base/mem.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BIT(id) (1ull << OPT_##id)
#define COMMON (BIT(JSON) | BIT(SOCKET) | BIT(READ_ONLY) | BIT(HELP))
#define LEADING (COMMON | BIT(THEME) | BIT(MOUSE) | BIT(VERSION))
#define LIST (BIT(LIMIT) | BIT(CSV))
#define FILTERS (BIT(STATUS) | BIT(CHANNEL) | BIT(CLASS) | BIT(SEARCH) | BIT(SINCE))
#define SELECTION (BIT(CHANNEL) | BIT(CLASS) | BIT(SEARCH) | BIT(SINCE) | BIT(UNTIL))
#define JOB (BIT(RATE) | BIT(CANARY) | BIT(STOP_ON) | BIT(DRY_RUN) | BIT(WATCH))
#define WIDTH_IN_PIPE 100
#define ARGS_ANY 10000

static const struct verb verbs[] = {
	{ "status", "", "what is going on, and whether anything is wrong", 0, 0, 0, verb_status },
	{ "failed", "[ID | FILTER]", "failed notifications, or one with its attempts", 0, ARGS_ANY,
	        FILTERS | LIST | BIT(SORT) | BIT(GROUPS) | BIT(KEYS) | BIT(WATCH), verb_failed },
	{ "dlq", "[CHANNEL]", "what stands in the dead-letter queues", 0, 1, LIST, verb_dlq },
	{ "retrying", "", "deliveries that wait for their next attempt", 0, 0, BIT(CHANNEL) | LIST,
	        verb_retrying },
	{ "redrive", "[ID...]", "send dead notifications again: these, or what a filter finds as a job", 0,
	        ARGS_ANY, BIT(REASON) | SELECTION | JOB, verb_redrive },
	{ "redrives", "[ACT ID]", "redrive jobs; show, pause, resume or stop one", 0, 2,
	        BIT(REASON) | BIT(LIMIT) | BIT(WATCH), verb_redrives },
	{ "cancel", "ID...", "give dead notifications up, with a reason", 1, ARGS_ANY, BIT(REASON),
	        verb_cancel },
	{ "restore", "ID...", "undo a cancel", 1, ARGS_ANY, BIT(REASON), verb_restore },
	{ "pause", "CHANNEL", "receive nothing on a channel, in all daemons, until it is resumed", 1, 1,
	        BIT(REASON), verb_pause },
	{ "resume", "CHANNEL", "end a pause", 1, 1, BIT(REASON), verb_resume },
	{ "breaker", "CHANNEL open|closed|auto", "force a channel's breaker, or leave it to itself again", 2,
	        2, BIT(REASON), verb_breaker },
	{ "outbox", "", "sign-up events, published or still waiting", 0, 0,
	        BIT(WAITING) | BIT(PUBLISHED) | LIST, verb_outbox },
	{ "signup", "", "register a sign-up, as the application would", 0, 0,
	        BIT(EMAIL) | BIT(NAME) | BIT(USER_ID) | BIT(LOCALE), verb_signup },
	{ "alarms", "[ack ID...]", "what is raised and what was, or acknowledge it", 0, ARGS_ANY,
	        LIST | BIT(REASON), verb_alarms },
	{ "audit", "", "who did what", 0, 0, BIT(TARGET) | LIST, verb_audit },
};

struct option_row {
	const char *name;
	char letter;
	const char *arg, *help;
};
#define OPTION_ROW(id, name, letter, arg, help) { name, letter, arg, help },
static const struct option_row option_rows[] = { OPTION_TABLE(OPTION_ROW) };
#undef OPTION_ROW

const struct verb *verb_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

static void print_options(uint64_t which)
{
	for (int i = 0; i < OPT_COUNT; i++) {
		const struct option_row *o = &option_rows[i];
		char left[40], letter[8] = "    ";
		if (!(which & (1ull << i)))
			continue;
		if (o->letter)
			snprintf(letter, sizeof letter, "-%c, ", o->letter);
		snprintf(left, sizeof left, "%s--%s%s%s", letter, o->name, o->arg ? " " : "",
		        o->arg ? o->arg : "");
		printf("  %-24s %s\n", left, o->help);
	}
}

void verb_help(const struct verb *verb)
{
	if (verb) {
		printf("Usage: usher %s%s%s [options]\n\n%s.\n\n", verb->name, *verb->args ? " " : "",
		        verb->args, verb->summary);
		print_options(verb->options | COMMON);
		return;
	}
	printf("Usage: usher [options]                 open the console\n"
	       "       usher VERB [arguments] [options]\n\nVerbs:\n");
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		char left[40];
		snprintf(left, sizeof left, "%s %s", verbs[i].name, verbs[i].args);
		printf("  %-24s %s\n", left, verbs[i].summary);
	}
	printf("\nOptions (usher VERB --help lists the verb's own):\n");
	print_options(LEADING);
	printf("\nExit status: 0 done, 1 failed, 2 usage, 3 not found, 4 conflict, 5 forbidden, 6 daemon "
	       "unreachable.\n");
}

int usage_error(const struct verb_call *call, const char *fmt, ...)
{
	struct buf b = BUF(1 << 20);
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	print_clean(stderr, "usher: %s", buf_str(&b));
	buf_free(&b);
	fprintf(stderr, "Try: usher %s%s--help\n", call->verb ? call->verb->name : "", call->verb ? " " : "");
	return EXIT_USAGE;
}

int verb_options(struct verb_call *call, int argc, char **argv, bool leading, int *ret_rest)
{
	uint64_t allowed = leading ? LEADING : call->verb->options | COMMON;
	struct option longs[OPT_COUNT + 1] = { 0 };
	int n = 0, got;
	for (int i = 0; i < OPT_COUNT; i++)
		if (allowed & (1ull << i))
			longs[n++] = (struct option){ .name = option_rows[i].name,
				.has_arg = option_rows[i].arg ? required_argument : no_argument,
				.val = 256 + i };
	optind = 0;
	opterr = 0;
	while ((got = getopt_long(argc, argv, leading ? "+:Rh" : ":Rh", longs, NULL)) != -1) {
		if (got == ':')
			return usage_error(call, "%s needs a value", argv[optind - 1]);
		if (got == '?')
			return usage_error(call, "%s is no option of %s%s, or not a whole one",
			        argv[optind - 1], leading ? "usher" : "usher ",
			        leading ? "" : call->verb->name);
		int id = got == 'R' ? OPT_READ_ONLY : got == 'h' ? OPT_HELP : got - 256;
		call->option[id] = optarg ? optarg : "";
	}
	*ret_rest = optind;
	return 0;
}

int verb_time(struct verb_call *call, enum option_id option, char text[WALL_TEXT_SIZE])
{
	const char *given = call->option[option];
	wall_time at = { 0 };
	int64_t ago_ms;
	*text = 0;
	if (!given)
		return 0;
	if (duration_parse(given, &ago_ms) == 0)
		at.ms = call->now.ms - ago_ms;
	else if (wall_parse(given, &at) != 0)
		return usage_error(call,
		        "--%s takes a time like 2026-11-22T21:00:00+09:00 or an age like 1h, not \"%s\"",
		        option_rows[option].name, given);
	wall_format(at, text);
	return 0;
}

int verb_may_act(const struct verb_call *call)
{
	if (!call->option[OPT_READ_ONLY])
		return 0;
	fprintf(stderr, "usher: %s acts, and you asked to look only (-R)\n", call->verb->name);
	return EXIT_FORBIDDEN;
}

int exit_of(const struct reply *r)
{
	switch (r->code) {
	case 0:
		return EXIT_DONE;
	case USHER_EINVAL:
	case USHER_ETOOBIG:
		return EXIT_USAGE;
	case USHER_ENOTFOUND:
		return EXIT_NOT_FOUND;
	case USHER_ECONFLICT:
		return EXIT_CONFLICT;
	case USHER_EFORBIDDEN:
		return EXIT_FORBIDDEN;
	default:
		return reply_unreachable(r) ? EXIT_UNREACHABLE : EXIT_FAILED;
	}
}

void print_clean(FILE *to, const char *fmt, ...)
{
	struct buf text = BUF(CLIENT_BODY_MAX), clean = BUF(8 * (size_t)CLIENT_BODY_MAX);
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	text_clean(&clean, buf_str(&text), text.len);
	fprintf(to, "%s\n", buf_str(&clean));
	buf_free(&clean);
	buf_free(&text);
}

int reply_report(const struct reply *r, const char *what)
{
	print_clean(stderr, "usher: %s%s%s", what ? what : "", what ? ": " : "", r->message);
	return exit_of(r);
}

void print_json(const char *json, size_t len)
{
	struct buf b = BUF(CLIENT_BODY_MAX);
	text_json(&b, json, len);
	printf("%s\n", buf_str(&b));
	buf_free(&b);
}

int print_width(void)
{
	struct winsize size;
	if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40)
		return size.ws_col;
	return WIDTH_IN_PIPE;
}
