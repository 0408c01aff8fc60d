/* What kind of failure is this reply? Pure. The tables stand in usher-api(7). */
#ifndef POLICY_CLASSIFY_H
#define POLICY_CLASSIFY_H

#include "model/failure.h"
#include "model/reply.h"

/* FAILURE_NONE: delivered. An HTTP reply that says the coupon was granted already is delivered. */
enum failure_class classify_reply(const struct reply *reply);

/* Splits an SMTP reply line's text: "550 5.1.1 No such user" -> code, enhanced, rest. Returns the
 * code, 0 if the line is no SMTP reply. `enhanced` gets "" when there is none. */
int smtp_reply_parse(const char *line, char enhanced[16], const char **ret_text);

#endif
