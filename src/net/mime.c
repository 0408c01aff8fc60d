/* Writing mail messages: see mime.h. Texts that are mostly ASCII become quoted-printable, which an
 * operator can read in a raw mail; others base64, which is shorter. May call base only. Pure; any
 * thread. */
#include "net/mime.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define WORD_OVERHEAD 12        /* "=?UTF-8?B?" and "?=" */
#define BASE64_LINE_BYTES 57    /* make 76 characters */
#define BASE64_TEXT_SHARE 5     /* base64 when one byte in so many or more is outside ASCII */
#define BOUNDARY "=_usher_part" /* neither encoding can make a line that begins with --=_ */

/* -- Headers -------------------------------------------------------------------------------- */

/* Text that stands in a header as it is: printable ASCII that cannot be taken for an encoded word. */
static bool is_plain(const char *text)
{
	for (const char *p = text; *p; p++)
		if (*p < ' ' || *p > '~')
			return false;
	return !strstr(text, "=?");
}

/* The bytes of `text` that fit into `room`, characters whole; what is no UTF-8 counts bytewise. */
static size_t fitting(const char *text, size_t len, size_t room)
{
	size_t fit = 0;

	while (fit < len) {
		uint32_t codepoint;
		size_t step = utf8_next(text + fit, len - fit, &codepoint);
		step = step ? step : 1;
		if (fit + step > room)
			break;
		fit += step;
	}
	return fit;
}

/* Encoded words, a folded line each; `column` is where the first one starts. Returns the column behind. */
static size_t add_encoded_words(struct buf *out, const char *text, size_t column)
{
	size_t len = strlen(text);

	for (;;) {
		size_t room = (MIME_LINE_MAX - 1 - WORD_OVERHEAD - column) / 4 * 3;
		size_t fit = fitting(text, len, room), before = out->len;
		buf_puts(out, "=?UTF-8?B?");
		base64_encode(out, text, fit);
		buf_puts(out, "?=");
		text += fit;
		len -= fit;
		if (len == 0 || out->failed)
			return column + (out->len - before);
		buf_puts(out, "\r\n ");
		column = 1;
	}
}

/* Plain words, folded at spaces where a line would grow too long. */
static size_t add_plain_words(struct buf *out, const char *text, size_t column)
{
	bool first = true;

	while (*text) {
		size_t spaces = strspn(text, " "), word = spaces + strcspn(text + spaces, " ");
		if (!first && spaces > 0 && word > spaces && column + word > MIME_LINE_MAX) {
			buf_puts(out, "\r\n");
			column = 0;
		}
		buf_add(out, text, word);
		column += word;
		text += word;
		first = false;
	}
	return column;
}

static bool words_fit(const char *text, size_t room)
{
	while (*text) {
		size_t word = strcspn(text, " ");
		if (word > room)
			return false;
		text += word + strspn(text + word, " ");
	}
	return true;
}

static size_t add_text(struct buf *out, const char *text, size_t column)
{
	if (is_plain(text) && words_fit(text, MIME_LINE_MAX - column))
		return add_plain_words(out, text, column);
	return add_encoded_words(out, text, column);
}

static size_t header_start(struct buf *out, const char *name)
{
	buf_puts(out, name);
	buf_puts(out, ": ");
	return strlen(name) + 2;
}

void mime_header_text(struct buf *out, const char *name, const char *value)
{
	add_text(out, value, header_start(out, name));
	buf_puts(out, "\r\n");
}

/* A display name of plain letters and blanks needs no quotes; one with other signs gets them. */
static size_t add_display_name(struct buf *out, const char *name, size_t column)
{
	size_t before = out->len;
	bool atoms = true;

	if (!is_plain(name) || strlen(name) + column + 4 > MIME_LINE_MAX)
		return add_encoded_words(out, name, column);
	for (const char *p = name; *p; p++)
		atoms &= strchr("()<>[]:;@\\,.\"", *p) == NULL;
	if (atoms) {
		buf_puts(out, name);
		return column + strlen(name);
	}
	buf_putc(out, '"');
	for (const char *p = name; *p; p++) {
		if (*p == '"' || *p == '\\')
			buf_putc(out, '\\');
		buf_putc(out, *p);
	}
	buf_putc(out, '"');
	return column + (out->len - before);
}

void mime_header_address(struct buf *out, const char *name, const struct mime_address *address)
{
	size_t column = header_start(out, name);

	if (address->name && *address->name) {
		column = add_display_name(out, address->name, column);
		buf_puts(out, column + strlen(address->address) + 3 > MIME_LINE_MAX ? "\r\n " : " ");
	}
	buf_putc(out, '<');
	for (const char *p = address->address; *p; p++)
		if ((unsigned char)*p > ' ' && *p != 0x7f) /* no address ends this line and begins another */
			buf_putc(out, *p);
	buf_puts(out, ">\r\n");
}

const char *mime_date(wall_time date, char text[MIME_DATE_SIZE])
{
	/* Not strftime's names: those follow the locale. */
	static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep",
		"Oct", "Nov", "Dec" };
	time_t seconds = (time_t)(date.ms / 1000);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	snprintf(text, MIME_DATE_SIZE, "%s, %02d %s %04d %02d:%02d:%02d +0000", days[tm.tm_wday], tm.tm_mday,
	        months[tm.tm_mon], (tm.tm_year + 1900) % 10000, tm.tm_hour, tm.tm_min, tm.tm_sec);
	return text;
}

