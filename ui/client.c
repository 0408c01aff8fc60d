/* The API client; see client.h. Calls base, cJSON and curl; main thread only. */
#include "client.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

#include <curl/curl.h>
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define CONNECT_MS 3000
#define FDS_MAX 4

struct request {
	struct request *next;
	struct client *client;
	unsigned number;
	CURL *easy;
	char *body; /* of a POST */
	struct buf answer;
	char error[CURL_ERROR_SIZE];
	reply_fn *done;
	void *arg;
};

struct client {
	CURLM *multi;
	struct curl_slist *look_headers, *act_headers; /* of a GET, which may have none, and of a POST */
	struct request *requests;
	unsigned last_number;
	char *socket;
};

struct client *client_new(const char *socket_path)
{
	struct client *c = mem_alloc(sizeof *c);
	c->multi = curl_multi_init();
	c->socket = mem_string(socket_path);
	if (!c->multi)
		abort();
	client_speak(c, language_now());
	return c;
}

static void add_header(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);
	if (!longer)
		abort();
	*list = longer;
}

static void free_headers(struct client *c)
{
	curl_slist_free_all(c->look_headers);
	curl_slist_free_all(c->act_headers);
	c->look_headers = c->act_headers = NULL;
}

void client_speak(struct client *c, enum language language)
{
	char accept[64];
	free_headers(c);
	add_header(&c->act_headers, "Content-Type: application/json");
	add_header(&c->act_headers, "Expect:");
	if (language == LANGUAGE_ENGLISH) /* what the daemon speaks unasked */
		return;
	snprintf(accept, sizeof accept, "Accept-Language: %s", language_tag(language));
	add_header(&c->look_headers, accept);
	add_header(&c->act_headers, accept);
}

const char *client_socket(const struct client *c)
{
	return c->socket;
}

void client_use(struct client *c, const char *socket_path)
{
	char *copy = mem_string(socket_path);
	free(c->socket);
	c->socket = copy;
}

static void request_free(struct request *r)
{
	struct request **at = &r->client->requests;
	while (*at && *at != r)
		at = &(*at)->next;
	if (*at)
		*at = r->next;
	curl_multi_remove_handle(r->client->multi, r->easy);
	curl_easy_cleanup(r->easy);
	free(r->body);
	buf_free(&r->answer);
	free(r);
}

void client_free(struct client *c)
{
	if (!c)
		return;
	while (c->requests)
		request_free(c->requests);
	curl_multi_cleanup(c->multi);
	free_headers(c);
	free(c->socket);
	free(c);
}

void reply_free(struct reply *r)
{
	cJSON_Delete(r->json);
	r->json = NULL;
	buf_free(&r->body);
}

bool reply_unreachable(const struct reply *r)
{
	return r->status == 0 && r->code != 0;
}

static size_t take_answer(char *bytes, size_t size, size_t count, void *arg)
{
	struct request *r = arg;
	buf_add(&r->answer, bytes, size * count);
	return r->answer.failed ? 0 : size * count;
}

