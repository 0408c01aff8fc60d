"""An outside service falls, and comes back, with no operator about: nothing is lost, nothing dies, nothing is sent
twice, and no attempt is burned while the service is known to be down. Times are scaled: a cooldown of 0.3 s stands for
30 s. Each scenario ends in the proof of support/proof.py."""

import time
from contextlib import contextmanager

import pytest
from support import load, planted
from support.load import attempts, wait_settled, wait_state
from support.process import wait_until
from support.proof import Interruptions, check_all, check_coupons, check_rest
from support.smtp import MailService, make_certificate

IN_FLIGHT = 20
CHANGES = {
    "breaker": {"failures": "5", "share": "0.5", "window": "10s", "cooldown": "300ms", "probes": "2"},
    "watch": {"depth_interval": "100ms", "mirror_interval": "200ms", "probe_interval": "200ms"},
    "channel.email": {"in_flight": str(IN_FLIGHT), "visibility_timeout": "5s"},
    "channel.coupon": {"in_flight": str(IN_FLIGHT), "visibility_timeout": "5s"},
    "email": {"connections": "10", "timeout": "2s"},
    "coupon": {"timeout": "1s"},
}


def changes(**more):
    """CHANGES with sections laid over: changes(breaker={...})."""
    made = {section: dict(keys) for section, keys in CHANGES.items()}
    for section, keys in more.items():
        made.setdefault(section.replace("_", "."), {}).update(keys)
    return made


def breaker(usherd, channel):
    return usherd.api.channel(channel)["breaker"]


def wait_breaker(usherd, channel, state, deadline_s=20):
    wait_until(lambda: breaker(usherd, channel)["state"] == state, lambda: breaker(usherd, channel), deadline_s)


def burned(db, channel):
    return int(db.value("SELECT COALESCE(SUM(attempts), 0) FROM delivery WHERE channel = %s AND state != 'delivered'", channel))


def at_rest(usherd, channel):
    return usherd.api.channel(channel)["holding"] == 0


@contextmanager
def interrupted(interruptions):
    began = time.time()
    yield
    interruptions.note(began, time.time())


def wait_probes(usherd, channel, count):
    """So many probes have ended."""
    seen = set()
    wait_until(lambda: seen.add(usherd.api.channel(channel)["probe"]["at"]) or len(seen) > count, "no probes")


def hold_for(seconds, check):
    """The outage goes on for so long; `check` is to hold all the while."""
    ends = time.monotonic() + seconds
    wait_until(lambda: check() or time.monotonic() > ends, "never", seconds + 5)


# -- Mail ------------------------------------------------------------------------------------------

def test_the_mail_service_goes_down_and_comes_back(daemon, smtp, coupon, mariadb):
    usherd = daemon(changes())
    interruptions = Interruptions(mariadb)
    people = load.members(60, "a", fault="slow20")
    load.store(mariadb, people)
    wait_until(lambda: len(smtp.mails) > 10, "no mail at all")
    with interrupted(interruptions):
        smtp.outage()
        more = load.members(100, "b")
        load.store(mariadb, more)
        wait_breaker(usherd, "email", "open")
        wait_until(lambda: coupon.granted().keys() >= {m.user_id for m in people + more}, "the coupons wait for the mails")
        wait_until(lambda: at_rest(usherd, "email"), "it keeps what it cannot send")
        cost = burned(mariadb, "email")
        assert cost <= 5 + IN_FLIGHT

        def spared():
            assert burned(mariadb, "email") == cost, "an attempt was burned on a service that is known to be down"
            assert load.states(mariadb).get(("email", "dead"), 0) == 0
        hold_for(6, spared)    # twenty cooldowns
        assert breaker(usherd, "email")["cause"].startswith(("service_down: SMTP no connection", "ambiguous: SMTP"))
        assert usherd.api.channel("email")["probe"]["ok"] is False
        smtp.recover()
    wait_settled(mariadb)
    check_all(mariadb, people + more, smtp, coupon, interruptions, IN_FLIGHT)
    assert breaker(usherd, "email")["state"] == "closed" and breaker(usherd, "email")["cause"] is None


