"""Commands by name: completion, help, what needs arguments, views that are kept."""

import os
import pathlib
import re
import stat

import pytest
from test_screens import key_table

ROOT = pathlib.Path(__file__).resolve().parents[2]


def posts(fake):
    return [(path, body) for method, path, _query, body in fake.requests if method == "POST"]


def command_table():
    """keys.def's commands: (where, id, acts, name, arguments, help)."""
    text = (ROOT / "ui/console/keys.def").read_text(encoding="utf-8")
    rows = re.findall(r'^COMMAND\((\w+), (\w+), (true|false), "([^"]*)", "([^"]*)", "([^"]*)"\)', text, re.M)
    assert len(rows) == len(re.findall(r"^COMMAND\(", text, re.M)) > 8
    return rows


def command(t, text):
    t.press(":")
    t.wait_for("Tab completes")
    t.type(text + "\r")
    t.wait_gone("leaves it")


def test_every_command_is_offered_with_its_help(console):
    t = console(size=(250, 60))
    t.press("3")
    t.wait_for("1-12 of 12")
    wanted = [(name + " ", words) for _where, _id, _acts, name, _args, words in command_table()]
    wanted += [(action.lower().replace("_", "-"), words) for where, action, _acts, _shown, _label, words in key_table()
               if where in ("ANY", "TABLES", "ROWS", "LISTS", "FINDING", "FAILED", "SCREENS", "FAILED_ROWS")]
    for name, words in wanted:
        t.press(":")
        t.type(name.strip())
        t.wait_for(f":{name.strip()}")
        for _ in range(8):
            t.press("tab")
            t.pump(0.5)
            t.pump(0.05)
            if words in t.text():
                break
        assert words in t.text()
        t.press("esc")
        t.wait_gone("leaves it")


def test_the_manual_has_every_command():
    manual = (ROOT / "man/usher.1").read_text(encoding="utf-8").replace("\\-", "-").replace("\\&", "")
    for _where, _id, _acts, name, args, words in command_table():
        assert re.search(rf"^\.It Ic :{name} Ar {args}$", manual, re.M), name
        assert words in manual, words


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (250, 60)])
def test_actions_by_name(fake, console, size):
    t = console(size=size)
    t.wait_for("OUTBOX")
    command(t, "failed")
    t.wait_for("[3 Failed]", "1-12 of 12")
    command(t, "mark-page")
    t.wait_for("12 marked")
    command(t, "groups")
    t.wait_for("COUNT")
    command(t, "redrive")     # of rows: not here
    t.wait_for("redrive wants ID")
    t.press("esc")
    command(t, "nonsense")
    t.wait_for('no command "nonsense"')
    t.press("esc")
    t.press(":", "up", "up")
    t.wait_for(":redrive")
    t.press("esc")
    command(t, "help")
    t.wait_for("Keys: Failed")
    t.press("q")
    t.press(":")
    t.type("quit\r")
    assert t.wait_exit() == 0
    assert posts(fake) == []


def test_acts_by_id_show_the_row_and_ask(fake, console):
    t = console()
    t.wait_for("OUTBOX")
    command(t, "redrive 10")
    t.wait_for("Redrive 1 row?", "email 10, dead, ambiguous", "may get a second mail")
    t.press("n")
    t.wait_gone("Redrive 1 row?")
    assert posts(fake) == []
    command(t, "cancel 9")
    t.wait_for("Cancel 1 row", "email 9, dead, service_down")
    t.type("no such person\r")
    t.wait_for("email 9: cancelled")
    command(t, "restore 9")
    t.wait_for("Restore 1 row?")
    t.press("y")
    t.wait_for("dead again")
    assert posts(fake) == [("/v1/failed/9/cancel", {"version": 1, "reason": "no such person"}),
                           ("/v1/failed/9/restore", {"version": 2})]
    command(t, "redrive 999")
    t.wait_for("there is no failed notification 999")
    t.press("esc")
    command(t, "open 7")
    t.wait_for("> Detail", "ATTEMPTS")


