/* The reply-line parser and the classifier on arbitrary lines. The first byte is the stage and the fault; the
 * rest is the line. */
#include "base/text.h"
#include "model/reply.h"
#include "policy/classify.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void require_enhanced(const char *enhanced)
{
	size_t len = strlen(enhanced);
	require(len == 0 ||
	        (len >= 5 && len <= 9 && strspn(enhanced, "0123456789.") == len && strchr("245", *enhanced)));
}

static void require_sane_class(const struct reply *reply)
{
	enum failure_class class = classify_reply(reply);
	require(class >= FAILURE_NONE && class < FAILURE_COUNT);
	if (class == FAILURE_NONE)
		require(reply->fault == FAULT_NONE && reply->code >= 200 && reply->code <= 299);
	if (class == FAILURE_INVALID_ADDRESS && reply->fault == FAULT_NONE)
		require(reply->code >= 500 && reply->stage >= SMTP_RCPT);
	if (class == FAILURE_AMBIGUOUS)
		require(reply->effect_possible);
	/* What the service calls temporary is tried again. */
	if (reply->fault == FAULT_NONE && reply->code / 100 == 4)
		require(failure_info(class)->retried);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reply reply = { .protocol = REPLY_SMTP };
	const char *text = NULL;
	char described[200];
	if (size < 1)
		return 0;
	char *line = malloc(size);
	require(line != NULL);
	memcpy(line, data + 1, size - 1);
	line[size - 1] = '\0';
	reply.stage = (enum smtp_stage)(data[0] % 5);
	reply.fault = (enum reply_fault)(data[0] / 8 % 8);
	reply.effect_possible = data[0] >= 128;
	reply.code = smtp_reply_parse(line, reply.enhanced, &text);
	require(reply.code == 0 || (reply.code >= 200 && reply.code <= 599));
	require(text >= line && text <= line + strlen(line));
	require(reply.code != 0 || (text == line && reply.enhanced[0] == '\0'));
	require_enhanced(reply.enhanced);
	utf8_copy(reply.text, sizeof reply.text, text, strlen(text));
	require_sane_class(&reply);
	reply_describe(&reply, described, sizeof described);
	require(utf8_valid(described, strlen(described)));
	free(line);
	return 0;
}
