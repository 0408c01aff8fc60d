/* Signed calls, one after the other: see services.h. May call net and base. */
#include "provision/services.h"

#include "base/error.h"
#include "base/mem.h"
#include "net/xml.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define CONNECTIONS_MAX 4 /* one a service */
#define TARGET_MAX 64
#define POLICY_FILE "conf/iam/provisioner.json"

static const struct {
	const char *name;       /* in the signature and the endpoint */
	const char *permission; /* before the action in a policy */
	const char *version;    /* of the Query protocol */
} services_known[SERVICE_COUNT] = {
	[SERVICE_STS] = { "sts", "sts", "2011-06-15" },
	[SERVICE_SNS] = { "sns", "sns", "2010-03-31" },
	[SERVICE_SQS] = { "sqs", "sqs", NULL },
	[SERVICE_CLOUDWATCH] = { "monitoring", "cloudwatch", "2010-08-01" },
};

struct services {
	struct loop *loop;
	struct curl_loop *curl;
	struct http *http;
	struct aws_provider *provider;
	struct aws_client *clients[SERVICE_COUNT];
	struct provision_identity who; /* empty until it is known */
	bool unknown_action;
};

struct waiting {
	struct services *services;
	enum service service;
	const char *action;
	struct buf *answer;
	struct usher_error *err;
	int code;
};

struct services *services_new(const struct services_settings *settings)
{
	struct services *services = mem_alloc(sizeof *services);

	services->loop = loop_new();
	services->curl = curl_loop_new(services->loop, CONNECTIONS_MAX);
	services->http = http_new(services->curl);
	services->provider = aws_provider_new(services->loop, services->http,
	        &(struct aws_provider_settings){ .profile = settings->profile,
	                .region = settings->region,
	                .ca_bundle = settings->ca_bundle });
	for (int i = 0; i < SERVICE_COUNT; i++)
		services->clients[i] = aws_client_new(&(struct aws_client_settings){ .loop = services->loop,
		        .http = services->http,
		        .provider = services->provider,
		        .region = settings->region,
		        .service = services_known[i].name,
		        .endpoint = settings->endpoint_url,
		        .ca_bundle = settings->ca_bundle });
	return services;
}

void services_free(struct services *services)
{
	if (!services)
		return;
	aws_provider_free(services->provider);
	for (int i = 0; i < SERVICE_COUNT; i++)
		aws_client_free(services->clients[i]);
	http_free(services->http);
	curl_loop_free(services->curl);
	loop_free(services->loop);
	free(services);
}

/* -- Query bodies ------------------------------------------------------------------------------- */

static void percent_encode(struct buf *out, const char *text)
{
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c < 0x80 && (isalnum(*c) || strchr("-_.~", *c)))
			buf_putc(out, (char)*c);
		else
			buf_printf(out, "%%%02X", *c);
	}
}

void query_begin(struct buf *body, enum service service, const char *action)
{
	buf_clear(body);
	buf_printf(body, "Action=%s&Version=%s", action, services_known[service].version);
}

void query_add(struct buf *body, const char *value, const char *name_fmt, ...)
{
	va_list ap;

	buf_putc(body, '&');
	va_start(ap, name_fmt);
	buf_vprintf(body, name_fmt, ap);
	va_end(ap);
	buf_putc(body, '=');
	percent_encode(body, value);
}

/* -- Calls -------------------------------------------------------------------------------------- */

/* The service's words name who was refused, and its policy; what is missing there is what would allow it. */
static int refused(struct waiting *w, const struct aws_answer *answer)
{
	const struct provision_identity *who = &w->services->who;
	const char *permission = services_known[w->service].permission;

	if (strncmp(answer->error_type, "AccessDenied", 12) != 0 &&
	        strncmp(answer->error_type, "AuthorizationError", 18) != 0)
		return error_set(w->err, answer->code, "%s", answer->error_message);
	if (!*who->principal)
		return error_set(w->err, answer->code,
		        "%s\nWho runs this needs the permission %s:%s; %s has all that provisioning needs "
		        "(usher-aws(7))",
		        answer->error_message, permission, w->action, POLICY_FILE);
	return error_set(w->err, answer->code,
	        "%s\nThe role of %s needs the permission %s:%s; %s has all that provisioning needs "
	        "(usher-aws(7))",
	        answer->error_message, who->principal, permission, w->action, POLICY_FILE);
}

