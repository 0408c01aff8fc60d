/* The sign-up event and how it is dug out of a message. No I/O; any thread.
 *
 * A body may be the event itself or an SNS notification envelope around it ("Type":"Notification",
 * the event in "Message"), either one plain or gzip+base64 (attribute content-encoding: gzip, on the
 * message or in the envelope's MessageAttributes). */
#ifndef MODEL_EVENT_H
#define MODEL_EVENT_H

#include "base/buf.h"

#include <stddef.h>
#include <usher/error.h>

/* Bytes of a body as received, which is what SQS carries, and of an event unpacked: a bomb ends here. */
#define EVENT_BODY_MAX (1024 * 1024)
#define EVENT_ID_MAX 128    /* bytes; also user ids */
#define EVENT_EMAIL_MIN 3   /* bytes; asked of a sign-up, not of an event that has happened */
#define EVENT_EMAIL_MAX 320 /* bytes */
#define EVENT_NAME_MAX 200  /* code points */
#define EVENT_LOCALE_MAX 35 /* bytes */
#define EVENT_TIME_MAX 64   /* bytes */

/* All strings are owned by the event, valid UTF-8, free of control characters, within the limits. */
struct event {
	char *event_id; /* never NULL: the event's own, else the SNS, else the broker's message id */
	char *type;     /* "user-signup" */
	char *user_id;
	char *email; /* not checked for being deliverable: that is the channel's answer */
	char *name;
	char *locale;       /* "ko-KR" when absent */
	char *signed_up_at; /* RFC 3339; NULL when absent */
};

struct event_source {
	const void *body;
	size_t body_len;
	const char *content_encoding; /* message attribute; NULL when absent */
	const char *message_id;       /* the broker's; stands in for a missing eventId */
};

/* USHER_EINVAL: not an event; the message is for the operator and names the field and the limit, and
 * when the event id could still be read it is in ret_event_id (EVENT_ID_MAX+1 bytes, may be NULL;
 * otherwise it becomes the envelope's usher.event_id, its MessageId, or source->message_id; "" when there is
 * none). A member that is null counts as absent. Required: type "user-signup", userId, email, name (strings).
 * Unknown fields are kept by keeping the body. A 1 MB field, wrong types, control characters (CR, LF, NUL...)
 * in a field, ids that are numbers are refused, each by its name. */
int event_decode(const struct event_source *source, struct event **ret_event, char *ret_event_id,
        struct usher_error *err);
/* Appends the event's own JSON text, out of envelope and packing; it is one JSON object, and may be no valid
 * event. USHER_EINVAL as in event_decode, when there is no such text. */
int event_text(const struct event_source *source, struct buf *out, struct usher_error *err);
void event_free(struct event *event); /* NULL is allowed */

/* The event as JSON, as published: appends to out. */
void event_encode(const struct event *event, struct buf *out);

/* Checks one sign-up's fields by the rules of event_decode and EVENT_EMAIL_MIN (used by usher_signup). NULL
 * for user_id or locale means that the caller fills it in, and is allowed; email and name are required. */
int event_check_fields(const char *user_id, const char *email, const char *name, const char *locale,
        struct usher_error *err);

#endif
