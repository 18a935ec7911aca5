"""The record: what goes in comes out, and what is wrong is named."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gridbourse.errors import GridbourseError
from gridbourse.report.record import ReportError, RunRecord
from tests.report.report_records import day_record, hand_record


@pytest.mark.parametrize("make", [hand_record, day_record])
def test_what_was_saved_is_loaded(tmp_path: Path, make: Any) -> None:
    record = make()
    record.save(tmp_path / "new" / "folder")
    again = RunRecord.load(tmp_path / "new" / "folder")
    for field in fields(RunRecord):
        before, after = getattr(record, field.name), getattr(again, field.name)
        if isinstance(before, pd.DataFrame):
            pd.testing.assert_frame_equal(after, before, check_index_type=False)
        else:
            assert after == before, field.name


def test_a_missing_price_stays_missing(tmp_path: Path, record: RunRecord) -> None:
    record.save(tmp_path)
    prices = RunRecord.load(tmp_path).periods["price_micro_eur_per_wh"]
    assert prices.isna().tolist() == [False, False, True]
    assert prices.dtype == "Int64"


def test_periods_are_put_in_order(record: RunRecord) -> None:
    mixed = hand_record(periods=record.periods.iloc[::-1])
    pd.testing.assert_frame_equal(mixed.periods, record.periods)


def test_local_time_knows_both_hours_of_a_clock_change(record: RunRecord) -> None:
    # On 30 October 2016 Berlin saw 02:30 twice, at 00:30 and at 01:30 UTC.
    twice = [int(pd.Timestamp(f"2016-10-30 {h}:30Z").timestamp()) // 900 for h in ("00", "01")]
    assert [record.local(p).strftime("%H:%M %Z") for p in twice] == ["02:30 CEST", "02:30 CET"]


def test_numpy_numbers_from_a_run_can_be_saved(tmp_path: Path) -> None:
    verdict = {
        "period": np.int64(1),
        "market": "call_auction",
        "round": np.int64(1),
        "kind": "capped",
        "explanation": [],
    }
    hand_record(verdicts=[verdict], readings=np.int64(6), wall_s=np.float64(1.5)).save(tmp_path)
    assert RunRecord.load(tmp_path).verdicts[0]["period"] == 1


@pytest.mark.parametrize(
    ("table", "column", "value", "said"),
    [
        ("periods", "verdict", "maybe", "periods.verdict"),
        ("orders", "side", "buy", "orders.side"),
        ("orders", "route", "fax", "orders.route"),
        ("periods", "matched_wh", 0.5, "periods.matched_wh"),
        ("participants", "bill_micro_eur", None, "participants.bill_micro_eur"),
        ("gas", "gas", "much", "gas.gas"),
    ],
)
def test_a_wrong_value_is_refused_by_name(
    record: RunRecord, table: str, column: str, value: Any, said: str
) -> None:
    frame = getattr(record, table).astype({column: object})
    frame.iloc[0, frame.columns.get_loc(column)] = value
    with pytest.raises(ReportError, match=said):
        hand_record(**{table: frame})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"timezone": "Europe/Nowhere"}, "timezone"),
        ({"timezone": "../etc/passwd"}, "timezone"),
        ({"mtu_seconds": 0}, "mtu_seconds"),
        (
            {"verdicts": [{"period": 1, "market": "call_auction", "kind": "capped", "round": 1}]},
            "row 0: lacks explanation",
        ),
        ({"periods": hand_record().periods.iloc[:0]}, "at least one period"),
        ({"periods": hand_record().periods.drop(columns="gap_wh")}, "gap_wh"),
        ({"periods": pd.concat([hand_record().periods] * 2)}, "twice"),
    ],
)
def test_a_wrong_field_is_refused_by_name(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ReportError, match=said):
        hand_record(**changes)


def test_a_folder_that_is_no_record_is_refused(tmp_path: Path, record: RunRecord) -> None:
    with pytest.raises(GridbourseError, match="not a run record"):
        RunRecord.load(tmp_path)
    record.save(tmp_path)
    text = (tmp_path / "record.json").read_text(encoding="utf-8")
    (tmp_path / "record.json").write_text(text.replace('"format": 3', '"format": 2'))
    with pytest.raises(ReportError, match="format"):
        RunRecord.load(tmp_path)
