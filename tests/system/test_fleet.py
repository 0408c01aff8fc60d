"""Several daemons are one system: what an operator tells one holds for all, one leads, and another follows when it dies
or hangs. Ends in the proof of support/proof.py where work was under way."""

import os
import re
import signal
import time

import pytest
from support import load
from support.load import wait_settled
from support.process import wait_until
from support.proof import Interruptions, check_all, check_coupons, check_mails
from support.rows import problem

IN_FLIGHT = 40
BEAT_S, LEASE_S, LOST_S = 2, 6, 10      # as in src/engine/watch.h and status.h
SLACK_S = 4                             # for a busy machine
CHANGES = {
    "channel.email": {"in_flight": str(IN_FLIGHT), "visibility_timeout": "3s"},
    "channel.coupon": {"in_flight": str(IN_FLIGHT), "visibility_timeout": "3s"},
    "retry": {"max_attempts": "60", "base": "50ms", "factor": "1.5", "max_delay": "400ms"},
}


@pytest.fixture
def fleet(daemon, mariadb):
    """fleet(3, {...}) -> that many daemons that all see each other."""
    def make(count, changes=None):
        made = [daemon(changes or CHANGES, migrate=n == 0) for n in range(count)]
        load.wait_for_queues(mariadb)
        wait_until(lambda: all(len(one.api.status()["fleet"]) == count for one in made), "they do not see each other")
        return made
    return make


def me(usherd):
    """How a daemon sees itself in the fleet."""
    return next((one for one in usherd.api.status()["fleet"] if one["self"]), None)


def leads(usherd):
    one = me(usherd)
    return bool(one and one["leads"])


def split(daemons):
    """(the leader, the others), once all agree on it."""
    def agreed():
        leader = [one for one in daemons if leads(one)]
        pids = {next((m["pid"] for m in one.api.status()["fleet"] if m["leads"]), None) for one in daemons}
        return leader[0] if len(leader) == 1 and pids == {leader[0].pid} else None
    leader = wait_until(agreed, "they do not agree on a leader", LEASE_S + SLACK_S)
    return leader, [one for one in daemons if one is not leader]


def totals(daemons, name, channel="email"):
    return sum(one.api.channel(channel)["totals"][name] for one in daemons)


def all_pause(daemons, channel, on=True):
    wait_until(lambda: all((one.api.channel(channel)["paused"] is not None) == on for one in daemons),
               "a daemon has not heard of it", 5)


def idle(daemons, channel="email"):
    """Nothing is held: what is in the queue stays there."""
    wait_until(lambda: all(one.api.channel(channel)["holding"] == 0 for one in daemons), "messages are held")


def stand_still(daemons, seconds=1.0):
    """Nothing is received on the mail channel for a while."""
    before, ends = totals(daemons, "received"), time.monotonic() + seconds
    while time.monotonic() < ends:
        assert totals(daemons, "received") == before
        time.sleep(0.05)


def metric(usherd, name):
    return float(re.search(rf"^{name} (\S+)$", usherd.api.get("/metrics").text, re.M).group(1))


# -- Pausing ----------------------------------------------------------------------------------------------

def test_a_pause_told_to_one_holds_on_all(fleet, daemon, smtp, coupon, mariadb):
    """Under load, with four; one more that starts meanwhile receives nothing; resumed through another; all once."""
    four = fleet(4)
    people = load.members(400)
    load.store(mariadb, people)
    wait_until(lambda: len(smtp.mails) > 30, "no load")
    assert four[0].usher("pause", "email", "--reason", "점검").code == 0
    all_pause(four, "email")
    idle(four)
    sent = len(smtp.mails)
    late = daemon(CHANGES, migrate=False)
    all_pause([late], "email")
    load.store(mariadb, more := load.members(50, "late"))
    people += more
    wait_until(lambda: not mariadb.value("SELECT COUNT(*) FROM signup_outbox WHERE published_at IS NULL"), "not published")
    stand_still(four + [late])
    assert len(smtp.mails) == sent and late.api.channel("email")["totals"]["received"] == 0
    wait_until(lambda: len(coupon.grants) >= len(people), "coupons go on")
    burned = mariadb.value("SELECT COUNT(*) FROM delivery WHERE channel = 'email' AND state <> 'delivered' AND attempts > 0")
    assert burned == 0
    hidden = sum(m["hidden"] for m in load.queue_messages(mariadb, load.QUEUES["email"]))
    assert hidden == 0, "all that was held is visible again"
    assert sent < len(people), "the pause came too late to show anything"
    assert four[3].usher("resume", "email").code == 0
    wait_settled(mariadb, 60)
    assert check_all(mariadb, people, smtp, coupon, Interruptions(mariadb), IN_FLIGHT) == 0