static void on_answer(void *arg, const struct aws_answer *answer)
{
	struct waiting *w = arg;

	w->code = answer->code;
	w->services->unknown_action = aws_client_is_elsewhere(w->services->clients[w->service]) &&
	                              (strcmp(answer->error_type, "InvalidAction") == 0 ||
	                                      strcmp(answer->error_type, "UnknownOperationException") == 0);
	if (answer->code == USHER_EFORBIDDEN)
		refused(w, answer);
	else if (answer->code)
		error_set(w->err, answer->code, "%s", answer->error_message);
	else if (w->answer)
		buf_add(w->answer, answer->body, answer->body_len);
	loop_stop(w->services->loop);
}

int services_call(struct services *services, enum service service, const char *action, const struct buf *body,
        struct buf *ret_answer, struct usher_error *err)
{
	struct waiting w = { services, service, action, ret_answer, err, 0 };
	char target[TARGET_MAX];
	struct aws_request request = {
		.action = action,
		.body = buf_str(body),
		.body_len = body->len,
		.timeout_ms = CALL_TIMEOUT_MS,
	};

	if (body->failed)
		return error_set(
		        err, USHER_ETOOBIG, "%s: the request has more than %d bytes", action, CALL_BODY_MAX);
	if (ret_answer)
		buf_clear(ret_answer);
	if (!services_known[service].version) {
		snprintf(target, sizeof target, "AmazonSQS.%s", action);
		request.target = target;
	}
	aws_call(services->clients[service], &request, on_answer, &w);
	loop_run(services->loop);
	return w.code;
}

bool services_unknown_action(const struct services *services)
{
	return services->unknown_action;
}

/* -- Who asks ----------------------------------------------------------------------------------- */

static void on_element(void *arg, const char *path, const char *text)
{
	struct provision_identity *who = arg;

	if (strcmp(path, "GetCallerIdentityResponse/GetCallerIdentityResult/Account") == 0)
		snprintf(who->account, sizeof who->account, "%s", text);
	else if (strcmp(path, "GetCallerIdentityResponse/GetCallerIdentityResult/Arn") == 0)
		snprintf(who->principal, sizeof who->principal, "%s", text);
}

/* They become part of ARNs and of JSON texts. */
static bool plain_word(const char *text)
{
	return *text && text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0';
}

int services_identity(struct services *services, struct provision_identity *ret_who, struct usher_error *err)
{
	struct buf body = BUF(CALL_BODY_MAX), answer = BUF(CALL_BODY_MAX);
	struct provision_identity who = { 0 };

	query_begin(&body, SERVICE_STS, "GetCallerIdentity");
	int rc = services_call(services, SERVICE_STS, "GetCallerIdentity", &body, &answer, err);
	if (rc == 0)
		rc = xml_walk(buf_str(&answer), answer.len, on_element, &who, err);
	if (rc == 0) {
		/* arn:PARTITION:... */
		const char *partition = strncmp(who.principal, "arn:", 4) == 0 ? who.principal + 4 : "";
		snprintf(
		        who.partition, sizeof who.partition, "%.*s", (int)strcspn(partition, ":"), partition);
		if (!plain_word(who.partition) || !plain_word(who.account))
			rc = error_set(err, USHER_EPROTOCOL,
			        "sts GetCallerIdentity: the answer names no account and no ARN");
	}
	if (rc == 0)
		*ret_who = services->who = who;
	buf_free(&body);
	buf_free(&answer);
	return rc;
}
