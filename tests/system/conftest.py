"""Fixtures of the admin API's tests."""

import pytest
from support.coupon import CouponService
from support.daemon import Daemon
from support.rows import STILL

TABLES = ("failed_notification", "failed_edit", "delivery", "delivery_attempt", "retry_message", "redrive_intent", "audit", "users",
          "signup_outbox", "channel_control", "redrive_job", "redrive_job_row")


@pytest.fixture(scope="module")
def still(build, own_mariadb):
    """One daemon for all tests that leave no more than rows behind."""
    coupon = CouponService()
    usherd = Daemon(build, own_mariadb, None, coupon, STILL)
    try:
        usherd.migrate()
        usherd.start()
        usherd.db = own_mariadb
        yield usherd
    finally:
        usherd.close()
        coupon.close()


@pytest.fixture
def api(still):
    for table in TABLES:
        still.db.execute(f"DELETE FROM {table}")
    return still.api


@pytest.fixture
def db(still):
    return still.db
