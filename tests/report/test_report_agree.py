"""One number, one figure: what is printed, what the page shows and what summary.json has are the same."""

import io
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gridbourse.report import formatting as words
from gridbourse.report import html
from gridbourse.report.record import RunRecord
from gridbourse.report.summary import bills_table, summary
from gridbourse.report.terminal import print_summary
from tests.report.report_records import day_record, hand_record

Shown = Callable[[dict[str, Any]], str]
PRINTED: dict[str, Shown] = {
    "Traded locally": lambda f: words.energy(f["matched_wh"]),
    "Mean price": lambda f: words.price(f["price_micro_eur_per_wh"]["mean"]),
    "Accepted as cleared": lambda f: words.count(f["verdicts"]["accepted"]),
    "Capped": lambda f: words.count(f["verdicts"]["capped"]),
    "Fell back": lambda f: words.count(f["verdicts"]["fallback"]),
    "Curtailed": lambda f: words.energy(f["curtailed_wh"]),
    "Outside limits unchecked": lambda f: words.hours(f["hours_outside_limits"]["unchecked"]),
    "Outside limits after check": lambda f: words.hours(f["hours_outside_limits"]["checked"]),
    "Outside limits delivered": lambda f: words.hours(f["hours_outside_limits"]["delivered"]),
    "All, with the market": lambda f: words.euro(f["bills_micro_eur"]["with_market"]),
    "All, no market": lambda f: words.euro(f["bills_micro_eur"]["no_market"]),
    "All, no market, capped": lambda f: words.euro(f["bills_micro_eur"]["no_market_capped"]),
    "Gained together": lambda f: words.euro(f["bills_micro_eur"]["gain"], signed=True),
    "by the market": lambda f: words.euro(f["bills_micro_eur"]["by_market"], signed=True),
    "by curtailment": lambda f: words.euro(-f["bills_micro_eur"]["curtailment"], signed=True),
    "by its compensation": lambda f: words.euro(f["bills_micro_eur"]["compensation"], signed=True),
    "Better / worse / same": lambda f: f"{f['gainers']} / {f['losers']} / {f['unchanged']}",
    "Grid fees": lambda f: words.euro(f["fees_micro_eur"]["total"]),
    "Orders": lambda f: words.count(f["orders"]),
    "Readings": lambda f: words.count(f["readings"]),
}
TILES: dict[str, Shown] = {
    "Traded between neighbours": PRINTED["Traded locally"],
    "Mean price": PRINTED["Mean price"],
    "Gained against supplier alone": PRINTED["Gained together"],
    "Grid fees paid": PRINTED["Grid fees"],
    "Curtailed to keep the limits": PRINTED["Curtailed"],
}


@pytest.fixture(params=[hand_record, day_record])
def run(request: pytest.FixtureRequest) -> RunRecord:
    return request.param()


def printed(run: RunRecord) -> str:
    out = Console(file=io.StringIO(), width=100)
    print_summary(run, console=out)
    return out.file.getvalue()  # type: ignore[attr-defined]


@pytest.fixture
def page(run: RunRecord, tmp_path: Path) -> str:
    return html.write(run, tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_terminal_prints_what_the_summary_has(run: RunRecord) -> None:
    figures, said = summary(run), printed(run)
    for label, shown in PRINTED.items():
        pattern = rf"(?:^|\s\s|^\s+){re.escape(label)}\s\s+{re.escape(shown(figures))}(?:\s|$)"
        assert re.search(pattern, said, re.MULTILINE), (label, shown(figures), said)


def test_the_page_shows_what_the_summary_has(run: RunRecord, page: str) -> None:
    figures = summary(run)
    tiles = dict(re.findall(r'<div class="tile"><span>(.*?)</span><b>(.*?)</b>', page))
    for label, shown in TILES.items():
        assert unescape(tiles[label]) == shown(figures), label
    assert f"{figures['gainers']} better off, {figures['losers']} worse off" in page
    bills = figures["bills_micro_eur"]
    for said in (
        f"Together: {words.euro(bills['with_market'])} instead of {words.euro(bills['no_market'])}",
        f"Of the {words.euro(bills['gain'], signed=True)}, trading brought"
        f" {words.euro(bills['by_market'], signed=True)}, curtailment took"
        f" {words.euro(bills['curtailment'])}, and {words.euro(bills['compensation'])} came back",
        f"it would have been {words.euro(bills['no_market_capped'])}.",
    ):
        assert said in page, said


def test_the_rows_of_the_page_are_the_participants_and_sum_to_the_bills(
    run: RunRecord, page: str
) -> None:
    table = bills_table(run)
    rows = re.findall(r"<tr><td class=\"n\">\d+</td><td>(.*?)</td>(.*?)</tr>", page)
    assert [point for point, _ in rows] == list(
        table.sort_values("gain_micro_eur", ascending=False, kind="stable").index
    )
    columns = (
        "bill_micro_eur", "no_market_micro_eur", "no_market_capped_micro_eur", "gain_micro_eur",
        "by_market_micro_eur",
    )  # fmt: skip
    for point, cells in rows:
        shown = re.findall(r">([^<]*)</td>", cells)[:7]
        person = table.loc[point]
        plain = [
            words.euro(person[name], signed="by_" in name or "gain" in name) for name in columns
        ]
        cost = words.euro(-person["curtailment_micro_eur"], signed=True)
        back = words.euro(person["compensation_micro_eur"], signed=True)
        assert shown == [*plain, cost, back], point


def test_where_a_gain_comes_from_adds_up(run: RunRecord) -> None:
    table, bills = bills_table(run), summary(run)["bills_micro_eur"]
    parts = (
        table["by_market_micro_eur"] - table["curtailment_micro_eur"]
        + table["compensation_micro_eur"]
    )  # fmt: skip
    assert (parts == table["gain_micro_eur"]).all()
    assert bills["gain"] == bills["with_market"] - bills["no_market"]
    assert bills["curtailment"] == bills["no_market"] - bills["no_market_capped"]
    assert bills["gain"] == bills["by_market"] - bills["curtailment"] + bills["compensation"]
    for name, column in (
        ("with_market", "bill_micro_eur"), ("no_market", "no_market_micro_eur"),
        ("no_market_capped", "no_market_capped_micro_eur"), ("gain", "gain_micro_eur"),
    ):  # fmt: skip
        assert bills[name] == table[column].sum()


def test_a_participant_that_lost_more_than_it_gained_is_no_winner() -> None:
    people = hand_record().participants
    people["bill_micro_eur"] = [190_000, -330_000]  # of S 40,000 were curtailed, 30,000 earned
    run = hand_record(participants=people)
    figures = summary(run)
    assert (figures["gainers"], figures["losers"]) == (1, 1)
    assert list(bills_table(run).sort_values("gain_micro_eur").index) == ["S", "B"]
