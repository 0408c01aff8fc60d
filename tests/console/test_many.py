"""Acting on many: marks by range and page, redriving all that match as a job, what is asked before and what is said."""

import re

import pytest
from fake_daemon import job, row, stamp


def posts(fake):
    return [(path, body) for method, path, _query, body in fake.requests if method == "POST"]


def orders(fake):
    """Jobs that were started."""
    return [body for path, body in posts(fake) if path == "/v1/redrives" and not body.get("dry_run")]


def test_marking_ranges_and_pages(failed_screen):
    t = failed_screen(rows=60)
    t.press("V")
    t.wait_for("A range begins at the row marked last")
    t.press("esc", "j", "space", "j", "j", "V")
    t.wait_for("4 marked", re.compile(r"^ \* +59 ", re.M), re.compile(r"^>\* +56 ", re.M))
    t.press("k", "k", "k", "k", "V")
    t.wait_for("5 marked", re.compile(r"^>\* +60 ", re.M))
    t.press("*")
    t.wait_for("60 marked")
    t.press("*")
    t.wait_gone("marked")
    t.press("*", "U")
    t.wait_gone("marked")


def test_marks_have_a_limit_that_is_said(failed_screen):
    t = failed_screen(rows=650)
    for page in range(1, 4):
        t.press("*")
        t.wait_for(f"{min(page * 200, 500)} marked")
        t.press("G", "j")
        t.wait_for(f"{page * 200 + 1}-")
    t.wait_for("500 rows are marked, the most there may be: A acts on all that match")


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (250, 60)])
def test_all_that_match_are_redriven_as_a_job(fake, failed_screen, size):
    t = failed_screen(size=size, rows=60)
    t.press("/")
    t.type("channel:email\r")
    t.wait_for("1-48 of 48")
    fake.rows["61"] = row(61, dead_at=stamp(-1))     # dies when the list is on the screen
    t.press("A")
    t.wait_for("Redrive all that match", "48 rows: 12 email ambiguous, 12 email invalid_address", re.compile("oldest 3[01]m .*, newest 30m"),
               "! 12 mails may have gone out already", "1 died after", "not part of it", "Reason", "At most, a second",
               "Sent first, to see", "Stop when so many fail", "How many? Type it")
    t.press("enter")
    t.wait_for("It cannot be empty.")
    t.type("메일 서버 is back")
    t.press("tab")
    t.press("ctrl-u")
    t.type("5")
    t.press("enter")
    t.wait_for("Type the number")
    t.type("12")
    t.press("enter")
    t.wait_for("That is not the number.")
    t.press("ctrl-u")
    assert orders(fake) == []
    t.type("48")
    t.press("enter")
    t.wait_for("job 1 redrives 48 rows", "job 1: 0 of 48 sent", "5: jobs")
    order = orders(fake)
    assert len(order) == 1
    assert order[0].pop("seen_until") < stamp()
    assert order[0] == {"filter": "channel:email", "reason": "메일 서버 is back", "rate": 5, "canary": 1, "stop_on_failures": 5}
    t.press("5")
    t.wait_for("[5 Redrives]", "메일 서버")


def test_few_need_no_number(fake, failed_screen):
    t = failed_screen()
    t.press("A")
    t.wait_for("Redrive all that match", "12 rows")
    assert "How many" not in t.text()
    t.type("it is back")
    t.press("enter")
    t.wait_for("job 1 redrives 12 rows")
    assert orders(fake)[0]["filter"] == ""


def test_leaving_the_question_leaves_everything(fake, failed_screen):
    t = failed_screen()
    t.press("A")
    t.wait_for("Redrive all that match")
    t.type("ryA:")
    t.press("esc")
    t.wait_gone("Redrive all that match")
    assert orders(fake) == []
    t.press("A")
    t.wait_for("Redrive all that match")
    t.press("esc", "space", "r")
    t.wait_for("Redrive 1 row?")


def test_a_look_can_be_left_and_does_not_surprise(fake, failed_screen):
    t = failed_screen()
    fake.hang = True
    t.press("A")
    t.wait_for("looking what would be redriven", "Esc: leave it")
    t.press("r")
    t.wait_for("wait for them")
    t.press("esc", "esc")
    t.wait_gone("looking what")
    fake.hang = False
    t.press("R")
    t.wait_for("1-12 of 12")
    fake.hang = True
    t.press("A")
    t.wait_for("looking what")
    t.press("2")
    t.wait_for("[2 DLQ]")
    fake.hang = False
    t.wait_for("but you went on: ask again")
    assert orders(fake) == []


