"""Sizes on SNS and SQS: what is large arrives, what is too large for a queue is kept all the same, and nothing waits for
ever because a service takes less than it might."""

import json

import pytest
from support import fault_proxy as fault
from support.load import Member, QUEUES, wait_state
from support.process import wait_until

EMAIL = QUEUES["email"]
DLQ = EMAIL + "-dlq"
ONLY_MAIL = {"channel.coupon": {"enabled": "no"}}
MIB = 1024 * 1024


def padded(member, size):
    """The member's event, of that many bytes by a field that usher does not know."""
    return json.dumps({**member.event(), "x": "x" * (size - len(json.dumps({**member.event(), "x": ""}, ensure_ascii=False).encode()))},
                      ensure_ascii=False)


def store_event(db, member, payload):
    db.execute("INSERT INTO signup_outbox (event_id, payload) VALUES (%s, %s)", member.event_id, payload)


@pytest.mark.parametrize("above, packed", [(1024, True), (262144, False)])
def test_large_events_are_packed_on_the_way(aws_daemon, smtp, mariadb, cloud, road, above, packed):
    seen = []

    async def look(request, forward):
        seen.append(b"content-encoding" in request.body)
        return await forward()

    road.plan(look, "PublishBatch")
    aws_daemon({**ONLY_MAIL, "relay": {"gzip_above": str(above)}})
    member = Member("packed")
    store_event(mariadb, member, padded(member, 8 * 1024))
    wait_state(mariadb, member.event_id, "email", "delivered")
    assert seen == [packed] and smtp.copies() == {member.email: 1}


def test_an_event_larger_than_sns_takes_goes_when_it_can_be_packed(aws_daemon, smtp, mariadb, cloud):
    aws_daemon(ONLY_MAIL)
    member = Member("huge")
    store_event(mariadb, member, padded(member, MIB))
    wait_state(mariadb, member.event_id, "email", "delivered")
    assert smtp.copies() == {member.email: 1}


