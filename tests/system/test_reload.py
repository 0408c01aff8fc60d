"""Settings that change while usherd runs: each group of keys under load, with the effect seen from outside and no delivery
disturbed; what is wrong changes nothing and says why; what needs a restart says so; and the history of it all."""

import email
import email.policy
import json
import os
import re
import shutil
import signal
import time

import pytest
from support import load, proof
from support.config_server import ConfigServer
from support.coupon import CouponService
from support.daemon import ROOT
from support.process import wait_until
from support.smtp import MailService
from support.webhook import Webhook

SECRETS = ["pl4nted-s3cret-one", "pl4nted-s3cret-two", "pl4nted-s3cret-three"]


@pytest.fixture
def second_smtp():
    service = MailService()
    yield service
    service.close()


@pytest.fixture
def second_coupon():
    service = CouponService(token=SECRETS[1])
    yield service
    service.close()


@pytest.fixture
def server():
    one = ConfigServer()
    yield one
    one.close()


def config(usherd):
    return usherd.api.get("/v1/config").json


def item(usherd, key):
    return next(one for one in config(usherd)["items"] if one["id"] == key)


def history(usherd, **query):
    return usherd.api.get("/v1/config/history", **query).json["items"]


def reload(usherd):
    """As `usher config reload` does it: asks, and waits for the answer."""
    ticket = usherd.api.post("/v1/config/reload")
    assert ticket.status == 202, ticket.text

    def answered():
        return usherd.api.get("/v1/config/reload").json["answered"] >= ticket.json["ticket"]
    wait_until(answered, usherd.story, 20)
    return usherd.api.get("/v1/config/reload").json["result"]


def change(usherd, changes, outcome="applied"):
    """Writes the file and has it taken: the changes by key. The daemon may have seen the file by itself first."""
    seen = config(usherd)["version"]
    usherd.configure(changes)
    result = reload(usherd)
    if result["outcome"] == "unchanged":
        assert config(usherd)["version"] != seen, usherd.log()[-3000:]
        result = history(usherd)[0]
    assert result["outcome"] == outcome, result
    return {one["key"]: one for one in result["changes"]}


class Load:
    """Members who sign up all the while, a few at a time."""

    def __init__(self, db):
        self.db, self.people = db, []

    def some(self, count=20, **options):
        new = load.members(count, f"r{len(self.people)}-", **options)
        load.store(self.db, new)
        self.people += new
        return new

    def settled(self, usherd):
        wait_until(lambda: not load.unsettled(self.db) and len(load.states(self.db)) == 2
                   and sum(load.states(self.db).values()) == 2 * len(self.people)
                   and set(state for _, state in load.states(self.db)) == {"delivered"},
                   lambda: f"{load.states(self.db)}\n{usherd.log()[-3000:]}", 60)


@pytest.fixture
def crowd(mariadb):
    return Load(mariadb)


def prove(crowd, usherd, smtps, coupons):
    """Every member has one mail and one coupon, whichever service gave them; nothing stands anywhere."""
    crowd.settled(usherd)
    mails = [mail.recipient for smtp in smtps for mail in smtp.mails]
    assert sorted(mails) == sorted(member.email for member in crowd.people)
    grants = [grant.user_id for coupon in coupons for grant in coupon.grants]
    assert sorted(grants) == sorted(member.user_id for member in crowd.people)
    proof.check_rest(crowd.db, crowd.people)


# -- Live keys, under load ------------------------------------------------------------------------------------------


def test_mail_server_and_login_change_under_load(daemon, smtp, second_smtp, coupon, crowd):
    usherd = daemon({"channel.email": {"rate": "40"}})
    held = crowd.some(5, fault="held")
    crowd.some(40)
    wait_until(lambda: len(smtp.mails) >= 5 + len(held), usherd.story)
    changes = change(usherd, {"email": {"smtp_url": second_smtp.url, "from": "New <new@usher.example>", "subject": "Fresh"}})
    assert {"email.smtp_url", "email.from", "email.subject"} <= set(changes)
    assert changes["email.smtp_url"]["new"] == second_smtp.url and changes["email.smtp_url"]["effect"] == "applied"
    fresh = crowd.some(10)
    wait_until(lambda: {m.email for m in fresh} <= {mail.recipient for mail in second_smtp.mails}, usherd.story)
    assert all(mail.sender == "new@usher.example" and b"Subject: Fresh" in mail.data for mail in second_smtp.mails)
    smtp.release()    # what the old one holds is finished there, and is not sent again
    prove(crowd, usherd, [smtp, second_smtp], [coupon])
    assert {m.email for m in held} <= {mail.recipient for mail in smtp.mails}
    wait_until(lambda: smtp.open_connections == 0, usherd.story)


