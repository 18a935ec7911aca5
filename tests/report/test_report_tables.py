"""The terminal: narrow enough, and ending with where to look."""

import io

import pytest
from rich.console import Console

from gridbourse.report import formatting as words
from gridbourse.report.record import RunRecord
from gridbourse.report.terminal import over_periods, print_summary
from tests.report.report_records import day_record, hand_record


def _printed(record: RunRecord, width: int) -> str:
    out = Console(file=io.StringIO(), width=width)
    print_summary(record, "out/demo/report.html", ["make it yours: see the README"], out)
    return out.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [80, 100, 240])
def test_the_summary_fits_and_nothing_is_cut(width: int) -> None:
    for record in (hand_record(), day_record(people=1), day_record()):
        text = _printed(record, width)
        assert max(len(line.rstrip()) for line in text.splitlines()) <= min(width, 100)
        assert "…" not in text


def test_the_summary_ends_with_the_report_and_what_to_do_next(record: RunRecord) -> None:
    lines = _printed(record, 100).splitlines()
    assert "out/demo/report.html" in lines[-3]
    assert lines[-1].endswith("make it yours: see the README")


def test_a_broken_identity_shows() -> None:
    assert "0 µEUR ✓" in _printed(hand_record(), 100)
    assert "-3 µEUR ✗" in _printed(hand_record(money_sum_micro_eur=-3), 100)


def test_the_bar_hands_on_every_period_once() -> None:
    out = Console(file=io.StringIO(), width=100)
    assert list(over_periods([5, 6, 9], 900, "Europe/Berlin", out)) == [5, 6, 9]
    assert "3/3" in out.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (words.euro(1_234_560_000), "€1,234.56"),
        (words.euro(-4_000), "€0.00"),
        (words.euro(-5_100), "−€0.01"),
        (words.euro(20_000, signed=True), "+€0.02"),
        (words.price(123), "12.3 ct/kWh"),
        (words.price(None), "–"),
        (words.energy(999), "999 Wh"),
        (words.energy(1_500), "1.5 kWh"),
        (words.energy(12_340_000), "12.3 MWh"),
        (words.share(0.4567), "45.7%"),
        (words.name("import_fee"), "Grid fee, imported"),
        (words.name("DSO"), "DSO"),
        (words.name("market_fee"), "Market fee"),
    ],
)
def test_numbers_as_a_reader_wants_them(said: str, expected: str) -> None:
    assert said == expected