def test_a_body_as_large_as_sqs_takes_lives_and_dies(aws_daemon, smtp, mariadb, cloud):
    """Of 1 MiB each: an event is sent; what is none has no room for usher's marks and stands in its failed row
    alone, whole."""
    usherd = aws_daemon(ONLY_MAIL)
    member, noise = Member("full"), "\t\"" * (MIB // 2)
    cloud.put(EMAIL, padded(member, MIB))
    cloud.put(EMAIL, noise)
    wait_state(mariadb, member.event_id, "email", "delivered")
    wait_until(lambda: mariadb.value("SELECT COUNT(*) FROM failed_notification WHERE status = 'dead'") == 1 and cloud.standing(EMAIL) == 0,
               usherd.story)
    looked = usherd.api.get("/v1/dlq/email").json["mirrored_at"]
    wait_until(lambda: usherd.api.get("/v1/dlq/email").json["mirrored_at"] != looked, usherd.story)
    assert mariadb.query("SELECT payload FROM failed_notification") == [{"payload": noise.encode()}] and cloud.standing(DLQ) == 0


def test_foreign_attributes_do_not_crowd_out_the_event_id(aws_daemon, mariadb, cloud, road):
    """A body that is no event, with as many attributes of its own as SQS takes: its copy is known by usher's, and has one row."""
    attributes = {f"own.{i}": {"DataType": "String", "StringValue": str(i)} for i in range(10)}
    usherd = aws_daemon(ONLY_MAIL)
    cloud.sqs("SendMessage", queue=EMAIL, MessageBody="no event", MessageAttributes=attributes)
    wait_until(lambda: mariadb.value("SELECT COUNT(*) FROM failed_notification WHERE dlq_message_id IS NOT NULL"), usherd.story)
    marks = cloud.messages(DLQ)[0]["messageAttributes"]
    assert {"usher.class", "usher.event_id", "usher.reason"} < marks.keys() and len(marks) == 10
    assert mariadb.value("SELECT COUNT(*) FROM failed_notification") == 1


def test_a_dlq_that_takes_less(aws_daemon, mariadb, cloud):
    """The queue's own MaximumMessageSize: SQS calls it an invalid parameter. First the most of usher's marks are left out; what
    is too large all the same stands in its failed row alone, and what dies beside it has its copy."""
    cloud.sqs("SetQueueAttributes", queue=DLQ, Attributes={"MaximumMessageSize": "1024"})
    usherd = aws_daemon({**ONLY_MAIL, "log": {"level": "info"}})
    bodies = {"small": "s" * 100, "fewer marks": "m" * 900, "too large": "l" * 2000}
    for body in bodies.values():
        cloud.put(EMAIL, body)
    wait_until(lambda: cloud.standing(EMAIL) == 0, lambda: usherd.log()[-3000:])
    copies = {copy["body"]: copy.get("messageAttributes") or {} for copy in cloud.messages(DLQ)}
    assert copies.keys() == {bodies["small"], bodies["fewer marks"]}
    assert "usher.reason" in copies[bodies["small"]] and copies[bodies["fewer marks"]].keys() == {"usher.class", "usher.event_id"}
    rows = mariadb.query("SELECT payload FROM failed_notification WHERE status = 'dead'")
    assert {row["payload"].decode() for row in rows} == set(bodies.values())
    assert "Message must be shorter than 1024 bytes" in usherd.log() and "the broker refuses" not in usherd.log()


def test_a_copy_that_its_queue_does_not_take_is_dead_again(aws_daemon, mariadb, cloud):
    """The queue takes less than when the message came: a redrive of it is none, and the operator reads why where the row stands."""
    usherd = aws_daemon(ONLY_MAIL)
    for body in ("l" * 2000, "s" * 100):
        cloud.put(EMAIL, body)
    wait_until(lambda: mariadb.value("SELECT COUNT(*) FROM failed_notification WHERE status = 'dead'") == 2, usherd.story)
    cloud.sqs("SetQueueAttributes", queue=EMAIL, Attributes={"MaximumMessageSize": "1024"})
    ids = [str(row["id"]) for row in mariadb.query("SELECT id FROM failed_notification ORDER BY LENGTH(payload) DESC")]
    usherd.usher("redrive", *ids)
    wait_until(lambda: mariadb.value("SELECT COUNT(*) FROM failed_notification WHERE status = 'dead'") == 2
               and mariadb.value("SELECT COUNT(*) FROM redrive_intent") == 0, usherd.story)
    said = [usherd.usher("failed", number).out for number in ids]
    assert "usher  withdraw: done" in said[0] and "Message must be shorter than 1024 bytes" in said[0], said[0]
    assert "withdraw" not in said[1] and "redriven 1 time" in said[1], said[1]
    usherd.usher("cancel", ids[0], "--reason", "its queue does not take it")


def test_a_service_that_takes_less_in_one_call(aws_daemon, smtp, mariadb, cloud, road):
    """As SQS did until August 2025: a batch is refused whole that the driver holds for allowed. Each goes by itself then."""
    async def too_long(request, forward):
        entries = json.loads(request.body)["Entries"]
        if sum(len(entry["MessageBody"]) for entry in entries) > 5000:
            return fault.error(request, 400, "AWS.SimpleQueueService.BatchRequestTooLong",
                               "Batch requests cannot be longer than 5000 bytes. You have sent more.")
        return await forward()

    plan = road.plan(too_long, "SendMessageBatch")
    aws_daemon(ONLY_MAIL)
    bodies = {f"{i}" * 2000 for i in range(5)} | {"x" * 6000}
    for body in sorted(bodies):
        cloud.put(EMAIL, body)
    wait_until(lambda: cloud.standing(EMAIL) == 0, "they stay in their queue")
    assert {copy["body"] for copy in cloud.messages(DLQ)} == bodies - {"x" * 6000}
    assert all(copy["messageAttributes"]["usher.class"]["StringValue"] == "malformed" for copy in cloud.messages(DLQ))
    assert mariadb.value("SELECT COUNT(*) FROM failed_notification WHERE status = 'dead'") == 6 and plan.met
