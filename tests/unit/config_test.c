/* The configuration as an operator meets it: what a key is when nobody says, who wins when several
 * say, and what is said, all at once, when something is wrong. Works in a directory of its own. */
#include "config/config.h"

#include "base/buf.h"
#include "base/mem.h"
#include "config/keys.h"
#include "net/smtp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define PATH_SIZE 512

/* What every configuration here begins with: the two values that have no default. */
#define NEEDED_INI "[email]\nfrom = welcome@example.com\n[coupon]\nurl = http://127.0.0.1:1/\n"

struct fixture {
	char folder[64], ini[PATH_SIZE];
	char *report; /* of the last load; lines */
	size_t report_len;
	struct config *config;
	struct usher_error err;
};

/* -- Tools -------------------------------------------------------------------------------------- */

static int setup(void **state)
{
	struct fixture *f = mem_alloc(sizeof *f);

	strcpy(f->folder, "/tmp/usher-config-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->ini, sizeof f->ini, "%s/usher.ini", f->folder);
	*state = f;
	return 0;
}

static void forget(struct fixture *f)
{
	config_free(f->config);
	f->config = NULL;
	free(f->report);
	f->report = NULL;
}

static int teardown(void **state)
{
	static const char *const names[] = { "usher.ini", "usher-local.ini", "usher-staging.ini",
		"usher-production.ini", "secret", "other", "database.password", "email.password",
		"coupon.token", "config_server.password" };
	struct fixture *f = *state;
	char path[PATH_SIZE];

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof path, "%s/%s", f->folder, names[i]);
		unlink(path);
	}
	rmdir(f->folder);
	forget(f);
	free(f);
	return 0;
}

static void write_bytes(const struct fixture *f, const char *name, const char *text, size_t len)
{
	char path[PATH_SIZE];
	FILE *file;

	snprintf(path, sizeof path, "%s/%s", f->folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static void write_text(const struct fixture *f, const char *name, const char *text)
{
	write_bytes(f, name, text, strlen(text));
}

static int load_path(struct fixture *f, const char *path, const char *const *environment, bool database)
{
	FILE *report;
	int code;

	forget(f);
	report = open_memstream(&f->report, &f->report_len);
	code = config_load_as(&(struct config_request){ .path = path,
	                              .environment = environment,
	                              .database_only = database,
	                              .offline = true,
	                              .report = report },
	        &f->config, &f->err);
	fclose(report);
	assert_true((code == 0) == (f->config != NULL));
	assert_true((code == 0) == (f->report_len == 0));
	return code;
}

static int load(struct fixture *f, const char *const *environment)
{
	return load_path(f, f->ini, environment, false);
}

/* The file with this text must be accepted, and no environment. */
static const struct config *accept_text(struct fixture *f, const char *text)
{
	write_text(f, "usher.ini", text);
	if (load(f, NULL))
		fail_msg("refused:\n%s\n%s", text, f->report);
	return f->config;
}

static void contains(const char *where, const char *what)
{
	if (!strstr(where, what))
		fail_msg("\"%s\" is not in:\n%s", what, where);
}

static void lacks(const char *where, const char *what)
{
	if (strstr(where, what))
		fail_msg("\"%s\" must not be in:\n%s", what, where);
}

static int lines(const char *text)
{
	int n = 0;
	for (; *text; text++)
		n += *text == '\n';
	return n;
}

/* Exactly one error, on this line of usher.ini, with these words. */
static void refuse_text(struct fixture *f, const char *text, int line, const char *words)
{
	char where[PATH_SIZE + 16];

	write_text(f, "usher.ini", text);
	if (load(f, NULL) != USHER_ECONFIG)
		fail_msg("accepted:\n%s", text);
	snprintf(where, sizeof where, "%s:%d: ", f->ini, line);
	contains(f->report, where);
	contains(f->report, words);
	assert_int_equal(lines(f->report), 1);
	contains(f->err.message, words);
	contains(f->err.message, "1 error in the configuration");
}

static char *printed(void (*print)(FILE *out))
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	print(out);
	fclose(out);
	return text;
}

static char *effective(const struct config *config)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	config_print(config, out);
	fclose(out);
	return text;
}

/* The line of `usherd check-config` for this key, without its section. */
static void shows(const struct config *config, const char *section, const char *name, const char *value,
        const char *origin)
{
	OWNED char *text = effective(config);
	char header[64];

	snprintf(header, sizeof header, "[%s]\n", section);
	contains(text, header);
	for (char *line = strstr(text, header); line && line[1] != '\n'; line = strchr(line, '\n') + 1) {
		char key[64], rest[1024];
		if (sscanf(line, "  %63s %1023[^\n]", key, rest) != 2 || strcmp(key, name) != 0)
			continue;
		assert_int_equal(strncmp(rest, value, strlen(value)), 0);
		assert_true(rest[strlen(value)] == ' ');
		assert_string_equal(rest + strlen(rest) - strlen(origin), origin);
		return;
	}
	fail_msg("%s.%s is not shown:\n%s", section, name, text);
}

/* -- Defaults ----------------------------------------------------------------------------------- */

static void defaults_hold_without_a_word(void **state)
{
	const struct config *c = accept_text(*state, NEEDED_INI);

	assert_null(c->daemon.profile);
	assert_string_equal(c->daemon.run_dir, "/run/usher");
	assert_string_equal(c->daemon.socket, "/run/usher/usher.sock");
	assert_string_equal(c->daemon.readonly_socket, "/run/usher/usher-ro.sock");
	assert_int_equal(c->daemon.drain_timeout_ms, 20000);
	assert_string_equal(c->daemon.state_dir, "/run/usher");
	assert_int_equal(c->daemon.disk_threshold, 10 << 20);
	assert_int_equal(c->log.level, LOG_INFO_LEVEL);
	assert_int_equal(c->log.format, LOG_TEXT);
	assert_true(c->log.mask);
	assert_string_equal(c->database.host, "127.0.0.1");
	assert_int_equal(c->database.port, 3306);
	assert_string_equal(c->database.user, "usher");
	assert_string_equal(c->database.name, "usher");
	assert_null(c->database.password);
	assert_int_equal(c->database.connect_timeout_ms, 3000);
	assert_int_equal(c->database.read_timeout_ms, 10000);
	assert_int_equal(c->database.keep_delivered_ms, 30LL * 86400 * 1000);
	assert_string_equal(c->broker.driver, "embedded");
	assert_string_equal(c->aws.topic, "user-signup");
	assert_string_equal(c->email.smtp_url, "smtp://127.0.0.1:25");
	assert_int_equal(c->email.tls, SMTP_TLS_STARTTLS);
	assert_int_equal(c->email.connections, 20);
	assert_int_equal(c->email.timeout_ms, 30000);
	assert_string_equal(c->email.template_dir, USHER_DATADIR "/templates");
	assert_string_equal(c->coupon.campaign, "welcome");
	assert_int_equal(c->coupon.timeout_ms, 10000);
	assert_int_equal(c->breaker.failures, 10);
	assert_int_equal(c->breaker.cooldown_ms, 30000);
	assert_int_equal(c->breaker.probes, 3);
	assert_int_equal(c->relay.batch, 10);
	assert_int_equal(c->relay.interval_ms, 1000);
	assert_int_equal(c->relay.max_backoff_ms, 60000);
	assert_int_equal(c->relay.gzip_above, 32768);
	assert_false(c->aws.spot_notice);
	assert_int_equal(c->watch.depth_interval_ms, 1000);
	assert_int_equal(c->watch.mirror_interval_ms, 30000);
}

