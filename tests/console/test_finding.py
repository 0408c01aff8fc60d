"""Finding rows: the filter typed in place, what it says when it is wrong, sorts, groups and the way back, jumps."""

import re

import pytest
from fake_daemon import row
from terminal import FRAME_S


def lists(fake, path="/v1/failed"):
    """The queries of the lists that were asked for, newest last."""
    return [query for method, asked, query, _body in fake.requests if method == "GET" and asked == path]


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (250, 60)])
def test_a_filter_takes_effect_while_it_is_typed(fake, failed_screen, size):
    t = failed_screen(size=size)
    t.press("/")
    t.wait_for("Enter takes it", "status:", "class:")
    t.type("class:ambiguous")
    t.wait_for("1-2 of 2", re.compile(r"^> +10 ", re.M), "Enter takes it", "filter: class:ambiguous")
    t.type(" 없는")
    t.wait_for("Nothing matches. F clears the filter.", "no rows")
    t.press("esc")      # as it was before
    t.wait_for("1-12 of 12", "? help")
    assert "filter:" not in t.text()
    assert len(lists(fake)) < 12, "not every key is asked for"


def test_a_filter_that_was_taken_stays_and_is_edited_again(fake, failed_screen):
    t = failed_screen()
    t.press("/")
    t.type("class:ambiguous\r")
    t.wait_for("1-2 of 2", "? help", "filter: class:ambiguous")
    t.press("/")
    t.wait_for("/class:ambiguous")
    t.press("ctrl-u")
    t.type('event:"evt-000010"')
    t.press("enter")
    t.wait_for("1-1 of 1", re.compile(r"^> +10 ", re.M))
    t.press("/", "up", "up")
    t.wait_for("/class:ambiguous")
    t.press("down", "down")
    t.wait_for('/event:"evt-000010"')
    t.press("ctrl-u", "enter")
    t.wait_for("1-12 of 12")
    t.press("F")
    t.wait_for("status: any")
    assert all(set(query) <= {"filter", "limit", "status", "cursor", "sort"} for query in lists(fake))


def test_tab_completes_keys_and_words(failed_screen):
    t = failed_screen()
    t.press("/")
    t.wait_for("status:", "channel:")
    t.type("stat")
    t.press("tab")
    t.wait_for("/status:", "dead  queued  delivered  cancelled")
    t.type("dea")
    t.wait_for("where it stands, such as status:dead")
    t.press("tab")
    t.wait_for("/status:dead", "1-12 of 12")
    t.type(",")
    t.press("tab")
    t.wait_for("/status:dead,dead")
    t.press("tab")
    t.wait_for("/status:dead,queued")
    t.press("shift-tab")
    t.wait_for("/status:dead,dead")
    t.type(" -cl")
    t.press("tab")
    t.wait_for("-class:")
    t.type("ag")    # no class begins so
    t.press("tab", "backspace", "backspace")
    t.type("am")
    t.press("tab")
    t.wait_for("/status:dead,dead -class:ambiguous", "1-10 of 10")


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (250, 60)])
def test_what_is_wrong_stands_under_its_character(failed_screen, size):
    t = failed_screen(size=size)
    t.press("/")
    t.type("status:dead 김 stauts:dead")
    t.wait_for("^", 'no key "stauts"')
    lines = t.text().splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith(" /status"))
    cells = [t.screen.buffer[at + 1][x].data for x in range(size[0])]
    typed = [t.screen.buffer[at][x].data for x in range(size[0])]
    caret = cells.index("^")
    assert "".join(typed[caret:]).startswith("stauts:dead"), "wide characters before it are counted"
    assert "1-12 of 12" in t.text() or "no rows" in t.text(), "the rows stay while it is mended"
    for _ in range(len("stauts:dead") + 2):
        t.press("backspace")
    t.wait_gone("^")
    t.wait_for("1-12 of 12")


def test_a_wrong_filter_that_was_taken_says_so_in_the_list(failed_screen):
    t = failed_screen()
    t.press("/")
    t.type("status:deadd\r")
    t.wait_for("filter, character 8", "one of dead, queued")
    t.press("/")
    t.wait_for("^", "one of dead")


