/* What the errors of AWS mean to a caller: one table of types, and the two forms in which services write
 * them. Pure; any thread. */
#include "net/aws.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "net/xml.h"

#include <string.h>
#include <strings.h>

#define AWS_TYPE_SQS_PREFIX                                                                                  \
	"AWS.SimpleQueueService." /* of the older protocol's names, which some errors keep */

static const struct known_error {
	const char *type;
	struct aws_fault fault;
} known_errors[] = {
	{ "Throttling", { USHER_EUNAVAILABLE, AWS_TRY_LATER } },
	{ "ThrottlingException", { USHER_EUNAVAILABLE, AWS_TRY_LATER } },
	{ "ThrottledException", { USHER_EUNAVAILABLE, AWS_TRY_LATER } },
	{ "Throttled", { USHER_EUNAVAILABLE, AWS_TRY_LATER } },
	{ "RequestThrottled", { USHER_EUNAVAILABLE, AWS_TRY_LATER } },
	{ "RequestThrottledException", { USHER_EUNAVAILABLE, AWS_TRY_LATER } },
	{ "RequestLimitExceeded", { USHER_EUNAVAILABLE, AWS_TRY_LATER } },
	{ "TooManyRequestsException", { USHER_EUNAVAILABLE, AWS_TRY_LATER } },
	{ "BandwidthLimitExceeded", { USHER_EUNAVAILABLE, AWS_TRY_LATER } },
	{ "KmsThrottled", { USHER_EUNAVAILABLE, AWS_TRY_LATER } },
	{ "KMSThrottling", { USHER_EUNAVAILABLE, AWS_TRY_LATER } },
	{ "KMS.ThrottlingException", { USHER_EUNAVAILABLE, AWS_TRY_LATER } },
	{ "SlowDown", { USHER_EUNAVAILABLE, AWS_TRY_LATER } },
	{ "OverLimit",
	        { USHER_EUNAVAILABLE, AWS_GIVE_UP } }, /* too many messages in flight: only settling helps */
	{ "RequestTimeout", { USHER_EUNAVAILABLE, AWS_TRY_AGAIN } },
	{ "RequestTimeoutException", { USHER_EUNAVAILABLE, AWS_TRY_AGAIN } },
	{ "ExpiredToken", { USHER_EFORBIDDEN, AWS_FRESH_CREDENTIALS } },
	{ "ExpiredTokenException", { USHER_EFORBIDDEN, AWS_FRESH_CREDENTIALS } },
	{ "TokenRefreshRequired", { USHER_EFORBIDDEN, AWS_FRESH_CREDENTIALS } },
	{ "InvalidToken", { USHER_EFORBIDDEN, AWS_FRESH_CREDENTIALS } },
	{ "InvalidClientTokenId", { USHER_EFORBIDDEN, AWS_FRESH_CREDENTIALS } },
	{ "InvalidAccessKeyId", { USHER_EFORBIDDEN, AWS_FRESH_CREDENTIALS } },
	{ "UnrecognizedClientException", { USHER_EFORBIDDEN, AWS_FRESH_CREDENTIALS } },
	{ "AuthFailure", { USHER_EFORBIDDEN, AWS_FRESH_CREDENTIALS } },
	{ "QueueDoesNotExist", { USHER_ENOTFOUND, AWS_GIVE_UP } },
	{ "NonExistentQueue", { USHER_ENOTFOUND, AWS_GIVE_UP } },
	{ "NotFound", { USHER_ENOTFOUND, AWS_GIVE_UP } },
	{ "NotFoundException", { USHER_ENOTFOUND, AWS_GIVE_UP } },
	{ "BatchRequestTooLong", { USHER_ETOOBIG, AWS_GIVE_UP } },
	{ "AuthorizationError", { USHER_EFORBIDDEN, AWS_GIVE_UP } },
	{ "AuthorizationErrorException", { USHER_EFORBIDDEN, AWS_GIVE_UP } },
	{ "AccessDenied", { USHER_EFORBIDDEN, AWS_GIVE_UP } },
	{ "AccessDeniedException", { USHER_EFORBIDDEN, AWS_GIVE_UP } },
	{ "InvalidSecurity", { USHER_EFORBIDDEN, AWS_GIVE_UP } },
	{ "InvalidSignatureException", { USHER_EFORBIDDEN, AWS_GIVE_UP } },
	{ "SignatureDoesNotMatch", { USHER_EFORBIDDEN, AWS_GIVE_UP } },
	{ "RequestExpired", { USHER_EFORBIDDEN, AWS_GIVE_UP } },
	{ "RequestTimeTooSkewed", { USHER_EFORBIDDEN, AWS_GIVE_UP } },
	{ "MissingAuthenticationToken", { USHER_EFORBIDDEN, AWS_GIVE_UP } },
	{ "OptInRequired", { USHER_EFORBIDDEN, AWS_GIVE_UP } },
};

