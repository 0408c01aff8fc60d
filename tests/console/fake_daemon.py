"""A stand-in for usherd's API, for what a real daemon does not do on demand: to hang, to be slow, to hold hostile
data, to answer nonsense, to lose a race. It keeps rows in memory and knows the acts' rules; nothing else of usher is
in it. test_real.py runs the same console against the real daemon.

    python3 fake_daemon.py FOLDER      serves until it is interrupted, to look at the console by hand
"""

import copy
import datetime
import http.server
import json
import os
import pathlib
import re
import socket
import socketserver
import sys
import tempfile
import threading
import urllib.parse

from fake_filter import Wrong, cause_of, compile_filter, keys, sort_rows


def stamp(seconds_ago=0.0):
    at = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=seconds_ago)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def figure(value, exactness="exact"):
    return {"value": value, "exactness": exactness}


CLASSES = {
    "service_down": ("auto", "the service refused or cut the connection, or answered 5xx / 421"),
    "ambiguous": ("manual", "no answer after the effect may have happened: a copy may have gone out"),
    "invalid_address": ("manual", "the address does not exist or cannot be parsed: edit and redrive"),
    "rejected": ("manual", "the service refused this message for good"),
    "out_of_stock": ("manual", "the coupon campaign has no coupons left"),
}
NAMES = ["김*수", "M*** Park", "이**", "J*** Kim", "👩‍👧 박*", "가나다라*바사아자차카타파하"]


def daemon(host, **changes):
    """One of the fleet."""
    return {"host": host, "pid": 4711, "version": "0.1.0", "started_at": stamp(11000), "seen_at": stamp(1), "silent_s": 1,
            "leads": False, "self": False, "lost": False, **changes}


def row(number, **changes):
    """One failed row with its detail."""
    classes = sorted(CLASSES)
    name = classes[number % len(classes)]
    made = {
        "id": str(number), "event_id": f"evt-{number:06d}", "channel": "coupon" if name == "out_of_stock" else "email",
        "status": "dead", "state": "dead", "class": name, "class_help": CLASSES[name][1],
        "disposition": CLASSES[name][0], "reason": f"SMTP 550 5.1.1 at RCPT: no such user {number}", "attempts": 3,
        "redrives": 0, "version": 1, "user_id": "u-1***", "recipient": "mi***@example.com",
        "name": NAMES[number % len(NAMES)], "source_queue": "signup-welcome-email", "message_id": f"m-{number}",
        "first_at": stamp(3600 + number), "dead_at": stamp(1800 + number), "updated_at": stamp(1800 + number),
        "dlq": {"message_id": f"dm-{number}", "seen_at": stamp(8), "expires_at": stamp(-1209600)},
        "settled_by": None, "settled_reason": None,
        "payload": json.dumps({"eventId": f"evt-{number:06d}", "type": "user-signup", "userId": "u-1***",
                               "email": "mi***@example.com", "name": NAMES[number % len(NAMES)], "locale": "ko-KR",
                               "big": 0}, ensure_ascii=False).replace('"big": 0', '"big": 12345678901234567890'),
        "payload_bytes": 180, "attributes": {"usher.class": name, "usher.attempts": "3"},
        "attempt_list": [
            {"number": n, "redrive": 0, "at": stamp(3600 - 300 * n), "latency_ms": 42 * n, "class": name, "code": 550,
             "reply": f"550 5.1.1 <mi***@example.com>: no such user {number}", "effect": ""} for n in (1, 2, 3)],
        "audit": [],
    }
    made.update(changes)
    return made


def alarm(number, **changes):
    """One alarm with its notices."""
    made = {"id": str(number), "name": "dead", "channel": "email", "severity": "warning", "state": "raised",
            "raised_at": stamp(312), "cleared_at": None, "value": 3, "text": "3 newly dead, above 0 within 5m", "acked_by": None,
            "acked_at": None, "ack_reason": None, "notices": [
                {"notify": notify, "what": "raised", "state": state, "created_at": stamp(312), "settled_at": None,
                 "attempts": 1, "next_s": None, "last_error": None} for notify, state in (("log", "sent"), ("ops", "waiting"))]}
    made.update(changes)
    return made


