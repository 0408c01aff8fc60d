/* Registering a sign-up: the fields are checked, the ids are made, and user and event are stored in one
 * transaction. Blocks on the database; any thread, with a db of its own. */
#include "engine/signup.h"

#include "base/text.h"
#include "model/event.h"
#include "store/outbox.h"

#include <stdio.h>

#define DEFAULT_LOCALE "ko-KR"

int signup_register(struct db *db, const struct usher_signup *signup, struct usher_signup_result *ret_result,
        struct usher_error *err)
{
	const char *locale = signup->locale ? signup->locale : DEFAULT_LOCALE;
	struct usher_signup_result result;
	char event_id[UUID_TEXT_SIZE], user_id[UUID_TEXT_SIZE], now[WALL_TEXT_SIZE];
	struct event event;
	int rc;

	uuid_new(event_id);
	uuid_new(user_id);
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
