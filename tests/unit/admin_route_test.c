/* The admin API's ways in: request targets, parameters, routes, and the sockets it listens on. */
#include "admin/listen.h"
#include "admin/route.h"
#include "base/mem.h"
#include "model/failure.h"
#include "store/failed.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#define MANUAL "man/usher-api.7"

/* -- Targets -------------------------------------------------------------------------------------- */

static void target_is_split_before_it_is_decoded(void **state)
{
	(void)state;
	struct target t;
	struct usher_error err;
	assert_int_equal(target_parse("/v1/failed/4%2F2?q=a%26b&since=", &t, &err), 0);
	assert_int_equal(t.segments, 3);
	assert_string_equal(t.segment[2], "4/2");
	assert_int_equal(t.parameters, 2);
	assert_string_equal(t.parameter[0].name, "q");
	assert_string_equal(t.parameter[0].value, "a&b");
	assert_string_equal(t.parameter[1].value, "");
	target_free(&t);
}

static void target_takes_plus_as_itself_and_utf8(void **state)
{
	(void)state;
	struct target t;
	struct usher_error err;
	assert_int_equal(target_parse("http://usher/v1/failed?q=a+b@c.kr&&x=%EA%B9%80", &t, &err), 0);
	assert_string_equal(t.segment[0], "v1");
	assert_string_equal(t.parameter[0].value, "a+b@c.kr");
	assert_string_equal(t.parameter[1].value, "김");
	target_free(&t);
}

static void target_refuses(const char *uri, int code, const char *word)
{
	struct target t = { .segments = 99 };
	struct usher_error err = { 0 };
	assert_int_equal(target_parse(uri, &t, &err), code);
	assert_non_null(strstr(err.message, word));
	assert_int_equal(t.segments, 99);
}

static void target_refuses_what_hides_something(void **state)
{
	(void)state;
	char long_one[TARGET_MAX + 2];
	target_refuses("/v1/status%00x", USHER_EINVAL, "control character");
	target_refuses("/v1/failed?q=a%0Ab", USHER_EINVAL, "control character");
	target_refuses("/v1/failed?q=%zz", USHER_EINVAL, "hexadecimal");
	target_refuses("/v1/failed?q=%", USHER_EINVAL, "hexadecimal");
	target_refuses("/v1/failed?q=%4", USHER_EINVAL, "hexadecimal");
	target_refuses("/v1/failed?q=%C0%80", USHER_EINVAL, "UTF-8");
	target_refuses("*", USHER_EINVAL, "slash");
	target_refuses("/a/b/c/d/e/f/g", USHER_ENOTFOUND, "no such route");
	target_refuses("/?a=1&b=1&c=1&d=1&e=1&f=1&g=1&h=1&i=1&j=1&k=1&l=1&m=1&n=1&o=1&p=1&q=1", USHER_EINVAL,
	        "more than");
	memset(long_one, 'a', sizeof long_one - 1);
	long_one[0] = '/';
	long_one[sizeof long_one - 1] = '\0';
	target_refuses(long_one, USHER_ETOOBIG, "4096");
}

/* -- Parameters ----------------------------------------------------------------------------------- */

static int query_of(
        const char *uri, unsigned allowed, struct target *t, struct query *q, struct usher_error *err)
{
	assert_int_equal(target_parse(uri, t, err), 0);
	return query_parse(t, allowed, q, err);
}

static void query_has_defaults(void **state)
{
	(void)state;
	struct target t;
	struct query q;
	struct usher_error err;
	assert_int_equal(query_of("/x?status=&limit=", QUERY_FAILED | QUERY_PAGE, &t, &q, &err), 0);
	assert_int_equal(q.limit, QUERY_LIMIT_DEFAULT);
	assert_string_equal(q.cursor, "");
	assert_int_equal(q.status, -1);
	assert_int_equal(q.channel, -1);
	assert_int_equal(q.class, -1);
	assert_null(q.text);
	assert_int_equal(q.since.ms, 0);
	assert_false(q.oldest_first);
	target_free(&t);
}

