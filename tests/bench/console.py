"""make bench-console: is the console quick and light, on a daemon at work?

A private mariadbd with failed rows, usherd with mail and coupon sinks, sign-ups at a steady rate; the console runs on a pty
of its own, read byte by byte and not drawn, as a slow SSH line would carry it.

    start        from exec to the first screen that has the daemon's figures
    memory       peak resident set after a tour of all screens, and what of it is the process's own
    idle         CPU of the console over a minute of live data, and the bytes it sends to the terminal
    htop         bytes of htop on a terminal of the same size, at its usual pace: where it is installed
    key          from the key to the last byte of its frame, while data streams
    attended     usherd's deliveries a second, out of a full outbox, without operators and with twenty: ten consoles
                 open, ten who cancel and restore the same rows"""

import argparse
import collections
import os
import pathlib
import re
import select
import shutil
import statistics
import sys
import threading
import time

import run                                   # of this folder: it makes the next ones known

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "console"))

from support.daemon import ROOT              # noqa: E402
from support.rows import put_failed          # noqa: E402
from support.process import wait_until       # noqa: E402
from terminal import Terminal                # noqa: E402

SIZES = ((80, 24), (120, 40), (250, 60))
SIGNUPS_A_SECOND = 100
FAILED_ROWS = 450
STARTS, KEYS = 10, 60
FRAME_ENDS_S = 0.004     # silence after which a frame is over
HTOP_S = 15
CONSOLES, ACTORS, ACT_EVERY_S = 10, 10, 2.0
ROUNDS = 5
WARM = 0.2               # of the deliveries are made before the clock runs


class Unseen:
    """Takes the bytes and draws nothing."""

    def feed(self, data):
        pass


