"""The pictures of the console in README.md, from the demo itself: python3 tests/demo/pictures.py"""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "console"))

from terminal import Terminal    # noqa: E402

DEMO_S = 180


def show(terminal):
    print("\n".join(("    " + terminal.row(y)).rstrip() for y in range(terminal.lines)), end="\n\n")


def demo(**environment):
    t = Terminal([sys.executable, HERE / "demo.py", *sys.argv[1:]], size=(80, 24), environment=environment)
    t.wait_for("Enter opens it", deadline_s=DEMO_S)
    t.press("enter")
    return t


def english():
    with demo() as t:
        t.wait_for("[1 Overview]", "OUTBOX")
        t.pump(5)
        show(t)
        t.press("3")
        t.wait_for("[3 Failed]", "invalid_address")
        t.press("j", "j")
        t.press("r")
        t.wait_for("Redrive 1 row?")
        show(t)
        t.press("n", "/")
        t.type("class:out_of_stock\r")
        t.wait_for("filter: class:out_of_stock", "1-3 of 3")
        t.press("A")
        t.wait_for("Redrive all that match")
        t.type("they have new coupons\r")
        t.wait_for("job 1 redrives")
        t.press("esc", "5")
        t.wait_for("3 of 3 sent, 3 delivered", deadline_s=60)
        show(t)
        t.press("ctrl-c")
        t.wait_exit(60)


def korean():
    with demo(LC_ALL="ko_KR.UTF-8") as t:
        t.wait_for("[1 개요]", "아웃박스")
        t.press("3")
        t.wait_for("[3 실패]", "invalid_address")
        t.press("j", "j", "j", "j", "j", "enter")
        t.wait_for("시도", "SMTP")
        show(t)
        t.press("ctrl-c")
        t.wait_exit(60)


def main():
    english()
    korean()


if __name__ == "__main__":
    main()
