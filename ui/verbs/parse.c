/* Words of the command line into a call, and what is said when they are wrong; see verbs.h. */
#include "check.h"

#include "base/mem.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define OPTION_VALUE 256 /* what getopt gives for option 0: beyond all letters */
#define WORD_MAX 64      /* longer ones are like no word there is */
#define PROGRAM_BYTES 64
#define WORDS_BYTES 4096

/* "usher", or "usher failed" */
static void add_program(struct buf *b, const struct verb *verb)
{
	buf_printf(b, "usher%s%s", verb ? " " : "", verb ? verb->name : "");
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
	b = BUF(PROGRAM_BYTES);
	add_program(&b, call->verb);
	print_clean(stderr, _("Try: %s --help"), buf_str(&b));
	buf_free(&b);
	return call->option[OPT_CHECK] ? CHECK_UNKNOWN : EXIT_USAGE;
}

/* -- Did you mean? -------------------------------------------------------------------------------- */

static int smallest(int a, int b, int c)
{
	int least = a < b ? a : b;
	return least < c ? least : c;
}

/* How many letters are wrong, missing, too many, or exchanged with their neighbour. */
static int distance(const char *a, size_t n, const char *b, size_t m)
{
	int row[3][WORD_MAX + 1];
	for (size_t j = 0; j <= m; j++)
		row[0][j] = (int)j;
	for (size_t i = 1; i <= n; i++) {
		int *now = row[i % 3], *above = row[(i + 2) % 3], *before = row[(i + 1) % 3];
		now[0] = (int)i;
		for (size_t j = 1; j <= m; j++) {
			now[j] =
			        smallest(above[j] + 1, now[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
			bool exchanged = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
			if (exchanged && before[j - 2] + 1 < now[j])
				now[j] = before[j - 2] + 1;
		}
	}
	return row[n % 3][m];
}

const char *word_nearest(const char *wrong, const char *(*word)(int i))
{
	size_t len = strlen(wrong);
	int best = len < 4 ? 2 : 3; /* farther than this is another word */
	const char *found = NULL, *candidate;
	if (len < 2 || len > WORD_MAX)
		return NULL;
	for (int i = 0; (candidate = word(i)); i++) {
		size_t other = strlen(candidate);
		int d = other > WORD_MAX ? best
		        : len >= 3 && !strncmp(wrong, candidate, len)
		                ? 0
		                : distance(wrong, len, candidate, other);
		if (d >= best)
			continue;
		best = d;
		found = candidate;
	}
	return found;
}

int usage_none_of(const struct verb_call *call, const char *wrong, const char *const *words)
{
	struct buf b = BUF(1024);
	for (int i = 0; words[i]; i++)
		buf_printf(&b, "%s%s", i ? ", " : "", words[i]);
	usage_error(call, _("\"%s\" is none of %s"), wrong, buf_str(&b));
	buf_free(&b);
	return EXIT_USAGE;
}

static const char *verb_word(int i)
{
	return (size_t)i < verb_count ? verbs[i].name : NULL;
}

int usage_no_verb(const struct verb_call *call, const char *wrong)
{
	struct buf b = BUF(1024);
	const char *guess = word_nearest(wrong, verb_word);
	for (int i = 0; verb_word(i); i++)
		buf_printf(&b, "%s%s", i ? ", " : "", verb_word(i));
	if (guess)
		usage_error(call, _("\"%s\" is no verb of usher: did you mean %s?"), wrong, guess);
	else
		usage_error(call, _("\"%s\" is no verb of usher: these are: %s"), wrong, buf_str(&b));
	buf_free(&b);
	return EXIT_USAGE;
}

/* -- A wrong option ---------------------------------------------------------------------------------- */

static const char *option_word(int i)
{
	return i < OPT_COUNT ? option_rows[i].name : NULL;
}

static void add_options(struct buf *b, uint64_t which, const char *begin, size_t len)
{
	const char *joint = "";
	for (int i = 0; i < OPT_COUNT; i++) {
		if (!(which & (1ull << i)) || strncmp(option_rows[i].name, begin, len) != 0)
			continue;
		buf_printf(b, "%s--%s", joint, option_rows[i].name);
		joint = ", ";
	}
}

/* Options that begin so: how many of `which`. */
static int count_begun(uint64_t which, const char *begin, size_t len, int *ret_last)
{
	int n = 0;
	for (int i = 0; i < OPT_COUNT; i++) {
		if (!(which & (1ull << i)) || strncmp(option_rows[i].name, begin, len) != 0)
			continue;
		n++;
		*ret_last = i;
	}
	return n;
}

/* The allowed option that a word is most like; NULL for none. */
static const char *option_nearest(const char *wrong, uint64_t allowed)
{
	const char *guess = word_nearest(wrong, option_word);
	for (int i = 0; guess && i < OPT_COUNT; i++)
		if (option_rows[i].name == guess)
			return allowed & (1ull << i) ? guess : NULL;
	return NULL;
}

/* `option`: with its dashes. */
static int option_unknown(
        const struct verb_call *call, const struct verb *verb, uint64_t allowed, const char *option)
{
	struct buf program = BUF(PROGRAM_BYTES), words = BUF(WORDS_BYTES);
	const char *guess = option_nearest(option + strspn(option, "-"), allowed);
	int status;
	add_program(&program, verb);
	add_options(&words, allowed, "", 0);
	if (guess)
		status = usage_error(call, _("%s is no option of %s: did you mean --%s? Allowed: %s"), option,
		        buf_str(&program), guess, buf_str(&words));
	else
		status = usage_error(call, _("%s is no option of %s; allowed: %s"), option, buf_str(&program),
		        buf_str(&words));
	buf_free(&program);
	buf_free(&words);
	return status;
}

static int option_wrong(const struct verb_call *call, const struct verb *verb, uint64_t allowed, char **argv)
{
	const char *word = argv[optind > 0 ? optind - 1 : 0];
	char letter[] = { '-', (char)optopt, 0 };
	if (optopt && optopt < OPTION_VALUE)
		return option_unknown(call, verb, allowed, letter);
	size_t len = strcspn(word, "=");
	OWNED char *option = mem_stringn(word, len);
	int last = 0, begun = len > 2 ? count_begun(allowed, word + 2, len - 2, &last) : 0;
	if (begun == 0)
		return option_unknown(call, verb, allowed, option);
	if (begun == 1)
		return usage_error(call, _("--%s takes no value"), option_rows[last].name);
	struct buf words = BUF(WORDS_BYTES);
	add_options(&words, allowed, word + 2, len - 2);
	int status = usage_error(call, _("%s may be %s: write it whole"), option, buf_str(&words));
	buf_free(&words);
	return status;
}

static int option_of(int got)
{
	for (int i = 0; got < OPTION_VALUE && i < OPT_COUNT; i++)
		if (option_rows[i].letter == got)
			return i;
	return got - OPTION_VALUE;
}

int verb_options(struct verb_call *call, int argc, char **argv, bool leading, int *ret_rest)
{
	const struct verb *verb = leading ? NULL : call->verb;
	uint64_t allowed = verb_takes(verb);
	struct option longs[OPT_COUNT + 1] = { 0 };
	char letters[OPT_COUNT + 3] = "+:";
	size_t letter_count = 2;
	int n = 0, got;
	for (int i = 0; i < OPT_COUNT; i++) {
		const struct option_row *row = &option_rows[i];
		if (!(allowed & (1ull << i)))
			continue;
		longs[n++] = (struct option){ .name = row->name,
			.has_arg = !row->arg                     ? no_argument
			           : option_arg_is_optional(row) ? optional_argument
			                                         : required_argument,
			.val = OPTION_VALUE + i };
		if (row->letter)
			letters[letter_count++] = row->letter;
	}
	optind = 0;
	opterr = 0;
	while ((got = getopt_long(argc, argv, leading ? letters : letters + 1, longs, NULL)) != -1) {
		if (got == '?')
			return option_wrong(call, verb, allowed, argv);
		if (got == ':') {
			const struct option_row *row = &option_rows[option_of(optopt)];
			return usage_error(
			        call, _("--%s needs %s: %s"), row->name, option_arg(row), _(row->help));
		}
		enum option_id id = option_of(got);
		call->option[id] = optarg ? optarg : "";
		if (id != OPT_SET)
			continue;
		if (call->set_count == SET_MAX)
			return usage_error(call, _("--set can be given %d times"), SET_MAX);
		call->set[call->set_count++] = optarg;
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
		        _("--%s takes a time like 2026-11-22T21:00:00+09:00 or an age like 1h, not \"%s\""),
		        option_rows[option].name, given);
	wall_format(at, text);
	return 0;
}

int may_act(const struct verb_call *call, const char *act)
{
	if (!call->option[OPT_READ_ONLY])
		return 0;
	print_clean(stderr, _("usher: %s acts, and you asked to look only (-R)"), act);
	return EXIT_FORBIDDEN;
}

int verb_may_act(const struct verb_call *call)
{
	return may_act(call, call->verb->name);
}
