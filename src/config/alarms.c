/* The alarms and notices of a configuration: those that hold without a word, and, once everything has been
 * read, what the sections mean and what is wrong with them. Calls base and model; one thread a configuration
 * in the making. */
#include "config/load.h"

#include "base/language.h"
#include "base/mem.h"
#include "config/value.h"

#include <stdio.h>
#include <string.h>

const struct alarm_default alarm_defaults[] = {
#define ALARM(name, metric, side, threshold, clear, hold, clear_hold, severity, help)                        \
	{ "alarm." name, help,                                                                               \
		{ { "metric", metric }, { side, threshold }, { "clear", clear }, { "for", hold },            \
		        { "clear_for", clear_hold }, { "severity", severity } } },
#include "config/alarms.def"
#undef ALARM
};
const size_t alarm_default_count = ARRAY_LEN(alarm_defaults);

void alarms_begin(struct load *load)
{
	for (size_t i = 0; i < ARRAY_LEN(alarm_defaults); i++) {
		const struct alarm_default *d = &alarm_defaults[i];
		load_section(load, d->section, ORIGIN_BUILT_IN);
		for (size_t k = 0; k < ARRAY_LEN(d->values); k++)
			load_value(load, key_in(load->config, d->section, d->values[k].key),
			        d->values[k].text, ORIGIN_BUILT_IN);
	}
	load_section(load, NOTIFY_BUILT_IN, ORIGIN_BUILT_IN);
	load_value(load, key_in(load->config, NOTIFY_BUILT_IN, "kind"), "log", ORIGIN_BUILT_IN);
}

/* -- One section under examination ------------------------------------------------------------------- */

struct section {
	struct load *load;
	char name[CONFIG_ENV_NAME_MAX];
	const char *at;
};

static const char *origin(const struct section *s, const char *key)
{
	const struct config *config = s->load->config;
	return config->origins[key_in(config, s->name, key) - config->keys];
}

static bool refused(const struct section *s, const char *key)
{
	return s->load->refused[key_in(s->load->config, s->name, key) - s->load->config->keys];
}

/* `fmt`: of the section, the key, and what may have been meant. */
static void need(const struct section *s, const char *key, const char *value, const char *fmt)
{
	struct buf hint = BUF(256);

	if (value || refused(s, key))
		return;
	section_suggest(&hint, s->load->config, s->name);
	load_error(s->load, s->at, fmt, s->name, key, buf_str(&hint));
	buf_free(&hint);
}

/* -- Notices ----------------------------------------------------------------------------------------- */

static void notify_check(struct load *load, struct config_notify *n)
{
	struct section s = { .load = load, .at = n->at };

	snprintf(s.name, sizeof s.name, "notify.%s", n->name);
	need(&s, "kind", n->kind, N_("[%s] %s is needed%s"));
	if (!n->kind)
		return;
	if (strcmp(n->kind, "webhook") == 0)
		need(&s, "url", n->url, N_("[%s] %s is needed by a webhook%s"));
	if (strcmp(n->kind, "mail") == 0) {
		need(&s, "to", n->to, N_("[%s] %s is needed by a mail%s"));
		if (!load->config->email.from)
			need(&s, "from", n->from,
			        N_("[%s] %s is needed by a mail, because [email] from is not set%s"));
	}
	if (strcmp(n->kind, "sns") == 0) {
		need(&s, "topic", n->topic, N_("[%s] %s is needed by sns%s"));
		if (n->topic && strncmp(n->topic, "arn:", 4) != 0)
			load_error(load, origin(&s, "topic"),
			        "[%s] topic: write its ARN, as arn:aws:sns:REGION:ACCOUNT:NAME", s.name);
	}
	if (n->user)
		need(&s, "password", n->password, N_("[%s] %s is needed because user is set%s"));
	if ((n->user || n->tls) && !n->smtp_url && !refused(&s, "smtp_url"))
		load_error(load, origin(&s, n->user ? "user" : "tls"),
		        "[%s] %s goes with smtp_url, which is not set", s.name, n->user ? "user" : "tls");
	if (n->smtp_url && n->tls &&
	        (strncmp(n->smtp_url, "smtps:", 6) == 0) != (strcmp(n->tls, "implicit") == 0))
		load_error(load, origin(&s, "tls"),
		        "[%s] tls: smtps:// and tls = implicit belong together; change one of them", s.name);
}

/* -- Alarms ------------------------------------------------------------------------------------------ */

