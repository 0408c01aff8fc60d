/* What an outside service said to one attempt, as bare facts. A channel fills it, policy/classify
 * judges it, the store keeps it, the operator reads it. Plain data. */
#ifndef MODEL_REPLY_H
#define MODEL_REPLY_H

#include <stdbool.h>
#include <stdint.h>

enum reply_protocol { REPLY_SMTP, REPLY_HTTP, REPLY_LOCAL /* never reached the wire */ };

enum reply_fault {
	FAULT_NONE,         /* the service answered: see code */
	FAULT_CONNECT,      /* refused, unreachable, name not found, connection cut */
	FAULT_TLS,          /* no TLS where required, certificate not verified */
	FAULT_TIMEOUT,      /* no answer in time */
	FAULT_LOGIN,        /* SMTP login refused (code and text hold the answer where known) */
	FAULT_BAD_ADDRESS,  /* the address cannot be put on the wire */
	FAULT_BAD_TEMPLATE, /* the message could not be made from its template */
	FAULT_PROTOCOL      /* the answer made no sense */
};

enum smtp_stage { SMTP_CONNECT, SMTP_MAIL, SMTP_RCPT, SMTP_DATA, SMTP_DOT };

#define REPLY_TEXT_MAX 512
#define REPLY_REASON_MAX 64
#define REPLY_EFFECT_MAX 300

struct reply {
	enum reply_protocol protocol;
	enum reply_fault fault;
	enum smtp_stage stage;         /* SMTP only: where it was said */
	int code;                      /* SMTP reply code or HTTP status; 0 when there was none */
	char enhanced[16];             /* SMTP enhanced status "5.1.1", else "" */
	char text[REPLY_TEXT_MAX];     /* the service's own words, UTF-8, one line */
	char reason[REPLY_REASON_MAX]; /* HTTP: the answer's machine-readable "code" ("out_of_stock") */
	bool effect_possible;          /* fault came after the effect may have happened */
	int64_t retry_after_ms;        /* as the service asked; 0 when it did not */
	char effect[REPLY_EFFECT_MAX]; /* what is known of the effect: Message-ID, or coupon id and key */
	int64_t latency_ms;
};

const char *reply_fault_name(enum reply_fault fault);
const char *smtp_stage_name(enum smtp_stage stage);

/* One line for an operator: "SMTP 550 5.1.1 at RCPT: no such user". Returns text. */
const char *reply_describe(const struct reply *reply, char *text, unsigned size);

#endif
