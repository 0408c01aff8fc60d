"""make soak MINUTES=15 SEED=n: a steady load on two daemons while everything about them fails at random, from a seed
that is printed; then the faults end, what has died of them is redriven, and the proof of support/proof.py is made.

The first daemon lives from beginning to end: its memory and its open descriptors must not grow. The second is killed and
stopped again and again. Everything is private, bounded, and ended with the run, Ctrl-C included.

--broker aws: on SNS and SQS, and the road to them fails too."""

import argparse
import random
import signal
import statistics
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import aws, fault_proxy as road_fault, load    # noqa: E402
from support.coupon import CouponService        # noqa: E402
from support.daemon import Daemon               # noqa: E402
from support.fault_proxy import FaultProxy      # noqa: E402
from support.mariadb import MariaDB             # noqa: E402
from support.process import descriptors, interrupt_on_signals, memory_kib, wait_until    # noqa: E402
from support.proof import Interruptions, check_all    # noqa: E402
from support.smtp import MailService            # noqa: E402

PER_S = 50                      # sign-ups
BATCH_MAX = 500                 # of them at a time, when the database was away
IN_FLIGHT = 20                  # a daemon and channel
FAULT_S = (0.5, 5.0)            # how long one lasts
QUIET_S = (0.5, 4.0)            # from the begin of one to the next
SETTLE_DEADLINE_S = 180
REDRIVES = 10                   # rounds of it
LOOK_DEADLINE_S = 100           # what a killed daemon was looking at in a DLQ is hidden for 60 s (AWS_BROWSE_VISIBILITY_S)
GROWTH_KIB, GROWTH = 4096, 0.1  # of memory: this, and this share, between the second and the last quarter
GROWTH_DESCRIPTORS = 8          # beside living connections, whose number goes with the load and has bounds of its own:
CONNECTIONS_MAX = 100           # to mail and coupon service, SNS and SQS

CHANGES = {
    "log": {"level": "info"},
    "retry": {"max_attempts": "4", "base": "300ms", "factor": "3", "max_delay": "5s"},
    "breaker": {"failures": "5", "window": "10s", "cooldown": "300ms", "probes": "2"},
    "watch": {"depth_interval": "500ms", "mirror_interval": "500ms", "probe_interval": "500ms"},
    "channel.email": {"in_flight": str(IN_FLIGHT), "visibility_timeout": "20s"},
    "channel.coupon": {"in_flight": str(IN_FLIGHT), "visibility_timeout": "20s"},
    "database": {"connect_timeout": "1s", "read_timeout": "2s"},
    "email": {"connections": "10", "timeout": "10s"},
    "coupon": {"timeout": "1s"},
}


# -- The faults: begun, held, ended. Those in DOUBLING may cost a mail twice ---------------------------

@contextmanager
def mail_down(stage):
    stage.smtp.outage()
    yield
    stage.smtp.recover()


@contextmanager
def setting(service, **values):
    before = {name: getattr(service, name) for name in values}
    vars(service).update(values)
    yield
    vars(service).update(before)


@contextmanager
def coupon_down(stage):
    stage.coupon.outage()
    yield
    stage.coupon.recover()


@contextmanager
def database_restart(stage):
    stage.db.stop()
    yield
    stage.db.start()


@contextmanager
def database_killed(stage):
    stage.db.kill()
    yield
    stage.db.start()


@contextmanager
def daemon_killed(stage):
    stage.mortal.kill()
    yield
    stage.mortal.start(wait=False)


@contextmanager
def daemon_stopped(stage):
    stage.mortal.signal(signal.SIGTERM)
    yield
    code = stage.mortal.stop()
    # It may be told to go before it is ready for that.
    assert code in (0, -signal.SIGTERM), f"usherd ended with {code}:\n{stage.mortal.log()[-3000:]}"
    stage.mortal.start(wait=False)


@contextmanager
def daemon_frozen(stage):
    daemon = stage.chance.choice(stage.daemons)
    daemon.signal(signal.SIGSTOP)
    yield
    daemon.signal(signal.SIGCONT)


@contextmanager
def road_closed(stage):
    stage.road.outage()
    yield
    stage.road.recover()


@contextmanager
def bad_road(stage):
    wrong = stage.chance.choice([road_fault.throttled(), road_fault.broken(), road_fault.cut_before, road_fault.cut_after,
                                 road_fault.cut_amid, road_fault.slow(0.7)])
    stage.road.plan(wrong)
    yield
    stage.road.lift()