unsigned client_start(
        struct client *c, const char *path, const cJSON *body, int timeout_ms, reply_fn *done, void *arg)
{
	struct request *r = mem_alloc(sizeof *r);
	r->client = c;
	r->number = ++c->last_number ? c->last_number : ++c->last_number;
	r->answer = BUF(CLIENT_BODY_MAX);
	r->done = done;
	r->arg = arg;
	r->easy = curl_easy_init();
	if (!r->easy)
		abort();
	struct buf url = BUF(64 << 10);
	buf_printf(&url, "http://usherd%s", path);
	curl_easy_setopt(r->easy, CURLOPT_URL, buf_str(&url));
	buf_free(&url);
	curl_easy_setopt(r->easy, CURLOPT_UNIX_SOCKET_PATH, c->socket);
	curl_easy_setopt(r->easy, CURLOPT_PROXY, "");
	curl_easy_setopt(r->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(r->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(r->easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	curl_easy_setopt(r->easy, CURLOPT_ERRORBUFFER, r->error);
	curl_easy_setopt(r->easy, CURLOPT_WRITEFUNCTION, take_answer);
	curl_easy_setopt(r->easy, CURLOPT_WRITEDATA, r);
	curl_easy_setopt(r->easy, CURLOPT_PRIVATE, r);
	curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, body ? c->act_headers : c->look_headers);
	if (body) {
		r->body = json_print(body);
		curl_easy_setopt(r->easy, CURLOPT_POSTFIELDS, r->body);
		curl_easy_setopt(r->easy, CURLOPT_FRESH_CONNECT, 1L);
	}
	r->next = c->requests;
	c->requests = r;
	curl_multi_add_handle(c->multi, r->easy);
	return r->number;
}

void client_cancel(struct client *c, unsigned number)
{
	for (struct request *r = c->requests; r; r = r->next) {
		if (r->number == number) {
			request_free(r);
			return;
		}
	}
}

static int code_of_status(long status)
{
	switch (status) {
	case 400:
	case 405:
	case 411:
	case 415:
		return USHER_EINVAL;
	case 413:
		return USHER_ETOOBIG;
	case 403:
		return USHER_EFORBIDDEN;
	case 404:
		return USHER_ENOTFOUND;
	case 409:
		return USHER_ECONFLICT;
	case 503:
		return USHER_EUNAVAILABLE;
	default:
		return USHER_EPROTOCOL;
	}
}

/* Whom to ask for what. A folder that may not be searched hides the socket's group. */
static void explain_forbidden(struct reply *out, const char *socket)
{
	struct stat st;
	const struct group *group = stat(socket, &st) == 0 ? getgrgid(st.st_gid) : NULL;
	if (group)
		snprintf(out->message, sizeof out->message,
		        _("you may not open %s: ask to be put in its group %s and log in again, or use -R "
		          "for the read-only socket"),
		        socket, group->gr_name);
	else
		snprintf(out->message, sizeof out->message,
		        _("you may not open %s: ask to be put in its group and log in again, or use -R for "
		          "the read-only socket"),
		        socket);
}

static void explain_unsure(struct reply *out)
{
	size_t len = strlen(out->message);
	snprintf(out->message + len, sizeof out->message - len, ": %s",
	        _("the act may or may not have been done, look before you repeat it"));
}

/* No answer: why, and what the operator can do. */
static void explain_silence(struct reply *out, const struct request *r, CURLcode result)
{
	const char *socket = r->client->socket;
	size_t size = sizeof out->message;
	out->code = USHER_EUNAVAILABLE;
	if (result == CURLE_COULDNT_CONNECT && out->os_error == EACCES) {
		out->code = USHER_EFORBIDDEN;
		explain_forbidden(out, socket);
	} else if (result == CURLE_COULDNT_CONNECT && out->os_error == ENOENT) {
		snprintf(out->message, size,
		        _("no daemon at %s: is usherd running? (systemctl status usherd; --socket PATH or "
		          "USHER_SOCKET names another)"),
		        socket);
	} else if (result == CURLE_COULDNT_CONNECT && out->os_error == ECONNREFUSED) {
		snprintf(out->message, size,
		        _("no daemon listens at %s any more: is usherd running? (systemctl status usherd)"),
		        socket);
	} else if (result == CURLE_COULDNT_CONNECT) {
		snprintf(out->message, size, _("the daemon does not answer at %s: %s"), socket,
		        out->os_error ? strerror(out->os_error) : r->error);
	} else if (result == CURLE_OPERATION_TIMEDOUT) {
		out->code = USHER_ETIMEOUT;
		snprintf(out->message, size, "%s", _("the daemon gave no answer in time"));
	} else {
		snprintf(out->message, size, _("the daemon's answer broke off (%s)"),
		        r->error[0] ? r->error : curl_easy_strerror(result));
	}
	if (out->unsure)
		explain_unsure(out);
}

static void read_answer(struct reply *out)
{
	struct usher_error err = { 0 };
	int code = out->body.len ? json_parse(buf_str(&out->body), out->body.len, &out->json, &err)
	                         : USHER_EPROTOCOL;
	if (out->status >= 200 && out->status < 300) {
		if (code != 0) {
			out->code = USHER_EPROTOCOL;
			snprintf(out->message, sizeof out->message,
			        _("the daemon's answer makes no sense: %.900s"),
			        err.message[0] ? err.message : _("it is empty"));
		}
		return;
	}
	out->code = code_of_status(out->status);
	const char *detail = json_string(out->json, "detail"), *title = json_string(out->json, "title");
	const char *said = detail ? detail : title;
	if (said)
		utf8_copy(out->message, sizeof out->message, said, strlen(said));
	else
		snprintf(out->message, sizeof out->message, _("the daemon answered HTTP %ld"), out->status);
}

static void request_finish(struct request *r, CURLcode result)
{
	struct reply reply = { .body = BUF(0) };
	long sent = 0, os_error = 0;
	curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &reply.status);
	curl_easy_getinfo(r->easy, CURLINFO_OS_ERRNO, &os_error);
	curl_easy_getinfo(r->easy, CURLINFO_REQUEST_SIZE, &sent);
	reply.os_error = (int)os_error;
	reply.body = r->answer;
	r->answer = BUF(0);
	if (result != CURLE_OK) {
		reply.unsure = r->body && sent > 0;
		reply.status = 0;
		explain_silence(&reply, r, result);
	} else {
		read_answer(&reply);
	}
	reply_fn *done = r->done;
	void *arg = r->arg;
	request_free(r);
	done(arg, &reply);
	reply_free(&reply);
}

void client_turn(struct client *c)
{
	int running, left;
	curl_multi_perform(c->multi, &running);
	CURLMsg *msg;
	while ((msg = curl_multi_info_read(c->multi, &left))) {
		struct request *r = NULL;
		if (msg->msg != CURLMSG_DONE)
			continue;
		CURLcode result = msg->data.result;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&r);
		request_finish(r, result);
	}
}

