"""The main job on SNS and SQS, seen from outside: the same proof as on the embedded broker, on a private server that speaks
their protocols, through a proxy that counts the requests."""

import json
import os
import random
import re
import time
from datetime import datetime, timedelta

import pexpect
import pytest
from support import load
from support.aws import ENVIRONMENT, FIFO, fifo_settings, merged
from support.daemon import ROOT
from support.fault_proxy import FaultProxy
from support.load import Member, QUEUES, attempts, delivery, failed, wait_settled, wait_state
from support.process import wait_until
from support.proof import Interruptions, check_all

EMAIL = QUEUES["email"]
NOWHERE = "http://127.0.0.1:1/"
KILLS = 8
DATABASE_KILLS = 3
IN_FLIGHT = 40
BATCH = 40

UNDER_FIRE = {
    "log": {"level": "info"},
    "channel.email": {"in_flight": str(IN_FLIGHT), "visibility_timeout": "2s"},
    "channel.coupon": {"in_flight": str(IN_FLIGHT), "visibility_timeout": "2s"},
    "retry": {"max_attempts": "60", "base": "50ms", "factor": "1.5", "max_delay": "400ms"},
    "breaker": {"failures": "10", "cooldown": "100ms", "probes": "2"},
    "email": {"connections": "20", "timeout": "2s"}, "coupon": {"timeout": "2s"},
}


@pytest.fixture
def chance():
    seed = int(os.environ.get("USHER_SEED", time.time_ns() % 1_000_000))
    print(f"USHER_SEED={seed}")
    return random.Random(seed)


# -- The main path -----------------------------------------------------------------------------------

def test_sign_ups_become_mail_and_coupon(aws_daemon, smtp, coupon, mariadb, cloud):
    usherd = aws_daemon()
    people = load.members(30, "main")
    load.store(mariadb, people)
    answer = usherd.api.signup("minsu@example.com", "김민수", user_id="u-minsu")
    wait_settled(mariadb, 30, cloud)
    assert smtp.copies() == {**{m.email: 1 for m in people}, "minsu@example.com": 1}
    assert coupon.granted() == {**{m.user_id: 1 for m in people}, "u-minsu": 1}
    assert delivery(mariadb, answer["event_id"], "email")["attempts"] == 1
    assert mariadb.value("SELECT COUNT(*) FROM broker_message") == 0, "messages went to the embedded broker"
    secret = ENVIRONMENT["AWS_SECRET_ACCESS_KEY"]
    assert secret not in usherd.log() and secret not in usherd.api.get("/v1/config").text


@pytest.fixture
def sns_road(cloud):
    """Another way to the same cloud, as that of an interface endpoint for SNS alone."""
    proxy = FaultProxy(cloud)
    yield proxy
    proxy.close()


def test_each_service_has_its_own_endpoint(sns_road, aws_daemon, smtp, mariadb, cloud, road):
    """A VPC without private DNS names: every service is somewhere else."""
    usherd = aws_daemon({"aws": {"endpoint_url": None}},
                        {"AWS_ENDPOINT_URL_SQS": road.url, "AWS_ENDPOINT_URL_SNS": sns_road.url + "/",
                         "AWS_ENDPOINT_URL": NOWHERE})
    people = load.members(3, "vpc")
    load.store(mariadb, people)
    wait_settled(mariadb, 30, cloud)
    assert smtp.copies() == {m.email: 1 for m in people}
    assert {action for action, _ in sns_road.requests} == {"PublishBatch"}
    assert {"GetQueueUrl", "ReceiveMessage", "DeleteMessageBatch"} <= {action for action, _ in road.requests}
    assert road.count("PublishBatch") == 0
    assert NOWHERE not in usherd.log()


