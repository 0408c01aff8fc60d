"""How the console looks: readable in every theme at every depth of colour, and saying the same without any."""

import re
import subprocess

import pytest
from fake_daemon import stamp

THEMES = ("even", "dark", "light", "high-contrast", "mono")
GROUNDS = {"even": ("black", "white"), "dark": ("black",), "light": ("white",), "high-contrast": ("black", "white")}
LEAST = {"even": 3.0, "dark": 4.5, "light": 4.5, "high-contrast": 7.0}
# xterm's own eight and sixteen colours, as pyte names them.
NAMED = {"black": "000000", "red": "cd0000", "green": "00cd00", "brown": "cdcd00", "blue": "0000ee", "magenta": "cd00cd",
         "cyan": "00cdcd", "white": "e5e5e5", "brightblack": "7f7f7f", "brightred": "ff0000", "brightgreen": "00ff00",
         "brightbrown": "ffff00", "brightyellow": "ffff00", "brightblue": "5c5cff", "brightmagenta": "ff00ff",
         "brightcyan": "00ffff", "brightwhite": "ffffff"}
GROUND = {"black": "000000", "white": "ffffff"}


def troubled(fake):
    """Something of every role on the screens."""
    fake.status = {"channel": {"coupon": {"breaker": {"state": "open", "since": stamp(56), "trial_at": stamp(-40)}}}}
    fake.rows["3"]["status"], fake.rows["4"]["status"], fake.rows["5"]["status"] = "delivered", "cancelled", "queued"
    fake.jobs = {}


def luminance(colour):
    def linear(part):
        x = int(part, 16) / 255
        return x / 12.92 if x <= 0.03928 else ((x + 0.055) / 1.055) ** 2.4
    return 0.2126 * linear(colour[:2]) + 0.7152 * linear(colour[2:4]) + 0.0722 * linear(colour[4:])


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def looks(t):
    """(fore, back) of every character on the screen, each with one place where it stands."""
    found = {}
    for y in range(t.lines):
        for x in range(t.columns):
            cell = t.screen.buffer[y][x]
            if cell.data.strip():
                fore, back = (cell.bg, cell.fg) if cell.reverse else (cell.fg, cell.bg)
                if (fore, back) != ("default", "default"):     # the terminal's own, either way round
                    found[fore, back] = f"{cell.data!r} in {t.row(y)!r}"
    return found


def screens(t):
    """The looks of the console's screens, one after the other."""
    t.wait_for("OUTBOX", "breaker open")
    yield looks(t)
    t.press("3")
    t.wait_for("1-12 of 12", "delivered")
    yield looks(t)
    t.press("space", "c")
    t.wait_for("Cancel 1 row")
    yield looks(t)
    t.press("enter")
    t.wait_for("cannot be empty")
    yield looks(t)
    t.press("esc", "enter")
    t.wait_for("ATTEMPTS")
    yield looks(t)


@pytest.mark.parametrize("theme", GROUNDS)
def test_everything_reads_on_its_ground(fake, console, theme):
    troubled(fake)
    t = console("--theme", theme, size=(120, 40))
    colours = set()
    for found in screens(t):
        for (fore, back), where in found.items():
            colours |= {fore, back}
            for ground in GROUNDS[theme]:
                ink = {"black": "ffffff", "white": "000000"}[ground]
                pair = (ink if fore == "default" else NAMED.get(fore, fore),
                        GROUND[ground] if back == "default" else NAMED.get(back, back))
                assert contrast(*pair) >= LEAST[theme], (pair, ground, where)
    assert len(colours) > 3, "not only the terminal's own"


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("term", ["xterm-256color", "xterm", "screen", "tmux-256color", "linux", "vt100"])
def test_every_theme_on_every_terminal(fake, console, theme, term):
    """The words are the same whatever the looks are; what is selected and what is wrong is told from the rest by more than a
    colour."""
    troubled(fake)
    t = console("--theme", theme, term=term)
    t.wait_for(re.compile(r"^ !! coupon: service failing, breaker open", re.M), "email: 6 dead")
    bad = t.attributes("service failing")
    assert bad.bold
    t.press("3")
    t.wait_for("1-12 of 12", re.compile(r"^> +12 ", re.M))
    chosen = t.attributes(">")
    assert chosen.reverse or chosen.bg != "default"
    used = set(re.findall(r"[34]8;5;|\x1b\[[0-9;]*(?:3[0-7]|4[0-7]|9[0-7])[;m]", t.raw.decode()))
    if theme == "mono" or term == "vt100":
        assert not used
    elif theme != "high-contrast":
        assert used and ("38;5;" in "".join(used)) == term.endswith("256color")
    t.press("q")
    assert t.wait_exit() == 0


def test_sixteen_colours(fake, console, tmp_path):
    """Terminfo's own word is taken for how many there are: 16 here, of which the bright ones are used."""
    entry = subprocess.run(["infocmp", "-1", "xterm-256color"], check=True, capture_output=True, text=True).stdout
    entry = re.sub(r"(?m)^xterm-256color\|.*$", "usher-16|for a test,", entry)
    entry = re.sub(r"colors#\w+", "colors#16", re.sub(r"pairs#\w+", "pairs#256", entry))
    (tmp_path / "source").write_text(entry)
    subprocess.run(["tic", "-x", "-o", str(tmp_path), str(tmp_path / "source")], check=True, capture_output=True)
    troubled(fake)
    t = console("--theme", "dark", term="usher-16", environment={"TERMINFO": str(tmp_path)})
    t.wait_for("service failing")
    assert re.search(rb"\x1b\[[0-9;]*91[;m]", t.raw) and b"38;5;" not in t.raw


def test_the_environment_names_a_theme(fake, console):
    t = console(environment={"USHER_THEME": "light"})
    t.wait_for("OUTBOX")
    light = t.attributes("OUTBOX").fg
    other = console("--theme", "dark", environment={"USHER_THEME": "light"})
    other.wait_for("OUTBOX")
    assert other.attributes("OUTBOX").fg != light


def test_no_color_is_above_the_theme(fake, console):
    t = console("--theme", "dark", environment={"NO_COLOR": "1"})
    t.wait_for("OUTBOX")
    assert not looks(t)


@pytest.mark.parametrize("options, environment", [(("--theme", "n\x1bope"), {}), ((), {"USHER_THEME": "n\x1bope"})])
def test_a_theme_that_is_not_there(fake, console, options, environment):
    t = console(*options, environment=environment, wait=None)
    assert t.wait_exit() == 2
    assert '"n^[ope" is no theme: even, dark, light, high-contrast or mono' in t.text()


def test_the_help_and_the_manual_name_every_theme(usher):
    for theme in THEMES:
        assert theme in usher("--help").out
