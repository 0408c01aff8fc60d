"""One permission of many is missing, or one key of many is disabled: counting is allowed, the work is not. The status must
not say that all is well, and must say so again soon after it is."""

import re
import time

import pytest
from support import fault_proxy as fault, load
from support.load import Member, QUEUES, failed, wait_settled
from support.process import wait_until
from support.proof import check_coupons, check_rest

CHANGES = {"log": {"level": "info"}, "channel.coupon": {"enabled": "no"}}
QUEUE, DLQ = QUEUES["email"], QUEUES["email"] + "-dlq"
WORDS = "The caller doesn't have the required KMS access"


def refusal():
    return fault.refused(400, "KmsAccessDenied", WORDS)


def broker_health(usherd):
    return usherd.api.get("/actuator/health").json["components"]["broker"]["status"]


def wait_told(usherd, *words):
    """The status says that the broker cannot be used, and why; so do health and metrics."""
    broker = wait_until(lambda: (found := usherd.api.status()["broker"])["since"] and not found["up"] and found, usherd.story)
    assert all(word in broker["error"] for word in (*words, "KmsAccessDenied", WORDS, "see that the KMS key is enabled")), broker
    said = usherd.usher("status", check=None).out
    assert "nothing is wrong" not in said and words[-1] in said, said
    assert broker_health(usherd) == "DOWN"
    return broker


def wait_well(usherd, deadline_s=8):
    wait_until(lambda: (found := usherd.api.status()["broker"])["up"] and not found["error"], usherd.story, deadline_s)
    assert broker_health(usherd) == "UP"


def stays(usherd, broker, road, action, queue, tries):
    """For some tries more it is one outage, told of once."""
    before = road.count(action, queue)
    wait_until(lambda: road.count(action, queue) >= before + tries, usherd.story)
    now = usherd.api.status()["broker"]
    assert now["up"] is False and now["since"] == broker["since"]
    assert usherd.log().count("the broker cannot be used") == 0, usherd.log()


def test_receiving_is_refused(aws_daemon, smtp, mariadb, cloud, road):
    road.plan(refusal(), "ReceiveMessage", queue=QUEUE)
    usherd = aws_daemon(CHANGES)
    load.store(mariadb, [Member("waits")])
    broker = wait_told(usherd, QUEUE, "ReceiveMessage")
    stays(usherd, broker, road, "ReceiveMessage", QUEUE, 3)
    usherd.usher("pause", "email", "--reason", "nothing comes anyway")
    wait_well(usherd)    # nobody asks: it is not known
    usherd.usher("resume", "email")
    wait_told(usherd, QUEUE, "ReceiveMessage")
    road.lift()
    wait_well(usherd)
    wait_until(lambda: smtp.mails, usherd.story)


def test_deleting_is_refused(aws_daemon, smtp, mariadb, cloud, road):
    """What is sent and not deleted is bounded, comes back, and is sent to nobody twice."""
    road.plan(refusal(), "DeleteMessageBatch", queue=QUEUE)
    usherd = aws_daemon({**CHANGES, "channel.email": {"in_flight": "40"}})
    people = load.members(200, "kept")
    load.store(mariadb, people)
    broker = wait_told(usherd, QUEUE, "DeleteMessageBatch")
    stays(usherd, broker, road, "DeleteMessageBatch", QUEUE, 3)
    assert usherd.api.status()["channels"][0]["holding"] <= 40 + 10 * 10
    assert len(smtp.mails) < 200
    road.lift()
    wait_well(usherd)
    wait_until(lambda: load.states(mariadb) == {("email", "delivered"): 200} and cloud.standing(QUEUE) == 0, usherd.story, 30)
    assert smtp.copies() == {m.email: 1 for m in people}


def test_the_dlq_takes_nothing(aws_daemon, smtp, mariadb, cloud, road):
    """More are dead than may be held: what is well goes on, and the copies come when the DLQ takes them again."""
    road.plan(refusal(), "SendMessageBatch", queue=DLQ)
    usherd = aws_daemon({**CHANGES, "channel.email": {"in_flight": "10", "visibility_timeout": "2s"}})
    dead = load.members(30, "dead", fault="unknown")
    load.store(mariadb, dead)
    broker = wait_told(usherd, DLQ, "SendMessageBatch")
    wait_until(lambda: mariadb.value("SELECT COUNT(*) FROM failed_notification WHERE status = 'dead'") == 30, usherd.story)
    well = load.members(60, "well")
    load.store(mariadb, well)
    wait_until(lambda: load.states(mariadb) == {("email", "dead"): 30, ("email", "delivered"): 60}, usherd.story)
    stays(usherd, broker, road, "SendMessageBatch", DLQ, 3)
    assert usherd.api.status()["channels"][0]["holding"] <= 10
    road.lift()
    wait_well(usherd)
    wait_until(lambda: cloud.standing(DLQ) == 30 and cloud.standing(QUEUE) == 0, usherd.story)
    assert smtp.copies() == {m.email: 1 for m in well}


