/* Registering a sign-up: the fields are checked, the ids are made, and user and event are stored in one
 * transaction. Blocks on the database; any thread, with a db of its own. */
#include "engine/signup.h"

#include "base/text.h"
#include "model/event.h"
#include "store/outbox.h"

#include <stdio.h>
#include <string.h>

#define DEFAULT_LOCALE "ko-KR"
#define SHA256_TEXT_SIZE 65
#define EVENT_ID_DIGITS 32 /* of the hash: 128 bits */

/* A member signs up once: the same user always has the same event, so that a call repeated after a lost
 * answer finds the first one. */
static void derive_event_id(const char *user_id, char event_id[SHA256_TEXT_SIZE])
{
	sha256_hex(user_id, strlen(user_id), event_id);
	event_id[EVENT_ID_DIGITS] = '\0';
}

int signup_register(struct db *db, const struct usher_signup *signup, struct usher_signup_result *ret_result,
        struct usher_error *err)
{
	const char *locale = signup->locale ? signup->locale : DEFAULT_LOCALE;
	struct usher_signup_result result;
	char event_id[SHA256_TEXT_SIZE], user_id[UUID_TEXT_SIZE], now[WALL_TEXT_SIZE];
	struct event event;
	int rc;

	uuid_new(user_id);
	derive_event_id(signup->user_id ? signup->user_id : user_id, event_id);
	event = (struct event){
		.event_id = event_id,
		.type = (char *)"user-signup",
		.user_id = signup->user_id ? (char *)signup->user_id : user_id,
		.email = (char *)signup->email,
		.name = (char *)signup->name,
		.locale = (char *)locale,
		.signed_up_at = (char *)wall_format(wall_now(), now),
	};
	rc = event_check_fields(event.user_id, event.email, event.name, event.locale, err);
	if (rc == 0)
		rc = outbox_signup(db, &event, result.event_id, err);
	if (rc < 0)
		return rc;
	snprintf(result.user_id, sizeof result.user_id, "%s", event.user_id);
	if (ret_result)
		*ret_result = result;
	return 0;
}
