"""usher status for a pager and for a monitor in the manner of Nagios and Icinga."""

import re

from fake_daemon import alarm, figure, stamp

LINE = 160


def check(usher, code, *more, **options):
    ran = usher("status", "--check", *more, check=code, **options)
    assert ran.out.count("\n") == 1
    return ran.out.rstrip("\n")


def test_the_first_line_is_the_worst(fake, usher):
    fake.status = {"broker": {"up": False, "error": "AccessDenied " + "at great length " * 40}}
    lines = usher("status").out.splitlines()
    assert lines[0].startswith("CRITICAL: broker down: AccessDenied at great length") and lines[0].endswith("… (and 2 more)")
    assert len(lines[0]) <= LINE
    fake.status = {}
    fake.rows.clear()
    lines = usher("status").out.splitlines()
    assert lines[0] == "OK: nothing is wrong" and lines[2].startswith("CHANNEL")


def test_the_exit_status_is_that_of_plugins(fake, usher):
    assert usher("status").code == 0, "the news is bad, the command is done"
    assert re.match(r"USHER WARNING - email: 9 dead, to be redriven or cancelled \(and 1 more\) \| ", check(usher, 1))
    fake.rows.clear()
    assert check(usher, 0).startswith("USHER OK - nothing is wrong | ")
    fake.alarms = [alarm(1, severity="critical", text="a | b")]
    assert re.match(r"USHER CRITICAL - alarm dead \(email\) for 5m 1\ds: a / b \| ", check(usher, 2))
    fake.alarms[0].update(acked_by="jun")
    assert "acknowledged by jun" in check(usher, 1)


def test_performance_data(fake, usher):
    fake.status = {"channel": {"email": {"visible": figure(None), "dead": figure(4, "stale")}}}
    data = dict(pair.split("=") for pair in check(usher, 1).split(" | ")[1].split())
    assert data["email_visible"] == "U" and data["email_dead"] == "4" and data["coupon_oldest_age"] == "4s"
    assert data["coupon_dlq_depth"] == "3" and data["email_fail_per_s"] == "0.2" and data["outbox_waiting"] == "2"
    assert data["alarms_raised"] == "0"


def test_no_answer_is_critical_and_no_permission_unknown(fake, usher, tmp_path):
    assert check(usher, 2, socket_path=str(tmp_path / "none.sock")).startswith("USHER CRITICAL - no daemon at ")
    fake.raw = b"<html>"
    assert check(usher, 3).startswith("USHER UNKNOWN - ")
    assert "--check is one line" in usher("status", "--check", "--watch", check=3).err
    assert "no option of usher status" in usher("status", "--check", "--chek", check=3).err


def test_check_can_be_quiet(fake, usher):
    ran = usher("status", "--check", "--quiet", check=1)
    assert ran.out == "" and ran.err == ""


def test_hostile_words_stay_on_the_line(fake, usher):
    fake.status = {"database": {"up": False, "since": stamp(5), "error": "a\nb\x1b[31m"}}
    line = check(usher, 2)
    assert "\x1b" not in line and line.startswith("USHER CRITICAL - database down")
