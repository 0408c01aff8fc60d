/* Credentials from the files that AWS's tools share: which profile, which file, and what its keys mean.
 * aws_credentials_profile.c reads their text. May call the shared parts and libc. Runs on the loop's
 * thread; the files are small and local. */
#include "base/error.h"
#include "base/mem.h"
#include "net/aws_credentials_parts.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CREDENTIALS_FILE, CONFIG_FILE, FILES };

static const struct {
	const char *variable, *in_home;
} file_names[FILES] = {
	[CREDENTIALS_FILE] = { "AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials" },
	[CONFIG_FILE] = { "AWS_CONFIG_FILE", "/.aws/config" },
};

/* -- Which files, which profile ------------------------------------------------------------------- */

/* False where there is no home to look in. */
static bool file_path(const struct aws_provider_settings *settings, int file, char path[PATH_MAX])
{
	const char *given = aws_env_of(settings, file_names[file].variable);
	const char *home = aws_env_of(settings, "HOME");
	bool in_home = !given || strncmp(given, "~/", 2) == 0;

	if (in_home && !home)
		return false;
	int len = snprintf(path, PATH_MAX, "%s%s", in_home ? home : "",
	        !given    ? file_names[file].in_home
	        : in_home ? given + 1
	                  : given);
	return len > 0 && len < PATH_MAX;
}

struct aws_files_stamp aws_files_stamp(const struct aws_provider_settings *settings)
{
	struct aws_files_stamp stamp = { 0 };
	char path[PATH_MAX];
	struct stat about;

	for (int file = 0; file < FILES; file++) {
		if (!file_path(settings, file, path) || stat(path, &about) < 0)
			continue;
		stamp.files[file].mtime_ns =
		        (int64_t)about.st_mtim.tv_sec * 1000000000 + about.st_mtim.tv_nsec;
		stamp.files[file].size = about.st_size;
		stamp.files[file].inode = about.st_ino;
	}
	return stamp;
}

bool aws_files_same(const struct aws_files_stamp *a, const struct aws_files_stamp *b)
{
	for (int file = 0; file < FILES; file++)
		if (a->files[file].mtime_ns != b->files[file].mtime_ns ||
		        a->files[file].size != b->files[file].size ||
		        a->files[file].inode != b->files[file].inode)
			return false;
	return true;
}

static const char *profile_name(const struct aws_lookup *lookup)
{
	const char *name =
	        lookup->settings->profile ? lookup->settings->profile : aws_env(lookup, "AWS_PROFILE");

	return name ? name : "default";
}

static bool profile_is_asked_for(const struct aws_lookup *lookup)
{
	return lookup->settings->profile || aws_env(lookup, "AWS_PROFILE");
}

/* /dev/null is how a file is switched off. */
static bool switched_off(const char *path)
{
	return strcmp(path, "/dev/null") == 0;
}

/* What a file says of the profile; 0 also where there is no such file. USHER_EIO: it cannot be read;
 * USHER_ECONFIG: what stands there is broken. */
static int read_profile(
        const struct aws_lookup *lookup, int file, struct aws_profile *ret, struct usher_error *err)
{
	char path[PATH_MAX], *text;
	size_t len;

	if (!file_path(lookup->settings, file, path) || switched_off(path))
		return 0;
	int rc = aws_file_read(path, &text, &len, err);
	if (rc < 0)
		return rc == USHER_ENOTFOUND ? 0 : rc;
	rc = aws_profile_parse(text, len, profile_name(lookup), file == CONFIG_FILE, ret, err);
	mem_wipe(text, len);
	free(text);
	return rc < 0 ? error_prefix(err, rc, "%s", path) : 0;
}

/* -- What a profile offers ------------------------------------------------------------------------ */

static bool is_web_identity(const struct aws_profile *profile)
{
	return profile->role && profile->token_file && !profile->source_profile;
}

static void refuse(struct aws_lookup *lookup, int file, const char *key, const char *instead)
{
	char path[PATH_MAX];

	file_path(lookup->settings, file, path);
	aws_lookup_failed(lookup, USHER_ECONFIG,
	        "profile %s of %s uses %s, which usher does not: %s, or give usher's machine a role",
	        profile_name(lookup), path, key, instead);
}

/* Keys beside a role are there to assume it, in the AWS SDKs: to sign with them alone would be to sign as
 * somebody else. */
static bool refuse_role(struct aws_lookup *lookup, int file, const struct aws_profile *profile)
{
	if (!profile->role || is_web_identity(profile))
		return false;
	refuse(lookup, file, "role_arn", "take it out, so that the profile's keys sign");
	return true;
}

