/* The pool of SMTP connections: mails wait in one queue, connections are opened as it grows, and
 * each takes the next mail when it has done one.
 *
 * The pool has a curl multi handle of its own: curl closes idle connections of a shared one by rules
 * made for its own transfers. When no connection can be opened and none stands, the mails that waited
 * for it fail; while some stand, they do the work, and another is tried a little later. May call
 * libcurl, loop and base. Runs on the loop's thread. */
#include "net/smtp.h"

#include "base/clock.h"
#include "base/mem.h"
#include "net/smtp_parts.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define REOPEN_PAUSE_MS 1000 /* after a failed opening, while others stand or are being tried */

struct smtp_pool {
	struct loop *loop;
	struct curl_loop *cl;
	struct smtp_target target;
	int connections_max;
	struct smtp_conn *conns;
	struct smtp_conn *probe;      /* no part of conns: it takes no mail */
	struct smtp_item *probe_item; /* until its connection stands */
	struct smtp_item *queue, **queue_end;
	struct smtp_item *refused, **refused_end; /* those that no connection shall see */
	int queue_len;
	uint64_t last_number;
	mono_time reopen_at;
	struct loop_timer *timer;
	long opened_total;
};

/* -- Mails -------------------------------------------------------------------------------------- */

void smtp_item_free(struct smtp_item *item)
{
	if (!item)
		return;
	free(item->from);
	free(item->to);
	free(item->content);
	free(item);
}

static bool has_eight_bit(const char *data, size_t len)
{
	unsigned char all = 0;

	for (size_t i = 0; i < len; i++)
		all |= (unsigned char)data[i];
	return all & 0x80;
}

static const char *addresses_fault(struct smtp_item *item)
{
	bool from_utf8, to_utf8;
	const char *fault = smtp_address_fault(item->to, &to_utf8);

	if (!fault && smtp_address_fault(item->from, &from_utf8))
		fault = "the sender's own address ([email] from) cannot be put on the wire";
	else if (!fault)
		item->needs_utf8 = from_utf8 || to_utf8;
	return fault;
}

static struct smtp_item *queue_pop(struct smtp_pool *pool)
{
	struct smtp_item *item = pool->queue;

	if (!item)
		return NULL;
	pool->queue = item->next;
	if (!pool->queue)
		pool->queue_end = &pool->queue;
	pool->queue_len--;
	item->next = NULL;
	return item;
}

void smtp_pool_done(struct smtp_pool *pool, struct smtp_item *item, const struct reply *reply)
{
	(void)pool;
	item->done(item->arg, reply);
	smtp_item_free(item);
}

static void refuse(struct smtp_pool *pool, struct smtp_item *item, const char *why)
{
	struct reply reply = { .protocol = REPLY_SMTP, .fault = FAULT_BAD_ADDRESS, .stage = SMTP_RCPT };

	snprintf(reply.text, sizeof reply.text, "%s", why);
	smtp_pool_done(pool, item, &reply);
}

/* -- Connections --------------------------------------------------------------------------------- */

static int count_states(const struct smtp_pool *pool, enum conn_state first, enum conn_state last)
{
	int count = 0;

	for (const struct smtp_conn *conn = pool->conns; conn; conn = conn->next)
		count += conn->state >= first && conn->state <= last;
	return count;
}

static int count_standing(const struct smtp_pool *pool)
{
	return count_states(pool, CONN_IDLE, CONN_RESETTING);
}

static void free_closed(struct smtp_pool *pool)
{
	if (pool->probe && pool->probe->state == CONN_CLOSED) {
		smtp_conn_free(pool->probe);
		pool->probe = NULL;
	}
	for (struct smtp_conn **at = &pool->conns; *at;) {
		struct smtp_conn *conn = *at;
		if (conn->state == CONN_CLOSED) {
			*at = conn->next;
			smtp_conn_free(conn);
		} else {
			at = &conn->next;
		}
	}
}