def test_the_configured_endpoint_comes_before_those_of_the_environment(aws_daemon, smtp, mariadb, cloud):
    usherd = aws_daemon({}, {"AWS_ENDPOINT_URL_SQS": NOWHERE, "AWS_ENDPOINT_URL_SNS": NOWHERE, "AWS_ENDPOINT_URL": NOWHERE})
    people = load.members(3, "configured")
    load.store(mariadb, people)
    wait_settled(mariadb, 30, cloud)
    assert smtp.copies() == {m.email: 1 for m in people}
    assert NOWHERE not in usherd.log()


def test_retry_then_dlq_and_a_failed_row_then_redrive(aws_daemon, smtp, mariadb, cloud):
    usherd = aws_daemon({"channel.coupon": {"enabled": "no"}})
    member = Member("retry", fault="down")
    load.store(mariadb, [member])
    wait_state(mariadb, member.event_id, "email", "dead")
    wait_until(lambda: cloud.standing(EMAIL + "-dlq") == 1 and cloud.standing(EMAIL) == 0, "no copy in the DLQ")
    tries = attempts(mariadb, member.event_id, "email")
    assert [a["class"] for a in tries] == ["service_down"] * 3
    row = failed(mariadb, member.event_id, "email")
    assert (row["status"], row["class"], row["payload"]) == ("dead", "service_down", member.body())
    copy = cloud.messages(EMAIL + "-dlq")[0]
    told = {name: value["StringValue"] for name, value in copy["messageAttributes"].items()}
    assert json.loads(copy["body"]) == member.event()
    assert told["usher.class"] == "service_down" and told["usher.event_id"] == member.event_id, told
    smtp.heal("down")
    usherd.usher("redrive", str(row["id"]), "--reason", "mail is back")
    wait_state(mariadb, member.event_id, "email", "delivered")
    assert smtp.copies() == {member.email: 1}
    wait_until(lambda: cloud.standing(EMAIL + "-dlq") == 0, "the copy of what was redriven stays in the DLQ")
    wait_until(lambda: cloud.standing(EMAIL) == 0, "the redriven message stays in its queue")


def test_more_are_redriven_at_once_than_a_batch_of_sqs_holds(aws_daemon, smtp, mariadb, cloud):
    usherd = aws_daemon({"channel.coupon": {"enabled": "no"}})
    people = load.members(25, "many", fault="rejected")
    load.store(mariadb, people)
    wait_until(lambda: mariadb.value("SELECT COUNT(*) FROM failed_notification WHERE status = 'dead'") == 25, usherd.story)
    smtp.heal("rejected")
    usherd.usher("redrive", *[str(row["id"]) for row in mariadb.query("SELECT id FROM failed_notification")])
    wait_until(lambda: mariadb.value("SELECT COUNT(*) FROM delivery WHERE state = 'delivered'") == 25, usherd.story)
    assert smtp.copies() == {member.email: 1 for member in people}
    assert "copies could not be sent" not in usherd.log()


def test_an_event_without_an_id_is_published_twice_to_queues_that_get_envelopes(aws_daemon, smtp, coupon, mariadb, cloud):
    """Subscriptions as SNS makes them, not raw: the second publication has a new MessageId and is the same event."""
    for queue in QUEUES.values():
        cloud.sns("SetSubscriptionAttributes", SubscriptionArn=cloud.subscribe(queue), AttributeName="RawMessageDelivery",
                  AttributeValue="false")
    usherd = aws_daemon({"relay": {"interval": "200ms"}})
    member = Member("plain")
    event = {key: value for key, value in member.event().items() if key != "eventId"}
    mariadb.execute("INSERT INTO signup_outbox (event_id, payload) VALUES (%s, %s)", member.event_id, json.dumps(event))
    for _ in range(2):
        wait_until(lambda: coupon.grants and not load.unsettled(mariadb, cloud), usherd.story)
        assert load.states(mariadb) == {("email", "delivered"): 1, ("coupon", "delivered"): 1}
        mariadb.execute("UPDATE signup_outbox SET published_at = NULL, next_at = UTC_TIMESTAMP(3)")
    assert smtp.copies() == {member.email: 1} and coupon.granted() == {member.user_id: 1}