def test_coupon_service_token_and_campaign_change_under_load(daemon, smtp, coupon, second_coupon, crowd):
    usherd = daemon({"channel.coupon": {"rate": "40"}})
    crowd.some(40)
    wait_until(lambda: coupon.grants, usherd.story)
    changes = change(usherd, {"coupon": {"url": second_coupon.url, "token": SECRETS[1], "campaign": "spring"}})
    assert changes["coupon.token"] == {"key": "coupon.token", "old": "(set)", "new": "(changed)", "effect": "applied",
                                       "origin": changes["coupon.token"]["origin"]}
    crowd.some(10)
    prove(crowd, usherd, [smtp], [coupon, second_coupon])
    assert second_coupon.grants and {grant.campaign for grant in second_coupon.grants} == {"spring"}


def test_templates_change_under_load_and_bad_ones_are_refused(daemon, smtp, coupon, crowd, tmp_path):
    templates = tmp_path / "templates"
    shutil.copytree(ROOT / "conf" / "templates", templates)
    usherd = daemon({"email": {"template_dir": str(templates)}})
    crowd.some(10)
    (templates / "welcome.ko.txt").write_text("Subject: 새 인사\n\n{{name}}님 반갑습니다.\n", encoding="utf-8")
    wait_until(lambda: [one for one in history(usherd) if one["changes"] and one["changes"][0]["key"] == "email.templates"], usherd.story)
    fresh = crowd.some(4)
    prove(crowd, usherd, [smtp], [coupon])
    korean = smtp.mails_to(next(m.email for m in fresh if m.locale == "ko-KR"))[0]
    assert email.message_from_bytes(korean.data, policy=email.policy.default)["Subject"] == "새 인사"
    (templates / "welcome.en.txt").write_text("Subject: {{nonsense}}\n\nx\n", encoding="utf-8")
    result = reload(usherd)
    assert result["outcome"] == "refused" and "welcome.en.txt:1" in result["reasons"][0], result
    crowd.some(4)
    prove(crowd, usherd, [smtp], [coupon])


def test_rate_follows(daemon, smtp, coupon, crowd):
    usherd = daemon({"channel.email": {"rate": "2"}})
    crowd.some(40)
    wait_until(lambda: len(smtp.mails) >= 2, usherd.story)
    assert len(smtp.mails) < 20
    change(usherd, {"channel.email": {"rate": "500"}})
    began = time.monotonic()
    prove(crowd, usherd, [smtp], [coupon])
    assert time.monotonic() - began < 15    # at 2 a second it would be 15 and more
    assert usherd.api.channel("email")["limit"]["per_s"] == 500


def test_retry_policy_follows(daemon, smtp, coupon, crowd):
    usherd = daemon({"retry": {"base": "1h", "max_delay": "2h"}, "channel.coupon": {"base": "300ms"}})
    change(usherd, {"retry": {"base": "300ms", "max_delay": "5s"}})
    crowd.some(3, fault="down1")
    prove(crowd, usherd, [smtp], [coupon])    # an hour ago it would have been an hour
    change(usherd, {"retry": {"max_attempts": "1"}})
    member = load.Member("once", fault="down5")
    load.store(crowd.db, [member])
    load.wait_state(crowd.db, member.event_id, "email", "dead")
    assert len(load.attempts(crowd.db, member.event_id, "email")) == 1


def test_more_attempts_than_before_are_made_by_the_embedded_broker_too(daemon, smtp, coupon, crowd, mariadb):
    usherd = daemon({"retry": {"max_attempts": "2", "base": "10ms", "factor": "1"}})
    change(usherd, {"retry": {"max_attempts": "100"}})
    wait_until(lambda: mariadb.value("SELECT MIN(max_receive_count) FROM broker_queue WHERE dlq IS NOT NULL") >= 130, usherd.story)


