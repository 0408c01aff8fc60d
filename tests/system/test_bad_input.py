"""Messages that are no sign-up, or only nearly one, put straight into the queues: each dies at once as malformed, is kept
byte for byte, says why in words, and harms nobody; and hostile text that is a sign-up after all is delivered as it is.
What comes in through the API is in test_api.py."""

import base64
import email
import email.policy
import gzip
import io
import json
import zlib

import pytest
from support import load
from support.coupon import CouponService
from support.daemon import Daemon
from support.process import wait_until
from support.smtp import MailService

GOOD = {"eventId": "", "type": "user-signup", "userId": "u-1", "email": "kim@example.com", "name": "Kim", "locale": "ko-KR",
        "signedUpAt": "2026-01-02T03:04:05Z"}


def event(**changes):
    """A sign-up with changes; a value of `...` takes the member away."""
    fields = {**GOOD, "eventId": "bad-input", **changes}
    return json.dumps({key: value for key, value in fields.items() if value is not ...}, ensure_ascii=False).encode()


def envelope(message, **more):
    return json.dumps({"Type": "Notification", "MessageId": "sns-1", "TopicArn": "arn:x", "Message": message, **more}).encode()


def zipped(data):
    return base64.b64encode(gzip.compress(data))


def bomb():
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb") as stream:
        for _ in range(64):
            stream.write(b" " * 1024 * 1024)
    return base64.b64encode(out.getvalue())


GZIP = {"content-encoding": "gzip"}

# name: (body, attributes, what the reason must say)
BAD = {
    "empty": (b"", {}, "empty"),
    "blank": (b"   \r\n", {}, ""),
    "words": (b"hello", {}, "JSON"),
    "cut json": (event()[:-20], {}, "JSON"),
    "json and more": (event() + b"x", {}, "JSON"),
    "two events": (event() + event(), {}, "JSON"),
    "array": (b"[" + event() + b"]", {}, "object"),
    "number": (b"42", {}, "object"),
    "null": (b"null", {}, "object"),
    "string": (b'"user-signup"', {}, "object"),
    "empty object": (b"{}", {}, "missing"),
    "deep": (b'{"a":' * 5000 + b"1" + b"}" * 5000, {}, "JSON"),
    "not utf-8": (event().replace(b"Kim", b"K\xff\xfem"), {}, "UTF-8"),
    "half a character": (event(name="김").replace("김".encode(), "김".encode()[:2]), {}, "UTF-8"),
    "overlong utf-8": (event().replace(b"Kim", b"K\xc0\xafm"), {}, "UTF-8"),
    "surrogate": (event().replace(b"Kim", b"K\\ud800m"), {}, ""),
    "nul byte": (event().replace(b"Kim", b"K\x00m"), {}, ""),
    "nul escape": (event().replace(b"Kim", b"K\\u0000m"), {}, ""),
    "latin-1": ('{"name":"Jos\xe9"}'.encode("latin-1"), {}, "UTF-8"),
    "utf-16": (event().decode().encode("utf-16"), {}, ""),
    "no type": (event(type=...), {}, "type"),
    "other type": (event(type="user-deleted"), {}, "type"),
    "type is a number": (event(type=1), {}, "type"),
    "no user": (event(userId=...), {}, "userId"),
    "empty user": (event(userId=""), {}, "userId"),
    "user is a number": (event(userId=12), {}, "userId"),
    "user over 2^53": (event(userId=9007199254740993), {}, "userId"),
    "user too long": (event(userId="u" * 129), {}, "userId"),
    "event id is a number": (event(eventId=9007199254740993), {}, "eventId"),
    "event id too long": (event(eventId="e" * 129), {}, "eventId"),
    "event id is an object": (event(eventId={"$gt": ""}), {}, "eventId"),
    "no address": (event(email=...), {}, "email"),
    "address is null": (event(email=None), {}, "email"),
    "address is a list": (event(email=["a@b.c"]), {}, "email"),
    "address too long": (event(email="a" * 320 + "@b.c"), {}, "email"),
    "cr lf in address": (event(email="kim@example.com\r\nBcc: all@example.com"), {}, "email"),
    "lf in name": (event(name="Kim\nBcc: all@example.com"), {}, "name"),
    "escape in name": (event(name="Kim\x1b[2J"), {}, "name"),
    "no name": (event(name=...), {}, "name"),
    "name too long": (event(name="김" * 201), {}, "name"),
    "1 MB in a field": (event(name="k" * 200_000), {}, "name"),
    "locale too long": (event(locale="k" * 36), {}, "locale"),
    "locale is a number": (event(locale=1), {}, "locale"),
    "not a time": (event(signedUpAt="yesterday"), {}, "signedUpAt"),
    "double member": (b'{"userId":"a",' + event()[1:], {}, "twice"),
    "upper-case members": (event().replace(b'"userId"', b'"USERID"'), {}, "userId"),
    "gzip that is plain": (event(), GZIP, "base64"),
    "gzip that is text": (base64.b64encode(b"hello"), GZIP, "gzip"),
    "half a gzip": (base64.b64encode(gzip.compress(event())[:-12]), GZIP, "gzip"),
    "gzip with a wrong sum": (base64.b64encode(gzip.compress(event())[:-8] + b"\0" * 8), GZIP, "gzip"),
    "zlib, not gzip": (base64.b64encode(zlib.compress(event())), GZIP, "gzip"),
    "gzip bomb": (bomb(), GZIP, "bytes"),
    "gzip of nothing": (zipped(b""), GZIP, "empty"),
    "envelope with words": (envelope("hello"), {}, "JSON"),
    "envelope without message": (json.dumps({"Type": "Notification", "MessageId": "m"}).encode(), {}, "type is missing"),
    "envelope with an object": (envelope({"a": 1}), {}, "type is missing"),
    "envelope in an envelope": (envelope(envelope(event().decode()).decode()), {}, ""),
    "subscription": (json.dumps({"Type": "SubscriptionConfirmation", "Token": "t"}).encode(), {}, ""),
}

