/* What both directions of the aws broker's codec share: what may be sent, sums, FIFO ids: see aws_parts.h.
 * Pure. */
#include "broker/aws_parts.h"

#include "base/text.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define MD5_HEX_SIZE 33
#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

/* -- Checks ----------------------------------------------------------------------------------- */

void entry_refuse(struct broker_entry_result *result, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(result->message, sizeof result->message, fmt, ap);
	va_end(ap);
	result->code = code;
}

int64_t seconds_up(int64_t ms)
{
	return (ms + 999) / 1000;
}

/* What XML 1.0 can carry, which is what the services take. */
static bool carried(uint32_t c)
{
	return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c < 0xFFFE) || c >= 0x10000;
}

/* Bytes up to the first that cannot be sent. */
static size_t sendable(const char *text, size_t len)
{
	size_t at = 0;

	while (at < len) {
		uint32_t c = (unsigned char)text[at];
		size_t bytes = c < 0x80 ? 1 : utf8_next(text + at, len - at, &c);
		if (bytes == 0 || !carried(c))
			break;
		at += bytes;
	}
	return at;
}

/* The value as it is sent. A dead message must reach its DLQ whatever its reason is made of. */
const char *attribute_value(const struct message_attribute *attribute, struct buf *scratch)
{
	const char *value = attribute->value;
	size_t len = strlen(value), good = sendable(value, len);

	if (good == len)
		return value;
	buf_clear(scratch);
	for (size_t at = 0;;) {
		buf_add(scratch, value + at, good);
		at += good;
		if (at == len)
			break;
		buf_puts(scratch, REPLACEMENT);
		uint32_t c;
		size_t bytes = utf8_next(value + at, len - at, &c);
		at += bytes ? bytes : 1;
		good = sendable(value + at, len - at);
	}
	return buf_str(scratch);
}

size_t outgoing_size(const struct broker_outgoing *m)
{
	struct buf scratch = VALUE_BUF();
	size_t size = m->body_len;

	for (size_t i = 0; m->attributes && i < m->attributes->count; i++)
		size += strlen(m->attributes->list[i].name) + strlen(ATTRIBUTE_TYPE) +
		        strlen(attribute_value(&m->attributes->list[i], &scratch));
	buf_free(&scratch);
	return size;
}

void outgoing_check(const struct broker_outgoing *m, size_t size_max, bool delay_allowed,
        struct broker_entry_result *result)
{
	size_t size = outgoing_size(m), good;

	if (m->body_len == 0)
		entry_refuse(result, USHER_EINVAL, "SNS and SQS carry no empty body");
	else if (size > size_max)
		entry_refuse(result, USHER_ETOOBIG, "the body with its attributes is over %zu KiB",
		        size_max / 1024);
	else if ((good = sendable(m->body, m->body_len)) < m->body_len)
		entry_refuse(result, USHER_EINVAL,
		        "SNS and SQS carry text only: byte %zu of the body is no UTF-8, or a control "
		        "character",
		        good);
	else if (m->delay_ms != 0 && !delay_allowed)
		entry_refuse(result, USHER_EINVAL, "what is published to a topic cannot be delayed");
	else if (m->delay_ms < 0 || m->delay_ms > AWS_DELAY_MAX_MS)
		entry_refuse(result, USHER_EINVAL, "a delay is 0 to 15 minutes");
}

/* -- Sums ------------------------------------------------------------------------------------- */

/* False where MD5 is not to be had (a FIPS machine): then nothing is compared. */
static bool md5_of(const void *bytes, size_t len, char hex[MD5_HEX_SIZE])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned size = 0;

	if (EVP_Digest(bytes, len, digest, &size, EVP_md5(), NULL) != 1)
		return false;
	for (unsigned i = 0; i < size; i++)
		snprintf(hex + 2 * (size_t)i, 3, "%02x", digest[i]);
	return true;
}

bool md5_matches(const char *said, const void *bytes, size_t len)
{
	char own[MD5_HEX_SIZE];

	return !said || !md5_of(bytes, len, own) || strcasecmp(said, own) == 0;
}

static void sum_add(struct buf *out, const char *text)
{
	size_t len = strlen(text);
	unsigned char size[4] = { (unsigned char)(len >> 24), (unsigned char)(len >> 16),
		(unsigned char)(len >> 8), (unsigned char)len };

	buf_add(out, size, sizeof size);
	buf_add(out, text, len);
}

/* SQS's sum over attributes: sorted by name; name, type, one byte for "a text", value; each with its length.
 */
bool attributes_match(const char *said, const struct message_attributes *attributes)
{
	const struct message_attribute *sorted[MESSAGE_ATTRIBUTES_MAX];
	struct buf sum = VALUE_BUF(), scratch = VALUE_BUF();
	size_t n = 0;

	for (size_t i = 0; attributes && i < attributes->count; i++) {
		size_t k = n;
		if (!*attributes->list[i].value)
			continue;
		for (; k > 0 && strcmp(sorted[k - 1]->name, attributes->list[i].name) > 0; k--)
			sorted[k] = sorted[k - 1];
		sorted[k] = &attributes->list[i];
		n++;
	}
	for (size_t i = 0; i < n; i++) {
		sum_add(&sum, sorted[i]->name);
		sum_add(&sum, ATTRIBUTE_TYPE);
		buf_putc(&sum, 1);
		sum_add(&sum, attribute_value(sorted[i], &scratch));
	}
	bool ok = n == 0 || md5_matches(said, buf_str(&sum), sum.len);
	buf_free(&sum);
	buf_free(&scratch);
	return ok;
}

/* -- FIFO ------------------------------------------------------------------------------------- */

/* Ids are ASCII without spaces, at most 128 characters; what is not becomes its hash. */
static void fifo_id(const char *text, size_t len, char id[FIFO_ID_MAX + 1])
{
	bool plain = len > 0 && len <= FIFO_ID_MAX;

	for (size_t i = 0; i < len && plain; i++)
		plain = text[i] > ' ' && text[i] < 0x7F;
	if (plain)
		snprintf(id, FIFO_ID_MAX + 1, "%.*s", (int)len, text);
	else
		sha256_hex(text, len, id);
}

void fifo_id_published(const struct broker_outgoing *m, char id[FIFO_ID_MAX + 1])
{
	const char *event = m->attributes ? message_attribute_get(m->attributes, ATTRIBUTE_EVENT_ID) : NULL;

	if (event && *event)
		fifo_id(event, strlen(event), id);
	else
		sha256_hex(m->body, m->body_len, id);
}
