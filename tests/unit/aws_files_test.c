/* The shared credentials and config files: their format, which file and profile wins, what usher does not
 * do and says so, and files that change under a running daemon. */
#include "../support/provider.h"

#include <limits.h>
#include <sys/fsuid.h>

static struct aws_profile parsed(const char *text, const char *name, bool in_config)
{
	struct aws_profile profile = { 0 };
	struct usher_error err;
	if (aws_profile_parse(text, strlen(text), name, in_config, &profile, &err) < 0)
		fail_msg("%s", err.message);
	return profile;
}

/* -- The format ------------------------------------------------------------------------------------ */

static void one_profile_is_read_and_the_others_are_not(void **state)
{
	struct aws_profile p = parsed("# keys\n"
	                              "[other]\n"
	                              "aws_access_key_id = OTHER\n"
	                              "\n"
	                              "[ work ] ; mine\r\n"
	                              "AWS_Access_Key_Id=AKIAWORK\r\n"
	                              "aws_secret_access_key = a/b+c== # not part of it\r\n"
	                              "aws_session_token=T;x\n"
	                              "region = eu-west-1\n"
	                              "[third]\n"
	                              "aws_access_key_id = THIRD\n",
	        "work", false);
	(void)state;
	assert_true(p.exists);
	assert_string_equal(p.access_key, "AKIAWORK");
	assert_string_equal(p.secret_key, "a/b+c==");
	assert_string_equal(p.session_token, "T;x"); /* no blank before it: no comment */
	assert_null(p.unsupported);
	aws_profile_free(&p);
	assert_null(p.access_key);
}

static void sections_are_named_after_their_file(void **state)
{
	static const struct {
		const char *section, *name;
		bool in_config, taken;
	} table[] = {
		{ "[default]", "default", false, true },
		{ "[default]", "default", true, true },
		{ "[profile default]", "default", true, true },
		{ "[work]", "work", false, true },
		{ "[work]", "work", true, false },
		{ "[profile work]", "work", true, true },
		{ "[profile  \"work\"]", "work", true, true },
		{ "[profile work]", "work", false, false },
		{ "[profilework]", "work", true, false },
		{ "[sso-session work]", "work", true, false },
		{ "[Work]", "work", false, false },
	};
	char text[128];
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		snprintf(text, sizeof text, "%s\naws_access_key_id=A\n", table[i].section);
		struct aws_profile p = parsed(text, table[i].name, table[i].in_config);
		if (p.exists != table[i].taken || !p.access_key != !table[i].taken)
			fail_msg("%s as %s", table[i].section, table[i].name);
		aws_profile_free(&p);
	}
}

static void nested_settings_are_not_keys(void **state)
{
	struct aws_profile p = parsed("\xEF\xBB\xBF[default]\n"
	                              "  s3 =\n"
	                              "    aws_access_key_id = NESTED\n"
	                              "    [default]\n"
	                              "  aws_access_key_id = A\n"
	                              "  aws_secret_access_key =\n",
	        "default", true);
	(void)state;
	assert_string_equal(p.access_key, "A");
	assert_null(p.secret_key);
	aws_profile_free(&p);
}

static void sections_of_one_name_add_up(void **state)
{
	struct aws_profile p = parsed("[a]\naws_access_key_id=1\naws_secret_access_key=s\n[b]\nx=y\n"
	                              "[a]\naws_access_key_id=2",
	        "a", false);
	(void)state;
	assert_string_equal(p.access_key, "2");
	assert_string_equal(p.secret_key, "s");
	aws_profile_free(&p);
}

static void broken_lines_are_named_and_not_shown(void **state)
{
	static const struct {
		const char *text, *words;
	} table[] = {
		{ "[default]\nS3CR3T\n", "line 2: neither a section nor KEY = VALUE" },
		{ "\n[default\n", "line 2: the section has no ]" },
		{ "aws_secret_access_key=S3CR3T\n[default]\n", "line 1: a key stands before" },
	};
	struct aws_profile profile;
	struct usher_error err;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		assert_int_equal(aws_profile_parse(table[i].text, strlen(table[i].text), "default", false,
		                         &profile, &err),
		        USHER_ECONFIG);
		assert_non_null(strstr(err.message, table[i].words));
		assert_null(strstr(err.message, "S3CR3T"));
	}
}

/* -- Which file, which profile --------------------------------------------------------------------- */

#define KEYS(name) "aws_access_key_id = " name "\naws_secret_access_key = S3CR3T\n"

static void the_home_holds_the_files(void **state)
{
	struct party *p = *state;
	char source[256];
	party_file(p, ".aws/credentials", "[default]\n" KEYS("AKIAHOME") "aws_session_token = S3CR3Tt\n");
	party_get(p, 1);
	assert_string_equal(p->access_key, "AKIAHOME");
	assert_string_equal(p->session_token, "S3CR3Tt");
	snprintf(source, sizeof source, "profile default of %s/.aws/credentials", p->home);
	assert_string_equal(p->source, source);
}

