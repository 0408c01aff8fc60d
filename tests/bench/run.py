"""make bench: how fast and how dear is a delivery?

20,000 sign-ups are stored beforehand (users and outbox, as an application would); then usherd is started, with the
settings it is shipped with, on a private mariadbd of its own (synced at each commit, as in earnest) and two sinks
that cost next to nothing. The clock runs from the start of usherd until sinks and ledger have all 40,000
deliveries. CPU is usherd's alone, user and system, all its threads, from its start to that moment.

BROKER=aws puts SNS and SQS in between, as sqs_sink.c has them (read there what they are not), answering at once and then
50 ms late: 40,000 deliveries whose messages stand in the queues, then the whole way from the outbox, then a trickle of
sign-ups at a steady rate, stored as they come. Requests per delivery are all that go out, and in brackets by kind;
publishing is the relay's part, which a consumer alone does not pay."""

import argparse
import json
import pathlib
import struct
import sys
import tempfile
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support import aws, process             # noqa: E402
from support.daemon import ROOT, Daemon      # noqa: E402
from support.load import QUEUES              # noqa: E402
from support.mariadb import MariaDB          # noqa: E402

LATENCIES_MS = (0, 50)
TRICKLE_RATE, TRICKLE_S = 200, 10
REQUEST_KINDS = ("receive", "delete", "change visibility", "send", "count", "queue url", "publish")    # as sqs_sink.c has them
SIGNUPS = 20_000
ROWS_A_STATEMENT = 1000
DEADLINE_S = 600

AS_SHIPPED = {
    "log": {"level": "info"},
    "email": {"user": None, "password": None},    # the sink knows no logins
    "retry": dict.fromkeys(("max_attempts", "base", "factor", "max_delay", "jitter")),
    "channel.email": {"visibility_timeout": None}, "channel.coupon": {"visibility_timeout": None},
    "breaker": {"failures": None}, "relay": dict.fromkeys(("interval", "linger", "max_backoff")),
    "watch": {"depth_interval": None, "mirror_interval": None},
    "daemon": {"drain_timeout": None},
}


class Sink:
    """One of the C sinks; the address is where a Daemon's settings look for it."""

    token = "bench-token"

    def __init__(self, program, folder, scheme, path="", options=()):
        self.times = pathlib.Path(folder, "times")    # written by sqs_sink
        self._counters = pathlib.Path(folder, pathlib.Path(program).name + ".counters")
        log = pathlib.Path(folder, pathlib.Path(program).name + ".log")
        log.write_text("")
        self.process = process.start([str(program), str(self._counters), *options], log)
        port = process.wait_until(lambda: log.read_text().strip(), f"{program} does not listen", 10)
        self.url = f"{scheme}://127.0.0.1:{port}{path}"

    def counters(self):
        """(effects, connections, bytes, requests by kind ...)"""
        return struct.unpack("11Q", self._counters.read_bytes())

    def requests(self):
        """{kind: how many}, of sqs_sink."""
        return dict(zip(REQUEST_KINDS, self.counters()[3:]))

    def close(self):
        process.end(self.process)


def sign_up(i):
    """(users row, signup_outbox row) of the i-th member."""
    user, email, korean = f"u-{i}", f"member{i}@bench.example", i % 2 == 0
    name, locale = (f"김회원{i}", "ko-KR") if korean else (f"Member {i}", "en-US")
    event = str(uuid.uuid4())
    return (user, email, name, locale), (event, json.dumps(
        {"eventId": event, "type": "user-signup", "userId": user, "email": email, "name": name, "locale": locale,
         "signedUpAt": "2026-01-02T03:04:05Z"}, ensure_ascii=False))


def store(connection, first, beyond):
    """Sign-ups as an application stores them: one transaction holds users and their events."""
    with connection.cursor() as cursor:
        users, events = zip(*(sign_up(i) for i in range(first, beyond)))
        cursor.executemany("INSERT INTO users (user_id, email, name, locale) VALUES (%s, %s, %s, %s)", users)
        cursor.executemany("INSERT INTO signup_outbox (event_id, payload) VALUES (%s, %s)", events)
        connection.commit()


def preload(db, count):
    connection = db.connect()
    connection.autocommit(False)
    for first in range(0, count, ROWS_A_STATEMENT):
        store(connection, first, min(first + ROWS_A_STATEMENT, count))
    connection.close()


def print_requests(before, after, deliveries):
    spent = {kind: after[kind] - before.get(kind, 0) for kind in REQUEST_KINDS}
    each = ", ".join(f"{kind} {n / deliveries:.3f}" for kind, n in spent.items() if n)
    print(f"requests per delivery: {sum(spent.values()) / deliveries:.3f} ({each})")


def measure(db, daemon, mail, coupon, count, queues=None):
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
    if queues:
        print_requests({}, queues.requests(), deliveries)


