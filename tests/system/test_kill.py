"""Sudden death under load, of usherd, of mariadbd, of the mail and the coupon service; then the proof of
support/proof.py. The seed of every run is printed and can be given again: USHER_SEED=N make system T=kill."""

import os
import random
import time

import pymysql
import pytest
from support import load
from support.load import wait_settled
from support.process import wait_until
from support.proof import Interruptions, check_all

KILLS = 32
IN_FLIGHT = 60
BATCH = 40          # sign-ups stored at a time, so that there is always work

CHANGES = {
    "log": {"level": "info"},
    "channel.email": {"in_flight": str(IN_FLIGHT), "visibility_timeout": "2s"},
    "channel.coupon": {"in_flight": str(IN_FLIGHT), "visibility_timeout": "2s"},
    "retry": {"max_attempts": "60", "base": "50ms", "factor": "1.5", "max_delay": "400ms"},
    "breaker": {"failures": "10", "cooldown": "100ms", "probes": "2"},
    "email": {"connections": "20", "timeout": "2s"},
    "coupon": {"timeout": "2s"},
    "database": {"connect_timeout": "1s", "read_timeout": "5s"},
}


@pytest.fixture
def chance():
    seed = int(os.environ.get("USHER_SEED", time.time_ns() % 1_000_000))
    print(f"USHER_SEED={seed}")
    return random.Random(seed)


class Crowd:
    """Members who keep signing up."""

    def __init__(self, db):
        self._db, self.people = db, []

    def more(self, count=BATCH):
        new = [load.Member(f"k{len(self.people) + i}", korean=i % 2 == 0) for i in range(count)]
        load.store(self._db, new)
        self.people += new


def feed_until(crowd, db, ends):
    """Keeps at least a batch of work in front of the daemon until the moment `ends`."""
    while time.monotonic() < ends:
        if db.value("SELECT COUNT(*) FROM broker_message WHERE visible_at <= UTC_TIMESTAMP(3)") < 2 * BATCH:
            crowd.more()
        time.sleep(min(0.01, max(0.0, ends - time.monotonic())))


def test_usherd_killed_again_and_again(daemon, smtp, coupon, mariadb, chance):
    usherd = daemon(CHANGES)
    load.wait_for_queues(mariadb)
    crowd, cut = Crowd(mariadb), Interruptions(mariadb)
    crowd.more(200)
    busy = 0
    for _ in range(KILLS):
        seen = len(smtp.mails) + len(coupon.grants)
        feed_until(crowd, mariadb, time.monotonic() + chance.uniform(0.02, 0.7))
        began = time.time()
        usherd.kill()
        busy += len(smtp.mails) + len(coupon.grants) > seen
        wait_until(lambda: not smtp.open_connections and not coupon.open_connections, "connections of the dead stay open")
        cut.note(began, time.time())
        usherd.start(wait=False)
    wait_settled(mariadb, 90)
    extra = check_all(mariadb, crowd.people, smtp, coupon, cut, IN_FLIGHT)
    print(f"{KILLS} kills, {busy} while at work; {len(crowd.people)} sign-ups, each one coupon and its mail; {extra} extra mails, "
          f"all in flight at a kill; {coupon.repeats} coupon requests answered by their key")
    assert busy > KILLS // 2, f"only {busy} of {KILLS} kills met a daemon at work"


def test_kill_one_of_two_daemons(daemon, smtp, coupon, mariadb, chance):
    """Two daemons share the queues; one dies, the other finishes."""
    first, second = daemon(CHANGES), daemon(CHANGES)
    load.wait_for_queues(mariadb)
    crowd, cut = Crowd(mariadb), Interruptions(mariadb)
    crowd.more(300)
    wait_until(lambda: len(smtp.mails) > 50, "no load")
    feed_until(crowd, mariadb, time.monotonic() + chance.uniform(0.1, 0.5))
    began = time.time()
    first.kill()
    cut.note(began, time.time() + 0.5)
    wait_settled(mariadb, 60)
    check_all(mariadb, crowd.people, smtp, coupon, cut, IN_FLIGHT)
    assert second.stop() == 0


def test_mariadbd_killed_under_load(daemon, smtp, coupon, mariadb, chance):
    usherd = daemon(CHANGES)
    load.wait_for_queues(mariadb)
    crowd, cut = Crowd(mariadb), Interruptions(mariadb)
    crowd.more(200)
    for _ in range(4):
        seen = len(smtp.mails)
        crowd.more(100)
        wait_until(lambda: len(smtp.mails) > seen + 20, "no load", 30)
        feed_until(crowd, mariadb, time.monotonic() + chance.uniform(0.05, 0.4))
        began = time.time()
        mariadb.kill()
        with pytest.raises(pymysql.err.OperationalError):
            mariadb.connect()
        quiet = time.monotonic() + chance.uniform(0.1, 1.5)
        wait_until(lambda: time.monotonic() > quiet, "time stands still")
        assert usherd.running, usherd.log()[-3000:]
        mariadb.start()
        cut.note(began, time.time())
    wait_settled(mariadb, 90)
    extra = check_all(mariadb, crowd.people, smtp, coupon, cut, IN_FLIGHT)
    print(f"{len(crowd.people)} sign-ups; {extra} extra mails, all in flight when mariadbd died")


def test_mail_and_coupon_service_cut_off_under_load(daemon, smtp, coupon, mariadb, chance):
    daemon(CHANGES)
    load.wait_for_queues(mariadb)
    crowd, cut = Crowd(mariadb), Interruptions(mariadb)
    crowd.more(200)
    for turn in range(6):
        services = [(smtp,), (coupon,), (smtp, coupon)][turn % 3]
        seen = len(smtp.mails), len(coupon.grants)
        crowd.more(100)
        wait_until(lambda: len(smtp.mails) > seen[0] + 10 and len(coupon.grants) > seen[1] + 10, "no load", 30)
        began = time.time()
        for service in services:
            service.outage()
        feed_until(crowd, mariadb, time.monotonic() + chance.uniform(0.1, 1.0))
        for service in services:
            service.recover()
        cut.note(began, time.time())
    wait_settled(mariadb, 90)
    extra = check_all(mariadb, crowd.people, smtp, coupon, cut, IN_FLIGHT)
    print(f"{len(crowd.people)} sign-ups; {extra} extra mails, all in flight when the mail service was cut off")