def test_the_same_on_fifo_queues(aws_daemon, smtp, coupon, mariadb, cloud):
    """Sign-ups that arrive, some that retry, some that die in numbers, and their redrive; one that is published twice."""
    cloud.fresh(suffix=FIFO)
    usherd = aws_daemon(merged(fifo_settings(), {"retry": {"max_attempts": "3", "base": "1s", "factor": "1"},
                                                 "relay": {"interval": "200ms"}}))
    people, lost = load.members(40, "fifo") + load.members(5, "down", fault="down1"), load.members(25, "lost", fault="rejected")
    load.store(mariadb, people + lost)
    wait_until(lambda: mariadb.value("SELECT COUNT(*) FROM failed_notification WHERE status = 'dead'") == 25
               and load.states(mariadb).get(("coupon", "delivered")) == 70 and cloud.standing(EMAIL + FIFO) == 0, usherd.story)
    wait_until(lambda: usherd.api.get("/v1/dlq/email").json["depth"]["value"] == 25, usherd.story)
    smtp.heal("rejected")
    usherd.usher("redrive", *[str(row["id"]) for row in mariadb.query("SELECT id FROM failed_notification")])
    wait_until(lambda: load.states(mariadb) == {("email", "delivered"): 70, ("coupon", "delivered"): 70}, usherd.story)
    mariadb.execute("UPDATE signup_outbox SET published_at = NULL, next_at = UTC_TIMESTAMP(3) WHERE event_id = %s", people[0].event_id)
    wait_until(lambda: not load.unsettled(mariadb), usherd.story)
    for queue in QUEUES.values():
        wait_until(lambda: cloud.standing(queue + FIFO) == cloud.standing(queue + "-dlq" + FIFO) == 0, usherd.story)
    assert smtp.copies() == {m.email: 1 for m in people + lost} and coupon.granted() == {m.user_id: 1 for m in people + lost}


def test_cancel_takes_the_copy_away(aws_daemon, smtp, mariadb, cloud):
    usherd = aws_daemon({"channel.coupon": {"enabled": "no"}})
    member = Member("cancel", fault="unknown")
    load.store(mariadb, [member])
    wait_state(mariadb, member.event_id, "email", "dead")
    wait_until(lambda: cloud.standing(EMAIL + "-dlq") == 1, "no copy in the DLQ")
    usherd.usher("cancel", str(failed(mariadb, member.event_id, "email")["id"]), "--reason", "no such member")
    wait_state(mariadb, member.event_id, "email", "cancelled")
    wait_until(lambda: cloud.standing(EMAIL + "-dlq") == 0, "the copy of what was cancelled stays in the DLQ")
    assert not smtp.mails


def test_what_is_moved_back_past_usher_is_told(aws_daemon, smtp, mariadb, cloud):
    """By the SQS console's own redrive, say: the ledger holds it for dead, and it goes back. A redrive of usher's does send it."""
    usherd = aws_daemon({"channel.coupon": {"enabled": "no"}})
    member = Member("moved", fault="unknown")
    load.store(mariadb, [member])
    wait_until(lambda: cloud.standing(EMAIL + "-dlq") == 1, usherd.story)
    copy = cloud.messages(EMAIL + "-dlq")[0]
    smtp.heal("unknown")
    cloud.sqs("SendMessage", queue=EMAIL, MessageBody=copy["body"], MessageAttributes=copy["messageAttributes"])
    told = f"messages were moved from the DLQ to {EMAIL} past usher, such as {member.event_id}: they are dead and go back"
    wait_until(lambda: told in usherd.log() and cloud.standing(EMAIL) == 0, usherd.story)
    assert not smtp.mails and delivery(mariadb, member.event_id, "email")["state"] == "dead"
    usherd.usher("redrive", str(failed(mariadb, member.event_id, "email")["id"]))
    wait_state(mariadb, member.event_id, "email", "delivered")
    wait_until(lambda: cloud.standing(EMAIL + "-dlq") == 0, usherd.story)
    assert smtp.copies() == {member.email: 1}