static void query_reads_every_parameter(void **state)
{
	(void)state;
	struct target t;
	struct query q;
	struct usher_error err;
	assert_int_equal(
	        query_of("/x?limit=500&cursor=abc&status=cancelled&channel=coupon&class=out_of_stock&q=min"
	                 "&since=2026-11-22T21:23:11%2B09:00&sort=oldest&waiting=true&target=failed/42",
	                ~0u, &t, &q, &err),
	        0);
	assert_int_equal(q.limit, 500);
	assert_string_equal(q.cursor, "abc");
	assert_int_equal(q.status, FAILED_CANCELLED);
	assert_int_equal(q.channel, CHANNEL_COUPON);
	assert_int_equal(q.class, FAILURE_OUT_OF_STOCK);
	assert_string_equal(q.text, "min");
	wall_time since;
	assert_int_equal(wall_parse("2026-11-22T12:23:11Z", &since), 0);
	assert_int_equal(q.since.ms, since.ms);
	assert_true(q.oldest_first);
	assert_true(q.waiting_only);
	assert_string_equal(q.target, "failed/42");
	target_free(&t);
}

static void query_refuses(const char *uri, const char *word)
{
	struct target t;
	struct query q;
	struct usher_error err = { 0 };
	assert_int_equal(query_of(uri, QUERY_FAILED | QUERY_SORT | QUERY_PAGE, &t, &q, &err), USHER_EINVAL);
	if (!strstr(err.message, word))
		fail_msg("%s: \"%s\" does not say \"%s\"", uri, err.message, word);
	target_free(&t);
}

static void query_refuses_by_name_with_what_is_allowed(void **state)
{
	(void)state;
	query_refuses("/x?limit=0", "limit: a whole number from 1 to 500");
	query_refuses("/x?limit=501", "1 to 500");
	query_refuses("/x?limit=x", "1 to 500");
	query_refuses("/x?limit=-1", "1 to 500");
	query_refuses("/x?limit=05", "1 to 500");
	query_refuses("/x?limit=99999999999999999999", "1 to 500");
	query_refuses("/x?limit=5&limit=6", "given twice");
	query_refuses("/x?stats=dead", "no query parameter \"stats\" here; known: limit, cursor, status");
	query_refuses("/x?waiting=true", "no query parameter \"waiting\"");
	query_refuses("/x?status=retrying", "dead, queued, delivered, cancelled, any");
	query_refuses("/x?status=DEAD", "dead, queued");
	query_refuses("/x?channel=sms", "email, coupon");
	query_refuses("/x?class=bad", "service_down, timeout");
	query_refuses("/x?since=yesterday", "RFC 3339");
	query_refuses("/x?sort=up", "newest, oldest");
	query_refuses("/x?sort=id:up", "behind id, :asc or :desc");
	query_refuses("/x?sort=i", "newest, oldest, dead_at");
	query_refuses("/x?filters=a", "no query parameter");
}

