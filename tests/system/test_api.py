"""The admin API as usher-api(7) promises it: shapes, masks, acts, refusals. Wrong input is in test_api_input.py, the sockets
in test_api_sockets.py."""

import json
import os
import re
import time

import pytest
from support.process import wait_until
from support.rows import BEYOND, login, pages, payload, problem, put_failed

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


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
    assert [(one["pid"], one["self"], one["leads"], one["lost"]) for one in status["fleet"]] == [(still.pid, True, True, False)]
    for channel in status["channels"]:
        assert channel["paused"] is None and channel["forced"] is None
        for figure in ("visible", "in_flight", "delayed", "dlq_depth", "retrying", "dead", "queued", "cancelled"):
            assert set(channel[figure]) == {"value", "exactness"}, figure
        assert channel["retrying"] == {"value": 0, "exactness": "exact"} and channel["next_due_s"] is None
        assert channel["breaker"] == {"state": "closed", "since": channel["breaker"]["since"], "trial_at": None,
                                      "cause": None, "waiting": channel["visible"]}
        assert set(channel["probe"]) == {"ok", "at", "next_at", "error", "in_stock"}
        assert channel["limit"] == {"per_s": None, "by": "none", "since": None, "words": None}
        assert set(channel["totals"]) == {"received", "delivered", "retried", "dead", "failed", "repeated", "handed_back",
                                          "lost"}
        assert set(channel["rates"]) == {"in_per_s", "out_per_s", "fail_per_s"}
        assert channel["history_step_s"] == 0.1
        assert TIME.fullmatch(channel["counted_at"])
        assert len(channel["history"]["out"]) == len(channel["history"]["depth"]) <= 60
    assert set(status["outbox"]) == {"waiting", "oldest_age_s", "published_per_s", "failing", "retry_at", "published_total",
                                     "refused_total", "counted_at"}
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


def test_groups_open_by_their_own_filter(api, db):
    """Members, numbers and ids make no group of their own; what a group names as its filter lists its rows."""
    for n in range(6):
        put_failed(db, n, reason=f"SMTP 550 5.1.1 at RCPT: <minji{n}@example.com> unknown, try {n * 1000}")
    put_failed(db, 6, status="cancelled", reason="SMTP 550 5.1.1 at RCPT: <a@b.c> unknown, try 7")
    put_failed(db, 7, klass="timeout", reason="no answer in time")
    answer = api.get("/v1/failed/groups", filter="-class:timeout").json
    assert answer["complete"] is True
    assert [(g["status"], g["reason"], g["count"], g["count_exactness"]) for g in answer["items"]] == [
        ("dead", "SMTP 550 5.1.1 at RCPT: <@> unknown, try #", 6, "exact"),
        ("cancelled", "SMTP 550 5.1.1 at RCPT: <@> unknown, try #", 1, "exact")]
    for group, wanted in zip(answer["items"], ({f"e-{n}" for n in range(6)}, {"e-6"})):
        assert group["filter"].startswith("-class:timeout ")
        listed = api.get("/v1/failed", filter=group["filter"]).json
        assert {item["event_id"] for item in listed["items"]} == wanted and listed["count"] == group["count"]
        assert {item["cause"] for item in listed["items"]} == {group["cause"]}


@pytest.mark.parametrize("written, wanted", [
    ("", {0, 1, 2, 3}), ("status:dead", {0, 1}), ("status:dead,cancelled channel:email", {0, 2}), ("-channel:email", {1, 3}),
    ("class:timeout,out_of_stock", {1, 3}), ("age>1h", {2}), ("age<1h -status:delivered", {0, 1}), ("user:user-2", {2}),
    ("user:user-*", {0, 1, 2, 3}), ("to:minji3@example.com", {3}), ("event:e-0,e-1", {0, 1}), ("attempts>=4", set()),
    ("attempts:3 redrives:0", {0, 1, 2, 3}), ('reason:"NO <minji2"', {2}), ("by:kim", {2}), ("dlq:yes", {0}), ("dlq:no", {1, 2, 3}),
    ("minji2@", {2}), ("-minji2@", {0, 1, 3}), ('"' + "'" + ' OR 1=1 -- "', set()), ("reason:%", set()),
])
def test_failed_rows_are_found_by_what_is_written(api, db, written, wanted):
    put_failed(db, 0, dlq_message_id="m-0")
    put_failed(db, 1, channel="coupon", klass="out_of_stock")
    put_failed(db, 2, status="cancelled", settled_by="kim", age_s=7200)
    put_failed(db, 3, channel="coupon", status="delivered", klass="timeout")
    answer = api.get("/v1/failed", filter=written)
    assert answer.status == 200, answer.text
    assert {item["event_id"] for item in answer.json["items"]} == {f"e-{n}" for n in wanted}
    assert answer.json["count"] == len(wanted) and answer.json["complete"] is True
    assert answer.json["items"] == api.get("/v1/failed", filter=written, sort="newest").json["items"]
    groups = api.get("/v1/failed/groups", filter=written).json["items"]
    assert sum(group["count"] for group in groups) == len(wanted)


