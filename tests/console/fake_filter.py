"""The filter language and the sorts, as far as the stand-in needs them: the keys that a completion asks for, terms
with "and", the character at which something is wrong. The daemon's own is in src/model/filter.c."""

import datetime
import re

STATUSES = ["dead", "queued", "delivered", "cancelled"]
CHANNELS = ["email", "coupon"]
CLASSES = ["service_down", "timeout", "ambiguous", "rate_limited", "invalid_address", "rejected", "out_of_stock",
           "misconfigured", "malformed", "worker_lost"]
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def keys():
    def key(name, kind, operators, example, words=()):
        return {"key": name, "kind": kind, "operators": operators, "example": example, "help": f"about {name}",
                "words": list(words)}
    return {"items": [
        {**key("status", "words", ":", "status:dead", STATUSES), "help": "where it stands"},
        key("channel", "words", ":", "channel:email", CHANNELS), key("class", "words", ":", "class:timeout", CLASSES),
        key("cause", "cause", ":", "cause:09f3d2a477c01be5"),
        {**key("age", "age", "> <", "age>1h"), "help": "dead for how long"},
        key("attempts", "number", ": > <", "attempts>=2"), key("user", "pattern", ":", "user:u-123"),
        key("member", "number", ":", "member:42"), key("event", "pattern", ":", "event:0198c3*"),
        key("reason", "text", ":", 'reason:"no such"'), key("dlq", "words", ":", "dlq:yes", ["no", "yes"]), key("id", "number", ":", "id:42,43")]}


class Wrong(Exception):
    def __init__(self, at, words):
        super().__init__(f"filter, character {at + 1}: {words}")


def age_of(row):
    died = datetime.datetime.fromisoformat(row["dead_at"].replace("Z", "+00:00"))
    return (datetime.datetime.now(datetime.timezone.utc) - died).total_seconds()


def cause_of(row):
    return f"{abs(hash((row['channel'], row['class']))) % 16 ** 16:016x}"


def term_matches(row, rows, key, operator, value):
    values = value.split(",") if not value.startswith('"') else [value.strip('"')]
    if key == "age":
        wanted = int(value[:-1]) * UNITS[value[-1]]
        return age_of(row) > wanted if operator == ">" else age_of(row) < wanted
    if key == "member":
        return value in rows and rows[value]["user_id"] == row["user_id"]
    if key == "reason":
        return values[0] in row["reason"]
    if key == "cause":
        return cause_of(row) in values
    if key == "dlq":
        return (row["dlq"] is not None) == (value == "yes")
    return str(row[{"user": "user_id", "event": "event_id"}.get(key, key)]) in values


def compile_filter(text, rows):
    """Returns what says whether a row matches."""
    known = {item["key"]: item for item in keys()["items"]}
    terms = []
    for found in re.finditer(r'(-?)(?:([a-z_]+)([:<>]=?))?((?:"[^"]*"|[^\s"])*)', text):
        minus, key, operator, value = found.groups()
        if not found[0]:
            continue
        if key and key not in known:
            raise Wrong(found.start(2), f'there is no key "{key}"; known: {", ".join(known)}. To search for the text itself, '
                                        "put it in quotes")
        words = known[key]["words"] if key else []
        for word in value.split(","):
            if words and word not in words:
                raise Wrong(found.start(4), f"{key}:{word}: one of {', '.join(words)} is allowed")
        if key and not value:
            raise Wrong(found.start(4), f"{key} wants a value, such as {known[key]['example']}")
        terms.append((bool(minus), key, operator, value))

    def matches(row):
        for minus, key, operator, value in terms:
            hit = term_matches(row, rows, key, operator, value) if key else any(
                str(row[k]).startswith(value.strip('"')) for k in ("event_id", "user_id", "recipient"))
            if hit == minus:
                return False
        return True
    return matches


def sort_rows(found, sort):
    word, _, direction = (sort or "newest").partition(":")
    column, usual = {"newest": ("dead_at", "desc"), "oldest": ("dead_at", "asc"), "dead_at": ("dead_at", "desc"),
                     "id": ("id", "desc"), "attempts": ("attempts", "desc"), "redrives": ("redrives", "desc")}.get(
                         word, (word, "asc"))
    if column in ("dead_at", "id"):   # the stand-in's rows died in the order of their ids
        key = lambda r: int(r["id"])  # noqa: E731
    else:
        key = lambda r: (r[column], -int(r["id"]))  # noqa: E731
    return sorted(found, key=key, reverse=(direction or usual) == "desc")
