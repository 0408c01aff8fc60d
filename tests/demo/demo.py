"""make demo: usher at work, and the proof that it did what it says.

Private servers in temporary folders; 200 Korean and English sign-ups, some of which meet a planned fault; a stretch of
mail outage in the middle; a message that is no sign-up. Once all has come to rest, what usher says is compared with
what the mail and the coupon service saw. In a terminal the console opens on it; leaving the console ends everything.

--broker aws (make demo BROKER=aws): the same on SNS and SQS, spoken to a private server; `usherd provision --apply` makes
topic, queues and subscriptions there."""

import argparse
import pathlib
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support import aws, load                   # noqa: E402
from support.coupon import CouponService        # noqa: E402
from support.daemon import Daemon               # noqa: E402
from support.mariadb import MariaDB             # noqa: E402
from support.process import TimedOut, interrupt_on_signals, wait_until    # noqa: E402
from support.smtp import MailService            # noqa: E402

SIGNUPS = 200
BY_COMMAND = 10            # of them through `usher signup`, the rest through the API
OUTAGE_FROM, OUTAGE_S = 70, 2.5
SETTLE_DEADLINE_S = 90
NOT_AN_EVENT = '{"hello": "I am no sign-up"}'

SCHEDULE = {    # 1 m, 5 m as shipped; here 0.6 s, 3 s
    "log": {"level": "info"},
    "retry": {"max_attempts": "3", "base": "600ms", "factor": "5", "jitter": "0.1"},
    "channel.email": {"in_flight": "20"}, "channel.coupon": {"in_flight": "20"},
    "breaker": {"failures": "5", "cooldown": "300ms", "probes": "1"},
    "email": {"timeout": "2s"}, "coupon": {"timeout": "2s"},
}


@dataclass(frozen=True)
class Plan:
    """A fault that is planned for some sign-ups of a channel, and how it must end."""
    channel: str
    fault: str        # as the stand-ins know it
    count: int
    words: str
    dies: str = ""    # the class it dies of; "": it is delivered
    effects: int = 1  # what the outside service ends up with, each


PLANS = [
    Plan("email", "unknown", 6, "the address does not exist", "invalid_address", 0),
    Plan("email", "rejected", 2, "the mail service refuses it for good", "rejected", 0),
    Plan("email", "down1", 5, "421, closing, at the first try"),
    Plan("email", "limit2", 5, "sending limit, twice"),
    Plan("email", "lost1", 3, "taken, but the answer is lost", effects=2),
    Plan("coupon", "soldout", 3, "the campaign is out of stock", "out_of_stock", 0),
    Plan("coupon", "duplicate", 4, "granted before, from elsewhere", effects=0),
    Plan("coupon", "down1", 5, "503 at the first try"),
    Plan("coupon", "limit1", 4, "429 with Retry-After at the first try"),
    Plan("coupon", "lost1", 3, "granted, but the answer is lost"),
]
SMOOTH = {channel: Plan(channel, "", 0, "nothing in the way") for channel in load.QUEUES}

COLOURS = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "blue": 36}


def paint(text, *colours):
    if not sys.stdout.isatty():
        return text
    return "".join(f"\033[{COLOURS[colour]}m" for colour in colours) + text + "\033[0m"


def heading(text):
    print("\n" + paint(text, "bold"))


def make_members():
    """The 200, in a fixed shuffle: the faulty among the smooth."""
    faults = {channel: [p.fault for p in PLANS if p.channel == channel for _ in range(p.count)] for channel in load.QUEUES}
    people = []
    for i in range(SIGNUPS):
        mail_fault = faults["email"].pop() if i % 9 == 4 and faults["email"] else ""
        coupon_fault = faults["coupon"].pop() if i % 9 == 7 and faults["coupon"] else ""
        people.append(load.Member(f"{i:03}", fault=mail_fault, coupon_fault=coupon_fault, korean=i % 2 == 0))
    assert not faults["email"] and not faults["coupon"]
    return people


