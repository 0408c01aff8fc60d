/* Messages as sqs_sink reads and stores them: texts of answers, MD5s, and a letter's way into a queue. */
#ifndef BENCH_SQS_LETTER_H
#define BENCH_SQS_LETTER_H

#include "sink.h"
#include "sqs_queue.h"

#include <openssl/evp.h>
#include <stdarg.h>

#define ATTRIBUTES_MAX 10
#define BODY_OF_ANSWER (OUT_MAX - 1024)

struct text { /* of an answer; what has no room ends the program */
	char data[BODY_OF_ANSWER];
	size_t len;
};

/* -- Texts -------------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void say(struct text *out, const char *format, ...)
{
	va_list values;

	va_start(values, format);
	int n = vsnprintf(out->data + out->len, sizeof(out->data) - out->len, format, values);
	va_end(values);
	if (n < 0 || (size_t)n >= sizeof(out->data) - out->len)
		die("sqs_sink: an answer has no room");
	out->len += (size_t)n;
}

static void quote(struct text *out, const char *value)
{
	if (out->len + 6 * strlen(value) + 3 > sizeof(out->data))
		die("sqs_sink: an answer has no room");
	char *at = out->data + out->len;
	*at++ = '"';
	for (; *value; value++) {
		if (*value == '"' || *value == '\\') {
			*at++ = '\\';
			*at++ = *value;
		} else if ((unsigned char)*value < ' ') {
			at += sprintf(at, "\\u%04x", (unsigned)*value);
		} else {
			*at++ = *value;
		}
	}
	*at++ = '"';
	*at = '\0';
	out->len = (size_t)(at - out->data);
}

static void md5(const void *bytes, size_t len, char hex[33])
{
	unsigned char digest[EVP_MAX_MD_SIZE];

	EVP_Digest(bytes, len, digest, NULL, EVP_md5(), NULL);
	for (int i = 0; i < 16; i++)
		sprintf(hex + 2 * i, "%02x", digest[i]);
}

/* -- Messages ----------------------------------------------------------------------------------- */

struct attribute {
	const char *name, *type, *value;
};

struct letter {
	const char *body;
	struct attribute attributes[ATTRIBUTES_MAX];
	size_t n;
	char body_md5[33], attributes_md5[33]; /* the latter "" without attributes */
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct attribute *)a)->name, ((const struct attribute *)b)->name);
}

static void add_counted(struct text *out, const char *value)
{
	uint32_t len = htonl((uint32_t)strlen(value));

	if (out->len + 4 + strlen(value) >= sizeof(out->data))
		die("sqs_sink: attributes have no room");
	memcpy(out->data + out->len, &len, 4);
	memcpy(out->data + out->len + 4, value, strlen(value));
	out->len += 4 + strlen(value);
}

/* As the SQS developer guide has it: sorted by name, each part behind its length. */
static void letter_seal(struct letter *letter)
{
	struct text whole;

	md5(letter->body, strlen(letter->body), letter->body_md5);
	letter->attributes_md5[0] = '\0';
	if (!letter->n)
		return;
	whole.len = 0;
	qsort(letter->attributes, letter->n, sizeof(*letter->attributes), by_name);
	for (size_t i = 0; i < letter->n; i++) {
		add_counted(&whole, letter->attributes[i].name);
		add_counted(&whole, letter->attributes[i].type);
		whole.data[whole.len++] = 1;
		add_counted(&whole, letter->attributes[i].value);
	}
	md5(whole.data, whole.len, letter->attributes_md5);
}

static void letter_post(struct queue *queue, const struct letter *letter, uint64_t delay_ms)
{
	struct text json;

	json.len = 0;
	say(&json, "\"Body\":");
	quote(&json, letter->body);
	say(&json, ",\"MD5OfBody\":\"%s\"", letter->body_md5);
	if (letter->n)
		say(&json, ",\"MD5OfMessageAttributes\":\"%s\",\"MessageAttributes\":{",
		        letter->attributes_md5);
	for (size_t i = 0; i < letter->n; i++) {
		say(&json, "%s", i ? "," : "");
		quote(&json, letter->attributes[i].name);
		say(&json, ":{\"DataType\":\"%s\",\"StringValue\":", letter->attributes[i].type);
		quote(&json, letter->attributes[i].value);
		say(&json, "}");
	}
	say(&json, "%s", letter->n ? "}" : "");
	queue_put(queue, strdup(json.data), now_ms(), delay_ms);
}

#endif
