"""The collection of hostile.py in every place the console and the command line show it. None of
it may reach the terminal: the bytes that were written are looked at, not only what an emulator made of them."""

import re

import pytest
from fake_daemon import alarm, job, row
from hostile import HARMFUL, HOSTILE, LARGE, assert_harmless

def poison(text):
    return row(1, event_id=text, reason=text, recipient=text, name=text, user_id=text, source_queue=text, message_id=text,
               settled_by=text, settled_reason=text, class_help=text, payload=text, attributes={text: text},
               **{"class": text, "channel": text, "status": "dead"},
               attempt_list=[{"number": 1, "redrive": 1, "at": text, "latency_ms": 5, "class": text, "code": 550,
                              "reply": text, "effect": text}],
               audit=[{"id": "1", "at": text, "operator": text, "role": text, "act": text, "target": text, "outcome": text,
                       "reason": text, "detail": text}],
               dlq={"message_id": text, "seen_at": text, "expires_at": text})


@pytest.fixture
def poisoned(fake):
    def make(text):
        fake.rows = {"1": poison(text), "2": row(2, channel="email")}
        fake.select = lambda query: list(fake.rows.values())
        fake.groups = lambda query: {"items": [{"channel": text, "status": text, "class": text, "reason": text, "count": 3,
                                                "oldest": text, "newest": text}]}
        fake.audit = fake.rows["1"]["audit"]
        fake.status = {"host": text, "profile": text, "operator": text, "version": text, "driver": text,
                       "database": {"up": False, "since": text, "error": text}, "broker": {"up": False, "error": text},
                       "channel": {"coupon": {"name": text, "depth_error": text,
                                              "breaker": {"state": text, "since": text, "trial_at": text,
                                                          "cause": text},
                                              "probe": {"ok": False, "at": text, "next_at": text, "error": text},
                                              "limit": {"per_s": text, "by": "service", "words": text}}}}
        if len(text) > LARGE:   # in the rows only: enough for one screen
            fake.status = {}
        return fake
    return make


@pytest.mark.parametrize("kind", HOSTILE)
def test_on_every_screen(poisoned, console, kind):
    fake = poisoned(HOSTILE[kind])
    t = console(size=(200, 50))
    t.wait_for("OUTBOX")
    t.press("2")
    t.wait_for("EXPIRES", "SMTP 550")
    t.press("3")
    t.wait_for("[3 Failed]", "status: any", "1-2 of 2", "TRIES", "SMTP 550")
    t.press("enter")
    t.wait_for("> Detail", "PAYLOAD", "Why")
    for key in ("pgdn", "pgdn", "G", "g", "q", "v"):
        t.press(key)
    t.wait_for("COUNT")
    t.press("v")
    t.wait_for("TRIES", "SMTP 550")

    def refuse(_number, _act):
        fake.rows["1"].update(status="queued", settled_by=HOSTILE[kind][:5000])
    fake.race = refuse
    t.press("r")
    t.wait_for("Redrive 1 row?")
    t.press("y")
    t.wait_for("not redriven")
    for size in ((80, 24), (81, 25), (120, 30)):
        t.resize(*size)
        t.wait_for("? help")
        t.press("1", "2", "3")
        t.wait_for("[3 Failed]")
    t.press("esc", "q")
    assert t.wait_exit() == 0
    assert_harmless(t.raw)


@pytest.fixture
def everywhere(fake):
    """The stand-in with this text wherever the daemon could say anything: rows, alarms, jobs, status, audit."""
    def make(text):
        fake.rows = {str(n): row(n) for n in (1, 2, 3)}
        fake.alarms, fake.jobs = [alarm(1), alarm(2, state="cleared")], {"1": job(1), "2": job(2, state="paused")}
        fake.unsent = [{"alarm": "dead", "channel": "email", "notify": "ops", "attempts": 2, "last_error": "refused"}]
        fake.audit = [{"id": "1", "at": fake.rows["1"]["dead_at"], "operator": "mina", "role": "operator", "act": "cancel",
                       "target": "failed/1", "outcome": "done", "reason": "x", "detail": "x"}]
        fake.poison = text
        return fake
    return make


ACTING = ("r", "c", "u", "p", "s", "a", "n", "d", "P", "e", "E", "L", "A", "V")    # of whatever screen has them


