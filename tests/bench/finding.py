"""make bench-finding: how long does an operator wait in a table of 2,000,000 failed rows, with 100,000 messages in the DLQs?

A private mariadbd (a buffer pool of 2 GiB, as a server for this size would have) is filled; usherd runs on it with mail and
coupon sinks, its mirror goes through the DLQs, and sign-ups come in at a steady rate all the while. Each question is asked
of the admin socket over a connection of its own, as the command line does, and timed from the first byte to the last."""

import argparse
import itertools
import pathlib
import statistics
import sys
import tempfile
import threading
import time

import run                                   # of this folder: it makes the next ones known

from support.daemon import ROOT, Daemon
from support.load import QUEUES
from support.mariadb import MariaDB
from support.process import wait_until

ROWS, IN_DLQ = 2_000_000, 100_000
CHUNK = 100_000
BUFFER_POOL_BYTES = 2 * 1024 ** 3
SIGNUPS_A_SECOND = 100
LIMIT_MS = 200
DEADLINE_S = 900

# The newest rows are dead, one in two, and stand in the DLQ; of those before most were delivered in the end. Six in seven
# died for mail, of a dozen causes in ten classes.
FIRST_DEAD = ROWS - 2 * IN_DLQ
STATUS = f"IF(seq > {FIRST_DEAD}, IF(seq % 2, 'dead', 'delivered'), ELT(1 + seq * 7 % 10, 'cancelled', 'cancelled', 'delivered', " \
         "'delivered', 'delivered', 'delivered', 'delivered', 'delivered', 'delivered', 'delivered'))"
CHANNEL = "IF(seq % 7, 'email', 'coupon')"
CLASS = "IF(seq % 7, ELT(1 + seq * 31 % 13, 'service_down', 'service_down', 'service_down', 'service_down', 'service_down', " \
        "'service_down', 'timeout', 'timeout', 'ambiguous', 'invalid_address', 'invalid_address', 'rejected', 'worker_lost'), " \
        "ELT(1 + seq % 3, 'service_down', 'out_of_stock', 'timeout'))"
REASON = "ELT(1 + seq % 3, CONCAT('SMTP 450 4.3.2 at connect: try again in ', seq % 600, ' seconds'), " \
         "CONCAT('SMTP 550 5.1.1 at RCPT: <member', seq, '@bench.example> no such user'), " \
         "CONCAT('HTTP 503: request ', HEX(seq * 2654435761), ' was not served'))"
DIED = "UTC_TIMESTAMP(3) - INTERVAL ({rows} - seq) * 60000 MICROSECOND".format(rows=ROWS)
EVENT = "CONCAT(LPAD(HEX(seq * 2654435761 % 4294967296), 8, '0'), '-', seq)"
BODY = f"CONCAT('{{\"eventId\":\"', {EVENT}, '\",\"type\":\"user-signup\",\"userId\":\"u-', seq, '\",\"email\":\"member', seq, " \
       "'@bench.example\",\"name\":\"김민지\",\"locale\":\"ko-KR\",\"signedUpAt\":\"2026-01-02T03:04:05Z\"}')"


def fill(db):
    """Rows in the order in which they died, in chunks, as a server takes them fastest."""
    connection = db.connect()
    with connection.cursor() as cursor:
        cursor.execute("SET unique_checks = 0, foreign_key_checks = 0")
        for first in range(1, ROWS, CHUNK):
            numbers = f"seq_{first}_to_{first + CHUNK - 1}"
            cursor.execute(f"INSERT INTO delivery (id, event_id, channel, state, user_id, recipient, attempts, last_class) SELECT seq, "
                           f"{EVENT}, {CHANNEL}, {STATUS}, CONCAT('u-', seq), CONCAT('member', seq, '@bench.example'), 3, "
                           f"{CLASS} FROM {numbers}")
            cursor.execute(
                "INSERT INTO failed_notification (id, delivery_id, event_id, channel, status, class, reason, attempts, redrives, "
                "user_id, recipient, name, payload, attributes, source_queue, message_id, dlq_message_id, first_at, dead_at, "
                f"updated_at, settled_by) SELECT seq, seq, {EVENT}, {CHANNEL}, {STATUS}, {CLASS}, {REASON}, 1 + seq % 3, seq % 4, "
                f"CONCAT('u-', seq), CONCAT('member', seq, '@bench.example'), '김민지', {BODY}, '{{}}', "
                f"CONCAT('signup-welcome-', {CHANNEL}), UUID(), IF(seq > {FIRST_DEAD} AND seq % 2, CONCAT('00000000-0000-4000-8000-', "
                f"LPAD(seq, 12, '0')), NULL), {DIED}, {DIED}, {DIED}, IF(seq % 5, NULL, ELT(1 + seq % 3, 'kim', 'lee', 'park')) "
                f"FROM {numbers}")
            print(f"\r{first + CHUNK - 1} rows", end="", flush=True)
        cursor.execute(
            "INSERT INTO broker_message (queue_id, message_id, body, attributes, sent_at, visible_at) SELECT q.id, "
            f"CONCAT('00000000-0000-4000-8000-', LPAD(seq, 12, '0')), {BODY}, JSON_OBJECT('usher.event_id', {EVENT}, "
            f"'usher.class', {CLASS}), {DIED}, {DIED} FROM seq_{FIRST_DEAD + 1}_to_{ROWS} s JOIN broker_queue q ON q.name = "
            f"CONCAT('signup-welcome-', {CHANNEL}, '-dlq') WHERE seq % 2")
        cursor.execute("ANALYZE TABLE failed_notification, delivery, broker_message")
    connection.close()
    print("\r", end="")


