/* The private MariaDB of the contract tests. The test starts the server as its child, which the kernel kills
 * when the test dies; a second child, the cleaner, waits for the test's end and removes the folder. */
#include "fixture.h"

#include "base/error.h"
#include "base/mem.h"
#include "store/migrate.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_DEADLINE_MS 60000

static struct {
	char folder[64], data[96], socket[96], log[96];
	pid_t server, cleaner;
	struct db_settings settings;
	int alive; /* write end of the cleaner's pipe: closed when this process ends */
} fixture;

static void give_up(const char *what)
{
	char line[512];
	FILE *log = fopen(fixture.log, "r");

	fprintf(stderr, "fixture: %s (%s); its log:\n", what, strerror(errno));
	while (log != NULL && fgets(line, sizeof line, log) != NULL)
		fputs(line, stderr);
	abort();
}

/* mariadbd is in /usr/sbin, which the PATH of an ordinary user does not have. */
static void path_widen(void)
{
	const char *path = getenv("PATH");
	char wide[4096];

	snprintf(wide, sizeof wide, "%s:/usr/local/sbin:/usr/sbin:/sbin",
	        path != NULL ? path : "/usr/bin:/bin");
	setenv("PATH", wide, 1);
}

/* Runs argv in a child with its output in the log; the child dies with us. */
static pid_t spawn(char *const argv[])
{
	pid_t parent = getpid(), pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	int out = open(fixture.log, O_WRONLY | O_CREAT | O_APPEND, 0600), in = open("/dev/null", O_RDONLY);

	dup2(in, 0);
	dup2(out, 1);
	dup2(out, 2);
	path_widen();
	execvp(argv[0], argv);
	_exit(127);
}

static void cleaner_start(void)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		give_up("pipe");
	fixture.alive = ends[1];
	fixture.cleaner = fork();
	if (fixture.cleaner != 0) {
		close(ends[0]);
		return;
	}
	char byte;

	setpgid(0, 0); /* an interrupt at the keyboard ends the test, not the cleaning */
	close(ends[1]);
	while (read(ends[0], &byte, 1) < 0 && errno == EINTR)
		;
	execlp("rm", "rm", "-rf", fixture.folder, (char *)NULL);
	_exit(1);
}

static void folder_make(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(fixture.folder, sizeof fixture.folder, "%.40s/usher-db-XXXXXX", tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(fixture.folder) == NULL)
		give_up("cannot make a temporary folder");
	/* A server that starts removes temporary tables of others from a shared folder. */
	setenv("TMPDIR", fixture.folder, 1);
	snprintf(fixture.data, sizeof fixture.data, "%s/data", fixture.folder);
	snprintf(fixture.socket, sizeof fixture.socket, "%s/db.sock", fixture.folder);
	snprintf(fixture.log, sizeof fixture.log, "%s/log", fixture.folder);
	cleaner_start();
}

static void install(void)
{
	char data[128];
	int status = 0;
	char *argv[] = { "mariadb-install-db", "--no-defaults", data,
		"--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve",
		geteuid() == 0 ? "--user=root" : NULL, NULL };

	snprintf(data, sizeof data, "--datadir=%s", fixture.data);
	if (waitpid(spawn(argv), &status, 0) < 0 || status != 0)
		give_up("mariadb-install-db failed");
}

void fixture_restart(void)
{
	char data[128], socket[128];
	char *argv[] = { "mariadbd", "--no-defaults", data, socket, "--skip-networking", "--skip-log-bin",
		"--innodb-buffer-pool-size=64M", "--innodb-flush-log-at-trx-commit=2",
		"--innodb-log-file-size=32M", "--key-buffer-size=1M", "--performance-schema=OFF",
		"--max-connections=60", geteuid() == 0 ? "--user=root" : NULL, NULL };
	struct db_settings settings = fixture.settings;
	struct usher_error err;
	mono_time begin = mono_now();

	snprintf(data, sizeof data, "--datadir=%s", fixture.data);
	snprintf(socket, sizeof socket, "--socket=%s", fixture.socket);
	fixture.server = spawn(argv);
	settings.name = NULL;

	struct db *db = db_new(&settings);

	while (db_ping(db, &err) != 0) {
		if (waitpid(fixture.server, NULL, WNOHANG) != 0)
			give_up("mariadbd ended at its start");
		if (mono_since_ms(begin, mono_now()) > START_DEADLINE_MS)
			give_up("mariadbd does not answer");
		poll(NULL, 0, 10);
	}
	db_free(db);
}

void fixture_kill(void)
{
	if (fixture.server <= 0)
		return;
	kill(fixture.server, SIGKILL);
	waitpid(fixture.server, NULL, 0);
	fixture.server = 0;
}

int fixture_start_bare(void **state)
{
	(void)state;
	folder_make();
	install();
	fixture.settings = fixture_settings_for("root");
	fixture_restart();
	return 0;
}

int fixture_start(void **state)
{
	struct usher_error err = { 0 };

	fixture_start_bare(state);
	if (migrate_run(&fixture.settings, NULL, NULL, &err) != 0) {
		fprintf(stderr, "fixture: %s\n", err.message);
		return -1;
	}
	return 0;
}

int fixture_stop(void **state)
{
	(void)state;
	fixture_kill();
	close(fixture.alive);
	waitpid(fixture.cleaner, NULL, 0);
	return 0;
}

struct db_settings fixture_settings_for(const char *user)
{
	return (struct db_settings){ .socket = fixture.socket,
		.user = user,
		.name = "usher",
		.connect_timeout_ms = 5000,
		.read_timeout_ms = 30000 };
}

const struct db_settings *fixture_settings(void)
{
	return &fixture.settings;
}

struct db *fixture_db(void)
{
	return db_new(&fixture.settings);
}

void fixture_exec(struct db *db, const char *text)
{
	struct usher_error err;
	struct sql sql = sql_new(db);

	buf_puts(&sql.text, text);
	assert_done(db_exec(db, &sql, NULL, &err), &err);
}

static struct rows *query(struct db *db, const char *text)
{
	struct usher_error err;
	struct rows *rows = NULL;
	struct sql sql = sql_new(db);

	buf_puts(&sql.text, text);
	assert_done(db_query(db, &sql, &rows, &err), &err);
	return rows;
}

int64_t fixture_int(struct db *db, const char *sql)
{
	struct rows *rows = query(db, sql);
	int64_t value = rows_next(rows) ? row_int(rows, 0) : -1;

	rows_free(rows);
	return value;
}

char *fixture_text(struct db *db, const char *sql)
{
	struct rows *rows = query(db, sql);
	const char *text = rows_next(rows) ? row_text(rows, 0) : NULL;
	char *copy = mem_string(text != NULL ? text : "");

	rows_free(rows);
	return copy;
}

void fixture_clear(void)
{
	struct db *db = fixture_db();
	struct rows *rows =
	        query(db, "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() "
	                  "AND table_name <> 'schema_version'");

	while (rows_next(rows)) {
		struct usher_error err;
		struct sql sql = sql_new(db);

		sql_add(&sql, "DELETE FROM ?n", row_text(rows, 0));
		assert_done(db_exec(db, &sql, NULL, &err), &err);
	}
	rows_free(rows);
	db_free(db);
}

void fixture_assert_code(int code, int want, const struct usher_error *err, const char *file, int line)
{
	if (code == want)
		return;
	print_error("%s: code %s, wanted %s: %s\n", __func__, usher_code_name(code), usher_code_name(want),
	        code != 0 && err != NULL ? err->message : "");
	_fail(file, line);
}
