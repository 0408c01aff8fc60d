/* Requests of the aws broker as they are written: see aws_parts.h. JSON is written by hand, because a tree
 * would be built only to be printed. Pure. */
#include "broker/aws_parts.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

static void quote_bare(struct buf *out, const char *text, size_t len)
{
	size_t from = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		buf_add(out, text + from, i - from);
		from = i + 1;
		if (c == '\t' || c == '\n' || c == '\r') /* all that a body has: see BODY_MAX */
			buf_puts(out, c == '\t' ? "\\t" : c == '\n' ? "\\n" : "\\r");
		else if (c < 0x20)
			buf_printf(out, "\\u%04x", c);
		else
			buf_add(out, (char[]){ '\\', (char)c }, 2);
	}
	buf_add(out, text + from, len - from);
}

void json_quote(struct buf *out, const char *text, size_t len)
{
	buf_putc(out, '"');
	quote_bare(out, text, len);
	buf_putc(out, '"');
}

static void member(struct buf *out, const char *name, const char *text)
{
	buf_printf(out, "\"%s\":", name);
	json_quote(out, text, strlen(text));
}

void write_receive(struct buf *out, const char *url, int max, int64_t visibility_s, int64_t wait_s)
{
	buf_putc(out, '{');
	member(out, "QueueUrl", url);
	buf_printf(out,
	        ",\"MaxNumberOfMessages\":%d,\"VisibilityTimeout\":%lld,\"WaitTimeSeconds\":%lld,"
	        "\"MessageAttributeNames\":[\"All\"],"
	        "\"MessageSystemAttributeNames\":[\"ApproximateReceiveCount\",\"SentTimestamp\"]}",
	        max, (long long)visibility_s, (long long)wait_s);
}

void write_attributes_wanted(struct buf *out, const char *url, const char *const *names, size_t n)
{
	buf_putc(out, '{');
	member(out, "QueueUrl", url);
	buf_puts(out, ",\"AttributeNames\":[");
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "%s\"%s\"", i ? "," : "", names[i]);
	buf_puts(out, "]}");
}

static void write_message(struct buf *out, const struct broker_outgoing *m, bool fifo)
{
	struct buf scratch = VALUE_BUF();
	const char *before = ",\"MessageAttributes\":{";

	buf_puts(out, "\"MessageBody\":");
	json_quote(out, m->body, m->body_len);
	for (size_t i = 0; m->attributes && i < m->attributes->count; i++) {
		const char *value = attribute_value(&m->attributes->list[i], &scratch);
		if (!*value)
			continue;
		buf_puts(out, before);
		json_quote(out, m->attributes->list[i].name, strlen(m->attributes->list[i].name));
		buf_puts(out, ":{\"DataType\":\"" ATTRIBUTE_TYPE "\",");
		member(out, "StringValue", value);
		buf_putc(out, '}');
		before = ",";
	}
	if (before[1] == '\0')
		buf_putc(out, '}');
	if (fifo) {
		char id[UUID_TEXT_SIZE];
		uuid_new(id);
		buf_putc(out, ',');
		member(out, "MessageGroupId", id);
		buf_putc(out, ',');
		member(out, "MessageDeduplicationId", id);
	} else if (m->delay_ms > 0) {
		buf_printf(out, ",\"DelaySeconds\":%lld", (long long)seconds_up(m->delay_ms));
	}
	buf_free(&scratch);
}

void write_entries(struct buf *out, const struct batch *batch)
{
	const char *before = "";

	buf_putc(out, '{');
	member(out, "QueueUrl", batch->op.queue->url);
	buf_puts(out, ",\"Entries\":[");
	for (size_t i = batch->from; i < batch->to; i++) {
		if (batch->results[i].code != ENTRY_WAITS)
			continue;
		buf_printf(out, "%s{\"Id\":\"%zu\",", before, i);
		before = ",";
		if (batch->action == AWS_SEND)
			write_message(out, &batch->outgoing[i], batch->op.queue->fifo);
		else if (batch->action == AWS_DELETE)
			member(out, "ReceiptHandle", batch->receipts[i]);
		else {
			member(out, "ReceiptHandle", batch->visibility[i].receipt);
			buf_printf(out, ",\"VisibilityTimeout\":%lld",
			        (long long)seconds_up(batch->visibility[i].visibility_ms));
		}
		buf_putc(out, '}');
	}
	buf_puts(out, "]}");
}

static void publish_field(
        struct buf *out, size_t member_number, const char *field, const char *text, size_t len)
{
	char name[128];

	snprintf(name, sizeof name, "PublishBatchRequestEntries.member.%zu.%s", member_number, field);
	aws_form_add(out, name, text, len);
}

static void publish_attributes(struct buf *out, size_t k, const struct message_attributes *attributes)
{
	struct buf scratch = VALUE_BUF();
	size_t n = 0;

	for (size_t i = 0; attributes && i < attributes->count; i++) {
		const char *name = attributes->list[i].name;
		const char *value = attribute_value(&attributes->list[i], &scratch);
		char field[64];
		if (!*value)
			continue;
		n++;
		snprintf(field, sizeof field, "MessageAttributes.entry.%zu.Name", n);
		publish_field(out, k, field, name, strlen(name));
		snprintf(field, sizeof field, "MessageAttributes.entry.%zu.Value.DataType", n);
		publish_field(out, k, field, ATTRIBUTE_TYPE, strlen(ATTRIBUTE_TYPE));
		snprintf(field, sizeof field, "MessageAttributes.entry.%zu.Value.StringValue", n);
		publish_field(out, k, field, value, strlen(value));
	}
	buf_free(&scratch);
}

static void publish_entry(struct buf *out, size_t k, size_t id, const struct broker_outgoing *m, bool fifo)
{
	char text[32], fifo_id[FIFO_ID_MAX + 1];

	snprintf(text, sizeof text, "%zu", id);
	publish_field(out, k, "Id", text, strlen(text));
	publish_field(out, k, "Message", m->body, m->body_len);
	publish_attributes(out, k, m->attributes);
	if (!fifo)
		return;
	fifo_id_published(m, fifo_id);
	publish_field(out, k, "MessageGroupId", fifo_id, strlen(fifo_id));
	publish_field(out, k, "MessageDeduplicationId", fifo_id, strlen(fifo_id));
}

void write_publish(struct buf *out, const struct batch *batch, const char *topic_arn)
{
	size_t len = strlen(topic_arn), k = 0;
	bool fifo = len > 5 && strcmp(topic_arn + len - 5, ".fifo") == 0;

	buf_puts(out, "Action=PublishBatch&Version=2010-03-31");
	aws_form_add(out, "TopicArn", topic_arn, len);
	for (size_t i = batch->from; i < batch->to; i++)
		if (batch->results[i].code == ENTRY_WAITS)
			publish_entry(out, ++k, i, &batch->outgoing[i], fifo);
}
