"""What a report says of homes with scheduled devices, and that it says nothing where there are none."""

from pathlib import Path

import pandas as pd
import pytest

from gridbourse.report import html
from gridbourse.report.homes import comparison
from gridbourse.report.record import HOME_COLUMNS, ReportError, RunRecord
from gridbourse.report.summary import summary
from tests.report.report_records import hand_record


def homes() -> pd.DataFrame:
    """Two homes: S pays less with the manager though its battery wears, B pays more."""
    table = pd.DataFrame(0, index=pd.Index(["S", "B"], name="point_id"), columns=list(HOME_COLUMNS))
    table.loc["S", ["pv_wh", "self_used_managed_wh", "self_used_unmanaged_wh"]] = (3000, 2000, 1000)
    table.loc["S", ["cost_managed_micro_eur", "wear_managed_micro_eur"]] = (100_000, 5_000)
    table.loc["S", "cost_unmanaged_micro_eur"] = 105_001
    table.loc["B", ["cost_managed_micro_eur", "cost_unmanaged_micro_eur"]] = (70_000, 60_000)
    table.loc["B", ["ev_managed_wh", "ev_unmanaged_wh"]] = (800, 900)
    return table


def test_the_figures_are_those_of_the_table() -> None:
    figures = comparison(hand_record(homes=homes()))
    assert (figures["homes"], figures["better"], figures["worse"]) == (2, 1, 1)
    assert figures["managed"]["cost_micro_eur"] == 170_000
    assert figures["managed"]["wear_micro_eur"] == 5_000
    assert figures["managed"]["self_consumption"] == pytest.approx(2 / 3)
    assert figures["unmanaged"]["self_consumption"] == pytest.approx(1 / 3)
    assert figures["unmanaged"]["ev_wh"] == 900


def test_homes_are_saved_loaded_and_shown(tmp_path: Path) -> None:
    record = hand_record(homes=homes())
    record.save(tmp_path / "record")
    loaded = RunRecord.load(tmp_path / "record")
    pd.testing.assert_frame_equal(loaded.homes, record.homes)
    page = html.write(loaded, tmp_path / "report.html").read_text("utf-8")
    assert "1 pay less with the manager, 1 pay more" in page
    assert "66.7%" in page


def test_a_run_without_homes_says_nothing_of_them(tmp_path: Path) -> None:
    record = hand_record()
    record.save(tmp_path / "record")
    assert not (tmp_path / "record" / "homes.parquet").exists()
    assert "homes" not in summary(RunRecord.load(tmp_path / "record"))
    assert "The homes" not in html.write(record, tmp_path / "report.html").read_text("utf-8")


def test_a_table_that_lacks_a_column_is_refused() -> None:
    with pytest.raises(ReportError, match="homes: lacks the column pv_wh"):
        hand_record(homes=homes().drop(columns="pv_wh"))
