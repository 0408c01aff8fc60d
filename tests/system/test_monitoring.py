"""What monitors see: health in Spring's shape, metrics that Prometheus' own tool accepts, rules and dashboard that name what
there is, histories that outlive a restart."""

import json
import os
import re
import subprocess
import time

import pytest
from support import load
from support.daemon import ROOT
from support.process import wait_until
from support.slow_disk import SlowDisk

PROMTOOL = ROOT / "build" / "tools" / "promtool"
RULES = ROOT / "conf" / "prometheus" / "usher.rules.yml"
RULES_TEST = ROOT / "tests" / "prometheus" / "usher.rules.test.yml"
DASHBOARD = ROOT / "conf" / "grafana" / "usher.json"
BREAKS = {"breaker": {"failures": "2", "cooldown": "500ms", "probes": "1"}, "retry": {"max_attempts": "20"}}


def promtool(*arguments, page=None):
    done = subprocess.run([str(PROMTOOL), *arguments], input=page, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, done.stdout.decode()
    return done.stdout.decode()


def samples(text):
    """{'name{labels}': value}"""
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if line and line[0] != "#"}


def signups(usherd, count):
    for n in range(count):
        usherd.api.signup(f"m{n}@example.com")


# -- Health -------------------------------------------------------------------------------------------------

def component(usherd, name):
    answer = usherd.api.get(f"/actuator/health/{name}")
    return answer.status, answer.json["status"]


def test_every_component_is_there_and_up(daemon):
    usherd = daemon()
    wait_until(lambda: usherd.api.get("/actuator/health").status == 200, usherd.story)
    health = usherd.api.get("/actuator/health").json
    assert health["status"] == "UP" and health["groups"] == ["liveness", "readiness"]
    assert set(health["components"]) == {"db", "mail", "coupon", "broker", "diskSpace", "ping"}
    assert health["components"]["mail"]["details"] == {"location": usherd.section("email")["smtp_url"], "breaker": "closed"}
    assert health["components"]["ping"] == {"status": "UP"}
    disk = health["components"]["diskSpace"]["details"]
    there = os.statvfs(usherd.folder)
    assert set(disk) == {"total", "free", "threshold", "path", "exists"}
    assert disk["total"] == there.f_blocks * there.f_frsize and 0 < disk["free"] <= disk["total"]
    assert disk["threshold"] == 10 << 20 and disk["path"] == str(usherd.folder) and disk["exists"] is True
    assert usherd.api.get("/actuator/health/liveness").json == {"status": "UP", "components": {"livenessState": {"status": "UP"}}}
    readiness = usherd.api.get("/actuator/health/readiness").json
    assert readiness["status"] == "UP" and set(readiness["components"]) == {"db", "readinessState"}


def test_a_channel_that_is_off_is_no_component(daemon):
    usherd = daemon({"channel.email": {"enabled": "no"}})
    wait_until(lambda: usherd.api.get("/actuator/health").status == 200, usherd.story)
    assert "mail" not in usherd.api.get("/actuator/health").json["components"]
    assert usherd.api.get("/actuator/health/mail").status == 404


@pytest.mark.parametrize("name, other", [("mail", "coupon"), ("coupon", "mail")])
def test_a_service_that_fails_is_down_and_comes_back(daemon, smtp, coupon, name, other):
    usherd = daemon(BREAKS)
    service = {"mail": smtp, "coupon": coupon}[name]
    wait_until(lambda: usherd.api.get("/actuator/health").status == 200, usherd.story)
    service.outage()
    signups(usherd, 4)
    wait_until(lambda: component(usherd, name) == (503, "DOWN"), usherd.story)
    answer = usherd.api.get("/actuator/health")
    assert answer.status == 503 and answer.json["status"] == "DOWN"
    # a probe may have seen it before the breaker opened
    wait_until(lambda: "the service failed" in usherd.api.get("/actuator/health").json["components"][name]["details"]["error"],
               usherd.story)
    assert component(usherd, other) == (200, "UP")
    assert component(usherd, "readiness") == (200, "UP"), "it works all the same: what cannot be sent waits"
    service.recover()
    wait_until(lambda: usherd.api.get("/actuator/health").status == 200, usherd.story)


def test_a_disk_with_too_little_room_is_down(daemon):
    usherd = daemon({"daemon": {"disk_threshold": "1024G"}})
    wait_until(lambda: component(usherd, "db") == (200, "UP"), usherd.story)
    assert component(usherd, "diskSpace") == (503, "DOWN")
    assert "make room" in usherd.api.get("/actuator/health/diskSpace").json["details"]["error"]
    assert usherd.api.get("/actuator/health").json["status"] == "DOWN"
    assert component(usherd, "readiness") == (200, "UP")


# -- Metrics ------------------------------------------------------------------------------------------------

def test_promtool_finds_nothing_to_say_of_the_metrics(daemon, mariadb):
    usherd = daemon()
    signups(usherd, 3)
    load.wait_settled(mariadb)
    page = usherd.api.get("/metrics").body
    assert promtool("check", "metrics", page=page) == ""