def plan_of(member, channel):
    fault = member.fault if channel == "email" else member.coupon_fault
    return next((p for p in PLANS if (p.channel, p.fault) == (channel, fault)), SMOOTH[channel])


class Stage:
    """All that is started for the demo, and ended after it."""

    def __init__(self, build, broker):
        self._closing = []
        self.cloud, changes, environment = None, SCHEDULE, None
        try:
            began = time.monotonic()
            self.db = self._keep(MariaDB())
            self.smtp, self.coupon = self._keep(MailService()), self._keep(CouponService())
            self.db.fresh()
            if broker == "aws":
                self.cloud = self._keep(aws.Cloud())
                changes, environment = aws.merged(SCHEDULE, aws.settings(self.cloud.url)), aws.ENVIRONMENT
            self.usherd = self._keep(Daemon(build, self.db, self.smtp, self.coupon, changes, environment))
            self.usherd.migrate()
            if self.cloud:
                self.usherd.command("provision", "--apply")
            self.usherd.start()
            self.ready_s = time.monotonic() - began
        except BaseException:
            self.close()
            raise

    def _keep(self, thing):
        self._closing.append(thing)
        return thing

    def standing(self, queue):
        """Messages in a queue, counted past usher."""
        return self.cloud.standing(queue) if self.cloud else len(load.queue_messages(self.db, queue))

    def close(self):
        while self._closing:
            self._closing.pop().close()


