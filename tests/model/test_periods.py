"""Delivery periods, and the days that are 23 and 25 hours long."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from gridbourse.model.errors import ModelError
from gridbourse.model.periods import Mtu

QUARTER = Mtu(900)


def test_a_period_holds_its_start_and_not_its_end():
    start = datetime(2016, 7, 1, 12, 15, tzinfo=UTC)
    period = QUARTER.period_at(start)

    assert QUARTER.start(period) == start
    assert QUARTER.period_at(start + timedelta(seconds=899)) == period
    assert QUARTER.period_at(start + timedelta(seconds=900)) == period + 1


def test_a_local_moment_lies_in_the_period_of_its_utc_time():
    berlin = datetime(2016, 7, 1, 14, 15, tzinfo=ZoneInfo("Europe/Berlin"))

    assert QUARTER.start(QUARTER.period_at(berlin)) == datetime(2016, 7, 1, 12, 15, tzinfo=UTC)


def test_a_moment_without_time_zone_is_refused():
    with pytest.raises(ModelError, match="2016-07-01T12:00:00 has no time zone"):
        QUARTER.period_at(datetime(2016, 7, 1, 12))


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2016, 3, 27), 23), (date(2016, 7, 1), 24), (date(2016, 10, 30), 25)]
)
def test_a_local_day_has_23_24_or_25_hours(day, hours):
    periods = QUARTER.local_day(day, "Europe/Berlin")

    assert len(periods) == hours * 4
    assert QUARTER.start(periods[0]).astimezone(ZoneInfo("Europe/Berlin")).date() == day


def test_neighbouring_days_meet_without_gap_or_overlap():
    saturday, sunday, monday = (
        QUARTER.local_day(date(2016, 10, d), "Europe/Berlin") for d in (29, 30, 31)
    )

    assert (saturday.stop, sunday.stop) == (sunday.start, monday.start)


@pytest.mark.parametrize("seconds", [0, -900, 7, 7200])
def test_an_mtu_divides_the_hour(seconds):
    with pytest.raises(ModelError, match="must divide one hour"):
        Mtu(seconds)


def test_hours():
    assert (QUARTER.hours, Mtu(1800).hours) == (0.25, 0.5)
