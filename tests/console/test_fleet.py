"""Pausing and resuming channels by key and by verb, and what is shown of it and of the fleet."""

import re

import pytest
from fake_daemon import daemon, figure, stamp
from support.process import wait_until


def posts(fake):
    return [(path, body) for method, path, _query, body in fake.requests if method == "POST"]


def kim():
    return {"by": "kim", "reason": "메일 서버 점검", "at": stamp(302)}


# -- Seen --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("size", [(80, 24), (160, 40)])
def test_a_paused_channel_stands_out(fake, console, size):
    fake.paused["email"] = kim()
    t = console(size=size)
    t.wait_for(re.compile(r"!! +email: PAUSED by kim since \S+ \(5m 0?\ds\): \"메일 서버 점검\", 12"),
               re.compile(r"^ {3}PAUSED by kim since .*메일 서버 점검", re.M))
    assert t.attributes("PAUSED by kim").fg != t.attributes("coupon").fg
    fake.paused["email"] = None
    t.wait_gone("PAUSED")
    t.wait_for("breaker closed")


def test_a_forced_breaker_is_told(fake, console):
    fake.forced["coupon"] = {**kim(), "state": "closed"}
    t = console()
    t.wait_for(re.compile(r"! +coupon: breaker forced closed by kim since"), "breaker closed, forced closed by kim")


def test_the_fleet_in_one_line(fake, console):
    fake.status = {"fleet": [daemon("usher-1"), daemon("usher-2", leads=True), daemon("usher-3", silent_s=40, lost=True)]}
    t = console()
    t.wait_for(re.compile(r"^ FLEET +3 daemons, leader usher-2; usher-3 silent for 40s *$", re.M),
               re.compile(r"! +fleet: 3 daemons, leader usher-2; usher-3 silent for 40s"))
    fake.status = {"fleet": [daemon("usher-1", pid=7), daemon("usher-1", pid=8, leads=True)]}
    t.wait_for(re.compile(r"^ FLEET +2 daemons, leader usher-1 \(pid 8\) *$", re.M))
    t.wait_gone("! fleet:")
    fake.status = {"fleet": [daemon("usher-1")]}
    t.wait_for(re.compile(r"! +fleet: 1 daemon, none leads"))


def test_each_daemon_where_there_is_room(fake, console):
    fake.status = {"fleet": [daemon("usher-1"), daemon("usher-2", leads=True, version="0.2.0"),
                             daemon("usher-3", silent_s=40, lost=True)]}
    t = console(size=(160, 40))
    t.wait_for(re.compile(r"FLEET +3 daemons: usher-1 0\.1\.0 up 3h 0\dm, usher-2 0\.2\.0 up 3h 0\dm leads, usher-3 silent for 40s"))


def test_everything_in_trouble_fits_the_smallest_screen(fake, console):
    fake.paused = {"email": kim(), "coupon": kim()}
    fake.status = {"fleet": [daemon("usher-1"), daemon("usher-2", lost=True, silent_s=99)],
                   "database": {"up": False, "since": stamp(9), "error": "gone"},
                   "channel": {"email": {"dead": figure(3)}, "coupon": {"oldest_age_s": 9999}}}
    t = console()
    t.wait_for("database down since", "email: PAUSED", "coupon: PAUSED", "OUTBOX", "PEERS", "FLEET", "DAEMON", "p pause",
               "? help", "q quit")


# -- By key --------------------------------------------------------------------------------------------

def test_pause_asks_for_a_reason(fake, console):
    t = console()
    t.wait_for("OUTBOX", "p pause", re.compile(r"^>email", re.M))
    t.press("p")
    t.wait_for("Pause email", "nothing is lost", "Say why")
    t.press("enter")
    t.wait_for("It cannot be empty")
    assert posts(fake) == []
    t.type("메일 서버 점검")
    t.press("enter")
    t.wait_for("email: paused in all daemons", "PAUSED by mina")
    assert posts(fake) == [("/v1/channels/email/pause", {"reason": "메일 서버 점검"})]
    t.press("esc", "p")
    t.wait_for("Resume email?", "PAUSED by mina", "메일 서버 점검", "y yes   n no")
    t.press("n")
    t.wait_gone("Resume email?")
    t.press("p", "y")
    t.wait_for("email: resumed")
    t.wait_gone("PAUSED")
    assert posts(fake)[1:] == [("/v1/channels/email/resume", {})]


def test_the_other_channel_is_chosen_with_the_arrows(fake, console):
    t = console()
    t.wait_for(re.compile(r"^>email", re.M))
    t.press("down", "down")
    t.wait_for(re.compile(r"^>coupon", re.M), re.compile(r"^ email", re.M))
    t.press("p")
    t.wait_for("Pause coupon")
    t.type("x")
    t.press("enter")
    t.wait_for("coupon: paused")
    t.press("k")
    t.wait_for(re.compile(r"^>email", re.M))
    assert posts(fake) == [("/v1/channels/coupon/pause", {"reason": "x"})]