bool aws_error_is_of_key(const char *type)
{
	return strncasecmp(type, "kms", strlen("kms")) == 0;
}

struct aws_fault aws_fault_of(int status, const char *type)
{
	if (status >= 200 && status < 300)
		return (struct aws_fault){ 0, AWS_GIVE_UP };
	for (size_t i = 0; i < ARRAY_LEN(known_errors); i++)
		if (strcmp(known_errors[i].type, type) == 0)
			return known_errors[i].fault;
	/* KmsInvalidState, KMSOptInRequired, KMS.DisabledException: the queue's key, not what was asked. */
	if (status < 500 && aws_error_is_of_key(type))
		return (struct aws_fault){ USHER_EFORBIDDEN, AWS_GIVE_UP };
	if (status == 429)
		return (struct aws_fault){ USHER_EUNAVAILABLE, AWS_TRY_LATER };
	if (status >= 500)
		return (struct aws_fault){ USHER_EUNAVAILABLE, AWS_TRY_AGAIN };
	if (status == 401 || status == 403)
		return (struct aws_fault){ USHER_EFORBIDDEN, AWS_GIVE_UP };
	if (status == 404)
		return (struct aws_fault){ USHER_ENOTFOUND, AWS_GIVE_UP };
	if (status == 413)
		return (struct aws_fault){ USHER_ETOOBIG, AWS_GIVE_UP };
	return (struct aws_fault){ status >= 400 ? USHER_EINVAL : USHER_EPROTOCOL, AWS_GIVE_UP };
}

/* -- Reading ---------------------------------------------------------------------------------- */

struct reading {
	char *type, *words;
};

/* "com.amazonaws.sqs#QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "X:http://..." */
static void type_copy(char *type, const char *text)
{
	const char *hash = strrchr(text, '#');
	const char *name = hash ? hash + 1 : text;

	if (strncmp(name, AWS_TYPE_SQS_PREFIX, strlen(AWS_TYPE_SQS_PREFIX)) == 0)
		name += strlen(AWS_TYPE_SQS_PREFIX);
	utf8_copy(type, AWS_ERROR_TYPE_MAX, name, strcspn(name, ":"));
}

static void words_copy(char *words, const char *text)
{
	utf8_copy(words, AWS_ERROR_WORDS_MAX, text, strlen(text));
	for (char *c = words; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7F)
			*c = ' '; /* it stands in log lines */
}

static void on_element(void *arg, const char *path, const char *text)
{
	struct reading *reading = arg;

	if (strcmp(path, "ErrorResponse/Error/Code") == 0)
		type_copy(reading->type, text);
	else if (strcmp(path, "ErrorResponse/Error/Message") == 0)
		words_copy(reading->words, text);
}

static void read_json(struct reading *reading, const char *body, size_t len)
{
	cJSON *json = NULL;

	if (json_parse(body, len, &json, NULL))
		return;
	const char *type = json_string(json, "__type"), *words = json_string(json, "message");
	if (!type)
		type = json_string(json, "code");
	if (!words)
		words = json_string(json, "Message");
	type_copy(reading->type, type ? type : "");
	words_copy(reading->words, words ? words : "");
	cJSON_Delete(json);
}

void aws_error_read(
        const char *body, size_t len, char type[AWS_ERROR_TYPE_MAX], char words[AWS_ERROR_WORDS_MAX])
{
	struct reading reading = { type, words };
	size_t at = 0;

	type[0] = words[0] = '\0';
	while (at < len && strchr(" \t\r\n", body[at]) && body[at])
		at++;
	if (at < len && body[at] == '<')
		(void)xml_walk(body + at, len - at, on_element, &reading, NULL);
	else if (at < len && body[at] == '{')
		read_json(&reading, body, len);
}
