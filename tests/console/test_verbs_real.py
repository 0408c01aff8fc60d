"""The command line on the real daemon: every act and list has a verb, and the daemon knows the words that usher gives."""

import csv
import io
import pathlib
import re
import subprocess

import pytest
from support.process import wait_until

ROUTES = pathlib.Path(__file__).resolve().parents[2] / "src" / "admin" / "route.c"
NAMED_OTHERWISE = {"deliveries": "retrying", "signups": "signup", "keys": "--keys", "groups": "--groups", "reveal": "--reveal"}


@pytest.fixture
def dead(daemon):
    """A daemon with three dead mails."""
    usherd = daemon()
    for n in range(3):
        usherd.api.signup(f"unknown.{n}@example.com", "김민수", user_id=f"u-{n}")
    wait_until(lambda: len(usherd.api.failed(status="dead")) == 3, lambda: usherd.log()[-2000:])
    return usherd


def test_every_route_has_a_verb(usher):
    """The last fixed word of each path stands in the help: a verb, a word of its usage, or an option."""
    helped = usher("--help").out
    words = set(re.findall(r"[a-z]+", " ".join(re.findall(r"^  ([a-z]+ ?\S* ?\S*)", helped, re.M))))
    words |= {option for verb in re.findall(r"^  ([a-z]+)\b", helped, re.M)
              for option in re.findall(r"--[a-z-]+", usher(verb, "--help").out)}
    patterns = re.findall(r'"(/v1/[^"]+)"', ROUTES.read_text(encoding="utf-8"))
    assert len(patterns) > 20
    for pattern in patterns:
        last = [part for part in pattern.split("/") if part and part[0] != "{"][-1]
        assert NAMED_OTHERWISE.get(last, last) in words, pattern


def test_the_daemon_takes_what_completion_offers(dead):
    def words(*typed):
        return [line.split("\t")[0] for line in dead.usher("completion", "words", "--", *typed).out.splitlines()]
    assert {"service_down", "invalid_address", "malformed"} <= set(words("failed", "--class", ""))
    assert words("pause", "") == ["email", "coupon"]
    assert set(words("failed", "--status", "")) >= {"dead", "cancelled", "any"}
    for option in ("--class", "--status", "--channel", "--sort"):
        for word in words("failed", option, ""):
            dead.usher("failed", option, word)
    for key in words("failed", ""):
        if key.endswith(":"):
            for term in words("failed", key):
                dead.usher("failed", term)
    ids = sorted(item["id"] for item in dead.api.failed(status="dead"))
    assert sorted(words("redrive", ids[0][:1])) == [i for i in ids if i.startswith(ids[0][0])]
    dead.usher("cancel", ids[0], "--reason", "left")
    assert words("restore", "") == [ids[0]] and ids[0] not in words("cancel", "")


def test_lists_as_csv(dead):
    for words in (["failed"], ["failed", "--groups"], ["dlq"], ["retrying"], ["outbox"], ["audit"], ["alarms"], ["redrives"]):
        rows = list(csv.reader(io.StringIO(dead.usher(*words, "--csv").out, newline="")))
        assert all(len(row) == len(rows[0]) for row in rows), words
    assert len(rows) == 0 and len(list(csv.reader(io.StringIO(dead.usher("failed", "--csv").out)))) == 4


def test_the_status_of_a_monitor(dead):
    wait_until(lambda: " email_dead=3 " in dead.usher("status", "--check", check=None).out, dead.story)
    ran = dead.usher("status", "--check", check=1)
    assert re.match(r"USHER WARNING - .*email: 3 dead|USHER WARNING - alarm dead", ran.out)
    assert re.search(r"\| email_visible=\d+ .* email_dead=3 .* alarms_raised=\d+\n$", ran.out)
    dead.stop()
    assert dead.usher("status", "--check", check=2).out.startswith("USHER CRITICAL - no daemon at ")


def test_a_watched_list_sees_what_an_operator_does(dead, build):
    first = dead.api.failed(status="dead")[0]["id"]
    process = subprocess.Popen([str(build / "usher"), "failed", "--watch=0.2", "--socket", dead.socket], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL)
    try:
        assert [process.stdout.readline().split()[0] for _ in range(4)][0] == b"ID"
        dead.usher("cancel", first, "--reason", "left")
        line = process.stdout.readline().decode().split()
        assert line[0] == first and "cancelled" in line
    finally:
        process.kill()
        process.communicate()
