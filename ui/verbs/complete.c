/* Completion: the words that fit, from the tables and, quickly or not at all, from the daemon; see
 * complete.h. */
#include "complete.h"

#include "../text.h"

#include "base/json.h"
#include "base/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define ANSWER_MS 300 /* somebody waits for the key that was pressed */
#define IDS_SHOWN "50"
#define WORD_BYTES 4096

/* The command line, read up to its last word. */
struct partial {
	struct verb_call *call;
	const struct verb *verb;
	int position;                   /* words behind the verb that are no options */
	bool words_only;                /* behind "--" */
	bool lost;                      /* a word that usher does not know: nothing follows it */
	const struct option_row *value; /* the option whose value is wanted */
	const char *current;
};

static void add_clean(struct buf *b, const char *text)
{
	text_clean(b, text, strlen(text));
}

static void offer(const struct partial *p, const char *before, const char *word, const char *help)
{
	struct buf whole = BUF(WORD_BYTES), line = BUF(16 * WORD_BYTES);
	buf_printf(&whole, "%s%s", before, word);
	if (!whole.failed && !strncmp(buf_str(&whole), p->current, strlen(p->current))) {
		add_clean(&line, buf_str(&whole));
		buf_putc(&line, '\t');
		add_clean(&line, help ? help : "");
		puts(buf_str(&line));
	}
	buf_free(&line);
	buf_free(&whole);
}

/* -- What the daemon knows --------------------------------------------------------------------------- */

static cJSON *ask(const struct partial *p, const char *path)
{
	struct reply reply = { 0 };
	client_call(p->call->client, path, NULL, ANSWER_MS, &reply);
	cJSON *json = reply.code == 0 ? reply.json : NULL;
	if (json)
		reply.json = NULL;
	reply_free(&reply);
	return json;
}

/* "email dead invalid_address mi***@example.com"; of an alarm its name, of a job its state. */
static void describe(struct buf *b, const cJSON *item)
{
	static const char *const of_row[] = { "channel", "status", "class", "last_class", "recipient", NULL },
	                         *const of_others[] = { "name", "state", "channel", "class", NULL };
	bool row = json_string(item, "recipient") != NULL;
	for (const char *const *member = row ? of_row : of_others; *member; member++)
		if (json_string(item, *member))
			buf_printf(b, "%s%s", b->len ? " " : "", json_string(item, *member));
}

static void offer_ids(const struct partial *p, const char *before)
{
	struct buf path = BUF(WORD_BYTES);
	if (!p->verb || !p->verb->ids)
		return;
	buf_puts(&path, p->verb->ids);
	path_query(&path, "limit", IDS_SHOWN);
	cJSON *json = ask(p, buf_str(&path));
	const cJSON *item;
	cJSON_ArrayForEach(item, json_get(json, "items"))
	{
		struct buf help = BUF(WORD_BYTES);
		describe(&help, item);
		if (json_string(item, "id"))
			offer(p, before, json_string(item, "id"), buf_str(&help));
		buf_free(&help);
	}
	cJSON_Delete(json);
	buf_free(&path);
}

static void offer_key_words(const struct partial *p, const char *before, const cJSON *keys, const char *key)
{
	const cJSON *item, *word;
	cJSON_ArrayForEach(item, json_get(keys, "items"))
	{
		const char *name = json_string(item, "key");
		if (!name || strcmp(name, key) != 0)
			continue;
		cJSON_ArrayForEach(word, json_get(item, "words"))
		{
			if (cJSON_IsString(word))
				offer(p, before, word->valuestring, json_string(item, "help"));
		}
	}
}

/* "status:" or "age>": a key with the first of its operators. */
static void offer_keys(const struct partial *p, const char *before, const cJSON *keys)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, json_get(keys, "items"))
	{
		const char *key = json_string(item, "key"), *operators = json_string(item, "operators");
		struct buf word = BUF(WORD_BYTES);
		if (!key || !operators)
			continue;
		buf_printf(&word, "%s%.*s", key, (int)strcspn(operators, " "), operators);
		offer(p, before, buf_str(&word), json_string(item, "help"));
		buf_free(&word);
	}
}

/* The last term of a filter: its key, or a word behind "key:", or behind the comma of "key:word,". */
static void offer_filter(const struct partial *p)
{
	const char *blank = strrchr(p->current, ' '), *term = blank ? blank + 1 : p->current;
	const char *operator= term + strcspn(term, ":<>"), *comma = strrchr(term, ',');
	cJSON *keys = ask(p, "/v1/filter/keys");
	const char *from = term;
	if (*operator)
		from = comma && comma > operator? comma + 1 : operator+ 1;
	OWNED char *before = mem_stringn(p->current, (size_t)(from - p->current));
	OWNED char *key = mem_stringn(term, (size_t)(operator- term));
	if (*operator)
		offer_key_words(p, before, keys, key);
	else
		offer_keys(p, before, keys);
	cJSON_Delete(keys);
}

/* A word of an option, such as --class, that is a key of the filter as well. */
static void offer_words_of(const struct partial *p, const char *before, const char *key)
{
	cJSON *keys = ask(p, "/v1/filter/keys");
	offer_key_words(p, before, keys, key);
	cJSON_Delete(keys);
}

/* -- What stands in the tables ------------------------------------------------------------------------- */

