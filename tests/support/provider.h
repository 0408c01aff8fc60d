/* A credentials provider between a temporary home and a stand-in server that answers by path: for the
 * tests of the sources and of the provider. Every error that arrives is searched for secrets: whatever
 * is secret in a test has S3CR3T in it. */
#ifndef SUPPORT_PROVIDER_H
#define SUPPORT_PROVIDER_H

#include "server.h"

#include "base/mem.h"
#include "base/text.h"
#include "net/aws_credentials_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#define VARIABLES_MAX 16
#define ROUTES_MAX 8
#define WAITERS_MAX 64
#define SEEN_MAX 8192

struct route {
	const char *begin; /* of the request line: "PUT /latest/api/token" */
	int status;
	char body[2048];
	bool hang;
	const char *needs, *refusal; /* a request without the text `needs` is answered 400 and this body */
	int refusal_status;          /* 0: 400 */
	atomic_int requests;
	char seen[SEEN_MAX]; /* the last request, head and body */
};

struct party {
	struct loop *loop;
	struct curl_loop *cl;
	struct http *http;
	struct aws_provider *provider;
	struct server server;
	struct route routes[ROUTES_MAX];
	char home[64], address[64];
	char texts[VARIABLES_MAX][1024];
	const char *environment[VARIABLES_MAX + 1];
	int variables;
	struct aws_provider_settings settings;
	struct loop_timer *patience;
	int waiting, answers;
	bool good;
	char access_key[64], secret_key[64], session_token[64], source[512];
	wall_time expires_at;
	struct usher_error err;
};

static inline void party_timeout(void *arg)
{
	(void)arg;
	fail_msg("no answer in time");
}

/* -- The server ---------------------------------------------------------------------------------- */

static inline bool party_read(struct peer *peer, char seen[SEEN_MAX])
{
	char line[4096];
	size_t at = 0, len = 0;

	while (peer_line(peer, line, sizeof line)) {
		at += (size_t)snprintf(seen + at, SEEN_MAX - at, "%s\n", line);
		if (strncasecmp(line, "Content-Length:", 15) == 0)
			len = strtoul(line + 15, NULL, 10);
		if (!*line) {
			if (at + len >= SEEN_MAX || !peer_read(peer, seen + at, len))
				return false;
			seen[at + len] = '\0';
			return true;
		}
	}
	return false;
}

static inline struct route *party_route(struct party *p, const char *seen)
{
	struct route *best = NULL;

	for (int i = 0; i < ROUTES_MAX; i++)
		if (p->routes[i].begin &&
		        strncmp(seen, p->routes[i].begin, strlen(p->routes[i].begin)) == 0 &&
		        (!best || strlen(p->routes[i].begin) > strlen(best->begin)))
			best = &p->routes[i];
	return best;
}

static inline void party_serve(struct server *server, struct peer *peer)
{
	struct party *p = server->script;
	char seen[SEEN_MAX], answer[4096];

	while (party_read(peer, seen)) {
		pthread_mutex_lock(&server->mutex);
		struct route *route = party_route(p, seen);
		bool hang = route && route->hang;
		bool refused = route && route->needs && !strstr(seen, route->needs);
		if (route) {
			route->requests++;
			memcpy(route->seen, seen, sizeof seen);
		}
		const char *body = refused ? route->refusal : route ? route->body : "";
		snprintf(answer, sizeof answer, "HTTP/1.1 %d Said\r\nContent-Length: %zu\r\n\r\n%s",
		        refused ? (route->refusal_status ? route->refusal_status : 400)
		        : route ? route->status
		                : 404,
		        strlen(body), body);
		pthread_mutex_unlock(&server->mutex);
		if (hang) {
			peer_drain(peer);
			return;
		}
		peer_say(peer, answer);
	}
}

/* Makes or changes what a path answers. */
static inline struct route *party_answer(struct party *p, const char *begin, int status, const char *fmt, ...)
{
	struct route *route = NULL;
	va_list ap;

	pthread_mutex_lock(&p->server.mutex);
	for (int i = ROUTES_MAX - 1; i >= 0; i--)
		if (!p->routes[i].begin || strcmp(p->routes[i].begin, begin) == 0) {
			route = &p->routes[i];
			if (route->begin)
				break;
		}
	route->begin = begin;
	route->status = status;
	va_start(ap, fmt);
	vsnprintf(route->body, sizeof route->body, fmt, ap);
	va_end(ap);
	pthread_mutex_unlock(&p->server.mutex);
	return route;
}