@pytest.mark.parametrize("kind", HOSTILE)
def test_wherever_the_daemon_says_it(everywhere, console, kind):
    """Every screen there is, its rows opened, every question that it asks; the bar and the footer stay where they belong."""
    everywhere(HOSTILE[kind])
    t = console(size=(132, 40), wait=None)
    t.wait(lambda: t.row(39).endswith("? help  q quit"), "the console")

    def in_place():
        t.wait(lambda: t.row(0).startswith(" usher") and t.row(39).endswith(("? help  q quit", "? help  q back")),
               "the frame in its place")
    t.wait_gone("Asking the daemon")
    for _ in range(len(re.findall(r"[0-9] \w+", t.row(0)))):
        for key in ACTING:
            t.press(key)
            t.pump(0.01)
            if "Esc leaves" in t.text() or "y yes" in t.text():
                t.press("esc")
        t.press("enter")
        t.pump(0.05)
        in_place()
        t.press("G", "x", "x", "x", "tab")      # what was said is read, and back
        t.wait_gone("Asking the daemon")
        in_place()
    t.leave()
    assert_harmless(t.raw)


@pytest.mark.parametrize("kind", HOSTILE)
def test_in_every_table_and_export(everywhere, usher, kind):
    everywhere(HOSTILE[kind])
    for words in (["status"], ["failed"], ["failed", "1"], ["failed", "--groups"], ["dlq"], ["retrying"], ["outbox"], ["audit"],
                  ["alarms"], ["redrives"], ["redrives", "show", "1"], ["failed", "--csv"], ["dlq", "--csv"], ["audit", "--csv"],
                  ["status", "--json"], ["alarms", "--json"], ["redrives", "--json"], ["audit", "--json"]):
        ran = usher(*words, check=None)
        assert ran.code in (0, 1, 6), (words, ran.err)    # 6: a channel's name of a megabyte is no address
        for output in (ran.out, ran.err):
            found = HARMFUL.search(output.replace("\r\n", "").replace("\n", ""))
            assert not found, (words, f"U+{ord(found.group()):04X}", output[max(0, found.start() - 200):found.end() + 50])


@pytest.mark.parametrize("kind", HOSTILE)
def test_on_the_command_line(poisoned, usher, kind):
    poisoned(HOSTILE[kind])
    for words in (["status"], ["failed"], ["failed", "1"], ["failed", "--groups"], ["dlq", "email"], ["audit"],
                  ["redrive", "1"], ["redrive", "1"], ["failed", "--json"], ["failed", "1", "--json"]):
        ran = usher(*words, check=None)
        assert "\ufffd" not in ran.out.replace("\\ufffd", "") or "replaced" in kind
        for output in (ran.out, ran.err):
            found = HARMFUL.search(output.replace("\n", ""))
            assert not found, (words, f"U+{ord(found.group()):04X}", output[:300])


def test_json_keeps_the_values(poisoned, usher):
    """Escaped for the terminal, and the same to a program."""
    for kind, text in HOSTILE.items():
        poisoned(text)
        assert usher("failed", "1", "--json").json["name"] == text, kind


def test_broken_utf8_is_refused_as_a_whole(fake, console, usher):
    """The API is UTF-8; an answer that is not is no answer, and its bytes go nowhere."""
    fake.raw = b'{"items": [{"id": "1", "name": "\xff\xfe\x9b31m\xc0\xaf"}], "next": null}'
    ran = usher("failed", check=1)
    assert "UTF-8" in ran.err and "\ufffd" not in ran.err
    t = console()
    t.press("3")
    t.wait_for("makes no sense")
    assert_harmless(t.raw)


def test_hostile_names_in_arguments_and_reasons(fake, usher, console):
    ran = usher("restore", "no\x1b[31msuch", check=3)
    assert "\x1b" not in ran.err and "no^[[31msuch" in ran.err
    assert "\x1b" not in usher("faild\x1b[31m", check=2).err + usher("failed", "--lim\x1b[31m", check=2).err
    ran = usher("failed", "no\x1b[31msuch:x", check=0)
    assert "\x1b" not in ran.err + ran.out
    fake.refuse = "filter, character 1: there is no key \"no\x1b[31msuch\""
    assert "\x1b" not in usher("failed", "no\x1b[31msuch:x", check=2).err
    fake.refuse = None
    ran = usher("cancel", "1", "--reason", "b\u202ead\x1b]0;x\x07")
    assert fake.requests[-1][3]["reason"] == "b\u202ead\x1b]0;x\x07", "kept as it was given"
    t = console()
    t.press("3")
    t.wait_for("1-12 of 12")
    t.press("/")
    t.wait_for("Enter takes it")
    t.type("a\u202eb\u200bc")
    t.wait_for("a<U+202E>b<U+200B>c", "filter: a<U+202E>b<U+200B>c")
    assert_harmless(t.raw)
