"""Wrong input to the admin API, of every kind: each has its exact status and a sentence that helps, and does nothing."""

import json

import pytest
from support.rows import BEYOND, JSON, problem, put_failed


# -- Wrong input ---------------------------------------------------------------------------------------

# name: (method, target, body or None, headers, status, words of the answer)
WRONG = {
    "unknown route": ("GET", "/v1/nothing", None, {}, 404, ["no such route", "usher-api(7)"]),
    "root": ("GET", "/", None, {}, 404, ["no such route"]),
    "trailing slash": ("GET", "/v1/status/", None, {}, 404, ["no such route"]),
    "long path": ("GET", "/a" * 50, None, {}, 404, ["no such route"]),
    "longer path": ("GET", "/" + "a" * 4100, None, {}, 414, ["4096"]),
    "wrong method": ("POST", "/v1/status", b"{}", JSON, 405, ["GET, HEAD"]),
    "delete": ("DELETE", "/v1/failed/1", None, {}, 405, ["GET, HEAD"]),
    "own method": ("BREW", "/v1/signups", None, {}, 405, ["POST"]),
    "get an act": ("GET", "/v1/failed/1/redrive", None, {}, 405, ["POST"]),
    "encoded slash": ("GET", "/v1%2Fstatus", None, {}, 404, ["no such route"]),
    "nul in path": ("GET", "/v1/status%00", None, {}, 400, ["control character"]),
    "bad encoding": ("GET", "/v1/failed?q=%zz", None, {}, 400, ["hexadecimal"]),
    "cut encoding": ("GET", "/v1/failed?q=%4", None, {}, 400, ["hexadecimal"]),
    "line break in q": ("GET", "/v1/failed?q=a%0d%0ab", None, {}, 400, ["control character"]),
    "utf-8 in q": ("GET", "/v1/failed?q=%ff", None, {}, 400, ["UTF-8"]),
    "long q": ("GET", "/v1/failed?q=" + "a" * 321, None, {}, 400, ["q", "320"]),
    "unknown parameter": ("GET", "/v1/failed?stauts=dead", None, {}, 400, ["stauts", "status, channel"]),
    "parameter of another": ("GET", "/v1/failed/1?limit=1", None, {}, 400, ["limit", "none"]),
    "twice": ("GET", "/v1/failed?limit=1&limit=2", None, {}, 400, ["limit", "twice"]),
    "limit 0": ("GET", "/v1/failed?limit=0", None, {}, 400, ["limit", "1 to 500"]),
    "limit 501": ("GET", "/v1/failed?limit=501", None, {}, 400, ["limit", "1 to 500"]),
    "limit x": ("GET", "/v1/failed?limit=x", None, {}, 400, ["limit", "1 to 500"]),
    "limit -1": ("GET", "/v1/audit?limit=-1", None, {}, 400, ["limit", "1 to 500"]),
    "limit huge": ("GET", "/v1/outbox?limit=99999999999999999999", None, {}, 400, ["limit", "1 to 500"]),
    "bad status": ("GET", "/v1/failed?status=alive", None, {}, 400, ["status", "dead, queued, delivered, cancelled"]),
    "bad channel": ("GET", "/v1/retrying?channel=sms", None, {}, 400, ["channel", "email, coupon"]),
    "bad class": ("GET", "/v1/failed?class=%25s", None, {}, 400, ["class", "service_down"]),
    "bad since": ("GET", "/v1/failed?since=yesterday", None, {}, 400, ["since", "RFC 3339"]),
    "bad sort": ("GET", "/v1/failed?sort=id;DROP", None, {}, 400, ["sort", "newest, oldest"]),
    "bad direction": ("GET", "/v1/failed?sort=id:up", None, {}, 400, [":asc or :desc"]),
    "unknown key": ("GET", "/v1/failed?filter=stauts:dead", None, {}, 400, ["character 1", "stauts", "status, channel"]),
    "bad word": ("GET", "/v1/failed?filter=x%20status:ded", None, {}, 400, ["character 10", "dead, queued"]),
    "open quote": ("GET", "/v1/failed/groups?filter=%22a", None, {}, 400, ["quote"]),
    "long filter": ("GET", "/v1/failed?filter=" + "a" * 1025, None, {}, 400, ["filter", "1024"]),
    "filter elsewhere": ("GET", "/v1/retrying?filter=a", None, {}, 400, ["filter", "channel"]),
    "cursor of another sort": ("GET", "/v1/failed?sort=id&cursor=A0.1.1", None, {}, 400, ["cursor"]),
    "bad waiting": ("GET", "/v1/outbox?waiting=1", None, {}, 400, ["waiting", "true, false"]),
    "bad cursor": ("GET", "/v1/failed?cursor=n1.2x", None, {}, 400, ["cursor"]),
    "sql cursor": ("GET", "/v1/failed?cursor=n1.2'%20OR%201=1", None, {}, 400, ["cursor"]),
    "long cursor": ("GET", "/v1/failed?cursor=" + "n" * 100, None, {}, 400, ["cursor"]),
    "cursor of another": ("GET", "/v1/retrying?cursor=n1.2", None, {}, 400, ["cursor"]),
    "audit cursor": ("GET", "/v1/audit?cursor=zz", None, {}, 400, ["cursor"]),
    "outbox cursor": ("GET", "/v1/outbox?cursor=%25n", None, {}, 400, ["cursor"]),
    "dlq cursor": ("GET", "/v1/dlq/email?cursor=1", None, {}, 400, ["cursor"]),
    "long target": ("GET", "/v1/audit?target=" + "t" * 161, None, {}, 400, ["target", "160"]),
    "unknown dlq": ("GET", "/v1/dlq/sms", None, {}, 404, ["sms", "email and coupon"]),
    "unknown component": ("GET", "/actuator/health/disk", None, {}, 404, ["disk", "liveness"]),
    "id x": ("GET", "/v1/failed/x", None, {}, 400, ["whole number"]),
    "id 0": ("GET", "/v1/failed/0", None, {}, 400, ["whole number"]),
    "id -1": ("GET", "/v1/failed/-1", None, {}, 400, ["whole number"]),
    "id 1.5": ("GET", "/v1/failed/1.5", None, {}, 400, ["whole number"]),
    "sql in id": ("GET", "/v1/failed/1%27%20OR%20%271%27=%271", None, {}, 400, ["whole number"]),
    "format in id": ("GET", "/v1/failed/%25s%25n", None, {}, 400, ["whole number"]),
    "id over 2^53": ("GET", f"/v1/failed/{BEYOND}", None, {}, 404, [str(BEYOND)]),
    "id over 2^63": ("GET", "/v1/failed/9223372036854775808", None, {}, 400, ["9223372036854775807"]),
    "unknown row": ("GET", "/v1/failed/404", None, {}, 404, ["404"]),
    "redrive nothing": ("POST", "/v1/failed/404/redrive", b"{}", JSON, 404, ["404"]),
    "cancel nothing": ("POST", "/v1/failed/404/cancel", b'{"reason":"x"}', JSON, 404, ["404"]),
    "no type": ("POST", "/v1/failed/1/redrive", b"{}", {}, 415, ["application/json"]),
    "form": ("POST", "/v1/signups", b"email=a", {"Content-Type": "application/x-www-form-urlencoded"}, 415,
             ["application/json"]),
    "nearly json type": ("POST", "/v1/signups", b"{}", {"Content-Type": "application/jsonx"}, 415, ["application/json"]),
    "empty body": ("POST", "/v1/failed/1/redrive", b"", JSON, 400, ["empty", "{}"]),
    "not json": ("POST", "/v1/failed/1/redrive", b"reason=x", JSON, 400, ["not JSON"]),
    "cut json": ("POST", "/v1/failed/1/redrive", b'{"reason":', JSON, 400, ["not JSON", "byte"]),
    "json and more": ("POST", "/v1/failed/1/redrive", b"{}{}", JSON, 400, ["not JSON"]),
    "not utf-8": ("POST", "/v1/failed/1/redrive", b'{"reason":"\xff"}', JSON, 400, ["UTF-8"]),
    "nul escape": ("POST", "/v1/failed/1/redrive", b'{"reason":"a\\u0000"}', JSON, 400, ["not JSON"]),
    "too deep": ("POST", "/v1/failed/1/redrive", b'{"a":' + b"[" * 1000 + b"]" * 1000 + b"}", JSON, 400, ["deep"]),
    "an array": ("POST", "/v1/failed/1/redrive", b"[]", JSON, 400, ["object"]),
    "null": ("POST", "/v1/failed/1/redrive", b"null", JSON, 400, ["object"]),
    "double member": ("POST", "/v1/failed/1/redrive", b'{"reason":"a","reason":"b"}', JSON, 400, ["reason", "twice"]),
    "unknown member": ("POST", "/v1/failed/1/redrive", b'{"resaon":"x"}', JSON, 400, ["resaon", "version, reason"]),
    "upper-case member": ("POST", "/v1/failed/1/redrive", b'{"Reason":"x"}', JSON, 400, ["Reason"]),
    "missing reason": ("POST", "/v1/failed/1/cancel", b"{}", JSON, 400, ["reason", "required"]),
    "empty reason": ("POST", "/v1/failed/1/cancel", b'{"reason":""}', JSON, 400, ["reason", "500"]),
    "blank reason": ("POST", "/v1/failed/1/cancel", b'{"reason":"   "}', JSON, 400, ["reason", "spaces"]),
    "long reason": ("POST", "/v1/failed/1/cancel", json.dumps({"reason": "김" * 501}).encode(), JSON, 400, ["reason", "500"]),
    "line break in reason": ("POST", "/v1/failed/1/cancel", b'{"reason":"a\\nb"}', JSON, 400, ["reason", "control"]),
    "reason is a number": ("POST", "/v1/failed/1/cancel", b'{"reason":1}', JSON, 400, ["reason", "string"]),
    "version is a string": ("POST", "/v1/failed/1/redrive", b'{"version":"1"}', JSON, 400, ["version"]),
    "version 0": ("POST", "/v1/failed/1/redrive", b'{"version":0}', JSON, 400, ["version"]),
    "version 1.5": ("POST", "/v1/failed/1/redrive", b'{"version":1.5}', JSON, 400, ["version"]),
    "version over 2^53": ("POST", "/v1/failed/1/redrive", b'{"version":9007199254740993}', JSON, 400, ["version"]),
    "version over 2^31": ("POST", "/v1/failed/1/redrive", b'{"version":2147483648}', JSON, 400, ["version"]),
    "no address": ("POST", "/v1/signups", b'{"name":"A"}', JSON, 400, ["email", "required"]),
    "no name": ("POST", "/v1/signups", b'{"email":"a@b.c"}', JSON, 400, ["name", "required"]),
    "address is null": ("POST", "/v1/signups", b'{"email":null,"name":"A"}', JSON, 400, ["email", "string"]),
    "cr lf in address": ("POST", "/v1/signups", b'{"email":"a@b.c\\r\\nBcc: d@e.f","name":"A"}', JSON, 400, ["email"]),
    "long address": ("POST", "/v1/signups", json.dumps({"email": "a" * 320 + "@b.c", "name": "A"}).encode(), JSON, 400,
                     ["email", "320"]),
    "long name": ("POST", "/v1/signups", json.dumps({"email": "a@b.c", "name": "김" * 201}).encode(), JSON, 400, ["name", "200"]),
    "user is a number": ("POST", "/v1/signups", b'{"email":"a@b.c","name":"A","user_id":9007199254740993}', JSON, 400,
                         ["user_id", "string"]),
    "long user": ("POST", "/v1/signups", json.dumps({"email": "a@b.c", "name": "A", "user_id": "u" * 129}).encode(), JSON, 400,
                  ["128"]),
    "empty user": ("POST", "/v1/signups", b'{"email":"a@b.c","name":"A","user_id":""}', JSON, 400, ["user"]),
    "257 KiB": ("POST", "/v1/signups", b"x" * 262145, JSON, 413, ["262144"]),
    "1 MB field": ("POST", "/v1/signups", b'{"name":"' + b"x" * 1_000_000 + b'"}', JSON, 413, ["262144"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_is_told_what_is_wrong(still, name):
    method, target, body, headers, status, words = WRONG[name]
    answer = still.api.request(method, target, body, headers)
    problem(answer, status, *words)
    assert len(answer.json["detail"]) > 10
    if status == 405:
        assert answer.headers["allow"] == words[0]


def test_wrong_input_does_nothing(api, db):
    row = put_failed(db, 1)
    for method, target, body, headers, _, _ in WRONG.values():
        api.request(method, target.replace("/v1/failed/1/", f"/v1/failed/{row}/"), body, headers)
    assert api.get(f"/v1/failed/{row}").json["version"] == 1
    assert db.value("SELECT COUNT(*) FROM users") == db.value("SELECT COUNT(*) FROM redrive_intent") == 0


@pytest.mark.parametrize("fields", [
    {"name": "Robert'); DROP TABLE users;--", "user_id": "u' OR '1'='1"}, {"name": "%s%n%08x", "user_id": "%s%n"},
    {"name": "a\\'b\\", "user_id": "\\"}, {"name": "김민지 👩‍🚀", "user_id": "회원-1"}, {"name": "힣" * 200, "user_id": "u" * 128},
])
def test_hostile_sign_ups_are_stored_as_they_are(api, db, fields):
    assert api.post("/v1/signups", email="minji@example.com", **fields).status == 201
    stored = db.query("SELECT * FROM users")[0]
    assert stored["name"] == fields["name"] and stored["user_id"] == fields["user_id"]
