/* What an SMTP server says, addresses, and content on arbitrary bytes. The first byte chooses which.
 * Whatever a server says becomes one line of UTF-8 within its limits; an address that is taken can end no
 * command; content holds no dot alone on a line but its last. */
#include "net/smtp_parts.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void require_clean(const char *text, size_t size)
{
	size_t len = strlen(text);

	require(len < size && utf8_valid(text, len));
	for (size_t i = 0; i < len; i++)
		require((unsigned char)text[i] >= ' ' && text[i] != 0x7f);
}

/* In pieces of `step` bytes, as a network brings them. */
static void read_answers(const char *bytes, size_t len, size_t step)
{
	struct smtp_reader reader = { 0 };
	struct smtp_caps caps = { 0 };

	smtp_caps_line(&caps, bytes, len);
	while (len > 0) {
		size_t piece = step < len ? step : len;
		len -= piece;
		while (piece > 0) {
			enum smtp_read read = smtp_reader_eat(&reader, &bytes, &piece);
			if (read == SMTP_READ_NONSENSE)
				return;
			if (read == SMTP_READ_MORE)
				continue;
			require(reader.answer.code >= 200 && reader.answer.code <= 599);
			require_clean(reader.answer.text, sizeof reader.answer.text);
			require_clean(reader.answer.enhanced, sizeof reader.answer.enhanced);
		}
	}
}

static void check_address(const char *bytes, size_t len)
{
	char *address = mem_stringn(bytes, len);
	bool needs_utf8;

	if (!smtp_address_fault(address, &needs_utf8)) {
		require(strpbrk(address, "\r\n<> ") == NULL && strchr(address, '@') != NULL);
		require(utf8_valid(address, strlen(address)));
		require(strlen(address) <= SMTP_LOCAL_MAX + 1 + SMTP_DOMAIN_MAX);
	}
	free(address);
}

static void check_content(const char *bytes, size_t len)
{
	size_t content_len;
	char *content = smtp_content_make(mem_stringn(bytes, len), len, &content_len);
	size_t body = content_len - SMTP_FINAL_DOT_LEN;

	require(memcmp(content + body, ".\r\n", SMTP_FINAL_DOT_LEN) == 0);
	require(body == 0 || memcmp(content + body - 2, "\r\n", 2) == 0);
	for (size_t i = 0; i < body; i++)
		if (content[i] == '.' && (i == 0 || content[i - 1] == '\n'))
			require(content[++i] == '.');
	free(content);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data + 1;

	if (size == 0)
		return 0;
	if (data[0] == 'a')
		check_address(bytes, size - 1);
	else if (data[0] == 'c')
		check_content(bytes, size - 1);
	else
		read_answers(bytes, size - 1, (data[0] & 31) + 1);
	return 0;
}
