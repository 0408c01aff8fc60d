"""/v1/redrives: looking before, orders that are refused, who may do what; on rows that nobody sends."""

import pytest
from support.process import wait_until
from support.rows import problem, put_failed


def start(api, **order):
    answer = api.post("/v1/redrives", **{"reason": "it is back", **order})
    assert answer.status == 201, answer.text
    return answer.json["id"]


def test_a_look_tells_what_would_happen(api, db):
    put_failed(db, 1, klass="ambiguous", age_s=100)
    put_failed(db, 2, klass="rejected", age_s=50)
    put_failed(db, 3, channel="coupon", klass="service_down", age_s=10)
    put_failed(db, 4, status="cancelled")
    db.execute("INSERT INTO delivery_attempt (delivery_id, number, at, latency_ms, class, reply) VALUES "
               "(1001, 1, UTC_TIMESTAMP(3), 5, 'ambiguous', 'no answer'), (1003, 1, UTC_TIMESTAMP(3), 5, 'ambiguous', '')")
    look = api.post("/v1/redrives", filter={}, dry_run=True)
    assert look.status == 200, look.text
    assert look.json["dry_run"] and look.json["total"] == 3 and not look.json["total_capped"]
    assert [(g["channel"], g["class"], g["count"]) for g in look.json["groups"]] == [
        ("coupon", "service_down", 1), ("email", "ambiguous", 1), ("email", "rejected", 1)]
    assert (look.json["mails_maybe_sent"], look.json["coupons_maybe_granted"], look.json["members_with_coupon"]) == (1, 1, 0)
    assert look.json["oldest"] < look.json["newest"] <= look.json["frozen_at"]
    assert db.value("SELECT COUNT(*) FROM failed_notification WHERE status = 'dead'") == 3
    assert api.get("/v1/redrives").json == {"items": [], "next": None}
    only = api.post("/v1/redrives", filter={"channel": "email", "class": "rejected"}, dry_run=True)
    assert only.json["total"] == 1


def test_late_arrivals_are_said(api, db):
    for n in range(3):
        put_failed(db, n, age_s=100)
    number = start(api, filter={"channel": "email"}, rate=0.01)
    put_failed(db, 9, age_s=-1)
    put_failed(db, 10, channel="coupon", age_s=-1)
    one = api.get(f"/v1/redrives/{number}").json
    assert (one["total"], one["late"], one["late_capped"]) == (3, 1, False)


@pytest.mark.parametrize("written, wanted", [
    ("", 5), ("status:dead channel:email", 4), ("class:timeout", 2), ("class:timeout,rejected", 5), ("age>1m channel:email", 2),
    ('reason:"no <minji1"', 1), ("minji0@", 1), ("-class:timeout -minji0@", 2), ("event:e-1,e-2,e-5", 2),
])
def test_what_a_list_shows_is_what_a_job_of_its_filter_takes(api, db, written, wanted):
    """Rows that are not dead are left out; which died after the look, too."""
    for n in range(4):
        put_failed(db, n, klass="timeout" if n % 2 else "rejected", age_s=100 if n > 1 else 10)
    put_failed(db, 4, channel="coupon", age_s=10)
    put_failed(db, 5, status="cancelled")
    seen = api.post("/v1/redrives", filter=written, dry_run=True).json
    assert seen["total"] == wanted == api.get("/v1/failed", filter=written, status="dead").json["count"]
    put_failed(db, 0 + 10, reason="SMTP 554 no <minji1", klass="timeout", age_s=-5)
    number = start(api, filter=written, seen_until=seen["frozen_at"], rate=0.01)
    one = api.get(f"/v1/redrives/{number}").json
    assert one["total"] == wanted and one["frozen_at"] == seen["frozen_at"]


def test_a_filter_that_a_job_walks_tells_its_late_arrivals(api, db):
    put_failed(db, 1, age_s=10)
    number = start(api, filter="channel:email status:dead", rate=0.01)
    put_failed(db, 2, age_s=-1)
    one = api.get(f"/v1/redrives/{number}").json
    assert (one["channel"], one["listed"], one["late"]) == ("email", False, 1)


