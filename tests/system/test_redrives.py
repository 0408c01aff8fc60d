"""Redrive jobs of operators and of usher itself, on a running daemon: what they send, when they stop, what they survive.
Each ends in the proof of support/proof.py: every mail and every coupon exactly once."""

import time

from support import load
from support.load import wait_settled
from support.process import wait_until
from support.proof import Interruptions, check_all
from support.rows import login, problem, put_failed

IN_FLIGHT = 200
AUTO = {"channel.coupon": {"auto_redrive": "yes"}}
BRISK = {"retry": {"max_attempts": "2", "base": "100ms"}}


def prove(db, people, smtp, coupon, cut=None):
    wait_settled(db)
    wait_until(lambda: not db.value("SELECT COUNT(*) FROM broker_message"), "copies stay in a dead-letter queue")
    check_all(db, people, smtp, coupon, cut or Interruptions(db), IN_FLIGHT, died=True)


def dead(db, channel="coupon"):
    return db.value("SELECT COUNT(*) FROM failed_notification WHERE status = 'dead' AND channel = %s", channel)


def wait_dead(db, count, channel="coupon"):
    wait_until(lambda: dead(db, channel) == count, lambda: f"{dead(db, channel)} of {count} {channel} deliveries are dead", 40)


def died(daemon, mariadb, coupon, count, changes=None, **options):
    """A daemon whose coupon service was away until `count` members' coupons were dead, and is back."""
    usherd = daemon(changes or BRISK, **options)
    people = load.members(count)
    coupon.outage()
    load.store(mariadb, people)
    wait_dead(mariadb, count)
    coupon.recover()
    return usherd, people


def job(api, number):
    answer = api.get(f"/v1/redrives/{number}")
    assert answer.status == 200, answer.text
    return answer.json


def wait_job(api, number, condition, what, deadline_s=40):
    def there():
        one = job(api, number)
        return one if condition(one) else None
    return wait_until(there, lambda: f"{what}: {job(api, number)}", deadline_s)


def start(api, **order):
    answer = api.post("/v1/redrives", **{"filter": {"channel": "coupon"}, "reason": "it is back", **order})
    assert answer.status == 201, answer.text
    return answer.json["id"]


def is_done(one):
    return one["state"] == "done"


# -- By usher itself ------------------------------------------------------------------------------------


def test_what_died_in_an_outage_is_redriven_once_it_is_over(daemon, mariadb, smtp, coupon):
    usherd, people = died(daemon, mariadb, coupon, 12, {**BRISK, **AUTO})
    assert usherd.api.get("/v1/redrives").json["items"] == [], "usher redrives into an outage"
    news = load.members(3, "n")    # they show that the service is well again
    load.store(mariadb, news)
    wait_until(lambda: usherd.api.get("/v1/redrives").json["items"], "usher redrives nothing")
    one = wait_job(usherd.api, 1, is_done, "the job is not done")
    assert (one["kind"], one["created_by"], one["channel"], one["class"]) == ("auto", "usher", "coupon", "service_down")
    assert one["reason"].startswith("service_down is over since ")
    assert (one["sent"], one["delivered"], one["failed_again"], one["canary"]) == (12, 12, 0, 1)
    row = usherd.api.get("/v1/failed/1").json
    assert (row["settled_by"], row["auto_redrives"], row["redrive_job"]["id"]) == ("usher", 1, "1")
    acts = [(item["operator"], item["act"]) for item in usherd.api.get("/v1/audit").json["items"]]
    assert acts == [("usher", "redrive_done"), ("usher", "redrive_start")]
    prove(mariadb, people + news, smtp, coupon)


