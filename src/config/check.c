/* What must hold between values: what is needed because something else is on, what contradicts, and
 * what follows from other values when it was not given. Notes every error; one thread a call. */
#include "config/load.h"

#include "base/clock.h"
#include "base/language.h"
#include "base/mem.h"
#include "config/value.h"
#include "net/aws_endpoint.h"
#include "net/smtp.h"

#include <stdio.h>
#include <string.h>

#define ORIGIN_RETRY N_("as in [retry]")
#define ORIGIN_RUN_DIR N_("from run_dir")

static size_t row(const char *section, const char *name)
{
	return (size_t)(key_find(section, name) - config_keys);
}

static const char *origin(const struct load *load, const char *section, const char *name)
{
	return load->config->origins[row(section, name)];
}

static void set_origin(struct load *load, size_t i, const char *text)
{
	free(load->config->origins[i]);
	load->config->origins[i] = mem_string(text);
}

static bool given(const struct load *load, const char *section, const char *name)
{
	return strcmp(origin(load, section, name), ORIGIN_BUILT_IN) != 0;
}

/* -- What follows from other values ------------------------------------------------------------- */

/* RUN_DIR/file for a socket that was not given. */
static void derive_socket(struct load *load, const char *name, const char *file)
{
	const struct config_key *key = key_find("daemon", name);
	struct usher_error err;
	struct buf path = BUF(CONFIG_VALUE_MAX + 64);

	if (*value_text(load->config, key))
		return;
	buf_printf(&path, "%s/%s", load->config->daemon.run_dir, file);
	if (value_store(load->config, key, buf_str(&path), &err)) {
		OWNED char *words = load_words(&err);
		load_error(
		        load, origin(load, "daemon", "run_dir"), "[daemon] %s in run_dir: %s", name, words);
	}
	set_origin(load, row("daemon", name), ORIGIN_RUN_DIR);
	buf_free(&path);
}

static void derive_state_dir(struct load *load)
{
	struct config *config = load->config;

	if (config->daemon.state_dir)
		return;
	config->daemon.state_dir = mem_string(config->daemon.run_dir);
	set_origin(load, row("daemon", "state_dir"), ORIGIN_RUN_DIR);
}

static void derive_retry(struct load *load, const char *section)
{
	for (size_t i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];
		const struct config_key *general = key_find("retry", key->name);
		if (strcmp(key->section, section) != 0 || !general || given(load, section, key->name))
			continue;
		value_copy(load->config, key, general);
		set_origin(load, i, ORIGIN_RETRY);
	}
}

static bool smtps(const struct load *load)
{
	return load->config->email.smtp_url && strncmp(load->config->email.smtp_url, "smtps://", 8) == 0;
}

static void derive_tls(struct load *load)
{
	if (!smtps(load) || given(load, "email", "tls"))
		return;
	load->config->email.tls = SMTP_TLS_IMPLICIT;
	set_origin(load, row("email", "tls"), N_("from smtp_url"));
}

/* As the AWS SDKs have it. */
static void derive_region(struct load *load)
{
	static const char *const names[] = { "AWS_REGION", "AWS_DEFAULT_REGION" };
	const struct config_key *key = key_find("aws", "region");

	for (size_t i = 0; i < ARRAY_LEN(names) && !*value_text(load->config, key); i++) {
		const char *text = environment_get(load->environment, names[i]);
		if (!text || !*text)
			continue;
		struct usher_error err;
		char from[64];
		if (value_store(load->config, key, text, &err)) {
			OWNED char *words = load_words(&err);
			load_error(load, names[i], "[aws] region: %s", words);
		}
		snprintf(from, sizeof from, _("from %s"), names[i]);
		set_origin(load, row("aws", "region"), from);
	}
}

/* -- Checks ------------------------------------------------------------------------------------- */

static void need(struct load *load, const char *section, const char *name, const char *reason)
{
	const struct config_key *key = key_find(section, name);
	const char *where = load->path ? load->path : _("configuration");
	char env[CONFIG_ENV_NAME_MAX];

	/* One that was given and refused has its error already. */
	if (*value_text(load->config, key) || load->refused[row(section, name)])
		return;
	key_env_name(key, env);
	if (key->flags & SECRET)
		load_error(load, where, "[%s] %s is needed %s; set it, %s_file or %s in the environment",
		        section, name, reason, name, env);
	else
		load_error(load, where, "[%s] %s is needed %s; set it or %s in the environment", section,
		        name, reason, env);
}

