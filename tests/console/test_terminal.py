"""The console as a guest of its terminal: resized at any moment, suspended, killed, hung up, and gone without a trace."""

import os
import random
import re
import signal
import subprocess
import time
import unicodedata

import pytest
from fake_daemon import alarm, job
from support.process import wait_until
from terminal import Terminal

RESTORED = b"\x1b[?1049l"


def columns(text):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def mouse_is_let_go(t, times):
    """Taken so many times, and given back as often."""
    taken = re.findall(rb"\x1b\[\?(?:1006;)?1000([hl])", t.raw)
    return [taken.count(way) for way in (b"h", b"l")] == [times, times]


def open_detail(t):
    t.press("3")
    t.wait_for("1-12 of 12")
    t.press("enter")
    t.wait_for("ATTEMPTS")


def test_resize_to_every_odd_size(console):
    t = console()
    open_detail(t)
    for size in ((79, 24), (80, 23), (20, 5), (3, 3), (2, 1), (1, 1), (1, 50), (300, 2), (200, 50), (80, 24)):
        t.resize(*size)
        os.kill(t.pid, signal.SIGWINCH)
        t.pump(0.05)
    t.wait_for("> Detail", "ATTEMPTS")
    t.resize(60, 20)
    t.wait_for("usher needs 80x24, this is 60x20")
    for size in ((200, 50), (400, 100)):
        t.resize(*size)
        t.wait_for("> Detail", "PAYLOAD", "AUDIT")
        t.wait(lambda at=size: "? help" in t.row(at[1] - 1) and len(t.row(0)) > at[0] - 5, "the whole window")


def test_what_cannot_be_seen_is_not_acted_on(fake, console):
    t = console()
    t.press("3")
    t.wait_for("1-12 of 12")
    t.press("r")
    t.wait_for("Redrive 1 row?")
    t.resize(40, 10)
    t.wait_for("usher needs")
    t.press("y", "r", "y", "c")
    t.resize(80, 24)
    t.wait_for("Redrive 1 row?")
    assert not [r for r in fake.requests if r[0] == "POST"]
    t.press("n")
    t.resize(10, 3)
    t.wait_for("usher")
    t.press("q")
    assert t.wait_exit() == 0


def test_a_storm_of_sizes_and_keys(console):
    dice = random.Random(7)
    t = console()
    t.wait_for("OUTBOX")
    for _ in range(150):
        t.resize(dice.randint(1, 250), dice.randint(1, 70))
        t.press(dice.choice(["1", "2", "3", "j", "k", "enter", "esc", "?", "v", "f", "G", "g", "pgdn", "/", "c", "tab", "l"]))
        t.pump(0.005)
    t.resize(80, 24)
    t.wait(lambda: "? help" in t.row(23) or "leaves it" in t.row(23), "the footer in its place")
    t.press("esc", "esc", "esc", "1")
    t.wait_for("[1 Overview]", "OUTBOX")


def test_a_storm_of_window_changes(console):
    """Dragged by its corner: only the last size counts, and keys between are not lost."""
    t = console()
    t.wait_for("OUTBOX")
    for n in range(400):
        t.resize(80 + n % 170, 24 + n % 40)
        os.kill(t.pid, signal.SIGWINCH)
        if n == 200:
            t.press("3")
    t.pump(0.05)
    t.resize(100, 30)
    t.wait_for("[3 Failed]", "1-12 of 12")
    t.wait(lambda: "? help" in t.row(29), "the footer in its place")


CRASHES = [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, *CRASHES])
@pytest.mark.parametrize("options", [(), ("--mouse",)])
def test_signals_leave_the_terminal_as_it_was(console, number, options):
    t = console(*options)
    open_detail(t)
    assert t.settings() != t.settings_before
    os.kill(t.pid, number)
    assert t.wait_exit() == -number
    assert t.settings() == t.settings_before
    assert RESTORED in t.raw and t.raw.rindex(b"\x1b[?25h") > t.raw.rindex(b"\x1b[?25l"), "the cursor is shown again"
    assert mouse_is_let_go(t, len(options))
    if number in CRASHES:
        t.wait_for("usher: crashed")


def test_a_signal_while_the_daemon_hangs(fake, console):
    fake.hang = True
    t = console(wait="Asking the daemon")
    os.kill(t.pid, signal.SIGTERM)
    assert t.wait_exit(2) == -signal.SIGTERM
    assert t.settings() == t.settings_before


@pytest.mark.parametrize("key", ["q", "ctrl-c"])
def test_leaving(console, key):
    t = console()
    t.press(key)
    assert t.wait_exit() == 0
    assert t.settings() == t.settings_before and RESTORED in t.raw


