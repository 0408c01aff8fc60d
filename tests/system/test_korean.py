"""The daemon in the caller's language: refusals, the help of classes, alarms; log and audit stay English."""

import email
import email.policy
import json
import re

import pytest
from support import load
from support.load import Member, wait_state
from support.process import wait_until
from support.webhook import Webhook
from test_alarms import dead_rule, die, only

KOREAN = {"Accept-Language": "ko-KR,ko;q=0.9,en;q=0.8"}
HANGUL = re.compile("[가-힣]")


def korean(usherd, method, target, **body):
    data = json.dumps(body).encode() if method == "POST" else None
    headers = KOREAN | ({"Content-Type": "application/json"} if data else {})
    return usherd.api.request(method, target, data, headers)


def test_refusals_in_the_language_of_the_caller(daemon, mariadb):
    usherd = daemon()
    die(mariadb)
    row = usherd.api.failed()[0]["id"]
    assert korean(usherd, "POST", f"/v1/failed/{row}/cancel").json["detail"] == \
        "reason: 사유가 필요합니다. 감사 기록을 읽을 사람을 위해 1~500자로 적으십시오"
    assert korean(usherd, "POST", f"/v1/failed/{row}/cancel", reason="오타").status == 200
    refused = korean(usherd, "POST", f"/v1/failed/{row}/cancel", reason="또")
    assert refused.status == 409 and refused.json["title"] == "Conflict"
    assert re.fullmatch(rf"{row}번은 이미 cancelled 상태입니다: \S+ 취소, (방금|\d+초 전)", refused.json["detail"])
    edited = korean(usherd, "POST", f"/v1/failed/{row}/edit", set={"email": "kim@shop.example"}, reason="고침")
    assert re.fullmatch(rf"{row}번은 cancelled 상태입니다\(\S+\), (방금|\d+초 전)\. 실패 확정\(dead\) 건만 편집할 수 있습니다\. 먼저 복원하십시오",
                        edited.json["detail"])
    assert korean(usherd, "GET", "/v1/failed/99999999").json["detail"] == "실패 건 99999999번은 없습니다"
    assert korean(usherd, "GET", "/v1/failed?limit=0").json["detail"] == "limit: 1~500 범위의 정수여야 합니다"
    assert HANGUL.search(korean(usherd, "GET", "/v1/failed?filter=clas:timeout").json["detail"])
    assert HANGUL.search(korean(usherd, "POST", "/v1/channels/email/resume").json["detail"])
    details = [entry["detail"] for entry in usherd.api.get("/v1/audit").json["items"]]
    assert any(detail and "is already cancelled" in detail for detail in details), "the audit reads the same for all"
    assert not HANGUL.search("".join(detail or "" for detail in details))


def test_whoever_asks_in_no_language_or_another_hears_english(daemon):
    usherd = daemon()
    for headers in ({}, {"Accept-Language": "fr-FR"}, {"Accept-Language": "en;q=1, ko;q=0.1"}):
        assert usherd.api.request("GET", "/v1/failed/99999999", headers=headers).json["detail"] == \
            "there is no failed row 99999999"
    assert HANGUL.search(korean(usherd, "GET", "/v1/failed/99999999").json["detail"])
    assert usherd.api.get("/v1/failed/99999999").json["detail"] == "there is no failed row 99999999", "one call is one call"


def test_what_classes_mean_and_what_a_filter_may_have(daemon, mariadb):
    usherd = daemon()
    die(mariadb)
    row = usherd.api.failed()[0]["id"]
    shown = korean(usherd, "GET", f"/v1/failed/{row}").json
    assert shown["class"] == "invalid_address" and HANGUL.search(shown["class_help"])
    assert shown["reason"] == usherd.api.get(f"/v1/failed/{row}").json["reason"], "the service's own words stay"
    keys = korean(usherd, "GET", "/v1/filter/keys").json["items"]
    assert all(HANGUL.search(key["help"]) for key in keys)


@pytest.fixture
def hook():
    service = Webhook()
    yield service
    service.close()


def test_alarms_are_told_and_listed_in_korean(daemon, mariadb, smtp, hook):
    changes = only(hook, dead=dead_rule(severity="critical", window="1h"))
    changes["notify.ops"]["language"] = "ko"
    changes["notify.desk"] = {"kind": "mail", "to": "운영 <ops@usher.example>", "language": "ko"}
    usherd = daemon(changes)
    die(mariadb)
    wait_until(lambda: hook.told() and smtp.mails_to("ops@usher.example"), lambda: usherd.log()[-2000:])
    assert re.fullmatch(r"\[심각\] dead \(email\) 발생, \S+: 새로 실패 확정 1건, 기준 0 초과\(최근 1h\)", hook.posts[0].json["text"])
    assert hook.posts[0].alarm["severity"] == "critical" and hook.posts[0].alarm["state"] == "raised", "words for programs stay"
    mail = email.message_from_bytes(smtp.mails_to("ops@usher.example")[0].data, policy=email.policy.default)
    assert mail["Subject"] == hook.posts[0].json["text"]
    assert "심각도:   심각" in mail.get_content() and "상태:     발생" in mail.get_content()
    listed = korean(usherd, "GET", "/v1/alarms").json["items"][0]["text"]
    assert listed == "새로 실패 확정 1건, 기준 0 초과(최근 1h)"
    assert korean(usherd, "GET", "/v1/status").json["alarms"]["list"][0]["text"] == listed
    assert usherd.api.get("/v1/alarms").json["items"][0]["text"] == "1 newly dead, above 0 within 1h"
    assert "dead (email) raised" in usherd.log() and not HANGUL.search(usherd.log()), "the log is in English"
