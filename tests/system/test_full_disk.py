"""The disk under the database is full for a while: what is stored is not lost, usher waits and says why, and goes on by
itself when there is room. MariaDB's refusal is its own (1114, as for ENOSPC): see MariaDB.fill()."""

import time

import pytest
from support import load
from support.load import wait_settled
from support.mariadb import MariaDB
from support.process import wait_until
from support.proof import Interruptions, check_all

CHANGES = {
    "log": {"level": "info"},
    "channel.email": {"in_flight": "20", "visibility_timeout": "2s"},
    "channel.coupon": {"in_flight": "20", "visibility_timeout": "2s"},
    "email": {"connections": "10", "timeout": "2s"},
}
FULL_S = 5    # more than two visibility timeouts
IN_FLIGHT = 40    # of both channels


@pytest.fixture(scope="module")
def mariadb_server():
    server = MariaDB(one_file=True)
    yield server
    server.close()


@pytest.mark.parametrize("driver", ["embedded", "aws"])
def test_a_full_disk(request, smtp, coupon, mariadb, driver):
    cloud = request.getfixturevalue("cloud") if driver == "aws" else None
    usherd = request.getfixturevalue("aws_daemon" if cloud else "daemon")(CHANGES)
    people = load.members(400, "d", fault="slow20", coupon_fault="slow20")
    load.store(mariadb, people)
    wait_until(lambda: len(smtp.mails) > 5 and len(coupon.grants) > 5, "no load")
    mariadb.fill()

    database = wait_until(lambda: not (told := usherd.api.status()["database"])["up"] and told, "it does not say so")
    assert "is full" in database["error"] and "make room" in database["error"]
    said = " ".join(usherd.usher("status").out.split())    # where a line ends depends on the table's name
    assert "is full" in said, said
    assert usherd.api.get("/actuator/health/db").status == 503
    for channel in ("email", "coupon"):     # each finds out by its own next statement
        wait_until(lambda: f"pipeline {channel}: the ledger cannot be written" in usherd.log(), usherd.story)

    def unsettled():
        """Sent, and not in the ledger. What MariaDB purges makes room for a statement or two: it is filled again."""
        mariadb.fill()
        sent = len(smtp.mails) + len(coupon.grants)
        return sent - mariadb.value("SELECT COUNT(*) FROM delivery WHERE state = 'delivered'")

    ends = time.monotonic() + FULL_S
    wait_until(lambda: time.monotonic() > ends or unsettled() > IN_FLIGHT, "never")
    assert time.monotonic() > ends, "it goes on without a ledger"
    log = usherd.log()
    assert log.count("the ledger cannot be written") <= log.count("the ledger can be written again") + 2, log[-3000:]
    wait_until(lambda: not usherd.api.status()["database"]["up"], "it does not say so any more")

    mariadb.make_room()
    wait_settled(mariadb, 30, cloud)
    check_all(mariadb, people, smtp, coupon, Interruptions(mariadb), 0, cloud)
    wait_until(lambda: usherd.api.status()["database"]["up"], "it does not see that there is room")
