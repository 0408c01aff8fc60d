"""The main job on SNS and SQS."""

import time

import pytest
from support import load
from support.aws import QUEUES, Aws
from support.load import Member, attempts, failed, wait_state
from support.process import wait_until


@pytest.fixture
def aws():
    server = Aws()
    yield server
    server.close()


@pytest.fixture
def usherd(aws, daemon):
    return daemon(aws.settings, environment=aws.environment)


def test_sign_ups_become_mails_and_coupons(usherd, aws, smtp, coupon, mariadb):
    people = load.members(40)
    load.store(mariadb, people)
    for member in people:
        for channel in ("email", "coupon"):
            wait_state(mariadb, member.event_id, channel, "delivered")
    assert smtp.copies() == {member.email: 1 for member in people}
    assert coupon.granted() == {member.user_id: 1 for member in people}
    wait_until(lambda: not any(aws.messages(queue) for queue in QUEUES), "messages stay in the queues")
    assert mariadb.value("SELECT COUNT(*) FROM broker_message") == 0
    assert aws.environment["AWS_SECRET_ACCESS_KEY"] not in usherd.api.get("/v1/config").text


def test_dead_stands_in_the_dlq_with_its_reason_and_is_redriven(usherd, aws, smtp, mariadb):
    member = Member("die", fault="unknown")
    load.store(mariadb, [member])
    wait_state(mariadb, member.event_id, "email", "dead")
    copy = wait_until(lambda: aws.messages("signup-welcome-email-dlq"), "nothing in the DLQ")[0]
    told = {name: value["StringValue"] for name, value in copy["messageAttributes"].items()}
    assert told["usher.class"] == "invalid_address" and told["usher.event_id"] == member.event_id
    row = wait_until(lambda: usherd.api.failed(status="dead"), "not listed")[0]
    smtp.heal("unknown")
    usherd.usher("redrive", row["id"])
    wait_state(mariadb, member.event_id, "email", "delivered")
    wait_until(lambda: not aws.messages("signup-welcome-email-dlq"), "the DLQ keeps a surplus copy", 30)
    assert smtp.copies() == {member.email: 1}


def test_what_fails_is_tried_again_by_visibility(usherd, aws, smtp, mariadb):
    member = Member("again", fault="down2")
    load.store(mariadb, [member])
    wait_state(mariadb, member.event_id, "email", "delivered")
    assert [a["class"] for a in attempts(mariadb, member.event_id, "email")] == ["service_down", "service_down", ""]
    assert failed(mariadb, member.event_id, "email") is None


def test_a_body_that_is_no_event_is_kept_in_the_dlq(usherd, aws, mariadb):
    body = "kein Ereignis: 김 <&> \"\\"
    aws.put("signup-welcome-email", body)
    copy = wait_until(lambda: aws.messages("signup-welcome-email-dlq"), "nothing in the DLQ")[0]
    assert copy["body"] == body
    assert copy["messageAttributes"]["usher.class"]["StringValue"] == "malformed"


def test_a_stop_does_not_wait_for_long_polls(usherd):
    begin = time.monotonic()
    assert usherd.stop() == 0
    assert time.monotonic() - begin < 10


def test_queues_that_are_missing_are_named(aws, daemon):
    usherd = daemon({**aws.settings, "channel.email": {"queue": "nobody-made-this"}}, environment=aws.environment)
    wait_until(lambda: "there is no queue nobody-made-this in region us-east-1" in usherd.log(), "nothing is said")
    assert usherd.running