static void sorts_have_a_direction(void **state)
{
	static const struct {
		const char *uri;
		enum failed_sort sort;
		bool ascending;
	} table[] = {
		{ "/x?sort=newest", FAILED_BY_DEAD_AT, false },
		{ "/x?sort=oldest", FAILED_BY_DEAD_AT, true },
		{ "/x?sort=dead_at:asc", FAILED_BY_DEAD_AT, true },
		{ "/x?sort=class", FAILED_BY_CLASS, true },
		{ "/x?sort=class:desc", FAILED_BY_CLASS, false },
		{ "/x?sort=attempts", FAILED_BY_ATTEMPTS, false },
		{ "/x?sort=recipient", FAILED_BY_RECIPIENT, true },
		{ "/x?sort=first_at", FAILED_BY_ID, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct target t;
		struct query q;
		struct usher_error err;

		assert_int_equal(query_of(table[i].uri, QUERY_SORT, &t, &q, &err), 0);
		assert_int_equal(q.sort, table[i].sort);
		assert_int_equal(q.oldest_first, table[i].ascending);
		target_free(&t);
	}
}

static void what_is_too_long_is_refused(void **state)
{
	static const struct {
		const char *parameter;
		int longest;
		const char *says;
	} table[] = { { "cursor", CURSOR_SIZE - 1, "next" }, { "filter", FILTER_TEXT_MAX, "1024 bytes" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char uri[FILTER_TEXT_MAX + 40];
		struct target t;
		struct query q;
		struct usher_error err;

		snprintf(uri, sizeof uri, "/x?%s=%0*d", table[i].parameter, table[i].longest, 1);
		assert_int_equal(query_of(uri, QUERY_FILTER | QUERY_PAGE, &t, &q, &err), 0);
		target_free(&t);
		snprintf(uri, sizeof uri, "/x?%s=%0*d", table[i].parameter, table[i].longest + 1, 1);
		query_refuses(uri, table[i].says);
	}
}

static void ids_are_whole_numbers(void **state)
{
	(void)state;
	static const char *const bad[] = { "", "0", "-1", "+1", "01", "1.0", "1e3", "x", "1 ",
		"9223372036854775808", "99999999999999999999", "1' OR '1'='1", "%s%n" };
	struct usher_error err;
	int64_t id = 7;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(id_parse(bad[i], &id, &err), USHER_EINVAL);
	assert_int_equal(id, 7);
	assert_int_equal(id_parse("9007199254740993", &id, &err), 0);
	assert_int_equal(id, 9007199254740993);
	assert_int_equal(id_parse("9223372036854775807", &id, &err), 0);
	assert_int_equal(id, INT64_MAX);
}

/* -- Routes ---------------------------------------------------------------------------------------- */

static const char *found(const char *method, const char *uri, char allow[ALLOW_SIZE])
{
	struct target t;
	struct usher_error err;
	assert_int_equal(target_parse(uri, &t, &err), 0);
	const struct route *route = route_find(method, &t, allow);
	target_free(&t);
	return route ? route->pattern : "";
}

static void routes_are_found(void **state)
{
	(void)state;
	char allow[ALLOW_SIZE];
	assert_string_equal(found("GET", "/v1/failed/42", allow), "/v1/failed/{id}");
	assert_string_equal(found("GET", "/v1/failed/groups", allow), "/v1/failed/groups");
	assert_string_equal(found("HEAD", "/metrics", allow), "/metrics");
	assert_string_equal(found("POST", "/v1/failed/42/redrive", allow), "/v1/failed/{id}/redrive");
	assert_string_equal(allow, "");
}

static void unknown_paths_and_methods_are_told_apart(void **state)
{
	(void)state;
	static const char *const nowhere[] = { "/", "/v1", "/v1/", "/v1/status/", "/v1/stat", "/V1/status",
		"/v1/failed/", "/v1/failed//redrive", "/v1/failed/1/2/3", "/v1%2Fstatus", "//v1/status" };
	char allow[ALLOW_SIZE];
	for (size_t i = 0; i < ARRAY_LEN(nowhere); i++) {
		assert_string_equal(found("GET", nowhere[i], allow), "");
		assert_string_equal(allow, "");
	}
	assert_string_equal(found("POST", "/v1/status", allow), "");
	assert_string_equal(allow, "GET, HEAD");
	assert_string_equal(found("GET", "/v1/signups", allow), "");
	assert_string_equal(allow, "POST");
	assert_string_equal(found("get", "/v1/status", allow), "");
	assert_string_equal(allow, "GET, HEAD");
}

static void audit_targets_name_the_thing(void **state)
{
	(void)state;
	struct target t;
	struct usher_error err;
	char name[AUDIT_TARGET_SIZE];
	assert_int_equal(target_parse("/v1/failed/42/redrive", &t, &err), 0);
	route_audit_target(&t, name);
	assert_string_equal(name, "failed/42");
	target_free(&t);
	assert_int_equal(target_parse("/v1/signups", &t, &err), 0);
	route_audit_target(&t, name);
	assert_string_equal(name, "signups");
	target_free(&t);
}

static void only_acts_have_bodies_and_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < route_count; i++) {
		bool act = routes[i].access == ACCESS_ACT;
		assert_int_equal(act, strcmp(routes[i].method, "POST") == 0);
		assert_int_equal(act, routes[i].act != NULL);
		assert_int_equal(act, routes[i].members != NULL);
		assert_non_null(routes[i].run);
	}
}