def test_a_service_that_still_fails_gets_one_canary(daemon, mariadb, smtp, coupon):
    usherd = daemon({**BRISK, **AUTO})
    people = load.members(8, coupon_fault="down")
    load.store(mariadb, people)
    wait_dead(mariadb, 8)
    news = load.members(1, "n")    # for others it is well
    load.store(mariadb, news)
    wait_until(lambda: usherd.api.get("/v1/redrives").json["items"], "usher redrives nothing")
    one = wait_job(usherd.api, 1, lambda one: one["state"] == "stopped", "the job does not stop")
    assert (one["sent"], one["failed_again"], one["delivered"], one["moved_by"]) == (1, 1, 0, "usher")
    assert one["why"].startswith("the canary failed again: ") and "503" in one["why"]
    wait_dead(mariadb, 8)
    coupon.heal("down")
    number = start(usherd.api, rate=1000, canary=0)
    wait_job(usherd.api, number, is_done, "the job is not done")
    assert mariadb.value("SELECT SUM(auto_redrives) FROM failed_notification") == 0, "an operator begins anew"
    prove(mariadb, people + news, smtp, coupon)


def test_it_is_switched_per_channel_and_knows_which_class_waits_for_people(daemon, mariadb, smtp, coupon):
    usherd = daemon({**BRISK, "channel.email": {"auto_redrive": "yes"}, "channel.coupon": {"auto_redrive": "no"}})
    people = load.members(2, coupon_fault="down2") + load.members(2, "r", fault="reject2")
    load.store(mariadb, people)
    wait_dead(mariadb, 2)
    load.store(mariadb, news := load.members(2, "n"))
    load.wait_state(mariadb, news[0].event_id, "coupon", "delivered")
    load.wait_state(mariadb, news[1].event_id, "email", "delivered")
    put_failed(mariadb, 1, klass="worker_lost")    # a sign that usher has looked
    wait_until(lambda: usherd.api.get("/v1/redrives").json["items"], "usher does not look")
    assert [item["class"] for item in usherd.api.get("/v1/redrives").json["items"]] == ["worker_lost"]
    assert dead(mariadb) == 2


# -- By operators ------------------------------------------------------------------------------------------


def test_a_job_is_paused_resumed_and_stopped(daemon, mariadb, smtp, coupon):
    usherd, people = died(daemon, mariadb, coupon, 30)
    number = start(usherd.api, rate=8)
    wait_job(usherd.api, number, lambda one: one["sent"] >= 3, "the job does not begin")
    paused = usherd.api.post(f"/v1/redrives/{number}/pause", reason="lunch")
    assert (paused.status, paused.json["state"], paused.json["why"]) == (200, "paused", "lunch")
    sent = paused.json["sent"]
    assert 3 <= sent < 30
    problem(usherd.api.post(f"/v1/redrives/{number}/pause"), 409, "already paused", login())
    wait_job(usherd.api, number, lambda one: one["on_the_way"] == 0, "what was sent does not arrive")
    assert job(usherd.api, number)["sent"] == sent and dead(mariadb) == 30 - sent
    assert usherd.api.post(f"/v1/redrives/{number}/resume").status == 200
    wait_job(usherd.api, number, lambda one: one["sent"] > sent, "the job does not go on")
    stopped = usherd.api.post(f"/v1/redrives/{number}/stop", reason="enough").json
    assert stopped["state"] == "stopped" and stopped["sent"] < 30
    wait_job(usherd.api, number, lambda one: one["on_the_way"] == 0, "what was sent does not arrive")
    assert dead(mariadb) == 30 - job(usherd.api, number)["sent"], "a stop changed rows that were not sent"
    problem(usherd.api.post(f"/v1/redrives/{number}/resume"), 409, "stopped by", login())
    wait_job(usherd.api, start(usherd.api, rate=1000), is_done, "the job is not done")
    acts = [item["act"] for item in usherd.api.get("/v1/audit", target=f"redrives/{number}").json["items"]]
    assert acts == ["redrive_resume", "redrive_stop", "redrive_resume", "redrive_pause", "redrive_pause", "redrive_start"]
    prove(mariadb, people, smtp, coupon)