def test_while_it_is_down_nothing_is_received(daemon, smtp, mariadb):
    usherd = daemon(changes(breaker={"cooldown": "1h"}))
    smtp.outage()
    wait_breaker(usherd, "email", "open")    # probes see it, before there is a message
    people = load.members(30, "w")
    load.store(mariadb, people)
    wait_until(lambda: usherd.api.channel("email")["breaker"]["waiting"]["value"] == 30, "the queue does not fill")
    wait_probes(usherd, "email", 5)
    channel = usherd.api.channel("email")
    assert channel["totals"]["received"] == 0 and channel["holding"] == 0
    assert load.states(mariadb).keys() <= {("coupon", "delivered"), ("coupon", "claimed")}
    smtp.recover()
    wait_settled(mariadb)
    assert smtp.copies() == {m.email: 1 for m in people}


def test_recovery_is_seen_by_a_probe_and_no_message_is_spent(daemon, smtp, coupon, mariadb):
    usherd = daemon(changes(breaker={"cooldown": "1h"}))
    interruptions = Interruptions(mariadb)
    smtp.refusal = "421 4.3.2 Closing for maintenance"
    people = load.members(40, "p")
    with interrupted(interruptions):
        smtp.outage()
        load.store(mariadb, people)
        wait_breaker(usherd, "email", "open")
        refused = len(smtp.refusals)
        smtp.refusal = None
        noops = smtp.noops
        smtp.recover()
    wait_settled(mariadb)
    assert smtp.noops > noops and len(smtp.refusals) == refused
    check_all(mariadb, people, smtp, coupon, interruptions, IN_FLIGHT)


def test_a_service_that_flaps(daemon, smtp, coupon, mariadb):
    usherd = daemon(changes(retry={"max_attempts": "12"}))
    interruptions = Interruptions(mariadb)
    people = []
    for turn in range(8):
        new = load.members(30, f"f{turn}.", fault="slow20")
        people += new
        load.store(mariadb, new)
        with interrupted(interruptions):
            wait_until(lambda: len(smtp.mails) > 20 * turn, "no progress between two outages")
            smtp.outage()
            wait_breaker(usherd, "email", "open")
            smtp.recover()
        wait_until(lambda: breaker(usherd, "email")["state"] == "closed", lambda: breaker(usherd, "email"))
    wait_settled(mariadb)
    check_all(mariadb, people, smtp, coupon, interruptions, IN_FLIGHT)


def test_a_probe_that_is_well_while_every_mail_fails(daemon, smtp, coupon, mariadb):
    """The probe closes the breaker once; then it is not believed, and the pauses grow."""
    usherd = daemon(changes(breaker={"cooldown": "2s"}))
    smtp.refusal = "451 4.3.0 Mail system is full"
    people = load.members(60, "t")
    load.store(mariadb, people)
    wait_until(lambda: usherd.log().count("breaker open") >= 2, "it was not closed and opened again")
    wait_until(lambda: at_rest(usherd, "email"), "it keeps what it cannot send")
    noops, refused = smtp.noops, len(smtp.refusals)
    wait_until(lambda: smtp.noops >= noops + 4, "no more probes")
    assert breaker(usherd, "email")["state"] == "open" and usherd.api.channel("email")["probe"]["ok"] is True
    assert len(smtp.refusals) == refused, "a probe's word has cost mails"
    smtp.refusal = None
    wait_settled(mariadb)
    check_all(mariadb, people, smtp, coupon, Interruptions(mariadb), 0)


def test_a_sending_limit_announced_by_the_service(daemon, smtp, coupon, mariadb):
    usherd = daemon(changes())
    smtp.limit_per_s = 5
    people = load.members(80, "l")
    load.store(mariadb, people)
    limit = wait_until(lambda: (usherd.api.channel("email")["limit"]["by"] == "service") and usherd.api.channel("email")["limit"],
                       "it does not slow down")
    assert "451 4.7.1" in limit["words"] and limit["since"]
    assert "by the service" in usherd.usher("status").out
    wait_settled(mariadb, 120)
    check_all(mariadb, people, smtp, coupon, Interruptions(mariadb), 0)
    tries = [len(attempts(mariadb, m.event_id, "email")) for m in people]
    assert max(tries) <= 10 and sum(tries) <= 3 * len(people), sorted(tries)
    assert usherd.api.channel("email")["totals"]["dead"] == 0