def test_the_terminal_goes_away(console):
    """ssh breaks: the console ends, and does not spin."""
    t = console()
    os.close(t._fd)
    t._fd = None
    wait_until(lambda: os.waitpid(t.pid, os.WNOHANG)[0] == t.pid or None, "its end")
    t.exit_code = 0


@pytest.mark.parametrize("options", ["", "--mouse"])
def test_suspend_and_resume(build, fake, options):
    """^Z under a shell with job control, a new size meanwhile, and back where it was."""
    with Terminal(["bash", "--norc", "--noprofile", "-i"], environment={"PS1": "shell> "}) as t:
        t.wait_for("shell>")
        settings = t.settings()
        t.type(f"{build}/usher --socket {fake.socket} {options}\n")
        t.wait_for("[1 Overview]", "OUTBOX")
        open_detail(t)
        t.press("ctrl-z")
        t.wait_for("Stopped", "shell>")
        assert RESTORED in t.raw and mouse_is_let_go(t, 1 if options else 0)
        t.resize(100, 30)
        t.type("fg\n")
        t.wait_for("> Detail", "ATTEMPTS", "? help")
        t.wait(lambda: len(t.row(0)) > 95, "drawn in the new size")
        t.press("q", "j", "q")
        t.wait_for("shell>")
        assert t.settings() == settings


def test_external_stop_and_continue(console):
    t = console()
    t.wait_for("OUTBOX")
    os.kill(t.pid, signal.SIGSTOP)
    t.wait(t.stopped, "stopped")
    os.kill(t.pid, signal.SIGCONT)
    t.press("3")
    t.wait_for("1-12 of 12")


def test_the_shell_above_it_is_killed(build, fake):
    """The shell below the killed one has the terminal again; the console leaves, and writes nothing over it."""
    with Terminal(["bash", "--norc", "--noprofile", "-i"], environment={"PS1": "outer> "}) as t:
        t.wait_for("outer>")
        t.type("PS1='inner> ' bash --norc --noprofile -i\n")
        t.wait_for("inner>")
        t.type(f"echo shell $$; {build}/usher --socket {fake.socket}\n")
        t.wait_for("[1 Overview]", "OUTBOX")
        inner = int(re.search(rb"shell (\d+)\r", t.raw).group(1))
        console = int(subprocess.run(["pgrep", "-P", str(inner)], check=True, capture_output=True, text=True).stdout)
        os.kill(inner, signal.SIGKILL)
        t.wait(lambda: not os.path.exists(f"/proc/{console}"), "the console's end")
        t.wait_for("outer>")
        assert RESTORED in t.raw
        t.type("echo still $((40 + 2))\n")
        t.wait_for("still 42")


@pytest.mark.parametrize("term, words", [("no-such-terminal", "is not known here"), ("dumb", "cannot move its cursor"),
                                         ("", "is not known here")])
def test_terminals_that_cannot(build, fake, term, words):
    with Terminal([build / "usher", "--socket", fake.socket], term=term) as t:
        assert t.wait_exit() == 1
        text = t.text().replace("\n", "")
        assert words in text and '"usher status" and the other verbs' in text


def click(t, x, y, button=0):
    """As an xterm tells it (SGR, from 1 on)."""
    t.type(f"\x1b[<{button};{x + 1};{y + 1}M" + (f"\x1b[<{button};{x + 1};{y + 1}m" if button < 64 else ""))


def line_of(t, text):
    return next(y for y in range(t.lines) if text in t.row(y))


def test_the_mouse(console):
    t = console("--mouse")
    t.wait_for("OUTBOX")
    click(t, t.row(0).index("Fail"), 0)
    t.wait_for("[3 Failed]", "1-12 of 12", re.compile(r"^> +12 ", re.M))
    click(t, 30, line_of(t, "   9 email"))
    t.wait_for(re.compile(r"^> +9 ", re.M))
    click(t, 5, 5, button=65)
    t.wait_for(re.compile(r"^> +6 ", re.M))
    click(t, 5, 5, button=64)
    t.wait_for(re.compile(r"^> +9 ", re.M))
    click(t, 5, 20)                               # below the rows
    at = line_of(t, "   7 coupon")
    click(t, 30, at)
    t.wait_for(re.compile(r"^> +7 ", re.M))
    click(t, 30, at)
    t.wait_for("> Detail", "coupon 7")
    click(t, 5, 5, button=65)
    t.press("r")
    t.wait_for("Redrive 1 row?")
    click(t, t.row(0).index(" 1 ") + 1, 0)       # behind a question
    t.press("n")
    t.wait_for("> Detail", "coupon 7")
    t.press("ctrl-c")
    assert t.wait_exit() == 0