static void defaults_of_the_channels(void **state)
{
	static const char *const queues[CHANNEL_COUNT] = {
		[CHANNEL_EMAIL] = "signup-welcome-email", [CHANNEL_COUPON] = "signup-welcome-coupon"
	};
	const struct config *c = accept_text(*state, NEEDED_INI);

	for (int i = 0; i < CHANNEL_COUNT; i++) {
		const struct config_channel *channel = &c->channel[i];
		char dlq[64];
		snprintf(dlq, sizeof dlq, "%s-dlq", queues[i]);
		assert_true(channel->enabled);
		assert_string_equal(channel->queue, queues[i]);
		assert_string_equal(channel->dlq, dlq);
		assert_int_equal(channel->visibility_timeout_ms, 60000);
		assert_int_equal(channel->receivers, 24);
		assert_int_equal(channel->in_flight, 300);
		assert_true(channel->rate == 0);
		assert_true(channel->auto_redrive);
		assert_int_equal(channel->max_attempts, 3);
		assert_int_equal(channel->base_ms, 60000);
		assert_true(channel->factor == 5);
		assert_int_equal(channel->max_delay_ms, 3600000);
		assert_true(channel->jitter == 0.1);
	}
}

static void every_default_is_within_its_own_limits(void **state)
{
	struct fixture *f = *state;
	struct buf text = BUF(65536);

	buf_puts(&text, NEEDED_INI);
	for (size_t i = 0; i < config_key_count; i++)
		if (config_keys[i].value && !key_is_pattern(&config_keys[i]))
			buf_printf(&text, "[%s]\n%s = %s\n", config_keys[i].section, config_keys[i].name,
			        config_keys[i].value);
	accept_text(f, buf_str(&text));
	buf_free(&text);
}

static void every_key_is_told_once_and_helped(void **state)
{
	(void)state;
	for (size_t i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];
		assert_ptr_equal(key_find(key->section, key->name), key);
		assert_true(strlen(key->help) > 5 && key->help[strlen(key->help) - 1] == '.');
	}
}

/* -- Who wins ----------------------------------------------------------------------------------- */

static void profile_is_over_ini_and_environment_over_both(void **state)
{
	static const char *const environment[] = { "PATH=/bin", "USHER_DATABASE_NAME=from_env",
		"USHER_CHANNEL_EMAIL_RATE=2.5", "USHER_CHANNEL_COUPON_DLQ=dead_coupons", NULL };
	struct fixture *f = *state;

	write_text(f, "usher.ini",
	        "[daemon]\nprofile = local\n[database]\nhost = from_ini\nuser = from_ini\nname = "
	        "from_ini\n" NEEDED_INI);
	write_text(f, "usher-local.ini", "[database]\nuser = from_profile\nname = from_profile\n");
	assert_int_equal(load(f, environment), 0);
	assert_string_equal(f->config->database.host, "from_ini");
	assert_string_equal(f->config->database.user, "from_profile");
	assert_string_equal(f->config->database.name, "from_env");
	assert_true(f->config->channel[CHANNEL_EMAIL].rate == 2.5);
	assert_string_equal(f->config->channel[CHANNEL_COUPON].dlq, "dead_coupons");
}

static void origins_are_shown(void **state)
{
	static const char *const environment[] = { "USHER_DATABASE_NAME=from_env", NULL };
	struct fixture *f = *state;
	char at_ini[PATH_SIZE + 8], at_profile[PATH_SIZE + 32];

	write_text(f, "usher.ini", "[daemon]\nprofile = local\n\n[database]\nhost = from_ini\n" NEEDED_INI);
	write_text(f, "usher-local.ini", "# comment\n[database]\nuser = from_profile\n");
	assert_int_equal(load(f, environment), 0);
	snprintf(at_ini, sizeof at_ini, " %s:5", f->ini);
	snprintf(at_profile, sizeof at_profile, " %s/usher-local.ini:3", f->folder);
	shows(f->config, "database", "host", "from_ini", at_ini);
	shows(f->config, "database", "user", "from_profile", at_profile);
	shows(f->config, "database", "name", "from_env", " environment USHER_DATABASE_NAME");
	shows(f->config, "database", "port", "3306", " built-in");
	shows(f->config, "daemon", "socket", "/run/usher/usher.sock", " from run_dir");
	shows(f->config, "channel.email", "factor", "5", " as in [retry]");
	shows(f->config, "log", "level", "info", " built-in");
	shows(f->config, "retry", "jitter", "0.1", " built-in");
	shows(f->config, "channel.coupon", "visibility_timeout", "1m", " built-in");
}

static void environment_chooses_the_profile(void **state)
{
	static const char *const local[] = { "USHER_DAEMON_PROFILE=local", NULL };
	static const char *const none[] = { "USHER_DAEMON_PROFILE=", NULL };
	static const char *const bad[] = { "USHER_DAEMON_PROFILE=../../secret", NULL };
	struct fixture *f = *state;

	write_text(f, "usher.ini", "[daemon]\nprofile = absent\n" NEEDED_INI);
	write_text(f, "usher-local.ini", "[database]\nuser = from_profile\n");
	assert_int_equal(load(f, local), 0);
	assert_string_equal(f->config->database.user, "from_profile");
	assert_string_equal(f->config->daemon.profile, "local");
	assert_int_equal(load(f, none), 0);
	assert_null(f->config->daemon.profile);
	assert_int_equal(load(f, bad), USHER_ECONFIG);
	contains(f->report,
	        "environment USHER_DAEMON_PROFILE: [daemon] profile: \"../../secret\" is not allowed");
	assert_int_equal(lines(f->report), 1);
	assert_int_equal(load(f, NULL), USHER_ECONFIG);
	contains(f->report, "usher-absent.ini: cannot be opened: No such file");
}

static void profile_cannot_choose_a_profile(void **state)
{
	struct fixture *f = *state;

	write_text(f, "usher.ini", "[daemon]\nprofile = local\n" NEEDED_INI);
	write_text(f, "usher-local.ini", "[daemon]\nprofile = other\n");
	assert_int_equal(load(f, NULL), USHER_ECONFIG);
	contains(f->report, "usher-local.ini:2: a profile cannot choose a profile");
}

static void profile_needs_a_file_to_lie_beside(void **state)
{
	static const char *const environment[] = { "USHER_DAEMON_PROFILE=local", NULL };
	struct fixture *f = *state;

	assert_int_equal(load_path(f, NULL, environment, true), USHER_ECONFIG);
	contains(f->report, "\"local\" cannot be read: there is no configuration file");
}

static void environment_alone_is_enough(void **state)
{
	static const char *const environment[] = { "USHER_EMAIL_FROM=a@b.example",
		"USHER_COUPON_URL=https://c.example/grant", "USHER_CONFIG=/nowhere", "USHER_SOCKET=/nowhere",
		"USHER_PORT=tcp://10.0.0.1:80", "NOT_AN_ASSIGNMENT", "", NULL };
	struct fixture *f = *state;

	assert_int_equal(load_path(f, NULL, environment, false), 0);
	assert_string_equal(f->config->email.from, "a@b.example");
}

static void aws_needs_a_region(void **state)
{
	static const char *const standard[] = { "AWS_DEFAULT_REGION=eu-west-1", "AWS_REGION=ap-northeast-2",
		NULL };
	struct fixture *f = *state;

	write_text(f, "usher.ini", NEEDED_INI "\n[broker]\ndriver = aws\n");
	assert_int_equal(load(f, NULL), USHER_ECONFIG);
	contains(f->report, "[aws] region is needed while [broker] driver is aws (AWS_REGION serves too)");
	assert_int_equal(load(f, standard), 0);
	assert_string_equal(f->config->aws.region, "ap-northeast-2");
	shows(f->config, "aws", "region", "ap-northeast-2", "from AWS_REGION");
	write_text(f, "usher.ini", NEEDED_INI "\n[broker]\ndriver = aws\n[aws]\nregion = us-east-1\n");
	assert_int_equal(load(f, standard), 0);
	assert_string_equal(f->config->aws.region, "us-east-1");
}

