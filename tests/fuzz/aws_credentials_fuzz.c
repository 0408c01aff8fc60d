/* What AWS's endpoints and shared files say about credentials, on any bytes: a refusal has a reason, what
 * is taken is whole. The first byte chooses the decoder. */
#include "net/aws_credentials_parts.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be_whole(int code, struct aws_credentials *credentials, const struct usher_error *err)
{
	if (code < 0 ? credentials || !*err->message : !credentials->access_key || !credentials->secret_key)
		abort();
	aws_credentials_free(credentials);
}

static void profile(const char *text, size_t len, bool in_config)
{
	struct aws_profile found = { 0 };
	struct usher_error err = { 0 };
	int code = aws_profile_parse(text, len, "work", in_config, &found, &err);

	if (code < 0 ? found.exists || !*err.message : !found.exists && (found.access_key || found.role))
		abort();
	aws_profile_free(&found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct aws_credentials *credentials = NULL;
	struct usher_error err = { 0 };
	const char *text = (const char *)data + 1;
	int code;

	if (size == 0)
		return 0;
	switch (data[0]) {
	case 'c':
	case 'p':
		profile(text, size - 1, data[0] == 'c');
		break;
	case 'j':
		code = aws_document_parse(text, size - 1, "container", &credentials, &err);
		must_be_whole(code, credentials, &err);
		break;
	case 'x':
		code = aws_web_identity_parse(text, size - 1, "arn:r", &credentials, &err);
		must_be_whole(code, credentials, &err);
		break;
	default:
		break;
	}
	return 0;
}