def test_a_job_stops_by_itself_and_leaves_the_rest(daemon, mariadb, smtp, coupon):
    usherd = daemon(BRISK)
    people = load.members(4) + load.members(12, "b", coupon_fault="down")
    coupon.outage()
    load.store(mariadb, people[:4])
    wait_dead(mariadb, 4)
    coupon.recover()
    load.store(mariadb, people[4:])
    wait_dead(mariadb, 16)
    number = start(usherd.api, rate=4, canary=2, stop_on_failures=2)
    one = wait_job(usherd.api, number, lambda one: one["state"] == "stopped", "the job does not stop")
    wait_job(usherd.api, number, lambda one: one["on_the_way"] == 0, "what was sent does not settle")
    assert one["failed_again"] >= 2 and one["sent"] < 16 and "failed again, such as: " in one["why"]
    coupon.heal("down")
    wait_job(usherd.api, start(usherd.api, rate=1000), is_done, "the job is not done")
    prove(mariadb, people, smtp, coupon)


def test_a_job_waits_while_the_breaker_is_open(daemon, mariadb, smtp, coupon):
    usherd, people = died(daemon, mariadb, coupon, 6)
    usherd.stop()
    usherd.configure({"breaker": {"failures": "3", "cooldown": "3s", "probes": "1"}})
    usherd.start()
    coupon.outage()
    news = load.members(4, "n")
    load.store(mariadb, news)
    wait_until(lambda: usherd.api.channel("coupon")["breaker"]["state"] == "open", "the breaker stays closed")
    number = start(usherd.api, rate=100)
    one = wait_job(usherd.api, number, lambda one: one["waits"], "the job does not say that it waits")
    assert one["waits"] == "coupon breaker is open" and one["state"] == "running" and one["sent"] == 0
    coupon.recover()
    wait_job(usherd.api, number, is_done, "the job does not go on")
    wait_settled(mariadb)
    if dead(mariadb):    # a new member's trials may have been used up
        wait_job(usherd.api, start(usherd.api), is_done, "the job is not done")
    prove(mariadb, people + news, smtp, coupon)


def test_rows_that_were_chosen_one_by_one(daemon, mariadb, smtp, coupon):
    usherd, people = died(daemon, mariadb, coupon, 8)
    ids = [row["id"] for row in usherd.api.failed(status="dead")]
    answer = usherd.api.post("/v1/redrives", ids=ids[:5], rate=100)
    assert answer.status == 201 and answer.json["listed"] and answer.json["total"] == 5
    one = wait_job(usherd.api, answer.json["id"], is_done, "the job is not done")
    assert (one["sent"], one["delivered"], dead(mariadb)) == (5, 5, 3)
    wait_job(usherd.api, start(usherd.api), is_done, "the job is not done")
    prove(mariadb, people, smtp, coupon)


# -- What a job survives ---------------------------------------------------------------------------------------


def once_each(db, count):
    assert db.query("SELECT redrives, COUNT(*) n FROM failed_notification GROUP BY redrives") == [{"redrives": 1, "n": count}]


def test_a_killed_daemon_goes_on_with_its_jobs(daemon, mariadb, smtp, coupon):
    usherd, people = died(daemon, mariadb, coupon, 60)
    number, cut = start(usherd.api, rate=20), Interruptions(mariadb)
    for least in (4, 20, 40):
        wait_job(usherd.api, number, lambda one, least=least: one["sent"] >= least, "the job does not go on", 60)
        began = time.time()
        usherd.kill()
        cut.note(began, time.time())
        usherd.start()
    one = wait_job(usherd.api, number, is_done, "the job is not done", 60)
    assert (one["sent"], one["skipped"], one["delivered"], one["total"]) == (60, 0, 60, 60)
    once_each(mariadb, 60)
    prove(mariadb, people, smtp, coupon, cut)