static void fifo_names_are_for_aws(void **state)
{
	struct fixture *f = *state;

	write_text(f, "usher.ini",
	        NEEDED_INI "\n[broker]\ndriver = aws\n[aws]\nregion = us-east-1\n"
	                   "topic = arn:aws:sns:us-east-1:123456789012:sign-ups.fifo\n"
	                   "[channel.email]\nqueue = q.fifo\ndlq = d.fifo\n");
	assert_int_equal(load(f, NULL), 0);
	assert_string_equal(f->config->channel[CHANNEL_EMAIL].queue, "q.fifo");
	assert_string_equal(f->config->aws.topic, "arn:aws:sns:us-east-1:123456789012:sign-ups.fifo");
	write_text(f, "usher.ini",
	        NEEDED_INI "\n[broker]\ndriver = aws\n[aws]\nregion = us-east-1\n"
	                   "[channel.email]\nqueue = q.fifo\n");
	assert_int_equal(load(f, NULL), USHER_ECONFIG);
	contains(f->report, "[channel.email] dlq: queue and dlq must both end in .fifo, or neither");
}

static void misspelt_environment_is_refused(void **state)
{
	static const char *const environment[] = { "USHER_DATABASE_PASWORD=x", "USHER_CHANNEL_EMAIL_RATES=1",
		"USHER_EMAIL_FROM_FILE=/x", "USHER_LOG_LEVEL=loud", NULL };
	struct fixture *f = *state;

	write_text(f, "usher.ini", NEEDED_INI);
	assert_int_equal(load(f, environment), USHER_ECONFIG);
	contains(f->report, "environment USHER_DATABASE_PASWORD: there is no such key (did you mean "
	                    "USHER_DATABASE_PASSWORD?)\n");
	contains(f->report, "(did you mean USHER_CHANNEL_EMAIL_RATE?)\n");
	contains(f->report, "environment USHER_EMAIL_FROM_FILE: there is no such key\n");
	contains(f->report, "environment USHER_LOG_LEVEL: [log] level: \"loud\" is not allowed; use debug, "
	                    "info, warn or error\n");
	assert_int_equal(lines(f->report), 4);
}

static void channels_inherit_the_retry_schedule(void **state)
{
	const struct config *c =
	        accept_text(*state, "[retry]\nmax_attempts = 7\nbase = 2s\nfactor = "
	                            "1.5\n[channel.coupon]\nbase = 1ms\njitter = 0\n" NEEDED_INI);

	assert_int_equal(c->channel[CHANNEL_EMAIL].max_attempts, 7);
	assert_int_equal(c->channel[CHANNEL_EMAIL].base_ms, 2000);
	assert_true(c->channel[CHANNEL_EMAIL].factor == 1.5);
	assert_int_equal(c->channel[CHANNEL_COUPON].max_attempts, 7);
	assert_int_equal(c->channel[CHANNEL_COUPON].base_ms, 1);
	assert_true(c->channel[CHANNEL_COUPON].jitter == 0);
}

static void sockets_follow_run_dir(void **state)
{
	const struct config *c = accept_text(
	        *state, "[daemon]\nrun_dir = /srv/u\nreadonly_socket = /srv/look.sock\n" NEEDED_INI);

	assert_string_equal(c->daemon.socket, "/srv/u/usher.sock");
	assert_string_equal(c->daemon.readonly_socket, "/srv/look.sock");
}

static void smtps_means_implicit_tls(void **state)
{
	struct fixture *f = *state;

	accept_text(f, NEEDED_INI "[email]\nsmtp_url = smtps://mail.example:465\n");
	assert_int_equal(f->config->email.tls, SMTP_TLS_IMPLICIT);
	shows(f->config, "email", "tls", "implicit", " from smtp_url");
	refuse_text(f, NEEDED_INI "[email]\nsmtp_url = smtps://mail.example:465\ntls = none\n", 7,
	        "tls = implicit");
}

/* -- Values as they are written ------------------------------------------------------------------ */

