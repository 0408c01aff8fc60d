/* Where credentials come from: the environment, web identity, container endpoint and instance metadata,
 * what each sends and takes, what it says when it does not work, and what the operator is told when there
 * is nothing anywhere. The shared files have a test of their own. */
#include "../support/provider.h"

#define DOCUMENT                                                                                             \
	"{\"Code\":\"Success\",\"AccessKeyId\":\"AKIAEND\",\"SecretAccessKey\":\"S3CR3T/k+\",\"Token\":"     \
	"\"S3CR3Ttoken==\",\"Expiration\":\"2099-01-02T03:04:05Z\"}"

/* -- The environment ------------------------------------------------------------------------------ */

static void keys_of_the_environment_win(void **state)
{
	struct party *p = *state;
	party_set(p, "AWS_ACCESS_KEY_ID=AKIAENV");
	party_set(p, "AWS_SECRET_ACCESS_KEY=S3CR3T1");
	party_file(p, ".aws/credentials", "[default]\naws_access_key_id=X\naws_secret_access_key=Y\n");
	party_get(p, 1);
	assert_true(p->good);
	assert_string_equal(p->access_key, "AKIAENV");
	assert_string_equal(p->secret_key, "S3CR3T1");
	assert_string_equal(p->session_token, "");
	assert_string_equal(p->source, "environment");
	assert_int_equal(p->expires_at.ms, 0);
}

static void a_session_token_of_the_environment_is_taken(void **state)
{
	struct party *p = *state;
	party_set(p, "AWS_ACCESS_KEY_ID=AKIAENV");
	party_set(p, "AWS_SECRET_ACCESS_KEY=S3CR3T1");
	party_set(p, "AWS_SESSION_TOKEN=S3CR3T2");
	party_get(p, 1);
	assert_string_equal(p->session_token, "S3CR3T2");
}

static void half_a_key_pair_is_an_error(void **state)
{
	struct party *p = *state;
	party_set(p, "AWS_SECRET_ACCESS_KEY=S3CR3T1");
	party_set(p, "AWS_ACCESS_KEY_ID="); /* empty is unset */
	party_fails(p, USHER_ECONFIG, "AWS_SECRET_ACCESS_KEY is set and AWS_ACCESS_KEY_ID is not");
}

static void a_line_end_in_a_key_is_refused(void **state)
{
	struct party *p = *state;
	party_set(p, "AWS_ACCESS_KEY_ID=AKIAENV");
	party_set(p, "AWS_SECRET_ACCESS_KEY=S3CR3T1");
	party_set(p, "AWS_SESSION_TOKEN=S3CR3T\r\nX-Other: 1");
	party_fails(p, USHER_ECONFIG, "environment: a key or token there holds a blank, a line end");
}

/* -- Nothing anywhere ------------------------------------------------------------------------------ */

static void every_place_that_was_asked_is_named(void **state)
{
	struct party *p = *state;
	party_set(p, "AWS_EC2_METADATA_DISABLED=TRUE");
	party_fails(p, USHER_ECONFIG, "environment: AWS_ACCESS_KEY_ID is not set");
	assert_non_null(strstr(p->err.message, "web identity: AWS_WEB_IDENTITY_TOKEN_FILE is not set"));
	assert_non_null(strstr(p->err.message, "shared files: no profile default in "));
	assert_non_null(
	        strstr(p->err.message, "container: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is not set"));
	assert_non_null(strstr(p->err.message, "instance: AWS_EC2_METADATA_DISABLED is true"));
	assert_non_null(strstr(p->err.message, "usher-aws(7)"));
}

static void an_instance_that_does_not_answer_may_answer_later(void **state)
{
	struct party *p = *state;
	party_set(p, "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:%d", server_dead_port());
	party_fails(p, USHER_EUNAVAILABLE, "instance: no token: ");
	assert_non_null(strstr(p->err.message, "environment: "));
}

/* -- Web identity ---------------------------------------------------------------------------------- */

#define STS_GOOD                                                                                             \
	"<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"            \
	"<AssumeRoleWithWebIdentityResult><AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/R/s</Arn>"       \
	"</AssumedRoleUser><Credentials><SessionToken>S3CR3Ttoken</SessionToken>"                            \
	"<SecretAccessKey>S3CR3T/a&amp;b</SecretAccessKey><Expiration>2099-10-24T23:00:23Z</Expiration>"     \
	"<AccessKeyId>ASIAWEB</AccessKeyId></Credentials></AssumeRoleWithWebIdentityResult>"                 \
	"<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></AssumeRoleWithWebIdentityResponse>"
