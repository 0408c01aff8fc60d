/* SMTP's wire format without the wire: addresses, message content, the server's answers. Pure. */
#include "net/smtp_parts.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* -- What the server offers ------------------------------------------------------------------ */

void smtp_caps_line(struct smtp_caps *caps, const char *line, size_t len)
{
	static const struct {
		const char *word;
		size_t offset;
	} offers[] = {
		{ "PIPELINING", offsetof(struct smtp_caps, pipelining) },
		{ "8BITMIME", offsetof(struct smtp_caps, eightbitmime) },
		{ "SMTPUTF8", offsetof(struct smtp_caps, smtputf8) },
		{ "SIZE", offsetof(struct smtp_caps, size) },
		{ "AUTH", offsetof(struct smtp_caps, auth) },
	};

	if (len >= 3 && memcmp(line, "220", 3) == 0) {
		*caps = (struct smtp_caps){ 0 }; /* the greeting, or STARTTLS: what was said before is void */
		return;
	}
	if (len < 5 || memcmp(line, "250", 3) != 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(offers); i++) {
		size_t word = strlen(offers[i].word);
		bool is = len >= 4 + word && strncasecmp(line + 4, offers[i].word, word) == 0;
		/* Old servers say "AUTH=LOGIN". */
		if (is && (len == 4 + word || strchr(" =\r\n", line[4 + word])))
			*(bool *)((char *)caps + offers[i].offset) = true;
	}
}

/* -- Addresses ---------------------------------------------------------------------------------- */

/* Characters that RFC 5321 gives a meaning of their own outside quotes. */
static bool has_special(const char *text, size_t len, const char *specials)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] && strchr(specials, text[i]))
			return true;
	return false;
}

static bool quoted_well(const char *local, size_t len)
{
	if (len < 3 || local[len - 1] != '"')
		return false;
	for (size_t i = 1; i < len - 1; i++) {
		if (local[i] == '"' || (local[i] == '\\' && ++i == len - 1))
			return false;
	}
	return true;
}

static const char *bytes_fault(const char *address, bool *ret_needs_utf8)
{
	*ret_needs_utf8 = false;
	for (const unsigned char *p = (const unsigned char *)address; *p; p++) {
		if (*p < 0x20 || *p == 0x7f)
			return "the address holds a control character";
		if (*p == ' ')
			return "the address holds a space";
		if (*p == '<' || *p == '>')
			return "the address holds < or >";
		if (*p >= 0x80)
			*ret_needs_utf8 = true;
	}
	if (*ret_needs_utf8 && !utf8_valid(address, strlen(address)))
		return "the address is not UTF-8";
	return NULL;
}

const char *smtp_address_fault(const char *address, bool *ret_needs_utf8)
{
	const char *fault = bytes_fault(address, ret_needs_utf8);
	const char *at = strrchr(address, '@');

	if (fault)
		return fault;
	if (!at)
		return "the address has no @";
	size_t local = (size_t)(at - address), domain = strlen(at + 1);
	if (local == 0)
		return "the address has nothing before its @";
	if (domain == 0)
		return "the address has nothing behind its @";
	if (local > SMTP_LOCAL_MAX)
		return "the address is longer than 64 bytes before its @";
	if (domain > SMTP_DOMAIN_MAX)
		return "the address is longer than 255 bytes behind its @";
	if (address[0] == '"' ? !quoted_well(address, local) : has_special(address, local, "()[]:;@\\,\""))
		return "the address holds a character before its @ that none may hold";
	bool literal = at[1] == '[' && at[domain] == ']';
	if (literal ? has_special(at + 2, domain - 2, "()[];@\\,\"")
	            : has_special(at + 1, domain, "()[]:;\\,\""))
		return "the address holds a character behind its @ that none may hold";
	return NULL;
}

/* -- Content ------------------------------------------------------------------------------------ */

static size_t count_dots(const char *data, size_t len)
{
	size_t dots = len > 0 && data[0] == '.';

	for (const char *p = data; (p = memchr(p, '\n', len - (size_t)(p - data))); p++)
		dots += p + 1 < data + len && p[1] == '.';
	return dots;
}

static char *stuff_dots(char *data, size_t len, size_t dots)
{
	char *stuffed = mem_resize(NULL, len + dots, 1), *out = stuffed;

	for (size_t i = 0; i < len; i++) {
		if (data[i] == '.' && (i == 0 || data[i - 1] == '\n'))
			*out++ = '.';
		*out++ = data[i];
	}
	free(data);
	return stuffed;
}