# name: changes to a sign-up that is delivered as it stands
HOSTILE = {
    "sql": {"name": "Robert'); DROP TABLE users;--", "userId": "u' OR '1'='1"},
    "backslashes": {"name": "a\\'b\\", "userId": "\\"},
    "format": {"name": "%s%n%08x%p", "userId": "%s%n"},
    "html": {"name": "<script>alert('1')</script>&amp;"},
    "template": {"name": "{{email}} {{{name}}} {{#x}}"},
    "header words": {"name": "=?utf-8?B?aGVsbG8=?="},
    "quotes": {"name": '"Kim" <kim@evil.example>, x'},
    "emoji": {"name": "김민수 👨‍👩‍👧 🎉"},
    "right to left": {"name": "مرحبا ‮evil"},
    "longest": {"name": "힣" * 200, "userId": "u" * 128},
    "plus address": {"email": "kim+usher/x=y@example.com"},
    "apostrophe address": {"email": "o'neil@example.com"},
    "dot lines": {"name": ".\u2028."},
    "largest": {"extra": "x" * 250_000},
    "unknown members": {"extra": {"deep": [1, 2, {"x": None}]}, "더": "있음"},
    "no locale": {"locale": ...},
    "unknown locale": {"locale": "tlh-Latn-x-kronos"},
}


@pytest.fixture(scope="module")
def aftermath(build, own_mariadb):
    """Every case goes through one daemon at once; the tests look at what became of each."""
    smtp, coupon = MailService(), CouponService()
    usherd = Daemon(build, own_mariadb, smtp, coupon)
    try:
        usherd.migrate()
        usherd.start()
        load.wait_for_queues(own_mariadb)
        usherd.bad, usherd.hostile = {}, {}
        for name, (body, attributes, _) in BAD.items():
            usherd.bad[name] = load.put_message(own_mariadb, load.QUEUES["email"], body, attributes)
        for i, (name, changes) in enumerate(HOSTILE.items()):
            fields = {"eventId": f"hostile-{i}", "email": f"hostile{i}@example.com", "userId": f"hostile-{i}", **changes}
            usherd.hostile[name] = fields
            for queue in load.QUEUES.values():
                load.put_message(own_mariadb, queue, event(**fields))
        load.wait_settled(own_mariadb, 60)
        usherd.db, usherd.smtp, usherd.coupon = own_mariadb, smtp, coupon
        yield usherd
    finally:
        usherd.close()
        smtp.close()
        coupon.close()


@pytest.mark.parametrize("name", BAD)
def test_it_dies_at_once_and_says_why(aftermath, name):
    body, _, words = BAD[name]
    rows = aftermath.db.query("SELECT * FROM failed_notification WHERE message_id = %s", aftermath.bad[name])
    assert len(rows) == 1, "no failed row stands for it"
    row = rows[0]
    assert row["class"] == "malformed" and row["status"] == "dead" and row["attempts"] == 0
    assert row["payload"] == body, "the body is not kept byte for byte"
    assert words in row["reason"] and len(row["reason"]) > 10, row["reason"]
    assert not any(ord(letter) < 32 for letter in row["reason"]), "control characters reach the operator"


