"""Alarms: each rule is raised and cleared by what really happens, and people are told once of each."""

import email
import email.policy
import pwd
import os
import re

import pytest
from support import load, planted
from support.load import Member, wait_state
from support.process import wait_until
from support.webhook import Webhook

QUIET = {f"alarm.{name}": {"enabled": "no"} for name in (
    "dead", "failing", "backlog", "backlog_growing", "waiting", "breaker", "outbox", "database", "broker", "retention",
    "idle", "daemon")}


@pytest.fixture
def hook():
    service = Webhook()
    yield service
    service.close()


def only(hook=None, **rules):
    """Changes of the configuration: these alarms and no other, told to `hook`."""
    changes = {section: dict(keys) for section, keys in QUIET.items()}
    for name, keys in rules.items():
        changes[f"alarm.{name}"] = {"enabled": "yes", **keys}
    if hook:
        changes["notify.ops"] = {"kind": "webhook", "url": hook.url, "timeout": "2s"}
    return changes


def dead_rule(**more):
    return {"window": "1s", **more}


def raised(usherd):
    return [(a["name"], a["channel"]) for a in usherd.api.status()["alarms"]["list"]]


def wait_told(hook, *expected, name=None, channel=None):
    """Until exactly this has been told."""
    expected = list(expected)
    wait_until(lambda: [state for state, _n, _c in hook.told(name, channel)] == expected,
               lambda: f"told {hook.told()}, wanted {expected}")


def die(db, tag="x"):
    """One mail that dies at once."""
    member = Member(tag, fault="unknown")
    load.store(db, [member])
    wait_state(db, member.event_id, "email", "dead")
    return member


# -- Each rule ------------------------------------------------------------------------------------------

def test_a_death_is_told_and_its_end(daemon, mariadb, hook):
    usherd = daemon(only(hook, dead=dead_rule(severity="critical")))
    die(mariadb)
    wait_told(hook, "raised", "cleared", name="dead", channel="email")
    post = hook.posts[0]
    assert post.path == "/hooks/T0/" + planted.WEBHOOK and post.type == "application/json"
    assert re.fullmatch(r"critical: dead \(email\) raised on \S+: 1 newly dead, above 0 within 1s", post.json["text"])
    assert post.alarm["severity"] == "critical" and post.alarm["value"] == 1 and post.alarm["host"]
    assert "channel" not in post.json, "beside the text it would tell Mattermost where to post"
    assert hook.posts[1].json["text"].startswith("over: dead (email) cleared on ")
    assert hook.told(channel="coupon") == []
    assert "alarm" in usherd.log() and "dead (email) raised" in usherd.log(), "the log is told too"
    assert planted.WEBHOOK not in usherd.log()
    assert "unknown.x@example.com" not in str(hook.posts), "nothing of a member is in a notice"
    items = usherd.api.get("/v1/alarms").json["items"]
    assert [(a["name"], a["state"], a["severity"]) for a in items] == [("dead", "cleared", "critical")]
    assert sorted((n["notify"], n["what"], n["state"]) for n in items[0]["notices"]) == [
        ("log", "cleared", "sent"), ("log", "raised", "sent"), ("ops", "cleared", "sent"), ("ops", "raised", "sent")]


def test_a_death_is_over_once_it_is_settled(daemon, mariadb, hook):
    usherd = daemon(only(hook, dead={"window": "1h"}))
    die(mariadb)
    wait_told(hook, "raised", name="dead", channel="email")
    usherd.usher("cancel", usherd.api.failed()[0]["id"], "--reason", "a mistyped address")
    wait_told(hook, "raised", "cleared")


def test_messages_in_the_dlq(daemon, mariadb, hook):
    usherd = daemon(only(hook, dlq_full={"metric": "dlq", "above": "1", "clear": "0", "notify": "ops"}))
    die(mariadb, "a")
    die(mariadb, "b")
    wait_told(hook, "raised", name="dlq_full", channel="email")
    die(mariadb, "c")
    wait_until(lambda: "3 " in usherd.api.get("/v1/alarms").json["items"][0]["text"], "the figure that is shown stands still")
    assert usherd.api.get("/v1/alarms").json["items"][0]["value"] == 3
    ids = [row["id"] for row in usherd.api.failed()]
    usherd.usher("cancel", ids[2], "--reason", "one of three")
    usherd.usher("cancel", ids[0], "--reason", "two of three")
    wait_until(lambda: usherd.api.channel("email")["dlq_depth"]["value"] == 1, "one is left")
    assert hook.told() == [("raised", "dlq_full", "email")], "between the thresholds nothing changes"
    usherd.usher("cancel", ids[1], "--reason", "three of three")
    wait_told(hook, "raised", "cleared")


