"""The console never waits for the daemon, and never shows old figures as if they were new."""

import re
import time

import pytest
from fake_daemon import alarm, figure, job, stamp
from terminal import FRAME_S


def answered_at_once(t, key, *wanted):
    """The screen shows `wanted` within a frame of the key."""
    began = time.monotonic()
    t.press(key)
    t.wait_for(*wanted, deadline_s=FRAME_S)
    return time.monotonic() - began


def every_key_is_answered(t):
    worst = 0.0
    for key, wanted in (("3", "[3 Failed]"), ("2", "[2 DLQ]"), ("1", "[1 Overview]"), ("?", "q: back"), ("q", "? help"),
                        ("3", "[3 Failed]"), ("/", "Enter takes it")):
        worst = max(worst, answered_at_once(t, key, wanted))
    t.type("김")
    t.wait_for("김", deadline_s=FRAME_S)
    t.press("esc")
    t.wait_gone("Enter takes it")
    return worst


def test_what_was_not_measured_is_a_gap_in_the_sparkline(fake, console):
    out = [4] * 5 + [None] * 3 + [0] * 2 + [4] * 2
    fake.status = {"channel": {"email": {"history": {"out": out, "depth": out}}}}
    t = console()
    t.wait_for("█████   ··██")


def test_keys_while_the_daemon_never_answers(fake, console):
    t = console()
    t.wait_for("OUTBOX")
    t.press("3")
    t.wait_for("1-12 of 12")
    fake.hang = True
    t.press("R")
    for key, at in (("j", 11), ("j", 10), ("k", 11), ("G", 1), ("g", 12)):
        answered_at_once(t, key, re.compile(rf"^> +{at} ", re.M))
    every_key_is_answered(t)
    t.wait_for("daemon unreachable since", "gave no answer in time")
    every_key_is_answered(t)
    fake.hang = False
    t.wait_gone("daemon unreachable")


def test_a_daemon_that_hangs_from_the_start(fake, console):
    fake.hang = True
    t = console()
    t.wait_for("Asking the daemon")
    every_key_is_answered(t)
    t.press("1", "q")
    assert t.wait_exit() == 0


def test_slow_answers_do_not_slow_keys(fake, console):
    fake.delay_s = 1.0
    t = console()
    t.wait_for("OUTBOX")
    every_key_is_answered(t)


def test_gone_and_back_keeps_place_and_marks(fake, console):
    t = console()
    t.wait_for("OUTBOX")
    bright = t.attributes("email")
    t.press("3")
    t.wait_for("1-12 of 12")
    t.press("j", "space", "j")
    t.wait_for("1 marked", re.compile(r"^> +9 ", re.M))
    fake.stop()
    text = t.wait_for(re.compile(r"daemon unreachable since \d\d:\d\d:\d\d \(\d+s\) - retrying"))
    assert "김" in text or "SMTP 550" in text, "what was known stays on the screen"
    assert t.attributes("email").fg != bright.fg or bright.bold, "and is dimmed"
    t.press("1")
    t.wait_for(re.compile(r"!! not known now; this is as of \d\d:\d\d:\d\d"))
    t.press("3")
    age = re.compile(r"since \S+ \((\d+)s\)")
    first = int(age.search(text).group(1))
    t.wait(lambda: int(age.search(t.text()).group(1)) > first, "its age grows")
    t.press("r")
    t.wait_for("daemon is unreachable: nothing can be done")
    t.press("esc")
    fake.start()
    t.wait_gone("daemon unreachable")
    t.wait_for("1 marked", re.compile(r"^> +9 ", re.M), re.compile(r"^ \* +11 ", re.M))


def test_gone_is_said_on_every_screen(fake, console):
    """Dimmed, since when, and why nothing can be done; the place on each screen is kept."""
    fake.alarms, fake.jobs = [alarm(1), alarm(2)], {"1": job(1), "2": job(2)}
    t = console(size=(100, 30))
    places = {"1": re.compile(r"^>coupon", re.M), "2": re.compile(r"^> +10 ", re.M), "3": re.compile(r"^> +11 ", re.M),
              "5": re.compile(r"^> +1 ", re.M), "6": re.compile(r"^> +2 ", re.M)}
    bright, loaded = {}, {"1": "OUTBOX", "2": "1-9 of 9", "3": "1-12 of 12", "5": "1-2 of 2", "6": "1-2 of 2"}
    for screen, place in places.items():
        t.press(screen)
        t.wait_for(loaded[screen])
        t.press("j")
        t.wait_for(place)
        bright[screen] = looks(t)
    fake.stop()
    t.wait_for("daemon unreachable since")
    for screen, act in (("1", "p"), ("2", "r"), ("3", "c"), ("5", "s"), ("6", "a")):
        t.press(screen)
        t.wait_for(re.compile(r"! daemon unreachable since \d\d:\d\d:\d\d \(\d+s\) - retrying"), places[screen])
        assert len(looks(t)) < len(bright[screen]), "it is dimmed"
        t.press(act)
        t.wait_for("daemon is unreachable: nothing can be done", "Esc: read")
        t.press("x")
        t.wait_gone("Esc: read")
    fake.start()
    t.wait_gone("daemon unreachable")
    for screen, place in places.items():
        t.press(screen)
        t.wait_for(place)
    t.wait(lambda: looks(t) == bright["6"], "it is bright again")
    t.press("M")
    t.wait_for(re.compile(r"\d\d:\d\d:\d\d !! +.*(no daemon|does not answer|broke off)"),
               re.compile(r"\d\d:\d\d:\d\d ok +the daemon answers again, after \d+s"))


