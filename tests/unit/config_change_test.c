/* A new configuration beside the one in force: what can be in force now, what waits, what is different, and
 * which files have changed. */
#include "base/mem.h"
#include "base/secret.h"
#include "config/config.h"
#include "model/setting.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SENDER "[email]\nfrom = a@b.example\n"
#define BASE SENDER "[coupon]\nurl = http://127.0.0.1:9/\n"

static char folder[64], ini[96];
static const char *base;

static int set_up(void **state)
{
	(void)state;
	base = BASE;
	strcpy(folder, "/tmp/usher-change-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(ini, sizeof ini, "%s/usher.ini", folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(ini);
	rmdir(folder);
	return 0;
}

static void write_ini(const char *text)
{
	FILE *file = fopen(ini, "w");

	assert_non_null(file);
	fprintf(file, "%s%s", base, text);
	fclose(file);
}

static struct config *load(const char *text, struct config_files *files)
{
	struct config_request request = { .path = ini, .files = files };
	struct config *config = NULL;
	struct usher_error err;

	write_ini(text);
	assert_int_equal(config_load_as(&request, &config, &err), 0);
	return config;
}

static void what_needs_a_restart_stays_and_is_pending(void **state)
{
	struct config *old = load("[database]\nport = 3307\npassword = one\n[relay]\nbatch = 4\n", NULL);
	struct config *fresh = load("[database]\nport = 3308\npassword = two\n[relay]\nbatch = 5\n", NULL);
	struct setting_changes pending;
	struct usher_error err;

	(void)state;
	assert_int_equal(config_settle(fresh, old, &pending, &err), 0);
	assert_int_equal(fresh->database.port, 3307);
	assert_string_equal(fresh->database.password, "one");
	assert_int_equal(fresh->relay.batch, 5);
	assert_int_equal(pending.count, 2);
	const struct setting_change *port = setting_changes_find(&pending, "database.port"),
	                            *password = setting_changes_find(&pending, "database.password");
	assert_string_equal(port->old_value, "3307");
	assert_string_equal(port->new_value, "3308");
	assert_int_equal(port->effect, SETTING_PENDING);
	assert_string_equal(password->old_value, SETTING_SECRET_SET);
	assert_string_equal(password->new_value, SETTING_SECRET_CHANGED);
	setting_changes_free(&pending);
	config_free(old);
	config_free(fresh);
}

static void what_cannot_go_together_is_refused(void **state)
{
	struct config *old = load("", NULL);
	base = SENDER;
	struct config *fresh = load("[channel.coupon]\nenabled = no\n", NULL);
	struct setting_changes pending;
	struct usher_error err;

	(void)state;
	assert_int_equal(config_settle(fresh, old, &pending, &err), USHER_ECONFIG);
	assert_non_null(strstr(err.message, "[coupon] url is needed"));
	assert_int_equal(pending.count, 0);
	config_free(old);
	config_free(fresh);
}

static void sections_that_differ(void **state)
{
	struct config *a = load("[notify.ops]\nkind = webhook\nurl = http://x/1\n", NULL);
	struct config *b = load("[notify.ops]\nkind = webhook\nurl = http://x/2\n[email]\nuser =\n", NULL);
	struct config *c = load("", NULL);

	(void)state;
	assert_false(config_differs(a, a, "notify."));
	assert_true(config_differs(a, b, "notify."));
	assert_true(config_differs(a, c, "notify."));
	assert_true(config_differs(c, a, "notify."));
	assert_false(config_differs(a, b, "email"));
	assert_false(config_differs(a, b, "alarm."));
	strcpy(b->templates, "other");
	assert_true(config_differs(a, b, "email"));
	assert_false(config_differs(a, b, "coupon"));
	config_free(a);
	config_free(b);
	config_free(c);
}

static void values_tell_what_is_different_and_no_secret(void **state)
{
	struct config *a =
	        load("[coupon]\ntoken = s3cret\n[alarm.mine]\nmetric = backlog\nabove = 5\n", NULL);
	struct config *b = load("[coupon]\ntoken = s3cret\n[relay]\nbatch = 5\n", NULL);
	struct config *c = load("[coupon]\ntoken = other\n[relay]\nbatch = 5\n", NULL);
	OWNED char *first = config_values(a, NULL), *second = config_values(b, first),
	           *third = config_values(c, second), *again = config_values(c, third);
	struct setting_changes changes;
	struct usher_error err;

	(void)state;
	assert_null(strstr(first, "s3cret"));
	assert_string_equal(third, again);
	assert_int_equal(config_values_diff(first, second, &changes, &err), 0);
	assert_null(setting_changes_find(&changes, "coupon.token"));
	assert_string_equal(setting_changes_find(&changes, "relay.batch")->new_value, "5");
	assert_null(setting_changes_find(&changes, "alarm.mine.metric")->new_value);
	setting_changes_free(&changes);
	assert_int_equal(config_values_diff(second, third, &changes, &err), 0);
	assert_int_equal(changes.count, 1);
	assert_string_equal(changes.items[0].key, "coupon.token");
	assert_string_equal(changes.items[0].old_value, SETTING_SECRET_SET);
	assert_string_equal(changes.items[0].new_value, SETTING_SECRET_CHANGED);
	setting_changes_free(&changes);
	assert_int_equal(config_values_diff("{", third, &changes, &err), USHER_EINVAL);
	config_free(a);
	config_free(b);
	config_free(c);
}

static void a_mark_is_of_one_secret(void **state)
{
	char mark[SECRET_MARK_SIZE], same[SECRET_MARK_SIZE], other[SECRET_MARK_SIZE],
	        salted[SECRET_MARK_SIZE];

	(void)state;
	secret_mark("s3cret", NULL, mark);
	secret_mark("s3cret", mark, same);
	secret_mark("s3cre", mark, other);
	secret_mark("s3cret", NULL, salted);
	assert_string_equal(mark, same);
	assert_string_not_equal(mark, other);
	assert_string_not_equal(mark, salted); /* nothing tells that two daemons have the same one */
	secret_mark("s3cret", "nonsense", other);
	assert_int_equal(strlen(other), strlen(mark));
}

/* It is told at the second look: until then somebody may still be writing it. */
static void files_are_told_once_they_stand_still(void **state)
{
	struct config_files files = { 0 };
	struct config *config = load("", &files);

	(void)state;
	assert_int_equal(files.count, 2); /* the templates' directory too */
	assert_null(config_files_changed(&files));
	write_ini("[relay]\nbatch = 3\n");
	assert_null(config_files_changed(&files));
	assert_string_equal(config_files_changed(&files), ini);
	write_ini("[relay]\nbatch = 33333\n");
	assert_null(config_files_changed(&files));
	unlink(ini);
	assert_null(config_files_changed(&files));
	assert_string_equal(config_files_changed(&files), ini);
	config_files_free(&files);
	config_free(config);
}

static void the_last_holder_frees(void **state)
{
	struct config *config = load("", NULL);
	const struct config *second = config_hold(config), *third = config_hold(second);

	(void)state;
	config_free(config);
	config_free(second);
	assert_string_equal(third->email.from, "a@b.example");
	config_free(third);
	config_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_needs_a_restart_stays_and_is_pending),
		TEST(what_cannot_go_together_is_refused),
		TEST(sections_that_differ),
		TEST(values_tell_what_is_different_and_no_secret),
		TEST(a_mark_is_of_one_secret),
		TEST(files_are_told_once_they_stand_still),
		TEST(the_last_holder_frees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
