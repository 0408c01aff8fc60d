"""The console on a terminal of its own: a pty whose output is kept byte by byte and drawn by pyte."""

import errno
import fcntl
import os
import pathlib
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
import unicodedata

import pyte

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support import planted             # noqa: E402
from support.process import TimedOut    # noqa: E402

DEADLINE_S = 15
LEAVE_S = 2
SETTLE_S = 0.03
FRAME_S = 0.5          # a key is answered within this, whatever the daemon does (generous: the machine is shared)

KEYS = {"enter": "\r", "esc": "\x1b", "tab": "\t", "up": "\x1bOA", "down": "\x1bOB", "right": "\x1bOC", "left": "\x1bOD",
        "pgdn": "\x1b[6~", "pgup": "\x1b[5~", "home": "\x1bOH", "end": "\x1bOF", "backspace": "\x7f", "shift-tab": "\x1b[Z",
        "ctrl-c": "\x03", "ctrl-z": "\x1a", "ctrl-u": "\x15", "space": " "}


class Screen(pyte.Screen):
    """What pyte 0.8 lacks and curses uses on an xterm: scrolling by SU and SD, repeating a character; and it stops
    drawing at marks without a combining class, such as many of India's, which take no column."""

    def select_graphic_rendition(self, *attributes, **_private):
        super().select_graphic_rendition(*attributes)

    def draw(self, data):
        data = "".join(c for c in data if unicodedata.category(c) not in ("Mn", "Me") or unicodedata.combining(c))
        self._last = data[-1:]
        super().draw(data)

    def repeat(self, count=1):
        self.draw(self._last * (count or 1))

    def _scroll(self, count, edit):
        top = self.margins.top if self.margins else 0
        place = self.cursor.y, self.cursor.x
        for _ in range(count or 1):
            self.cursor.y = top
            edit()
        self.cursor.y, self.cursor.x = place

    def scroll_up(self, count=1):
        self._scroll(count, lambda: self.delete_lines(1))

    def scroll_down(self, count=1):
        self._scroll(count, lambda: self.insert_lines(1))


class Stream(pyte.ByteStream):
    csi = {**pyte.ByteStream.csi, "S": "scroll_up", "T": "scroll_down", "b": "repeat"}
    events = pyte.ByteStream.events | {"scroll_up", "scroll_down", "repeat"}