def sign_up_steadily(db, stop):
    connection = db.connect()
    connection.autocommit(False)
    for i in itertools.count(ROWS * 2):
        if stop.wait(1 / SIGNUPS_A_SECOND):
            break
        run.store(connection, i, i + 1)
    connection.close()


def second_page(api, **query):
    """The page behind a first one."""
    return {**query, "cursor": api.get("/v1/failed", **query).json["next"]}


def questions(api):
    """(what, path, query)"""
    lists = [
        ("first page", {}),
        ("next page", second_page(api)),
        ("filter: status", {"filter": "status:dead"}),
        ("filter: status, channel, class", {"filter": "status:dead channel:email class:timeout"}),
        ("filter: classes, age", {"filter": "class:timeout,ambiguous age>1h age<2d"}),
        ("filter: not a class", {"filter": "-class:malformed -class:service_down"}),
        ("filter: nothing there", {"filter": "channel:email class:out_of_stock"}),
        ("filter: member", {"filter": "user:u-1234567"}),
        ("filter: recipient, any end", {"filter": "to:member12345*"}),
        ("filter: redrives and attempts", {"filter": "redrives>=3 attempts:1 status:dead"}),
        ("filter: reason", {"filter": "reason:\"no such user\""}),
        ("filter: reason, rare", {"filter": "reason:\"no such thing\""}),
        ("filter: by whom", {"filter": "by:kim status:cancelled"}),
        ("search: few", {"q": "member777"}),
        ("search: nearly all", {"q": "member"}),
        ("sort: status", {"sort": "status:desc"}),
        ("sort: class", {"sort": "class"}),
        ("sort: first_at", {"sort": "first_at:asc"}),
        ("sort: attempts", {"sort": "attempts"}),
        ("sort: redrives, filtered", {"sort": "redrives", "filter": "status:dead"}),
        ("sort: recipient", {"sort": "recipient"}),
        ("sort: recipient, filtered", {"sort": "recipient", "filter": "status:dead class:timeout"}),
        ("sort: user_id, next page", second_page(api, sort="user_id:desc")),
    ]
    groups = [
        ("groups", {}),
        ("groups: dead", {"filter": "status:dead"}),
        ("groups: dead for a day", {"filter": "status:dead age<1d"}),
        ("groups: counted one by one", {"filter": "by:kim"}),
    ]
    return [(what, "/v1/failed", query) for what, query in lists] + \
           [(what, "/v1/failed/groups", query) for what, query in groups] + \
           [("dlq: first page", "/v1/dlq/email", {}), ("detail", f"/v1/failed/{ROWS - 1}", {}), ("status", "/v1/status", {})]


def ask(api, path, query, repeats):
    times = []
    for _ in range(repeats):
        began = time.monotonic()
        answer = api.get(path, **query)
        times.append((time.monotonic() - began) * 1000)
        assert answer.status == 200, f"{path} {query}: {answer.text}"
    return times, answer.json


def remark(answer):
    words = []
    if "items" in answer:
        words.append(f"{len(answer['items'])} items")
    if "count" in answer:
        words.append(f"of {'more than ' if answer['count_capped'] else ''}{answer['count']}")
    if answer.get("complete") is False:
        words.append(f"searched {answer['searched']}, goes on")
    return " ".join(words)


def measure(db, daemon, repeats):
    daemon.start()
    wait_until(lambda: all(daemon.api.get(f"/v1/dlq/{channel}").json["mirrored_at"] for channel in QUEUES),
               "the DLQs are not mirrored", DEADLINE_S, every_s=1)
    stop = threading.Event()
    load = threading.Thread(target=sign_up_steadily, args=(db, stop))
    load.start()
    slow, medians = [], []
    print(f"{'question':32} {'median':>9} {'worst':>9}   answer")
    try:
        for what, path, query in questions(daemon.api):
            times, answer = ask(daemon.api, path, query, repeats)
            medians.append(statistics.median(times))
            print(f"{what:32} {medians[-1]:6.1f} ms {max(times):6.1f} ms   {remark(answer)}", flush=True)
            if medians[-1] > LIMIT_MS:
                slow.append(what)
    finally:
        stop.set()
        load.join()
    print(f"median of medians: {statistics.median(medians):.1f} ms; over {LIMIT_MS} ms: {', '.join(slow) or 'none'}")
    return not slow


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    sinks = pathlib.Path(ROOT, options.build, "tests", "bench")
    with tempfile.TemporaryDirectory(prefix="usher-bench-") as folder:
        closing = []
        try:
            db = MariaDB()
            closing.append(db.close)
            db.execute(f"SET GLOBAL innodb_buffer_pool_size = {BUFFER_POOL_BYTES}", database=None)
            mail = run.Sink(sinks / "smtp_sink", folder, "smtp")
            closing.append(mail.close)
            coupon = run.Sink(sinks / "http_sink", folder, "http", "/v1/coupons")
            closing.append(coupon.close)
            db.fresh()
            daemon = Daemon(options.build, db, mail, coupon, run.AS_SHIPPED)
            closing.append(daemon.close)
            daemon.migrate()
            daemon.start()    # makes the queues
            wait_until(lambda: db.value("SELECT COUNT(*) FROM broker_queue") >= 2 * len(QUEUES), "no queues", 20)
            daemon.stop()
            began = time.monotonic()
            fill(db)
            print(f"{ROWS} failed rows, {IN_DLQ} messages in the DLQs; filled in {time.monotonic() - began:.0f} s", flush=True)
            return 0 if measure(db, daemon, options.repeats) else 1
        finally:
            for close in reversed(closing):
                close()


if __name__ == "__main__":
    sys.exit(main())