def test_somebody_else_was_faster(fake, console):
    def kim_was_faster(channel, _act):
        fake.race = None
        fake.paused[channel] = kim()

    t = console()
    t.wait_for("OUTBOX")
    t.press("p")
    t.wait_for("Pause email")
    fake.race = kim_was_faster
    t.type("me too")
    t.press("enter")
    t.wait_for("email not paused: email is already paused: by kim", "PAUSED by kim", "Esc: read")


def test_no_pause_in_a_read_only_console(fake, console):
    t = console("-R")
    t.wait_for("OUTBOX", "[READ-ONLY]")
    assert "p pause" not in t.text() and "Enter DLQ" in t.text()
    t.press("p")
    t.wait_for("looks and does not act")
    assert posts(fake) == []


def test_a_daemon_that_does_not_answer_a_pause(fake, console):
    t = console()
    t.wait_for("OUTBOX")
    t.press("p")
    t.type("slow")
    fake.hang = True
    t.press("enter")
    t.wait_for("sending: 0 of 1 answered")
    t.press("p")
    t.wait_for("wait for them")
    t.press("esc", "q")
    t.wait_for("1 act is not answered yet")
    fake.hang = False
    t.press("esc")
    t.wait_for("email: paused")


# -- By verb -------------------------------------------------------------------------------------------

def test_verbs(fake, usher):
    assert "paused in all daemons" in usher("pause", "email", "--reason", "점검").out
    assert posts(fake)[-1] == ("/v1/channels/email/pause", {"reason": "점검"})
    text = usher("status").out
    assert re.search(r'^!! +email: PAUSED by mina since .*"점검"', text, re.M) and re.search(r"^email +PAUSED", text, re.M)
    assert re.search(r"^fleet: 1 daemon: mail-1 0\.1\.0 up .* leads$", text, re.M)
    assert "already paused" in usher("pause", "email", "--reason", "x", check=4).err
    assert usher("resume", "email", "--json").json == {"name": "email", "paused": None, "forced": None}
    usher("resume", "email", check=4)
    usher("pause", "sms", "--reason", "x", check=3)
    usher("breaker", "coupon", "open", "--reason", "drill")
    assert posts(fake)[-1] == ("/v1/channels/coupon/breaker", {"state": "open", "reason": "drill"})
    assert "forced open by mina" in usher("status").out
    assert "left to itself" in usher("breaker", "coupon", "auto").out
    assert posts(fake)[-1] == ("/v1/channels/coupon/breaker", {"state": "auto"})


@pytest.mark.parametrize("words", [
    ("pause",), ("pause", "email"), ("pause", "email", "--reason", " "), ("pause", "email", "coupon", "--reason", "x"),
    ("resume",), ("breaker", "email"), ("breaker", "email", "half", "--reason", "x"), ("breaker", "email", "open"),
])
def test_usage(fake, usher, words):
    assert "Try: usher" in usher(*words, check=2).err
    assert posts(fake) == []


def test_acts_are_refused_to_who_looks_only(fake, usher):
    usher("pause", "email", "--reason", "x", "-R", check=5)
    usher("resume", "email", socket_path=fake.readonly_socket, check=5)


# -- On the real daemon ----------------------------------------------------------------------------------

def test_pause_and_resume_a_real_channel(two_daemons, console, smtp):
    first, second = two_daemons
    t = console(socket=first.socket)
    t.wait_for("OUTBOX", "p pause", "2 daemons, leader", deadline_s=20)
    t.press("p")
    t.wait_for("Pause email")
    t.type("메일 서버 점검")
    t.press("enter")
    t.wait_for("email: paused in all daemons", "PAUSED by")
    usher = second.usher
    wait_until(lambda: "email: PAUSED by" in usher("status").out, lambda: usher("status").out)
    first.api.signup("kim@example.com", "Kim", user_id="u-1")
    wait_until(lambda: first.api.channel("coupon")["totals"]["delivered"] + second.api.channel("coupon")["totals"]["delivered"],
               "the coupon is granted meanwhile")
    t.wait_for(re.compile(r"email +1 "))
    assert smtp.copies() == {}
    assert "already paused: by" in usher("pause", "email", "--reason", "x", check=4).err
    t.press("esc", "p", "y")
    t.wait_for("email: resumed")
    wait_until(lambda: smtp.copies() == {"kim@example.com": 1}, smtp.copies)
    acts = [(a["act"], a["outcome"]) for a in usher("audit", "--target", "channels/email", "--json").json["items"]]
    assert acts == [("resume", "done"), ("pause", "conflict"), ("pause", "done")]


@pytest.fixture
def two_daemons(request):
    make = request.getfixturevalue("daemon")
    return make(), make()