class Terminal:
    """with Terminal([usher, ...], size=(80, 24)) as t: t.wait_for("Overview"); t.press("3", "enter"); t.text()"""

    def __init__(self, command, size=(80, 24), term="xterm-256color", environment=None):
        self.columns, self.lines = size
        self.screen = Screen(self.columns, self.lines)
        self._stream = Stream(self.screen)
        self.raw = b""
        self._looked_at = ""
        self.typed = " ".join(str(part) for part in command)
        self.exit_code = None       # negative: the signal
        keep = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "USHER_SOCKET", "LINES", "COLUMNS")}
        env = {**keep, "TERM": term, "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8", "TZ": "UTC", **(environment or {})}
        may_begin, begin = os.pipe()
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            try:
                os.read(may_begin, 1)
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", self.lines, self.columns, 0, 0))
                os.execvpe(str(command[0]), [str(part) for part in command], env)
            finally:
                os._exit(127)
        self.settings_before = termios.tcgetattr(self._fd)     # the program has not touched them yet
        os.write(begin, b"!")
        os.close(begin)
        os.close(may_begin)

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.close()

    def close(self):
        if self._fd is not None:
            self.pump()
            self.text()
            # without the letters that end escape sequences: they are not part of the word behind them
            planted.see("what the console wrote", re.sub(rb"\x1b\[[0-9;?]*[@-~]", b"\x1b", self.raw), self.typed)
        if self.exit_code is None:
            os.kill(self.pid, signal.SIGKILL)
            os.kill(self.pid, signal.SIGCONT)
            self._reap(os.waitpid(self.pid, 0)[1])
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _reap(self, status):
        self.exit_code = os.waitstatus_to_exitcode(status)

    def pump(self, seconds=0.0):
        """Takes what the program has written; waits at most `seconds` for the first of it."""
        while select.select([self._fd], [], [], seconds)[0]:
            try:
                data = os.read(self._fd, 65536)
            except OSError as gone:
                if gone.errno == errno.EIO:
                    return
                raise
            if not data:
                return
            self.raw += data
            self._stream.feed(data)
            seconds = 0.0

    def row(self, y):
        """A line of the screen. A wide character's second cell is empty in pyte, so that it counts once."""
        return "".join(self.screen.buffer[y][x].data for x in range(self.screen.columns)).rstrip()

    def text(self):
        text = "\n".join(self.row(y) for y in range(self.screen.lines))
        if text != self._looked_at:
            planted.see("the screen", text, self.typed)
            self._looked_at = text
        return text

    def attributes(self, text):
        """The look of the first cell of the first place where `text` stands."""
        for y in range(self.screen.lines):
            at = "".join(self.screen.buffer[y][x].data or " " for x in range(self.screen.columns)).find(text)
            if at >= 0:
                return self.screen.buffer[y][at]
        raise AssertionError(f"{text!r} is not on the screen:\n{self.text()}")

    def wait(self, condition, what, deadline_s=DEADLINE_S):
        ends = time.monotonic() + deadline_s
        while True:
            self.pump(0.02)
            value = condition()
            if value:
                return value
            if time.monotonic() > ends:
                raise TimedOut(f"not within {deadline_s:g} s: {what}\n{self.text()}")

    def wait_for(self, *wanted, deadline_s=DEADLINE_S):
        """Until every text stands on the screen; a pattern matches as a regular expression."""
        def found(text):
            return [w for w in wanted if not (w.search(text) if isinstance(w, re.Pattern) else w in text)]
        def settled():
            if found(self.text()):
                return False
            self.pump(SETTLE_S)     # half a frame may have come so far, the rest of it from the screen before
            return self._state() != "R" and not found(self.text())
        self.wait(settled, f"{wanted} on the screen", deadline_s)
        return self.text()

    def wait_gone(self, *unwanted, deadline_s=DEADLINE_S):
        self.wait(lambda: not any(u in self.text() for u in unwanted), f"{unwanted} off the screen", deadline_s)
        return self.text()

    def type(self, text):
        self.typed += text
        os.write(self._fd, text.encode())

    def press(self, *keys):
        for key in keys:
            self.type(KEYS.get(key, key))
            if key == "esc":    # what follows within the escape delay would be taken for a sequence
                ends = time.monotonic() + 0.1
                while time.monotonic() < ends:
                    self.pump(0.02)

    def resize(self, columns, lines):
        self.columns, self.lines = columns, lines
        self.screen.resize(lines, columns)
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def settings(self):
        return termios.tcgetattr(self._fd)

    def wait_exit(self, deadline_s=DEADLINE_S):
        """Its exit code once it has ended; negative: the signal."""
        def ended():
            if self.exit_code is None:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self._reap(status)
            return self.exit_code is not None
        self.wait(ended, "the program's end", deadline_s)
        self.pump(0.05)
        return self.exit_code

    def leave(self, tries=5):
        """Ctrl-C until it ends: a question that comes late, of keys pressed before, takes the first."""
        for left in reversed(range(tries)):
            self.press("ctrl-c")
            try:
                return self.wait_exit(LEAVE_S if left else DEADLINE_S)
            except TimedOut:
                if not left:
                    raise

    def _state(self):
        """As the kernel has it: R while it still draws, on a machine that is busy; "" when it is gone."""
        try:
            with open(f"/proc/{self.pid}/stat", encoding="ascii", errors="replace") as stat:
                return stat.read().rpartition(")")[2].split()[0]
        except OSError:
            return ""

    def stopped(self):
        """Suspended by ^Z?"""
        return self._state() == "T"
