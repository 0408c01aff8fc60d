/* One SMTP connection, between the two files that make it up: smtp_open.c opens it, smtp_conn.c
 * runs the transactions on it. */
#ifndef NET_SMTP_CONN_H
#define NET_SMTP_CONN_H

#include "base/buf.h"
#include "net/smtp_parts.h"

struct connection {
	struct smtp_conn seen; /* first: what the pool sees */
	struct smtp_pool *pool;
	struct loop *loop;
	struct curl_loop *cl;
	const struct smtp_target *target;
	CURL *easy;
	curl_socket_t fd;
	struct loop_fd *watch;
	struct loop_timer *timer;
	struct smtp_caps caps;
	struct smtp_reader reader;
	bool used_before; /* a mail ended here, or it waited for one: the server may have left meanwhile */
	char curl_words[CURL_ERROR_SIZE];

	/* What is being written: commands, or the item's content. */
	struct buf commands;
	const char *out;
	size_t out_len, out_at;
	bool out_is_content, write_failed;

	/* The transaction under way. */
	struct smtp_item *item;
	enum smtp_stage stage; /* of the answer that is awaited */
	bool answered, refused, rcpt_accepted, lone_dot, retriable;
	struct reply reply;
	mono_time started;
};

void smtp_open_start(struct connection *c);
void smtp_conn_opened(struct connection *c, curl_socket_t fd);
void smtp_conn_close(struct connection *c); /* twice is allowed */

#endif
