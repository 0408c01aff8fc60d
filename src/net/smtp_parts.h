/* The inside of smtp.h, for its own files only: what goes over the wire (smtp_wire.c), one
 * connection and the transaction on it (smtp_conn.c), and the pool that feeds them (smtp.c). */
#ifndef NET_SMTP_PARTS_H
#define NET_SMTP_PARTS_H

#include "base/clock.h"
#include "net/smtp.h"

#include <stdbool.h>
#include <stdint.h>

/* -- The wire: pure functions -------------------------------------------------------------- */

struct smtp_caps { /* what the server offered in its last EHLO answer */
	bool pipelining, eightbitmime, smtputf8, size, auth;
};

/* Takes one line of the server's, as it came, from the time before the first transaction. */
void smtp_caps_line(struct smtp_caps *caps, const char *line, size_t len);

/* Makes a message ready for the wire: dot-stuffed, ended by CRLF and the final dot. Takes `data`
 * over and returns what is to be freed instead. */
char *smtp_content_make(char *data, size_t len, size_t *ret_len);
#define SMTP_FINAL_DOT_LEN 3 /* ".\r\n": until its first byte goes out, nothing was sent */

#define SMTP_LINE_MAX 2048 /* of an answer; RFC 5321 allows 512 */
#define SMTP_LINES_MAX 100 /* in one answer */

struct smtp_answer {
	int code;
	char enhanced[16];
	char text[REPLY_TEXT_MAX]; /* all lines joined, UTF-8, no control characters */
};

struct smtp_reader { /* zeroed before the first use */
	char line[SMTP_LINE_MAX];
	size_t line_len;
	int lines;
	size_t text_len;
	struct smtp_answer answer;
};

enum smtp_read { SMTP_READ_MORE, SMTP_READ_ANSWER, SMTP_READ_NONSENSE };
/* Eats bytes up to the end of one answer, which then stands in reader->answer until the next call. */
enum smtp_read smtp_reader_eat(struct smtp_reader *reader, const char **bytes, size_t *len);

/* -- A mail on its way ------------------------------------------------------------------------ */

struct smtp_item {
	struct smtp_item *next;
	char *from, *to;
	char *content;
	size_t content_len;
	bool needs_utf8, eight_bit;
	const char *fault; /* why an address cannot be put on the wire; NULL: it can */
	bool is_probe;     /* no mail: a NOOP */
	uint64_t number;   /* of arrival */
	mono_time queued;
	smtp_done *done;
	void *arg;
};

/* -- A connection ----------------------------------------------------------------------------- */

/* From CONN_IDLE to CONN_RESETTING: it stands, and will take mails. */
enum conn_state { CONN_OPENING, CONN_IDLE, CONN_BUSY, CONN_RESETTING, CONN_QUITTING, CONN_CLOSED };

/* What the pool sees of a connection; the rest is smtp_conn.c's. */
struct smtp_conn {
	struct smtp_conn *next;
	enum conn_state state;
	uint64_t wanted_by; /* the number of the last mail that waited when it was opened */
	bool takes_utf8;    /* SMTPUTF8 is offered */
};

struct smtp_target { /* the settings as connections need them */
	char *url, *user, *password, *ca_file;
	enum smtp_tls tls;
	int64_t timeout_ms, idle_ms;
};

struct smtp_conn *smtp_conn_open(struct smtp_pool *pool, struct loop *loop, struct curl_loop *cl,
        const struct smtp_target *target, uint64_t wanted_by);
void smtp_conn_send(struct smtp_conn *conn, struct smtp_item *item); /* an idle one only; mail or probe */
void smtp_conn_free(struct smtp_conn *conn); /* closes it if need be, a good-bye on the way; frees its mail */

/* -- What a connection tells its pool, never from inside a function called by the pool ------------ */

/* Idle. True: it has been given a mail. */
bool smtp_pool_next(struct smtp_pool *pool, struct smtp_conn *conn);
/* It could not be opened, and is closed. */
void smtp_pool_failed(struct smtp_pool *pool, struct smtp_conn *conn, const struct reply *reply);
/* It was open, and is closed. */
void smtp_pool_lost(struct smtp_pool *pool);
/* The server has not touched this mail: it goes to another connection. */
void smtp_pool_again(struct smtp_pool *pool, struct smtp_item *item);
void smtp_pool_done(struct smtp_pool *pool, struct smtp_item *item, const struct reply *reply);
void smtp_item_free(struct smtp_item *item);

#endif