static void values_are_taken_as_they_stand(void **state)
{
	static const struct {
		const char *line, *value;
	} rows[] = {
		{ "subject = a;b", "a;b" },
		{ "subject = a ; b", "a ; b" },
		{ "subject = a # b", "a # b" },
		{ "subject = ;a", ";a" },
		{ "subject = #a", "#a" },
		{ "subject = a = b : c", "a = b : c" },
		{ "subject=tight", "tight" },
		{ "subject \t = \t wide \t ", "wide" },
		{ "  subject = indented", "indented" },
		{ "subject = \"quoted\"", "\"quoted\"" },
		{ "subject = [x]", "[x]" },
		{ "subject = 가입을 환영합니다 🎉", "가입을 환영합니다 🎉" },
		{ "subject = carriage return\r", "carriage return" },
		{ "subject =", NULL },
		{ "subject : colon", "colon" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[1024];
		snprintf(text, sizeof text, NEEDED_INI "[email]\nuser = u\n%s\npassword = p\n", rows[i].line);
		const struct config *c = accept_text(f, text);
		if (rows[i].value)
			assert_string_equal(c->email.subject, rows[i].value);
		else
			assert_null(c->email.subject);
		assert_string_equal(c->email.password, "p");
	}
}

static void byte_order_mark_and_dos_lines(void **state)
{
	struct fixture *f = *state;

	accept_text(
	        f, "\xef\xbb\xbf[email]\r\nfrom = a@b\r\n\r\n; comment\r\n[coupon] \r\nurl = http://x/\r\n");
	assert_string_equal(f->config->email.from, "a@b");
	assert_string_equal(f->config->coupon.url, "http://x/");
	accept_text(f,
	        "\xef\xbb\xbf# comment\n" NEEDED_INI "[log]\nlevel = warn"); /* no end of line at the end */
	assert_int_equal(f->config->log.level, LOG_WARN_LEVEL);
}

static void sections_may_come_again(void **state)
{
	const struct config *c = accept_text(*state,
	        NEEDED_INI "[ email\t] ; again\nconnections = 3\n[log] # and this\n[email]\ntimeout = 1s\n");

	assert_int_equal(c->email.connections, 3);
	assert_int_equal(c->email.timeout_ms, 1000);
}

static void words_for_yes_and_no(void **state)
{
	static const char *const yes[] = { "yes", "true", "on", "1" };
	static const char *const no[] = { "no", "false", "off", "0" };
	struct fixture *f = *state;
	char text[256];

	for (size_t i = 0; i < 4; i++) {
		snprintf(text, sizeof text,
		        NEEDED_INI "[log]\nmask = %s\n[channel.email]\nauto_redrive = %s\n", no[i], yes[i]);
		assert_false(accept_text(f, text)->log.mask);
		assert_true(f->config->channel[CHANNEL_EMAIL].auto_redrive);
	}
}

static void limits_are_inclusive(void **state)
{
	struct fixture *f = *state;
	const struct config *c = accept_text(f, NEEDED_INI
	        "[database]\nport = 65535\nkeep_delivered = 14d\n[retry]\nbase = 1ms\njitter = "
	        "1\nmax_attempts = 1\n"
	        "[channel.email]\nvisibility_timeout = 1s\n[relay]\nbatch = 1\n[daemon]\ndrain_timeout = 0s\n"
	        "disk_threshold = 1024G\n"
	        "[breaker]\nfailures = 0\nwindow = 24h\n");

	assert_int_equal(c->database.port, 65535);
	assert_int_equal(c->database.keep_delivered_ms, 14LL * 86400 * 1000);
	assert_int_equal(c->retry.base_ms, 1);
	assert_true(c->retry.jitter == 1);
	assert_int_equal(c->daemon.drain_timeout_ms, 0);
	assert_int_equal(c->daemon.disk_threshold, 1LL << 40);
	assert_int_equal(c->breaker.failures, 0);
}

/* -- What is refused ------------------------------------------------------------------------------ */

static void bad_values_are_refused_with_what_is_allowed(void **state)
{
	static const struct {
		const char *section, *line, *words;
	} rows[] = {
		{ "database", "port = 0",
		        "[database] port: \"0\" is not allowed; use a whole number 1..65535" },
		{ "database", "port = 65536", "1..65535" },
		{ "database", "port = -1", "\"-1\" is not allowed" },
		{ "database", "port = 3306x", "\"3306x\"" },
		{ "database", "port = 33.06", "\"33.06\"" },
		{ "database", "port = 0x10", "\"0x10\"" },
		{ "database", "port = 99999999999999999999", "1..65535" },
		{ "database", "port =", "\"\" is not allowed; use a whole number" },
		{ "database", "port = 3306 ; comment", "(a comment needs a line of its own)" },
		{ "database", "connect_timeout = 30", "use a duration with its unit, 100ms..5m" },
		{ "database", "connect_timeout = 3 s", "\"3 s\"" },
		{ "database", "connect_timeout = 99ms", "100ms..5m" },
		{ "database", "connect_timeout = 6m", "100ms..5m" },
		{ "database", "connect_timeout = 9999999999999999999d", "100ms..5m" },
		{ "database", "connect_timeout = -1s", "100ms..5m" },
		{ "database", "keep_delivered = 13d", "14d..3650d" },
		{ "daemon", "disk_threshold = 10MB", "use bytes, or K, M or G of them, 0..1024G" },
		{ "daemon", "disk_threshold = 1025G", "0..1024G" },
		{ "daemon", "disk_threshold = M", "0..1024G" },
		{ "daemon", "disk_threshold = 1.5G", "0..1024G" },
		{ "daemon", "disk_threshold = -1", "0..1024G" },
		{ "daemon", "disk_threshold = 9999999999999999999K", "0..1024G" },
		{ "database", "name =", "it may not be empty; leave the key out for the default \"usher\"" },
		{ "retry", "factor = 0.5", "use a number 1..100" },
		{ "retry", "factor = five", "use a number 1..100" },
		{ "retry", "jitter = 1.01", "0..1" },
		{ "retry", "jitter = .5", "0..1" },
		{ "retry", "jitter = 1.", "0..1" },
		{ "retry", "jitter = 1.0.0", "0..1" },
		{ "retry", "jitter = 0,1", "0..1" },
		{ "retry", "jitter = nan", "0..1" },
		{ "retry", "jitter = 1e-3", "0..1" },
		{ "retry", "max_delay = 3", "[retry] max_delay: \"3\" is not allowed" },
		{ "retry", "base = 2h", "[retry] base: 2h is more than max_delay, 1h" },
		{ "channel.email", "base = 2h", "[channel.email] base: 2h is more than max_delay, 1h" },
		{ "channel.email", "enabled = maybe", "use yes or no" },
		{ "channel.email", "enabled = Yes", "use yes or no" },
		{ "channel.email", "queue = has space", "letters, digits, - and _, at most 80" },
		{ "channel.email", "queue = 큐", "letters, digits" },
		{ "channel.email", "queue = q.fifo", "is for [broker] driver = aws" },
		{ "channel.email", "queue = .fifo", "letters, digits" },
		{ "channel.email", "queue = q.fifo.fifo", "letters, digits" },
		{ "aws", "topic = arn:aws:sns:eu-west-1:123456789012", "or the topic's ARN" },
		{ "aws", "topic = arn:aws:sqs:eu-west-1:123456789012:t", "or the topic's ARN" },
		{ "aws", "topic = a b", "or the topic's ARN" },
		{ "channel.email",
		        "queue = "
		        "a123456789a123456789a123456789a123456789a123456789a123456789a123456789a1234567890",
		        "at most 80" },
		{ "channel.email", "rate = -1", "use a number 0..100000" },
		{ "channel.email", "dlq = signup-welcome-email",
		        "[channel.email] dlq: signup-welcome-email is the name of [channel.email] queue "
		        "too" },
		{ "channel.coupon", "queue = signup-welcome-email", "each queue needs its own" },
		{ "log", "level = INFO", "use debug, info, warn or error" },
		{ "log", "format = xml", "use text or json" },
		{ "relay", "batch = 11", "1..10" },
		{ "relay", "gzip_above = 262145", "0..262144" },
		{ "broker", "driver = kafka", "use embedded or aws" },
		{ "email", "tls = maybe", "use none, starttls or implicit" },
		{ "email", "smtp_url = mail.example:25", "use smtp:// or smtps://..." },
		{ "email", "smtp_url = smtp://", "use smtp:// or smtps://..." },
		{ "email", "smtp_url = smtp://a b", "without spaces" },
		{ "email", "smtp_url = smtp://user:pass@mail.example", "without spaces or a login" },
		{ "coupon", "health_url = ftp://x", "use http:// or https://..." },
		{ "email", "unsubscribe = http://x", "use mailto: or https://..." },
		{ "config_server", "url = http://a, ftp://b",
		        "use http:// or https://..., without spaces or a login, at most 8 with commas" },
		{ "config_server", "url = http://a,,http://b", "without spaces or a login" },
		{ "config_server", "url = http://user:pass@a", "without spaces or a login" },
		{ "daemon", "http_listen = 0.0.0.0:80", "use 127.0.0.1:PORT, localhost:PORT or [::1]:PORT" },
		{ "daemon", "http_listen = 127.0.0.1", "PORT" },
		{ "daemon", "http_listen = 127.0.0.1:0", "PORT" },
		{ "daemon", "http_listen = 127.0.0.1:65536", "PORT" },
		{ "daemon", "profile = a/b", "letters, digits" },
		{ "daemon", "readonly_socket = /run/usher/usher.sock", "they must be two" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[1024];
		snprintf(text, sizeof text, NEEDED_INI "\n[%s]\n%s\n", rows[i].section, rows[i].line);
		refuse_text(f, text, 7, rows[i].words);
	}
}

static void bad_senders_are_refused(void **state)
{
	static const char *const bad[] = { "nobody", "@b", "a@", "a b@c", "a@b@c", "N <a@b", "N <a@b> x",
		"N <>", "a@b, c@d" };
	static const char *const good[] = { "a@b", "환영 <welcome@example.com>", "\"A, B\" <a@b.example>",
		"<a@b>" };
	struct fixture *f = *state;
	char text[256];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(text, sizeof text, "[coupon]\nurl = http://x/\n[email]\nfrom = %s\n", bad[i]);
		refuse_text(f, text, 4, "use a mail address");
	}
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		snprintf(text, sizeof text, "[coupon]\nurl = http://x/\n[email]\nfrom = %s\n", good[i]);
		assert_string_equal(accept_text(f, text)->email.from, good[i]);
	}
}

