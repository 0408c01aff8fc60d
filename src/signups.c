/* usher_signup: the user and the event in one transaction, for applications that register sign-ups. Runs on
 * the caller's thread and touches nothing but the database. */
#include <usher/usher.h>

#include "base/mem.h"
#include "config/config.h"
#include "engine/engine.h"
#include "engine/signup.h"

#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))

struct usher_signups {
	struct db *db;
};

PUBLIC int usher_signups_open(
        const char *config_path, struct usher_signups **ret_signups, struct usher_error *err)
{
	struct config *config;
	struct db_settings settings;
	struct usher_signups *signups;
	int rc = config_load_database(config_path, (const char *const *)environ, NULL, &config, err);

	if (rc < 0)
		return rc;
	settings = engine_db_settings(config);
	signups = mem_alloc(sizeof *signups);
	signups->db = db_new(&settings);
	config_free(config);
	*ret_signups = signups;
	return 0;
}

PUBLIC int usher_signup(struct usher_signups *signups, const struct usher_signup *signup,
        struct usher_signup_result *ret_result, struct usher_error *err)
{
	return signup_register(signups->db, signup, ret_result, err);
}

PUBLIC void usher_signups_close(struct usher_signups *signups)
{
	if (!signups)
		return;
	db_free(signups->db);
	free(signups);
}
