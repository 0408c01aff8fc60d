"""Settings that come from a config server: what is asked, whose word counts, what is said when it goes wrong, and what
is left when the server is away."""

import base64
import json
import os
import re
import ssl
import stat
import subprocess

import pytest

from support import planted, process
from support.config_server import V2, ConfigServer
from support.smtp import make_certificate

NEEDED = "[email]\nfrom = welcome@example.com\n[coupon]\nurl = http://127.0.0.1:9/\n"
SECRET = planted.secret("of-the-config-server")


@pytest.fixture
def server():
    one = ConfigServer()
    yield one
    one.close()


@pytest.fixture
def second():
    one = ConfigServer()
    yield one
    one.close()


class Folder:
    """usher.ini in a folder of its own, which is run_dir too."""

    def __init__(self, build, path):
        self._build, self.path = build, path
        self.ini = path / "usher.ini"
        self.kept = path / "config-server.json"

    def write(self, url, more="", server_keys="", profile=None):
        daemon = f"[daemon]\nrun_dir = {self.path}\n" + (f"profile = {profile}\n" if profile else "")
        self.ini.write_text(f"{daemon}[config_server]\nurl = {url}\ntimeout = 1s\n{server_keys}\n{NEEDED}{more}", encoding="utf-8")
        if profile:
            (self.path / f"usher-{profile}.ini").write_text("", encoding="utf-8")

    def run(self, *arguments, **environment):
        clean = {key: value for key, value in os.environ.items() if not key.startswith("USHER_")}
        return subprocess.run([str(self._build / "usherd"), *arguments, "-c", str(self.ini)], env={**clean, **environment},
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False,
                              encoding="utf-8")

    def check(self, *arguments, **environment):
        """The answer of check-config --json."""
        done = self.run("check-config", "--json", *arguments, **environment)
        assert done.stderr == "" and done.returncode in (0, 1), done
        answer = json.loads(done.stdout)
        assert answer["valid"] == (done.returncode == 0) and answer["valid"] == (not answer["errors"])
        return answer


@pytest.fixture
def folder(build, tmp_path):
    return Folder(build, tmp_path)


def value(answer, key):
    section, _, name = key.rpartition(".")
    return next(item for item in answer["values"] if (item["section"], item["key"]) == (section, name))


def shown(answer, key):
    assert answer["valid"], answer["errors"]
    item = value(answer, key)
    return item["value"], item["origin"]


def refused(answer):
    """The one error."""
    assert not answer["valid"] and len(answer["errors"]) == 1, answer
    return answer["errors"][0]


# -- What is asked -------------------------------------------------------------------------------------------------


def test_name_and_default_profile_are_asked_for_in_the_second_form(folder, server):
    folder.write(server.url)
    assert folder.check()["config_server"] == {"url": server.url, "label": "main", "version": "5c0e2a1b", "state": None,
                                               "kept": None}
    path, headers = server.requests[0]
    assert path == "/usher/default" and headers["accept"].startswith(V2)
    assert not {"authorization", "x-config-token", "x-config-state"} & set(headers)


def test_profile_name_and_label_make_the_path(folder, server):
    server.labels = ["release/2026 ü"]
    folder.write(server.url + "/", server_keys="name = billing/usher\nlabel = release/2026 ü", profile="production")
    assert folder.check()["valid"]
    assert server.requests[0][0] == "/billing(_)usher/production/release(_)2026%20%C3%BC"


def test_labels_are_tried_until_one_exists(folder, server):
    server.labels = ["develop"]
    server.files = {"usher.yml": {"usher.relay.batch": 4}}
    folder.write(server.url, server_keys="label = feature/x, develop , main")
    answer = folder.check()
    assert shown(answer, "relay.batch")[0] == "4" and answer["config_server"]["label"] == "develop"
    assert [path for path, _ in server.requests] == ["/usher/default/feature(_)x", "/usher/default/develop"]


@pytest.mark.parametrize("keys, setting, expected", [
    ("user = ops\npassword = " + SECRET, {"login": ("ops", SECRET)}, "Basic " + base64.b64encode(f"ops:{SECRET}".encode()).decode()),
    ("password = " + SECRET, {"login": ("user", SECRET)}, "Basic " + base64.b64encode(f"user:{SECRET}".encode()).decode()),
    ("bearer = " + SECRET, {"bearer": SECRET}, "Bearer " + SECRET),
])
def test_logins(folder, server, keys, setting, expected):
    for name, content in setting.items():
        setattr(server, name, content)
    folder.write(server.url, server_keys=keys)
    assert folder.check()["valid"]
    assert server.requests[0][1]["authorization"] == expected


