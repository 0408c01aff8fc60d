"""The console on the real daemon, its database and its outside services: what an operator does from a dead mail to its
redrive, and what is seen when the daemon falls."""

import os
import random
import re
import signal
import threading

import pytest
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