def waiting(number, **changes):
    """One delivery that waits for its retry, as the list has it; more is known of it in DELIVERY_ONLY."""
    made = {"id": str(number), "event_id": f"evt-{number}", "channel": "email", "user_id": "u-***", "recipient": "a***@b.c",
            "version": 3, "attempts": 2, "max_attempts": 3, "due_at": stamp(-17), "last_class": "timeout",
            "last_reply": "no answer", "updated_at": stamp(3),
            "state": "retrying", "class_help": "no answer in time, before the effect could have happened", "redrives": 0,
            "name": "김*수", "owner": None, "created_at": stamp(400), "delivered_at": None, "failed_id": None,
            "payload": '{"eventId":"evt-9"}', "payload_bytes": 19, "attributes": {}, "audit": [],
            "attempt_list": [{"number": n, "redrive": 0, "at": stamp(400 - 300 * n), "latency_ms": 3000, "class": "timeout",
                              "code": 0, "reply": f"no answer {n}", "effect": ""} for n in (0, 1)]}
    made.update(changes)
    return made


def job(number, **changes):
    """One redrive job."""
    made = {
        "id": str(number), "kind": "operator", "act": "redrive", "of_job": None, "state": "running", "version": 1, "waits": None, "why": None,
        "created_by": "mina", "reason": "쿠폰 service is back", "listed": False, "channel": "coupon", "class": "service_down",
        "q": None, "since": None, "until": None, "frozen_at": stamp(300), "rate": 10, "canary": 1, "stop_on_failures": 5,
        "total": 300, "total_capped": False, "sent": 150, "skipped": 0, "delivered": 120, "failed_again": 1,
        "on_the_way": 29, "created_at": stamp(300), "started_at": stamp(299), "ended_at": None, "moved_by": None,
    }
    made.update(changes)
    return made


DELIVERY_ONLY = ("state", "class_help", "redrives", "name", "owner", "created_at", "delivered_at", "failed_id", "payload",
                 "payload_bytes", "attributes", "attempt_list", "audit")
DETAIL_ONLY = ("payload", "payload_bytes", "attributes", "attempt_list", "audit", "edits", "siblings")


