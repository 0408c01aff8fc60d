/* The configuration as an operator meets it: what a key is when nobody says, who wins when several say, and
 * how values are written. Works in a directory of its own. */
#include "config_tools.h"

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

static void a_topic_is_in_the_region_of_its_queues(void **state)
{
	static const char *const standard[] = { "AWS_REGION=us-east-1", NULL };
	static const char topic[] = "topic = arn:aws:sns:us-east-2:123456789012:sign-ups\n";
	static const char words[] = "[aws] topic: the ARN is of region us-east-2, but [aws] region is "
	                            "us-east-1; change one of them";
	struct fixture *f = *state;
	char text[512];

	snprintf(
	        text, sizeof text, NEEDED_INI "[broker]\ndriver = aws\n[aws]\nregion = us-east-1\n%s", topic);
	refuse_text(f, text, 9, words);
	snprintf(text, sizeof text, NEEDED_INI "[broker]\ndriver = aws\n[aws]\n%s", topic);
	write_text(f, "usher.ini", text);
	assert_int_equal(load(f, standard), USHER_ECONFIG);
	contains(f->report, words);
	snprintf(
	        text, sizeof text, NEEDED_INI "[broker]\ndriver = aws\n[aws]\nregion = us-east-2\n%s", topic);
	accept_text(f, text);
	snprintf(text, sizeof text, NEEDED_INI "[aws]\nregion = us-east-1\n%s", topic); /* and embedded */
	accept_text(f, text);
}

#define ALLOWED " is not allowed; use http:// or https://..., without spaces or a login\n"

static void endpoints_of_the_environment_are_urls(void **state)
{
	static const char *const good[] = {
		"AWS_ENDPOINT_URL_SQS=https://vpce-1.sqs.eu-west-1.vpce.amazonaws.com",
		"AWS_ENDPOINT_URL_SNS=", "AWS_ENDPOINT_URL=http://127.0.0.1:4566", NULL
	};
	static const char *const bad[] = { "AWS_ENDPOINT_URL_SQS=vpce-1.sqs.eu-west-1.vpce.amazonaws.com",
		"AWS_ENDPOINT_URL_SNS=https://a:s3cret@b", "AWS_ENDPOINT_URL_STS=https://",
		"AWS_ENDPOINT_URL_CLOUDWATCH=ftp://b", "AWS_ENDPOINT_URL=http://a b", NULL };
	static const char *const told[] = {
		"environment AWS_ENDPOINT_URL_SQS: \"vpce-1.sqs.eu-west-1.vpce.amazonaws.com\"" ALLOWED,
		"environment AWS_ENDPOINT_URL_SNS: \"...@b\"" ALLOWED,
		"environment AWS_ENDPOINT_URL_STS: \"https://\"" ALLOWED,
		"environment AWS_ENDPOINT_URL_CLOUDWATCH: \"ftp://b\"" ALLOWED,
		"environment AWS_ENDPOINT_URL: \"http://a b\"" ALLOWED
	};
	static const char aws[] = NEEDED_INI "[broker]\ndriver = aws\n[aws]\nregion = eu-west-1\n";
	static const char sns[] =
	        NEEDED_INI "[notify.ops]\nkind = sns\ntopic = arn:aws:sns:eu-west-1:123456789012:ops\n";
	struct fixture *f = *state;

	write_text(f, "usher.ini", NEEDED_INI);
	assert_int_equal(load(f, bad), 0); /* nobody there speaks to AWS */
	write_text(f, "usher.ini", sns);
	assert_int_equal(load(f, bad), USHER_ECONFIG);
	write_text(f, "usher.ini", aws);
	assert_int_equal(load(f, good), 0);
	assert_int_equal(load(f, bad), USHER_ECONFIG);
	for (size_t i = 0; i < ARRAY_LEN(told); i++)
		contains(f->report, told[i]);
	assert_int_equal(lines(f->report), ARRAY_LEN(told));
}

static void endpoints_of_the_environment_come_behind_the_configured_one(void **state)
{
	static const char *const environment[] = { "AWS_ENDPOINT_URL_SQS=nowhere", NULL };
	struct fixture *f = *state;

	write_text(f, "usher.ini",
	        NEEDED_INI
	        "[broker]\ndriver = aws\n[aws]\nregion = eu-west-1\nendpoint_url = http://127.0.0.1:4566\n");
	assert_int_equal(load(f, environment), 0);
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
		TEST(a_topic_is_in_the_region_of_its_queues),
		TEST(endpoints_of_the_environment_are_urls),
		TEST(endpoints_of_the_environment_come_behind_the_configured_one),
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
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
