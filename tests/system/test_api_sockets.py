"""The admin API's sockets: what is hardly HTTP, crowds and laggards, monitors, a database that goes and comes, start and
stop."""

import grp
import http.client
import json
import os
import re
import socket
import time

import pytest
from support.process import cpu_seconds, wait_until
from support.rows import JSON, STILL, problem

CONNECTIONS_MAX = 128      # src/admin/server.h


# -- The wire -------------------------------------------------------------------------------------------

def connect(usherd, data=b""):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(20)
    sock.connect(usherd.socket)
    sock.sendall(data)
    return sock


PING = b"GET /actuator/health/ping HTTP/1.1\r\nHost: usher\r\n\r\n"


@pytest.mark.parametrize("data, beginning", [
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS client\r\n\r\n", b""),
    (b"hello\r\n\r\n", b""), (b"", b""),
    (b"GET /v1/status HTTP/9.9\r\n\r\n", b"HTTP/1.1 505"),
    (b"POST /v1/signups HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", b"HTTP/1.1 400"),
    (b"POST /v1/signups HTTP/1.1\r\nHost: x\r\nContent-Length: 9" + b"9" * 30 + b"\r\n\r\n", b"HTTP/1.1 413"),
    (b"POST /v1/signups HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", b"HTTP/1.1 413"),
    (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 414"),
    (b"GET /v1/status HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", b"HTTP/1.1 431"),
    (b"POST /v1/signups HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"HTTP/1.1 400"),
], ids=["tls", "words", "nothing", "version", "negative length", "endless length", "long length", "long path",
        "long header", "bad chunk"])
def test_what_is_hardly_http_harms_nobody(still, data, beginning):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(still.socket)
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            answer = sock.recv(100)
        except (BrokenPipeError, ConnectionResetError):
            answer = b""  # the daemon hung up in the middle of it
    assert answer.startswith(beginning) or (answer == b"" and len(data) > 10_000), answer
    assert still.api.get("/v1/status").status == 200


def test_a_slow_client_holds_up_nobody(still):
    with connect(still, b"POST /v1/signups HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{") as slow:
        began = time.monotonic()
        for _ in range(20):
            assert still.api.get("/v1/status").status == 200
            slow.sendall(b" ")
        assert time.monotonic() - began < 10


def test_a_client_that_leaves_in_the_middle_harms_nobody(still):
    for _ in range(50):
        connect(still, b"GET /v1/failed?limit=500 HTTP/1.1\r\nHost: x\r\n\r\n").close()
        connect(still, b"POST /v1/signups HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{").close()
    connect(still, b"\x00" * 1000).close()
    connect(still, b"GET").close()
    assert still.api.get("/v1/status").status == 200


def test_more_clients_than_places_wait_for_one(daemon):
    """The named limit: all places taken, the next client waits, at no cost, and is served when one leaves."""
    still = daemon(STILL)
    crowd = [connect(still) for _ in range(CONNECTIONS_MAX)]
    try:
        for sock in crowd:
            sock.sendall(PING)
            assert sock.recv(1000).startswith(b"HTTP/1.1 200")
        with connect(still, PING) as late:
            before = cpu_seconds(still.pid)
            late.settimeout(1)
            with pytest.raises(socket.timeout):
                late.recv(1000)
            assert cpu_seconds(still.pid) - before < 0.5
            late.settimeout(20)
            crowd.pop().close()
            assert late.recv(1000).startswith(b"HTTP/1.1 200")
    finally:
        for sock in crowd:
            sock.close()
    for _ in range(5):  # all leave at once, and the places are free again
        crowd = [connect(still, PING) for _ in range(CONNECTIONS_MAX + 20)]
        for sock in crowd:
            sock.close()
    assert still.api.get("/v1/status").status == 200


def test_one_connection_takes_many_requests(still):
    with connect(still, PING * 20) as sock:
        data = b""
        while data.count(b"HTTP/1.1 200 OK") < 20:
            part = sock.recv(65536)
            assert part, data
            data += part


def test_head_is_get_without_a_body(still):
    answer = still.api.request("HEAD", "/v1/status")
    assert answer.status == 200 and answer.body == b"" and int(answer.headers["content-length"]) > 100


def test_chunked_bodies_are_taken_and_limited(still, api):
    def chunks(count):
        return iter([b'{"email":"a@b.example","name":"'] + [b"x" * 1000] * count + [b'"}'])
    problem(api.request("POST", "/v1/signups", chunks(60), JSON), 400, "name")
    problem(api.request("POST", "/v1/signups", chunks(270), JSON), 413, "262144")


# -- Health, metrics, and what watching costs ------------------------------------------------------------

def test_health_is_in_springs_shape(still, api):
    answer = wait_until(lambda: (lambda a: a if a.status == 200 else None)(api.get("/actuator/health")), "never healthy")
    assert answer.json["status"] == "UP" and answer.json["groups"] == ["liveness", "readiness"]
    assert answer.json["components"]["db"] == {"status": "UP", "details": {"database": "MariaDB"}}
    assert answer.json["components"]["broker"]["details"] == {"driver": "embedded"}
    assert answer.json["components"]["ping"] == {"status": "UP"}
    for part in ("liveness", "readiness", "db", "broker", "ping"):
        assert api.get(f"/actuator/health/{part}").json["status"] == "UP"


def test_metrics_are_prometheus_text(still, api):
    answer = api.get("/metrics")
    assert answer.status == 200 and answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "\nusher_database_up 1\n" in answer.text
    assert re.search(r'\nusher_ledger_deliveries\{channel="email",state="dead"\} \d+\n', answer.text)


def test_polling_the_status_costs_no_statement(daemon):
    usherd = daemon({**STILL, "watch": {"depth_interval": "1h", "mirror_interval": "1h", "probe_interval": "1h"},
                     "relay": {"interval": "1h"}})

    def statements():
        return usherd.api.status()["totals"]["statements"]
    last = [-1]

    def quiet():
        now, before = statements(), last[0]
        last[0] = now
        time.sleep(0.3)
        return now == before
    wait_until(quiet, "the daemon does not come to rest")
    before, cpu = statements(), cpu_seconds(usherd.pid)
    connection = http.client.HTTPConnection("usher")
    connection.sock = connect(usherd)
    for target in ["/v1/status", "/actuator/health", "/metrics"] * 400:
        connection.request("GET", target)
        answer = connection.getresponse()
        answer.read()
        assert answer.status in (200, 503)
    spent = cpu_seconds(usherd.pid) - cpu
    assert statements() == before
    assert spent / 1200 < 0.01, f"{spent / 1200 * 1e6:.0f} us a request"


def test_tcp_listener_is_for_monitors_only(daemon):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    usherd = daemon({**STILL, "daemon": {"http_listen": f"127.0.0.1:{port}"}})

    def ask(target, method="GET"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request(method, target)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    wait_until(lambda: ask("/actuator/health")[0] == 200, "never healthy")
    health = json.loads(ask("/actuator/health")[1])
    assert health["components"]["db"] == {"status": "UP"}, "details are not for every local user"
    assert "usher_build_info" in ask("/metrics")[1]
    for target in ("/v1/status", "/v1/failed", "/v1/audit", "/v1/failed/1"):
        status, text = ask(target)
        assert status == 404 and "unix socket" in json.loads(text)["detail"]
    assert ask("/v1/signups", "POST")[0] == 404 and ask("/metrics", "POST")[0] == 405
    assert usherd.api.get("/v1/audit").json["items"] == []


# -- The database goes and comes -------------------------------------------------------------------------

def test_without_the_database_lists_say_503_and_the_status_goes_on(daemon, mariadb):
    usherd = daemon(STILL)
    wait_until(lambda: usherd.api.status()["database"]["up"], "the database is not seen")
    mariadb.kill()
    for target in ("/v1/failed", "/v1/failed/groups", "/v1/failed/1", "/v1/retrying", "/v1/outbox", "/v1/audit", "/v1/dlq/email"):
        answer = usherd.api.get(target)
        problem(answer, 503)
        assert answer.headers["retry-after"] == "1"
    problem(usherd.api.post("/v1/signups", email="a@b.example", name="A"), 503)
    problem(usherd.api.post("/v1/failed/1/redrive"), 503)
    problem(usherd.readonly_api.post("/v1/failed/1/redrive"), 403)
    wait_until(lambda: not usherd.api.status()["database"]["up"], "the loss is not seen")
    status = usherd.api.status()
    assert status["database"]["error"] and status["channels"][0]["dead"]["exactness"] == "stale"
    assert usherd.api.get("/actuator/health").status == 503
    assert usherd.api.get("/actuator/health/readiness").json["status"] == "DOWN"
    assert usherd.api.get("/actuator/health/liveness").json["status"] == "UP"
    assert "\nusher_database_up 0\n" in usherd.api.get("/metrics").text
    mariadb.start()
    wait_until(lambda: usherd.api.get("/actuator/health").status == 200, "it does not come back")
    assert usherd.api.get("/v1/failed").status == 200
    assert usherd.api.post("/v1/signups", email="a@b.example", name="A").status == 201


# -- Sockets: start and stop ------------------------------------------------------------------------------

def test_sockets_have_mode_and_group_and_go_with_the_daemon(daemon):
    usherd = daemon(STILL)
    for path in (usherd.socket, usherd.readonly_socket):
        stat = os.stat(path)
        assert stat.st_mode & 0o777 == 0o660 and stat.st_gid == os.getegid()
    idle = connect(usherd, PING)
    assert idle.recv(1000).startswith(b"HTTP/1.1 200")
    slow = connect(usherd, b"POST /v1/signups HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    usherd.api.get("/v1/status")
    began = time.monotonic()
    assert usherd.stop() == 0
    assert time.monotonic() - began < 15, "a client can hold up the stop"
    assert not os.path.exists(usherd.socket) and not os.path.exists(usherd.readonly_socket)
    idle.close()
    slow.close()


def test_a_living_daemon_keeps_its_sockets_a_dead_one_leaves_them(daemon):
    usherd = daemon(STILL)
    second = usherd.command("run", check=None)
    assert second.returncode != 0 and b"another daemon listens on" in second.stderr and usherd.socket.encode() in second.stderr
    assert usherd.api.get("/v1/status").status == 200
    usherd.kill()
    assert os.path.exists(usherd.socket)
    usherd.start()
    assert usherd.api.get("/v1/status").status == 200


@pytest.mark.parametrize("changes, words", [
    ({"socket_group": "no-such-group"}, ["socket_group", "no-such-group", "groupadd"]),
    ({"readonly_group": "no-such-group"}, ["readonly_group", "no-such-group"]),
    ({"run_dir": "/nowhere/usher"}, ["/nowhere/usher"]),
    ({"http_listen": "0.0.0.0:8081"}, ["http_listen", "127.0.0.1"]),
])
def test_a_start_that_cannot_be_says_what_to_do(daemon, changes, words):
    usherd = daemon({**STILL, "daemon": changes}, start=False, migrate=False)
    done = usherd.command("run", check=None)
    assert done.returncode != 0
    for word in words:
        assert word in done.stderr.decode(), done.stderr.decode()
    assert not os.path.exists(usherd.socket) and not os.path.exists(usherd.readonly_socket)


def test_a_port_in_use_is_named(daemon):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = daemon({**STILL, "daemon": {"http_listen": address}}, start=False).command("run", check=None)
        assert done.returncode != 0 and address in done.stderr.decode() and "free port" in done.stderr.decode()


def test_a_group_that_the_daemon_may_give_is_given(daemon):
    other = next((group for group in grp.getgrall() if group.gr_gid != os.getegid()
                  and (os.geteuid() == 0 or group.gr_gid in os.getgroups())), None)
    group = other or grp.getgrgid(os.getegid())
    usherd = daemon({**STILL, "daemon": {"readonly_group": group.gr_name}})
    assert os.stat(usherd.readonly_socket).st_gid == group.gr_gid