def test_a_share_of_failures(daemon, mariadb, smtp, hook):
    daemon(only(hook, failing={"window": "2s", "for": "0s", "clear_for": "0s", "at_least": "5", "channel": "email"}))
    load.store(mariadb, load.members(10, "bad", fault="rejected"))
    wait_told(hook, "raised", name="failing", channel="email")
    assert re.search(r": \d+(\.\d+)?% of the attempts failed, above 20% within 2s$", hook.posts[0].json["text"])
    load.store(mariadb, load.members(60, "good"))
    wait_told(hook, "raised", "cleared")


def slow_mail(hook, **rules):
    """A channel that can send one mail in a long while: what comes after it waits in the queue."""
    changes = only(hook, **rules)
    changes["channel.email"] = {"in_flight": "1", "receivers": "1", "visibility_timeout": "60s"}
    changes["email"] = {"timeout": "60s", "connections": "1"}
    return changes


def test_backlog_its_growth_and_its_oldest_message(daemon, mariadb, smtp, hook):
    usherd = daemon(slow_mail(
        hook, backlog={"above": "10", "clear": "2", "for": "200ms", "clear_for": "0s", "channel": "email"},
        waiting={"above": "1s", "clear": "0s", "for": "0s", "clear_for": "0s", "channel": "email"},
        backlog_growing={"above": "2", "clear": "0", "window": "1s", "for": "0s", "clear_for": "0s", "channel": "email"}))
    load.store(mariadb, [Member("first", fault="held")])
    wait_until(lambda: len(smtp.mails) == 1, "the first mail is at the server, and held there")
    load.store(mariadb, load.members(30, "b"))
    for name in ("backlog", "backlog_growing", "waiting"):
        wait_until(lambda: hook.told(name)[:1] == [("raised", name, "email")], hook.told)
    assert ("backlog", "email") in raised(usherd)
    smtp.release()
    for name in ("backlog", "backlog_growing", "waiting"):
        wait_told(hook, "raised", "cleared", name=name)
    texts = {p.alarm["name"]: p.alarm["text"] for p in hook.posts}
    assert re.fullmatch(r"\d+ waiting, above 10", texts["backlog"])
    assert re.fullmatch(r"the oldest message waits for [\d.]+s, above 1s", texts["waiting"])
    assert re.fullmatch(r"the backlog grows by [\d.]+/s, above 2/s within 1s", texts["backlog_growing"])


def test_nothing_is_consumed_while_there_is_work(daemon, mariadb, smtp, hook):
    daemon(slow_mail(hook, idle={"above": "1s", "channel": "email"}))
    load.store(mariadb, [Member("first", fault="held")])
    wait_until(lambda: len(smtp.mails) == 1, "the first mail is at the server, and held there")
    load.store(mariadb, load.members(3, "i"))
    wait_told(hook, "raised", name="idle", channel="email")
    smtp.release()
    wait_told(hook, "raised", "cleared")
    assert re.fullmatch(r"nothing is consumed for [\d.]+s while there is work, above 1s", hook.posts[0].alarm["text"])


def test_an_open_breaker(daemon, mariadb, coupon, hook):
    changes = only(hook, breaker={"above": "500ms", "clear_for": "0s", "channel": "coupon"})
    changes["breaker"] = {"failures": "2", "cooldown": "300ms", "probes": "1"}
    changes["retry"] = {"max_attempts": "50", "base": "100ms", "factor": "1"}
    daemon(changes)
    coupon.outage()
    load.store(mariadb, load.members(4, "c"))
    wait_told(hook, "raised", name="breaker", channel="coupon")
    coupon.recover()
    wait_told(hook, "raised", "cleared")


