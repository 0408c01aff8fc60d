/* Replies to failure classes: see classify.h. Pure; any thread. */
#include "policy/classify.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

/* What a mail service says when it is too much for now, apart from 4.7.x. Lower case. */
static const char *const sending_limit_words[] = {
	"rate limit",
	"ratelimit",
	"rate exceeded",
	"sending limit",
	"sending rate",
	"send limit",
	"sending quota",
	"message quota",
	"daily limit",
	"hourly limit",
	"throttl",
	"too many",
	"slow down",
	"too fast",
	"too frequent",
};

static bool says_sending_limit(const char *text)
{
	for (size_t i = 0; i < sizeof sending_limit_words / sizeof sending_limit_words[0]; i++)
		if (strcasestr(text, sending_limit_words[i]))
			return true;
	return false;
}

static bool enhanced_is(const struct reply *reply, const char *prefix)
{
	return strncmp(reply->enhanced, prefix, strlen(prefix)) == 0;
}

/* A fault or an answer that tells nothing, once the effect may have happened, must be seen as that. */
static enum failure_class unless_ambiguous(const struct reply *reply, enum failure_class class)
{
	return reply->effect_possible ? FAILURE_AMBIGUOUS : class;
}

static enum failure_class classify_smtp_4xx(const struct reply *reply)
{
	int code = reply->code;
	if (code == 421)
		return FAILURE_SERVICE_DOWN;
	if ((code == 450 || code == 451 || code == 452) && enhanced_is(reply, "4.7."))
		return FAILURE_RATE_LIMITED;
	/* 4.2.x speaks of the member's mailbox ("over its limit"), not of our sending. */
	if (!enhanced_is(reply, "4.2.") && says_sending_limit(reply->text))
		return FAILURE_RATE_LIMITED;
	return FAILURE_SERVICE_DOWN;
}

static enum failure_class classify_smtp_5xx(const struct reply *reply)
{
	int code = reply->code;
	if (code == 530 || code == 534 || code == 535 || code == 538)
		return FAILURE_MISCONFIGURED;
	/* At MAIL a 5.1.x speaks of our own address, as 5.1.7 and 5.1.8 do anywhere (RFC 3463, 3.2). */
	bool recipient = reply->stage >= SMTP_RCPT && strcmp(reply->enhanced, "5.1.7") != 0 &&
	                 strcmp(reply->enhanced, "5.1.8") != 0;
	if (recipient && enhanced_is(reply, "5.1."))
		return FAILURE_INVALID_ADDRESS;
	if (reply->stage == SMTP_RCPT && reply->enhanced[0] == '\0' &&
	        (code == 550 || code == 551 || code == 553))
		return FAILURE_INVALID_ADDRESS;
	return FAILURE_REJECTED;
}

static enum failure_class classify_smtp(const struct reply *reply)
{
	switch (reply->code / 100) {
	case 2:
		return FAILURE_NONE;
	case 4:
		return classify_smtp_4xx(reply);
	case 5:
		return classify_smtp_5xx(reply);
	default:
		return unless_ambiguous(reply, FAILURE_SERVICE_DOWN);
	}
}

/* What the body says wins over the status: services disagree on the status of an empty campaign. */
static enum failure_class classify_http_4xx(const struct reply *reply)
{
	if (strcasecmp(reply->reason, "out_of_stock") == 0)
		return FAILURE_OUT_OF_STOCK;
	if (strcasecmp(reply->reason, "duplicate") == 0 || strcasecmp(reply->reason, "already_granted") == 0)
		return FAILURE_NONE;
	switch (reply->code) {
	case 401:
	case 403:
		return FAILURE_MISCONFIGURED;
	case 408:
		return unless_ambiguous(reply, FAILURE_TIMEOUT);
	case 409:
		return FAILURE_NONE;
	case 429:
		return FAILURE_RATE_LIMITED;
	default:
		return FAILURE_REJECTED;
	}
}

static enum failure_class classify_http(const struct reply *reply)
{
	switch (reply->code / 100) {
	case 2:
		return FAILURE_NONE;
	case 3:
		return FAILURE_MISCONFIGURED; /* the url is not the service's own */
	case 4:
		return classify_http_4xx(reply);
	case 5:
		return FAILURE_SERVICE_DOWN;
	default:
		return unless_ambiguous(reply, FAILURE_SERVICE_DOWN);
	}
}

static enum failure_class classify_answer(const struct reply *reply)
{
	switch (reply->protocol) {
	case REPLY_SMTP:
		return classify_smtp(reply);
	case REPLY_HTTP:
		return classify_http(reply);
	case REPLY_LOCAL:
		break;
	}
	return FAILURE_SERVICE_DOWN; /* nothing was sent, so nothing was done */
}

enum failure_class classify_reply(const struct reply *reply)
{
	switch (reply->fault) {
	case FAULT_NONE:
		return classify_answer(reply);
	case FAULT_TIMEOUT:
		return unless_ambiguous(reply, FAILURE_TIMEOUT);
	case FAULT_LOGIN:
		/* "454 temporary authentication failure": the password may be right. */
		return reply->code / 100 == 4 ? classify_smtp_4xx(reply) : FAILURE_MISCONFIGURED;
	case FAULT_BAD_ADDRESS:
		return FAILURE_INVALID_ADDRESS;
	case FAULT_BAD_TEMPLATE:
		return FAILURE_MISCONFIGURED;
	case FAULT_CONNECT:
	case FAULT_TLS:
	case FAULT_PROTOCOL:
		break;
	}
	return unless_ambiguous(reply, FAILURE_SERVICE_DOWN);
}

/* -- Reply lines -------------------------------------------------------------------------------- */

/* Bytes of "2.1.5" at text (RFC 3463: class, subject, detail), 0 if it is none. */
static size_t enhanced_length(const char *text)
{
	size_t len = 1;
	if (*text != '2' && *text != '4' && *text != '5')
		return 0;
	for (int part = 0; part < 2; part++) {
		size_t digits = 0;
		if (text[len++] != '.')
			return 0;
		while (digits < 4 && isdigit((unsigned char)text[len + digits]))
			digits++;
		if (digits < 1 || digits > 3)
			return 0;
		len += digits;
	}
	return text[len] == '\0' || isspace((unsigned char)text[len]) ? len : 0;
}

int smtp_reply_parse(const char *line, char enhanced[16], const char **ret_text)
{
	int code = 0;
	enhanced[0] = '\0';
	*ret_text = line;
	for (int i = 0; i < 3; i++) {
		if (line[i] < '0' || line[i] > '9')
			return 0;
		code = code * 10 + (line[i] - '0');
	}
	char behind = line[3];
	if (code < 200 || code > 599 ||
	        (behind != '\0' && behind != ' ' && behind != '-' && behind != '\r' && behind != '\n'))
		return 0;
	const char *text = line + 3;
	text += behind == ' ' || behind == '-';
	size_t len = enhanced_length(text);
	memcpy(enhanced, text, len);
	enhanced[len] = '\0';
	text += len;
	while (*text == ' ' || *text == '\t')
		text++;
	*ret_text = text;
	return code;
}
