"""--watch, and what is said while something takes long: on a terminal, in a pipe, and when it is stopped."""

import json
import os
import re
import select
import signal
import subprocess
import time

import pytest
from fake_daemon import alarm, job, row
from support.process import wait_until

DEADLINE_S = 15


class Piped:
    """usher with its output in a pipe; lines come as they are written."""

    def __init__(self, usher, *words):
        self.process = subprocess.Popen([usher.program, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        stdin=subprocess.DEVNULL,
                                        env={**os.environ, "USHER_SOCKET": usher.socket, "LC_ALL": "C.UTF-8", "TZ": "UTC"})
        self._rest = b""

    def line(self):
        ends = time.monotonic() + DEADLINE_S
        while b"\n" not in self._rest:
            assert select.select([self.process.stdout], [], [], max(0, ends - time.monotonic()))[0], "no line came"
            data = os.read(self.process.stdout.fileno(), 65536)
            assert data, "it has ended"
            self._rest += data
        line, self._rest = self._rest.split(b"\n", 1)
        return line.decode()

    def waiting(self):
        """What has come already and nobody has taken."""
        if select.select([self.process.stdout], [], [], 0)[0]:
            self._rest += os.read(self.process.stdout.fileno(), 65536)
        return self._rest.decode()

    def stop(self, how=signal.SIGINT):
        self.process.send_signal(how)
        self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode


@pytest.fixture
def piped(usher):
    made = []

    def make(*words):
        made.append(Piped(usher, *words))
        return made[-1]

    yield make
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
        one.process.communicate()


def looks(fake, path, more):
    """Until the daemon was asked so often again."""
    def count():
        return sum(request[1] == path for request in fake.requests)
    want = count() + more
    wait_until(lambda: count() >= want, f"{path} is not asked for", DEADLINE_S)


def test_a_pipe_gets_what_is_new_or_has_changed(fake, piped):
    fake.rows = {str(n): row(n) for n in (1, 2)}
    watch = piped("failed", "--watch=0.2")
    assert watch.line().split()[0] == "ID" and [watch.line().split()[0] for _ in range(2)] == ["2", "1"]
    looks(fake, "/v1/failed", 3)
    assert watch.waiting() == "", "ages go on, and are no news"
    fake.rows["3"] = row(3)
    fake.rows["1"].update(status="queued", version=2)
    lines = [watch.line().split() for _ in range(2)]
    assert [line[0] for line in lines] == ["3", "1"] and "queued" in lines[1]
    assert watch.stop() == -signal.SIGINT, "a shell sees that it was stopped by a signal"


def test_json_and_csv_of_a_pipe_that_is_watched(fake, piped):
    fake.rows = {"1": row(1)}
    watch, table = piped("failed", "--watch=0.2", "--json"), piped("failed", "--watch=0.2", "--csv")
    assert [item["id"] for item in json.loads(watch.line())["items"]] == ["1"]
    assert table.line().startswith("id,") and table.line().startswith("1,")
    fake.rows["2"] = row(2)
    assert [item["id"] for item in json.loads(watch.line())["items"]] == ["2"]
    assert table.line().startswith("2,")
    assert watch.stop(signal.SIGTERM) == -signal.SIGTERM


def test_every_list_can_be_watched(fake, piped):
    fake.alarms, fake.jobs = [alarm(7)], {"3": job(3)}
    fake.audit = [{"id": "1", "operator": "mina", "act": "cancel", "target": "failed/3", "outcome": "done", "reason": None,
                   "detail": None, "at": "2026-11-22T00:00:00.000Z"}]
    for words, first in ((["dlq", "coupon"], "12"), (["retrying"], "9"), (["outbox"], "5"), (["audit"], "1"), (["alarms"], "7"),
                         (["redrives"], "3"), (["failed", "--groups"], "3")):
        watch = piped(*words, "--watch=0.2")
        assert watch.line().split()[0] in ("ID", "COUNT"), words
        assert watch.line().split()[0] == first, words
        assert watch.stop() == -signal.SIGINT


def test_a_watched_alarm_that_is_still_raised_is_no_news(fake, piped):
    fake.alarms = [alarm(7)]
    watch = piped("alarms", "--watch=0.2")
    assert [watch.line().split()[0] for _ in range(2)] == ["ID", "7"]
    fake.alarms[0]["notices"][0].update(attempts=4, next_s=9)
    looks(fake, "/v1/alarms", 2)
    assert watch.waiting() == ""
    fake.alarms[0].update(acked_by="jun")
    assert "jun" in watch.line()


def test_status_in_a_pipe_says_what_is_new(fake, piped):
    watch = piped("status", "--watch=0.2")
    assert re.fullmatch(r"\S+ \S+ WARNING: email: 9 dead, to be redriven or cancelled \(and 1 more\)", watch.line())
    looks(fake, "/v1/status", 2)
    assert watch.waiting() == ""
    fake.status = {"database": {"up": False, "since": "2026-11-22T00:00:00.000Z", "error": "gone"}}
    assert "CRITICAL: database down" in watch.line()
    looks(fake, "/v1/status", 8)     # more than a second: "since ... (1h 03m 12s)" has moved on
    assert watch.waiting() == ""
    fake.status = {}
    assert "WARNING: email" in watch.line()


def test_it_comes_back_with_the_daemon(fake, piped):
    fake.rows = {"1": row(1)}
    watch = piped("failed", "--watch=0.2")
    watch.line(), watch.line()
    fake.stop()
    assert "no daemon at" in watch.process.stderr.readline().decode()
    fake.start()
    fake.rows["2"] = row(2)
    assert watch.line().split()[0] == "2"


def test_what_is_wrong_from_the_beginning_is_not_watched(fake, usher):
    fake.refuse = "filter, character 1: there is no key"
    assert "character 1" in usher("failed", "stauts:dead", "--watch=0.2", check=2).err
    for wrong in ("0", "0.1", "x", "1y", "-1", "nan", "1e9"):
        ran = usher("failed", f"--watch={wrong}", check=2)
        assert "--watch takes seconds" in ran.err and "--watch=5" in ran.err
    assert "every 5 seconds is --watch=5" in usher("failed", "--watch", "5", check=2).err


def test_a_terminal_is_drawn_anew(fake, console):
    fake.rows = {str(n): row(n) for n in range(1, 101)}
    with console("failed", "--watch=0.2", wait=None) as t:
        t.wait_for("usher failed, every 0.2s:", re.compile(r"^100 ", re.M))
        assert t.row(1).split()[0] == "ID" and re.match(r" +81 ", t.row(21)), "as many rows as fit, a line each"
        assert t.row(22) == "20 of 100 shown; there is more: --limit N"
        fake.rows["101"] = row(101)
        t.wait_for(re.compile(r"^101 ", re.M))
        assert t.text().count("CHANNEL") == 1
        t.press("ctrl-c")
        assert t.wait_exit() == -signal.SIGINT


def test_status_on_a_terminal_is_drawn_anew(fake, console):
    with console("status", "--watch=0.2", size=(100, 30), wait=None) as t:
        t.wait_for("usher status, every 0.2s", "WARNING: email: 9 dead", "you are mina")
        fake.rows.clear()
        t.wait_for("OK: nothing is wrong")
        assert "WARNING" not in t.text()


def test_progress_is_for_terminals(fake, usher, console):
    fake.rows = {str(n): row(n) for n in range(1, 1201)}
    fake.delay_s = 0.05
    ran = usher("failed", "--limit", "1200", "--json")
    assert ran.err == ""
    with console("failed", "--limit", "1200", "--csv", wait=None) as t:
        t.wait_for("usher failed: 500 of 1200 rows")
        t.wait_exit()
        assert "of 1200 rows" not in t.text(), "it has gone with what it was for"
    with console("failed", "--limit", "1200", "--csv", "--quiet", wait=None) as t:
        t.wait_exit()
        assert b"of 1200 rows" not in t.raw


def test_a_job_moves_on_one_line_of_a_terminal(fake, console, usher):
    fake.jobs = {"3": job(3)}
    with console("redrives", "show", "3", "--watch=0.2", size=(120, 24), wait=None) as t:
        t.wait_for("3: [############------------] 50% 150 of 300 sent")
        fake.jobs["3"].update(sent=300, delivered=300, failed_again=0, on_the_way=0, state="done")
        t.wait_for("[########################] 100% 300 of 300 sent")
        assert t.wait_exit() == 0
        assert t.text().count(" of 300 sent") == 1
    ran = usher("redrives", "show", "3", "--watch")
    assert ran.out.startswith("3: 300 of 300 sent") and "\r" not in ran.out
