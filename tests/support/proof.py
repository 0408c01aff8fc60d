"""The proof that nothing was lost and nothing doubled, made from what the outside services saw, not from what usher
says of itself.

    every sign-up has exactly one coupon;
    every sign-up has its mail, and a mail beyond one is only ever a mail that was at the mail service, or on its way
    there, when something was interrupted: its ledger row was not settled then, the second copy came later, with the
    same Message-ID, and no interruption cost more copies than could be in flight;
    no row and no message is stuck, nothing has died."""

import datetime
from collections import Counter

from . import load


LAG_S = 0.02    # the ledger's clock against ours: milliseconds, cut


class Interruptions:
    """When something was cut short (wall clock), and what stood as delivered in the ledger by then."""

    def __init__(self, db):
        self._db = db
        self.moments = []      # (began, ended)
        self.delivered = {}    # event id of a mail -> when it was delivered, as first seen

    def note(self, began, ended):
        self.moments.append((began, ended))
        if self._db.running:
            self.look()

    def look(self):
        """Reads the delivered mails; a row that has changed since it was first seen is a fault by itself."""
        for row in self._db.query("SELECT event_id, delivered_at FROM delivery WHERE channel = 'email' AND state = 'delivered'"):
            at = row["delivered_at"].replace(tzinfo=datetime.timezone.utc).timestamp()
            first = self.delivered.setdefault(row["event_id"], at)
            assert first == at, f"{row['event_id']} was delivered at {first} and again at {at}"


def check_coupons(people, coupon):
    granted = coupon.granted()
    wrong = {m.user_id: granted[m.user_id] for m in people if granted[m.user_id] != 1}
    assert not wrong, f"coupons that are not exactly one: {dict(list(wrong.items())[:10])} ({len(wrong)} members)"
    strangers = set(granted) - {m.user_id for m in people}
    assert not strangers, f"coupons for strangers: {list(strangers)[:10]}"


def check_mails(people, smtp, interruptions, in_flight):
    """Returns how many mails came beyond one each."""
    copies = {}
    for mail in list(smtp.mails):
        copies.setdefault(mail.recipient, []).append(mail)
    missing = [m.email for m in people if m.email not in copies]
    assert not missing, f"no mail for {len(missing)} members: {missing[:10]}"
    interruptions.look()
    extra, cost = 0, Counter()
    for member in people:
        mails = sorted(copies[member.email], key=lambda mail: mail.at)
        assert len({mail.message_id for mail in mails}) == 1, f"copies differ in Message-ID: {mails}"
        delivered = interruptions.delivered[member.event_id]
        assert mails[-1].at <= delivered + LAG_S, f"{member.email}: sent again after it stood as delivered"
        for earlier, later in zip(mails, mails[1:]):
            extra += 1
            causes = [i for i, (began, ended) in enumerate(interruptions.moments) if began <= later.at and ended >= earlier.at]
            assert causes, f"{member.email}: a second copy without an interruption: {earlier.at}, {later.at}"
            cost[causes[0]] += 1
    too_dear = {i: n for i, n in cost.items() if n > in_flight}
    assert not too_dear, f"more extra mails than could be in flight ({in_flight}): {too_dear}"
    return extra


def check_rest(db, people, cloud=None, died=False):
    assert not load.unsettled(db, cloud), load.unsettled(db, cloud)
    states = load.states(db)
    assert states == {("email", "delivered"): len(people), ("coupon", "delivered"): len(people)}, states
    gone = "WHERE status <> 'delivered'" if died else ""
    dead = db.value(f"SELECT COUNT(*) FROM failed_notification {gone}") + db.value("SELECT COUNT(*) FROM broker_message")
    if cloud:
        dead += sum(cloud.standing(queue + "-dlq") for queue in load.QUEUES.values())
    assert dead == 0, f"{dead} failed rows and messages stand where there should be none"


def check_all(db, people, smtp, coupon, interruptions, in_flight, cloud=None, died=False):
    """The whole proof; returns how many mails came beyond one each. `died`: some were dead meanwhile, and redriven."""
    check_rest(db, people, cloud, died)
    check_coupons(people, coupon)
    return check_mails(people, smtp, interruptions, in_flight)
