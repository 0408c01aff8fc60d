"""SNS and SQS that fail, on the way between usherd and them: nothing is lost, nothing is doubled, and the operator is told in
words that say what to do."""

import json
import os

import pytest
from support import fault_proxy as fault, load
from support.load import Member, QUEUES, failed, wait_settled
from support.process import wait_until
from support.proof import check_coupons, check_rest

CHANGES = {"log": {"level": "info"}, "retry": {"max_attempts": "20", "base": "100ms", "factor": "1"},
           "relay": {"max_backoff": "200ms"}}
CALLS = ("ReceiveMessage", "DeleteMessageBatch", "SendMessageBatch", "PublishBatch")


def prove(people, smtp, coupon, mariadb, cloud, deadline_s=40):
    """One mail and one coupon each: none of these faults excuses a second."""
    wait_settled(mariadb, deadline_s, cloud)
    check_rest(mariadb, people, cloud)
    check_coupons(people, coupon)
    assert smtp.copies() == {m.email: 1 for m in people}


def plan_all(road, wrong):
    """What usher does all day goes wrong, until the road is mended."""
    for action in CALLS:
        road.plan(wrong, action)


def wait_told(usherd, *words):
    """A line of the log has all the words."""
    def told():
        return next((line for line in usherd.log().splitlines() if all(word in line for word in words)), None)
    return wait_until(told, lambda: f"no line with {words} in:\n" + usherd.log()[-3000:])


@pytest.mark.parametrize("wrong", [
    pytest.param(fault.throttled(400), id="throttled-400"),
    pytest.param(fault.throttled(503), id="throttled-503"),
    pytest.param(fault.refused(429, "TooManyRequestsException", "slow down", **{"Retry-After": "1"}), id="throttled-429"),
    pytest.param(fault.broken(500), id="500"),
    pytest.param(fault.cut_before, id="cut-before"),
])
def test_every_call_fails_twice(aws_daemon, smtp, coupon, mariadb, cloud, road, wrong):
    """What passes is ridden out by the driver's own retries."""
    plans = [road.plan(wrong, action, times=2) for action in CALLS]
    aws_daemon(CHANGES)
    people = load.members(20, "passing")
    load.store(mariadb, people)
    prove(people, smtp, coupon, mariadb, cloud)
    assert [plan.met for plan in plans if plan.action != "SendMessageBatch"] == [2, 2, 2]


@pytest.mark.parametrize("wrong, word", [
    pytest.param(fault.throttled(400), "ThrottlingException", id="throttled"),
    pytest.param(fault.broken(500), "InternalError", id="500"),
])
def test_a_service_that_stays_away_is_named(aws_daemon, smtp, coupon, mariadb, cloud, road, wrong, word):
    plan_all(road, wrong)
    usherd = aws_daemon(CHANGES)
    people = load.members(10, "away")
    load.store(mariadb, people)
    wait_told(usherd, "PublishBatch", word)
    wait_told(usherd, "ReceiveMessage", word)
    assert load.states(mariadb) == {} and not smtp.mails
    road.lift()
    prove(people, smtp, coupon, mariadb, cloud)


def test_half_of_each_batch_fails(aws_daemon, smtp, coupon, mariadb, cloud, road):
    plans = [road.plan(fault.half_failed, action, times=3) for action in ("PublishBatch", "DeleteMessageBatch")]
    aws_daemon(CHANGES)
    people = load.members(40, "half")
    load.store(mariadb, people)
    prove(people, smtp, coupon, mariadb, cloud)
    assert all(plan.met for plan in plans)


def test_half_of_the_retries_cannot_be_put_off(aws_daemon, smtp, coupon, mariadb, cloud, road):
    plan = road.plan(fault.half_failed, "ChangeMessageVisibilityBatch", times=3)
    aws_daemon(CHANGES)
    people = [load.Member(f"put-off{i}", fault="down2") for i in range(20)]
    load.store(mariadb, people)
    prove(people, smtp, coupon, mariadb, cloud)
    assert plan.met


@pytest.mark.parametrize("cut", [fault.cut_amid, fault.cut_after], ids=["amid", "after"])
def test_the_connection_is_cut_behind_the_act(aws_daemon, smtp, coupon, mariadb, cloud, road, cut):
    """It has happened, and usher does not know: received messages come back, deletes and sends are made again."""
    plans = [road.plan(cut, action, times=3) for action in CALLS]
    aws_daemon(CHANGES)
    people = load.members(30, "cut")
    load.store(mariadb, people)
    prove(people, smtp, coupon, mariadb, cloud)
    assert [plan.met for plan in plans if plan.action != "SendMessageBatch"] == [3, 3, 3]


def test_a_slow_endpoint(aws_daemon, smtp, coupon, mariadb, cloud, road):
    plans = [road.plan(fault.slow(0.7), action, times=8) for action in CALLS]
    aws_daemon(CHANGES)
    people = load.members(30, "slow")
    load.store(mariadb, people)
    prove(people, smtp, coupon, mariadb, cloud)
    assert sum(plan.met for plan in plans) > 10


