"""The console on the real daemon, its database and its outside services: what an operator does from a dead mail to its
redrive, and what is seen when the daemon falls."""

import os
import random
import re
import signal
import threading

import pytest
from support import planted
from support.process import wait_until

SIZES = [(80, 24), (200, 50)]


@pytest.fixture
def dead(daemon):
    """dead("김민수", ...) -> a daemon with one dead mail a name (the address does not exist); coupons are granted."""
    def make(*names, changes=None):
        one = daemon(changes)
        for n, name in enumerate(names):
            one.api.signup(f"unknown.{n}@example.com", name, user_id=f"u-{n}")
        wait_until(lambda: len(one.api.failed(status="dead")) == len(names), lambda: one.log()[-2000:])
        return one
    return make


def failed_screen(console, daemon, *options, size=(80, 24), rows=1):
    t = console(*options, socket=daemon.socket, size=size)
    t.press("3")
    t.wait_for(f"1-{rows} of {rows}", "invalid_address")
    return t


@pytest.mark.parametrize("size", SIZES)
def test_from_a_dead_mail_to_its_redrive(dead, console, smtp, mariadb, size):
    usherd = dead("김민수")
    t = console(socket=usherd.socket, size=size)
    t.wait_for("email: 1 dead, to be redriven or cancelled", "database up", "OUTBOX", "(may act)")
    t.press("2")
    t.wait_for("[2 DLQ]", "invalid_address", "[email", deadline_s=20)
    t.press("3")
    text = t.wait_for("[3 Failed]", "status: any", "invalid_address", "1-1 of 1")
    assert ("김*수" in text) == (size[0] >= 120)
    t.press("enter")
    t.wait_for("> Detail", "김*수", "un***@example.com", "550", "ATTEMPTS", "waits for you")
    assert "unknown.0@" not in t.text() and "민수" not in t.text(), "personal data is masked"
    smtp.healed.add("unknown")
    t.press("r")
    t.wait_for("Redrive 1 row?")
    t.press("y")
    t.wait_for("queued again")
    t.press("g")
    t.wait_for(re.compile("Status +delivered"), "redriven 1 time", deadline_s=20)
    assert smtp.copies() == {"unknown.0@example.com": 1}
    assert mariadb.value("SELECT redrives FROM failed_notification") == 1
    t.press("esc", "q", "1")
    t.wait_for(re.compile("ok +nothing is wrong"), deadline_s=20)


def test_what_is_wrong_in_a_filter_is_marked_in_korean(dead, console):
    """By the place that the daemon's own words name, which are in Korean too."""
    usherd = dead("김민수")
    t = console(socket=usherd.socket, size=(120, 40), environment={"LC_ALL": "ko_KR.UTF-8"}, wait="[1 개요]")
    t.press("3")
    t.wait_for("1-1 / 1")
    t.press("/")
    t.type("status:dead stauts:dead")
    text = t.wait_for("13번째 문자")
    line = next(line for line in text.splitlines() if "stauts" in line and "번째" not in line)
    below = text.splitlines()[text.splitlines().index(line) + 1]
    assert below.find("^") == line.index("stauts"), text


def test_cancel_and_restore_are_audited_with_the_operator(dead, console, mariadb):
    usherd = dead("김민수", "이영희")
    t = failed_screen(console, usherd, rows=2)
    t.press("space", "space", "c")
    t.wait_for("Cancel 2 rows")
    t.type("탈퇴한 회원")
    t.press("enter")
    t.wait_for("2 rows cancelled", re.compile(r"(cancelled.*\n[^c]*){2}"))
    assert mariadb.value("SELECT COUNT(*) FROM failed_notification WHERE status = 'cancelled' "
                         "AND settled_reason = '탈퇴한 회원'") == 2
    t.press("enter")
    t.wait_for("> Detail", "탈퇴한 회원")
    t.press("u")
    t.wait_for("Restore 1 row?")
    t.press("y")
    t.wait_for("dead again", re.compile("Status +dead"))
    t.press("esc", "G")
    operator = usherd.api.status()["operator"]
    t.wait_for(f"{operator}  cancel", f"{operator}  restore", '"탈퇴한 회원"')
    assert sorted(a["act"] for a in usherd.api.get("/v1/audit").json["items"]
                  if a["target"].startswith("failed/")) == ["cancel", "cancel", "restore"]