/* -- Bodies ------------------------------------------------------------------------------------ */

/* What stands for itself in quoted-printable: printable ASCII but '=', and blanks within a line. */
static bool stands_for_itself(const char *p, const char *end)
{
	if (*p == ' ' || *p == '\t')
		return p + 1 < end && p[1] != '\n' && p[1] != '\r';
	return *p > ' ' && *p <= '~' && *p != '=';
}

void mime_quoted_printable(struct buf *out, const char *text, size_t len)
{
	static const char hex[] = "0123456789ABCDEF";
	const char *end = text + len;
	char line[MIME_LINE_MAX]; /* gathered, so that the buffer is asked twice a line */
	size_t column = 0;

	for (const char *p = text; p < end; p++) {
		if (*p == '\n' || (*p == '\r' && p + 1 < end && p[1] == '\n')) {
			p += *p == '\r';
			buf_add(out, line, column);
			buf_add(out, "\r\n", 2);
			column = 0;
			continue;
		}
		bool plain = stands_for_itself(p, end);
		if (column + (plain ? 1 : 3) > MIME_LINE_MAX - 1) { /* room for the soft line break's '=' */
			buf_add(out, line, column);
			buf_add(out, "=\r\n", 3);
			column = 0;
		}
		if (plain) {
			line[column++] = *p;
		} else {
			line[column++] = '=';
			line[column++] = hex[(unsigned char)*p >> 4];
			line[column++] = hex[*p & 15];
		}
	}
	if (column > 0) {
		buf_add(out, line, column);
		buf_add(out, "\r\n", 2);
	}
}

void mime_base64_lines(struct buf *out, const char *text, size_t len)
{
	const char *end = text + len;
	char line[BASE64_LINE_BYTES + 1];
	size_t n = 0;

	for (const char *p = text; p < end || n > 0;) {
		while (n < BASE64_LINE_BYTES && p < end) {
			if (*p == '\n' && (p == text || p[-1] != '\r'))
				line[n++] = '\r';
			line[n++] = *p++;
		}
		size_t take = n < BASE64_LINE_BYTES ? n : BASE64_LINE_BYTES;
		base64_encode(out, line, take);
		buf_puts(out, "\r\n");
		n -= take;
		if (n > 0)
			line[0] = line[take]; /* the LF that a CR pushed over the edge */
		if (out->failed)
			return;
	}
}

/* The header lines of a part, an empty line, and its text. */
static void add_body(struct buf *out, const char *type, const char *text, size_t len)
{
	size_t outside = 0;

	for (size_t i = 0; i < len; i++)
		outside += (unsigned char)text[i] >> 7;
	bool base64 = outside * BASE64_TEXT_SHARE >= len && outside > 0;
	buf_puts(out, "Content-Type: ");
	buf_puts(out, type);
	buf_puts(out, "; charset=utf-8\r\nContent-Transfer-Encoding: ");
	buf_puts(out, base64 ? "base64\r\n\r\n" : "quoted-printable\r\n\r\n");
	if (base64)
		mime_base64_lines(out, text, len);
	else
		mime_quoted_printable(out, text, len);
}

static void add_both(struct buf *out, const struct mime_message *message)
{
	buf_puts(out,
	        "Content-Type: multipart/alternative; boundary=\"" BOUNDARY "\"\r\n\r\n--" BOUNDARY "\r\n");
	add_body(out, "text/plain", message->text, message->text_len);
	buf_puts(out, "--" BOUNDARY "\r\n");
	add_body(out, "text/html", message->html, message->html_len);
	buf_puts(out, "--" BOUNDARY "--\r\n");
}

void mime_message_write(const struct mime_message *message, struct buf *out)
{
	char date[MIME_DATE_SIZE];

	mime_header_address(out, "From", &message->from);
	mime_header_address(out, "To", &message->to);
	mime_header_text(out, "Subject", message->subject);
	buf_puts(out, "Date: ");
	buf_puts(out, mime_date(message->date, date));
	buf_puts(out, "\r\nMessage-ID: ");
	buf_puts(out, message->message_id);
	buf_puts(out, "\r\nAuto-Submitted: auto-generated\r\n"); /* RFC 3834: no vacation answers */
	if (message->unsubscribe) {
		buf_puts(out, "List-Unsubscribe: <");
		buf_puts(out, message->unsubscribe);
		buf_puts(out, ">\r\n");
	}
	buf_puts(out, "MIME-Version: 1.0\r\n");
	if (message->html)
		add_both(out, message);
	else
		add_body(out, "text/plain", message->text, message->text_len);
}

void mime_address_parse(const char *text, char **ret_name, char **ret_address)
{
	const char *open = strrchr(text, '<'), *name_end = open;
	size_t len = strlen(text);

	*ret_name = NULL;
	if (!open || text[len - 1] != '>') {
		*ret_address = mem_string(text);
		return;
	}
	*ret_address = mem_stringn(open + 1, len - (size_t)(open - text) - 2);
	while (name_end > text && name_end[-1] == ' ')
		name_end--;
	if (name_end - text >= 2 && text[0] == '"' && name_end[-1] == '"') {
		text++;
		name_end--;
	}
	*ret_name = mem_stringn(text, (size_t)(name_end - text));
}
