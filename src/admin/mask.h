/* Personal data inside texts. Pure; any thread. */
#ifndef ADMIN_MASK_H
#define ADMIN_MASK_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

#define MASK_DEPTH_MAX 4 /* JSON inside a string inside JSON... beyond it a string is starred out */
#define MASK_TEXT_MAX (4 * 1024 * 1024) /* bytes of a masked text */
#define MASK_UNPACKED_MAX (1024 * 1024) /* bytes that come out of all packed texts of a body together */

/* Copies text with every e-mail address in it masked. */
void mask_addresses(const char *text, size_t len, struct buf *out);

/* A message's body as an operator may see it. JSON: the values of email, name, userId, user_id and
 * recipient at any depth are masked, and addresses in all other strings; JSON inside a string (an SNS
 * envelope's Message) is gone through too. gzip+base64 is unpacked first. What is no JSON is shown as it is,
 * with addresses masked and the values behind those five names; what is packed and cannot be unpacked is not
 * shown. Invalid UTF-8 becomes U+FFFD. */
void mask_payload(const void *bytes, size_t len, struct buf *out);

#endif