static void open_more(struct smtp_pool *pool)
{
	int opening = count_states(pool, CONN_OPENING, CONN_OPENING), standing = count_standing(pool);
	int64_t pause_ms = mono_since_ms(mono_now(), pool->reopen_at);

	if (pool->queue_len <= opening)
		return;
	if (pause_ms > 0 && standing + opening > 0) {
		loop_timer_start(pool->timer, pause_ms);
		return;
	}
	for (; opening < pool->queue_len && opening + standing < pool->connections_max; opening++) {
		struct smtp_conn *conn =
		        smtp_conn_open(pool, pool->loop, pool->cl, &pool->target, pool->last_number);
		conn->next = pool->conns;
		pool->conns = conn;
		pool->opened_total++;
	}
}

/* -- What drives it: a timer that is started at zero when there is something to do ----------------- */

static void wake(struct smtp_pool *pool)
{
	loop_timer_start(pool->timer, 0);
}

static void on_wake(void *arg)
{
	struct smtp_pool *pool = arg;

	free_closed(pool);
	while (pool->refused) {
		struct smtp_item *item = pool->refused;
		pool->refused = item->next;
		if (!pool->refused)
			pool->refused_end = &pool->refused;
		refuse(pool, item, item->fault);
	}
	for (struct smtp_conn *conn = pool->conns; conn && pool->queue; conn = conn->next)
		if (conn->state == CONN_IDLE)
			smtp_pool_next(pool, conn);
	open_more(pool);
}

/* -- What connections tell --------------------------------------------------------------------------- */

bool smtp_pool_next(struct smtp_pool *pool, struct smtp_conn *conn)
{
	struct smtp_item *item;

	if (conn == pool->probe) {
		item = pool->probe_item;
		pool->probe_item = NULL;
		smtp_conn_send(conn, item);
		return true;
	}
	while ((item = queue_pop(pool))) {
		if (!item->needs_utf8 || conn->takes_utf8) {
			smtp_conn_send(conn, item);
			return true;
		}
		refuse(pool, item,
		        "the address holds letters outside ASCII, and the mail server does not offer "
		        "SMTPUTF8");
	}
	return false;
}

void smtp_pool_lost(struct smtp_pool *pool)
{
	wake(pool);
}

void smtp_pool_again(struct smtp_pool *pool, struct smtp_item *item)
{
	item->next = pool->queue;
	if (!pool->queue)
		pool->queue_end = &item->next;
	pool->queue = item;
	pool->queue_len++;
	wake(pool);
}

static bool another_may_serve(const struct smtp_pool *pool, const struct smtp_conn *failed)
{
	for (const struct smtp_conn *conn = pool->conns; conn; conn = conn->next)
		if (conn != failed && conn->state == CONN_OPENING && conn->wanted_by <= failed->wanted_by)
			return true;
	return count_standing(pool) > 0;
}

static void probe_failed(struct smtp_pool *pool, const struct reply *reply)
{
	struct smtp_item *item = pool->probe_item;
	struct reply own = *reply;

	pool->probe_item = NULL;
	own.latency_ms = mono_since_ms(item->queued, mono_now());
	wake(pool);
	smtp_pool_done(pool, item, &own);
}

void smtp_pool_failed(struct smtp_pool *pool, struct smtp_conn *conn, const struct reply *reply)
{
	uint64_t wanted_by = conn->wanted_by;

	if (conn == pool->probe) {
		probe_failed(pool, reply);
		return;
	}
	pool->reopen_at = mono_add_ms(mono_now(), REOPEN_PAUSE_MS);
	wake(pool);
	if (another_may_serve(pool, conn))
		return;
	while (pool->queue && pool->queue->number <= wanted_by) {
		struct smtp_item *item = queue_pop(pool);
		struct reply own = *reply;
		own.latency_ms = mono_since_ms(item->queued, mono_now());
		smtp_pool_done(pool, item, &own);
	}
}

/* -- The contract of smtp.h ----------------------------------------------------------------------------- */