static void the_environment_names_files_and_profile(void **state)
{
	struct party *p = *state;
	party_file(p, ".aws/credentials", "[default]\n" KEYS("AKIAHOME"));
	party_file(p, "other", "[work]\n" KEYS("AKIAOTHER"));
	party_set(p, "AWS_SHARED_CREDENTIALS_FILE=~/other");
	party_set(p, "AWS_PROFILE=work");
	party_get(p, 1);
	assert_string_equal(p->access_key, "AKIAOTHER");
}

static void the_config_file_may_hold_keys_too(void **state)
{
	struct party *p = *state;
	party_file(p, ".aws/credentials", "[other]\n" KEYS("AKIAOTHER"));
	party_file(p, "other", "[profile work]\n" KEYS("AKIACONF"));
	party_set(p, "AWS_CONFIG_FILE=%s/other", p->home);
	party_set(p, "AWS_PROFILE=work");
	party_get(p, 1);
	assert_string_equal(p->access_key, "AKIACONF");
}

static void credentials_come_before_config(void **state)
{
	struct party *p = *state;
	party_file(p, ".aws/credentials", "[default]\n" KEYS("AKIACRED"));
	party_file(p, ".aws/config", "[default]\nsso_session = x\n" KEYS("AKIACONF"));
	party_get(p, 1);
	assert_string_equal(p->access_key, "AKIACRED");
}

static void a_configured_profile_passes_the_environment_by(void **state)
{
	struct party *p = *state;
	party_file(p, ".aws/credentials", "[work]\n" KEYS("AKIAWORK"));
	party_set(p, "AWS_ACCESS_KEY_ID=AKIAENV");
	party_set(p, "AWS_SECRET_ACCESS_KEY=S3CR3T");
	party_set(p, "AWS_WEB_IDENTITY_TOKEN_FILE=/nowhere");
	party_set(p, "AWS_PROFILE=missing");
	p->settings.profile = "work";
	party_get(p, 1);
	assert_string_equal(p->access_key, "AKIAWORK");
}

static void a_profile_that_is_asked_for_must_be_there(void **state)
{
	struct party *p = *state;
	party_file(p, ".aws/config", "[work]\nregion = eu-west-1\n");
	party_set(p, "AWS_PROFILE=work");
	party_fails(p, USHER_ECONFIG,
	        "shared files: there is no profile work in the credentials file ([work]) nor in the config "
	        "file ([profile work])");
}

static void a_profile_without_keys_lets_the_next_be_asked(void **state)
{
	struct party *p = *state;
	party_file(p, ".aws/config", "[default]\nregion = eu-west-1\n");
	party_set(p, "AWS_EC2_METADATA_DISABLED=true");
	party_fails(p, USHER_ECONFIG, "shared files: profile default holds no keys; container: ");
}

static void half_a_profile_is_an_error(void **state)
{
	struct party *p = *state;
	party_file(p, ".aws/credentials", "[default]\naws_access_key_id = A\n");
	party_fails(p, USHER_ECONFIG, "has aws_access_key_id and no aws_secret_access_key");
}

static void what_usher_does_not_do_is_said(void **state)
{
	static const char *const keys[] = { "sso_session = x", "sso_start_url = x", "credential_process = x",
		"role_arn = x\nsource_profile = y", "role_arn = x\ncredential_source = Ec2InstanceMetadata" };
	static const char *const named[] = { "sso_session", "sso_start_url", "credential_process", "role_arn",
		"credential_source" };
	struct party *p = *state;
	char text[256], words[256];
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		snprintf(text, sizeof text, "[default]\n%s\n", keys[i]);
		party_file(p, ".aws/config", text);
		snprintf(words, sizeof words, "uses %s, which usher does not", named[i]);
		party_fails(p, USHER_ECONFIG, words);
		aws_provider_free(p->provider);
		p->provider = NULL;
	}
}