def test_in_flight_follows(daemon, smtp, coupon, crowd):
    usherd = daemon({"channel.email": {"in_flight": "2"}, "email": {"timeout": "60s"}})
    crowd.some(20, fault="held")
    wait_until(lambda: usherd.api.channel("email")["sending"] == 2, usherd.story)
    change(usherd, {"channel.email": {"in_flight": "20", "visibility_timeout": "5s"}})
    wait_until(lambda: usherd.api.channel("email")["sending"] > 8, usherd.story)
    smtp.release()
    prove(crowd, usherd, [smtp], [coupon])


def test_breaker_follows(daemon, smtp, coupon, crowd):
    usherd = daemon({"breaker": {"failures": "3", "cooldown": "1h", "probes": "1"}, "watch": {"probe_interval": "1h"},
                     "retry": {"max_attempts": "20", "base": "100ms", "factor": "1"}})
    smtp.outage()
    crowd.some(10)
    wait_until(lambda: usherd.api.channel("email")["breaker"]["state"] == "open", usherd.story)
    smtp.recover()
    change(usherd, {"breaker": {"failures": "0"}})    # switched off: nothing is held back any more
    prove(crowd, usherd, [smtp], [coupon])


def test_a_wrong_login_is_mended_by_a_reload(daemon, coupon, crowd):
    mail = MailService(login=("usher", SECRETS[0]))
    usherd = daemon({"breaker": {"failures": "3", "cooldown": "1h", "probes": "1"}, "watch": {"probe_interval": "1h"},
                     "channel.email": {"auto_redrive": "yes"},
                     "email": {"user": "usher", "password": SECRETS[2]}}, mail=mail)
    try:
        crowd.some(10)
        wait_until(lambda: usherd.api.channel("email")["breaker"]["state"] == "open", usherd.story)
        assert "misconfigured" in usherd.api.channel("email")["breaker"]["cause"]
        change(usherd, {"email": {"password": SECRETS[0]}})
        crowd.settled(usherd)    # those that died of it are redriven by usherd itself
        assert sorted(m.recipient for m in mail.mails) == sorted(m.email for m in crowd.people)
        text = usherd.log() + json.dumps(config(usherd)) + json.dumps(history(usherd))
        assert not [secret for secret in SECRETS if secret in text]
    finally:
        usherd.stop()
        mail.close()


def test_log_level_relay_watch_and_auto_redrive_follow(daemon, smtp, coupon, crowd):
    usherd = daemon({"log": {"level": "info"}, "relay": {"interval": "1h", "linger": "1h"}})
    assert " debug " not in usherd.log()
    change(usherd, {"log": {"level": "debug"}, "relay": {"interval": "50ms", "linger": "20ms", "batch": "3"},
                    "watch": {"depth_interval": "50ms", "mirror_interval": "300ms"}, "channel.email": {"auto_redrive": "yes"}})
    crowd.some(20)    # stored by another program: only the relay's own look finds them
    prove(crowd, usherd, [smtp], [coupon])
    assert " debug " in usherd.log()
    assert usherd.api.channel("email")["history_step_s"] == 0.05


def test_alarms_and_notices_follow(daemon, smtp, coupon, crowd):
    first, second = Webhook(), Webhook()
    try:
        usherd = daemon({"notify.ops": {"kind": "webhook", "url": first.url},
                         "alarm.pile": {"metric": "backlog", "above": "1000000", "notify": "ops"}})
        usherd.usher("pause", "email", "--reason", "for a pile")
        crowd.some(30)
        wait_until(lambda: (usherd.api.channel("email")["visible"]["value"] or 0) >= 30, usherd.story)
        change(usherd, {"alarm.pile": {"above": "10"}, "notify.ops": {"url": second.url}})
        wait_until(lambda: second.posts, usherd.story)
        assert not first.posts
        changes = change(usherd, {"alarm.pile": None, "alarm.other": {"metric": "backlog", "above": "1000000"}})
        assert changes["alarm.pile.metric"]["new"] is None and changes["alarm.other.above"]["old"] is None
        usherd.usher("resume", "email")
        prove(crowd, usherd, [smtp], [coupon])
    finally:
        usherd.stop()
        first.close()
        second.close()


# -- Ways in ----------------------------------------------------------------------------------------------------------


def test_hangup_reads_it_again(daemon):
    usherd = daemon()
    usherd.configure({"relay": {"batch": "4"}})
    os.kill(usherd.pid, signal.SIGHUP)
    wait_until(lambda: item(usherd, "relay.batch")["value"] == "4", usherd.story)
    os.kill(usherd.pid, signal.SIGHUP)
    wait_until(lambda: "(SIGHUP): nothing has changed" in usherd.log(), usherd.story)
    assert usherd.answers()


