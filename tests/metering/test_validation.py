"""Every rule refuses what breaks it, by name and place, and lets the rest through."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from gridbourse.errors import GridbourseError
from gridbourse.metering.errors import ReadingError, Rule
from gridbourse.metering.signatures import sign_reading
from gridbourse.metering.sources import Columns, read
from gridbourse.metering.validation import Meters, validate
from tests.metering.meters import (
    BERLIN,
    FIRST,
    METERS,
    MTU,
    judge,
    local_day,
    refused,
    stamp,
    write,
)

WIDE = Columns(point=None, value=None)


def numbered(numbers: dict[str, int]) -> Callable[[str, int], int | None]:
    return lambda point, _: numbers.get(point)


@pytest.mark.parametrize(
    ("row", "rule", "reason"),
    [
        (("yesterday", "A", 1), Rule.TIME, "line 3, column time: 'yesterday' is not a time"),
        (("", "A", 1), Rule.TIME, "nothing is not a time"),
        (("2016-07-01T10:15:00", "A", 1), Rule.TIME, "no timezone is stated"),
        (("2016-07-01T10:20:00Z", "A", 1), Rule.GRID, "not on the start of a period of 900 s"),
        (("2016-07-01T10:15:00.001Z", "A", 1), Rule.GRID, "not on the start"),
        (("2016-07-01T11:30:00Z", "A", 1), Rule.EXPECTED, "not in 2016-07-01T10:00Z to"),
        ((stamp(1), "C", 1), Rule.METER, "column point: 'C' is not a known metering point"),
        ((stamp(1), "", 1), Rule.METER, "nothing is not a known"),
        ((stamp(1), "A", "12x"), Rule.NUMBER, "column wh: '12x' is not a finite number"),
        ((stamp(1), "A", ""), Rule.NUMBER, "nothing is not a finite number"),
        ((stamp(1), "A", "inf"), Rule.NUMBER, "'inf'"),
        ((stamp(1), "A", "nan"), Rule.NUMBER, "'nan'"),
        (
            (stamp(1), "A", 2501),
            Rule.RANGE,
            "2,501 Wh is more than the 2,500 Wh the connection of A",
        ),
        ((stamp(1), "A", -2501), Rule.RANGE, "-2,501 Wh"),
        ((stamp(1), "A", 1e300), Rule.RANGE, "is more than"),
    ],
)
def test_bad_row_between_good_ones(
    tmp_path: Path, row: tuple[Any, ...], rule: Rule, reason: str
) -> None:
    path = write(tmp_path / "m.csv", [(stamp(0), "A", 2500), row, (stamp(2), "A", -2500)])
    readings = judge(path, expected=range(FIRST, FIRST + 3))
    (refusal,) = (r for r in readings.refusals if r.rule != Rule.GAP)
    assert (refusal.rule, refusal.row) == (rule, 3)
    assert reason in str(refusal)
    assert list(readings.table["wh"]) == [2500, -2500]
    assert readings.by_period(numbered({"A": 7})) == {FIRST: {7: 2500}, FIRST + 2: {7: -2500}}


def test_a_register_that_counts_one_way_is_never_negative(tmp_path: Path) -> None:
    path = write(tmp_path / "m.csv", [(stamp(0), "A", 5), (stamp(1), "A", -1), (stamp(2), "A", 0)])
    assert refused(path) == []
    assert refused(path, one_way=True) == [(Rule.SIGN, 3)]
    (refusal,) = judge(path, one_way=True).refusals
    assert "line 3, column wh: '-1' must not be negative" in str(refusal)


def test_no_reading_is_absurd_enough_to_overflow_the_chain(tmp_path: Path) -> None:
    endless = Meters({"A": float("inf")})
    path = write(tmp_path / "m.csv", [(stamp(0), "A", 2**28 - 1), (stamp(1), "A", 2**28)])
    assert refused(path, meters=endless) == [(Rule.RANGE, 3)]


def test_equal_second_reading_is_refused_and_of_two_that_differ_both(tmp_path: Path) -> None:
    rows = [(stamp(0), "A", 5), (stamp(0), "A", 5), (stamp(0), "B", 5), (stamp(0), "B", 6)]
    path = write(tmp_path / "m.csv", rows)
    assert sorted(refused(path), key=str) == [(Rule.DUPLICATE, row) for row in (3, 4, 5)]
    assert judge(path).by_period(numbered({"A": 0, "B": 1})) == {FIRST: {0: 5}}


def test_gaps_are_told_stretch_by_stretch(tmp_path: Path) -> None:
    rows = [(stamp(k), "A", 1) for k in (0, 1, 4)] + [(stamp(k), "B", 1) for k in range(6)]
    path = write(tmp_path / "m.csv", rows)
    told = [str(refusal) for refusal in judge(path, expected=range(FIRST, FIRST + 6)).refusals]
    assert told == [
        "m.csv: no reading of A from 2016-07-01T10:30Z to 2016-07-01T11:00Z (2 periods) (rule gap)",
        "m.csv: no reading of A from 2016-07-01T11:15Z to 2016-07-01T11:30Z (1 period) (rule gap)",
    ]
    assert refused(path) == [(Rule.GAP, None)] * 2


def test_a_point_without_any_reading_is_a_gap_where_it_is_expected(tmp_path: Path) -> None:
    path = write(tmp_path / "m.csv", [(stamp(0), "A", 1)])
    assert refused(path) == []
    assert refused(path, expected=range(FIRST, FIRST + 1)) == [(Rule.GAP, None)]


def test_a_refused_row_is_not_a_gap_as_well(tmp_path: Path) -> None:
    path = write(tmp_path / "m.csv", [(stamp(k), "A", wh) for k, wh in enumerate((1, "x", 3))])
    assert refused(path) == [(Rule.NUMBER, 3)]


def test_a_fault_of_a_whole_row_or_column_is_told_once(tmp_path: Path) -> None:
    rows = [(stamp(0), 1, 2, 3), ("noon", 1, 2, 3), (stamp(1), 1, 2, "x")]
    path = write(tmp_path / "m.csv", rows, "time,A,B,Z")
    refusals = judge(path, WIDE).refusals
    assert [(r.rule, r.row, r.column) for r in refusals] == [
        (Rule.TIME, 3, "time"),
        (Rule.METER, None, "Z"),
    ]


def test_strict_mode_raises_one_line_with_everything_found(tmp_path: Path) -> None:
    path = write(tmp_path / "m.csv", [(stamp(k), "A", "x") for k in range(7)])
    with pytest.raises(ReadingError) as caught:
        validate(read(path, Columns()), METERS, MTU, listed=2)
    assert isinstance(caught.value, GridbourseError)
    assert len(caught.value.refusals) == 7
    first = caught.value.first
    assert (first.file, first.row, first.column, first.rule) == ("m.csv", 2, "wh", Rule.NUMBER)
    assert str(caught.value).count("rule number") == 2
    assert str(caught.value).endswith("; and 5 more")
    assert "\n" not in str(caught.value)


def test_a_day_of_25_hours_takes_the_doubled_hour_in_order(tmp_path: Path) -> None:
    times = local_day("2016-10-30")
    assert len(times) == 100
    path = write(tmp_path / "m.csv", [(t.isoformat(), "A", i) for i, t in enumerate(times)])
    readings = judge(path, BERLIN)
    assert readings.refusals == ()
    first = MTU.period_at(MTU.start(readings.table["period"].min()))
    assert f"{MTU.start(first):%d %H:%M}" == "29 22:00"
    assert list(readings.table["period"]) == list(range(first, first + 100))
    assert list(readings.table["wh"]) == list(range(100))


def test_points_take_the_doubled_hour_each_for_itself(tmp_path: Path) -> None:
    times = local_day("2016-10-30")[8:16]
    rows = [(t.isoformat(), point, i) for i, t in enumerate(times) for point in "AB"]
    readings = judge(write(tmp_path / "m.csv", rows), BERLIN)
    assert readings.refusals == ()
    assert list(readings.table["wh"]) == [i for i in range(8) for _ in "AB"]


def test_a_day_of_25_hours_given_24_is_refused_where_it_is_ambiguous(tmp_path: Path) -> None:
    times = local_day("2016-10-30").drop_duplicates()
    path = write(tmp_path / "m.csv", [(t.isoformat(), "A", 1) for t in times])
    refusals = judge(path, BERLIN).refusals
    assert [r.rule for r in refusals] == [Rule.DST] * 4 + [Rule.GAP]
    assert "is here once" in refusals[0].reason
    assert "2016-10-30 has 25 hours in Europe/Berlin" in refusals[-1].reason


def test_a_third_equal_local_time_is_a_duplicate(tmp_path: Path) -> None:
    path = write(tmp_path / "m.csv", [("2016-10-30T02:00", "A", 1)] * 3)
    assert (Rule.DUPLICATE, 4) in refused(path, BERLIN)


def test_a_day_of_23_hours(tmp_path: Path) -> None:
    times = local_day("2016-03-27")
    assert len(times) == 92
    path = write(tmp_path / "m.csv", [(t.isoformat(), "A", i) for i, t in enumerate(times)])
    readings = judge(path, BERLIN)
    assert readings.refusals == ()
    assert list(readings.table["period"].diff().dropna().unique()) == [1]


def test_a_skipped_local_time_is_refused(tmp_path: Path) -> None:
    times = ["2016-03-27T01:45", "2016-03-27T02:00", "2016-03-27T02:45", "2016-03-27T03:00"]
    path = write(tmp_path / "m.csv", [(t, "A", 1) for t in times])
    assert refused(path, BERLIN) == [(Rule.DST, 3), (Rule.DST, 4)]


def test_offsets_need_no_timezone_and_win_over_it(tmp_path: Path) -> None:
    rows = [("2016-10-30T02:00+02:00", "A", 1), ("2016-10-30T02:00+0100", "A", 2)]
    path = write(tmp_path / "m.csv", rows)
    for columns in (Columns(), BERLIN):
        assert [r.rule for r in judge(path, columns).refusals] == [Rule.GAP]  # the three between
        assert list(judge(path, columns).table["wh"]) == [1, 2]


def test_unknown_timezone(tmp_path: Path) -> None:
    path = write(tmp_path / "m.csv", [("2016-07-01T10:00", "A", 1)])
    with pytest.raises(ReadingError, match="timezone 'Mars/Olympus' is unknown"):
        judge(path, Columns(timezone="Mars/Olympus"))


KEY_A, KEY_B = "0x" + "a1" * 32, "0x" + "b2" * 32
SIGNED = Columns(signature="signature")
HEADER = "time,point,wh,signature"
OF_A = Meters(METERS.capacity_w, {"A": Account.from_key(KEY_A).address})


def test_a_signed_reading_goes_in(tmp_path: Path) -> None:
    path = write(
        tmp_path / "m.csv", [(stamp(0), "A", -5, sign_reading(KEY_A, "A", FIRST, -5))], HEADER
    )
    assert judge(path, SIGNED, meters=OF_A).by_period(numbered({"A": 0})) == {FIRST: {0: -5}}


@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        (sign_reading(KEY_B, "A", FIRST, 5), "is not the one of A's meter"),
        (sign_reading(KEY_A, "B", FIRST, 5), "is not the one of A's meter"),
        (sign_reading(KEY_A, "A", FIRST + 1, 5), "is not the one of A's meter"),
        (sign_reading(KEY_A, "A", FIRST, 6), "is not the one of A's meter"),
        (sign_reading(KEY_A, "A", FIRST, 5)[:-2], "is not the one of A's meter"),
        ("0x" + "00" * 65, "is not the one of A's meter"),
        ("scribble", "is not the one of A's meter"),
        ("", "is not signed"),
    ],
)
def test_a_wrong_signature_is_refused(tmp_path: Path, signature: str, reason: str) -> None:
    path = write(tmp_path / "m.csv", [(stamp(0), "A", 5, signature)], HEADER)
    readings = judge(path, SIGNED, meters=OF_A)
    (refusal,) = readings.refusals
    assert (refusal.rule, refusal.column) == (Rule.SIGNATURE, "signature")
    assert reason in refusal.reason
    assert readings.table.empty


def test_leaving_the_signature_column_out_does_not_help(tmp_path: Path) -> None:
    path = write(tmp_path / "m.csv", [(stamp(0), "A", 5), (stamp(0), "B", 5)])
    assert refused(path, meters=OF_A) == [(Rule.SIGNATURE, 2)]


def test_a_signature_nobody_can_check_is_refused(tmp_path: Path) -> None:
    rows = [(stamp(0), "B", 5, sign_reading(KEY_B, "B", FIRST, 5))]
    path = write(tmp_path / "m.csv", rows, HEADER)
    assert refused(path, SIGNED, meters=OF_A) == [(Rule.SIGNATURE, 2)]


def test_a_forged_second_reading_does_not_push_out_the_signed_one(tmp_path: Path) -> None:
    good = sign_reading(KEY_A, "A", FIRST, 5)
    path = write(tmp_path / "m.csv", [(stamp(0), "A", 5, good), (stamp(0), "A", 9, good)], HEADER)
    readings = judge(path, SIGNED, meters=OF_A)
    assert [(r.rule, r.row) for r in readings.refusals] == [(Rule.SIGNATURE, 3)]
    assert readings.by_period(numbered({"A": 0})) == {FIRST: {0: 5}}