def test_outbox(daemon, mariadb, hook):
    usherd = daemon(only(hook, outbox={"above": "500ms", "clear": "0s", "clear_for": "0s"},
                         outbox_full={"metric": "outbox_waiting", "above": "2", "clear": "0"}))
    mariadb.execute("RENAME TABLE broker_subscription TO aside")    # publishing fails
    load.store(mariadb, load.members(5, "o"))
    for name in ("outbox", "outbox_full"):
        wait_told(hook, "raised", name=name)
    assert usherd.api.status()["alarms"]["critical"] == 1
    mariadb.execute("RENAME TABLE aside TO broker_subscription")
    for name in ("outbox", "outbox_full"):
        wait_told(hook, "raised", "cleared", name=name)
    assert hook.posts[0].alarm["channel"] is None


def test_the_database_is_told_of_without_it_and_stored_when_it_is_back(daemon, mariadb, hook):
    usherd = daemon(only(hook, database={"above": "300ms", "clear_for": "0s"}, broker={"above": "300ms", "clear_for": "0s"}))
    wait_until(lambda: usherd.api.status()["database"]["up"], "the daemon is up")
    mariadb.kill()
    wait_told(hook, "raised", name="database")
    status = usherd.api.status()["alarms"]
    assert status["critical"] == 1 and status["list"][0]["id"] is None and status["unsent"] == 0
    assert re.match(r"the database cannot be used for [\d.]+s", status["list"][0]["text"])
    mariadb.start()
    wait_told(hook, "raised", "cleared", name="database")
    row = usherd.api.get("/v1/alarms").json["items"][0]
    assert (row["name"], row["state"]) == ("database", "cleared") and row["raised_at"] < row["cleared_at"]
    assert hook.told("broker") == [], "the embedded broker is in the database: one trouble, one alarm"


def test_the_database_is_away_when_the_daemon_starts(daemon, mariadb, hook):
    usherd = daemon(only(hook, database={"above": "300ms", "clear_for": "0s"}), start=False)
    mariadb.kill()
    usherd.start()
    wait_told(hook, "raised", name="database")
    mariadb.start()
    wait_told(hook, "raised", "cleared")


def test_the_broker(aws_daemon, road, hook):
    usherd = aws_daemon(only(hook, broker={"above": "300ms", "clear_for": "0s"}))
    wait_until(lambda: usherd.api.status()["broker"]["up"], "the broker is up")
    road.outage()
    wait_told(hook, "raised", name="broker")
    road.recover()
    wait_told(hook, "raised", "cleared")


def test_retention_about_to_end(daemon, mariadb, hook):
    daemon(only(hook, retention={"below": "15d", "clear": "16d", "channel": "email"}))
    die(mariadb)
    wait_told(hook, "raised", name="retention", channel="email")
    assert re.fullmatch(r"the first copy in the DLQ expires in 1[34]d( \d+h)?, below 15d", hook.posts[0].alarm["text"])
    mariadb.execute("UPDATE failed_notification SET status = 'cancelled'")
    wait_told(hook, "raised", "cleared")


def test_a_lost_daemon_is_missed_until_another_stands_in(daemon, mariadb, hook):
    first = daemon(only(hook, daemon={"for": "0s"}))
    wait_until(lambda: first.api.status()["alarms"]["raised"] == 0, "it is up")
    other = daemon(only(hook, daemon={"for": "0s"}), migrate=False)
    wait_until(lambda: mariadb.value("SELECT COUNT(*) FROM daemon") == 2, "both are known")
    other.kill()
    wait_told(hook, "raised", name="daemon")
    other.start()
    wait_told(hook, "raised", "cleared")


# -- Telling ----------------------------------------------------------------------------------------------

def test_a_mail_is_sent(daemon, mariadb, smtp):
    changes = only(dead=dead_rule(notify="desk"))
    changes["notify.desk"] = {"kind": "mail", "to": "운영 <ops@usher.example>"}
    usherd = daemon(changes)
    die(mariadb)
    wait_until(lambda: len(smtp.mails_to("ops@usher.example")) == 2, lambda: usherd.log()[-2000:])
    first, second = (email.message_from_bytes(m.data, policy=email.policy.default)
                     for m in smtp.mails_to("ops@usher.example"))
    assert re.fullmatch(r"warning: dead \(email\) raised on \S+: 1 newly dead, above 0 within 1s", first["Subject"])
    assert first["From"].addresses[0].addr_spec == "welcome@usher.example"
    assert first["To"].addresses[0].display_name == "운영"
    assert first.get_content_type() == "text/plain" and "Severity: warning" in first.get_content()
    assert second["Subject"].startswith("over: dead (email) cleared on ") and "Cleared:" in second.get_content()
    assert first["Message-ID"] != second["Message-ID"]