def test_a_changed_file_is_found_a_secrets_too(daemon, coupon, crowd, tmp_path, smtp):
    token = tmp_path / "token"
    token.write_text(coupon.token, encoding="utf-8")
    usherd = daemon({"coupon": {"token": None, "token_file": str(token)}})
    crowd.some(3)
    prove(crowd, usherd, [smtp], [coupon])
    token.write_text(SECRETS[0], encoding="utf-8")
    coupon.token = SECRETS[0]
    wait_until(lambda: len(history(usherd)) == 2, usherd.story)
    newest = history(usherd)[0]
    assert newest["source"] == f"file {token}" and newest["who"] is None
    assert [(one["key"], one["old"], one["new"]) for one in newest["changes"]] == [("coupon.token", "(set)", "(changed)")]
    usherd.configure({"relay": {"batch": "2"}})
    wait_until(lambda: item(usherd, "relay.batch")["value"] == "2", usherd.story)
    assert history(usherd)[0]["source"] == f"file {usherd.config}"
    crowd.some(3)
    prove(crowd, usherd, [smtp], [coupon])


def test_a_new_version_at_the_config_server_is_picked_up(daemon, server):
    server.files = {"usher.yml": {"usher.relay.batch": 3}}
    usherd = daemon({"config_server": {"url": server.url, "timeout": "1s", "interval": "1s"}})
    assert item(usherd, "relay.batch")["value"] == "3"
    server.files, server.version = {"usher.yml": {"usher.relay.batch": 7}}, "99aa00bb"
    wait_until(lambda: item(usherd, "relay.batch")["value"] == "7", usherd.story)
    newest = history(usherd)[0]
    assert newest["source"] == "config server, version 99aa00bb"
    assert newest["changes"][0]["origin"].startswith("config server https://git.example/config/usher.yml")
    server.files = {"usher.yml": {"usher.relay.batch": 77}}
    wait_until(lambda: config(usherd)["latest"]["outcome"] == "refused", usherd.story)
    versions = history(usherd)
    assert "[relay] batch" in versions[0]["reasons"][0] and item(usherd, "relay.batch")["value"] == "7"
    asked = len(server.requests)
    wait_until(lambda: len(server.requests) > asked + 3, usherd.story)
    assert history(usherd) == versions    # the same refusal is told once
    server.outage()
    wait_until(lambda: "is not known" in usherd.log(), usherd.story)
    usherd.configure({"relay": {"interval": "70ms"}})    # the last good answer is kept: files go on
    wait_until(lambda: item(usherd, "relay.interval")["value"] == "70ms", usherd.story)
    assert item(usherd, "relay.batch")["value"] == "7"
    server.recover()
    server.files = {"usher.yml": {"usher.relay.batch": 5}}
    wait_until(lambda: item(usherd, "relay.batch")["value"] == "5", usherd.story)


def test_a_slow_config_server_holds_nobody_up(daemon, server, smtp, coupon, crowd):
    usherd = daemon({"config_server": {"url": server.url, "timeout": "5s", "interval": "1h"}})
    server.fault = "hang"
    ticket = usherd.api.post("/v1/config/reload").json["ticket"]
    began = time.monotonic()
    assert usherd.api.get("/v1/status").status == 200
    assert usherd.api.get("/v1/config/reload").json["answered"] < ticket
    crowd.some(10)
    prove(crowd, usherd, [smtp], [coupon])
    assert time.monotonic() - began < 5 or usherd.api.get("/v1/config/reload").json["answered"] >= ticket


# -- What is wrong changes nothing ----------------------------------------------------------------------------------


