"""The command line: what people read, what programs read, and the exit codes."""

import csv
import io
import json
import os
import re
import stat
import subprocess

import pytest
from fake_daemon import row, stamp

VERBS = ["status", "alarms", "failed", "dlq", "retrying", "retry", "edit", "redrive", "redrives", "cancel", "restore", "pause",
         "resume", "breaker", "outbox", "signup", "audit", "config"]


def test_status(fake, usher):
    out = usher("status").out
    assert re.search(r"^! +email: 9 dead, to be redriven or cancelled$", out, re.M)
    assert re.search(r"^email +closed +12 +8 +3 +~9 +9 +4s +12/s +12/s +0.2/s$", out, re.M)
    assert "outbox: 2 waiting" in out and "you are mina" in out
    assert usher("status", "--json").json["pid"] == 4711
    assert "read-only" in usher("status", "-R").out


def test_status_of_a_service_in_trouble(fake, usher):
    fake.status = {"channel": {
        "email": {"breaker": {"state": "open", "since": stamp(40), "trial_at": stamp(-20),
                              "cause": "service_down: SMTP 421 4.3.2 at RCPT: Closing"}},
        "coupon": {"limit": {"per_s": 5, "by": "service", "since": stamp(9), "words": "rate_limited: HTTP 429: slow down"}}}}
    out = re.sub(r"\s+", " ", usher("status").out)
    assert re.search(r"!! email: service failing, breaker open since \S+ \(4\ds\), 12 waiting, next probe in 1\ds: "
                     r"service_down: SMTP 421 4.3.2 at RCPT: Closing", out), out
    assert "coupon: limited to 5.0/s by the service (rate_limited: HTTP 429: slow down)" in out


def test_failed_list(fake, usher):
    ran = usher("failed", "--limit", "5")
    lines = ran.out.splitlines()
    assert len(lines) == 6 and lines[0].split()[:4] == ["ID", "CHANNEL", "STATUS", "CLASS"]
    assert "5 of 12 shown; there is more: --limit N" in ran.err
    assert usher("failed").err == "", "all of it: nothing to say"
    ran = usher("failed", "--status", "dead", "--channel", "coupon", "--class", "out_of_stock", "--search", "evt-000007",
                "--sort", "oldest", "--since", "2026-01-01T00:00:00+09:00")
    assert fake.requests[-1][2] == {"status": "dead", "channel": "coupon", "class": "out_of_stock", "q": "evt-000007",
                                    "sort": "oldest", "since": "2025-12-31T15:00:00.000Z", "limit": "50"}
    assert len(ran.out.splitlines()) == 2
    ran = usher("failed", "--search", "nobody")
    assert len(ran.out.splitlines()) == 1 and "no failed notifications" in ran.err
    usher("failed", "--since", "1h")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT.*Z", fake.requests[-1][2]["since"])


def test_failed_takes_a_filter_in_words(fake, usher):
    usher("failed", "status:dead", 'reason:"no such"', "age>1h", "--sort", "class:desc")
    assert fake.requests[-1][1:3] == ("/v1/failed", {"filter": 'status:dead reason:"no such" age>1h', "sort": "class:desc",
                                                     "limit": "50"})
    usher("failed", "--groups", "--", "-class:malformed")
    assert fake.requests[-1][1:3] == ("/v1/failed/groups", {"filter": "-class:malformed", "limit": "50"})
    fake.refuse = "filter, character 1: there is no key \"stauts\""
    ran = usher("failed", "stauts:dead", check=2)
    assert "character 1" in ran.err and ran.out == ""
    usher("failed", "x" * 5000, check=2)