static void the_manual_has_every_route_and_class(void **state)
{
	(void)state;
	static char manual[128 * 1024];
	FILE *file = fopen(MANUAL, "r");
	assert_non_null(file);
	manual[fread(manual, 1, sizeof manual - 1, file)] = '\0';
	fclose(file);
	for (size_t i = 0; i < route_count; i++) {
		char line[200];
		snprintf(line, sizeof line, "\n.Ss %s %s\n", routes[i].method, routes[i].pattern);
		if (!strstr(manual, line))
			fail_msg("%s lacks %s", MANUAL, line);
	}
	for (int class = FAILURE_NONE + 1; class < FAILURE_COUNT; class ++) {
		char line[200];
		snprintf(line, sizeof line, "\n.It %s\n", failure_info((enum failure_class) class)->name);
		if (!strstr(manual, line))
			fail_msg("%s lacks the class %s", MANUAL, line);
	}
}

/* -- Sockets --------------------------------------------------------------------------------------- */

struct folder {
	char path[64], socket[80];
};

static int folder_make(void **state)
{
	struct folder *f = mem_alloc(sizeof *f);
	snprintf(f->path, sizeof f->path, "/tmp/usher-listen-XXXXXX");
	if (!mkdtemp(f->path))
		return -1;
	snprintf(f->socket, sizeof f->socket, "%s/s", f->path);
	*state = f;
	return 0;
}

static int folder_remove(void **state)
{
	struct folder *f = *state;
	unlink(f->socket);
	rmdir(f->path);
	free(f);
	return 0;
}

static void a_socket_is_made_and_removed(void **state)
{
	struct folder *f = *state;
	struct listening l = LISTENING_NONE;
	struct usher_error err = { 0 };
	struct stat st;
	assert_int_equal(listen_unix(f->socket, NULL, "socket_group", &l, &err), 0);
	assert_int_equal(stat(f->socket, &st), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0660);
	listen_close(&l);
	assert_int_equal(l.fd, -1);
	assert_int_equal(stat(f->socket, &st), -1);
}

static void a_dead_daemons_socket_is_replaced_a_living_ones_is_not(void **state)
{
	struct folder *f = *state;
	struct listening first = LISTENING_NONE, second = LISTENING_NONE;
	struct usher_error err = { 0 };
	assert_int_equal(listen_unix(f->socket, "", "socket_group", &first, &err), 0);
	assert_int_equal(listen_unix(f->socket, "", "socket_group", &second, &err), USHER_EIO);
	assert_non_null(strstr(err.message, "another daemon listens"));
	assert_non_null(strstr(err.message, f->socket));
	close(first.fd); /* as death does: the file stays */
	first.fd = -1;
	assert_int_equal(access(f->socket, F_OK), 0);
	assert_int_equal(listen_unix(f->socket, "", "socket_group", &second, &err), 0);
	listen_close(&first);
	listen_close(&second);
}