def test_the_token_goes_in_a_header_of_its_own(folder, server):
    server.token = SECRET
    (folder.path / "token").write_text(SECRET + "\n", encoding="utf-8")
    folder.write(server.url, server_keys="token_file = token")
    assert folder.check(CREDENTIALS_DIRECTORY=str(folder.path))["valid"]
    assert server.requests[0][1]["x-config-token"] == SECRET


@pytest.mark.parametrize("keys, words", [
    ("user = ops", "[config_server] password is needed because [config_server] user is set"),
    ("password = x\nbearer = y", "the server is told one login"),
    ("user = a:b\npassword = x", "holds no colon"),
    ("password_file = /nowhere", "cannot be opened"),
])
def test_half_a_login_is_refused_and_nobody_is_asked(folder, server, keys, words):
    folder.write(server.url, server_keys=keys)
    assert words in refused(folder.check())["message"]
    assert not server.requests


def test_a_certificate_must_be_vouched_for(folder, tmp_path):
    authority, key = make_certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority, key)
    secure = ConfigServer({"usher.yml": {"usher.relay.batch": 3}}, ssl_context=context)
    url = secure.url.replace("http:", "https:")
    try:
        folder.write(url)
        answer = folder.check()
        assert shown(answer, "relay.batch")[0] == "10" and "certificate" in answer["notes"][0] and not secure.requests
        folder.write(url, server_keys=f"ca_file = {authority}")
        assert shown(folder.check(), "relay.batch")[0] == "3"
    finally:
        secure.close()


def test_offline_asks_nobody(folder, server):
    server.files = {"usher.yml": {"usher.relay.batch": 4}}
    folder.write(server.url)
    answer = folder.check("--offline")
    assert shown(answer, "relay.batch") == ("10", "built-in") and not server.requests
    assert "was not asked" in answer["notes"][0]


# -- Whose word counts ---------------------------------------------------------------------------------------------


def test_precedence(folder, server):
    server.files = {"application.yml": {"usher.relay.batch": 1, "usher.relay.interval": "1s", "usher.relay.linger": "1s",
                                        "usher.breaker.probes": 1, "usher.retry.max_attempts": 1},
                    "usher.yml": {"usher.relay.batch": 2, "usher.relay.interval": "2s", "usher.relay.linger": "2s",
                                  "usher.breaker.probes": 2},
                    "usher-production.yml": {"usher.relay.batch": 3, "usher.relay.interval": "3s"}}
    folder.write(server.url, more="[relay]\nbatch = 9\nmax_backoff = 9s\n[breaker]\nprobes = 9\n", profile="production")
    answer = folder.check(USHER_RELAY_BATCH="4")
    git = "config server https://git.example/config/"
    assert shown(answer, "relay.batch") == ("4", "environment USHER_RELAY_BATCH")
    assert shown(answer, "relay.interval") == ("3s", f"{git}usher-production.yml (Config Server usher-production.yml:3:3)")
    assert shown(answer, "relay.linger") == ("2s", f"{git}usher.yml (Config Server usher.yml:4:3)")
    assert shown(answer, "breaker.probes")[0] == "2"
    assert shown(answer, "retry.max_attempts")[1] == f"{git}application.yml (Config Server application.yml:6:3)"
    assert shown(answer, "relay.max_backoff")[1].startswith(str(folder.ini))


def test_the_plain_form_of_old_servers(folder):
    old = ConfigServer({"usher.yml": {"usher.relay.batch": 3}}, v2=False)
    try:
        folder.write(old.url)
        assert shown(folder.check(), "relay.batch") == ("3", "config server https://git.example/config/usher.yml")
    finally:
        old.close()


@pytest.mark.parametrize("name", ["usher.database.connect-timeout", "usher.database.connect_timeout",
                                  "usher.database.connectTimeout", "usher.database.CONNECT_TIMEOUT", "Usher.Database.connecttimeout"])
def test_names_are_bound_relaxed(folder, server, name):
    server.files = {"usher.yml": {name: "7s"}}
    folder.write(server.url)
    assert shown(folder.check(), "database.connect_timeout")[0] == "7s"


def test_sections_with_dots_and_types_of_json(folder, server):
    server.files = {"usher.yml": {"usher.channel.email.rate": 12.5, "usher.channel.coupon.in-flight": 20, "usher.log.mask": False,
                                  "usher.channel.email.enabled": True, "usher.email.subject": "환영합니다",
                                  "usher.relay.batch": None, "spring.application.name": "x", "ushers.relay.batch": 99}}
    folder.write(server.url)
    answer = folder.check()
    assert [shown(answer, key)[0] for key in ("channel.email.rate", "channel.coupon.in_flight", "log.mask", "channel.email.enabled",
                                              "email.subject", "relay.batch")] == ["12.5", "20", "no", "yes", "환영합니다", "10"]