def test_histograms_hold_each_delivery_once(daemon, mariadb):
    usherd = daemon()
    signups(usherd, 20)
    load.wait_settled(mariadb)
    found = samples(usherd.api.get("/metrics").text)
    for channel in ("email", "coupon"):
        label = f'{{channel="{channel}"}}'
        for name in ("attempt_duration", "delivery_duration", "event_age_at_delivery"):
            assert found[f"usher_{name}_seconds_count{label}"] == 20, name
            assert found[f'usher_{name}_seconds_bucket{{channel="{channel}",le="+Inf"}}'] == 20
            assert found[f'usher_{name}_seconds_bucket{{channel="{channel}",le="60"}}'] == 20
        ages, deliveries = (found[f"usher_{name}_seconds_sum{label}"] for name in ("event_age_at_delivery", "delivery_duration"))
        attempts = found[f"usher_attempt_duration_seconds_sum{label}"]
        assert attempts <= deliveries <= ages < 20 * 60, "a sign-up is older than its message, a message than its attempt"
    assert found["process_open_fds"] <= found["process_max_fds"] and found["process_resident_memory_bytes"] > 1e6
    assert found["process_cpu_seconds_total"] >= 0 and found["process_start_time_seconds"] > 1.7e9
    assert found["usher_disk_free_bytes"] > 0


def test_retries_are_attempts_of_one_delivery_as_old_as_its_signup(daemon, mariadb):
    usherd = daemon()
    load.store(mariadb, load.members(4, fault="down1"))    # signed up long ago
    load.wait_settled(mariadb)
    found = samples(usherd.api.get("/metrics").text)
    assert found['usher_attempt_duration_seconds_count{channel="email"}'] == 8
    assert found['usher_delivery_duration_seconds_count{channel="email"}'] == 4
    assert found['usher_delivery_duration_seconds_sum{channel="email"}'] >= 4 * 0.3, "the wait for the retry is a part of it"
    assert found['usher_event_age_at_delivery_seconds_bucket{channel="email",le="86400"}'] == 0
    assert found['usher_event_age_at_delivery_seconds_bucket{channel="email",le="+Inf"}'] == 4


def test_the_dead_end_too_and_have_no_age(daemon, mariadb):
    usherd = daemon()
    load.store(mariadb, load.members(3, coupon_fault="rejected"))
    load.wait_settled(mariadb)
    found = samples(usherd.api.get("/metrics").text)
    assert found['usher_deliveries_dead_total{channel="coupon"}'] == 3
    assert found['usher_attempt_duration_seconds_count{channel="coupon"}'] == 3
    assert found['usher_delivery_duration_seconds_count{channel="coupon"}'] == 3
    assert found['usher_event_age_at_delivery_seconds_count{channel="coupon"}'] == 0


def test_what_the_status_page_counts_the_metrics_count(daemon, mariadb):
    usherd = daemon()
    signups(usherd, 5)
    load.wait_settled(mariadb)

    def both():
        status, found = usherd.api.status(), samples(usherd.api.get("/metrics").text)
        return (status, found) if usherd.api.status()["totals"] == status["totals"] else None
    status, found = wait_until(both, "the figures do not come to rest")
    names = {"received": "messages_received", "delivered": "deliveries_delivered", "retried": "attempts_retried",
             "dead": "deliveries_dead", "failed": "attempts_failed", "repeated": "messages_repeated",
             "handed_back": "messages_handed_back", "lost": "leases_lost"}
    for channel in status["channels"]:
        label = f'channel="{channel["name"]}"'
        assert set(channel["totals"]) == set(names)
        for key, name in names.items():
            assert found[f"usher_{name}_total{{{label}}}"] == channel["totals"][key], key
        for key in ("visible", "in_flight", "delayed"):
            assert f'usher_queue_messages{{{label},state="{key}"}}' in found
        for key in ("retrying", "dead", "queued", "cancelled"):
            assert f'usher_ledger_deliveries{{{label},state="{key}"}}' in found
    assert found["usher_signups_total"] == status["totals"]["signups"] == 5


# -- Rules and dashboard --------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def metric_names(still):
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", still.api.get("/metrics").text, re.M))
    names = set(kinds)
    for name, kind in kinds.items():
        if kind == "histogram":
            names |= {name + part for part in ("_bucket", "_sum", "_count")}
    return names


def named_in(expressions):
    return {name for expression in expressions for name in re.findall(r"\b(?:usher|process)_\w+", expression)}


def dashboard_expressions():
    found = []

    def look(value):
        if isinstance(value, dict):
            found.extend(value[key] for key in ("expr", "query") if isinstance(value.get(key), str))
            value = list(value.values())
        if isinstance(value, list):
            for one in value:
                look(one)
    look(json.loads(DASHBOARD.read_text()))
    return found


def test_rules_are_right_and_fire_when_they_should(metric_names):
    promtool("check", "rules", str(RULES))
    promtool("test", "rules", str(RULES_TEST))
    missing = named_in(re.findall(r"expr:((?:.|\n)*?)\n +(?:for|labels):", RULES.read_text())) - metric_names
    assert not missing


