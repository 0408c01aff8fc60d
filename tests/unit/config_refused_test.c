/* What is said, all at once, when something in the configuration is wrong; and where secrets may come from.
 */
#include "config_tools.h"

#include "broker/aws.h"

#include <assert.h>

/* For so many receives at once the broker has connections: see receivers in config/keys.def. */
static_assert(AWS_RECEIVES_MAX == 64, "as many receivers as may be configured");

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
		{ "channel.email", "receivers = 65", "1..64" },
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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