static void bad_lines_are_refused(void **state)
{
	static const struct {
		const char *text;
		int line;
		const char *words;
	} rows[] = {
		{ NEEDED_INI "hello\n", 5, "this is neither [SECTION], nor KEY = VALUE, nor a # comment" },
		{ NEEDED_INI "hello", 5, "this is neither" },
		{ NEEDED_INI "\n\n  hello  \n[log]\n", 7, "this is neither" },
		{ "level = info\n" NEEDED_INI, 1, "the key \"level\" stands before the first [SECTION]" },
		{ NEEDED_INI "[log\nlevel = loud\n", 5, "a section is written [NAME], alone on its line" },
		{ NEEDED_INI "[log] level = info\n", 5, "a section is written [NAME]" },
		{ NEEDED_INI "[logs]\nlevel = loud\n", 5,
		        "there is no section [logs] (did you mean [log]?)" },
		{ NEEDED_INI "[ lug ]\nlevel = info\n", 5,
		        "there is no section [lug] (did you mean [log]?)" },
		{ NEEDED_INI "[]\nlevel = info\n", 5, "there is no section []" },
		{ NEEDED_INI "[chanel.email]\n", 5, "(did you mean [channel.email]?)" },
		{ NEEDED_INI "[config_server]\nuri = http://c/\n", 6, "(did you mean \"url\"?)" },
		{ NEEDED_INI "[wholly.different.section.with.a.name.of.more.than.fifty.bytes]\n", 5,
		        "there is no section" },
		{ NEEDED_INI "[database]\nprot = 1\n", 6,
		        "[database] has no key \"prot\" (did you mean \"port\"?)" },
		{ NEEDED_INI "[database]\nHost = x\n", 6, "(did you mean \"host\"?)" },
		{ NEEDED_INI "[database]\nsmtp_url = x\n", 6,
		        "[database] has no key \"smtp_url\" (it belongs in [email])" },
		{ NEEDED_INI "[database]\nquite_else = x\n", 6, "[database] has no key \"quite_else\"\n" },
		{ NEEDED_INI "[database]\n= x\n", 6, "[database] has no key \"\"" },
		{ NEEDED_INI "[database]\nho ;st = x\n", 6, "[database] has no key \"ho ;st\"" },
		{ NEEDED_INI "[database]\nhost_file = /x\n", 6, "[database] has no key \"host_file\"" },
		{ NEEDED_INI "[email]\nsubject = \xff\xfe\n", 6, "not valid UTF-8" },
		{ NEEDED_INI "[email]\nsubject = a\x1f;b\n", 6, "control character (0x1f)" },
		{ NEEDED_INI "[email]\nsubject = a\x7f\n", 6, "control character (0x7f)" },
		{ NEEDED_INI "[email]\nsubject = a\rb\n", 6, "control character (0x0d)" },
		{ NEEDED_INI "[email]\nsubject = a\tb\n", 6, "control character (0x09)" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char where[PATH_SIZE + 16];
		write_text(f, "usher.ini", rows[i].text);
		if (load(f, NULL) != USHER_ECONFIG)
			fail_msg("accepted:\n%s", rows[i].text);
		snprintf(where, sizeof where, "%s:%d: ", f->ini, rows[i].line);
		contains(f->report, where);
		contains(f->report, rows[i].words);
		assert_int_equal(lines(f->report), 1);
	}
}

static void nul_bytes_are_refused(void **state)
{
	static const char text[] = NEEDED_INI "[email]\nsubject = a\0b\n";
	struct fixture *f = *state;

	write_bytes(f, "usher.ini", text, sizeof text - 1);
	assert_int_equal(load(f, NULL), USHER_ECONFIG);
	contains(f->report, ":6: the line holds a control character (0x00)");
	assert_int_equal(lines(f->report), 1);
}

static void long_lines_are_refused_and_never_cut(void **state)
{
	struct fixture *f = *state;
	char text[2048], value[512];

	memset(value, 'x', sizeof value);
	value[197 - strlen("subject = ")] = '\0'; /* the longest line there may be */
	snprintf(text, sizeof text, NEEDED_INI "[email]\nsubject = %s\n[log]\nlevel = warn\n", value);
	assert_string_equal(accept_text(f, text)->email.subject, value);
	assert_int_equal(f->config->log.level, LOG_WARN_LEVEL);

	snprintf(text, sizeof text, NEEDED_INI "[email]\nsubject = %sy\n", value);
	refuse_text(f, text, 6, "the line has 198 bytes; at most 197 are allowed");
	snprintf(text, sizeof text, "# %.400s\n" NEEDED_INI, value); /* a comment is not read */
	memset(value, 'x', sizeof value - 1);
	value[sizeof value - 1] = '\0';
	snprintf(text, sizeof text, "# %s\n" NEEDED_INI, value);
	accept_text(f, text);
}

static void long_values_come_by_the_environment(void **state)
{
	struct fixture *f = *state;
	char subject[1024] = "USHER_EMAIL_SUBJECT=";
	char huge[CONFIG_VALUE_MAX + 64] = "USHER_EMAIL_SUBJECT=";
	const char *environment[] = { subject, NULL };

	write_text(f, "usher.ini", NEEDED_INI);
	memset(subject + strlen(subject), 'x', 900);
	assert_int_equal(load(f, environment), 0);
	assert_int_equal(strlen(f->config->email.subject), 900);

	memset(huge + strlen(huge), 'x', CONFIG_VALUE_MAX + 1);
	environment[0] = huge;
	assert_int_equal(load(f, environment), USHER_ECONFIG);
	contains(f->report, "the value has 8193 bytes; at most 8192 are allowed");
}

static void environment_values_cannot_break_lines(void **state)
{
	static const char *const environment[] = { "USHER_EMAIL_FROM=a@b\r\nBcc: c@d",
		"USHER_EMAIL_SUBJECT=\xc3\x28", NULL };
	struct fixture *f = *state;

	write_text(f, "usher.ini", NEEDED_INI);
	assert_int_equal(load(f, environment), USHER_ECONFIG);
	contains(f->report,
	        "environment USHER_EMAIL_FROM: [email] from: the value holds a control character (0x0d)");
	contains(f->report, "environment USHER_EMAIL_SUBJECT: [email] subject: the value is not valid UTF-8");
	assert_int_equal(lines(f->report), 2);
}

static void long_socket_paths_are_refused(void **state)
{
	struct fixture *f = *state;
	char text[512], path[128];

	memset(path, 'd', sizeof path);
	path[0] = '/';
	path[107] = '\0';
	snprintf(text, sizeof text, NEEDED_INI "[daemon]\nsocket = %s\n", path);
	assert_string_equal(accept_text(f, text)->daemon.socket, path);
	snprintf(text, sizeof text, NEEDED_INI "[daemon]\nsocket = %sd\n", path);
	refuse_text(f, text, 6, "a path of at most 107 bytes");
	path[107 - strlen("/usher.sock")] = '\0'; /* the other socket's name is longer */
	snprintf(text, sizeof text, NEEDED_INI "[daemon]\nrun_dir = %s\n", path);
	refuse_text(f, text, 6, "[daemon] readonly_socket in run_dir");
}

static void keys_given_twice_are_refused(void **state)
{
	struct fixture *f = *state;
	char first[PATH_SIZE + 32];

	refuse_text(f, "[log]\nlevel = info\n" NEEDED_INI "[log]\nlevel = warn\n", 8,
	        "[log] level is given twice");
	snprintf(first, sizeof first, "it is at %s:2 already", f->ini);
	contains(f->report, first);
	write_text(f, "secret", "s");
	char text[PATH_SIZE * 2];
	snprintf(text, sizeof text, NEEDED_INI "[database]\npassword = p\npassword_file = %s/secret\n",
	        f->folder);
	refuse_text(f, text, 7, "[database] password is given twice");
}

static void all_errors_are_told_at_once(void **state)
{
	static const char *const environment[] = { "USHER_RELAY_BATCH=99", NULL };
	static const char *const wanted[] = { "usher.ini:2: [database] port",
		"usher.ini:3: [database] has no key", "usher.ini:4: there is no section [nonsense]",
		"usher.ini:7: [retry] jitter", "usher-local.ini:1: this is neither",
		"environment USHER_RELAY_BATCH",
		"usher.ini: [email] from is needed while [channel.email] is enabled",
		"usher.ini: [coupon] url is needed while [channel.coupon] is enabled; set it or "
		"USHER_COUPON_URL" };
	struct fixture *f = *state;

	write_text(f, "usher.ini",
	        "[database]\nport = x\nhots = y\n[nonsense]\na = b\n[retry]\njitter = 7\n[daemon]\nprofile = "
	        "local\n");
	write_text(f, "usher-local.ini", "nonsense\n");
	assert_int_equal(load(f, environment), USHER_ECONFIG);
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		contains(f->report, wanted[i]);
	assert_int_equal(lines(f->report), ARRAY_LEN(wanted));
	contains(f->err.message, "8 errors in the configuration: ");
	contains(f->err.message, "[database] port: \"x\" is not allowed");
	assert_int_equal(f->err.code, USHER_ECONFIG);
}

static void errors_beyond_the_limit_are_counted(void **state)
{
	struct fixture *f = *state;
	struct buf text = BUF(65536);

	for (int i = 0; i < 150; i++)
		buf_printf(&text, "line %d\n", i);
	buf_puts(&text, NEEDED_INI);
	write_text(f, "usher.ini", buf_str(&text));
	assert_int_equal(load(f, NULL), USHER_ECONFIG);
	assert_int_equal(lines(f->report), 101);
	contains(f->report, "50 more errors\n");
	contains(f->err.message, "150 errors in the configuration");
	contains(f->err.message, "(usherd check-config lists all)");
	buf_free(&text);
}

static void unreadable_files_are_told(void **state)
{
	struct fixture *f = *state;
	char *big = mem_alloc(1024 * 1024 + 2);

	assert_int_equal(load_path(f, f->ini, NULL, true), USHER_ECONFIG);
	contains(f->report, "usher.ini: cannot be opened: No such file or directory\n");
	assert_int_equal(load_path(f, f->folder, NULL, true), USHER_ECONFIG);
	contains(f->report, "cannot be read: Is a directory\n");
	memset(big, '\n', 1024 * 1024 + 1);
	write_text(f, "usher.ini", big);
	assert_int_equal(load_path(f, f->ini, NULL, true), USHER_ECONFIG);
	contains(f->report, "has more than 1048576 bytes");
	free(big);
}

static void a_disabled_channel_needs_nothing(void **state)
{
	struct fixture *f = *state;

	accept_text(f, "[channel.email]\nenabled = no\n[coupon]\nurl = http://x/\n");
	assert_false(f->config->channel[CHANNEL_EMAIL].enabled);
	accept_text(f, "[channel.email]\nenabled = no\n[channel.coupon]\nenabled = no\n");
}

static void a_login_needs_both_halves(void **state)
{
	struct fixture *f = *state;

	write_text(f, "usher.ini", NEEDED_INI "[email]\nuser = u\n");
	assert_int_equal(load(f, NULL), USHER_ECONFIG);
	contains(f->report, "[email] password is needed because [email] user is set; set it, password_file "
	                    "or USHER_EMAIL_PASSWORD");
	write_text(f, "usher.ini", NEEDED_INI "[email]\npassword = p\n[database]\nmigrate_password = m\n");
	assert_int_equal(load(f, NULL), USHER_ECONFIG);
	contains(f->report, "[email] user is needed because [email] password is set");
	contains(f->report, "[database] migrate_user is needed");
	assert_int_equal(lines(f->report), 2);
}

/* -- Secrets -------------------------------------------------------------------------------------- */

static void secret_files_are_read(void **state)
{
	static const struct {
		const char *content, *secret;
	} rows[] = { { "s3cret", "s3cret" }, { "s3cret\n", "s3cret" }, { "s3cret\r\n", "s3cret" },
		{ "two words ; # \n", "two words ; # " }, { "비밀\nsecond line\n", "비밀" } };
	struct fixture *f = *state;
	char text[PATH_SIZE * 2], variable[PATH_SIZE];
	const char *environment[] = { variable, NULL };

	snprintf(text, sizeof text, NEEDED_INI "[database]\npassword_file = %s/secret\n", f->folder);
	snprintf(variable, sizeof variable, "USHER_COUPON_TOKEN_FILE=%s/secret", f->folder);
	write_text(f, "usher.ini", text);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		write_text(f, "secret", rows[i].content);
		assert_int_equal(load(f, environment), 0);
		assert_string_equal(f->config->database.password, rows[i].secret);
		assert_string_equal(f->config->coupon.token, rows[i].secret);
	}
}

