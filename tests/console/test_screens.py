"""What each screen shows, at every size, on every kind of terminal; and the one key table behind help and manual."""

import pathlib
import re

import pytest
from fake_daemon import figure, stamp

ROOT = pathlib.Path(__file__).resolve().parents[2]


def key_table():
    """keys.def's rows: (where, action, acts, shown, label, help)."""
    text = (ROOT / "ui/console/keys.def").read_text(encoding="utf-8")
    row = re.compile(r'^KEY\((\w+), (\w+), .*?, (true|false), "([^"]*)", "([^"]*)",\s*"([^"]*)"\)', re.M)
    rows = row.findall(text)
    assert len(rows) == len(re.findall(r"^KEY\(", text, re.M)) > 20
    return rows


def test_overview_answers_what_is_wrong(fake, console):
    fake.status = {"channel": {"coupon": {
        "breaker": {"state": "open", "since": stamp(56), "trial_at": stamp(-40)}, "visible": figure(312)}}}
    t = console()
    text = t.wait_for("breaker open since", "email", "coupon", "OUTBOX", "usherd 0.1.0", "you are mina (may act)")
    assert re.search(r"!! coupon: service failing, breaker open since \d\d:\d\d:\d\d \(5\ds\), 312", text)
    assert re.search(r"!  email: \d+ dead, to be redriven or cancelled", text)
    assert re.search(r"email +12 +8 +3 +~9 +9 +4s", text)
    assert "▁" in text and "rising" in text


def test_overview_says_why_the_breaker_is_open_and_when_it_is_tried(fake, console):
    fake.status = {"channel": {"email": {
        "breaker": {"state": "open", "since": stamp(56), "trial_at": stamp(-200),
                    "cause": "service_down: SMTP 421 4.3.2 at RCPT: Closing for maintenance", "waiting": figure(312)},
        "probe": {"ok": False, "at": stamp(5), "next_at": stamp(-40), "error": "service_down: SMTP 421"},
        "visible": figure(312)}}}
    t = console(size=(200, 40))
    text = t.wait_for("!! email: service failing, breaker open since", "next probe in")
    assert re.search(r"breaker open since \d\d:\d\d:\d\d \(5\ds\), 312 waiting, next probe in (40|3\d)s: "
                     r"service_down: SMTP 421 4.3.2 at RCPT: Closing for maintenance", text)


def test_overview_says_who_limits_the_rate(fake, console):
    fake.status = {"channel": {
        "email": {"limit": {"per_s": 5.0, "by": "service", "since": stamp(30),
                            "words": "rate_limited: SMTP 451 4.7.1 at RCPT: Too many mails"}},
        "coupon": {"limit": {"per_s": 14, "by": "configuration", "since": stamp(4000), "words": None}}}}
    t = console(size=(160, 40))
    text = t.wait_for("limited to 14/s by the configuration")
    assert re.search(r"!  email: limited to 5.0/s by the service \(rate_limited: SMTP 451 4.7.1 at RCPT: Too many mails\)", text)
    assert "breaker closed, next retry in 17s, limited to 5.0/s by the service" in text
    assert "coupon: limited" not in text, "the configuration's limit is no trouble"


def test_overview_says_that_an_operator_holds_the_breaker(fake, console):
    fake.status = {"channel": {
        "email": {"breaker": {"state": "open", "since": stamp(56), "trial_at": None, "cause": None},
                  "forced": {"state": "open", "by": "kim", "at": stamp(50), "reason": "relocation"}},
        "coupon": {"breaker": {"state": "closed", "since": stamp(56), "trial_at": None, "cause": None},
                   "forced": {"state": "closed", "by": "kim", "at": stamp(50), "reason": "a test"}}}}
    t = console(size=(160, 40))
    t.wait_for("!  email: breaker forced open by kim since", "12 waiting",
               "!  coupon: breaker forced closed by kim since")


def test_overview_says_that_a_probe_fails(fake, console):
    fake.status = {"channel": {"coupon": {"probe": {
        "ok": False, "at": stamp(5), "next_at": stamp(-10), "error": "service_down: HTTP 503: back soon"}}}}
    t = console(size=(160, 40))
    t.wait_for("!  coupon: a probe finds the service unwell: service_down: HTTP 503: back soon")


def test_overview_says_that_nothing_is_wrong(fake, console):
    for one in fake.rows.values():
        one["status"] = "delivered"
    t = console()
    t.wait_for(re.compile("ok +nothing is wrong"))


