"""Acts on single rows over the API: reveal, edit, and what is done with a delivery that waits for its retry. The daemon sends
nothing here; that it does is in test_single.py."""

import datetime
import json

import pytest
from support.rows import BEYOND, login, payload, problem, put_failed


def audit(api, target):
    return [(a["act"], a["outcome"]) for a in api.get("/v1/audit", target=target).json["items"]]


def put_retrying(db, n, due_s=300, message=True):
    """A mail that failed twice and waits; returns the delivery's id."""
    delivery = 5000 + n
    db.execute("INSERT INTO delivery (id, event_id, channel, state, version, user_id, recipient, attempts, due_at, last_class, "
               "last_reply) VALUES (%s, %s, 'email', 'retrying', 3, %s, %s, 2, UTC_TIMESTAMP(3) + INTERVAL %s SECOND, 'timeout', "
               "%s)", delivery, f"e-{n}", f"user-{n}", f"minji{n}@example.com", due_s, f"no answer for <minji{n}@example.com>")
    db.execute("INSERT INTO delivery_attempt (delivery_id, number, at, latency_ms, class, reply) VALUES "
               "(%s, 1, UTC_TIMESTAMP(3), 12, 'timeout', 'no answer')", delivery)
    if message:
        db.execute("INSERT INTO retry_message (delivery_id, name, source_queue, message_id, payload, attributes) VALUES "
                   "(%s, '김민지', 'signup-welcome-email', 'm-1', %s, '{\"k\":\"v\"}')", delivery, payload(n))
    return str(delivery)


def soon(seconds):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).isoformat()


# -- Reveal ----------------------------------------------------------------------------------------------

def test_reveal_shows_one_row_and_stands_in_the_audit(api, db):
    row = put_failed(db, 1)
    problem(api.post(f"/v1/failed/{row}/reveal"), 400, "reason")
    shown = api.post(f"/v1/failed/{row}/reveal", reason="member is on the phone")
    assert shown.status == 200
    one = shown.json
    assert (one["recipient"], one["name"], one["user_id"]) == ("minji1@example.com", "김민지", "user-1")
    assert one["payload"].encode() == payload(1) and json.loads(one["event"])["email"] == "minji1@example.com"
    assert one["original_payload"] is None and "minji1@example.com" in one["reason"]
    assert audit(api, f"failed/{row}") == [("reveal", "done")]
    entry = api.get("/v1/audit").json["items"][0]
    assert (entry["operator"], entry["reason"]) == (login(), "member is on the phone")
    again = api.get(f"/v1/failed/{row}").text
    assert "minji1@" not in again and "김민지" not in again, "one look does not unmask the next"
    problem(api.post("/v1/failed/999999/reveal", reason="x"), 404)
    assert audit(api, "failed/999999") == [("reveal", "refused")]


def test_the_read_only_socket_reveals_and_edits_nothing(api, still, db):
    row, waiting = put_failed(db, 1), put_retrying(db, 2)
    for path, body in ((f"/v1/failed/{row}/reveal", {"reason": "x"}), (f"/v1/failed/{row}/edit", {"set": {"email": "a@b.example"}}),
                       (f"/v1/retrying/{waiting}/now", {}), (f"/v1/retrying/{waiting}/cancel", {"reason": "x"}),
                       (f"/v1/retrying/{waiting}/dead", {}), (f"/v1/retrying/{waiting}/postpone", {"until": soon(900)})):
        answer = still.readonly_api.post(path, **body)
        problem(answer, 403, "read-only")
        assert "minji" not in answer.text
    assert sorted(audit(api, f"failed/{row}")) == [("edit", "refused"), ("reveal", "refused")]
    assert db.value("SELECT CONCAT(state, version) FROM delivery WHERE id = %s", waiting) == "retrying3"


# -- Edit --------------------------------------------------------------------------------------------------

