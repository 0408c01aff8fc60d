"""Fixtures for tests of the running daemon (tests/system, tests/console).

    mariadb   a private server with an empty database `usher`; .kill() .start() .query(...)
    smtp      the mail service's stand-in: faults by recipient, .outage() .recover(), .mails
    coupon    the coupon service's stand-in: faults by user id, .outage() .recover(), .grants
    daemon    daemon() starts one usherd on the three; daemon(changes={...}, start=False) as wanted
    cloud     a private SNS and SQS with fresh topic and queues; .standing(queue) .receive(queue)
    road      the proxy between usherd and cloud: .plan(fault, action) .count(action, queue)
    aws_daemon   as daemon, on SNS and SQS
    nothing_shown   in every test: no planted secret and no member was seen (support/planted.py)
    build     the folder of the programs under test: --build, or build

Everything is ended by its pid at the end of the test or of the run, Ctrl-C included."""

import contextlib
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from support import aws, planted            # noqa: E402
from support.coupon import CouponService    # noqa: E402
from support.daemon import ROOT, Daemon     # noqa: E402
from support.fault_proxy import FaultProxy  # noqa: E402
from support.mariadb import MariaDB         # noqa: E402
from support.process import interrupt_on_signals    # noqa: E402
from support.smtp import MailService        # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--build", default="build", help="folder of the programs under test")


def pytest_configure(config):
    config.addinivalue_line("markers", "shown: an operator asks for whole personal data; secrets are looked for all the same")
    interrupt_on_signals()


@pytest.fixture(autouse=True)
def nothing_shown(request):
    """Made before all others, so that it looks once they have ended."""
    asked_for = request.node.get_closest_marker("shown")
    with planted.shown() if asked_for else contextlib.nullcontext():
        yield
    planted.check()


@pytest.fixture(scope="session")
def build(request):
    folder = pathlib.Path(ROOT, request.config.getoption("--build"))
    assert (folder / "usherd").exists(), f"{folder}/usherd is not built: make all"
    return folder


@pytest.fixture(scope="session")
def mariadb_server():
    server = MariaDB()
    yield server
    server.close()


@pytest.fixture(scope="module")
def own_mariadb():
    """For a daemon that outlives a test: `mariadb` belongs to one test at a time."""
    server = MariaDB()
    server.fresh()
    yield server
    server.close()


@pytest.fixture
def mariadb(mariadb_server):
    mariadb_server.fresh()
    yield mariadb_server
    if not mariadb_server.running:
        mariadb_server.start()


@pytest.fixture
def smtp():
    service = MailService()
    yield service
    service.close()


@pytest.fixture
def coupon():
    service = CouponService()
    yield service
    service.close()


@pytest.fixture
def daemon(build, mariadb, smtp, coupon):
    """daemon(changes={}, start=True, migrate=True, environment={}) -> Daemon."""
    made = []

    def make(changes=None, start=True, migrate=True, environment=None, mail=smtp):
        one = Daemon(build, mariadb, mail, coupon, changes, environment)
        made.append(one)
        if migrate:
            one.migrate()
        if start:
            one.start()
        return one

    yield make
    complaints = []
    for one in reversed(made):
        try:
            one.close()
        except AssertionError as complaint:
            complaints.append(str(complaint))
    assert not complaints, "\n".join(complaints)


@pytest.fixture(scope="session")
def cloud_server():
    server = aws.Cloud()
    yield server
    server.close()


@pytest.fixture
def cloud(cloud_server):
    cloud_server.fresh()
    return cloud_server


@pytest.fixture
def road(cloud):
    proxy = FaultProxy(cloud)
    yield proxy
    proxy.close()


@pytest.fixture
def aws_daemon(road, daemon):    # the road is open until the daemon has ended
    def make(changes=None, environment=None, **options):
        return daemon(aws.merged(aws.settings(road.url), changes), environment={**aws.ENVIRONMENT, **(environment or {})}, **options)
    return make
