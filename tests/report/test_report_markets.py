"""Reports of markets whose trades the network judges: how far orders got, and what the page shows of it."""

import io
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from gridbourse.report import html
from gridbourse.report import terminal as tables
from gridbourse.report.markets import by_market, has_trades, lives
from gridbourse.report.record import ReportError, RunRecord
from gridbourse.report.summary import summary
from tests.report.report_records import hand_record

FIRST = 1_626_480
_ORDERS = [
    "period", "market", "point_id", "route", "side", "wh", "price_micro_eur_per_wh", "fill_wh",
    "rejected_wh", "delivered_wh", "paid_micro_eur",
]  # fmt: skip


@pytest.fixture
def traded() -> RunRecord:
    """The hand record, its trades made in a book and in private.

    In the book S sold 500 Wh at 100 and, a period later, 1,000 Wh, of which B takes 800; 300 Wh more
    were rejected. In private 40 Wh at 120.
    """
    orders = pd.DataFrame(
        [
            (FIRST, "order_book", "S", "mandate", "offer", 600, 90, 500, 0, 500, 50_000),
            (FIRST, "order_book", "B", "signed", "bid", 500, 110, 500, 0, 500, 50_000),
            (FIRST + 1, "order_book", "S", "mandate", "offer", 2500, 150, 1000, 300, 1000, 200_000),
            (FIRST + 1, "order_book", "B", "own", "bid", 1300, 250, 1000, 300, 800, 200_000),
            (FIRST + 1, "over_the_counter", "S", "signed", "offer", 40, 120, 40, 0, 40, 4_800),
            (FIRST + 1, "over_the_counter", "B", "signed", "bid", 40, 120, 40, 0, 40, 4_800),
            (FIRST + 2, "order_book", "B", "signed", "bid", 300, 110, 0, 0, 0, 0),
        ],
        columns=_ORDERS,
    )
    trades = pd.DataFrame(
        [
            (FIRST, "order_book", "S", "B", 500, 100, False),
            (FIRST + 1, "order_book", "S", "B", 1000, 200, False),
            (FIRST + 1, "order_book", "S", "B", 300, 200, True),
            (FIRST + 1, "over_the_counter", "S", "B", 40, 120, False),
        ],
        columns=list(hand_record().trades.columns),
    )
    return hand_record(markets=["order_book", "over_the_counter"], orders=orders, trades=trades)


def test_how_far_the_orders_of_each_market_got(traded: RunRecord) -> None:
    book, private = by_market(traded)
    assert book == {
        "market": "order_book",
        "orders": 5,
        "ordered_wh": 600 + 500 + 2500 + 1300 + 300,
        "traded_wh": 2 * (500 + 1000 + 300),
        "rejected_wh": 600,
        "booked_wh": 3000,
        "delivered_wh": 2800,
        "trades": 3,
        "rejected": 1,
        "price_micro_eur_per_wh": round(250_000 / 1500, 3),
        "paid_micro_eur": 250_000,
    }
    assert (private["trades"], private["rejected"], private["price_micro_eur_per_wh"]) == (
        1,
        0,
        120,
    )
    assert summary(traded)["markets"]["over_the_counter"]["paid_micro_eur"] == 4_800


def test_a_pool_has_no_trades_of_its_own() -> None:
    record = hand_record()
    assert not has_trades(record)
    (pool,) = by_market(record)
    assert (pool["trades"], pool["rejected"]) == (None, None)
    assert lives(record).empty


def test_a_market_without_trade_has_no_price(traded: RunRecord) -> None:
    traded.orders = traded.orders.iloc[:0]
    traded.trades = traded.trades.iloc[:0]
    assert [row["price_micro_eur_per_wh"] for row in by_market(traded)] == [None, None]


def test_the_life_of_each_order_in_words(traded: RunRecord) -> None:
    told = lives(traded).set_index(["market", "period", "point_id"])["life"]
    assert told["order_book", FIRST, "B"] == "delivered and paid"
    assert told["order_book", FIRST, "S"] == "traded in part"
    assert told["order_book", FIRST + 1, "B"] == "rejected in part by the network"
    assert told["order_book", FIRST + 2, "B"] == "found nobody"
    assert told["over_the_counter", FIRST + 1, "S"] == "delivered and paid"


def test_an_order_that_was_rejected_whole_or_not_delivered(traded: RunRecord) -> None:
    traded.orders.loc[0, ["fill_wh", "rejected_wh", "delivered_wh"]] = [0, 500, 0]
    traded.orders.loc[1, "delivered_wh"] = 300
    told = lives(traded).set_index(["market", "period", "point_id"])["life"]
    assert told["order_book", FIRST, "S"] == "rejected by the network"
    assert told["order_book", FIRST, "B"] == "paid, not all delivered"


def test_the_page_shows_the_markets_in_place_of_a_curve(tmp_path: Path, traded: RunRecord) -> None:
    page = html.write(traded, tmp_path / "report.html").read_text("utf-8")
    assert "Clearing at" not in page
    assert "order book, over the counter" in page
    for words in ("Every trade", "The life of orders", "rejected in part by the network", "€0.25"):
        assert words in page
    assert page.count("<svg") == 6


def test_the_page_of_an_auction_shows_no_trades(tmp_path: Path) -> None:
    page = html.write(hand_record(), tmp_path / "report.html").read_text("utf-8")
    assert "Clearing at" in page
    assert "Every trade" not in page


def test_a_day_without_any_trade_is_drawn(tmp_path: Path, traded: RunRecord) -> None:
    traded.trades = traded.trades.iloc[:0]
    traded.orders = traded.orders.iloc[:0]
    page = html.write(traded, tmp_path / "report.html").read_text("utf-8")
    assert "No trade" in page


@pytest.mark.parametrize("width", [80, 100])
def test_the_terminal_has_a_row_a_market(traded: RunRecord, width: int) -> None:
    out = Console(width=width, record=True, file=io.StringIO())
    tables.print_summary(traded, console=out)
    said = out.export_text()
    assert "Markets, kWh of buyers and sellers together" in said
    assert "Delivered" in said
    assert "…" not in said
    auction = Console(width=width, record=True, file=io.StringIO())
    tables.print_summary(hand_record(), console=auction)
    assert "Markets, kWh" not in auction.export_text()


@pytest.mark.parametrize(
    ("table", "column", "value", "message"),
    [
        ("orders", "market", "bazaar", "orders.market, row 0: 'bazaar' is none of call_auction"),
        ("trades", "market", "bazaar", "trades.market, row 0: 'bazaar' is none of call_auction"),
    ],
)
def test_an_unknown_market_is_refused(
    traded: RunRecord, table: str, column: str, value: str, message: str
) -> None:
    frame = getattr(traded, table).copy()
    frame.loc[0, column] = value
    others = {name: getattr(traded, name) for name in ("orders", "trades")}
    with pytest.raises(ReportError, match=message):
        hand_record(**others | {table: frame})
