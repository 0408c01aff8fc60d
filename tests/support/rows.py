"""Failed rows put straight into the tables, and what every answer of the admin API must keep to."""

import json
import os
import pwd
import uuid

# The mail channel is off: rows stay as the tests put them.
STILL = {"channel.email": {"enabled": "no"}}
BEYOND = 9007199254740993  # 2^53 + 1: what a JavaScript number cannot hold
JSON = {"Content-Type": "application/json"}


def login():
    return pwd.getpwuid(os.getuid()).pw_name


def payload(n, **more):
    return json.dumps({"eventId": f"e-{n}", "type": "user-signup", "userId": f"user-{n}", "email": f"minji{n}@example.com",
                       "name": "김민지", "locale": "ko-KR", **more}, ensure_ascii=False).encode()


def put_failed(db, n, channel="email", status="dead", klass="rejected", age_s=0, **columns):
    """A dead delivery with its row; `columns` are laid over. Returns the row's id."""
    row = {"delivery_id": 1000 + n, "event_id": f"e-{n}", "channel": channel, "status": status, "class": klass,
           "reason": f"SMTP 554 at DOT: no <minji{n}@example.com> here", "attempts": 3, "user_id": f"user-{n}",
           "recipient": f"minji{n}@example.com", "name": "김민지", "payload": payload(n), "attributes": '{"k":"v"}',
           "source_queue": f"signup-welcome-{channel}", "message_id": str(uuid.uuid4()), **columns}
    state = {"dead": "dead", "cancelled": "cancelled", "queued": "queued", "delivered": "delivered"}[status]
    db.execute("INSERT INTO delivery (id, event_id, channel, state, user_id, recipient, attempts) "
               "VALUES (%s, %s, %s, %s, %s, %s, 3)", row["delivery_id"], row["event_id"], channel, state, row["user_id"],
               row["recipient"])
    names, values = zip(*row.items())
    died = f"UTC_TIMESTAMP(3) - INTERVAL {age_s} SECOND"
    db.execute(f"INSERT INTO failed_notification ({', '.join(names)}, first_at, dead_at, updated_at) "
               f"VALUES ({', '.join(['%s'] * len(values))}, {died}, {died}, {died})", *values)
    return str(row.get("id") or db.value("SELECT id FROM failed_notification WHERE delivery_id = %s", row["delivery_id"]))


def pages(api, target, **query):
    """All items of a list, page by page."""
    items, cursor = [], None
    while True:
        answer = api.get(target, **query, **({"cursor": cursor} if cursor else {}))
        assert answer.status == 200, answer.text
        assert len(answer.json["items"]) <= int(query.get("limit", 50))
        items += answer.json["items"]
        cursor = answer.json["next"]
        if cursor is None:
            return items


def problem(answer, status, *words):
    """The answer is a problem of this status whose sentence has these words."""
    assert answer.status == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["status"] == status and answer.json["type"] == "about:blank" and answer.json["title"]
    for word in words:
        assert word in answer.json["detail"], answer.json["detail"]