def test_typing_is_not_held_up_by_the_daemon(fake, failed_screen):
    t = failed_screen()
    fake.hang = True
    t.press("/")
    for text in ("c", "l", "a", "s", "s", ":", "t"):
        t.type(text)
    t.wait_for("/class:t", deadline_s=FRAME_S)
    t.press("esc")
    t.wait_gone("Enter takes it", deadline_s=FRAME_S)
    fake.hang = False
    t.wait_for("1-12 of 12")


def test_rows_of_the_filter_before_are_not_shown_as_its_own(fake, failed_screen):
    t = failed_screen()
    fake.hang = True
    t.press("/")
    t.type("class:ambiguous\r")
    t.wait_for("filter: class:ambiguous", "loading ...")
    t.press("space", "A")       # nothing is marked or redriven that was not found by it
    fake.hang = False
    t.wait_for("1-2 of 2")
    assert "marked" not in t.text() and not [r for r in fake.requests if r[0] == "POST"]


def test_status_goes_round(fake, failed_screen):
    fake.rows["3"]["status"] = "cancelled"
    t = failed_screen()
    t.press("f")
    t.wait_for("status: dead", "1-11 of 11")
    t.press("f", "f", "f")
    t.wait_for("status: cancelled", "1-1 of 1", re.compile(r"^> +3 ", re.M))
    t.press("F")
    t.wait_for("status: any", "1-12 of 12")


@pytest.mark.parametrize("environment, up, down", [({}, "▲", "▼"), ({"LC_ALL": "C", "LANG": "C"}, "^", "v")])
def test_sorting_by_a_menu(fake, failed_screen, environment, up, down):
    fake.rows["5"]["attempts"] = 9
    t = failed_screen(environment=environment)
    t.wait_for(f"{up}AGE")
    t.press("s")
    t.wait_for("Sort by", "Now: newest first", "> AGE", "TRIES")
    t.press("j", "j", "j", "j", "j", "enter")
    t.wait_for(f"{down}TRIES", "most attempts first", re.compile(r"^> +5 ", re.M))
    t.press("o")
    t.wait_for(f"{up}TRIES", "fewest attempts first")
    t.press("s")
    t.wait_for("Now: fewest attempts first")
    t.press("enter")    # the same one again turns it round
    t.wait_for("most attempts first")
    t.press("s", "k", "k", "k", "k", "k", "enter", "o")
    t.wait_for("oldest first", re.compile(r"^> +1 ", re.M))
    t.press("s", "esc")
    t.wait_gone("Sort by")
    assert "dead_at:asc" in [query.get("sort") for query in lists(fake)]


def test_a_sort_whose_column_is_not_shown_is_said(failed_screen):
    t = failed_screen(size=(80, 24))
    t.press("s", "k", "enter")
    t.wait_for("by user, a to z")


def test_from_groups_to_rows_and_back(fake, failed_screen):
    t = failed_screen()
    t.press("/")
    t.type("channel:email\r")
    t.wait_for("filter: channel:email")
    t.press("v")
    t.wait_for("COUNT", "invalid_address", "1-4 of 4")
    t.press("j", "j", "enter")
    t.wait_for("filter: channel:email status:dead cause:", re.compile(r"1-\d of \d$", re.M), "Esc: back")
    assert "COUNT" not in t.text()
    t.press("j", "esc")
    t.wait_for("COUNT", "1-4 of 4", "filter: channel:email ")
    chosen = [line for line in t.text().splitlines() if line.startswith(">")]
    assert chosen == [line for line in t.text().splitlines() if line.startswith((">", "   "))and "email" in line][2:3]
    t.press("enter")
    t.wait_for("cause:")
    t.press("backspace")
    t.wait_for("COUNT")
    t.press("esc", "v")
    t.wait_for("RECIPIENT", "1-9 of 9")


def test_an_estimate_is_marked(fake, failed_screen):
    fake.count_exactness = "approximate"
    t = failed_screen()
    t.press("v")
    t.wait_for(re.compile(r"~3 +email"))


def test_the_place_on_a_far_page_comes_back(fake, failed_screen):
    fake.rows = {str(n): row(n, user_id=f"u-{n // 10}***") for n in range(1, 451)}
    t = failed_screen(rows=450)
    t.press("G", "j")
    t.wait_for("201-400 of 450", re.compile(r"^> +250 ", re.M))
    t.press("j", "j", "w")
    t.wait_for("filter: member:248", "Esc: back", re.compile(r"^> +248 ", re.M))
    t.press("esc")
    t.wait_for("201-400 of 450", re.compile(r"^> +248 ", re.M))


