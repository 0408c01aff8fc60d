"""Pausing, resuming and forcing a channel over the admin API: answers, refusals, the audit."""

import pytest
from support.process import wait_until
from support.rows import login, problem


def test_pause_and_resume_over_the_api(api):
    assert api.channel("email")["paused"] is None and api.channel("email")["forced"] is None
    answer = api.post("/v1/channels/email/pause", reason="메일 서버 점검, ask kim@example.com")
    assert answer.status == 200, answer.text
    paused = answer.json["paused"]
    assert answer.json["name"] == "email" and answer.json["forced"] is None
    assert paused["by"] == login() and paused["reason"] == "메일 서버 점검, ask ki***@example.com" and paused["at"].endswith("Z")
    wait_until(lambda: api.channel("email")["paused"] == paused, "the status shows it")
    assert api.channel("coupon")["paused"] is None
    problem(api.post("/v1/channels/email/pause", reason="me too"), 409, "already paused", f"by {login()}")
    answer = api.post("/v1/channels/email/resume")
    assert answer.status == 200 and answer.json["paused"] is None
    problem(api.post("/v1/channels/email/resume"), 409, "not paused", f"resumed by {login()}")
    told = [(a["act"], a["outcome"], a["detail"]) for a in api.get("/v1/audit", target="channels/email").json["items"]]
    assert [t[:2] for t in told] == [("resume", "conflict"), ("resume", "done"), ("pause", "conflict"), ("pause", "done")]
    assert told[3][2] == "running to paused"


def test_a_breaker_is_forced_over_the_api(api):
    answer = api.post("/v1/channels/coupon/breaker", state="open", reason="drill")
    assert answer.status == 200 and answer.json["forced"]["state"] == "open" and answer.json["forced"]["reason"] == "drill"
    wait_until(lambda: api.channel("coupon")["forced"], "the status shows it")
    problem(api.post("/v1/channels/coupon/breaker", state="open", reason="again"), 409, "already forced open", login())
    assert api.post("/v1/channels/coupon/breaker", state="auto").json["forced"] is None
    problem(api.post("/v1/channels/coupon/breaker", state="auto"), 409, "not forced")


@pytest.mark.parametrize("path, body, status, word", [
    ("email/pause", {}, 400, "reason"), ("email/pause", {"reason": " "}, 400, "reason"),
    ("email/pause", {"reason": "x" * 501}, 400, "500"), ("email/pause", {"reason": "a\nb"}, 400, "control"),
    ("email/pause", {"reason": 7}, 400, "string"), ("email/pause", {"reason": "x", "until": "y"}, 400, "until"),
    ("sms/pause", {"reason": "x"}, 404, "sms"), ("email/stop", {}, 404, "route"),
    ("email/breaker", {"reason": "x"}, 400, "open, closed, auto"), ("email/breaker", {"state": "half", "reason": "x"}, 400, "auto"),
    ("email/breaker", {"state": 1, "reason": "x"}, 400, "auto"), ("email/breaker", {"state": "open"}, 400, "reason"),
])
def test_wrong_input_changes_nothing(api, path, body, status, word):
    problem(api.post(f"/v1/channels/{path}", **body), status, word)
    for channel in api.status()["channels"]:
        assert channel["paused"] is None and channel["forced"] is None


@pytest.mark.parametrize("act, body", [("pause", {"reason": "x"}), ("resume", {}), ("breaker", {"state": "auto"})])
def test_the_read_only_socket_refuses_and_tells(still, api, act, body):
    problem(still.readonly_api.post(f"/v1/channels/email/{act}", **body), 403, "read-only")
    entry = api.get("/v1/audit", target="channels/email").json["items"][0]
    assert (entry["act"], entry["outcome"], entry["role"]) == (act, "refused", "viewer")