def test_a_pause_that_is_forgotten_is_told(aws_daemon, smtp, mariadb):
    """SQS does not say how old the oldest message is; that nothing has been taken for so long is known all the same."""
    usherd = aws_daemon({"channel.coupon": {"enabled": "no"}, "log": {"level": "info"},
                         "alarm.waiting": {"above": "2s", "clear": "1s", "for": "0s", "clear_for": "0s"},
                         "alarm.idle": {"above": "1s"}})
    usherd.usher("pause", "email", "--reason", "a look at the mail server")
    load.store(mariadb, [Member("waits")])
    wait_until(lambda: re.search(r"alarm: warning: waiting \(email\) raised on .*: the oldest message waits for [23]\S*s, above 2s",
                                 usherd.log()), usherd.story)
    assert "alarm: critical: idle" not in usherd.log(), "somebody has paused it"
    usherd.stop()
    usherd.start()    # it was not there when anything was last taken: that is no reason to call it over
    wait_until(lambda: "fleet: leads" in usherd.log(), usherd.story, 30)
    for _ in range(3):
        counted = usherd.api.channel("email")["counted_at"]
        wait_until(lambda: usherd.api.channel("email")["counted_at"] != counted, usherd.story)
    assert "waiting (email) cleared" not in usherd.log()
    usherd.usher("resume", "email")
    wait_until(lambda: smtp.mails and "over: waiting (email) cleared" in usherd.log(), usherd.story)


def test_queues_that_somebody_else_has_made(aws_daemon, smtp, mariadb, cloud):
    """A copy expires when the DLQ's own retention says so; a policy that would cut attempts short is told."""
    cloud.fresh(max_receives=5)
    cloud.sqs("SetQueueAttributes", queue=EMAIL + "-dlq", Attributes={"MessageRetentionPeriod": "345600"})
    usherd = aws_daemon({"channel.coupon": {"enabled": "no"}})
    load.store(mariadb, [Member("kept", fault="unknown")])
    row = wait_until(lambda: [r for r in usherd.api.get("/v1/dlq/email").json["items"] if r["dlq"]["expires_at"]], usherd.story)[0]
    kept = datetime.fromisoformat(row["dlq"]["expires_at"]) - datetime.fromisoformat(row["dead_at"])
    assert timedelta(days=3, hours=23) < kept < timedelta(days=4, minutes=1)
    assert "expires in 3d" in usherd.usher("failed", row["id"]).out
    told = f"queue {EMAIL} has messages moved to the DLQ before their attempts are over: after 5 receives, and max_attempts = 3 may take 33"
    assert usherd.log().count(told) == 1
    cloud.sqs("SetQueueAttributes", queue=EMAIL, Attributes={"RedrivePolicy": json.dumps(
        {"deadLetterTargetArn": f"arn:aws:sqs:us-east-1:000000000000:{EMAIL}-dlq", "maxReceiveCount": "4"})})
    wait_until(lambda: "after 4 receives" in usherd.log(), usherd.story)


def test_what_the_queues_own_policy_moved_is_adopted(aws_daemon, smtp, mariadb, cloud):
    """Workers that died again and again: the queue itself gave up on the message, and no ledger row says so."""
    member = Member("lost")
    cloud.put(EMAIL, member.body().decode())
    cloud.drain_into_dlq(EMAIL, 1)
    usherd = aws_daemon({"channel.coupon": {"enabled": "no"}, "channel.email": {"auto_redrive": "no"}})
    row = wait_until(lambda: failed(mariadb, member.event_id, "email"), "nobody adopted it")
    assert (row["status"], row["class"]) == ("dead", "worker_lost")
    usherd.usher("redrive", str(row["id"]), "--reason", "worker is well")
    wait_state(mariadb, member.event_id, "email", "delivered")
    assert smtp.copies() == {member.email: 1}
    wait_until(lambda: cloud.standing(EMAIL + "-dlq") == 0, "the adopted copy stays in the DLQ")


