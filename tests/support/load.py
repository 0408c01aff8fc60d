"""Sign-ups as an application in any language stores them, messages put straight into a queue, and what the tables say
about all that. The only SQL of the tests that knows usher's tables."""

import json
import uuid

from . import planted
from .process import wait_until

QUEUES = {"email": "signup-welcome-email", "coupon": "signup-welcome-coupon"}
KOREAN, ENGLISH = planted.NAMES[:8], planted.NAMES[9:]


class Member:
    """One who signs up. `fault` plans for the mail ("down2"), `coupon_fault` for the coupon (see the stand-ins)."""

    def __init__(self, tag, fault="", coupon_fault="", korean=True, name=None):
        self.email = f"{fault or 'ok'}.{tag}@example.com"
        self.user_id = planted.user_id(f"{coupon_fault or 'ok'}.{tag}")
        self.locale = "ko-KR" if korean else "en-US"
        names = KOREAN if korean else ENGLISH
        self.name = name or names[sum(tag.encode()) % len(names)]
        self.fault, self.coupon_fault = fault, coupon_fault
        self.event_id = str(uuid.uuid4())

    def event(self):
        return {"eventId": self.event_id, "type": "user-signup", "userId": self.user_id, "email": self.email,
                "name": self.name, "locale": self.locale, "signedUpAt": "2026-03-04T05:06:07Z"}

    def body(self):
        return json.dumps(self.event(), ensure_ascii=False).encode()


def members(count, tag="m", **options):
    return [Member(f"{tag}{i}", korean=i % 2 == 0, **options) for i in range(count)]


def store(db, people):
    """Users and events in one transaction: the SQL contract."""
    connection = db.connect()
    connection.autocommit(False)
    try:
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO users (user_id, email, name, locale) VALUES (%s, %s, %s, %s)",
                               [(m.user_id, m.email, m.name, m.locale) for m in people])
            cursor.executemany("INSERT INTO signup_outbox (event_id, payload) VALUES (%s, %s)",
                               [(m.event_id, m.body().decode()) for m in people])
        connection.commit()
    finally:
        connection.close()


def put_message(db, queue, body, attributes=None):
    """Puts a message into a queue of the embedded broker, past the topic; returns its message id."""
    message_id = str(uuid.uuid4())
    done = db.execute("INSERT INTO broker_message (queue_id, message_id, body, attributes, sent_at, visible_at) "
                      "SELECT id, %s, %s, %s, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3) FROM broker_queue WHERE name = %s",
                      message_id, body, json.dumps(attributes or {}), queue)
    assert done == 1, f"no queue {queue}"
    return message_id


def wait_for_queues(db, deadline_s=20):
    """The daemon makes the embedded broker's queues at its first operation."""
    wait_until(lambda: db.value("SELECT COUNT(*) FROM broker_queue WHERE name IN ('signup-welcome-email', "
                                "'signup-welcome-coupon')") == 2, "the queues are not made", deadline_s)


def states(db):
    """{(channel, state): rows} of the ledger."""
    return {(row["channel"], row["state"]): row["n"]
            for row in db.query("SELECT channel, state, COUNT(*) n FROM delivery GROUP BY channel, state")}


def delivery(db, event_id, channel):
    rows = db.query("SELECT * FROM delivery WHERE event_id = %s AND channel = %s", event_id, channel)
    return rows[0] if rows else None


def attempts(db, event_id, channel):
    return db.query("SELECT a.* FROM delivery_attempt a JOIN delivery d ON d.id = a.delivery_id "
                    "WHERE d.event_id = %s AND d.channel = %s ORDER BY a.id", event_id, channel)


def failed(db, event_id, channel):
    rows = db.query("SELECT * FROM failed_notification WHERE event_id = %s AND channel = %s", event_id, channel)
    return rows[0] if rows else None


def queue_messages(db, queue):
    return db.query("SELECT m.*, m.visible_at > UTC_TIMESTAMP(3) hidden FROM broker_message m "
                    "JOIN broker_queue q ON q.id = m.queue_id WHERE q.name = %s ORDER BY m.id", queue)


def wait_state(db, event_id, channel, state, deadline_s=30):
    def there():
        row = delivery(db, event_id, channel)
        return row if row and row["state"] == state else None
    return wait_until(there, lambda: f"{channel} of {event_id} is not {state} but {delivery(db, event_id, channel)}", deadline_s)


UNSETTLED = {
    "outbox rows not published": "SELECT COUNT(*) FROM signup_outbox WHERE published_at IS NULL",
    "messages in source queues": "SELECT COUNT(*) FROM broker_message m JOIN broker_queue q ON q.id = m.queue_id "
                                 "WHERE q.name NOT LIKE '%-dlq'",
    "deliveries under way": "SELECT COUNT(*) FROM delivery WHERE state IN ('claimed', 'retrying', 'queued')",
    "redrives not sent": "SELECT COUNT(*) FROM redrive_intent",
}


def unsettled(db, cloud=None):
    """What is still on its way, in words; "" when everything has come to rest. With `cloud` the queues are those of SQS."""
    counts = {what: db.value(sql) for what, sql in UNSETTLED.items()}
    if cloud and not any(counts.values()):    # the dearer question last
        counts.update({f"messages in {queue}": cloud.standing(queue) for queue in QUEUES.values()})
    return ", ".join(f"{n} {what}" for what, n in counts.items() if n)


def wait_settled(db, deadline_s=60, cloud=None):
    wait_until(lambda: not unsettled(db, cloud), lambda: f"{unsettled(db, cloud)}; {states(db)}", deadline_s, every_s=0.05)
