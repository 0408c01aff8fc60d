/* The filter language for completion; see filter_words.h. */
#include "filter_words.h"

#include "base/language.h"
#include "base/text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define WORD_BYTES (FILTER_BYTES_MAX + 1)

/* The word that begins at or behind `at`: its first byte, and in *ret_end where it ends. */
static const char *next_word(const char *at, const char **ret_end)
{
	bool quoted = false;
	while (*at == ' ')
		at++;
	const char *end = at;
	for (; *end && (quoted || *end != ' '); end++) {
		if (quoted && *end == '\\' && end[1])
			end++;
		else if (*end == '"')
			quoted = !quoted;
	}
	*ret_end = end;
	return at;
}

/* The length of the key that a word begins with, its operator included; 0: it has none. */
static size_t key_length(const char *word, size_t len)
{
	size_t n = 0;
	while (n < len && (isalpha((unsigned char)word[n]) || word[n] == '_'))
		n++;
	if (n == 0 || n == len || !strchr(":=<>", word[n]))
		return 0;
	n++;
	return n < len && word[n] == '=' && word[n - 1] != '=' ? n + 1 : n;
}

static int characters(const char *from, const char *to)
{
	char copy[TEXTLINE_BYTES + 1];
	size_t len = (size_t)(to - from) < sizeof copy - 1 ? (size_t)(to - from) : sizeof copy - 1;
	memcpy(copy, from, len);
	copy[len] = '\0';
	return (int)utf8_length(copy);
}

static void help_of(const cJSON *key, struct buf *out)
{
	const char *help = json_string(key, "help"), *example = json_string(key, "example");
	buf_printf(out, _("%s, such as %s"), help ? help : "", example ? example : "");
}

static void offer_keys(const cJSON *keys, const char *word, struct offers *ret)
{
	const cJSON *key;
	cJSON_ArrayForEach(key, json_get(keys, "items"))
	{
		const char *name = json_string(key, "key"), *operators = json_string(key, "operators");
		char text[64];
		struct buf help = BUF(1024);
		if (!name || !operators)
			continue;
		snprintf(text, sizeof text, "%s%c", name, *operators);
		help_of(key, &help);
		offer_if(ret, word, text, buf_str(&help));
		buf_free(&help);
	}
}

static const cJSON *find_key(const cJSON *keys, const char *name, size_t len)
{
	const cJSON *key;
	cJSON_ArrayForEach(key, json_get(keys, "items"))
	{
		const char *known = json_string(key, "key");
		if (known && strlen(known) == len && strncasecmp(known, name, len) == 0)
			return key;
	}
	return NULL;
}

/* Values: one of the key's words, or else what it is about. */
static void offer_values(const cJSON *key, const char *value, struct offers *ret)
{
	const cJSON *words = json_get(key, "words"), *word;
	struct buf help = BUF(1024);
	help_of(key, &help);
	if (cJSON_GetArraySize(words) == 0)
		offer_add(ret, value, buf_str(&help));
	cJSON_ArrayForEach(word, words)
	{
		if (cJSON_IsString(word))
			offer_if(ret, value, word->valuestring, buf_str(&help));
	}
	buf_free(&help);
}

void filter_offers(const cJSON *keys, const char *before, struct offers *ret)
{
	const char *end = before, *word = next_word(before, &end);
	while (*end) /* blanks follow: the cursor is in a word behind them */
		word = next_word(end, &end);
	word += *word == '-';
	size_t key_len = key_length(word, strlen(word));
	if (key_len == 0) {
		ret->from = characters(before, word);
		offer_keys(keys, word, ret);
		return;
	}
	size_t name_len = strcspn(word, ":=<>");
	const char *value = word + key_len, *comma = strrchr(value, ',');
	value = comma ? comma + 1 : value;
	ret->from = characters(before, value);
	const cJSON *key = find_key(keys, word, name_len);
	if (key)
		offer_values(key, value, ret);
}

bool filter_plain_word(const char *text, char *out, size_t size)
{
	const char *end = text, *word;
	bool found = false;
	for (word = next_word(text, &end); *word; word = next_word(end, &end)) {
		size_t len = (size_t)(end - word);
		if (*word == '-' || key_length(word, len))
			continue;
		if (*word == '"') {
			word++;
			len -= len > 1 && end[-1] == '"' ? 2 : 1;
		}
		utf8_copy(out, size, word, len);
		found = len > 0;
	}
	return found;
}

void filter_add(struct buf *out, const char *key, const char *value)
{
	buf_printf(out, "%s%s:\"", out->len ? " " : "", key);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			buf_putc(out, '\\');
		buf_putc(out, *value);
	}
	buf_putc(out, '"');
}
