"""The configuration as operators see it, on the real daemon: the screen, the command line, and reading it again from
both."""

import json
import re

import pytest
from support.process import wait_until

SECRET = "pl4nted-s3cret"


@pytest.fixture
def configured(daemon, coupon):
    coupon.token = SECRET
    one = daemon({"coupon": {"token": SECRET}})
    wait_until(lambda: one.api.get("/v1/config").json["version"], one.story)
    return one


def config_screen(console, daemon, *options, size=(120, 40)):
    t = console(*options, socket=daemon.socket, size=size)
    t.press("7")
    t.wait_for("[7 Config]", "In force, version 1", "daemon.profile", "built-in")
    return t


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
def test_the_screen_shows_values_with_their_origins(configured, console, size):
    t = config_screen(console, configured, size=size)
    t.press("/", *"coupon.token", "enter")
    t.wait_for(re.compile(r"^> coupon\.token +\(set\)", re.M), "1-1 of 1")
    t.press("enter")
    t.wait_for("coupon.token", re.compile(r"in force +\(set\)"), re.compile(rf"from +{re.escape(str(configured.config))}:\d+"),
               re.compile("changes +while usherd runs"))
    assert SECRET not in t.text()
    t.press("esc")
    t.wait_for(re.compile(r"^> coupon\.token", re.M))


def test_reading_it_again_is_asked_and_told(configured, console):
    t = config_screen(console, configured)
    t.press("L")
    t.wait_for("Read the configuration again?")
    t.press("n")
    t.wait_gone("Read the configuration again?")
    t.press("L", "y")
    t.wait_for("the configuration was read again: nothing has changed")
    configured.configure({"relay": {"batch": "11"}})
    t.press("esc", "L", "y")
    t.wait_for("the configuration is refused, nothing has changed", '"11" is not allowed')
    t.press("esc")
    t.wait_for("a newer one is refused")


def test_pending_and_history(configured, console):
    t = config_screen(console, configured)
    configured.configure({"aws": {"region": "eu-west-1"}, "relay": {"batch": "3"}, "coupon": {"token": SECRET + "-2"}})
    wait_until(lambda: configured.api.status()["config"]["pending"], configured.story)
    t.press("R")
    t.wait_for("1 waits for a restart")
    t.press("/", *"region", "enter")
    t.wait_for(re.compile(r"aws\.region +\(not set\) +-> eu-west-1"))
    t.press("v")
    t.wait_for("History, version 2", re.compile(r"^> +2 .*applied", re.M), "2 more")
    t.press("enter")
    t.wait_for("version 2", re.compile(r"source +file "), "aws.region: (not set) -> eu-west-1, pending", "relay.batch: 10 -> 3",
               "coupon.token: (set) -> (changed)")
    assert SECRET not in t.text()
    t.press("1")
    t.wait_for("takes effect at a restart of usherd: aws.region")


def test_read_only_does_not_reload(configured, console):
    t = console("-R", socket=configured.readonly_socket, size=(120, 40))
    t.press("7")
    t.wait_for("[7 Config]")
    t.press("L")
    t.wait_for("This console is read-only")


def test_the_command_line(configured):
    usher = configured.usher
    shown = usher("config")
    assert re.search(r"^relay\.batch +10 +built-in$", shown.out, re.M) and "version 1 on " in shown.err
    assert re.search(r"^coupon\.token +\(set\) ", shown.out, re.M)
    assert {item["id"] for item in usher("config", "show", "--search", "relay.", "--json").json["items"]} == {
        "relay.batch", "relay.interval", "relay.linger", "relay.max_backoff", "relay.gzip_above"}
    assert usher("config", "reload").out == "nothing has changed\n"
    configured.configure({"relay": {"batch": "3"}, "aws": {"region": "eu-west-1"}, "coupon": {"token": SECRET + "-2"}})
    usher("config", "reload")
    wait_until(lambda: configured.api.get("/v1/config").json["version"] == 2, configured.story)
    assert re.search(r"^aws\.region +\(not set\) +eu-west-1 ", usher("config", "--search", "region").out, re.M)
    history = usher("config", "history")
    assert re.search(r"^ +2 .* relay\.batch +10 +3", history.out, re.M) or re.search(r"relay\.batch +10 +3", history.out)
    assert "pending" in history.out and len(usher("config", "history", "relay.batch", "--json").json["items"]) == 1
    assert re.search(r"^relay\.batch +10 +3", usher("config", "diff", "1").out, re.M)
    assert re.search(r"^relay\.batch +3 +10", usher("config", "diff", "2", "1").out, re.M)
    assert usher("config", "diff", "2", "2").err == "no difference\n"
    assert "takes effect at a restart of usherd: aws.region" in usher("status").out
    configured.configure({"relay": {"batch": "none"}})
    refused = usher("config", "reload", check=1)
    assert "refused, nothing has changed" in refused.err and '[relay] batch: "none" is not allowed' in refused.err
    assert usher("config", "reload", "--json", check=1).json["outcome"] == "refused"
    usher("config", "reload", "-R", check=5)
    usher("config", "diff", "77", check=3)
    usher("config", "nonsense", check=2)
    everything = shown.out + history.out + json.dumps(usher("config", "--json").json)
    assert SECRET not in everything + configured.log()
