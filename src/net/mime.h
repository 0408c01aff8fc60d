/* A mail message as RFC 5322 and MIME want it: encoded headers, and the text plain, or the same text twice,
 * plain and HTML (multipart/alternative). Whatever comes in, what goes out is 7-bit lines of at most 998
 * bytes that end in CRLF (an address outside ASCII aside, RFC 6532), and no value can add a header. Pure; any
 * thread. */
#ifndef CHANNEL_MIME_H
#define CHANNEL_MIME_H

#include "base/buf.h"
#include "base/clock.h"

#include <stddef.h>

struct mime_address {
	const char *name; /* shown; NULL or "" for none */
	const char *address;
};

struct mime_message { /* all borrowed, UTF-8 */
	struct mime_address from, to;
	const char *subject;
	const char *message_id; /* with <> */
	wall_time date;
	const char *unsubscribe; /* a URI; NULL: no such header */
	const char *text, *html; /* lines end in LF or CRLF; html NULL: text alone */
	size_t text_len, html_len;
};

/* "welcome@shop.example", or "The Shop <welcome@shop.example>" with the name in quotes or not. The caller
 * frees both; *ret_name NULL: none. Whether the address can be one is for smtp_address_fault to say. */
void mime_address_parse(const char *text, char **ret_name, char **ret_address);

/* Appends the message to out, whose `failed` tells whether it was too long. */
void mime_message_write(const struct mime_message *message, struct buf *out);

/* The pieces. */
#define MIME_LINE_MAX 76
/* "Name: value" folded, with CRLF; outside ASCII as encoded words (RFC 2047). */
void mime_header_text(struct buf *out, const char *name, const char *value);
void mime_header_address(struct buf *out, const char *name, const struct mime_address *address);
void mime_quoted_printable(struct buf *out, const char *text, size_t len);
void mime_base64_lines(struct buf *out, const char *text, size_t len); /* its line ends made CRLF */
#define MIME_DATE_SIZE 40
const char *mime_date(wall_time date, char text[MIME_DATE_SIZE]); /* returns text */

#endif
