"""Stand-in for the coupon service, as usher-api(7) asks a coupon team to write it: JSON over HTTP/1.1 with keep-alive;
a request repeated with the same Idempotency-Key gets the first answer again and grants nothing. Every grant is kept, with
its time.

Faults it can be asked for, in the user id (see service.py):
    soldout    409 out_of_stock                       duplicate  409 already_granted (the member has one from elsewhere)
    rejected   422 unknown_member                     limit      429 with Retry-After: 1
    down       503                                    denied     403
    cut        hangs up before anything is done       slow       answers late
    lost       grants, then hangs up without an answer
    silent     grants, never answers

The answers quote the member.

Faults for all: .latency_s, every answer's, after what it says is done; .health, the answer of health_url; .word, one of
the above, for every .one_in requests."""

import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass

from . import planted
from .service import Service

HEAD_MAX = 16 * 1024
REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 409: "Conflict",
           422: "Unprocessable Entity", 429: "Too Many Requests", 503: "Service Unavailable"}


@dataclass(frozen=True)
class Grant:
    at: float          # wall clock
    key: str           # Idempotency-Key
    user_id: str
    coupon_id: str
    campaign: str


@dataclass(frozen=True)
class Refusal:
    at: float
    user_id: str
    status: int        # 0: hung up


class _Connection(asyncio.Protocol):
    """One keep-alive connection; requests are answered in turn."""

    def __init__(self, service):
        self._service, self._data, self._busy = service, b"", False

    def connection_made(self, transport):
        self.transport = transport
        self._service.connected(transport)

    def connection_lost(self, error):
        self._service.disconnected(self.transport)

    def data_received(self, data):
        self._data += data
        if not self._busy:
            self._next()

    def _next(self):
        head, found, rest = self._data.partition(b"\r\n\r\n")
        if not found:
            if len(head) > HEAD_MAX:
                self.transport.abort()
            return
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        length = int(headers.get("content-length", 0))
        if headers.get("expect", "").lower() == "100-continue" and len(rest) < length:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if len(rest) < length:
            return
        self._data, self._busy = rest[length:], True
        method, path, _ = lines[0].split(" ", 2)
        asyncio.get_running_loop().create_task(self._serve(method, path, headers, rest[:length]))

    async def _serve(self, method, path, headers, body):
        answer = await self._service.answer(method, path, headers, body)
        await asyncio.sleep(self._service.latency_s)
        if answer is None:
            self.transport.abort()
            return
        status, fields, extra = answer
        text = json.dumps(fields).encode()
        head = [f"HTTP/1.1 {status} {REASONS[status]}", "Content-Type: application/json", f"Content-Length: {len(text)}"]
        self.transport.write("\r\n".join(head + extra).encode() + b"\r\n\r\n" + text)
        self._busy = False
        if self._data:
            self._next()


class CouponService(Service):
    words = frozenset("soldout duplicate rejected limit down denied cut slow lost silent".split())

    def __init__(self, token=planted.COUPON):
        self.token = token
        self.grants = []           # every Grant, in order: the effects
        self.requests = Counter()  # Idempotency-Key -> times asked
        self.refusals = []         # every Refusal given
        self.latency_s, self.health, self.probes, self.word = 0, (200, {"status": "UP"}), 0, None
        self.one_in, self._asked = 1, 0
        self.repeats = 0           # requests answered from the key's first answer
        self._answers = {}
        super().__init__()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/v1/coupons"

    @property
    def health_url(self):
        return f"http://127.0.0.1:{self.port}/health"

    def _protocol(self):
        return _Connection(self)

    async def answer(self, method, path, headers, body):
        """(status, JSON fields, further header lines), or None: hang up."""
        if path == "/health":
            self.probes += 1
            return (*self.health, [])
        if method != "POST" or path != "/v1/coupons":
            return 404, {"code": "not_found", "message": "no such path"}, []
        if headers.get("authorization") != f"Bearer {self.token}":
            return 401, {"code": "unauthorized", "message": "the bearer token is wrong"}, []
        key = headers.get("idempotency-key", "")
        try:
            asked = json.loads(body)
            user_id = asked["userId"]
        except (ValueError, KeyError, TypeError):
            return 400, {"code": "bad_request", "message": "userId is missing"}, []
        if not key:
            return 400, {"code": "no_key", "message": "Idempotency-Key is missing"}, []
        self.requests[key] += 1
        if key in self._answers:
            self.repeats += 1
            return self._answers[key]
        return await self._first(key, user_id, asked)

    async def _first(self, key, user_id, asked):
        self._asked += 1
        word, number = (self.word, 0) if self.word and self._asked % self.one_in == 0 else self.planned(user_id)
        refusal = {
            "soldout": (409, {"code": "out_of_stock", "message": "the campaign has no coupons left"}, []),
            "duplicate": (409, {"code": "already_granted", "message": f"member {user_id} has the coupon"}, []),
            "rejected": (422, {"code": "unknown_member", "message": f"no member {user_id}, userId={user_id}"}, []),
            "limit": (429, {"code": "too_many", "message": f"slow down with {user_id}"}, ["Retry-After: 1"]),
            "down": (503, {"code": "unavailable", "message": f"back soon, {user_id}"}, []),
            "denied": (403, {"code": "forbidden", "message": "not for this client"}, []),
        }.get(word)
        if refusal:
            self.refusals.append(Refusal(time.time(), user_id, refusal[0]))
            return refusal
        if word == "cut":
            self.refusals.append(Refusal(time.time(), user_id, 0))
            return None
        if word == "slow":
            await asyncio.sleep(number / 1000)
        if key in self._answers:    # asked again while the first answer was slow
            self.repeats += 1
            return self._answers[key]
        grant = Grant(time.time(), key, user_id, f"C{len(self.grants) + 1:06}", str(asked.get("campaign", "")))
        self.grants.append(grant)
        self._answers[key] = (200, {"couponId": grant.coupon_id}, [])
        if word == "lost":
            return None
        if word == "silent":
            await asyncio.Event().wait()
        return self._answers[key]

    def granted(self):
        """user id -> how many coupons it got."""
        return Counter(grant.user_id for grant in list(self.grants))

    def refusals_of(self, user_id):
        return [refusal for refusal in list(self.refusals) if refusal.user_id == user_id]
