"""usherd as a test meets it: a configuration with a shortened schedule, start, stop, kill, and its log."""

import configparser
import grp
import http.client
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

from . import mariadb, planted, process
from .api import Api, Usher

ROOT = pathlib.Path(__file__).resolve().parents[2]
START_DEADLINE_S = 20
STORY_MAX = 6000
SANITIZER = re.compile(r"(ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|LeakSanitizer)")
SANITIZER_OPTIONS = {"ASAN_OPTIONS": "abort_on_error=0:detect_leaks=1",
                     "UBSAN_OPTIONS": "print_stacktrace=1", "TSAN_OPTIONS": f"halt_on_error=0 suppressions={ROOT}/tests/support/tsan.supp"}


def settings(db, smtp=None, coupon=None, folder="."):
    """usher.ini's sections: everything as shipped, but for where the others are and a schedule that tests can wait for:
    0.3 s, 0.6 s, then dead; and what is dead stays so: tests of automatic redrive switch it on."""
    group = grp.getgrgid(os.getegid()).gr_name
    return {
        "daemon": {"run_dir": folder, "socket_group": group, "readonly_group": group, "drain_timeout": "5s"},
        "log": {"level": "debug"},
        "database": {"socket": db.socket, "name": mariadb.DATABASE, "user": mariadb.USER, "password": mariadb.PASSWORD,
                     "migrate_user": mariadb.MIGRATE_USER, "migrate_password": mariadb.MIGRATE_PASSWORD},
        "retry": {"max_attempts": "3", "base": "300ms", "factor": "2", "max_delay": "5s", "jitter": "0.1"},
        "channel.email": {"visibility_timeout": "2s", "auto_redrive": "no"},
        "channel.coupon": {"visibility_timeout": "2s", "auto_redrive": "no"},
        "email": {"smtp_url": smtp.url if smtp else "smtp://127.0.0.1:9", "tls": "none", "timeout": "3s",
                  "user": "usher", "password": planted.MAIL, "from": "환영 <welcome@usher.example>", "template_dir": str(ROOT / "conf" / "templates")},
        "coupon": {"url": coupon.url if coupon else "http://127.0.0.1:9/", "token": coupon.token if coupon else planted.COUPON,
                   "campaign": "welcome-2026", "timeout": "3s"},
        "config_server": {"password": planted.CONFIG_SERVER},
        "breaker": {"failures": "0"},
        "relay": {"interval": "50ms", "linger": "20ms", "max_backoff": "500ms"},
        "watch": {"depth_interval": "100ms", "mirror_interval": "200ms"},
    }


class Daemon:
    """One usherd. `changes` is laid over settings(): {"email": {"timeout": "1s"}, ...}; a value None takes a key away."""

    def __init__(self, build, db, smtp=None, coupon=None, changes=None, environment=None):
        self.build = pathlib.Path(ROOT, build)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="usher-"))
        self.config = self.folder / "usher.ini"
        self.log_path = self.folder / "log"
        self.log_path.touch()
        self.socket = str(self.folder / "usher.sock")
        self.readonly_socket = str(self.folder / "usher-ro.sock")
        self.api, self.readonly_api = Api(self.socket), Api(self.readonly_socket)
        self.usher = Usher(str(self.build / "usher"), self.socket)
        self.environment = {**os.environ, **SANITIZER_OPTIONS, **(environment or {})}
        self._sections = settings(db, smtp, coupon, str(self.folder))
        self._process = None
        self.expected_codes = {0, -signal.SIGKILL}
        self.hides = True    # False: it was told to show personal data in its log
        self.configure(changes or {})

    def configure(self, changes):
        """Lays changes over the settings and writes the file; a section None is taken away. A running daemon finds it within
        seconds, or at once when it is told to read it again."""
        for section, keys in changes.items():
            if keys is None:
                self._sections.pop(section, None)
                continue
            self._sections.setdefault(section, {}).update(keys)
        ini = configparser.RawConfigParser()
        for section, keys in self._sections.items():
            ini[section] = {key: value for key, value in keys.items() if value is not None}
        with open(self.config, "w", encoding="utf-8") as out:
            ini.write(out)
        os.chmod(self.config, 0o600)

    def section(self, name):
        """The keys of a section as they are in the file."""
        return dict(self._sections.get(name, {}))

    def command(self, *arguments, check=0):
        """`usherd ARGUMENTS --config FILE`, run to its end."""
        done = subprocess.run([str(self.build / "usherd"), *arguments, "--config", str(self.config)], env=self.environment,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)
        planted.see(f"usherd {' '.join(arguments)}", done.stdout + done.stderr)
        assert check is None or done.returncode == check, f"usherd {arguments}: {done}"
        return done

    def migrate(self):
        return self.command("migrate")

    @property
    def pid(self):
        return self._process.pid

    @property
    def running(self):
        return self._process is not None and self._process.poll() is None

    def start(self, wait=True):
        self._process = process.start([str(self.build / "usherd"), "run", "--config", str(self.config)], self.log_path,
                                      env=self.environment)
        if wait:
            process.wait_until(self.answers, lambda: "usherd does not answer:\n" + self.log()[-3000:], START_DEADLINE_S)
        return self

    def answers(self):
        if not self.running:
            raise AssertionError(f"usherd ended with {self._process.returncode}:\n{self.log()[-3000:]}")
        try:
            return self.api.get("/v1/status").status == 200
        except (OSError, http.client.HTTPException):
            return False

    def signal(self, number):
        if self.running:
            self._process.send_signal(number)

    def kill(self):
        """SIGKILL, at whatever it is."""
        if self.running:
            self._process.kill()
            self._process.wait()

    def stop(self, timeout_s=30.0):
        """SIGTERM; returns the exit code once it is gone."""
        if self.running:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(timeout_s)
        return self._process.returncode

    def log(self):
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def story(self):
        """For who waited in vain: what the daemon says of itself now, and its log without the asking."""
        try:
            status = self.api.get("/v1/status").text
        except (OSError, http.client.HTTPException) as error:
            status = f"no answer: {error}"
        log = "\n".join(line for line in self.log().splitlines() if "debug admin: GET " not in line)
        return f"status: {status}\n{log[-STORY_MAX:]}"

    def close(self):
        """Ends it; complains of what a sanitizer found and of an end that nobody asked for."""
        code = 0
        if self._process is not None:
            code = process.end(self._process, timeout_s=30)
        log = self.log()
        shutil.rmtree(self.folder, ignore_errors=True)
        seen = planted.scan("the log", log, personal=self.hides)
        assert not seen, "\n".join(seen[:10])
        found = SANITIZER.search(log)
        assert not found, "a sanitizer speaks:\n" + log[max(0, found.start() - 200):][:8000]
        assert code in self.expected_codes, f"usherd ended with {code}:\n{log[-3000:]}"
