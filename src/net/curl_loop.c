/* A curl multi handle driven by a loop: curl says which descriptors and which time it waits for,
 * the loop says when they are there. Whoever adds an easy handle hears of its end outside every
 * call into curl, so that it may add, remove and send at once. May call libcurl, loop and base.
 * Runs on the loop's thread. */
#include "net/http.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct transfer { /* what CURLOPT_PRIVATE of an added easy handle points to */
	curl_loop_done *done;
	void *arg;
	bool ended;
};

/* One watch a descriptor number, kept when curl lets go of it: a warm connection is let go and taken
 * up again at each request. Stopped, it costs nothing, and a closed descriptor's number comes back. */
struct watch {
	struct curl_loop *owner;
	struct loop_fd *fd_watch;
	curl_socket_t fd;
	int wanted;
};

struct curl_loop {
	struct loop *loop;
	CURLM *multi;
	struct loop_timer *timer;
	struct watch **watches; /* by descriptor number; NULL where there is none */
	size_t watches_cap;
};

/* The end of a transfer may remove others, whose messages curl then forgets: one is read at a time. */
static void tell_ended(struct curl_loop *cl)
{
	struct CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(cl->multi, &left))) {
		struct transfer *transfer = NULL;
		CURL *easy = message->easy_handle;
		CURLcode result = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&transfer);
		if (!transfer || transfer->ended)
			continue;
		transfer->ended = true;
		transfer->done(transfer->arg, easy, result);
	}
}

static void on_watch(void *arg, int events)
{
	struct watch *watch = arg;
	struct curl_loop *cl = watch->owner;
	curl_socket_t fd = watch->fd;
	int running, flags = 0;

	if (events & LOOP_READ)
		flags |= CURL_CSELECT_IN;
	if (events & LOOP_WRITE)
		flags |= CURL_CSELECT_OUT;
	curl_multi_socket_action(cl->multi, fd, flags, &running);
	tell_ended(cl);
	watch = cl->watches[fd]; /* it may be gone, or be another one by now */
	if (watch)
		loop_fd_want(watch->fd_watch, watch->wanted); /* an error had stopped it, and curl goes on */
}

static void on_timer(void *arg)
{
	struct curl_loop *cl = arg;
	int running;

	curl_multi_socket_action(cl->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	tell_ended(cl);
}

/* -- What curl asks for; nothing here may call curl ------------------------------------------ */

static struct watch *watch_of(struct curl_loop *cl, curl_socket_t fd)
{
	size_t i = (size_t)fd;

	if (i >= cl->watches_cap) {
		size_t cap = i + 64;
		cl->watches = mem_resize(cl->watches, cap, sizeof(struct watch *));
		memset(cl->watches + cl->watches_cap, 0, (cap - cl->watches_cap) * sizeof(struct watch *));
		cl->watches_cap = cap;
	}
	if (!cl->watches[i]) {
		struct watch *watch = mem_alloc(sizeof *watch);
		watch->owner = cl;
		watch->fd = fd;
		watch->fd_watch = loop_fd_new(cl->loop, fd, on_watch, watch);
		cl->watches[i] = watch;
	}
	return cl->watches[i];
}

/* While the descriptor is still open: once it is closed its number may be somebody else's in this loop, whose
 * watch must not be ended with this one. */
static void watch_drop(struct curl_loop *cl, curl_socket_t fd)
{
	struct watch *watch = (size_t)fd < cl->watches_cap ? cl->watches[fd] : NULL;

	if (!watch)
		return;
	cl->watches[fd] = NULL;
	loop_fd_free(watch->fd_watch);
	free(watch);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
	(void)easy, (void)unused;
	if (what == CURL_POLL_REMOVE) {
		watch_drop(arg, fd);
		return 0;
	}
	struct watch *watch = watch_of(arg, fd);
	watch->wanted = 0;
	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
		watch->wanted |= LOOP_READ;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		watch->wanted |= LOOP_WRITE;
	loop_fd_want(watch->fd_watch, watch->wanted);
	return 0;
}

static int on_timeout_wanted(CURLM *multi, long timeout_ms, void *arg)
{
	struct curl_loop *cl = arg;

	(void)multi;
	if (timeout_ms < 0)
		loop_timer_stop(cl->timer);
	else
		loop_timer_start(cl->timer, timeout_ms);
	return 0;
}

/* -- The contract of http.h ------------------------------------------------------------------- */

struct curl_loop *curl_loop_new(struct loop *loop, long max_connections)
{
	struct curl_loop *cl = mem_alloc(sizeof *cl);

	cl->loop = loop;
	cl->timer = loop_timer_new(loop, on_timer, cl);
	cl->multi = curl_multi_init();
	if (!cl->multi)
		abort(); /* out of memory: see base/mem.h */
	curl_multi_setopt(cl->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(cl->multi, CURLMOPT_SOCKETDATA, cl);
	curl_multi_setopt(cl->multi, CURLMOPT_TIMERFUNCTION, on_timeout_wanted);
	curl_multi_setopt(cl->multi, CURLMOPT_TIMERDATA, cl);
	curl_multi_setopt(cl->multi, CURLMOPT_MAXCONNECTS, max_connections);
	curl_multi_setopt(cl->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, max_connections);
	return cl;
}

struct loop *curl_loop_loop(struct curl_loop *cl)
{
	return cl->loop;
}

void curl_loop_add(struct curl_loop *cl, CURL *easy, curl_loop_done *done, void *arg)
{
	struct transfer *transfer = mem_alloc(sizeof *transfer);

	transfer->done = done;
	transfer->arg = arg;
	curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
	if (curl_multi_add_handle(cl->multi, easy) != CURLM_OK)
		abort(); /* out of memory, or an easy handle added twice: neither can be reported on */
}

void curl_loop_remove(struct curl_loop *cl, CURL *easy)
{
	struct transfer *transfer = NULL;

	curl_multi_remove_handle(cl->multi, easy);
	curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&transfer);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, NULL);
	free(transfer);
}

enum http_fault curl_fault(CURLcode result)
{
	switch (result) {
	case CURLE_OK:
		return HTTP_OK;
	case CURLE_OPERATION_TIMEDOUT:
		return HTTP_TIMEOUT;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_CRL_BADFILE:
	case CURLE_SSL_INVALIDCERTSTATUS:
	case CURLE_SSL_ENGINE_NOTFOUND:
	case CURLE_SSL_ENGINE_SETFAILED:
	case CURLE_SSL_ENGINE_INITFAILED:
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
		return HTTP_TLS;
	case CURLE_UNSUPPORTED_PROTOCOL: /* of the address, or an answer that is not HTTP/1 */
	case CURLE_URL_MALFORMAT:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_WRITE_ERROR: /* the receiver refused more of it */
	case CURLE_BAD_CONTENT_ENCODING:
		return HTTP_PROTOCOL;
	default:
		return HTTP_CONNECT;
	}
}

void curl_loop_free(struct curl_loop *cl)
{
	if (!cl)
		return;
	curl_multi_cleanup(cl->multi); /* closes what is idle, and lets go of its descriptors */
	for (size_t i = 0; i < cl->watches_cap; i++)
		watch_drop(cl, (curl_socket_t)i);
	free(cl->watches);
	loop_timer_free(cl->timer);
	free(cl);
}
