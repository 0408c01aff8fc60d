"""The main job, seen from outside: a sign-up becomes one mail and one coupon; what fails is tried again on schedule, dies
where it should, and is settled by an operator."""

import email
import email.policy
import os
import pwd
import re
import signal
import time

import pytest
from support import load, planted
from support.load import Member, attempts, delivery, failed, queue_messages, wait_settled, wait_state
from support.process import wait_until
from support.smtp import MailService, make_certificate

BASE_S, FACTOR, JITTER = 0.3, 2, 0.1    # the schedule of support/daemon.py
LATE_S = 1.5                            # how late a retry may be on a busy machine


def parse(mail):
    return email.message_from_bytes(mail.data, policy=email.policy.default)


def login():
    return pwd.getpwuid(os.getuid()).pw_name


# -- The main path ---------------------------------------------------------------------------------

def test_sign_up_by_api_and_command_becomes_mail_and_coupon(daemon, smtp, coupon, mariadb):
    usherd = daemon()
    minsu = usherd.api.signup("minsu@example.com", "김민수", user_id="u-minsu")
    ran = usherd.usher("signup", "--email", "ada@example.com", "--name", "Ada <b>Byron</b> & Co", "--user-id", "u-ada",
                       "--locale", "en-US", "--json")
    ada = ran.json
    assert ada["user_id"] == "u-ada"
    for who in (minsu, ada):
        for channel in ("email", "coupon"):
            wait_state(mariadb, who["event_id"], channel, "delivered")
    assert smtp.copies() == {"minsu@example.com": 1, "ada@example.com": 1}
    assert coupon.granted() == {"u-minsu": 1, "u-ada": 1}
    assert {grant.key for grant in coupon.grants} == {f"{minsu['event_id']}:coupon", f"{ada['event_id']}:coupon"}
    assert {grant.campaign for grant in coupon.grants} == {"welcome-2026"}
    wait_settled(mariadb)