def test_a_group_is_redriven_from_the_groups(fake, failed_screen):
    t = failed_screen()
    t.press("v")
    t.wait_for("COUNT", "1-5 of 5")
    t.press("j", "A")
    t.wait_for("Redrive all that match", "3 rows: 3 email invalid_address")
    t.type("mended")
    t.press("enter")
    t.wait_for("job 1 redrives 3 rows")
    assert orders(fake)[0]["filter"].startswith("status:dead cause:")


def test_a_queue_is_redriven(fake, console):
    fake.rows["99"] = row(99, channel="coupon")
    t = console(size=(120, 40))
    t.press("2")
    t.wait_for("[email ~9]")
    t.press("A")
    t.wait_for("Redrive all that match", "9 rows")
    looked = [body for _path, body in posts(fake) if body.get("dry_run")]
    assert looked[0]["filter"] == "dlq:yes channel:email"


def test_rows_that_are_not_dead_are_not_redriven(fake, failed_screen):
    fake.rows["3"]["status"] = "cancelled"
    t = failed_screen()
    t.press("f", "f", "f", "f")
    t.wait_for("status: cancelled", "1-1 of 1")
    t.press("A")
    t.wait_for("Only dead rows can be redriven or cancelled, and these are cancelled")
    assert posts(fake) == []


def test_nothing_that_matches(fake, failed_screen):
    t = failed_screen()
    t.press("/")
    t.type("status:cancelled\r")
    t.wait_for("no rows")
    t.press("A")
    t.wait_for("No dead row matches")


def test_what_the_daemon_refuses_is_said(fake, failed_screen):
    t = failed_screen()
    t.press("A")
    t.wait_for("Redrive all that match")
    t.type("now")
    for one in fake.rows.values():
        one["status"] = "queued"
    t.press("enter")
    t.wait_for("!! ", "No job was started: no dead row matches")


def test_many_marked_rows_become_a_job(fake, failed_screen):
    t = failed_screen(rows=120)
    fake.rows["110"].update(status="cancelled", settled_by="jun")
    t.press("R")
    t.wait_for(re.compile(r"110 email +cancelled"))
    t.press("*")
    t.wait_for("120 marked")
    t.press("r")
    t.wait_for("Redrive the marked rows", "119 rows", "1 other marked row is left out", "23 mails may have gone out")
    t.press("tab", "tab", "tab", "tab")
    t.type("119")
    t.press("enter")
    t.wait_for("job 1 redrives 119 rows", "1 marked")
    assert len(orders(fake)[0]["ids"]) == 119 and "110" not in orders(fake)[0]["ids"] and "reason" not in orders(fake)[0]


def test_marked_rows_that_changed_meanwhile_are_told(fake, failed_screen):
    t = failed_screen(rows=30)
    t.press("*")
    t.wait_for("30 marked")
    fake.rows["7"]["status"] = "queued"
    t.press("r")
    t.wait_for("29 rows", "1 of the marked rows changed meanwhile")


def test_few_marked_rows_are_sent_one_by_one(fake, failed_screen):
    t = failed_screen()
    t.press("*", "r")
    t.wait_for("Redrive 12 rows?")
    t.press("y")
    t.wait_for("12 rows queued again")
    assert len(posts(fake)) == len({path for path, _body in posts(fake)}) == 12


def test_many_are_cancelled_by_their_number_and_a_reason(fake, failed_screen):
    t = failed_screen(rows=60)
    t.press("*", "c")
    t.wait_for("Cancel 60 rows", "How many? Type it", "Reason")
    t.type("60")
    t.press("enter")
    t.wait_for("It cannot be empty.")
    t.type("campaign is over")
    t.press("enter")
    t.wait_for("60 rows cancelled")
    assert len(posts(fake)) == 60 and {body["reason"] for _path, body in posts(fake)} == {"campaign is over"}


def test_sending_many_can_be_stopped(fake, failed_screen):
    t = failed_screen(rows=60)
    t.press("*", "c")
    t.wait_for("Cancel 60 rows")
    t.type("60")
    t.press("tab")
    t.type("oops")
    fake.delay_s = 0.2
    t.press("enter")
    t.wait_for(re.compile(r"sending: [1-9]\d* of 60 answered"), "X: stop after these")
    t.press("X")
    t.wait_for("rows not tried: you stopped it. Marks are kept.")
    done = len(posts(fake))
    assert done < 60
    fake.delay_s = 0
    t.press("R")
    t.wait_for(f"{60 - done} marked")


