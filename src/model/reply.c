/* Replies in words. No I/O; any thread. */
#include "model/reply.h"

#include "base/buf.h"
#include "base/text.h"

#define DESCRIPTION_MAX 1024 /* all parts of a reply at their limits, and the words between */

static const struct {
	const char *name;  /* for machines */
	const char *words; /* for operators */
} faults[] = {
	[FAULT_NONE] = { "", "" },
	[FAULT_CONNECT] = { "connect", "no connection" },
	[FAULT_TLS] = { "tls", "no secure connection" },
	[FAULT_TIMEOUT] = { "timeout", "no answer in time" },
	[FAULT_LOGIN] = { "login", "login refused" },
	[FAULT_BAD_ADDRESS] = { "bad_address", "the address cannot be sent to" },
	[FAULT_BAD_TEMPLATE] = { "bad_template", "the message cannot be made from its template" },
	[FAULT_PROTOCOL] = { "protocol", "an answer that makes no sense" },
};

static const char *const stages[] = {
	[SMTP_CONNECT] = "connect",
	[SMTP_MAIL] = "MAIL",
	[SMTP_RCPT] = "RCPT",
	[SMTP_DATA] = "DATA",
	[SMTP_DOT] = "final dot",
};

const char *reply_fault_name(enum reply_fault fault)
{
	return faults[fault].name;
}

const char *smtp_stage_name(enum smtp_stage stage)
{
	return stages[stage];
}

const char *reply_describe(const struct reply *reply, char *text, unsigned size)
{
	static const char *const protocols[] = {
		[REPLY_SMTP] = "SMTP", [REPLY_HTTP] = "HTTP", [REPLY_LOCAL] = "not sent:"
	};
	char memory[DESCRIPTION_MAX + 1];
	struct buf line = { .data = memory, .cap = sizeof memory, .max = DESCRIPTION_MAX };
	buf_puts(&line, protocols[reply->protocol]);
	if (reply->fault != FAULT_NONE)
		buf_printf(&line, " %s", faults[reply->fault].words);
	if (reply->code > 0)
		buf_printf(&line, " %d", reply->code);
	if (reply->enhanced[0])
		buf_printf(&line, " %s", reply->enhanced);
	if (reply->reason[0])
		buf_printf(&line, " %s", reply->reason);
	if (reply->protocol == REPLY_SMTP)
		buf_printf(&line, " at %s", stages[reply->stage]);
	if (reply->text[0])
		buf_printf(&line, ": %s", reply->text);
	if (reply->effect_possible)
		buf_puts(&line, reply->protocol == REPLY_SMTP ? " (a copy may have gone out)"
		                                              : " (it may have been done)");
	utf8_copy(text, size, line.data, line.len);
	return text;
}
