"""The Redrives screen: how far jobs are, why they wait or stopped, and the keys that move them."""

import re

import pytest
from fake_daemon import job, stamp


def posts(fake):
    return [(path, body) for method, path, _query, body in fake.requests if method == "POST"]


@pytest.fixture
def jobs(fake):
    fake.jobs = {
        "7": job(7),
        "6": job(6, state="paused", moved_by="jun", why="lunch", sent=30, version=4),
        "5": job(5, kind="auto", created_by="usher", state="stopped", moved_by="usher", sent=1, delivered=0, on_the_way=0,
                 why="the canary failed again: HTTP 503", ended_at=stamp(60)),
        "4": job(4, waits="coupon breaker is open", sent=0, delivered=0, failed_again=0, on_the_way=0),
        "3": job(3, state="done", sent=300, delivered=300, failed_again=0, on_the_way=0, moved_by="usher"),
        "2": job(2, total=10000, total_capped=True, sent=52000, delivered=51990),
    }
    return fake.jobs


@pytest.fixture
def screen(console, jobs):
    def make(*options, size=(120, 40), **more):
        t = console(*options, size=size, **more)
        t.press("5")
        t.wait_for("[5 Redrives]", "1-6 of 6")
        return t
    return make


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (250, 60)])
def test_it_shows_how_far_each_job_is(screen, size):
    t = screen(size=size)
    text = t.wait_for("PROGRESS", "150 of 300 sent, 120 delivered, 1 failed again, 29 on the way")
    rows = {m[1]: m[0] for m in re.finditer(r"^[> ] +([2-7]) .*$", text, re.M)}
    assert sorted(rows) == list("234567")
    for number, words in {"7": ("running", "######......", "150"), "6": ("paused", "lunch"), "5": ("stopped", "the canary"),
                          "4": ("waiting", "............", "waits: cou"), "3": ("done", "############"),
                          "2": ("of 10,000+", "52,000")}.items():
        for word in words:
            assert word in rows[number], rows[number]
    for words in ("channel coupon, class service_down", "10/s, canary 1, stops when 5 failed again", "mina: 쿠폰 service"):
        assert words in text


def test_jobs_of_a_daemon_that_only_redrives_have_outcomes(jobs, screen):
    """It says no act of its jobs."""
    for one in jobs.values():
        del one["act"], one["of_job"]
    assert re.search(r"^[> ] +7 running .* 150 +120 +1 ", screen().text(), re.M)


def test_the_pane_follows_the_selection(screen):
    t = screen()
    t.press("j", "j")
    t.wait_for("stopped by usher: the canary failed again: HTTP 503")
    t.press("j")
    t.wait_for("running, waits: coupon breaker is open")


def test_pause_and_resume_ask_first(fake, screen):
    t = screen()
    t.press("p")
    t.wait_for("Pause job 7?", "150 of 300 sent")
    t.press("n")
    t.wait_gone("Pause job 7?")
    assert posts(fake) == []
    t.press("p", "y")
    t.wait_for("job 7: paused", re.compile(r"^> +7 paused", re.M))
    t.press("p")
    t.wait_for("Resume job 7?")
    t.press("y")
    t.wait_for("job 7: running")
    assert posts(fake) == [("/v1/redrives/7/pause", {"version": 1}), ("/v1/redrives/7/resume", {"version": 2})]


def test_a_stop_wants_a_reason(fake, screen):
    t = screen()
    t.press("s")
    t.wait_for("Stop job 7", "Say why")
    t.press("enter")
    t.wait_for("It cannot be empty")
    t.type("wrong service")
    t.press("enter")
    t.wait_for("job 7: stopped")
    assert posts(fake) == [("/v1/redrives/7/stop", {"version": 1, "reason": "wrong service"})]
    t.wait_for("7 stopped")
    t.press("s")
    t.wait_for("job 7 is stopped: it is over")


def test_somebody_else_was_first(fake, screen):
    t = screen()
    fake.race = lambda number, act: fake.jobs[number].update(state="stopped", moved_by="jun", version=2)
    t.press("p", "y")
    t.wait_for("job 7: not done: redrive job 7 is stopped by jun")


def test_read_only_offers_no_act(fake, screen):
    t = screen("-R")
    assert "pause" not in t.text().splitlines()[-1]
    t.press("p")
    t.wait_for("read-only")
    assert posts(fake) == []


def test_without_jobs(console, fake):
    t = console()
    t.press("5")
    t.wait_for("Nothing here.")


def test_running_jobs_are_looked_at_again(fake, screen):
    t = screen()
    t.wait_for("150 of 300")
    fake.jobs["7"].update(sent=299, delivered=298, on_the_way=0)
    t.wait_for("299 of 300 sent, 298 delivered")
