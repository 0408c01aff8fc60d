"""usherd as its administrator meets it: options, verbs, exit codes, signals."""

import os
import re
import signal
import subprocess

import pytest

from support import process

NEEDED = "[email]\nfrom = welcome@example.com\n[coupon]\nurl = http://127.0.0.1:9/\n"


@pytest.fixture
def usherd(build, tmp_path):
    """usherd(ARGUMENTS..., environment={}) in an empty folder, without any USHER_ variable of the caller."""

    def run(*arguments, stdout=subprocess.PIPE, **environment):
        clean = {key: value for key, value in os.environ.items() if not key.startswith("USHER_")}
        return subprocess.run([str(build / "usherd"), *arguments], env={**clean, **environment}, cwd=tmp_path,
                              stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, timeout=60, check=False,
                              encoding="utf-8")

    return run


@pytest.fixture
def ini(tmp_path):
    path = tmp_path / "usher.ini"
    path.write_text(NEEDED, encoding="utf-8")
    return path


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_names_every_verb(usherd, option):
    done = usherd(option)
    assert done.returncode == 0 and done.stderr == ""
    for word in ("run", "migrate", "check-config", "--config FILE", "--version", "/usher/usher.ini"):
        assert word in done.stdout


def test_version(usherd):
    done = usherd("--version")
    assert done.returncode == 0
    assert re.fullmatch(r"usherd \d+\.\d+\.\d+\n", done.stdout)


@pytest.mark.parametrize("arguments, words", [
    (["--nonsense"], "unrecognized option '--nonsense'"),
    (["--config"], "requires an argument"),
    (["dance"], "there is no verb dance"),
    (["provision"], "needs --plan or --apply"),
    (["provision", "--plan", "--apply"], "one of them"),
    (["--plan"], "no other verb takes them"),
    (["run", "migrate"], "not also migrate"),
    (["--manual"], "goes with check-config"),
    (["check-config", "--manual", "--sample"], "one of them"),
])
def test_wrong_usage_is_2(usherd, arguments, words):
    done = usherd(*arguments)
    assert done.returncode == 2
    assert words in done.stderr and "Try usherd --help." in done.stderr
    assert done.stdout == ""


def test_check_config_shows_what_is_in_force(usherd, ini):
    done = usherd("check-config", "-c", str(ini), USHER_RELAY_BATCH="7", USHER_COUPON_TOKEN="hunter2")
    assert done.returncode == 0 and done.stderr == ""
    assert re.search(rf"^  from +welcome@example\.com +{re.escape(str(ini))}:2$", done.stdout, re.M)
    assert re.search(r"^  batch +7 +environment USHER_RELAY_BATCH$", done.stdout, re.M)
    assert re.search(r"^  token +\(set\) +environment USHER_COUPON_TOKEN$", done.stdout, re.M)
    assert "hunter2" not in done.stdout


def test_configuration_is_chosen_by_option_then_environment(usherd, ini, tmp_path):
    other = tmp_path / "other.ini"
    other.write_text(NEEDED, encoding="utf-8")
    assert usherd("check-config", USHER_CONFIG=str(other)).stdout.startswith(f"{other}\n")
    assert usherd("check-config", "-c", str(ini), USHER_CONFIG=str(other)).stdout.startswith(f"{ini}\n")
    done = usherd("check-config", USHER_CONFIG=str(tmp_path / "absent.ini"))
    assert done.returncode == 1 and "absent.ini: cannot be opened" in done.stderr


@pytest.mark.parametrize("verb", ["run", "check-config"])
def test_every_error_of_the_configuration_is_told(usherd, ini, verb):
    ini.write_text("[database]\nprot = 1\nport = x\n[channel.email]\nenabled = no\n", encoding="utf-8")
    done = usherd(verb, "-c", str(ini))
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.splitlines() == [
        f'{ini}:2: [database] has no key "prot" (did you mean "port"?)',
        f'{ini}:3: [database] port: "x" is not allowed; use a whole number 1..65535',
        f"{ini}: [coupon] url is needed while [channel.coupon] is enabled; set it or USHER_COUPON_URL in the environment"]


def test_sample_is_a_start(usherd, tmp_path):
    sample = tmp_path / "sample.ini"
    sample.write_text(usherd("check-config", "--sample").stdout, encoding="utf-8")
    done = usherd("check-config", "-c", str(sample), USHER_EMAIL_FROM="a@b.example", USHER_COUPON_URL="http://c.example/")
    assert done.returncode == 0, done.stderr


def test_output_that_cannot_be_written_is_a_failure(usherd):
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = usherd("check-config", "--sample", stdout=full)
    assert done.returncode == 1
    assert "cannot write the output: No space left on device" in done.stderr


def test_migrate_needs_the_database_only(daemon, usherd, ini, mariadb):
    ready = daemon(start=False, migrate=False)
    ini.write_text(ready.config.read_text(encoding="utf-8").partition("[retry]")[0], encoding="utf-8")
    first, second = usherd("migrate", "-c", str(ini)), usherd("migrate", "-c", str(ini))
    assert first.returncode == 0, first.stderr
    assert "applied 0001_initial" in first.stdout
    assert second.returncode == 0 and "applied" not in second.stdout
    mariadb.kill()
    done = usherd("migrate", "-c", str(ini))
    assert done.returncode == 1 and done.stderr.startswith("usherd: ")


def test_hangup_changes_nothing_and_says_so(daemon):
    one = daemon()
    os.kill(one.pid, signal.SIGHUP)
    process.wait_until(lambda: "SIGHUP changes nothing" in one.log(), one.log, 10)
    assert one.answers()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_is_clean(daemon, number):
    one = daemon()
    os.kill(one.pid, number)    # once: a second one would end it at once
    process.wait_until(lambda: not one.running, one.log)
    assert one.stop() == 0
    assert f"received {number.name}" in one.log()
    assert not os.path.exists(one.socket) and not os.path.exists(one.readonly_socket)


def test_a_second_daemon_is_refused(daemon, usherd):
    one = daemon()
    done = usherd("-c", str(one.config))
    assert done.returncode == 1
    assert "cannot start" in done.stderr
    assert one.answers()