def test_one_field_is_set_and_the_rest_stays_byte_for_byte(api, db):
    body = payload(1).replace(b'"type"', b'"big": 12345678901234567890, "type"')
    row = put_failed(db, 1, payload=body)
    answer = api.post(f"/v1/failed/{row}/edit", set={"email": "minji@example.org"}, version=1, reason="mistyped")
    assert answer.status == 200, answer.text
    assert answer.json["version"] == 2 and answer.json["status"] == "dead" and answer.json["recipient"] == "mi***@example.org"
    assert db.value("SELECT payload FROM failed_notification") == body.replace(b"minji1@example.com", b"minji@example.org")
    assert db.value("SELECT payload FROM failed_edit") == body, "the original is kept"
    assert db.value("SELECT CONCAT(recipient, ' ', edits) FROM delivery") == "minji@example.org 1"
    one = api.get(f"/v1/failed/{row}").json
    assert [(e["operator"], e["reason"], e["summary"]) for e in one["edits"]] == [
        (login(), "mistyped", "email: mi***@example.com -> mi***@example.org")]
    assert one["audit"][0]["act"] == "edit" and "mi***@example.org" in one["audit"][0]["detail"]
    revealed = api.post(f"/v1/failed/{row}/reveal", reason="look").json
    assert revealed["original_payload"].encode() == body and revealed["recipient"] == "minji@example.org"


def test_a_whole_payload_is_taken_out_of_its_envelope_and_redriven(api, db):
    row = put_failed(db, 1, attributes='{"content-encoding":"gzip","k":"v"}', payload=b"not gzip at all")
    new = json.dumps({"eventId": "e-1", "type": "user-signup", "userId": "user-1", "email": "minji@example.org", "name": "김민지"})
    answer = api.post(f"/v1/failed/{row}/edit", redrive=True, payload=json.dumps(
        {"Type": "Notification", "MessageId": "sns-1", "Message": new}))
    assert answer.status == 200, answer.text
    assert answer.json["status"] == "queued" and answer.json["redrives"] == 1
    kept = db.query("SELECT payload, attributes FROM failed_notification")[0]
    assert kept["payload"].decode() == new and json.loads(kept["attributes"]) == {"k": "v"}
    assert audit(api, f"failed/{row}") == [("redrive", "done"), ("edit", "done")]
    assert "was no event" in api.get(f"/v1/failed/{row}").json["edits"][0]["summary"]