# -- What is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("properties, key, words", [
    ({"usher.coupon.ulr": "http://x/"}, None, "there is no key usher.coupon.ulr (did you mean usher.coupon.url?)"),
    ({"usher.relay.batch": 11}, "relay.batch", '[relay] batch: "11" is not allowed; use a whole number 1..10'),
    ({"usher.relay.batch": 1, "usher.relay.Batch": 2}, "relay.batch", "[relay] batch is given twice"),
    ({"usher.relay.batch[0]": 1}, "relay.batch", "[relay] batch: it takes one value, not a list"),
    ({"usher.relay.batch": {"a": 1}}, None, "neither text, nor a number"),
    ({"usher.coupon.url": "http://${host}/"}, None, "placeholder ${...}, which usher does not resolve"),
    ({"usher.config-server.url": "http://x/"}, None, "stands in usher.ini or the environment only"),
    ({"usher.daemon.profile": "x"}, None, "stands in usher.ini or the environment only"),
    ({"usher.daemon.run-dir": "/x"}, None, "stands in usher.ini or the environment only"),
    ({"usher.coupon.token-file": "/etc/shadow"}, None, "is not taken from a server"),
    ({"invalid.usher.email.password": "<n/a>"}, None, "could not decrypt it"),
    ({"usher.email.password": "<n/a>"}, None, "could not decrypt it"),
    ({"usher.email.password": "{cipher}" + SECRET}, None, "let the server decrypt it"),
    ({"usher.database.password": SECRET + "\n"}, "database.password", "control character"),
])
def test_what_cannot_be_is_refused_with_its_source(folder, server, properties, key, words):
    server.files = {"usher.yml": properties}
    folder.write(server.url)
    answer = folder.check()
    error = refused(answer)
    assert words in error["message"] and error["key"] == key
    assert error["where"].startswith("config server https://git.example/config/usher.yml (Config Server usher.yml:")
    text = folder.run("check-config")
    assert text.returncode == 1 and error["message"] in text.stderr
    for output in (json.dumps(answer), text.stderr):
        assert SECRET not in output and "s3cr3t@" not in output


@pytest.mark.parametrize("fault, words", [
    ("401", "HTTP 401 Cannot clone or checkout repository; the login is not accepted"),
    ("403", "HTTP 403 Cannot clone or checkout repository; the login may not read this"),
    ("302", "redirects are not followed"),
])
def test_a_server_that_refuses_us_stops_the_start_and_is_named(folder, server, second, fault, words):
    server.fault = fault
    folder.write(f"{server.url}, {second.url}")
    message = refused(folder.check())["message"]
    assert message.startswith(f"{server.url}: ") and words in message
    assert not second.requests


# -- Servers that are away -----------------------------------------------------------------------------------------


FAULTS = [("500", "HTTP 500"), ("hang", "no whole answer in time"), ("cut", ""), ("garbage", "not JSON"),
          ("other", "is this a Spring Cloud Config server?"), ("huge", "longer than usher reads"), ("down", "connect")]


@pytest.mark.parametrize("fault, words", FAULTS)
def test_the_next_server_is_asked(folder, server, second, fault, words):
    second.files = {"usher.yml": {"usher.relay.batch": 3}}
    if fault == "down":
        server.outage()
    server.fault = fault
    folder.write(f"{server.url}, {second.url}", server_keys="required = yes")
    answer = folder.check()
    assert shown(answer, "relay.batch")[0] == "3" and answer["config_server"]["url"] == second.url and answer["notes"] == []


@pytest.mark.parametrize("fault, words", FAULTS)
def test_without_any_server_it_starts_or_not_as_required(folder, server, fault, words):
    if fault == "down":
        server.outage()
    server.fault = fault
    folder.write(server.url)
    answer = folder.check()
    assert answer["valid"] and answer["config_server"] is None
    assert "no config server answers" in answer["notes"][0] and words in answer["notes"][0] and server.url in answer["notes"][0]
    assert "note: no config server answers" in folder.run("check-config").stdout
    folder.write(server.url, server_keys="required = yes")
    message = refused(folder.check())["message"]
    assert message.startswith("none answers, and [config_server] required = yes") and words in message


def test_nothing_there_is_an_answer(folder, server):
    server.labels = []
    server.labelled = {}
    folder.write(server.url, server_keys="label = gone")
    answer = folder.check()
    assert answer["valid"] and answer["notes"] == ["the config server knows nothing of usher/default/gone"]
    folder.write(server.url, server_keys="label = gone\nrequired = yes")
    assert "it knows nothing of usher/default/gone" in refused(folder.check())["message"]


def test_what_is_missing_is_explained_by_the_note(folder, server):
    server.outage()
    folder.write(server.url)
    folder.ini.write_text(folder.ini.read_text(encoding="utf-8").replace("from =", "# from ="), encoding="utf-8")
    done = folder.run("check-config")
    assert done.returncode == 1
    assert [line.split(" ")[0] for line in done.stderr.splitlines()] == [f"{folder.ini}:", "note:"]