def test_another_daemon_goes_on_with_the_jobs_of_a_dead_leader(daemon, mariadb, smtp, coupon):
    first, people = died(daemon, mariadb, coupon, 60)
    second = daemon(BRISK, migrate=False)
    number, cut = start(second.api, rate=20), Interruptions(mariadb)
    wait_job(second.api, number, lambda one: one["sent"] >= 6, "the leader does not run what another was told")
    began = time.time()
    first.kill()
    cut.note(began, time.time())
    sent = job(second.api, number)["sent"]
    assert sent < 60
    one = wait_job(second.api, number, is_done, "nobody goes on", 60)
    assert (one["sent"], one["delivered"]) == (60, 60)
    once_each(mariadb, 60)
    prove(mariadb, people, smtp, coupon, cut)


# -- The command line ------------------------------------------------------------------------------------------------


def test_the_verbs_start_show_and_move_a_job(daemon, mariadb, smtp, coupon):
    usherd, people = died(daemon, mariadb, coupon, 20)
    usher = usherd.usher
    assert "no redrive jobs" in usher("redrives").err
    look = usher("redrive", "--channel", "coupon", "--dry-run").out
    assert "20 dead rows would be redriven" in look and "20 coupon, service_down" in look and "Nothing was done" in look
    assert "--reason" in usher("redrive", "--channel", "coupon", check=2).err
    assert "ID" in usher("redrive", check=2).err
    assert "one of them" in usher("redrive", "1", "--class", "timeout", check=2).err
    assert "acts" in usher("redrive", "-R", "--class", "timeout", check=5).err
    assert "no dead row" in usher("redrive", "--class", "malformed", "--reason", "x", check=3).err
    out = usher("redrive", "--channel", "coupon", "--class", "service_down", "--since", "1h", "--rate", "4", "--canary", "2",
                "--stop-on", "9", "--reason", "back again").out
    assert "redrive job 1: 20 dead rows" in out
    wait_job(usherd.api, 1, lambda one: one["sent"] >= 3, "the job does not begin")
    assert "1: paused" in usher("redrives", "pause", "1", "--reason", "tea").out
    assert "already paused" in usher("redrives", "pause", "1", check=4).err
    shown = usher("redrives", "show", "1").out
    for words in ("redrive job 1", "paused by", "tea", "of 20 sent", "channel coupon, class service_down", "4/s, canary 2",
                  "stops when 9 failed again", "back again"):
        assert words in shown, shown
    assert usher("redrives", "show", "1", "--json").json["state"] == "paused"
    assert "running" in usher("redrives", "resume", "1").out
    row = usher("redrives").out.splitlines()[1].split()
    assert row[0] == "1" and row[4] == "20"
    watched = usher("redrives", "show", "1", "--watch", timeout=60).out.splitlines()
    assert "20 of 20 sent, 20 delivered" in watched[-1] and "done" in watched[-1]
    assert "no redrive job 9" in usher("redrives", "stop", "9", check=3).err
    assert "none of show, pause, resume, stop" in usher("redrives", "eat", "1", check=2).err
    assert "which job" in usher("redrives", "stop", check=2).err
    prove(mariadb, people, smtp, coupon)


def test_watching_tells_by_its_exit_whether_all_went_well(daemon, mariadb, smtp, coupon):
    usherd = daemon(BRISK)
    people = load.members(3, coupon_fault="down")
    load.store(mariadb, people)
    wait_dead(mariadb, 3)
    ran = usherd.usher("redrive", "1", "2", "3", "--watch", "--rate", "50", check=1, timeout=60)
    assert "the canary failed again" in ran.out.splitlines()[-1]
    coupon.heal("down")
    ran = usherd.usher("redrive", "--class", "service_down", "--reason", "healed", "--watch", timeout=60)
    assert "3 delivered, 0 failed again" in ran.out.splitlines()[-1]
    prove(mariadb, people, smtp, coupon)