def test_each_bad_message_stands_in_the_dlq(aftermath):
    bodies = sorted(m["body"] for m in load.queue_messages(aftermath.db, "signup-welcome-email-dlq"))
    assert bodies == sorted(body for body, _, _ in BAD.values())


def test_no_bad_message_had_an_effect(aftermath):
    assert len(aftermath.smtp.mails) == len(HOSTILE)
    assert not any(b"Bcc" in mail.data for mail in aftermath.smtp.mails)


def test_operators_see_them_all(aftermath):
    rows, cursor = [], ""
    while cursor is not None:
        page = aftermath.api.get("/v1/failed", limit=20, **({"cursor": cursor} if cursor else {})).json
        rows += page["items"]
        cursor = page["next"]
    assert len(rows) == len({row["id"] for row in rows}) == len(BAD)
    for row in rows:
        one = aftermath.api.get(f"/v1/failed/{row['id']}")
        assert one.status == 200 and one.json["payload_bytes"] == len(BAD[name_of(aftermath, row)][0])
        assert aftermath.usher("failed", row["id"]).code == 0


def name_of(aftermath, row):
    return next(name for name, message_id in aftermath.bad.items() if message_id == row["message_id"])


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_delivered_as_it_is(aftermath, name):
    fields = {**GOOD, **aftermath.hostile[name]}
    assert load.delivery(aftermath.db, fields["eventId"], "email")["state"] == "delivered"
    mails = aftermath.smtp.mails_to(fields["email"])
    assert len(mails) == 1
    mail = email.message_from_bytes(mails[0].data, policy=email.policy.default)
    plain, html = mail.iter_parts()
    assert fields["name"] in plain.get_content()
    assert not mail.defects and "<script>" not in html.get_content()
    assert [a.addr_spec for a in mail["To"].addresses] == [fields["email"]]
    assert aftermath.coupon.granted()[fields["userId"]] == 1


def test_the_daemon_is_well_afterwards(aftermath):
    member = load.Member("after")
    load.store(aftermath.db, [member])
    wait_until(lambda: aftermath.smtp.mails_to(member.email), "no mail any more")
    assert aftermath.running


def test_an_event_too_large_to_publish_waits_and_blocks_nobody(aftermath):
    """What the broker cannot carry stays in the outbox, with the reason, and what comes behind it goes out."""
    noise = "".join(chr(0xAC00 + (i * 7919) % 11172) for i in range(150_000))
    payload = event(eventId="too-large", extra=noise).decode()
    aftermath.db.execute("INSERT INTO signup_outbox (event_id, payload) VALUES ('too-large', %s)", payload)
    behind = load.Member("behind")
    load.store(aftermath.db, [behind])
    wait_until(lambda: aftermath.smtp.mails_to(behind.email), "what comes behind it waits too")
    row = wait_until(lambda: [r for r in aftermath.api.get("/v1/outbox", waiting="true").json["items"] if r["last_error"]],
                     "the outbox does not say what is wrong")[0]
    assert row["event_id"] == "too-large" and "256 KiB" in row["last_error"] and row["published_at"] is None
    aftermath.db.execute("DELETE FROM signup_outbox WHERE event_id = 'too-large'")


def test_wrapped_and_packed_sign_ups_are_understood(aftermath):
    """SNS envelope and gzip, each and both, and the ids that stand in where there is no eventId."""
    db, queue = aftermath.db, load.QUEUES["coupon"]
    cases = {
        "raw": (event(eventId="w-1", userId="w-1"), {}),
        "sns": (envelope(event(eventId="w-2", userId="w-2").decode()), {}),
        "gzip": (zipped(event(eventId="w-3", userId="w-3")), GZIP),
        "gzip in sns": (envelope(zipped(event(eventId="w-4", userId="w-4")).decode(),
                                 MessageAttributes={"content-encoding": {"Type": "String", "Value": "gzip"}}), {}),
        "sns id": (envelope(event(eventId=..., userId="w-5").decode(), MessageId="sns-w-5"), {}),
    }
    for body, attributes in cases.values():
        load.put_message(db, queue, body, attributes)
    own_id = load.put_message(db, queue, event(eventId=..., userId="w-6"))
    wait_until(lambda: all(aftermath.coupon.granted()[f"w-{i}"] for i in range(1, 7)), lambda: aftermath.coupon.granted(), 20)
    keys = {grant.user_id: grant.key for grant in aftermath.coupon.grants}
    assert [keys[f"w-{i}"] for i in range(1, 5)] == [f"w-{i}:coupon" for i in range(1, 5)]
    assert keys["w-5"] == "sns-w-5:coupon" and keys["w-6"] == f"{own_id}:coupon"