# At most one of a group at a time. What says "too much" says it to some: to all would mean that it takes nothing, and the
# load would outrun what usher dares for minutes.
FAULTS = {
    "mail": {
        "mail service down": mail_down,
        "mail service slow": lambda stage: setting(stage.smtp, latency_s=1),
        "mail service limits": lambda stage: setting(stage.smtp, limit_per_s=30),
        "mail service greylists": lambda stage: setting(stage.smtp, refusal="451 4.7.1 Greylisted, come again", refuses_one_in=10),
        "mail service says 421": lambda stage: setting(stage.smtp, refusal="421 4.3.2 Closing for maintenance"),
        "answers behind the dot lost": lambda stage: setting(stage.smtp, lose=stage.chance.randint(1, 10)),
    },
    "coupon": {
        "coupon service down": coupon_down,
        "coupon service says 503": lambda stage: setting(stage.coupon, word="down"),
        "coupon service says 429": lambda stage: setting(stage.coupon, word="limit", one_in=4),
        "coupon service out of stock": lambda stage: setting(stage.coupon, word="soldout"),
        "coupon service too slow": lambda stage: setting(stage.coupon, latency_s=2),
        "coupon answers lost": lambda stage: setting(stage.coupon, word="lost"),
    },
    "core": {
        "mariadbd restarted": database_restart,
        "mariadbd killed": database_killed,
        "daemon killed": daemon_killed,
        "daemon told to go": daemon_stopped,
        "daemon frozen": daemon_frozen,
    },
}
ROAD = {"road": {"road closed": road_closed, "bad road": bad_road}}
DOUBLING = {"mail service down", "answers behind the dot lost", *FAULTS["core"]}


class Active:
    """A fault under way."""

    def __init__(self, stage, group, name, until):
        self.group, self.name, self.until, self.began = group, name, until, time.time()
        self._held = {**FAULTS, **ROAD}[group][name](stage)
        self._held.__enter__()

    def end(self, interruptions):
        self._held.__exit__(None, None, None)
        if self.name in DOUBLING:
            interruptions.note(self.began, time.time())


class Faults:
    """Begins and ends them, as chance wants it."""

    def __init__(self, stage, interruptions):
        self._stage, self._interruptions, self._chance = stage, interruptions, stage.chance
        self._groups = {**FAULTS, **(ROAD if stage.cloud else {})}
        self._active, self._next = {}, time.monotonic()
        self.met = Counter()

    def turn(self):
        now = time.monotonic()
        self._end([one for one in self._active.values() if now > one.until])
        free = [group for group in self._groups if group not in self._active]
        if now < self._next or not free:
            return
        self._next = now + self._chance.uniform(*QUIET_S)
        group = self._chance.choice(free)
        name = self._chance.choice(list(self._groups[group]))
        self._active[group] = Active(self._stage, group, name, now + self._chance.uniform(*FAULT_S))
        self.met[name] += 1

    def _end(self, over):
        for one in over:
            one.end(self._interruptions)
            del self._active[one.group]

    def end_all(self):
        self._end(list(self._active.values()))


# -- Stage and load ------------------------------------------------------------------------------------

class Stage:
    """All that is started, and ended after it."""

    def __init__(self, build, broker, chance):
        self.chance, self.cloud, self.road, self._closing = chance, None, None, []
        try:
            self.db = self._keep(MariaDB())
            self.db.fresh()
            self.smtp, self.coupon = self._keep(MailService(keeps_data=False)), self._keep(CouponService())
            changes, environment = aws.merged(CHANGES, {"coupon": {"health_url": self.coupon.health_url}}), None
            if broker == "aws":
                self.cloud = self._keep(aws.Cloud())
                self.cloud.fresh()
                self.road = self._keep(FaultProxy(self.cloud))
                changes, environment = aws.merged(changes, aws.settings(self.road.url)), aws.ENVIRONMENT
            self.daemons = [self._keep(Daemon(build, self.db, self.smtp, self.coupon, changes, environment)) for _ in range(2)]
            self.steady, self.mortal = self.daemons
            self.steady.migrate()
            for one in self.daemons:
                one.start()
        except BaseException:
            self.close()
            raise

    def _keep(self, thing):
        self._closing.append(thing)
        return thing

    def close(self):
        while self._closing:
            self._closing.pop().close()


class Crowd:
    """Members who sign up, so many a second; while the database is away they wait."""

    def __init__(self, db):
        self._db, self._began, self.people = db, time.monotonic(), []

    def turn(self):
        if not self._db.running:
            return
        due = int((time.monotonic() - self._began) * PER_S) - len(self.people)
        if due >= PER_S // 5:
            new = [load.Member(f"s{len(self.people) + i}", korean=i % 2 == 0) for i in range(min(due, BATCH_MAX))]
            load.store(self._db, new)
            self.people += new