def test_looking_receives_nothing(aws_daemon, mariadb, cloud, road):
    usherd = aws_daemon({"channel.coupon": {"enabled": "no"}, "watch": {"mirror_interval": "1h"}})
    people = [Member(f"look{i}", fault="unknown") for i in range(5)]
    load.store(mariadb, people)
    for member in people:
        wait_state(mariadb, member.event_id, "email", "dead")
    dlq = EMAIL + "-dlq"
    wait_until(lambda: cloud.standing(dlq) == 5, "no copies in the DLQ")
    wait_until(lambda: len(usherd.api.get("/v1/dlq/email").json["items"]) == 5, "the mirror has not seen them")
    still = road.count("ReceiveMessage", dlq)
    for _ in range(5):
        usherd.usher("dlq", "email")
        usherd.usher("status")
        usherd.usher("failed")
        assert len(usherd.api.get("/v1/dlq/email").json["items"]) == 5
        assert usherd.api.status()["channels"][0]["dlq_depth"]["value"] == 5
    assert road.count("ReceiveMessage", dlq) == still, "looking has received"
    assert road.count("ReceiveMessage", EMAIL) > 0, "the proxy counts nothing"


def look_around(usherd):
    """The console is opened and shows its screens, and every verb that looks is run."""
    console = pexpect.spawn(str(usherd.build / "usher"), ["--socket", usherd.socket], dimensions=(24, 80), timeout=20,
                            env={**usherd.environment, "TERM": "xterm-256color"})
    console.expect("Overview")
    for key, title in (("2", "2 DLQ"), ("3", "3 Failed")):
        console.send(key)
        console.expect(title)
    console.send("q")
    console.expect(pexpect.EOF)
    console.close()
    for verb in ("status", "dlq", "failed", "retrying", "outbox"):
        usherd.usher(verb)


def test_an_idle_daemon_polls_once_in_20_s_and_looking_receives_nothing(aws_daemon, mariadb, cloud, road):
    """Two long polls of each queue are waited for while somebody looks all the time: what comes in between is what looking
    costs. The DLQ, which is empty, is not received from at all."""
    usherd = aws_daemon({"log": {"level": "info"}})
    polls = {queue: lambda queue=queue: road.moments.get(("ReceiveMessage", queue), []) for queue in QUEUES.values()}
    looks = 0

    def both_again():
        nonlocal looks
        look_around(usherd)
        looks += 1
        return all(len(moments()) >= 2 for moments in polls.values())

    wait_until(both_again, lambda: road.requests, 60)
    for queue, moments in polls.items():
        first, second = moments()[:2]
        assert second - first > 19, f"{queue} was received from after {second - first:.1f} s"
        assert len(moments()) == 2, f"{queue}: {len(moments())} receives"
        assert road.count("ReceiveMessage", queue + "-dlq") == 0
    print(f"{looks} looks around in {time.monotonic() - polls[EMAIL]()[0]:.0f} s")
    assert looks > 3


def test_what_fails_is_tried_again_by_visibility(aws_daemon, smtp, coupon, mariadb, cloud):
    aws_daemon()
    member = Member("again", fault="down2")
    load.store(mariadb, [member])
    wait_state(mariadb, member.event_id, "email", "delivered")
    assert [a["class"] for a in attempts(mariadb, member.event_id, "email")] == ["service_down", "service_down", ""]
    assert failed(mariadb, member.event_id, "email") is None
    wait_settled(mariadb, 20, cloud)


def test_a_body_that_is_no_event_is_kept_in_the_dlq(aws_daemon, cloud):
    aws_daemon()
    body = "kein Ereignis: 김 <&> \"\\"
    cloud.put(EMAIL, body)
    copy = wait_until(lambda: cloud.messages(EMAIL + "-dlq"), "nothing in the DLQ")[0]
    assert copy["body"] == body
    assert copy["messageAttributes"]["usher.class"]["StringValue"] == "malformed"


