"""What usher stands on falls, and comes back, with no operator about: the database, the broker, the clock. Times are scaled:
a few seconds stand for minutes. Each scenario ends in the proof of support/proof.py. A full disk has a file of its own;
outages of the mail and the coupon service are in test_outages.py, sudden deaths in test_kill.py, the leader's in
test_fleet.py."""

import time

import pytest
from support import fault_proxy as fault, load
from support.clock import Clock
from support.load import wait_settled
from support.mariadb import MariaDB
from support.process import wait_until
from support.proof import Interruptions, check_all, check_coupons, check_rest

IN_FLIGHT = 20
AWAY_S = 3
CHANGES = {
    "log": {"level": "info"},
    "database": {"connect_timeout": "1s", "read_timeout": "1s"},
    "channel.email": {"in_flight": str(IN_FLIGHT), "visibility_timeout": "2s"},
    "channel.coupon": {"in_flight": str(IN_FLIGHT), "visibility_timeout": "2s"},
    "email": {"connections": "10", "timeout": "2s"},
}


def wait_load(smtp, coupon, mails=10):
    seen = len(smtp.mails), len(coupon.grants)
    wait_until(lambda: len(smtp.mails) > seen[0] + mails and len(coupon.grants) > seen[1] + mails, "no load")


def wait_peer(usherd, name, up):
    wait_until(lambda: usherd.api.status()[name]["up"] is up, lambda: usherd.api.status()[name])


def wait_away():
    """The outage goes on."""
    ends = time.monotonic() + AWAY_S
    wait_until(lambda: time.monotonic() > ends, "time stands still")


# -- The database ----------------------------------------------------------------------------------

@pytest.mark.parametrize("how, back", [("stop", "start"), ("freeze", "thaw")], ids=["shut down", "hanging"])
def test_the_database_is_away(daemon, smtp, coupon, mariadb, how, back):
    usherd = daemon(CHANGES)
    people = load.members(300, "db", fault="slow20", coupon_fault="slow20")
    load.store(mariadb, people)
    wait_load(smtp, coupon)
    interruptions, began = Interruptions(mariadb), time.time()
    getattr(mariadb, how)()
    try:
        wait_peer(usherd, "database", False)
        assert usherd.api.get("/actuator/health/liveness").status == 200, "nobody is to restart usher for it"
        wait_away()
        sent = len(smtp.mails)
        assert usherd.running and sent < len(people)
    finally:
        getattr(mariadb, back)()
    interruptions.note(began, time.time())
    wait_peer(usherd, "database", True)
    wait_settled(mariadb)
    check_all(mariadb, people, smtp, coupon, interruptions, IN_FLIGHT)


# -- The broker ------------------------------------------------------------------------------------

def test_the_broker_is_away(aws_daemon, smtp, coupon, mariadb, cloud, road):
    """Sign-ups are taken as ever, what was sent is settled in the ledger, and nothing is sent twice."""
    usherd = aws_daemon(CHANGES)
    people = load.members(150, "b", fault="slow20", coupon_fault="slow20")
    load.store(mariadb, people)
    wait_load(smtp, coupon)
    road.outage()
    more = load.members(50, "more")
    load.store(mariadb, more)
    wait_peer(usherd, "broker", False)
    wait_until(lambda: usherd.api.channel("email")["sending"] == 0, "it keeps what it has sent")
    wait_away()
    assert mariadb.value("SELECT COUNT(*) FROM signup_outbox WHERE published_at IS NULL") >= len(more)
    assert usherd.api.status()["database"]["up"] and load.states(mariadb).get(("email", "retrying"), 0) == 0
    road.recover()
    wait_peer(usherd, "broker", True)
    wait_settled(mariadb, 40, cloud)
    check_all(mariadb, people + more, smtp, coupon, Interruptions(mariadb), 0, cloud)


def test_the_broker_hangs(aws_daemon, smtp, coupon, mariadb, cloud, road):
    """It takes every request and answers none, until it is started anew."""
    usherd = aws_daemon(CHANGES)
    people = load.members(150, "h", fault="slow20", coupon_fault="slow20")
    load.store(mariadb, people)
    wait_load(smtp, coupon)
    hanging = road.plan(fault.slow(3600))
    more = load.members(50, "more")
    load.store(mariadb, more)
    wait_until(lambda: hanging.met > 2 and usherd.api.channel("email")["sending"] == 0, "nothing hangs")
    wait_away()
    assert usherd.api.get("/actuator/health/liveness").status == 200
    road.lift()
    road.outage()
    road.recover()
    wait_settled(mariadb, 40, cloud)
    check_all(mariadb, people + more, smtp, coupon, Interruptions(mariadb), 0, cloud)