class Sizes:
    """Memory and descriptors of the daemon that lives on, once a second, and the most of each other life."""

    def __init__(self, stage):
        self._stage, self._next = stage, 0
        self.kib, self.descriptors, self.connections, self.lives = [], [], [], {}

    def turn(self):
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + 1
        for one in self._stage.daemons:
            assert one.running or one is not self._stage.steady, "the daemon ended:\n" + one.log()[-3000:]
            if not one.running:
                continue
            kib, (count, living) = memory_kib(one.pid), descriptors(one.pid)
            if one is self._stage.steady:
                self.kib.append(kib)
                self.descriptors.append(count - living)
                self.connections.append(living)
            else:
                most = self.lives.get(one.pid, (0, 0))
                self.lives[one.pid] = max(kib, most[0]), max(count, most[1])

    @staticmethod
    def quarters(samples):
        """Medians of the second and of the last."""
        n = len(samples)
        return statistics.median(samples[n // 4:n // 2]), statistics.median(samples[3 * n // 4:])


# -- The end -------------------------------------------------------------------------------------------

def dead_rows(stage):
    return stage.steady.api.failed(status="dead", limit=500)


def standing(stage):
    """Copies that are still to be taken from the DLQs."""
    if stage.cloud:
        return sum(stage.cloud.standing(queue + "-dlq") for queue in load.QUEUES.values())
    return stage.db.value("SELECT COUNT(*) FROM broker_message")


def come_to_rest(stage):
    """Waits, redrives what has died of a fault, waits again. Returns the classes of what was redriven."""
    redriven = Counter()
    for _ in range(REDRIVES):
        load.wait_settled(stage.db, SETTLE_DEADLINE_S, stage.cloud)
        rows = dead_rows(stage)
        if not rows and not standing(stage):
            return redriven
        for row in rows:
            answer = stage.steady.api.post(f"/v1/failed/{row['id']}/redrive")
            assert answer.status in (200, 202, 409), answer.text
            redriven[row["class"]] += 1
        if not rows:
            wait_until(lambda: dead_rows(stage) or not standing(stage), lambda: f"{standing(stage)} messages stay in the DLQs",
                       LOOK_DEADLINE_S)
    raise AssertionError(f"what is redriven dies again: {redriven}")


def judge(sizes):
    """The figures as lines, and what is wrong with them."""
    lines, wrong = [], []
    early, late = sizes.quarters(sizes.kib)
    lines.append(f"memory       {early / 1024:.1f} MiB in the second quarter, {late / 1024:.1f} MiB in the last; most {max(sizes.kib) / 1024:.1f} MiB")
    if late > early * (1 + GROWTH) + GROWTH_KIB:
        wrong.append("the memory grows")
    early, late = sizes.quarters(sizes.descriptors)
    lines.append(f"descriptors  {early:.0f} in the second quarter, {late:.0f} in the last; most {max(sizes.descriptors)}; "
                 f"and {max(sizes.connections)} living connections at most")
    if late > early + GROWTH_DESCRIPTORS:
        wrong.append("the descriptors grow")
    if max(sizes.connections) > CONNECTIONS_MAX:
        wrong.append("the connections pass their bound")
    if sizes.lives:
        lines.append(f"the other    {len(sizes.lives)} lives, most {max(kib for kib, _ in sizes.lives.values()) / 1024:.1f} MiB, "
                     f"{max(count for _, count in sizes.lives.values())} descriptors")
    return lines, wrong


def soak(stage, minutes):
    interruptions = Interruptions(stage.db)
    crowd, sizes, faults = Crowd(stage.db), Sizes(stage), Faults(stage, interruptions)
    ends, told = time.monotonic() + minutes * 60, time.monotonic()
    while time.monotonic() < ends:
        for one in (faults, crowd, sizes):
            one.turn()
        if time.monotonic() - told > 15:
            told = time.monotonic()
            print(f"  {(ends - told) / 60:4.1f} minutes left: {len(crowd.people)} sign-ups, {len(stage.smtp.mails)} mails, "
                  f"{len(stage.coupon.grants)} coupons, {sum(faults.met.values())} faults, "
                  f"{sizes.kib[-1] / 1024:.1f} MiB, {sizes.descriptors[-1]}+{sizes.connections[-1]} descriptors", flush=True)
        time.sleep(0.02)
    faults.end_all()
    began = time.monotonic()
    redriven = come_to_rest(stage)
    extra = check_all(stage.db, crowd.people, stage.smtp, stage.coupon, interruptions, 2 * IN_FLIGHT, stage.cloud, died=True)
    lines, wrong = judge(sizes)
    print("\n".join(["", f"sign-ups     {len(crowd.people)}, each one coupon and its mail; at rest {time.monotonic() - began:.0f} s after the last fault",
                     f"extra mails  {extra}, each on its way when something was cut short",
                     f"coupons      {stage.coupon.repeats} repeated requests answered by their key",
                     f"redriven     {sum(redriven.values())}" + (f": {dict(redriven)}" if redriven else ""), *lines,
                     "faults       " + ", ".join(f"{name} {n}" for name, n in sorted(faults.met.items()))]))
    assert not wrong, " and ".join(wrong)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--broker", choices=("embedded", "aws"), default="embedded")
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else time.time_ns() % 1_000_000
    interrupt_on_signals()
    print(f"soak: {options.minutes:g} minutes on the {options.broker} broker, {PER_S} sign-ups a second, SEED={seed}", flush=True)
    stage = None
    try:
        stage = Stage(options.build, options.broker, random.Random(seed))
        soak(stage, options.minutes)
        print("soak: all is well")
        return 0
    except KeyboardInterrupt:
        print("\ninterrupted; everything is ended")
        return 130
    except AssertionError as wrong:
        print(f"\nsoak: {wrong}\n(SEED={seed})")
        if stage:
            for one in stage.daemons:
                print(f"The end of a log:\n{one.log()[-2000:]}")
        return 1
    finally:
        if stage:
            stage.close()


if __name__ == "__main__":
    sys.exit(main())
