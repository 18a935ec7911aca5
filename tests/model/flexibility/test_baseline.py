"""Baseline methods: worked by hand, then what holds for every point, then what they refuse."""

from dataclasses import replace
from datetime import date
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbourse.model.flexibility.baseline.compute import baseline, rounded
from gridbourse.model.flexibility.baseline.days import DayKind
from gridbourse.model.flexibility.baseline.errors import (
    ImpossibleEvidence,
    ImpossibleMethod,
    LateDeclaration,
    MissingDeclaration,
    MissingReading,
    OppositeSigns,
    TooFewDays,
)
from gridbourse.model.flexibility.baseline.evidence import Declaration, Evidence, Readings
from gridbourse.model.flexibility.baseline.methods import (
    CAISO_10_OF_10,
    DECLARED_SCHEDULE,
    METER_BEFORE_METER_AFTER,
    METHODS,
    NYISO_HIGH_5_OF_10,
    PJM_HIGH_4_OF_5,
    PJM_SAME_DAY_3_PLUS_2,
    Adjustment,
    Choice,
    Fit,
    SameDay,
    Window,
    XOfY,
)
from tests.model.flexibility.habits import FRIDAY, before, evidence, hourly_day

WORKING_5 = before(FRIDAY, 1, 2, 3, 4, 7)
"""Thursday to Monday, and the Friday before: the newest five working days."""
WORKING_10 = [*WORKING_5, *before(FRIDAY, 8, 9, 10, 11, 14)]


def use(event: int, window: int | None = None) -> list[int]:
    """A day that uses `event` Wh in the hours 18 and 19, `window` in 14 to 16, and 50 otherwise."""
    hours = [50] * 24
    hours[14:17] = [event if window is None else window] * 3
    hours[18:20] = [event] * 2
    return hours


def wh(method, given_evidence) -> list[int]:
    return baseline(method, given_evidence).wh.tolist()


# --- worked by hand -----------------------------------------------------------------------------


def test_pjm_takes_the_four_highest_of_five_and_adds_the_days_difference():
    """Mean of 100, 110, 130, 120 = 115; the window has 10 less than its usual 115: 105."""
    habits = dict(zip(WORKING_5, map(use, (100, 110, 130, 90, 120)), strict=True))
    found = baseline(PJM_HIGH_4_OF_5, evidence({**habits, FRIDAY: use(0, window=105)}))

    assert found.wh.tolist() == [-105, -105]
    assert found.days == (WORKING_5[2], WORKING_5[4], WORKING_5[1], WORKING_5[0])


def test_caiso_takes_ten_of_ten_and_scales_by_at_most_a_fifth():
    """Mean of 100 × 5 and 120 × 5 = 110; window 99 of 110 → 0.9; 44 of 110 → 0.8 and no less."""
    habits = {day: use(100 + 20 * (i % 2)) for i, day in enumerate(WORKING_10)}

    assert wh(CAISO_10_OF_10, evidence({**habits, FRIDAY: use(0, window=99)})) == [-99, -99]
    assert wh(CAISO_10_OF_10, evidence({**habits, FRIDAY: use(0, window=44)})) == [-88, -88]
    assert wh(CAISO_10_OF_10, evidence({**habits, FRIDAY: use(0, window=500)})) == [-132, -132]


def test_nyiso_takes_the_five_highest_of_ten_and_scales_by_two_hours():
    """Highest five: 110, 120 .. 150 → 130. Its window is 14 and 15 o'clock alone: 117 of 130."""
    levels = (100, 110, 120, 130, 140, 150, 90, 80, 70, 60)
    habits = {day: use(level) for day, level in zip(WORKING_10, levels, strict=True)}
    today = use(0, window=117)
    today[16] = 10_000

    assert wh(NYISO_HIGH_5_OF_10, evidence({**habits, FRIDAY: today})) == [-117, -117]


def test_meter_before_is_the_last_reading_before_the_event():
    hourly = replace(METER_BEFORE_METER_AFTER, before=Window(3600, 0))
    today = [50] * 24
    today[17] = 77

    assert wh(hourly, evidence({FRIDAY: today})) == [-77, -77]


def test_the_hours_before_and_after_make_the_same_day_baseline():
    """Hours 14, 15, 16 and 21, 22: (10 + 20 + 30 + 40 + 53) / 5 = 30.6; two periods: 61 Wh."""
    today = [1_000] * 24
    today[14:17], today[21:23] = [10, 20, 30], [40, 53]

    assert wh(PJM_SAME_DAY_3_PLUS_2, evidence({FRIDAY: today})) == [-31, -30]


