"""Child processes that end with their parent, however it ends, and waiting without sleeping blindly."""

import contextlib
import ctypes
import os
import signal
import subprocess
import threading
import time

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _interrupt(number, frame):
    raise KeyboardInterrupt


def interrupt_on_signals():
    """SIGTERM and a closed terminal end a run as Ctrl-C does: through every `finally`. Ctrl-C does even where a shell that put
    us into the background had it ignored, which every program under test would inherit."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)


def start(command, log, **options):
    """Popen with its output in the file `log`; killed by the kernel when this process dies. In a session of its own, so
    that Ctrl-C reaches us alone and we end our children in order. Only from the main thread: the kernel's bond is to the
    thread."""
    assert threading.current_thread() is threading.main_thread()
    options.setdefault("stdin", subprocess.DEVNULL)
    with open(log, "ab") as out:
        return subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT,
                                preexec_fn=die_with_parent, start_new_session=True, **options)


def end(process, timeout_s=20.0, first=signal.SIGTERM):
    """Ends a child by its pid: asks, then kills. Returns the exit code (negative: the signal)."""
    if process.poll() is None:
        process.send_signal(first)
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode


class TimedOut(AssertionError):
    """A condition did not come true in time."""


def wait_until(condition, what, deadline_s=20.0, every_s=0.02):
    """Polls `condition` until it returns something true, and returns that. `what` is a text, or a function that
    makes one of the state at the deadline."""
    ends = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > ends:
            raise TimedOut(f"not within {deadline_s:g} s: {what() if callable(what) else what}")
        time.sleep(every_s)


def cpu_seconds(pid):
    """User and system time of a process, all its threads."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_memory_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return 0


def memory_kib(pid):
    """Resident now."""
    with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


TCP_ESTABLISHED = "01"


def descriptors(pid):
    """(all that are open, those of them that are living TCP connections)."""
    links = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):    # closed meanwhile
            links.append(os.readlink(f"/proc/{pid}/fd/{name}"))
    with open(f"/proc/{pid}/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table][1:]
    living = {f"socket:[{row[9]}]" for row in rows if row[3] == TCP_ESTABLISHED}
    return len(links), sum(link in living for link in links)
