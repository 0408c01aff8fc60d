"""The admin API as usher-api(7) promises it: shapes, masks, acts, refusals; and wrong input of every kind, each with its
exact status and a sentence that helps. The mail channel is switched off, so that rows stay as the tests put them."""

import grp
import http.client
import json
import os
import pwd
import re
import socket
import time
import uuid

import pytest
from support.coupon import CouponService
from support.daemon import Daemon
from support.process import cpu_seconds, wait_until

STILL = {"channel.email": {"enabled": "no"}}
JSON = {"Content-Type": "application/json"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
BEYOND = 9007199254740993  # 2^53 + 1: what a JavaScript number cannot hold
CONNECTIONS_MAX = 128      # src/admin/server.h


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


@pytest.fixture(scope="module")
def still(build, mariadb_server):
    """One daemon for all tests that leave no more than rows behind."""
    mariadb_server.fresh()
    coupon = CouponService()
    usherd = Daemon(build, mariadb_server, None, coupon, STILL)
    try:
        usherd.migrate()
        usherd.start()
        usherd.db = mariadb_server
        yield usherd
    finally:
        usherd.close()
        coupon.close()


@pytest.fixture
def api(still):
    for table in ("failed_notification", "delivery", "delivery_attempt", "redrive_intent", "audit", "users", "signup_outbox"):
        still.db.execute(f"DELETE FROM {table}")
    return still.api


@pytest.fixture
def db(still):
    return still.db


# -- Looking -----------------------------------------------------------------------------------------

def test_status_has_every_figure(still, api):
    def known():
        status = api.status()
        return status if status["channels"][0]["dead"]["value"] is not None else None
    status = wait_until(known, "no figures")
    assert status["operator"] == login() and status["pid"] == still.pid and status["host"] == os.uname().nodename
    assert status["read_only"] is False and still.readonly_api.status()["read_only"] is True
    assert status["driver"] == "embedded" and status["uptime_s"] >= 0
    assert TIME.fullmatch(status["at"]) and TIME.fullmatch(status["started_at"])
    assert status["database"]["up"] is True and status["database"]["error"] == "" and status["broker"]["up"] is True
    assert [channel["name"] for channel in status["channels"]] == ["email", "coupon"]
    for channel in status["channels"]:
        for figure in ("visible", "in_flight", "delayed", "dlq_depth", "retrying", "dead", "queued", "cancelled"):
            assert set(channel[figure]) == {"value", "exactness"}, figure
        assert channel["retrying"] == {"value": 0, "exactness": "exact"} and channel["next_due_s"] is None
        assert channel["breaker"] == {"state": "closed", "since": channel["breaker"]["since"], "trial_at": None}
        assert set(channel["totals"]) == {"received", "delivered", "retried", "dead", "failed", "repeated", "handed_back",
                                          "lost"}
        assert set(channel["rates"]) == {"in_per_s", "out_per_s", "fail_per_s"}
        assert channel["history_step_s"] == 0.1
        assert len(channel["history"]["out"]) == len(channel["history"]["depth"]) <= 60
    assert set(status["outbox"]) == {"waiting", "oldest_age_s", "published_per_s", "failing", "retry_at", "published_total",
                                     "refused_total"}
    assert set(status["totals"]) == {"signups", "acts", "refused_acts", "redriven", "statements"}


def test_failed_rows_are_listed_masked_and_paged(api, db):
    ids = [put_failed(db, n, age_s=n) for n in range(7)]
    answer = api.get("/v1/failed", limit=3)
    assert answer.status == 200 and answer.headers["content-type"] == "application/json"
    assert answer.json["count"] == 7 and answer.json["count_capped"] is False and answer.json["next"]
    first = answer.json["items"][0]
    assert first["id"] == ids[0] and first["recipient"] == "mi***@example.com" and first["name"] == "김*지"
    assert first["user_id"] == "use***" and "minji" not in answer.text and "user-0" not in answer.text
    assert first["status"] == first["state"] == "dead" and first["class"] == "rejected" and first["class_help"]
    assert first["disposition"] == "manual" and first["attempts"] == 3 and first["redrives"] == 0 and first["version"] == 1
    assert first["reason"] == "SMTP 554 at DOT: no <mi***@example.com> here"
    assert first["dlq"] == {"message_id": None, "seen_at": None, "expires_at": None} and first["settled_by"] is None
    assert TIME.fullmatch(first["dead_at"])
    assert [item["id"] for item in pages(api, "/v1/failed", limit=3)] == ids
    assert [item["id"] for item in pages(api, "/v1/failed", limit=2, sort="oldest")] == ids[::-1]


def test_failed_rows_of_one_millisecond_are_paged_once_each(api, db):
    for n in range(9):
        put_failed(db, n)
    db.execute("UPDATE failed_notification SET dead_at = '2026-03-04 05:06:07.123'")
    for sort in ("newest", "oldest"):
        items = [item["id"] for item in pages(api, "/v1/failed", limit=2, sort=sort)]
        assert len(items) == len(set(items)) == 9


@pytest.mark.parametrize("query, wanted", [
    ({}, {0, 1, 2, 3}), ({"status": "any"}, {0, 1, 2, 3}), ({"status": ""}, {0, 1, 2, 3}),
    ({"status": "dead"}, {0, 1}), ({"status": "cancelled"}, {2}), ({"channel": "coupon"}, {1, 3}),
    ({"status": "dead", "channel": "coupon"}, {1}), ({"class": "out_of_stock"}, {1}),
    ({"class": "out_of_stock", "status": "cancelled"}, set()),
    ({"q": "e-2"}, {2}), ({"q": "user-"}, {0, 1, 2, 3}), ({"q": "minji3@example.com"}, {3}), ({"q": "minji"}, {0, 1, 2, 3}),
    ({"q": "nobody"}, set()), ({"q": "%"}, set()), ({"q": "min_i"}, set()), ({"q": "' OR 1=1 -- "}, set()),
    ({"q": "\\"}, set()), ({"q": "%s%n%x"}, set()), ({"q": "김"}, set()), ({"q": "x'; DROP TABLE users"}, set()),
])
def test_failed_rows_are_filtered(api, db, query, wanted):
    put_failed(db, 0)
    put_failed(db, 1, channel="coupon", klass="out_of_stock")
    put_failed(db, 2, status="cancelled")
    put_failed(db, 3, channel="coupon", status="delivered", klass="timeout")
    answer = api.get("/v1/failed", **query)
    assert answer.status == 200, answer.text
    assert {item["event_id"] for item in answer.json["items"]} == {f"e-{n}" for n in wanted}
    assert answer.json["count"] == len(wanted)


def test_since_takes_any_offset_and_plus_is_itself(api, db):
    put_failed(db, 0, age_s=7200, recipient="kim+old@example.com")
    put_failed(db, 1, recipient="kim+new@example.com")
    hour_ago = time.strftime("%Y-%m-%dT%H:%M:%S+09:00", time.gmtime(time.time() - 3600 + 9 * 3600))
    assert [i["event_id"] for i in api.get(f"/v1/failed?since={hour_ago}").json["items"]] == ["e-1"]
    assert [i["event_id"] for i in api.get("/v1/failed?q=kim+old@example.com").json["items"]] == ["e-0"]


def test_groups_count_by_cause(api, db):
    for n in range(5):
        put_failed(db, n, klass="timeout", reason="no answer in time")
    put_failed(db, 5, channel="coupon", klass="out_of_stock", reason="HTTP 409: none left")
    groups = api.get("/v1/failed/groups").json["items"]
    assert [(g["channel"], g["class"], g["reason"], g["count"]) for g in groups] == [
        ("email", "timeout", "no answer in time", 5), ("coupon", "out_of_stock", "HTTP 409: none left", 1)]
    assert all(TIME.fullmatch(g["oldest"]) and g["oldest"] <= g["newest"] for g in groups)
    assert len(api.get("/v1/failed/groups", limit=1).json["items"]) == 1
    assert [g["count"] for g in api.get("/v1/failed/groups", channel="coupon").json["items"]] == [1]


def test_detail_joins_row_payload_attempts_and_audit(api, db):
    row = put_failed(db, 1)
    for number, (code, reply) in enumerate([(451, "451 try later"), (554, "554 no minji1@example.com")], 1):
        db.execute("INSERT INTO delivery_attempt (delivery_id, number, at, latency_ms, class, code, reply, effect) VALUES "
                   "(1001, %s, UTC_TIMESTAMP(3), 12, 'rejected', %s, %s, '<e-1.email@usher.example>')", number, code, reply)
    api.post(f"/v1/failed/{row}/cancel", reason="asked by phone")
    answer = api.get(f"/v1/failed/{row}")
    one = answer.json
    assert answer.status == 200 and one["id"] == row and one["payload_bytes"] == len(payload(1))
    assert json.loads(one["payload"])["email"] == "mi***@example.com" and json.loads(one["payload"])["name"] == "김*지"
    assert json.loads(one["payload"])["eventId"] == "e-1" and one["attributes"] == {"k": "v"}
    assert [(a["number"], a["code"], a["reply"]) for a in one["attempt_list"]] == [
        (1, 451, "451 try later"), (2, 554, "554 no mi***@example.com")]
    assert one["attempt_list"][0]["effect"] == "<e-1.email@usher.example>" and one["attempt_list"][0]["latency_ms"] == 12
    assert [(a["act"], a["outcome"], a["reason"], a["operator"]) for a in one["audit"]] == [
        ("cancel", "done", "asked by phone", login())]
    assert "minji" not in answer.text


@pytest.mark.parametrize("body, shown", [
    (b"", ""), (b"\xff\xfe{", "��{"), (b"a\x00b", "a�b"), (b"to minji@example.com", "to mi***@example.com"),
    (b'{"name":"Minji', '{"name":"M****'), (b"[1,2", "[1,2"),
])
def test_payloads_that_are_no_event_are_shown(api, db, body, shown):
    row = put_failed(db, 1, payload=body, attributes="")
    one = api.get(f"/v1/failed/{row}").json
    assert one["payload"] == shown and one["payload_bytes"] == len(body) and one["attributes"] == {}


def test_a_malformed_message_without_a_member_is_shown(api, db):
    row = put_failed(db, 1, user_id=None, recipient=None, name=None, klass="malformed")
    one = api.get(f"/v1/failed/{row}").json
    assert one["user_id"] is None and one["recipient"] is None and one["name"] is None


def test_ids_beyond_2_53_keep_their_digits(api, db):
    row = put_failed(db, 1, id=BEYOND)
    put_failed(db, 2, id=BEYOND + 1, age_s=5)
    assert row == str(BEYOND)
    assert [item["id"] for item in pages(api, "/v1/failed", limit=1)] == [str(BEYOND), str(BEYOND + 1)]
    assert api.get(f"/v1/failed/{BEYOND}").json["event_id"] == "e-1"
    assert api.post(f"/v1/failed/{BEYOND}/cancel", reason="x").json["id"] == str(BEYOND)


def test_dlq_lists_rows_whose_copy_was_seen(api, db):
    put_failed(db, 1)
    row = put_failed(db, 2, dlq_message_id="m-2")
    put_failed(db, 3, channel="coupon", dlq_message_id="m-3")
    answer = api.get("/v1/dlq/email").json
    assert [item["id"] for item in answer["items"]] == [row] and answer["items"][0]["dlq"]["message_id"] == "m-2"
    assert set(answer["depth"]) == {"value", "exactness"} and "mirrored_at" in answer and answer["next"] is None


def test_retrying_lists_soonest_first(api, db):
    for n in range(5):
        db.execute("INSERT INTO delivery (event_id, channel, state, user_id, recipient, attempts, due_at, last_class, "
                   "last_reply) VALUES (%s, %s, 'retrying', %s, %s, 1, UTC_TIMESTAMP(3) + INTERVAL %s HOUR, 'timeout', "
                   "'no answer for minji@example.com')", f"r-{n}", "email" if n % 2 else "coupon", f"user-{n}",
                   f"minji{n}@example.com", 9 - n)
    items = pages(api, "/v1/retrying", limit=2)
    assert [item["event_id"] for item in items] == ["r-4", "r-3", "r-2", "r-1", "r-0"]
    assert items[0]["attempts"] == 1 and items[0]["max_attempts"] == 3 and items[0]["last_class"] == "timeout"
    assert items[0]["recipient"] == "mi***@example.com" and items[0]["last_reply"] == "no answer for mi***@example.com"
    assert [item["event_id"] for item in pages(api, "/v1/retrying", channel="email")] == ["r-3", "r-1"]


def test_outbox_lists_what_waits_and_what_went(api, db):
    for n in range(3):
        db.execute("INSERT INTO signup_outbox (event_id, payload, published_at) VALUES (%s, '{}', UTC_TIMESTAMP(3))", f"p-{n}")
    db.execute("INSERT INTO signup_outbox (event_id, payload, next_at) VALUES ('w-1', '{}', '2099-01-01')")
    items = pages(api, "/v1/outbox", limit=2)
    assert items[0]["event_id"] == "w-1" and items[0]["published_at"] is None
    assert {item["event_id"] for item in items[1:]} == {"p-0", "p-1", "p-2"} and all(i["published_at"] for i in items[1:])
    assert [item["event_id"] for item in pages(api, "/v1/outbox", waiting="true")] == ["w-1"]
    assert "payload" not in items[0]


# -- Acting ------------------------------------------------------------------------------------------

def test_redrive_queues_once(still, api, db):
    row = put_failed(db, 1)
    answer = api.post(f"/v1/failed/{row}/redrive", version=1, reason="mail server is back")
    assert answer.status == 200 and answer.json["status"] == "queued" and answer.json["redrives"] == 1, answer.text
    assert answer.json["version"] == 2 and answer.json["settled_by"] == login()
    problem(api.post(f"/v1/failed/{row}/redrive"), 409, "queued", login())
    problem(api.post(f"/v1/failed/{row}/redrive", version=1), 409)
    audit = api.get(f"/v1/audit?target=failed/{row}").json["items"]
    assert [(a["act"], a["outcome"], a["operator"], a["role"]) for a in audit] == [
        ("redrive", "conflict", login(), "operator")] * 2 + [("redrive", "done", login(), "operator")]
    assert db.value("SELECT COUNT(*) FROM redrive_intent WHERE failed_id = %s", row) == 1
    assert db.value("SELECT state FROM delivery WHERE id = 1001") == "queued"


def test_cancel_and_restore(api, db):
    row = put_failed(db, 1)
    cancelled = api.post(f"/v1/failed/{row}/cancel", reason="회원이 탈퇴했다", version=1)
    assert cancelled.status == 200 and cancelled.json["status"] == "cancelled", cancelled.text
    assert cancelled.json["settled_reason"] == "회원이 탈퇴했다" and cancelled.json["state"] == "cancelled"
    problem(api.post(f"/v1/failed/{row}/cancel", reason="again"), 409, "cancelled")
    problem(api.post(f"/v1/failed/{row}/redrive"), 409, "cancelled")
    problem(api.post(f"/v1/failed/{row}/restore", version=1), 409)
    restored = api.post(f"/v1/failed/{row}/restore", version=cancelled.json["version"])
    assert restored.status == 200 and restored.json["status"] == restored.json["state"] == "dead"
    problem(api.post(f"/v1/failed/{row}/restore"), 409, "dead")
    acts = [(a["act"], a["outcome"]) for a in api.get(f"/v1/audit?target=failed/{row}").json["items"]]
    assert acts.count(("cancel", "done")) == 1 and acts.count(("restore", "done")) == 1
    assert len([outcome for _, outcome in acts if outcome == "conflict"]) == 4


def test_sign_up_once(still, api, db):
    before = api.status()["totals"]["signups"]
    answer = api.post("/v1/signups", email="minji@example.com", name="김민지", user_id="u-minji", locale="ko-KR")
    assert answer.status == 201 and answer.json["user_id"] == "u-minji" and set(answer.json) == {"user_id", "event_id"}
    again = api.post("/v1/signups", email="minji@example.com", name="김민지", user_id="u-minji", locale="ko-KR")
    assert again.status == 201 and again.json == answer.json, "a repeated sign-up is the same sign-up"
    problem(api.post("/v1/signups", email="other@example.com", name="Kim", user_id="u-minji"), 409, "signed up already")
    problem(api.post("/v1/signups", email="minji@example.com", name="Kim"), 409, "signed up already")
    new = api.post("/v1/signups", email="ada@example.com", name="Ada").json
    assert re.fullmatch(r"[0-9a-f-]{36}", new["user_id"]) and new["event_id"] != answer.json["event_id"]
    assert db.value("SELECT COUNT(*) FROM users") == db.value("SELECT COUNT(*) FROM signup_outbox") == 2
    assert db.value("SELECT locale FROM users WHERE user_id = %s", new["user_id"]) == "ko-KR"
    audit = api.get("/v1/audit").json["items"]
    assert {(a["act"], a["outcome"]) for a in audit} == {("signup", "done"), ("signup", "conflict")}
    assert api.status()["totals"]["signups"] > before


def test_the_read_only_socket_takes_no_act(still, api, db):
    row = put_failed(db, 1)
    look = still.readonly_api
    for target, body in [(f"/v1/failed/{row}/redrive", {}), (f"/v1/failed/{row}/cancel", {"reason": "x"}),
                         (f"/v1/failed/{row}/restore", {}), ("/v1/signups", {"email": "a@b.c", "name": "A"}),
                         ("/v1/failed/x'y/redrive", {})]:
        problem(look.post(target, **body), 403, "read-only socket", still.socket)
    problem(look.request("POST", f"/v1/failed/{row}/redrive"), 403, "read-only")
    assert look.get(f"/v1/failed/{row}").json["status"] == "dead" and db.value("SELECT COUNT(*) FROM users") == 0
    audit = look.get("/v1/audit").json["items"]
    assert [(a["act"], a["target"]) for a in audit] == [
        ("redrive", f"failed/{row}"), ("redrive", "failed/x'y"), ("signup", "signups"), ("restore", f"failed/{row}"),
        ("cancel", f"failed/{row}"), ("redrive", f"failed/{row}")]
    assert {(a["outcome"], a["role"], a["operator"]) for a in audit} == {("refused", "viewer", login())}
    assert api.status()["totals"]["refused_acts"] >= 6


def test_audit_is_paged_newest_first(api, db):
    for n in range(7):
        api.post(f"/v1/failed/{put_failed(db, n)}/cancel", reason=f"reason {n}")
    assert [a["reason"] for a in pages(api, "/v1/audit", limit=3)] == [f"reason {n}" for n in range(6, -1, -1)]


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
    "parameter of another": ("GET", "/v1/status?limit=1", None, {}, 400, ["limit", "none"]),
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
    "65 KiB": ("POST", "/v1/signups", b"x" * 65537, JSON, 413, ["65536"]),
    "1 MB field": ("POST", "/v1/signups", b'{"name":"' + b"x" * 1_000_000 + b'"}', JSON, 413, ["65536"]),
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


# -- The wire -------------------------------------------------------------------------------------------

def connect(usherd, data=b""):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(20)
    sock.connect(usherd.socket)
    sock.sendall(data)
    return sock


PING = b"GET /actuator/health/ping HTTP/1.1\r\nHost: usher\r\n\r\n"


@pytest.mark.parametrize("data, beginning", [
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS client\r\n\r\n", b""),
    (b"hello\r\n\r\n", b""), (b"", b""),
    (b"GET /v1/status HTTP/9.9\r\n\r\n", b"HTTP/1.1 505"),
    (b"POST /v1/signups HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", b"HTTP/1.1 400"),
    (b"POST /v1/signups HTTP/1.1\r\nHost: x\r\nContent-Length: 9" + b"9" * 30 + b"\r\n\r\n", b"HTTP/1.1 413"),
    (b"POST /v1/signups HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", b"HTTP/1.1 413"),
    (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 414"),
    (b"GET /v1/status HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", b"HTTP/1.1 431"),
    (b"POST /v1/signups HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"HTTP/1.1 400"),
], ids=["tls", "words", "nothing", "version", "negative length", "endless length", "long length", "long path",
        "long header", "bad chunk"])
def test_what_is_hardly_http_harms_nobody(still, data, beginning):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(still.socket)
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            answer = sock.recv(100)
        except (BrokenPipeError, ConnectionResetError):
            answer = b""  # the daemon hung up in the middle of it
    assert answer.startswith(beginning) or (answer == b"" and len(data) > 10_000), answer
    assert still.api.get("/v1/status").status == 200


def test_a_slow_client_holds_up_nobody(still):
    with connect(still, b"POST /v1/signups HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{") as slow:
        began = time.monotonic()
        for _ in range(20):
            assert still.api.get("/v1/status").status == 200
            slow.sendall(b" ")
        assert time.monotonic() - began < 10


def test_a_client_that_leaves_in_the_middle_harms_nobody(still):
    for _ in range(50):
        connect(still, b"GET /v1/failed?limit=500 HTTP/1.1\r\nHost: x\r\n\r\n").close()
        connect(still, b"POST /v1/signups HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{").close()
    connect(still, b"\x00" * 1000).close()
    connect(still, b"GET").close()
    assert still.api.get("/v1/status").status == 200


def test_more_clients_than_places_wait_for_one(daemon):
    """The named limit: all places taken, the next client waits, at no cost, and is served when one leaves."""
    still = daemon(STILL)
    crowd = [connect(still) for _ in range(CONNECTIONS_MAX)]
    try:
        for sock in crowd:
            sock.sendall(PING)
            assert sock.recv(1000).startswith(b"HTTP/1.1 200")
        with connect(still, PING) as late:
            before = cpu_seconds(still.pid)
            late.settimeout(1)
            with pytest.raises(socket.timeout):
                late.recv(1000)
            assert cpu_seconds(still.pid) - before < 0.5
            late.settimeout(20)
            crowd.pop().close()
            assert late.recv(1000).startswith(b"HTTP/1.1 200")
    finally:
        for sock in crowd:
            sock.close()
    for _ in range(5):  # all leave at once, and the places are free again
        crowd = [connect(still, PING) for _ in range(CONNECTIONS_MAX + 20)]
        for sock in crowd:
            sock.close()
    assert still.api.get("/v1/status").status == 200


def test_one_connection_takes_many_requests(still):
    with connect(still, PING * 20) as sock:
        data = b""
        while data.count(b"HTTP/1.1 200 OK") < 20:
            part = sock.recv(65536)
            assert part, data
            data += part


def test_head_is_get_without_a_body(still):
    answer = still.api.request("HEAD", "/v1/status")
    assert answer.status == 200 and answer.body == b"" and int(answer.headers["content-length"]) > 100


def test_chunked_bodies_are_taken_and_limited(still, api):
    def chunks(count):
        return iter([b'{"email":"a@b.example","name":"'] + [b"x" * 1000] * count + [b'"}'])
    problem(api.request("POST", "/v1/signups", chunks(60), JSON), 400, "name")
    problem(api.request("POST", "/v1/signups", chunks(70), JSON), 413, "65536")


# -- Health, metrics, and what watching costs ------------------------------------------------------------

def test_health_is_in_springs_shape(still, api):
    answer = wait_until(lambda: (lambda a: a if a.status == 200 else None)(api.get("/actuator/health")), "never healthy")
    assert answer.json["status"] == "UP" and answer.json["groups"] == ["liveness", "readiness"]
    assert answer.json["components"]["db"] == {"status": "UP", "details": {"database": "MariaDB"}}
    assert answer.json["components"]["broker"]["details"] == {"driver": "embedded"}
    assert answer.json["components"]["ping"] == {"status": "UP"}
    for part in ("liveness", "readiness", "db", "broker", "ping"):
        assert api.get(f"/actuator/health/{part}").json["status"] == "UP"


def test_metrics_are_prometheus_text(still, api):
    answer = api.get("/metrics")
    assert answer.status == 200 and answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "\nusher_database_up 1\n" in answer.text
    assert re.search(r'\nusher_ledger_deliveries\{channel="email",state="dead"\} \d+\n', answer.text)


def test_polling_the_status_costs_no_statement(daemon):
    usherd = daemon({**STILL, "watch": {"depth_interval": "1h", "mirror_interval": "1h", "probe_interval": "1h"},
                     "relay": {"interval": "1h"}})

    def statements():
        return usherd.api.status()["totals"]["statements"]
    last = [-1]

    def quiet():
        now, before = statements(), last[0]
        last[0] = now
        time.sleep(0.3)
        return now == before
    wait_until(quiet, "the daemon does not come to rest")
    before, cpu = statements(), cpu_seconds(usherd.pid)
    connection = http.client.HTTPConnection("usher")
    connection.sock = connect(usherd)
    for target in ["/v1/status", "/actuator/health", "/metrics"] * 400:
        connection.request("GET", target)
        answer = connection.getresponse()
        answer.read()
        assert answer.status in (200, 503)
    spent = cpu_seconds(usherd.pid) - cpu
    assert statements() == before
    assert spent / 1200 < 0.01, f"{spent / 1200 * 1e6:.0f} us a request"


def test_tcp_listener_is_for_monitors_only(daemon):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    usherd = daemon({**STILL, "daemon": {"http_listen": f"127.0.0.1:{port}"}})

    def ask(target, method="GET"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request(method, target)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    wait_until(lambda: ask("/actuator/health")[0] == 200, "never healthy")
    health = json.loads(ask("/actuator/health")[1])
    assert health["components"]["db"] == {"status": "UP"}, "details are not for every local user"
    assert "usher_build_info" in ask("/metrics")[1]
    for target in ("/v1/status", "/v1/failed", "/v1/audit", "/v1/failed/1"):
        status, text = ask(target)
        assert status == 404 and "unix socket" in json.loads(text)["detail"]
    assert ask("/v1/signups", "POST")[0] == 404 and ask("/metrics", "POST")[0] == 405
    assert usherd.api.get("/v1/audit").json["items"] == []


# -- The database goes and comes -------------------------------------------------------------------------

def test_without_the_database_lists_say_503_and_the_status_goes_on(daemon, mariadb):
    usherd = daemon(STILL)
    wait_until(lambda: usherd.api.status()["database"]["up"], "the database is not seen")
    mariadb.kill()
    for target in ("/v1/failed", "/v1/failed/groups", "/v1/failed/1", "/v1/retrying", "/v1/outbox", "/v1/audit", "/v1/dlq/email"):
        answer = usherd.api.get(target)
        problem(answer, 503)
        assert answer.headers["retry-after"] == "1"
    problem(usherd.api.post("/v1/signups", email="a@b.example", name="A"), 503)
    problem(usherd.api.post("/v1/failed/1/redrive"), 503)
    problem(usherd.readonly_api.post("/v1/failed/1/redrive"), 403)
    wait_until(lambda: not usherd.api.status()["database"]["up"], "the loss is not seen")
    status = usherd.api.status()
    assert status["database"]["error"] and status["channels"][0]["dead"]["exactness"] == "stale"
    assert usherd.api.get("/actuator/health").status == 503
    assert usherd.api.get("/actuator/health/readiness").json["status"] == "DOWN"
    assert usherd.api.get("/actuator/health/liveness").json["status"] == "UP"
    assert "\nusher_database_up 0\n" in usherd.api.get("/metrics").text
    mariadb.start()
    wait_until(lambda: usherd.api.get("/actuator/health").status == 200, "it does not come back")
    assert usherd.api.get("/v1/failed").status == 200
    assert usherd.api.post("/v1/signups", email="a@b.example", name="A").status == 201


# -- Sockets: start and stop ------------------------------------------------------------------------------

def test_sockets_have_mode_and_group_and_go_with_the_daemon(daemon):
    usherd = daemon(STILL)
    for path in (usherd.socket, usherd.readonly_socket):
        stat = os.stat(path)
        assert stat.st_mode & 0o777 == 0o660 and stat.st_gid == os.getegid()
    idle = connect(usherd, PING)
    assert idle.recv(1000).startswith(b"HTTP/1.1 200")
    slow = connect(usherd, b"POST /v1/signups HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    usherd.api.get("/v1/status")
    began = time.monotonic()
    assert usherd.stop() == 0
    assert time.monotonic() - began < 15, "a client can hold up the stop"
    assert not os.path.exists(usherd.socket) and not os.path.exists(usherd.readonly_socket)
    idle.close()
    slow.close()


def test_a_living_daemon_keeps_its_sockets_a_dead_one_leaves_them(daemon):
    usherd = daemon(STILL)
    second = usherd.command("run", check=None)
    assert second.returncode != 0 and b"another daemon listens on" in second.stderr and usherd.socket.encode() in second.stderr
    assert usherd.api.get("/v1/status").status == 200
    usherd.kill()
    assert os.path.exists(usherd.socket)
    usherd.start()
    assert usherd.api.get("/v1/status").status == 200


@pytest.mark.parametrize("changes, words", [
    ({"socket_group": "no-such-group"}, ["socket_group", "no-such-group", "groupadd"]),
    ({"readonly_group": "no-such-group"}, ["readonly_group", "no-such-group"]),
    ({"run_dir": "/nowhere/usher"}, ["/nowhere/usher"]),
    ({"http_listen": "0.0.0.0:8081"}, ["http_listen", "127.0.0.1"]),
])
def test_a_start_that_cannot_be_says_what_to_do(daemon, changes, words):
    usherd = daemon({**STILL, "daemon": changes}, start=False, migrate=False)
    done = usherd.command("run", check=None)
    assert done.returncode != 0
    for word in words:
        assert word in done.stderr.decode(), done.stderr.decode()
    assert not os.path.exists(usherd.socket) and not os.path.exists(usherd.readonly_socket)


def test_a_port_in_use_is_named(daemon):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = daemon({**STILL, "daemon": {"http_listen": address}}, start=False).command("run", check=None)
        assert done.returncode != 0 and address in done.stderr.decode() and "free port" in done.stderr.decode()


def test_a_group_that_the_daemon_may_give_is_given(daemon):
    other = next((group for group in grp.getgrall() if group.gr_gid != os.getegid()
                  and (os.geteuid() == 0 or group.gr_gid in os.getgroups())), None)
    group = other or grp.getgrgid(os.getegid())
    usherd = daemon({**STILL, "daemon": {"readonly_group": group.gr_name}})
    assert os.stat(usherd.readonly_socket).st_gid == group.gr_gid