def test_a_declared_schedule_is_its_own_baseline():
    at = evidence({FRIDAY: 0}).event
    schedule = Declaration(at[0] * 3600 - 3600, at[0] - 1, np.array([-1, -70, 20, -3]))

    assert wh(DECLARED_SCHEDULE, evidence({FRIDAY: 0}, declaration=schedule)) == [-70, 20]


def test_an_added_adjustment_has_its_cap_too():
    """Usual 100; 60 more in each hour of the window, but at most 20 % of the event's 200 Wh."""
    capped = replace(
        PJM_HIGH_4_OF_5, adjustment=Adjustment(Fit.ADD, Window(10_800, 3600), Fraction(1, 5))
    )
    habits = dict.fromkeys(WORKING_5, use(100))

    assert wh(capped, evidence({**habits, FRIDAY: use(0, window=160)})) == [-120, -120]
    assert wh(capped, evidence({**habits, FRIDAY: use(0, window=90)})) == [-90, -90]


def test_a_point_that_injects_has_a_baseline_like_any_other():
    habits = dict.fromkeys(WORKING_10, use(-100))
    there = evidence({**habits, FRIDAY: use(0, window=-110)})

    assert wh(CAISO_10_OF_10, there) == [110, 110]
    assert wh(PJM_HIGH_4_OF_5, there) == [110, 110]


# --- which days count ---------------------------------------------------------------------------


def days_of(method, given_evidence) -> set[date]:
    return set(baseline(method, given_evidence).days)


def test_event_days_and_weekends_and_days_with_gaps_give_way_to_older_ones():
    habits = dict.fromkeys(before(FRIDAY, *range(20)), use(100))
    there = evidence(
        habits,
        event_days=[WORKING_10[0], FRIDAY],
        missing=[(WORKING_10[1], 18), (WORKING_10[2], 14)],
    )

    assert days_of(PJM_HIGH_4_OF_5, there) <= set(WORKING_10[3:8])


def test_a_gap_where_the_method_does_not_look_does_not_matter():
    habits = dict.fromkeys(before(FRIDAY, *range(20)), use(100))
    there = evidence(habits, missing=[(WORKING_10[1], 3)])

    assert WORKING_10[1] in days_of(CAISO_10_OF_10, there)


def test_a_weekend_is_measured_by_weekends_and_a_holiday_is_a_sunday():
    saturday, sunday = date(2016, 7, 30), date(2016, 7, 31)
    habits = dict.fromkeys(before(sunday, *range(40)), use(100))

    found = days_of(PJM_HIGH_4_OF_5, evidence(habits, on=saturday))
    assert found == set(before(saturday, 7, 14))
    both = days_of(CAISO_10_OF_10, evidence(habits, on=sunday))
    assert both == {saturday, *before(sunday, 7, 8, 14)}
    holiday = days_of(PJM_HIGH_4_OF_5, evidence(habits, on=sunday, holidays=[date(2016, 7, 27)]))
    assert date(2016, 7, 27) in holiday


def test_a_day_of_low_use_gives_way_to_an_older_one():
    """20 is less than a quarter of (4 × 100 + 20) / 5 = 84; and just one of (4 × 95 + 20) / 5 = 80."""
    method = replace(PJM_HIGH_4_OF_5, choices=(replace(PJM_HIGH_4_OF_5.choices[0], highest=5),))
    habits = dict.fromkeys(WORKING_10, use(100)) | {FRIDAY: use(100)}

    low = baseline(method, evidence({**habits, WORKING_5[1]: use(20)}))
    other = dict.fromkeys(habits, use(95))
    enough = baseline(method, evidence({**other, WORKING_5[1]: use(20)}))

    assert WORKING_5[1] not in low.days
    assert WORKING_10[5] in low.days
    assert WORKING_5[1] in enough.days


def test_days_too_long_ago_do_not_count():
    one = replace(PJM_HIGH_4_OF_5, choices=(Choice(frozenset(DayKind), 1, 1, 1),))
    today = {FRIDAY: use(100)}

    assert len(days_of(one, evidence(today | dict.fromkeys(before(FRIDAY, 45), use(100))))) == 1
    with pytest.raises(TooFewDays, match="there are 0"):
        baseline(one, evidence(today | dict.fromkeys(before(FRIDAY, 46), use(100))))