def test_overview_with_database_and_outbox_in_trouble(fake, console):
    fake.status = {"database": {"up": False, "since": stamp(61), "error": "Connection refused (111)"},
                   "outbox": {"waiting": figure(None), "oldest_age_s": 90, "published_per_s": 0, "failing": True,
                              "retry_at": stamp(-30), "published_total": 0, "refused_total": 3}}
    t = console()
    t.wait_for("database down since", "nothing is lost", "Connection refused", "outbox: publishing fails, ? waiting",
               "publishing FAILS", "database DOWN")


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50), (250, 60)])
def test_every_screen_at_every_size(console, size):
    """Nothing is written beyond the last column, columns line up, and Korean does not shift them."""
    t = console(size=size)
    t.wait_for("OUTBOX")
    t.press("2")
    t.wait_for("EXPIRES", "[email ~9]")
    t.press("3")
    text = t.wait_for("1-12 of 12", "REASON", re.compile(r"(SMTP 550.*\n[^S]*){12}"))
    lines = [line for line in text.splitlines() if "SMTP 550" in line]
    assert len(lines) == 12
    columns = set()
    for y in range(size[1]):
        cells = [t.screen.buffer[y][x].data or " " for x in range(size[0])]
        if "SMTP 550" in "".join(cells):
            columns.add("".join(cells).index("SMTP 550"))
    assert len(columns) == 1, "the columns are not aligned"
    assert ("김*수" in text) == (size[0] >= 120)
    t.press("enter")
    t.wait_for("Why", "ATTEMPTS", "> Detail")
    for _ in range(20):
        t.press("pgdn")
    t.wait_for("12345678901234567890")  # digits of the payload are as they were
    t.press("q", "v")
    t.wait_for("COUNT", "OLDEST")
    t.press("?")
    t.wait_for("Keys: Failed notifications", "q: back")


@pytest.mark.parametrize("term", ["vt100", "linux", "xterm-256color", "xterm", "screen", "tmux-256color"])
def test_terminals(console, term):
    t = console(term=term)
    text = t.wait_for("OUTBOX", "~9")
    plain = term in ("vt100", "linux")
    assert ("█" in text) != plain and ("─" in text) != plain
    t.press("3")
    t.wait_for("1-12 of 12")
    t.press("j", "j", "enter")
    t.wait_for("ATTEMPTS")
    t.press("q", "q")
    assert t.wait_exit() == 0


def colours(raw):
    return [p for s in re.findall(rb"\x1b\[([0-9;]*)m", raw) for p in s.split(b";") if re.fullmatch(rb"[349]\d|10[0-7]", p)
            and p not in (b"39", b"49")]


def test_no_color(console):
    t = console(environment={"NO_COLOR": "1"})
    t.wait_for("OUTBOX")
    t.press("3")
    t.wait_for("1-12 of 12")
    t.press("j", "r")
    t.wait_for("Redrive 1 row?")
    assert not colours(t.raw)
    assert t.attributes("[3 Failed]").reverse


def test_colour_is_used_where_there_is_colour(console):
    t = console()
    t.wait_for("OUTBOX")
    assert colours(t.raw)


@pytest.mark.parametrize("locale, name", [({"LC_ALL": "", "LANG": ""}, "김*수"), ({"LC_ALL": "C"}, "??*?? ")])
def test_without_a_utf8_locale(console, locale, name):
    """Ornaments are plain. Names stay readable, but where the user has asked for another character set; columns keep their
    places in both."""
    t = console(environment={"LC_CTYPE": "", **locale}, size=(120, 30))
    text = t.wait_for("OUTBOX")
    assert "─" not in text and "█" not in text
    t.press("3")
    text = t.wait_for(name)
    lines = ["".join(t.screen.buffer[y][x].data or " " for x in range(120)) for y in range(30)]
    assert len({line.index("SMTP 550") for line in lines if "SMTP 550" in line}) == 1
    t.press("c")
    text = t.wait_for("+- Cancel 1 row")
    if "?" in name:
        assert text.isascii()


def test_list_keys(fake, console):
    from fake_daemon import row
    fake.rows = {str(n): row(n) for n in range(1, 61)}
    t = console()
    t.press("3")
    t.wait_for("1-60 of 60", re.compile(r"^> +60 ", re.M))
    for key, at in (("j", 59), ("down", 58), ("k", 59), ("up", 60), ("pgdn", 42), ("pgup", 60), ("G", 1), ("home", 60),
                    ("end", 1), ("g", 60)):
        t.press(key)
        t.wait_for(re.compile(rf"^> +{at} ", re.M))


