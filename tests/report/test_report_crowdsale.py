"""A campaign in the report, against mental arithmetic."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gridbourse.report import html
from gridbourse.report import terminal as tables
from gridbourse.report.crowdsale import campaign_figures, method
from gridbourse.report.record import ReportError, RunRecord
from gridbourse.report.summary import summary
from tests.report.report_records import hand_record

FIRST = 1_626_480
EURO = 1_000_000
ROWS = (
    # produced, used, exported, feed-in, premium, avoided, bill, without, alone
    (1000, 200, 800, 64_000, 16_000, 28_000, 75_000, -28_000, -79_000),
    (500, 100, 400, 32_000, 8_000, 14_000, 37_000, -14_000, -39_500),
    (0, 0, 0, 0, 0, 0, -30_000, -30_000, -39_500),
)
NAMES = (
    "produced_wh", "used_wh", "exported_wh", "feed_in_micro_eur", "premium_micro_eur",
    "avoided_micro_eur", "bill_micro_eur", "without_micro_eur", "alone_micro_eur",
)  # fmt: skip


def campaign(**changes: Any) -> dict[str, Any]:
    """1.2 kWh of exports earn 0.12 EUR, of which half is for the holders, who gave 1,000 EUR."""
    return {
        "name": "barn", "phase": "operating",
        "states": [["draft", 1_700_000_000], ["operating", 1_700_200_000]],
        "point_id": "S", "watt_peak": 2_000, "form": "profit share", "value": 500,
        "term_periods": 20 * 365 * 96, "goal_micro_eur": 900 * EURO,
        "milestones": {"ordered": 400 * EURO, "built": 500 * EURO},
        "funded_micro_eur": 1_000 * EURO, "released_micro_eur": 1_000 * EURO,
        "withdrawn_micro_eur": 1_000 * EURO, "due_micro_eur": 60_000, "collected_micro_eur": 50_000,
        "holders": [
            {"name": "B", "public": False, "stake_micro_eur": 900 * EURO, "claimed_micro_eur": 45_000},
            {"name": "Ada", "public": True, "stake_micro_eur": 100 * EURO, "claimed_micro_eur": 4_999},
        ],
        "panel_days": {"summer": [9_000, 3_000, 6_000], "winter": [3_000, 1_000, 2_000]},
        "income": [
            {"period": FIRST + at} | dict(zip(NAMES, row, strict=True)) for at, row in enumerate(ROWS)
        ],
    } | changes  # fmt: skip


@pytest.fixture
def record() -> RunRecord:
    return hand_record(crowdsale=campaign())


def figures_of(record: RunRecord) -> dict[str, Any]:
    figures = campaign_figures(record)
    assert figures is not None
    return figures


def test_money_goes_where_it_says(record: RunRecord) -> None:
    figures = figures_of(record)
    assert figures["energy"] == {"produced_wh": 1500, "used_wh": 300, "exported_wh": 1200}
    assert figures["income_micro_eur"] == {"feed_in": 96_000, "premium": 24_000, "total": 120_000}
    assert (figures["due_micro_eur"], figures["arrears_micro_eur"]) == (60_000, 10_000)
    assert (figures["claimed_micro_eur"], figures["remainder_micro_eur"]) == (49_999, 1)
    assert figures["funders"] == {"participants": 1, "public": 1}


def test_against_no_project(record: RunRecord) -> None:
    """82,000 instead of -72,000: 42,000 not bought, 120,000 earned, 8,000 lost by wrong forecasts."""
    figures = figures_of(record)
    assert figures["owner_bill_micro_eur"] == {
        "with_project": 82_000 - 50_000,
        "before_holders": 82_000,
        "no_project": -72_000,
        "no_project_supplier_alone": -158_000,
    }
    assert figures["project_gain_micro_eur"] == {
        "total": 154_000, "avoided": 42_000, "income": 120_000, "imbalance": -8_000,
    }  # fmt: skip


def test_a_year_is_the_seasons_mean_at_the_replays_prices(record: RunRecord) -> None:
    """2,000 Wh used a day at 140 µEUR, 4,000 exported at 100 µEUR less 6.67 for wrong forecasts."""
    year = figures_of(record)["year"]
    assert year["produced_wh"] == 6_000 * 365
    assert year["avoided_micro_eur"] == 2_000 * 365 * 140
    assert year["income_micro_eur"] == 4_000 * 365 * 100
    assert year["imbalance_micro_eur"] == round(-4_000 * 365 * 8_000 / 1_200)
    gain = 102_200_000 + 146_000_000 - 9_733_333
    assert year["gain_micro_eur"] == gain
    assert year["to_holders_micro_eur"] == 73_000_000
    assert year["to_owner_micro_eur"] == gain - 73_000_000
    back = figures_of(record)["payback_years"]
    assert back == {"project": round(1_000e6 / gain, 2), "holders": round(1_000 / 73, 2)}
    assert figures_of(record)["term_years"] == 20


def test_a_rent_is_due_whatever_is_exported() -> None:
    record = hand_record(crowdsale=campaign(form="rent", value=2_000))
    assert figures_of(record)["year"]["to_holders_micro_eur"] == 365 * 96 * 2_000


@pytest.mark.parametrize(
    "changes",
    [
        {"panel_days": {"summer": [9_000, 3_000, 6_000]}},
        {"income": [{"period": FIRST} | dict.fromkeys(NAMES, 0)]},
    ],
)
def test_no_year_is_made_of_one_season_or_of_a_night(changes: dict[str, Any]) -> None:
    figures = figures_of(hand_record(crowdsale=campaign(**changes)))
    assert (figures["year"], figures["payback_years"]) == (None, None)


def test_what_is_never_paid_back_says_so() -> None:
    """Half of the bill of night periods: it brings less than it costs."""
    rows = [row | {"bill_micro_eur": -(10**9)} for row in campaign()["income"]]
    figures = figures_of(hand_record(crowdsale=campaign(income=rows)))
    assert figures["payback_years"]["project"] is None


def test_a_run_without_a_campaign_has_none(record: RunRecord, tmp_path: Path) -> None:
    plain = hand_record()
    assert summary(plain)["crowdsale"] is None
    assert "The campaign" not in html.write(plain, tmp_path / "plain.html").read_text("utf-8")
    assert "The campaign" in html.write(record, tmp_path / "with.html").read_text("utf-8")


def test_the_page_says_the_figures_and_the_method(record: RunRecord, tmp_path: Path) -> None:
    page = html.write(record, tmp_path / "report.html").read_text("utf-8")
    for said in (
        "Barn: 2 kWp at S", "€1,000.00 of a goal of €900.00", "1 participant and 1 from outside",
        "50 % of what it earns by exporting", "€0.12", "0.045000 EUR", "13.7 years",
        method(record), "the cheapest it could have been",
    ):  # fmt: skip
        assert said in page, said
    assert page.count("<svg") == 6


def test_the_terminal_says_them_in_a_hundred_columns(record: RunRecord) -> None:
    out = Console(width=100, record=True, file=io.StringIO())
    tables.print_summary(record, console=out)
    said = out.export_text()
    assert "Campaign: barn" in said
    assert "Against no project" in said
    assert "13.7 years" in said
    assert all(len(line) <= 100 for line in said.splitlines())


def test_a_record_keeps_it(record: RunRecord, tmp_path: Path) -> None:
    record.save(tmp_path)
    again = RunRecord.load(tmp_path)
    assert again.crowdsale == record.crowdsale
    assert json.dumps(summary(again)["crowdsale"])


@pytest.mark.parametrize("key", ["name", "income", "panel_days"])
def test_a_campaign_that_lacks_something_is_refused(key: str) -> None:
    table = campaign()
    del table[key]
    with pytest.raises(ReportError, match=f"crowdsale: lacks {key}"):
        hand_record(crowdsale=table)


def test_income_that_lacks_something_is_refused() -> None:
    with pytest.raises(ReportError, match=r"crowdsale\.income, row 0: lacks period, produced_wh"):
        hand_record(crowdsale=campaign(income=[{}]))
