"""Nothing of a secret and nothing of a member is shown: what is looked for everywhere (support/planted.py) is found where it
is planted on purpose, and masking does what usher.ini(5) says of it."""

import base64
import csv
import io
import json
import os

import pytest
from support import load, planted
from support.load import Member, wait_state
from support.process import wait_until

OPEN = {"mask": {"email": "no", "name": "no", "user_id": "no"}, "log": {"level": "debug", "mask": "no"}}


def dead_member(usherd, db, **options):
    member = Member("leak", fault="unknown", coupon_fault="rejected", name="김민수", **options)
    load.store(db, [member])
    for channel in ("email", "coupon"):
        wait_state(db, member.event_id, channel, "dead")
    return member


# -- The net itself ---------------------------------------------------------------------------------

@pytest.mark.parametrize("text", [
    f"password={planted.DATABASE}", planted.AWS_TOKEN.upper(), json.dumps({"x": [planted.COUPON]}),
    "AUTH PLAIN " + base64.b64encode(f"\0usher\0{planted.MAIL}".encode()).decode(),
    "Basic " + base64.b64encode(f"ops:{planted.CONFIG_SERVER}".encode()).decode(),
    "Basic " + base64.b64encode(f"oops:{planted.CONFIG_SERVER}".encode()).decode(),
    "Basic " + base64.b64encode(f"o:{planted.CONFIG_SERVER}".encode()).decode(),
])
def test_the_net_catches_secrets(text):
    assert planted.scan("here", text) and planted.scan("here", text.encode())
    with planted.shown():
        assert planted.scan("here", text), "that personal data is shown is no leave for secrets"


@pytest.mark.parametrize("text", [
    "to minji3@example.com:", "q=minji3%40example.com", "minji3\\u0040example.com", '"name":"\\uae40\\ubbfc\\uc218"', "김민수님",
    Member("x").user_id, "user-7", "Mary O'Neil",
])
def test_the_net_catches_members(text):
    assert planted.scan("here", text) and not planted.scan("here", text, personal=False)
    assert not planted.scan("here", text, typed="x " + text) or "\\" in text or "%" in text
    with planted.shown():
        assert not planted.scan("here", text)


@pytest.mark.parametrize("text", ["mi***@example.com", "김*수", "use***", "ok.***", "M*** O*****", "password (set)", "from@usher.example"])
def test_the_net_lets_through_what_is_masked(text):
    assert not planted.scan("here", text)


def test_what_is_shown_on_purpose_is_found_everywhere(daemon, mariadb):
    usherd = daemon(OPEN)
    usherd.hides = False
    dead_member(usherd, mariadb)
    assert "[mask] email is no" in usherd.log() and "[log] mask is no" in usherd.log()
    planted.take()
    for look in (lambda: usherd.api.get("/v1/failed"), lambda: usherd.readonly_api.get("/v1/failed"),
                 lambda: usherd.usher("failed"), lambda: usherd.usher("failed", "--json"), lambda: usherd.usher("failed", "--csv")):
        look()
        found = " ".join(planted.take())
        assert "leak" in found and "personal data" in found
    assert "[mask] name is no: names of members are shown" in usherd.command("check-config").stdout.decode()