def test_pages_are_walked_by_cursor(fake, console):
    from fake_daemon import row
    fake.rows = {str(n): row(n) for n in range(1, 451)}
    t = console()
    t.press("3")
    t.wait_for("1-200 of 450")
    t.press("G", "j")
    t.wait_for("201-400 of 450", re.compile(r"^> +250 ", re.M))
    t.press("G", "j")
    t.wait_for("401-450 of 450", re.compile(r"^> +50 ", re.M))
    t.press("G", "j", "k")
    t.wait_for(re.compile(r"^> +2 ", re.M))
    t.press("G", "pgup", "pgup", "pgup", "k")
    t.wait_for("201-400 of 450", re.compile(r"^> +51 ", re.M))
    t.press("g")
    t.wait_for("1-200 of 450", re.compile(r"^> +450 ", re.M))
    assert all(int(query["limit"]) <= 500 for _m, path, query, _b in fake.requests if path == "/v1/failed")


def test_selection_and_marks_survive_a_refresh(fake, console):
    from fake_daemon import row
    t = console()
    t.press("3")
    t.wait_for("1-12 of 12")
    t.press("j", "space", "j")
    t.wait_for(re.compile(r"^ \* +11 ", re.M), re.compile(r"^> +9 ", re.M), "1 marked")
    fake.rows.update({str(n): row(n) for n in (13, 14, 15)})
    t.press("R")
    t.wait_for("1-15 of 15", re.compile(r"^ \* +11 ", re.M), re.compile(r"^> +9 ", re.M), "1 marked")


def test_dlq_by_channel(fake, console):
    t = console()
    t.press("tab")
    t.wait_for("[2 DLQ]", "[email ~9]", "1-9 of 9", "looked at")
    t.press("l")
    t.wait_for("[coupon ~3]", "1-3 of 3", "out_of_stock")
    t.press("left")
    t.wait_for("[email ~9]")
    assert {path for method, path, _q, _b in fake.requests if method == "POST"} == set(), "looking is no act"
    t.press("shift-tab")
    t.wait_for("[1 Overview]")


def test_help_is_the_key_table(console):
    """Every key of the table stands in the help of a place it works in, in the table's own words."""
    t = console(size=(120, 60))
    pages = ""
    for keys in (("1",), ("2",), ("5",), ("6",), ("7",), ("3",), ("v",), ("v", "enter"), ("q", "4"), ("enter",)):
        t.press(*keys)
        t.wait_gone("Asking the daemon")
        t.press("?")
        pages += t.wait_for("q: back")
        t.press("q")
        t.wait_gone("q: back")
    for _where, _action, _acts, shown, _label, words in key_table():
        assert re.search(rf"{re.escape(shown)} +{re.escape(words)}", pages), (shown, words)


def test_the_manual_has_every_key_verb_and_option(build):
    manual = (ROOT / "man/usher.1").read_text(encoding="utf-8")
    plain = manual.replace("\\-", "-").replace("\\&", "")
    for _where, _action, _acts, shown, _label, words in key_table():
        assert words in plain, words
        for key in shown.split():
            assert re.search(rf"^\.It .*{re.escape(key)}", plain, re.M), key
    header = (ROOT / "ui/verbs/verbs.h").read_text(encoding="utf-8")
    options = re.findall(r'OPTION\(\w+, "([\w-]+)"', header)
    assert len(options) > 15
    for option in options:
        assert f"Fl -{option}" in plain, option
    verbs = re.findall(r'^\t\{ "(\w+)",', (ROOT / "ui/verbs/table.c").read_text(encoding="utf-8"), re.M)
    assert len(verbs) >= 10
    for verb in verbs:
        assert f"Cm {verb}" in plain, verb


def test_every_key_of_the_footer_works_where_it_is_shown(console):
    """The footer names keys of the screen at hand only, and always the way out."""
    t = console()
    t.wait(lambda: t.row(23).endswith("? help  q quit"), "the footer")
    assert "redrive" not in t.row(23)
    t.press("3")
    t.wait_for("r redrive", "c cancel", "u restore", "? help  q quit", "1-12 of 12")
    t.press("enter")
    t.wait_for("> Detail", "q back")
    assert "search" not in t.row(23)
