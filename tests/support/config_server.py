"""Stand-in for a Spring Cloud Config server, as its EnvironmentController answers:

    GET /{name}/{profiles}[/{label}]    (_) in name and label stands for a slash
    Accept: application/vnd.spring-cloud.config-server.v2+json    {"value", "origin"} for each property
    Accept: application/json (or anything)                        the plain values

200 {"name", "profiles", "label", "version", "state", "propertySources": [{"name", "source"}]}, the winning source first:
application-specific and profile-specific before shared and default. 404 for a label that the repository does not have;
an application that it does not know is answered with what is shared. A value that it cannot decrypt stands as
"invalid.NAME": "<n/a>". Errors are Spring Boot's {"timestamp", "status", "error", "message", "path"}.

Faults: .fault = "500", "401", "403", "302", "hang", "cut", "garbage", "other" (JSON that is no Environment), "huge"."""

import asyncio
import base64
import json
import urllib.parse

from .service import Service

V2 = "application/vnd.spring-cloud.config-server.v2+json"
REASONS = {200: "OK", 302: "Found", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 406: "Not Acceptable",
           500: "Internal Server Error"}
HUGE = 2 * 1024 * 1024


def preferred(accept):
    """The media type that Spring picks of the two it has: by quality, then by the order in the header."""
    ranked = []
    for number, part in enumerate(accept.split(",")):
        media, *parameters = [word.strip() for word in part.split(";")]
        quality = next((float(word[2:]) for word in parameters if word.startswith("q=")), 1.0)
        if media in (V2, "application/json", "*/*"):
            ranked.append((-quality, number, "application/json" if media == "*/*" else media))
    return min(ranked)[2] if ranked else None


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
        head, found, self._data = self._data.partition(b"\r\n\r\n")
        if not found:
            self._data = head
            return
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        method, path, _ = lines[0].split(" ", 2)
        self._service.answer(self.transport, method, path, headers)


class ConfigServer(Service):
    """`files` is the repository: {"usher-production.yml": {"usher.relay.batch": 3}}. It holds for every label in `labels`;
    .labelled["feature/x"] = {...} has files of its own."""

    def __init__(self, files=None, v2=True, ssl_context=None):
        self.files = dict(files or {})
        self.labels = ["main"]
        self.labelled = {}
        self.version = "5c0e2a1b"
        self.state = None
        self.login = None       # ("user", "password")
        self.bearer = self.token = None
        self.accept_empty = True
        self.fault = None
        self.requests = []      # (path, headers)
        self._v2 = v2           # False: a server older than the second form
        super().__init__(ssl_context)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def _protocol(self):
        return _Connection(self)

    # -- Answers --
    def _send(self, transport, status, body, media="application/json", extra=()):
        head = [f"HTTP/1.1 {status} {REASONS[status]}", f"Content-Type: {media}", f"Content-Length: {len(body)}", *extra]
        transport.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)

    def _error(self, transport, status, path, message="", extra=()):
        body = {"timestamp": "2026-11-26T03:00:00.000+00:00", "status": status, "error": REASONS[status], "message": message,
                "path": path}
        self._send(transport, status, json.dumps(body).encode(), extra=extra)

    def _refused(self, headers):
        if self.login:
            expected = "Basic " + base64.b64encode(":".join(self.login).encode()).decode()
            if headers.get("authorization") != expected:
                return 401
        if self.bearer and headers.get("authorization") != f"Bearer {self.bearer}":
            return 401
        if self.token and headers.get("x-config-token") != self.token:
            return 403
        return None

    def _faulty(self, transport, path):
        """True: the fault has been met instead of an answer."""
        if self.fault in ("500", "401", "403"):
            self._error(transport, int(self.fault), path, "Cannot clone or checkout repository")
        elif self.fault == "302":
            self._error(transport, 302, path, extra=["Location: http://127.0.0.1:9/elsewhere"])
        elif self.fault == "cut":
            transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"name\":")
            transport.close()
        elif self.fault == "garbage":
            self._send(transport, 200, b"<html>Welcome to the hotel's network</html>", "text/html")
        elif self.fault == "other":
            self._send(transport, 200, b'{"status":"UP"}')
        elif self.fault == "huge":
            filler = {"name": "usher", "propertySources": [{"name": "x", "source": {"x": "y" * HUGE}}]}
            self._send(transport, 200, json.dumps(filler).encode())
        else:
            return self.fault == "hang"
        return True

    def answer(self, transport, method, path, headers):
        self.requests.append((path, headers))
        if self._faulty(transport, path):
            return
        status = self._refused(headers)
        parts = [urllib.parse.unquote(part).replace("(_)", "/") for part in path.strip("/").split("/")]
        if status or method != "GET" or len(parts) not in (2, 3):
            self._error(transport, status or 404, path)
            return
        media = preferred(headers.get("accept", "*/*"))
        if not self._v2 and media == V2:
            media = "application/json" if "application/json" in headers.get("accept", "") else None
        if not media:
            self._error(transport, 406, path)
            return
        name, profiles, label = parts[0], parts[1].split(","), parts[2] if len(parts) == 3 else None
        environment = self._environment(name, profiles, label, media == V2)
        if environment is None:
            self._error(transport, 404, path, f"No such label: {label}")
        else:
            self._send(transport, 200, json.dumps(environment).encode(), media)

    def _environment(self, name, profiles, label, with_origins):
        label = label or self.labels[0]
        if label not in self.labels and label not in self.labelled:
            return None
        files = self.labelled.get(label, self.files)
        order = [f"{base}-{profile}" for profile in reversed(profiles) for base in (name, "application")]
        order += [name, "application"]
        sources = []
        for file in (f"{stem}.yml" for stem in order):
            if file in files:
                sources.append({"name": f"https://git:s3cr3t@git.example/config/{file}",
                                "source": self._source(file, files[file], with_origins)})
        if not sources and not self.accept_empty:
            return None
        return {"name": name, "profiles": profiles, "label": label, "version": self.version, "state": self.state,
                "propertySources": sources}

    @staticmethod
    def _source(file, properties, with_origins):
        if not with_origins:
            return dict(properties)
        return {key: {"value": value, "origin": f"Config Server {file}:{line}:3"}
                for line, (key, value) in enumerate(properties.items(), 2)}