def republishing(since, until):
    """The statement of usher-aws(7), for that time."""
    manual = (ROOT / "man" / "usher-aws.7").read_text(encoding="utf-8").replace("\\-", "-")
    statement = re.search(r"^UPDATE signup_outbox [^;]+", manual, re.M)[0]
    statement, times = re.subn(r"BETWEEN '[^']+' AND '[^']+'", f"BETWEEN '{since}' AND '{until}'", statement)
    assert times == 1
    return statement


def test_what_sns_lost_is_published_again_from_the_outbox(aws_daemon, smtp, coupon, mariadb, cloud):
    """By the statement of the manual. The other queue has had it all before: nobody gets a second coupon."""
    usherd = aws_daemon()
    before, dead, later = Member("before"), Member("dead", coupon_fault="rejected"), Member("later")
    load.store(mariadb, [before])
    wait_settled(mariadb, 30, cloud)
    lost = [dead, *load.members(5, "lost")]
    began = mariadb.value("SELECT UTC_TIMESTAMP(3)")
    with cloud.lost_on_the_way_to(EMAIL):
        load.store(mariadb, lost)
        wait_state(mariadb, dead.event_id, "coupon", "dead")
        wait_until(lambda: len(coupon.granted()) == len(lost), coupon.granted)    # and that of `before`
        wait_settled(mariadb, 30, cloud)
    mariadb.execute("INSERT INTO signup_outbox (event_id, payload, created_at, published_at) VALUES ('forgotten', '{}', "
                    "UTC_TIMESTAMP(3) - INTERVAL 15 DAY, UTC_TIMESTAMP(3))")    # the ledger may know nothing of it any more
    ended = mariadb.value("SELECT UTC_TIMESTAMP(3)")
    load.store(mariadb, [later])
    wait_settled(mariadb, 30, cloud)
    assert smtp.copies() == {before.email: 1, later.email: 1}
    mariadb.execute("UPDATE signup_outbox SET next_at = created_at")    # an operator comes when the relay's leases are over
    assert mariadb.execute(republishing(began, ended)) == len(lost)
    wait_until(lambda: len(smtp.copies()) == len(lost) + 2, usherd.story)
    wait_settled(mariadb, 30, cloud)
    assert smtp.copies() == {member.email: 1 for member in [before, later, *lost]}
    assert coupon.granted() == {member.user_id: 1 for member in [before, later, *lost] if member is not dead}
    assert coupon.repeats == 0
    assert failed(mariadb, dead.event_id, "coupon")["status"] == "dead"
    assert len(attempts(mariadb, dead.event_id, "coupon")) == 1
    wait_until(lambda: cloud.standing(QUEUES["coupon"] + "-dlq") == 1, "its second copy stays in the DLQ")


def test_a_stop_does_not_wait_for_long_polls(aws_daemon):
    usherd, began = aws_daemon(), time.monotonic()
    assert usherd.stop() == 0
    assert time.monotonic() - began < 10


def test_queues_that_are_missing_are_named(aws_daemon):
    usherd = aws_daemon({"channel.email": {"queue": "nobody-made-this"}})
    wait_until(lambda: "there is no queue nobody-made-this in region us-east-1" in usherd.log(), "nothing is said")
    assert usherd.running


# -- Sudden death, and several at work ---------------------------------------------------------------

class Crowd:
    """Members who keep signing up."""

    def __init__(self, db, tag="k"):
        self._db, self._tag, self.people = db, tag, []

    def more(self, count=BATCH):
        new = [Member(f"{self._tag}{len(self.people) + i}", korean=i % 2 == 0) for i in range(count)]
        load.store(self._db, new)
        self.people += new


