/* What is shipped: sample, manual, examples of profiles; and the alarms that hold without a word. */
#include "config_tools.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
