"""usherd under a service manager: what it tells the socket that systemd gives it, and when it falls silent; the unit."""

import ctypes
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

import pytest
from support.daemon import ROOT
from support.process import wait_until

UNIT = ROOT / "conf" / "systemd" / "usherd.service"
EXPOSURE = 1.5    # as usherd(8) states it
QUICK = {"database": {"connect_timeout": "200ms", "read_timeout": "300ms"}}    # a stuck thread is one for two seconds
PTRACE_ATTACH, PTRACE_DETACH = 16, 17


class Manager:
    """Stands in for systemd: the socket of NOTIFY_SOCKET, and what came to it, with its time."""

    def __init__(self, address):
        self.address, self.heard = address, []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address.replace("@", "\0", 1))
        self.socket.setblocking(False)

    def listen(self):
        while True:
            try:
                self.heard.append((time.monotonic(), self.socket.recv(4096).decode()))
            except BlockingIOError:
                return self.heard

    def times(self, message):
        return [at for at, text in self.listen() if message in text.split("\n")]

    def environment(self, watchdog_s=None):
        more = {"WATCHDOG_USEC": str(int(watchdog_s * 1e6))} if watchdog_s else {}
        return {"NOTIFY_SOCKET": self.address, **more}


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    one = Manager(str(tmp_path / "notify") if request.param == "path" else f"@usher-test-{os.getpid()}")
    yield one
    one.socket.close()


@pytest.fixture
def path_manager(tmp_path):
    one = Manager(str(tmp_path / "notify"))
    yield one
    one.socket.close()


def test_ready_when_the_sockets_listen_stopping_when_asked(daemon, manager):
    usherd = daemon(start=False, environment=manager.environment())
    usherd.start(wait=False)
    wait_until(lambda: manager.times("READY=1"), usherd.story)
    assert usherd.api.get("/v1/status").status == 200, "a client that was told it is ready finds a socket"
    assert not manager.times("STOPPING=1") and not manager.times("WATCHDOG=1"), "nobody asked for a watchdog"
    assert usherd.stop() == 0
    assert len(manager.times("STOPPING=1")) == 1 and len(manager.times("READY=1")) == 1


def test_a_reload_is_told_from_its_beginning_to_its_end(daemon, path_manager):
    usherd = daemon(environment=path_manager.environment())
    wait_until(lambda: path_manager.times("READY=1"), usherd.story)
    for changes, words in [({"relay": {"batch": "3"}}, "1 changes"), ({"relay": {"batch": "99"}}, "was refused")]:
        ready, reloading = len(path_manager.times("READY=1")), len(path_manager.times("RELOADING=1"))
        usherd.configure(changes)
        os.kill(usherd.pid, signal.SIGHUP)
        wait_until(lambda: len(path_manager.times("READY=1")) > ready, usherd.story)    # pylint: disable=cell-var-from-loop
        assert len(path_manager.times("RELOADING=1")) == reloading + 1
        assert any(re.search(r"^MONOTONIC_USEC=\d+$", text, re.M) for _, text in path_manager.heard if "RELOADING=1" in text)
        assert words in [text for _, text in path_manager.heard if "READY=1" in text][-1]


def test_a_daemon_that_cannot_start_is_never_ready(daemon, path_manager):
    usherd = daemon(start=False, environment=path_manager.environment())
    usherd.configure({"daemon": {"socket_group": "no-such-group"}})
    assert usherd.command("run", check=1)
    assert not path_manager.times("READY=1")


def test_the_watchdog_is_fed_in_time(daemon, path_manager):
    usherd = daemon(environment=path_manager.environment(watchdog_s=2))
    wait_until(lambda: len(path_manager.times("WATCHDOG=1")) >= 6, usherd.story)
    times = path_manager.times("WATCHDOG=1")
    assert max(after - before for before, after in zip(times, times[1:])) < 2, "systemd would have killed it"
    assert times[-1] - times[0] > 1.5, "more often than is of use"


