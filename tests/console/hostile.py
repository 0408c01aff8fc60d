"""What a stranger may have typed into a sign-up form, or a service may have answered; and what of it must never reach a
terminal. One collection for every place that shows such text."""

import re

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
    "right to left": "שלום עולם مرحبا بالعالم 123 abc",
    "combining": "e\u0301n\u0303 각 नमस्ते ก็ำ",
    "flags and tones": "🇰🇷🇺🇳👋🏽👍🏿🏴\U000e0067\U000e0062\U000e007f❤️‍🔥",
    "joined": "👩‍👩‍👧‍👦 a\u200db 가\u200d나",
    "formula": "=HYPERLINK(\"http://x.example\";\"y\")\t+1-1@SUM(A1)",
    "quotes": "\"';,\r\n\"\",\\",
    "format": "%s%n%x %1$s {0} $(id) `id` '; DROP TABLE users; --",
    "replaced bytes": "\ufffd\ufffd\x00"[:-1],
    "a megabyte": "A" * (1 << 20),
    "a megabyte of escapes": "\x1b[31m" * 40000,
}

LARGE = 10_000      # of these, a few at a time

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