#define STS_BAD                                                                                              \
	"<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>"      \
	"<Code>%s</Code><Message>%s</Message></Error><RequestId>r</RequestId></ErrorResponse>"
#define ROLE "arn:aws:iam::123456789012:role/usher-worker"

static void set_web_identity(struct party *p)
{
	party_set(p, "AWS_WEB_IDENTITY_TOKEN_FILE=%s", party_file(p, "token", "eyJ.S3CR3T.x_-+/=\n"));
	party_set(p, "AWS_ROLE_ARN=" ROLE);
	party_set(p, "AWS_ENDPOINT_URL_STS=%s/", p->address);
}

static void a_token_is_exchanged_at_sts(void **state)
{
	struct party *p = *state;
	struct route *sts = party_answer(p, "POST / ", 200, STS_GOOD);
	set_web_identity(p);
	party_set(p, "AWS_ROLE_SESSION_NAME=night shift");
	party_get(p, 1);
	assert_true(p->good);
	assert_string_equal(p->access_key, "ASIAWEB");
	assert_string_equal(p->secret_key, "S3CR3T/a&b");
	assert_string_equal(p->session_token, "S3CR3Ttoken");
	assert_string_equal(p->source, "web identity " ROLE);
	assert_int_equal(p->expires_at.ms, INT64_C(4096566023000));
	assert_non_null(strstr(sts->seen, "\nContent-Type: application/x-www-form-urlencoded\n"));
	assert_null(strstr(sts->seen, "Authorization"));
	assert_non_null(
	        strstr(sts->seen, "\n\nAction=AssumeRoleWithWebIdentity&Version=2011-06-15"
	                          "&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fusher-worker"
	                          "&RoleSessionName=night%20shift&WebIdentityToken=eyJ.S3CR3T.x_-%2B%2F%3D"));
}

static void a_session_has_a_name_of_its_own_without_one(void **state)
{
	struct party *p = *state;
	struct route *sts = party_answer(p, "POST / ", 200, STS_GOOD);
	set_web_identity(p);
	party_get(p, 1);
	assert_non_null(strstr(sts->seen, "&RoleSessionName=usher-1"));
}

static void a_refusal_of_sts_is_told_in_its_words(void **state)
{
	struct party *p = *state;
	set_web_identity(p);
	party_answer(p, "POST / ", 403, STS_BAD, "AccessDenied",
	        "Not authorized to perform sts:AssumeRoleWithWebIdentity");
	party_fails(p, USHER_EFORBIDDEN,
	        "web identity: STS, asked for " ROLE ": AccessDenied: Not authorized to perform "
	        "sts:AssumeRoleWithWebIdentity");
}

static void trouble_at_sts_passes(void **state)
{
	static const struct {
		int status;
		const char *code;
	} table[] = {
		{ 400, "IDPCommunicationError" },
		{ 400, "ThrottlingException" },
		{ 429, "TooManyRequests" },
		{ 503, "ServiceUnavailable" },
	};
	struct party *p = *state;
	set_web_identity(p);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		party_answer(p, "POST / ", table[i].status, STS_BAD, table[i].code, "slow down");
		party_fails(p, USHER_EUNAVAILABLE, table[i].code);
		aws_provider_free(p->provider);
		p->provider = NULL;
	}
}

static void a_bad_gateway_before_sts_passes(void **state)
{
	struct party *p = *state;
	set_web_identity(p);
	party_answer(p, "POST / ", 502, "<html><br></html>");
	party_fails(p, USHER_EUNAVAILABLE, "STS answered 502: <html>");
}

static void what_sts_says_must_be_whole(void **state)
{
	static const char *const bad[] = {
		"",
		"no xml",
		"<a><Credentials><AccessKeyId>A</AccessKeyId></Credentials></a>",
		"<!DOCTYPE a [<!ENTITY e \"x\">]><a>&e;</a>",
		"<a><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>S</"
		"SecretAccessKey><SessionToken>T"
		"</SessionToken><Expiration>soon</Expiration></Credentials></a>",
	};
	struct aws_credentials *credentials = NULL;
	struct usher_error err;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(aws_web_identity_parse(bad[i], strlen(bad[i]), ROLE, &credentials, &err),
		        USHER_EPROTOCOL);
		assert_null(credentials);
	}
}

static void web_identity_needs_its_parts(void **state)
{
	struct party *p = *state;
	party_set(p, "AWS_WEB_IDENTITY_TOKEN_FILE=%s/missing", p->home);
	party_fails(p, USHER_ECONFIG, "AWS_ROLE_ARN is not");
	aws_provider_free(p->provider);
	p->provider = NULL;
	party_set(p, "AWS_ROLE_ARN=" ROLE);
	party_fails(p, USHER_ECONFIG, "/missing cannot be read: No such file");
}