def test_next_match_of_the_last_word(fake, failed_screen):
    for n in (9, 4):
        fake.rows[str(n)]["reason"] = "no mailbox for 홍길동 here"
    t = failed_screen()
    t.press("n")
    t.wait_for("There is no word to look for")
    t.press("esc", "/")
    t.type("홍길동\r")
    t.wait_for("no rows")
    t.press("F")
    t.wait_for("1-12 of 12")
    for key, at in (("n", 9), ("n", 4), ("n", 9), ("N", 4), ("N", 9)):
        t.press(key)
        t.wait_for(re.compile(rf"^> +{at} ", re.M))


def test_jumps_from_overview_to_queue_to_row_to_member(fake, failed_screen, console):
    fake.rows["4"]["user_id"] = fake.rows["7"]["user_id"] = "u-7***"
    fake.rows["7"]["event_id"] = "evt \"4\""
    fake.rows["4"]["event_id"] = "evt \"4\""
    t = console(size=(120, 40))
    t.wait_for("OUTBOX")
    t.press("j", "enter")
    t.wait_for("[2 DLQ]", "[coupon ~3]", "1-3 of 3")
    t.press("1", "k", "enter")
    t.wait_for("[email ~9]", "1-9 of 9")
    t.press("2", "l")
    t.wait_for("[coupon ~3]", re.compile(r"^> +12 ", re.M))
    t.press("j")
    t.wait_for(re.compile(r"^> +7 ", re.M))
    t.press("t")
    t.wait_for("[3 Failed]", "filter: id:7", "1-1 of 1")
    t.press("esc")
    t.wait_for("[2 DLQ]", re.compile(r"^> +7 ", re.M))
    t.press("w")
    t.wait_for("filter: member:7", "1-2 of 2", re.compile(r"^> +7 ", re.M))
    t.press("esc", "W")
    t.wait_for("[3 Failed]", "event:")
    assert lists(fake)[-1]["filter"] == 'event:"evt \\"4\\""'


def test_the_queue_is_filtered_and_sorted_too(fake, console):
    t = console(size=(120, 40))
    t.press("2")
    t.wait_for("[email ~9]", "1-9 of 9")
    t.press("/")
    t.type("class:ambiguous\r")
    t.wait_for("filter: class:ambiguous", "1-2 of 2")
    t.press("o")
    t.wait_for("oldest first", re.compile(r"^> +5 ", re.M))
    assert lists(fake, "/v1/dlq/email")[-1]["sort"] == "dead_at:asc"
    t.press("F")
    t.wait_for("1-9 of 9")


def test_a_long_search_is_followed_and_told(fake, failed_screen):
    t = failed_screen(rows=60)
    fake.gaps, fake.gap_rows, fake.delay_s = 4, 0, 0.4
    t.press("/")
    t.type("reason:such\r")
    t.wait_for("searching ... 2,000 rows looked at")
    t.wait_for("searching ... 6,000 rows looked at", "Searching ...")
    fake.delay_s = 0
    t.wait_for("1-60 of 60", "8,000 rows looked at")
    assert "searching" not in t.text()
    asked = len(lists(fake))
    fake.gaps, fake.delay_s = 1000, 0.2
    t.press("R")
    t.wait_for("searching")
    t.press("esc")
    t.wait_gone("searching")
    assert len(lists(fake)) > asked


def test_rows_that_a_search_has_found_are_there_at_once(fake, failed_screen):
    t = failed_screen(rows=60)
    fake.gaps, fake.gap_rows, fake.delay_s = 1, 3, 0.6
    t.press("/")
    t.type("reason:such\r")
    t.wait_for("searching", re.compile(r"^> +60 ", re.M), re.compile(r"^ +58 ", re.M))
    t.press("j")
    t.wait_for(re.compile(r"^> +59 ", re.M))
    t.wait_for("1-60 of 60", re.compile(r"^> +59 ", re.M), re.compile(r"^ +40 ", re.M))


@pytest.mark.shown    # what the operator types
def test_filters_in_korean_and_without_colour(fake, failed_screen):
    t = failed_screen(size=(80, 24), environment={"NO_COLOR": "1"})
    t.press("/")
    t.type("김민수 class:ambiguous")
    t.wait_for("/김민수 class:ambiguous")
    for _ in range(3):
        t.press("home")
    t.type("이")
    t.wait_for("/이김민수 class:ambiguous")
