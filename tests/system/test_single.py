"""What operators do with single deliveries, seen from outside, on each broker: a retry that is not waited for is made soon and
once; what is edited goes where it should and nowhere else."""

import json
import time

import pytest
from support import aws, load
from support.load import Member, QUEUES, attempts, delivery, failed, wait_settled, wait_state
from support.process import wait_until

LONG = {"retry": {"max_attempts": "3", "base": "10m", "factor": "2", "max_delay": "1h"}, "channel.coupon": {"enabled": "no"}}
SHORT = {"retry": {"max_attempts": "5", "base": "2s", "factor": "1", "max_delay": "2s", "jitter": "0"},
         "channel.coupon": {"enabled": "no"}}


@pytest.fixture(params=["embedded", "aws", "aws-fifo"])
def broker(request):
    """Starts a daemon on that broker; .standing(queue): the messages in it."""
    class Broker:
        name = request.param
        suffix = aws.FIFO if name == "aws-fifo" else ""
        cloud = request.getfixturevalue("cloud") if name != "embedded" else None
        mariadb = request.getfixturevalue("mariadb")
        daemon = staticmethod(request.getfixturevalue("aws_daemon" if cloud else "daemon"))

        def start(self, changes):
            if self.suffix:
                self.cloud.fresh(suffix=self.suffix)
                changes = aws.merged(aws.fifo_settings(), changes)
            return self.daemon(changes)

        def standing(self, queue):
            if self.cloud:
                return self.cloud.standing(queue + self.suffix)
            return self.mariadb.value("SELECT COUNT(*) FROM broker_message m JOIN broker_queue q ON q.id = m.queue_id "
                                      "WHERE q.name = %s", queue)
    return Broker()


def waiting(mariadb, usherd, fault="down1", tag="wait"):
    """One mail that failed and waits: (member, its delivery's id as the list gives it)."""
    member = Member(tag, fault=fault)
    load.store(mariadb, [member])
    row = wait_until(lambda: [r for r in usherd.api.get("/v1/retrying").json["items"] if r["event_id"] == member.event_id],
                     "it does not wait")
    return member, row[0]["id"]


def test_now_is_delivered_soon_and_once(broker, smtp, mariadb):
    usherd = broker.start(LONG)
    member, row = waiting(mariadb, usherd)
    at = time.monotonic()
    assert "sent as soon as" in usherd.usher("retry", row, "now").out
    wait_state(mariadb, member.event_id, "email", "delivered")
    assert time.monotonic() - at < 10
    assert smtp.copies() == {member.email: 1}
    assert [a["class"] for a in attempts(mariadb, member.event_id, "email")] == ["service_down", ""]
    assert usherd.usher("retry", row, "now", check=4).err.count("is delivered") == 1
    assert mariadb.value("SELECT COUNT(*) FROM redrive_intent") == 0


def test_the_hidden_message_is_taken_away_when_it_comes(broker, smtp, mariadb):
    usherd = broker.start(SHORT)
    member, row = waiting(mariadb, usherd)
    usherd.usher("retry", row, "now")
    wait_state(mariadb, member.event_id, "email", "delivered")
    wait_until(lambda: broker.standing(QUEUES["email"]) == 0, "the hidden message stays")
    assert smtp.copies() == {member.email: 1}


def test_now_survives_the_daemon(broker, smtp, mariadb):
    usherd = broker.start(LONG)
    member, row = waiting(mariadb, usherd)
    usherd.usher("retry", row, "now")
    usherd.kill()
    out = len(smtp.mails_to(member.email))    # it may have been quick: a mail in flight at the kill may come twice
    usherd.start()
    wait_state(mariadb, member.event_id, "email", "delivered", deadline_s=60)    # the killed one's lease on the intent first
    assert 1 <= len(smtp.mails_to(member.email)) <= 1 + out


def test_postpone_puts_it_off(broker, smtp, mariadb):
    usherd = broker.start(SHORT)
    member, row = waiting(mariadb, usherd)
    at = time.time()
    usherd.usher("retry", row, "postpone", "--until", "4s")
    wait_state(mariadb, member.event_id, "email", "delivered")
    assert smtp.mails_to(member.email)[0].at - at > 3.9, "not before it was to be"
    assert smtp.copies() == {member.email: 1}


def test_what_is_given_up_goes_to_the_dlq(broker, smtp, mariadb):
    usherd = broker.start(SHORT)
    member, row = waiting(mariadb, usherd, fault="down")
    usherd.usher("retry", row, "dead")
    assert failed(mariadb, member.event_id, "email")["payload"] == member.body()
    wait_until(lambda: broker.standing(QUEUES["email"] + "-dlq") == 1 and broker.standing(QUEUES["email"]) == 0,
               "its message does not come to the DLQ")
    tries = len(attempts(mariadb, member.event_id, "email"))
    smtp.heal("down")
    usherd.usher("redrive", str(failed(mariadb, member.event_id, "email")["id"]))
    wait_state(mariadb, member.event_id, "email", "delivered")
    assert tries == 1 and smtp.copies() == {member.email: 1}