/* With these the AWS SDKs assume the role; to sign with the keys alone would be to sign as somebody else. */
static void keys_that_are_for_a_role_do_not_sign(void **state)
{
	static const struct {
		const char *credentials, *config, *where;
	} table[] = {
		{ KEYS("A"), "role_arn = x\nsource_profile = y\n", "config" },
		{ KEYS("A"), "role_arn = x\ncredential_source = Ec2InstanceMetadata\n", "config" },
		{ KEYS("A"), "role_arn = x\nweb_identity_token_file = t\nsource_profile = y\n", "config" },
		{ KEYS("A") "role_arn = x\nsource_profile = y\n", "", "credentials" },
		{ KEYS("A") "role_arn = x\ncredential_source = Environment\n", "", "credentials" },
		{ "", KEYS("A") "role_arn = x\nsource_profile = y\n", "config" },
	};
	struct party *p = *state;
	char text[256], words[256];
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		snprintf(text, sizeof text, "[work]\n%s", table[i].credentials);
		party_file(p, ".aws/credentials", text);
		snprintf(text, sizeof text, "[profile work]\n%s", table[i].config);
		party_file(p, ".aws/config", text);
		p->settings.profile = "work";
		snprintf(words, sizeof words,
		        "profile work of %s/.aws/%s uses role_arn, which usher does not: take it out",
		        p->home, table[i].where);
		party_fails(p, USHER_ECONFIG, words);
		aws_provider_free(p->provider);
		p->provider = NULL;
	}
}

static void keys_sign_whatever_other_profiles_do(void **state)
{
	struct party *p = *state;
	party_file(p, ".aws/credentials",
	        "[default]\n" KEYS("AKIAOWN") "[admin]\nrole_arn = x\nsource_profile = default\n");
	party_file(p, ".aws/config",
	        "[default]\nregion = eu-west-1\n[profile admin]\nrole_arn = x\nsource_profile = default\n");
	party_get(p, 1);
	assert_string_equal(p->access_key, "AKIAOWN");
}

static void keys_need_no_config_file(void **state)
{
	struct party *p = *state;
	party_file(p, ".aws/credentials", "[default]\n" KEYS("AKIAOWN"));
	party_set(p, "AWS_CONFIG_FILE=/dev/null");
	party_get(p, 1);
	assert_string_equal(p->access_key, "AKIAOWN");
}

static void keys_do_not_sign_beside_a_config_file_that_is_broken(void **state)
{
	struct party *p = *state;
	party_file(p, ".aws/credentials", "[default]\n" KEYS("AKIAOWN"));
	party_file(p, ".aws/config", "[default]\nrole_arn\n");
	party_fails(p, USHER_ECONFIG, "/.aws/config: line 2: neither a section nor KEY = VALUE");
}

static void a_profile_may_name_a_web_identity(void **state)
{
	struct party *p = *state;
	char text[512];
	struct route *sts = party_answer(p, "POST / ", 403,
	        "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></"
	        "ErrorResponse>");
	snprintf(text, sizeof text,
	        "[default]\nrole_arn = arn:r\nrole_session_name = s1\nweb_identity_token_file = %s\n",
	        party_file(p, "token", "S3CR3T"));
	party_file(p, ".aws/config", text);
	party_set(p, "AWS_ENDPOINT_URL=%s", p->address);
	party_fails(p, USHER_EFORBIDDEN, "STS, asked for arn:r: AccessDenied: no");
	assert_non_null(strstr(sts->seen, "&RoleSessionName=s1&"));
}

static void a_file_that_cannot_be_read_is_an_error(void **state)
{
	struct party *p = *state;
	party_set(p, "AWS_SHARED_CREDENTIALS_FILE=%s/.aws", p->home); /* a folder */
	party_fails(p, USHER_ECONFIG, "/.aws cannot be read: ");
}

#define ROLE_ANSWER "{\"AccessKeyId\":\"ASIAROLE\",\"SecretAccessKey\":\"S3CR3T\",\"Token\":\"S3CR3T\"}"

static void offer_a_role(struct party *p)
{
	party_answer(p, "GET /role ", 200, ROLE_ANSWER);
	party_set(p, "AWS_CONTAINER_CREDENTIALS_FULL_URI=%s/role", p->address);
}

/* A HOME that is another user's, as after setpriv, or behind ProtectHome=. */
static void shut_home(struct party *p, mode_t mode, uid_t reader)
{
	char folder[PATH_MAX];
	snprintf(folder, sizeof folder, "%s/.aws", p->home);
	chmod(folder, mode);
	setfsuid(reader); /* root reads everything */
}

#define SOMEBODY 65534

static void a_home_out_of_reach_lets_the_next_be_asked(void **state)
{
	struct party *p = *state;
	party_file(p, ".aws/credentials", "[default]\n" KEYS("AKIAOTHER"));
	shut_home(p, 0, SOMEBODY);
	offer_a_role(p);
	party_get(p, 1);
	assert_string_equal(p->access_key, "ASIAROLE");
	shut_home(p, 0700, geteuid());
}

static void a_home_out_of_reach_is_told_when_nothing_else_is_there(void **state)
{
	struct party *p = *state;
	party_set(p, "AWS_EC2_METADATA_DISABLED=true");
	shut_home(p, 0, SOMEBODY);
	party_fails(p, USHER_ECONFIG, "/.aws/config cannot be read: Permission denied");
	shut_home(p, 0700, geteuid());
}

