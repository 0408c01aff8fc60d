/* A MariaDB connection: opening it, running statements and transactions, and saying what went wrong.
 * Calls libmariadb and base only; each db belongs to one thread. sql.c builds the statements, rows.c reads
 * the results. */
#include "store/db.h"

#include "base/error.h"
#include "base/mem.h"
#include "store/rows.h"

#include <assert.h>
#include <errmsg.h>
#include <mysqld_error.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LOCK_WAIT_S "5"              /* innodb_lock_wait_timeout of the session */
#define PACKET_MIN (4 * 1024 * 1024) /* a server that takes less cannot hold our largest rows */
#define IDLE_CHECK_MS 1000           /* a connection unused for longer is tried before it is trusted */
#define REDO_PAUSE_MS 2              /* after a deadlock, times the number of tries so far */
#define PLACE_MAX 256                /* "host:port" or the socket's path, for messages */

struct db {
	char *host, *socket, *user, *password, *name, *tls_ca;
	int port;
	int64_t connect_timeout_ms, read_timeout_ms;
	atomic_uint_least64_t *statements;
	char place[PLACE_MAX];
	MYSQL *mysql; /* NULL: not connected */
	mono_time used_at;
	bool in_transaction;
	bool begin_pending; /* the next statement carries the BEGIN */
	bool redo;          /* the last failure was a deadlock or a lock wait: doing it again may help */
};

/* -- Life ------------------------------------------------------------------------------------ */

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

static void library_init(void)
{
	mysql_library_init(0, NULL, NULL);
}

static char *string_or_null(const char *text)
{
	return text != NULL && text[0] != '\0' ? mem_string(text) : NULL;
}

struct db *db_new(const struct db_settings *settings)
{
	struct db *db = mem_alloc(sizeof *db);

	pthread_once(&library_once, library_init);
	db->host = string_or_null(settings->host);
	db->socket = string_or_null(settings->socket);
	db->user = string_or_null(settings->user);
	db->password = string_or_null(settings->password);
	db->name = string_or_null(settings->name);
	db->tls_ca = string_or_null(settings->tls_ca);
	db->port = settings->port;
	db->connect_timeout_ms = settings->connect_timeout_ms;
	db->read_timeout_ms = settings->read_timeout_ms;
	db->statements = settings->statements;
	if (db->socket != NULL)
		snprintf(db->place, sizeof db->place, "%s", db->socket);
	else
		snprintf(db->place, sizeof db->place, "%s:%d", db->host != NULL ? db->host : "localhost",
		        db->port != 0 ? db->port : 3306);
	return db;
}

static void disconnect(struct db *db)
{
	if (db->mysql != NULL)
		mysql_close(db->mysql);
	db->mysql = NULL;
}

void db_free(struct db *db)
{
	if (db == NULL)
		return;
	disconnect(db);
	if (db->password != NULL)
		mem_wipe(db->password, strlen(db->password));
	free(db->host);
	free(db->socket);
	free(db->user);
	free(db->password);
	free(db->name);
	free(db->tls_ca);
	free(db);
}

/* -- What went wrong -------------------------------------------------------------------------- */

/* Errors of a server that is away, stopping, full or not writable: nothing is wrong with the statement. */
static bool is_away(unsigned number)
{
	static const unsigned away[] = {
		ER_OUTOFMEMORY,
		ER_OUT_OF_SORTMEMORY,
		ER_CON_COUNT_ERROR,
		ER_OUT_OF_RESOURCES,
		ER_HANDSHAKE_ERROR,
		ER_DISK_FULL,
		ER_SERVER_SHUTDOWN,
		ER_NORMAL_SHUTDOWN,
		ER_RECORD_FILE_FULL,
		ER_HOST_IS_BLOCKED,
		ER_NET_READ_ERROR,
		ER_NET_READ_INTERRUPTED,
		ER_NET_ERROR_ON_WRITE,
		ER_NET_WRITE_INTERRUPTED,
		ER_NEW_ABORTING_CONNECTION,
		ER_TOO_MANY_USER_CONNECTIONS,
		ER_OPTION_PREVENTS_STATEMENT,
		ER_QUERY_INTERRUPTED,
		ER_CONNECTION_KILLED,
	};

	if (number >= CR_MIN_ERROR && number <= CR_MAX_ERROR)
		return number != CR_COMMANDS_OUT_OF_SYNC;
	if (number >= CER_MIN_ERROR && number <= CER_MAX_ERROR)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(away); i++)
		if (away[i] == number)
			return true;
	return false;
}

static int add_advice(struct usher_error *err, unsigned number)
{
	switch (number) {
	case ER_ACCESS_DENIED_ERROR:
		return error_add(err, USHER_EDATABASE, ": check user and password in [database]");
	case ER_DBACCESS_DENIED_ERROR:
	case ER_TABLEACCESS_DENIED_ERROR:
		return error_add(err, USHER_EDATABASE,
		        ": grant SELECT, INSERT, UPDATE, DELETE on usher's database to this user (for "
		        "`usherd "
		        "migrate` all privileges on it)");
	case ER_BAD_DB_ERROR:
		return error_add(err, USHER_EDATABASE,
		        ": check name in [database], or run `usherd migrate` to create it");
	case ER_NO_SUCH_TABLE:
	case ER_BAD_FIELD_ERROR:
		return error_add(err, USHER_EDATABASE, ": run `usherd migrate`");
	default:
		return USHER_EDATABASE;
	}
}

