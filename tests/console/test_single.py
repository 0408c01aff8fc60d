"""One delivery at a time: the Retrying screen, editing, what is shown unmasked, taking a cancel back, finding in a detail."""

import datetime
import re

import pytest
from fake_daemon import row, waiting
from terminal import Terminal


def posts(fake):
    return [(path, body) for method, path, _query, body in fake.requests if method == "POST"]


@pytest.fixture
def retrying(console, fake):
    """The Retrying screen with three deliveries: 7, 8 and 9."""
    def make(*options, size=(80, 24)):
        fake.waiting = {str(n): waiting(n) for n in (7, 8, 9)}
        t = console(*options, size=size)
        t.press("4")
        t.wait_for("[4 Retrying]", "1-3 of 3")
        return t
    return make


SCREEN = (80, 24)    # of failed_screen


# -- Retrying ------------------------------------------------------------------------------------------

def test_what_waits_and_how_long(retrying):
    t = retrying(size=(120, 30))
    assert re.search(r"^> +7 email +3 of 3 +1\ds timeout +a\*\*\*@b\.c +no answer", t.text(), re.M), t.text()
    assert "n r now  P postpone  d to DLQ  c cancel" in t.row(29)


def test_now_asks_first(fake, retrying):
    t = retrying()
    t.press("n")
    t.wait_for("Send now: 1 delivery?", "email 7, retrying, timeout")
    t.press("n")
    t.wait_gone("Send now")
    assert posts(fake) == []
    t.press("r", "y")
    t.wait_for("email 7: sent as soon as its channel may", re.compile(r"^> +7 email +3 of 3 +due", re.M))
    assert posts(fake) == [("/v1/retrying/7/now", {"version": 3})]


def test_postpone_takes_a_span_or_a_time(fake, retrying):
    t = retrying()
    t.press("P")
    t.wait_for("Postpone 1 delivery", "Until when?")
    t.type("tomorrow")
    t.press("enter")
    t.wait_for('"tomorrow" is no time')
    t.press("esc")
    assert posts(fake) == []
    t.press("P")
    t.wait_for("Until when?")
    t.type("30m")
    t.press("enter")
    t.wait_for("email 7: postponed")
    path, body = posts(fake)[0]
    ahead = datetime.datetime.fromisoformat(body["until"]) - datetime.datetime.now(datetime.timezone.utc)
    assert path == "/v1/retrying/7/postpone" and 1700 < ahead.total_seconds() <= 1800
    t.wait_for(re.compile(r"^> +7 email +3 of 3 +(29|30)m", re.M))


def test_marked_deliveries_are_given_up_together(fake, retrying):
    t = retrying()
    t.press("space", "space", "d")
    t.wait_for("Give up: 2 deliveries?", "2 marked deliveries", "goes to the DLQ")
    t.press("y")
    t.wait_for("2 deliveries dead, stands among the failed ones", "1-1 of 1")
    assert sorted(path for path, _b in posts(fake)) == ["/v1/retrying/7/dead", "/v1/retrying/8/dead"]
    assert "marked" not in t.row(2)


def test_marks_of_rows_and_of_deliveries_are_not_mixed_up(fake, retrying):
    t = retrying()
    t.press("3")
    t.wait_for("1-12 of 12")
    t.press("j", "j", "j", "space")     # the failed row 9
    t.wait_for("1 marked")
    t.press("4", "G", "n", "y")         # the delivery 9
    t.wait_for("email 9: sent as soon as")
    t.press("3")
    t.wait_for("1 marked")


def test_cancel_and_take_it_back(fake, retrying):
    t = retrying()
    t.press("c")
    t.wait_for("Cancel 1 delivery", "Say why")
    t.type("asked us not to write")
    t.press("enter")
    t.wait_for("email 7: cancelled   u: undo")
    t.press("u")
    t.wait_for("Restore 1 row?")
    t.press("y")
    t.wait_for("dead again, can be redriven")
    assert posts(fake) == [("/v1/retrying/7/cancel", {"version": 3, "reason": "asked us not to write"}),
                           ("/v1/failed/907/restore", {})]


def test_a_delivery_in_detail(fake, retrying):
    t = retrying(size=(120, 50))
    t.press("enter")
    t.wait_for("> Detail", re.compile("State +retrying"), "attempt 3 of 3 in 1", "ATTEMPTS", "no answer 1", "(5m 00s later)",
               "SIDE EFFECT", "none: no attempt got so far", '"eventId": "evt-9"')
    t.press("r", "y")
    t.wait_for("sent as soon as its channel may", "is due: sent as soon as")
    t.press("esc", "q")
    t.wait_for("[4 Retrying]", "1-3 of 3")


