"""What usher says of itself: help, the manual, wrong words, and what is said when the daemon is not there."""

import os
import pathlib
import re
import signal
import socket
import subprocess

import pytest
from fake_daemon import job, row

MANUAL = pathlib.Path(__file__).resolve().parents[2] / "man" / "usher.1"
COMMON = {"--json", "--quiet", "--socket", "--read-only", "--help"}


@pytest.fixture
def verbs(usher):
    """verb -> its options, as its own help has them."""
    names = re.findall(r"^  ([a-z]+)\b", usher("--help").out.split("\nOptions")[0], re.M)
    assert len(names) >= 17
    return {name: set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", usher(name, "--help").out, re.M)) for name in names}


def test_help_fits_a_terminal_and_has_examples(usher, verbs):
    whole = usher("--help").out
    assert [line for line in whole.splitlines() if line.endswith(":") and not line.startswith(" ")][:3] == [
        "See what is going on:", "Find what failed:", "Settle it:"]
    assert usher("help").out == whole and usher("help", "redrive").out == usher("redrive", "--help").out
    for text in (whole, *(usher(verb, "--help").out for verb in verbs)):
        assert all(len(line) <= 80 for line in text.split("\nExample")[0].splitlines()), text
    for verb in verbs:
        examples = usher(verb, "--help").out.split("\nExample:\n")[1].splitlines()
        assert examples and all(line.startswith(f"  usher {verb}") for line in examples)


def test_examples_are_taken(fake, usher, verbs):
    """Every example, through a shell, is a command that the program takes."""
    fake.jobs = {"7": job(7)}
    for verb in verbs:
        for line in usher(verb, "--help").out.split("\nExample:\n")[1].splitlines():
            words = ["timeout", "5", usher.program] if "--watch" in line else [usher.program]
            line = re.sub(r" (--watch\S*|> .*)", "", line.strip().removeprefix("usher "))
            done = subprocess.run(f"{' '.join(words)} {line}", shell=True, capture_output=True, check=False,
                                  env={**os.environ, "USHER_SOCKET": fake.socket, "LC_ALL": "C.UTF-8"})
            assert done.returncode != 2 or "--check" in line, (line, done.stderr)


def test_the_manual_has_every_verb_and_option(usher, verbs):
    """The synopsis is generated from the tables; each verb and each option is explained, and no other."""
    text = MANUAL.read_text(encoding="utf-8")
    made = re.search(r'\.\\" Made by: usher help --manual\n(.*?)\.\\" Until here\n', text, re.S)[1]
    assert made == usher("help", "--manual").out, "put what usher help --manual prints into man/usher.1"
    section = dict(re.findall(r"^\.Sh ([A-Z ]+)\n(.*?)(?=^\.Sh |\Z)", text, re.M | re.S))
    explained = {word for line in re.findall(r"^\.It Cm (.*)", section["VERBS"], re.M) for word in re.findall(r"(?:^|Cm )(\w+)", line)}
    assert set(verbs) <= explained, set(verbs) - explained
    options = {"--" + name for line in re.findall(r"^\.It Fl (.*)", section["OPTIONS"], re.M)
               for name in re.findall(r"(?:^|[ ,])-([a-z][a-z-]+)", line)}
    known = set.union(*verbs.values()) | {"--version", "--theme", "--mouse"}    # these before a verb only
    assert options == known, options ^ known


@pytest.mark.parametrize("words, said", [
    (["stauts"], "did you mean status?"),
    (["redirve", "1"], "did you mean redrive?"),
    (["xyzzy"], "these are: status, failed"),
    (["failed", "--lmit", "3"], "did you mean --limit? Allowed: --status"),
    (["failed", "--s", "dead"], "--s may be --status, --search, --since, --sort, --socket"),
    (["status", "--groups"], "--groups is no option of usher status; allowed: --watch"),
    (["status", "--json=yes"], "--json takes no value"),
    (["failed", "--limit"], "--limit needs N: how many rows at most"),
    (["status", "-x"], "-x is no option of usher status; allowed: --watch"),
    (["breaker", "email", "opne"], '"opne" is none of open, closed, auto'),
    (["redrives", "halt", "7"], '"halt" is none of show, pause, resume, stop'),
    (["redrives", "pause"], "say which job: usher redrives pause ID"),
    (["redrive", "--class", "timeout", "--rate", "fast", "--reason", "x"], '--rate takes a number, not "fast"'),
    (["failed", "12", "--csv"], "--csv is for lists"),
    (["alarms", "ack", "1", "--watch"], "go with the list, not with ack"),
    (["completion", "tcsh"], '"tcsh" is none of bash, zsh, fish'),
    (["help", "faild"], "did you mean failed?"),
    (["pause"], "pause needs CHANNEL"),
])
def test_wrong_words_are_told_with_what_is_allowed(fake, usher, words, said):
    before = len(fake.requests)
    ran = usher(*words, check=2)
    assert said in ran.err and ran.err.startswith("usher: ") and ran.out == ""
    assert len(fake.requests) == before


def test_a_verb_can_be_abbreviated_by_nobody(usher):
    """A script must not change its meaning when a verb is added."""
    assert "did you mean" in usher("stat", check=2).err
    assert usher("failed", "--lim", "3").code == 0, "an option may, as everywhere"


def test_quiet_says_what_was_asked_for_and_errors(fake, usher):
    fake.jobs = {"3": job(3)}
    for words in (["redrive", "1", "2"], ["cancel", "3", "--reason", "x"], ["restore", "3"], ["pause", "email", "--reason", "x"],
                  ["resume", "email"], ["breaker", "email", "auto"], ["redrives", "pause", "3"],
                  ["signup", "--email", "a@b.c", "--name", "A"]):
        ran = usher(*words, "--quiet")
        assert ran.out == ran.err == "", words
    assert "no failed notification 999" in usher("redrive", "999", "-q", check=3).err
    ran = usher("failed", "--limit", "2", "-q")
    assert len(ran.out.splitlines()) == 3 and ran.err == ""
    assert usher("dlq", "-q").err == ""


def test_csv_of_what_differs_and_of_formulas(fake, usher):
    import csv
    import io
    fake.rows = {"1": row(1, dlq=None, reason="=HYPERLINK(\"http://x\")"), "2": row(2, reason="+1"), "3": row(3, reason="fine")}
    rows = list(csv.DictReader(io.StringIO(usher("failed", "--csv", "--sort", "oldest").out, newline="")))
    assert [r["reason"] for r in rows] == ["'=HYPERLINK(\"http://x\")", "'+1", "fine"]
    assert rows[0]["dlq.message_id"] == "" and rows[1]["dlq.message_id"] == "dm-2" and "dlq" not in rows[0]
    assert all(None not in r and None not in r.values() for r in rows)
    fake.jobs = {"3": job(3, reason="@SUM(A1)")}
    assert list(csv.DictReader(io.StringIO(usher("redrives", "--csv").out, newline="")))[0]["reason"] == "'@SUM(A1)"
    queues = usher("dlq", "--csv").out
    assert queues.count("message_id") == queues.splitlines()[0].count("message_id"), "one header for all queues"


def test_all_queues_are_one_answer(usher):
    answer = usher("dlq", "--json").json
    assert len(answer["items"]) == 12
    assert [(q["channel"], q["depth"]["value"]) for q in answer["queues"]] == [("email", 9), ("coupon", 3)]


def test_a_daemon_that_is_not_there(usher, tmp_path):
    ran = usher("status", socket_path=str(tmp_path / "none.sock"), check=6)
    assert all(part in ran.err for part in (str(tmp_path / "none.sock"), "is usherd running?", "systemctl status usherd", "USHER_SOCKET"))
    left = tmp_path / "left.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(left))
    ran = usher("status", socket_path=str(left), check=6)
    assert f"no daemon listens at {left} any more" in ran.err and "systemctl" in ran.err


def test_a_reader_that_has_gone_ends_it_as_other_tools(fake, usher):
    fake.rows = {str(n): row(n) for n in range(1, 1001)}
    process = subprocess.Popen([usher.program, "failed", "--limit", "1000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env={**os.environ, "USHER_SOCKET": fake.socket, "LC_ALL": "C.UTF-8"})
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait(20) == -signal.SIGPIPE


def test_acts_are_not_cut_in_two_by_a_reader_that_has_gone(fake, usher):
    process = subprocess.Popen([usher.program, "redrive", "1", "2", "3"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env={**os.environ, "USHER_SOCKET": fake.socket, "LC_ALL": "C.UTF-8"})
    process.stdout.close()
    process.wait(20)
    process.stderr.close()
    assert [fake.rows[n]["status"] for n in "123"] == ["queued"] * 3


def test_a_filter_in_words_for_jobs_and_queues(fake, usher):
    usher("redrive", "class:timeout", "age>1h", "--dry-run", check=None)
    assert fake.requests[-1][1:] == ("/v1/redrives", {}, {"filter": "class:timeout age>1h", "dry_run": True})
    assert "needs --reason" in usher("redrive", "class:timeout", check=2).err
    assert "one of them says which rows" in usher("redrive", "class:timeout", "--channel", "email", check=2).err
    usher("dlq", "email", "class:timeout", "age>1d", "--sort", "class")
    assert fake.requests[-1][1:3] == ("/v1/dlq/email", {"filter": "class:timeout age>1d", "sort": "class", "limit": "50"})
