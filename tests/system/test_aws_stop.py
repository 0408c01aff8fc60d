"""Going away in time: the notice of a spot interruption, and a stop while SNS and SQS are out of reach."""

import signal
import subprocess
import time

import pytest
from support import fault_proxy as fault, load, process
from support.daemon import ROOT
from support.imds import Imds, TOKEN
from support.load import Member, wait_settled
from support.process import wait_until
from support.proof import Interruptions, check_all

NOTICED = {"aws": {"spot_notice": "yes"}, "log": {"level": "info"}, "daemon": {"drain_timeout": "20s"}}


@pytest.fixture
def imds():
    service = Imds()
    yield service
    service.close()


# -- The notice --------------------------------------------------------------------------------------

def test_a_spot_notice_stops_it_under_load(aws_daemon, smtp, coupon, mariadb, cloud, imds):
    slowly = {name: {"rate": "20", "visibility_timeout": "600s"} for name in ("channel.email", "channel.coupon")}
    usherd = aws_daemon({**NOTICED, **slowly}, imds.environment)
    wait_until(lambda: imds.asked, "nobody asks")
    people = load.members(400, "spot")
    load.store(mariadb, people)
    wait_until(lambda: len(smtp.mails) > 20 and len(coupon.grants) > 20,
               lambda: f"{len(smtp.mails)} mails, {len(coupon.grants)} coupons; " + usherd.log()[-3000:])
    imds.interrupt("terminate", "2026-11-26T08:22:00Z")
    wait_until(lambda: not usherd.running, "it does not stop")
    assert usherd.stop() == 0
    log = usherd.log()
    assert "EC2 is going to terminate this instance at 2026-11-26T08:22:00Z" in log and "stops for the notice" in log and TOKEN not in log
    assert len(smtp.mails) < 400, "the load was over before the notice"
    another = aws_daemon()    # ten minutes' visibility: it works on what was handed back
    wait_settled(mariadb, 60, cloud)
    check_all(mariadb, people, smtp, coupon, Interruptions(mariadb), 0, cloud)
    assert another.stop() == 0


def pending(pid, number):
    """Sent to the process, and not taken yet."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(next(line for line in status if line.startswith("ShdPnd")).split()[1], 16) >> (number - 1) & 1


def notice_amid(usherd, mariadb, smtp, imds):
    """A stop by the notice that takes a while: the mail server keeps a mail."""
    member = Member("kept", fault="held")
    load.store(mariadb, [member])
    wait_until(lambda: smtp.mails, usherd.story)
    imds.interrupt()
    wait_until(lambda: "stops for the notice" in usherd.log(), usherd.story)
    return member


def test_the_managers_signal_for_the_same_notice_is_no_second(aws_daemon, smtp, coupon, mariadb, imds):
    usherd = aws_daemon({**NOTICED, "email": {"timeout": "30s"}}, imds.environment)
    member = notice_amid(usherd, mariadb, smtp, imds)
    usherd.signal(signal.SIGTERM)
    wait_until(lambda: not pending(usherd.pid, signal.SIGTERM), "the signal is not taken")
    smtp.release()
    wait_until(lambda: not usherd.running, "it does not stop")
    assert usherd.stop() == 0
    assert smtp.copies() == {member.email: 1} and load.states(mariadb)["email", "delivered"] == 1


def test_who_insists_after_the_notice_ends_it_at_once(aws_daemon, mariadb, smtp, imds):
    usherd = aws_daemon({**NOTICED, "email": {"timeout": "30s"}}, imds.environment)
    usherd.expected_codes.add(-signal.SIGTERM)
    notice_amid(usherd, mariadb, smtp, imds)
    usherd.signal(signal.SIGTERM)
    wait_until(lambda: not pending(usherd.pid, signal.SIGTERM), "the first is not taken")
    assert usherd.stop() == -signal.SIGTERM and load.states(mariadb)["email", "claimed"] == 1


def test_without_the_key_nobody_asks(aws_daemon, imds, mariadb, smtp):
    imds.interrupt()
    aws_daemon(environment=imds.environment)
    member = Member("calm")
    load.store(mariadb, [member])
    wait_until(lambda: smtp.mails_to(member.email), "no mail")
    assert imds.asked == 0


HOST = r"""
#include <signal.h>
#include <stdio.h>
#include <usher/usher.h>