static void secret_files_win_as_their_source_does(void **state)
{
	static const char *const environment[] = { "USHER_DATABASE_PASSWORD=from_env", NULL };
	struct fixture *f = *state;
	char text[PATH_SIZE * 2];

	write_text(f, "secret", "from_file");
	snprintf(text, sizeof text,
	        NEEDED_INI "[daemon]\nprofile=local\n[database]\npassword_file = %s/secret\n", f->folder);
	write_text(f, "usher.ini", text);
	write_text(f, "usher-local.ini", "[database]\npassword = from_profile\n");
	assert_int_equal(load(f, NULL), 0);
	assert_string_equal(f->config->database.password, "from_profile");
	assert_int_equal(load(f, environment), 0);
	assert_string_equal(f->config->database.password, "from_env");
}

static void bad_secret_files_are_refused(void **state)
{
	static const struct {
		const char *content;
		size_t len;
		const char *words;
	} rows[] = { { NULL, 0, "cannot be opened: No such file or directory" },
		{ "", 0, "its first line is empty" }, { "\n", 1, "its first line is empty" },
		{ "\nsecret\n", 8, "its first line is empty" }, { "a\0b", 3, "holds a NUL byte" },
		{ "a\x01", 2, "control character (0x01)" }, { "\xff\xfe", 2, "not valid UTF-8" } };
	struct fixture *f = *state;
	char text[PATH_SIZE * 2], path[PATH_SIZE];

	snprintf(path, sizeof path, "%s/secret", f->folder);
	snprintf(text, sizeof text, NEEDED_INI "[email]\nuser = u\npassword_file = %s\n", path);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].content)
			write_bytes(f, "secret", rows[i].content, rows[i].len);
		refuse_text(f, text, 7, rows[i].words);
		contains(f->report, "[email] password");
	}
	char *big = mem_alloc(CONFIG_VALUE_MAX + 2);
	memset(big, 's', CONFIG_VALUE_MAX + 1);
	write_text(f, "secret", big);
	refuse_text(f, text, 7, "has more than 8192 bytes; is it the right file?");
	free(big);
}

static void secrets_are_never_shown(void **state)
{
	static const char *const good[] = { "USHER_DATABASE_PASSWORD=hunter2-a",
		"USHER_COUPON_TOKEN=hunter2-b", NULL };
	static const char *const bad[] = { "USHER_DATABASE_PASSWORD=hunter2\ncd",
		"USHER_COUPON_TOKEN=hunter2\xff", NULL };
	struct fixture *f = *state;

	write_text(f, "usher.ini", NEEDED_INI "[email]\nuser = u\npassword = hunter2-c\n");
	assert_int_equal(load(f, good), 0);
	OWNED char *text = effective(f->config);
	lacks(text, "hunter2");
	shows(f->config, "database", "password", "(set)", " environment USHER_DATABASE_PASSWORD");
	shows(f->config, "database", "migrate_password", "(not set)", " built-in");
	assert_int_equal(load(f, bad), USHER_ECONFIG);
	lacks(f->report, "hunter2");
	lacks(f->err.message, "hunter2");
	write_text(f, "usher.ini",
	        NEEDED_INI "[email]\nuser = u\nhunter2\npassword hunter2\npassword = hunter2\x02\n");
	assert_int_equal(load(f, NULL), USHER_ECONFIG);
	lacks(f->report, "hunter2");
}

/* -- For the database only -------------------------------------------------------------------------- */

static void the_database_alone_needs_no_other_secrets(void **state)
{
	struct fixture *f = *state;

	write_text(
	        f, "usher.ini", "[database]\nname = d\n[email]\nuser = u\npassword_file = /nowhere/secret\n");
	assert_int_equal(load_path(f, f->ini, NULL, true), 0);
	assert_string_equal(f->config->database.name, "d");
	assert_int_equal(load(f, NULL), USHER_ECONFIG);
	write_text(f, "usher.ini", "[database]\npassword_file = /nowhere/secret\n[log]\nlevel = loud\n");
	assert_int_equal(load_path(f, f->ini, NULL, true), USHER_ECONFIG);
	contains(f->report, "usher.ini:2: [database] password_file: /nowhere/secret: cannot be opened");
	contains(f->report, "usher.ini:4: [log] level");
}