def test_usherd_killed_again_and_again_on_sqs(aws_daemon, smtp, coupon, mariadb, cloud, chance):
    cloud.fresh(max_receives=100)    # a kill burns receives of what was in flight; the policy has its own test
    usherd = aws_daemon(UNDER_FIRE)
    crowd, cut = Crowd(mariadb), Interruptions(mariadb)
    crowd.more(100)
    for _ in range(KILLS):
        seen = len(smtp.mails) + len(coupon.grants)
        crowd.more()
        wait_until(lambda: len(smtp.mails) + len(coupon.grants) > seen, "usherd does not get to work")
        moment = time.monotonic() + chance.uniform(0, 0.2)
        wait_until(lambda: time.monotonic() > moment, "time stands still")
        began = time.time()
        usherd.kill()
        wait_until(lambda: not smtp.open_connections and not coupon.open_connections, "connections of the dead stay open")
        cut.note(began, time.time())
        usherd.start(wait=False)
    wait_settled(mariadb, 60, cloud)
    extra = check_all(mariadb, crowd.people, smtp, coupon, cut, IN_FLIGHT, cloud)
    print(f"{KILLS} kills at work; {len(crowd.people)} sign-ups; {extra} extra mails, all in flight at a kill; "
          f"{coupon.repeats} coupon requests answered by their key")


def deliveries_of(usherd):
    return sum(channel["totals"]["delivered"] for channel in usherd.api.status()["channels"])