def test_what_is_cancelled_while_it_waits_is_never_sent_until_restored(broker, smtp, mariadb):
    usherd = broker.start(SHORT)
    member, row = waiting(mariadb, usherd)
    assert usherd.usher("retry", row, "cancel", check=2).err
    usherd.usher("retry", row, "cancel", "--reason", "asked us not to write")
    wait_until(lambda: broker.standing(QUEUES["email"]) == 0, "its message is not taken away")
    assert not smtp.mails and delivery(mariadb, member.event_id, "email")["state"] == "cancelled"
    kept = str(failed(mariadb, member.event_id, "email")["id"])
    usherd.usher("restore", kept)
    usherd.usher("redrive", kept)
    wait_state(mariadb, member.event_id, "email", "delivered")
    assert smtp.copies() == {member.email: 1}


def test_a_mistyped_address_is_edited_and_redriven(broker, smtp, mariadb):
    """To the new address only, though a copy with the old one still waits in the queue."""
    usherd = broker.start(SHORT)
    member, row = waiting(mariadb, usherd, fault="down")
    usherd.usher("retry", row, "dead")
    kept = str(failed(mariadb, member.event_id, "email")["id"])
    smtp.heal("down")
    right = "right@example.com"
    usherd.usher("edit", kept, "--set", f"email={right}", "--redrive", "--reason", "mistyped")
    wait_state(mariadb, member.event_id, "email", "delivered")
    wait_until(lambda: broker.standing(QUEUES["email"]) == 0, "the old copy stays")
    assert smtp.copies() == {right: 1}
    assert delivery(mariadb, member.event_id, "email")["recipient"] == right
    assert mariadb.value("SELECT payload FROM failed_edit") == member.body()
    one = usherd.api.get(f"/v1/failed/{kept}").json
    assert one["status"] == "delivered" and one["edits"][0]["summary"].startswith("email: ")
    assert member.email not in usherd.log() and right not in usherd.log()


def test_an_edited_one_that_fails_again_keeps_its_edit(broker, smtp, mariadb):
    usherd = broker.start({**SHORT, "retry": {**SHORT["retry"], "max_attempts": "2", "base": "200ms"}})
    member = Member("again", fault="unknown")
    load.store(mariadb, [member])
    wait_state(mariadb, member.event_id, "email", "dead")
    kept = str(failed(mariadb, member.event_id, "email")["id"])
    usherd.usher("edit", kept, "--set", "email=down1.kim@example.com", "--redrive")
    wait_state(mariadb, member.event_id, "email", "delivered")
    assert smtp.copies() == {"down1.kim@example.com": 1}
    usherd.usher("edit", kept, "--set", "email=other@example.com", check=4)
    wait_settled(mariadb)


def test_edit_in_the_editor(daemon, smtp, mariadb, tmp_path, monkeypatch):
    usherd = daemon(SHORT)
    member = Member("editor", fault="unknown")
    load.store(mariadb, [member])
    wait_state(mariadb, member.event_id, "email", "dead")
    kept = str(failed(mariadb, member.event_id, "email")["id"])
    seen = tmp_path / "seen"
    editor = tmp_path / "editor"
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", f"{editor} --wait")

    def with_editor(script, **options):
        editor.write_text(f'#!/bin/sh\nset -e\ntest "$1" = --wait\nfile=$2\nstat -c "%a %n" "$file" "${{file%/*}}" > {seen}\n{script}\n')
        editor.chmod(0o755)
        return usherd.usher("edit", kept, "--redrive", **options)

    assert "nothing is changed" in with_editor("true", check=1).err
    assert [line.split()[0] for line in seen.read_text().splitlines()] == ["600", "700"]
    assert "did not end well" in with_editor("exit 3", check=1).err
    assert "email: the address has no @" in with_editor(f'sed -i s/{member.email}/nobody/ "$file"', check=2).err
    ran = with_editor(f'cp "$file" "$file~"; sed -i s/{member.email}/right@example.com/ "$file"')
    assert "edited and queued again" in ran.out
    wait_state(mariadb, member.event_id, "email", "delivered")
    assert smtp.copies() == {"right@example.com": 1}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["editor", "seen"], "nothing is left behind"
    acts = [a["act"] for a in usherd.api.get("/v1/audit", target=f"failed/{kept}").json["items"]]
    assert acts == ["redrive", "edit", "reveal", "reveal", "reveal", "reveal"]


@pytest.mark.shown
def test_reveal_by_command(daemon, mariadb):
    usherd = daemon(SHORT)
    member = Member("reveal", fault="unknown")
    load.store(mariadb, [member])
    wait_state(mariadb, member.event_id, "email", "dead")
    kept = str(failed(mariadb, member.event_id, "email")["id"])
    assert member.email not in usherd.usher("failed", kept).out
    usherd.usher("failed", kept, "--reveal", check=2)
    usherd.usher("failed", kept, "--reveal", "-R", "--reason", "x", check=5)
    assert member.email in usherd.usher("failed", kept, "--reveal", "--reason", "on the phone").out
    shown = usherd.usher("failed", kept, "--reveal", "--reason", "on the phone", "--json").json
    assert json.loads(shown["payload"]) == member.event()
    usherd.usher("failed", "--reveal", "--reason", "x", check=2)