# What the console goes by; times, too, stay what they are.
KEPT = {"id", "next", "exactness", "state", "status", "severity", "kind", "act", "of_job", "version", "key", "words", "by"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT")
LARGE, FEW = 10_000, {"reason", "text", "reply", "name", "last_reply", "last_error", "payload", "detail", "host"}


def poisoned(value, text, key=None):
    """The same answer with `text` as everything the daemon could have from elsewhere."""
    if isinstance(value, dict):
        return {text[:100] if key == "attributes" else k: poisoned(v, text, k) for k, v in value.items()}
    if isinstance(value, list):
        return [poisoned(v, text, key) for v in value]
    known = not isinstance(value, str) or key in KEPT or TIME.match(value) or (len(text) > LARGE and key not in FEW)
    return value if known else text


class Problem(Exception):
    def __init__(self, status, title, detail):
        super().__init__(detail)
        self.status, self.title, self.detail = status, title, detail


class FakeDaemon:
    """start() serves both sockets; stop() closes them, as a daemon that died. Set .hang (answers nothing), .delay_s,
    .raw (bytes sent as the whole answer), .status (merged over the status), .race (called before an act)."""

    def __init__(self, folder=None, rows=12):
        self._folder = tempfile.TemporaryDirectory(prefix="usher-ui-") if folder is None else None
        self.folder = pathlib.Path(folder or self._folder.name)
        self.socket, self.readonly_socket = str(self.folder / "usher.sock"), str(self.folder / "usher-ro.sock")
        self.rows = {str(n): row(n) for n in range(1, rows + 1)}
        self.status, self.raw, self.race, self.delay_s = {}, None, None, 0
        self.poison = None           # a text: every answer has it wherever it could
        self.paused, self.forced = {}, {}   # channel -> who said it, why and when
        self.jobs = {}               # redrive jobs by id: job(...)
        self.languages = []          # of each request: its Accept-Language
        self.cancelled = {}          # job -> rows it cancelled
        self.refuse, self.gaps = None, 0    # a problem for every list of failed rows; pages that are not looked through
        self.gap_rows = 0                   # what each of them has found
        self.count_exactness = "exact"      # of groups
        self.requests = []           # (method, path, query, body) as they came
        self.audit = []
        self.alarms = []             # of alarm(); the status shows those that are raised
        self.unsent = []             # of the status: what could not be told
        self.waiting = {"9": waiting(9)}
        self._open = threading.Event()  # clear: nothing is answered
        self._open.set()
        self._servers = []

    @property
    def hang(self):
        return not self._open.is_set()

    @hang.setter
    def hang(self, on):
        (self._open.clear if on else self._open.set)()

    def start(self):
        for path, read_only in ((self.socket, False), (self.readonly_socket, True)):
            server = Server(path, self, read_only)
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            self._servers.append(server)
        return self

    def stop(self):
        for server in self._servers:
            server.shutdown()
            server.server_close()
            server.cut()
            if os.path.exists(server.server_address):
                os.unlink(server.server_address)
        self._servers = []

    def close(self):
        self._open.set()
        self.stop()
        if self._folder:
            self._folder.cleanup()

    # -- What it knows --
    def channel(self, name):
        dead = sum(1 for r in self.rows.values() if r["channel"] == name and r["status"] == "dead")
        return {
            "name": name, "enabled": True, "queue": f"signup-welcome-{name}", "dlq": f"signup-welcome-{name}-dlq",
            "visible": figure(12), "in_flight": figure(8), "delayed": figure(3, "approximate"), "oldest_age_s": 4,
            "dlq_depth": figure(dead, "approximate"), "retrying": figure(3), "dead": figure(dead), "queued": figure(0),
            "cancelled": figure(0), "next_due_s": 17, "sending": 6, "holding": 8, "connections": 4,
            "breaker": {"state": "closed", "since": stamp(4000), "trial_at": None, "cause": None, "waiting": figure(12)},
            "probe": {"ok": True, "at": stamp(3), "next_at": stamp(-12), "error": None, "in_stock": None},
            "limit": {"per_s": None, "by": "none", "since": None, "words": None},
            "paused": self.paused.get(name), "forced": self.forced.get(name),
            "rates": {"in_per_s": 12.3, "out_per_s": 12.1, "fail_per_s": 0.2},
            "totals": {k: 100 for k in ("received", "delivered", "retried", "dead", "failed", "repeated", "handed_back",
                                        "lost")},
            "history": {"out": [(n * 7) % 13 for n in range(60)], "depth": list(range(60))}, "history_step_s": 5,
            "depth_at": stamp(1), "counted_at": stamp(1), "depth_error": "",
        }

    def status_json(self, read_only):
        made = {
            "version": "0.1.0", "profile": "demo", "host": "mail-1", "pid": 4711, "started_at": stamp(11000),
            "at": stamp(), "uptime_s": 11000, "read_only": read_only, "operator": "mina", "driver": "embedded",
            "database": {"up": True, "since": stamp(11000), "error": ""}, "broker": {"up": True, "error": ""},
            "fleet": [daemon("mail-1", leads=True, self=True)],
            "channels": [self.channel("email"), self.channel("coupon")],
            "outbox": {"waiting": figure(2), "oldest_age_s": 1, "published_per_s": 12.3, "failing": False, "counted_at": stamp(1),
                       "retry_at": None, "published_total": 1000, "refused_total": 0},
            "alarms": self.board(),
            "totals": {k: 1 for k in ("signups", "acts", "refused_acts", "redriven", "statements")},
        }
        changes = copy.deepcopy(self.status)
        for name, more in changes.pop("channel", {}).items():
            next(c for c in made["channels"] if c["name"] == name).update(more)
        made.update(changes)
        return made

    def board(self):
        up = [a for a in self.alarms if a["state"] == "raised"]
        return {"raised": len(up), "critical": sum(a["severity"] == "critical" for a in up), "unsent": len(self.unsent),
                "list": up[:8], "notices": self.unsent}

    def ack(self, number, body, read_only):
        if read_only:
            raise Problem(403, "Forbidden", "this socket is read-only: use usher.sock to act")
        if self.race:
            self.race(number, "ack")
        one = next((a for a in self.alarms if a["id"] == number), None)
        if one is None:
            raise Problem(404, "Not Found", f"there is no alarm {number}")
        if one["state"] != "raised" or one["acked_by"]:
            raise Problem(409, "Conflict", f"alarm {number} is acknowledged already: by {one['acked_by']}")
        one.update(acked_by="mina", acked_at=stamp(), ack_reason=body.get("reason"))
        return one

    def select(self, query):
        wanted = {"status": query.get("status"), "channel": query.get("channel"), "class": query.get("class")}
        try:
            matches = compile_filter(query.get("filter", ""), self.rows)
        except Wrong as wrong:
            raise Problem(400, "Bad Request", str(wrong)) from wrong
        found = [r for r in self.rows.values()
                 if all(v in (None, "any", r[k]) for k, v in wanted.items()) and matches(r)
                 and r["dead_at"] >= query.get("since", "") and r["dead_at"] < query.get("until", "3")
                 and any(str(r[k]).startswith(query.get("q", "")) for k in ("event_id", "user_id", "recipient"))]
        return sort_rows(found, query.get("sort"))

    def page(self, found, query, **more):
        at, limit = int(query.get("cursor", 0)), int(query.get("limit", 50))
        brief = [{k: v for k, v in r.items() if k not in DETAIL_ONLY} for r in found[at:at + limit]]
        return {"items": brief, "next": str(at + limit) if at + limit < len(found) else None, "complete": True, **more}

    def groups(self, query):
        made = {}
        for r in self.select(query):
            key = (r["channel"], r["status"], r["class"], re.sub(r" \d+$", "", r["reason"]), cause_of(r))
            made.setdefault(key, []).append(r["dead_at"])
        own = query.get("filter", "") + " " if query.get("filter") else ""
        return {"items": [{"channel": k[0], "status": k[1], "class": k[2], "reason": k[3], "cause": k[4], "count": len(v),
                           "count_exactness": self.count_exactness, "oldest": min(v), "newest": max(v),
                           "filter": f"{own}status:{k[1]} cause:{k[4]}"}
                          for k, v in sorted(made.items(), key=lambda kv: -len(kv[1]))], "complete": True}

    def redrive_many(self, body, read_only):
        """A look, or a job: rows of a job are queued at once, and it stays as it is then."""
        if read_only:
            raise Problem(403, "Forbidden", "this socket is read-only: use usher.sock to act")
        until, act = body.get("seen_until", stamp()), body.get("act", "redrive")
        if act == "restore":
            found = [self.rows[i] for i in self.cancelled.get(body["of_job"], []) if self.rows[i]["status"] == "cancelled"]
        elif "ids" in body:
            found = [self.rows[i] for i in body["ids"] if self.rows[i]["status"] == "dead"]
        else:
            found = [r for r in self.select({"filter": body["filter"], "status": "dead"}) if r["dead_at"] <= until]
        if body.get("dry_run"):
            return 200, self.preview(found, act)
        if not found:
            raise Problem(404, "Not Found", "no dead row matches: widen the filter, or there is nothing to do")
        if ("filter" in body or act == "cancel") and not body.get("reason"):
            raise Problem(400, "Bad Request", "reason: is required")
        number = str(len(self.jobs) + 1)
        done = 0 if act == "redrive" else len(found)
        self.cancelled[number] = [r["id"] for r in found] if act == "cancel" else []
        self.jobs[number] = job(number, total=len(found), sent=done, delivered=0, failed_again=0, on_the_way=0, act=act,
                                of_job=body.get("of_job"), state="done" if done else "running",
                                reason=body.get("reason"), listed="ids" in body,
                                **{k: body[k] for k in ("rate", "canary", "stop_on_failures") if k in body})
        for r in found:
            r.update(status={"redrive": "queued", "cancel": "cancelled", "restore": "dead"}[act], version=r["version"] + 1,
                     settled_by=None if act == "restore" else "mina")
        return 201, self.jobs[number]

    def preview(self, found, act):
        groups = {}
        for r in found:
            groups[r["channel"], r["class"]] = groups.get((r["channel"], r["class"]), 0) + 1
        died = sorted(r["dead_at"] for r in found)
        return {"dry_run": True, "act": act, "total": len(found), "total_capped": False,
                "groups": [{"channel": k[0], "class": k[1], "count": v} for k, v in sorted(groups.items())],
                "mails_maybe_sent": sum(r["class"] == "ambiguous" for r in found) if act == "redrive" else 0, "coupons_maybe_granted": 0,
                "members_with_coupon": 0, "oldest": died[0] if died else None, "newest": died[-1] if died else None,
                "frozen_at": stamp()}

    def act(self, number, act, body, read_only):
        if read_only:
            raise Problem(403, "Forbidden", "this socket is read-only: use usher.sock to act")
        if self.race:
            self.race(number, act)
        one = self.rows.get(number)
        if one is None:
            raise Problem(404, "Not Found", f"there is no failed notification {number}")
        before, after = {"redrive": ("dead", "queued"), "cancel": ("dead", "cancelled"),
                         "restore": ("cancelled", "dead")}[act]
        if act == "cancel" and not body.get("reason"):
            raise Problem(400, "Bad Request", "a reason is required")
        if one["status"] != before or body.get("version", one["version"]) != one["version"]:
            raise Problem(409, "Conflict", f"{number} is {one['status']}, settled by {one['settled_by']}: look again")
        one.update(status=after, version=one["version"] + 1, settled_by="mina", settled_reason=body.get("reason"),
                   updated_at=stamp())
        entry = {"id": str(len(self.audit) + 1), "at": stamp(), "operator": "mina", "role": "operator", "act": act,
                 "target": f"failed/{number}", "outcome": "done", "reason": body.get("reason"), "detail": None}
        self.audit.append(entry)
        one["audit"].append(entry)
        return {k: v for k, v in one.items() if k not in DETAIL_ONLY}

    def control(self, channel, act, body, read_only):
        if read_only:
            raise Problem(403, "Forbidden", "this socket is read-only: use usher.sock to act")
        if channel not in ("email", "coupon"):
            raise Problem(404, "Not Found", f"there is no channel {channel}")
        if self.race:
            self.race(channel, act)
        word = {"by": "mina", "reason": body.get("reason", ""), "at": stamp()}
        if act == "breaker":
            self.forced[channel] = {**word, "state": body["state"]} if body["state"] != "auto" else None
        elif (act == "pause") == bool(self.paused.get(channel)):
            was = self.paused.get(channel)
            raise Problem(409, "Conflict", f"{channel} is already paused: by {was['by']}" if was else f"{channel} is not paused")
        else:
            self.paused[channel] = word if act == "pause" else None
        return {"name": channel, "paused": self.paused.get(channel), "forced": self.forced.get(channel)}

    def act_on_job(self, number, act, body, read_only):
        if read_only:
            raise Problem(403, "Forbidden", "this socket is read-only: use usher.sock to act")
        if self.race:
            self.race(number, act)
        one = self.jobs[number]
        before, after = {"pause": ("running", "paused"), "resume": ("paused", "running"), "stop": (None, "stopped")}[act]
        if before and one["state"] != before or body.get("version", one["version"]) != one["version"]:
            raise Problem(409, "Conflict", f"redrive job {number} is {one['state']} by {one['moved_by']}")
        one.update(state=after, version=one["version"] + 1, moved_by="mina", why=body.get("reason"))
        return one

    def act_waiting(self, number, act, body, read_only):
        """Cancelled and given up, it becomes the failed row "900" + its number."""
        if read_only:
            raise Problem(403, "Forbidden", "this socket is read-only: use usher.sock to act")
        if self.race:
            self.race(number, act)
        one = self.waiting.get(number)
        if one is None:
            raise Problem(404, "Not Found", f"there is no delivery {number}")
        if one["state"] != "retrying" or body.get("version", one["version"]) != one["version"]:
            raise Problem(409, "Conflict", f"delivery {number} has changed since you looked at it: postponed by jun 3 s ago")
        one["version"] += 1
        if act == "now":
            one["due_at"] = stamp()
        elif act == "postpone":
            one["due_at"] = body["until"]
        else:
            status = {"cancel": "cancelled", "dead": "dead"}[act]
            made = row(900 + int(number), status=status, settled_by="mina", settled_reason=body.get("reason"))
            self.rows[made["id"]] = made
            one.update(state=status, failed_id=made["id"], due_at=None)
        return one

    def edit(self, number, body):
        one = self.rows.get(number)
        if one is None:
            raise Problem(404, "Not Found", f"there is no failed notification {number}")
        if one["version"] != body.get("version", one["version"]):
            raise Problem(409, "Conflict", f"row {number} has changed since you looked at it")
        email = body["set"]["email"] if "set" in body else json.loads(body["payload"])["email"]
        if "@" not in email:
            raise Problem(400, "Bad Request", "email: the address has no @")
        one.update(status="queued" if body.get("redrive") else "dead", version=one["version"] + 1,
                   recipient=email[:2] + "***@" + email.split("@")[1], updated_at=stamp())
        one.setdefault("edits", []).append({"at": stamp(), "operator": "mina", "reason": body.get("reason"),
                                            "summary": "email: mi***@example.com -> " + one["recipient"]})
        return {k: v for k, v in one.items() if k not in DETAIL_ONLY}

    def reveal(self, number):
        one = self.rows.get(number)
        if one is None:
            raise Problem(404, "Not Found", f"there is no failed notification {number}")
        event = json.dumps({"eventId": one["event_id"], "email": "minsu@example.com", "name": "김민수"}, ensure_ascii=False)
        return {**one, "recipient": "minsu@example.com", "name": "김민수", "user_id": "u-1234", "payload": event, "event": event,
                "original_payload": None}

    def answer(self, method, path, query, body, read_only):
        """Returns (status, JSON)."""
        parts = path.strip("/").split("/")[1:]
        if method == "POST" and parts == ["signups"]:
            return 201, {"user_id": "u-77", "event_id": "evt-77"}
        if method == "POST" and len(parts) == 3 and parts[0] == "failed" and parts[2] in ("edit", "reveal"):
            if read_only:
                raise Problem(403, "Forbidden", "this socket is read-only: use usher.sock to act")
            return 200, self.edit(parts[1], body) if parts[2] == "edit" else self.reveal(parts[1])
        if method == "POST" and len(parts) == 3 and parts[0] == "retrying":
            return 200, self.act_waiting(parts[1], parts[2], body, read_only)
        if len(parts) == 2 and parts[0] == "deliveries":
            if parts[1] not in self.waiting:
                raise Problem(404, "Not Found", f"there is no delivery {parts[1]}")
            return 200, self.waiting[parts[1]]
        if method == "POST" and len(parts) == 3 and parts[0] == "failed":
            return 200, self.act(parts[1], parts[2], body, read_only)
        if method == "POST" and len(parts) == 3 and parts[0] == "channels":
            return 200, self.control(parts[1], parts[2], body, read_only)
        if method == "POST" and len(parts) == 3 and parts[0] == "alarms" and parts[2] == "ack":
            return 200, self.ack(parts[1], body, read_only)
        if parts == ["alarms"]:
            return 200, self.page(self.alarms, query)
        if method == "POST" and len(parts) == 3 and parts[0] == "redrives":
            return 200, self.act_on_job(parts[1], parts[2], body, read_only)
        if method == "POST" and parts == ["redrives"]:
            return self.redrive_many(body, read_only)
        if parts == ["redrives"]:
            return 200, {"items": sorted(self.jobs.values(), key=lambda j: -int(j["id"])), "next": None}
        if len(parts) == 2 and parts[0] == "redrives" and parts[1] in self.jobs:
            return 200, self.jobs[parts[1]]
        if parts == ["status"]:
            return 200, self.status_json(read_only)
        if parts == ["filter", "keys"]:
            return 200, keys()
        if self.refuse:
            raise Problem(400, "Bad Request", self.refuse)
        if parts == ["failed"]:
            found = self.select(query)
            if self.gaps:
                self.gaps -= 1
                return 200, {**self.page(found[:self.gap_rows], {}), "next": str(self.gap_rows), "complete": False,
                             "searched": 2000}
            return 200, self.page(found, query, count=len(found), count_capped=False)
        if parts == ["failed", "groups"]:
            return 200, self.groups(query)
        if len(parts) == 2 and parts[0] == "failed":
            if parts[1] not in self.rows:
                raise Problem(404, "Not Found", f"there is no failed notification {parts[1]}")
            return 200, self.rows[parts[1]]
        if len(parts) == 2 and parts[0] == "dlq":
            chosen = {} if self.poison else {"channel": parts[1]}
            found = self.select({**query, **chosen, "status": "dead"})
            return 200, self.page(found, query, depth=figure(len(found), "approximate"), mirrored_at=stamp(8))
        if parts == ["retrying"]:
            items = [{k: v for k, v in one.items() if k not in DELIVERY_ONLY} for one in self.waiting.values()
                     if one["state"] == "retrying"]
            return 200, {"items": items, "next": None}
        if parts == ["outbox"]:
            items = [{"id": "5", "event_id": "evt-5", "attempts": 1, "created_at": stamp(9), "next_at": stamp(-3),
                      "published_at": None, "last_error": "refused"}]
            return 200, {"items": items, "next": None}
        if parts == ["audit"]:
            return 200, {"items": self.audit, "next": None}
        raise Problem(404, "Not Found", f"there is nothing at {path}")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "operator"

    def log_message(self, *_arguments):
        pass

    def _serve(self):
        daemon = self.server.daemon
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        split = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(split.query))
        daemon.requests.append((self.command, urllib.parse.unquote(split.path), query, body))
        daemon.languages.append(self.headers.get("Accept-Language"))
        daemon._open.wait()
        if daemon.delay_s:
            threading.Event().wait(daemon.delay_s)
        if daemon.raw is not None:
            return self._send(200, "application/json", daemon.raw)
        try:
            status, answer = daemon.answer(self.command, split.path, query, body, self.server.read_only)
            kind = "application/json"
        except Problem as problem:
            status, kind = problem.status, "application/problem+json"
            answer = {"type": "about:blank", "title": problem.title, "status": status, "detail": problem.detail}
        if daemon.poison is not None:
            answer = poisoned(answer, daemon.poison)
        return self._send(status, kind, json.dumps(answer, ensure_ascii=False).encode("utf-8", "surrogatepass"))

    def _send(self, status, kind, data):
        try:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except OSError:
            self.close_connection = True

    do_GET = do_POST = _serve


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, path, daemon, read_only):
        self.daemon, self.read_only, self._connections = daemon, read_only, set()
        super().__init__(path, Handler)

    def process_request(self, request, client_address):
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request, client_address):
        pass  # a client that went away

    def cut(self):
        """The connections end as those of a killed process do."""
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def main():
    daemon = FakeDaemon(sys.argv[1], rows=int(sys.argv[2]) if len(sys.argv) > 2 else 60).start()
    daemon.status = {"channel": {"coupon": {"breaker": {"state": "open", "since": stamp(56), "trial_at": stamp(-20)},
                                            "visible": figure(312, "approximate"), "oldest_age_s": 56}}}
    print(f"usher --socket {daemon.socket}")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        daemon.close()


if __name__ == "__main__":
    main()