/* -- What is shipped ---------------------------------------------------------------------------------- */

static char *file_text(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = mem_alloc(1 << 20);

	if (!file)
		fail_msg("cannot open %s; run the tests in the root of the tree", path);
	text[fread(text, 1, (1 << 20) - 1, file)] = '\0';
	fclose(file);
	return text;
}

/* The shipped files name the usual place; a build for another PREFIX has its own. */
static char *with_usual_place(char *text)
{
	static const char usual[] = "/usr/local/share/usher/templates";
	struct buf out = BUF(1 << 20);
	const char *at = strstr(text, USHER_DATADIR "/templates");

	assert_non_null(at);
	buf_add(&out, text, (size_t)(at - text));
	buf_puts(&out, usual);
	buf_puts(&out, at + strlen(USHER_DATADIR "/templates"));
	free(text);
	return buf_take(&out);
}

static void manual_is_what_the_table_says(void **state)
{
	static const char begin[] = ".\\\" KEYS begin: written by `usherd check-config --manual`\n";
	static const char end[] = ".\\\" KEYS end\n";
	OWNED char *page = file_text("man/usher.ini.5");
	OWNED char *keys = with_usual_place(printed(config_print_manual));
	char *from = strstr(page, begin), *to = strstr(page, end);
	(void)state;

	assert_non_null(from);
	assert_non_null(to);
	*to = '\0';
	assert_string_equal(from + strlen(begin), keys);
}

static void sample_is_what_the_table_says(void **state)
{
	OWNED char *shipped = file_text("conf/usher.ini");
	OWNED char *sample = with_usual_place(printed(config_print_sample));
	(void)state;

	assert_string_equal(shipped, sample);
}

/* As shipped it lacks only what nobody can guess; with every key switched on it means the same. */
static void sample_is_a_configuration(void **state)
{
	struct fixture *f = *state;
	OWNED char *sample = printed(config_print_sample);
	struct buf on = BUF(1 << 20);

	write_text(f, "usher.ini", sample);
	assert_int_equal(load(f, NULL), USHER_ECONFIG);
	contains(f->report, "[email] from is needed");
	contains(f->report, "[coupon] url is needed");
	assert_int_equal(lines(f->report), 2);
	for (const char *line = sample; *line; line = strchr(line, '\n') + 1) {
		bool key = *line == '#' && line[1] != ' ' && line[1] != '\n';
		size_t len = (size_t)(strchr(line, '\n') + 1 - line);
		bool unset = line[len - 2] == '=';
		if (key && !unset)
			buf_add(&on, line + 1, len - 1);
		else
			buf_add(&on, line, len);
	}
	buf_puts(&on, NEEDED_INI);
	accept_text(f, buf_str(&on));
	shows(f->config, "retry", "base", "1m", "");
	buf_free(&on);
}

/* The comment and key of every key in a file: "# help...\nkey = value\n", one after the other. */
static void each_key(
        const char *text, void (*act)(void *arg, const char *comment, const char *key), void *arg)
{
	struct buf comment = BUF(1 << 16);

	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		size_t len = (size_t)(strchr(line, '\n') + 1 - line);
		if (line[0] == '#' && line[1] == ' ') {
			buf_add(&comment, line, len);
			continue;
		}
		if (strchr("#abcdefghijklmnopqrstuvwxyz", *line) && memchr(line, '=', len)) {
			OWNED char *key = mem_stringn(line, strcspn(line, " ="));
			act(arg, buf_str(&comment), key);
		}
		buf_clear(&comment);
	}
	buf_free(&comment);
}

static bool sample_has(const char *sample, const char *comment, const char *key, size_t len)
{
	struct buf wanted = BUF(1 << 16);
	bool found;

	buf_printf(&wanted, "%s#%.*s =", comment, (int)len, key);
	found = *comment && strstr(sample, buf_str(&wanted));
	buf_free(&wanted);
	return found;
}

/* A secret that is given by its file has the comment of the secret. */
static void comment_is_in_sample(void *arg, const char *comment, const char *key)
{
	size_t len = strlen(key), suffix = strlen("_file");
	bool file = len > suffix && strcmp(key + len - suffix, "_file") == 0;

	if (!sample_has(arg, comment, key, len) && !(file && sample_has(arg, comment, key, len - suffix)))
		fail_msg("%s: not as in conf/usher.ini:\n%s", key, comment);
}

/* What each of the shipped profiles is for, where a mistake would be dear. */
static void profile_is_sensible(const char *name, const struct config *c)
{
	bool local = strcmp(name, "local") == 0;

	assert_int_equal(c->email.tls == SMTP_TLS_NONE, local);
	assert_int_equal(strncmp(c->coupon.url, "http://", 7) == 0, local);
	assert_int_equal(c->database.tls_ca == NULL, local);
	assert_int_equal(c->daemon.core_dumps, local);
	assert_true(c->log.mask);
	assert_true(c->breaker.failures > 0);
	assert_string_equal(c->broker.driver, local ? "embedded" : "aws");
}

static void profiles_are_configurations(void **state)
{
	static const char *const names[] = { "local", "staging", "production" };
	static const char *const secrets[] = { "database.password", "email.password", "coupon.token",
		"config_server.password" };
	struct fixture *f = *state;
	OWNED char *sample = file_text("conf/usher.ini");
	char profile[64], path[PATH_SIZE], directory[PATH_SIZE];
	const char *environment[] = { profile, directory, NULL };

	write_text(f, "usher.ini", sample);
	for (size_t i = 0; i < ARRAY_LEN(secrets); i++)
		write_text(f, secrets[i], "s3cret\n");
	snprintf(directory, sizeof directory, "CREDENTIALS_DIRECTORY=%s", f->folder);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof path, "conf/usher-%s.ini", names[i]);
		OWNED char *example = file_text(path);
		each_key(example, comment_is_in_sample, sample);
		write_text(f, path + strlen("conf/"), example);
		snprintf(profile, sizeof profile, "USHER_DAEMON_PROFILE=%s", names[i]);
		if (load(f, environment))
			fail_msg("%s", f->report);
		profile_is_sensible(names[i], f->config);
	}
	assert_string_equal(f->config->email.password, "s3cret");
}

/* -- Alarms and notices --------------------------------------------------------------------------- */

static const struct config_alarm *alarm_named(const struct config *c, const char *name)
{
	for (int i = 0; i < c->alarms; i++)
		if (strcmp(c->alarm[i].name, name) == 0)
			return &c->alarm[i];
	fail_msg("there is no alarm %s", name);
	return NULL;
}

static void alarms_hold_without_a_word(void **state)
{
	const struct config *c = accept_text(*state, NEEDED_INI);
	const struct config_alarm *retention = alarm_named(c, "retention"),
	                          *failing = alarm_named(c, "failing");

	assert_int_equal(c->alarms, 12);
	assert_int_equal(c->notifies, 1);
	assert_string_equal(c->notify[0].kind, "log");
	assert_int_equal(retention->watches, METRIC_RETENTION_LEFT);
	assert_true(retention->is_below && retention->enabled);
	assert_true(retention->raise_at == 2 * 86400 && retention->clear_at == 3 * 86400);
	assert_int_equal(retention->severity, SEVERITY_CRITICAL);
	assert_int_equal(retention->of_channel, -1);
	assert_int_equal(retention->notify_mask, 1);
	assert_true(failing->raise_at == 0.2 && failing->clear_at == 0.1);
	assert_int_equal(failing->for_ms, 60000);
	assert_int_equal(failing->clear_for_ms, 120000);
	shows(c, "alarm.dead", "metric", "dlq_arrivals", "built-in");
}