def looks(t):
    """The colours of what is below the bar and the line under it, and above the footer."""
    return {t.screen.buffer[y][x].fg for y in range(2, t.lines - 1) for x in range(t.columns) if t.screen.buffer[y][x].data.strip()}


def test_silent_within_seconds(fake, console):
    """A daemon that is there and says nothing (stopped, swapped out) is not taken for one with nothing new."""
    t = console()
    t.wait_for("OUTBOX")
    fake.hang = True
    t.wait_for("daemon unreachable since", deadline_s=7)


def test_no_daemon_at_all(console, tmp_path):
    t = console(socket=str(tmp_path / "usher.sock"))
    t.wait_for("daemon unreachable since", "no daemon at", "[1 Overview]")
    every_key_is_answered(t)
    t.press("1", "q")
    assert t.wait_exit() == 0


def test_starts_before_the_daemon(fake, console):
    fake.stop()
    t = console()
    t.wait_for("daemon unreachable")
    fake.start()
    t.wait_for("OUTBOX", "email")
    t.wait_gone("daemon unreachable")


def test_exactness_of_figures(fake, console):
    fake.status = {"channel": {"email": {
        "visible": figure(12), "in_flight": figure(8, "approximate"), "retrying": figure(3, "stale"),
        "dlq_depth": figure(None), "dead": figure(2000000), "counted_at": stamp(8)}}}
    t = console()
    t.wait_for(re.compile(r"email +12 +~8 +3 \(\d+s old\) +\? +2,000,000"))
    assert t.attributes("s old)").fg != t.attributes("12 ").fg or t.attributes("s old)").bold


def test_each_figure_has_the_age_of_its_own_taking(fake, console):
    """The database is away, the queues are counted; then the other way about."""
    old, outbox = stamp(500), {"waiting": figure(2, "stale"), "counted_at": stamp(500)}
    gone = {"retrying": figure(3, "stale"), "dead": figure(9, "stale"), "counted_at": old}
    fake.status = {"channel": {"email": gone}, "outbox": outbox}
    t = console(size=(120, 40))
    t.wait_for(re.compile(r"email +12 +8 +3 \(8m old\) +~9 +9 \(8m old\)"), re.compile(r"OUTBOX +2 \(8m old\) waiting"))
    t.press("2")
    t.wait_for("[email ~9]")
    fake.status = {"channel": {"email": {"visible": figure(12, "stale"), "dlq_depth": figure(9, "stale"), "depth_at": old}}}
    t.wait_for("[email 9 (8m old)]")
    t.press("1")
    t.wait_for(re.compile(r"email +12 \(8m old\) +8 +3 +9 \(8m old\) +9"))


def test_an_old_status_is_shown_with_its_age(fake, console):
    """The daemon is there and answers nonsense: no banner, and yet nothing passes for new."""
    t = console()
    t.wait_for("OUTBOX")
    fake.raw = b'{"half": '
    t.wait_for(re.compile(r"email +12 \(\d+s( old)?\)"), "no new status, as of", "makes no sense")
    t.press("2")
    t.wait_for("[email ~9 (", "no new status, as of")
    fake.raw = None
    t.wait_gone("s old)", "no new status")


def test_an_old_list_says_as_of_when(fake, console):
    t = console()
    t.press("3")
    t.wait_for("1-12 of 12")
    fake.raw = b"not json"
    t.wait_for(re.compile(r"as of \d\d:\d\d:\d\d \(\d+s old\)"))
    fake.raw = None
    t.wait_gone("s old)")


@pytest.mark.parametrize("nonsense", [b"", b"[]", b"null", b"{}", b"42", b'{"items": 3, "next": {}}', b'{"items": [1, null, "x", {}]}',
                                      b'{"channels": [null, 7, {"name": 3}], "outbox": []}', b"\xff\xfe", b'{"a":' * 3000])
def test_nonsense_from_the_daemon(fake, console, nonsense):
    fake.raw = nonsense
    t = console()
    for key in ("1", "2", "3", "v", "enter", "r", "esc", "v", "space", "enter", "r", "q", "1"):
        t.press(key)
        t.pump(0.05)
    t.press("q")
    assert t.wait_exit() == 0