def test_a_database_that_hangs_starves_no_watchdog(daemon, path_manager, mariadb):
    usherd = daemon(QUICK, environment=path_manager.environment(watchdog_s=2))
    wait_until(lambda: usherd.api.status()["database"]["up"], usherd.story)
    mariadb.freeze()
    try:
        wait_until(lambda: not usherd.api.status()["database"]["up"], usherd.story)
        before = len(path_manager.times("WATCHDOG=1"))
        wait_until(lambda: len(path_manager.times("WATCHDOG=1")) >= before + 8, usherd.story)
    finally:
        mariadb.thaw()
    times = path_manager.times("WATCHDOG=1")
    assert max(after - before for before, after in zip(times, times[1:])) < 2
    wait_until(lambda: usherd.api.status()["database"]["up"], usherd.story)


def thread_of(pid, name):
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text().strip() == name:
            return int(task.name)
    raise AssertionError(f"there is no thread {name}")


def ptrace(request, tid):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    assert libc.ptrace(request, tid, None, None) == 0, os.strerror(ctypes.get_errno())


@pytest.mark.parametrize("name", ["email", "coupon", "relay", "watcher", "admin"])
def test_one_thread_that_hangs_ends_the_feeding(daemon, path_manager, name):
    usherd = daemon(QUICK, environment=path_manager.environment(watchdog_s=1))
    wait_until(lambda: len(path_manager.times("WATCHDOG=1")) >= 3, usherd.story)
    tid = thread_of(usherd.pid, name)
    ptrace(PTRACE_ATTACH, tid)    # stops this thread and no other
    try:
        wait_until(lambda: "is stuck" in usherd.log(), usherd.story)
        assert re.search(rf'thread "(pipeline )?{name}" is stuck', usherd.log())
        fed = len(path_manager.times("WATCHDOG=1"))
        wait_until(lambda: usherd.log().count("is stuck") >= 5, usherd.story)
        assert len(path_manager.times("WATCHDOG=1")) == fed, "a hung daemon says that it is well"
    finally:
        os.waitpid(tid, 0x40000000)    # __WALL
        ptrace(PTRACE_DETACH, tid)
    wait_until(lambda: len(path_manager.times("WATCHDOG=1")) > fed, usherd.story)
    assert usherd.stop() == 0


# -- The unit ---------------------------------------------------------------------------------------------

def unit_values(key):
    return [line.split("=", 1)[1] for line in UNIT.read_text().splitlines() if line.startswith(key + "=")]


def test_the_sandbox_is_as_tight_as_stated(tmp_path):
    done = subprocess.run(["systemd-analyze", "security", "--no-pager", "--offline=true",
                           f"--threshold={int(EXPOSURE * 10)}", str(UNIT)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    found = re.search(r"Overall exposure level for usherd.service: (\S+)", done.stdout)
    assert done.returncode == 0 and found, done.stdout
    assert float(found.group(1)) == EXPOSURE
    assert f"exposure level is {EXPOSURE}" in (ROOT / "man" / "usherd.8").read_text().replace("\n", " ")


def test_the_unit_is_one_that_systemd_takes(build, tmp_path):
    unit = tmp_path / "usherd.service"
    unit.write_text(UNIT.read_text().replace("/usr/local/sbin/usherd", str(build / "usherd")).replace("man:", "https://usher.example/"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(unit)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    wrong = [line for line in done.stdout.splitlines() if "usherd.service" in line]
    assert not wrong, done.stdout


def test_the_times_of_the_unit_fit_those_of_the_configuration(build, tmp_path):
    done = subprocess.run([str(build / "usherd"), "check-config", "--sample"], stdout=subprocess.PIPE, text=True, check=True)

    def seconds(key):
        value = re.search(rf"^#?{key} = (\d+)s$", done.stdout, re.M)
        assert value, key
        return int(value.group(1))
    assert int(unit_values("TimeoutStopSec")[0]) > seconds("drain_timeout") + 2 + 2
    assert int(unit_values("WatchdogSec")[0]) / 2 > 4 * (seconds("connect_timeout") + seconds("read_timeout"))
    assert unit_values("ExecReload") == ["/bin/kill -HUP $MAINPID"]