void load_check_needed(struct load *load)
{
	const struct config *c = load->config;

	if (c->channel[CHANNEL_EMAIL].enabled)
		need(load, "email", "from", _("while [channel.email] is enabled"));
	if (c->channel[CHANNEL_COUPON].enabled)
		need(load, "coupon", "url", _("while [channel.coupon] is enabled"));
	if (c->email.user)
		need(load, "email", "password", _("because [email] user is set"));
	if (c->email.password)
		need(load, "email", "user", _("because [email] password is set"));
	if (c->database.migrate_password)
		need(load, "database", "migrate_user", _("because [database] migrate_password is set"));
}

static bool on_aws(const struct load *load)
{
	return strcmp(load->config->broker.driver, "aws") == 0;
}

static bool fifo(const char *name)
{
	size_t len = strlen(name);

	return len > 5 && strcmp(name + len - 5, ".fifo") == 0;
}

/* SQS wants a FIFO queue's DLQ to be one too, and an SNS FIFO topic's queues; the embedded broker keeps no
 * order. */
static void check_fifo(struct load *load, const char *section, enum channel_id id)
{
	const struct config_channel *channel = &load->config->channel[id];

	if (!on_aws(load) && (fifo(channel->queue) || fifo(channel->dlq)))
		load_error(load, origin(load, section, fifo(channel->queue) ? "queue" : "dlq"),
		        "[%s] %s: a name that ends in .fifo is for [broker] driver = aws; use letters, "
		        "digits, - and _",
		        section, fifo(channel->queue) ? "queue" : "dlq");
	else if (fifo(channel->queue) != fifo(channel->dlq))
		load_error(load, origin(load, section, "dlq"),
		        "[%s] dlq: queue and dlq must both end in .fifo, or neither", section);
}

/* arn:PARTITION:sns:REGION:ACCOUNT:NAME: SNS has the topics of its own region only. */
static void check_topic(struct load *load)
{
	const char *region = load->config->aws.region, *of_topic = load->config->aws.topic;

	if (!region || strncmp(of_topic, "arn:", 4) != 0)
		return;
	for (int colons = 0; colons < 3; colons++)
		of_topic = strchr(of_topic, ':') + 1;
	size_t len = strcspn(of_topic, ":");
	if (strlen(region) != len || memcmp(region, of_topic, len) != 0)
		load_error(load, origin(load, "aws", "topic"),
		        "[aws] topic: the ARN is of region %.*s, but [aws] region is %s; change one of them",
		        (int)len, of_topic, region);
}

static bool speaks_to_aws(const struct load *load)
{
	const struct config *c = load->config;
	bool sns = false;

	for (int i = 0; i < c->notifies; i++)
		sns |= c->notify[i].kind && strcmp(c->notify[i].kind, "sns") == 0;
	return sns || on_aws(load);
}

/* They are read where endpoint_url is not set, and must be what that must be: for provisioning too, which has
 * no more of a configuration than what needs the database alone. */
static void check_endpoints(struct load *load)
{
	const char *variable;

	if (!speaks_to_aws(load) || load->config->aws.endpoint_url)
		return;
	for (size_t i = 0; (variable = aws_endpoint_variable(i)) != NULL; i++) {
		const char *url = environment_get(load->environment, variable);
		char where[CONFIG_WHERE_MAX];
		struct usher_error err;

		if (!url || !*url || value_check(key_find("aws", "endpoint_url"), url, &err) == 0)
			continue;
		OWNED char *words = load_words(&err);
		snprintf(where, sizeof where, _("environment %s"), variable);
		load_error(load, where, "%s", words);
	}
}

static void check_driver(struct load *load)
{
	if (on_aws(load)) {
		need(load, "aws", "region", _("while [broker] driver is aws (AWS_REGION serves too)"));
		check_topic(load);
	}
	check_fifo(load, "channel.email", CHANNEL_EMAIL);
	check_fifo(load, "channel.coupon", CHANNEL_COUPON);
}

static void check_tls(struct load *load)
{
	if (smtps(load) && load->config->email.tls != SMTP_TLS_IMPLICIT)
		load_error(load, origin(load, "email", "tls"),
		        "[email] tls: an smtps:// server is spoken to with tls = implicit; change tls or "
		        "smtp_url");
}

/* Of what one side of these says, the server would hear nothing. */
bool server_settings_fit(const struct config *config)
{
	const char *user = config->config_server.user;

	return !(config->config_server.bearer && config->config_server.password) &&
	       !(user && !config->config_server.password) && !(user && strchr(user, ':'));
}