def test_progress_of_running_jobs_is_told_everywhere(fake, console):
    fake.jobs = {"7": job(7), "8": job(8, state="paused"), "6": job(6, waits="coupon breaker is open", sent=3)}
    t = console(size=(120, 40))
    t.wait_for("job 7: 150 of 300 sent, 120 delivered, 1 failed again, 29 on the way; 1 more", "5: jobs")
    fake.jobs["7"].update(sent=200)
    t.press("3")
    t.wait_for("job 7: 200 of 300 sent")
    for one in fake.jobs.values():
        one.update(state="done")
    t.wait_gone("5: jobs")


def test_read_only_offers_none_of_it(fake, failed_screen):
    t = failed_screen("-R", size=(200, 50))
    assert "A all" not in t.text() and "mark" not in t.row(49)
    for key in ("A", "V", "*"):
        t.press(key)
        t.wait_for("looks and does not act")
        t.press("esc")
        t.wait_gone("looks and does not act")
    assert posts(fake) == []


def test_what_was_said_and_done_can_be_read_again(fake, failed_screen):
    t = failed_screen(rows=60)
    t.press("M")
    t.wait_for("Nothing was said or done yet.")
    t.press("M")
    t.wait_gone("This session")
    t.press(*["space"] * 15)
    t.wait_for("15 marked")
    fake.race = lambda number, _act: number == "60" and fake.rows["60"].update(status="cancelled", settled_by="jun", version=9)
    t.press("r", "y")
    t.wait_for("settled by jun")
    t.wait_gone("sending:")
    t.press("esc", "esc", "1", "M")
    t.wait_for("This session", "email 60 not redriven: 60 is cancelled, settled by jun", "email 59: queued again",
               "14 rows queued again")
    t.press("r", "A")
    t.press("q")
    t.wait_for("[1 Overview]", "OUTBOX")
    assert len(posts(fake)) == 15


def test_a_long_log_scrolls(fake, failed_screen):
    t = failed_screen(size=(80, 24), rows=60)
    t.press("*", "c")
    t.wait_for("Cancel 60 rows")
    t.type("60")
    t.press("tab")
    t.type("over")
    t.press("enter")
    t.wait_for("60 rows cancelled")
    t.press("M")
    t.wait_for("60 rows cancelled", "lines above")
    t.press("g")
    t.wait_for("0 of", re.compile(r"(60|59|58|57): cancelled"))
    t.press("pgdn", "G")
    t.wait_for("60 rows cancelled")


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (250, 60)])
def test_all_that_match_are_cancelled_and_restored(fake, failed_screen, size):
    t = failed_screen(size=size, rows=60)
    t.press("/")
    t.type("channel:email\r")
    t.wait_for("1-48 of 48")
    fake.rows["61"] = row(61, dead_at=stamp(-1))     # dies when the list is on the screen
    t.press("C")
    t.wait_for("Cancel all that match", "48 rows: 12 email ambiguous", "1 died after", "They are given up, not deleted",
               "Reason", "How many? Type it")
    assert "At most, a second" not in t.text() and "may have gone out" not in t.text(), "nothing is sent"
    t.press("enter")
    t.wait_for("It cannot be empty.")
    t.type("캠페인 is over")
    t.press("enter")
    t.wait_for("Type the number")
    t.type("47")
    t.press("enter")
    t.wait_for("That is not the number.")
    t.press("ctrl-u")
    t.type("48")
    t.press("enter")
    t.wait_for("job 1 cancels 48 rows", "restores them")
    order = orders(fake)[0]
    assert order.pop("seen_until") < stamp() and order == {"act": "cancel", "filter": "channel:email", "reason": "캠페인 is over"}
    assert sum(r["status"] == "cancelled" for r in fake.rows.values()) == 48 and fake.rows["61"]["status"] == "dead"
    t.press("5")
    t.wait_for("[5 ", "cancel: ", "48 of 48 cancelled")
    t.press("u")
    t.wait_for("Restore what the job cancelled", "48 rows")
    t.press("tab")
    t.type("48")
    t.press("enter")
    t.wait_for("job 2 restores 48 rows")
    t.press("esc", "k")
    t.wait_for("what job 1 cancelled")
    assert orders(fake)[1] == {"act": "restore", "of_job": "1"}
    assert all(r["status"] == "dead" for r in fake.rows.values())
    t.press("u")
    t.wait_for("job 2 cancels nothing: there is nothing to restore")


def test_a_group_is_cancelled(fake, failed_screen):
    t = failed_screen()
    t.press("v")
    t.wait_for("COUNT")
    t.press("C")
    t.wait_for("Cancel all that match", "3 rows")
    t.press("esc")
    assert orders(fake) == []


def test_who_may_only_look_cancels_nothing(fake, failed_screen):
    t = failed_screen("-R")
    t.press("C")
    t.wait_for("read-only")
    assert posts(fake) == []
