"""The canonical bytes of a baseline's inputs: equal for equal inputs alone, and readable by anyone."""

import hashlib
from dataclasses import replace
from datetime import date
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbourse.model.flexibility.baseline.canonical import canonical, read
from gridbourse.model.flexibility.baseline.compute import baseline
from gridbourse.model.flexibility.baseline.errors import UnreadableEvidence
from gridbourse.model.flexibility.baseline.evidence import Declaration, Readings
from gridbourse.model.flexibility.baseline.methods import (
    CAISO_10_OF_10,
    DECLARED_SCHEDULE,
    METHODS,
    PJM_HIGH_4_OF_5,
    PJM_SAME_DAY_3_PLUS_2,
)
from gridbourse.model.periods import Mtu
from tests.model.flexibility.habits import FRIDAY, before, evidence

HABITS = {day: range(100 + i, 124 + i) for i, day in enumerate(before(FRIDAY, *range(16)))}
START = evidence({FRIDAY: 0}).event[0]
SCHEDULE = Declaration(0, START, np.array([-5, -6]))
GIVEN = evidence(HABITS, event_days=[FRIDAY, *before(FRIDAY, 3)], declaration=SCHEDULE)
BYTES = canonical(CAISO_10_OF_10, GIVEN)


@pytest.mark.parametrize(
    "method", [m for m in METHODS if m.name != "meter-before-meter-after"], ids=lambda m: m.name
)
def test_who_reads_the_bytes_recomputes_the_same_baseline(method):
    written = canonical(method, GIVEN)
    read_method, there = read(written)

    assert read_method == method
    assert canonical(read_method, there) == written
    again, first = baseline(read_method, there), baseline(method, GIVEN)
    assert (again.wh.tolist(), again.days) == (first.wh.tolist(), first.days)


def test_the_bytes_do_not_change_between_versions():
    """A hash on the chain is for ever. A new form of the bytes has a new version."""
    assert BYTES.endswith(b',"version":"gridbourse baseline 1"}')
    assert hashlib.sha256(BYTES).hexdigest() == (
        "fd9ee1386e43146f973c2843fe8c49e40de02a141270f9d6a0e9c8332e13912b"
    )


def test_the_same_inputs_made_another_way_have_the_same_bytes():
    there = replace(
        GIVEN,
        event_days=frozenset(sorted(GIVEN.event_days, reverse=True)),
        readings=Readings(
            np.int64(GIVEN.readings.first_period),  # type: ignore[arg-type]
            GIVEN.readings.wh.astype(np.int32),
            GIVEN.readings.present.copy(),
        ),
    )

    assert canonical(CAISO_10_OF_10, there) == BYTES


def with_reading(row: int, wh: int, present: bool = True) -> Readings:
    given_wh, there = GIVEN.readings.wh.copy(), GIVEN.readings.present.copy()
    given_wh[row], there[row] = wh, present
    return Readings(GIVEN.readings.first_period, given_wh, there)


@pytest.mark.parametrize(
    "changed",
    [
        replace(GIVEN, point="P2"),
        replace(GIVEN, event=GIVEN.event[:1]),
        replace(GIVEN, days=GIVEN.days[1:]),
        replace(GIVEN, event_days=frozenset({FRIDAY})),
        replace(GIVEN, mtu=Mtu(1800)),
        replace(GIVEN, declaration=None),
        replace(GIVEN, declaration=replace(SCHEDULE, made_at_unix=1)),
        replace(GIVEN, readings=with_reading(5, int(GIVEN.readings.wh[5]) - 1)),
        replace(GIVEN, readings=with_reading(5, 0, present=False)),
        replace(GIVEN, readings=with_reading(5, 0)),
    ],
)
def test_other_evidence_has_other_bytes(changed):
    assert canonical(CAISO_10_OF_10, changed) != BYTES
    assert canonical(*read(canonical(CAISO_10_OF_10, changed))) != BYTES


def test_another_parameter_has_other_bytes():
    fit = CAISO_10_OF_10.adjustment
    assert fit is not None
    others = [
        replace(CAISO_10_OF_10, lookback_days=44),
        replace(CAISO_10_OF_10, low_use=Fraction(1, 4)),
        replace(CAISO_10_OF_10, adjustment=None),
        replace(CAISO_10_OF_10, adjustment=replace(fit, cap=Fraction(1, 4))),
        PJM_HIGH_4_OF_5, PJM_SAME_DAY_3_PLUS_2, DECLARED_SCHEDULE,
    ]  # fmt: skip

    assert len({canonical(method, GIVEN) for method in [CAISO_10_OF_10, *others]}) == 8


@given(row=st.integers(0, 16 * 24 - 1), wh=st.integers(-(2**40), 2**40))
@settings(max_examples=30)
def test_every_reading_is_committed_to(row, wh):
    changed = canonical(CAISO_10_OF_10, replace(GIVEN, readings=with_reading(row, wh)))

    assert (changed == BYTES) is (wh == int(GIVEN.readings.wh[row]))


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"[]", b"7", b"\xff", b"[" * 100_000,
        BYTES + b" ",
        BYTES.replace(b'"version":"gridbourse baseline 1"', b'"version":"another"'),
        BYTES.replace(b'"is":"XOfY"', b'"is":"XOfZ"'),
        BYTES.replace(b'"is":"Readings"', b'"is":"Numbers"'),
        BYTES.replace(b'"1/5"', b'"2/10"'),
        BYTES.replace(b'"1/5"', b'"1/0"'),
        BYTES.replace(b'"highest":10', b'"highest":11'),
        BYTES.replace(b'"seconds":3600', b'"seconds":3601'),
        BYTES.replace(b'"working"', b'"idle"'),
        BYTES.replace(date.isoformat(FRIDAY).encode(), b"2016-07-32"),
    ],
)  # fmt: skip
def test_other_bytes_are_refused(data):
    assert data != BYTES
    with pytest.raises(UnreadableEvidence, match="evidence: "):
        read(data)


@given(place=st.integers(0, len(BYTES) - 1), byte=st.integers(0, 255))
@settings(max_examples=60)
def test_bytes_with_a_fault_are_refused_or_mean_something_else(place, byte):
    damaged = BYTES[:place] + bytes([byte]) + BYTES[place + 1 :]
    try:
        found = canonical(*read(damaged))
    except UnreadableEvidence:
        return
    assert found == damaged