/* Fills err from the connection's last error and leaves the db ready for the next call. */
static int failure(struct db *db, struct usher_error *err)
{
	unsigned number = mysql_errno(db->mysql);
	const char *words = mysql_error(db->mysql);
	int code;

	db->redo = number == ER_LOCK_DEADLOCK || number == ER_LOCK_WAIT_TIMEOUT;
	if (db->redo)
		return error_set(err, USHER_EUNAVAILABLE,
		        "the database at %s is busy with the same rows (%u: %s): try again", db->place,
		        number, words);
	if (number == ER_STATEMENT_TIMEOUT)
		return error_set(err, USHER_EUNAVAILABLE,
		        "the database at %s gave up a statement that took too long (%u: %s): ask for less, "
		        "or try "
		        "again",
		        db->place, number, words);
	if (is_away(number)) {
		code = error_set(err, USHER_EUNAVAILABLE, "the database at %s cannot serve now (%u: %s)",
		        db->place, number, words);
		if (number == ER_RECORD_FILE_FULL || number == ER_DISK_FULL)
			error_add(err, code, ": make room on its disk, then try again");
		else
			error_add(err, code, ": check that MariaDB runs there, then try again");
		disconnect(db);
		return code;
	}
	if (number == ER_DUP_ENTRY || number == ER_DUP_ENTRY_WITH_KEY_NAME)
		return error_set(err, USHER_ECONFLICT, "the database has it already (%u: %s)", number, words);
	error_set(err, USHER_EDATABASE, "the database at %s refused a statement (%u: %s)", db->place, number,
	        words);
	return add_advice(err, number);
}

/* -- Connecting ------------------------------------------------------------------------------- */

static unsigned seconds(int64_t ms)
{
	return ms <= 0 ? 0 : (unsigned)((ms + 999) / 1000);
}

static MYSQL *handle_new(const struct db *db)
{
	MYSQL *mysql = mysql_init(NULL);
	unsigned connect_s = seconds(db->connect_timeout_ms), read_s = seconds(db->read_timeout_ms);
	unsigned no_local_files = 0;
	unsigned long packet = SQL_MAX + 1024;
	my_bool yes = 1;

	if (mysql == NULL)
		abort(); /* out of memory, see base/mem.h */
	mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &no_local_files);
	mysql_options(mysql, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet);
	if (connect_s > 0)
		mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
	if (read_s > 0) {
		mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &read_s);
		mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &read_s);
	}
	if (db->tls_ca != NULL && db->socket == NULL) {
		mysql_options(mysql, MYSQL_OPT_SSL_CA, db->tls_ca);
		mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &yes);
		mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &yes);
	}
	return mysql;
}

/* The session every statement of store/ counts on. One statement, so that it is there whole or not at all. */
static const char session_sql[] =
        "SET NAMES utf8mb4, time_zone = '+00:00', tx_isolation = 'READ-COMMITTED', autocommit = 1, "
        "sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,"
        "NO_ENGINE_SUBSTITUTION', innodb_lock_wait_timeout = " LOCK_WAIT_S;
static const char packet_sql[] = "SELECT @@max_allowed_packet";

static int session_start(struct db *db, struct usher_error *err)
{
	MYSQL_RES *result;
	MYSQL_ROW row;
	long packet;

	if (mysql_real_query(db->mysql, session_sql, sizeof session_sql - 1) != 0 ||
	        mysql_real_query(db->mysql, packet_sql, sizeof packet_sql - 1) != 0)
		return failure(db, err);
	result = mysql_store_result(db->mysql);
	if (result == NULL)
		return failure(db, err);
	row = mysql_fetch_row(result);
	packet = row != NULL && row[0] != NULL ? strtol(row[0], NULL, 10) : 0;
	mysql_free_result(result);
	if (packet < PACKET_MIN)
		return error_set(err, USHER_EDATABASE,
		        "the database at %s takes statements of %ld bytes only: set max_allowed_packet = 16M "
		        "in its my.cnf",
		        db->place, packet);
	return 0;
}

static int connect_now(struct db *db, struct usher_error *err)
{
	unsigned long flags = CLIENT_MULTI_STATEMENTS | CLIENT_FOUND_ROWS;
	int code;

	db->redo = false;
	db->mysql = handle_new(db);
	if (mysql_real_connect(db->mysql, db->socket != NULL ? "localhost" : db->host, db->user, db->password,
	            db->name, (unsigned)db->port, db->socket, flags) == NULL)
		code = failure(db, err);
	else
		code = session_start(db, err);
	if (code != 0)
		disconnect(db);
	return code;
}

/* Connected, and not to a server that has gone while nobody looked: a dead idle connection is replaced
 * before anything is sent on it, so that nobody has to wonder whether a statement was run. */