/* The same for a role that stands in config, while the keys stand in credentials. What cannot be read has
 * none. */
static bool refuse_role_of_config(struct aws_lookup *lookup)
{
	struct aws_profile profile = { 0 };
	struct usher_error err;
	int rc = read_profile(lookup, CONFIG_FILE, &profile, &err);
	bool refused = rc == USHER_ECONFIG;

	if (refused)
		aws_lookup_failed(lookup, USHER_ECONFIG, "%s", err.message);
	else
		refused = refuse_role(lookup, CONFIG_FILE, &profile);
	aws_profile_free(&profile);
	return refused;
}

static void take_keys(struct aws_lookup *lookup, int file, const struct aws_profile *profile)
{
	char path[PATH_MAX];

	if (refuse_role(lookup, file, profile) || (file == CREDENTIALS_FILE && refuse_role_of_config(lookup)))
		return;
	file_path(lookup->settings, file, path);
	aws_lookup_found(
	        lookup, aws_credentials_new(profile->access_key, profile->secret_key, profile->session_token,
	                        (wall_time){ 0 }, "profile %s of %s", profile_name(lookup), path));
}

static void refuse_half(struct aws_lookup *lookup, int file, const struct aws_profile *profile)
{
	char path[PATH_MAX];

	file_path(lookup->settings, file, path);
	aws_lookup_failed(lookup, USHER_ECONFIG, "profile %s of %s has %s and no %s: it needs both",
	        profile_name(lookup), path,
	        profile->access_key ? "aws_access_key_id" : "aws_secret_access_key",
	        profile->access_key ? "aws_secret_access_key" : "aws_access_key_id");
}

/* Ends the source and returns true if this file's profile decides. */
static bool take_profile(struct aws_lookup *lookup, int file, const struct aws_profile *profile)
{
	const char *unsupported = profile->unsupported ? profile->unsupported
	                          : profile->role      ? "role_arn"
	                                               : NULL;

	if (profile->access_key && profile->secret_key)
		take_keys(lookup, file, profile);
	else if (profile->access_key || profile->secret_key)
		refuse_half(lookup, file, profile);
	else if (is_web_identity(profile))
		aws_web_identity_exchange(lookup, profile->token_file, profile->role, profile->session);
	else if (unsupported)
		refuse(lookup, file, unsupported,
		        "give the profile aws_access_key_id and aws_secret_access_key, or role_arn with "
		        "web_identity_token_file");
	else
		return false;
	return true;
}

/* A home is often out of a service's reach, and its role is had elsewhere: nobody has named that file. */
static bool may_be_out_of_reach(const struct aws_lookup *lookup, int file)
{
	return !profile_is_asked_for(lookup) && !aws_env(lookup, file_names[file].variable);
}

struct search {
	bool found;                /* the profile stands in some file */
	struct usher_error unread; /* code 0: no file is out of reach */
};

/* True when the source has ended. */
static bool try_file(struct aws_lookup *lookup, int file, struct search *search)
{
	struct aws_profile profile = { 0 };
	struct usher_error err;
	bool ended = true;
	int rc = read_profile(lookup, file, &profile, &err);

	if (rc == USHER_EIO && may_be_out_of_reach(lookup, file)) {
		search->unread = err;
		ended = false;
	} else if (rc < 0) {
		aws_lookup_failed(lookup, USHER_ECONFIG, "%s", err.message);
	} else {
		search->found |= profile.exists;
		ended = profile.exists && take_profile(lookup, file, &profile);
	}
	aws_profile_free(&profile);
	return ended;
}

static void files_start(struct aws_lookup *lookup)
{
	const char *name = profile_name(lookup);
	struct search search = { 0 };
	char path[PATH_MAX];

	for (int file = 0; file < FILES; file++)
		if (try_file(lookup, file, &search))
			return;
	if (search.found)
		aws_lookup_absent(lookup, "profile %s holds no keys", name);
	else if (search.unread.code)
		aws_lookup_absent(lookup, "%s", search.unread.message);
	else if (profile_is_asked_for(lookup))
		aws_lookup_failed(lookup, USHER_ECONFIG,
		        "there is no profile %s in the credentials file ([%s]) nor in the config file "
		        "([profile %s])",
		        name, name, name);
	else if (file_path(lookup->settings, CREDENTIALS_FILE, path))
		aws_lookup_absent(lookup, "no profile default in %s or the config file", path);
	else
		aws_lookup_absent(lookup, "HOME and AWS_SHARED_CREDENTIALS_FILE are not set");
}

const struct aws_source aws_source_files = { .name = "shared files", .start = files_start };
