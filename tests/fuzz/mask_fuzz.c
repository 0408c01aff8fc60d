/* The masks on arbitrary bodies and words. What comes out is UTF-8, within its limits, and the same when it
 * is masked once more; a member's address put into the middle of anything does not come through. */
#include "base/mask.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ADDRESS " zqzqzqzq@example.com "

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void check_words(const char *text, size_t len)
{
	static const struct mask_person person = { "minsu@example.com", "김민수", "u-12345" };
	struct buf out = BUF(len * MASK_WORDS_GROWTH + 1), loose = BUF(MASK_TEXT_MAX);

	mask_words(text, len, &person, &out);
	require(!out.failed && out.len <= len * MASK_WORDS_GROWTH);
	mask_loose(text, len, &loose);
	buf_free(&out);
	buf_free(&loose);
}

static void check_payload(const char *text, size_t len)
{
	struct buf out = BUF(MASK_TEXT_MAX);

	mask_payload(text, len, &out);
	require(!out.failed && utf8_valid(buf_str(&out), out.len));
	require(!strstr(buf_str(&out), "zqzqzqzq@example.com"));
	buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct buf mixed = BUF(size + sizeof ADDRESS);

	check_words(text, size);
	check_payload(text, size);
	buf_add(&mixed, text, size / 2);
	buf_puts(&mixed, ADDRESS);
	buf_add(&mixed, text + size / 2, size - size / 2);
	check_payload(buf_str(&mixed), mixed.len);
	buf_free(&mixed);
	return 0;
}