def test_a_conflict_names_who_was_faster(fake, retrying):
    def jun_was_faster(number, _act):
        fake.race = None
        fake.waiting[number]["version"] = 4
    t = retrying()
    fake.race = jun_was_faster
    t.press("d", "y")
    t.wait_for("!! ", "email 7 not given up", "postponed by jun")


def test_read_only_looks_and_does_not_act(fake, retrying):
    t = retrying("-R")
    for key in ("n", "P", "d", "c", "u"):
        t.press(key)
        t.wait_for("looks and does not act")
        t.press("esc")
        t.wait_gone("looks and does not act")
    t.press("3")
    t.wait_for("1-12 of 12")
    for key in ("e", "E"):
        t.press(key)
        t.wait_for("looks and does not act")
        t.press("esc")
        t.wait_gone("looks and does not act")
    t.press("enter")
    t.wait_for("ATTEMPTS")
    t.press("V")
    t.wait_for("looks and does not act")
    assert posts(fake) == []


# -- Undo ------------------------------------------------------------------------------------------------

def test_the_rows_just_cancelled_are_restored_together(fake, failed_screen):
    t = failed_screen()
    t.press("space", "space", "c")
    t.wait_for("Say why")
    t.type("wrong ones")
    t.press("enter")
    t.wait_for("2 rows cancelled   u: undo")
    t.press("u")
    t.wait_for("Restore 2 rows?")
    t.press("y")
    t.wait_for("2 rows dead again")
    restored = [(p, b) for p, b in posts(fake) if "restore" in p]
    assert sorted(restored) == [("/v1/failed/11/restore", {"version": 2}), ("/v1/failed/12/restore", {"version": 2})]


def test_the_offer_ends_with_its_message(fake, failed_screen):
    t = failed_screen()
    t.press("c")
    t.wait_for("Say why")
    t.type("no")
    t.press("enter")
    t.wait_for("u: undo")
    t.press("esc")
    t.wait_gone("u: undo")
    t.press("j", "u")
    t.wait_for("Only cancelled rows can be restored: 11 is dead")


# -- The address ------------------------------------------------------------------------------------------

def test_a_mistyped_address_takes_its_letters_and_two_keys(fake, failed_screen):
    t = failed_screen()
    t.press("E")
    t.wait_for("Correct the address of coupon 12")
    t.type("minsu@example.org")
    t.press("enter")
    t.wait_for("coupon 12: edited and queued again, to mi***@example.org", re.compile(r"^> +12 coupon +queued", re.M))
    assert posts(fake) == [("/v1/failed/12/edit", {"set": {"email": "minsu@example.org"}, "version": 1, "redrive": True})]
    t.press("enter")
    t.wait_for("> Detail", "ATTEMPTS")
    t.press("/")
    t.wait_for("Words in what is shown")
    t.type("EDITS")
    t.press("enter")
    t.wait_for("EDITS, the original is kept", "mina  email: mi***@example.com -> mi***@example.org")


def test_a_wrong_address_is_said_and_can_be_corrected(fake, failed_screen):
    t = failed_screen()
    t.press("E")
    t.wait_for("Correct the address")
    t.type("minsu.example.org")
    t.press("enter")
    t.wait_for("! email: the address has no @", "minsu.example.org")
    t.press("ctrl-u")
    t.type("minsu@example.org")
    t.press("enter")
    t.wait_for("edited and queued again")


def test_leaving_the_address_changes_nothing(fake, failed_screen):
    t = failed_screen()
    t.press("E")
    t.wait_for("Correct the address")
    t.press("esc")
    t.wait_gone("Correct the address")
    t.press("E")
    t.wait_for("Correct the address")
    t.press("esc")
    assert posts(fake) == []


def test_only_dead_rows_are_edited(fake, failed_screen):
    fake.rows["12"]["status"] = "cancelled"
    t = failed_screen()
    t.press("R")
    t.wait_for(re.compile(r"12 coupon +cancelled"))
    for key in ("e", "E"):
        t.press(key)
        t.wait_for("Only dead rows can be edited: 12 is cancelled; restore it first")
        t.press("esc")
        t.wait_gone("Only dead rows")
    assert posts(fake) == []


# -- The editor ---------------------------------------------------------------------------------------------

@pytest.fixture
def with_editor(failed_screen, tmp_path):
    """A console whose $EDITOR is this script; $1 is the file."""
    def make(script, **more):
        editor = tmp_path / "editor"
        editor.write_text(f"#!/bin/sh\n{script}\n")
        editor.chmod(0o755)
        return failed_screen(environment={"EDITOR": str(editor), "VISUAL": "", "XDG_RUNTIME_DIR": "", "TMPDIR": str(tmp_path)}, **more)
    return make