def test_readings_end_where_they_end():
    two = Readings.complete(10, np.array([1, 2]))

    assert two.of(range(10, 12)).tolist() == [1, 2]
    assert [two.of(periods) for periods in (range(9, 11), range(11, 13), range(0))] == [None] * 3


# --- days of 23 and of 25 hours -----------------------------------------------------------------

BERLIN = "Europe/Berlin"
PLAIN = XOfY("plain", (Choice(frozenset(DayKind), 1, 1, 1),), 45, None, None)
"""The day before as it was."""


def clock_use(day: date) -> list[int]:
    """Use = the hour the clock shows, of a local day in Berlin."""
    return [seconds // 3600 for seconds in hourly_day(day, BERLIN).clock]


@pytest.mark.parametrize(
    ("on", "hours", "expected"),
    [
        (date(2016, 10, 31), range(18, 20), [-18, -19]),  # the day before has 25 hours
        (date(2016, 10, 30), range(19, 21), [-18, -19]),  # this day has 25 hours
        (date(2016, 10, 30), range(1, 5), [-1, -2, -2, -3]),  # 2 o'clock twice, once the day before
        (date(2016, 10, 31), range(1, 4), [-1, -2, -3]),  # 2 o'clock once, twice the day before
        (date(2016, 3, 28), range(18, 20), [-18, -19]),  # the day before has 23 hours
        (date(2016, 3, 27), range(17, 19), [-18, -19]),  # this day has 23 hours
    ],
)
def test_the_clock_on_the_wall_says_which_hours_are_alike(on, hours, expected):
    (yesterday,) = before(on, 1)
    habits = {day: clock_use(day) for day in (yesterday, on)}

    assert wh(PLAIN, evidence(habits, hours, on=on, timezone=BERLIN)) == expected


def test_the_second_of_two_equal_hours_is_the_second_where_there_are_two():
    on = date(2016, 10, 30)
    twice = hourly_day(on, BERLIN)

    assert [twice.at_the_time_of(p, twice) for p in twice.periods] == list(twice.periods)


@pytest.mark.parametrize("hours", [range(2, 3), range(1, 4)])
def test_a_day_whose_clock_skips_an_hour_of_the_event_does_not_count(hours):
    on = date(2016, 3, 28)
    habits = {day: clock_use(day) for day in before(on, 0, 1, 2)}

    found = baseline(PLAIN, evidence(habits, hours, on=on, timezone=BERLIN))

    assert found.days == (date(2016, 3, 26),)


# --- what always holds --------------------------------------------------------------------------

daily = st.lists(st.integers(-5_000, 5_000), min_size=5, max_size=5)
habit_of_two_weeks = st.lists(daily, min_size=15, max_size=15)
loads = st.lists(st.integers(0, 5_000), min_size=5, max_size=5)
loads_of_two_weeks = st.lists(loads, min_size=15, max_size=15)


def history(levels: list[list[int]]) -> Evidence:
    """Fifteen days until Friday: use in the hours 14, 15, 16, 18 and 19, otherwise 7 Wh."""
    days = before(FRIDAY, *range(14, -1, -1))
    habits = {}
    for day, (a, b, c, d, e) in zip(days, levels, strict=True):
        hours = [7] * 24
        hours[14:17], hours[18:20] = [a, b, c], [d, e]
        habits[day] = hours
    return evidence(habits)


def added(there: Evidence, wh: int) -> Evidence:
    """The same with so much more injected in every period."""
    readings = there.readings
    return replace(
        there, readings=Readings(readings.first_period, readings.wh + wh, readings.present)
    )


ADDED = replace(PJM_HIGH_4_OF_5, low_use=None)
UNFITTED = replace(ADDED, adjustment=None)
AVERAGE = replace(CAISO_10_OF_10, adjustment=None)


@pytest.mark.parametrize("method", [ADDED, UNFITTED, AVERAGE, PJM_SAME_DAY_3_PLUS_2])
@settings(max_examples=40)
@given(levels=habit_of_two_weeks, more=st.integers(-5_000, 5_000))
def test_what_is_always_there_is_in_the_baseline(method, levels, more):
    """A constant load behind the meter moves the baseline by exactly that load."""
    there = history(levels)

    assert wh(method, added(there, more)) == [each + more for each in wh(method, there)]


@pytest.mark.parametrize("method", [UNFITTED, AVERAGE, ADDED])
@settings(max_examples=40)
@given(levels=habit_of_two_weeks, day=st.integers(0, 13), more=st.integers(0, 9_000))
def test_more_use_in_the_events_hours_never_lowers_the_baseline_of_the_event(
    method, levels, day, more
):
    """Days are chosen by their use in the event's hours, the window has its own days' means."""
    same_window = [[100, 100, 100, *level[3:]] for level in levels]
    raised = [list(level) for level in same_window]
    raised[day][3] += more

    assert sum(wh(method, history(raised))) <= sum(wh(method, history(same_window)))


@settings(max_examples=40)
@given(levels=habit_of_two_weeks, more=st.integers(0, 9_000))
def test_more_use_in_the_window_of_the_day_never_lowers_an_added_baseline(levels, more):
    raised = [list(level) for level in levels]
    raised[-1][0] += more

    assert sum(wh(ADDED, history(raised))) <= sum(wh(ADDED, history(levels)))


@pytest.mark.parametrize("method", [PJM_HIGH_4_OF_5, CAISO_10_OF_10, NYISO_HIGH_5_OF_10])
@settings(max_examples=40)
@given(levels=habit_of_two_weeks, event_day=st.integers(0, 2), other=daily)
def test_what_was_used_on_event_days_changes_nothing(method, levels, event_day, other):
    changed = [*levels[: 11 + event_day], other, *levels[12 + event_day :]]
    activated = frozenset(before(FRIDAY, 3 - event_day))

    def found(use: list[list[int]]) -> list[int] | str:
        try:
            return wh(method, replace(history(use), event_days=activated))
        except (TooFewDays, OppositeSigns) as error:
            return str(error)

    assert found(changed) == found(levels)


@pytest.mark.parametrize("method", [CAISO_10_OF_10, NYISO_HIGH_5_OF_10])
@pytest.mark.parametrize(
    ("usual", "window", "event"),
    [(-5, 150, 100), (150, -5, 100), (-100, -50, 100), (100, 50, -100), (100, -50, -100)],
)
def test_a_ratio_of_opposite_signs_is_no_baseline(method, usual, window, event):
    """Exporting 5 Wh as a rule and importing 150 today is no load thirty times as high, turned round."""
    habits = {day: use(event, window=usual) for day in WORKING_10}
    there = evidence({**habits, FRIDAY: use(0, window=window)})
    with pytest.raises(OppositeSigns, match=r"P1 on 2016-07-29: net injection of .* says nothing"):
        baseline(method, there)
    assert len(baseline(PJM_HIGH_4_OF_5, there).wh) == 2  # a sum has no sign to turn


@pytest.mark.parametrize("method", [CAISO_10_OF_10, NYISO_HIGH_5_OF_10])
def test_a_window_without_use_has_no_sign(method):
    habits = {day: use(100, window=0) for day in WORKING_10}
    assert wh(method, evidence({**habits, FRIDAY: use(0, window=50)})) == [-100, -100]
    habits = {day: use(100, window=50) for day in WORKING_10}
    assert wh(method, evidence({**habits, FRIDAY: use(0, window=0)})) == [-80, -80]


@settings(max_examples=40)
@given(levels=loads_of_two_weeks)
def test_a_scaled_baseline_stays_within_its_cap(levels):
    there = history(levels)
    plain, fitted = sum(wh(AVERAGE, there)), sum(wh(CAISO_10_OF_10, there))

    assert abs(fitted - plain) <= abs(plain) / 5 + 1.1  # each sum is rounded once


@given(st.lists(st.fractions(-1_000, 1_000, max_denominator=60), max_size=30))
def test_rounding_keeps_the_sum(exact):
    whole = rounded(exact)

    assert abs(int(whole.sum()) - sum(exact)) <= Fraction(1, 2)
    assert all(abs(int(one) - wh) <= 1 for one, wh in zip(whole, exact, strict=True))


def test_the_mean_of_equal_days_is_the_day():
    habits = {day: range(100, 124) for day in before(FRIDAY, *range(30))}

    for method in (PJM_HIGH_4_OF_5, CAISO_10_OF_10, NYISO_HIGH_5_OF_10):
        assert wh(method, evidence(habits)) == [-118, -119]


# --- refused ------------------------------------------------------------------------------------


def test_too_few_days_are_refused_by_point_day_and_rule():
    habits = dict.fromkeys([FRIDAY, *WORKING_5[:4]], use(100))

    with pytest.raises(TooFewDays) as refused:
        baseline(CAISO_10_OF_10, evidence(habits))

    for part in ("P1", "2016-07-29", "caiso-10-of-10", "needs 5", "45 before", "there are 4"):
        assert part in str(refused.value)


@pytest.mark.parametrize(
    ("method", "hour", "rule"),
    [
        (PJM_HIGH_4_OF_5, 15, "same-day adjustment"),
        (PJM_SAME_DAY_3_PLUS_2, 21, "pjm-same-day-3-plus-2"),
    ],
)
def test_a_gap_on_the_events_own_day_is_refused(method, hour, rule):
    habits = dict.fromkeys([FRIDAY, *WORKING_5], use(100))

    with pytest.raises(MissingReading, match=f"P1 on 2016-07-29: {rule} needs the readings"):
        baseline(method, evidence(habits, missing=[(FRIDAY, hour)]))


def test_what_was_used_in_the_event_itself_is_not_needed():
    habits = dict.fromkeys([FRIDAY, *WORKING_5], use(100))
    there = evidence(habits, missing=[(FRIDAY, 18), (FRIDAY, 19)])

    assert wh(PJM_HIGH_4_OF_5, there) == [-100, -100]


def test_a_schedule_must_be_there_in_time():
    start = evidence({FRIDAY: 0}).event[0]
    late = Declaration(start * 3600 - 3599, start, np.array([1, 2]))
    short = Declaration(0, start, np.array([1]))

    for declaration, error, text in (
        (None, MissingDeclaration, "nothing is declared"),
        (short, MissingDeclaration, f"period {start + 1} is not declared"),
        (late, LateDeclaration, f"the deadline was {start * 3600 - 3600}"),
    ):
        with pytest.raises(error, match=f"P1: declared-schedule: .*{text}"):
            baseline(DECLARED_SCHEDULE, evidence({FRIDAY: 0}, declaration=declaration))


def test_windows_are_whole_periods():
    with pytest.raises(ImpossibleMethod, match="900 s are not whole periods of 3600 s"):
        baseline(METER_BEFORE_METER_AFTER, evidence({FRIDAY: 0}))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Window(0, 0),
        lambda: Window(900, -1),
        lambda: Choice(frozenset(DayKind), 5, 4, 1),
        lambda: Choice(frozenset(DayKind), 4, 5, 6),
        lambda: Adjustment(Fit.ADD, Window(900, 0), Fraction(-1, 5)),
        lambda: SameDay("x", Window(-900, 0), None),
    ],
)
def test_impossible_parameters_are_refused(make):
    with pytest.raises(ImpossibleMethod):
        make()


