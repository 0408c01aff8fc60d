/* Forms of the Query protocol. Pure; any thread. */
#include "net/aws.h"

#include <string.h>

void aws_form_add(struct buf *out, const char *name, const char *text, size_t len)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t from = 0;

	if (out->len)
		buf_putc(out, '&');
	buf_puts(out, name);
	buf_putc(out, '=');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		        (c && strchr("-._~", c)))
			continue;
		buf_add(out, text + from, i - from);
		buf_add(out, (char[]){ '%', hex[c >> 4], hex[c & 15] }, 3);
		from = i + 1;
	}
	buf_add(out, text + from, len - from);
}
