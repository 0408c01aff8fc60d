"""Stand-in for the mail service: a real SMTP server (aiosmtpd) that keeps every mail it took, with its time.

Faults it can be asked for, in the local part of a recipient (see service.py):
    unknown   550 5.1.1 at RCPT                  rejected  554 5.7.1 after the final dot
    limit     452 4.7.1 at RCPT                  down      421 4.3.2 at RCPT, and hangs up
    cut       hangs up at RCPT without a word    slow      answers late
    lost      takes the mail, then hangs up without an answer: a copy is out, and usher cannot know
    silent    takes the mail, never answers
    held      takes the mail, answers once released: see release()

The answers quote the recipient, as those of real servers do.

Faults for all: .limit_per_s, a sending limit, announced by 451 4.7.1 at RCPT; .refusal, an answer to each RCPT, or to
every .refuses_one_in;
.latency_s, before the answer to every final dot; .lose, as "lost" for so many mails to come."""

import asyncio
import logging
import re
import ssl
import subprocess
import time
from collections import Counter
from dataclasses import dataclass

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from .service import Service

logging.getLogger("mail.log").setLevel(logging.CRITICAL)

MESSAGE_ID = re.compile(rb"^Message-ID:\s*(\S+)", re.I | re.M)


@dataclass(frozen=True)
class Mail:
    at: float          # when the final dot had come, wall clock
    sender: str
    recipient: str
    message_id: str
    data: bytes
    tls: bool
    login: str         # "" without


@dataclass(frozen=True)
class Refusal:
    at: float
    recipient: str
    answer: str


class _Session(SMTP):
    def __init__(self, service, handler, **options):
        super().__init__(handler, loop=service._loop, ident="stand-in", hostname="localhost",
                         enable_SMTPUTF8=True, decode_data=False, **options)
        self._service = service

    def connection_made(self, transport):
        super().connection_made(transport)
        self._service.connected(self.transport)

    def connection_lost(self, error):
        self._service.disconnected(self.transport)
        super().connection_lost(error)


class _Handler:
    def __init__(self, service):
        self._service = service

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        if self._service.pipelining:
            responses.insert(1, "250-PIPELINING")
        return responses

    async def handle_NOOP(self, server, session, envelope, arg):
        self._service.noops += 1
        return "250 2.0.0 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        return await self._service.at_rcpt(server, envelope, address, options)

    async def handle_DATA(self, server, session, envelope):
        return await self._service.at_dot(server, session, envelope)


class MailService(Service):
    words = frozenset("unknown rejected limit down cut slow lost silent held".split())

    def __init__(self, tls=None, certificate=None, login=None, pipelining=True, keeps_data=True):
        """tls: None, "starttls" or "implicit", with `certificate` = (certificate file, key file); login: (user, password)
        that is demanded, without it any is taken, or none; keeps_data: the text of each mail, for as long as the service lives."""
        self.mails = []             # every Mail taken
        self.refusals = []          # every Refusal given
        self.noops = 0              # what probes end in
        self.limit_per_s, self.refusal, self.latency_s, self.lose = 0, None, 0, 0
        self.refuses_one_in, self._rcpts = 1, 0
        self._second, self._in_second = 0, 0
        self.pipelining, self._keeps_data = pipelining, keeps_data
        self._tls, self._login = tls, login
        self._context = None
        if tls:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*certificate)
        self._release = asyncio.Event()
        super().__init__(self._context if tls == "implicit" else None)

    @property
    def url(self):
        return f"{'smtps' if self._tls == 'implicit' else 'smtp'}://127.0.0.1:{self.port}"

    def _protocol(self):
        options = {}
        if self._tls == "starttls":
            options.update(tls_context=self._context, require_starttls=True)
        options.update(authenticator=self._authenticate, auth_required=bool(self._login), auth_require_tls=self._tls == "starttls")
        return _Session(self, _Handler(self), **options)

    def _authenticate(self, server, session, envelope, mechanism, data):
        given = (data.login.decode(), data.password.decode()) if isinstance(data, LoginPassword) else None
        return AuthResult(success=not self._login or given == tuple(self._login), handled=False, auth_data=given and given[0])

    def _refuse(self, recipient, answer):
        self.refusals.append(Refusal(time.time(), recipient, answer))
        return answer

    def over_limit(self):
        second = int(time.monotonic())
        self._in_second = self._in_second + 1 if second == self._second else 1
        self._second = second
        return 0 < self.limit_per_s < self._in_second

    async def at_rcpt(self, server, envelope, address, options):
        self._rcpts += 1
        if self.refusal and self._rcpts % self.refuses_one_in == 0:
            return self._refuse(address, self.refusal)
        if self.over_limit():
            return self._refuse(address, f"451 4.7.1 Not more than {self.limit_per_s} mails a second")
        word, number = self.planned(address)
        if word == "unknown":
            return self._refuse(address, f"550 5.1.1 <{address}>: no user {address.partition('@')[0]} here")
        if word == "limit":
            return self._refuse(address, f"452 4.7.1 Too many mails for {address} for now")
        if word == "cut":
            self._refuse(address, "(hung up)")
            server.transport.abort()
            return "421 unheard"
        if word == "down":
            asyncio.get_running_loop().call_later(0.01, server.transport.close)
            return self._refuse(address, f"421 4.3.2 Closing for maintenance, {address} must wait")
        envelope.fault = (word, number)
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def at_dot(self, server, session, envelope):
        word, number = getattr(envelope, "fault", (None, 0))
        recipient = envelope.rcpt_tos[0]
        if word == "rejected":
            return self._refuse(recipient, f"554 5.7.1 Refused by policy: {recipient}")
        if word == "slow":
            await asyncio.sleep(number / 1000)
        if self.lose > 0:
            self.lose, word = self.lose - 1, "lost"
        found = MESSAGE_ID.search(envelope.content)
        self.mails.append(Mail(time.time(), envelope.mail_from, recipient, found[1].decode() if found else "",
                               envelope.content if self._keeps_data else b"", session.ssl is not None or self._tls == "implicit",
                               session.auth_data or "" if session.authenticated else ""))
        if word == "lost":
            server.transport.abort()
        elif word == "silent":
            await asyncio.Event().wait()
        elif word == "held":
            await self._release.wait()
        await asyncio.sleep(self.latency_s)
        return "250 2.0.0 Taken"

    def release(self):
        """Lets go of all mails for "held..." and of all that come later."""
        self._loop.call_soon_threadsafe(self._release.set)

    def copies(self):
        """recipient -> how many mails it got."""
        return Counter(mail.recipient for mail in list(self.mails))

    def mails_to(self, recipient):
        return [mail for mail in list(self.mails) if mail.recipient == recipient]

    def refusals_of(self, recipient):
        return [refusal for refusal in list(self.refusals) if refusal.recipient == recipient]


def make_certificate(folder):
    """A certificate for 127.0.0.1 that vouches for itself: (certificate file, key file)."""
    certificate, key = f"{folder}/certificate.pem", f"{folder}/key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", "/CN=stand-in", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
                    "-keyout", key, "-out", certificate], check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return certificate, key