def test_a_bad_reload_changes_nothing_and_says_all_of_it(daemon, smtp, coupon, crowd):
    usherd = daemon()
    wait_until(lambda: config(usherd)["version"], usherd.story)
    before = config(usherd)
    usherd.configure({"relay": {"batch": "11"}, "email": {"timeout": "1s"}, "coupon": {"urrl": "http://x/"}})
    os.kill(usherd.pid, signal.SIGHUP)
    wait_until(lambda: config(usherd)["latest"], usherd.story)
    after = config(usherd)
    assert after["items"] == before["items"] and after["version"] == before["version"]
    reasons = "\n".join(after["latest"]["reasons"])
    assert '[relay] batch: "11" is not allowed' in reasons and 'no key "urrl"' in reasons
    assert re.search(rf"{re.escape(str(usherd.config))}:\d+: ", reasons)
    assert "refused (" in usherd.log() and usherd.api.status()["config"]["refused"] == after["latest"]["reasons"][0]
    assert history(usherd)[0]["outcome"] == "refused" and history(usherd)[0]["reasons"] == after["latest"]["reasons"]
    crowd.some(5)
    prove(crowd, usherd, [smtp], [coupon])
    usherd.configure({"relay": {"batch": "5"}, "coupon": {"urrl": None}})
    wait_until(lambda: item(usherd, "relay.batch")["value"] == "5", usherd.story)
    assert usherd.api.status()["config"]["refused"] is None and item(usherd, "email.timeout")["value"] == "1s"


def test_a_file_that_is_gone_changes_nothing(daemon):
    usherd = daemon()
    text = usherd.config.read_text(encoding="utf-8")
    usherd.config.unlink()
    wait_until(lambda: config(usherd)["latest"] and config(usherd)["latest"]["outcome"] == "refused", usherd.story)
    usherd.config.write_text(text, encoding="utf-8")
    wait_until(lambda: config(usherd)["latest"]["outcome"] == "unchanged", usherd.story)


# -- What waits for a restart ---------------------------------------------------------------------------------------


def test_a_key_that_needs_a_restart_is_pending_until_then(daemon, smtp, coupon, crowd):
    usherd = daemon()
    changes = change(usherd, {"channel.email": {"dlq": "other-dlq"}, "relay": {"batch": "3"}})
    assert changes["channel.email.dlq"]["effect"] == "pending" and changes["relay.batch"]["effect"] == "applied"
    dlq = item(usherd, "channel.email.dlq")
    assert dlq["value"] == "signup-welcome-email-dlq" and dlq["pending"]["value"] == "other-dlq"
    assert usherd.api.status()["config"]["pending"] == ["channel.email.dlq"]
    crowd.some(5)
    prove(crowd, usherd, [smtp], [coupon])
    assert usherd.stop() == 0
    usherd.start()
    wait_until(lambda: history(usherd)[0]["source"] == "start", usherd.story)
    assert {one["key"]: one["new"] for one in history(usherd)[0]["changes"]} == {"channel.email.dlq": "other-dlq"}
    assert item(usherd, "channel.email.dlq")["pending"] is None and usherd.api.status()["config"]["pending"] == []


def test_what_is_taken_back_before_the_restart_is_withdrawn(daemon):
    usherd = daemon()
    change(usherd, {"aws": {"region": "eu-west-1"}})
    changes = change(usherd, {"aws": {"region": None}})
    assert changes["aws.region"]["effect"] == "withdrawn"
    assert usherd.api.status()["config"]["pending"] == []


def test_what_cannot_go_together_is_refused(daemon):
    usherd = daemon()
    change(usherd, {"channel.email": {"enabled": "no"}, "email": {"from": None}}, outcome="refused")
    assert "[email] from is needed" in history(usherd)[0]["reasons"][0]
    assert item(usherd, "channel.email.enabled")["pending"] is None


# -- The history ------------------------------------------------------------------------------------------------------