def test_a_pause_outlives_restarts_and_the_database(daemon, smtp, coupon, mariadb):
    usherd = daemon(CHANGES)
    load.wait_for_queues(mariadb)
    usherd.usher("pause", "email", "--reason", "night")
    usherd.kill()
    people = load.members(20)
    load.store(mariadb, people)
    usherd.start()
    all_pause([usherd], "email")
    wait_until(lambda: len(coupon.grants) == len(people), "coupons go on")
    stand_still([usherd])
    mariadb.kill()
    wait_until(lambda: usherd.api.status()["database"]["up"] is False, "the database is missed")
    assert usherd.api.channel("email")["paused"]["reason"] == "night"
    problem(usherd.api.post("/v1/channels/email/resume"), 503)
    mariadb.start()
    wait_until(lambda: usherd.api.status()["database"]["up"], "the database is back")
    stand_still([usherd])
    assert not smtp.mails
    usherd.usher("resume", "email")
    wait_settled(mariadb, 30)
    check_all(mariadb, people, smtp, coupon, Interruptions(mariadb), IN_FLIGHT)


def test_a_daemon_started_without_a_database_knows_of_the_pause_before_it_receives(daemon, smtp, mariadb):
    usherd = daemon(CHANGES)
    load.wait_for_queues(mariadb)
    usherd.usher("pause", "email", "--reason", "night")
    usherd.kill()
    load.store(mariadb, load.members(10))
    mariadb.kill()
    usherd.start()
    mariadb.start()
    wait_until(lambda: usherd.api.status()["database"]["up"], "the database is back")
    wait_until(lambda: load.states(mariadb).get(("coupon", "delivered")) == 10, "coupons are granted")
    stand_still([usherd])
    assert usherd.api.channel("email")["totals"]["received"] == 0 and not smtp.mails


def test_a_breaker_forced_open_holds_on_all(fleet, smtp, coupon, mariadb):
    two = fleet(2)
    two[0].usher("breaker", "email", "open", "--reason", "drill")
    wait_until(lambda: all(one.api.channel("email")["forced"] for one in two), "a daemon has not heard of it")
    idle(two)
    people = load.members(30)
    load.store(mariadb, people)
    wait_until(lambda: len(coupon.grants) == len(people), "coupons go on")
    stand_still(two)
    assert not smtp.mails
    two[1].usher("breaker", "email", "auto")
    wait_settled(mariadb, 30)
    assert check_all(mariadb, people, smtp, coupon, Interruptions(mariadb), IN_FLIGHT) == 0


def test_acts_of_two_operators_at_once(fleet):
    """One of many wins, the others are told who did it."""
    two = fleet(2)
    answers = [two[n % 2].api.post("/v1/channels/email/pause", reason=f"r{n}").status for n in range(6)]
    assert sorted(answers) == [200] + [409] * 5


# -- Leading ----------------------------------------------------------------------------------------------

def test_the_fleet_is_shown(fleet):
    two = fleet(2)
    leader, (other,) = split(two)
    for one in two:
        shown = one.api.status()["fleet"]
        assert {m["pid"] for m in shown} == {two[0].pid, two[1].pid} and [m["self"] for m in shown].count(True) == 1
        assert all(m["host"] == os.uname().nodename and m["version"] and not m["lost"] and m["silent_s"] < LOST_S for m in shown)
        assert all(set(m) == {"host", "pid", "version", "started_at", "seen_at", "silent_s", "leads", "self", "lost"} for m in shown)
    assert re.search(r"^fleet: 2 daemons: .* leads", other.usher("status").out, re.M)


def test_who_stops_is_followed_at_once(fleet):
    leader, others = split(fleet(3))
    assert leader.stop() == 0
    began = time.monotonic()
    split(others)
    assert time.monotonic() - began < BEAT_S + SLACK_S - 1, "the lease was not given up"
    assert all(len(one.api.status()["fleet"]) == 2 for one in others), "who has left is not missed"


def dead_in_dlq(daemons, mariadb, tag):
    """A member whose mail is dead and stands in the DLQ; returns (member, id of the row)."""
    one = load.Member(tag, fault="unknown")
    load.store(mariadb, [one])
    row = wait_until(lambda: load.failed(mariadb, one.event_id, "email"), "not dead")
    wait_until(lambda: load.failed(mariadb, one.event_id, "email")["dlq_message_id"], "its copy is not seen",
               LEASE_S + BEAT_S + SLACK_S)
    return one, str(row["id"])