static void the_token_goes_to_no_open_endpoint(void **state)
{
	struct party *p = *state;
	party_set(p, "AWS_WEB_IDENTITY_TOKEN_FILE=%s", party_file(p, "token", "S3CR3T"));
	party_set(p, "AWS_ROLE_ARN=" ROLE);
	party_set(p, "AWS_ENDPOINT_URL=http://sts.example/");
	party_fails(p, USHER_ECONFIG, "http://sts.example/, is refused");
}

/* dnsSuffix of botocore's partitions.json. */
static void services_are_in_the_domain_of_their_partition(void **state)
{
	static const struct {
		const char *region, *domain;
	} table[] = {
		{ "ap-northeast-2", "amazonaws.com" },
		{ "us-gov-west-1", "amazonaws.com" },
		{ "cn-northwest-1", "amazonaws.com.cn" },
		{ "us-iso-east-1", "c2s.ic.gov" },
		{ "us-isob-east-1", "sc2s.sgov.gov" },
		{ "us-isof-south-1", "csp.hci.ic.gov" },
		{ "eu-isoe-west-1", "cloud.adc-e.uk" },
		{ "eusc-de-east-1", "amazonaws.eu" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		assert_string_equal(aws_domain(table[i].region), table[i].domain);
}

/* -- The container endpoint ------------------------------------------------------------------------ */

static void the_container_endpoint_is_asked_with_its_token(void **state)
{
	struct party *p = *state;
	struct route *end = party_answer(p, "GET /creds?x=1 ", 200, DOCUMENT);
	party_set(p, "AWS_CONTAINER_CREDENTIALS_FULL_URI=%s/creds?x=1", p->address);
	party_set(p, "AWS_CONTAINER_AUTHORIZATION_TOKEN=S3CR3Ta");
	party_get(p, 1);
	assert_true(p->good);
	assert_string_equal(p->access_key, "AKIAEND");
	assert_string_equal(p->secret_key, "S3CR3T/k+");
	assert_string_equal(p->session_token, "S3CR3Ttoken==");
	assert_string_equal(p->source, "container");
	assert_int_equal(p->expires_at.ms, INT64_C(4071006245000));
	assert_non_null(strstr(end->seen, "\nAuthorization: S3CR3Ta\n"));
	assert_non_null(strstr(end->seen, "\nAccept: application/json\n"));
}

static void a_token_file_comes_before_a_token(void **state)
{
	struct party *p = *state;
	struct route *end = party_answer(p, "GET / ", 200, DOCUMENT);
	party_set(p, "AWS_CONTAINER_CREDENTIALS_FULL_URI=%s/", p->address);
	party_set(p, "AWS_CONTAINER_AUTHORIZATION_TOKEN=S3CR3Ta");
	party_set(p, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=%s", party_file(p, "token", "S3CR3Tfile\n"));
	party_get(p, 1);
	assert_non_null(strstr(end->seen, "\nAuthorization: S3CR3Tfile\n"));
}

static void a_token_file_holds_one_line(void **state)
{
	struct party *p = *state;
	party_set(p, "AWS_CONTAINER_CREDENTIALS_FULL_URI=%s/", p->address);
	party_set(
	        p, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=%s", party_file(p, "token", "S3CR3T\nX-Other: 1"));
	party_fails(p, USHER_ECONFIG, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: ");
}

static void what_the_container_endpoint_refuses_is_told(void **state)
{
	struct party *p = *state;
	party_set(p, "AWS_CONTAINER_CREDENTIALS_FULL_URI=%s/", p->address);
	party_answer(p, "GET / ", 403, "{\"message\":\"pod is not\nassociated\"}");
	party_fails(p, USHER_EFORBIDDEN,
	        "container: the endpoint answered 403: {\"message\":\"pod is not associated");
}

static void documents_must_be_whole(void **state)
{
	static const struct {
		const char *text;
		int code;
		const char *words;
	} bad[] = {
		{ "S3CR3T", USHER_EPROTOCOL, "not JSON" },
		{ "{\"a\":\"S3CR3T", USHER_EPROTOCOL, "not JSON" },
		{ "[]", USHER_EPROTOCOL, "no AccessKeyId" },
		{ "{\"AccessKeyId\":\"A\"}", USHER_EPROTOCOL, "no SecretAccessKey" },
		{ "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S3CR3T\",\"Expiration\":\"1\"}",
		        USHER_EPROTOCOL, "Expiration" },
		{ "{\"Code\":\"AssumeRoleUnauthorizedAccess\",\"Message\":\"EC2 cannot assume the role\"}",
		        USHER_EFORBIDDEN, "AssumeRoleUnauthorizedAccess: EC2 cannot assume the role" },
		{ "{\"code\":\"x\",\"message\":\"y\"}", USHER_EFORBIDDEN, "x: y" },
	};
	struct aws_credentials *credentials = NULL;
	struct usher_error err;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(
		        aws_document_parse(bad[i].text, strlen(bad[i].text), "here", &credentials, &err),
		        bad[i].code);
		assert_non_null(strstr(err.message, bad[i].words));
		assert_null(strstr(err.message, "S3CR3T"));
		assert_null(credentials);
	}
}

static void containers_are_asked_at_safe_addresses_only(void **state)
{
	static const struct {
		const char *variable;
		int code;
		const char *url;
	} table[] = {
		{ "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/v2/c?id=1", 0, "http://169.254.170.2/v2/c?id=1" },
		{ "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=@evil.example/", USHER_ECONFIG, NULL },
		{ "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://169.254.170.23/v1/credentials", 0,
		        "http://169.254.170.23/v1/credentials" },
		{ "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://169.254.170.2/", 0, "http://169.254.170.2/" },
		{ "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://[fd00:ec2::23]/v1", 0,
		        "http://[fd00:ec2::23]/v1" },
		{ "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://[::1]:9/", 0, "http://[::1]:9/" },
		{ "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.9.9.9/", 0, "http://127.9.9.9/" },
		{ "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://localhost:8080/x", 0,
		        "http://localhost:8080/x" },
		{ "AWS_CONTAINER_CREDENTIALS_FULL_URI=https://anywhere.example/x", 0,
		        "https://anywhere.example/x" },
		{ "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://169.254.169.254/", USHER_ECONFIG, NULL },
		{ "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://anywhere.example/", USHER_ECONFIG, NULL },
		{ "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1@evil.example/", USHER_ECONFIG, NULL },
		{ "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1.evil.example/", USHER_ECONFIG, NULL },
		{ "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://[fe80::1]/", USHER_ECONFIG, NULL },
		{ "AWS_CONTAINER_CREDENTIALS_FULL_URI=file:///etc/passwd", USHER_ECONFIG, NULL },
		{ "AWS_CONTAINER_CREDENTIALS_FULL_URI=nonsense://", USHER_ECONFIG, NULL },
		{ "OTHER=1", USHER_ENOTFOUND, NULL },
	};
	char url[AWS_URL_MAX];
	struct usher_error err;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const char *environment[] = { table[i].variable, NULL };
		struct aws_provider_settings settings = { .environment = environment };
		int code = aws_container_url(&settings, url, &err);
		if (code != table[i].code)
			fail_msg("%s: %d", table[i].variable, code);
		if (code == 0)
			assert_string_equal(url, table[i].url);
	}
}

/* -- Instance metadata ------------------------------------------------------------------------------ */

#define ROLES "/latest/meta-data/iam/security-credentials/"

static void an_instance_is_asked_with_a_token(void **state)
{
	struct party *p = *state;
	struct route *token = party_answer(p, "PUT /latest/api/token ", 200, "S3CR3Timds==");
	struct route *role = party_answer(p, "GET " ROLES " ", 200, "usher-worker");
	struct route *keys = party_answer(p, "GET " ROLES "usher-worker ", 200, DOCUMENT);
	party_set(p, "AWS_EC2_METADATA_SERVICE_ENDPOINT=%s/", p->address);
	party_get(p, 1);
	assert_true(p->good);
	assert_string_equal(p->access_key, "AKIAEND");
	assert_string_equal(p->source, "instance role usher-worker");
	assert_int_equal(p->expires_at.ms, INT64_C(4071006245000));
	assert_non_null(strstr(token->seen, "\nX-aws-ec2-metadata-token-ttl-seconds: 300\n"));
	assert_non_null(strstr(role->seen, "\nX-aws-ec2-metadata-token: S3CR3Timds==\n"));
	assert_non_null(strstr(keys->seen, "\nX-aws-ec2-metadata-token: S3CR3Timds==\n"));
}

static void an_instance_without_a_role_says_so(void **state)
{
	struct party *p = *state;
	party_answer(p, "PUT /latest/api/token ", 200, "S3CR3Timds");
	party_set(p, "AWS_EC2_METADATA_SERVICE_ENDPOINT=%s", p->address);
	party_fails(p, USHER_ECONFIG, "instance: no role is attached to this instance");
}

static void a_token_that_does_not_come_through_tells_of_the_hop_limit(void **state)
{
	struct party *p = *state;
	party_answer(p, "PUT /latest/api/token ", 200, "")->hang = true;
	party_set(p, "AWS_EC2_METADATA_SERVICE_ENDPOINT=%s", p->address);
	party_fails(p, USHER_ETIMEOUT, "hop limit must be 2");
}

static void version_one_is_not_spoken(void **state)
{
	struct party *p = *state;
	struct route *role = party_answer(p, "GET " ROLES " ", 200, "usher-worker");
	party_answer(p, "PUT /latest/api/token ", 403, "");
	party_set(p, "AWS_EC2_METADATA_SERVICE_ENDPOINT=%s", p->address);
	party_fails(p, USHER_EFORBIDDEN, "instance: no token: it answered 403");
	assert_int_equal(role->requests, 0);
}

static void a_role_must_be_a_name(void **state)
{
	struct party *p = *state;
	party_answer(p, "PUT /latest/api/token ", 200, "S3CR3Timds");
	party_answer(p, "GET " ROLES " ", 200, "../../api/other");
	party_set(p, "AWS_EC2_METADATA_SERVICE_ENDPOINT=%s", p->address);
	party_fails(p, USHER_EPROTOCOL, "not the name of a role");
}

static void an_instance_that_cannot_assume_its_role_says_so(void **state)
{
	struct party *p = *state;
	party_answer(p, "PUT /latest/api/token ", 200, "S3CR3Timds");
	party_answer(p, "GET " ROLES " ", 200, "r1\nr2");
	party_answer(p, "GET " ROLES "r1 ", 200, "{\"Code\":\"AssumeRoleUnauthorizedAccess\"}");
	party_set(p, "AWS_EC2_METADATA_SERVICE_ENDPOINT=%s", p->address);
	party_fails(p, USHER_EFORBIDDEN, "instance: role r1: AssumeRoleUnauthorizedAccess");
}

static void credentials_the_instance_cannot_renew_are_used_on(void **state)
{
	struct party *p = *state;
	party_answer(p, "PUT /latest/api/token ", 200, "S3CR3Timds");
	party_answer(p, "GET " ROLES " ", 200, "r1");
	party_answer(p, "GET " ROLES "r1 ", 200,
	        "{\"Code\":\"Success\",\"AccessKeyId\":\"OLD\",\"SecretAccessKey\":\"S3CR3T\",\"Token\":"
	        "\"S3CR3T\",\"Expiration\":\"2020-01-02T03:04:05Z\"}");
	party_set(p, "AWS_EC2_METADATA_SERVICE_ENDPOINT=%s", p->address);
	party_get(p, 1);
	assert_string_equal(p->access_key, "OLD");
	assert_true(p->expires_at.ms > wall_now().ms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PARTY_CASE(keys_of_the_environment_win),
		PARTY_CASE(a_session_token_of_the_environment_is_taken),
		PARTY_CASE(half_a_key_pair_is_an_error),
		PARTY_CASE(a_line_end_in_a_key_is_refused),
		PARTY_CASE(every_place_that_was_asked_is_named),
		PARTY_CASE(an_instance_that_does_not_answer_may_answer_later),
		PARTY_CASE(a_token_is_exchanged_at_sts),
		PARTY_CASE(a_session_has_a_name_of_its_own_without_one),
		PARTY_CASE(a_refusal_of_sts_is_told_in_its_words),
		PARTY_CASE(trouble_at_sts_passes),
		PARTY_CASE(a_bad_gateway_before_sts_passes),
		PARTY_CASE(what_sts_says_must_be_whole),
		PARTY_CASE(web_identity_needs_its_parts),
		PARTY_CASE(the_token_goes_to_no_open_endpoint),
		cmocka_unit_test(services_are_in_the_domain_of_their_partition),
		PARTY_CASE(the_container_endpoint_is_asked_with_its_token),
		PARTY_CASE(a_token_file_comes_before_a_token),
		PARTY_CASE(a_token_file_holds_one_line),
		PARTY_CASE(what_the_container_endpoint_refuses_is_told),
		PARTY_CASE(documents_must_be_whole),
		PARTY_CASE(containers_are_asked_at_safe_addresses_only),
		PARTY_CASE(an_instance_is_asked_with_a_token),
		PARTY_CASE(an_instance_without_a_role_says_so),
		PARTY_CASE(a_token_that_does_not_come_through_tells_of_the_hop_limit),
		PARTY_CASE(version_one_is_not_spoken),
		PARTY_CASE(a_role_must_be_a_name),
		PARTY_CASE(an_instance_that_cannot_assume_its_role_says_so),
		PARTY_CASE(credentials_the_instance_cannot_renew_are_used_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
