"""Fixtures of the console's tests.

    fake       the daemon's stand-in (fake_daemon.py), serving
    console    console("-R", size=(80, 24), term=..., socket=..., environment={}) -> Terminal, shown and waiting
    usher      usher("failed", "--json", check=0) -> Ran, against the stand-in
"""

import pytest
from fake_daemon import FakeDaemon, row
from support.api import Usher
from terminal import Terminal


@pytest.fixture
def fake():
    daemon = FakeDaemon().start()
    yield daemon
    daemon.close()


@pytest.fixture
def terminals():
    """Terminals that are closed at the end."""
    made = []
    yield made
    for one in made:
        one.close()


@pytest.fixture
def console(request, build, terminals, tmp_path_factory):
    def make(*options, size=(80, 24), term="xterm-256color", socket=None, environment=None, wait="[1 Overview]"):
        socket = socket or request.getfixturevalue("fake").socket
        kept = {"XDG_STATE_HOME": str(tmp_path_factory.mktemp("state"))}     # an operator's own files
        one = Terminal([build / "usher", "--socket", socket, *options], size, term, {**kept, **(environment or {})})
        terminals.append(one)
        if wait:
            one.wait_for(wait)
        return one

    return make


@pytest.fixture
def usher(build, fake):
    return Usher(str(build / "usher"), fake.socket)


@pytest.fixture
def failed_screen(console, fake, request):
    """failed_screen(options, size=, rows=) -> a console on the failed rows of the stand-in; its size is the module's SCREEN."""
    usual = getattr(request.module, "SCREEN", (120, 40))

    def make(*options, size=usual, rows=12, **more):
        if rows != len(fake.rows):
            fake.rows = {str(n): row(n) for n in range(1, rows + 1)}
        t = console(*options, size=size, **more)
        t.press("3")
        t.wait_for(f"1-{min(rows, 200)} of {rows}")
        return t
    return make
