/* Words of the command line into a call, and what is said when they are wrong; see verbs.h. */
#include "check.h"

#include "base/mem.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define OPTION_VALUE 256 /* what getopt gives for option 0: beyond all letters */
#define WORD_MAX 64      /* longer ones are like no word there is */

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
	usage_error(call, "\"%s\" is none of %s", wrong, buf_str(&b));
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
	if (guess)
		buf_printf(&b, ": did you mean %s?", guess);
	for (int i = 0; !guess && verb_word(i); i++)
		buf_printf(&b, "%s%s", i ? ", " : ": these are: ", verb_word(i));
	usage_error(call, "\"%s\" is no verb of usher%s", wrong, buf_str(&b));
	buf_free(&b);
	return EXIT_USAGE;
}

/* -- A wrong option ---------------------------------------------------------------------------------- */

static const char *option_word(int i)
{
	return i < OPT_COUNT ? option_rows[i].name : NULL;
}

/* "usher", or "usher failed" */
static void add_program(struct buf *b, const struct verb *verb)
{
	buf_printf(b, "usher%s%s", verb ? " " : "", verb ? verb->name : "");
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

static void explain_unknown(struct buf *b, const struct verb *verb, uint64_t allowed, const char *word)
{
	const char *begin = word + 2;
	size_t len = strcspn(begin, "=");
	OWNED char *name = mem_stringn(begin, len);
	int last = 0, begun = len ? count_begun(allowed, begin, len, &last) : 0;
	if (begun > 1) {
		buf_printf(b, "--%s may be ", name);
		add_options(b, allowed, begin, len);
		buf_puts(b, ": write it whole");
		return;
	}
	if (begun == 1) {
		buf_printf(b, "--%s takes no value", option_rows[last].name);
		return;
	}
	buf_printf(b, "--%s is no option of ", name);
	add_program(b, verb);
	const char *guess = word_nearest(name, option_word);
	int id = 0;
	while (guess && option_rows[id].name != guess)
		id++;
	if (guess && (allowed & (1ull << id)))
		buf_printf(b, ": did you mean --%s? Allowed: ", guess);
	else
		buf_puts(b, "; allowed: ");
	add_options(b, allowed, "", 0);
}

static int option_wrong(const struct verb_call *call, const struct verb *verb, uint64_t allowed, char **argv)
{
	struct buf b = BUF(4096);
	const char *word = argv[optind > 0 ? optind - 1 : 0];
	if (optopt && optopt < OPTION_VALUE) {
		buf_printf(&b, "-%c is no option of ", optopt);
		add_program(&b, verb);
		buf_puts(&b, "; allowed: ");
		add_options(&b, allowed, "", 0);
	} else {
		explain_unknown(&b, verb, allowed, word);
	}
	int status = usage_error(call, "%s", buf_str(&b));
	buf_free(&b);
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
			return usage_error(call, "--%s needs %s: %s", row->name, row->arg, row->help);
		}
		enum option_id id = option_of(got);
		call->option[id] = optarg ? optarg : "";
		if (id != OPT_SET)
			continue;
		if (call->set_count == SET_MAX)
			return usage_error(call, "--set can be given %d times", SET_MAX);
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