void client_wait(struct client *c, struct pollfd *fds, unsigned count, int timeout_ms)
{
	struct curl_waitfd extra[FDS_MAX];
	if (count > FDS_MAX)
		count = FDS_MAX;
	for (unsigned i = 0; i < count; i++)
		extra[i] = (struct curl_waitfd){ .fd = fds[i].fd, .events = CURL_WAIT_POLLIN };
	curl_multi_poll(c->multi, extra, count, timeout_ms, NULL);
	for (unsigned i = 0; i < count; i++)
		fds[i].revents = 0;
	if (count) /* curl reports less than poll does (no POLLHUP) */
		poll(fds, count, 0);
}

struct call {
	struct reply *ret;
	bool done;
};

static void call_done(void *arg, struct reply *reply)
{
	struct call *call = arg;
	*call->ret = *reply;
	*reply = (struct reply){ 0 };
	call->done = true;
}

void client_call(struct client *c, const char *path, const cJSON *body, int timeout_ms, struct reply *ret)
{
	struct call call = { .ret = ret };
	client_start(c, path, body, timeout_ms, call_done, &call);
	client_turn(c);
	while (!call.done) {
		client_wait(c, NULL, 0, 1000);
		client_turn(c);
	}
}

static void percent(struct buf *out, const char *text)
{
	for (; *text; text++) {
		unsigned char b = (unsigned char)*text;
		bool plain = (b >= '0' && b <= '9') || (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') ||
		             strchr("-_.~", b);
		if (plain)
			buf_putc(out, (char)b);
		else
			buf_printf(out, "%%%02X", b);
	}
}

void path_query(struct buf *path, const char *key, const char *value)
{
	if (!value || !*value)
		return;
	buf_printf(path, "%c%s=", strchr(buf_str(path), '?') ? '&' : '?', key);
	percent(path, value);
}

void path_segment(struct buf *path, const char *segment)
{
	buf_putc(path, '/');
	percent(path, segment);
}