def test_a_method_without_a_choice_for_the_day_says_so():
    working_only = replace(PJM_HIGH_4_OF_5, choices=PJM_HIGH_4_OF_5.choices[:1])

    with pytest.raises(ImpossibleMethod, match="pjm-high-4-of-5: has no choice of days for a sat"):
        baseline(working_only, evidence({date(2016, 7, 30): 0}, on=date(2016, 7, 30)))


def test_evidence_that_contradicts_itself_is_refused():
    there = evidence(dict.fromkeys(before(FRIDAY, 0, 1), 5))
    midnight = there.days[1].periods[0]
    wh = np.array([1, 2])

    for make, text in (
        (lambda: replace(there, event=range(midnight - 1, midnight + 1)), "one of the days"),
        (lambda: replace(there, event=range(5, 5)), "a run of periods"),
        (lambda: replace(there, event=there.event[::-1]), "a run of periods"),
        (lambda: replace(there, days=there.days[::-1]), "in order, each once"),
        (lambda: replace(there.days[0], clock=(0,)), "1 clock times"),
        (lambda: Readings(0, wh, np.array([True])), "differ in shape"),
        (lambda: Readings(0, wh, np.array([True, False])), "0 where not present"),
        (lambda: Readings.complete(0, wh / 2), "whole numbers"),
        (lambda: Declaration(0, 0, wh / 2), "declaration: wh must be whole"),
    ):
        with pytest.raises(ImpossibleEvidence, match=text):
            make()


def test_every_method_has_a_name_of_its_own():
    assert len({method.name for method in METHODS}) == len(METHODS)