def test_the_dashboard_names_what_there_is(metric_names, tmp_path):
    expressions = dashboard_expressions()
    named = named_in(expressions)
    assert len(named) > 25 and not named - metric_names
    queries = [re.sub(r"\$__rate_interval", "5m", e) for e in expressions if not e.startswith("label_values") and e != "prometheus"]
    rules = [{"record": f"panel:{n}", "expr": query} for n, query in enumerate(queries)]
    check = tmp_path / "dashboard.yml"    # promtool reads PromQL in rules, and YAML is JSON too
    check.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(queries)} rules found" in promtool("check", "rules", str(check))


# -- Histories ------------------------------------------------------------------------------------------------

def history(usherd, name="email", **query):
    status = usherd.api.get("/v1/status", **query).json
    return next(channel for channel in status["channels"] if channel["name"] == name)["history"]


def test_histories_outlive_a_restart_with_a_gap(daemon, mariadb, tmp_path):
    # 0.5 s a point, 60 of them: 4 s away are a gap of some 8, and half a minute is shown.
    usherd = daemon({"daemon": {"state_dir": str(tmp_path)}, "watch": {"depth_interval": "500ms"}})
    signups(usherd, 5)
    load.wait_settled(mariadb)
    wait_until(lambda: sum(value or 0 for value in history(usherd)["out"]) == 5, usherd.story)
    assert usherd.stop() == 0
    kept = tmp_path / "history"
    assert kept.stat().st_mode & 0o777 == 0o600 and [p.name for p in tmp_path.iterdir()] == ["history"]
    written = kept.stat().st_mtime
    wait_until(lambda: time.time() - written > 4, "time stands still")
    usherd.start()
    after = wait_until(lambda: (lambda h: h if None in h["in"] else None)(history(usherd)), usherd.story)
    assert sum(value or 0 for value in after["out"]) == 5, "what was before the restart is still shown"
    shape = "".join("-" if value is None else "x" for value in after["out"])
    assert re.fullmatch("x+.*-{6,}x+", shape), f"measured, as long a gap as the daemon was away, measured: {shape}"
    assert set(after) == {"in", "out", "fail", "depth", "dlq", "retrying"} and "minutes" not in after
    assert len({len(points) for points in after.values()}) == 1
    minutes = history(usherd, minutes=1440)["minutes"]
    assert set(minutes) == set(after) and sum(value or 0 for value in minutes["out"]) == 5


def test_a_damaged_history_is_told_once_and_left(daemon, tmp_path):
    (tmp_path / "history").write_bytes(b"not a history")
    usherd = daemon({"daemon": {"state_dir": str(tmp_path)}})
    wait_until(lambda: history(usherd)["out"], usherd.story)
    assert usherd.log().count("the history starts anew") == 1
    assert usherd.stop() == 0 and (tmp_path / "history").stat().st_size > 10000
    usherd.start()
    wait_until(lambda: history(usherd)["out"], usherd.story)
    assert usherd.log().count("the history starts anew") == 1, "the damaged one was replaced"


def test_a_state_dir_that_cannot_be_written_hinders_nothing(daemon, mariadb, tmp_path):
    usherd = daemon({"daemon": {"state_dir": str(tmp_path / "missing")}})
    signups(usherd, 2)
    load.wait_settled(mariadb)
    assert component(usherd, "diskSpace") == (503, "DOWN")
    details = usherd.api.get("/actuator/health/diskSpace").json["details"]
    assert details["exists"] is False and "not there" in details["error"]
    assert usherd.stop() == 0
    assert usherd.log().count("the history will not outlive this daemon") == 1


def test_a_disk_that_does_not_answer_holds_up_nothing(daemon, mariadb, tmp_path):
    disk = SlowDisk()
    disk.freeze()
    began = time.monotonic()
    usherd = daemon({"daemon": {"state_dir": str(tmp_path)}}, environment=disk.environment)
    signups(usherd, 3)
    load.wait_settled(mariadb)
    wait_until(lambda: sum(value or 0 for value in history(usherd)["out"]) == 3, usherd.story)
    wait_until((tmp_path / "history.new").exists, usherd.story)
    wait_until(lambda: component(usherd, "diskSpace") == (503, "DOWN"), usherd.story)
    assert time.monotonic() - began > 10 and not (tmp_path / "history").exists(), "a disk may take its time"
    counted = usherd.api.channel("email")["counted_at"]
    wait_until(lambda: usherd.api.channel("email")["counted_at"] != counted, usherd.story)
    assert usherd.log().count("the disk of state_dir does not answer") == 1
    disk.thaw()
    wait_until(lambda: component(usherd, "diskSpace") == (200, "UP"), usherd.story)
    assert (tmp_path / "history").exists()
    assert usherd.stop() == 0


@pytest.mark.parametrize("value", ["-1", "1441", "x", "1.5"])
def test_minutes_are_checked(still, value):
    answer = still.api.get("/v1/status", minutes=value)
    assert answer.status == 400 and "0 to 1440" in answer.json["detail"]