static void told(void *arg, const char *action, const char *time)
{
	printf("%s: %s at %s\n", (const char *)arg, action, time);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct usher_worker *worker;
	struct usher_error err;
	sigset_t signals;
	int number;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	if (argc != 2 || usher_worker_new(argv[1], &worker, &err))
		return 2;
	usher_worker_on_notice(worker, told, "host");
	if (usher_worker_start(worker, &err))
		return 3;
	sigwait(&signals, &number);
	usher_worker_free(worker);
	puts("ended by itself");
	return 0;
}
"""


def test_a_host_program_is_told_and_decides_by_itself(build, aws_daemon, imds, tmp_path, mariadb, smtp):
    code, program = tmp_path / "host.c", tmp_path / "host"
    code.write_text(HOST)
    sanitize = dict(line.split("=", 1) for line in (build / "flags").read_text().splitlines())["SANITIZE"].split()
    subprocess.run(["cc", *sanitize, "-D_POSIX_C_SOURCE=200809L", f"-I{ROOT}/include", "-o", str(program), str(code), f"-L{build}",
                    "-lusher"], check=True)
    (tmp_path / "libusher.so.0").symlink_to(build / "libusher.so")
    usherd = aws_daemon(NOTICED, start=False)    # for its configuration
    host = process.start([str(program), str(usherd.config)], usherd.log_path,
                         env={**usherd.environment, **imds.environment, "LD_LIBRARY_PATH": str(tmp_path)})
    try:
        wait_until(lambda: imds.asked, usherd.story)
        imds.interrupt("stop")
        wait_until(lambda: "host: stop at 2026-11-26T08:22:00Z" in usherd.log(), usherd.story)
        asked, member = imds.asked, Member("on")
        load.store(mariadb, [member])
        wait_until(lambda: smtp.mails_to(member.email), "the worker was stopped behind the program's back")
        assert host.poll() is None
    finally:
        code = process.end(host)
    assert code == 0 and "ended by itself" in usherd.log(), usherd.log()
    assert usherd.log().count("host: stop") == 1 and imds.asked == asked


# -- The broker is away --------------------------------------------------------------------------------

def test_a_stop_does_not_wait_for_queues_out_of_reach(aws_daemon, smtp, coupon, mariadb, cloud, road):
    """Nothing is at the outside services any more, and what the queues cannot be told comes back by itself."""
    usherd = aws_daemon({"daemon": {"drain_timeout": "60s"}, "channel.email": {"delete_linger": "10s"},
                         "channel.coupon": {"delete_linger": "10s"}})
    people = load.members(20, "away")
    load.store(mariadb, people)
    wait_until(lambda: load.states(mariadb) == {("email", "delivered"): 20, ("coupon", "delivered"): 20}, "not delivered")
    road.outage()
    began = time.monotonic()
    assert usherd.stop() == 0
    assert time.monotonic() - began < 10
    road.recover()
    usherd.start()
    wait_settled(mariadb, 60, cloud)
    check_all(mariadb, people, smtp, coupon, Interruptions(mariadb), 0, cloud)


def test_a_stop_does_not_wait_long_for_queues_that_are_silent(aws_daemon, smtp, coupon, mariadb, cloud, road):
    """The endpoint takes the requests and never answers: what is under way is waited for once, and not tried again."""
    usherd = aws_daemon({"daemon": {"drain_timeout": "1s"}})
    people = load.members(20, "silent")
    load.store(mariadb, people)
    wait_until(lambda: load.states(mariadb) == {("email", "delivered"): 20, ("coupon", "delivered"): 20}, "not delivered")
    silence = road.plan(fault.slow(3600))
    more = load.members(1, "late")
    load.store(mariadb, more)    # the relay's publish, the watcher's counts are under way
    wait_until(lambda: silence.met > 1, "nothing asks")
    began = time.monotonic()
    assert usherd.stop(60) == 0
    assert time.monotonic() - began < 25
    road.lift()
    usherd.start()
    wait_settled(mariadb, 60, cloud)
    check_all(mariadb, people + more, smtp, coupon, Interruptions(mariadb), 0, cloud)