static void check_server(struct load *load)
{
	const struct config *c = load->config;

	if (server_settings_fit(c))
		return;
	if (c->config_server.bearer && c->config_server.password)
		load_error(load, origin(load, "config_server", "bearer"),
		        "[config_server] bearer: the server is told one login, and there is a password too; "
		        "unset one");
	else if (c->config_server.password)
		load_error(load, origin(load, "config_server", "user"),
		        "[config_server] user: a login of HTTP Basic holds no colon");
	else
		need(load, "config_server", "password", _("because [config_server] user is set"));
}

/* Two of these with one name would carry each other's messages. */
static void check_queues(struct load *load)
{
	static const char *const queues[][2] = { { "channel.email", "queue" }, { "channel.email", "dlq" },
		{ "channel.coupon", "queue" }, { "channel.coupon", "dlq" } };

	for (size_t i = 1; i < ARRAY_LEN(queues); i++)
		for (size_t j = 0; j < i; j++) {
			const char *a = *value_text(load->config, key_find(queues[j][0], queues[j][1]));
			const char *b = *value_text(load->config, key_find(queues[i][0], queues[i][1]));
			if (strcmp(a, b) == 0)
				load_error(load, origin(load, queues[i][0], queues[i][1]),
				        "[%s] %s: %s is the name of [%s] %s too; each queue needs its own",
				        queues[i][0], queues[i][1], b, queues[j][0], queues[j][1]);
		}
}

static void check_sockets(struct load *load)
{
	const struct config *c = load->config;

	if (c->daemon.socket && c->daemon.readonly_socket &&
	        strcmp(c->daemon.socket, c->daemon.readonly_socket) == 0)
		load_error(load, origin(load, "daemon", "readonly_socket"),
		        "[daemon] readonly_socket: %s is the socket that can act; they must be two",
		        c->daemon.socket);
}

static void check_retry(struct load *load, const char *section, int64_t base_ms, int64_t max_delay_ms)
{
	char base[DURATION_TEXT_SIZE], max[DURATION_TEXT_SIZE];

	/* Half of the comparison was refused: the other half may be right. */
	if (load->refused[row(section, "base")] || load->refused[row(section, "max_delay")] ||
	        base_ms <= max_delay_ms)
		return;
	load_error(load, origin(load, section, "base"), "[%s] base: %s is more than max_delay, %s", section,
	        duration_format(base_ms, base), duration_format(max_delay_ms, max));
}

static bool inherited(const struct load *load, const char *section, const char *name)
{
	return strcmp(origin(load, section, name), ORIGIN_RETRY) == 0;
}

static void check_schedules(struct load *load)
{
	static const char *const sections[CHANNEL_COUNT] = {
		[CHANNEL_EMAIL] = "channel.email", [CHANNEL_COUPON] = "channel.coupon"
	};

	check_retry(load, "retry", load->config->retry.base_ms, load->config->retry.max_delay_ms);
	for (size_t i = 0; i < CHANNEL_COUNT; i++)
		if (!inherited(load, sections[i], "base") || !inherited(load, sections[i], "max_delay"))
			check_retry(load, sections[i], load->config->channel[i].base_ms,
			        load->config->channel[i].max_delay_ms);
}

/* Somebody wanted it for a reason; nobody shall be surprised by it. */
static void note_unmasked(struct load *load)
{
	const struct config *c = load->config;
	const struct {
		bool hidden;
		const char *name, *what;
	} kinds[] = {
		{ c->mask.email, "email", N_("mail addresses") },
		{ c->mask.name, "name", N_("names") },
		{ c->mask.user_id, "user_id", N_("user ids") },
		{ c->mask.phone, "phone", N_("phone numbers") },
	};

	if (!c->log.mask)
		load_note(load, "[log] mask is no: log lines show members' personal data; that is for a "
		                "developer's machine");
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (!kinds[i].hidden)
			load_note(load, "[mask] %s is no: %s of members are shown to all who may look",
			        kinds[i].name, _(kinds[i].what));
}

void load_check(struct load *load)
{
	derive_socket(load, "socket", "usher.sock");
	derive_socket(load, "readonly_socket", "usher-ro.sock");
	derive_state_dir(load);
	derive_retry(load, "channel.email");
	derive_retry(load, "channel.coupon");
	derive_tls(load);
	derive_region(load);
	check_server(load);
	check_endpoints(load);
	if (load->database_only)
		return;
	load_check_needed(load);
	check_driver(load);
	check_schedules(load);
	check_tls(load);
	check_queues(load);
	check_sockets(load);
	note_unmasked(load);
	alarms_check(load);
}