# -- The clock -------------------------------------------------------------------------------------

@pytest.mark.parametrize("jump_s", [3600, -3600], ids=["an hour forward", "an hour back"])
def test_the_clock_of_a_daemon_jumps(daemon, smtp, coupon, mariadb, jump_s):
    """What is due is due by the database's clock, what is timed is timed by the monotonic one: nothing waits an hour, no
    pause is cut short, nothing is sent twice, and the figures are of now."""
    clock = Clock()
    usherd = daemon(CHANGES, environment=clock.environment)
    people = load.members(100, "c", fault="slow20") + load.members(20, "r", fault="down1", coupon_fault="down1")
    load.store(mariadb, people)
    wait_load(smtp, coupon)
    before = usherd.api.status()["at"]
    clock.jump(jump_s)
    more = load.members(60, "more") + load.members(20, "rr", fault="down1", coupon_fault="down1")
    load.store(mariadb, more)
    wait_settled(mariadb, 20)
    check_all(mariadb, people + more, smtp, coupon, Interruptions(mariadb), 0)
    assert (usherd.api.status()["at"] > before) is (jump_s > 0), "the clock did not jump"
    wait_until(lambda: all(channel["visible"] == {"exactness": "exact", "value": 0} for channel in usherd.api.status()["channels"]),
               lambda: str(usherd.api.status()["channels"]), 5)
    assert usherd.stop() == 0


@pytest.fixture
def server_clock():
    return Clock()


class TestTheDatabasesClock:
    """Leases and due times are of this clock. Forward: leases run out early, and the daemon at work takes up its own again.
    Back: what is due waits as long as the clock was set back, and is not lost."""

    @pytest.fixture
    def mariadb(self, server_clock):
        server = MariaDB(environment=server_clock.environment)
        try:
            server.fresh()
            yield server
        finally:
            server.close()

    @pytest.mark.parametrize("jump_s", [3600, -3], ids=["an hour forward", "three seconds back"])
    def test_jumps(self, daemon, smtp, coupon, mariadb, server_clock, jump_s):
        daemon(CHANGES)
        people = load.members(200, "c", fault="slow50") + load.members(20, "r", fault="down1", coupon_fault="down1")
        load.store(mariadb, people)
        wait_load(smtp, coupon)
        server_clock.jump(jump_s)
        more = load.members(60, "more")
        load.store(mariadb, more)
        wait_settled(mariadb, 30)
        check_rest(mariadb, people + more)
        check_coupons(people + more, coupon)
        assert smtp.copies() == {m.email: 1 for m in people + more}


# -- What the outage has killed ----------------------------------------------------------------------

def test_a_coupon_service_that_was_away_long_enough_to_kill(daemon, smtp, coupon, mariadb):
    """The breaker spares most; what died before it opened is redriven by usher once a probe finds the service well. No
    operator, and no new sign-up, has a part in it."""
    usherd = daemon({**CHANGES, "retry": {"max_attempts": "1"},
                     "breaker": {"failures": "5", "window": "10s", "cooldown": "300ms", "probes": "2"},
                     "watch": {"depth_interval": "100ms", "mirror_interval": "200ms", "probe_interval": "200ms"},
                     "coupon": {"timeout": "1s", "health_url": coupon.health_url},
                     "channel.coupon": {**CHANGES["channel.coupon"], "auto_redrive": "yes"}})
    people = load.members(200, "k", coupon_fault="slow20")
    load.store(mariadb, people)
    wait_load(smtp, coupon)
    coupon.outage()
    dead = "SELECT COUNT(*) FROM failed_notification WHERE status = 'dead' AND channel = 'coupon'"
    wait_until(lambda: mariadb.value(dead) >= 5, "nothing dies")
    wait_until(lambda: usherd.api.channel("coupon")["breaker"]["state"] != "closed", "the breaker stays closed")
    wait_away()
    killed = mariadb.value(dead)
    assert killed <= 2 * IN_FLIGHT and not usherd.api.get("/v1/redrives").json["items"], "usher redrives into an outage"
    coupon.recover()
    wait_until(lambda: mariadb.value("SELECT COUNT(*) FROM failed_notification WHERE status = 'delivered'") >= killed,
               lambda: load.states(mariadb), 40)
    wait_settled(mariadb)
    wait_until(lambda: not mariadb.value("SELECT COUNT(*) FROM broker_message"), "copies stay in a dead-letter queue")
    check_all(mariadb, people, smtp, coupon, Interruptions(mariadb), 0, died=True)
    jobs = usherd.api.get("/v1/redrives").json["items"]
    assert jobs and all(job["created_by"] == "usher" for job in jobs), jobs