char *smtp_content_make(char *data, size_t len, size_t *ret_len)
{
	size_t dots = count_dots(data, len);

	if (dots > 0) {
		data = stuff_dots(data, len, dots);
		len += dots;
	}
	data = mem_resize(data, len + 2 + SMTP_FINAL_DOT_LEN, 1);
	if (len > 0 && (len < 2 || memcmp(data + len - 2, "\r\n", 2) != 0)) {
		memcpy(data + len, "\r\n", 2);
		len += 2;
	}
	memcpy(data + len, ".\r\n", SMTP_FINAL_DOT_LEN);
	*ret_len = len + SMTP_FINAL_DOT_LEN;
	return data;
}

/* -- Answers ------------------------------------------------------------------------------------ */

/* "5.1.1 text": the length of the enhanced status (RFC 3463), 0 when there is none. */
static size_t enhanced_length(const char *text)
{
	size_t i = 1;

	if (!strchr("245", text[0]) || !text[0])
		return 0;
	for (int part = 0; part < 2; part++) {
		if (text[i] != '.')
			return 0;
		size_t digits = strspn(text + i + 1, "0123456789");
		if (digits < 1 || digits > 3)
			return 0;
		i += 1 + digits;
	}
	return text[i] == ' ' || text[i] == '\0' ? i : 0;
}

static void add_text(struct smtp_reader *reader, const char *text)
{
	struct smtp_answer *answer = &reader->answer;
	size_t room = sizeof answer->text - reader->text_len;
	char *to = answer->text + reader->text_len;

	if (reader->text_len > 0 && room > 1 && *text) {
		*to++ = ' ';
		room--;
	}
	utf8_copy(to, room, text, strlen(text));
	for (; *to; to++)
		if ((unsigned char)*to < 0x20 || *to == 0x7f)
			*to = ' ';
	reader->text_len = (size_t)(to - answer->text);
}

/* One line without its end. True when it is the last of an answer; *ret_nonsense when it is none. */
static bool take_line(struct smtp_reader *reader, bool *ret_nonsense)
{
	const char *line = reader->line;
	struct smtp_answer *answer = &reader->answer;
	bool is_code = strspn(line, "0123456789") == 3 && line[0] >= '2' && line[0] <= '5';
	int code = is_code ? (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0') : 0;

	*ret_nonsense = !is_code || !strchr(" -", line[3]) || (reader->lines > 0 && code != answer->code) ||
	                reader->lines >= SMTP_LINES_MAX;
	if (*ret_nonsense)
		return false;
	const char *text = line + 3 + (line[3] != '\0');
	size_t enhanced = enhanced_length(text);
	if (reader->lines++ == 0) {
		answer->code = code;
		answer->text[0] = answer->enhanced[0] = '\0';
		reader->text_len = 0;
		if (enhanced < sizeof answer->enhanced)
			memcpy(answer->enhanced, text, enhanced), answer->enhanced[enhanced] = '\0';
	}
	text += enhanced;
	add_text(reader, text + (enhanced && *text == ' '));
	return line[3] != '-';
}

enum smtp_read smtp_reader_eat(struct smtp_reader *reader, const char **bytes, size_t *len)
{
	while (*len > 0) {
		const char *end = memchr(*bytes, '\n', *len);
		size_t take = end ? (size_t)(end - *bytes) : *len;
		bool nonsense, last;

		if (reader->line_len + take >= sizeof reader->line)
			return SMTP_READ_NONSENSE;
		memcpy(reader->line + reader->line_len, *bytes, take);
		reader->line_len += take;
		*bytes += take + (end != NULL);
		*len -= take + (end != NULL);
		if (!end)
			return SMTP_READ_MORE;
		if (reader->line_len > 0 && reader->line[reader->line_len - 1] == '\r')
			reader->line_len--;
		reader->line[reader->line_len] = '\0';
		bool holds_nul = strlen(reader->line) != reader->line_len;
		reader->line_len = 0;
		last = take_line(reader, &nonsense);
		if (nonsense || holds_nul)
			return SMTP_READ_NONSENSE;
		if (last) {
			reader->lines = 0;
			return SMTP_READ_ANSWER;
		}
	}
	return SMTP_READ_MORE;
}
