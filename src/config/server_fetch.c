/* Asks config servers: GET URL/NAME/PROFILE[/LABEL], each server in turn, each label in turn, on a loop that
 * lives as long as the question. Calls net and base; the calling thread waits. */
#include "config/server.h"

#include "base/error.h"
#include "base/json.h"
#include "base/language.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/keys.h"
#include "config/load.h"
#include "net/http.h"

#include <stdio.h>
#include <string.h>

#define URL_MAX 4096
#define HEADER_MAX (CONFIG_VALUE_MAX * 2) /* a password in base64 is longer than it is */
#define WORDS_MAX 200                     /* bytes of a server's own words */
#define DEFAULT_PROFILE "default"
#define DEFAULT_USER "user"

/* Both forms are understood; the second one, with origins, is preferred. Servers older than it know the
 * first. */
#define ACCEPT "Accept: application/vnd.spring-cloud.config-server.v2+json, application/json;q=0.9"

struct names { /* of a list with commas */
	char *items[CONFIG_LIST_MAX];
	size_t count;
};

struct question {
	const struct config *settings;
	const char *state;
	struct loop *loop;
	struct curl_loop *cl;
	struct http *http;
	struct names urls, labels;
	bool away[CONFIG_LIST_MAX]; /* urls that are not asked again */
	const char *url;            /* that is being asked */
	enum server_verdict verdict;
	struct server_environment *environment;
	struct buf *reasons;
};

/* -- Lists ---------------------------------------------------------------------------------------- */

static void names_split(struct names *names, const char *text)
{
	while (text && names->count < CONFIG_LIST_MAX) {
		size_t len = strcspn(text, ",");
		const char *next = text[len] ? text + len + 1 : NULL;
		for (; len && *text == ' '; len--)
			text++;
		while (len && (text[len - 1] == ' ' || text[len - 1] == '/'))
			len--;
		if (len)
			names->items[names->count++] = mem_stringn(text, len);
		text = next;
	}
}

static void names_free(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->items[i]);
}

/* -- The request ---------------------------------------------------------------------------------- */

/* A path's segment. A slash in it is written (_), because the server takes no other. */
static void segment_add(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '/')
			buf_puts(out, "(_)");
		else if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~,()",
		                 *text))
			buf_putc(out, *text);
		else
			buf_printf(out, "%%%02X", (unsigned char)*text);
	}
}

static const char *profile_of(const struct config *settings)
{
	return settings->daemon.profile ? settings->daemon.profile : DEFAULT_PROFILE;
}

char *server_asked(const struct config *settings)
{
	struct buf text = BUF(URL_MAX);

	buf_printf(&text, "%s/%s", settings->config_server.name, profile_of(settings));
	if (settings->config_server.label)
		buf_printf(&text, "/%s", settings->config_server.label);
	return buf_take(&text);
}

/* Spring's client logs in as "user" when it is given a password alone. */
static void login_add(struct buf *out, const struct config *settings)
{
	const char *user = settings->config_server.user;
	struct buf login = BUF(HEADER_MAX);

	if (settings->config_server.bearer)
		buf_printf(out, "Authorization: Bearer %s", settings->config_server.bearer);
	if (!settings->config_server.password)
		return;
	buf_printf(&login, "%s:%s", user ? user : DEFAULT_USER, settings->config_server.password);
	buf_puts(out, "Authorization: Basic ");
	base64_encode(out, buf_str(&login), login.len);
	mem_wipe(login.data, login.cap);
	buf_free(&login);
}

static void header_add(struct buf *out, const char *name, const char *value)
{
	if (value)
		buf_printf(out, "%s: %s", name, value);
}

/* -- The answer ------------------------------------------------------------------------------------ */

static void reason_add(struct question *q, const char *what)
{
	buf_printf(q->reasons, "%s%s: %s", q->reasons->len ? "; " : "", q->url, what);
}