def test_a_mail_goes_by_a_server_of_its_own(daemon, mariadb, smtp):
    own = type(smtp)(login=("usher", planted.secret("notice-mail")))
    try:
        changes = only(dead=dead_rule(notify="desk"))
        changes["notify.desk"] = {"kind": "mail", "to": "ops@usher.example", "from": "Wache <watch@usher.example>",
                                  "smtp_url": own.url, "tls": "none", "user": "usher", "password": planted.secret("notice-mail")}
        usherd = daemon(changes)
        die(mariadb)
        wait_until(lambda: len(own.mails_to("ops@usher.example")) == 2, lambda: usherd.log()[-2000:])
        assert own.mails[0].sender == "watch@usher.example" and own.mails[0].login == "usher"
    finally:
        own.close()


def test_a_topic_is_told(aws_daemon, cloud, smtp, mariadb):
    changes = only(dead=dead_rule(notify="pager"))
    changes["notify.pager"] = {"kind": "sns", "topic": cloud.alarm_topic("pager", "alarm-receiver")}
    usherd = aws_daemon(changes)
    die(mariadb)
    texts = []
    wait_until(lambda: texts.extend(cloud.received_texts("alarm-receiver")) or len(texts) >= 2,
               lambda: f"{texts}\n{usherd.log()[-2000:]}")
    assert texts[0].startswith("warning: dead (email) raised on ") and texts[1].startswith("over: dead (email) cleared on ")


def test_a_receiver_that_is_down_is_shown_and_told_when_it_is_back(daemon, mariadb, hook):
    hook.outage()
    usherd = daemon(only(hook, dead=dead_rule()))
    die(mariadb)
    wait_until(lambda: usherd.api.status()["alarms"]["unsent"] > 0, usherd.story)
    trouble = usherd.api.status()["alarms"]["notices"][0]
    assert (trouble["notify"], trouble["kind"], trouble["given_up"]) == ("ops", "webhook", 0)
    assert "refused" in trouble["error"] or "connect" in trouble["error"]
    assert re.search(r"webhook ops: not sent for \d", usherd.usher("status").out)
    assert usherd.log().count("notice ops (webhook) is not sent") == 1, "said once"
    assert planted.WEBHOOK not in usherd.log() + usherd.usher("alarms", "--json").out
    wait_until(lambda: usherd.api.status()["alarms"]["raised"] == 0, "it is over meanwhile")
    hook.recover()
    wait_told(hook, "raised", "cleared")
    wait_until(lambda: usherd.api.status()["alarms"]["unsent"] == 0, "nothing is unsent")
    assert "notice ops (webhook) is sent again" in usherd.log()
    load.store(mariadb, [late := Member("late")])
    wait_state(mariadb, late.event_id, "email", "delivered")


def test_a_receiver_that_says_no_or_nothing_is_tried_again(daemon, mariadb, hook):
    hook.status = 503
    usherd = daemon(only(hook, dead={"window": "1m"}))
    die(mariadb)
    wait_until(lambda: len(hook.posts) >= 2, "tried twice")
    assert "HTTP 503: no_service" in usherd.api.status()["alarms"]["notices"][0]["error"]
    hook.status, hook.silent = 200, True
    wait_until(lambda: "no whole answer in time" in str(usherd.api.status()["alarms"]["notices"]), usherd.api.status)
    hook.silent = False
    wait_until(lambda: usherd.api.status()["alarms"]["unsent"] == 0, "sent in the end")


def test_a_notice_is_given_up_after_a_day_and_shown(daemon, mariadb, hook):
    hook.outage()
    usherd = daemon(only(hook, dead={"window": "1h"}))
    die(mariadb)
    wait_until(lambda: usherd.api.status()["alarms"]["unsent"] == 1, usherd.story)
    usherd.stop()
    mariadb.execute("UPDATE alarm_notice SET created_at = created_at - INTERVAL 25 HOUR WHERE sent = 0")
    usherd.start()
    wait_until(lambda: [n["given_up"] for n in usherd.api.status()["alarms"]["notices"]] == [1], usherd.story)
    hook.recover()
    assert "1 given up" in usherd.usher("status").out
    usherd.usher("cancel", usherd.api.failed()[0]["id"], "--reason", "enough")
    wait_told(hook, "cleared")


