"""The HTML report: complete, alone, and right on the odd days."""

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from matplotlib import dates as mdates
from matplotlib.figure import Figure

from gridbourse.report import html, money_flow, pictures, style
from gridbourse.report.record import ReportError, RunRecord
from tests.report.report_records import day_record, hand_record


class _Page(HTMLParser):
    """Collects what a browser would fetch, the element ids, and unclosed tags."""

    VOID = frozenset({"meta", "br", "link", "img", "input", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        for key, value in attrs:
            if key in {"src", "href", "xlink:href", "srcset", "data", "action", "poster"}:
                self.fetched.append(value or "")
            if key == "id":
                self.ids.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _write(record: RunRecord, folder: Path, period: int | None = None) -> str:
    return html.write(record, folder / "new" / "report.html", period).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def summer_day() -> RunRecord:
    return day_record()


def test_the_page_fetches_nothing(tmp_path: Path, summer_day: RunRecord) -> None:
    text = _write(summer_day, tmp_path)
    page = _Page(text)
    assert page.fetched, "the pictures refer to their own parts"
    assert all(address.startswith("#") for address in page.fetched)
    assert {a[1:] for a in page.fetched} <= set(page.ids)
    assert set(re.findall(r"url\(#([^)]*)\)", text)) <= set(page.ids)
    assert not re.search(r"@import|url\((?!#)|<script|<link", text)


def test_the_page_is_sound_html(tmp_path: Path, summer_day: RunRecord) -> None:
    page = _Page(_write(summer_day, tmp_path))
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))


def test_the_page_says_the_figures(tmp_path: Path, record: RunRecord) -> None:
    text = _write(record, tmp_path)
    for said in (
        "1.5 kWh", "16.7 ct/kWh", "+€0.27", "85.0%", "56.7%", "1 of 3", "Money sums to 0 µEUR",
        "Energy gap 0 Wh", "Line L1 would carry 120.0 % of its rating.",
        "Synthetic data, no licence needed.", "Clearing at 14:15 CEST", "1.0 kWh at 20.0 ct/kWh",
    ):  # fmt: skip
        assert said in text, said


def test_every_participant_is_in_the_table(tmp_path: Path, summer_day: RunRecord) -> None:
    text = _write(summer_day, tmp_path)
    for point in summer_day.participants.index:
        assert f"<td>{point}</td>" in text


def test_a_broken_identity_shows(tmp_path: Path) -> None:
    text = _write(hand_record(money_sum_micro_eur=-3, energy_gap_wh=12), tmp_path)
    assert "✗ Money sums to -3 µEUR" in text
    assert "✗ Energy gap 12 Wh" in text


def test_words_from_data_are_escaped(tmp_path: Path) -> None:
    text = _write(hand_record(description="<b>bold</b>", attribution="A & B"), tmp_path)
    assert "&lt;b&gt;bold&lt;/b&gt;" in text
    assert "A &amp; B" in text


def test_the_curve_is_of_the_busiest_period_or_the_one_asked_for(
    tmp_path: Path, record: RunRecord
) -> None:
    first = int(record.periods.index[0])
    assert pictures.busiest_period(record) == first + 1
    assert "Clearing at 14:00 CEST" in _write(record, tmp_path, first)
    with pytest.raises(ReportError, match="curve_period: 7 is not in the run"):
        _write(record, tmp_path, 7)


def test_a_day_without_trade(tmp_path: Path) -> None:
    quiet = day_record(people=6, trade=False, pv_factor=1.0)
    text = _write(quiet, tmp_path)
    assert "no period traded" in text
    assert "No trade" in text
    assert "Nobody gained or lost" in text
    orders = quiet.periods["bid_wh"] + quiet.periods["offer_wh"]
    assert pictures.busiest_period(quiet) == orders.idxmax()


def test_a_run_without_orders_or_payments(tmp_path: Path, record: RunRecord) -> None:
    nothing = record.periods.assign(bid_wh=0, offer_wh=0, matched_wh=0)
    nothing["price_micro_eur_per_wh"] = pd.array([None] * 3, dtype="Int64")
    empty = {"orders": record.orders.iloc[:0], "money": record.money.iloc[:0], "verdicts": []}
    text = _write(hand_record(periods=nothing, gas=record.gas.iloc[:0], **empty), tmp_path)
    assert "No orders" in text
    assert "No payments" in text
    assert "Every period passed as cleared." in text


def test_one_participant(tmp_path: Path) -> None:
    assert "1 participant ·" in _write(day_record(people=1), tmp_path)


def _axis_labels(record: RunRecord) -> tuple[list[str], list[float], float]:
    """Texts and places (hours since the first edge) of the time axis, and its length in hours."""
    with style.drawing():
        axis = Figure().add_subplot()
        _, edges = style.whole_span(record)
        style.local_time_axis(axis, record, edges)
    places = [round((tick - edges[0]) * 24, 6) for tick in axis.get_xticks()]
    return [t.get_text() for t in axis.get_xticklabels()], places, (edges[-1] - edges[0]) * 24


@pytest.mark.parametrize(
    ("day", "hours", "three_o_clock"),
    [("2016-06-14", 24, 3), ("2016-03-27", 23, 2), ("2016-10-30", 25, 4)],
)
def test_the_time_axis_of_a_daylight_saving_day(day: str, hours: int, three_o_clock: int) -> None:
    labels, places, length = _axis_labels(day_record(day, people=2))
    assert labels == [f"{h:02}:00" for h in (0, 3, 6, 9, 12, 15, 18, 21, 0)]
    assert places[:2] == [0, three_o_clock]
    assert length == pytest.approx(hours)
    assert places[-1] == hours


def test_holes_between_periods_are_not_drawn_over(record: RunRecord) -> None:
    holed = hand_record(periods=record.periods.iloc[[0, 2]])
    table, edges = style.whole_span(holed)
    assert table["matched_wh"].isna().tolist() == [False, True, False]
    assert mdates.num2date(edges[0]).timestamp() == record.periods.index[0] * 900
    assert len(edges) == 4


def test_payments_are_summed_and_turned_to_positive() -> None:
    money = pd.DataFrame(
        [
            ("a", "b", "energy", 5),
            ("a", "b", "energy", 4),
            ("b", "a", "energy", -2),
            ("a", "c", "retail", -7),
            ("c", "d", "spread", 0),
        ],
        columns=["payer", "payee", "kind", "micro_eur"],
    )
    assert money_flow.flows(money).to_records(index=False).tolist() == [
        ("a", "b", "energy", 11),
        ("c", "a", "retail", 7),
    ]


def test_a_picture_is_well_formed_and_named(record: RunRecord) -> None:
    with style.drawing():
        svg = style.inline_svg(money_flow.picture(record.money), "money", 'Who paid "whom"')
    root = ET.fromstring(svg)
    assert root.get("aria-label") == 'Who paid "whom"'
    assert root.get("viewBox")
    assert root.get("width") is None