def test_redrive_takes_a_filter_in_words(fake, usher):
    ran = usher("redrive", "status:dead class:ambiguous", "--dry-run")
    assert "2 dead rows would be redriven" in ran.out
    assert "needs --reason" in usher("redrive", "class:ambiguous", check=2).err
    usher("redrive", "class:ambiguous", "--class", "timeout", "--reason", "x", check=2)
    usher("redrive", "4l", "--reason", "a slip of the finger", check=3)     # an id that is none, and no filter
    assert fake.jobs == {}
    ran = usher("redrive", "class:ambiguous", "--reason", "it is back")
    assert ran.out.startswith("redrive job 1: 2 dead rows")
    assert fake.requests[-1][3] == {"filter": "class:ambiguous", "reason": "it is back"}


def test_a_long_search_is_followed_to_its_end(fake, usher):
    """Pages that are not complete are gone on from, with rows on them or not."""
    fake.gaps = 3
    ran = usher("failed", "attempts:3", "--json")
    assert len(ran.json["items"]) == 12 and ran.json["complete"] is True and ran.json["next"] is None
    assert "searched" not in ran.json


def test_keys_of_the_filter(fake, usher):
    out = usher("failed", "--keys").out
    assert re.search(r"^status +: +status:dead +where it stands: dead, queued, delivered, cancelled$", out, re.M)
    assert re.search(r"^age +> < +age>1h +dead for how long$", out, re.M)
    assert usher("failed", "--keys", "--json").json["items"][0]["key"] == "status"


def test_csv(fake, usher):
    """What a spreadsheet opens: every member a column, quoted where it must be, harmless on a terminal."""
    fake.rows["12"]["reason"] = 'he said "no", twice\x1b[31m'
    rows = list(csv.reader(io.StringIO(usher("failed", "--csv").out, newline="")))
    assert len(rows) == 13 and rows[0][:3] == list(fake.rows["12"])[:3] and "dlq.message_id" in rows[0]
    assert all(len(row) == len(rows[0]) for row in rows)
    first = dict(zip(rows[0], rows[1]))
    assert first["id"] == "12" and first["reason"].startswith('he said "no", twice') and "\x1b" not in first["reason"]
    assert usher("failed", "--search", "nobody", "--csv").out == ""
    assert usher("failed", "--groups", "--csv").out.startswith("channel,status,class,")
    assert usher("audit", "--csv").code == 0


def test_korean_columns_line_up(fake, usher):
    """Counted in columns: a Korean character takes two."""
    def columns(text):
        return sum(2 if "\uac00" <= c <= "\ud7a3" else 1 for c in text)
    lines = [line for line in usher("failed").out.splitlines() if "👩" not in line]
    assert len({columns(line[:line.index("SMTP")]) for line in lines[1:]}) == 1


def test_pages_are_followed_up_to_the_limit(fake, usher):
    fake.rows = {str(n): row(n) for n in range(1, 1301)}
    asked = len(fake.requests)
    ran = usher("failed", "--limit", "1200", "--json")
    assert [int(item["id"]) for item in ran.json["items"]] == list(range(1300, 100, -1))
    assert ran.json["next"] == "1200" and ran.json["count"] == 1300
    assert [(q["limit"], q.get("cursor")) for _m, _p, q, _b in fake.requests[asked:]] == [
        ("500", None), ("500", "500"), ("200", "1000")]
    assert len(usher("failed", "--limit", "5000", "--json").json["items"]) == 1300


def test_groups(usher):
    out = usher("failed", "--groups").out
    assert re.search(r"^ +3 +coupon +dead +out_of_stock", out, re.M)
    assert sum(g["count"] for g in usher("failed", "--groups", "--json").json["items"]) == 12
    usher("failed", "--groups", "--sort", "oldest", check=2)


def test_one_with_its_attempts(usher):
    out = usher("failed", "12").out
    for part in ("out_of_stock: SMTP 550", "ATTEMPTS", "550 5.1.1 <mi***@example.com>: no such user 12", "PAYLOAD, 180 bytes",
                 '"big": 12345678901234567890', "usher.attempts = 3", "AUDIT", "expires in 13d"):
        assert part in out, part
    assert usher("failed", "12", "--json").json["attempt_list"][2]["number"] == 3
    assert "no failed notification 999" in usher("failed", "999", check=3).err