@pytest.mark.parametrize("count", [2, 4])
def test_daemons_share_the_work(aws_daemon, smtp, coupon, mariadb, cloud, count):
    slowly = {name: {**keys, "rate": str(80 // count)} if name.startswith("channel.") else keys for name, keys in UNDER_FIRE.items()}
    daemons = [aws_daemon(slowly) for _ in range(count)]    # one alone would have done it all in a moment
    crowd = Crowd(mariadb, "shared")
    crowd.more(200)
    wait_settled(mariadb, 60, cloud)
    check_all(mariadb, crowd.people, smtp, coupon, Interruptions(mariadb), IN_FLIGHT, cloud)
    shares = [deliveries_of(one) for one in daemons]
    assert sum(shares) == 2 * len(crowd.people) and min(shares) > 0, shares
    print(f"{count} daemons made {shares} deliveries")
    assert [one.stop() for one in daemons] == [0] * count


def test_one_of_four_is_killed_under_load(aws_daemon, smtp, coupon, mariadb, cloud, chance):
    """The others take over what it held, and finish."""
    daemons = [aws_daemon(UNDER_FIRE) for _ in range(4)]
    crowd, cut = Crowd(mariadb, "four"), Interruptions(mariadb)
    crowd.more(400)
    wait_until(lambda: len(smtp.mails) > 40, "no load")
    moment = time.monotonic() + chance.uniform(0, 0.2)
    wait_until(lambda: time.monotonic() > moment, "time stands still")
    crowd.more()
    began = time.time()
    daemons.pop(chance.randrange(4)).kill()
    cut.note(began, time.time() + 0.5)
    assert len(smtp.mails) < len(crowd.people), "the load was over before the kill"
    crowd.more()
    wait_settled(mariadb, 60, cloud)
    extra = check_all(mariadb, crowd.people, smtp, coupon, cut, IN_FLIGHT, cloud)
    print(f"{len(crowd.people)} sign-ups; {extra} extra mails, all in flight at the kill")
    assert [one.stop() for one in daemons] == [0, 0, 0]


def test_mariadbd_killed_under_load_on_sqs(aws_daemon, smtp, coupon, mariadb, cloud, chance):
    """Without the ledger nothing is received; what was sent when it fell is in it once it is back."""
    cloud.fresh(max_receives=100)
    smtp.latency_s = 0.1    # so that the load outlasts the way to the kill
    usherd = aws_daemon({**UNDER_FIRE, "database": {"connect_timeout": "1s", "read_timeout": "5s"}})
    crowd, cut = Crowd(mariadb), Interruptions(mariadb)
    for _ in range(DATABASE_KILLS):
        seen = len(smtp.mails)
        crowd.more(200)
        wait_until(lambda: len(smtp.mails) > seen + 20, "no load", 30)
        moment = time.monotonic() + chance.uniform(0, 0.1)
        wait_until(lambda: time.monotonic() > moment, "time stands still")
        began = time.time()
        mariadb.kill()
        assert len(smtp.mails) < len(crowd.people), "the load was over before the kill"
        quiet = time.monotonic() + chance.uniform(0.1, 1.5)
        wait_until(lambda: time.monotonic() > quiet, "time stands still")
        assert usherd.running, usherd.log()[-3000:]
        mariadb.start()
        cut.note(began, time.time())
    wait_settled(mariadb, 90, cloud)
    extra = check_all(mariadb, crowd.people, smtp, coupon, cut, IN_FLIGHT, cloud)
    print(f"{DATABASE_KILLS} kills; {len(crowd.people)} sign-ups; {extra} extra mails, all in flight when mariadbd died")


# -- What idleness costs -------------------------------------------------------------------------------

def test_an_idle_queue_costs_next_to_nothing_and_is_counted_quickly_once_somebody_looks(aws_daemon, mariadb, cloud, road):
    watch = {"depth_interval": "50ms", "idle_interval": "1m", "mirror_interval": "1h"}
    usherd = aws_daemon({"watch": watch})
    member = Member("calm")
    load.store(mariadb, [member])
    for channel in ("email", "coupon"):
        wait_state(mariadb, member.event_id, channel, "delivered")
    wait_settled(mariadb, 20, cloud)

    def counts():
        return road.count("GetQueueAttributes", EMAIL)

    def grew_calm():
        """Two seconds of 50 ms intervals, forty of them, in which at most one count fell."""
        before, until = counts(), time.monotonic() + 2
        wait_until(lambda: time.monotonic() > until, "time stands still", 5)
        return counts() - before <= 1
    wait_until(grew_calm, lambda: f"{counts()} counts, and they go on", 30)
    receives = road.count("ReceiveMessage", EMAIL)
    assert receives < 20, "an idle queue is asked again and again"

    before = counts()
    usherd.api.status()
    wait_until(lambda: counts() > before + 5, "nobody counts for the operator who looks", 5)
    depth = usherd.api.status()["channels"][0]["visible"]
    assert depth == {"value": 0, "exactness": "approximate"}, depth
    assert road.count("ReceiveMessage", EMAIL) <= receives + 1, "looking has received"

    cloud.put(EMAIL + "-dlq", "from elsewhere")
    wait_until(lambda: usherd.api.status()["channels"][0]["dlq_depth"]["value"] == 1, "the DLQ's arrival is not seen", 5)


def test_a_dlq_that_is_being_looked_through_is_not_empty(aws_daemon, mariadb, cloud):
    """The mirror's look hides the copies for a moment: they stand there all the same."""
    usherd = aws_daemon({"watch": {"depth_interval": "20ms", "mirror_interval": "20ms"}})
    people = [Member(f"hid{i}", fault="unknown") for i in range(3)]
    load.store(mariadb, people)
    dlq = EMAIL + "-dlq"
    wait_until(lambda: cloud.standing(dlq) == 3, "no copies in the DLQ")
    wait_until(lambda: usherd.api.status()["channels"][0]["dlq_depth"]["value"] == 3, "the DLQ is not counted")
    seen_hidden = 0
    until = time.monotonic() + 20
    while seen_hidden < 3:
        assert time.monotonic() < until, "the mirror does not look"
        hidden = int(cloud.sqs("GetQueueAttributes", queue=dlq, AttributeNames=["All"])["Attributes"]
                     ["ApproximateNumberOfMessagesNotVisible"])
        shown = usherd.api.status()["channels"][0]["dlq_depth"]["value"]
        assert shown == 3, f"{shown} shown of 3"
        seen_hidden += hidden > 0