@pytest.mark.shown
def test_an_edit_is_shown_before_it_is_sent(fake, with_editor, tmp_path):
    t = with_editor("sed -i s/minsu@example.com/minsu@example.org/ $1")
    t.press("e")
    t.wait_for("Edit coupon 12?", "stands in the audit")
    assert posts(fake) == []
    t.press("y")
    t.wait_for("Send coupon 12 like this?", '-   "email": "minsu@example.com"', '+   "email": "minsu@example.org"', "y yes   n no")
    assert posts(fake) == [("/v1/failed/12/reveal", {"reason": "to edit the payload"})]
    t.press("y")
    t.wait_for("coupon 12: edited and queued again, to mi***@example.org")
    path, body = posts(fake)[1]
    assert path == "/v1/failed/12/edit" and body["version"] == 1 and body["redrive"] is True
    assert '"email": "minsu@example.org"' in body["payload"]
    assert [p.name for p in tmp_path.iterdir()] == ["editor"]
    assert b"minsu@example" in t.raw


@pytest.mark.shown
def test_no_leaves_everything_as_it_is(fake, with_editor):
    t = with_editor("sed -i s/minsu@example.com/minsu@example.org/ $1")
    t.press("e", "y")
    t.wait_for("Send coupon 12 like this?")
    t.press("n")
    t.wait_gone("like this?")
    t.press("e")
    t.wait_for("Edit coupon 12?")
    t.press("esc")
    t.wait_gone("Edit coupon 12?")
    assert [path for path, _b in posts(fake)] == ["/v1/failed/12/reveal"]


@pytest.mark.shown
def test_what_is_refused_is_edited_again(fake, with_editor, tmp_path):
    """The second time the editor begins with what was typed the first time."""
    t = with_editor("if grep -q nobody $1; then sed -i s/nobody/minsu@example.org/ $1; "
                    "else sed -i s/minsu@example.com/nobody/ $1; fi")
    t.press("e", "y")
    t.wait_for("like this?")
    t.press("y")
    t.wait_for("It is refused. Edit it again?", "email: the address has no @")
    t.press("y")
    t.wait_for("like this?", '+   "email": "minsu@example.org"')
    t.press("y")
    t.wait_for("edited and queued again")


@pytest.mark.parametrize("script, said", [("true", "nothing is changed, nothing is sent"), ("exit 1", "end well: nothing is changed")])
def test_an_editor_that_changes_nothing_or_fails(fake, with_editor, script, said):
    t = with_editor(script)
    t.press("e", "y")
    t.wait_for(said)
    t.press("j")
    t.wait_for(re.compile(r"^> +11 ", re.M))
    assert [path for path, _b in posts(fake)] == ["/v1/failed/12/reveal"]


def test_the_daemon_is_heard_while_the_editor_is_open(fake, with_editor, tmp_path):
    """It stands open for longer than any request may take, and the console has not lost the daemon."""
    t = with_editor(f"until test -e {tmp_path}/go; do sleep 0.05; done")
    t.press("e", "y")
    t.wait(lambda: posts(fake), "the reveal")
    ends = datetime.datetime.now() + datetime.timedelta(seconds=4)
    t.wait(lambda: datetime.datetime.now() > ends, "four seconds")
    (tmp_path / "go").touch()
    t.wait_for("nothing is changed")
    assert "unreachable" not in t.text()


# -- Unmasked, and finding --------------------------------------------------------------------------------------

@pytest.mark.shown
def test_unmasked_until_it_is_left(fake, failed_screen):
    t = failed_screen(size=(120, 50))
    t.press("enter")
    t.wait_for("> Detail", "mi***@example.com")
    t.press("V")
    t.wait_for("Show this row unmasked", "stands in the audit")
    t.press("enter")
    t.wait_for("It cannot be empty")
    t.type("member is on the phone")
    t.press("enter")
    t.wait_for("[UNMASKED]", "minsu@example.com  김민수", "u-1234")
    assert posts(fake) == [("/v1/failed/12/reveal", {"reason": "member is on the phone"})]
    t.press("R")
    t.wait_for("[UNMASKED]", "minsu@example.com  김민수")
    t.press("q", "enter")
    t.wait_for("> Detail", "mi***@example.com")
    t.wait_gone("minsu@", "UNMASKED")    # with the rest of the frame


def test_finding_in_a_detail(fake, failed_screen):
    fake.rows["12"]["payload"] = "\n".join(f"line {n}" + (" needle" if n % 40 == 0 else "") for n in range(1, 100))
    t = failed_screen()
    t.press("enter")
    t.wait_for("> Detail", "ATTEMPTS")
    t.press("/")
    t.wait_for("Words in what is shown")
    t.type("NEEDLE")
    t.press("enter")
    t.wait_for("line 40 needle")
    t.press("n")
    t.wait_for("line 80 needle")
    t.press("n")                        # round the end
    t.wait_for("line 40 needle")
    t.press("N")
    t.wait_for("line 80 needle")
    look = t.attributes("line 80 needle")
    assert look.reverse or look.bg != t.attributes("line 79").bg
    t.press("/", "ctrl-u")
    t.type("haystack")
    t.press("enter")
    t.wait_for('"haystack" does not stand here')


