/* What a config server answers, read without a server: forms, lists, limits, what is kept; and, with one in a
 * thread, whether its answer has changed. The rest is in tests/system/test_config_server.py. */
#include "config/server.h"

#include "base/mem.h"
#include "../support/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ANSWER(sources) "{\"name\":\"usher\",\"profiles\":[\"default\"],\"propertySources\":[" sources "]}"
#define SOURCE(properties) "{\"name\":\"s\",\"source\":{" properties "}}"

static struct server_environment *parsed(const char *text)
{
	struct server_environment *environment = NULL;
	struct usher_error err;

	if (server_parse(text, strlen(text), &environment, &err) < 0)
		fail_msg("%s: %s", text, err.message);
	return environment;
}

/* -- Answers -------------------------------------------------------------------------------------------- */

static void a_list_is_one_property(void **state)
{
	struct server_environment *e = parsed(ANSWER(SOURCE(
	        "\"usher.x.notify[1]\":\"log\",\"usher.x.notify[0]\":{\"value\":\"ops\",\"origin\":\"o\"},"
	        "\"usher.x.n[0]\":1,\"usher.x.n[1]\":true") "," SOURCE("\"usher.x.notify[0]\":\"mail\"")));
	(void)state;

	assert_int_equal(e->count, 3);
	assert_string_equal(e->properties[0].name, "usher.x.notify");
	assert_string_equal(e->properties[0].text, "ops,log");
	assert_true(e->properties[0].list);
	assert_string_equal(e->properties[1].text, "1,true");
	assert_string_equal(e->properties[2].text, "mail"); /* lists of two sources are not mixed */
	assert_int_equal(e->properties[2].rank, 1);
	server_environment_free(e);
}

static void a_list_without_a_beginning_is_no_list(void **state)
{
	struct server_environment *e = parsed(ANSWER(SOURCE("\"usher.x.n[2]\":1")));
	(void)state;

	assert_null(e->properties[0].text);
	assert_non_null(strstr(e->properties[0].fault, "without a first item"));
	server_environment_free(e);
}

static void both_forms_may_stand_side_by_side(void **state)
{
	struct server_environment *e = parsed(ANSWER(
	        SOURCE("\"usher.a\":\"x\",\"usher.b\":{\"value\":\"y\"},\"usher.c\":{\"value\":null}")));
	(void)state;

	assert_int_equal(e->count, 2); /* null is not there */
	assert_string_equal(e->properties[0].text, "x");
	assert_string_equal(e->properties[1].text, "y");
	assert_null(e->properties[1].origin);
	server_environment_free(e);
}

static void a_list_and_a_value_of_one_name_are_told(void **state)
{
	struct server_environment *e =
	        parsed(ANSWER(SOURCE("\"usher.a[0]\":\"x\",\"usher.b\":1,\"usher.a\":\"y\"")));
	(void)state;

	assert_int_equal(e->count, 3);
	assert_null(e->properties[0].text);
	assert_non_null(strstr(e->properties[0].fault, "as a value and as a list"));
	assert_string_equal(e->properties[1].text, "1");
	server_environment_free(e);
}

static void sources_are_shown_without_logins_and_controls(void **state)
{
	struct server_environment *e = parsed(ANSWER("{\"name\":\"https://u:p@git.example/a@b.yml\\u001b[31m "
	                                             "ssh://git@h/x\",\"source\":{\"usher.a\":1}}"));
	OWNED char *where = server_where(e, &e->properties[0]);
	(void)state;

	assert_string_equal(where, "config server https://git.example/a@b.yml?[31m ssh://h/x");
	server_environment_free(e);
}

static void what_is_no_answer_is_refused(void **state)
{
	static const char *const rows[] = { "", "null", "[]", "{", "{\"name\":\"usher\"}",
		"{\"name\":\"usher\",\"propertySources\":{}}", "{\"propertySources\":[]}", ANSWER("1"),
		ANSWER("{\"name\":\"s\"}"), ANSWER("{\"source\":{}}"),
		ANSWER("{\"name\":\"s\",\"source\":[]}"), ANSWER("") "x" };
	struct server_environment *e = NULL;
	struct usher_error err;
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (server_parse(rows[i], strlen(rows[i]), &e, &err) != USHER_EPROTOCOL)
			fail_msg("taken: %s", rows[i]);
		assert_null(e);
	}
}

static bool secret(const void *arg, const char *name)
{
	(void)arg;
	return strstr(name, "password") != NULL;
}

