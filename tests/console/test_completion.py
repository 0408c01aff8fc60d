"""Completion: the words that usher gives, and bash, zsh and fish with their own line editors on a terminal."""

import os
import pathlib
import shutil
import subprocess
import time

import pytest
from fake_daemon import alarm, job
from terminal import Terminal

SHELLS = ["bash", "zsh", "fish"]


@pytest.fixture
def words(usher):
    def ask(*typed, **options):
        out = usher("completion", "words", "--", *typed, **options).out
        return [line.split("\t")[0] for line in out.splitlines()]
    return ask


def test_verbs_and_options(usher, words):
    assert {"status", "failed", "completion", "help"} <= set(words(""))
    assert words("red") == ["redrive", "redrives"]
    assert words("status", "--") == ["--watch", "--check", "--json", "--quiet", "--socket", "--read-only", "--help"]
    assert words("failed", "--gr") == ["--groups"] and words("--ver") == ["--version"]
    assert words("nonsense", "") == [] and words("--json", "out") == ["outbox"]
    assert usher("completion", "words", "--", "redrives").out == "redrives\tjobs over many rows; show or move one, or restore what it cancelled\n"


def test_words_of_the_usage(words):
    assert words("breaker", "email", "") == ["open", "closed", "auto"] and words("breaker", "email", "open", "") == []
    assert words("redrives", "") == ["show", "pause", "resume", "stop", "restore"]
    assert words("completion", "") == ["bash", "zsh", "fish"] and words("help", "ou") == ["outbox"]
    assert words("status", "") == [] and words("failed", "--socket", "/t") == ["@files"]
    assert words("failed", "--sort", "att") == ["attempts"]
    assert words("failed", "--sort=attempts:") == ["--sort=attempts:asc", "--sort=attempts:desc"]


def test_ids_are_those_that_the_verb_takes(fake, usher, words):
    fake.rows["3"].update(status="cancelled")
    assert "3" not in words("redrive", "") and "12" in words("redrive", "") and "12" in words("redrive", "11", "1")
    assert words("restore", "") == ["3"] and "3" in words("failed", "")
    assert usher("completion", "words", "--", "cancel", "12").out == "12\tcoupon dead out_of_stock mi***@example.com\n"
    fake.jobs, fake.alarms = {"7": job(7)}, [alarm(5)]
    assert usher("completion", "words", "--", "redrives", "stop", "").out == "7\trunning coupon service_down\n"
    assert words("alarms", "ack", "") == ["5"]


def test_filters(words):
    assert words("failed", "st") == ["status:"] and words("failed", "a") == ["age>", "attempts:"]
    assert words("failed", "status:") == [f"status:{word}" for word in ("dead", "queued", "delivered", "cancelled")]
    assert words("failed", "status:dead,q") == ["status:dead,queued"]
    assert words("failed", "status:dead a") == ["status:dead age>", "status:dead attempts:"], "in quotes it is one word"
    assert words("failed", "status:dead", "status:de") == ["status:dead", "status:delivered"]
    assert words("dlq", "email", "st") == ["status:"] and words("redrive", "age") == ["age>"]
    assert words("failed", "--status", "d") == ["dead", "delivered"] and words("failed", "--status=a") == ["--status=any"]


def test_without_a_daemon_it_is_quiet_and_quick(fake, usher, words, tmp_path):
    assert words("redrive", "", socket_path=str(tmp_path / "none")) == []
    assert words("failed", "--l", socket_path=str(tmp_path / "none")) == ["--limit"]
    fake.hang = True
    started = time.monotonic()
    ran = usher("completion", "words", "--", "redrive", "")
    assert ran.out == ran.err == "" and time.monotonic() - started < 2, "300 ms and what a busy machine takes"


def test_the_socket_that_is_typed_is_asked(fake, words, tmp_path):
    assert "12" in words("redrive", "--socket", fake.socket, "", socket_path=str(tmp_path / "none"))
    assert "12" in words(f"--socket={fake.socket}", "redrive", "", socket_path=str(tmp_path / "none"))


def test_hostile_names_of_rows_do_not_act(fake, usher):
    fake.rows["12"].update({"class": "a\tb\n\x1b[31mX"})
    out = usher("completion", "words", "--", "redrive", "12").out
    assert "\x1b" not in out and out.count("\n") == 1 and out.count("\t") == 1


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_takes_the_script(shell, usher, tmp_path):
    script = tmp_path / "script"
    script.write_text(usher("completion", shell).out, encoding="utf-8")
    subprocess.run([shutil.which(shell), "-n", str(script)], check=True, timeout=20)


@pytest.fixture(params=SHELLS)
def shell(request, build, fake, terminals, tmp_path):
    """An interactive shell that has the completion of usher, and no settings of its own."""
    program = shutil.which(request.param)
    assert program, f"{request.param} is in DEPS_TEST of the Makefile: make deps"
    script = tmp_path / "completion"
    script.write_bytes(subprocess.run([str(build / "usher"), "completion", request.param], capture_output=True, check=True).stdout)
    environment = {"PATH": f"{pathlib.Path(build).resolve()}:{os.environ['PATH']}", "USHER_SOCKET": fake.socket, "HOME": str(tmp_path),
                   "XDG_CONFIG_HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "PS1": "$ ", "INPUTRC": "/dev/null"}
    command, ready = {
        "bash": ([program, "--norc", "--noprofile", "-i"], f"bind 'set show-all-if-ambiguous on'; source {script}; clear"),
        "zsh": ([program, "-f", "-i"], f"PS1='$ '; autoload -U compinit; compinit -u -D; source {script}; clear"),
        "fish": ([program, "--no-config", "-i"],
                 f"function fish_prompt; echo '$ '; end; set -g fish_greeting; set -g fish_autosuggestion_enabled 0; source {script}; clear"),
    }[request.param]
    one = Terminal(command, (100, 24), environment=environment)
    terminals.append(one)
    one.wait(lambda: one.text().strip(), "a prompt")
    one.type(ready + "\r")
    one.wait(lambda: one.row(0).startswith("$") and "source" not in one.text(), "an empty screen")
    return one


def completes(one, typed, want):
    """Typed, then Tab: the line becomes what is wanted."""
    one.type(typed + "\t")
    one.wait(lambda: one.row(0).removeprefix("$ ").rstrip() == want.rstrip(), f"{typed!r} becomes {want!r}")
    one.type("\x15")    # the line is emptied
    one.wait(lambda: one.row(0).rstrip() == "$", "an empty line")


def test_a_shell_completes(shell, fake):
    fake.rows = {n: fake.rows[n] for n in ("11", "12")}
    fake.rows["12"].update(status="cancelled")
    completes(shell, "usher outb", "usher outbox")
    completes(shell, "usher failed --gro", "usher failed --groups")
    completes(shell, "usher breaker email clo", "usher breaker email closed")
    completes(shell, "usher cancel 1", "usher cancel 11")
    completes(shell, "usher restore 1", "usher restore 12")
    completes(shell, "usher failed --status que", "usher failed --status queued")
    completes(shell, "usher failed stat", "usher failed status:")
    completes(shell, "usher failed status:que", "usher failed status:queued")
    completes(shell, "usher failed --status=que", "usher failed --status=queued")


def test_a_shell_lists_what_there_is(shell):
    shell.type("usher redrives \t\t")
    shell.wait_for("show", "pause", "resume", "stop")


def test_a_filter_in_quotes(shell):
    shell.type("usher failed 'status:dead status:que\t")
    shell.wait(lambda: "'status:dead status:queued" in shell.row(0), "the last term is completed")