static void offer_columns(const struct partial *p, const char *before)
{
	static const char *const columns[] = { "newest", "oldest", "dead_at", "first_at", "id", "status",
		"channel", "class", "attempts", "redrives", "recipient", "user_id" };
	static const char *const directions[] = { "", ":asc", ":desc" };
	bool with_direction = strchr(p->current, ':') != NULL;
	for (size_t i = 0; i < ARRAY_LEN(columns); i++)
		for (size_t d = with_direction; d < (with_direction ? ARRAY_LEN(directions) : 1); d++) {
			struct buf word = BUF(64);
			buf_printf(&word, "%s%s", columns[i], directions[d]);
			offer(p, before, buf_str(&word), _("order of the rows"));
			buf_free(&word);
		}
}

static void offer_verbs(const struct partial *p)
{
	for (size_t i = 0; i < verb_count; i++)
		offer(p, "", verbs[i].name, _(verbs[i].summary));
}

static void offer_options(const struct partial *p)
{
	uint64_t takes = verb_takes(p->verb);
	for (int i = 0; i < OPT_COUNT; i++)
		if (takes & (1ull << i))
			offer(p, "--", option_rows[i].name, _(option_rows[i].help));
}

/* What an argument is called, in the usage or in the options, says what completes it. */
static void offer_kind(const struct partial *p, const char *before, const char *kind)
{
	if (islower((unsigned char)*kind))
		offer(p, before, kind, "");
	else if (!strncmp(kind, "ID", 2))
		offer_ids(p, before);
	else if (!strcmp(kind, "FILTER"))
		offer_filter(p);
	else if (!strcmp(kind, "VERB"))
		offer_verbs(p);
	else if (!strcmp(kind, "COLUMN"))
		offer_columns(p, before);
	else if (!strcmp(kind, "CHANNEL"))
		offer_words_of(p, before, "channel");
	else if (!strcmp(kind, "CLASS"))
		offer_words_of(p, before, "class");
	else if (!strcmp(kind, "PATH"))
		puts("@files");
	else if (!strcmp(kind, "STATUS")) {
		offer_words_of(p, before, "status");
		offer(p, before, "any", _("all of them"));
	}
}

/* The alternatives at a place of the usage: "CHANNEL open|closed|auto", "[ID | FILTER]". The last place is
 * every one behind it where the verb takes any number. */
static void offer_arguments(const struct partial *p)
{
	struct buf usage = BUF(256);
	char *save_place, *save_kind;
	int place = 0;
	for (const char *c = p->verb->args; *c; c++) {
		bool beside_bar = *c == ' ' && (c[1] == '|' || c[-1] == '|');
		if (*c != '[' && *c != ']' && !beside_bar)
			buf_putc(&usage, *c);
	}
	OWNED char *text = buf_take(&usage);
	char *word = strtok_r(text, " ", &save_place), *last = word;
	for (; word && place < p->position; place++) {
		last = word;
		word = strtok_r(NULL, " ", &save_place);
	}
	bool repeats = last && p->verb->args_max > place && (strstr(last, "...") || strstr(last, "FILTER"));
	if (!word && repeats)
		word = last;
	for (char *kind = word ? strtok_r(word, "|", &save_kind) : NULL; kind;
	        kind = strtok_r(NULL, "|", &save_kind))
		offer_kind(p, "", kind);
}

/* -- Reading the line ------------------------------------------------------------------------------------ */

/* The option that a word names, "--name" or "--name=value" or "-R"; NULL where it is none. */
static const struct option_row *option_named(const char *word)
{
	for (int i = 0; i < OPT_COUNT; i++) {
		const struct option_row *row = &option_rows[i];
		size_t len = strlen(row->name);
		if (!strncmp(word, "--", 2) && !strncmp(word + 2, row->name, len) &&
		        (!word[2 + len] || word[2 + len] == '='))
			return row;
		if (row->letter && word[0] == '-' && word[1] == row->letter && !word[2])
			return row;
	}
	return NULL;
}

/* An option on its way to the last word; may take the next one. Returns how many words it took more. */
static int read_option(struct partial *p, char **words, int left)
{
	const struct option_row *row = option_named(words[0]);
	const char *value = strchr(words[0], '=');
	int more = 0;
	if (!row || !row->arg || option_arg_is_optional(row))
		return 0;
	if (!value && left < 2) { /* the last word is its value */
		p->value = row;
		return 0;
	}
	if (value)
		value++;
	else
		value = words[++more];
	if (row == &option_rows[OPT_SOCKET])
		client_use(p->call->client, value);
	return more;
}

static void read_line(struct partial *p, char **words, int count)
{
	p->current = count ? words[count - 1] : "";
	for (int i = 0; i < count - 1; i++) {
		const char *word = words[i];
		if (!p->words_only && !strcmp(word, "--"))
			p->words_only = true;
		else if (!p->words_only && word[0] == '-' && word[1])
			i += read_option(p, words + i, count - 1 - i);
		else if (p->verb)
			p->position++;
		else
			p->lost = !(p->verb = verb_find(word)) || p->lost;
	}
}

void complete_print(struct verb_call *call, char **words, int count)
{
	struct partial p = { .call = call };
	read_line(&p, words, count);
	const char *equals = strchr(p.current, '=');
	if (p.lost)
		return;
	if (p.value) {
		offer_kind(&p, "", p.value->arg);
	} else if (!p.words_only && *p.current == '-' && equals) {
		const struct option_row *row = option_named(p.current);
		OWNED char *before = mem_stringn(p.current, (size_t)(equals + 1 - p.current));
		if (row && row->arg)
			offer_kind(&p, before, row->arg);
	} else if (!p.words_only && *p.current == '-') {
		offer_options(&p);
	} else if (p.verb) {
		offer_arguments(&p);
	} else {
		offer_verbs(&p);
	}
}
