"""A webhook's receiver: takes POSTs of JSON over HTTP/1.1, keeps every one with its time, and answers what it is told
to. outage() and recover() as the other stand-ins."""

import asyncio
import json
import time
from dataclasses import dataclass

from . import planted
from .service import Service


@dataclass(frozen=True)
class Post:
    at: float
    path: str
    type: str
    json: dict
    answered: int

    @property
    def alarm(self):
        return self.json["alarm"]


class _Connection(asyncio.Protocol):
    def __init__(self, service):
        self._service, self._data = service, b""

    def connection_made(self, transport):
        self.transport = transport
        self._service.connected(transport)

    def connection_lost(self, error):
        self._service.disconnected(self.transport)

    def data_received(self, data):
        self._data += data
        while b"\r\n\r\n" in self._data:
            head, _, rest = self._data.partition(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
            length = int(fields.get("content-length", 0))
            if len(rest) < length:
                return
            self._data = rest[length:]
            self._take(lines[0].split(" ")[1], fields.get("content-type", ""), rest[:length])

    def _take(self, path, kind, body):
        status = self._service.status
        self._service.posts.append(Post(time.time(), path, kind, json.loads(body), status))
        text = b"ok" if status == 200 else b"no_service"
        if not self._service.silent:
            self.transport.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(text)) + text)


class Webhook(Service):
    def __init__(self):
        self.posts = []         # every Post, refused ones too
        self.status = 200       # what is answered
        self.silent = False     # nothing is answered
        super().__init__()

    def _protocol(self):
        return _Connection(self)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/hooks/T0/{planted.WEBHOOK}"

    def told(self, name=None, channel=None):
        """[(state, name, channel)] of what was taken, in order."""
        return [(p.alarm["state"], p.alarm["name"], p.alarm["channel"]) for p in list(self.posts)
                if p.answered == 200 and name in (None, p.alarm["name"]) and channel in (None, p.alarm["channel"])]