def test_a_filter_goes_with_the_other_parameters(api, db):
    for n in range(4):
        put_failed(db, n, channel="coupon" if n % 2 else "email", status="cancelled" if n > 1 else "dead")
    assert [i["event_id"] for i in api.failed(filter="channel:coupon", status="dead")] == ["e-1"]
    assert api.failed(filter="channel:coupon", channel="email") == []
    assert {i["event_id"] for i in api.failed(filter="-status:dead", q="minji3")} == {"e-3"}


@pytest.mark.parametrize("sort, order", [
    ("id:asc", [0, 1, 2, 3]), ("first_at", [3, 2, 1, 0]), ("attempts", [3, 2, 0, 1]), ("attempts:asc", [1, 0, 2, 3]),
    ("redrives", [0, 3, 2, 1]), ("class", [1, 0, 2, 3]), ("class:desc", [2, 3, 0, 1]), ("status", [2, 3, 0, 1]),
    ("channel", [0, 1, 2, 3]), ("recipient", [3, 1, 0, 2]), ("user_id:desc", [0, 1, 3, 2]),
])
def test_failed_rows_are_sorted(api, db, sort, order):
    """By any column; rows alike in a number by id, in a word as they died; who has no address comes last."""
    rows = [dict(attempts=2, redrives=5, klass="rejected", status="cancelled", recipient="c@x.y", user_id="z"),
            dict(attempts=1, redrives=0, klass="timeout", status="cancelled", recipient="b@x.y", user_id="y"),
            dict(attempts=3, redrives=0, klass="malformed", recipient=None, user_id=None),
            dict(attempts=3, redrives=0, klass="malformed", recipient="a@x.y", user_id="x")]
    for n, columns in enumerate(rows):
        put_failed(db, n, age_s=n, **columns)
    assert [int(item["event_id"][2:]) for item in pages(api, "/v1/failed", limit=1, sort=sort)] == order


def test_the_other_channel_is_told(api, db):
    one = put_failed(db, 1, event_id="e-7", user_id="u-7")
    two = put_failed(db, 2, channel="coupon", event_id="e-7", user_id="u-7", status="cancelled")
    assert {i["id"] for i in api.failed(filter="user:u-7")} == {one, two}
    assert api.get(f"/v1/failed/{one}").json["siblings"] == [
        {"channel": "coupon", "state": "cancelled", "id": two, "status": "cancelled"}]
    db.execute("DELETE FROM failed_notification WHERE id = %s", two)
    db.execute("UPDATE delivery SET state = 'delivered' WHERE channel = 'coupon'")
    assert api.get(f"/v1/failed/{one}").json["siblings"] == [
        {"channel": "coupon", "state": "delivered", "id": None, "status": None}]


def test_filter_keys_tell_a_completion_all(api):
    keys = {item["key"]: item for item in api.get("/v1/filter/keys").json["items"]}
    assert keys["status"]["words"] == ["dead", "queued", "delivered", "cancelled"] and keys["status"]["kind"] == "words"
    assert keys["age"]["operators"] == "> < >= <=" and keys["user"]["words"] == []
    for item in keys.values():
        assert api.get("/v1/failed", filter=item["example"]).status == 200, item


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


def test_dlq_is_filtered_and_sorted_as_failed_rows_are(api, db):
    for n in range(4):
        put_failed(db, n, klass="timeout" if n % 2 else "rejected", dlq_message_id=f"m-{n}", age_s=n)
    put_failed(db, 7, klass="timeout")
    put_failed(db, 8, klass="timeout", channel="coupon", dlq_message_id="m-8")
    found = api.get("/v1/dlq/email", filter="class:timeout", sort="id:asc").json["items"]
    assert [item["event_id"] for item in found] == ["e-1", "e-3"]
    problem(api.get("/v1/dlq/email", filter="colour:red"), 400, "character 1", "colour")


def test_all_rows_of_a_member_are_found_by_one_of_them(api, db):
    """Ids are masked for who looks; a row names its member all the same."""
    rows = [put_failed(db, n, user_id="user-1" if n < 3 else None if n > 4 else "user-10") for n in range(7)]
    found = api.get("/v1/failed", filter=f"member:{rows[1]}").json["items"]
    assert {item["event_id"] for item in found} == {"e-0", "e-1", "e-2"}
    others = api.get("/v1/failed", filter=f"-member:{rows[1]}").json["items"]
    assert {item["event_id"] for item in others} == {"e-3", "e-4", "e-5", "e-6"}
    assert api.get("/v1/failed", filter=f"member:{rows[6]}").json["items"] == [], "nobody is the same as nobody"
    assert api.get("/v1/failed", filter="member:424242").json["items"] == []


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