# -- The kept answer -----------------------------------------------------------------------------------------------


def settings(server, **more):
    return {"config_server": {"url": server.url, "timeout": "2s", **more}}


def test_the_daemon_keeps_the_answer_and_starts_from_it(daemon, server):
    server.files = {"usher.yml": {"usher.relay.batch": 3, "usher.email.user": "ops", "usher.email.password": SECRET,
                                  "usher.coupon.token": SECRET}}
    one = daemon({**settings(server), "coupon": {"token": None}, "email": {"user": None, "password": None}})
    kept = one.folder / "config-server.json"
    assert f"config server {server.url}: label main, version 5c0e2a1b" in one.log()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    text = kept.read_text(encoding="utf-8")
    assert SECRET not in text and "s3cr3t" not in text and SECRET not in one.log()
    assert sorted(json.loads(text)["withheld"]) == ["usher.coupon.token", "usher.email.password"]
    assert one.stop() == 0

    server.outage()
    done = one.command("check-config", check=1)
    for key in ("[email] password", "[coupon] token"):
        assert f"{key} comes from the config server, which is away, and is not kept on disk" in done.stderr.decode()
    before = kept.stat().st_mtime_ns
    one.environment |= {"USHER_EMAIL_PASSWORD": SECRET, "USHER_COUPON_TOKEN": SECRET}
    one.start()
    assert re.search(r"no config server answers \(.*\); what it answered 0m ago is used, as kept at 20", one.log())
    assert kept.stat().st_mtime_ns == before and SECRET not in one.log()
    answer = json.loads(one.command("check-config", "--json").stdout)
    assert answer["config_server"]["kept"] and SECRET not in json.dumps(answer)
    text, origin = shown(answer, "relay.batch")
    assert text == "3" and re.search(r"usher\.yml \(Config Server usher\.yml:2:3\), as kept 20", origin)
    assert shown(json.loads(one.command("check-config", "--json", "--offline").stdout), "relay.batch")[0] == "3"


def test_required_does_not_use_what_is_kept(daemon, server):
    one = daemon(settings(server))
    assert one.stop() == 0
    server.outage()
    one.configure({"config_server": {"required": "yes"}})
    done = one.command("run", check=1)
    assert b"none answers, and [config_server] required = yes" in done.stderr


def test_what_is_kept_for_another_question_is_not_used(daemon, server):
    server.files = {"usher.yml": {"usher.relay.batch": 3}}
    one = daemon(settings(server))
    assert one.stop() == 0
    server.outage()
    one.configure({"config_server": {"name": "other"}})
    answer = json.loads(one.command("check-config", "--json").stdout)
    assert shown(answer, "relay.batch") == ("10", "built-in")
    assert "is the answer for usher/default, not for other/default" in answer["notes"][0]


def test_a_damaged_kept_answer_is_passed_over(daemon, server):
    one = daemon(settings(server))
    assert one.stop() == 0
    server.outage()
    (one.folder / "config-server.json").write_text('{"name": "usher"', encoding="utf-8")
    answer = json.loads(one.command("check-config", "--json").stdout)
    assert answer["valid"] and "is damaged" in answer["notes"][0]


def test_an_answer_with_an_error_is_not_kept(daemon, server):
    server.files = {"usher.yml": {"usher.relay.batch": 3}}
    one = daemon(settings(server))
    assert one.stop() == 0
    before = (one.folder / "config-server.json").read_bytes()
    server.files = {"usher.yml": {"usher.relay.batch": 4, "usher.relay.nonsense": 1}}
    assert b"there is no key usher.relay.nonsense" in one.command("run", check=1).stderr
    assert (one.folder / "config-server.json").read_bytes() == before


def test_settings_of_the_server_are_in_force(daemon, server, smtp):
    server.files = {"usher.yml": {"usher.email.subject": "From afar"}}
    one = daemon(settings(server))
    one.usher("signup", "--email", "kim@usher.example", "--name", "Kim")
    process.wait_until(lambda: smtp.mails, one.story)
    assert b"Subject: From afar" in smtp.mails[0].data


# -- Secrets -------------------------------------------------------------------------------------------------------


def test_a_secret_of_the_server_is_shown_as_set(folder, server):
    server.files = {"usher.yml": {"usher.database.password": SECRET, "usher.coupon.token": SECRET}}
    folder.write(server.url)
    answer = folder.check()
    assert value(answer, "database.password")["set"] and value(answer, "database.password")["value"] is None
    text = folder.run("check-config").stdout
    assert re.search(r"^  password +\(set\) +config server https://git\.example/", text, re.M)
    assert SECRET not in text and SECRET not in json.dumps(answer)
