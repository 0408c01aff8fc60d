"""AWS signatures, looked at from the other side: a server that records requests, and botocore's opinion of each.

botocore is given what came over the wire and the keys, and signs it itself; the two signatures must be the same.
It shares no code with what usher uses."""

import http.server
import threading
import urllib.parse
from dataclasses import dataclass

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass
class Request:
    method: str
    path: str
    headers: dict       # lower-case names
    body: bytes

    @property
    def action(self):
        """What is called: "sqs:ReceiveMessage"-like for JSON calls, the Action of Query calls."""
        if "x-amz-target" in self.headers:
            return self.headers["x-amz-target"].rpartition(".")[2]
        return urllib.parse.parse_qs(self.body.decode()).get("Action", [""])[0]


class Recorder:
    """An HTTP server on loopback that keeps every request and answers 200 with `answer(request)`."""

    def __init__(self, answer=lambda request: b"{}"):
        self.requests = []
        recorder = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                names = [name.lower() for name in self.headers.keys()]
                assert len(names) == len(set(names)), f"a header came twice: {names}"
                request = Request(self.command, self.path,
                                  {name.lower(): value for name, value in self.headers.items()}, body)
                recorder.requests.append(request)
                content = answer(request)
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@dataclass
class Authorization:
    access_key: str
    date: str
    region: str
    service: str
    signed: list
    signature: str


def authorization(request):
    """The Authorization header's parts."""
    algorithm, _, rest = request.headers["authorization"].partition(" ")
    assert algorithm == ALGORITHM, algorithm
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    assert set(parts) == {"Credential", "SignedHeaders", "Signature"}, parts
    access_key, date, region, service, end = parts["Credential"].split("/")
    assert end == "aws4_request"
    return Authorization(access_key, date, region, service, parts["SignedHeaders"].split(";"), parts["Signature"])


def recomputed(request, secret_key):
    """The signature botocore makes of this request with this key."""
    said = authorization(request)
    scheme_host = "http://" + request.headers["host"]
    again = AWSRequest(request.method, scheme_host + request.path, data=request.body,
                       headers={name: request.headers[name] for name in said.signed if name != "host"})
    again.context["timestamp"] = request.headers["x-amz-date"]
    signer = SigV4Auth(Credentials(said.access_key, secret_key), said.service, said.region)
    canonical = signer.canonical_request(again)
    assert canonical.split("\n")[-2] == ";".join(said.signed), canonical
    return signer.signature(signer.string_to_sign(again, canonical), again)


def check(request, secret_key, service, region, access_key, session_token=None):
    """Asserts that the request is signed right, and that nothing that matters is left out of the signature."""
    said = authorization(request)
    assert (said.access_key, said.region, said.service) == (access_key, region, service)
    assert said.date == request.headers["x-amz-date"][:8]
    wanted = {"host", "x-amz-date", "content-type"}
    wanted |= {"x-amz-target"} if "x-amz-target" in request.headers else set()
    wanted |= {"x-amz-security-token"} if session_token else set()
    assert set(said.signed) == wanted and said.signed == sorted(said.signed), said.signed
    assert request.headers.get("x-amz-security-token") == session_token
    assert said.signature == recomputed(request, secret_key)