# -- Once ------------------------------------------------------------------------------------------------------

def test_a_restart_neither_repeats_nor_forgets(daemon, mariadb, hook):
    changes = only(hook, dlq_full={"metric": "dlq", "above": "0"})
    usherd = daemon(changes)
    die(mariadb)
    wait_told(hook, "raised")
    usherd.stop()
    usherd.start()
    wait_until(lambda: raised(usherd) == [("dlq_full", "email")], usherd.story)
    usherd.kill()
    usherd.start()
    wait_until(lambda: raised(usherd) == [("dlq_full", "email")], usherd.story)
    usherd.usher("cancel", usherd.api.failed()[0]["id"], "--reason", "enough")
    wait_told(hook, "raised", "cleared")


def test_what_was_not_sent_before_a_restart_is_sent_after_it(daemon, mariadb, hook):
    hook.outage()
    usherd = daemon(only(hook, dead={"window": "1m"}))
    die(mariadb)
    wait_until(lambda: usherd.api.status()["alarms"]["unsent"] == 1, usherd.story)
    usherd.kill()
    hook.recover()
    usherd.start()
    wait_told(hook, "raised")
    wait_until(lambda: usherd.api.status()["alarms"]["unsent"] == 0, usherd.story)
    assert hook.told() == [("raised", "dead", "email")]


def test_two_daemons_tell_once_and_the_second_goes_on(daemon, mariadb, hook):
    changes = only(hook, dlq_full={"metric": "dlq", "above": "0"})
    first = daemon(changes)
    second = daemon(changes, migrate=False)
    wait_until(lambda: mariadb.value("SELECT COUNT(*) FROM daemon") == 2, "both are known")
    die(mariadb)
    wait_told(hook, "raised")
    for usherd in (first, second):
        wait_until(lambda: raised(usherd) == [("dlq_full", "email")], usherd.story)
    owner = mariadb.value("SELECT owner FROM lease")
    leader, other = (first, second) if f":{first.pid}:" in owner else (second, first)
    leader.kill()
    other.usher("cancel", other.api.failed()[0]["id"], "--reason", "enough")
    wait_told(hook, "raised", "cleared")


def test_a_rule_that_is_taken_away_ends_its_alarm(daemon, mariadb, hook):
    usherd = daemon(only(hook, dlq_full={"metric": "dlq", "above": "0"}))
    die(mariadb)
    wait_told(hook, "raised")
    usherd.stop()
    usherd.configure({"alarm.dlq_full": {"enabled": "no"}})
    usherd.start()
    wait_told(hook, "raised", "cleared")


# -- Operators ----------------------------------------------------------------------------------------------------

def test_an_alarm_is_acknowledged_by_name_once(daemon, mariadb, hook):
    usherd = daemon(only(hook, dead={"window": "1m"}))
    die(mariadb)
    wait_until(lambda: raised(usherd), usherd.story)
    me = pwd.getpwuid(os.getuid()).pw_name
    number = usherd.api.status()["alarms"]["list"][0]["id"]
    refused = usherd.readonly_api.post(f"/v1/alarms/{number}/ack")
    assert refused.status == 403
    ran = usherd.usher("alarms", "ack", number, "--reason", "on it")
    assert ran.out.startswith(f"{number}: acknowledged (dead, email)")
    again = usherd.api.post(f"/v1/alarms/{number}/ack")
    assert again.status == 409 and f"by {me} at " in again.json["detail"]
    assert usherd.usher("alarms", "ack", number, check=4).code == 4
    assert usherd.usher("alarms", "ack", "999999", check=3).code == 3
    wait_until(lambda: usherd.api.status()["alarms"]["list"][0]["acked_by"] == me, "the status knows")
    assert f"acknowledged by {me}" in usherd.usher("status").out
    out = usherd.usher("alarms").out
    assert re.search(rf"^ *{number} +warning +raised +dead +email +\S+ +- +{me} +1 newly dead", out, re.M), out
    audit = usherd.api.get("/v1/audit", target=f"alarms/{number}").json["items"]
    assert [(a["act"], a["outcome"]) for a in audit] == [("ack", "conflict"), ("ack", "conflict"), ("ack", "done"), ("ack", "refused")]
    assert len(usherd.api.failed(status="dead")) == 1, "an acknowledgement settles nothing"