def sign_up(stage, people):
    """Signs everybody up; what usher answers is what the proof goes by later."""
    heading(f"Signing up {SIGNUPS} members, Korean and English, {BY_COMMAND} of them by `usher signup`")
    api, begun = stage.usherd.api, time.monotonic()
    for i, member in enumerate(people):
        if i == OUTAGE_FROM:
            stage.smtp.outage()
            print(f"  {paint('the mail service goes down', 'yellow')}; sign-ups go on")
        if i % (SIGNUPS // BY_COMMAND) == 0:
            ran = stage.usherd.usher("signup", "--email", member.email, "--name", member.name, "--user-id", member.user_id,
                                     "--locale", member.locale, "--json")
            member.event_id = ran.json["event_id"]
        else:
            member.event_id = api.signup(member.email, member.name, user_id=member.user_id, locale=member.locale)["event_id"]
    stage.db.execute("INSERT INTO signup_outbox (event_id, payload) VALUES ('no-sign-up', %s)", NOT_AN_EVENT)
    print(f"  {SIGNUPS} answered in {time.monotonic() - begun:.1f} s, and one message that is no sign-up slipped in by SQL")


def watch_until_settled(stage):
    heading("Watching it come to rest")
    live, begun, told = sys.stdout.isatty(), time.monotonic(), 0.0
    down = True

    def line():
        states = load.states(stage.db)
        dead = sum(n for (_, state), n in states.items() if state == "dead")
        waiting = sum(n for (_, state), n in states.items() if state == "retrying")
        return (f"  {time.monotonic() - begun:5.1f} s   mails {len(stage.smtp.mails):3}   coupons {len(stage.coupon.grants):3}"
                f"   waiting for a retry {waiting:3}   dead {dead:3}   mail service {'down' if down else 'up'}  ")

    def settled():
        nonlocal down, told
        now = time.monotonic()
        if down and now - begun > OUTAGE_S:
            stage.smtp.recover()
            down = False
        if now - told > (0.2 if live else 1.0):
            told = now
            print(("\r" if live else "") + line(), end="" if live else "\n", flush=True)
        return not down and not load.unsettled(stage.db, stage.cloud)

    try:
        wait_until(settled, lambda: load.unsettled(stage.db, stage.cloud), SETTLE_DEADLINE_S, every_s=0.1)
    except TimedOut as late:
        print("\n" + paint(f"  it did not come to rest: {late}", "red"))
    print(("\r" if live else "") + line())


class Proof:
    """Compares what was planned, what usher's tables say, and what the outside services saw."""

    def __init__(self, stage, people):
        db = stage.db
        self.stage, self.people, self.wrong = stage, people, []
        self.rows = {(r["event_id"], r["channel"]): r for r in db.query("SELECT * FROM delivery")}
        self.tries = Counter()
        self.ambiguous = Counter()
        for r in db.query("SELECT d.event_id, d.channel, a.class FROM delivery_attempt a JOIN delivery d ON d.id = a.delivery_id"):
            self.tries[r["event_id"], r["channel"]] += 1
            self.ambiguous[r["event_id"], r["channel"]] += r["class"] == "ambiguous"
        self.failed = {(r["event_id"], r["channel"]): r for r in db.query("SELECT * FROM failed_notification")}
        self.mails, self.coupons = stage.smtp.copies(), stage.coupon.granted()

    def effects(self, member, channel):
        return self.mails[member.email] if channel == "email" else self.coupons[member.user_id]

    def check(self, condition, words):
        if not condition:
            self.wrong.append(words)

    def check_member(self, member, channel):
        plan, key = plan_of(member, channel), (member.event_id, channel)
        who = f"{channel} of {member.email if channel == 'email' else member.user_id}"
        row, effects = self.rows.get(key), self.effects(member, channel)
        if row is None:
            self.wrong.append(f"{who}: not in the ledger")
            return
        expected = "dead" if plan.dies else "delivered"
        self.check(row["state"] == expected, f"{who}: {row['state']}, should be {expected} ({row['last_reply']})")
        if plan.dies and key in self.failed:
            self.check(self.failed[key]["class"] == plan.dies, f"{who}: died of {self.failed[key]['class']}, not {plan.dies}")
        self.check(bool(plan.dies) == (key in self.failed), f"{who}: failed_notification does not agree")
        # A mail cut off by the outage behind its last dot may have gone out: usher must have marked that attempt.
        surplus = self.ambiguous[key] if channel == "email" and not plan.fault else 0
        self.check(plan.effects <= effects <= plan.effects + surplus,
                   f"{who}: the outside service saw {effects}, planned were {plan.effects}")

    def check_rest(self):
        for channel in load.QUEUES:
            row = self.failed.get(("no-sign-up", channel))
            if row is None:    # known by its own message id where the event id was not to be trusted
                rows = [r for r in self.failed.values() if r["payload"] == NOT_AN_EVENT.encode() and r["channel"] == channel]
                row = rows[0] if rows else None
            self.check(row and row["class"] == "malformed", f"{channel}: the message that is no sign-up is not dead as malformed")
            dlq = self.stage.standing(load.QUEUES[channel] + "-dlq")
            dead = sum(1 for (_, c), r in self.failed.items() if c == channel and r["status"] == "dead")
            self.check(dlq == dead, f"{channel}: {dlq} messages in the DLQ, {dead} dead rows")
        self.check(set(self.mails) <= {m.email for m in self.people}, "mails to strangers")
        self.check(set(self.coupons) <= {m.user_id for m in self.people}, "coupons for strangers")
        self.check(not load.unsettled(self.stage.db, self.stage.cloud), load.unsettled(self.stage.db, self.stage.cloud))

    def table(self):
        heading("What happened")
        print(paint(f"  {'channel':8} {'planned':40} {'sign-ups':>8} {'tries':>6} {'delivered':>9} {'dead':>5}   outside", "dim"))
        for channel, noun in (("email", "mails"), ("coupon", "coupons")):
            for plan in [SMOOTH[channel]] + [p for p in PLANS if p.channel == channel]:
                mine = [m for m in self.people if plan_of(m, channel) is plan]
                keys = [(m.event_id, channel) for m in mine]
                ends = Counter(self.rows[key]["state"] for key in keys if key in self.rows)
                seen = sum(self.effects(m, channel) for m in mine)
                dead = paint(f"{ends['dead']:5}", "red") if ends["dead"] else f"{0:5}"
                print(f"  {channel:8} {plan.words:40} {len(mine):8} {sum(self.tries[key] for key in keys):6} "
                      f"{ends['delivered']:9} {dead}   {seen} {noun}" + (f", died of {plan.dies}" if plan.dies else ""))
            print(f"  {channel:8} {'a message that is no sign-up':40} {'-':>8} {0:6} {0:9} " + paint(f"{1:5}", "red")
                  + f"   0 {noun}, died of malformed\n")

    def verdict(self):
        for member in self.people:
            for channel in load.QUEUES:
                self.check_member(member, channel)
        self.check_rest()
        self.table()
        if self.wrong:
            heading(paint(f"{len(self.wrong)} things are not as planned", "red"))
            print("\n".join("  " + words for words in self.wrong[:30]))
            return False
        surplus = sum(self.mails.values()) - len(self.mails)
        good = paint("ok", "green")
        print(f"  {good}  every coupon that was due was granted once: {sum(self.coupons.values())} coupons for {len(self.coupons)} members; "
              f"{self.stage.coupon.repeats} repeated requests were answered by their key")
        print(f"  {good}  every mail that was due arrived: {len(self.mails)} members; {surplus} copies beyond one, each after an attempt that "
              "usher marked as ambiguous")
        print(f"  {good}  {len(self.failed)} deliveries are dead for their planned reason, and stand in the DLQ and in failed_notification")
        print(f"  {good}  the mail service was away for {OUTAGE_S} s, and no delivery died of it")
        return True


class Trickle:
    """While somebody looks at the console: a sign-up now and then, a few of them with a bad address."""

    def __init__(self, stage):
        self._stop, self._api = threading.Event(), stage.usherd.api
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        number = 0
        while not self._stop.wait(0.7):
            number += 1
            member = load.Member(f"live{number}", fault="unknown" if number % 15 == 0 else "", korean=number % 2 == 0)
            try:
                self._api.post("/v1/signups", email=member.email, name=member.name, user_id=member.user_id, locale=member.locale)
            except OSError:
                return

    def end(self):
        self._stop.set()
        self._thread.join(5)


def open_console(stage):
    stage.coupon.heal("soldout")
    heading("The console opens now: look at the DLQ and the failed rows, redrive or cancel them.")
    print("  The campaign has coupons again: redriven coupons will be delivered. Bad addresses stay bad.")
    print(f"  From another terminal: {stage.usherd.usher.program} --socket {stage.usherd.socket} status")
    input(paint("  Enter opens it, q leaves it and cleans up: ", "dim"))
    trickle = Trickle(stage)
    try:
        subprocess.run([stage.usherd.usher.program, "--socket", stage.usherd.socket], check=False)
    finally:
        trickle.end()


def run(build, broker):
    stage = Stage(build, broker)
    try:
        heading("usher demo")
        print(f"  mariadbd, {'SNS and SQS, ' if stage.cloud else ''}mail service, coupon service and usherd are up after {stage.ready_s:.1f} s, in {stage.usherd.folder}")
        people = make_members()
        sign_up(stage, people)
        watch_until_settled(stage)
        good = Proof(stage, people).verdict()
        if not good:
            print("\nThe end of usherd's log:\n" + stage.usherd.log()[-3000:])
        elif sys.stdin.isatty() and sys.stdout.isatty():
            open_console(stage)
        return 0 if good else 1
    finally:
        stage.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--broker", choices=("embedded", "aws"), default="embedded")
    options = parser.parse_args()
    interrupt_on_signals()
    try:
        return run(options.build, options.broker)
    except (KeyboardInterrupt, EOFError):
        print("\ninterrupted; everything is ended")
        return 130


if __name__ == "__main__":
    sys.exit(main())