def trickle(db, daemon, mail, coupon, queues):
    """Sign-ups one by one at TRICKLE_RATE a second."""
    count = TRICKLE_RATE * TRICKLE_S
    daemon.start()
    connection = db.connect()
    connection.autocommit(False)
    began, cpu, before = time.monotonic(), process.cpu_seconds(daemon.pid), queues.requests()
    for i in range(count):
        process.wait_until(lambda: time.monotonic() >= began + i / TRICKLE_RATE, "time stands still", every_s=0.001)
        store(connection, i, i + 1)
    connection.close()
    process.wait_until(lambda: mail.counters()[0] >= count and coupon.counters()[0] >= count
                       and db.value("SELECT COUNT(*) FROM delivery WHERE state = 'delivered'") >= 2 * count
                       and queues.counters()[0] >= 2 * count, lambda: daemon.log()[-3000:], DEADLINE_S)
    cpu, after = process.cpu_seconds(daemon.pid) - cpu, queues.requests()
    print_requests(before, after, 2 * count)
    print(f"cpu per delivery: {cpu / (2 * count) * 1e6:.1f} us")
    print_times(db, queues)


def print_times(db, queues):
    """Published is when SNS had it, by sqs_sink's clock, which is the database's; stored and delivered are the tables'."""
    published = {event: int(ms) for event, ms in (line.split() for line in queues.times.read_text().splitlines())}
    rows = db.query("SELECT o.event_id, UNIX_TIMESTAMP(CONVERT_TZ(d.delivered_at, '+00:00', @@session.time_zone)) * 1000 delivered, "
                    "TIMESTAMPDIFF(MICROSECOND, o.created_at, d.delivered_at) / 1000 ms FROM delivery d "
                    "JOIN signup_outbox o ON o.event_id = d.event_id")
    for words, times in (("published", [float(row["delivered"]) - published[row["event_id"]] for row in rows]),
                         ("stored", [float(row["ms"]) for row in rows])):
        times.sort()
        print(f"from {words} to delivered: median {times[len(times) // 2]:.0f} ms, 90th percentile "
              f"{times[len(times) * 9 // 10]:.0f} ms, 99th percentile {times[len(times) * 99 // 100]:.0f} ms")


def run(options, act, latency_ms=None, preloaded=0):
    """act(db, daemon, mail, coupon, queues) on servers of its own. latency_ms: of SNS and SQS, with `preloaded` messages in
    each queue; None: the embedded broker."""
    sinks, closing = pathlib.Path(ROOT, options.build, "tests", "bench"), []

    def keep(thing):
        closing.append(thing.close)
        return thing

    with tempfile.TemporaryDirectory(prefix="usher-bench-") as folder:
        try:
            db = keep(MariaDB(durable=not options.fast_disk))
            mail = keep(Sink(sinks / "smtp_sink", folder, "smtp"))
            coupon = keep(Sink(sinks / "http_sink", folder, "http", "/v1/coupons"))
            queues, changes = None, AS_SHIPPED
            if latency_ms is not None:
                queues = keep(Sink(sinks / "sqs_sink", folder, "http", options=(
                    "--latency", str(latency_ms), "--preload", str(preloaded), "--times", f"{folder}/times", *QUEUES.values())))
                changes = aws.merged(AS_SHIPPED, aws.settings(queues.url))
            db.fresh()
            daemon = keep(Daemon(options.build, db, mail, coupon, changes, aws.ENVIRONMENT))
            daemon.migrate()
            act(db, daemon, mail, coupon, queues)
        finally:
            for close in reversed(closing):
                close()


def load_and_measure(count):
    def act(db, daemon, mail, coupon, queues):
        preload(db, count)
        print(f"{count} sign-ups are stored, {2 * count} deliveries to make", flush=True)
        measure(db, daemon, mail, coupon, count, queues)
    return act


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--broker", choices=("embedded", "aws"), default="embedded")
    parser.add_argument("--signups", type=int, default=SIGNUPS)
    parser.add_argument("--fast-disk", action="store_true", help="do not sync the server's log at each commit")
    options = parser.parse_args()
    process.interrupt_on_signals()
    if options.broker == "embedded":
        run(options, load_and_measure(options.signups))
        return
    for latency_ms in LATENCIES_MS:
        print(f"from full queues, SNS and SQS answer after {latency_ms} ms:", flush=True)
        run(options, lambda *all_of_it: measure(*all_of_it[:4], options.signups, all_of_it[4]), latency_ms, options.signups)
    for latency_ms in LATENCIES_MS:
        print(f"from the outbox, SNS and SQS answer after {latency_ms} ms:", flush=True)
        run(options, load_and_measure(options.signups), latency_ms)
    for latency_ms in LATENCIES_MS:
        print(f"a trickle of {TRICKLE_RATE} sign-ups a second for {TRICKLE_S} s, answers after {latency_ms} ms:", flush=True)
        run(options, trickle, latency_ms)


if __name__ == "__main__":
    main()
