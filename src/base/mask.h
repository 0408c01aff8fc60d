/* Personal data, hidden: one place that knows what it is called, how it looks, and what is left of it. The
 * log, the admin API and what they quote all come here. Which kinds are hidden is set for the whole process,
 * as the log's level is; until mask_setup all of them are. Any thread; what is set may change meanwhile. */
#ifndef BASE_MASK_H
#define BASE_MASK_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

#define MASK_DEPTH_MAX 4 /* JSON inside a string inside JSON... beyond it a string is starred out */
#define MASK_TEXT_MAX (4 * 1024 * 1024) /* bytes of a masked text */
#define MASK_UNPACKED_MAX (1024 * 1024) /* bytes that come out of all packed texts of a body together */
#define MASK_FIELDS_MAX 32              /* names in mask_settings.fields; those beyond are not looked at */
#define MASK_FIELD_NAME_MAX 64          /* bytes of one of them */
#define MASK_VALUE_SIZE 512             /* enough for a masked value; a longer one is cut */
#define MASK_WORDS_GROWTH 2             /* masked words are at most so many times as long */

enum mask_kind {
	MASK_NOTHING,
	MASK_EMAIL,   /* mi***@example.com */
	MASK_NAME,    /* 김*수, M**** */
	MASK_USER_ID, /* u-1*** */
	MASK_PHONE,   /* ***78 */
	MASK_FIELD    /* *** : named by the operator */
};

struct mask_settings {
	bool email, name, user_id, phone; /* false: shown as it is */
	const char *fields;               /* further names of JSON members, commas between; NULL: none */
};
void mask_setup(const struct mask_settings *settings);

/* What the name of a JSON member, a form field, a message attribute says of its value. "e-mail", "userEmail"
 * and "E_MAIL2" are one name. MASK_NOTHING: nothing personal, or a kind that is not hidden. */
enum mask_kind mask_kind_of(const char *name, size_t len);
/* The value as it may be shown; out is NUL-terminated. A kind that is not hidden is copied. */
void mask_value(enum mask_kind kind, const char *value, char *out, size_t size);

/* Whom a text is known to be about; any may be NULL. */
struct mask_person {
	const char *email, *name, *user_id;
};
/* Copies a text of others - a reply, a reason, a log line - with what is personal in it masked: whatever
 * looks like a mail address, values behind personal names ("userId":"7", userId=7), and what is known of
 * `person` (NULL: nothing), shorter values than MASK_KNOWN_MIN excepted. Allocates nothing where out has
 * room. */
#define MASK_KNOWN_MIN 3
void mask_words(const char *text, size_t len, const struct mask_person *person, struct buf *out);
/* The same of a body that is no JSON: also what stands behind "name: " and between <name> and </name>. */
void mask_loose(const char *text, size_t len, struct buf *out);

/* A message's body as an operator may see it. JSON: values of personal names are masked at any depth, and all
 * other strings as by mask_words; JSON inside a string (an SNS envelope's Message) is gone through too.
 * gzip+base64 is unpacked first. What is no JSON goes through mask_loose; what is packed and cannot be
 * unpacked is not shown. Invalid UTF-8 becomes U+FFFD. */
void mask_payload(const void *bytes, size_t len, struct buf *out);

#endif
