/* Which endpoint the environment names for which service. */
#include "net/aws_endpoint.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define SQS "https://vpce-1.sqs.ap-northeast-2.vpce.amazonaws.com"
#define SNS "https://vpce-2.sns.ap-northeast-2.vpce.amazonaws.com"
#define ALL "http://127.0.0.1:4566"

static void the_services_own_variable_comes_first(void **state)
{
	static const struct {
		const char *environment[4], *service, *url;
	} table[] = {
		{ { NULL }, "sqs", NULL },
		{ { "AWS_ENDPOINT_URL_SQS=" SQS }, "sqs", SQS },
		{ { "AWS_ENDPOINT_URL_SQS=" SQS }, "sns", NULL },
		{ { "AWS_ENDPOINT_URL_SQS=" SQS, "AWS_ENDPOINT_URL_SNS=" SNS }, "sns", SNS },
		{ { "AWS_ENDPOINT_URL_STS=" SNS }, "sts", SNS },
		{ { "AWS_ENDPOINT_URL_CLOUDWATCH=" SNS }, "monitoring", SNS },
		{ { "AWS_ENDPOINT_URL=" ALL, "AWS_ENDPOINT_URL_SQS=" SQS }, "sqs", SQS },
		{ { "AWS_ENDPOINT_URL=" ALL, "AWS_ENDPOINT_URL_SQS=" SQS }, "sns", ALL },
		{ { "AWS_ENDPOINT_URL=" ALL, "AWS_ENDPOINT_URL_SQS=" }, "sqs", ALL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const char *url = aws_endpoint_named(table[i].environment, table[i].service);
		if (!table[i].url)
			assert_null(url);
		else if (!url)
			fail_msg("row %zu: nothing", i);
		else
			assert_string_equal(url, table[i].url);
	}
}

static void without_an_environment_it_is_the_processs_own(void **state)
{
	(void)state;
	assert_int_equal(setenv("AWS_ENDPOINT_URL_SQS", SQS, 1), 0);
	assert_string_equal(aws_endpoint_named(NULL, "sqs"), SQS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_services_own_variable_comes_first),
		cmocka_unit_test(without_an_environment_it_is_the_processs_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