def test_a_wrong_login_is_seen_before_it_costs_a_mail(daemon, mariadb, tmp_path):
    certificate = make_certificate(tmp_path)
    service = MailService(tls="starttls", certificate=certificate, login=("usher", planted.MAIL))
    try:
        usherd = daemon(changes(email={"tls": "starttls", "ca_file": certificate[0], "user": "usher", "password": planted.secret("wrong")}),
                        mail=service)
        wait_breaker(usherd, "email", "open")
        assert breaker(usherd, "email")["cause"].startswith("misconfigured: SMTP login refused 535")
        member = load.Member("x")
        load.store(mariadb, [member])
        wait_state(mariadb, member.event_id, "coupon", "delivered")
        assert planted.secret("wrong") not in usherd.log()
        usherd.stop()
        usherd.configure({"email": {"password": planted.MAIL}})
        usherd.start()
        wait_state(mariadb, member.event_id, "email", "delivered")
        assert load.states(mariadb) == {("email", "delivered"): 1, ("coupon", "delivered"): 1}
    finally:
        service.close()


# -- Coupon ----------------------------------------------------------------------------------------

def test_a_coupon_service_that_answers_well_but_slowly(daemon, coupon, smtp, mariadb):
    """Slow is not down: no failure, no second try, and the mails are not held up."""
    usherd = daemon(changes(coupon={"timeout": "5s", "health_url": coupon.health_url}))
    coupon.latency_s = 1
    people = load.members(40, "s")
    load.store(mariadb, people)
    wait_until(lambda: len(smtp.mails) == 40, "the mails wait for the coupons")
    assert len(coupon.grants) < 40 or usherd.api.channel("coupon")["sending"] > 0
    wait_settled(mariadb)
    check_all(mariadb, people, smtp, coupon, Interruptions(mariadb), 0)
    assert usherd.api.channel("coupon")["totals"]["failed"] == 0 and coupon.repeats == 0


def test_a_coupon_service_that_answers_too_late(daemon, coupon, smtp, mariadb):
    """Beyond the timeout nobody knows what came of it: it opens the breaker, and no coupon is granted twice."""
    usherd = daemon(changes(coupon={"health_url": coupon.health_url}))
    coupon.latency_s = 2
    people = load.members(60, "s")
    load.store(mariadb, people)
    wait_breaker(usherd, "coupon", "open")
    assert breaker(usherd, "coupon")["cause"].startswith("ambiguous: HTTP no answer in time")
    wait_until(lambda: at_rest(usherd, "coupon"), "it keeps what it cannot send")
    cost = burned(mariadb, "coupon")

    def spared():
        assert burned(mariadb, "coupon") == cost
    hold_for(4, spared)
    coupon.latency_s = 0
    wait_settled(mariadb)
    check_rest(mariadb, people)
    check_coupons(people, coupon)
    assert breaker(usherd, "coupon")["state"] == "closed"


def test_a_coupon_service_that_says_too_many_requests(daemon, coupon, smtp, mariadb):
    usherd = daemon(changes())
    people = load.members(10, "q", coupon_fault="limit1")
    load.store(mariadb, people)
    wait_settled(mariadb)
    check_all(mariadb, people, smtp, coupon, Interruptions(mariadb), 0)
    assert usherd.api.channel("coupon")["limit"]["by"] in ("none", "service")


@pytest.mark.parametrize("said, known", [({"status": "UP", "inStock": False}, False), ({"inStock": True}, True),
                                         ({"status": "UP"}, None)])
def test_the_health_url_tells_of_the_stock(daemon, coupon, said, known):
    coupon.health = (200, said)
    usherd = daemon(changes(coupon={"health_url": coupon.health_url}))
    wait_until(lambda: usherd.api.channel("coupon")["probe"]["ok"], "no probe")
    probe = usherd.api.channel("coupon")["probe"]
    assert probe["in_stock"] is known and probe["error"] is None and probe["at"] and probe["next_at"]


def test_a_health_url_that_says_no_stops_the_channel_until_it_says_yes(daemon, coupon, smtp, mariadb):
    coupon.health = (503, {"status": "DOWN"})
    usherd = daemon(changes(breaker={"cooldown": "1h"}, coupon={"health_url": coupon.health_url}))
    wait_breaker(usherd, "coupon", "open")
    probe = usherd.api.channel("coupon")["probe"]
    assert probe["ok"] is False and probe["error"].startswith("service_down: HTTP 503")
    people = load.members(5, "h")
    load.store(mariadb, people)
    wait_until(lambda: len(smtp.mails) == 5, "no mails")
    assert not coupon.requests
    coupon.health = (200, {"status": "UP"})
    wait_settled(mariadb)
    check_all(mariadb, people, smtp, coupon, Interruptions(mariadb), 0)