WRONG = {
    "filter language": ({"filter": "colour:red", "reason": "x"}, 400, "character 1"),
    "not dead": ({"filter": "status:cancelled", "reason": "x"}, 404, "only dead rows"),
    "nothing written is there": ({"filter": "event:e-77", "reason": "x"}, 404, "no dead row matches"),
    "no reason for what is written": ({"filter": "channel:email"}, 400, "reason"),
    "neither": ({"reason": "x"}, 400, "ids or filter"),
    "both": ({"ids": ["1"], "filter": {}, "reason": "x"}, 400, "ids or filter"),
    "no reason": ({"filter": {}}, 400, "reason"),
    "ids no list": ({"ids": "1"}, 400, "ids"),
    "no ids": ({"ids": []}, 400, "1 to 10000"),
    "number as id": ({"ids": [1]}, 400, "string"),
    "bad id": ({"ids": ["x"]}, 400, "ids"),
    "unknown member": ({"filter": {"status": "dead"}, "reason": "x"}, 400, "channel, class, q, since, until"),
    "bad channel": ({"filter": {"channel": "sms"}, "reason": "x"}, 400, "email, coupon"),
    "bad class": ({"filter": {"class": "bored"}, "reason": "x"}, 400, "service_down"),
    "bad time": ({"filter": {"since": "yesterday"}, "reason": "x"}, 400, "RFC 3339"),
    "rate": ({"filter": {}, "reason": "x", "rate": 0}, 400, "0.01 to 1000"),
    "canary": ({"filter": {}, "reason": "x", "canary": -1}, 400, "canary"),
    "stop": ({"filter": {}, "reason": "x", "stop_on_failures": 1.5}, 400, "stop_on_failures"),
    "dry run": ({"filter": {}, "dry_run": "yes"}, 400, "true or false"),
    "nothing there": ({"filter": {"channel": "email"}, "reason": "x"}, 404, "no dead row matches"),
    "cancel without a reason": ({"act": "cancel", "ids": ["1"]}, 400, "reason"),
    "cancel with a pace": ({"act": "cancel", "filter": {}, "rate": 5, "reason": "x"}, 400, "belong to a redrive"),
    "another act": ({"act": "burn", "filter": {}, "reason": "x"}, 400, "redrive, cancel, restore"),
    "restore of rows": ({"act": "restore", "filter": {}}, 400, "of_job in place of"),
    "restore of nothing": ({"act": "restore"}, 400, "of_job: required"),
    "restore of no job": ({"act": "restore", "of_job": "77"}, 404, "no redrive job 77"),
    "redrive of a job": ({"of_job": "77", "filter": {}, "reason": "x"}, 400, "belongs to the act restore"),
    "none of these": ({"ids": ["77"]}, 404, "none of these"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_orders_say_what_to_do(api, case):
    body, status, word = WRONG[case]
    problem(api.post("/v1/redrives", **body), status, word)
    assert api.get("/v1/redrives").json["items"] == []


def wait_done(api, number):
    wait_until(lambda: api.get(f"/v1/redrives/{number}").json["state"] == "done", lambda: api.get(f"/v1/redrives/{number}").text)
    return api.get(f"/v1/redrives/{number}").json


def test_all_that_match_are_cancelled_and_taken_back(api, db):
    for n in range(5):
        put_failed(db, n, klass="rejected" if n < 3 else "timeout", age_s=10)
    look = api.post("/v1/redrives", act="cancel", filter="class:rejected", dry_run=True).json
    assert (look["act"], look["total"], look["mails_maybe_sent"]) == ("cancel", 3, 0)
    put_failed(db, 9, klass="rejected", age_s=-60)
    number = start(api, act="cancel", filter="class:rejected", seen_until=look["frozen_at"], reason="the shop is closed")
    job = wait_done(api, number)
    assert (job["act"], job["sent"], job["delivered"], job["failed_again"], job["late"]) == ("cancel", 3, 0, 0, 1)
    rows = api.get("/v1/failed", status="cancelled").json["items"]
    assert len(rows) == 3 and {row["settled_reason"] for row in rows} == {"the shop is closed"}
    back = start(api, act="restore", of_job=number)
    job = wait_done(api, back)
    assert (job["act"], job["of_job"], job["sent"]) == ("restore", number, 3)
    assert api.get("/v1/failed", status="cancelled").json["items"] == []
    problem(api.post("/v1/redrives", act="restore", of_job=number), 404, "nothing to restore")
    problem(api.post("/v1/redrives", act="restore", of_job=back), 400, "is none that cancels")
    acts = [(item["act"], item["detail"]) for item in reversed(api.get("/v1/audit").json["items"])]
    assert [act for act, _ in acts] == ["cancel_start", "cancel_done", "restore_start", "restore_done"]
    assert acts[1][1] == "3 cancelled, 0 left alone" and acts[3][1] == "3 restored, 0 left alone"


def test_a_job_that_still_cancels_is_not_taken_back(api, db):
    """It would go on and cancel the rest, behind the back of who has just restored all of it."""
    put_failed(db, 1, status="cancelled")
    row = db.value("SELECT id FROM failed_notification")
    db.execute("INSERT INTO redrive_job (kind, act, state, created_by, role, listed, frozen_at, total, total_capped, rate, canary, "
               "stop_on) VALUES ('operator', 'cancel', 'paused', 'kim', 'operator', FALSE, UTC_TIMESTAMP(3), 2, FALSE, 1, 0, 0)")
    number = db.value("SELECT id FROM redrive_job")
    db.execute(f"INSERT INTO redrive_job_row SELECT {number}, id, version FROM failed_notification")
    for dry_run in (True, False):
        problem(api.post("/v1/redrives", act="restore", of_job=str(number), dry_run=dry_run), 409, "paused: stop it first")
    assert api.post(f"/v1/redrives/{number}/stop").status == 200
    assert wait_done(api, start(api, act="restore", of_job=str(number)))["sent"] == 1, row


def test_ten_thousand_ids_fit(api, db):
    put_failed(db, 1, age_s=10)
    row = db.value("SELECT id FROM failed_notification")
    ids = [str(row)] + [str(9007199254740993 + n) for n in range(9999)]
    answer = api.post("/v1/redrives", ids=ids, rate=0.01)
    assert answer.status == 201 and answer.json["total"] == 10000
    problem(api.post("/v1/redrives", ids=ids + ["5"]), 400, "10000")


def test_who_may_only_look_starts_nothing(api, db, still):
    put_failed(db, 1, age_s=10)
    number = start(api, filter={}, rate=0.01)
    look = still.readonly_api
    assert look.get("/v1/redrives").json["items"][0]["id"] == number
    assert look.get(f"/v1/redrives/{number}").status == 200
    problem(look.post("/v1/redrives", filter={}, reason="x"), 403, "read-only")
    problem(look.post(f"/v1/redrives/{number}/stop"), 403, "read-only")
    refused = [item["act"] for item in api.get("/v1/audit").json["items"] if item["outcome"] == "refused"]
    assert refused == ["redrive_stop", "redrive_start"]
    problem(api.get("/v1/redrives/999"), 404, "no redrive job 999")


def test_more_rows_than_a_list_may_hold(api, db):
    """What is noted row by row has a limit; one channel, one class and ages have none."""
    put_failed(db, 1, age_s=100, klass="timeout")
    columns = "channel, status, class, reason, attempts, user_id, recipient, name, payload, attributes, source_queue, first_at, dead_at, updated_at"
    digit = "(" + " UNION ".join(f"SELECT {n} AS i" for n in range(10)) + ")"
    db.execute("INSERT INTO delivery (id, event_id, channel, state, attempts) SELECT 100001 + a.i + 10 * b.i + 100 * c.i + 1000 * d.i, "
               f"CONCAT('m-', a.i + 10 * b.i + 100 * c.i + 1000 * d.i), 'email', 'dead', 3 FROM {digit} a, {digit} b, {digit} c, {digit} d")
    db.execute(f"INSERT INTO failed_notification (delivery_id, event_id, message_id, {columns}) SELECT d.id, d.event_id, UUID(), "
               + ", ".join(f"f.{c}" for c in columns.split(", ")) + " FROM delivery d JOIN failed_notification f WHERE d.id > 100000")
    problem(api.post("/v1/redrives", filter='reason:"no <minji1"', dry_run=True), 400, "more than 10000 rows match", "narrow the filter")
    walked = api.post("/v1/redrives", filter="status:dead class:timeout age>1m", dry_run=True).json
    assert walked["total"] == 10000 and walked["total_capped"] is True
    listed = api.post("/v1/redrives", filter='reason:"no <minji1" -event:m-1', dry_run=True).json
    assert listed["total"] == 10000 and listed["total_capped"] is False
