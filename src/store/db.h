/* A MariaDB connection, and statements built safely. The rest of store/ uses only this; nothing
 * outside store/ writes SQL.
 *
 * Thread: one db per thread. All calls block, at most connect/read timeout.
 * Connection: opened at first use and again after it was lost; never behind a running transaction
 * (MYSQL_OPT_RECONNECT is never set). Session: utf8mb4, UTC, strict mode, READ COMMITTED.
 * Errors: USHER_EUNAVAILABLE when the server is away (2002, 2003, 2006, 2013, shutdown, full disk...): the
 * whole transaction may be done again; USHER_ECONFLICT for a duplicate key; USHER_EDATABASE otherwise, with
 * MariaDB's words. */
#ifndef STORE_DB_H
#define STORE_DB_H

#include "base/buf.h"
#include "base/clock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <usher/error.h>

struct db_settings { /* strings borrowed for db_new, copied inside */
	/* socket wins over host when set; "" is as NULL; without a name no database is chosen (for migrate)
	 */
	const char *host, *socket, *user, *password, *name, *tls_ca;
	int port;
	int64_t connect_timeout_ms, read_timeout_ms;
	atomic_uint_least64_t *statements; /* counted here when not NULL */
};

struct db;
struct db *db_new(const struct db_settings *settings); /* no I/O */
void db_free(struct db *db);
int db_ping(struct db *db, struct usher_error *err); /* connects if need be */

#define SQL_MAX                                                                                              \
	(16 * 1024 * 1024) /* bytes of one statement; also asked of the server's max_allowed_packet          \
	                    */

/* A statement under construction. sql_add's format takes exactly one letter per value:
 *   ?s  text (NULL -> NULL)     ?b  bytes: two arguments, const void * and size_t
 *   ?i  int64_t                 ?t  wall_time (0 -> NULL), as a DATETIME(3)
 *   ?n  an identifier
 * anything else is copied. Values are quoted and escaped here and nowhere else. The text always begins with
 * SQL_BEGIN, which is sent with the first statement of a transaction (saves a round trip) and skipped
 * otherwise. */
#define SQL_BEGIN "BEGIN;"
struct sql {
	struct buf text;
	struct db *db;
};
struct sql sql_new(struct db *db);
void sql_add(struct sql *sql, const char *fmt, ...);
void sql_add_ids(struct sql *sql, const int64_t *ids, size_t n); /* (1,2,3), for IN */
/* Text that is for people: made valid UTF-8 and cut to the column's width in characters, so that strict mode
 * never refuses a statement for a peer's odd words. NULL -> NULL. */
void sql_add_clipped(struct sql *sql, const char *text, size_t width);
void sql_free(struct sql *sql);

/* *ret_affected: rows matched by an UPDATE, changed or not (CLIENT_FOUND_ROWS); may be NULL. */

int db_exec(struct db *db, struct sql *sql, uint64_t *ret_affected, struct usher_error *err); /* frees sql */

struct rows;
/* Also for INSERT ... RETURNING. Outside a transaction a statement that met a deadlock is done again, as in
 * one. */
int db_query(struct db *db, struct sql *sql, struct rows **ret_rows, struct usher_error *err); /* frees sql */
bool rows_next(struct rows *rows);
size_t rows_count(const struct rows *rows);
const char *row_text(const struct rows *rows, unsigned column); /* NULL for NULL; valid until rows_next */
const char *row_bytes(const struct rows *rows, unsigned column, size_t *ret_len);
int64_t row_int(const struct rows *rows, unsigned column);    /* 0 for NULL */
wall_time row_time(const struct rows *rows, unsigned column); /* a DATETIME column; 0 for NULL */
/* The words of a service in `column` about the member whose recipient, name and user_id are the columns from
 * `person` on, as all may see them: for texts that leave the row and so who they are about. Owned; never
 * NULL. */
char *row_words(const struct rows *rows, unsigned column, unsigned person);
void rows_free(struct rows *rows);

/* Runs fn inside a transaction (never one in another) and commits; on a deadlock or lock-wait time-out the
 * whole of it again, at most DB_TRANSACTION_TRIES times. fn returns 0 to commit, a code to roll back. When
 * the connection is lost during COMMIT the outcome is unknown: USHER_EUNAVAILABLE, so every fn must be safe
 * to run again. */
#define DB_TRANSACTION_TRIES 5
typedef int db_work(struct db *db, void *arg, struct usher_error *err);
int db_transaction(struct db *db, db_work *work, void *arg, struct usher_error *err);

#endif
