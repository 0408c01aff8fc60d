"""What must never be seen, planted in every test: secrets with a mark of their own, and the personal data of the members
who sign up. Whatever a test sees of usher is looked through: logs, answers of the API, the command line, screens.

    see(where, text, typed="")    looks; what it finds waits for check(), which the fixture `nothing_shown` calls at the
                                  end of each test. Personal data that stands in `typed` the operator wrote himself.
    shown()                       with shown(): ...  personal data may be seen: it was asked for (reveal, edit, a sign-up's
                                  answer), or masking is off on purpose. Secrets never may."""

import base64
import contextlib
import re
import urllib.parse

MARK = "pLanTedSeCret"


def secret(what):
    return f"{MARK}-{what}"


DATABASE, MIGRATE, MAIL = secret("database"), secret("migrate"), secret("mail")
COUPON, CONFIG_SERVER, WEBHOOK = secret("coupon"), secret("config-server"), secret("webhook")
AWS_KEY, AWS_TOKEN = secret("aws-key"), secret("aws-session-token")


def _in_base64(text):
    """How a text looks inside base64, wherever it begins there: SMTP AUTH, HTTP Basic."""
    data = text.encode()
    for lead in range(3):
        coded = base64.b64encode(b"\0" * lead + data).decode()
        yield coded[(0, 2, 3)[lead]:len(coded) - 4]


SECRETS = re.compile("|".join(re.escape(mark) for mark in [MARK, MARK.lower(), MARK.upper(), *_in_base64(MARK)]))

# Names of members, and how their addresses and user ids look while they are whole. A masked address has a star in front of
# its at-sign. Names that stand as they are in a sentence of ours are no good here.
NAMES = ["김민수", "이서연", "박지훈", "최수빈", "정하늘", "강도윤", "조은별", "윤가람", "김민지",
         "Ada Byron", "Grace Hopper", "Mary O'Neil", "Tom & Jerry", "José Álvarez", "Zoë Müller"]
PERSONAL = re.compile(r"(?<=[\w.+-])(?:@|%40)example\.(?:com|org)|\.u5r1d\b|\buser-\d+\b|\bu-(?:minji|minsu|ada)\b|"
                      + "|".join(re.escape(name) for name in NAMES))
BEFORE = re.compile(r"[\w.+-]*$")     # of a find, what belongs to it
VALUE_MAX = 64
SECRET_HINTS = SECRETS.pattern.split("|")    # one of these is in every find: the quick look
PERSONAL_HINTS = ["example.", ".u5r1d", "user-", "u-minji", "u-minsu", "u-ada", *NAMES]
ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")

_finds = []
_shown = 0


def user_id(name):
    """A member's, to be known again wherever it stands."""
    return f"{name}.u5r1d"


def _text(data):
    text = data.decode("utf-8", "replace") if isinstance(data, (bytes, bytearray)) else data
    return ESCAPE.sub(lambda match: chr(int(match[1], 16)), text) if "\\u" in text else text


def _around(text, match):
    return repr(text[max(0, match.start() - 60):match.end() + 40])


def _matches(pattern, hints, text):
    return pattern.finditer(text) if any(hint in text for hint in hints) else ()


def _whole(text, match):
    return BEFORE.search(text[max(0, match.start() - VALUE_MAX):match.start()])[0] + match[0]


def scan(where, data, typed="", personal=True):
    """The finds, a sentence each."""
    text, typed = _text(data), urllib.parse.unquote_plus(typed)
    finds = [f"{where}: a secret: {_around(text, match)}" for match in _matches(SECRETS, SECRET_HINTS, text)]
    if personal and not _shown:
        finds += [f"{where}: personal data: {_around(text, match)}" for match in _matches(PERSONAL, PERSONAL_HINTS, text)
                  if _whole(text, match) not in typed]
    return finds


def see(where, data, typed="", personal=True):
    _finds.extend(scan(where, data, typed, personal))


def take():
    """All finds so far, which are then forgotten."""
    finds = list(dict.fromkeys(_finds))
    _finds.clear()
    return finds


def check():
    finds = take()
    assert not finds, f"{len(finds)} times seen what must not be:\n" + "\n".join(finds[:10])


@contextlib.contextmanager
def shown():
    global _shown
    _shown += 1
    try:
        yield
    finally:
        _shown -= 1
