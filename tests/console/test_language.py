"""English and Korean: which is spoken, that nothing is left untranslated, and that every screen stands in both, at every
size, without colours and on old terminals."""

import os
import pathlib
import re
import subprocess
import sys

import pytest
from fake_daemon import alarm, job, waiting
from support.process import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
KOREAN = {"LC_ALL": "ko_KR.UTF-8"}      # which this machine need not have
HANGUL = re.compile("[가-힣]")
TITLES = {"1": "Overview", "2": "DLQ", "3": "Failed", "4": "Retrying", "5": "Redrives", "6": "Alarms", "7": "Config"}
TITLES_KO = {"1": "개요", "2": "DLQ", "3": "실패", "4": "재시도", "5": "작업", "6": "경보", "7": "설정"}
LOADING = ("Asking the daemon", "데몬에 조회 중")
# The words of the trade that are the same in Korean, of which some stand side by side.
KEPT = re.compile(r"\b(SMTP|DLQ|usherd|usher|dead|queued|delivered|cancelled|email|coupon|closed|open|ID|at|RCPT|no such user)\b")
PROSE = re.compile(r"[A-Za-z]{2,} [a-z]{2,} [a-z]{2,}")


# -- The catalogue --------------------------------------------------------------------------------------

def test_nothing_is_untranslated(build):
    """Every text is marked, every marked text is in the catalogue, every translation takes the same figures."""
    subprocess.run(["make", "-s", "-C", str(ROOT), f"BUILD={build}", f"{build}/usher.pot"], check=True)
    ran = subprocess.run([sys.executable, str(ROOT / "tests/lint/messages.py"), str(build)], stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


def test_the_manual_has_both_languages():
    ran = subprocess.run([sys.executable, str(ROOT / "tests/lint/manuals.py")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         text=True, check=False)
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("page, program, begin, end", [
    ("usher.1", ("usher", "help", "--manual"), r'.\" Made by: usher help --manual', r'.\" Until here'),
    ("usher.ini.5", ("usherd", "check-config", "--manual"), r'.\" KEYS begin', r'.\" KEYS end')])
def test_what_is_made_for_the_manual_is_in_it(build, page, program, begin, end):
    made = subprocess.run([build / program[0], *program[1:]], env={**os.environ, **KOREAN}, stdout=subprocess.PIPE, text=True,
                          check=True).stdout
    text = (ROOT / "man/ko" / page).read_text(encoding="utf-8")
    assert HANGUL.search(made)
    assert text.partition(begin)[2].partition("\n")[2].partition(end)[0] == made, f"put what {' '.join(program)} prints into {page}"


# -- Which language -------------------------------------------------------------------------------------

def run(build, fake, *arguments, **environment):
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG"))}
    return subprocess.run([build / "usher", *arguments], env={**keep, "USHER_SOCKET": fake.socket, **environment},
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)


@pytest.mark.parametrize("environment, korean", [
    ({"LC_ALL": "ko_KR.UTF-8"}, True), ({"LANG": "ko_KR.UTF-8"}, True), ({"LC_MESSAGES": "ko_KR.UTF-8", "LANG": "C.UTF-8"}, True),
    ({"LANG": "en_US.UTF-8", "LANGUAGE": "ko:en"}, True), ({"LANG": "ko"}, True), ({"LANG": "ko_KR.EUC-KR"}, True),
    ({}, False), ({"LANG": "C"}, False), ({"LANG": "ko_KR.UTF-8", "LC_ALL": "C"}, False), ({"LANGUAGE": "ko"}, False),
    ({"LANG": "ko_KR.UTF-8", "LANGUAGE": "en_US:ko"}, False), ({"LANG": "ko_KR.UTF-8", "LC_MESSAGES": "en_GB.UTF-8"}, False),
    ({"LANG": "fr_FR.UTF-8"}, False), ({"LANG": "kok_IN.UTF-8"}, False)], ids=str)
def test_the_language_is_the_one_asked_for(build, fake, environment, korean):
    """Into a pipe, which takes any character; the daemon's answers, too."""
    ran = run(build, fake, "failed", **environment)
    assert ("채널" in ran.stdout) == korean and ("CHANNEL" in ran.stdout) != korean


def test_a_locale_that_is_there(build, fake, tmp_path):
    """As on a machine where the administrator has made it."""
    subprocess.run(["localedef", "-i", "ko_KR", "-f", "UTF-8", str(tmp_path / "ko_KR.UTF-8")], check=True)
    ran = run(build, fake, "status", LANG="ko_KR.UTF-8", LOCPATH=str(tmp_path))
    assert "채널" in ran.stdout and ran.stderr == ""


@pytest.mark.parametrize("verb", [("failed",), ("status",), ("redrives",), ("retrying",), ("alarms",)], ids=str)
def test_programs_read_the_same_in_every_language(build, fake, verb):
    fill(fake)
    for how in ("--json", "--csv"):
        if how == "--csv" and verb[0] == "status":
            continue
        english, korean = (run(build, fake, *verb, how, **environment).stdout for environment in ({"LC_ALL": "C.UTF-8"}, KOREAN))
        figures = re.compile(r"\d[\d.:TZ-]*")       # time goes on between the two
        assert english and figures.sub("#", english) == figures.sub("#", korean)


def test_what_a_monitor_matches_is_english(build, fake):
    assert run(build, fake, "status", "--check", **KOREAN).stdout == run(build, fake, "status", "--check", LC_ALL="C.UTF-8").stdout


@pytest.mark.parametrize("environment, term", [
    ({"LC_ALL": "ko_KR.EUC-KR"}, "xterm-256color"), ({"LC_ALL": "C"}, "xterm-256color"), (KOREAN, "linux")], ids=str)
def test_where_hangul_cannot_be_shown_it_is_english(console, environment, term):
    """The kernel's console has no Hangul, and a terminal that is not UTF-8 would show rubbish."""
    t = console(environment=environment, term=term)
    assert "Overview" in t.text()


# -- Screens --------------------------------------------------------------------------------------------

def fill(fake):
    fake.alarms = [alarm(1), alarm(2)]
    fake.waiting = {"9": waiting(9), "10": waiting(10)}
    fake.jobs = {"1": job(1), "2": job(2, act="cancel", state="done", sent=300, delivered=0, failed_again=0, on_the_way=0)}


def screen(t, titles, key):
    t.press(key)
    t.wait_for(f"[{key} {titles[key]}]")
    t.wait_gone(*LOADING)
    return t.text()


def wide(t):
    """Some layouts shorten names; those that stand are whole."""
    return t.columns >= 100


LOOKS = {"colour": ("xterm-256color", {}), "no colour": ("xterm-256color", {"NO_COLOR": "1"}), "vt100": ("vt100", {})}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("size", [(80, 24), (120, 40), (250, 60)], ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_screen_in_both_languages(fake, console, language, size, look):
    term, environment = LOOKS[look]
    fill(fake)
    korean = language == "ko"
    t = console(size=size, term=term, environment={**environment, **(KOREAN if korean else {})}, wait="usher")
    said = "".join(str(value) for value in (fake.rows, fake.jobs, fake.alarms, fake.waiting))
    said += "there is nothing at /v1/config the coupon campaign has no coupons left"     # the stand-in speaks English alone
    for key in "1234567":
        t.press(key)
        t.wait(lambda: re.search(rf"\[{key} \S+\]", t.row(0)) or size[0] < 100, f"{key} is marked in the bar")
        t.wait_gone(*LOADING)
        check(t, korean, said)
    for keys in (("3", "enter"), ("q", "v"), ("v", "?"), ("q", ":"), ("esc", "4", "enter"), ("q", "7", "v"), ("1", "M")):
        t.press(*keys)
        t.wait_gone(*LOADING)
        check(t, korean, said)
    if look == "no colour":
        assert not re.search(rb"\x1b\[[0-9;]*(3[0-8]|4[0-8]|9[0-7])[0-9;]*m", t.raw), "no colour is sent"
    if look == "vt100":
        assert not re.search("[─│▁▂▃▄▅▆▇█·…▲]", t.text())


def check(t, korean, said):
    text = t.text()
    footer = t.row(t.lines - 1)
    assert "?" in footer or "Esc" in text or "q" in footer, text
    assert bool(HANGUL.search(re.sub(r"[가-힣*]*\*[가-힣*]*", "", footer + t.row(0)))) == korean, text
    if korean:
        left = [found for line in text.splitlines() for found in PROSE.findall(KEPT.sub("", line)) if found not in said]
        assert not left, f"not in Korean: {left}\n{text}"


# -- At work --------------------------------------------------------------------------------------------

def test_a_dead_mail_is_redriven_in_korean(fake, console):
    t = console(environment=KOREAN, size=(120, 40), wait="[1 개요]")
    t.press("3")
    t.wait_for("[3 실패]", "1-12 / 12")
    t.press("enter")
    t.wait_for("상태", "원인", "수신자", "시도")
    t.press("r")
    t.wait_for("재처리", "y 예", "n 아니요")
    t.press("y")
    t.wait_for("coupon 12: 큐에 다시 넣음")
    assert fake.rows["12"]["status"] == "queued"


def test_all_that_match_are_cancelled_in_korean(fake, console):
    t = console(environment=KOREAN, wait="[1 개요]")
    t.press("3")
    t.wait_for("1-12 / 12")
    t.press("/")
    t.type("channel:email\r")
    t.wait_for("1-9 / 9")
    t.press("C")
    t.wait_for("조건에 맞는 모든 건 취소", "9건", "사유")
    t.press("enter")
    t.wait_for("비워 둘 수 없습니다")
    t.type("캠페인 종료")
    t.press("enter")
    t.wait_for("작업 1: 9건 취소를 시작했습니다")
    assert sum(r["status"] == "cancelled" for r in fake.rows.values()) == 9
    t.press("5")
    t.wait_for("취소: 캠페인", "9건 중 9건 취소")


def test_a_daemon_that_is_gone_in_korean(fake, console):
    t = console(environment=KOREAN, size=(120, 40), wait="[1 개요]")
    fake.stop()
    t.wait_for(re.compile(r"데몬.*(연결|응답)"))
    assert not PROSE.search(KEPT.sub("", t.row(1) + t.row(2)))
    fake.start()
    t.wait_gone("연결할 수 없습니다")


def test_the_configuration_and_its_history_in_korean(daemon, console):
    one = daemon({})
    wait_until(lambda: one.api.get("/v1/config").json["version"], one.story)
    t = console(environment=KOREAN, socket=one.socket, size=(120, 40), wait="[1 개요]")
    t.press("7")
    t.wait_for("[7 설정]", "현재 설정, 버전 1", "daemon.profile")
    assert not PROSE.search(KEPT.sub("", t.text()))
    one.configure({"relay": {"batch": "11"}})
    t.press("L", "y")
    t.wait_for(re.compile("설정.*(거절|거부)"), '"11"')
    t.press("esc", "v")
    t.wait_gone(*LOADING)
    t.wait_for("이력")


def test_a_conflict_is_said_in_the_daemons_korean(build, fake):
    """The client asks for it; what the daemon makes of that is in tests/system/test_korean.py."""
    run(build, fake, "failed", "12", **KOREAN)
    run(build, fake, "failed", "12", "--json", **KOREAN)
    run(build, fake, "failed", "12", LC_ALL="C.UTF-8")
    assert fake.languages[-3:] == ["ko", None, None]


# -- Every key ------------------------------------------------------------------------------------------

PLACES = {"overview": ("1",), "dlq": ("2",), "failed": ("3",), "groups": ("3", "v"), "detail": ("3", "enter"), "retrying": ("4",),
          "delivery": ("4", "enter"), "jobs": ("5",), "alarms": ("6",), "config": ("7",)}
# Where the words of keys.def are: what works anywhere is tried on one screen.
WHERE = {"ANY": "overview", "SCREENS": "overview", "OVERVIEW": "overview", "UNDOABLE": "overview", "OPENED": "dlq failed groups retrying",
         "ROWS": "dlq failed detail", "RETRYING": "retrying", "DELIVERY": "delivery", "WAITING": "retrying delivery",
         "MARKABLE": "dlq failed retrying", "FINDING": "dlq failed groups", "FAILED": "failed groups", "TABLES": "dlq failed",
         "DLQ": "dlq", "DETAIL": "detail", "DETAILS": "detail delivery", "REDRIVES": "jobs", "ALARMS": "alarms", "CONFIG": "config",
         "CONFIG_VALUES": "config"}
NAMES = {"\\n": "enter", "\\t": "tab", "27": "esc", "CODE(KEY_BACKSPACE)": "backspace", "CODE(KEY_BTAB)": "shift-tab",
         "CODE(KEY_NPAGE)": "pgdn", "CODE(KEY_PPAGE)": "pgup", " ": "space"}


def keys_by_place():
    """The first key of each row of keys.def, where it works; without q, which leaves."""
    text = (ROOT / "ui/console/keys.def").read_text(encoding="utf-8")
    rows = re.findall(r"^KEY\((\w+), \w+, ('[^']+'|\w+\(\w+\)|\d+),", text, re.M)
    assert len(rows) == len(re.findall(r"^KEY\(", text, re.M))
    keys = {place: [] for place in PLACES}
    for where, key in rows:
        key = key.strip("'") or " "
        for place in WHERE[where].split():
            if key != "q":
                keys[place].append(NAMES.get(key, key))
    return keys


@pytest.mark.parametrize("language, size", [("ko", (80, 24)), ("en", (120, 40)), ("ko", (250, 60))], ids=str)
def test_every_key_where_it_works(fake, console, language, size):
    """Pressed and left again: nothing is done without a yes, the frame stands, nothing is said in the other language."""
    fill(fake)
    korean = language == "ko"
    t = console(size=size, wait="usher", environment={"EDITOR": "true", **(KOREAN if korean else {})})
    said = "".join(str(value) for value in (fake.rows, fake.jobs, fake.alarms, fake.waiting))
    said += "there is nothing at /v1/config the coupon campaign has no coupons left"
    for place, keys in keys_by_place().items():
        for key in keys:
            t.press("esc", *PLACES[place])
            t.wait_gone(*LOADING)
            t.press(key)
            t.wait(lambda: "usher" in t.row(0), f"the frame after {key} on {place}")
            t.pump(0.02)
            if korean:
                left = [one for line in t.text().splitlines() for one in PROSE.findall(KEPT.sub("", line)) if one not in said]
                assert not left, f"{key} on {place}: not in Korean: {left}\n{t.text()}"
            t.press("esc")
            assert t.exit_code is None
    acts = [path for method, path, _query, body in fake.requests if method == "POST" and not body.get("dry_run")]
    assert all(path.endswith("/reveal") for path in acts), acts