def test_the_same_event_on_the_other_channel(fake, failed_screen):
    fake.rows["12"]["siblings"] = [{"channel": "email", "state": "dead", "id": "3", "status": "dead"}]
    t = failed_screen()
    t.press("enter")
    t.wait_for("coupon 12")
    t.press("w")
    t.wait_for("email 3")
    t.press("w")
    t.wait_for("No failed row of this event on another channel")


@pytest.mark.parametrize("channel, tried, said", [
    ("email", "", "the mail is out since"), ("email", "ambiguous", "a mail may be out since"),
    ("coupon", "", "the coupon is granted since")])
def test_the_side_effect(fake, failed_screen, channel, tried, said):
    fake.rows["12"] = row(12, channel=channel)
    fake.rows["12"]["attempt_list"][2].update({"class": tried, "effect": "<m.12@usher.example>"})
    t = failed_screen(size=(120, 50))
    t.press("enter")
    t.wait_for("SIDE EFFECT", said, "<m.12@usher.example>")


# -- By command -----------------------------------------------------------------------------------------------

def test_retry(fake, usher):
    assert usher("retry", "9", "now").out == "9: sent as soon as its channel may (email to a***@b.c)\n"
    assert posts(fake) == [("/v1/retrying/9/now", {})]
    usher("retry", "9", "postpone", "--until", "2099-01-01T09:00:00+09:00")
    assert posts(fake)[1] == ("/v1/retrying/9/postpone", {"until": "2099-01-01T00:00:00.000Z"})
    assert usher("retry", "9", "dead", "--json").json["failed_id"] == "909"
    assert "delivery 9 has changed" in usher("retry", "9", "cancel", "--reason", "no", check=4).err
    usher("retry", "77", "now", check=3)
    before = len(fake.requests)
    for wrong in (("9",), ("9", "never"), ("9", "postpone"), ("9", "postpone", "--until", "later"), ("9", "cancel"),
                  ("9", "now", "--until", "1h"), ("9", "now", "--set", "a=b")):
        usher("retry", *wrong, check=2)
    usher("retry", "9", "now", "-R", check=5)
    assert len(fake.requests) == before, "nothing of this is asked of the daemon"


def test_one_delivery_by_command(fake, usher):
    out = usher("retrying", "9").out
    assert "attempt 3 of 3 in 1" in out and "ATTEMPTS" in out and '"eventId": "evt-9"' in out
    assert usher("retrying", "9", "--json").json["state"] == "retrying"
    usher("retrying", "77", check=3)


def test_edit_by_fields(fake, usher):
    ran = usher("edit", "3", "--set", "email=minsu@example.org", "--redrive", "--reason", "by phone")
    assert ran.out == "3: edited and queued again (email to mi***@example.org)\n"
    assert posts(fake) == [("/v1/failed/3/edit", {"set": {"email": "minsu@example.org"}, "redrive": True, "reason": "by phone"})]
    assert "email: the address has no @" in usher("edit", "4", "--set", "email=nobody", check=2).err
    before = len(fake.requests)
    for wrong in (("3", "--set", "email"), ("3", "--set", "=x"), ("3", "--set", "email=a@b", "--set", "email=c@d"), ()):
        usher("edit", *wrong, check=2)
    usher("edit", "3", "--set", "email=a@b", "-R", check=5)
    assert len(fake.requests) == before


def test_what_is_refused_is_edited_again_on_a_terminal(fake, build, terminals, tmp_path):
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nif grep -q nobody $1; then sed -i s/nobody/minsu@example.org/ $1; "
                      "else sed -i s/minsu@example.com/nobody/ $1; fi\n")
    editor.chmod(0o755)
    t = Terminal([build / "usher", "--socket", fake.socket, "edit", "3", "--redrive"],
                 environment={"VISUAL": str(editor), "TMPDIR": str(tmp_path), "XDG_RUNTIME_DIR": ""})
    terminals.append(t)
    t.wait_for("email: the address has no @", "Edit it again? [Y/n]")
    t.press("enter")
    t.wait_for("3: edited and queued again (email to mi***@example.org)")
    assert t.wait_exit() == 0 and [p.name for p in tmp_path.iterdir()] == ["editor"]


def test_a_private_folder_that_cannot_be_made(fake, usher, monkeypatch):
    monkeypatch.setenv("TMPDIR", "/nonexistent")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "")
    assert "cannot make a private folder" in usher("edit", "3", check=1).err
    assert [path for path, _b in posts(fake)] == ["/v1/failed/3/reveal"]