static void what_is_kept_is_read_again_without_its_secrets(void **state)
{
	struct server_environment *e =
	        parsed(ANSWER(SOURCE("\"usher.a\":{\"value\":7,\"origin\":\"f:1\"},\"usher.password\":"
	                             "\"hunter2\"") "," SOURCE("\"usher.a\":8")));
	OWNED char *text = server_kept_text(e, "usher/default", (wall_time){ 1000 }, secret, NULL);
	struct server_environment *again = parsed(text);
	OWNED char *where = server_where(again, &again->properties[0]);
	(void)state;

	assert_null(strstr(text, "hunter2"));
	assert_int_equal(again->count, 2);
	assert_string_equal(again->properties[0].text, "7");
	assert_string_equal(again->properties[1].text, "8");
	assert_int_equal(again->withheld_count, 1);
	assert_string_equal(again->withheld[0], "usher.password");
	assert_string_equal(where, "config server s (f:1), as kept 1970-01-01T00:00:01.000Z");
	server_environment_free(e);
	server_environment_free(again);
}

/* -- Changes -------------------------------------------------------------------------------------------- */

struct script {
	const char *batch, *version;
	int status;
	char state[64]; /* X-Config-State of the last request */
};

static void serve(struct server *server, struct peer *peer)
{
	struct script *script = server->script;
	char line[4096], body[512];

	*script->state = '\0';
	while (peer_line(peer, line, sizeof line) && *line)
		if (strncasecmp(line, "X-Config-State: ", 16) == 0)
			snprintf(script->state, sizeof script->state, "%.60s", line + 16);
	snprintf(body, sizeof body,
	        "HTTP/1.1 %d X\r\nConnection: "
	        "close\r\n\r\n{\"name\":\"usher\",\"state\":\"st4te\",\"version\":\"%s\","
	        "\"propertySources\":[{\"name\":\"s\",\"source\":{\"usher.relay.batch\":%s}}]}",
	        script->status, script->version, script->batch);
	peer_say(peer, body);
}

static struct config *loaded(int port)
{
	char url[64];
	const char *environment[] = { url, "USHER_EMAIL_FROM=a@b.example",
		"USHER_COUPON_URL=http://c.example/", NULL };
	struct config *config = NULL;
	struct usher_error err;

	snprintf(url, sizeof url, "USHER_CONFIG_SERVER_URL=http://127.0.0.1:%d", port);
	if (config_load(NULL, environment, NULL, &config, &err) < 0)
		fail_msg("%s", err.message);
	return config;
}

static bool changed(const struct config *config)
{
	bool answer;
	struct usher_error err;

	if (config_server_changed(config, &answer, &err) < 0)
		fail_msg("%s", err.message);
	return answer;
}

static void a_poll_sees_what_concerns_usher(void **state)
{
	struct script script = { .batch = "3", .version = "a", .status = 200 };
	struct server server;
	(void)state;

	server_start(&server, serve, &script);
	struct config *config = loaded(server.port);
	assert_int_equal(config->relay.batch, 3);
	assert_string_equal(config->answer->version, "a");
	assert_false(changed(config));
	assert_string_equal(script.state, "st4te");
	script.version = "b"; /* a commit about something else */
	assert_false(changed(config));
	script.batch = "4";
	assert_true(changed(config));
	script.status = 404;
	assert_true(changed(config));
	config_free(config);
	server_stop(&server);
}

static void a_poll_without_an_answer_says_why(void **state)
{
	struct script script = { .batch = "3", .version = "a", .status = 200 };
	struct server server;
	struct usher_error err;
	bool answer = true;
	(void)state;

	server_start(&server, serve, &script);
	struct config *config = loaded(server.port);
	script.status = 403;
	assert_int_equal(config_server_changed(config, &answer, &err), USHER_EFORBIDDEN);
	assert_non_null(strstr(err.message, "HTTP 403"));
	server_stop(&server);
	assert_int_equal(config_server_changed(config, &answer, &err), USHER_EUNAVAILABLE);
	assert_non_null(strstr(err.message, "no config server answers: http://127.0.0.1:"));
	assert_true(answer);
	config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_is_one_property),
		cmocka_unit_test(a_list_without_a_beginning_is_no_list),
		cmocka_unit_test(both_forms_may_stand_side_by_side),
		cmocka_unit_test(sources_are_shown_without_logins_and_controls),
		cmocka_unit_test(what_is_no_answer_is_refused),
		cmocka_unit_test(a_list_and_a_value_of_one_name_are_told),
		cmocka_unit_test(what_is_kept_is_read_again_without_its_secrets),
		cmocka_unit_test(a_poll_sees_what_concerns_usher),
		cmocka_unit_test(a_poll_without_an_answer_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