def test_a_leak_in_a_log_fails_the_test(daemon):
    usherd = daemon(start=False, migrate=False)
    usherd.log_path.write_text(f"2026-03-04 warn: login as {planted.MAIL} of minji1@example.com\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="a secret.*\n.*personal data"):
        usherd.close()
    usherd.log_path.parent.mkdir()
    usherd.log_path.touch()


def test_a_leak_in_an_answer_fails_the_test(api_of_leaks):
    planted.see("GET /v1/failed", api_of_leaks)
    with pytest.raises(AssertionError, match="2 times seen what must not be"):
        planted.check()
    planted.check()    # told once


@pytest.fixture
def api_of_leaks():
    return f'{{"recipient":"minji7@example.com","error":"no login with {planted.DATABASE}"}}'.encode()


# -- What is masked ---------------------------------------------------------------------------------

def test_what_services_say_of_a_member_is_masked(daemon, mariadb):
    """Both refusals quote the member: by address, by the part before the at-sign, by user id."""
    usherd = daemon()
    member = dead_member(usherd, mariadb)
    wait_until(lambda: len(usherd.api.failed()) == 2, "two rows")
    kept = {row["channel"]: row["reason"] for row in mariadb.query("SELECT channel, reason FROM failed_notification")}
    assert member.email in kept["email"] and member.user_id in kept["coupon"], "the ledger has the words as they were"
    for row in usherd.api.failed():
        one = usherd.api.get(f"/v1/failed/{row['id']}")
        assert one.status == 200 and one.json["attempt_list"][0]["reply"]
        for shown in (row["reason"], one.json["reason"], one.json["attempt_list"][0]["reply"], one.json["payload"]):
            assert "***" in shown
        for personal in (member.email, "unknown.leak", member.user_id, member.name):
            assert personal not in one.text, one.text
    for text in (usherd.usher("failed", "--json").out, usherd.usher("failed", "--csv").out, usherd.log(),
                 usherd.api.get("/metrics").text, usherd.api.get("/v1/status").text):
        assert member.user_id not in text and "unknown.leak" not in text and member.name not in text
    rows = list(csv.reader(io.StringIO(usherd.usher("failed", "--csv").out)))
    assert any("un***@example.com" in cell for cell in rows[1])


def test_payloads_of_any_shape(still, api):
    from support.rows import put_failed
    shapes = [
        b'{"data":{"members":[{"E-Mail":"minji1@example.com","fullName":"Ada Byron","phone":"010-7777-1234"}]}}',
        '{"이름":"김민지","전화번호":"010-7777-1234","data":"{\\"user_id\\":\\"user-7\\",\\"name\\":\\"김민지\\"}"}'.encode(),
        json.dumps({"Type": "Notification", "Message": json.dumps({"userId": "user-7", "name": "Grace Hopper"})}).encode(),
        b"email=minji1%40example.com&name=Ada+Byron&userId=user-7", b"\xff\xfe not UTF-8, minji1@example.com",
        b'{"name":"Ada Byron","userId":"user-7","email":"minji1@exam',
    ]
    for n, body in enumerate(shapes):
        row = put_failed(still.db, n, payload=body, attributes='{"userId":"user-7","note":"for minji1@example.com"}')
        one = api.get(f"/v1/failed/{row}")
        assert one.status == 200 and "***" in one.json["payload"], one.text
        assert one.json["attributes"] == {"userId": "use***", "note": "for mi***@example.com"}
        assert "7777" not in one.text and "Byron" not in one.text and "Hopper" not in one.text and "민지" not in one.text


def test_fields_are_named_by_the_operator(daemon, mariadb):
    usherd = daemon({"mask": {"fields": "birthday, 주소", "name": "no"}})
    load.wait_for_queues(mariadb)
    load.put_message(mariadb, load.QUEUES["email"], json.dumps(
        {"email": "x@example.com", "birth_day": "1999-01-02", "주소": {"city": "서울"}, "name": "Zed"}).encode())
    wait_until(usherd.api.failed, "no row")
    payload = usherd.api.get(f"/v1/failed/{usherd.api.failed()[0]['id']}").json["payload"]
    assert "1999" not in payload and "서울" not in payload and "x@example" not in payload and '"name":"Zed"' in payload


@pytest.mark.parametrize("value, words", [
    ("a," * 33, "at most 32 words"), ("x" * 65, "at most 64 bytes"), ("a,,b", "with commas between them"),
])
def test_fields_that_cannot_be(daemon, value, words):
    usherd = daemon({"mask": {"fields": value}}, start=False, migrate=False)
    assert words in usherd.command("check-config", check=1).stderr.decode()


# -- Secrets outside of what usher says ---------------------------------------------------------------

def test_the_process_shows_no_secret(daemon):
    """Neither its arguments nor, to others, its memory: it is not dumpable, so that its environment is root's alone."""
    usherd = daemon(environment={"USHER_COUPON_TOKEN": planted.COUPON})
    with open(f"/proc/{usherd.pid}/cmdline", "rb") as arguments:
        assert not planted.scan("arguments", arguments.read())
    assert os.stat(f"/proc/{usherd.pid}/environ").st_uid == 0
    assert os.stat(f"/proc/{usherd.pid}/mem").st_uid == 0


def test_no_secret_when_all_goes_wrong(daemon, mariadb):
    """Wrong logins everywhere, at debug level: what is told of them holds none."""
    wrong = planted.secret("wrong")
    usherd = daemon({"database": {"password": wrong}, "email": {"password": wrong}, "coupon": {"token": wrong}}, migrate=False)
    wait_until(lambda: "Access denied" in usherd.log() or "denied" in usherd.log(), usherd.story)
    for target in ("/v1/status", "/v1/config", "/actuator/health", "/metrics", "/v1/failed"):
        usherd.api.get(target)
    usherd.command("check-config", "--json")
    usherd.command("check-config")
    usherd.usher("status", check=None)


@pytest.mark.parametrize("keys", [
    {"email": {"smtp_url": f"smtp://usher:{planted.MAIL}@127.0.0.1:25"}},
    {"coupon": {"url": f"http://usher:{planted.COUPON}@127.0.0.1/"}},
    {"coupon": {"token": planted.COUPON + "\x01"}},
    {"notify.ops": {"kind": "webhook", "url": f"ftp://127.0.0.1/{planted.WEBHOOK}"}},
    {"config_server": {"url": f"http://usher:{planted.CONFIG_SERVER}@127.0.0.1:1/"}},
    {"database": {"password_file": "/nowhere"}}, {"email": {"passwort": planted.MAIL}},
])
def test_a_refused_configuration_repeats_no_secret(daemon, keys):
    usherd = daemon(keys, start=False, migrate=False)
    usherd.command("check-config", check=1)
    usherd.command("check-config", "--json", check=1)
    usherd.command("run", check=1)
