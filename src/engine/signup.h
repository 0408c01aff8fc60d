/* Registering a sign-up: the one way in, for usher_signup() and POST /v1/signups. */
#ifndef ENGINE_SIGNUP_H
#define ENGINE_SIGNUP_H

#include <usher/usher.h>

#include "store/db.h"

/* As usher_signup(), on the caller's db. */
int signup_register(struct db *db, const struct usher_signup *signup, struct usher_signup_result *ret_result,
        struct usher_error *err);

#endif