static int ready(struct db *db, struct usher_error *err)
{
	bool midway = db->in_transaction && !db->begin_pending;

	if (db->mysql == NULL && midway)
		return error_set(err, USHER_EUNAVAILABLE,
		        "the connection to the database at %s was lost inside a transaction: try again",
		        db->place);
	if (db->mysql != NULL && !midway && mono_since_ms(db->used_at, mono_now()) >= IDLE_CHECK_MS &&
	        mysql_ping(db->mysql) != 0)
		disconnect(db);
	return db->mysql != NULL ? 0 : connect_now(db, err);
}

int db_ping(struct db *db, struct usher_error *err)
{
	int code;

	if (db->mysql == NULL)
		return connect_now(db, err);
	if (mysql_ping(db->mysql) == 0)
		return 0;
	code = failure(db, err);
	disconnect(db);
	return code;
}

/* -- Statements ------------------------------------------------------------------------------- */

static void count_statements(const struct db *db, unsigned n)
{
	if (db->statements != NULL)
		atomic_fetch_add_explicit(db->statements, n, memory_order_relaxed);
}

/* Sends one statement, with the pending BEGIN in front, and reads the answer of the statement itself. */
static int run_once(struct db *db, const struct buf *text, MYSQL_RES **ret_result, struct usher_error *err)
{
	bool begin = db->begin_pending;
	size_t skip = begin ? 0 : sizeof SQL_BEGIN - 1;
	int code = ready(db, err);

	if (code != 0)
		return code;
	count_statements(db, begin ? 2 : 1);
	db->redo = false;
	db->begin_pending = false;
	if (mysql_real_query(db->mysql, text->data + skip, text->len - skip) != 0)
		return failure(db, err);
	if (begin && mysql_next_result(db->mysql) != 0)
		return failure(db, err);
	*ret_result = mysql_store_result(db->mysql);
	db->used_at = mono_now();
	if (*ret_result == NULL && mysql_field_count(db->mysql) != 0)
		return failure(db, err);
	return 0;
}

static void redo_pause(int tries)
{
	struct timespec pause = { .tv_nsec = (long)tries * REDO_PAUSE_MS * 1000000 };

	nanosleep(&pause, NULL);
}

/* A statement on its own that met a deadlock was rolled back whole: it is done again here. Inside a
 * transaction db_transaction does all of it again. */
static int run(struct db *db, const struct sql *sql, MYSQL_RES **ret_result, struct usher_error *err)
{
	int code;

	if (sql->text.failed)
		return error_set(err, USHER_ETOOBIG,
		        "a statement for the database would pass %d MiB: use a smaller batch",
		        SQL_MAX / 1024 / 1024);
	for (int tries = 1;; tries++) {
		code = run_once(db, &sql->text, ret_result, err);
		if (code == 0 || !db->redo || db->in_transaction || tries == DB_TRANSACTION_TRIES)
			return code;
		redo_pause(tries);
	}
}

int db_exec(struct db *db, struct sql *sql, uint64_t *ret_affected, struct usher_error *err)
{
	MYSQL_RES *result = NULL;
	int code = run(db, sql, &result, err);

	if (result != NULL)
		mysql_free_result(result);
	if (code == 0 && ret_affected != NULL)
		*ret_affected = mysql_affected_rows(db->mysql);
	sql_free(sql);
	return code;
}

int db_query(struct db *db, struct sql *sql, struct rows **ret_rows, struct usher_error *err)
{
	MYSQL_RES *result = NULL;
	int code = run(db, sql, &result, err);

	sql_free(sql);
	if (code == 0)
		*ret_rows = rows_new(result);
	return code;
}

/* -- Transactions ------------------------------------------------------------------------------ */

static int end(struct db *db, const char *how, struct usher_error *err)
{
	count_statements(db, 1);
	if (mysql_real_query(db->mysql, how, strlen(how)) != 0)
		return failure(db, err);
	db->used_at = mono_now();
	return 0;
}

/* One try of the whole transaction. Nothing is to be ended when no statement was sent, or when the
 * transaction ended with its connection. */
static int attempt(struct db *db, db_work *work, void *arg, struct usher_error *err)
{
	int code;

	db->in_transaction = db->begin_pending = true;
	db->redo = false;
	code = work(db, arg, err);
	if (code == 0 && !db->begin_pending) {
		code = db->mysql != NULL ? end(db, "COMMIT", err) : ready(db, err);
	} else if (db->mysql != NULL && !db->begin_pending) {
		bool redo = db->redo;

		if (end(db, "ROLLBACK", NULL) != 0)
			disconnect(db);
		db->redo = redo;
	}
	db->in_transaction = db->begin_pending = false;
	return code;
}

int db_transaction(struct db *db, db_work *work, void *arg, struct usher_error *err)
{
	int code;

	assert(!db->in_transaction);
	for (int tries = 1;; tries++) {
		code = attempt(db, work, arg, err);
		if (code == 0 || !db->redo || tries == DB_TRANSACTION_TRIES)
			return code;
		redo_pause(tries);
	}
}