def test_handing_back_is_refused(aws_daemon, smtp, mariadb, cloud, road):
    """What waits for its retry comes back by itself, and too early; it is sent when it is due."""
    road.plan(refusal(), "ChangeMessageVisibilityBatch", queue=QUEUE)
    usherd = aws_daemon({**CHANGES, "channel.email": {"in_flight": "10", "visibility_timeout": "2s"},
                         "retry": {"max_attempts": "3", "base": "3s", "factor": "1", "jitter": "0"}})
    people = load.members(30, "again", fault="down1") + load.members(30, "well")
    load.store(mariadb, people)
    wait_told(usherd, QUEUE, "ChangeMessageVisibilityBatch")
    wait_until(lambda: load.states(mariadb) == {("email", "delivered"): 60}, usherd.story)
    assert smtp.copies() == {m.email: 1 for m in people}
    # There is nothing left to hand back: whether it would be taken nobody knows, 5 s and two visibility timeouts later.
    wait_well(usherd, 15)


def test_a_look_into_the_dlq_is_refused(aws_daemon, smtp, mariadb, cloud, road):
    cloud.put(DLQ, "no event")
    refused = road.plan(refusal(), "ReceiveMessage", queue=DLQ)
    usherd = aws_daemon(CHANGES)
    broker = wait_told(usherd, DLQ, "ReceiveMessage")
    load.store(mariadb, [Member("goes-on")])
    wait_until(lambda: smtp.mails, usherd.story)    # it is the DLQ's trouble alone
    cloud.put(DLQ, "no event either")             # a change, which is not looked for at once
    stays(usherd, broker, road, "GetQueueAttributes", DLQ, 3)
    assert refused.met == 1
    road.lift()
    wait_until(lambda: mariadb.value("SELECT COUNT(*) FROM failed_notification") == 2, usherd.story, 20)
    wait_well(usherd)


def test_sending_a_redriven_copy_is_refused(aws_daemon, smtp, mariadb, cloud, road):
    usherd = aws_daemon(CHANGES)
    member = Member("again", fault="unknown")
    load.store(mariadb, [member])
    row = wait_until(lambda: failed(mariadb, member.event_id, "email"), usherd.story)
    smtp.heal("unknown")
    road.plan(refusal(), "SendMessageBatch", queue=QUEUE)
    usherd.usher("redrive", str(row["id"]))
    broker = wait_told(usherd, QUEUE, "SendMessageBatch")
    stays(usherd, broker, road, "SendMessageBatch", QUEUE, 1)
    said = usherd.usher("failed", str(row["id"])).out
    assert re.search(r"Fresh copy +not sent, tried \d+ times?, tried again .*KmsAccessDenied", said, re.DOTALL), said
    road.lift()
    wait_until(lambda: smtp.mails_to(member.email), usherd.story)
    wait_well(usherd)
    assert "Fresh copy" not in usherd.usher("failed", str(row["id"])).out


def test_a_cut_that_only_the_mirror_met_is_over_soon(aws_daemon, mariadb, cloud, road):
    """An idle daemon counts rarely; a broker that it takes for lost is asked again at once."""
    cloud.put(DLQ, "no event")
    usherd = aws_daemon({**CHANGES, "watch": {"idle_interval": "1m", "mirror_interval": "5s"}})
    counts = ("GetQueueAttributes", QUEUE)
    wait_until(lambda: counts in road.moments and time.monotonic() - road.moments[counts][-1] > 4, usherd.story)
    road.plan(fault.cut_before, "ReceiveMessage", queue=DLQ)
    wait_until(lambda: "the broker cannot be used" in usherd.log(), usherd.story)
    road.lift()
    wait_until(lambda: usherd.log().count("the broker is back"), usherd.story, 6)
