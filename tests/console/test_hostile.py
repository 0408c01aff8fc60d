"""What a stranger may have typed into a sign-up form, in every place the console and the command line show it. None of
it may reach the terminal: the bytes that were written are looked at, not only what an emulator made of them."""

import re

import pytest
from fake_daemon import row

HOSTILE = {
    "clear screen": "\x1b[2J\x1b[H",
    "title": "\x1b]0;owned\x07",
    "clipboard": "\x1b]52;c;b3duZWQ=\x07",
    "device query": "\x1b[c\x1b[6n\x05",
    "dcs": "\x1bP$q q\x1b\\",
    "c1": "\x9b31mred\x9c\x9d0;x\x9c\x90",
    "shift out": "\x0e\x0f\x1b(0",
    "backspaces": "safe\b\b\b\bevil\r\n\v\f\x7f",
    "bidi": "user\u202egnp.exe\u2066\u2069\u200f\u061c",
    "zero width": "a\u200bb\u200cc\u200dd\u2060e\ufefff\u00ad",
    "separators": "x\u2028y\u2029z\x85",
    "tags": "".join(chr(0xE0000 + ord(c)) for c in "hidden"),
    "marks": "Z" + "\u0335\u0489" * 200,
    "unassigned": "\U0003ffff\ufffe\uffff\ue000\U0010fffd",
    "fillers": "\u3164\u115f\u1160\uffa0",
    "wide": "가" * 300 + "👩‍👩‍👧‍👦" * 40 + "ｗｉｄｅ",
    "format": "%s%n%x %1$s {0} $(id) `id` '; DROP TABLE users; --",
    "replaced bytes": "\ufffd\ufffd\x00"[:-1],
    "a megabyte": "A" * (1 << 20),
    "a megabyte of escapes": "\x1b[31m" * 40000,
}

# What curses itself sends on xterm-256color: cursor movement, attributes, modes, erasing, scrolling.
CURSES = re.compile(rb"\x1b(?:\[[?>]?[0-9;]*[A-Za-z@]|[()][AB0]|[=>78M]|\[!p)|[\r\n\b\x07\x0f\t]")
HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
                     "\U000e0000-\U000e0fff]")
FROM_DATA = (b"\x1b[2J\x1b[H\x1b", b"\x1b]", b"\x1bP", b"\x1b[c", b"\x1b[6n", b"\x05", b"\x0e", b"\x0b", b"\x0c")


def assert_harmless(raw):
    text = CURSES.sub(b"", raw).decode("utf-8", "strict")     # strict: not a broken byte either
    found = HARMFUL.search(text)
    assert not found, (f"U+{ord(found.group()):04X}", text[max(0, found.start() - 40):found.end() + 20])
    for sequence in FROM_DATA[1:]:
        assert sequence not in raw, sequence


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
        if len(text) > 10000:   # in the rows only: enough for one screen
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