def test_credentials_that_expire_are_fetched_anew(aws_daemon, smtp, coupon, mariadb, cloud, road, tmp_path):
    """A profile's keys are rotated while usherd runs: the old ones are refused, the file's new ones are taken up."""
    path = tmp_path / "credentials"

    def write(key):
        made = tmp_path / "new"
        made.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {key}-secret-words\n"
                        f"aws_session_token = {key}-token-words\n")
        os.replace(made, path)

    async def expired(request, forward):
        if request.access_key == "AKIAOLD":
            return fault.error(request, 400, "ExpiredToken", "The security token included in the request is expired")
        return await forward()

    write("AKIAOLD")
    usherd = aws_daemon(CHANGES, {"AWS_SHARED_CREDENTIALS_FILE": str(path), "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""})
    first = load.members(10, "before")
    load.store(mariadb, first)
    prove(first, smtp, coupon, mariadb, cloud)
    road.plan(expired)
    late = load.members(10, "late")
    load.store(mariadb, late)
    wait_told(usherd, "ExpiredToken")
    write("AKIANEW")
    prove(first + late, smtp, coupon, mariadb, cloud)
    for secret in ("secret-words", "token-words"):
        assert secret not in usherd.log() and secret not in json.dumps(usherd.api.status())


CLOCK = [
    pytest.param("RequestTimeTooSkewed", "The difference between the request time and the current time is too large.", id="skewed"),
    pytest.param("InvalidSignatureException", "Signature expired: 20260101T000000Z is now earlier than 20260101T001500Z", id="expired"),
]


@pytest.mark.parametrize("kind, words", CLOCK)
def test_a_clock_that_goes_wrong_mid_run_loses_nothing(aws_daemon, smtp, coupon, mariadb, cloud, road, kind, words):
    """In the middle of the work every request is refused, until the clock is set: what was sent stands in the ledger and is
    deleted later, what was not is not lost, and no attempt is burnt."""
    refused = fault.refused(403, kind, words)

    async def from_the_middle_on(request, forward):
        return await (refused(request, forward) if smtp.mails and coupon.grants else forward())

    road.plan(from_the_middle_on)
    usherd = aws_daemon({**CHANGES, "channel.email": {"rate": "40"}, "channel.coupon": {"rate": "40"}})
    people = load.members(60, "clock")
    load.store(mariadb, people)
    # Which it asks first, to delete or to receive, is chance; a channel that may not delete soon receives no more.
    for channel in ("email", "coupon"):
        wait_told(usherd, f"pipeline {channel}", "the broker", kind, words[:40])
    assert len(smtp.mails) < len(people), "the load was over before"
    road.lift()
    prove(people, smtp, coupon, mariadb, cloud)
    assert mariadb.value("SELECT MAX(attempts) FROM delivery") == 1


@pytest.mark.parametrize("kind, words", [
    pytest.param("RequestTimeTooSkewed", "The difference between the request time and the current time is too large.", id="skewed"),
    pytest.param("SignatureDoesNotMatch", "Signature expired: 20260101T000000Z is now earlier than 20260101T001500Z", id="expired"),
    pytest.param("AccessDenied", "User: arn:aws:iam::123456789012:role/worker is not authorized to perform: sns:Publish",
                 id="denied"),
])
def test_refused_is_told_and_burns_no_attempt(aws_daemon, smtp, coupon, mariadb, cloud, road, kind, words):
    plan_all(road, fault.refused(403, kind, words))
    usherd = aws_daemon(CHANGES)
    people = load.members(10, "refused")
    load.store(mariadb, people)
    for action in ("ReceiveMessage", "PublishBatch"):
        wait_told(usherd, action, "refused", kind, words[:40])
    assert load.states(mariadb) == {}
    road.lift()
    prove(people, smtp, coupon, mariadb, cloud)
    assert mariadb.value("SELECT MAX(attempts) FROM delivery") == 1


def test_a_look_into_a_dlq_that_was_held_up_is_followed_soon(aws_daemon, smtp, mariadb, cloud, road):
    """The mirror rests for what it has read, not for how long an answer took."""
    usherd = aws_daemon({"channel.coupon": {"enabled": "no"}})
    dlq = QUEUES["email"] + "-dlq"
    slow = road.plan(fault.slow(4), "ReceiveMessage", queue=dlq, times=1)
    member = Member("held", fault="unknown")
    load.store(mariadb, [member])
    wait_until(lambda: slow.met and mariadb.value("SELECT COUNT(*) FROM failed_notification WHERE dlq_message_id IS NOT NULL"),
               usherd.story)
    usherd.usher("cancel", str(failed(mariadb, member.event_id, "email")["id"]), "--reason", "no such member")
    wait_until(lambda: cloud.standing(dlq) == 0, "the copy stays for longer than a look takes", 15)
