"""usherd as its administrator meets it: options, verbs, exit codes, signals."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

import pytest

from support import process
from support.daemon import ROOT

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
    (["--json"], "go with check-config alone"),
    (["check-config", "--offline", "--sample"], "go with check-config alone"),
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


def test_check_config_for_programs(usherd, ini):
    done = usherd("check-config", "--json", "-c", str(ini), USHER_RELAY_BATCH="7", USHER_COUPON_TOKEN="hunter2")
    answer = json.loads(done.stdout)
    assert done.returncode == 0 and done.stderr == "" and "hunter2" not in done.stdout
    assert answer["valid"] and answer["path"] == str(ini) and answer["errors"] == [] and answer["config_server"] is None
    values = {f"{item['section']}.{item['key']}": item for item in answer["values"]}
    assert values["relay.batch"] == {"section": "relay", "key": "batch", "value": "7", "set": True, "secret": False,
                                     "reload": True, "origin": "environment USHER_RELAY_BATCH", "help": "Events in one publish call."}
    assert values["email.from"]["origin"] == f"{ini}:2"
    token, password = values["coupon.token"], values["database.password"]
    assert token["secret"] and token["set"] and token["value"] is None
    assert password["secret"] and not password["set"]


def test_check_config_tells_programs_what_is_wrong(usherd, ini):
    ini.write_text("[database]\nprot = 1\nport = x\n[email]\nfrom = a@b\npassword = hunter2\n", encoding="utf-8")
    done = usherd("check-config", "--json", "-c", str(ini), USHER_DATABASE_PASSWORD="hunter2\n")
    assert done.returncode == 1 and done.stderr == "" and "hunter2" not in done.stdout
    answer = json.loads(done.stdout)
    assert not answer["valid"] and answer["more_errors"] == 0 and "values" not in answer
    errors = {error["key"]: error for error in answer["errors"]}
    assert errors["database.port"] == {
        "where": f"{ini}:3", "key": "database.port", "allowed": "a whole number 1..65535",
        "message": '[database] port: "x" is not allowed; use a whole number 1..65535'}
    assert errors[None]["where"] == f"{ini}:2"
    assert errors["database.password"]["where"] == "environment USHER_DATABASE_PASSWORD"
    assert set(errors) == {"database.port", None, "database.password", "coupon.url", "email.user"}


def test_a_credential_is_found_by_its_name(usherd, ini, tmp_path):
    ini.write_text(NEEDED + "token_file = coupon.token\n", encoding="utf-8")
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "coupon.token").write_text("hunter2\n", encoding="utf-8")
    done = usherd("check-config", "-c", str(ini), CREDENTIALS_DIRECTORY=str(credentials))
    assert re.search(rf"^  token +\(set\) +{re.escape(str(ini))}:5, file {re.escape(str(credentials))}/coupon\.token$",
                     done.stdout, re.M)
    assert "coupon.token: cannot be opened" in usherd("check-config", "-c", str(ini)).stderr


@pytest.mark.parametrize("key, dumped", [("", False), ("core_dumps = yes", True)])
def test_secrets_are_in_no_core_dump(build, key, dumped):
    """A process that may not be dumped belongs to root in /proc, whoever runs it: so the kernel shows it. Root's own would
    tell nothing: it is run as another user then."""
    user = os.geteuid() or 65534
    with tempfile.TemporaryDirectory(prefix="usher-") as name:
        folder = pathlib.Path(name)
        shutil.copy(build / "usherd", folder / "usherd")
        shutil.copytree(ROOT / "conf" / "templates", folder / "templates")
        (folder / "usher.ini").write_text(f"[daemon]\nrun_dir = {folder}\n{key}\n[database]\nport = 9\n{NEEDED}"
                                          f"[email]\ntemplate_dir = {folder}/templates\n", encoding="utf-8")
        other = {}
        if user != os.geteuid():
            other = {"user": user, "group": user}
            for path in (folder, *folder.iterdir()):
                os.chown(path, user, user)
        one = process.start([str(folder / "usherd"), "-c", str(folder / "usher.ini")], folder / "log", **other)
        try:
            log = folder / "log"
            process.wait_until(lambda: " started as " in log.read_text(encoding="utf-8"), lambda: log.read_text(encoding="utf-8"))
            assert os.stat(f"/proc/{one.pid}/environ").st_uid == (user if dumped else 0)
        finally:
            process.end(one)


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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_is_clean(daemon, number):
    one = daemon()
    os.kill(one.pid, number)    # once: a second one would end it at once
    process.wait_until(lambda: not one.running, one.story)
    assert one.stop() == 0
    assert f"received {number.name}" in one.log()
    assert not os.path.exists(one.socket) and not os.path.exists(one.readonly_socket)


def test_a_second_daemon_is_refused(daemon, usherd):
    one = daemon()
    done = usherd("-c", str(one.config))
    assert done.returncode == 1
    assert "cannot start" in done.stderr
    assert one.answers()