def test_the_mail_is_well_made(daemon, smtp, mariadb):
    usherd = daemon({"email": {"unsubscribe": "mailto:stop@usher.example"}})
    event = usherd.api.signup("minsu@example.com", "김민수", locale="ko-KR")["event_id"]
    other = usherd.api.signup("ada@example.com", "Ada <b>Byron</b> & Co", locale="en-GB")["event_id"]
    wait_state(mariadb, event, "email", "delivered")
    wait_state(mariadb, other, "email", "delivered")
    mail = smtp.mails_to("minsu@example.com")[0]
    korean = parse(mail)
    assert mail.sender == "welcome@usher.example"
    assert korean["From"].addresses[0].addr_spec == "welcome@usher.example"
    assert korean["From"].addresses[0].display_name == "환영"
    assert korean["To"].addresses[0].addr_spec == "minsu@example.com"
    assert re.search("[가-힣]", korean["Subject"])
    assert korean["Auto-Submitted"] == "auto-generated" and korean["Date"] and korean["MIME-Version"] == "1.0"
    assert korean["List-Unsubscribe"] == "<mailto:stop@usher.example>"
    assert korean.get_content_type() == "multipart/alternative"
    plain, html = korean.iter_parts()
    assert (plain.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert "김민수" in plain.get_content() and "김민수" in html.get_content()
    head = mail.data.partition(b"\r\n\r\n")[0]
    assert all(byte < 128 for byte in head), "headers are not ASCII"
    lines = mail.data.split(b"\r\n")
    assert all(len(line) <= 998 and b"\n" not in line and b"\r" not in line for line in lines)
    english = parse(smtp.mails_to("ada@example.com")[0])
    assert not re.search("[가-힣]", str(english["Subject"]))
    plain, html = english.iter_parts()
    assert "Ada <b>Byron</b> & Co" in plain.get_content()
    assert "Ada &lt;b&gt;Byron&lt;/b&gt; &amp; Co" in html.get_content()
    assert english["Message-ID"] != korean["Message-ID"]


def test_applications_sign_up_by_sql(daemon, smtp, coupon, mariadb):
    daemon()
    people = load.members(25, "sql")
    load.store(mariadb, people)
    wait_until(lambda: load.states(mariadb).get(("email", "delivered")) == 25
               and load.states(mariadb).get(("coupon", "delivered")) == 25, lambda: load.states(mariadb))
    assert smtp.copies() == {m.email: 1 for m in people}
    assert coupon.granted() == {m.user_id: 1 for m in people}
    wait_settled(mariadb)


def test_signups_before_the_daemon_runs_and_while_services_are_away(daemon, smtp, coupon, mariadb):
    usherd = daemon({"retry": {"max_attempts": "50", "base": "100ms", "factor": "1"}}, start=False)
    early = load.members(5, "early")
    load.store(mariadb, early)
    smtp.outage()
    coupon.outage()
    usherd.start()
    late = usherd.api.signup("late@example.com", "Late", user_id="late")
    wait_state(mariadb, late["event_id"], "email", "retrying")
    wait_state(mariadb, late["event_id"], "coupon", "retrying")
    smtp.recover()
    coupon.recover()
    wait_settled(mariadb)
    assert smtp.copies() == {**{m.email: 1 for m in early}, "late@example.com": 1}
    assert coupon.granted() == {**{m.user_id: 1 for m in early}, "late": 1}


def test_a_second_sign_up_of_the_same_member_is_refused(daemon, mariadb):
    usherd = daemon()
    usherd.api.signup("one@example.com", "One", user_id="one")
    again = usherd.api.post("/v1/signups", email="one@example.com", name="Other", user_id="other")
    assert again.status == 409 and "one@example.com" not in usherd.log()
    same = usherd.api.post("/v1/signups", email="one@example.com", name="One", user_id="one")
    assert same.status == 201, "a repeated call must find its first sign-up"
    assert mariadb.value("SELECT COUNT(*) FROM signup_outbox") == 1


def test_a_message_that_comes_twice_has_one_effect(daemon, smtp, coupon, mariadb):
    usherd = daemon()
    load.wait_for_queues(mariadb)
    member = Member("twice")
    for _ in range(2):
        load.put_message(mariadb, load.QUEUES["email"], member.body())
        load.put_message(mariadb, load.QUEUES["coupon"], member.body())
    wait_state(mariadb, member.event_id, "email", "delivered")
    wait_settled(mariadb)
    load.put_message(mariadb, load.QUEUES["email"], member.body())
    load.put_message(mariadb, load.QUEUES["coupon"], member.body())
    wait_settled(mariadb)
    assert smtp.copies() == {member.email: 1}
    assert coupon.granted() == {member.user_id: 1} and coupon.repeats == 0


def test_start_without_tables_says_what_to_do(daemon):
    usherd = daemon(start=False, migrate=False)
    usherd.start(wait=False)
    wait_until(lambda: "usherd migrate" in usherd.log() or not usherd.running, usherd.story)
    assert "usherd migrate" in usherd.log()
    usherd.expected_codes.add(1)


def test_migrate_twice_changes_nothing(daemon, mariadb):
    usherd = daemon(start=False)
    before = mariadb.query("SHOW TABLES")
    again = usherd.migrate()
    assert b"up to date" in again.stdout + again.stderr
    assert mariadb.query("SHOW TABLES") == before


# -- Retry, death ----------------------------------------------------------------------------------

def test_retry_keeps_the_schedule_then_dies(daemon, smtp, coupon, mariadb):
    usherd = daemon()
    member = Member("sched", fault="cut")
    load.store(mariadb, [member])
    row = wait_state(mariadb, member.event_id, "email", "dead")
    times = [refusal.at for refusal in smtp.refusals_of(member.email)]
    assert len(times) == 3 and row["attempts"] == 3
    for gap, planned in zip((b - a for a, b in zip(times, times[1:])), (BASE_S, BASE_S * FACTOR)):
        assert planned - 0.02 <= gap <= planned * (1 + JITTER) + LATE_S, f"{gap:.3f} s where {planned} s was planned"
    kept = failed(mariadb, member.event_id, "email")
    assert kept["status"] == "dead" and kept["class"] == "service_down" and kept["attempts"] == 3
    assert kept["payload"] == member.body() and kept["source_queue"] == load.QUEUES["email"]
    assert [a["class"] for a in attempts(mariadb, member.event_id, "email")] == ["service_down"] * 3
    in_dlq = wait_until(lambda: queue_messages(mariadb, "signup-welcome-email-dlq"), "nothing in the DLQ")
    assert len(in_dlq) == 1 and in_dlq[0]["body"] == member.body()
    for mark in ("usher.class", "usher.reason", "usher.attempts", "usher.event_id", "usher.source_queue"):
        assert mark in in_dlq[0]["attributes"]
    wait_until(lambda: not queue_messages(mariadb, load.QUEUES["email"]), "the source queue still holds it")
    wait_state(mariadb, member.event_id, "coupon", "delivered")
    assert not smtp.mails and coupon.granted() == {member.user_id: 1}
    listed = usherd.api.failed(channel="email", status="dead")
    assert len(listed) == 1 and listed[0]["class"] == "service_down" and listed[0]["attempts"] == 3
    assert member.email not in str(listed), "a list shows an address unmasked"
    assert member.email not in usherd.log(), "the log shows an address unmasked"


@pytest.mark.parametrize("fault, channel, kind, tries", [
    ("unknown", "email", "invalid_address", 1),
    ("rejected", "email", "rejected", 1),
    ("down", "email", "service_down", 3),
    ("soldout", "coupon", "out_of_stock", 3),
    ("rejected", "coupon", "rejected", 1),
    ("denied", "coupon", "misconfigured", 1),
    ("cut", "coupon", "ambiguous", 3),
    ("down", "coupon", "service_down", 3),
])
def test_each_failure_dies_as_its_class_says(daemon, smtp, coupon, mariadb, fault, channel, kind, tries):
    daemon()
    member = Member("c", **{"fault" if channel == "email" else "coupon_fault": fault})
    load.store(mariadb, [member])
    wait_state(mariadb, member.event_id, channel, "dead")
    row = failed(mariadb, member.event_id, channel)
    assert (row["class"], row["attempts"]) == (kind, tries)
    assert len(attempts(mariadb, member.event_id, channel)) == tries
    other = "coupon" if channel == "email" else "email"
    wait_state(mariadb, member.event_id, other, "delivered")
    assert not (smtp.mails if channel == "email" else coupon.grants)


@pytest.mark.parametrize("fault, channel, kinds", [
    ("cut1", "email", ["service_down", ""]),
    ("down2", "email", ["service_down", "service_down", ""]),
    ("limit4", "email", ["rate_limited"] * 4 + [""]),    # more than max_attempts: burns none
    ("limit1", "coupon", ["rate_limited", ""]),
    ("down2", "coupon", ["service_down", "service_down", ""]),
    ("lost1", "coupon", ["ambiguous", ""]),
    ("duplicate", "coupon", [""]),
])
def test_what_passes_by_itself_is_delivered(daemon, smtp, coupon, mariadb, fault, channel, kinds):
    daemon()
    member = Member("p", **{"fault" if channel == "email" else "coupon_fault": fault})
    load.store(mariadb, [member])
    wait_state(mariadb, member.event_id, channel, "delivered")
    assert [a["class"] for a in attempts(mariadb, member.event_id, channel)] == kinds
    wait_settled(mariadb)
    assert failed(mariadb, member.event_id, channel) is None
    assert smtp.copies() == {member.email: 1}
    assert coupon.granted() == ({} if fault == "duplicate" else {member.user_id: 1})


@pytest.mark.parametrize("fault", ["lost1", "silent1"])
def test_a_mail_of_unknown_fate_is_marked_and_keeps_its_message_id(daemon, smtp, mariadb, fault):
    daemon({"email": {"timeout": "1s"}})
    member = Member("fate", fault=fault)
    load.store(mariadb, [member])
    wait_state(mariadb, member.event_id, "email", "delivered")
    first, second = smtp.mails_to(member.email)
    assert first.message_id == second.message_id
    tries = attempts(mariadb, member.event_id, "email")
    assert [a["class"] for a in tries] == ["ambiguous", ""]
    assert first.message_id.strip("<>") in tries[1]["effect"]


# -- The operator ----------------------------------------------------------------------------------

def die(mariadb, usherd, channel="email", fault="unknown", tag="die"):
    """One dead delivery: (member, its row's id as the API gives it)."""
    member = Member(tag, **{"fault" if channel == "email" else "coupon_fault": fault})
    load.store(mariadb, [member])
    wait_state(mariadb, member.event_id, channel, "dead")
    row = wait_until(lambda: [r for r in usherd.api.failed(status="dead") if r["event_id"] == member.event_id],
                     "not listed")
    return member, row[0]["id"]


def test_redrive_delivers_and_clears_the_dlq(daemon, smtp, mariadb):
    usherd = daemon()
    member, row = die(mariadb, usherd)
    wait_until(lambda: queue_messages(mariadb, "signup-welcome-email-dlq"), "nothing in the DLQ")
    smtp.heal("unknown")
    usherd.usher("redrive", row)
    wait_state(mariadb, member.event_id, "email", "delivered")
    wait_until(lambda: not queue_messages(mariadb, "signup-welcome-email-dlq"), "the DLQ keeps a surplus copy")
    one = usherd.api.get(f"/v1/failed/{row}").json
    assert one["status"] == "delivered" and one["redrives"] == 1 and one["settled_by"] == login()
    assert [(a["redrive"], a["class"]) for a in one["attempt_list"]] == [(0, "invalid_address"), (1, "")]
    assert [(a["operator"], a["act"], a["outcome"]) for a in one["audit"]] == [(login(), "redrive", "done")]
    assert smtp.copies()[member.email] == 1
    wait_settled(mariadb)


def test_redrive_that_fails_again_dies_again(daemon, mariadb):
    usherd = daemon()
    member, row = die(mariadb, usherd)
    usherd.usher("redrive", row)

    def second_death():
        kept = failed(mariadb, member.event_id, "email")
        return kept["status"] == "dead" and kept["redrives"] == 1
    wait_until(second_death, lambda: failed(mariadb, member.event_id, "email"))
    wait_until(lambda: len(queue_messages(mariadb, "signup-welcome-email-dlq")) == 1,
               lambda: queue_messages(mariadb, "signup-welcome-email-dlq"))
    assert len(usherd.api.failed(status="dead")) == 1


def test_cancel_restore_redrive(daemon, smtp, mariadb):
    usherd = daemon()
    member, row = die(mariadb, usherd)
    wait_until(lambda: queue_messages(mariadb, "signup-welcome-email-dlq"), "nothing in the DLQ")
    assert usherd.usher("cancel", row, check=None).code == 2, "a cancel wants a reason"
    usherd.usher("cancel", row, "--reason", "member asked us not to write")
    assert delivery(mariadb, member.event_id, "email")["state"] == "cancelled"
    wait_until(lambda: not queue_messages(mariadb, "signup-welcome-email-dlq"), "the copy of a cancelled delivery stays")
    assert usherd.usher("redrive", row, check=None).code == 4, "a cancelled row cannot be redriven"
    usherd.usher("restore", row)
    assert failed(mariadb, member.event_id, "email")["status"] == "dead"
    smtp.heal("unknown")
    usherd.usher("redrive", row)
    wait_state(mariadb, member.event_id, "email", "delivered")
    assert smtp.copies()[member.email] == 1
    acts = [(a["act"], a["outcome"]) for a in usherd.api.get("/v1/audit", target=f"failed/{row}").json["items"]]
    assert acts == [("redrive", "done"), ("restore", "done"), ("redrive", "conflict"), ("cancel", "done")]


def test_a_message_of_a_cancelled_delivery_is_not_sent(daemon, smtp, mariadb):
    usherd = daemon()
    member, row = die(mariadb, usherd)
    usherd.usher("cancel", row, "--reason", "no")
    smtp.heal("unknown")
    load.put_message(mariadb, load.QUEUES["email"], member.body())
    wait_until(lambda: not queue_messages(mariadb, load.QUEUES["email"]), "the copy is not taken away")
    assert not smtp.mails_to(member.email)
    assert delivery(mariadb, member.event_id, "email")["state"] == "cancelled"


def test_two_operators_cannot_act_on_one_row(daemon, smtp, mariadb):
    usherd = daemon()
    member, row = die(mariadb, usherd)
    seen = usherd.api.get(f"/v1/failed/{row}").json["version"]
    smtp.heal("unknown")
    assert usherd.api.post(f"/v1/failed/{row}/redrive", version=seen).status == 200
    second = usherd.api.post(f"/v1/failed/{row}/cancel", version=seen, reason="too late")
    assert second.status == 409 and login() in second.json["detail"]
    wait_state(mariadb, member.event_id, "email", "delivered")
    assert smtp.copies()[member.email] == 1


def test_a_redrive_survives_the_daemon(daemon, smtp, coupon, mariadb):
    """The act is recorded and answered; the daemon dies before, or while, the copy is sent."""
    usherd = daemon()
    rows = [die(mariadb, usherd, tag=f"r{i}") for i in range(3)]
    smtp.heal("unknown")
    for _, row in rows:
        usherd.usher("redrive", row)
    usherd.kill()
    usherd.start()
    for member, _ in rows:
        wait_state(mariadb, member.event_id, "email", "delivered")
    wait_settled(mariadb)
    wait_until(lambda: not queue_messages(mariadb, "signup-welcome-email-dlq"), "the DLQ keeps surplus copies")


def test_what_the_queue_itself_moved_to_the_dlq_is_adopted(daemon, mariadb):
    usherd = daemon()
    load.wait_for_queues(mariadb)
    member = Member("lostworker")
    load.put_message(mariadb, "signup-welcome-email-dlq", member.body())
    wait_state(mariadb, member.event_id, "email", "dead")
    row = failed(mariadb, member.event_id, "email")
    assert row["class"] == "worker_lost" and row["payload"] == member.body()
    assert len(usherd.api.failed(status="dead")) == 1


# -- Stop ------------------------------------------------------------------------------------------

def test_stop_under_load_is_quick_and_leaves_nothing_hidden(daemon, smtp, coupon, mariadb):
    usherd = daemon({"daemon": {"drain_timeout": "5s"}, "channel.email": {"in_flight": "40", "visibility_timeout": "60s"},
                     "channel.coupon": {"in_flight": "40", "visibility_timeout": "60s"}, "email": {"connections": "40"}})
    people = load.members(600, "stop", fault="slow150", coupon_fault="slow150")
    load.store(mariadb, people)
    wait_until(lambda: len(smtp.mails) > 60 and len(coupon.grants) > 60, "no load")
    began = time.monotonic()
    code = usherd.stop()
    took = time.monotonic() - began
    assert code == 0 and took < 5, f"ended with {code} after {took:.2f} s"
    assert len(smtp.mails) < 600, "the load was over before the stop"
    hidden = [m for queue in load.QUEUES.values() for m in queue_messages(mariadb, queue) if m["hidden"]]
    assert not hidden, f"{len(hidden)} messages are still invisible"
    assert load.states(mariadb).keys() <= {("email", "delivered"), ("coupon", "delivered")}, load.states(mariadb)
    usherd.start()
    wait_settled(mariadb, 60)
    assert smtp.copies() == {m.email: 1 for m in people}, "a graceful stop doubled or lost a mail"
    assert coupon.granted() == {m.user_id: 1 for m in people}


def test_stop_does_not_wait_beyond_drain_timeout(daemon, smtp, mariadb):
    usherd = daemon({"daemon": {"drain_timeout": "1s"}, "email": {"timeout": "30s"},
                     "channel.email": {"visibility_timeout": "60s"}})
    member = Member("x", fault="held")
    load.store(mariadb, [member])
    wait_until(lambda: smtp.mails, "no mail is under way")
    began = time.monotonic()
    code = usherd.stop()
    took = time.monotonic() - began
    assert code == 0 and 0.9 < took < 3, f"ended with {code} after {took:.2f} s"
    left = queue_messages(mariadb, load.QUEUES["email"])
    assert len(left) == 1 and not left[0]["hidden"], "what could not be finished must be visible again at once"


def test_a_second_signal_ends_it_at_once(daemon, smtp, mariadb):
    usherd = daemon({"daemon": {"drain_timeout": "1h"}, "email": {"timeout": "30s"}})
    load.store(mariadb, [Member("x", fault="held")])
    wait_until(lambda: smtp.mails, "no mail is under way")
    os.kill(usherd.pid, signal.SIGTERM)
    wait_until(lambda: "SIGTERM" in usherd.log(), "the first signal is not noticed")
    os.kill(usherd.pid, signal.SIGTERM)
    wait_until(lambda: not usherd.running, "still there", 5)
    usherd.expected_codes.add(-signal.SIGTERM)


# -- Mail service with TLS and login ------------------------------------------------------------------

@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")    # aiosmtpd does not see implicit TLS
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_tls_and_login(daemon, mariadb, certificate, tls):
    service = MailService(tls=tls, certificate=certificate, login=("usher", planted.MAIL))
    try:
        usherd = daemon({"email": {"tls": tls, "ca_file": certificate[0], "user": "usher", "password": planted.MAIL}},
                        mail=service)
        event = usherd.api.signup("tls@example.com", "Tls")["event_id"]
        wait_state(mariadb, event, "email", "delivered")
        assert [(mail.tls, mail.login) for mail in service.mails] == [(True, "usher")]
        assert planted.MAIL not in usherd.log()
    finally:
        service.close()


def test_a_certificate_that_is_not_vouched_for_gets_no_mail(daemon, mariadb, certificate):
    service = MailService(tls="starttls", certificate=certificate)
    try:
        usherd = daemon({"email": {"tls": "starttls"}}, mail=service)
        event = usherd.api.signup("tls@example.com", "Tls")["event_id"]
        wait_state(mariadb, event, "email", "dead")
        assert not service.mails
        assert "certificate" in failed(mariadb, event, "email")["reason"].lower()
    finally:
        service.close()


def test_a_server_without_starttls_gets_no_mail_where_tls_is_required(daemon, smtp, mariadb):
    usherd = daemon({"email": {"tls": "starttls"}})
    event = usherd.api.signup("tls@example.com", "Tls")["event_id"]
    wait_state(mariadb, event, "email", "dead")
    assert not smtp.mails


def test_a_wrong_password_is_a_wrong_configuration(daemon, mariadb, certificate):
    service = MailService(tls="starttls", certificate=certificate, login=("usher", planted.MAIL))
    try:
        usherd = daemon({"email": {"tls": "starttls", "ca_file": certificate[0], "user": "usher", "password": planted.secret("wrong")}},
                        mail=service)
        event = usherd.api.signup("tls@example.com", "Tls")["event_id"]
        wait_state(mariadb, event, "email", "dead")
        row = failed(mariadb, event, "email")
        assert row["class"] == "misconfigured" and not service.mails
        assert planted.secret("wrong") not in usherd.log() + row["reason"]
    finally:
        service.close()


# -- Breaker ---------------------------------------------------------------------------------------

def test_an_outage_burns_no_attempts_once_the_breaker_is_open(daemon, smtp, mariadb):
    usherd = daemon({"breaker": {"failures": "3", "cooldown": "200ms", "probes": "1"}, "channel.email": {"in_flight": "3"},
                     "retry": {"max_attempts": "3", "base": "50ms", "factor": "1", "max_delay": "50ms"}})
    smtp.outage()
    people = load.members(40, "brk")
    load.store(mariadb, people)
    wait_until(lambda: usherd.api.channel("email")["breaker"]["state"] == "open", "the breaker does not open")
    untouched = load.delivery(mariadb, people[-1].event_id, "email")
    assert untouched is None or untouched["attempts"] <= 1
    smtp.recover()
    wait_until(lambda: smtp.copies().keys() & {people[-1].email}, "the channel does not come back", 30)
    wait_settled(mariadb)
    assert usherd.api.channel("email")["breaker"]["state"] == "closed"