def test_two_consoles_on_one_row(dead, console, smtp):
    """The second sees that the first was faster, and by whom; the member gets one mail."""
    usherd = dead("김민수")
    first, second = (failed_screen(console, usherd) for _ in range(2))
    smtp.healed.add("unknown")
    first.press("r")
    second.press("r")
    first.wait_for("Redrive 1 row?")
    second.wait_for("Redrive 1 row?")
    first.press("y")
    first.wait_for("queued again")
    wait_until(lambda: smtp.copies(), "the mail")
    second.press("y")
    second.wait_for("not redriven", usherd.api.status()["operator"], "Esc: read")
    wait_until(lambda: usherd.api.failed()[0]["status"] == "delivered", "delivered")
    assert smtp.copies() == {"unknown.0@example.com": 1}


def test_twenty_operators_on_the_same_rows(dead, console, smtp, mariadb):
    """Ten look and ten act, through API and command line. Each row is redriven once, each of the slower nine is told who was
    quicker, and all ten consoles come to show what became of it."""
    count, actors = 12, 10
    usherd = dead(*[f"회원{n}" for n in range(count)])
    consoles = [failed_screen(console, usherd, *options, size=(100, 30), rows=count) for options in [()] * 5 + [("-R",)] * 5]
    rows, login = usherd.api.failed(), usherd.api.status()["operator"]
    smtp.healed.add("unknown")
    outcomes, gate = [], threading.Barrier(actors)

    def redrive_all(number):
        order = random.Random(number).sample(rows, count)
        gate.wait()
        for row in order:
            if number % 3 == 0:
                ran = usherd.usher("redrive", row["id"], check=None)
                outcomes.append((row["id"], ran.code == 0, ran.code in (0, 4), ran.err))
            else:
                answer = usherd.api.post(f"/v1/failed/{row['id']}/redrive", version=row["version"])
                outcomes.append((row["id"], answer.status == 200, answer.status in (200, 409), answer.text))
    threads = [threading.Thread(target=redrive_all, args=(n,)) for n in range(actors)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == count * actors
    assert all(fitting for _row, _done, fitting, _words in outcomes), outcomes
    assert sorted(row for row, done, *_ in outcomes if done) == sorted(row["id"] for row in rows), "each row once"
    untold = [words for _row, done, _fitting, words in outcomes if not done and login not in words]
    assert not untold, "the others are told by whom"
    wait_until(lambda: len(usherd.api.failed(status="delivered")) == count, lambda: usherd.log()[-2000:])
    assert smtp.copies() == {f"unknown.{n}@example.com": 1 for n in range(count)}
    acts = mariadb.query("SELECT outcome, COUNT(*) n FROM audit WHERE act = 'redrive' GROUP BY outcome")
    assert sum(a["n"] for a in acts) == count * actors and next(a["n"] for a in acts if a["outcome"] == "done") == count
    for t in consoles:
        t.wait(lambda t=t: t.text().count("delivered") == count, "every row delivered")


def test_read_only(dead, console):
    usherd = dead("김민수")
    t = failed_screen(console, usherd, "-R")
    t.wait_for("[READ-ONLY]")
    t.press("r")
    t.wait_for("looks and does not act")
    t.press("esc", "enter")
    t.wait_for("ATTEMPTS", "김*수")
    t.press("c")
    t.wait_for("looks and does not act")
    usherd.usher("redrive", usherd.api.failed()[0]["id"], socket_path=usherd.readonly_socket, check=5)
    assert usherd.api.failed()[0]["status"] == "dead"


def test_the_daemon_is_killed_and_comes_back(dead, console):
    usherd = dead("김민수", "이영희", "Park")
    t = failed_screen(console, usherd, rows=3)
    t.press("j", "space")
    t.wait_for("1 marked", re.compile(r"^> +1 ", re.M))
    usherd.kill()
    t.wait_for(re.compile(r"daemon unreachable since .* - retrying"), "invalid_address")
    t.press("k", "j")
    t.wait_for(re.compile(r"^> +1 ", re.M))
    usherd.start()
    t.wait_gone("daemon unreachable", deadline_s=30)
    t.wait_for("1 marked", re.compile(r"^> +1 ", re.M), re.compile(r"^ \* +2 ", re.M))
    t.press("r")
    t.wait_for("Redrive 1 row?")
    t.press("y")
    t.wait_for("queued again")


def test_the_daemon_stands_still(dead, console):
    """SIGSTOP: connections are taken and nothing comes back."""
    usherd = dead("김민수")
    t = failed_screen(console, usherd)
    os.kill(usherd.pid, signal.SIGSTOP)
    try:
        for key, wanted in (("1", "[1 Overview]"), ("2", "[2 DLQ]"), ("3", "[3 Failed]"), ("?", "q: back"), ("q", "? help")):
            t.press(key)
            t.wait_for(wanted, deadline_s=0.5)
        t.wait_for("daemon unreachable since")
    finally:
        os.kill(usherd.pid, signal.SIGCONT)
    t.wait_gone("daemon unreachable")


def test_the_database_goes_away(dead, console, mariadb):
    usherd = dead("김민수")
    t = failed_screen(console, usherd)
    mariadb.kill()
    t.press("1")
    t.wait_for("database down since", "nothing is lost", "database DOWN", deadline_s=30)
    t.press("3")
    t.wait_for("invalid_address")       # what was known stays
    mariadb.start()
    t.press("1")
    t.wait_for("database up", deadline_s=30)


def test_the_command_line(dead, smtp):
    usherd = dead("김민수")
    usher = usherd.usher
    row = usher("failed", "--json").json["items"][0]
    assert usher("failed", row["id"]).out.count("550") >= 2
    wait_until(lambda: "email: 1 dead" in usher("status").out, lambda: usher("status").out)
    assert re.search(r"^ *1 +email +dead +invalid_address", usher("failed", "--groups").out, re.M)
    usher("redrive", "999999", check=3)
    usher("restore", row["id"], check=4)
    usher("failed", "--status", "nonsense", check=2)
    assert "cancelled" in usher("cancel", row["id"], "--reason", "no such person").out
    usher("restore", row["id"])
    smtp.healed.add("unknown")
    usher("redrive", row["id"])
    wait_until(lambda: usher("failed", row["id"], "--json").json["status"] == "delivered", "delivered")
    acts = [a["act"] for a in usher("audit", "--target", f"failed/{row['id']}", "--json").json["items"] if a["outcome"] == "done"]
    assert sorted(acts) == ["cancel", "redrive", "restore"]
    assert usher("outbox", "--waiting").out.count("\n") == 1
    assert "no deliveries" in usher("retrying").err
    usher("dlq")
    usherd.stop()
    assert "no daemon at" in usher("status", check=6).err


LONG = {"retry": {"max_attempts": "3", "base": "10m", "factor": "2", "max_delay": "1h"}, "channel.coupon": {"enabled": "no"}}


def test_a_retry_that_is_not_waited_for(daemon, console, smtp):
    usherd = daemon(LONG)
    usherd.api.signup("down1.kim@example.com", "김민수", user_id="u-1")
    wait_until(lambda: usherd.api.get("/v1/retrying").json["items"], "it does not wait")
    t = console(socket=usherd.socket, size=(120, 40))
    t.press("4")
    t.wait_for("[4 Retrying]", re.compile(r"^> +1 email +2 of 3 +(9|10)m service_down", re.M))
    t.press("enter")
    t.wait_for("attempt 2 of 3 in", "421 4.3.2", "SIDE EFFECT", "김*수", '"eventId"')
    t.press("r", "y")
    t.wait_for("sent as soon as its channel may")
    t.wait_for(re.compile("State +delivered"), "the mail is out since", "now: done", deadline_s=20)
    assert smtp.copies() == {"down1.kim@example.com": 1}


def test_cancelled_while_it_waits_and_taken_back(daemon, console, smtp):
    usherd = daemon(LONG)
    usherd.api.signup("down1.kim@example.com", "김민수", user_id="u-1")
    wait_until(lambda: usherd.api.get("/v1/retrying").json["items"], "it does not wait")
    t = console(socket=usherd.socket)
    t.press("4")
    t.wait_for("1-1 of 1")
    t.press("c")
    t.wait_for("Cancel 1 delivery")
    t.type("wrong one")
    t.press("enter")
    t.wait_for("email 1: cancelled   u: undo", "Nothing here.")
    t.press("u")
    t.wait_for("Restore 1 row?")
    t.press("y")
    t.wait_for("dead again, can be redriven")
    t.press("3")
    t.wait_for(re.compile(r"^> +1 email +dead +service_down", re.M))
    t.press("r", "y")
    wait_until(lambda: smtp.copies(), "the mail")
    assert smtp.copies() == {"down1.kim@example.com": 1}


@pytest.mark.shown
def test_a_mistyped_address(dead, console, smtp, mariadb):
    usherd = dead("김민수")
    t = failed_screen(console, usherd)
    t.press("E")
    t.wait_for("Correct the address of email 1")
    t.type("un***@example.com")     # as it is shown
    t.press("enter")
    t.wait_for("masked value", "un***@example.com")
    t.press("ctrl-u")
    t.type("minsu@example.com")
    t.press("enter")
    t.wait_for("edited and queued again, to mi***@example.com")
    t.wait_for(re.compile(r"^> +1 email +delivered", re.M), deadline_s=20)
    assert smtp.copies() == {"minsu@example.com": 1}
    t.press("enter")
    t.wait_for("> Detail", "mi***@example.com")
    t.press("/")
    t.wait_for("Words in what is shown")
    t.type("EDITS")
    t.press("enter")
    t.wait_for("email: un***@example.com -> mi***@example.com")
    t.press("V")
    t.wait_for("Show this row unmasked")
    t.type("to be sure")
    t.press("enter")
    t.wait_for("[UNMASKED]")
    t.press("g")
    t.wait_for("[UNMASKED]", "minsu@example.com  김민수")
    assert mariadb.value("SELECT COUNT(*) FROM audit WHERE act = 'reveal' AND reason = 'to be sure'") == 1


@pytest.mark.parametrize("size", SIZES)
def test_all_that_match_are_redriven(dead, console, smtp, mariadb, size):
    """Found by a filter, looked at, agreed to; the rest stays as it is, and the job is seen to its end."""
    names = [f"김민수{n}" for n in range(24)]
    usherd = dead(*names)
    mariadb.execute("UPDATE failed_notification SET reason = 'elsewhere' WHERE id = (SELECT MAX(id) FROM failed_notification)")
    t = failed_screen(console, usherd, size=size, rows=24)
    t.press("/")
    t.wait_for("status:", "reason:")
    t.type("status:dead class:invalid_add")
    t.press("tab")
    t.wait_for("class:invalid_address", "1-24 of 24")
    t.type(' -reason:elsewhere')
    t.wait_for("1-23 of 23")
    t.type(" colour:red")
    t.wait_for("^", 'no key "colour"')
    for _ in " colour:red":
        t.press("backspace")
    t.wait_gone("^")
    t.press("enter")
    t.wait_for("1-23 of 23", "? help")
    smtp.healed.add("unknown")
    t.press("A")
    t.wait_for("Redrive all that match", "23 rows: 23 email invalid_address", "How many? Type it")
    t.type("the address book is mended")
    t.press("tab", "ctrl-u")
    t.type("1000")
    t.press("tab", "tab", "tab")
    t.type("23")
    t.press("enter")
    t.wait_for("job 1 redrives 23 rows")
    t.press("5")
    t.wait_for("23 of 23 sent, 23 delivered", "the address book is mended", deadline_s=30)
    assert sum(smtp.copies().values()) == 23
    assert mariadb.value("SELECT COUNT(*) FROM failed_notification WHERE status = 'dead'") == 1


def test_from_a_row_to_the_member_and_through_groups(dead, console, mariadb):
    usherd = dead("김민수", "이영희", "Park")
    first, second, _third = [int(r["id"]) for r in sorted(usherd.api.failed(), key=lambda r: int(r["id"]))]
    mariadb.execute(f"UPDATE failed_notification SET user_id = 'u-same' WHERE id IN ({first}, {second})")
    t = failed_screen(console, usherd, size=(120, 40), rows=3)
    t.press("G", "w")
    t.wait_for(f"filter: member:{first}", "1-2 of 2", re.compile(rf"^> +{first} ", re.M))
    t.press("esc")
    t.wait_for("1-3 of 3", re.compile(rf"^> +{first} ", re.M))
    t.press("v")
    t.wait_for("COUNT", re.compile(r"^> +3 +email", re.M))
    t.press("enter")
    t.wait_for("status:dead cause:", "1-3 of 3")
    t.press("esc")
    t.wait_for("COUNT")
    t.press("v", "s", "j", "enter", "o")
    t.wait_for("oldest row first", re.compile(rf"^> +{first} ", re.M))


def test_the_queue_is_filtered(dead, console):
    usherd = dead("김민수", "이영희")
    t = console(socket=usherd.socket, size=(120, 40))
    t.press("2")
    t.wait_for("1-2 of 2", deadline_s=20)
    t.press("/")
    t.type("class:timeout\r")
    t.wait_for("no rows", "filter: class:timeout")
    t.press("F")
    t.wait_for("1-2 of 2")


def test_the_net_looks_at_screens(dead, console):
    """What planted.py looks for is found on a screen too, while masking is off on purpose."""
    usherd = dead("김민수", changes={"mask": {"name": "no", "email": "no"}})
    planted.take()
    t = console(socket=usherd.socket, size=(200, 50))
    t.press("3")
    t.wait_for("김민수", "unknown.0@")
    found = " ".join(planted.take())
    assert "the screen: personal data" in found and "김민수" in found and "unknown.0@example.com" in found
    t.close()
    assert "what the console wrote: personal data" in " ".join(planted.take())