def test_other_lists(fake, usher):
    ran = usher("dlq")
    assert ran.out.count("dead") == 12 and "email: ~9 in the queue, looked at" in ran.err
    assert usher("dlq", "coupon", "--json").json["depth"] == {"value": 3, "exactness": "approximate"}
    assert re.search(r"^ 9 +email +2 of 3 +1\ds +timeout", usher("retrying").out, re.M)
    assert "evt-5" in usher("outbox", "--waiting").out and fake.requests[-1][2]["waiting"] == "true"
    usher("outbox", "--published")
    assert fake.requests[-1][2]["waiting"] == "false"
    usher("cancel", "3", "--reason", "left the company")
    ran = usher("audit", "--target", "failed/3")
    assert re.search(r"mina +cancel +failed/3 +done +left the company", ran.out)
    assert fake.requests[-1][2]["target"] == "failed/3"


def test_acts(fake, usher):
    ran = usher("redrive", "1", "2", "--reason", "service is back")
    assert ran.out.splitlines() == ["1: queued again (email to mi***@example.com)",
                                    "2: queued again (coupon to mi***@example.com)"]
    assert fake.requests[-1][3] == {"reason": "service is back"}
    assert "cancelled" in usher("cancel", "3", "--reason", "gone").out
    assert "dead again" in usher("restore", "3").out
    assert usher("redrive", "3", "--json").json["status"] == "queued"
    ran = usher("signup", "--email", "kim@example.com", "--name", "김민수", "--user-id", "u-77", "--locale", "ko-KR")
    assert ran.out == "u-77 registered, event evt-77\n"
    assert fake.requests[-1][3] == {"email": "kim@example.com", "name": "김민수", "user_id": "u-77", "locale": "ko-KR"}


def test_several_ids_each_answered_and_the_worst_told(fake, usher):
    fake.rows["2"].update(status="queued", settled_by="jun")
    ran = usher("redrive", "1", "2", "999", "4", check=4)
    assert [line.split(":")[0] for line in ran.out.splitlines()] == ["1", "4"]
    assert "usher: 2: 2 is queued, settled by jun" in ran.err and "usher: 999: there is no" in ran.err


def test_exit_codes(fake, usher, tmp_path):
    usher("redrive", "999", check=3)
    usher("restore", "1", check=4)
    assert "read-only" in usher("redrive", "1", socket_path=fake.readonly_socket, check=5).err
    before = len(fake.requests)
    assert "you asked to look only" in usher("redrive", "1", "-R", check=5).err
    usher("signup", "--email", "a@b.c", "--name", "A", "-R", check=5)
    assert len(fake.requests) == before
    ran = usher("status", socket_path=str(tmp_path / "none.sock"), check=6)
    assert "no daemon at" in ran.err and "is usherd running?" in ran.err
    fake.raw = b"<html>"
    usher("status", check=1)


@pytest.mark.parametrize("words", [
    ["nonsense"], ["failed", "--nonsense"], ["failed", "1", "2"], ["redrive"], ["cancel", "1"], ["cancel", "1", "--reason", " "],
    ["signup", "--email", "a@b.c"], ["failed", "--limit", "0"], ["failed", "--limit", "ten"], ["failed", "--limit"],
    ["failed", "--since", "yesterday"], ["outbox", "--waiting", "--published"], ["status", "x"], ["status", "--limit", "3"],
    ["--nonsense"], ["status", "--socket", "/x" * 100]])
def test_usage(fake, usher, words):
    before = len(fake.requests)
    ran = usher(*words, check=2)
    assert ran.out == "" and ran.err.startswith("usher: ") and "--help" in ran.err
    assert len(fake.requests) == before