def test_pausing_a_channel_by_name(fake, console):
    t = console(size=(120, 40))
    t.wait_for("OUTBOX")
    t.press(":")
    t.type("pau")
    t.press("tab")
    t.wait_for("pause ")
    t.type(" e")
    t.press("tab")
    t.wait_for(":pause email")
    t.type(" 서버 이전\r")
    t.wait_for("email: paused in all daemons", "PAUSED by mina")
    assert posts(fake) == [("/v1/channels/email/pause", {"reason": "서버 이전"})]
    command(t, "resume email")
    t.wait_for("email: resumed")
    command(t, "pause email")
    t.wait_for("wants a reason")


def test_views_are_kept_listed_and_forgotten(fake, console, tmp_path):
    home = {"XDG_STATE_HOME": str(tmp_path / "state")}
    t = console(size=(120, 40), environment=home)
    t.press("3", "/")
    t.type("class:ambiguous age>1m\r")
    t.wait_for("1-2 of 2")
    t.press("f", "o")
    t.wait_for("status: dead", "oldest first", "1-2 of 2")
    command(t, "view save 메일-이중")
    t.wait_for("view 메일-이중: kept")
    kept = tmp_path / "state" / "usher" / "views"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600 and stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert kept.read_text() == "메일-이중\tdead\tdead_at:asc\trows\tclass:ambiguous age>1m\n"
    t.press("q")
    assert t.wait_exit() == 0
    t = console(size=(120, 40), environment=home)
    t.wait_for("OUTBOX")
    t.press(":")
    t.type("view 메")
    t.wait_for("메일-이중", "class:ambiguous age>1m")
    t.press("tab", "enter")
    t.wait_for("[3 Failed]", "status: dead", "filter: class:ambiguous age>1m", "oldest first", "1-2 of 2", "Esc: back")
    t.press("esc")
    t.wait_for("[1 Overview]")
    command(t, "view delete 메일-이중")
    t.wait_for("forgotten")
    command(t, "view 메일-이중")
    t.wait_for('There is no view "메일-이중"')
    assert kept.read_text() == "" and os.listdir(kept.parent) == ["views"]


def test_views_that_cannot_be_kept_say_why(console, tmp_path):
    (tmp_path / "usher").mkdir()
    (tmp_path / "usher" / "views").write_text("not a view\n")
    t = console(environment={"XDG_STATE_HOME": str(tmp_path)})
    t.wait_for("OUTBOX")
    command(t, "view save mine")
    t.wait_for("line 1 is no view")
    assert (tmp_path / "usher" / "views").read_text() == "not a view\n"
    t.press("esc")
    command(t, "view save two words")
    t.wait_for("one word")
    t = console(environment={"XDG_STATE_HOME": "/proc/nowhere"})
    t.wait_for("OUTBOX")
    command(t, "view save mine")
    t.wait_for("views are not kept: /proc/nowhere")


def test_filter_sort_and_queue_by_name(fake, console):
    t = console(size=(120, 40))
    t.wait_for("OUTBOX")
    t.press(":")
    t.type("filter class:")
    t.wait_for("ambiguous")
    t.type("amb")
    t.press("tab")
    t.wait_for(":filter class:ambiguous")
    t.press("enter")
    t.wait_for("[3 Failed]", "filter: class:ambiguous", "1-2 of 2")
    t.press("esc")
    t.wait_for("[1 Overview]")
    t.press(":")
    t.type("sort att")
    t.press("tab")
    t.wait_for("most attempts first")
    t.press("enter")
    t.wait_for("[3 Failed]", "▼TRIES")
    command(t, "dlq coupon")
    t.wait_for("[2 DLQ]", "[coupon ~3]")
    command(t, "dlq fax")
    t.wait_for('no channel "fax"')


def test_read_only_neither_offers_nor_runs_what_acts(fake, console):
    t = console("-R", size=(120, 40))
    t.wait_for("OUTBOX")
    t.press(":")
    t.type("p")
    t.wait_for("palette")
    assert "pause" not in t.text()
    t.press("esc")
    for text in ("pause email why", "redrive 7", "cancel 7", "pause"):
        command(t, text)
        t.wait_for("looks and does not act")
        t.press("esc")
        t.wait_gone("looks and does not act")
    command(t, "view save mine")    # of one's own: no act on the daemon
    t.wait_for("view mine: kept")
    assert posts(fake) == []
