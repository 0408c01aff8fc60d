/* From the configuration to the plan, and on: see provision.h. */
#include "provision/provision.h"

#include "base/error.h"
#include "base/language.h"
#include "base/mem.h"
#include "model/failure.h"
#include "model/message.h"
#include "provision/actual.h"
#include "provision/apply.h"
#include "provision/caution.h"
#include "provision/desired.h"
#include "provision/differ.h"

#include <string.h>

/* All delays of a delivery that never succeeds, stretched as far as jitter goes. */
static int64_t schedule_s(const struct config_channel *channel)
{
	double sum = 0, delay = (double)channel->base_ms;

	for (int i = 1; i < channel->max_attempts; i++) {
		double stretched = delay * (1 + channel->jitter);
		sum += stretched < (double)channel->max_delay_ms ? stretched : (double)channel->max_delay_ms;
		delay *= channel->factor;
	}
	return (int64_t)(sum / 1000);
}

static const char *text_or_null(const char *text)
{
	return text && *text ? text : NULL;
}

/* As the embedded broker's queues: see engine/join.c. */
static void settings_fill(struct provision_settings *settings, const struct config *config)
{
	*settings = (struct provision_settings){
		.region = config->aws.region,
		.topic = config->aws.topic,
		.kms_key_id = text_or_null(config->aws.kms_key_id),
	};
	for (int id = 0; id < CHANNEL_COUNT; id++) {
		const struct config_channel *channel = &config->channel[id];
		if (channel->enabled)
			settings->channels[settings->channel_count++] = (struct provision_channel){
				.queue = channel->queue,
				.dlq = channel->dlq,
				.visibility_ms = channel->visibility_timeout_ms,
				.retention_ms = QUEUE_RETENTION_MS,
				.max_receives = queue_receives(channel->max_attempts),
				.oldest_s = schedule_s(channel) + PROVISION_OLDEST_SPARE_S,
			};
	}
}

static int check(const struct config *config, struct usher_error *err)
{
	const char *region = config->aws.region;

	if (strcmp(config->broker.driver, "aws") != 0)
		return error_set(err, USHER_ECONFIG,
		        "there is nothing to provision: [broker] driver is %s, and the embedded broker makes "
		        "its queues by "
		        "itself; set driver = aws to use SNS and SQS",
		        config->broker.driver);
	if (!text_or_null(region) || region[strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-")])
		return error_set(err, USHER_ECONFIG,
		        "[aws] region is needed, as ap-northeast-2; set it or USHER_AWS_REGION in the "
		        "environment");
	return 0;
}

struct provisioning {
	struct services *services;
	struct state desired, actual;
	struct plan plan;
};

static int compare(
        struct provisioning *p, const struct provision_settings *settings, FILE *out, struct usher_error *err)
{
	struct provision_identity who;
	bool no_alarms = false;
	int rc = services_identity(p->services, &who, err);

	if (rc == 0)
		rc = desired_make(settings, &who, &p->desired, err);
	if (rc == 0)
		rc = actual_read(p->services, &p->desired, &p->actual, &no_alarms, err);
	if (rc == 0)
		rc = caution_check(&p->desired, &p->actual, err);
	if (rc)
		return rc;
	fprintf(out, _("Account %s, region %s, as %s\n"), who.account, settings->region, who.principal);
	if (no_alarms)
		fputs(_("The endpoint knows no CloudWatch: the alarms are left out.\n"), out);
	plan_make(&p->desired, &p->actual, &p->plan);
	cautions_print(&p->desired, &p->actual, &p->plan, out);
	return 0;
}

int provision_run(
        const struct config *config, bool apply, FILE *out, bool *ret_differs, struct usher_error *err)
{
	struct provision_settings settings;
	struct provisioning *p;
	int rc = check(config, err);

	if (rc)
		return rc;
	settings_fill(&settings, config);
	p = mem_alloc(sizeof *p);
	p->services = services_new(&(struct services_settings){
	        .region = config->aws.region,
	        .endpoint_url = text_or_null(config->aws.endpoint_url),
	        .profile = text_or_null(config->aws.profile),
	        .ca_bundle = text_or_null(config->aws.ca_bundle),
	});
	rc = compare(p, &settings, out, err);
	if (rc == 0 && apply)
		rc = apply_plan(p->services, &p->plan, &p->desired, &p->actual, out, err);
	else if (rc == 0)
		plan_print(&p->plan, &p->desired, out);
	if (rc == 0)
		*ret_differs = p->plan.n > 0;
	services_free(p->services);
	state_free(&p->desired);
	state_free(&p->actual);
	free(p);
	return rc;
}