def test_the_mouse_is_left_to_the_terminal(fake, console):
    t = console()
    t.wait_for("OUTBOX")
    t.press("3")
    t.wait_for("1-12 of 12")
    assert b"\x1b[?100" not in t.raw


def test_needs_a_terminal(usher):
    ran = usher(check=2)
    assert "needs a terminal" in ran.err


def test_idle_costs_next_to_nothing(console):
    t = console(size=(120, 40))
    t.wait_for("OUTBOX")
    t.pump(0.3)

    def ticks():
        with open(f"/proc/{t.pid}/stat", encoding="ascii") as stat:
            return sum(int(n) for n in stat.read().rpartition(")")[2].split()[11:13])
    before, at, began = ticks(), len(t.raw), time.monotonic()
    t.wait(lambda: time.monotonic() - began > 5, "five seconds")
    assert (ticks() - before) / os.sysconf("SC_CLK_TCK") < 0.15
    assert (len(t.raw) - at) / 5 < 1000, "bytes a second"
    with open(f"/proc/{t.pid}/status", encoding="ascii") as status:
        peak = int(re.search(r"VmHWM:\s+(\d+)", status.read()).group(1))
    assert peak < 12 * 1024


class Tmux:
    """A real terminal program between usher and the eye."""

    def __init__(self, folder, command, size, **environment):
        keep = {k: v for k, v in os.environ.items() if k not in ("TMUX", "NO_COLOR")}
        self._environment = {**keep, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color", "SHELL": "/bin/sh"}
        self._socket = str(folder / "tmux")
        words = " ".join(f"{name}={value}" for name, value in environment.items())
        self("new-session", "-d", "-x", str(size[0]), "-y", str(size[1]), f"env {words} {command}; echo left $?; exec sleep 60")

    def __call__(self, *words):
        return subprocess.run(["tmux", "-S", self._socket, "-f", "/dev/null", *words], env=self._environment, check=True,
                              stdout=subprocess.PIPE, timeout=20).stdout.decode()

    def keys(self, *keys):
        self("send-keys", *keys)

    def screen(self):
        return self("capture-pane", "-p", "-t", "0")

    def shows(self, *wanted):
        wait_until(lambda: all(w in self.screen() for w in wanted), lambda: f"{wanted}:\n" + self.screen())


@pytest.fixture
def tmux(tmp_path):
    made = []

    def start(command, size=(160, 50), **environment):
        made.append(Tmux(tmp_path, command, size, **environment))
        return made[0]
    yield start
    for one in made:
        one("kill-server")


def test_through_tmux(build, fake, tmux):
    """Keys, a split that resizes it, and its end."""
    one = tmux(f"{build}/usher --socket {fake.socket}")
    one.shows("[1 Overview]", "OUTBOX", "█")
    one.keys("3")
    one.shows("[3 Failed]", "김*수", "1-12 of 12")
    one.keys("j", "Enter")
    one.shows("> Detail", "email 11")
    one("split-window", "-d", "-h", "-l", "75", "exec sleep 60")
    one.shows("> Detail", "ATTEMPTS", "email 11")
    one("kill-pane", "-t", "1")
    one.keys("r")
    one.shows("Redrive 1 row?")
    one.keys("y")
    one.shows("email 11: queued again")
    one.keys("q", "q")
    one.shows("left 0")
    assert fake.rows["11"]["status"] == "queued"


@pytest.mark.parametrize("size", [(80, 24), (250, 60)], ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize("locale, screens, footer", [
    ("C.UTF-8", {"4": ("timeout",), "5": ("150 of 300 sent",), "6": ("dead",)}, "help"),
    ("ko_KR.UTF-8", {"4": ("다음 시도가 빠른 순", "timeout"), "5": ("300건 중 150건 전송",), "6": ("dead",)}, "도움말")], ids=["en", "ko"])
def test_jobs_alarms_and_retries_through_tmux(build, fake, tmux, locale, screens, footer, size):
    fake.jobs, fake.alarms = {"1": job(1)}, [alarm(1)]
    one = tmux(f"{build}/usher --socket {fake.socket}", size, LC_ALL=locale)
    one.shows("[1 ")
    for key, wanted in screens.items():
        one.keys(key)
        one.shows(f"[{key} ", footer, *wanted)
        lines = one.screen().splitlines()
        assert len(lines) == size[1] and all(columns(line) <= size[0] for line in lines)
    one.keys("5")
    one.shows("[5 ")
    one.keys("p")
    one.shows("y ")
    one.keys("y")
    wait_until(lambda: fake.jobs["1"]["state"] == "paused", one.screen)
    one.keys("Escape", "q")
    one.shows("left 0")
