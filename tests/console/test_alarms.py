"""Alarms as operators see them: in the Overview, on a screen of their own, by the command line; and acknowledging one."""

import re

import pytest
from fake_daemon import alarm, stamp

TROUBLE = {"notify": "ops", "kind": "webhook", "count": 2, "given_up": 0, "since": stamp(185), "error": "Connection refused"}


@pytest.fixture
def alarms(fake):
    fake.alarms = [
        alarm(12, name="outbox", channel=None, severity="critical",
              text="the oldest sign-up waits to be published for 4m 2s, above 2m"),
        alarm(11), alarm(9, name="breaker", channel="coupon", acked_by="jun", acked_at=stamp(60)),
        alarm(4, name="idle", state="cleared", cleared_at=stamp(200), raised_at=stamp(260))]
    fake.unsent = [TROUBLE]
    return fake


def test_overview_begins_with_what_is_raised(alarms, console):
    t = console(size=(120, 40))
    text = t.wait_for("OUTBOX")
    lines = [line.strip() for line in text.splitlines()]
    at = next(i for i, line in enumerate(lines) if line.startswith("!! "))
    assert re.fullmatch(r"!! alarm outbox for 5m 1\ds: the oldest sign-up waits to be published for 4m 2s, above 2m", lines[at])
    assert re.fullmatch(r"!  alarm dead \(email\) for 5m 1\ds: 3 newly dead, above 0 within 5m", lines[at + 1])
    assert re.match(r"!  alarm breaker \(coupon\) for 5m 1\ds, acknowledged by jun: ", lines[at + 2])
    assert re.fullmatch(r"!  webhook ops: not sent for 3m \d+s, 2 notices: Connection refused", lines[at + 3])


def test_more_alarms_than_fit_are_counted(fake, usher):
    fake.alarms = [alarm(n, name=f"a{n}", channel=None) for n in range(1, 12)]
    assert re.search(r"^! +3 more alarms: usher alarms$", usher("status").out, re.M)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
def test_the_screen(alarms, console, size):
    t = console(size=size)
    t.press("6")
    text = t.wait_for("[6 Alarms]", "3 raised, 1 critical, notices not sent: 1", "1-4 of 4", "WHAT")
    rows = [line for line in text.splitlines() if re.match(r"^[> ] +\d+ (raised|cleared)", line)]
    assert [re.match(r"^[> ] +(\d+)", line)[1] for line in rows] == ["12", "11", "9", "4"]
    assert re.search(r"raised +warning +breaker +coupon +5m .*jun", rows[2])
    assert re.search(r"cleared +warning +idle", rows[3])
    if size[0] >= 120:
        assert "1 of 2" in rows[0] and re.search(r"idle +email +4m +60s +1 of 2", rows[3])


def test_an_alarm_is_acknowledged(alarms, console):
    t = console()
    t.press("6")
    t.wait_for("a acknowledge", re.compile(r"^> +12 raised", re.M))
    t.press("j", "a")
    t.wait_for("Acknowledge the alarm", "dead: 3 newly dead", "Others see your name")
    t.press("esc")
    t.wait_gone("Others see your name")
    assert alarms.alarms[1]["acked_by"] is None, "Esc is no answer"
    t.press("a", *"on it", "enter")
    t.wait_for("alarm 11: acknowledged", re.compile(r"^> +11 raised.*mina", re.M))
    assert alarms.alarms[1]["ack_reason"] == "on it"
    t.press("a")
    t.wait_for("Alarm 11 is acknowledged already, by mina")
    t.press("esc", "G", "a")
    t.wait_for("Alarm 4 is over")


def test_a_second_operator_is_told_who_was_first(alarms, console):
    alarms.race = lambda number, act: alarms.alarms[0].update(acked_by="jun")
    t = console()
    t.press("6")
    t.wait_for(re.compile(r"^> +12 raised", re.M))
    t.press("a", "enter")
    t.wait_for(re.compile(r"alarm 12 is not acknowledged: alarm 12 is acknowledged already:\s+by jun"))


def test_read_only_offers_nothing(alarms, console):
    t = console("-R")
    t.press("6")
    assert "acknowledge" not in t.wait_for("1-4 of 4").splitlines()[-1]
    t.press("a")
    t.wait_for("This console is read-only")
    assert not any(method == "POST" for method, *_ in alarms.requests)


def test_nothing_is_raised(fake, console):
    t = console()
    t.press("6")
    t.wait_for("0 raised, 0 critical")


def test_the_verb_lists_and_acknowledges(alarms, usher):
    out = usher("alarms").out.splitlines()
    assert out[0].split() == ["ID", "SEVERITY", "STATE", "ALARM", "CHANNEL", "SINCE", "OVER", "ACKNOWLEDGED", "WHAT"]
    assert re.fullmatch(r" *12 +critical +raised +outbox +- +5m +- +- +the oldest sign-up waits .*", out[1])
    assert re.fullmatch(r" *4 +warning +cleared +idle +email +4m +3m +- +3 newly dead.*", out[4])
    assert [a["id"] for a in usher("alarms", "--json").json["items"]] == ["12", "11", "9", "4"]
    assert "no alarms" not in usher("alarms", "--limit", "2").err
    ran = usher("alarms", "ack", "11", "12", "--reason", "on it")
    assert ran.out.splitlines() == ["11: acknowledged (dead, email)", "12: acknowledged (outbox)"]
    assert alarms.alarms[0]["ack_reason"] == "on it"
    assert "by jun" in usher("alarms", "ack", "9", check=4).err
    assert usher("alarms", "ack", "77", check=3).code == 3
    assert usher("alarms", "ack", "11", "--json", check=4).json["status"] == 409
    assert usher("alarms", "ack", "4", "-R", check=5).code == 5


@pytest.mark.parametrize("words", [["ack"], ["nonsense"], ["11"], ["--reason", "x"]])
def test_wrong_words_are_usage_errors(alarms, usher, words):
    assert "Try: usher alarms --help" in usher("alarms", *words, check=2).err


def test_hostile_words_do_nothing(fake, usher, console):
    fake.alarms = [alarm(1, text="\x1b[2Jgone \u202e txt", acked_by="\x1b]0;x\x07")]
    assert "\x1b" not in usher("alarms").out + usher("status").out
    t = console()
    t.press("6")
    t.wait_for("gone")
