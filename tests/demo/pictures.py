"""The pictures of the console in README.md, from the demo itself: python3 tests/demo/pictures.py"""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "console"))

from terminal import Terminal    # noqa: E402

DEMO_S = 180


def show(terminal):
    print("\n".join(("    " + terminal.row(y)).rstrip() for y in range(terminal.lines)), end="\n\n")


def main():
    with Terminal([sys.executable, HERE / "demo.py", *sys.argv[1:]], size=(80, 24)) as t:
        t.wait_for("Enter opens it", deadline_s=DEMO_S)
        t.press("enter")
        t.wait_for("[1 Overview]", "OUTBOX")
        t.pump(5)
        show(t)
        t.press("3")
        t.wait_for("[3 Failed]", "invalid_address")
        t.press("j", "j")
        t.press("r")
        t.wait_for("Redrive 1 row?")
        show(t)
        t.press("n", "ctrl-c")
        t.wait_exit(60)


if __name__ == "__main__":
    main()