def wait_dlq(mariadb, count, deadline_s):
    wait_until(lambda: len(load.queue_messages(mariadb, load.QUEUES["email"] + "-dlq")) == count, "the DLQ is not mirrored",
               deadline_s)


def test_a_leader_killed_under_load_is_followed(fleet, smtp, coupon, mariadb):
    four = fleet(4)
    leader, others = split(four)
    cut = Interruptions(mariadb)
    gone, row = dead_in_dlq(four, mariadb, "gone")
    people = load.members(600)
    load.store(mariadb, people)
    wait_until(lambda: len(smtp.mails) > 50, "no load")
    began = time.time()
    leader.kill()
    cut.note(began, time.time() + 0.5)
    others[0].usher("cancel", row, "--reason", "left")
    split(others)
    assert time.time() - began < LEASE_S + BEAT_S + SLACK_S
    wait_dlq(mariadb, 0, 10)
    assert sum(metric(one, "usher_dlq_deleted_total") for one in others) == 1
    wait_until(lambda: all(any(m["lost"] for m in one.api.status()["fleet"]) for one in others), "the dead is not missed",
               LOST_S + BEAT_S + SLACK_S)
    assert re.search(rf"! +fleet: 4 daemons, leader .*\(pid {leader.pid}\) silent for \d\ds", others[0].usher("status").out)
    mirrored = [one.api.get("/v1/dlq/email").json["mirrored_at"] for one in others]
    assert all(mirrored), "followers tell when the DLQ was gone through, too"
    wait_settled(mariadb, 60)
    check_mails(people, smtp, cut, IN_FLIGHT)
    check_coupons([*people, gone], coupon)
    leader.start()
    wait_until(lambda: [m["lost"] for m in leader.api.status()["fleet"]] == [False] * 4, "it takes its old place", 10)


def test_a_leader_that_hangs_is_followed_and_knows_it(fleet, smtp, coupon, mariadb):
    two = fleet(2)
    leader, (other,) = split(two)
    gone, row = dead_in_dlq(two, mariadb, "gone")
    wait_settled(mariadb)
    os.kill(leader.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        wait_until(lambda: leads(other), "nobody follows", LEASE_S + BEAT_S + SLACK_S)
        assert time.monotonic() - began > 1, "the lease holds for a while"
        other.usher("cancel", row, "--reason", "left")
        wait_dlq(mariadb, 0, 10)
        people = load.members(60)
        load.store(mariadb, people)
        wait_settled(mariadb, 30)
        again, row = dead_in_dlq([other], mariadb, "again")
    finally:
        os.kill(leader.pid, signal.SIGCONT)
    wait_until(lambda: "leads no longer" in leader.log(), "it still believes to lead", BEAT_S + SLACK_S)
    other.usher("cancel", row, "--reason", "left too")
    wait_dlq(mariadb, 0, 10)
    assert metric(leader, "usher_dlq_deleted_total") == 0 and metric(other, "usher_dlq_deleted_total") == 2
    assert split(two)[0] is other
    load.store(mariadb, more := load.members(60, "after"))
    wait_settled(mariadb, 30)
    assert check_mails(people + more, smtp, Interruptions(mariadb), IN_FLIGHT) == 0
    check_coupons([*people, *more, gone, again], coupon)


def test_the_database_gone_for_longer_than_a_lease(fleet, mariadb):
    """Nobody leads while nobody can tell; then one does again."""
    two = fleet(2)
    split(two)
    mariadb.kill()
    ends = time.monotonic() + LEASE_S + 1
    wait_until(lambda: time.monotonic() > ends, "time stands still")
    mariadb.start()
    split(two)
    assert all(one.running for one in two)


def test_a_pause_on_sqs(aws_daemon, smtp, coupon, mariadb, cloud):
    """The long poll that waits at SQS is given up: what comes later stays in the queue."""
    usherd = aws_daemon(CHANGES)
    load.store(mariadb, people := load.members(10))
    wait_settled(mariadb, 30, cloud)
    usherd.usher("pause", "email", "--reason", "점검")
    all_pause([usherd], "email")
    idle([usherd])
    load.store(mariadb, more := load.members(20, "more"))
    wait_until(lambda: len(coupon.grants) == 30 and cloud.standing(load.QUEUES["email"]) == 20, "they stand in the queue", 30)
    stand_still([usherd])
    assert len(smtp.mails) == 10
    usherd.usher("resume", "email")
    wait_settled(mariadb, 60, cloud)
    assert check_all(mariadb, people + more, smtp, coupon, Interruptions(mariadb), IN_FLIGHT, cloud) == 0
