"""Who is metered at a point that several had in turn."""

from pathlib import Path

import pytest

from gridbourse.metering.corrections import Known, read_corrections
from gridbourse.metering.errors import ReadingError, Rule
from gridbourse.metering.points import Holders, read_numbers
from gridbourse.model.periods import Mtu

SPANS = {8: (10, 20), 9: (20, 2**32 - 1), 10: (15, 30)}


def test_every_row_of_a_point_counts(tmp_path: Path) -> None:
    path = tmp_path / "participants.csv"
    path.write_text("point_id,number,account\nP1,8,x\nP2,10,x\nP1,9,x\n")
    assert read_numbers(path) == {"P1": (8, 9), "P2": (10,)}


def test_a_number_of_two_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "participants.csv"
    path.write_text("point_id,number\nP1,8\nP2,8\n")
    with pytest.raises(ReadingError, match="line 3, column number: participant 8 is there twice"):
        read_numbers(path)


def test_of_several_the_member_of_the_period_is_metered() -> None:
    holders = Holders({"P1": (8, 9), "P2": (8,)}, SPANS.__getitem__)
    found = [holders.at("P1", period) for period in (9, 10, 19, 20, 99)]
    assert found == [None, 8, 8, 9, 9]
    assert [holders.at("P2", 99), holders.at("P3", 10)] == [8, None]


def test_two_members_at_one_meter_are_refused() -> None:
    holders = Holders({"P1": (8, 10)}, SPANS.__getitem__)
    with pytest.raises(ReadingError, match="'P1' is of participants 8 and 10 in period 15"):
        holders.at("P1", 15)


def test_a_correction_of_a_point_is_of_who_was_settled_there(tmp_path: Path) -> None:
    def is_settled(number: int, period: int) -> bool:
        first, end = SPANS[number]
        return first <= period < end

    known = Known({"P1": (8, 9), "P2": (8, 10)}, dict.fromkeys(SPANS, 100), is_settled, Mtu(900))
    path = tmp_path / "corrections.csv"
    path.write_text("point,period,wh\nP1,19,5\nP1,20,6\nP1,9,7\nP2,15,8\n")

    found = read_corrections(path, known)

    assert found.readings == {19: {8: 5}, 20: {9: 6}}
    assert [(r.row, r.rule) for r in found.refusals] == [(4, Rule.EXPECTED), (5, Rule.METER)]
