"""HTTP over a unix socket, and the operator's program as a script would call it."""

import http.client
import json
import os
import socket
import subprocess
import time
import urllib.parse
from dataclasses import dataclass, field

from . import planted

TIMEOUT_S = 20


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=TIMEOUT_S):
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@dataclass
class Answer:
    status: int
    headers: dict          # names in lower case
    body: bytes
    json: object = field(default=None)

    @property
    def text(self):
        return self.body.decode("utf-8")


class Api:
    """api.get("/v1/status"), api.post("/v1/failed/1/cancel", reason="..."). Each call is a connection of its own."""

    def __init__(self, path):
        self.path = path

    def request(self, method, target, body=None, headers=None, timeout=TIMEOUT_S):
        """Sends exactly what it is given: `body` bytes or None."""
        connection = UnixConnection(self.path, timeout)
        try:
            connection.request(method, target, body=body, headers=headers or {})
            reply = connection.getresponse()
            data = reply.read()
            planted.see(f"{method} {target}", data, typed=target, personal=method == "GET")
            fields = {name.lower(): value for name, value in reply.getheaders()}
            value = json.loads(data) if "json" in fields.get("content-type", "") and data else None
            return Answer(reply.status, fields, data, value)
        finally:
            connection.close()

    def get(self, target, /, **query):
        if query:
            target += "?" + urllib.parse.urlencode(query, quote_via=urllib.parse.quote)
        return self.request("GET", target)

    def post(self, target, /, **body):
        return self.request("POST", target, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def raw(self, data, timeout=TIMEOUT_S):
        """Bytes as they are; returns the bytes that come back until the daemon closes or falls silent."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(timeout)
            sock.connect(self.path)
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            answer, ends = b"", time.monotonic() + timeout
            while time.monotonic() < ends:
                try:
                    part = sock.recv(65536)
                except (ConnectionResetError, socket.timeout):
                    break
                if not part:
                    break
                answer += part
            planted.see("an answer", answer, typed=data.decode("latin-1"))
            return answer

    # -- What tests ask most --
    def status(self):
        return self.get("/v1/status").json

    def channel(self, name):
        return next(channel for channel in self.status()["channels"] if channel["name"] == name)

    def failed(self, **query):
        return self.get("/v1/failed", **query).json["items"]

    def signup(self, email, name="Kim", **more):
        """The answer's JSON: user_id and event_id."""
        answer = self.post("/v1/signups", email=email, name=name, **more)
        assert answer.status == 201, answer.text
        return answer.json


@dataclass
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


class Usher:
    """usher("failed", "--json") -> Ran. `check`: the exit code it must have; None: any."""

    def __init__(self, program, socket_path):
        self.program, self.socket = program, socket_path

    def __call__(self, *arguments, check=0, socket_path=None, timeout=TIMEOUT_S, stdin=""):
        environment = {**os.environ, "USHER_SOCKET": socket_path or self.socket, "LC_ALL": "C.UTF-8"}
        done = subprocess.run([self.program, *arguments], env=environment, input=stdin.encode(), timeout=timeout,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        ran = Ran(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))
        typed = " ".join([*arguments, stdin])
        planted.see(f"usher {typed}", ran.out + ran.err, typed)
        assert check is None or ran.code == check, f"usher {' '.join(arguments)}: {ran}"
        return ran