/* The name for EHLO is the URL's path to curl. */
static char *target_url(const struct smtp_settings *settings, bool tls)
{
	const char *host = strstr(settings->url, "://");
	char *helo = settings->helo ? curl_easy_escape(NULL, settings->helo, 0) : NULL;
	char *url = NULL;

	host = host ? host + 3 : settings->url;
	if (asprintf(&url, "%s://%.*s/%s", tls ? "smtps" : "smtp", (int)strcspn(host, "/"), host,
	            helo ? helo : "") < 0)
		abort(); /* out of memory: see base/mem.h */
	curl_free(helo);
	return url;
}

struct smtp_pool *smtp_pool_new(struct loop *loop, const struct smtp_settings *settings)
{
	struct smtp_pool *pool = mem_alloc(sizeof *pool);
	bool implicit = settings->tls == SMTP_TLS_IMPLICIT || strncasecmp(settings->url, "smtps:", 6) == 0;

	pool->loop = loop;
	pool->connections_max = settings->connections > 0 ? settings->connections : 1;
	/* Twice and some: those that are being closed count too, and at its limit curl closes some. */
	pool->cl = curl_loop_new(loop, pool->connections_max * 2L + 8);
	pool->target = (struct smtp_target){
		.url = target_url(settings, implicit),
		.user = mem_string(settings->user),
		.password = mem_string(settings->password),
		.ca_file = mem_string(settings->ca_file),
		.tls = implicit ? SMTP_TLS_IMPLICIT : settings->tls,
		.timeout_ms = settings->timeout_ms,
		.idle_ms = settings->idle_ms,
	};
	pool->queue_end = &pool->queue;
	pool->refused_end = &pool->refused;
	pool->timer = loop_timer_new(loop, on_wake, pool);
	return pool;
}

static void free_items(struct smtp_item *item)
{
	while (item) {
		struct smtp_item *next = item->next;
		smtp_item_free(item);
		item = next;
	}
}

void smtp_pool_free(struct smtp_pool *pool)
{
	if (!pool)
		return;
	while (pool->conns) {
		struct smtp_conn *next = pool->conns->next;
		smtp_conn_free(pool->conns);
		pool->conns = next;
	}
	if (pool->probe)
		smtp_conn_free(pool->probe);
	free_items(pool->probe_item);
	free_items(pool->queue);
	free_items(pool->refused);
	curl_loop_free(pool->cl);
	loop_timer_free(pool->timer);
	if (pool->target.password)
		mem_wipe(pool->target.password, strlen(pool->target.password));
	free(pool->target.url);
	free(pool->target.user);
	free(pool->target.password);
	free(pool->target.ca_file);
	free(pool);
}

void smtp_send(struct smtp_pool *pool, struct smtp_mail *mail, smtp_done *done, void *arg)
{
	struct smtp_item *item = mem_alloc(sizeof *item);

	item->from = mem_string(mail->from);
	item->to = mem_string(mail->to);
	item->eight_bit = has_eight_bit(mail->data, mail->len);
	item->content = smtp_content_make(mail->data, mail->len, &item->content_len);
	mail->data = NULL;
	item->number = ++pool->last_number;
	item->queued = mono_now();
	item->done = done;
	item->arg = arg;
	item->fault = addresses_fault(item);
	if (item->fault) {
		*pool->refused_end = item;
		pool->refused_end = &item->next;
	} else {
		*pool->queue_end = item;
		pool->queue_end = &item->next;
		pool->queue_len++;
	}
	wake(pool);
}

void smtp_probe(struct smtp_pool *pool, smtp_done *done, void *arg)
{
	struct smtp_item *item = mem_alloc(sizeof *item);

	item->is_probe = true;
	item->queued = mono_now();
	item->done = done;
	item->arg = arg;
	pool->probe_item = item;
	if (pool->probe) /* the last one's, which still says good-bye */
		smtp_conn_free(pool->probe);
	pool->probe = smtp_conn_open(pool, pool->loop, pool->cl, &pool->target, 0);
	pool->opened_total++;
}

struct smtp_stats smtp_pool_stats(const struct smtp_pool *pool)
{
	return (struct smtp_stats){
		.open = count_states(pool, CONN_IDLE, CONN_QUITTING),
		.busy = count_states(pool, CONN_BUSY, CONN_BUSY),
		.opened_total = pool->opened_total,
	};
}