/* Spring's errors are {"status", "error", "message", ...}. */
static void status_words(const struct http_answer *answer, char words[WORDS_MAX])
{
	const char *message = NULL;
	cJSON *json = NULL;

	*words = '\0';
	if (json_parse(answer->body, answer->body_len, &json, NULL) < 0)
		return;
	message = json_string(json, "message");
	if (!message || !*message)
		message = json_string(json, "error");
	if (message)
		utf8_copy(words, WORDS_MAX, message, strlen(message));
	for (char *c = words; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = ' ';
	json_wipe(json);
}

static const char *status_hint(int status)
{
	if (status == 401)
		return _("; the login is not accepted, see [config_server] user, password and bearer");
	if (status == 403)
		return _("; the login may not read this, see [config_server] user, token and name");
	if (status >= 300 && status < 400)
		return _("; redirects are not followed, write the address it leads to");
	return "";
}

static void answer_refused(struct question *q, const struct http_answer *answer)
{
	char words[WORDS_MAX];
	struct buf what = BUF(1024);

	status_words(answer, words);
	buf_printf(&what, "HTTP %d%s%s%s", answer->status, *words ? " " : "", words,
	        status_hint(answer->status));
	reason_add(q, buf_str(&what));
	buf_free(&what);
}

static void answer_read(struct question *q, const struct http_answer *answer)
{
	struct usher_error err;

	q->verdict = SERVER_AWAY;
	if (answer->fault != HTTP_OK) {
		reason_add(q, answer->detail);
	} else if (answer->status == 404) {
		q->verdict = SERVER_NOTHING;
	} else if (answer->status != 200) {
		/* A server in trouble is passed over; what else it says would be said to every server. */
		bool passes = answer->status >= 500 || answer->status == 429 || answer->status == 408;
		q->verdict = passes ? SERVER_AWAY : SERVER_REFUSED;
		answer_refused(q, answer);
	} else if (server_parse(answer->body, answer->body_len, &q->environment, &err) < 0) {
		struct buf what = BUF(8 * 1024);
		OWNED char *words = load_words(&err);
		buf_printf(&what, _("its answer cannot be used: %s"), words);
		reason_add(q, buf_str(&what));
		buf_free(&what);
	} else {
		q->verdict = SERVER_ANSWERED;
		q->environment->kept_at = (wall_time){ 0 }; /* for files, whatever a server says */
	}
}

static void on_answer(void *arg, const struct http_answer *answer)
{
	struct question *q = arg;

	answer_read(q, answer);
	loop_stop(q->loop);
}

/* -- Asking ---------------------------------------------------------------------------------------- */

static void ask_one(struct question *q, const char *url, const char *label)
{
	const struct config *s = q->settings;
	struct buf target = BUF(URL_MAX), login = BUF(HEADER_MAX), token = BUF(HEADER_MAX),
	           state = BUF(HEADER_MAX);
	const char *headers[5] = { ACCEPT };
	size_t count = 1;

	buf_printf(&target, "%s/", url);
	segment_add(&target, s->config_server.name);
	buf_putc(&target, '/');
	segment_add(&target, profile_of(s));
	if (label) {
		buf_putc(&target, '/');
		segment_add(&target, label);
	}
	login_add(&login, s);
	header_add(&token, "X-Config-Token", s->config_server.token);
	header_add(&state, "X-Config-State", s->config_server.state ? q->state : NULL);
	const struct buf *given[] = { &login, &token, &state };
	for (size_t i = 0; i < ARRAY_LEN(given); i++)
		if (given[i]->len)
			headers[count++] = buf_str(given[i]);

	q->url = url;
	http_start(q->http,
	        &(struct http_request){ .method = "GET",
	                .url = buf_str(&target),
	                .headers = headers,
	                .timeout_ms = s->config_server.timeout_ms,
	                .connect_timeout_ms = s->config_server.timeout_ms,
	                .ca_file = s->config_server.ca_file,
	                .answer_max = SERVER_ANSWER_MAX,
	                .secret = true },
	        on_answer, q);
	loop_run(q->loop);
	mem_wipe(login.data, login.cap);
	mem_wipe(token.data, token.cap);
	buf_free(&target);
	buf_free(&login);
	buf_free(&token);
	buf_free(&state);
}

/* As Spring's client: on with the next server until one has it. */
static enum server_verdict ask_all(struct question *q, const char *label, char **ret_url)
{
	enum server_verdict verdict = SERVER_AWAY;

	for (size_t i = 0; i < q->urls.count; i++) {
		if (q->away[i])
			continue;
		ask_one(q, q->urls.items[i], label);
		if (q->verdict == SERVER_ANSWERED)
			*ret_url = mem_string(q->url);
		if (q->verdict == SERVER_ANSWERED || q->verdict == SERVER_REFUSED)
			return q->verdict;
		if (q->verdict == SERVER_NOTHING)
			verdict = SERVER_NOTHING;
		else
			q->away[i] = true;
	}
	return verdict;
}

enum server_verdict server_ask(const struct config *settings, const char *state,
        struct server_environment **ret_environment, char **ret_url, struct buf *reasons)
{
	struct question q = { .settings = settings, .state = state, .reasons = reasons };
	enum server_verdict verdict;
	size_t i = 0;

	names_split(&q.urls, settings->config_server.url);
	names_split(&q.labels, settings->config_server.label);
	q.loop = loop_new();
	q.cl = curl_loop_new(q.loop, CONFIG_LIST_MAX);
	q.http = http_new(q.cl);
	do
		verdict = ask_all(&q, i < q.labels.count ? q.labels.items[i] : NULL, ret_url);
	while (verdict == SERVER_NOTHING && ++i < q.labels.count);
	http_free(q.http);
	curl_loop_free(q.cl);
	loop_free(q.loop);
	names_free(&q.urls);
	names_free(&q.labels);
	if (verdict == SERVER_ANSWERED)
		*ret_environment = q.environment;
	return verdict;
}
