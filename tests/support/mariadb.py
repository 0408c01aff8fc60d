"""A private mariadbd: own folder, unix socket only, no configuration file of the machine read."""

import contextlib
import os
import pathlib
import resource
import shutil
import signal
import tempfile

import pymysql

from . import planted, process

USER, PASSWORD = "usher", planted.DATABASE            # what `usherd run` needs, no more
MIGRATE_USER, MIGRATE_PASSWORD = "usher_migrate", planted.MIGRATE
DATABASE = "usher"

ACCOUNTS = f"""
CREATE USER {USER}@localhost IDENTIFIED BY '{PASSWORD}';
CREATE USER {MIGRATE_USER}@localhost IDENTIFIED BY '{MIGRATE_PASSWORD}';
GRANT SELECT, INSERT, UPDATE, DELETE ON `{DATABASE}`.* TO {USER}@localhost;
GRANT ALL ON `{DATABASE}`.* TO {MIGRATE_USER}@localhost;
"""


def _server_program():
    return shutil.which("mariadbd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


class MariaDB:
    """Started when made. `durable`: as a server in earnest, with a sync at each commit; without it a commit survives
    the death of mariadbd (which is what tests kill) but not that of the machine. `one_file`: all tables in one small
    file, so that its disk can be full: see fill()."""

    def __init__(self, durable=False, one_file=False, environment=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="usher-db-"))
        self.socket = str(self.folder / "s")
        self.log = self.folder / "log"
        # A server that starts removes temporary tables of others from a shared tmpdir.
        self._environment = {**os.environ, "TMPDIR": str(self.folder), **(environment or {})}
        self.durable, self.one_file = durable, one_file
        self._process = None
        try:
            self._install()
            self.start()
            for statement in ACCOUNTS.strip().splitlines():
                self.execute(statement, database=None)
        except BaseException:
            self.close()
            raise

    def _install(self):
        installing = process.start(["mariadb-install-db", "--no-defaults", f"--datadir={self.folder}/data", "--skip-test-db",
                                    "--auth-root-authentication-method=normal", *self._user()], self.log, env=self._environment)
        try:
            code = installing.wait()
        except BaseException:
            os.killpg(installing.pid, signal.SIGKILL)    # a script, and the server it runs
            installing.wait()
            raise
        if code:
            raise RuntimeError("mariadb-install-db: " + self.log.read_text(errors="replace"))

    @staticmethod
    def _user():
        return ["--user=root"] if os.geteuid() == 0 else []

    def _one_file(self):
        return ["--innodb-file-per-table=0", "--innodb-autoextend-increment=1", "--innodb-log-file-size=8M"] if self.one_file else []

    def start(self):
        self._process = process.start(
            [_server_program(), "--no-defaults", f"--datadir={self.folder}/data", f"--socket={self.socket}",
             f"--pid-file={self.folder}/pid", "--skip-networking", "--skip-log-bin", "--innodb-buffer-pool-size=128M",
             f"--innodb-flush-log-at-trx-commit={1 if self.durable else 2}", *self._one_file(), *self._user()], self.log,
            env=self._environment, restore_signals=False)    # SIGXFSZ stays ignored, as python has it: see fill()
        process.wait_until(self._answers, lambda: "mariadbd: " + self.log.read_text(errors="replace")[-2000:], 30)

    def _answers(self):
        if self._process.poll() is not None:
            raise RuntimeError("mariadbd ended: " + self.log.read_text(errors="replace")[-2000:])
        try:
            self.connect(None).close()
            return True
        except pymysql.err.OperationalError:
            return False

    @property
    def pid(self):
        return self._process.pid

    @property
    def running(self):
        return self._process is not None and self._process.poll() is None

    def kill(self):
        """As a power cut to the server: SIGKILL."""
        process.end(self._process, first=signal.SIGKILL)

    def freeze(self):
        """As a server that hangs: it takes connections, and answers nothing until thaw()."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self._process.send_signal(signal.SIGCONT)

    def fill(self):
        """The disk is full: no file may grow any more, and what is free within goes to a table of ours. The kernel refuses
        the growth (EFBIG, as it refuses with ENOSPC), and InnoDB says to its client what it says then: error 1114."""
        data = self.folder / "data" / "ibdata1"
        self._limit_files(data.stat().st_size)
        self.execute("CREATE TABLE IF NOT EXISTS filler (x VARBINARY(7000))", database="mysql")
        for size in (7000, 700, 7):
            with contextlib.suppress(pymysql.err.OperationalError):    # 1114
                while True:
                    self.execute("INSERT INTO filler VALUES (REPEAT('x', %s))", size, database="mysql")

    def make_room(self):
        """The disk is full no longer."""
        self._limit_files(resource.RLIM_INFINITY)

    def _limit_files(self, size):
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def stop(self):
        process.end(self._process)

    def connect(self, database=DATABASE):
        return pymysql.connect(unix_socket=self.socket, user="root", database=database, autocommit=True,
                               charset="utf8mb4", cursorclass=pymysql.cursors.DictCursor)

    def query(self, sql, *values, database=DATABASE):
        """All rows, as dictionaries."""
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql, values or None)
                return cursor.fetchall()
        finally:
            connection.close()

    def value(self, sql, *values):
        """The first column of the first row; None without a row."""
        rows = self.query(sql, *values)
        return next(iter(rows[0].values())) if rows else None

    def execute(self, sql, *values, database=DATABASE):
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                return cursor.execute(sql, values or None)
        finally:
            connection.close()

    def users(self):
        """Who is connected to the database as a daemon is."""
        return self.query("SELECT user, state, info FROM information_schema.processlist WHERE user IN (%s, %s)",
                          USER, MIGRATE_USER, database=None)

    def fresh(self):
        """An empty database of the same name: what a test starts from, alone. A daemon that another test has left at work would
        take its deliveries."""
        process.wait_until(lambda: not self.users(), lambda: f"another daemon is at work on this database: {self.users()}")
        self.execute(f"DROP DATABASE IF EXISTS `{DATABASE}`", database=None)
        self.execute(f"CREATE DATABASE `{DATABASE}` CHARACTER SET utf8mb4", database=None)

    def close(self):
        if self._process is not None:
            process.end(self._process, timeout_s=10)
        shutil.rmtree(self.folder, ignore_errors=True)