WRONG = {
    "nothing": ({}, ["payload or set"]),
    "both": ({"payload": "{}", "set": {"email": "a@b.example"}}, ["payload or set"]),
    "an object": ({"payload": {"eventId": "e-1"}}, ["payload", "text"]),
    "no JSON": ({"payload": "{"}, ["payload", "JSON"]),
    "no event": ({"payload": "{}"}, ["type is missing"]),
    "another event": ({"payload": payload(2).decode()}, ["eventId", '"e-1"']),
    "event id": ({"set": {"eventId": "e-2"}}, ["eventId must stay"]),
    "unknown field": ({"set": {"mail": "a@b.example"}}, ['"mail"', "email, name"]),
    "no string": ({"set": {"email": 7}}, ["email must be a string"]),
    "empty set": ({"set": {}}, ["fields to change"]),
    "no address": ({"set": {"email": "nobody"}}, ["email", "no @"]),
    "spaces": ({"set": {"email": "a b@example.com"}}, ["email", "space"]),
    "empty name": ({"set": {"name": ""}}, ["name is empty"]),
    "line break": ({"set": {"name": "a\nb"}}, ["name", "U+000A"]),
    "masked address": ({"set": {"email": "mi***@example.com"}}, ["email", "masked"]),
    "masked name": ({"set": {"name": "김*지"}}, ["name", "masked"]),
    "unchanged": ({"set": {"email": "minji1@example.com"}}, ["nothing is changed"]),
    "redrive": ({"set": {"email": "a@b.example"}, "redrive": "yes"}, ["redrive", "true or false"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_edit_is_named_and_changes_nothing(api, db, name):
    body, words = WRONG[name]
    row = put_failed(db, 1)
    problem(api.post(f"/v1/failed/{row}/edit", **body), 400, *words)
    assert db.value("SELECT CONCAT(version, status) FROM failed_notification") == "1dead"
    assert db.value("SELECT COUNT(*) FROM failed_edit") == 0


@pytest.mark.parametrize("status", ["cancelled", "delivered", "queued"])
def test_only_a_dead_row_can_be_edited(api, db, status):
    row = put_failed(db, 1, status=status, settled_by="jun")
    problem(api.post(f"/v1/failed/{row}/edit", set={"email": "a@b.example"}), 409, status, "jun", "only a dead row")
    assert audit(api, f"failed/{row}") == [("edit", "conflict")]


def test_an_edit_of_what_was_not_seen_is_a_conflict(api, db):
    row = put_failed(db, 1)
    assert api.post(f"/v1/failed/{row}/edit", set={"email": "a@b.example"}, version=1).status == 200
    problem(api.post(f"/v1/failed/{row}/edit", set={"email": "b@b.example"}, version=1), 409, "version 1 then, 2 now")


# -- Retrying --------------------------------------------------------------------------------------------------

def test_a_delivery_with_all_that_is_known_of_it(api, db):
    waiting = put_retrying(db, 1)
    listed = api.get("/v1/retrying").json["items"][0]
    assert (listed["id"], listed["version"], listed["attempts"], listed["max_attempts"]) == (waiting, 3, 2, 3)
    one = api.get(f"/v1/deliveries/{waiting}")
    assert one.status == 200 and "minji1@" not in one.text and "김민지" not in one.text
    assert (one.json["state"], one.json["version"], one.json["failed_id"]) == ("retrying", 3, None)
    assert one.json["due_at"] == listed["due_at"] and one.json["last_class"] == "timeout"
    assert json.loads(one.json["payload"])["eventId"] == "e-1" and one.json["attributes"] == {"k": "v"}
    assert len(one.json["attempt_list"]) == 1 and one.json["audit"] == []
    problem(api.get(f"/v1/deliveries/{BEYOND}"), 404, "no delivery")


def test_postpone(api, db):
    waiting = put_retrying(db, 1)
    until = soon(3600)
    answer = api.post(f"/v1/retrying/{waiting}/postpone", until=until, version=3, reason="they are at lunch")
    assert answer.status == 200, answer.text
    assert answer.json["state"] == "retrying" and answer.json["due_at"][:19] == until[:19]
    for body, words in (({}, ["until", "required"]), ({"until": "soon"}, ["until", "RFC 3339"]), ({"until": soon(60)}, ["not after"]),
                        ({"until": soon(-60)}, ["not after"]), ({"until": soon(13 * 3600)}, ["12 hours"]),
                        ({"until": soon(7200), "when": 1}, ["when"])):
        problem(api.post(f"/v1/retrying/{waiting}/postpone", **body), 400, *words)
    problem(api.post(f"/v1/retrying/{waiting}/postpone", until=soon(7200), version=3), 409, "version 3 then, 4 now",
            f"postponed by {login()}")
    assert db.value("SELECT version FROM delivery") == 4


def test_cancel_and_restore(api, db):
    waiting = put_retrying(db, 1)
    problem(api.post(f"/v1/retrying/{waiting}/cancel"), 400, "reason")
    answer = api.post(f"/v1/retrying/{waiting}/cancel", reason="asked us not to write", version=3)
    assert answer.status == 200 and answer.json["state"] == "cancelled"
    row = answer.json["failed_id"]
    one = api.get(f"/v1/failed/{row}").json
    assert (one["status"], one["class"], one["settled_by"], one["settled_reason"]) == ("cancelled", "timeout", login(),
                                                                                    "asked us not to write")
    assert [(a["target"], a["act"]) for a in one["audit"]] == [(f"retrying/{waiting}", "cancel")]
    assert api.get("/v1/retrying").json["items"] == []
    problem(api.post(f"/v1/retrying/{waiting}/now"), 409, "cancelled", login())
    assert api.post(f"/v1/failed/{row}/restore").json["status"] == "dead"
    assert db.value("SELECT payload FROM failed_notification") == payload(1)


def test_dead_gives_up_at_once(api, db):
    waiting = put_retrying(db, 1)
    answer = api.post(f"/v1/retrying/{waiting}/dead", version=3)
    assert answer.status == 200 and answer.json["state"] == "dead"
    one = api.get(f"/v1/failed/{answer.json['failed_id']}").json
    assert (one["status"], one["attempts"], one["reason"]) == ("dead", 2, "no answer for <mi***@example.com>")
    problem(api.post(f"/v1/retrying/{waiting}/dead"), 409, "is dead", "given up by")


def test_now_twice_and_without_a_message(api, db):
    waiting, old = put_retrying(db, 1), put_retrying(db, 2, message=False)
    assert api.post(f"/v1/retrying/{waiting}/now", version=3).status == 200
    problem(api.post(f"/v1/retrying/{waiting}/now"), 409, "due already", f"sent now by {login()}")
    problem(api.post(f"/v1/retrying/{old}/now"), 409, "was not kept")
    problem(api.post("/v1/retrying/999999/now"), 404, "no delivery")
    assert audit(api, f"retrying/{waiting}") == [("now", "conflict"), ("now", "done")]
