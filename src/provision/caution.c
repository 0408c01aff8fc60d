/* What keeps sign-ups from their queues: see caution.h. May call base only; pure, printing aside. */
#include "provision/caution.h"

#include "base/error.h"
#include "base/language.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define SNS_MESSAGE_MAX 262144 /* bytes: what a topic takes, its queues should take too */
#define KEY "KmsMasterKeyId"

/* -- Attributes that somebody has set ----------------------------------------------------------- */

static bool filters(const char *value)
{
	return strcmp(value, "{}") != 0;
}

static bool delays(const char *value)
{
	return strtoll(value, NULL, 10) > 0;
}

static bool is_small(const char *value)
{
	return strtoll(value, NULL, 10) < SNS_MESSAGE_MAX;
}

static const struct {
	enum thing_kind kind;
	const char *attribute;
	bool (*hinders)(const char *value);
	const char *words;
} table[] = {
	{ THING_SUBSCRIPTION, "FilterPolicy", filters,
	        N_("SNS sends the queue only what matches it, and drops the rest without a word") },
	{ THING_QUEUE, "DelaySeconds", delays, N_("each message waits so long before it is delivered") },
	{ THING_QUEUE, "MaximumMessageSize", is_small,
	        N_("the queue takes no larger message; SNS drops those sign-ups") },
};

const char *caution_attribute(enum thing_kind kind, size_t i)
{
	for (size_t k = 0; k < ARRAY_LEN(table); k++)
		if (table[k].kind == kind && i-- == 0)
			return table[k].attribute;
	return NULL;
}

static void hindrances_print(const struct thing *thing, FILE *out)
{
	for (size_t k = 0; k < ARRAY_LEN(table); k++) {
		const struct attribute *found =
		        table[k].kind == thing->kind ? thing_get(thing, table[k].attribute) : NULL;

		if (found && *found->value && table[k].hinders(found->value))
			fprintf(out, "! %s %s: %s = %s: %s\n", _(thing_kind_word(thing->kind)), thing->name,
			        found->name, found->value, _(table[k].words));
	}
}

/* -- Keys ----------------------------------------------------------------------------------------- */

/* Of the queues only those that SNS sends to matter: to a dead-letter queue the worker sends, by its role. */
static bool is_subscribed(const struct state *desired, const struct thing *queue)
{
	for (size_t i = 0; i < desired->n; i++)
		if (desired->things[i].kind == THING_SUBSCRIPTION &&
		        strcmp(desired->things[i].arn, queue->arn) == 0)
			return true;
	return false;
}

int caution_check(const struct state *desired, const struct state *actual, struct usher_error *err)
{
	for (size_t i = 0; i < desired->n; i++) {
		const struct thing *should = &desired->things[i];
		const struct attribute *key = thing_get(&actual->things[i], KEY);

		if (should->kind == THING_QUEUE && key && strstr(key->value, PROVISION_MANAGED_KEYS) &&
		        !thing_get(should, KEY) && is_subscribed(desired, should))
			return error_set(err, USHER_ECONFIG,
			        "queue %s is encrypted with %s, a key that AWS manages and SNS may not use: "
			        "every sign-up for it is lost; set [aws] kms_key_id to a key of your own, or "
			        "have SQS manage the queue's key (SSE-SQS)",
			        should->name, key->value);
	}
	return 0;
}

/* The key that the step gives to a queue to which SNS sends; NULL: it gives none. */
static const char *key_given(const struct state *desired, const struct step *step)
{
	const struct thing *thing = &desired->things[step->thing];
	const struct attribute *given = step->kind == STEP_CREATE ? thing_get(thing, KEY) : step->should;

	if (thing->kind != THING_QUEUE || !given || strcmp(given->name, KEY) != 0)
		return NULL;
	return given->value;
}

static void keys_print(const struct state *desired, const struct plan *plan, FILE *out)
{
	const char *key = NULL;

	for (size_t i = 0; i < plan->n; i++) {
		const struct step *step = &plan->steps[i];
		const char *given = key_given(desired, step);

		key = given ? given : key;
		if (given && step->kind == STEP_CHANGE && step->is)
			fprintf(out,
			        _("! queue %s: keep the key %s for 14 days: what stands in the queue is "
			          "encrypted with it\n"),
			        desired->things[step->thing].name, step->is);
	}
	if (key)
		fprintf(out,
		        _("! SNS sends to the queues only if the policy of the key %s lets it: usher-aws(7) "
		          "has the statement\n"),
		        key);
}

void cautions_print(
        const struct state *desired, const struct state *actual, const struct plan *plan, FILE *out)
{
	for (size_t i = 0; i < actual->n; i++)
		hindrances_print(&actual->things[i], out);
	keys_print(desired, plan, out);
}