/* *ret is untouched where the text is none; that it is bad has then been said. */
static bool threshold(
        const struct section *s, const char *key, const char *text, enum alarm_metric metric, double *ret)
{
	const struct alarm_metric_info *info = alarm_metric_info(metric);

	if (alarm_value_parse(text, info->unit, ret))
		return true;
	load_error(s->load, origin(s, key), "[%s] %s: \"%.40s\" is not allowed; %s wants %s", s->name, key,
	        text, info->name, _(alarm_value_form(info->unit)));
	return false;
}

static bool built_in(const struct section *s, const char *key)
{
	return strcmp(origin(s, key), ORIGIN_BUILT_IN) == 0;
}

/* A built-in value that went with another one that the operator changed. */
static void forget(const struct section *s, const char *key)
{
	struct config *config = s->load->config;
	const struct config_key *row = key_in(config, s->name, key);
	char **from = &config->origins[row - config->keys];

	value_free(config, row);
	free(*from);
	*from = mem_string(N_("not with what is set"));
}

/* What holds without a word gives way to what is said, and does not contradict it. */
static void defaults_yield(const struct section *s, struct config_alarm *a)
{
	if (a->above && a->below && built_in(s, "above"))
		forget(s, "above");
	else if (a->above && a->below && built_in(s, "below"))
		forget(s, "below");
	if (a->clear && built_in(s, "clear") && !built_in(s, a->below ? "below" : "above"))
		forget(s, "clear");
}

static void thresholds_check(const struct section *s, struct config_alarm *a)
{
	defaults_yield(s, a);
	const char *side = a->below ? "below" : "above", *text = a->below ? a->below : a->above;

	if (a->above && a->below) {
		load_error(s->load, origin(s, "below"),
		        "[%s] above and below exclude each other; unset one (above =)", s->name);
		return;
	}
	a->is_below = a->below != NULL;
	need(s, "above", text, N_("[%s] %s is needed, or below%s"));
	if (!text || !threshold(s, side, text, a->watches, &a->raise_at))
		return;
	a->clear_at = a->raise_at;
	if (!a->clear || !threshold(s, "clear", a->clear, a->watches, &a->clear_at))
		return;
	if (a->is_below ? a->clear_at < a->raise_at : a->clear_at > a->raise_at)
		load_error(s->load, origin(s, "clear"), "[%s] clear: %s is on the bad side of %s, %s",
		        s->name, a->clear, side, text);
}

int config_notify_find(const struct config *config, const char *name, size_t len)
{
	for (int i = 0; i < config->notifies; i++)
		if (strlen(config->notify[i].name) == len && strncmp(config->notify[i].name, name, len) == 0)
			return i;
	return -1;
}

static void notify_resolve(const struct section *s, struct config_alarm *a)
{
	const struct config *config = s->load->config;

	a->notify_mask = a->notify ? 0 : (1u << config->notifies) - 1;
	for (const char *name = a->notify; name && *name;) {
		name += strspn(name, " ,");
		size_t len = strcspn(name, " ,");
		int found = config_notify_find(config, name, len);
		if (found >= 0)
			a->notify_mask |= 1u << found;
		else if (len)
			load_error(s->load, origin(s, "notify"),
			        "[%s] notify: there is no section [notify.%.*s]", s->name, (int)len, name);
		name += len;
	}
}

static void alarm_check(struct load *load, struct config_alarm *a)
{
	struct section s = { .load = load, .at = a->at };

	snprintf(s.name, sizeof s.name, "alarm.%s", a->name);
	a->of_channel = -1;
	need(&s, "metric", a->metric, N_("[%s] %s is needed%s"));
	if (!a->metric || !alarm_metric_by_name(a->metric, &a->watches))
		return;
	enum channel_id channel;
	if (a->channel && channel_by_name(a->channel, &channel))
		a->of_channel = channel;
	if (a->channel && !alarm_metric_info(a->watches)->of_channel)
		load_error(load, origin(&s, "channel"),
		        "[%s] channel: %s is the same for all channels; leave it out", s.name, a->metric);
	thresholds_check(&s, a);
	notify_resolve(&s, a);
}

void alarms_check(struct load *load)
{
	struct config *config = load->config;

	for (int i = 0; i < config->notifies; i++)
		notify_check(load, &config->notify[i]);
	for (int i = 0; i < config->alarms; i++)
		if (config->alarm[i].enabled)
			alarm_check(load, &config->alarm[i]);
}
