"""A stretch of bad road between usherd and SNS and SQS: passes requests on, counts them by action and queue, and lets the
wanted ones go wrong.

    proxy.plan(throttled(), action="ReceiveMessage", times=3)

A fault is a function of (request, forward): it gives back an Answer, with or without calling forward(), which passes the
request on; or None: the connection is cut without a word."""

import asyncio
import json
import re
import time
import urllib.parse
from collections import Counter
from dataclasses import dataclass, field

from .service import Service

ACTIONS = ("ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch", "SendMessageBatch", "GetQueueAttributes",
           "GetQueueUrl", "PublishBatch")
REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 429: "Too Many Requests", 500: "Internal Server Error",
           503: "Service Unavailable"}


@dataclass
class Request:
    action: str
    queue: str             # "" for SNS and for GetQueueUrl
    headers: dict          # names in lower case
    body: bytes
    raw: bytes

    @property
    def is_sns(self):
        return self.action == "PublishBatch"

    @property
    def access_key(self):
        found = re.search(r"Credential=([^/]+)/", self.headers.get("authorization", ""))
        return found[1] if found else ""


@dataclass
class Answer:
    status: int
    body: bytes
    headers: dict = field(default_factory=dict)
    cut: bool = False      # after half of it the connection is gone

    def wire(self):
        head = [f"HTTP/1.1 {self.status} {REASONS.get(self.status, 'Whatever')}", f"Content-Length: {len(self.body)}",
                *(f"{name}: {value}" for name, value in self.headers.items())]
        whole = "\r\n".join(head).encode() + b"\r\n\r\n" + self.body
        return whole[:len(whole) - len(self.body) // 2 - 1] if self.cut else whole


def error(request, status, kind, words, **headers):
    """An error as the service writes it in the request's protocol."""
    if request.is_sns:
        text = (f"<ErrorResponse><Error><Type>Sender</Type><Code>{kind}</Code><Message>{words}</Message></Error>"
                "<RequestId>faulty</RequestId></ErrorResponse>")
        return Answer(status, text.encode(), {"Content-Type": "text/xml", **headers})
    text = json.dumps({"__type": f"com.amazonaws.sqs#{kind}", "message": words})
    return Answer(status, text.encode(), {"Content-Type": "application/x-amz-json-1.0", **headers})


# -- Faults ----------------------------------------------------------------------------------------

def refused(status, kind, words, **headers):
    async def fault(request, forward):
        return error(request, status, kind, words, **headers)
    return fault


def throttled(status=400):
    return refused(status, "ThrottlingException", "Rate exceeded")


def broken(status=500):
    return refused(status, "InternalError", "We encountered an internal error. Please try again.")


def slow(seconds):
    async def fault(request, forward):
        await asyncio.sleep(seconds)
        return await forward()
    return fault


async def cut_before(request, forward):
    """Nothing has happened, and nothing is said."""


async def cut_after(request, forward):
    """It has happened, and nothing is said."""
    await forward()


async def cut_amid(request, forward):
    """It has happened; half of the answer comes."""
    answer = await forward()
    answer.cut = True
    return answer


async def half_failed(request, forward):
    """Every second entry is not carried out, and the answer says so."""
    if request.is_sns:
        return await _half_published(request, forward)
    asked = json.loads(request.body)
    entries = asked["Entries"]
    asked["Entries"] = entries[::2]
    answer = await forward(json.dumps(asked).encode())
    said = json.loads(answer.body)
    said.setdefault("Failed", []).extend({"Id": entry["Id"], "SenderFault": False, "Code": "InternalError",
                                          "Message": "half of it failed"} for entry in entries[1::2])
    return Answer(200, json.dumps(said).encode(), {"Content-Type": "application/x-amz-json-1.0"})


async def _half_published(request, forward):
    fields = urllib.parse.parse_qsl(request.body.decode(), keep_blank_values=True)
    kept, failed = [], []
    for name, value in fields:
        found = re.fullmatch(r"PublishBatchRequestEntries\.member\.(\d+)\.(.*)", name)
        if not found:
            kept.append((name, value))
        elif int(found[1]) % 2:    # 1, 3, 5 become 1, 2, 3
            kept.append((f"PublishBatchRequestEntries.member.{(int(found[1]) + 1) // 2}.{found[2]}", value))
        elif found[2] == "Id":
            failed.append(f"<member><Id>{value}</Id><Code>InternalError</Code><Message>half of it failed</Message>"
                          "<SenderFault>false</SenderFault></member>")
    answer = await forward(urllib.parse.urlencode(kept).encode())
    text = re.sub(rb"<Failed\s*/>|<Failed></Failed>", b"", answer.body)
    text = text.replace(b"</PublishBatchResult>", f"<Failed>{''.join(failed)}</Failed></PublishBatchResult>".encode())
    return Answer(200, text, {"Content-Type": "text/xml"})


# -- The proxy -------------------------------------------------------------------------------------

@dataclass
class Plan:
    fault: object
    action: str            # "": every action
    queue: str             # "": every queue
    times: int             # -1: until lifted
    met: int = 0

    def takes(self, request):
        return (self.times < 0 or self.met < self.times) and self.action in ("", request.action) and self.queue in ("", request.queue)


async def _read(reader, writer=None):
    """(head, headers, body) of the next message; None at the connection's end. Who asks first whether it may send its body,
    as curl does from 1 MiB on, may."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        if writer and headers.pop("expect", ""):
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            head = re.sub(rb"(?i)\r\nexpect:[^\r]*", b"", head)
        return head, headers, await reader.readexactly(int(headers.get("content-length", 0)))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


class FaultProxy(Service):
    def __init__(self, cloud):
        self._behind = cloud.port
        self._plans = []
        self.requests = Counter()    # (action, queue) -> how many came
        self.moments = {}            # (action, queue) -> when, on the monotonic clock
        super().__init__()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def plan(self, fault, action="", queue="", times=-1):
        """The next `times` requests of this kind meet the fault. Returns the Plan; its .met counts."""
        made = Plan(fault, action, queue, times)
        self._plans.append(made)
        return made

    def lift(self):
        """No more faults."""
        self._plans.clear()

    def count(self, action, queue=None):
        return sum(n for (name, where), n in self.requests.items() if name == action and queue in (None, where))

    def _protocol(self):
        reader = asyncio.StreamReader(limit=4 << 20, loop=self._loop)
        return asyncio.StreamReaderProtocol(reader, self._serve, loop=self._loop)

    async def _serve(self, reader, writer):
        self.connected(writer.transport)
        back = None
        try:
            back = await asyncio.open_connection("127.0.0.1", self._behind, limit=4 << 20)
            while (came := await _read(reader, writer)) is not None:
                answer = await self._answer(*came, back)
                if answer is None:
                    break
                writer.write(answer.wire())
                await writer.drain()
                if answer.cut:
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass    # somebody hung up: the other side sees the same
        finally:
            self.disconnected(writer.transport)
            writer.close()
            if back:
                back[1].close()

    def _parse(self, head, headers, body):
        target = headers.get("x-amz-target", "")
        if not target:
            fields = urllib.parse.parse_qs(body.decode())
            return Request(fields.get("Action", [""])[0], "", headers, body, head)
        queue = json.loads(body).get("QueueUrl", "").rpartition("/")[2]
        return Request(target.rpartition(".")[2], queue, headers, body, head)

    async def _answer(self, head, headers, body, back):
        request = self._parse(head, headers, body)
        self.requests[request.action, request.queue] += 1
        self.moments.setdefault((request.action, request.queue), []).append(time.monotonic())

        async def forward(changed=None):
            return await self._forward(request, body if changed is None else changed, back)

        for plan in list(self._plans):
            if plan.takes(request):
                plan.met += 1
                return await plan.fault(request, forward)
        return await forward()

    @staticmethod
    async def _forward(request, body, back):
        head = re.sub(rb"(?i)\r\ncontent-length:[^\r]*", b"\r\nContent-Length: %d" % len(body), request.raw)
        back[1].write(head + body)
        came = await _read(back[0])
        if came is None:
            raise ConnectionResetError("the server behind hung up")
        said, headers, text = came
        kept = {name: headers[name] for name in ("content-type", "x-amzn-requestid") if name in headers}
        return Answer(int(said.split(b" ", 2)[1]), text, kept)
