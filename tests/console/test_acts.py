"""Acting through keys: what is asked first, what is sent, what is said of it."""

import re
import threading

import pytest


def posts(fake):
    return [(path, body) for method, path, _query, body in fake.requests if method == "POST"]


SCREEN = (80, 24)    # of failed_screen


def test_redrive_asks_first(fake, failed_screen):
    t = failed_screen()
    t.press("r")
    t.wait_for("Redrive 1 row?", "coupon 12, dead, out_of_stock", "y yes   n no")
    t.press("n")
    t.wait_gone("Redrive 1 row?")
    t.press("r", "x", "j", "enter")     # none of these is a yes
    t.wait_for("Redrive 1 row?")
    t.press("esc")
    t.wait_gone("Redrive 1 row?")
    assert posts(fake) == []
    t.press("r", "y")
    t.wait_for("coupon 12: queued again", re.compile(r"^> +12 coupon +queued", re.M))
    assert posts(fake) == [("/v1/failed/12/redrive", {"version": 1})]


def test_redrive_warns_of_a_second_mail(fake, failed_screen):
    t = failed_screen()
    t.press("j", "j", "r")
    t.wait_for("email 10, dead, ambiguous", "may get a second mail")


def test_cancel_requires_a_reason(fake, failed_screen):
    t = failed_screen()
    t.press("c")
    t.wait_for("Cancel 1 row", "Say why")
    t.press("enter")
    t.wait_for("It cannot be empty")
    t.type("   ")
    t.press("enter")
    t.wait_for("It cannot be empty")
    assert posts(fake) == []
    t.type("주소가 없는 사람x")
    t.press("backspace", "enter")
    t.wait_for("coupon 12: cancelled", re.compile(r"^> +12 coupon +cancelled", re.M))
    assert posts(fake) == [("/v1/failed/12/cancel", {"version": 1, "reason": "주소가 없는 사람"})]
    t.press("enter")
    t.wait_for("by mina: 주소가 없는 사람")
    t.press("u")
    t.wait_for("Restore 1 row?")
    t.press("y")
    t.wait_for("dead again, can be redriven")
    t.press("G")
    t.wait_for("mina  cancel: done", "mina  restore: done")
    assert posts(fake)[1] == ("/v1/failed/12/restore", {"version": 2})


def test_a_reason_longer_than_the_field_and_the_limit(fake, failed_screen):
    t = failed_screen()
    t.press("c")
    t.wait_for("Say why")
    t.type("가" * 600)
    t.wait_for("가" * 30)
    t.press("enter")
    t.wait_for("cancelled")
    assert posts(fake)[0][1]["reason"] == "가" * 500


def test_what_was_pasted_behind_a_reason_does_not_act(fake, failed_screen):
    t = failed_screen()
    t.press("c")
    t.wait_for("Say why")
    t.type("a pasted reason\rryry")
    t.wait_for("coupon 12: cancelled")
    t.press("j")
    t.wait_for(re.compile(r"^> +11 ", re.M))
    assert [path for path, _body in posts(fake)] == ["/v1/failed/12/cancel"]


def test_marked_rows_are_acted_on_together(fake, failed_screen):
    fake.rows["10"].update(status="cancelled", settled_by="jun")
    t = failed_screen()
    t.press("R")
    t.wait_for(re.compile(r"10 email +cancelled"))
    t.press("space", "space", "space")
    t.wait_for("3 marked")
    t.press("r")
    t.wait_for("Redrive 2 rows?", "2 marked rows", "1 other marked row is left out")
    t.press("y")
    t.wait_for("2 rows queued again")
    assert sorted(path for path, _body in posts(fake)) == ["/v1/failed/11/redrive", "/v1/failed/12/redrive"]
    t.wait_for("1 marked")      # what was done is unmarked
    t.press("U")
    t.wait_gone("1 marked")


def test_a_conflict_names_who_was_faster_and_stays_until_read(fake, failed_screen):
    def jun_was_faster(number, _act):
        fake.race = None
        fake.rows[number].update(status="cancelled", settled_by="jun", version=2)

    t = failed_screen()
    fake.race = jun_was_faster
    t.press("r", "y")
    t.wait_for("!! ", "coupon 12 not redriven: 12 is cancelled, settled by jun: look", "Esc: read",
               re.compile(r"^> +12 coupon +cancelled", re.M))
    t.press("j", "k", "2", "3", "1")
    t.wait_for("[1 Overview]", "settled by jun")
    t.press("esc")
    t.wait_gone("settled by jun")


def test_refusals_wait_one_behind_the_other(fake, failed_screen):
    def always(number, _act):
        fake.rows[number].update(status="queued", settled_by="jun", version=9)

    t = failed_screen()
    t.press("space", "space")
    fake.race = always
    t.press("r", "y")
    t.wait_for("settled by jun", "1 more")
    t.press("esc")
    t.wait_gone("1 more")
    t.wait_for("settled by jun")
    t.press("esc")
    t.wait_gone("settled by jun", "Esc: read")


def test_a_row_that_is_not_dead_is_not_sent(fake, failed_screen):
    fake.rows["12"]["status"] = "delivered"
    t = failed_screen()
    t.press("R")
    t.wait_for(re.compile(r"12 coupon +delivered"))
    t.press("r")
    t.wait_for("Only dead rows can be redriven: 12 is delivered")
    assert posts(fake) == []


@pytest.mark.parametrize("how", ["asked", "by itself"])
def test_read_only(fake, failed_screen, how, build):
    """With -R; and by itself when only the read-only socket may be opened."""
    if how == "by itself":
        import os
        os.unlink(fake.socket)
    t = failed_screen(*(["-R"] if how == "asked" else []))
    text = t.wait_for("[READ-ONLY]")
    for offered in ("redrive", "cancel", "restore", "mark"):
        assert offered not in text.splitlines()[-1]
    for key in ("r", "c", "u", "space"):
        t.press(key)
        t.wait_for("read-only: it looks and does not act", "(-R)" if how == "asked" else "only the read-only socket")
        t.press("esc")
        t.wait_gone("looks and does not act")
    t.press("?")
    help_text = t.wait_for("q: back")
    assert "asks first" not in help_text
    t.press("q", "enter")
    t.wait_for("> Detail", "ATTEMPTS")
    t.press("r")
    t.wait_for("looks and does not act")
    assert posts(fake) == []


def test_the_daemon_dies_between_question_and_answer(fake, failed_screen):
    t = failed_screen()
    t.press("space", "space", "r")
    t.wait_for("Redrive 2 rows?")
    fake.stop()
    t.press("y")
    t.wait_for("not redriven", "daemon unreachable since")
    t.press("esc", "esc", "esc")
    t.wait_gone("Esc: read")
    t.wait_for("2 marked")
    fake.start()
    t.wait_gone("daemon unreachable")
    t.press("r")
    t.wait_for("Redrive 2 rows?")
    t.press("y")
    t.wait_for("2 rows queued again")


def test_an_act_without_an_answer_is_not_called_failed(fake, failed_screen):
    """The request went out and the daemon died over it: nobody knows."""
    t = failed_screen()
    sent = threading.Event()

    def die(_number, _act):
        sent.set()
        threading.Thread(target=fake.stop).start()
        threading.Event().wait(1)

    fake.race = die
    t.press("r", "y")
    t.wait_for("coupon 12 is not known to be done", "may or may not have been done")
    assert sent.is_set()