static void a_home_out_of_reach_is_an_error_for_who_names_a_profile(void **state)
{
	struct party *p = *state;
	party_set(p, "AWS_PROFILE=work");
	shut_home(p, 0, SOMEBODY);
	offer_a_role(p);
	party_fails(p, USHER_ECONFIG, "/.aws/credentials cannot be read: Permission denied");
	shut_home(p, 0700, geteuid());
}

static void files_that_are_switched_off_let_the_next_be_asked(void **state)
{
	struct party *p = *state;
	party_set(p, "AWS_SHARED_CREDENTIALS_FILE=/dev/null");
	party_set(p, "AWS_CONFIG_FILE=/dev/null");
	offer_a_role(p);
	party_get(p, 1);
	assert_string_equal(p->access_key, "ASIAROLE");
}

static void without_a_home_there_are_no_files(void **state)
{
	struct party *p = *state;
	party_set(p, "AWS_EC2_METADATA_DISABLED=true");
	p->environment[0] = "NOHOME=1";
	party_fails(p, USHER_ECONFIG, "shared files: HOME and AWS_SHARED_CREDENTIALS_FILE are not set");
}

/* -- Files that change ------------------------------------------------------------------------------ */

static void a_changed_file_is_read_again(void **state)
{
	struct party *p = *state;
	party_file(p, ".aws/credentials", "[default]\n" KEYS("AKIAONE"));
	party_get(p, 1);
	assert_string_equal(p->access_key, "AKIAONE");
	party_file(p, ".aws/credentials", "[default]\n" KEYS("AKIATWO"));
	party_until(p, "AKIATWO");
}

static void a_file_that_breaks_keeps_the_old_keys(void **state)
{
	struct party *p = *state;
	party_file(p, ".aws/credentials", "[default]\n" KEYS("AKIAONE"));
	party_get(p, 1);
	party_file(p, ".aws/credentials", "[default\n");
	for (mono_time start = mono_now(); mono_since_ms(start, mono_now()) < 2 * AWS_FILES_CHECK_MS;) {
		party_get(p, 1);
		assert_string_equal(p->access_key, "AKIAONE");
	}
	party_file(p, ".aws/credentials", "[default]\n" KEYS("AKIATHREE"));
	party_until(p, "AKIATHREE");
}

static void a_file_that_appears_ends_the_waiting(void **state)
{
	struct party *p = *state;
	party_set(p, "AWS_EC2_METADATA_DISABLED=true");
	for (int i = 0; i < 5; i++)
		party_get(p, 1);
	assert_false(p->good);
	party_file(p, ".aws/credentials", "[default]\n" KEYS("AKIANEW"));
	party_until(p, "AKIANEW");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_profile_is_read_and_the_others_are_not),
		cmocka_unit_test(sections_are_named_after_their_file),
		cmocka_unit_test(nested_settings_are_not_keys),
		cmocka_unit_test(sections_of_one_name_add_up),
		cmocka_unit_test(broken_lines_are_named_and_not_shown),
		PARTY_CASE(the_home_holds_the_files),
		PARTY_CASE(the_environment_names_files_and_profile),
		PARTY_CASE(the_config_file_may_hold_keys_too),
		PARTY_CASE(credentials_come_before_config),
		PARTY_CASE(a_configured_profile_passes_the_environment_by),
		PARTY_CASE(a_profile_that_is_asked_for_must_be_there),
		PARTY_CASE(a_profile_without_keys_lets_the_next_be_asked),
		PARTY_CASE(half_a_profile_is_an_error),
		PARTY_CASE(what_usher_does_not_do_is_said),
		PARTY_CASE(keys_that_are_for_a_role_do_not_sign),
		PARTY_CASE(keys_sign_whatever_other_profiles_do),
		PARTY_CASE(keys_need_no_config_file),
		PARTY_CASE(keys_do_not_sign_beside_a_config_file_that_is_broken),
		PARTY_CASE(a_profile_may_name_a_web_identity),
		PARTY_CASE(a_file_that_cannot_be_read_is_an_error),
		PARTY_CASE(a_home_out_of_reach_lets_the_next_be_asked),
		PARTY_CASE(a_home_out_of_reach_is_told_when_nothing_else_is_there),
		PARTY_CASE(a_home_out_of_reach_is_an_error_for_who_names_a_profile),
		PARTY_CASE(files_that_are_switched_off_let_the_next_be_asked),
		PARTY_CASE(without_a_home_there_are_no_files),
		PARTY_CASE(a_changed_file_is_read_again),
		PARTY_CASE(a_file_that_breaks_keeps_the_old_keys),
		PARTY_CASE(a_file_that_appears_ends_the_waiting),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