static void only_our_own_socket_is_removed(void **state)
{
	struct folder *f = *state;
	struct listening first = LISTENING_NONE, second = LISTENING_NONE;
	struct usher_error err = { 0 };
	char aside[100];
	snprintf(aside, sizeof aside, "%s-aside", f->socket);
	assert_int_equal(listen_unix(f->socket, "", "socket_group", &first, &err), 0);
	assert_int_equal(rename(f->socket, aside), 0); /* somebody tidies up below a living daemon */
	assert_int_equal(listen_unix(f->socket, "", "socket_group", &second, &err), 0);
	listen_close(&first);
	assert_int_equal(access(f->socket, F_OK), 0);
	listen_close(&second);
	assert_int_equal(unlink(aside), 0);
}

static void what_is_in_the_way_is_named(void **state)
{
	struct folder *f = *state;
	struct listening l = LISTENING_NONE;
	struct usher_error err = { 0 };
	char path[200];
	FILE *file = fopen(f->socket, "w");
	assert_non_null(file);
	fclose(file);
	assert_int_equal(listen_unix(f->socket, "", "socket_group", &l, &err), USHER_EIO);
	assert_non_null(strstr(err.message, "is no socket: move it away"));
	unlink(f->socket);
	assert_int_equal(listen_unix(f->socket, "no-such-group-here", "socket_group", &l, &err), USHER_EIO);
	assert_non_null(strstr(err.message, "socket_group: there is no group \"no-such-group-here\""));
	assert_int_equal(access(f->socket, F_OK), -1);
	snprintf(path, sizeof path, "%s/missing/s", f->path);
	assert_int_equal(listen_unix(path, "", "socket_group", &l, &err), USHER_EIO);
	assert_non_null(strstr(err.message, "create it"));
	snprintf(path, sizeof path, "%s/%0120d", f->path, 0);
	assert_int_equal(listen_unix(path, "", "socket_group", &l, &err), USHER_EIO);
	assert_non_null(strstr(err.message, "at most 107 bytes"));
	assert_int_equal(l.fd, -1);
}

static void only_loopback_addresses_are_listened_on(void **state)
{
	(void)state;
	static const char *const good[] = { "127.0.0.1:8081", "127.1.2.3:1", "[::1]:65535", "localhost:0" };
	static const char *const bad[] = { "0.0.0.0:8081", "10.0.0.1:80", "[::]:80", "::1:80",
		"example.com:80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:x", "127.0.0.1:-1",
		":80", "", "1127.0.0.1:80" };
	struct sockaddr_storage address;
	struct usher_error err;
	socklen_t len;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_int_equal(listen_address(good[i], &address, &len, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(listen_address(bad[i], &address, &len, &err), USHER_ECONFIG);
	assert_int_equal(listen_address("127.0.0.1:8081", &address, &len, &err), 0);
	assert_int_equal(ntohs(((struct sockaddr_in *)&address)->sin_port), 8081);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(target_is_split_before_it_is_decoded),
		cmocka_unit_test(target_takes_plus_as_itself_and_utf8),
		cmocka_unit_test(target_refuses_what_hides_something),
		cmocka_unit_test(query_has_defaults),
		cmocka_unit_test(query_reads_every_parameter),
		cmocka_unit_test(query_refuses_by_name_with_what_is_allowed),
		cmocka_unit_test(sorts_have_a_direction),
		cmocka_unit_test(what_is_too_long_is_refused),
		cmocka_unit_test(ids_are_whole_numbers),
		cmocka_unit_test(routes_are_found),
		cmocka_unit_test(unknown_paths_and_methods_are_told_apart),
		cmocka_unit_test(audit_targets_name_the_thing),
		cmocka_unit_test(only_acts_have_bodies_and_names),
		cmocka_unit_test(the_manual_has_every_route_and_class),
		cmocka_unit_test_setup_teardown(a_socket_is_made_and_removed, folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(
		        a_dead_daemons_socket_is_replaced_a_living_ones_is_not, folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(only_our_own_socket_is_removed, folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(what_is_in_the_way_is_named, folder_make, folder_remove),
		cmocka_unit_test(only_loopback_addresses_are_listened_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
