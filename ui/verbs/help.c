/* Help: of usher, of a verb, and the synopsis of the manual page, all from the tables; see verbs.h. */
#include "verbs.h"

#include "../text.h"

#include "base/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define COLUMNS 80
#define LEFT_COLUMN 28
#define LEFT_BYTES 160

#define GROUP_TITLE(id, title) title,
static const char *const group_titles[] = { GROUP_TABLE(GROUP_TITLE) };
#undef GROUP_TITLE

/* What is too wide for the left has a line of its own; the right goes on below itself. */
static void print_two(const char *left, const char *right)
{
	size_t len = strlen(right), at = 0, next;
	struct buf b = BUF(LEFT_BYTES);
	bool beside = text_width(left, strlen(left), LEFT_COLUMN) <= LEFT_COLUMN;
	if (beside)
		text_fit(&b, left, strlen(left), LEFT_COLUMN, TEXT_LEFT);
	else
		buf_printf(&b, "%s\n%*s", left, LEFT_COLUMN + 2, "");
	printf("  %s", buf_str(&b));
	buf_free(&b);
	do {
		size_t n = text_line(right + at, len - at, COLUMNS - LEFT_COLUMN - 3, &next);
		printf("%*s%.*s\n", at ? LEFT_COLUMN + 3 : 1, "", (int)n, right + at);
		at += next;
	} while (at < len);
}

static void print_options(uint64_t which)
{
	for (int i = 0; i < OPT_COUNT; i++) {
		const struct option_row *o = &option_rows[i];
		char left[LEFT_BYTES / 2], letter[8] = "    ";
		if (!(which & (1ull << i)))
			continue;
		if (o->letter)
			snprintf(letter, sizeof letter, "-%c, ", o->letter);
		if (option_arg_is_optional(o)) /* "--watch[=SECONDS]" */
			snprintf(left, sizeof left, "%s--%s[=%s", letter, o->name, option_arg(o) + 1);
		else
			snprintf(left, sizeof left, "%s--%s%s%s", letter, o->name, o->arg ? " " : "",
			        option_arg(o));
		print_two(left, _(o->help));
	}
}

static void print_examples(const struct verb *verb)
{
	puts(_("\nExample:"));
	for (const char *line = verb->example; *line;) {
		int len = (int)strcspn(line, "\n");
		printf("  usher %.*s\n", len, line);
		line += len + (line[len] == '\n');
	}
}

static void print_groups(void)
{
	for (int group = 0; group < GROUP_COUNT; group++) {
		printf("\n%s:\n", _(group_titles[group]));
		for (size_t i = 0; i < verb_count; i++) {
			char left[LEFT_BYTES / 2];
			if ((int)verbs[i].group != group)
				continue;
			snprintf(left, sizeof left, "%s %s", verbs[i].name, verb_args(&verbs[i]));
			print_two(left, _(verbs[i].summary));
		}
	}
}

void verb_help(const struct verb *verb)
{
	if (verb) {
		printf(_("Usage: usher %s%s%s [options]\n\n%s.\n\n"), verb->name, *verb->args ? " " : "",
		        verb_args(verb), _(verb->summary));
		print_options(verb_takes(verb));
		print_examples(verb);
		return;
	}
	printf("%s", _("Usage: usher [options]                 open the console\n"
	               "       usher VERB [arguments] [options]\n"));
	print_groups();
	puts(_("\nOptions (usher VERB --help lists the verb's own, with an example):"));
	print_options(verb_takes(NULL));
	puts(_("\nExit status: 0 done, 1 failed, 2 usage, 3 not found, 4 conflict, 5 forbidden,\n"
	       "6 daemon unreachable."));
}

/* -- The manual ------------------------------------------------------------------------------------ */

/* "ID..." -> "Ar id ...", "open|closed" -> "Cm open | closed" */
static void add_manual_word(struct buf *b, const char *word, size_t len)
{
	buf_puts(b, islower((unsigned char)*word) ? " Cm " : " Ar ");
	for (size_t i = 0; i < len; i++) {
		if (!strncmp(word + i, "...", 3)) {
			buf_puts(b, " ...");
			return;
		}
		if (word[i] == '|')
			buf_puts(b, " | ");
		else
			buf_putc(b, (char)tolower((unsigned char)word[i]));
	}
}

/* "CHANNEL [show|pause ID]" -> ".Ar channel", ".Op Cm show | pause Ar id" */
static void print_manual_args(const char *args)
{
	while (*args) {
		bool optional = *args == '[';
		const char *at = args + optional, *end = at + strcspn(at, optional ? "]" : "[");
		struct buf b = BUF(4096);
		while (at < end) {
			size_t len = strcspn(at, " ]");
			if (*at == '|')
				buf_puts(&b, " |");
			else
				add_manual_word(&b, at, len);
			at += len;
			at += strspn(at, " ");
		}
		printf(".%s%s\n", optional ? "Op" : "", buf_str(&b) + !optional);
		buf_free(&b);
		args = end + optional;
		args += strspn(args, " ");
	}
}

static void print_manual_option(const struct option_row *o)
{
	printf(".Op Fl -%s", o->name);
	if (option_arg_is_optional(o))
		printf(" Ns Op = Ns Ar ");
	else if (o->arg)
		printf(" Ar ");
	for (const char *c = option_arg(o); *c; c++)
		if (*c != '[' && *c != ']')
			putchar(tolower((unsigned char)*c));
	putchar('\n');
}

static void print_synopsis(void)
{
	for (size_t i = 0; i < verb_count; i++) {
		printf(".Nm\n.Cm %s\n", verbs[i].name);
		print_manual_args(verb_args(&verbs[i]));
		for (int o = 0; o < OPT_COUNT; o++)
			if (verbs[i].options & (1ull << o))
				print_manual_option(&option_rows[o]);
	}
}

int verb_help_run(struct verb_call *call)
{
	const struct verb *verb = NULL;
	if (call->option[OPT_MANUAL]) {
		print_synopsis();
		return EXIT_DONE;
	}
	if (call->arg_count == 1 && !(verb = verb_find(call->args[0])))
		return usage_no_verb(call, call->args[0]);
	verb_help(verb);
	return EXIT_DONE;
}