def test_a_day_of_changes_read_back(daemon, mariadb):
    usherd = daemon()
    wait_until(lambda: len(history(usherd)) == 1, usherd.story)
    for n in range(2, 8):
        change(usherd, {"relay": {"batch": str(n)}, "coupon": {"token": f"{SECRETS[0]}-{n}"}})
    usherd.configure({"relay": {"batch": "none"}})
    assert reload(usherd)["outcome"] == "refused"
    usherd.configure({"relay": {"batch": "9"}})
    wait_until(lambda: item(usherd, "relay.batch")["value"] == "9", usherd.story)
    versions = history(usherd)
    assert [one["outcome"] for one in versions] == ["applied", "refused"] + ["applied"] * 7
    batches = [change_ for one in versions for change_ in one["changes"] if change_["key"] == "relay.batch"]
    assert [one["new"] for one in batches] == ["9", "7", "6", "5", "4", "3", "2"] and batches[-1]["old"] == "10"
    assert [one["version"] for one in versions] == sorted((one["version"] for one in versions), reverse=True)
    paged, query = [], {"limit": 2}
    while True:
        page = usherd.api.get("/v1/config/history", **query).json
        paged += page["items"]
        if not page["next"]:
            break
        query["cursor"] = page["next"]
    assert paged == versions
    assert len(history(usherd, key="relay.batch")) == 7 and history(usherd, key="relay.linger") == []
    first, last = versions[-1]["version"], versions[0]["version"]
    diff = usherd.api.get("/v1/config/diff", **{"from": first}).json
    assert diff["to"]["version"] == last
    assert {one["key"]: (one["old"], one["new"]) for one in diff["changes"]} == {
        "relay.batch": ("10", "9"), "coupon.token": ("(set)", "(changed)")}
    back = usherd.api.get("/v1/config/diff", **{"from": last, "to": versions[3]["version"]}).json
    assert [(one["key"], one["old"], one["new"]) for one in back["changes"]][-1:] == [("relay.batch", "9", "6")]
    assert usherd.api.get("/v1/config/diff", **{"from": versions[1]["version"]}).status == 409
    assert usherd.api.get("/v1/config/diff", **{"from": 99999}).status == 404
    assert usherd.api.get("/v1/config/diff").status == 400
    everything = json.dumps([versions, diff, config(usherd)]) + usherd.log()
    everything += str(mariadb.query("SELECT * FROM config_version")) + str(mariadb.query("SELECT * FROM config_change"))
    assert SECRETS[0] not in everything


def test_a_restart_without_a_change_is_no_version(daemon):
    usherd = daemon()
    wait_until(lambda: len(history(usherd)) == 1, usherd.story)
    version = config(usherd)["version"]
    assert usherd.stop() == 0
    usherd.start()
    wait_until(lambda: config(usherd)["version"] == version, usherd.story)
    assert len(history(usherd)) == 1
    assert usherd.stop() == 0
    usherd.configure({"coupon": {"token": SECRETS[0]}})    # a secret that was changed in between is found, too
    usherd.start()
    wait_until(lambda: len(history(usherd)) == 2, usherd.story)
    assert [(one["key"], one["new"]) for one in history(usherd)[0]["changes"]] == [("coupon.token", "(changed)")]


def test_the_history_waits_for_the_database(daemon, mariadb):
    usherd = daemon()
    wait_until(lambda: config(usherd)["version"], usherd.story)
    mariadb.kill()
    usherd.configure({"relay": {"batch": "3"}})
    wait_until(lambda: item(usherd, "relay.batch")["value"] == "3", usherd.story)
    mariadb.start()
    wait_until(lambda: usherd.api.get("/v1/config/history").status == 200 and len(history(usherd)) == 2, usherd.story)
    assert history(usherd)[0]["changes"][0]["key"] == "relay.batch"


def test_reloading_is_an_act_and_is_audited(daemon):
    usherd = daemon()
    assert usherd.readonly_api.post("/v1/config/reload").status == 403
    assert usherd.readonly_api.get("/v1/config").status == 200
    result = reload(usherd)
    assert result["outcome"] == "unchanged" and result["source"] == "api" and result["who"]
    rows = usherd.api.get("/v1/audit", target="config").json["items"]
    assert [(row["act"], row["outcome"]) for row in rows] == [("config_reload", "done")]


def test_many_reloads_at_once_disturb_nobody(daemon, smtp, second_smtp, coupon, crowd):
    """The first few are seen at work, all others overtake each other."""
    usherd, mailers, seen_at_work = daemon(), [smtp, second_smtp], 4

    def at_work(n):
        crowd.some(1)
        return mailers[n % 2].mails and f"c{n}" in {grant.campaign for grant in coupon.grants}

    for n in range(12):
        crowd.some(15)
        usherd.configure({"email": {"smtp_url": mailers[n % 2].url, "connections": str(3 + n)},
                          "channel.email": {"rate": str(200 + n)}, "coupon": {"campaign": f"c{n}"},
                          "alarm.pile": {"metric": "backlog", "above": str(1000 + n)}})
        os.kill(usherd.pid, signal.SIGHUP)
        wait_until(lambda: item(usherd, "coupon.campaign")["value"] == f"c{n}", usherd.story)  # pylint: disable=cell-var-from-loop
        if n < seen_at_work:
            wait_until(lambda: at_work(n), usherd.story, every_s=0.1)  # pylint: disable=cell-var-from-loop
    prove(crowd, usherd, mailers, [coupon])
