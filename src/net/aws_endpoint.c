/* Endpoints that the environment names: see aws_endpoint.h. */
#include "net/aws_endpoint.h"

#include "base/mem.h"
#include "net/aws_credentials_parts.h"

#include <string.h>
#include <unistd.h>

/* Those of one service first: they come before the one for all. */
static const struct {
	const char *service; /* NULL: any */
	const char *variable;
} variables[] = {
	{ "sqs", "AWS_ENDPOINT_URL_SQS" },
	{ "sns", "AWS_ENDPOINT_URL_SNS" },
	{ "sts", "AWS_ENDPOINT_URL_STS" },
	{ "monitoring", "AWS_ENDPOINT_URL_CLOUDWATCH" },
	{ NULL, "AWS_ENDPOINT_URL" },
};

const char *aws_endpoint_named(const char *const *environment, const char *service)
{
	const struct aws_provider_settings settings = {
		.environment = environment ? environment : (const char *const *)environ,
	};
	const char *url = NULL;

	for (size_t i = 0; i < ARRAY_LEN(variables) && !url; i++)
		if (!variables[i].service || strcmp(variables[i].service, service) == 0)
			url = aws_env_of(&settings, variables[i].variable);
	return url;
}

const char *aws_endpoint_variable(size_t i)
{
	return i < ARRAY_LEN(variables) ? variables[i].variable : NULL;
}