static void sections_change_single_keys_of_built_in_alarms(void **state)
{
	struct fixture *f = *state;
	const struct config *c =
	        accept_text(f, NEEDED_INI "[alarm.backlog]\nabove = 100\n[alarm.dead]\nenabled = no\n"
	                                  "[alarm.retention]\nclear = 60h\n");

	assert_int_equal(c->alarms, 12);
	assert_true(alarm_named(c, "backlog")->raise_at == 100 && alarm_named(c, "backlog")->clear_at == 100);
	assert_int_equal(alarm_named(c, "backlog")->for_ms, 300000);
	assert_false(alarm_named(c, "dead")->enabled);
	assert_true(alarm_named(c, "retention")->clear_at == 60 * 3600);
	shows(c, "alarm.backlog", "clear", "(not set)", "not with what is set");
	shows(c, "alarm.backlog", "for", "5m", "built-in");
}

static void alarms_and_notices_are_named_at_will(void **state)
{
	static const char *const environment[] = { "USHER_NOTIFY_PAGER_KIND=webhook",
		"USHER_NOTIFY_PAGER_URL=http://127.0.0.1:1/secret-token", "USHER_ALARM_DLQ_FULL_CLEAR_FOR=9s",
		NULL };
	struct fixture *f = *state;

	write_text(f, "usher.ini",
	        NEEDED_INI "[alarm.dlq_full]\nmetric = dlq\nchannel = email\nabove = 50\nclear = 5\nnotify = "
	                   "log, pager\n"
	                   "[notify.ops]\nkind = mail\nto = ops@example.com\n");
	assert_int_equal(load(f, environment), 0);
	const struct config_alarm *a = alarm_named(f->config, "dlq_full");
	assert_int_equal(a->of_channel, CHANNEL_EMAIL);
	assert_true(a->raise_at == 50 && a->clear_at == 5);
	assert_int_equal(a->clear_for_ms, 9000);
	assert_int_equal(f->config->notifies, 3);
	assert_string_equal(f->config->notify[2].name, "pager");
	assert_int_equal(a->notify_mask, 1 | 4);
	shows(f->config, "notify.pager", "url", "(set)", "environment USHER_NOTIFY_PAGER_URL");
	OWNED char *text = effective(f->config);
	lacks(text, "secret-token");
}

static void bad_alarms_are_refused(void **state)
{
	static const struct {
		const char *text;
		int line;
		const char *words;
	} cases[] = {
		{ "[alarm.x]\nmetric = queue\nabove = 1\n", 6, "use dlq, dlq_arrivals," },
		{ "[alarm.backlogg]\nabove = 1\n", 5, "metric is needed (did you mean [alarm.backlog]?)" },
		{ "[alarm.x]\nmetric = dlq\n", 5, "[alarm.x] above is needed, or below" },
		{ "[alarm.x]\nmetric = dlq\nabove = 5m\n", 7, "\"5m\" is not allowed; dlq wants a number" },
		{ "[alarm.x]\nmetric = oldest_age\nabove = 5\n", 7, "oldest_age wants a duration, as 90s" },
		{ "[alarm.x]\nmetric = failure_share\nabove = 101%\n", 7,
		        "failure_share wants a share, as 5% or 0.05" },
		{ "[alarm.x]\nmetric = dlq\nabove = 5\nbelow = 2\n", 8,
		        "above and below exclude each other" },
		{ "[alarm.x]\nmetric = dlq\nabove = 5\nclear = 6\n", 8,
		        "clear: 6 is on the bad side of above, 5" },
		{ "[alarm.x]\nmetric = retention_left\nbelow = 5h\nclear = 4h\n", 8,
		        "bad side of below, 5h" },
		{ "[alarm.x]\nmetric = dlq\nabove = 5\nnotify = log, pager\n", 8,
		        "there is no section [notify.pager]" },
		{ "[alarm.x]\nmetric = outbox_age\nabove = 5s\nchannel = email\n", 8,
		        "the same for all channels" },
		{ "[alarm.Dead-Letters]\nmetric = dlq\n", 5, "small letters, digits and _" },
		{ "[alarm.x]\nmetrik = dlq\nenabled = no\n", 6, "did you mean \"metric\"?" },
		{ "[watch]\nabove = 1\n", 6, "it belongs in [alarm.NAME]" },
		{ "[notify.x]\nkind = pigeon\n", 6, "use log, webhook, mail or sns" },
		{ "[notify.x]\nkind = webhook\n", 5, "[notify.x] url is needed by a webhook" },
		{ "[notify.x]\nkind = webhook\nurl = ftp://h/\n", 7, "\"...\" is not allowed" },
		{ "[notify.x]\nkind = mail\n", 5, "[notify.x] to is needed by a mail" },
		{ "[notify.x]\nkind = mail\nto = a@b.c\ntls = none\n", 8, "tls goes with smtp_url" },
		{ "[notify.x]\nkind = sns\ntopic = alarms\n", 7, "write its ARN" },
		{ "[notify.x]\nto = a@b.c\n", 5, "[notify.x] kind is needed" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		OWNED char *text = NULL;
		assert_true(asprintf(&text, NEEDED_INI "%s", cases[i].text) > 0);
		refuse_text(*state, text, cases[i].line, cases[i].words);
	}
}

static void sections_beyond_the_limit_are_refused(void **state)
{
	struct buf text = BUF(65536);

	buf_puts(&text, NEEDED_INI);
	for (int i = 0; i < NOTIFY_MAX; i++)
		buf_printf(&text, "[notify.n%d]\nkind = log\n", i);
	refuse_text(*state, buf_str(&text), 4 + 2 * NOTIFY_MAX - 1,
	        "one too many: there are at most 16 [notify.NAME]");
	buf_free(&text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(defaults_hold_without_a_word),
		TEST(defaults_of_the_channels),
		TEST(every_default_is_within_its_own_limits),
		TEST(every_key_is_told_once_and_helped),
		TEST(profile_is_over_ini_and_environment_over_both),
		TEST(origins_are_shown),
		TEST(environment_chooses_the_profile),
		TEST(profile_cannot_choose_a_profile),
		TEST(profile_needs_a_file_to_lie_beside),
		TEST(environment_alone_is_enough),
		TEST(aws_needs_a_region),
		TEST(fifo_names_are_for_aws),
		TEST(misspelt_environment_is_refused),
		TEST(channels_inherit_the_retry_schedule),
		TEST(sockets_follow_run_dir),
		TEST(smtps_means_implicit_tls),
		TEST(values_are_taken_as_they_stand),
		TEST(byte_order_mark_and_dos_lines),
		TEST(sections_may_come_again),
		TEST(words_for_yes_and_no),
		TEST(limits_are_inclusive),
		TEST(bad_values_are_refused_with_what_is_allowed),
		TEST(bad_senders_are_refused),
		TEST(bad_lines_are_refused),
		TEST(nul_bytes_are_refused),
		TEST(long_lines_are_refused_and_never_cut),
		TEST(long_values_come_by_the_environment),
		TEST(environment_values_cannot_break_lines),
		TEST(long_socket_paths_are_refused),
		TEST(keys_given_twice_are_refused),
		TEST(all_errors_are_told_at_once),
		TEST(errors_beyond_the_limit_are_counted),
		TEST(unreadable_files_are_told),
		TEST(a_disabled_channel_needs_nothing),
		TEST(a_login_needs_both_halves),
		TEST(secret_files_are_read),
		TEST(secret_files_win_as_their_source_does),
		TEST(bad_secret_files_are_refused),
		TEST(secrets_are_never_shown),
		TEST(the_database_alone_needs_no_other_secrets),
		TEST(alarms_hold_without_a_word),
		TEST(sections_change_single_keys_of_built_in_alarms),
		TEST(alarms_and_notices_are_named_at_will),
		TEST(bad_alarms_are_refused),
		TEST(sections_beyond_the_limit_are_refused),
		TEST(manual_is_what_the_table_says),
		TEST(sample_is_what_the_table_says),
		TEST(sample_is_a_configuration),
		TEST(profiles_are_configurations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
