"""What a report says of flexibility, and that it says nothing where there is none."""

import io
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from gridbourse.report import flexibility, html
from gridbourse.report import terminal as tables
from gridbourse.report.record import FLEXIBILITY_COLUMNS, ReportError, RunRecord
from gridbourse.report.summary import summary
from tests.report.report_records import hand_record

FIRST = 1_626_480
"""Of the record made by hand."""


def requests() -> pd.DataFrame:
    """DSO: 800 Wh down, of 600 bought 500 delivered at 40; B for itself: 300 up, all delivered at 100."""
    rows = [
        (FIRST, 0, "dso", "congestion", "down", "village", 800, 900, 600, 50, 200, 500, 60, 20_000,
         2_000, 4_800, -47_500),
        (FIRST + 1, 0, "dso", "congestion", "down", "village", 100, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
        (FIRST + 1, 1, "B", "support", "up", "village", 300, 300, 300, 0, 0, 300, 0, 30_000, 0, 0, 0),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(FLEXIBILITY_COLUMNS))


def test_sums_by_kind_of_buyer_product_and_direction() -> None:
    found = flexibility.figures(hand_record(flexibility=requests()))
    assert (found["requests"], found["asked_wh"], found["delivered_wh"]) == (3, 1_200, 800)
    assert found["minted_wh"] == 800
    dso, own = found["by_product"]
    assert (dso["buyer"], dso["requests"], dso["rejected_wh"]) == ("dso", 2, 50)
    assert dso["price_micro_eur_per_wh"] == 40
    assert (own["buyer"], own["price_micro_eur_per_wh"]) == ("participants", 100)
    nothing = flexibility.figures(hand_record(flexibility=requests().iloc[[1]]))
    assert nothing["price_micro_eur_per_wh"] is None


def test_it_is_saved_loaded_and_shown(tmp_path: Path) -> None:
    record = hand_record(flexibility=requests())
    record.save(tmp_path / "record")
    loaded = RunRecord.load(tmp_path / "record")
    pd.testing.assert_frame_equal(loaded.flexibility, record.flexibility)
    assert summary(loaded)["flexibility"]["penalty_micro_eur"] == 4_800
    page = html.write(loaded, tmp_path / "report.html").read_text("utf-8")
    assert "<h2>Flexibility</h2>" in page
    assert "congestion down" in page
    out = io.StringIO()
    tables.print_summary(loaded, console=Console(file=out, width=100))
    assert "Flexibility, kWh" in out.getvalue()
    assert "support up" in out.getvalue()


def test_a_run_without_it_says_nothing_of_it(tmp_path: Path) -> None:
    record = hand_record()
    record.save(tmp_path / "record")
    assert not (tmp_path / "record" / "flexibility.parquet").exists()
    assert "flexibility" not in summary(RunRecord.load(tmp_path / "record"))
    page = html.write(record, tmp_path / "report.html").read_text("utf-8")
    assert "<h2>Flexibility</h2>" not in page


def test_a_table_without_a_column_is_refused() -> None:
    with pytest.raises(ReportError, match="flexibility: lacks the column off_wh"):
        hand_record(flexibility=requests().drop(columns="off_wh"))
