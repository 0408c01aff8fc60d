"""make bench: how fast and how dear is a delivery?

20,000 sign-ups are stored beforehand (users and outbox, as an application would); then usherd is started, with the
settings it is shipped with, on a private mariadbd of its own (synced at each commit, as in earnest) and two sinks
that cost next to nothing. The clock runs from the start of usherd until sinks and ledger have all 40,000
deliveries. CPU is usherd's alone, user and system, all its threads, from its start to that moment."""

import argparse
import json
import pathlib
import struct
import sys
import tempfile
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support import process                  # noqa: E402
from support.daemon import ROOT, Daemon      # noqa: E402
from support.mariadb import MariaDB          # noqa: E402

SIGNUPS = 20_000
ROWS_A_STATEMENT = 1000
DEADLINE_S = 600

AS_SHIPPED = {
    "log": {"level": "info"},
    "retry": dict.fromkeys(("max_attempts", "base", "factor", "max_delay", "jitter")),
    "channel.email": {"visibility_timeout": None}, "channel.coupon": {"visibility_timeout": None},
    "breaker": {"failures": None}, "relay": {"interval": None, "max_backoff": None},
    "watch": {"depth_interval": None, "mirror_interval": None},
    "daemon": {"drain_timeout": None},
}


class Sink:
    """One of the C sinks; the address is where a Daemon's settings look for it."""

    token = "bench-token"

    def __init__(self, program, folder, scheme, path=""):
        self._counters = pathlib.Path(folder, pathlib.Path(program).name + ".counters")
        log = pathlib.Path(folder, pathlib.Path(program).name + ".log")
        self.process = process.start([str(program), str(self._counters)], log)
        port = process.wait_until(lambda: log.read_text().strip(), f"{program} does not listen", 10)
        self.url = f"{scheme}://127.0.0.1:{port}{path}"

    def counters(self):
        """(effects, connections, bytes)"""
        return struct.unpack("QQQ", self._counters.read_bytes())


def preload(db, count):
    """Sign-ups as an application stores them: one transaction holds users and their events."""
    connection = db.connect()
    connection.autocommit(False)
    with connection.cursor() as cursor:
        for first in range(0, count, ROWS_A_STATEMENT):
            users, events = [], []
            for i in range(first, min(first + ROWS_A_STATEMENT, count)):
                user, email, korean = f"u-{i}", f"member{i}@bench.example", i % 2 == 0
                name, locale = (f"김회원{i}", "ko-KR") if korean else (f"Member {i}", "en-US")
                event = str(uuid.uuid4())
                users.append((user, email, name, locale))
                events.append((event, json.dumps({"eventId": event, "type": "user-signup", "userId": user, "email": email,
                                                  "name": name, "locale": locale, "signedUpAt": "2026-01-02T03:04:05Z"},
                                                 ensure_ascii=False)))
            cursor.executemany("INSERT INTO users (user_id, email, name, locale) VALUES (%s, %s, %s, %s)", users)
            cursor.executemany("INSERT INTO signup_outbox (event_id, payload) VALUES (%s, %s)", events)
            connection.commit()
    connection.close()


def measure(db, daemon, mail, coupon, count):
    delivered = "SELECT COUNT(*) FROM delivery WHERE state = 'delivered'"

    def done():
        if not daemon.running:
            raise AssertionError("usherd ended:\n" + daemon.log()[-3000:])
        return (mail.counters()[0] >= count and coupon.counters()[0] >= count
                and db.value(delivered) >= 2 * count)

    began = time.monotonic()
    daemon.start(wait=False)
    process.wait_until(done, lambda: f"mails {mail.counters()}, coupons {coupon.counters()}, ledger {db.value(delivered)}\n"
                       + daemon.log()[-3000:], DEADLINE_S, every_s=0.05)
    took, cpu = time.monotonic() - began, process.cpu_seconds(daemon.pid)
    peak, statements = process.peak_memory_kib(daemon.pid), int(daemon.api.status()["totals"]["statements"])
    mails, coupons = mail.counters()[0], coupon.counters()[0]
    if (mails, coupons) != (count, count):
        raise AssertionError(f"{mails} mails and {coupons} coupons for {count} sign-ups")
    deliveries = 2 * count
    print(f"deliveries per second: {deliveries / took:.0f}")
    print(f"cpu per delivery: {cpu / deliveries * 1e6:.1f} us")
    print(f"peak memory: {peak / 1024:.1f} MiB")
    print(f"database statements per delivery: {statements / deliveries:.3f}")
    print(f"smtp connections: {mail.counters()[1]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--signups", type=int, default=SIGNUPS)
    parser.add_argument("--fast-disk", action="store_true", help="do not sync the server's log at each commit")
    options = parser.parse_args()
    process.interrupt_on_signals()
    sinks, closing = pathlib.Path(ROOT, options.build, "tests", "bench"), []
    with tempfile.TemporaryDirectory(prefix="usher-bench-") as folder:
        try:
            db = MariaDB(durable=not options.fast_disk)
            closing.append(db.close)
            mail = Sink(sinks / "smtp_sink", folder, "smtp")
            closing.append(lambda: process.end(mail.process))
            coupon = Sink(sinks / "http_sink", folder, "http", "/v1/coupons")
            closing.append(lambda: process.end(coupon.process))
            db.fresh()
            daemon = Daemon(options.build, db, mail, coupon, AS_SHIPPED)
            closing.append(daemon.close)
            daemon.migrate()
            preload(db, options.signups)
            print(f"{options.signups} sign-ups are stored, {2 * options.signups} deliveries to make", flush=True)
            measure(db, daemon, mail, coupon, options.signups)
        finally:
            for close in reversed(closing):
                close()


if __name__ == "__main__":
    main()