def test_help_and_version(usher):
    text = usher("--help").out
    for verb in VERBS:
        assert re.search(rf"^  {verb}\b", text, re.M)
        own = usher(verb, "--help").out
        assert own.startswith(f"Usage: usher {verb}") and "--json" in own and "--socket PATH" in own
    assert "--groups" in usher("failed", "-h").out and "--groups" not in usher("status", "-h").out
    assert re.fullmatch(r"usher \d+\.\d+\.\d+\n", usher("--version").out)


def test_options_before_and_after_the_verb(fake, usher, build):
    assert json.loads(usher("--json", "status").out)["pid"] == 4711
    assert json.loads(usher("status", "--json", "--socket", fake.socket, socket_path="/nowhere").out)["pid"] == 4711


def test_a_silent_daemon_ends_in_time(fake, usher):
    fake.hang = True
    assert "no answer in time" in usher("status", check=6).err


def test_the_read_only_socket_by_itself(fake, usher):
    """Where only that one is there; the daemon says no to acts."""
    os.unlink(fake.socket)
    assert "read-only" in usher("status").out
    usher("redrive", "1", check=5)


def test_not_allowed_to_open_the_socket(fake, usher):
    os.chmod(fake.socket, 0)
    os.chmod(fake.readonly_socket, 0)
    os.chmod(fake.folder, stat.S_IRWXU)
    if os.access(fake.socket, os.W_OK):     # root opens everything: ask as nobody
        os.chmod(fake.folder, 0o755)
        ran = as_nobody(usher, "status")
    else:
        ran = usher("status", check=None)
    assert ran.code == 5 and "you may not open" in ran.err


def as_nobody(usher, *words):
    import shutil

    from support.api import Ran
    program = shutil.which("setpriv")
    assert program, "setpriv (util-linux) is part of every Debian"
    done = subprocess.run([program, "--reuid=65534", "--regid=65534", "--clear-groups", usher.program, *words],
                          env={"USHER_SOCKET": usher.socket, "LC_ALL": "C.UTF-8"}, capture_output=True, check=False)
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


def test_quiet_when_the_reader_has_enough(usher, build, fake):
    fake.rows = {str(n): row(n) for n in range(1, 1001)}
    done = subprocess.run(f"{build}/usher failed --limit 1000 --socket {fake.socket} | head -1", shell=True,
                          capture_output=True, check=True)
    assert done.stderr == b"" and done.stdout.count(b"\n") == 1


def test_a_full_disk_is_told(build, fake):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([str(build / "usher"), "status", "--socket", fake.socket], stdout=full,
                              stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1 and b"No space left" in done.stderr


def test_cancel_takes_a_filter_and_restore_a_job(usher, fake):
    look = usher("cancel", "class:out_of_stock", "--dry-run")
    assert "dead rows would be cancelled" in look.out and "Nothing was done" in look.out
    assert "needs --reason" in usher("cancel", "--class", "out_of_stock", check=2).err
    assert "needs ID..., or a filter" in usher("cancel", check=2).err
    assert "one of them says which rows" in usher("cancel", "4", "--class", "timeout", "--reason", "x", check=2).err
    done = usher("cancel", "class:out_of_stock", "--reason", "the campaign is over")
    assert re.match(r"cancel job 1: \d+ dead rows; usher redrives restore 1 takes it back", done.out)
    listed = usher("redrives").out.splitlines()
    assert listed[0].split()[:3] == ["ID", "ACT", "STATE"] and listed[1].split()[:3] == ["1", "cancel", "done"]
    shown = usher("redrives", "show", "1").out
    assert shown.startswith("cancel job 1") and "cancelled" in shown and "canary" not in shown
    assert "rows would be restored" in usher("redrives", "restore", "1", "--dry-run").out
    assert "restore job 2" in usher("redrives", "restore", "1").out
    assert "what job 1 cancelled" in usher("redrives", "show", "2").out
    assert all(r["status"] == "dead" for r in fake.rows.values())
    assert "look only" in usher("-R", "redrives", "restore", "1", check=5).err