/* -- The surroundings ---------------------------------------------------------------------------- */

static inline void party_set(struct party *p, const char *fmt, ...) /* "NAME=value" */
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->texts[p->variables], sizeof p->texts[0], fmt, ap);
	va_end(ap);
	p->environment[p->variables] = p->texts[p->variables];
	p->variables++;
}

static inline const char *party_file(struct party *p, const char *name, const char *text)
{
	static char path[128];
	FILE *file;

	snprintf(path, sizeof path, "%s/%s", p->home, name);
	assert_non_null(file = fopen(path, "w"));
	fputs(text, file);
	fclose(file);
	return path;
}

static inline int party_setup(void **state)
{
	struct party *p = calloc(1, sizeof *p);
	char path[128];

	snprintf(p->home, sizeof p->home, "/tmp/usher-aws-XXXXXX");
	assert_non_null(mkdtemp(p->home));
	snprintf(path, sizeof path, "%s/.aws", p->home);
	mkdir(path, 0700);
	p->loop = loop_new();
	p->cl = curl_loop_new(p->loop, 8);
	p->http = http_new(p->cl);
	p->patience = loop_timer_new(p->loop, party_timeout, p);
	server_start(&p->server, party_serve, p);
	snprintf(p->address, sizeof p->address, "http://127.0.0.1:%d", p->server.port);
	p->settings.environment = p->environment;
	party_set(p, "HOME=%s", p->home);
	*state = p;
	return 0;
}

static inline int party_teardown(void **state)
{
	static const char *const names[] = { ".aws/credentials", ".aws/config", "token", "other", ".aws",
		"" };
	struct party *p = *state;
	char path[128];

	aws_provider_free(p->provider);
	http_free(p->http);
	curl_loop_free(p->cl);
	loop_timer_free(p->patience);
	loop_free(p->loop);
	server_stop(&p->server);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof path, "%s/%s", p->home, names[i]);
		remove(path);
	}
	free(p);
	return 0;
}

/* -- Asking -------------------------------------------------------------------------------------- */

static inline void party_copy(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text ? text : "");
}

static inline void party_done(void *arg, const struct aws_credentials *c, const struct usher_error *err)
{
	struct party *p = arg;

	assert_true(!c != !err);
	p->answers++;
	p->good = c != NULL;
	party_copy(p->access_key, sizeof p->access_key, c ? c->access_key : NULL);
	party_copy(p->secret_key, sizeof p->secret_key, c ? c->secret_key : NULL);
	party_copy(p->session_token, sizeof p->session_token, c ? c->session_token : NULL);
	party_copy(p->source, sizeof p->source, c ? c->source : NULL);
	p->expires_at = c ? c->expires_at : (wall_time){ 0 };
	p->err = err ? *err : (struct usher_error){ 0 };
	assert_null(strstr(p->err.message, "S3CR3T"));
	assert_null(strstr(p->source, "S3CR3T"));
	if (--p->waiting == 0)
		loop_stop(p->loop);
}

static inline void party_get(struct party *p, int times)
{
	if (!p->provider)
		p->provider = aws_provider_new(p->loop, p->http, &p->settings);
	int before = p->answers;
	p->waiting = times;
	for (int i = 0; i < times; i++)
		aws_provider_get(p->provider, party_done, p);
	assert_int_equal(p->answers, before); /* never from inside get */
	loop_timer_start(p->patience, 20000);
	loop_run(p->loop);
	loop_timer_stop(p->patience);
	assert_int_equal(p->answers, before + times);
}

static inline void party_fails(struct party *p, int code, const char *words)
{
	party_get(p, 1);
	assert_false(p->good);
	if (!strstr(p->err.message, words))
		fail_msg("\"%s\" is not in \"%s\"", words, p->err.message);
	assert_int_equal(p->err.code, code);
}

/* Gets until the access key is this one: a condition with a deadline. */
static inline void party_until(struct party *p, const char *access_key)
{
	mono_time start = mono_now();

	do {
		party_get(p, 1);
		if (strcmp(p->access_key, access_key) == 0)
			return;
		nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
	} while (mono_since_ms(start, mono_now()) < 10000);
	fail_msg("never got %s, last %s (%s)", access_key, p->access_key, p->err.message);
}

#define PARTY_CASE(name) cmocka_unit_test_setup_teardown(name, party_setup, party_teardown)

#endif