class Bytes(Terminal):
    """A terminal whose bytes are counted and not drawn."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self._stream = Unseen()

    def until(self, pattern, deadline_s=20):
        ends = time.monotonic() + deadline_s
        while not re.search(pattern, self.raw):
            if time.monotonic() > ends:
                raise AssertionError(f"{pattern} does not come: {self.raw[-2000:]}")
            self.pump(0.05)

    def frame(self, key):
        """Seconds from the key to the last byte of what it changes."""
        self.pump()
        began = last = time.monotonic()
        os.write(self._fd, key.encode())
        first = True
        while select.select([self._fd], [], [], 1.0 if first else FRAME_ENDS_S)[0]:
            self.raw += os.read(self._fd, 65536)
            last, first = time.monotonic(), False
        return last - began


def console(build, daemon, size, kind=Bytes):
    return kind([pathlib.Path(ROOT, build, "usher"), "--socket", daemon.socket], size)


def cpu_ns(pid):
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0])


def memory_kib(pid):
    """(peak resident, the process's own)"""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        peak = int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1))
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        own = sum(int(n) for n in re.findall(r"Private_\w+:\s+(\d+)", file.read()))
    return peak, own


def times(label, seconds):
    ms = sorted(s * 1000 for s in seconds)
    print(f"{label}: median {statistics.median(ms):.1f} ms, worst {ms[-1]:.1f} ms", flush=True)


def measure_start(build, daemon):
    taken = []
    for _ in range(STARTS):
        began = time.monotonic()
        with console(build, daemon, (120, 40)) as t:
            t.until(rb"DAEMON")
            taken.append(time.monotonic() - began)
    times("start to the first full screen", taken)


def measure_keys(build, daemon, size):
    taken = collections.defaultdict(list)
    with console(build, daemon, size) as t:
        t.until(rb"DAEMON")
        t.type("3")
        t.until(rb"1-200 of")
        for i in range(KEYS):
            for key in ("jk" if i % 2 else "\x06\x02"):
                taken["move"].append(t.frame(key))
            taken["screen"] += [t.frame("1"), t.frame("3")]
        for key in "2561":
            t.type(key)
            t.pump(0.5)
        t.type("3\r")
        t.until(rb"ATTEMPTS")
        t.pump(0.5)
        peak, own = memory_kib(t.pid)
    where = f"{size[0]}x{size[1]}"
    times(f"key to screen at {where}, move and page", taken["move"])
    times(f"key to screen at {where}, another screen", taken["screen"])
    print(f"peak memory at {where}: {peak / 1024:.1f} MiB, of it the process's own {own / 1024:.1f} MiB", flush=True)


def bytes_a_second(terminal, seconds):
    terminal.pump(0.1)
    at, began = len(terminal.raw), time.monotonic()
    while time.monotonic() - began < seconds:
        terminal.pump(0.2)
    return (len(terminal.raw) - at) / (time.monotonic() - began)


def measure_idle(build, daemon, size, seconds):
    with console(build, daemon, size) as t:
        t.until(rb"DAEMON")
        t.pump(1)
        before, began = cpu_ns(t.pid), time.monotonic()
        rate = bytes_a_second(t, seconds)
        used = (cpu_ns(t.pid) - before) / 1e9 / (time.monotonic() - began)
    print(f"idle at {size[0]}x{size[1]} on the overview: {used:.2%} of a core, {rate:.0f} bytes a second", flush=True)
    return rate


def measure_htop(size, ours):
    program = shutil.which("htop")
    if not program:
        return
    with Bytes([program], size) as t:
        t.pump(3)
        rate = bytes_a_second(t, HTOP_S)
    print(f"htop at {size[0]}x{size[1]}: {rate:.0f} bytes a second, {rate / ours:.1f} times as many", flush=True)


def steady_load(db, stop):
    connection = db.connect()
    connection.autocommit(False)
    for i in range(10_000_000):
        if stop.wait(1 / SIGNUPS_A_SECOND):
            break
        run.store(connection, i, i + 1)
    connection.close()


def put_rows(db, count):
    for n in range(count):
        put_failed(db, 10_000_000 + n, event_id=f"bench-{n}", age_s=n * 60)


def figures(options):
    def act(db, daemon, _mail, _coupon, _queues):
        put_rows(db, FAILED_ROWS)
        daemon.start()
        stop = threading.Event()
        load = threading.Thread(target=steady_load, args=(db, stop))
        load.start()
        try:
            measure_start(options.build, daemon)
            for size in SIZES:
                measure_keys(options.build, daemon, size)
            for size in SIZES:
                rate = measure_idle(options.build, daemon, size, options.seconds)
                measure_htop(size, rate)
        finally:
            stop.set()
            load.join()
    return act


class Operators:
    """Ten who look and ten who act, at the pace of people."""

    def __init__(self, build, daemon, rows):
        self._stop = threading.Event()
        self._consoles = [console(build, daemon, (120, 40)) for _ in range(CONSOLES)]
        self._rows, self._daemon, self.acts = rows, daemon, 0
        work = [self._look] + [self._act] * ACTORS
        self._threads = [threading.Thread(target=one) for one in work]
        for thread in self._threads:
            thread.start()

    def _look(self):
        while not self._stop.is_set():
            ready = select.select([t._fd for t in self._consoles], [], [], 0.2)[0]
            for t in self._consoles:
                if t._fd in ready:
                    os.read(t._fd, 65536)

    def _act(self):
        n = 0
        while not self._stop.wait(ACT_EVERY_S):
            row = self._rows[n % len(self._rows)]
            n += 1
            for what in ("cancel", "restore"):
                answer = self._daemon.api.post(f"/v1/failed/{row}/{what}", reason="a bench")
                assert answer.status in (200, 409), answer.text
                self.acts += answer.status == 200

    def close(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        for t in self._consoles:
            t.close()


def drained(options, operators):
    """Deliveries a second out of a full outbox."""
    result = []

    def act(db, daemon, mail, coupon, _queues):
        put_rows(db, 20)
        rows = [str(row["id"]) for row in db.query("SELECT id FROM failed_notification")]
        run.preload(db, options.signups)
        daemon.start()
        attending = Operators(options.build, daemon, rows) if operators else None
        try:
            effects = lambda: mail.counters()[0] + coupon.counters()[0]    # noqa: E731
            wait_until(lambda: effects() >= 2 * options.signups * WARM, "it does not begin", 60, every_s=0.01)
            first, began = effects(), time.monotonic()
            wait_until(lambda: effects() >= 2 * options.signups, "it is not delivered", 300, every_s=0.01)
            result.append((2 * options.signups - first) / (time.monotonic() - began))
        finally:
            if attending:
                attending.close()
    run.run(options, act)
    return result[0]


def attended(options):
    rates = {False: [], True: []}
    for _ in range(ROUNDS):
        for operators in (False, True):
            rates[operators].append(drained(options, operators))
    alone, with_them = (statistics.median(rates[key]) for key in (False, True))
    for words, key in (("unattended", False), (f"with {CONSOLES + ACTORS} operators", True)):
        print(f"deliveries a second {words}: median {statistics.median(rates[key]):.0f} of {ROUNDS} runs, from "
              f"{min(rates[key]):.0f} to {max(rates[key]):.0f}")
    print(f"attended against unattended: {with_them / alone - 1:+.1%}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--seconds", type=float, default=60, help="of idling")
    parser.add_argument("--signups", type=int, default=20_000, help="to drain")
    parser.add_argument("--only", choices=("figures", "attended"))
    parser.add_argument("--fast-disk", action="store_true", help="do not sync the server's log at each commit")
    options = parser.parse_args()
    run.process.interrupt_on_signals()
    if options.only != "attended":
        run.run(options, figures(options))
    if options.only != "figures":
        attended(options)


if __name__ == "__main__":
    main()
